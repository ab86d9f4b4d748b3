"""Requests over urllib3: a request, its redirects, and the response once its head has been received.

Redirects are followed here and not by urllib3, since credentials must not go to another origin. Everything that can go
wrong on the network is raised as ``RequestFailed``, with a reason for a person.
"""

from __future__ import annotations

import base64
import contextlib
import netrc
import os
import time
from collections.abc import Iterable, Mapping
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPException, IncompleteRead
from importlib.util import find_spec
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import urllib3

from ..errors import NetworkError
from ..options import TransferOptions
from ..planning.response_head import ResponseHead
from .informational import skipping_informational

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 20
_SEE_OTHER = 303
_REFUSED = 400
_HARMLESS = {"accept", "accept-language", "referer", "user-agent"}  # headers that may go to another origin
_BLOCK = 1 << 18
_MOST_READ = 1 << 16  # bytes of a response that says no more than how a request went
_LONGEST_READ = 15.0  # seconds
_MOST_KEPT = 32  # connections that are kept open


class RequestFailed(Exception):
    """A request failed, or its response broke off. ``permanent``: True if it would fail again."""

    def __init__(self, reason: str, *, permanent: bool = False) -> None:
        super().__init__(reason)
        self.permanent = permanent


class Address(NamedTuple):
    """A URL without user, password and fragment; and ``user:password``, or "", which goes into a header instead."""

    url: str
    userinfo: str

    @property
    def origin(self) -> tuple[str, str]:
        """The scheme and the authority (RFC 9110 4.3.1)."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.netloc


def parse_address(url: str) -> Address:
    """Parse a URL.

    :raises RequestFailed: if it is not an http or https URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as exc:
        raise RequestFailed(f"not a URL: {exc}", permanent=True) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
        raise RequestFailed(f"not an http or https URL: {shown[:200]}", permanent=True)
    userinfo, _, authority = parts.netloc.rpartition("@")
    path = parts.path or "/"
    return Address(urlunsplit((parts.scheme, authority, path, parts.query, "")), unquote(userinfo))


class Response:
    """A response whose head has been received.

    :param address: the URL that sent it.
    """

    def __init__(self, response: urllib3.BaseHTTPResponse, address: str, block_size: int) -> None:
        self._response = response
        self._block_size = block_size
        self.address = address
        self.head = ResponseHead(response.status, {name.lower(): value for name, value in response.headers.items()})

    def read(self) -> bytes:
        """Read the content that has come, at least a byte; ``b""`` at its end.

        :raises RequestFailed: if the connection breaks off, or nothing comes for too long.
        """
        try:
            return self._response.read1(self._block_size)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            raise RequestFailed(_reason(exc)) from exc

    def read_all(self) -> bytes:
        """Read a short content to its end, so that the connection can be used again; of a long one its beginning."""
        content, deadline = b"", time.monotonic() + _LONGEST_READ
        while len(content) < _MOST_READ and time.monotonic() < deadline and (block := self.read()):
            content += block
        return content

    def stop(self) -> None:
        """Make a ``read`` in another thread end."""
        with contextlib.suppress(ValueError, RuntimeError, OSError):  # the response may just have ended
            self._response.shutdown()

    def close(self) -> None:
        """Give the connection back. It serves another request only if all of the content has been read."""
        self._response.close()
        self._response.release_conn()


class Transport:
    """Sends the requests of one transfer.

    :param address: the URL asked for. Only its origin gets the user and the password in it.

    :ivar block_size: bytes to transfer at once.
    """

    def __init__(self, address: Address, options: TransferOptions) -> None:
        self._first = address
        self._options = options
        self._owns_pool = options.pool is None
        self._pool = options.pool or _pool(address.url, options)  # type: urllib3.PoolManager
        self._timeout = urllib3.Timeout(connect=options.stall, read=options.stall)
        rate = options.limit_rate
        self.block_size = _BLOCK if rate is None else max(1024, min(_BLOCK, rate // 8))

    def open(self, url: str, fields: Mapping[str, str]) -> Response:
        """Send a GET with these fields, follow redirects, and return the response (RFC 9110 15.4).

        :raises RequestFailed: if there is none.
        """
        return self.ask("GET", url, fields)

    def ask(self, method: str, url: str, fields: Mapping[str, str]) -> Response:
        """Send a request without content, and send it again wherever a redirect leads.

        A 303 is followed for GET only: it says that the answer is elsewhere, not that the request belongs there.

        :raises RequestFailed: if there is no response.
        """
        for _ in range(_MOST_REDIRECTS):
            response = self.send(method, url, fields)
            status = response.head.status
            if status not in _REDIRECTS or (status == _SEE_OTHER and method != "GET"):
                return response
            response.close()
            location = response.head.fields.get("location")
            if location is None:
                raise RequestFailed(f"a redirect ({response.head.status}) without Location", permanent=True)
            url = joined(url, location)
        raise RequestFailed(f"more than {_MOST_REDIRECTS} redirects", permanent=True)

    def send(
        self, method: str, url: str, fields: Mapping[str, str], content: Iterable[bytes] | None = None
    ) -> Response:
        """Send one request, with content if there is any, and return the response, which may be a redirect.

        :param content: blocks that have the length that a Content-Length in ``fields`` says.
        :raises RequestFailed: if there is none.
        """
        try:
            response = self._pool.urlopen(
                method, url, body=content, headers={**self._callers_fields(url), **fields}, redirect=False,
                retries=False, preload_content=False, decode_content=False, timeout=self._timeout,
                pool_timeout=self._options.stall)
        except urllib3.exceptions.ReadTimeoutError as exc:
            self.close()  # a server with one connection at a time may still wait for one that we keep open
            raise RequestFailed(_reason(exc)) from exc
        except urllib3.exceptions.SSLError as exc:
            raise RequestFailed(_reason(exc), permanent="CERTIFICATE_VERIFY_FAILED" in str(exc)) from exc
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            raise RequestFailed(_reason(exc)) from exc
        _check_head(response)
        if response.status >= _REFUSED:
            self.close()  # for the same reason
        return Response(response, url, self.block_size)

    def _callers_fields(self, url: str) -> dict[str, str]:
        """The headers of the caller. Another origin, which a redirect leads to, gets none that may be secret."""
        address = parse_address(url)
        is_own_origin = address.origin == self._first.origin
        given = {name.title(): value for name, value in (*self._pool.headers.items(), *self._options.headers.items())}
        fields = {name: value for name, value in given.items() if is_own_origin or name.lower() in _HARMLESS}
        fields.setdefault("User-Agent", "rangeware")
        userinfo = self._first.userinfo if is_own_origin else ""
        if ":" not in userinfo:
            userinfo = _netrc(address.url, userinfo) or userinfo
        if userinfo and "Authorization" not in fields:
            fields["Authorization"] = _basic(userinfo)
        return fields

    def close(self) -> None:
        """Close the connections that are kept open, unless the pool is the caller's."""
        if not self._owns_pool:
            return
        for key in list(self._pool.pools.keys()):
            with contextlib.suppress(KeyError):  # another thread does the same
                self._pool.pools[key].close()
        self._pool.clear()


def _check_head(response: urllib3.BaseHTTPResponse) -> None:
    """Refuse a head with a line that is no header: http.client drops all that follow, perhaps a Content-Length."""
    message = getattr(getattr(response, "_original_response", None), "msg", None)
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in getattr(message, "defects", ())):
        response.close()
        raise RequestFailed("the response has a malformed header line")


def _basic(userinfo: str) -> str:
    """Basic authentication (RFC 7617), in UTF-8."""
    user, _, password = userinfo.partition(":")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def joined(url: str, location: str) -> str:
    """Resolve a Location against the URL of its response, and parse it: without user, password and fragment.

    :raises RequestFailed: if that is not an http or https URL.
    """
    try:
        with contextlib.suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")  # http.client reads fields as Latin-1
        address = urljoin(url, location)
    except ValueError as exc:
        raise RequestFailed(f"a redirect to a malformed URL: {exc}", permanent=True) from exc
    return parse_address(address).url


def _reason(exc: BaseException) -> str:
    """Describe an exception in a few words."""
    causes = (exc, exc.__cause__, *exc.args)
    if any(isinstance(cause, IncompleteRead) for cause in causes):
        return "the connection was closed early"
    told = [cause.strerror for cause in causes if isinstance(cause, OSError) and cause.strerror]
    if told:
        return told[-1].lower()
    if isinstance(exc, (urllib3.exceptions.TimeoutError, TimeoutError)):
        return "nothing received for too long"
    return str(exc.args[-1] if exc.args else exc).rpartition(": ")[2] or type(exc).__name__


def _netrc(url: str, user: str) -> str:
    """``user:password`` for this host from the user's netrc file; "" if it has none, or of another user than given."""
    try:
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(urlsplit(url).hostname or "")
    except (OSError, netrc.NetrcParseError, UnicodeDecodeError):
        return ""
    return "" if found is None or user not in ("", found[0]) else f"{found[0]}:{found[2]}"


def _pool(url: str, options: TransferOptions) -> urllib3.PoolManager:
    proxy = _proxy(url)
    most = min(options.connections, _MOST_KEPT)
    if proxy is None:
        return skipping_informational(urllib3.PoolManager(maxsize=most))
    try:
        if proxy.startswith("socks"):
            if find_spec("socks") is None:
                raise ImportError("PySocks is missing")
            from urllib3.contrib.socks import SOCKSProxyManager

            return SOCKSProxyManager(proxy, num_pools=10, maxsize=most)
        userinfo = unquote(urlsplit(proxy).netloc.rpartition("@")[0])
        headers = {"Proxy-Authorization": _basic(userinfo)} if userinfo else None
        return skipping_informational(urllib3.ProxyManager(proxy, maxsize=most, proxy_headers=headers))
    except (ImportError, ValueError, urllib3.exceptions.HTTPError) as exc:
        raise NetworkError(f"cannot use the proxy from the environment: {exc}") from exc


def _proxy(url: str) -> str | None:
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
