"""Workers and hosts that have the same file say the same of it, or a client that is sent from one to the other would
begin anew each time: ETag and Last-Modified are of the file alone."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator

import pytest

from tests.front import caches
from tests.front.caches import Origin, ask, wait_until

pytestmark = pytest.mark.matrix

HOSTS = ("gunicorn-gthread-2", "uvicorn-h11-2", "waitress")
COPIES = {
    "cp -p": ["cp", "-p", "{name}", "{folder}"],
    "tar, with times in full": ["sh", "-c", 'tar --format=posix -cf - "$0" | tar -C "$1" -xf -', "{name}", "{folder}"],
}
CONTENT = bytes(range(256)) * 400
NANOSECONDS = 1_700_000_000_123_456_789


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Origin]]:
    """Different servers, of WSGI and of ASGI, on one file system; the last one has a folder of its own."""
    directory = tmp_path_factory.mktemp("hosts")
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(caches.origin(HOSTS[0], directory))
        others = [stack.enter_context(caches.origin(server, directory, first.folder)) for server in HOSTS[1:]]
        mirror = tmp_path_factory.mktemp("mirror")
        yield [first, *others, stack.enter_context(caches.origin(HOSTS[0], mirror))]


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    return re.sub(r"\W+", "-", request.node.name)


def write(origin: Origin, name: str, content: bytes = CONTENT, modified: int = NANOSECONDS) -> None:
    (origin.folder / name).write_bytes(content)
    os.utime(origin.folder / name, ns=(modified, modified))


def validators(origin: Origin, name: str, **fields: str) -> tuple[str, str]:
    answer = ask(origin.address, f"/media/{name}", **fields)
    etag, date = answer.get("ETag") or "", answer.get("Last-Modified") or ""
    assert etag.startswith('"'), "there is no strong ETag"
    return etag, date


def test_hosts_agree_whatever_is_asked(hosts, name):
    write(hosts[0], name)
    said = {validators(host, name, **fields) for host in hosts[:-1]
            for fields in ({}, {"Range": "bytes=5-9"}, {"Range": "bytes=0-1,9-10"}, {"Range": "bytes=x"})}
    assert len(said) == 1
    assert said.pop()[1] == "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize("host", range(2), ids=HOSTS[:2])
def test_workers_agree(hosts, name, host):
    write(hosts[0], name)
    said = set()

    def both_have_answered():
        said.add(validators(hosts[host], name))
        return len({exchange.worker for exchange in hosts[host].exchanges(f"/media/{name}")}) == 2
    wait_until(both_have_answered, "both workers answer")
    assert len(said) == 1


def test_a_download_goes_on_at_another_host(hosts, name):
    write(hosts[0], name)
    etag, date = validators(hosts[0], name, Range="bytes=0-99")
    for host in hosts[1:-1]:
        for validator in (etag, date):
            answer = ask(host.address, f"/media/{name}", Range="bytes=100-", If_Range=validator)
            assert (answer.status, answer.body) == (206, CONTENT[100:])
        assert ask(host.address, f"/media/{name}", If_None_Match=etag).status == 304


@pytest.mark.parametrize("command", COPIES.values(), ids=COPIES)
def test_a_copy_that_keeps_the_time_has_the_same_validators(hosts, name, command):
    write(hosts[0], name)
    words = [word.format(name=name, folder=hosts[-1].folder) for word in command]
    subprocess.run(words, cwd=hosts[0].folder, check=True)
    assert validators(hosts[-1], name) == validators(hosts[0], name)


def test_a_nanosecond_makes_another_tag(hosts, name):
    write(hosts[0], name)
    write(hosts[-1], name, CONTENT[::-1], NANOSECONDS + 1)
    (etag, date), (other, same) = validators(hosts[0], name), validators(hosts[-1], name)
    assert (etag == other, date == same) == (False, True)


def test_another_length_makes_another_tag(hosts, name):
    write(hosts[0], name)
    write(hosts[-1], name, CONTENT[:-1])
    assert validators(hosts[0], name)[0] != validators(hosts[-1], name)[0]
