"""Counts the work of the middleware without a clock: calls and bytecode instructions of a fixed set of requests.

``python -m tests.counting`` prints the counts on this Python, and bounds to go with them; ``python -m tests.counting
PYTHON ...`` does so for all of these Pythons. With ``--write`` first, the bounds also replace those in
``tests/test_work.py``. Nothing but the standard library is needed.

Work counts where the nearest caller that we know is rangeware: what it calls in the standard library is its own, what
the app and the server do is not.
"""

from __future__ import annotations

import builtins
import contextlib
import gc
import json
import math
import os
import subprocess
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import rangeware
from tests.counted_requests import DRIVERS, Request, prepared, serve

TURNS = 3
"""Times that each request is counted. Each asks for other positions, so that no cache hides work; the least counts,
so that what is done once a second does not."""
SLACK = 1.15
UNIT_SLACK = 1.1
"""How far over the highest count a bound is put: that of a request, which does many things once, and that of a unit of
work, which is one thing done many times."""
MOST = 2_000_000
"""Counting stops beyond this: what is so far over its bound need not keep anybody waiting."""

_ROOT = Path(__file__).resolve().parents[1]
_BOUNDED = _ROOT / "tests" / "test_work.py"
_PACKAGE = os.path.dirname(os.path.abspath(rangeware.__file__)) + os.sep
_DRIVERS = {__file__, *DRIVERS}


class Work(NamedTuple):
    """The work of the middleware for one request: Python functions entered (also a generator that is resumed), C
    functions called, and bytecode instructions executed."""

    calls: int
    c_calls: int
    instructions: int


class Rate(NamedTuple):
    """The work of one unit more: the difference of two requests by the number of units that one has more."""

    more: str
    fewer: str
    units: int

    def of(self, counts: dict[str, Work]) -> Work:
        """Work per unit, rounded up."""
        pairs = zip(counts[self.more], counts[self.fewer], strict=True)
        return Work(*(math.ceil((more - fewer) / self.units) for more, fewer in pairs))


RATES = {
    "a header field of the app": Rate("plain JSON under 52 header fields", "plain JSON", 50),
    "a range-spec": Rate("256 ranges that overlap", "10 ranges that overlap", 246),
    "a part": Rate("256 ranges of a file", "10 ranges of a file", 246),
    "a skipped block": Rate("last 1 KiB of 2,000 blocks", "last 1 KiB of 1,000 blocks", 1_000),
    "a skipped block of changing length": Rate("last 1 KiB of 2,000 uneven blocks", "last 1 KiB of 1,000 uneven blocks",
                                               1_000),
    "a MiB of a file": Rate("64 MiB of a file", "32 MiB of a file", 32),
}


def count(request: Request) -> Work:
    """The work of this request, once it has been asked before."""
    serve(request, 0)
    counted = [(*_calls(request, turn), _instructions(request, turn)) for turn in range(1, TURNS + 1)]
    return Work(*map(min, zip(*counted, strict=True)))


def count_all(names: tuple[str, ...] = ()) -> dict[str, Work]:
    """The work of each of these requests, by its name; without names, of all."""
    with prepared() as requests:
        return {name: count(requests[name]) for name in names or requests}


def _is_ours(frame: FrameType | None) -> bool:
    """True if rangeware is nearer to this frame, among its callers and itself, than the app and the server."""
    while frame is not None:
        file = frame.f_code.co_filename
        if file.startswith(_PACKAGE):
            return True
        if file in _DRIVERS:
            return False
        frame = frame.f_back
    return False


def _calls(request: Request, turn: int) -> tuple[int, int]:
    counted: Counter[str] = Counter()

    def profile(frame: FrameType, event: str, argument: object) -> None:
        if event in ("call", "c_call") and _is_ours(frame):
            counted[event] += 1
            if counted[event] > MOST:
                sys.setprofile(None)

    before = sys.getprofile()
    with _without_collector():
        sys.setprofile(profile)
        try:
            serve(request, turn)
        finally:
            sys.setprofile(before)
    return counted["call"], counted["c_call"]


def _instructions(request: Request, turn: int) -> int:
    with _without_collector(), (_monitored if sys.version_info >= (3, 12) else _traced)() as counted:
        serve(request, turn)
    return counted["instructions"]


@contextlib.contextmanager
def _traced() -> Iterator[Counter[str]]:
    counted: Counter[str] = Counter()

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        if not _is_ours(frame):
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return step

    def step(frame: FrameType, event: str, argument: object) -> Any:
        counted["instructions"] += event == "opcode"
        if counted["instructions"] > MOST:
            sys.settrace(None)
        return step

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield counted
    finally:
        sys.settrace(before)


@contextlib.contextmanager
def _monitored() -> Iterator[Counter[str]]:
    """Do as ``_traced`` does, for Pythons that leave instructions out when they trace."""
    counted: Counter[str] = Counter()
    monitoring: Any = sys.monitoring  # type: ignore[attr-defined]
    tool = next(number for number in range(6) if monitoring.get_tool(number) is None)

    def step(code: object, offset: int) -> None:
        counted["instructions"] += _is_ours(sys._getframe(1))
        if counted["instructions"] > MOST:
            monitoring.set_events(tool, 0)

    monitoring.use_tool_id(tool, __name__)
    monitoring.register_callback(tool, monitoring.events.INSTRUCTION, step)
    monitoring.set_events(tool, monitoring.events.INSTRUCTION)
    try:
        yield counted
    finally:
        monitoring.set_events(tool, 0)
        monitoring.free_tool_id(tool)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Switch the garbage collector off: its calls are nobody's work."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def peak(request: Request) -> int:
    """Bytes of memory that the request took at most, over what was taken before."""
    serve(request, 0)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        serve(request, 1)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


# --- what must be done before the first request ---

def print_first_requests() -> None:
    """Asks everything once, and prints each import, each compilation and each use of ``re`` that rangeware made.

    For a process of its own: audit hooks stay for good.
    """
    found: list[str] = []
    real_import = builtins.__import__

    def watched_import(name: str, *rest: Any, **named: Any) -> Any:
        if sys._getframe(1).f_code.co_filename.startswith(_PACKAGE):
            found.append(f"import {name}")
        return real_import(name, *rest, **named)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in ("import", "compile", "exec") and _is_ours(sys._getframe()):
            found.append(f"{event} {arguments[0]!r:.60}")

    def profile(frame: FrameType, event: str, argument: object) -> None:
        module = str(frame.f_globals.get("__name__"))
        if event == "call" and module.partition(".")[0] in ("re", "sre_compile") and _is_ours(frame):
            found.append(f"re: {frame.f_code.co_name}()")

    with prepared() as requests:
        sys.addaudithook(audit)
        builtins.__import__ = watched_import
        sys.setprofile(profile)
        for name, request in requests.items():
            serve(request, 0)
            if found:
                sys.stdout.write(f"{name}: {'; '.join(found)}\n")
                found.clear()
    sys.setprofile(None)
    builtins.__import__ = real_import


# --- the command ---

def with_rates(counts: dict[str, Work]) -> dict[str, Work]:
    """The counts of the requests, and those per unit."""
    return {**counts, **{name: rate.of(counts) for name, rate in RATES.items()}}


def _elsewhere(python: str) -> dict[str, Work]:
    """The counts on another Python."""
    code = "import json; from tests import counting; print(json.dumps(counting.with_rates(counting.count_all())))"
    ended = subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True, cwd=_ROOT)
    return {name: Work(*numbers) for name, numbers in json.loads(ended.stdout).items()}


def _bounds(counts: list[dict[str, Work]]) -> dict[str, Work]:
    """The highest of these counts, and more."""
    highest = {name: Work(*map(max, zip(*(each[name] for each in counts), strict=True))) for name in counts[0]}
    return {name: Work(*(math.ceil((UNIT_SLACK if name in RATES else SLACK) * number) for number in work))
            for name, work in highest.items()}


def _table(counts: dict[str, Work]) -> str:
    return "".join(f"    {json.dumps(name) + ':':<42}Work({work.calls}, {work.c_calls}, {work.instructions}),\n"
                   for name, work in counts.items())


def _write(table: str) -> None:
    before, start, rest = _BOUNDED.read_text().partition("BOUNDS = {\n")
    _, end, after = rest.partition("}\n")
    _BOUNDED.write_text(f"{before}{start}{table}{end}{after}")


def main(arguments: list[str]) -> None:
    """Prints the counts on each of these Pythons, or on this one, and then the bounds that hold on all of them."""
    write, pythons = "--write" in arguments, [argument for argument in arguments if argument != "--write"]
    counts = {python: _elsewhere(python) for python in pythons or [sys.executable]}
    bounds = _table(_bounds(list(counts.values())))
    for title, table in [*((python, _table(counted)) for python, counted in counts.items()),
                         (f"bounds: the highest x {SLACK}, of a unit x {UNIT_SLACK}", bounds)]:
        sys.stdout.write(f"# {title}\n{table}")
    if write:
        _write(bounds)


if __name__ == "__main__":
    main(sys.argv[1:])
