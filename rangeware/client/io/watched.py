"""Connections that look up while they send or wait: for the end of the transfer, and for an early response.

``http.client`` sends a block in one call, and then waits for the response in another: neither ends when the transfer is
stopped, and a server that refuses a file while it still comes is not heard. So a thread that sets ``WATCH`` has a
function called ten times a second, which may raise; and a response that comes early ends the sending, as if the
server had closed the connection, which urllib3 knows how to handle: it then reads the response.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.response import HTTPResponse
from urllib3.util.wait import wait_for_read, wait_for_write

WATCH: ContextVar[Callable[[], object] | None] = ContextVar("WATCH", default=None)
"""Called in this thread ten times a second, while a request is sent and its response awaited."""

TICK = 0.1  # seconds
_STEP = 1 << 16  # bytes handed to the system at once
_PEEKED = 1 << 16
_INTERIM = re.compile(rb"HTTP/1\.[01] 1[0-9][0-9][^\n]*\n(?:[^\r\n][^\n]*\n)*\r?\n")


class Watched(HTTPConnection):
    """A connection that calls ``WATCH``, if that is set."""

    def send(self, data: Any) -> None:
        """Send bytes, in as many steps as the receiver needs."""
        watch, line = WATCH.get(), self.sock
        if watch is None or line is None:
            super().send(data)
            return
        left = memoryview(data)
        while left:
            _wait_to_send(line, self.timeout, watch)
            try:
                left = left[line.send(left[:_STEP]):]
            except ssl.SSLEOFError as exc:
                raise BrokenPipeError(errno.EPIPE, "the server has hung up") from exc

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        """Wait for the response and return it."""
        watch = WATCH.get()
        if watch is not None and self.sock is not None:
            _wait_for_response(self.sock, self.timeout, watch)
            with _hanging_up_after(self.sock, self.timeout):
                return super().getresponse()
        return super().getresponse()


def _wait_to_send(line: socket.socket, longest: float | None, watch: Callable[[], object]) -> None:
    """Wait until some bytes can be sent.

    :raises BrokenPipeError: if there is a response, or seems to be.
    :raises TimeoutError: if the receiver takes nothing for too long.
    """
    deadline = _deadline(longest)
    while not wait_for_write(line, TICK):
        watch()
        _heed_response(line)
        if time.monotonic() >= deadline:
            if wait_for_read(line, 0):  # over TLS nobody can tell before it is read
                raise BrokenPipeError(errno.EPIPE, "the server has answered early")
            raise TimeoutError("the server takes nothing")
    _heed_response(line)


def _heed_response(line: socket.socket) -> None:
    # Over TLS, readable bytes may also be a session ticket, and they cannot be peeked at.
    if type(line) is socket.socket and wait_for_read(line, 0):
        peeked = line.recv(_PEEKED, socket.MSG_PEEK)
        if not is_interim(peeked):
            raise BrokenPipeError(errno.EPIPE, "the server has answered early")


def is_interim(text: bytes) -> bool:
    """True if these bytes are informational responses (1xx) only, complete or begun; False at the end of a stream."""
    rest = text
    while match := _INTERIM.match(rest):
        rest = rest[match.end():]
    return bool(text) and (not rest or rest[:10] in (b"HTTP/1.1 1", b"HTTP/1.0 1"))


def _wait_for_response(line: socket.socket, longest: float | None, watch: Callable[[], object]) -> None:
    deadline = _deadline(longest)
    pending = getattr(line, "pending", lambda: 0)  # bytes that TLS has already decrypted
    while not pending() and not wait_for_read(line, TICK):
        watch()
        if time.monotonic() >= deadline:
            raise TimeoutError("no response")


def _hanging_up_after(line: socket.socket, longest: float | None) -> contextlib.AbstractContextManager[None]:
    """End a connection whose response head comes byte by byte, for ever: it may take as long as its first byte."""
    def hang_up() -> None:
        with contextlib.suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    return calling_after(1.0 if longest is None else longest, hang_up)


@contextlib.contextmanager
def calling_after(seconds: float, function: Callable[[], object]) -> Iterator[None]:
    """Call a function, in a thread of its own, if the ``with`` block takes longer than this."""
    timer = threading.Timer(seconds, function)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _deadline(longest: float | None) -> float:
    return float("inf") if longest is None else time.monotonic() + longest
