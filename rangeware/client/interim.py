"""Connections that pass over interim answers (RFC 9110 15.2): http.client passes over 100 only."""

from __future__ import annotations

from http.client import HTTPException, HTTPResponse
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

_MOST = 20  # interim answers before one that is final
_LONGEST_LINE = 65536  # bytes, as http.client has it


class _Response(HTTPResponse):
    def _read_status(self) -> Any:
        for _ in range(_MOST):
            told = super()._read_status()  # type: ignore[misc]
            if not 102 <= told[1] <= 199:
                return told
            while self.fp.readline(_LONGEST_LINE).strip():
                pass
        raise HTTPException("nothing but interim answers")


class _Connection(HTTPConnection):
    response_class = _Response


class _SecureConnection(HTTPSConnection):
    response_class = _Response


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


def passing_over_interim(pool: PoolManager) -> PoolManager:
    """The same pool, with such connections."""
    pool.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
    return pool
