"""A slow connection for the players. On one machine a film loads before anyone can seek; on a phone it does not.

A file that nginx sends is slowed down by nginx.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from .feed import SLOW, is_handed_over

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BYTES_PER_SECOND = 128 * 1024
_PIECE = 16 * 1024


class SlowLine:
    """WSGI middleware that sends the body at ``BYTES_PER_SECOND`` if the query string is ``slow``."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("QUERY_STRING") != SLOW:
            return self._app(environ, start_response)

        def slowed(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            limit = [("X-Accel-Limit-Rate", str(BYTES_PER_SECOND))] if is_handed_over(headers) else []
            return start_response(status, [*headers, *limit], *exc_info)

        return _Paced(self._app(environ, slowed))


class _Paced:
    """A body that yields small pieces and sleeps after each."""

    def __init__(self, body: Iterable[bytes], rest: Callable[[float], Any] = time.sleep) -> None:
        self._body = body
        self._rest = rest

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._body:
            for first in range(0, len(chunk), _PIECE):
                piece = chunk[first:first + _PIECE]
                yield piece
                self._rest(len(piece) / BYTES_PER_SECOND)

    def close(self) -> None:
        getattr(self._body, "close", lambda: None)()
