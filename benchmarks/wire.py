"""What is measured through a socket: each measure, and one cell of it (one target in one round)."""

from __future__ import annotations

import functools
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import data
from benchmarks.serving import Running

CLIENT_CORE = 0
"""The core of the client; the servers have the other."""
STALL = 0.3
"""Seconds that a slow client waits before it reads."""
MOST_BODY = 4 << 20
"""Bytes of an answer to a hostile field that are read; a longer one is hung up on: sending it is not the question."""

_SETTLE = 0.02
"""Seconds for a server to tidy up after its last answer, before its clock is read."""
_TIMEOUT = 60
_KIB = 1 << 10
_MIB = 1 << 20
_SOURCES = Path(__file__).with_name("client")


class Measure(NamedTuple):
    """One thing to measure.

    :param group: the part of the results that it belongs to: wire, ttfb, memory or hostile.
    :param path: what is asked for.
    :param shape: the ranges asked for, as the client's argument has it; of hostile fields the Range value itself.
    :param connections: requests under way at once.
    :param body: bytes of content in each answer; a multipart answer has up to 1 KiB more a part.
    :param parts: in each answer.
    :param status: of each answer; a hostile field may get another.
    """

    group: str
    name: str
    path: str
    shape: str
    connections: int = 1
    body: int = 0
    parts: int = 1
    status: str = "206"


class CellFailed(Exception):
    """Some request was not answered, or not as it should be; says how."""


def _single(name: str, size: int, connections: int, group: str = "wire") -> Measure:
    return Measure(group, name, "/1g", f"random:{size}", connections, size)


def _multi(name: str, count: int, size: int, connections: int, group: str = "wire") -> Measure:
    return Measure(group, name, "/1g", f"multi:{count}x{size}", connections, count * size, count)


def _whole(name: str, path: str, connections: int) -> Measure:
    return Measure("wire", name, path, "whole", connections, data.LENGTHS[path], status="200")


def _fixed(name: str, path: str, first_pos: int) -> Measure:
    return Measure("ttfb", name, path, f"fixed:bytes={first_pos}-{first_pos + _KIB - 1}", 1, _KIB)


def _hostile(name: str, ranges: list[str]) -> Measure:
    return Measure("hostile", name, "/1g", "bytes=" + ",".join(ranges))


def _one_byte_ranges(first_pos: int, count: int) -> list[str]:
    """Neighbours that do not touch."""
    return [f"{pos}-{pos}" for pos in range(first_pos, first_pos + 2 * count, 2)]


def _of_length(ranges: list[str], length: int) -> list[str]:
    """As many as fit into so many bytes."""
    return ",".join(ranges)[:length].split(",")[:-1]


MEASURES: tuple[Measure, ...] = (
    _single("range-4k", 4 * _KIB, 4),
    _single("range-64k", 64 * _KIB, 4),
    _single("range-1m", _MIB, 2),
    _single("range-16m", 16 * _MIB, 1),
    _single("range-512m", 512 * _MIB, 1),
    _multi("multi-2x4k", 2, 4 * _KIB, 2),
    _multi("multi-10x4k", 10, 4 * _KIB, 2),
    _multi("multi-100x4k", 100, 4 * _KIB, 2),
    _multi("multi-10x1m", 10, _MIB, 1),
    _whole("whole-1m", "/1m", 2),
    _whole("whole-1g", "/1g", 1),
    _whole("json", "/json", 4),
    _fixed("file-first", "/8g", 0),
    _fixed("file-last", "/8g", data.EIGHT_GIB - _KIB),
    _fixed("generator-first", "/gen", 0),
    _fixed("generator-last", "/gen", data.GIB - _KIB),
    _single("512m", 512 * _MIB, 1, "memory"),
    _multi("10x32m", 10, 32 * _MIB, 1, "memory"),
    _hostile("zeros-7800", ["0-"] * 2_600),
    _hostile("ones-900", _one_byte_ranges(0, 900)),
    _hostile("ones-10000", _one_byte_ranges(10_000, 10_000)),
    _hostile("one-mb", _of_length(_one_byte_ranges(0, 100_000), 1_000_000)),
)


def measure_cell(running: Running, measure: Measure, seconds: float, seed: int) -> Any:
    """What the results hold of one target in one round.

    :param seconds: of a cell on the wire; the others last as long as they need.
    :raises CellFailed: if a request of it failed, or an answer was not what was asked for. Not for hostile fields.
    """
    try:
        return _CELLS[measure.group](running, measure, seconds, seed)
    except OSError as exc:  # a process of the server went away while it was looked at
        raise CellFailed(str(exc)) from exc


def _wire_cell(running: Running, measure: Measure, seconds: float, seed: int) -> dict[str, float]:
    cpu, answers = _cpu_of(running, lambda: _ask(running, measure, seconds=seconds, seed=seed))
    _check_answers(measure, answers)
    kept = ("requests", "bytes", "elapsed_s", "p50_ms", "p99_ms", "client_cpu_s")
    return {"cpu_s": cpu, **{name: answers[name] for name in kept}}


def _ttfb_cell(running: Running, measure: Measure, seconds: float, seed: int) -> float:
    """Milliseconds; up to 50 requests, but one where that takes long."""
    answers = _ask(running, measure, seconds=max(seconds, 0.5), seed=seed, most=50)
    _check_answers(measure, answers)
    return float(answers["ttfb_ms"])


def _memory_cell(running: Running, measure: Measure, seconds: float, seed: int) -> int:
    """KiB at the peak, over what the server had before."""
    growth, answers = _growth_of(running, lambda: _ask(running, measure, seed=seed, most=1, stall=STALL))
    _check_answers(measure, answers)
    return growth


def _hostile_cell(running: Running, measure: Measure, seconds: float, seed: int) -> dict[str, float]:
    """Status 0 is that of a server that hangs up without an answer."""
    with tempfile.NamedTemporaryFile("w", suffix=".range") as field:
        field.write(measure.shape)
        field.flush()
        growth, (cpu, answers) = _growth_of(running, lambda: _cpu_of(running, lambda: _ask(
            running, measure, seconds=seconds, most=20, **{"most-body": MOST_BODY}, field=field.name)))
    asked = answers["requests"] + answers["errors"]
    status = max(answers["statuses"], key=answers["statuses"].get, default="0")
    length = answers["length"] if answers["length"] >= 0 else answers["bytes"] // max(answers["requests"], 1)
    return {"cpu_ms": cpu * 1_000 / asked, "growth_kib": growth, "status": int(status), "bytes": length}


_CELLS: dict[str, Callable[[Running, Measure, float, int], Any]] = {
    "wire": _wire_cell, "ttfb": _ttfb_cell, "memory": _memory_cell, "hostile": _hostile_cell}


def _cpu_of(running: Running, act: Callable[[], Any]) -> tuple[float, Any]:
    """The seconds of CPU that the server spent meanwhile, and what ``act`` returned.

    :raises CellFailed: if a process came or went: nobody knows any more what it spent.
    """
    pids, before = set(running.pids()), running.cpu_seconds()
    answers = act()
    time.sleep(_SETTLE)
    after = running.cpu_seconds()
    if not pids or pids != set(running.pids()):
        raise CellFailed("a process of the server ended or was started")
    return after - before, answers


def _growth_of(running: Running, act: Callable[[], Any]) -> tuple[int, Any]:
    """The KiB by which the server's memory grew at the peak, and what ``act`` returned."""
    running.reset_peak()
    before = running.rss_bytes()
    answers = act()
    return max(0, running.peak_bytes() - before) // _KIB, answers


def _check_answers(measure: Measure, answers: dict[str, Any]) -> None:
    """Content is checked byte by byte before anything is timed; here only that each answer is of that kind."""
    if answers["errors"]:
        raise CellFailed(f"{answers['errors']} of {answers['requests'] + answers['errors']}: {answers['reason']}")
    if set(answers["statuses"]) != {measure.status}:
        raise CellFailed(f"statuses {answers['statuses']}")
    least = measure.body * answers["requests"]
    most = least + (measure.parts * _KIB * answers["requests"] if measure.parts > 1 else 0)
    if not least <= answers["bytes"] <= most:
        raise CellFailed(f"{answers['bytes']} bytes, not {least}")


def _ask(running: Running, measure: Measure, **arguments: float | str) -> dict[str, Any]:
    """What the client says of its run.

    :raises CellFailed: if it cannot say anything.
    """
    host, port = running.address
    given = {"address": f"{host}:{port}", "path": measure.path, "connections": measure.connections,
             "size": data.LENGTHS[measure.path], "timeout": _TIMEOUT, **arguments}
    if "field" not in given:
        given["shape"] = measure.shape
    command = ["taskset", "--cpu-list", str(CLIENT_CORE), str(build_client())]
    command += [f"-{name}={value}" for name, value in given.items()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=5 * _TIMEOUT)
    except subprocess.CalledProcessError as exc:
        raise CellFailed(f"the client: {exc.stderr.strip()}") from exc
    except subprocess.TimeoutExpired as exc:
        raise CellFailed(f"no end within {5 * _TIMEOUT} s") from exc
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


@functools.cache
def build_client() -> Path:
    """The client's program, built once in a run, and only if its sources have changed."""
    program = data.ROOT / ".bench" / "client"
    program.parent.mkdir(exist_ok=True)
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=_SOURCES, check=True)
    return program
