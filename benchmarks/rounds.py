"""Run the rounds: all targets in turn, in a new random order for each measure of each round."""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from benchmarks import check
from benchmarks.serving import Running, serving
from benchmarks.targets import Target
from benchmarks.wire import CLIENT_CORE, MEASURES, CellFailed, Measure, build_client, measure_cell

Section = dict[str, dict[str, Any]]
"""Results by measure and target."""
Asked = dict[Measure, list[Running]]
"""The servers to run each measure on."""

GROUPS = ("memory", "wire", "ttfb", "hostile")
"""The groups in the order in which they run.

Memory is first, because a server that has grown does not grow again. Hostile headers are last, because some servers
never recover.
"""


class BenchmarkError(Exception):
    """A target whose responses must be correct fails the check."""


Wanted = Callable[[Measure, Target], bool]
"""Tell if a measure of a target is to be run."""


def run(targets: Sequence[Target], measures: Sequence[Measure], rounds: int, seconds: float,
        wanted: Wanted = lambda measure, target: True) -> dict[str, Section]:
    """Run all measures over sockets. Return their sections of the results, and ``unsupported``.

    :param seconds: duration of each throughput measurement.
    :param wanted: all others are left out.
    :raises BenchmarkError: if rangeware, nginx or a hand-written app gives a wrong response.
    """
    build_client()
    results: dict[str, Section] = {group: {} for group in (*GROUPS, "unsupported")}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_on_core(CLIENT_CORE))
        running = _start(targets, measures, stack, results["unsupported"])
        asked = {measure: [server for server in running if wanted(measure, server.target)] for measure in measures}
        _check(running, asked, results["unsupported"])
        for group in GROUPS:
            in_group = {measure: servers for measure, servers in asked.items() if servers and measure.group == group}
            _run_group(in_group, rounds, seconds, results)
    return results


def chosen_measures(pattern: str) -> tuple[Measure, ...]:
    """Return the measures whose name matches the regular expression."""
    return tuple(measure for measure in MEASURES if re.search(pattern, measure.name))


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """Run the block with this process and its children pinned to a core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _start(targets: Sequence[Target], measures: Sequence[Measure], stack: contextlib.ExitStack,
           unsupported: Section) -> list[Running]:
    """Start all targets, each for the whole run."""
    running = []
    for target in targets:
        _say(f"starting {target.name}")
        try:
            running.append(stack.enter_context(serving(target)))
        except Exception as exc:  # if one fails to start for any reason, continue with the others
            _say(str(exc))
            for measure in measures:
                unsupported.setdefault(measure.name, {})[target.name] = "did not start"
    return running


def _check(running: Sequence[Running], asked: Asked, unsupported: Section) -> None:
    for server in running:
        _say(f"checking {server.target.name}")
        for measure in (measure for measure, servers in asked.items() if server in servers):
            reason = _reason_against(server, measure)
            if reason is not None:
                _record_failure(unsupported, measure, server.target, reason)
    _refuse_wrong(unsupported)


def _refuse_wrong(unsupported: Section) -> None:
    wrong = [f"{target} {measure}: {reason}" for measure, reasons in unsupported.items()
             for target, reason in reasons.items() if _must_answer(target, measure)]
    if wrong:
        raise BenchmarkError("; ".join(wrong))


def _reason_against(server: Running, measure: Measure) -> str | None:
    """Return the reason not to time a target, or None. Hostile headers are always timed."""
    if measure.group == "hostile":
        return None
    try:
        return check.supported(server, measure.name)
    except Exception as exc:  # a peer may fail in any way: record it
        return f"{type(exc).__name__}: {exc}"


def _must_answer(target: str, measure: str) -> bool:
    if target.startswith("floor-"):
        return measure.startswith(("range-", "whole-", "json", "file-", "512m"))
    if target.startswith("minimum-"):
        return measure.startswith(("range-4k", "range-64k", "whole-", "json", "file-"))
    return target.startswith("rangeware-") or target == "nginx" and not measure.startswith(("generator-", "json"))


def _run_group(asked: Asked, rounds: int, seconds: float, results: dict[str, Section]) -> None:
    for number in range(1, rounds + 1):
        for measure, servers in asked.items():
            begun = time.monotonic()
            _run_measure(servers, measure, number, seconds, results)
            _say(f"round {number} of {rounds}: {measure.name}, {time.monotonic() - begun:.1f} s")


def _run_measure(running: Sequence[Running], measure: Measure, number: int, seconds: float,
                 results: dict[str, Section]) -> None:
    """Measure each supported target once. All get requests for the same positions."""
    failed = results["unsupported"].get(measure.name, {})
    able = [server for server in running if server.target.name not in failed]
    random.shuffle(able)
    for server in able:
        try:
            cell = _try_twice(server, measure, seconds, number)
        except CellFailed as exc:
            _record_failure(results["unsupported"], measure, server.target, f"failed in round {number}: {exc}")
            continue
        by_target = results[measure.group].setdefault(measure.name, {})
        by_target.setdefault(server.target.name, []).append(cell)


def _try_twice(server: Running, measure: Measure, seconds: float, seed: int) -> Any:
    """Measure, and repeat once after a failure, because a single lost request does not disqualify a target."""
    try:
        return measure_cell(server, measure, seconds, seed)
    except CellFailed as exc:
        _say(f"{server.target.name} {measure.name} again: {exc}")
    return measure_cell(server, measure, seconds, seed)


def _record_failure(unsupported: Section, measure: Measure, target: Target, reason: str) -> None:
    """Record a failure. The target is not measured again, so that the indexes of its cells match the rounds."""
    _say(f"{target.name} {measure.name}: {reason}")
    unsupported.setdefault(measure.name, {})[target.name] = reason


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
