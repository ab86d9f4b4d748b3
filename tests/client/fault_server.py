"""An HTTP/1.1 server that puts raw bytes on the wire, so that it can tell any lie.

Well made in itself (RFC 9110: GET and HEAD, one range, If-Range, 206 and 416); a fault is a function that is given each
`Call` and may answer it otherwise. It has a thread for each connection, records every request and counts what it sends.
"""

from __future__ import annotations

import contextlib
import functools
import random
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email.utils import formatdate, parsedate_to_datetime
from http import HTTPStatus
from typing import NamedTuple

COMPLETE_LENGTH = 600_000
BLOCK = 16_384
_HOUR = 3600
_OPENING = 65_536  # bytes of content that come before any waiting for a second request
_RANGE = re.compile(r"bytes=(\d+)-(\d*)|bytes=-(\d+)", re.ASCII)


@functools.lru_cache(maxsize=64)
def random_bytes(seed: int, length: int) -> bytes:
    """So many bytes in which no two windows look alike; the same for the same seed."""
    return random.Random(seed).randbytes(length)


class Version(NamedTuple):
    """A representation as it is for a time. ``changed`` is when it was last changed, in seconds since 1970."""

    number: int
    content: bytes
    etag: str
    changed: int

    @classmethod
    def make(cls, number: int = 1, length: int = COMPLETE_LENGTH) -> Version:
        """Version ``number`` of the file, changed about an hour ago, later ones later."""
        changed = int(time.time()) - _HOUR + 10 * number
        return cls(number, random_bytes(number, length), f'"version-{number}"', changed)

    @property
    def last_modified(self) -> str:
        """The value of Last-Modified."""
        return formatdate(self.changed, usegmt=True)


class Request(NamedTuple):
    """A request as it came; field names in lower case."""

    connection: int
    method: str
    target: str
    fields: tuple[tuple[str, str], ...]

    def field(self, name: str) -> str:
        """The value of the first field of this name, "" if there is none."""
        return next((value for key, value in self.fields if key == name), "")

    @property
    def first_pos(self) -> int | None:
        """The first position of the range asked for; None without Range or for a suffix."""
        match = _RANGE.fullmatch(self.field("range"))
        return int(match[1]) if match and match[1] else None

    @property
    def is_later(self) -> bool:
        """True if it asks for bytes that do not begin at 0: it resumes, or is a further connection."""
        return bool(self.first_pos)


class Reply(NamedTuple):
    """An answer before it is spoilt. ``first_pos`` is that of its content in the representation."""

    status: int
    fields: tuple[tuple[str, str], ...]
    content: bytes = b""
    first_pos: int = 0

    def field(self, name: str) -> str:
        """The value of the first field of this name, "" if there is none."""
        return next((value for key, value in self.fields if key.lower() == name.lower()), "")

    def put(self, name: str, *values: str) -> Reply:
        """Copy it with these lines of the field with this name; with no lines, without the field."""
        kept = tuple(line for line in self.fields if line[0].lower() != name.lower())
        return self._replace(fields=kept + tuple((name, value) for value in values))

    def without(self, *names: str) -> Reply:
        """Copy it without these fields."""
        reply = self
        for name in names:
            reply = reply.put(name)
        return reply

    def carrying(self, content: bytes) -> Reply:
        """Copy it with other content, and a Content-Length that fits."""
        return self.put("Content-Length", str(len(content)))._replace(content=content)

    def head(self, protocol: str = "HTTP/1.1") -> bytes:
        """Status line and fields as they go on the wire."""
        phrase = HTTPStatus(self.status).phrase if self.status in list(HTTPStatus) else "Odd"
        lines = [f"{protocol} {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.fields)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")


def page(status: int, *fields: tuple[str, str], text: str = "<h1>Sorry</h1>") -> Reply:
    """An error page: HTML without validators."""
    base = (("Date", formatdate(usegmt=True)), ("Content-Type", "text/html"), *fields)
    return Reply(status, base).carrying(text.encode())


def well_made(request: Request, version: Version) -> Reply:
    """The answer of a server without a fault to a GET of this version."""
    date = time.time()
    whole = Reply(
        200,
        (
            ("Date", formatdate(date, usegmt=True)),
            ("Content-Type", "application/octet-stream"),
            ("Accept-Ranges", "bytes"),
            ("ETag", version.etag),
            ("Last-Modified", version.last_modified),
        ),
    )
    match = _RANGE.fullmatch(request.field("range"))
    if match is None or not _if_range_holds(request.field("if-range"), version, date):
        return whole.carrying(version.content)
    return _part(whole, match, version.content)


def _part(whole: Reply, match: re.Match[str], content: bytes) -> Reply:
    complete_length = len(content)
    if match[3]:
        first_pos, last_pos = max(0, complete_length - int(match[3])), complete_length - 1
    else:
        first_pos, last_pos = int(match[1]), min(int(match[2] or complete_length), complete_length - 1)
    if first_pos > last_pos:
        return whole._replace(status=416).put("Content-Range", f"bytes */{complete_length}").carrying(b"")
    part = whole._replace(status=206, first_pos=first_pos)
    part = part.put("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length}")
    return part.carrying(content[first_pos : last_pos + 1])


def _if_range_holds(value: str, version: Version, date: float) -> bool:
    if not value:
        return True
    if value.startswith(('"', "W/")):
        return value == version.etag and not value.startswith("W/")
    with contextlib.suppress(ValueError):
        same = parsedate_to_datetime(value).timestamp() == version.changed
        return same and version.changed + 1 <= date  # RFC 9110 8.8.2.2: else it is a weak validator
    return False


class Line:
    """One connection: what a fault may do with the bare wire."""

    def __init__(self, server: FaultServer, connection: socket.socket, number: int) -> None:
        self.server = server
        self.number = number
        self.is_over = False
        self._connection = connection
        self._begun = b""

    def send(self, octets: bytes) -> None:
        """All of these bytes, at once."""
        allowed = self.server.spend(len(octets))
        self._connection.sendall(octets[:allowed])
        if allowed < len(octets):
            raise ConnectionAbortedError("the budget is spent")

    def send_slowly(self, octets: bytes, block: int = BLOCK, pause: float | None = None) -> None:
        """Block by block, each after the pause of the server or this one (seconds)."""
        pause = self.server.pause if pause is None else pause
        for position in range(0, len(octets), block):
            if pause and self.server.closing.wait(pause):
                self.is_over = True
                return
            if position >= _OPENING:
                self.server.await_second_request()
            self.send(octets[position : position + block])

    def stall(self) -> None:
        """Sends nothing more until the client hangs up or the server is closed."""
        self.is_over = True
        while self._connection.recv(4096):
            pass

    def hang_up(self) -> None:
        """The connection ends here, with FIN."""
        self.is_over = True

    def reset(self) -> None:
        """The connection ends here, with RST."""
        self.is_over = True
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._connection.close()

    def read_request(self) -> Request | None:
        """The next request; None when the client has hung up."""
        while b"\r\n\r\n" not in self._begun:
            came = self._connection.recv(65536)
            if not came:
                return None
            self._begun += came
        head, _, self._begun = self._begun.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = request_line.split(" ")
        pairs = (line.partition(":") for line in lines)
        return Request(self.number, method, target, tuple((name.lower(), value.strip()) for name, _, value in pairs))


class Call:
    """One request and the means to answer it."""

    def __init__(self, line: Line, request: Request, number: int) -> None:
        self.line = line
        self.server = line.server
        self.request = request
        self.number = number  # of the request, from 0, since `FaultServer.act` was last set

    @property
    def reply(self) -> Reply:
        """The response that a server without a fault would send."""
        return well_made(self.request, self.server.version)

    def bite(self) -> None:
        """Says that the fault was met."""
        self.server.count("bites")

    def is_among(self, name: str, times: int) -> bool:
        """True the first so many times that this name is asked about; counts as a bite."""
        if self.server.count(name) > times:
            return False
        self.bite()
        return True

    def send(self, reply: Reply, protocol: str = "HTTP/1.1") -> None:
        """Head and content, which may not agree."""
        self.line.send(reply.head(protocol))
        if self.request.method != "HEAD":
            self.line.send_slowly(reply.content)

    def send_cut(self, reply: Reply, length: int) -> bool:
        """Head and so many bytes of the content, then FIN; whole and False where the content is no longer than that."""
        self.send(reply._replace(content=reply.content[:length]))
        if length >= len(reply.content):
            return False
        self.line.hang_up()
        self.bite()
        return True


Act = Callable[[Call], None]
Door = Callable[[Line], None]


def behave(call: Call) -> None:
    """No fault at all."""
    call.send(call.reply)


class FaultServer:
    """Listens on a free port of 127.0.0.1 from construction to `close`.

    ``act`` answers the calls; ``door`` is asked first at each new connection and may end it; ``is_alone``: nobody
    listens while a connection is open, so that a second one is refused. ``pause``: seconds before each block.
    ``patience``: seconds for which the first answer waits in its midst for a second request, once for each behaviour.
    ``tls``: speaks TLS, with the certificates in it.
    ``budget``: so many more bytes are sent, then every connection is cut; None: without end.
    """

    def __init__(self, act: Act = behave, pause: float = 0, tls: ssl.SSLContext | None = None) -> None:
        self.act = act
        self.tls = tls
        self.door: Door | None = None
        self.is_alone = False
        self.pause = pause
        self.patience = 0.0
        self.budget: int | None = None
        self.path = "/file.bin"
        self.version = Version.make()
        self.versions = [self.version]
        self.requests: list[Request] = []
        self.sent = 0
        self.connections = 0
        self.mistakes: list[Exception] = []
        self.closing = threading.Event()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._place = self._socket(0)  # keeps the port ours where nobody listens
        self.port: int = self._place.getsockname()[1]
        self._listener = self._listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}{self.path}"

    @property
    def bites(self) -> int:
        """The number of times that the fault occurred."""
        return self._counts["bites"]

    @property
    def open_connections(self) -> int:
        """The number of open connections."""
        with self._lock:
            return len(self._open)

    def behave_as(self, act: Act, door: Door | None = None, is_alone: bool = False) -> None:
        """Another behaviour from the next request on, counted from 0."""
        with self._lock:
            self._counts.clear()
            self.act, self.door, self.is_alone = act, door, is_alone

    def change(self, version: Version | None = None) -> Version:
        """The file becomes this version, or a new one of the same size."""
        with self._lock:
            self.version = version or Version.make(len(self.versions) + 1)
            self.versions.append(self.version)
            return self.version

    def count(self, name: str) -> int:
        """Count the calls with this name, including this one."""
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def spend(self, length: int) -> int:
        """Return how many of these bytes may be sent, and count them as sent."""
        with self._lock:
            allowed = length if self.budget is None else min(length, self.budget)
            if self.budget is not None:
                self.budget -= allowed
            self.sent += allowed
            return allowed

    def await_second_request(self) -> None:
        """Lets the client see that it is worth while to divide what is still to come."""
        if self.patience and self.count("waited for a second request") == 1:
            deadline = time.monotonic() + self.patience
            while self._counts["requests"] < 2 and time.monotonic() < deadline and not self.closing.wait(0.01):
                pass

    def close(self) -> None:
        """Ends every connection and every thread."""
        self.closing.set()
        with self._lock:
            ours = [self._listener, *self._open]
        for each in ours:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._join(self._accepting)  # it may have started another thread
        for thread in self._threads:
            self._join(thread)
        self._listener.close()
        self._place.close()

    def _join(self, thread: threading.Thread) -> None:
        thread.join(30)
        assert not thread.is_alive(), "a thread of the server does not end"

    def _socket(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made

    def _listen(self) -> socket.socket:
        listener = self._socket(self.port)
        listener.listen(64)
        return listener

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=[self._enter(connection)], daemon=True)
            if self.is_alone:
                self._listener.close()
            thread.start()
            self._threads.append(thread)
            if self._listener.fileno() < 0:
                thread.join()
                self._listener = self._listen()

    def _enter(self, connection: socket.socket) -> Line:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._open.add(connection)
            self.connections += 1
            if self.closing.is_set():  # close() has not seen this connection
                connection.close()
            return Line(self, connection, self.connections)

    def _serve(self, line: Line) -> None:
        try:
            self._secure(line)
            for call in self._calls(line):
                self.act(call)
        except OSError:  # the client hung up
            pass
        except Exception as exc:  # noqa: BLE001 - shown by the test, at the end
            self.mistakes.append(exc)
        finally:
            with self._lock:
                self._open.discard(line._connection)
            line._connection.close()

    def _secure(self, line: Line) -> None:
        """Speak TLS from now on, if that is wanted; the socket is another object then."""
        if self.tls is None:
            return
        before, line._connection = line._connection, self.tls.wrap_socket(
            line._connection, server_side=True, do_handshake_on_connect=False)
        with self._lock:
            self._open.discard(before)
            self._open.add(line._connection)
        line._connection.do_handshake()

    def _calls(self, line: Line) -> Iterator[Call]:
        if self.door is not None:
            self.door(line)
        while not line.is_over:
            request = line.read_request()
            if request is None:
                return
            with self._lock:
                self.requests.append(request)
            yield Call(line, request, self.count("requests") - 1)

    def __enter__(self) -> FaultServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
