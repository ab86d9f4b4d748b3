"""A server of our own for downloads: right ranges, a speed of its own, and a count of the content it has sent."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

BLOCK = 8 << 10
SEND_BUFFER = 16 << 10
"""Bytes that the kernel may hold back. What it holds when a client is killed counts as sent, and nobody gets it."""
CATCH_UP = 0.005
"""Seconds of delay that a connection makes up for afterwards: more would come in bursts."""
LAST_MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)", re.ASCII)


class Asked(NamedTuple):
    """One request: its path, and its fields by their names in lower case."""

    path: str
    fields: dict[str, str]


class Pacing:
    """One representation at every path. It may be changed while it is served.

    :param content: what is served.
    :param rate: bytes a second on each connection; None for as fast as it goes.
    :param answer: is asked first; true if it has answered.
    """

    def __init__(self, content: bytes, *, rate: float | None = None,
                 answer: Callable[[_Handler, Asked], bool] | None = None) -> None:
        self.content = content
        self.etag = '"v1"'
        self.rate = rate
        self.answer = answer
        self.cut_at: int | None = None
        """Bytes of content, all answers together, after which the connection is closed."""
        self.asked: list[Asked] = []
        self.sent = 0
        """Bytes of content put on the wire, all answers together."""
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.pacing = self

    @property
    def url(self) -> str:
        """Its origin, without a slash at the end."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def count(self, length: int) -> None:
        """So many bytes more have been sent."""
        with self._lock:
            self.sent += length

    @contextlib.contextmanager
    def serving(self) -> Iterator[Pacing]:
        """At work; at the end every connection is closed and every thread has ended."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.hang_up()
            self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = False
    request_queue_size = 64
    pacing: Pacing

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._connections: set[socket.socket] = set()

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._connections.add(request)
        with contextlib.suppress(OSError):  # the client has gone, however it did
            super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wakes every thread that waits for a client."""
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        pacing = self.server.pacing
        asked = Asked(self.path, {name.lower(): value for name, value in self.headers.items()})
        pacing.asked.append(asked)
        if pacing.answer is None or not pacing.answer(self, asked):
            self._serve(pacing, asked)

    def _serve(self, pacing: Pacing, asked: Asked) -> None:
        content, length = pacing.content, len(pacing.content)
        match = _ONE_RANGE.fullmatch(asked.fields.get("range", ""))
        validators = (None, pacing.etag, LAST_MODIFIED)
        if match is None or match.groups() == ("", "") or asked.fields.get("if-range") not in validators:
            self._send(200, content, pacing)
            return
        first_pos = int(match[1]) if match[1] else max(0, length - int(match[2]))
        last_pos = min(int(match[2]), length - 1) if match[1] and match[2] else length - 1
        if first_pos >= length:
            self._send(416, b"", pacing, f"bytes */{length}")
            return
        self._send(206, content[first_pos:last_pos + 1], pacing, f"bytes {first_pos}-{last_pos}/{length}")

    def _send(self, status: int, content: bytes, pacing: Pacing, content_range: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Last-Modified", LAST_MODIFIED)
        self.send_header("ETag", pacing.etag)
        if content_range:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        due = time.monotonic()
        for pos in range(0, len(content), BLOCK):
            block = memoryview(content)[pos:pos + BLOCK]
            if pacing.cut_at is not None and pacing.sent >= pacing.cut_at:
                self.close_connection = True
                return
            while block:
                sent = self.connection.send(block)
                pacing.count(sent)
                block = block[sent:]
            if pacing.rate:
                due = max(due + BLOCK / pacing.rate, time.monotonic() - CATCH_UP)
                time.sleep(max(0.0, due - time.monotonic()))
