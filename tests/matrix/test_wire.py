"""The client of the matrix goes red where a server sends something wrong: a server that sends just that shows it."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.matrix import report
from tests.matrix.wire import REPEATABLE, Address, Connection, Silence

pytestmark = pytest.mark.matrix

SILENCE = 0.3  # seconds after which the client gives up a server that says nothing for good
SINGLE = ("Accept-Ranges", "Content-Length", "Content-Range", "Content-Type", "Date", "ETag", "Last-Modified", "Server",
          "Transfer-Encoding", "Connection", "X-Unknown")
STAY = b""
"""In place of an answer: the server waits for one more request, and so keeps the connection open."""


class Scripted:
    """A server that answers the requests of each connection with the bytes written down for it, then closes it."""

    def __init__(self, connections: Sequence[Sequence[bytes]]) -> None:
        self.requests: list[bytes] = []
        self._connections = connections
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address: Address = self._listening.getsockname()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._connections:
            connection, _ = self._listening.accept()
            with connection, contextlib.suppress(ConnectionError):
                self._play(connection, answers)

    def _play(self, connection: socket.socket, answers: Sequence[bytes]) -> None:
        for answer in answers:
            request = b""
            while not request.endswith(b"\r\n\r\n"):
                block = connection.recv(65536)
                if not block:
                    return
                request += block
            self.requests.append(request)
            connection.sendall(answer)

    def close(self) -> None:
        """Waits for the end of the script; a connection that the client did not make ends it, too."""
        for _ in self._connections:
            with contextlib.suppress(OSError):
                socket.create_connection(self.address).close()
        self._thread.join()
        self._listening.close()


@contextlib.contextmanager
def talking_to(*connections: Sequence[bytes]) -> Iterator[tuple[Connection, Scripted]]:
    """A client, connected to a server with this script."""
    server = Scripted(connections)
    try:
        with Connection(server.address, SILENCE) as client:
            yield client, server
    finally:
        server.close()


def answer(*lines: str, content: bytes = b"", version: str = "HTTP/1.1", status: str = "200 OK") -> bytes:
    """An answer as it is on the wire."""
    return "\r\n".join([f"{version} {status}", *lines, "", ""]).encode() + content


RIGHT = answer("Content-Length: 3", content=b"abc")

GOOD = [
    pytest.param(RIGHT, b"abc", id="Content-Length"),
    pytest.param(answer("Transfer-Encoding: chunked", content=b"2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n"), b"abc",
                 id="chunks, an extension and a trailer"),
    pytest.param(answer("content-length: 0"), b"", id="empty"),
]


@pytest.mark.parametrize(("sent", "content"), GOOD)
def test_reads_answer_after_answer(sent: bytes, content: bytes) -> None:
    with talking_to([sent, sent, RIGHT, STAY]) as (client, _):
        assert [client.ask("/").body for _ in range(3)] == [content, content, b"abc"]
        client.quiet(0.05)
        assert client.opened == 1


@pytest.mark.parametrize(("status", "method"), [
    ("200 OK", "HEAD"), ("304 Not Modified", "GET"), ("204 No Content", "GET")])
def test_reads_no_content_where_there_is_none(status: str, method: str) -> None:
    with talking_to([answer("Content-Length: 3", status=status), RIGHT, STAY]) as (client, _):
        assert client.ask("/", method).body == b""
        assert client.ask("/").body == b"abc"


ANNOUNCED = [
    pytest.param(answer("Connection: close", "Content-Length: 3", content=b"abc"), id="Connection"),
    pytest.param(answer("connection: x, Close", content=b"abc"), id="no length"),
    pytest.param(answer(version="HTTP/1.0", content=b"abc"), id="HTTP/1.0"),
]


@pytest.mark.parametrize("sent", ANNOUNCED)
def test_opens_the_next_connection_after_an_announced_close(sent: bytes) -> None:
    with talking_to([sent], [sent], [RIGHT, STAY]) as (client, _):
        assert [client.ask("/").body for _ in range(3)] == [b"abc"] * 3
        assert client.opened == 3


def test_closes_as_soon_as_the_server_has() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, Connection(listening.getsockname()) as client:
        connection, _ = listening.accept()
        with connection:
            connection.sendall(answer("Connection: close", "Content-Length: 3", content=b"abc"))
            connection.shutdown(socket.SHUT_WR)
            client.ask("/")
            connection.settimeout(10)
            assert connection.recv(65536).startswith(b"GET / ")
            assert connection.recv(65536) == b""


def test_keeps_a_connection_of_http_1_0_that_is_kept_alive() -> None:
    kept = answer("Connection: keep-alive", "Content-Length: 3", version="HTTP/1.0", content=b"abc")
    with talking_to([kept, kept, STAY]) as (client, _):
        client.ask("/")
        client.ask("/")
        assert client.opened == 1


def test_a_close_that_was_asked_for_needs_no_announcement() -> None:
    with talking_to([RIGHT], [RIGHT, STAY]) as (client, _):
        assert client.ask("/", Connection="close").body == b"abc"
        assert client.ask("/").body == b"abc"
        assert client.opened == 2


def test_sends_repeated_fields_and_raw_bytes() -> None:
    with talking_to([RIGHT, RIGHT, STAY]) as (client, server):
        client.ask("/a", "PUT", Range=["bytes=0-1", b"\xff"], If_Range='"v1"')
        client.send_bytes(b"GARBAGE\r\n\r\n")
        client.receive()
        assert server.requests == [
            b'PUT /a HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-1\r\nRange: \xff\r\nIf-Range: "v1"\r\n\r\n',
            b"GARBAGE\r\n\r\n"]


def test_some_fields_may_come_twice() -> None:
    lines = [f"{name}: {value}" for name in REPEATABLE for value in "ab"]
    with talking_to([answer("Content-Length: 0", *lines), STAY]) as (client, _):
        assert client.ask("/").fields[1:] == [tuple(line.split(": ")) for line in lines]


FAULTS = [  # what the server sends to one request; then it closes, or stays
    pytest.param([RIGHT + b"X", STAY], "1 bytes too many: b'X'", id="a byte after Content-Length"),
    pytest.param([answer("Content-Length: 3", "Connection: close", content=b"abcX")], "1 bytes too many",
                 id="a byte before an announced close"),
    pytest.param([answer("Transfer-Encoding: chunked", content=b"0\r\n\r\nX"), STAY], "1 bytes too many",
                 id="a byte after the last chunk"),
    pytest.param([answer("Content-Length: 3", status="304 Not Modified", content=b"abc"), STAY], "3 bytes too many",
                 id="content after a 304"),
    pytest.param([answer("Content-Length: 3", content=b"ab"), STAY], "2 of 3 bytes within",
                 id="a short body, then silence"),
    pytest.param([answer("Content-Length: 3", content=b"ab")], r"2 of 3 bytes came, then .* closed", id="a short body"),
    pytest.param([answer("Content-Length: 3", "Connection: close", content=b"ab")], r"2 of 3 bytes came",
                 id="a short body and an announced close"),
    pytest.param([answer("Transfer-Encoding: chunked", content=b"3\r\nabc\r\n")], "closed within a line",
                 id="no last chunk"),
    pytest.param([answer("Transfer-Encoding: chunked", content=b"2\r\nabc\r\n0\r\n\r\n"), STAY], "does not end there",
                 id="a chunk too long"),
    pytest.param([answer("Transfer-Encoding: chunked", content=b"abc, unframed\r\n"), STAY],
                 "not the length of a chunk", id="no chunks"),
    pytest.param([answer("Transfer-Encoding: chunked", "Content-Length: 3", content=b"3\r\nabc\r\n0\r\n\r\n"), STAY],
                 "together", id="length and chunks"),
    pytest.param([answer(content=b"abc"), STAY], "has no end", id="neither length nor chunks"),
    pytest.param([answer("Content-Length: +3", content=b"abc"), STAY], "Content-Length", id="a length that is none"),
    pytest.param([answer("Content-Length : 3", content=b"abc"), STAY], "not a field line",
                 id="a blank in a field line"),
    pytest.param([b"HTTP/1.1 200 OK\nContent-Length: 0\n\n", STAY], "without CR", id="bare line feeds"),
    pytest.param([answer("Connection: close", "Content-Length: 3", content=b"abc"), STAY], "no close",
                 id="a close announced and not made"),
    pytest.param([STAY, STAY], "no answer within", id="silence"),
    pytest.param([b"abc", STAY], "instead of the next answer", id="no head"),
    pytest.param([b"HTTP/1.1 200", STAY], "an unfinished head within", id="half a head"),
    *(pytest.param([answer(f"{name}: 0", f"{name.lower()}: 0", "X: y"), STAY], f"more than once: {name.lower()}$",
                   id=f"{name} twice")
      for name in SINGLE),
]


@pytest.mark.parametrize(("sent", "sentence"), FAULTS)
def test_a_fault_is_told(sent: list[bytes], sentence: str) -> None:
    with talking_to(sent) as (client, _), pytest.raises(AssertionError, match=sentence):
        client.ask("/")


def test_silence_has_a_name_of_its_own() -> None:
    with talking_to([STAY, STAY]) as (client, _), pytest.raises(Silence):
        client.ask("/")


def test_content_after_a_head_is_told() -> None:
    with talking_to([RIGHT, STAY]) as (client, _), pytest.raises(AssertionError, match="3 bytes too many: b'abc'"):
        client.ask("/", "HEAD")


def test_content_after_a_head_that_comes_late_spoils_the_next_answer() -> None:
    with talking_to([answer("Content-Length: 3"), b"abc" + RIGHT, STAY]) as (client, _):
        client.ask("/late", "HEAD")
        with pytest.raises(AssertionError, match="HEAD /late was answered with 200, then instead .* b'abcHTTP"):
            client.ask("/")


def test_content_after_a_head_before_a_close_is_told() -> None:
    with talking_to([RIGHT]) as (client, _), pytest.raises(AssertionError, match="3 bytes too many"):
        client.ask("/", "HEAD", Connection="close")


def test_a_close_without_announcement_is_told_with_the_next_request() -> None:
    with talking_to([RIGHT]) as (client, server):
        client.send("/")
        assert client.head()[0] == 200
        assert client.read(3) == b"abc"
        with pytest.raises(AssertionError, match="GET / was answered with 200, then .* closed without"):
            client.ask("/next")
        assert client.opened == 1


def test_a_close_without_announcement_is_told_at_once() -> None:
    with talking_to([RIGHT]) as (client, _):
        client.send("/")
        client.head()
        client.read(3)
        with pytest.raises(AssertionError, match="closed unannounced"):
            client.quiet(10)


def test_what_comes_late_is_told_by_waiting_for_it() -> None:
    with talking_to([RIGHT, b"late", STAY]) as (client, _):
        client.ask("/")
        client.send("/")  # makes the server send what belongs to no answer
        with pytest.raises(AssertionError, match="4 bytes too many: b'late'"):
            client.quiet(10)


def test_a_client_that_hangs_up_ends_its_connection() -> None:
    with talking_to([RIGHT, STAY]) as (client, server):
        client.ask("/")
        client.hang_up()
    assert len(server.requests) == 1


def test_a_grid_has_a_cell_for_each_pair() -> None:
    cells = {("waitress", "flask"): ["short: 2 of 3 bytes\nmore"], ("waitress", "bottle"): [], ("uwsgi", "flask"): []}
    assert report.lines(cells) == [
        "          flask  bottle",
        "waitress  1      ok",
        "uwsgi     ok     .",
        "",
        "waitress, flask: short: 2 of 3 bytes"]


def test_a_grid_goes_to_a_file(tmp_path: Path) -> None:
    report.write({("a", "b"): []}, tmp_path / "grid")
    assert (tmp_path / "grid").read_text() == "   b\na  ok\n"
