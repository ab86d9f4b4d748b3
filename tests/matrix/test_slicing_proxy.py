"""nginx with its ``slice`` module in front of us: it asks for a file in ranges, and gives up where the ETag of one is
not, character by character, that of the first."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import launch, nginx
from tests.matrix.checks import equal, same_bytes
from tests.matrix.untagged_apps import FILE
from tests.matrix.wire import Address, Connection
from tests.support import Answer

pytestmark = pytest.mark.matrix

CONTENT = Random(24).randbytes(24 << 20)
SLICE = 1 << 20
YOUNG, OLD = 2.0, 2.5  # seconds: below the one a file may change unseen, beyond the other it cannot, with some to spare
TOO_SLOW = "the file was not young any more when it was first asked for"
SERVERS = {"gunicorn-gthread": "wsgi", "uvicorn-h11": "asgi"}


class Proxied(NamedTuple):
    """A file behind us behind nginx.

    :param address: of nginx.
    :param log: of what nginx complains of.
    """

    address: Address
    file: Path
    log: Path

    def age(self) -> float:
        """Seconds since the file was modified."""
        return time.time() - self.file.stat().st_mtime

    def wait(self) -> None:
        """Until the file is no longer young."""
        assert self.age() < YOUNG, TOO_SLOW
        while self.age() < OLD:
            time.sleep(0.05)

    def complaints(self) -> list[str]:
        """What nginx says of slices that do not fit."""
        return [line for line in self.log.read_text().splitlines() if "in slice response" in line]


@pytest.fixture(params=SERVERS)
def proxied(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Proxied]:
    """The file is written after the servers have started."""
    file = tmp_path / "film.bin"
    file.write_bytes(b"")
    app = f"tests.matrix.untagged_apps:{SERVERS[request.param]}"
    with launch.serving(request.param, app, tmp_path, {FILE: str(file)}) as running, \
            nginx.slicing(running.address, tmp_path) as address:
        file.write_bytes(CONTENT)
        yield Proxied(address, file, tmp_path / "error.log")


def ask(proxied: Proxied, path: str, **fields: str) -> Answer:
    """One exchange. What nginx complains of counts more than what it makes of that."""
    with Connection(proxied.address) as client:
        try:
            return client.ask(path, **fields)
        finally:
            assert proxied.complaints() == []


def is_whole(answer: Answer) -> None:
    """All of the file."""
    equal("the status", answer.status, 200)
    equal("Content-Length", answer.get("Content-Length"), str(len(CONTENT)))
    same_bytes(answer.body, CONTENT)


def fetch_first_slice(proxied: Proxied) -> None:
    """Has nginx keep the first slice, of the young file."""
    first = ask(proxied, "/film.bin", Range="bytes=0-99")
    equal("the status", first.status, 206)
    same_bytes(first.body, CONTENT[:100])


def test_a_file_that_grows_old_while_it_is_sent(proxied: Proxied) -> None:
    assert proxied.age() < YOUNG / 2, TOO_SLOW
    is_whole(ask(proxied, "/slowly/film.bin"))
    assert proxied.age() > OLD, "it was sent too fast"


def test_a_file_whose_first_slice_is_from_the_cache(proxied: Proxied) -> None:
    fetch_first_slice(proxied)
    proxied.wait()
    is_whole(ask(proxied, "/film.bin"))


def test_a_range_whose_first_slice_is_from_the_cache(proxied: Proxied) -> None:
    fetch_first_slice(proxied)
    proxied.wait()
    answer = ask(proxied, "/film.bin", Range=f"bytes={SLICE - 10}-{3 * SLICE + 9}")
    equal("the status", answer.status, 206)
    same_bytes(answer.body, CONTENT[SLICE - 10:3 * SLICE + 10])
