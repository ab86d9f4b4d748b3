"""In-process measures: the cost of the middleware per call, of parsers, and of hostile headers.

``python -m benchmarks.inprocess [--rounds N] [REGEX]`` prints them alone; REGEX picks measures by their name.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import re
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import repeat
from typing import Any

from benchmarks.calls import BLOCKS, FILE_SIZE, SKIPPERS, Call, hostile_calls, plain_calls, skips
from benchmarks.parsers import outcome, parser_calls

_BATCH_NS = 2_000_000  # duration of a batch of calls: far longer than reading the clock
_REPEATS = 9  # batches of each name in a round
_SLOW_NS = 50_000_000  # calls that take longer run once per round
_CORE = 1  # the same core as the servers
_KIB = 1024
_LONG_AGO = 1_600_000_000  # seconds since 1970: a file that is written to just now could not be validated

Measures = dict[str, dict[str, Call]]


@contextmanager
def all_calls() -> Iterator[Measures]:
    """Yield all calls to time, by measure and name. Closes the file of the calls at the end."""
    with tempfile.NamedTemporaryFile() as written, open(written.name, "rb") as file:
        written.write(bytes(FILE_SIZE))
        written.flush()
        os.utime(written.name, (_LONG_AGO, _LONG_AGO))
        yield {**plain_calls(file), **parser_calls(), "skip": skips(), "hostile-1mb": hostile_calls()}


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run the block with this process pinned to a core, if there is such a core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core} & set(range(os.cpu_count() or 1)) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(rounds: int, pattern: str = "") -> dict[str, Any]:
    """Measure in process, and return three sections of the results.

    ``inprocess`` has nanoseconds per call, by measure and name, for each round. ``inprocess_kib`` has the peak memory
    in KiB, except for very slow calls, which tracing would make even slower. ``inprocess_notes`` has the results of
    the parsers.

    :param pattern: regular expression; only measures whose name matches are run.
    """
    with all_calls() as found, pinned(_CORE):
        chosen = {name: calls for name, calls in found.items() if re.search(pattern, name)}
        times: dict[str, dict[str, list[float]]] = {name: {} for name in chosen}
        _check(chosen)
        batches = {name: {key: _batches(call) for key, call in calls.items()} for name, calls in chosen.items()}
        for _ in range(rounds):
            for name, calls in chosen.items():
                _add(times[name], _round(calls, batches[name], BLOCKS if name == "skip" else 1))
        return {
            "inprocess": times,
            "inprocess_kib": {name: {key: peak_kib(call) for key, call in calls.items() if batches[name][key][0] > 1}
                              for name, calls in chosen.items() if name.startswith(("parse", "hostile"))},
            "inprocess_notes": {name: {key: outcome(call()) for key, call in calls.items()}
                                for name, calls in chosen.items() if name.startswith("parse")},
        }


def _check(chosen: Measures) -> None:
    """Check that the calls to time produce the requested number of bytes."""
    for name, expected in (("list-range", {"rangeware": 100}), ("skip", dict.fromkeys(SKIPPERS, 1024))):
        found = {key: chosen[name][key]() for key in expected} if name in chosen else expected
        if found != expected:
            raise RuntimeError(f"{name}: bytes of content {found}, not {expected}")


def _add(times: dict[str, list[float]], one_round: dict[str, float]) -> None:
    for name, nanoseconds in one_round.items():
        times.setdefault(name, []).append(nanoseconds)


def _round(calls: dict[str, Call], batches: dict[str, tuple[int, int]], units: int) -> dict[str, float]:
    """Time several batches of each call in turns. Return the median, in CPU nanoseconds per unit of work."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    gc.collect()
    for turn in range(_REPEATS):
        for name in random.sample(sorted(calls), len(calls)):
            repeats, size = batches[name]
            if turn < repeats:
                times[name].append(_batch(calls[name], size))
    return {name: statistics.median(found) / units for name, found in times.items()}


def _batch(call: Call, size: int) -> float:
    """Time ``size`` calls, with garbage collection. Return CPU nanoseconds per call."""
    begin = time.thread_time_ns()
    for _ in repeat(None, size):
        call()
    return (time.thread_time_ns() - begin) / size


def _batches(call: Call) -> tuple[int, int]:
    """Return the number of batches per round, and of calls per batch. This also warms up the call."""
    size = 1
    while (taken := _batch(call, size) * size) < _BATCH_NS / 4:
        size *= 4
    return 1 if taken > _SLOW_NS else _REPEATS, max(1, round(size * _BATCH_NS / taken))


def peak_kib(call: Callable[[], object]) -> float:
    """Return the peak memory of a call in KiB, above the level before the call."""
    call()
    gc.collect()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        call()
        return (tracemalloc.get_traced_memory()[1] - before) / _KIB
    finally:
        tracemalloc.stop()


def _table(measured: dict[str, Any]) -> Iterator[str]:
    for name, times in measured["inprocess"].items():
        yield f"\n{name}"
        for key, rounds in times.items():
            added = [own - bare for own, bare in zip(rounds, times.get("bare", rounds), strict=True)]
            peak = measured["inprocess_kib"].get(name, {}).get(key)
            yield "  ".join((
                f"  {key:18} {statistics.median(rounds):14,.0f} ns",
                f"added {statistics.median(added):12,.0f}" if "bare" in times else "",
                "" if peak is None else f"peak {peak:10,.1f} KiB",
                measured["inprocess_notes"].get(name, {}).get(key, ""),
            )).rstrip()


def main() -> int:
    """Measure in process, and print the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pattern", nargs="?", default="", metavar="REGEX", help="measures to run")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("\n".join(_table(measure(arguments.rounds, arguments.pattern))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
