"""The server of the fault tests is well made where it is not told otherwise (read by http.client)."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import pytest

from tests.client.fault_server import COMPLETE_LENGTH, FaultServer

_LAST = COMPLETE_LENGTH - 1


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def _ask(server: FaultServer, method: str = "GET", **fields: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    try:
        connection.request(method, "/file.bin", headers={name.replace("_", "-"): text for name, text in fields.items()})
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def test_the_whole(server: FaultServer) -> None:
    answer, content = _ask(server)
    assert (answer.status, content) == (200, server.version.content)
    assert answer.headers["Accept-Ranges"] == "bytes"
    date, changed = (parsedate_to_datetime(answer.headers[name]) for name in ("Date", "Last-Modified"))
    assert (date - changed).total_seconds() > 1000


@pytest.mark.parametrize(
    ("value", "first_pos", "last_pos"),
    [
        ("bytes=0-", 0, _LAST),
        ("bytes=0-0", 0, 0),
        ("bytes=5-9", 5, 9),
        (f"bytes=100-{10**9}", 100, _LAST),
        ("bytes=-7", COMPLETE_LENGTH - 7, _LAST),
    ],
)
def test_a_range(server: FaultServer, value: str, first_pos: int, last_pos: int) -> None:
    answer, content = _ask(server, Range=value)
    assert (answer.status, content) == (206, server.version.content[first_pos : last_pos + 1])
    assert answer.headers["Content-Range"] == f"bytes {first_pos}-{last_pos}/{COMPLETE_LENGTH}"
    assert answer.headers["Content-Length"] == str(len(content))


@pytest.mark.parametrize("value", [f"bytes={COMPLETE_LENGTH}-", "bytes=-0", "bytes=9-8"])
def test_a_range_that_is_not_there(server: FaultServer, value: str) -> None:
    answer, content = _ask(server, Range=value)
    assert (answer.status, content) == (416, b"")
    assert answer.headers["Content-Range"] == f"bytes */{COMPLETE_LENGTH}"


@pytest.mark.parametrize(
    ("value", "status"), [("etag", 206), ("date", 206), ('"other"', 200), ("W/etag", 200), ("garbage", 200)]
)
def test_if_range(server: FaultServer, value: str, status: int) -> None:
    version = server.version
    text = value.replace("etag", version.etag).replace("date", version.last_modified)
    assert _ask(server, Range="bytes=1-2", If_Range=text)[0].status == status


def test_head(server: FaultServer) -> None:
    answer, content = _ask(server, "HEAD")
    assert (answer.status, answer.headers["Content-Length"], content) == (200, str(COMPLETE_LENGTH), b"")


def test_a_changed_file_has_other_validators_and_bytes(server: FaultServer) -> None:
    before = server.version
    after = server.change()
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert _ask(server)[1] == after.content


def test_requests_and_bytes_are_counted(server: FaultServer) -> None:
    answer, content = _ask(server, Range="bytes=0-99", X_Mine="yes")
    assert [(request.method, request.target) for request in server.requests] == [("GET", "/file.bin")]
    assert server.requests[0].field("x-mine") == "yes"
    head = len("HTTP/1.1 206 Partial Content\r\n\r\n") + sum(len(f"{n}: {v}\r\n") for n, v in answer.getheaders())
    assert server.sent == head + len(content)


def test_the_budget_cuts(server: FaultServer) -> None:
    server.budget = 1000
    with pytest.raises(http.client.IncompleteRead):
        _ask(server)
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        _ask(server)
    assert server.sent == 1000


def test_close_ends_every_thread() -> None:
    before = threading.active_count()
    with FaultServer(lambda call: call.line.stall()) as server:
        idle = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        idle.request("GET", "/file.bin")
        assert threading.active_count() > before
    with pytest.raises((http.client.HTTPException, OSError)):
        idle.getresponse()
    idle.close()
    assert threading.active_count() == before


def test_nobody_listens_while_it_is_alone(server: FaultServer) -> None:
    server.is_alone = True
    first = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    first.request("GET", "/file.bin", headers={"Range": "bytes=0-0"})
    assert first.getresponse().read() == server.version.content[:1]
    with pytest.raises(ConnectionRefusedError):
        _ask(server)
    first.close()
