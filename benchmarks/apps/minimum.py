"""The smallest honest middleware: the least that any middleware adds to an app that sends its files whole.

It hides Range from the app, holds the head back, and reads one small range of a file that the app has put into
``wsgi.file_wrapper``. It knows nothing else: no conditions, no HEAD, no suffix, several or unsatisfiable ranges, no
``write()``, no other bodies. All these pass as if it were not there. Serve ``app``, or ``dated``, whose inner app also
sends Last-Modified.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from benchmarks.apps import plain
from benchmarks.apps.plain import App, Blocks, Fields

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})", re.ASCII)
_LARGEST = 64 << 10
"""Bytes: longer ranges pass, because they need more than one read."""


class _File(Blocks):
    """The ``wsgi.file_wrapper`` for the app on a request with Range. Its type tells that the app has used it."""


class Minimum:
    """Adds one small range of a file to a WSGI app."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        match = _RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
        if match is None or not 0 <= int(match[2]) - int(match[1]) < _LARGEST:
            return self._app(environ, start_response)
        hidden = environ.copy()
        del hidden["HTTP_RANGE"]
        hidden["wsgi.file_wrapper"] = _File
        head: list[Any] = []

        def keep(status: str, fields: Fields, exc_info: Any = None) -> None:
            head[:] = status, fields
        body = self._app(hidden, keep)
        status, fields = head
        complete_length = int(dict(fields).get("Content-Length", 0))
        if type(body) is not _File or status != "200 OK" or int(match[1]) >= complete_length:
            start_response(status, fields)
            return body
        first_pos, last_pos = int(match[1]), min(int(match[2]), complete_length - 1)
        content = os.pread(body.file.fileno(), last_pos - first_pos + 1, first_pos)
        body.close()
        start_response("206 Partial Content", [
            *(field for field in fields if field[0] != "Content-Length"), ("Content-Length", str(len(content))),
            ("Accept-Ranges", "bytes"), ("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length}")])
        return [content]


app = Minimum(plain.plain)
dated = Minimum(plain.dated)
