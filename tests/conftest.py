"""Settings for all tests."""

from __future__ import annotations

import gc
import os
import random
import signal
from collections.abc import Generator, Iterator
from typing import Any

import pytest

# Who runs the tests in the background may have SIGINT ignored, which children inherit, and Ctrl-C is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> object:
    """Keep cases that share trials in one process, and forget the work that is done.

    pytest 9.2 loses the names of groups that xdist adds to the ids of tests. To count what is left of all the work,
    after each test, took ten seconds in all.
    """
    from xdist.scheduler import LoadGroupScheduling

    class Scheduling(LoadGroupScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            function = nodeid.partition("[")[0]
            return function if function.startswith(SHARES_TRIALS) else nodeid

        def mark_test_complete(self, node: Any, item_index: int, duration: float = 0) -> None:
            super().mark_test_complete(node, item_index, duration)
            scope = self._split_scope(self.registered_collections[node][item_index])
            if all(self.assigned_work[node][scope].values()):
                del self.assigned_work[node][scope]

    return Scheduling(config, log) if config.getvalue("dist") == "loadgroup" else None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Twice as many processes as there are processors, as many tests wait for others."""
    return 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Keep the garbage collector from what lives as long as the process: modules, and each collected test.

    Many tests collect garbage to see what they keep alive; that takes a millisecond, and not a third of a second.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


SHARES_TRIALS = "tests/client/test_faults.py::test_with_"
"""Test functions whose cases need the same trials, which begin with the first of them."""

ONLY_IN_GRID = pytest.StashKey[set[str]]()
"""The test functions all of whose cases are marked ``grid``. There should be none."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark as ``grid`` what the tests marked ``each`` can do without, and look who is left."""
    shuffled = random.Random(1).sample(items, len(items))
    functions = [item for item in shuffled if isinstance(item, pytest.Function) and hasattr(item, "callspec")]
    _leave_to_the_grid_all_but_each_row([item for item in functions if item.get_closest_marker("each")])
    quick = {_function_of(item) for item in items if not item.get_closest_marker("grid")}
    config.stash[ONLY_IN_GRID] = {_function_of(item) for item in items} - quick


def _leave_to_the_grid_all_but_each_row(items: list[pytest.Function]) -> None:
    """Keep a test of each row of each table of parameters: first those that share no row, then what is missing."""
    seen: set[tuple[object, ...]] = set()
    marked = [item for item in items if not item.get_closest_marker("grid")]
    rows = [{(item.parent, item.originalname, *row) for row in _rows_of(item)} for item in marked]
    later = []
    for item, its_rows in zip(marked, rows, strict=True):
        if its_rows & seen:
            later.append((item, its_rows))
        else:
            seen |= its_rows
    for item, its_rows in later:
        if its_rows <= seen:
            item.add_marker(pytest.mark.grid)
        seen |= its_rows


def _rows_of(item: pytest.Function) -> Iterator[tuple[object, ...]]:
    """The row of each table, which is the names and the identities of the values."""
    values = {name: id(value) for name, value in item.callspec.params.items()}
    for mark in item.iter_markers("parametrize"):
        names = mark.args[0].replace(",", " ").split() if isinstance(mark.args[0], str) else mark.args[0]
        yield *names, *(values.pop(name) for name in names)
    yield from values.items()  # those of fixtures


def _function_of(item: pytest.Item) -> str:
    return item.nodeid.partition("[")[0]


def pytest_sessionfinish() -> None:
    """Hide nothing from what looks for referrers, as hypothesis does when it is imported for its summary."""
    gc.unfreeze()


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    """The URL of moto's S3 server. All servers of moto in a process share their buckets, so that one will do."""
    from moto.server import ThreadedMotoServer  # takes a second

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()
