"""Every server with every framework. Prints a grid; each red cell fails."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix import cells, launch, report
from tests.matrix.apps import FRAMEWORKS
from tests.matrix.launch import Running

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module")
def content() -> Iterator[Path]:
    """The directory of the file that all servers send; open to all, since Bottle asks whether its user may read it,
    and Apache runs as somebody else."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        directory.chmod(0o755)
        yield directory


@pytest.fixture(scope="module", params=launch.SERVERS)
def running(
    request: pytest.FixtureRequest, content: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """The server at work; until a cell has its result, it counts as failed."""
    server: str = request.param
    report.cells.update({(server, framework): ["no result"] for framework in _asked(request.session, server)})
    env = {"RANGEWARE_MATRIX_DIR": str(content)}
    with launch.serving(server, "tests.matrix.apps:application", tmp_path_factory.mktemp(server), env) as running:
        yield running


def _asked(session: pytest.Session, server: str) -> list[str]:
    """The frameworks that this run tries with this server."""
    pairs = (item.callspec.params for item in session.items if isinstance(item, pytest.Function)
             and item.module.__name__ == __name__ and item.originalname == test_cell.__name__)
    return [str(params["framework"]) for params in pairs if params["running"] == server]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_cell(running: Running, framework: str) -> None:
    cell = cells.Cell(running.server, running.address, framework)
    cell.run()
    report.cells[running.server, framework] = cell.failures
    assert not cell.failures, "\n".join([*cell.failures, "the end of the server's log:", running.log()[-2000:]])


def test_the_log_has_no_traceback(running: Running) -> None:
    """Comes after the server's cells."""
    assert "Traceback" not in running.log(), running.log()[-5000:]


def test_a_server_that_ends_in_mid_cell_is_told(content: Path, tmp_path: Path) -> None:
    env = {"RANGEWARE_MATRIX_DIR": str(content)}
    with launch.serving("wsgiref", "tests.matrix.apps:application", tmp_path, env) as running:
        cell = cells.Cell(running.server, running.address, "bare")
        target = next(cell._targets())
        running.end()
        cell._check(target)
    assert [failure.partition("(")[0] for failure in cell.failures] == ["file whole: ConnectionRefusedError"]
