"""The rounds: every target in turn, in an order shuffled anew for each measure of each round."""

from __future__ import annotations

import contextlib
import os
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import check
from benchmarks.serving import Running, serving
from benchmarks.targets import Target
from benchmarks.wire import CLIENT_CORE, MEASURES, CellFailed, Measure, build_client, measure_cell

Section = dict[str, dict[str, Any]]
"""By measure and target."""

GROUPS = ("memory", "wire", "ttfb", "hostile")
"""In the order in which they are run.

Memory first: a server that has grown once does not grow again. Hostile fields last: some servers never recover.
"""


class BenchmarkError(Exception):
    """A target that must answer, and right, does not."""


def run(targets: Sequence[Target], measures: Sequence[Measure], rounds: int, seconds: float) -> dict[str, Section]:
    """The parts of the results that come over the wire, and ``unsupported``.

    :param seconds: of each cell on the wire.
    :raises BenchmarkError: if rangeware, nginx or a hand-written app does not answer what it has to.
    """
    build_client()
    results: dict[str, Section] = {group: {} for group in (*GROUPS, "unsupported")}
    with contextlib.ExitStack() as stack:
        stack.enter_context(_on_core(CLIENT_CORE))
        running = _start(targets, measures, stack, results["unsupported"])
        _check(running, measures, results["unsupported"])
        for group in GROUPS:
            in_group = [measure for measure in measures if measure.group == group]
            _run_group(running, in_group, rounds, seconds, results)
    return results


def chosen_measures(pattern: str) -> tuple[Measure, ...]:
    """Those with a name in which the regular expression is found."""
    return tuple(measure for measure in MEASURES if re.search(pattern, measure.name))


@contextlib.contextmanager
def _on_core(core: int) -> Iterator[None]:
    """This process and its children leave the other cores alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _start(targets: Sequence[Target], measures: Sequence[Measure], stack: contextlib.ExitStack,
           unsupported: Section) -> list[Running]:
    """One process tree for each target, for the whole run."""
    running = []
    for target in targets:
        _say(f"starting {target.name}")
        try:
            running.append(stack.enter_context(serving(target)))
        except Exception as exc:  # whatever keeps one of them from starting, the others go on
            _say(str(exc))
            for measure in measures:
                unsupported.setdefault(measure.name, {})[target.name] = "did not start"
    return running


def _check(running: Sequence[Running], measures: Sequence[Measure], unsupported: Section) -> None:
    for server in running:
        _say(f"checking {server.target.name}")
        for measure in measures:
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
    """Why there is nothing to time; hostile fields are recorded, whatever is answered."""
    if measure.group == "hostile":
        return None
    try:
        return check.supported(server, measure.name)
    except Exception as exc:  # a peer may do anything; that is its result, then
        return f"{type(exc).__name__}: {exc}"


def _must_answer(target: str, measure: str) -> bool:
    if target.startswith("floor-"):
        return measure.startswith(("range-", "whole-", "json", "file-", "512m"))
    return target.startswith("rangeware-") or target == "nginx" and not measure.startswith(("generator-", "json"))


def _run_group(running: Sequence[Running], measures: Sequence[Measure], rounds: int, seconds: float,
               results: dict[str, Section]) -> None:
    for number in range(1, rounds + 1):
        for measure in measures:
            begun = time.monotonic()
            _run_measure(running, measure, number, seconds, results)
            _say(f"round {number} of {rounds}: {measure.name}, {time.monotonic() - begun:.1f} s")


def _run_measure(running: Sequence[Running], measure: Measure, number: int, seconds: float,
                 results: dict[str, Section]) -> None:
    """One cell of each target that answers; all are asked for the same positions."""
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
    """A second time, because one lost request does not make a target unfit."""
    try:
        return measure_cell(server, measure, seconds, seed)
    except CellFailed as exc:
        _say(f"{server.target.name} {measure.name} again: {exc}")
    return measure_cell(server, measure, seconds, seed)


def _record_failure(unsupported: Section, measure: Measure, target: Target, reason: str) -> None:
    """From then on there are no cells of it, so that those before keep the number of their round."""
    _say(f"{target.name} {measure.name}: {reason}")
    unsupported.setdefault(measure.name, {})[target.name] = reason


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
