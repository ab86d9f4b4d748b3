"""End to end over a real loopback socket, under two production servers."""

from __future__ import annotations

import contextlib
import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from email.parser import BytesParser
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware
from tests.support import CONTENT, Answer, cut, parts

HUGE = 64 * 2**20
ROOT = Path(__file__).resolve().parents[2]
TIMEOUT = 10
opened: list[Any] = []


# --- the app, served in a process of its own -------------------------------------------------------------------------

class _Noticed(io.FileIO):
    """A real file that notes that it was opened; it knows itself whether it is closed."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        opened.append(self)


def _file(length: int) -> io.BufferedReader:
    return io.BufferedReader(_Noticed(_made(length)))


_names: dict[int, str] = {}
_lock = threading.Lock()


def _made(length: int) -> str:
    with _lock:
        if length not in _names:
            with tempfile.NamedTemporaryFile(dir=os.environ["RANGEWARE_TEST_DIR"], delete=False) as file:
                file.write(CONTENT)
                file.truncate(length)
                os.utime(file.name, (1_700_000_000, 1_700_000_000))
            _names[length] = file.name
        return _names[length]


def _app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    head = [("Content-Type", "application/octet-stream"), ("ETag", '"v1"')]
    length = ("Content-Length", str(len(CONTENT)))
    path = environ["PATH_INFO"]
    if path == "/file":
        start_response("200 OK", head)
        return environ.get("wsgi.file_wrapper", FileWrapper)(_file(len(CONTENT)))  # type: ignore[no-any-return]
    if path == "/huge":
        start_response("200 OK", head)
        return environ.get("wsgi.file_wrapper", FileWrapper)(_file(HUGE))  # type: ignore[no-any-return]
    if path == "/raw":
        start_response("200 OK", [*head, length])
        return _file(len(CONTENT))
    if path == "/generator":
        start_response("200 OK", [*head, length])
        return (chunk for chunk in cut(CONTENT, 64))
    if path == "/lazy":
        return _lazy(start_response, [*head, length])
    if path == "/write":
        start_response("200 OK", [*head, length])(CONTENT[:400])
        return [CONTENT[400:]]
    if path == "/short":
        start_response("200 OK", [*head, ("Content-Length", "2000")])
        return (chunk for chunk in cut(CONTENT, 64))
    if path == "/open":
        text = str(sum(not file.closed for file in opened)).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
        return [text]
    start_response("200 OK", head)
    return cut(CONTENT, 300)


def _lazy(start_response: Callable[..., Any], head: list[tuple[str, str]]) -> Iterator[bytes]:
    start_response("200 OK", head)
    yield from cut(CONTENT, 64)


application = RangeMiddleware(_app)


# --- servers ---------------------------------------------------------------------------------------------------------

WAITRESS = """
import socket, sys
import waitress
from tests.wsgi.test_servers import application
waitress.serve(application, sockets=[socket.socket(fileno=int(sys.argv[1]))], threads=4, _quiet=True)
"""


def _command(server: str, descriptor: int) -> list[str]:
    if server == "waitress":
        return [sys.executable, "-W", "ignore", "-c", WAITRESS, str(descriptor)]
    return [sys.executable, "-W", "ignore", "-m", "gunicorn", "--worker-class", "gthread", "--threads", "4",
            "--workers", "1", "--keep-alive", "30", "--graceful-timeout", "1", "--log-level", "critical", "--bind",
            f"fd://{descriptor}", "tests.wsgi.test_servers:application"]


@pytest.fixture(scope="module", params=["waitress", "gunicorn"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """A server at work: its listening socket is ours, so that nobody has to guess a free port or wait for it."""
    directory = tmp_path_factory.mktemp(request.param)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            _command(request.param, listening.fileno()), pass_fds=[listening.fileno()], cwd=ROOT,
            env={**os.environ, "RANGEWARE_TEST_DIR": str(directory)}, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        try:
            yield listening.getsockname()
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(TIMEOUT)


class Client:
    """One keep-alive connection, read to the byte."""

    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, TIMEOUT)
        self._stream = self._socket.makefile("rb")

    def send(self, path: str, method: str = "GET", **fields: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost",
                 *(f"{name.replace('_', '-')}: {value}" for name, value in fields.items())]
        self._socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        version, status, *_ = self._stream.readline().split()
        assert version == b"HTTP/1.1"
        lines = b"".join(iter(self._stream.readline, b"\r\n"))
        return int(status), list(BytesParser().parsebytes(lines + b"\r\n").items())

    def ask(self, path: str, method: str = "GET", **fields: str) -> Answer:
        """One exchange; the body is what Content-Length says, so that a byte too many spoils the next exchange."""
        self.send(path, method, **fields)
        status, head = self.head()
        answer = Answer(status, head, b"", {})
        if method == "HEAD" or status == 304:
            return answer
        if answer.get("Transfer-Encoding") == "chunked":
            return answer._replace(body=self._chunked())
        return answer._replace(body=self._read(int(answer.get("Content-Length") or "")))

    def _read(self, length: int) -> bytes:
        body = self._stream.read(length)
        assert len(body) == length, f"{len(body)} of {length} bytes, then the connection was closed"
        return body

    def _chunked(self) -> bytes:
        body = b""
        while length := int(self._stream.readline(), 16):
            body += self._read(length)
            assert self._stream.readline() == b"\r\n"
        assert self._stream.readline() == b"\r\n"
        return body

    def rest(self) -> bytes:
        """Read until the server closes."""
        with contextlib.suppress(ConnectionResetError):
            return self._stream.read()
        return b""

    def hang_up(self) -> None:
        """Closes without farewell (RST)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()


@pytest.fixture
def client(address: tuple[str, int]) -> Iterator[Client]:
    """A connection to the server at work."""
    with contextlib.closing(Client(address)) as connection:
        yield connection


PATHS = ["/file", "/raw", "/generator", "/lazy", "/write", "/list"]
UNDECLARED = ["/file", "/list"]


def check(client: Client, path: str, value: str, first_pos: int, last_pos: int, **fields: str) -> None:
    """One range of CONTENT."""
    answer = client.ask(path, Range=value, **fields)
    assert (answer.status, answer.body) == (206, CONTENT[first_pos:last_pos + 1]), path
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/1000"


@pytest.mark.each
@pytest.mark.parametrize("path", PATHS)
def test_many_answers_on_one_connection(client: Client, path: str) -> None:
    check(client, path, "bytes=0-9", 0, 9)
    check(client, path, "bytes=100-899", 100, 899)
    check(client, path, "bytes=-1", 999, 999)
    several = client.ask(path, Range="bytes=0-9,500-509,-5")
    assert [part.content for part in parts(several)] == [CONTENT[:10], CONTENT[500:510], CONTENT[-5:]]
    beyond = client.ask(path, Range="bytes=1000-")
    assert (beyond.status, beyond.get("Content-Range")) == (416, "bytes */1000")
    if path not in UNDECLARED:
        head = client.ask(path, "HEAD", Range="bytes=0-9")
        assert (head.status, head.get("Content-Length")) == (200, "1000")
    check(client, path, "bytes=5-", 5, 999, If_Range='"v1"')
    changed = client.ask(path, Range="bytes=5-", If_Range='"v0"')
    assert (changed.status, changed.body) == (200, CONTENT)
    ignored = client.ask(path, Range="bytes=9-0")
    assert (ignored.status, ignored.body) == (200, CONTENT)
    assert client.ask(path, If_Match='"v0"', Range="bytes=0-9").status == 412
    check(client, path, "bytes=990-5000", 990, 999)
    assert client.ask(path, If_None_Match='"v1"').status == 304  # last: waitress closes after a 304


@pytest.mark.each
@pytest.mark.parametrize("path", ["/file", "/generator", "/list"])
def test_whole_answers(address: tuple[str, int], path: str) -> None:
    with contextlib.closing(Client(address)) as client:
        answer = client.ask(path)
        assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, "bytes")


@pytest.mark.each
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("fields", [{}, {"Range": "bytes=0-9"}], ids=str)
def test_nothing_follows_the_head_of_a_head(address: tuple[str, int], path: str, fields: dict[str, str]) -> None:
    with contextlib.closing(Client(address)) as client:
        client.send(path, "HEAD", Connection="close", **fields)
        assert client.head()[0] == 200
        assert client.rest() == b""


def test_four_threads_at_once(address: tuple[str, int]) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with contextlib.closing(Client(address)) as client:
                for turn in range(15):
                    first_pos = 37 * turn + number
                    check(client, PATHS[(turn + number) % len(PATHS)], f"bytes={first_pos}-{first_pos + 300}",
                          first_pos, first_pos + 300)
        except BaseException as exc:
            failures.append(exc)
    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(3 * TIMEOUT)
    assert failures == []


def test_ranges_far_into_a_large_file(client: Client) -> None:
    answer = client.ask("/huge", Range=f"bytes=0-999,{HUGE - 10}-")
    assert [part.content for part in parts(answer)] == [CONTENT, bytes(10)]
    answer = client.ask("/huge", Range="bytes=500-3000000")
    assert (answer.status, answer.body) == (206, CONTENT[500:] + bytes(3_000_001 - 1000))
    check(client, "/file", "bytes=0-9", 0, 9)


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", f"bytes=0-9,100-{HUGE - 1}"])
def test_a_client_that_hangs_up_half_way(address: tuple[str, int], value: str) -> None:
    with contextlib.closing(Client(address)) as client:
        client.send("/huge", Range=value)
        assert client.head()[0] == 206
        client.hang_up()
    with contextlib.closing(Client(address)) as client:
        check(client, "/file", "bytes=0-9", 0, 9)
        deadline = time.monotonic() + TIMEOUT
        while (still_open := client.ask("/open").body) != b"0" and time.monotonic() < deadline:
            time.sleep(0.05)
        assert still_open == b"0"


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=500-", "bytes=-10", "bytes=0-9,-10"])
def test_a_source_that_ends_early_closes_the_connection(address: tuple[str, int], value: str) -> None:
    with contextlib.closing(Client(address)) as client:
        client.send("/short", Range=value)
        try:
            status, head = client.head()
        except ValueError:  # closed before the head: that shows, too
            return
        if status == 206:
            assert len(client.rest()) < int(dict(head)["Content-Length"])
        else:
            assert status == 500
