"""Varnish under ``docs/configs/varnish.vcl``, before servers with two workers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from tests.front import caches
from tests.front.caches import MIB, Origin, ask, wait_until
from tests.matrix.checks import equal, same_bytes
from tests.matrix.wire import Address, Connection

pytestmark = pytest.mark.matrix

CONTENT = Random(8).randbytes(30 * MIB + 77)
OLD, NEW = Random(3).randbytes(MIB), Random(4).randbytes(MIB)
TOO_BIG = 100_000_000  # bytes: the bound in the configuration
FOR_LONG = "?cache=max-age=86400"
FOR_A_SECOND = "?cache=max-age=1"


class Setup(NamedTuple):
    """An origin, and Varnish before it."""

    origin: Origin
    varnish: Address


@pytest.fixture(scope="module", params=caches.SERVERS)
def setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    directory = tmp_path_factory.mktemp("varnish")
    with caches.origin(request.param, directory) as origin, caches.varnish(origin, directory) as address:
        yield Setup(origin, address)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test has: what Varnish keeps is never of another test."""
    return re.sub(r"\W+", "-", request.node.name)


def is_whole(answer, content):
    equal("the status", answer.status, 200)
    same_bytes(answer.body, content)


def is_part(answer, content, first_pos, last_pos):
    equal("the status", answer.status, 206)
    equal("Content-Range", answer.get("Content-Range"), f"bytes {first_pos}-{last_pos}/{len(content)}")
    same_bytes(answer.body, content[first_pos:last_pos + 1])


def test_one_fetch_serves_all_ranges(setup, name):
    setup.origin.write(name, CONTENT)
    path = f"/media/{name}"
    whole = ask(setup.varnish, path + FOR_LONG)
    is_whole(whole, CONTENT)
    equal("Accept-Ranges", whole.get("Accept-Ranges"), "bytes")
    random = Random(5)
    for _ in range(10):
        first_pos, last_pos = sorted(random.choices(range(len(CONTENT)), k=2))
        answer = ask(setup.varnish, path + FOR_LONG, Range=f"bytes={first_pos}-{last_pos}")
        is_part(answer, CONTENT, first_pos, last_pos)
        equal("ETag", answer.get("ETag"), whole.get("ETag"))
    is_part(ask(setup.varnish, path + FOR_LONG, Range="bytes=-9"), CONTENT, len(CONTENT) - 9, len(CONTENT) - 1)
    assert setup.origin.fetched(path) == Counter([None])


def test_a_range_of_what_is_not_there_has_the_whole_fetched(setup, name):
    setup.origin.write(name, CONTENT)
    path = f"/media/{name}"
    first_pos = len(CONTENT) - MIB
    is_part(ask(setup.varnish, path + FOR_LONG, Range=f"bytes={first_pos}-"), CONTENT, first_pos, len(CONTENT) - 1)
    is_whole(ask(setup.varnish, path + FOR_LONG), CONTENT)
    assert setup.origin.fetched(path) == Counter([None])


def test_a_client_gets_its_bytes_while_the_rest_is_fetched(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/halting/{name}"
    with Connection(setup.varnish) as first, Connection(setup.varnish) as second:
        first.send(path)
        assert first.head()[0] == 200
        same_bytes(first.read(1000), NEW[:1000])
        second.send(path, Range="bytes=500-999")
        is_part(second.receive(), NEW, 500, 999)
        (setup.origin.folder / f"{name}.go").touch()
        same_bytes(first.read(len(NEW) - 1000), NEW[1000:])
    assert setup.origin.fetched(path) == Counter([None])


def test_head(setup, name):
    setup.origin.write(name, NEW)
    answer = ask(setup.varnish, f"/media/{name}" + FOR_LONG, "HEAD")
    assert (answer.status, answer.get("Content-Length")) == (200, str(len(NEW)))
    assert answer.get("ETag")


@pytest.mark.parametrize("value", ["bytes=0-9,100-109", "bytes=x", "bytes=1.5-2", "items=0-9"])
def test_ranges_that_varnish_does_not_know_are_ignored(setup, name, value):
    """RFC 9110 14.2. By itself Varnish would say 416."""
    setup.origin.write(name, NEW)
    is_whole(ask(setup.varnish, f"/media/{name}" + FOR_LONG, Range=value), NEW)


def test_if_range(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/{name}" + FOR_LONG
    etag = ask(setup.varnish, path).get("ETag")
    is_part(ask(setup.varnish, path, Range="bytes=5-", If_Range=etag), NEW, 5, len(NEW) - 1)
    is_whole(ask(setup.varnish, path, Range="bytes=5-", If_Range='"other"'), NEW)
    assert setup.origin.fetched(f"/media/{name}") == Counter([None])


def test_if_none_match_is_answered_without_the_origin(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/{name}"
    etag = ask(setup.varnish, path + FOR_LONG).get("ETag")
    answer = ask(setup.varnish, path + FOR_LONG, If_None_Match=etag)
    assert (answer.status, answer.get("ETag")) == (304, etag)
    assert len(setup.origin.exchanges(path)) == 1


def test_what_is_out_of_date_is_validated_and_not_fetched_again(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/{name}"

    def is_validated():
        is_whole(ask(setup.varnish, path + FOR_A_SECOND), NEW)
        return any(exchange.status == 304 and "if-none-match" in exchange.asked
                   for exchange in setup.origin.exchanges(path))
    wait_until(is_validated, "the origin answers 304")
    answer = ask(setup.varnish, path + FOR_A_SECOND, Range="bytes=7-70")  # of what the 304 has renewed
    is_part(answer, NEW, 7, 70)
    equal("Cache-Control", answer.get("Cache-Control"), "max-age=1")
    assert setup.origin.fetched(path) == Counter([None])


@pytest.mark.parametrize("age", [2 * caches.LONG_AGO, -caches.LONG_AGO], ids=["old", "young"])
def test_a_changed_file_is_noticed(setup, name, age):
    """The new one has an older date than the young one: to If-Modified-Since the origin would say 304."""
    path = f"/media/{name}" + FOR_A_SECOND
    setup.origin.write(name, OLD, age)
    is_whole(ask(setup.varnish, path), OLD)
    setup.origin.write(name, NEW)

    def new_file_came():
        answer = ask(setup.varnish, path)
        assert answer.status == 200
        assert answer.body in (OLD, NEW), "two versions are mixed"
        return answer.body == NEW
    wait_until(new_file_came, "the new file comes")


def test_each_language_is_kept_for_itself(setup, name):
    setup.origin.write(f"{name}.de", OLD)
    setup.origin.write(f"{name}.en", NEW)
    path = f"/media/language/{name}"
    for _ in range(2):
        for language, content in (("de", OLD), ("en", NEW)):
            answer = ask(setup.varnish, path + FOR_LONG, Accept_Language=language, Range="bytes=1-9")
            is_part(answer, content, 1, 9)
            assert (answer.get("Content-Language"), answer.get("Vary")) == (language, "Accept-Language")
    assert setup.origin.fetched(path) == Counter([None, None])


def test_a_416_is_not_kept(setup, name):
    """Varnish makes it by itself, of the whole file that it has fetched."""
    setup.origin.write(name, NEW)
    answer = ask(setup.varnish, f"/media/{name}" + FOR_LONG, Range=f"bytes={len(NEW)}-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{len(NEW)}")
    is_whole(ask(setup.varnish, f"/media/{name}" + FOR_LONG), NEW)


# --- files too big to be kept ---

@pytest.fixture
def too_big(setup: Setup, name: str) -> str:
    """The path of a file that is not kept; its first request has told Varnish so."""
    with open(setup.origin.folder / name, "wb") as file:
        file.write(NEW)
        file.truncate(TOO_BIG)
    path = f"/media/{name}"
    with Connection(setup.varnish) as client:  # and the client leaves: Varnish would send all
        client.send(path + FOR_LONG)
        assert client.head()[0] == 200
        same_bytes(client.read(len(NEW)), NEW)
    return path


def test_ranges_of_a_file_too_big_are_left_to_the_app(setup, too_big):
    for _ in range(2):
        answer = ask(setup.varnish, too_big + FOR_LONG, Range="bytes=10-99")
        equal("Content-Range", answer.get("Content-Range"), f"bytes 10-99/{TOO_BIG}")
        same_bytes(answer.body, NEW[10:100])
    assert setup.origin.fetched(too_big) == Counter([None, "bytes=10-99", "bytes=10-99"])


def test_a_416_of_a_file_too_big_is_not_kept(setup, too_big):
    answer = ask(setup.varnish, too_big + FOR_LONG, Range=f"bytes={TOO_BIG}-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{TOO_BIG}")
    same_bytes(ask(setup.varnish, too_big + FOR_LONG, Range="bytes=0-9").body, NEW[:10])
