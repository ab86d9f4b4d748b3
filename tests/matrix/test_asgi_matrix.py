"""Every ASGI server with every ASGI framework. Prints a grid; each red cell fails."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from tests.matrix import cells, launch, report
from tests.matrix.asgi_frameworks.content import FRAMEWORKS
from tests.matrix.checks import BAD_LENGTHS, DOES_NOT_CLOSE, equal
from tests.matrix.frameworks.content import representation
from tests.matrix.launch import Running
from tests.matrix.wire import Connection, Silence

pytestmark = pytest.mark.matrix

IMPOSSIBLE: dict[tuple[str, str], str] = {
    ("hypercorn-trio", "quart"): "Quart makes tasks of asyncio; Quart-Trio is another package",
    ("hypercorn-trio", "django"): "asgiref makes tasks of asyncio",
    ("hypercorn-trio", "blacksheep"): "BlackSheep reads files by asyncio's threads",
}
"""The pairs that cannot work, with or without rangeware, and why."""

PAIRS = [(server, framework) for server in launch.ASGI_SERVERS for framework in FRAMEWORKS
         if (server, framework) not in IMPOSSIBLE]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Running]]:
    """Gives the server of this name at work; the one before it is ended."""
    with contextlib.ExitStack() as stack:
        @lru_cache(1)
        def started(server: str) -> Running:
            stack.close()
            directory = tmp_path_factory.mktemp(server)
            names = " ".join(framework for name, framework in PAIRS if name == server)
            env = {"RANGEWARE_MATRIX_DIR": str(directory), "RANGEWARE_FRAMEWORKS": names}
            return stack.enter_context(launch.serving(server, "tests.matrix.asgi_apps:application", directory, env))
        yield started


@pytest.mark.parametrize(("server", "framework"), PAIRS)
def test_cell(start: Callable[[str], Running], server: str, framework: str) -> None:
    report.impossible.update(IMPOSSIBLE)
    report.asgi_cells[server, framework] = ["no result"]
    running = start(server)
    before = len(running.log()) if framework != FRAMEWORKS[0] else 0  # what it says at its start counts too
    cell = cells.Cell(server, running.address, framework)
    cell.run()
    said = running.log()[before:]
    failures = report.asgi_cells[server, framework] = cell.failures + ["a traceback"] * ("Traceback" in said)
    assert not failures, "\n".join([*failures, "the server's log:", said[-5000:]])


# --- what is so without rangeware too --------------------------------------------------------------------------------

@pytest.fixture
def without_us(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """The server at work on the same apps without rangeware."""
    env = {"RANGEWARE_MATRIX_DIR": str(tmp_path)}
    with launch.serving(request.param, "tests.matrix.asgi_apps:bare_application", tmp_path, env) as running:
        yield running


@pytest.mark.parametrize("without_us", sorted({server for server, _ in IMPOSSIBLE}), indirect=True)
def test_what_is_impossible_is_not_our_doing(without_us: Running) -> None:
    """Turns red when one of them works: then it is a cell like the others."""
    works = []
    for framework in [framework for server, framework in IMPOSSIBLE if server == without_us.server]:
        with contextlib.suppress(AssertionError), Connection(without_us.address) as client:
            answer = client.ask(f"/{framework}/file")
            equal("the answer", (answer.status, answer.body), (200, representation(framework, "file")))
            works.append(framework)
    assert works == []


@pytest.mark.parametrize("without_us", ["daphne"], indirect=True)
def test_blacksheep_says_two_lengths_without_us_too(without_us: Running) -> None:
    """Daphne sends both, as it gets them; the other servers refuse to."""
    for path in BAD_LENGTHS:
        with Connection(without_us.address) as client, pytest.raises(AssertionError, match="more than once: content-l"):
            client.ask(path, "HEAD")


@pytest.mark.parametrize("without_us", ["hypercorn-trio"], indirect=True)
def test_hypercorn_on_trio_does_not_close_without_us_either(without_us: Running) -> None:
    for server, path in DOES_NOT_CLOSE:
        assert server == without_us.server
        with Connection(without_us.address, 0.5) as client, pytest.raises(Silence, match="no close"):
            client.ask(path, Connection="close")
