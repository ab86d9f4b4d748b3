"""A small WSGI app without a framework and without range support; and the same app inside the middleware.

``plain`` sends its files with an ETag, ``dated`` also with Last-Modified. Serve one of these, or ``with_rangeware`` and
``dated_with_rangeware``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from typing import Any

from benchmarks.data import BLOCK, FILES, GENERATOR_ETAG, GIB, JSON, generated
from rangeware import RangeMiddleware

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Fields = list[tuple[str, str]]
Validators = Callable[[os.stat_result], Fields]
"""Return Content-Type and the validators of a file."""


def _app(validators_of: Validators) -> App:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path in FILES:
            file = open(FILES[path], "rb")  # noqa: SIM115 - closed by the body that is returned
            status = os.fstat(file.fileno())
            start_response("200 OK", [*validators_of(status), ("Content-Length", str(status.st_size))])
            return environ.get("wsgi.file_wrapper", Blocks)(file, BLOCK)  # type: ignore[no-any-return]
        return whatever_else(path, start_response)
    return app


def whatever_else(path: str, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond to a path that is not a file."""
    if path == "/gen":
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("ETag", GENERATOR_ETAG),
                                  ("Content-Length", str(GIB))])
        return generated()
    if path == "/json":
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(JSON)))])
        return [JSON]
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


def etag(status: os.stat_result) -> Fields:
    """Return Content-Type and ETag of a file."""
    return [
        ("Content-Type", "application/octet-stream"),
        ("ETag", f'"{status.st_mtime_ns:x}-{status.st_size:x}"'),
    ]


def validators(status: os.stat_result) -> Fields:
    """Return Content-Type, ETag and Last-Modified of a file."""
    return [*etag(status), ("Last-Modified", _date(int(status.st_mtime)))]


_date = lru_cache(lambda seconds: formatdate(seconds, usegmt=True))


class Blocks:
    """Yield a file in blocks, for servers without ``wsgi.file_wrapper``."""

    def __init__(self, file: Any, size: int) -> None:
        self.file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(self._size), b"")

    def close(self) -> None:
        """Close the file."""
        self.file.close()


plain = _app(etag)
dated = _app(validators)
with_rangeware = RangeMiddleware(plain)
dated_with_rangeware = RangeMiddleware(dated)
