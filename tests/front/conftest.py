"""The three front servers before gunicorn with two workers, and before uvicorn with two: started once for all tests."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front import front_servers
from tests.front.content import make_files
from tests.front.stack import SERVERS, Stack
from tests.matrix import launch


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    directory = Path(tempfile.mkdtemp(prefix="rangeware-front-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def stacks() -> Iterator[dict[str, Stack]]:
    """The apps of each protocol behind all front servers, by protocol."""
    with contextlib.ExitStack() as closing:
        yield {protocol: closing.enter_context(_running(protocol)) for protocol in SERVERS}


@contextlib.contextmanager
def _running(protocol: str) -> Iterator[Stack]:
    with contextlib.ExitStack() as closing:
        directory = closing.enter_context(_directory())
        make_files(directory)
        env = {"RANGEWARE_MATRIX_DIR": str(directory)}
        app = f"tests.front.offload_apps:{protocol}"
        running = closing.enter_context(launch.serving(SERVERS[protocol], app, directory, env))
        addresses = {}
        for name in front_servers.FRONT_SERVERS:
            os.mkdir(directory / name, 0o755)
            addresses[name] = closing.enter_context(
                front_servers.serving(name, running.address, directory / "media", directory / name))
        yield Stack(protocol, running, addresses, directory)


@pytest.fixture(params=SERVERS)
def stack(request: pytest.FixtureRequest, stacks: dict[str, Stack]) -> Stack:
    """The apps of one protocol behind all front servers."""
    return stacks[request.param]


@pytest.fixture(params=front_servers.FRONT_SERVERS)
def front(request: pytest.FixtureRequest) -> str:
    """The name of a front server."""
    name: str = request.param
    return name
