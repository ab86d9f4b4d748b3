"""Objects of moto's S3 server, sent by real servers: what the store is asked, and what clients get when it fails.

The store is a process of its own. All that the server asks goes through ``StoreLog``, which counts the bytes that the
store sends. moto keeps an object of 1 GiB on disk, and reads all of it into memory for each request, but sends what it
was asked for.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.config import Config

from tests.matrix.launch import ROOT, Running, serving
from tests.stores.bucket import BUCKET
from tests.stores.store_log import Exchange, StoreLog
from tests.support import Answer, parts

pytestmark = pytest.mark.matrix

MIB = 1 << 20
HUGE = 1 << 30
BLOCK = {"s3": 131_072, "fsspec": 4 * MIB}
"""Bytes per block of each kind of body."""
PATIENCE = 60.0
"""Seconds in which something must have happened; a bound, not a wait."""
SERVERS = {"gunicorn-gthread": "tests.front.store_apps:wsgi", "uvicorn-h11": "tests.front.store_apps:asgi"}

KEEPS_MEMORY = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(16 * HUGE)}
"""Has moto use the same memory for each request. To get 1 GiB anew would take it most of a second."""

kinds = pytest.mark.parametrize("kind", BLOCK)
Byte = tuple[int, int]


def content(first: int, last: int) -> bytes:
    """Bytes of the huge object: each MiB of it is another."""
    start = first // MIB
    mibs = (hashlib.shake_128(b"%d" % number).digest(MIB) for number in range(start, last // MIB + 1))
    return b"".join(mibs)[first - start * MIB:last + 1 - start * MIB]


SMALL = content(0, 9 * MIB - 1)
NEW = SMALL[::-1]


class Store(NamedTuple):
    """A store, seen through its log and past it."""

    log: StoreLog
    client: Any

    def put(self, key: str, body: bytes) -> None:
        self.client.put_object(Bucket=BUCKET, Key=key, Body=body)

    def delete(self, key: str) -> None:
        self.client.delete_object(Bucket=BUCKET, Key=key)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store with one object of 1 GiB."""
    output = tmp_path_factory.mktemp("moto") / "moto.log"
    with open(output, "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], cwd=ROOT, stdout=log, stderr=log,
            env={**os.environ, **KEEPS_MEMORY})
    try:
        url = _url(process, output)
        client = boto3.client(
            "s3", endpoint_url=url, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret",
            config=Config(read_timeout=300, retries={"total_max_attempts": 1}))
        client.create_bucket(Bucket=BUCKET)
        _put_huge(client, output.with_name("huge"))
        with StoreLog(url).running() as running:
            yield Store(running, client)
    finally:
        process.terminate()
        process.wait()


def _url(process: subprocess.Popen[bytes], output: Path) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:[0-9]+", output.read_text()):
            return found[0]
        time.sleep(0.05)
    raise AssertionError(f"moto does not start\n{output.read_text()}")


def _put_huge(client: Any, path: Path) -> None:
    """Put the huge object into the bucket, in one go: moto takes 2 GiB of memory then, and 4 GiB to join parts."""
    with open(path, "w+b") as file:
        for start in range(0, HUGE, MIB):
            file.write(content(start, start + MIB - 1))
        file.seek(0)
        client.put_object(Bucket=BUCKET, Key="huge", Body=file)
    path.unlink()
    assert client.head_object(Bucket=BUCKET, Key="huge")["ContentLength"] == HUGE


@pytest.fixture(scope="module", params=SERVERS)
def server(request: Any, store: Store, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server that sends objects of the store."""
    folder = tmp_path_factory.mktemp("server")
    with serving(request.param, SERVERS[request.param], folder, {"STORE_URL": store.log.url}) as running:
        yield running


@pytest.fixture(autouse=True)
def behaves(store: Store) -> Iterator[None]:
    """The small object is there, and the store behaves; so it does after the test."""
    store.log.reset()
    store.put("small", SMALL)
    yield
    store.log.reset()


@contextmanager
def begun(
    server: Running, path: str, range: str | None = None, method: str = "GET", **fields: str
) -> Iterator[http.client.HTTPResponse]:
    """Send a request, and hand out the response with its head read. The connection is closed at the end."""
    with closing(http.client.HTTPConnection(*server.address, timeout=PATIENCE)) as connection:
        connection.request(method, path, headers={**({"Range": range} if range else {}), **fields})
        with connection.getresponse() as response:
            yield response


def get(server: Running, path: str, range: str | None = None, method: str = "GET", **fields: str) -> Answer:
    """Send a request, and return the whole answer."""
    with begun(server, path, range, method, **fields) as response:
        return Answer(response.status, response.getheaders(), response.read(), {})


def until(happened: Callable[[], object]) -> bool:
    """True once this is true; False if that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def before_get(store: Store, number: int, action: Callable[[], object]) -> None:
    """Do something just before the store gets to see GET number ``number``, from 0."""
    def before(exchange: Exchange) -> None:
        if exchange.method == "GET" and len(store.log.gets()) == number + 1:
            action()
    store.log.before = before


def peak(server: Running) -> int:
    """Bytes that the processes of the server had in memory at the most, together."""
    status = "".join(Path(f"/proc/{pid}/status").read_text() for pid in server.pids())
    return 1024 * sum(map(int, re.findall(r"VmHWM:\s+([0-9]+) kB", status)))


# --- bytes -----------------------------------------------------------------------------------------------------------

def random_requests() -> list[list[Byte]]:
    """The ranges of 60 requests: 100 of up to 2 MiB, one or three at once, which do not touch each other."""
    chance = random.Random(15)  # noqa: S311 - the same each time, so that a failure can be looked into
    made = []
    for number in range(60):
        count = 3 if number % 3 == 0 else 1
        areas = chance.sample(range(HUGE // (4 * MIB)), count)
        firsts = [area * 4 * MIB + chance.randrange(2 * MIB) for area in areas]
        made.append([(first, first + chance.choice((0, 99, 65_536, chance.randrange(2 * MIB)))) for first in firsts])
    assert sum(map(len, made)) == 100
    return made


def check(answer: Answer, wanted: list[Byte]) -> None:
    """The answer has the bytes that were asked for."""
    assert answer.status == 206
    if len(wanted) == 1:
        assert answer.get("Content-Range") == f"bytes {wanted[0][0]}-{wanted[0][1]}/{HUGE}"
        assert answer.body == content(*wanted[0])
        return
    assert [(part.first_pos, part.last_pos) for part in parts(answer)] == wanted
    for part in parts(answer):
        assert part.content == content(part.first_pos, part.last_pos)


@kinds
def test_a_hundred_ranges_of_1_gib(server: Running, store: Store, kind: str) -> None:
    requests = random_requests()

    def ask(wanted: list[Byte]) -> None:
        ranges = ",".join(f"{first}-{last}" for first, last in wanted)
        check(get(server, f"/{kind}/huge", f"bytes={ranges}"), wanted)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ask, requests))
    gets, asked = store.log.gets(), [part for wanted in requests for part in wanted]
    total = sum(last - first + 1 for first, last in asked)
    assert total <= sum(exchange.sent for exchange in gets) <= total + BLOCK[kind] * len(asked)
    assert {exchange.range for exchange in gets} == {f"bytes={first}-{last}" for first, last in asked}
    assert all(exchange.status == 206 and exchange.if_match for exchange in gets)
    assert len(gets) == len(asked)


@kinds
def test_memory_is_bounded(server: Running, store: Store, kind: str) -> None:
    get(server, f"/{kind}/huge", "bytes=0-9")
    before, length = peak(server), 96 * MIB
    digest = hashlib.sha256()
    with begun(server, f"/{kind}/huge", f"bytes=7-{length + 6}") as response:
        while block := response.read(MIB):
            digest.update(block)
    assert digest.digest() == hashlib.sha256(content(7, length + 6)).digest()
    assert peak(server) - before < 48 * MIB
    assert sum(exchange.sent for exchange in store.log.gets()) == 10 + length


@kinds
def test_a_client_that_goes_away_stops_the_store(server: Running, store: Store, kind: str) -> None:
    with begun(server, f"/{kind}/huge", "bytes=1-") as response:
        assert response.read(MIB) == content(1, MIB)
    assert until(lambda: all(exchange.ended for exchange in store.log.gets()))
    time.sleep(0.5)  # it would ask for the next block
    assert until(lambda: all(exchange.ended for exchange in store.log.gets()))
    assert sum(exchange.sent for exchange in store.log.gets()) < 48 * MIB
    assert get(server, f"/{kind}/small", "bytes=9-99").body == SMALL[9:100]


@kinds
@pytest.mark.parametrize(("method", "range", "fields", "status"), [
    ("HEAD", None, {}, 200), ("HEAD", "bytes=0-9", {}, 200), ("GET", f"bytes={HUGE}-", {}, 416),
    ("GET", None, {"If-None-Match": "*"}, 304), ("GET", "bytes=0-9", {"If-Match": '"other"'}, 412),
])
def test_no_content_is_asked_for_without_need(
    server: Running, store: Store, kind: str, method: str, range: str | None, fields: dict[str, str], status: int
) -> None:
    assert get(server, f"/{kind}/huge", range, method, **fields).status == status
    assert store.log.gets() == []


# --- errors ----------------------------------------------------------------------------------------------------------

@kinds
def test_no_such_object(server: Running, store: Store, kind: str) -> None:
    answer = get(server, f"/{kind}/none", "bytes=0-9")
    assert (answer.status, answer.body) == (404, b"no film")


def down(*_: Exchange) -> None:
    raise ConnectionRefusedError


@kinds
def test_the_store_is_down(server: Running, store: Store, kind: str) -> None:
    store.log.before = down
    answer = get(server, f"/{kind}/small", "bytes=0-9")
    assert (answer.status, answer.body) == (503, b"no film")


@kinds
@pytest.mark.parametrize("range", ["bytes=9-99999", "bytes=9-99,200-300", None])
@pytest.mark.parametrize("action", [
    pytest.param(lambda store: store.delete("small"), id="deleted"),
    pytest.param(lambda store: store.put("small", NEW), id="replaced"),
    pytest.param(lambda store: down(), id="down"),
    pytest.param(lambda store: store.log.forgotten.add("range"), id="ignores Range"),
])
def test_an_error_between_head_and_get_is_an_error_page(
    server: Running, store: Store, kind: str, range: str | None, action: Callable[[Store], object]
) -> None:
    def before(exchange: Exchange) -> None:
        if exchange.method == "GET":
            action(store)

    store.log.before = before
    assert get(server, f"/{kind}/small", range).status == 500


@kinds
@pytest.mark.parametrize("range", ["bytes=1-", None, "bytes=100-199,5-7999999"])
def test_content_that_breaks_off_is_incomplete(server: Running, store: Store, kind: str, range: str | None) -> None:
    def before(exchange: Exchange) -> None:  # s3fs reads 4 MiB, and gives nothing of a block that is not whole
        is_first = kind == "fsspec" and len(store.log.gets()) == 1
        store.log.break_after = None if is_first else MIB - 5

    store.log.before = before
    with begun(server, f"/{kind}/small", range) as response:
        assert response.status == (206 if range else 200)
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            response.read()


@kinds
def test_an_object_replaced_between_two_parts_is_incomplete(server: Running, store: Store, kind: str) -> None:
    before_get(store, 1, lambda: store.put("small", NEW))
    with begun(server, f"/{kind}/small", "bytes=0-9,100-199") as response:
        assert response.status == 206
        with pytest.raises((http.client.IncompleteRead, ConnectionError)) as caught:
            response.read()
    if isinstance(caught.value, http.client.IncompleteRead):
        assert NEW[100:200] not in caught.value.partial


@kinds
def test_if_range_gives_all_of_a_new_version(server: Running, store: Store, kind: str) -> None:
    path = f"/{kind}/small"
    etag = get(server, path, "bytes=0-9").get("ETag")
    assert etag == store.client.head_object(Bucket=BUCKET, Key="small")["ETag"]
    assert get(server, path, "bytes=10-19", **{"If-Range": etag}).body == SMALL[10:20]
    store.put("small", NEW)
    answer = get(server, path, "bytes=10-19", **{"If-Range": etag})
    assert (answer.status, answer.body) == (200, NEW)


# --- processes -------------------------------------------------------------------------------------------------------

def test_a_file_system_made_before_the_fork(store: Store, tmp_path: Path) -> None:
    environ = {"STORE_URL": store.log.url, "GUNICORN_CMD_ARGS": "--preload"}
    with serving("gunicorn-sync-2", SERVERS["gunicorn-gthread"], tmp_path, environ) as server:
        def all_have_answered() -> bool:
            with ThreadPoolExecutor(4) as pool:
                answers = [*pool.map(lambda _: get(server, "/fsspec/small", "bytes=5-9"), range(8))]
            assert {(answer.status, answer.body) for answer in answers} == {(206, SMALL[5:10])}, server.log()
            workers.update(answer.get("X-Worker") for answer in answers)
            return len(workers) == 2

        workers: set[str | None] = set()
        assert until(all_have_answered)
