"""Heads of responses, more strictly than ``http.client`` reads them.

It skips an informational response only if that is a 100, and a server may send others (RFC 9110 15.2). It also takes
the end of a connection for the end of a head, so that a Location or an offset that was cut off would count as complete.
"""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection

from .watched import Watched

_MOST = 20  # informational responses before the final one
_LONGEST_LINE = 65536  # bytes, as in http.client


class _Lines:
    """A stream that remembers the last line that was read from it."""

    def __init__(self, stream: Any) -> None:
        self.last = b""
        self._stream = stream

    def readline(self, limit: int = -1) -> bytes:
        self.last = self._stream.readline(limit)
        return self.last

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _Response(HTTPResponse):
    def begin(self) -> None:
        stream: Any = self.fp
        lines: Any = _Lines(stream)
        self.fp = lines
        super().begin()
        self.fp = stream
        if lines.last.strip(b"\r\n") or not lines.last:
            raise HTTPException("the head of the response was cut off")

    def _read_status(self) -> Any:
        for _ in range(_MOST):
            status_line = super()._read_status()  # type: ignore[misc]
            if not 102 <= status_line[1] <= 199:
                return status_line
            while self.fp.readline(_LONGEST_LINE).strip():
                pass
        raise HTTPException("nothing but informational responses")


class _Connection(Watched):
    response_class = _Response


class _SecureConnection(Watched, HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def skipping_informational(pool: PoolManager) -> PoolManager:
    """Have the connections of a pool skip informational responses; return the pool."""
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pool
