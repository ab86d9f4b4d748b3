"""A client that forges X-Forwarded-* gets nowhere, whichever file of ``docs/configs`` is in front of the app.

A forged host would be in the addresses that the app writes (links, Location, mails that reset passwords), and in what a
cache keeps for everybody; a forged client in its logs and limits.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.front import caches, front_servers
from tests.front.configs import FOLDER
from tests.front.front_servers import FRONT_SERVERS
from tests.matrix import launch
from tests.matrix.wire import Address, Connection

pytestmark = pytest.mark.matrix

FILES = {**front_servers.CONFIGS, "proxy": "nginx-proxy.conf", "slices": "nginx-slice-cache.conf",
         "varnish": "varnish.vcl"}
"""The files that are in front of an app, by what runs them."""

LOCATIONS = [*((front, "/") for front in FILES), ("proxy", "/files/"), ("slices", "/media/")]
"""Each location of each file that leads to the app."""

FORGED = {"X-Forwarded-For": "192.0.2.66", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}


@contextlib.contextmanager
def running(front: str, upstream: Address, directory: Path) -> Iterator[Address]:
    """What is in front of the app, at work: its host and port."""
    if front in FRONT_SERVERS:
        with front_servers.serving(front, upstream, directory, directory) as address:
            yield address
    elif front == "proxy":
        with front_servers.plain_proxy(upstream, directory) as address:
            yield address
    else:
        with caches.CACHES[front](caches.Origin(upstream, directory, directory / "log"), directory) as address:
            yield address


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Address]:
    directory = tmp_path_factory.mktemp("claims")
    with launch.serving("gunicorn-gthread", "tests.front.claims:app", directory) as server:
        yield server.address


@pytest.fixture
def directory() -> Iterator[Path]:
    """A folder that every user may enter, unlike those of pytest."""
    made = Path(tempfile.mkdtemp(prefix="rangeware-forged-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.mark.parametrize(("front", "location"), LOCATIONS)
def test_what_a_client_claims_about_itself_is_replaced(app: Address, directory: Path, front: str, location: str):
    with running(front, app, directory) as address, Connection(address) as client:
        answer = client.ask(f"{location}asked", Host="example.org", **FORGED)
    told = json.loads(answer.body)
    assert (told["site"], told["client"]) == ("http://example.org/", "127.0.0.1")
    assert not [value for value in told["came"].values() if any(forged in value for forged in FORGED.values())]


def test_every_file_for_a_front_server_is_asked():
    names = {path.name for path in FOLDER.iterdir() if not path.name.startswith("gunicorn")}
    assert names == {FILES[front] for front, _ in LOCATIONS}
    for front, file in FILES.items():
        passing = (FOLDER / file).read_text(encoding="utf-8").count("proxy_pass ")
        assert passing in (0, len([name for name, _ in LOCATIONS if name == front])), file
