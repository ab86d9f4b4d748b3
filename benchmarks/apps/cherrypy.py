"""CherryPy with its own server: ``serve_file``. The generator is sent whole.

``python -m benchmarks.apps.cherrypy PORT THREADS``
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import cherrypy
from cherrypy.lib.static import serve_file

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated


class Root:
    """The URLs of the app."""

    @cherrypy.expose
    def default(self, *segments: str) -> Any:
        """Respond with a file."""
        file = FILES.get(f"/{'/'.join(segments)}")
        if file is None:
            raise cherrypy.NotFound
        return serve_file(str(file), "application/octet-stream")

    @cherrypy.expose
    @cherrypy.config(**{"response.stream": True})
    def gen(self) -> Iterator[bytes]:
        """Respond with the generator."""
        cherrypy.response.headers.update({
            "Content-Type": "application/octet-stream", "ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})
        return generated()


def main(port: int, threads: int) -> None:
    """Serve until stopped."""
    cherrypy.config.update({
        "environment": "production", "log.screen": False, "server.socket_host": "127.0.0.1",
        "server.socket_port": port, "server.thread_pool": threads, "tools.etags.on": True,
        "tools.etags.autotags": False})
    cherrypy.quickstart(Root())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
