"""URLs as values: in ASCII, and with each origin written in one way only, so that two can be compared as text.

Pure. What a person types, and what a server sends in a Location, may have letters of any script in it, a host in
capitals, or the port that goes without saying.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit, urlunsplit

_PORTS = {"http": 80, "https": 443}
_KEPT = "".join(map(chr, range(0x21, 0x7F)))  # a percent sign is one of an encoding that is already there
_HOST = re.compile(r"[\x21-\x7e]+")
_AMBIGUOUS = re.compile("[\xdf\u03c2\u200c\u200d]")  # other hosts in IDNA 2003 than in IDNA 2008 (RFC 5894 7.2)


class Address(NamedTuple):
    """A URL without user, password and fragment; and ``user:password``, or "", which goes into a header instead."""

    url: str
    userinfo: str

    @property
    def origin(self) -> tuple[str, str]:
        """The scheme and the authority (RFC 9110 4.3.1), normalised (4.2.3)."""
        parts = urlsplit(self.url)
        return parts.scheme, parts.netloc


def parse(url: str) -> Address:
    """Parse a URL, and normalise its origin. Its other characters that are not ASCII are percent-encoded in UTF-8.

    :raises ValueError: saying why it is not an http or https URL.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        if parts.scheme not in _PORTS or not parts.hostname or port == 0:
            shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment=""))
            raise ValueError(f"not an http or https URL: {shown[:200]}")
        authority = _host(parts.hostname) + ("" if port in (None, _PORTS[parts.scheme]) else f":{port}")
    except ValueError as exc:
        said = str(exc)
        raise ValueError(said if said.startswith("not ") else f"not a URL: {said}") from None
    made = SplitResult(parts.scheme, authority, _encoded(parts.path) or "/", _encoded(parts.query), "")
    return Address(urlunsplit(made), unquote(parts.netloc.rpartition("@")[0]))


def join(url: str, location: str) -> str:
    """Resolve a Location, as ``http.client`` reads it, against the URL of its response, and normalise it.

    :raises ValueError: if that is not an http or https URL.
    """
    with contextlib.suppress(UnicodeEncodeError):
        location = location.encode("latin-1").decode("utf-8", "surrogateescape")
    try:
        joined = urljoin(url, location.strip())
    except ValueError as exc:
        raise ValueError(f"a redirect to a malformed URL: {exc}") from None
    return parse(joined).url


def _encoded(text: str) -> str:
    return quote(text, _KEPT, errors="surrogateescape")


def _host(name: str) -> str:
    if ":" in name:
        address, percent, zone = name.partition("%")
        return f"[{ipaddress.IPv6Address(address).compressed}{percent}{zone}]"
    host = name.lower() if name.isascii() else _punycode(name)
    if not _HOST.fullmatch(host):
        raise ValueError(f"not the name of a host: {host[:200]!r}")
    return host


def _punycode(name: str) -> str:
    """The name of a host in ASCII: by the package ``idna`` (IDNA 2008), or by the standard library (IDNA 2003)."""
    try:
        return _encoder()(name).decode("ascii").lower()
    except UnicodeError:  # also what the package raises
        raise ValueError(f"not the name of a host: {name[:200]!r}") from None


def _encoder() -> Callable[[str], bytes]:
    try:
        import idna
    except ImportError:
        return _idna_2003
    return functools.partial(idna.encode, uts46=True)


def _idna_2003(name: str) -> bytes:
    if _AMBIGUOUS.search(name):
        raise UnicodeError("another host in IDNA 2008")
    return name.encode("idna")
