"""Informational responses (1xx): ``http.client`` skips 100 only, a server may send others (RFC 9110 15.2)."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST = 20  # informational responses before the final one
_LONGEST_LINE = 65536  # bytes, as in http.client


class _Response(HTTPResponse):
    def _read_status(self) -> Any:
        for _ in range(_MOST):
            status_line = super()._read_status()  # type: ignore[misc]
            if not 102 <= status_line[1] <= 199:
                return status_line
            while self.fp.readline(_LONGEST_LINE).strip():
                pass
        raise HTTPException("nothing but informational responses")


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def skipping_informational(pool: PoolManager) -> PoolManager:
    """Have the connections of a pool skip informational responses; return the pool."""
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pool
