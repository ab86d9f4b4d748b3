"""The pool of connections of a transfer: proxies, and connections that read heads strictly."""

from __future__ import annotations

import base64
import os
import ssl
from importlib.util import find_spec
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

import urllib3
from urllib3.connection import HTTPConnection

from ...errors import InvalidOption
from ..errors import NetworkError
from ..options import TransferOptions
from .heads import StrictResponse
from .watched import Watched

_MOST_KEPT = 32  # connections that are kept open
_Pool = TypeVar("_Pool", bound=urllib3.PoolManager)


def make_pool(url: str, options: TransferOptions) -> urllib3.PoolManager:
    """Make a pool for this URL and what it redirects to, with the proxy that the environment names.

    :raises NetworkError: if that proxy cannot be used.
    :raises InvalidOption: if the file of certificates cannot be used.
    """
    proxy = proxy_of(url)
    settings: dict[str, Any] = {"maxsize": min(options.connections, _MOST_KEPT), **_trust(options)}
    return reading_strictly(_manager(proxy, settings), is_insecure=options.insecure)


def _trust(options: TransferOptions) -> dict[str, Any]:
    """The settings that say which certificates are trusted."""
    if options.insecure:
        return {"cert_reqs": "CERT_NONE", "assert_hostname": False}
    if options.cacert is None:
        return {}
    path = os.fspath(options.cacert)
    try:
        ssl.create_default_context(cafile=path)
    except OSError as exc:  # also what OpenSSL says
        why = "no certificates in PEM are in it" if isinstance(exc, ssl.SSLError) else exc.strerror
        raise InvalidOption(f"cannot use cacert {path}: {why}") from exc
    return {"ca_certs": path}


def _manager(proxy: str | None, settings: dict[str, Any]) -> urllib3.PoolManager:
    if proxy is None:
        return urllib3.PoolManager(**settings)
    try:
        if proxy.startswith("socks"):
            if find_spec("socks") is None:
                raise ImportError("PySocks is missing")
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(proxy, num_pools=10, **settings)
        userinfo = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = {"Proxy-Authorization": basic(userinfo)} if userinfo else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **settings)
    except (ImportError, ValueError, urllib3.exceptions.HTTPError) as exc:
        raise NetworkError(f"cannot use the proxy from the environment: {exc}") from exc


class _Unverified(HTTPConnection):
    """A connection that does not warn, as urllib3 does: the caller has been told."""

    def connect(self) -> None:
        super().connect()
        self.is_verified = True


def reading_strictly(pool: _Pool, *, is_insecure: bool = False) -> _Pool:
    """Have the connections of a pool read heads strictly, and look up while they wait; return the pool."""
    bases = (_Unverified, Watched) if is_insecure else (Watched,)
    kinds = pool.pool_classes_by_scheme
    pool.pool_classes_by_scheme = {scheme: _strict(kind, bases) for scheme, kind in kinds.items()}
    return pool


def _strict(kind: Any, bases: tuple[type, ...]) -> Any:
    connection = type("StrictConnection", (*bases, kind.ConnectionCls), {"response_class": StrictResponse})
    return type("StrictPool", (kind,), {"ConnectionCls": connection})


def basic(userinfo: str) -> str:
    """Basic authentication (RFC 7617), in UTF-8."""
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def proxy_of(url: str) -> str | None:
    """The proxy that the environment names for this URL; None for none."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme, proxies.get("all"))
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "//" in proxy else f"http://{proxy}"
