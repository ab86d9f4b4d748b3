"""Requests over urllib3: one address, one answer, redirects followed with care."""

from __future__ import annotations

import base64
import contextlib
import netrc
import os
from collections.abc import Mapping
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPException, IncompleteRead
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3

from .errors import NetworkError
from .heads import Head
from .interim import passing_over_interim
from .settings import Settings

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 20
_REFUSED = 400
_ANYWHERE = {"accept", "accept-language", "referer", "user-agent"}  # the caller's fields that no other origin misuses
_BLOCK = 1 << 18
_MOST_KEPT = 32  # connections that are kept open


class Broken(Exception):
    """A request failed, or its answer was broken off. ``hopeless``: it would fail again."""

    def __init__(self, reason: str, *, hopeless: bool = False) -> None:
        super().__init__(reason)
        self.hopeless = hopeless


class Address(NamedTuple):
    """An address without its secrets, which go into a field instead."""

    url: str
    userinfo: str

    @property
    def origin(self) -> tuple[str, str]:
        """Scheme and authority (RFC 9110 4.3.1)."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.netloc


def parse_address(url: str) -> Address:
    """The address without user, password and fragment, and ``user:password`` or "".

    :raises Broken: where it is none that can be asked over HTTP.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as exc:
        raise Broken(f"not an address: {exc}", hopeless=True) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        raise Broken(f"not an address of http or https: {shown[:200]}", hopeless=True)
    userinfo, _, authority = parts.netloc.rpartition("@")
    path = parts.path or "/"
    return Address(urlunsplit((parts.scheme, authority, path, parts.query, "")), unquote(userinfo))


class Answer:
    """An answer of which the head is there.

    :param address: which gave it.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, address: str, block_size: int) -> None:
        self._response = response
        self._block_size = block_size
        self.address = address
        self.head = Head(response.status, {name.lower(): value for name, value in response.headers.items()})

    def read(self) -> bytes:
        """What has come of the content, at least a byte; ``b""`` at its end.

        :raises Broken: if the connection is broken off, or nothing comes.
        """
        try:
            return self._response.read1(self._block_size)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            raise Broken(_reason(exc)) from exc

    def stop(self) -> None:
        """Have a ``read`` in another thread end."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # it may just have come to its end
            self._response.shutdown()

    def close(self) -> None:
        """The connection is of use to a further request only where all of the content was read."""
        self._response.close()
        self._response.release_conn()  # gives its place in the pool back


class Transport:
    """Sends requests.

    :param userinfo: what the caller's address says of user and password, which only its own origin gets.
    """

    def __init__(self, address: Address, settings: Settings) -> None:
        self._first = address
        self._settings = settings
        self._own = settings.pool is None
        self._pool = settings.pool or _pool(address.url, settings)  # type: urllib3.PoolManager
        self._timeout = urllib3.Timeout(connect=settings.stall, read=settings.stall)
        rate = settings.limit_rate
        self._block_size = _BLOCK if rate is None else max(1024, min(_BLOCK, rate // 8))

    def open(self, url: str, fields: Mapping[str, str]) -> Answer:
        """The answer to a GET with these fields, after redirects (RFC 9110 15.4).

        :raises Broken: if there is none.
        """
        for _ in range(_MOST_REDIRECTS):
            answer = self._get(url, fields)
            if answer.head.status not in _REDIRECTS:
                return answer
            answer.close()
            location = answer.head.fields.get("location")
            if location is None:
                raise Broken(f"a redirect ({answer.head.status}) that does not say where", hopeless=True)
            url = parse_address(_joined(url, location)).url
        raise Broken(f"more than {_MOST_REDIRECTS} redirects", hopeless=True)

    def _get(self, url: str, fields: Mapping[str, str]) -> Answer:
        try:
            response = self._pool.urlopen(
                "GET", url, headers={**self._callers_fields(url), **fields}, redirect=False, retries=False,
                preload_content=False, decode_content=False, timeout=self._timeout,
                pool_timeout=self._settings.stall)
        except urllib3.exceptions.ReadTimeoutError as exc:
            self.close()  # a server that serves one connection at a time may count one that we keep open
            raise Broken(_reason(exc)) from exc
        except urllib3.exceptions.SSLError as exc:
            raise Broken(_reason(exc), hopeless="CERTIFICATE_VERIFY_FAILED" in str(exc)) from exc
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            raise Broken(_reason(exc)) from exc
        _check_head(response)
        if response.status >= _REFUSED:
            self.close()  # the same
        return Answer(response, url, self._block_size)

    def _callers_fields(self, url: str) -> dict[str, str]:
        """What the caller adds. Another origin, to which a redirect leads, gets nothing that may be secret."""
        address = parse_address(url)
        at_home = address.origin == self._first.origin
        given = {name.title(): value for name, value in (*self._pool.headers.items(), *self._settings.headers.items())}
        fields = {name: value for name, value in given.items() if at_home or name.lower() in _ANYWHERE}
        fields.setdefault("User-Agent", "rangeware")
        userinfo = self._first.userinfo if at_home and self._first.userinfo else _netrc(address.url)
        if userinfo and "Authorization" not in fields:
            fields["Authorization"] = _basic(userinfo)
        return fields

    def close(self) -> None:
        """Close the connections that are kept open, but for those of the caller's own pool."""
        if not self._own:
            return
        for key in list(self._pool.pools.keys()):
            with contextlib.suppress(KeyError):  # another thread does the same
                self._pool.pools[key].close()
        self._pool.clear()


def _check_head(response: urllib3.BaseHTTPResponse) -> None:
    """http.client leaves out all fields after a line that is none: a length, perhaps, or a coding."""
    message = getattr(getattr(response, "_original_response", None), "msg", None)
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in getattr(message, "defects", ())):
        response.close()
        raise Broken("a head with a line that is no field")


def _basic(userinfo: str) -> str:
    """RFC 7617, in UTF-8."""
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def _joined(url: str, location: str) -> str:
    try:
        with contextlib.suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")  # http.client reads fields as Latin-1
        return urljoin(url, location)
    except ValueError as exc:
        raise Broken(f"a redirect to what is no address: {exc}", hopeless=True) from exc


def _reason(exc: BaseException) -> str:
    """What has happened, in a few words."""
    causes = (exc, exc.__cause__, *exc.args)
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the connection was closed before the end"
    told = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if told:
        return told[-1].lower()
    if isinstance(exc, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return "nothing has come for too long"
    return str(exc.args[-1] if exc.args else exc).rpartition(": ")[2] or type(exc).__name__


def _netrc(url: str) -> str:
    """``user:password`` for this host by the user's netrc file; "" where it has none."""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return ""
    return "" if found is None else f"{found[0]}:{found[2]}"


def _pool(url: str, settings: Settings) -> urllib3.PoolManager:
    proxy = _proxy(url)
    most = min(settings.segments, _MOST_KEPT)
    if proxy is None:
        return passing_over_interim(urllib3.PoolManager(maxsize=most))
    try:
        if proxy.startswith("socks"):
            if find_spec("socks") is None:
                raise ImportError("PySocks is missing")
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(proxy, num_pools=10, maxsize=most)
        userinfo = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = {"Proxy-Authorization": _basic(userinfo)} if userinfo else None
        return passing_over_interim(urllib3.ProxyManager(proxy, maxsize=most, proxy_headers=headers))
    except (ImportError, ValueError, urllib3.exceptions.HTTPError) as exc:
        raise NetworkError(f"the proxy of the environment cannot be used: {exc}") from exc


def _proxy(url: str) -> str | None:
    """The proxy that the environment names for this address."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies_environment, proxy_bypass

    parts = urlsplit(url)
    proxies = getproxies_environment()
    proxy = proxies.get(parts.scheme, proxies.get("all"))
    if not proxy or proxy_bypass(parts.hostname or ""):
        return None
    return proxy if "//" in proxy else f"http://{proxy}"
