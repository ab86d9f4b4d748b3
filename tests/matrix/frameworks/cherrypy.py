"""CherryPy as a mounted WSGI application, without engine and HTTP server: ``serve_file``, a streamed handler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import cherrypy
from cherrypy.lib.static import serve_file

from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, generated, representation


class _Root:
    def __init__(self, path: Path) -> None:
        self._path = str(path)

    @cherrypy.expose
    def file(self) -> Any:
        return serve_file(self._path, "application/octet-stream")

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def generator(self) -> Iterator[bytes]:
        headers = cherrypy.response.headers
        headers.update({"Content-Type": "application/octet-stream", "ETag": ETAG})
        headers["Content-Length"] = str(GENERATOR_LENGTH)
        return generated("cherrypy")

    @cherrypy.expose
    def page(self) -> bytes:
        cherrypy.response.headers["Content-Type"] = "text/plain"
        return representation("cherrypy", "page")


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app. It writes no access log, and what goes wrong is raised, for the server to log."""
    cherrypy.config.update({"environment": "embedded"})
    # A script name of None is taken from each request.
    return cherrypy.Application(_Root(file), None, {"/": {"request.throw_errors": True}})  # type: ignore[no-any-return]
