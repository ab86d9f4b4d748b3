"""A client over a raw socket that judges what a server sends, to the byte (RFC 9112).

Every fault is an AssertionError that says what came: bytes after the content, content where there must be none, a
field sent twice, a body that ends early, a connection closed without a word, silence.
"""

from __future__ import annotations

import re
import select
import socket
import struct
from collections.abc import Sequence

from tests.support import Answer

TIMEOUT = 20.0
SHOWN = 80
REPEATABLE = ("cache-control", "link", "set-cookie", "vary", "via", "www-authenticate")
"""Fields that an answer may have more than once."""

_STATUS_LINE = re.compile(r"(HTTP/1\.[01]) ([1-5][0-9]{2})(?: .*)?")
_FIELD_LINE = re.compile(r"([!-9;-~]+):[ \t]*(.*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]+")
_CHUNK_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]*(?:;.*)?")

Address = tuple[str, int]
Value = str | bytes | Sequence[str | bytes]


class Silence(AssertionError):
    """The server said nothing for as long as we wait."""


class Connection:
    """One client's connection. Once it is closed or the server has announced that, ``ask`` opens the next one.

    >>> connection.ask("/film.mp4", Range="bytes=0-9", If_Range='"v1"')

    :param timeout: seconds of silence until a wait is a failure.
    """

    def __init__(self, address: Address, timeout: float = TIMEOUT) -> None:
        self._address = address
        self._timeout = timeout
        self.opened = 0
        self._open()

    def _open(self) -> None:
        self._socket = socket.create_connection(self._address, self._timeout)
        self._asked: list[tuple[str, str]] = []  # method and target of each request that is not answered yet
        self._buffer = bytearray()
        self._before = "the connection was opened"
        self._closing = False  # whether a close is announced
        self.opened += 1

    # --- requests ---

    def ask(self, path: str, method: str = "GET", **fields: Value) -> Answer:
        """One exchange, and a look at what follows it."""
        if self._closing:
            self.close()
            self._open()
        self.send(path, method, **fields)
        return self.receive()

    def send(self, path: str, method: str = "GET", **fields: Value) -> None:
        """Sends a request. ``If_Range`` is the field If-Range; a list of values gives as many lines."""
        lines = [f"{method} {path} HTTP/1.1".encode(), *_lines({"Host": "localhost", **fields})]
        self.send_bytes(b"\r\n".join([*lines, b"", b""]), path, method)
        self._closing = str(fields.get("Connection", "")).lower() == "close"

    def send_bytes(self, data: bytes, path: str = "?", method: str = "GET") -> None:
        """Sends these bytes, which hold one request. A server that closes meanwhile shows when its answer is read."""
        self._asked.append((method, path))
        try:
            self._socket.sendall(data)
        except TimeoutError:
            raise Silence(f"the server read nothing of the request for {self._timeout} s") from None
        except ConnectionError:
            pass

    # --- answers ---

    def receive(self) -> Answer:
        """The answer to the first request that has none yet, and a look at what follows it."""
        method = self._asked[0][0] if self._asked else "GET"
        status, fields = self.head()
        answer = Answer(status, fields, b"", {})
        if method != "HEAD" and status not in (204, 304):  # RFC 9110 6.4.1
            answer = answer._replace(body=self._content(answer))
        self.quiet(0)
        return answer

    def head(self) -> tuple[int, list[tuple[str, str]]]:
        """Status and fields of the next answer."""
        method, path = self._asked.pop(0) if self._asked else ("GET", "?")
        version, status = self._status_line()
        fields = []
        while line := self._line():
            field = _FIELD_LINE.fullmatch(line.decode("latin-1"))
            assert field, f"not a field line: {line[:SHOWN]!r}"
            fields.append((field[1], field[2]))
        self._before = f"{method} {path} was answered with {status}"
        self._closing = self._closing or _announces_close(version, fields)
        _check_single(fields)
        return status, fields

    def _status_line(self) -> tuple[str, int]:
        started = self._more_than(0, "no answer")
        assert started, f"{self._before}, then the connection was closed without having been announced"
        line = self._line() if self._buffer.startswith(b"HTTP/1.") else bytes(self._buffer[:SHOWN])
        parsed = _STATUS_LINE.fullmatch(line.decode("latin-1"))
        assert parsed, f"{self._before}, then instead of the next answer came: {line[:SHOWN]!r}"
        return parsed[1], int(parsed[2])

    def _content(self, answer: Answer) -> bytes:
        """RFC 9112 6.3."""
        length = answer.get("Content-Length")
        coding = answer.get("Transfer-Encoding")
        assert length is None or coding is None, "Content-Length together with Transfer-Encoding"
        if coding is not None:
            assert coding.lower() == "chunked", f"Transfer-Encoding: {coding}"
            return self._chunked()
        if length is not None:
            assert _LENGTH.fullmatch(length), f"Content-Length: {length}"
            return self.read(int(length))
        assert self._closing, "neither Content-Length, nor chunks, nor a close announced: the content has no end"
        return self.rest()

    def _chunked(self) -> bytes:
        content = bytearray()
        while length := self._chunk_length():
            content += self.read(length)
            end = self.read(2)
            assert end == b"\r\n", f"a chunk of {length} bytes does not end there, but goes on: {end!r}"
        while self._line():
            pass
        return bytes(content)

    def _chunk_length(self) -> int:
        line = self._line()
        length = _CHUNK_LINE.fullmatch(line.decode("latin-1"))
        assert length, f"not the length of a chunk: {line[:SHOWN]!r}"
        return int(length[1], 16)

    # --- bytes ---

    def read(self, length: int) -> bytes:
        """So many bytes."""
        while len(self._buffer) < length:
            have = len(self._buffer)
            assert self._more_than(have, f"{have} of {length} bytes"), (
                f"{have} of {length} bytes came, then the connection was closed")
        return self._take(length)

    def rest(self) -> bytes:
        """Read until the server closes."""
        while self._more_than(len(self._buffer), "no close, though it was announced or asked for"):
            pass
        return self._take(len(self._buffer))

    def quiet(self, seconds: float = 0.1) -> None:
        """Nothing comes for so long, nor is the connection closed; where a close is announced it is waited for."""
        if self._closing:
            surplus = self.rest()
            self.close()  # at once: some servers linger until the client does, and serve nobody else meanwhile
        else:
            if not self._buffer and select.select([self._socket], [], [], seconds)[0]:
                assert self._more_than(0, ""), f"{self._before}, then the connection was closed unannounced"
            surplus = bytes(self._buffer)
        assert not surplus, f"{self._before}, then came {len(surplus)} bytes too many: {surplus[:SHOWN]!r}"

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            have = len(self._buffer)
            assert self._more_than(have, "an unfinished head"), (
                f"the connection was closed within a line: {bytes(self._buffer[:SHOWN])!r}")
        line = self._take(end + 1)
        assert line.endswith(b"\r\n"), f"a line ends without CR: {line[:SHOWN]!r}"
        return line[:-2]

    def _more_than(self, have: int, missing: str) -> bool:
        """Waits until the buffer holds more bytes than these; False if the connection is closed before."""
        while len(self._buffer) <= have:
            try:
                block = self._socket.recv(1 << 18)
            except TimeoutError:
                raise Silence(f"{self._before}, then {missing} within {self._timeout} s") from None
            except ConnectionError:
                return False
            if not block:
                return False
            self._buffer += block
        return True

    def _take(self, length: int) -> bytes:
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    # --- the end ---

    def hang_up(self) -> None:
        """Closes without farewell (RST)."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Closes; ``ask`` would open the next one."""
        self._socket.close()
        self._closing = True

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()


def _lines(fields: dict[str, Value]) -> list[bytes]:
    return [name.replace("_", "-").encode() + b": " + (value if isinstance(value, bytes) else value.encode("latin-1"))
            for name, values in fields.items()
            for value in ([values] if isinstance(values, (str, bytes)) else values)]


def _announces_close(version: str, fields: list[tuple[str, str]]) -> bool:
    """RFC 9112 9.3."""
    options = {option.strip().lower() for name, value in fields if name.lower() == "connection"
               for option in value.split(",")}
    return "close" in options or (version == "HTTP/1.0" and "keep-alive" not in options)


def _check_single(fields: list[tuple[str, str]]) -> None:
    names = [name.lower() for name, _ in fields]
    doubled = sorted({name for name in names if names.count(name) > 1} - {*REPEATABLE})
    assert not doubled, f"sent more than once: {', '.join(doubled)}"
