"""The clauses of tests/uploads/test_draft_clauses.py, under gunicorn with two workers and under uvicorn."""

import pytest

from tests.matrix import clause_apps
from tests.matrix.launch import serving
from tests.uploads.test_draft_clauses import *  # noqa: F403 - all of its tests

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module", params=clause_apps.SERVERS)
def running(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("server")
    files = directory / "files"
    files.mkdir()
    app = f"{clause_apps.__name__}:{clause_apps.SERVERS[request.param]}"
    with serving(request.param, app, directory, {clause_apps.DIRECTORY: str(files)}) as server:
        yield request.param, server.address, files


@pytest.fixture
def twin(request, running):
    server, address, files = running
    for part, reason in clause_apps.NOT_OURS[server].items():
        if part in request.node.name:
            pytest.skip(f"{server}: {reason}")
    return clause_apps.Remote(address, files)
