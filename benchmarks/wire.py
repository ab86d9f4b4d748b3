"""The measures over sockets, and the code for one cell: one measure of one target in one round."""

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
"""The core that the client runs on; servers use the other one."""
STALL = 0.3
"""Seconds that a slow client waits before it reads."""
MOST_BODY = 4 << 20
"""Maximum bytes read of a response to a hostile header. The connection is closed then: sending is not measured here."""

_SETTLE = 0.02
"""Seconds for a server to clean up after its last response, before its CPU clock is read."""
_TIMEOUT = 60
_KIB = 1 << 10
_MIB = 1 << 20
_SOURCES = Path(__file__).with_name("client")


class Measure(NamedTuple):
    """A measure.

    :param group: section of the results: wire, ttfb, memory or hostile.
    :param path: requested URL path.
    :param shape: the requested ranges, as an argument for the client; for hostile headers the Range value itself.
    :param connections: number of concurrent requests.
    :param body: bytes of content in each response; multipart responses have up to 1 KiB more per part.
    :param parts: number of parts in each response.
    :param status: status of each response; hostile headers may get another.
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
    """A request failed or got a wrong response. The message says in which way."""


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
    """Return ranges of one byte with a gap of one byte between them."""
    return [f"{pos}-{pos}" for pos in range(first_pos, first_pos + 2 * count, 2)]


def _of_length(ranges: list[str], length: int) -> list[str]:
    """Join as many ranges as fit into ``length`` bytes, and return them."""
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
    """Measure one target in one round. Return the value for the results.

    :param seconds: duration of a throughput measurement; other cells take as long as they need.
    :raises CellFailed: if a request failed or got a wrong response, except for hostile headers.
    """
    try:
        return _CELLS[measure.group](running, measure, seconds, seed)
    except OSError as exc:  # a process of the server exited meanwhile
        raise CellFailed(str(exc)) from exc


def _wire_cell(running: Running, measure: Measure, seconds: float, seed: int) -> dict[str, float]:
    cpu, answers = _cpu_of(running, lambda: _ask(running, measure, seconds=seconds, seed=seed))
    _check_answers(measure, answers)
    kept = ("requests", "bytes", "elapsed_s", "p50_ms", "p99_ms", "client_cpu_s")
    return {"cpu_s": cpu, **{name: answers[name] for name in kept}}


def _ttfb_cell(running: Running, measure: Measure, seconds: float, seed: int) -> float:
    """Return the time to first byte in milliseconds, from up to 50 requests (one if it is slow)."""
    answers = _ask(running, measure, seconds=max(seconds, 0.5), seed=seed, most=50)
    _check_answers(measure, answers)
    return float(answers["ttfb_ms"])


def _memory_cell(running: Running, measure: Measure, seconds: float, seed: int) -> int:
    """Return the growth of the server's peak memory in KiB."""
    growth, answers = _growth_of(running, lambda: _ask(running, measure, seed=seed, most=1, stall=STALL))
    _check_answers(measure, answers)
    return growth


def _hostile_cell(running: Running, measure: Measure, seconds: float, seed: int) -> dict[str, float]:
    """Measure a hostile header. Status 0 means that the server closed the connection without a response."""
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
    """Call ``act``. Return the CPU seconds that the server used meanwhile, and the result.

    :raises CellFailed: if a process started or exited, because its CPU time is then unknown.
    """
    pids, before = set(running.pids()), running.cpu_seconds()
    answers = act()
    time.sleep(_SETTLE)
    after = running.cpu_seconds()
    if not pids or pids != set(running.pids()):
        raise CellFailed("a process of the server ended or was started")
    return after - before, answers


def _growth_of(running: Running, act: Callable[[], Any]) -> tuple[int, Any]:
    """Call ``act``. Return the growth of the server's peak memory in KiB, and the result."""
    running.reset_peak()
    before = running.rss_bytes()
    answers = act()
    return max(0, running.peak_bytes() - before) // _KIB, answers


def _check_answers(measure: Measure, answers: dict[str, Any]) -> None:
    """Check status and length of the responses. Their bytes have been checked before the measurements."""
    if answers["errors"]:
        raise CellFailed(f"{answers['errors']} of {answers['requests'] + answers['errors']}: {answers['reason']}")
    if set(answers["statuses"]) != {measure.status}:
        raise CellFailed(f"statuses {answers['statuses']}")
    least = measure.body * answers["requests"]
    most = least + (measure.parts * _KIB * answers["requests"] if measure.parts > 1 else 0)
    if not least <= answers["bytes"] <= most:
        raise CellFailed(f"{answers['bytes']} bytes, not {least}")


def _ask(running: Running, measure: Measure, **arguments: float | str) -> dict[str, Any]:
    """Run the client and return its report.

    :raises CellFailed: if there is no report.
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
    """Build the client once per run, if its sources have changed. Return its path."""
    program = data.ROOT / ".bench" / "client"
    program.parent.mkdir(exist_ok=True)
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=_SOURCES, check=True)
    return program
