"""A server that lies, cuts, stalls and changes the file: each download ends with the right file or an honest error.

Each fault is met in each scenario. Without the mark ``grid`` are the scenarios that show all ends a fault has, or, if
it always ends alike, one scenario: the faults take turns.

``python -m tests.client.test_faults`` prints the table.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from rangeware.client import download
from tests.client.faulty import FAULTS
from tests.client.faulty.naive import naive_download
from tests.client.faulty.table import (
    EVERY,
    FOUR,
    FOUR_RESUMED,
    ONE,
    ONE_RESUMED,
    RIGHT,
    SCENARIOS,
    SINGLE,
    Fault,
)
from tests.client.faulty.trials import HANG, WRONG, Result, Trials, one_trial, trials

_TURNS = (ONE, ONE_RESUMED, FOUR, ONE, ONE_RESUMED, FOUR_RESUMED)
"""Four connections take twice the time."""


def _typical(number: int, fault: Fault) -> set[str]:
    """Scenarios in which the fault is met, where it can be: one for each end."""
    turn = number % len(_TURNS)
    scenarios = sorted(_TURNS[turn:] + _TURNS[:turn], key=fault.spares.__contains__)
    return {*{fault.ends_of(scenario): scenario for scenario in reversed(scenarios)}.values()}


TYPICAL = {(fault.name, scenario) for number, fault in enumerate(FAULTS) for scenario in _typical(number, fault)}


def _cases(scenarios: frozenset[str]) -> list[Any]:
    return [pytest.param(fault, scenario, id=f"{fault.name}-{scenario}",
                         marks=() if (fault.name, scenario) in TYPICAL else pytest.mark.grid)
            for scenario in SCENARIOS if scenario in scenarios for fault in FAULTS]


def _begun(request: pytest.FixtureRequest) -> Iterator[Trials]:
    """The trials of all the tests with this fixture that were chosen, several at a time."""
    ours = [item for item in request.session.items if request.fixturename in getattr(item, "fixturenames", ())]
    calls = [item.callspec.params for item in ours]
    with trials([(params["fault"], params["scenario"]) for params in calls], download) as begun:
        yield begun


@pytest.fixture(scope="module")
def trials_with_one(request: pytest.FixtureRequest) -> Iterator[Trials]:
    yield from _begun(request)


@pytest.fixture(scope="module")
def trials_with_four(request: pytest.FixtureRequest) -> Iterator[Trials]:
    yield from _begun(request)


# Each process that runs a part of the tests would try all of them: so conftest gives each of these to one process.

@pytest.mark.parametrize(("fault", "scenario"), _cases(SINGLE))
def test_with_one_connection_it_ends_right_or_says_so(trials_with_one: Trials, fault: Fault, scenario: str) -> None:
    assert trials_with_one.result(fault, scenario).complaints == ()


@pytest.mark.parametrize(("fault", "scenario"), _cases(EVERY - SINGLE))
def test_with_four_connections_it_ends_right_or_says_so(trials_with_four: Trials, fault: Fault, scenario: str) -> None:
    assert trials_with_four.result(fault, scenario).complaints == ()


def test_each_fault_has_a_name_and_a_scenario_in_which_it_is_met() -> None:
    assert max(Counter(fault.name for fault in FAULTS).values()) == 1
    assert all(EVERY - fault.spares or fault.is_alone for fault in FAULTS)  # a server cannot see whom it refuses


def test_the_naive_client_is_found_out() -> None:
    """The loop that everybody copies is silently wrong under these: else the faults would be no faults."""
    names = ["changed: new ETag, same size", "changed: no validators", "206 with bytes shifted by 1"]
    names += ["206 in multipart/byteranges", "200 on resume, same ETag", "error page with 200 later, always"]
    ends = {
        fault.name: one_trial(fault, ONE_RESUMED, naive_download).outcome.end for fault in FAULTS if fault.name in names
    }
    assert ends == dict.fromkeys(names, WRONG)


def _cell(result: Result) -> str:
    outcome = result.outcome
    mark = "!" if result.complaints else " "
    return f"{mark}{outcome.end:<13} {outcome.requests:>4} {outcome.sent / 1000:>5.0f}"


def main() -> int:
    """Prints the table; 1 if anything is not as it must be."""
    width = max(len(fault.name) for fault in FAULTS)
    print(f"{'fault':<{width}}", *(f"|  {scenario:<13} reqs  kB " for scenario in SCENARIOS))
    results: list[Result] = []
    with trials([(fault, scenario) for fault in FAULTS for scenario in SCENARIOS], download) as begun:
        for fault in FAULTS:
            row = [begun.result(fault, scenario) for scenario in SCENARIOS]
            results += row
            print(f"{fault.name:<{width}}", *(f"| {_cell(result)} " for result in row), flush=True)
    for result in results:
        for complaint in result.complaints:
            print(f"! {result.fault.name} ({result.scenario}): {complaint}")
    ends = Counter(result.outcome.end for result in results)
    wrong, hung = ends.pop(WRONG, 0), ends.pop(HANG, 0)
    bad = sum(1 for result in results if result.complaints)
    well = sum(1 for result in results if result.well == RIGHT)
    counts = ", ".join(f"{number} {end}" for end, number in ends.most_common())
    print(
        f"{len(FAULTS)} faults, {len(results)} runs: {counts}; {well} of the errors right when the server was well; "
        f"{bad} not as expected; {hung} hung; {wrong} silently wrong"
    )
    return int(bool(bad or hung or wrong))


if __name__ == "__main__":
    sys.exit(main())
