"""nginx with slice and proxy_cache, under ``docs/configs/nginx-slice-cache.conf``, before servers with two workers."""

from __future__ import annotations

import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.front import caches
from tests.front.caches import MIB, Origin, ask, wait_until, what_came
from tests.matrix.checks import equal, same_bytes
from tests.matrix.wire import Address, Connection
from tests.support import Answer

pytestmark = pytest.mark.matrix

BIG = Random(15).randbytes(40 * MIB + 12_345)
OLD, NEW = Random(1).randbytes(4 * MIB), Random(2).randbytes(4 * MIB)
LAST_YEAR = time.time() - 365 * 86_400
FOR_LONG = "?cache=max-age=86400"
FOR_A_SECOND = "?cache=max-age=1"


class Setup(NamedTuple):
    """An origin, and nginx before it."""

    origin: Origin
    nginx: Address
    log: Path

    def complaints(self) -> list[str]:
        """What nginx says of slices that do not fit."""
        return [line for line in self.log.read_text().splitlines() if "in slice response" in line]


@pytest.fixture(scope="module", params=caches.SERVERS)
def setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    directory = tmp_path_factory.mktemp("slices")
    with caches.origin(request.param, directory) as origin, caches.slice_cache(origin, directory) as address:
        yield Setup(origin, address, directory / "error.log")


@pytest.fixture(autouse=True)
def no_complaints(setup: Setup, request: pytest.FixtureRequest) -> Iterator[None]:
    """No slice may fail to fit the first one, unless the test is about that."""
    before = setup.complaints()
    yield
    if "breaks_off" not in request.node.name:
        assert setup.complaints() == before


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test has: what nginx keeps is never of another test."""
    return re.sub(r"\W+", "-", request.node.name)


def slices(first: int, last: int) -> Counter[str | None]:
    """The Range of each of these slices, once."""
    return Counter(f"bytes={n * MIB}-{(n + 1) * MIB - 1}" for n in range(first, last + 1))


def is_whole(answer: Answer, content: bytes) -> None:
    equal("the status", answer.status, 200)
    equal("Content-Length", answer.get("Content-Length"), str(len(content)))
    same_bytes(answer.body, content)


def is_part(answer: Answer, content: bytes, first_pos: int, last_pos: int) -> None:
    equal("the status", answer.status, 206)
    equal("Content-Range", answer.get("Content-Range"), f"bytes {first_pos}-{last_pos}/{len(content)}")
    same_bytes(answer.body, content[first_pos:last_pos + 1])


# --- whole and in ranges ---

def test_each_slice_is_fetched_once_whoever_asks(setup, name):
    setup.origin.write(name, BIG)
    path, failed = f"/media/{name}", []

    def whole():
        is_whole(ask(setup.nginx, path + FOR_LONG), BIG)

    def ranges(seed):
        random = Random(seed)
        for _ in range(10):
            first_pos, last_pos = sorted(random.choices(range(len(BIG)), k=2))
            last_pos = min(last_pos, first_pos + 3 * MIB)
            answer = ask(setup.nginx, path + FOR_LONG, Range=f"bytes={first_pos}-{last_pos}")
            is_part(answer, BIG, first_pos, last_pos)

    def client(work, *arguments):
        try:
            work(*arguments)
        except BaseException as exc:
            failed.append(exc)

    clients = [threading.Thread(target=client, args=work) for work in ((whole,), (whole,), (ranges, 1), (ranges, 2))]
    for thread in clients:
        thread.start()
    for thread in clients:
        thread.join()
    assert failed == []
    assert setup.origin.fetched(path) == slices(0, 40)


def test_only_the_slices_asked_for_are_fetched(setup, name):
    setup.origin.write(name, BIG)
    path = f"/media/{name}"
    answer = ask(setup.nginx, path + FOR_LONG, Range=f"bytes={7 * MIB - 1}-{8 * MIB}")
    is_part(answer, BIG, 7 * MIB - 1, 8 * MIB)
    answer = ask(setup.nginx, path + FOR_LONG, Range=f"bytes={7 * MIB}-{7 * MIB}")
    is_part(answer, BIG, 7 * MIB, 7 * MIB)
    assert setup.origin.fetched(path) == slices(6, 8)


def test_a_suffix(setup, name):
    setup.origin.write(name, NEW)
    answer = ask(setup.nginx, f"/media/{name}", Range="bytes=-500")
    is_part(answer, NEW, len(NEW) - 500, len(NEW) - 1)


def test_several_ranges_come_whole(setup, name):
    """RFC 9110 14.2 lets a server ignore Range; nginx does, for several ranges of what is in slices."""
    setup.origin.write(name, NEW)
    is_whole(ask(setup.nginx, f"/media/{name}", Range=f"bytes=0-9,{3 * MIB}-{3 * MIB + 9}"), NEW)


@pytest.mark.parametrize("field", [{}, {"Range": "bytes=5-9"}])
def test_head_has_the_complete_length_and_costs_one_slice(setup, name, field):
    setup.origin.write(name, NEW)
    answer = ask(setup.nginx, f"/media/{name}" + FOR_LONG, "HEAD", **field)
    length = "5" if field else str(len(NEW))  # nginx obeys Range on HEAD
    equal("Content-Length", answer.get("Content-Length"), length)
    assert answer.get("ETag")
    assert setup.origin.fetched(f"/media/{name}") == slices(0, 0)


def test_a_framework_that_has_validators_of_its_own(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/framework/{name}"
    is_whole(ask(setup.nginx, path), NEW)
    is_part(ask(setup.nginx, path, Range="bytes=9-2000000"), NEW, 9, 2_000_000)
    assert setup.origin.fetched(path) == slices(0, 3)


def test_an_empty_file(setup, name):
    setup.origin.write(name, b"")
    is_whole(ask(setup.nginx, f"/media/{name}"), b"")


# --- files that are young, and files that change ---

def test_a_file_just_written_comes_whole_until_it_is_old(setup, name):
    setup.origin.write(name, NEW, age=0)
    written = time.monotonic()
    while True:
        is_old = time.monotonic() > written + 2.2  # looked at before: the last answer is to be of an old file
        is_whole(ask(setup.nginx, f"/media/{name}" + FOR_LONG), NEW)
        if is_old:
            break
        time.sleep(0.2)
    assert ask(setup.nginx, f"/media/{name}" + FOR_LONG).get("ETag")


def test_no_slice_of_a_young_file_is_kept(setup, name):
    """It has no ETag, by which nginx would see that the others are not of the same version."""
    setup.origin.write(name, OLD, age=-3600)
    first = ask(setup.nginx, f"/media/{name}" + FOR_LONG, Range="bytes=0-9")
    is_part(first, OLD, 0, 9)
    assert first.get("ETag") is None
    setup.origin.write(name, NEW)
    is_whole(ask(setup.nginx, f"/media/{name}" + FOR_LONG), NEW)


def test_slices_are_kept_from_when_the_file_is_old(setup, name):
    """The client is so slow that the file grows old while it is sent: what comes after that is kept."""
    path = f"/media/{name}"
    setup.origin.write(name, BIG, age=-3600)
    with Connection(setup.nginx, caches.TIMEOUT) as client:
        client.send(path + FOR_LONG)
        assert client.head()[0] == 200
        same_bytes(client.read(MIB), BIG[:MIB])
        os.utime(setup.origin.folder / name, (LAST_YEAR, LAST_YEAR))
        same_bytes(client.read(len(BIG) - MIB), BIG[MIB:])
    is_whole(ask(setup.nginx, path + FOR_LONG), BIG)
    last = [*slices(40, 40)][0]
    assert setup.origin.fetched(path)[last] == 1


def test_nginx_breaks_off_rather_than_mix_two_versions(setup, name):
    setup.origin.write(name, OLD)
    is_part(ask(setup.nginx, f"/media/{name}" + FOR_LONG, Range="bytes=0-9"), OLD, 0, 9)
    setup.origin.write(name, NEW, age=caches.LONG_AGO - 1)
    content, is_complete = what_came(setup.nginx, f"/media/{name}" + FOR_LONG)
    assert not is_complete
    same_bytes(content, OLD[:len(content)])


def test_nginx_breaks_off_until_the_old_slices_are_out_of_date_and_then_sends_the_new_file(setup, name):
    path = f"/media/{name}" + FOR_A_SECOND
    setup.origin.write(name, OLD)
    is_part(ask(setup.nginx, path, Range=f"bytes=0-{2 * MIB}"), OLD, 0, 2 * MIB)
    setup.origin.write(name, NEW, age=caches.LONG_AGO - 1)

    def new_file_came():
        content, is_complete = what_came(setup.nginx, path)
        assert OLD.startswith(content) or NEW.startswith(content), "two versions are mixed"
        return is_complete and content == NEW
    wait_until(new_file_came, "the new file comes whole")
    is_whole(ask(setup.nginx, path), NEW)


def test_a_version_in_the_same_second_has_another_tag(setup, name):
    """Of the same length, and a nanosecond younger: only the ETag tells them apart."""
    setup.origin.write(name, OLD)
    first = ask(setup.nginx, f"/media/{name}?1", "HEAD")
    modified = (setup.origin.folder / name).stat().st_mtime_ns
    (setup.origin.folder / name).write_bytes(NEW)
    os.utime(setup.origin.folder / name, ns=(modified + 1, modified + 1))
    second = ask(setup.nginx, f"/media/{name}?2", "HEAD")
    assert None is not first.get("ETag") != second.get("ETag") is not None


def test_slices_that_are_out_of_date_are_not_fetched_again(setup, name):
    path = f"/media/{name}"
    setup.origin.write(name, NEW)

    def are_validated():
        is_whole(ask(setup.nginx, path + FOR_A_SECOND), NEW)
        validated = Counter(exchange.asked["range"] for exchange in setup.origin.exchanges(path)
                            if exchange.status == 304 and "if-none-match" in exchange.asked)
        return validated.keys() == slices(0, 3).keys()
    wait_until(are_validated, "the origin answers 304 for each slice")
    assert setup.origin.fetched(path) == slices(0, 3)


# --- conditions ---

def test_if_range(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/{name}" + FOR_LONG
    etag = ask(setup.nginx, path, "HEAD").get("ETag")
    is_part(ask(setup.nginx, path, Range=f"bytes={3 * MIB}-", If_Range=etag), NEW, 3 * MIB, len(NEW) - 1)
    is_whole(ask(setup.nginx, path, Range=f"bytes={3 * MIB}-", If_Range='"other"'), NEW)
    assert setup.origin.fetched(f"/media/{name}") == slices(0, 3)


def test_if_none_match_is_answered_without_the_origin(setup, name):
    setup.origin.write(name, NEW)
    path = f"/media/{name}" + FOR_LONG
    whole = ask(setup.nginx, path)
    before = setup.origin.exchanges(f"/media/{name}")
    answer = ask(setup.nginx, path, If_None_Match=whole.get("ETag"))
    assert (answer.status, answer.get("ETag")) == (304, whole.get("ETag"))
    assert setup.origin.exchanges(f"/media/{name}") == before


# --- what is not kept ---

@pytest.mark.parametrize("first_pos", [4 * MIB, 4 * MIB + 5, 9 * MIB])
def test_a_416_is_not_kept(setup, name, first_pos):
    """Asked while the file is short, although the app permits that its file is kept for a day."""
    setup.origin.write(name, OLD)
    answer = ask(setup.nginx, f"/media/{name}" + FOR_LONG, Range=f"bytes={first_pos}-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{len(OLD)}")
    setup.origin.write(name, BIG)
    answer = ask(setup.nginx, f"/media/{name}" + FOR_LONG, Range=f"bytes={first_pos}-{9 * MIB}")
    is_part(answer, BIG, first_pos, 9 * MIB)


def test_a_416_that_nginx_makes_of_the_last_slice(setup, name):
    setup.origin.write(name, BIG)
    answer = ask(setup.nginx, f"/media/{name}", Range=f"bytes={len(BIG)}-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{len(BIG)}")


def test_a_404_is_not_kept(setup, name):
    assert ask(setup.nginx, f"/media/{name}").status == 404
    setup.origin.write(name, NEW)
    is_whole(ask(setup.nginx, f"/media/{name}"), NEW)


@pytest.mark.parametrize("fields", ["?cache=no-cache", "?cache=private,max-age=60", "?cookie=user=1"])
def test_what_is_meant_for_one_client_is_not_kept(setup, name, fields):
    setup.origin.write(name, NEW)
    for _ in range(2):
        is_whole(ask(setup.nginx, f"/media/{name}{fields}"), NEW)
    assert setup.origin.fetched(f"/media/{name}") == slices(0, 3) + slices(0, 3)


def test_each_language_is_kept_for_itself(setup, name):
    setup.origin.write(f"{name}.de", OLD)
    setup.origin.write(f"{name}.en", NEW)
    path = f"/media/language/{name}"
    for _ in range(2):
        for language, content in (("de", OLD), ("en", NEW)):
            is_whole(ask(setup.nginx, path + FOR_LONG, Accept_Language=language), content)
    assert setup.origin.fetched(path) == slices(0, 3) + slices(0, 3)


def test_the_location_without_slices_passes_ranges_on(setup):
    assert ask(setup.nginx, "/").status == 404
