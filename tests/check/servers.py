"""Servers in this process for the tests of the check: any WSGI or ASGI app on a free port of 127.0.0.1."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Say nothing: the check hangs up in the midst of what it has seen enough of."""


@contextmanager
def wsgi(app: Any) -> Iterator[str]:
    """Serve a WSGI app with ``wsgiref``; yield its URL without a path."""
    with make_server("127.0.0.1", 0, app, _Server, _Quiet) as server:
        yield from _running(server)


@contextmanager
def handler(kind: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """Serve with a handler of ``http.server``; yield its URL without a path."""
    with ThreadingHTTPServer(("127.0.0.1", 0), kind) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        yield from _running(server)


def _running(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()


@contextmanager
def asgi(app: Any) -> Iterator[str]:
    """Serve an ASGI app with uvicorn; yield its URL without a path."""
    import uvicorn

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)
