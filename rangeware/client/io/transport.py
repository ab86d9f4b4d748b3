"""Requests over urllib3: a request, its redirects, and the response once its head has been received.

Redirects are followed here and not by urllib3, since credentials must not go to another origin. Everything that can go
wrong on the network is raised as ``RequestFailed``, with a reason for a person.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from email.errors import MissingHeaderBodySeparatorDefect
from http.client import HTTPException
from urllib.parse import urlsplit

import urllib3

from .. import addresses
from ..addresses import Address
from ..options import TransferOptions
from ..planning.head_fields import combine
from ..planning.response_head import ResponseHead
from ..texts import request_line, response_line
from .failures import RequestFailed as RequestFailed
from .failures import failure
from .own_fields import OwnFields
from .pool import make_pool

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_REDIRECTS = 20
_SEE_OTHER = 303
_REFUSED = 400
_BAD_REQUEST = 400
_SAID_OF_TLS = (b"https port", b"https server", b"ssl-enabled", b"tls port", b"https-only")
_BLOCK = 1 << 18
_MOST_READ = 1 << 16  # bytes of a response that says no more than how a request went
_LONGEST_READ = 15.0  # seconds


def parse_address(url: str) -> Address:
    """Parse a URL.

    :raises RequestFailed: if it is not an http or https URL.
    """
    try:
        return addresses.parse(url)
    except ValueError as exc:
        raise RequestFailed(str(exc), permanent=True) from None


class Response:
    """A response whose head has been received.

    :param address: the URL that sent it.
    :param timeout: seconds that may pass between bytes of the content, once the first has come.

    :ivar lines: the fields as they were sent, one for each line.
    """

    def __init__(
        self, response: urllib3.BaseHTTPResponse, address: str, block_size: int, timeout: float
    ) -> None:
        self._response = response
        self._block_size = block_size
        self._timeout: float | None = timeout
        self.address = address
        self.lines = tuple(response.headers.items())
        self.head = ResponseHead(response.status, combine(self.lines), address)

    @property
    def location(self) -> str:
        """The Location of a redirect, or of what has been created.

        :raises RequestFailed: if there is none, or there are several: nobody can tell which of them is meant.
        """
        locations = set(self._response.headers.getlist("location"))
        if len(locations) != 1:
            how = "without Location" if not locations else "to several URLs"
            raise RequestFailed(f"a redirect ({self.head.status}) {how}", permanent=True)
        return locations.pop()

    def read(self) -> bytes:
        """Read the content that has come, at least a byte; ``b""`` at its end.

        :raises RequestFailed: if the connection breaks off, or nothing comes for too long.
        """
        try:
            block = self._response.read1(self._block_size)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            raise failure(exc, self.address, is_known=True) from exc
        if self._timeout is not None:
            _set_timeout(self._response, self._timeout)
            self._timeout = None
        return block

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
    :param warn: called with a text for a person about what is less safe than expected, from any thread.
    :param pool: connections that other transfers use as well; None for own ones, or those of ``options``.
    :raises InvalidOption: if a file that the options name cannot be used.

    :ivar block_size: bytes to transfer at once.
    """

    def __init__(
        self, address: Address, options: TransferOptions, warn: Callable[[str], object] = lambda text: None,
        pool: urllib3.PoolManager | None = None,
    ) -> None:
        if options.insecure:
            warn("insecure: certificates are not checked; anybody on the way can read and change what is transferred")
        self._options = options
        given = options.pool or pool
        self._owns_pool = given is None
        self._pool = given or make_pool(address.url, options)
        self._own = OwnFields(address, options, self._pool.headers, warn)
        self._timeout = urllib3.Timeout(connect=options.timeout, read=options.until_first_byte)
        self._answered: set[str] = set()  # hosts, with their ports
        self._trace = options.trace or (lambda line: None)
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
            url = joined(url, response.location)
        raise RequestFailed(f"more than {_MOST_REDIRECTS} redirects", permanent=True)

    def send(
        self, method: str, url: str, fields: Mapping[str, str], content: Iterable[bytes] | None = None
    ) -> Response:
        """Send one request, with content if there is any, and return the response, which may be a redirect.

        :param content: blocks that have the length that a Content-Length in ``fields`` says.
        :raises RequestFailed: if there is none.
        """
        headers = {**self._own.fields(parse_address(url)), **fields}
        self._trace(request_line(method, url, headers))
        try:
            response = self._exchange(method, url, headers, content)
        except RequestFailed as exc:
            self._trace(f"< no response: {exc}")
            raise
        self._trace(response_line(response.status, response.headers.items()))
        self._own.note_cookies(url, response.headers.getlist("set-cookie"))
        if response.status >= _REFUSED:
            self.close()  # a server with one connection at a time may still wait for one that we keep open
        return Response(response, url, self.block_size, self._options.timeout)

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], content: Iterable[bytes] | None
    ) -> urllib3.BaseHTTPResponse:
        host = urlsplit(url).netloc
        try:
            response = self._pool.urlopen(
                method, url, body=content, headers=headers, redirect=False, retries=False, preload_content=False,
                decode_content=False, timeout=self._timeout, pool_timeout=self._options.timeout)
        except (urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError) as exc:
            if isinstance(exc, urllib3.exceptions.ReadTimeoutError):
                self.close()  # for the same reason as above
            raise failure(exc, url, is_known=host in self._answered) from exc
        _check_head(response)
        if response.status == _BAD_REQUEST and method == "GET":
            _check_scheme(response, url)
        self._answered.add(host)
        return response

    def close(self) -> None:
        """Close the connections that are kept open, unless the pool is the caller's."""
        if not self._owns_pool:
            return
        for key in list(self._pool.pools.keys()):
            with contextlib.suppress(KeyError):  # another thread does the same
                self._pool.pools[key].close()
        self._pool.clear()


def _set_timeout(response: urllib3.BaseHTTPResponse, timeout: float) -> None:
    """Set the longest silence from now on. The first byte of a response may take longer than those that follow."""
    line = getattr(getattr(response, "_sock_shutdown", None), "__self__", None)
    with contextlib.suppress(AttributeError, OSError):  # a pool of the caller's may be of another make, or closed
        line.settimeout(timeout)  # type: ignore[union-attr]


def _check_head(response: urllib3.BaseHTTPResponse) -> None:
    """Refuse a head with a line that is no header: http.client drops all that follow, perhaps a Content-Length."""
    message = getattr(getattr(response, "_original_response", None), "msg", None)
    if any(isinstance(defect, MissingHeaderBodySeparatorDefect) for defect in getattr(message, "defects", ())):
        response.close()
        raise RequestFailed("the response has a malformed header line")


def _check_scheme(response: urllib3.BaseHTTPResponse, url: str) -> None:
    """Look for what servers say about a plain request to a port for TLS: nginx, Apache, Go and others do so in words.

    :raises RequestFailed: if this one does.
    """
    if not url.startswith("http:"):
        return
    with contextlib.suppress(urllib3.exceptions.HTTPError, HTTPException, OSError, ValueError):
        text = response.read1(_MOST_READ).lower()
        if any(said in text for said in _SAID_OF_TLS):
            response.close()
            raise RequestFailed(f"{urlsplit(url).netloc} speaks TLS; did you mean https://?", permanent=True)


def joined(url: str, location: str) -> str:
    """Resolve a Location against the URL of its response, and parse it: without user, password and fragment.

    :raises RequestFailed: if that is not an http or https URL.
    """
    try:
        return addresses.join(url, location)
    except ValueError as exc:
        raise RequestFailed(str(exc), permanent=True) from None
