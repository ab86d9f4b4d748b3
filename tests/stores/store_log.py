"""The log of a store: a proxy before it, which notes each request and counts the bytes that the store sends.

A store's own log rarely tells how much of an interrupted answer was sent. So all requests of the tests go through here,
and on the way a test may make the store misbehave: forget a header, break off, change an object just before it sends.
"""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

_BLOCK = 65536
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "proxy-connection"}


class QuietServer(ThreadingHTTPServer):
    """A server whose clients may go away."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that break off are what the tests are about."""


class Exchange:
    """One request to the store, and what it sent.

    :ivar sent: bytes of content that have been sent, or are being sent: at most 64 KiB too many.
    :ivar ended: True once all has been sent, or the sending has failed.
    :ivar client: the address of the connection that it came on.
    """

    def __init__(self, method: str, path: str, headers: Any, client: tuple[str, int]) -> None:
        self.method, self.path, self.client = method, path, client
        self.range: str | None = headers.get("Range")
        self.if_match: str | None = headers.get("If-Match")
        self.status = self.sent = 0
        self.ended = False

    def __repr__(self) -> str:
        return f"<{self.method} {self.path} {self.range} {self.if_match} -> {self.status}, {self.sent} bytes>"


class StoreLog:
    """A proxy at work.

    :ivar url: of the proxy, to be used instead of the store's.
    :ivar exchanges: all of them, in the order in which they began.
    :ivar before: called with the ``Exchange`` before it goes to the store.
    :ivar forgotten: lower-case names of headers that the store does not get to see.
    :ivar weak_tags: True makes the entity tags of the store weak.
    :ivar break_after: bytes of content after which an answer breaks off; None for never.
    """

    def __init__(self, store: str) -> None:
        self.exchanges: list[Exchange] = []
        self.before: Callable[[Exchange], object] = lambda exchange: None
        self.forgotten: set[str] = set()
        self.weak_tags = False
        self.break_after: int | None = None
        self.store = urlsplit(store).netloc
        handler = type("Handler", (_Handler,), {"log": self})
        self._server = QuietServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    @contextmanager
    def running(self) -> Iterator[StoreLog]:
        """Serve until the end of the block."""
        thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def reset(self) -> None:
        """Forget all exchanges, and behave."""
        self.exchanges.clear()
        self.before, self.forgotten, self.break_after = lambda exchange: None, set(), None
        self.weak_tags = False

    def gets(self) -> list[Exchange]:
        """The exchanges in which content was asked for."""
        return [exchange for exchange in self.exchanges if exchange.method == "GET"]

    def heads(self) -> int:
        """How often HEAD was asked."""
        return sum(exchange.method == "HEAD" for exchange in self.exchanges)


class _Handler(BaseHTTPRequestHandler):
    log: ClassVar[StoreLog]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self) -> None:
        super().setup()
        # little is under way, so that what counts as sent has nearly arrived
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * _BLOCK)

    def _relay(self) -> None:
        exchange = Exchange(self.command, self.path, self.headers, self.client_address)
        self.log.exchanges.append(exchange)
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self._pass_on(exchange, content)
        except OSError:
            self.close_connection = True
        finally:
            exchange.ended = True

    def _pass_on(self, exchange: Exchange, content: bytes) -> None:
        self.log.before(exchange)
        store = http.client.HTTPConnection(self.log.store, timeout=120)
        dropped = _HOP_BY_HOP | self.log.forgotten
        try:
            store.request(self.command, self.path, content or None,
                          {name: value for name, value in self.headers.items() if name.lower() not in dropped})
            self._send(exchange, store.getresponse())
        finally:
            store.close()

    def _send(self, exchange: Exchange, answer: http.client.HTTPResponse) -> None:
        exchange.status = answer.status
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                is_weakened = self.log.weak_tags and name.lower() == "etag"
                self.send_header(name, f"W/{value}" if is_weakened else value)
        if answer.headers.get("Content-Length") is None:
            self.send_header("Content-Length", "0")
        self.end_headers()
        while block := answer.read(_BLOCK):
            if self.log.break_after is not None and exchange.sent + len(block) > self.log.break_after:
                self._break_off(block[:self.log.break_after - exchange.sent])
                return
            exchange.sent += len(block)  # before, or the client may have it while it does not yet count
            self.wfile.write(block)

    def _break_off(self, last: bytes) -> None:
        self.wfile.write(last)
        self.close_connection = True

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _relay  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing: the exchanges are the log."""
