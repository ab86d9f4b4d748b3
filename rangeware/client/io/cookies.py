"""The cookies of one transfer: those of a file, and those that its responses set.

Some servers set a cookie with a redirect, and give the file only to those who bring it along. The rules of RFC 6265 are
those of ``http.cookiejar``; what has come is forgotten at the end of the transfer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from email.message import Message
from http.cookiejar import Cookie, CookieJar, DefaultCookiePolicy
from typing import NamedTuple
from urllib.request import Request

from ...errors import InvalidOption

_MOST = 1000  # cookies that responses have set
_MOST_LINES = 100  # of one response
_LONGEST = 8192  # bytes of a line
_COLUMNS = 7
_HTTP_ONLY = "#HttpOnly_"


class _Answer(NamedTuple):
    """A response as ``http.cookiejar`` wants it."""

    message: Message

    def info(self) -> Message:
        return self.message


class Cookies:
    """Cookies by the URLs that they are for. Can be used by several threads.

    :param path: a file in the format of Netscape; None for none.
    :raises InvalidOption: if it cannot be read, or has another format.
    """

    def __init__(self, path: str | os.PathLike[str] | None) -> None:
        self._jar = CookieJar(DefaultCookiePolicy(strict_ns_domain=DefaultCookiePolicy.DomainStrictNonDomain))
        for cookie in [] if path is None else _read(path):
            self._jar.set_cookie(cookie)

    def note(self, url: str, lines: Iterable[str]) -> None:
        """Keep the cookies that a response has set.

        :param lines: the values of its Set-Cookie fields.
        """
        message = Message()
        for line in [line for line in lines if len(line) <= _LONGEST][:_MOST_LINES]:
            message["Set-Cookie"] = line
        if len(message) and len(self._jar) < _MOST:
            self._jar.extract_cookies(_Answer(message), Request(url))  # type: ignore[arg-type]

    def field(self, url: str, given: str = "") -> str:
        """The value of Cookie for a request; ``""`` for none.

        :param given: cookies that the caller gives. One that a response has set later takes the place of its own.
        """
        request = Request(url)
        self._jar.add_cookie_header(request)
        ours = request.get_header("Cookie") or ""
        names = {_name(pair) for pair in ours.split(";")}
        kept = [pair.strip() for pair in given.split(";") if _name(pair) not in names]
        return "; ".join(filter(None, [*kept, ours]))


def _name(pair: str) -> str:
    return pair.partition("=")[0].strip()


def _read(path: str | os.PathLike[str]) -> list[Cookie]:
    try:
        with open(path, encoding="latin-1") as file:  # as header fields are: each octet is sent as it is
            lines = file.read().split("\n")
    except OSError as exc:
        raise InvalidOption(f"cannot read the cookies in {os.fspath(path)}: {exc.strerror or exc}") from exc
    try:
        return [_cookie(number, line) for number, line in enumerate(lines, 1) if _has_cookie(line)]
    except ValueError as exc:
        raise InvalidOption(f"cookies must be a file in the format of Netscape: {exc} of {os.fspath(path)}") from None


def _has_cookie(line: str) -> bool:
    return bool(line.strip()) and (not line.startswith("#") or line.startswith(_HTTP_ONLY))


def _cookie(number: int, line: str) -> Cookie:
    """Parse a line: domain, whether subdomains count, path, whether https only, expiry, name and value.

    :raises ValueError: if it has another number of columns, or no time of expiry.
    """
    columns = line.removeprefix(_HTTP_ONLY).split("\t")
    columns += [""] * (len(columns) == _COLUMNS - 1)  # some write no tab before an empty value
    if len(columns) != _COLUMNS:
        raise ValueError(f"it has {len(columns)} columns in line {number}")
    domain, for_subdomains, path, is_secure, expires, name, value = columns
    try:
        expiry = int(float(expires or 0))
    except (ValueError, OverflowError):
        raise ValueError(f"it has no time in line {number}") from None
    has_subdomains = for_subdomains.upper() == "TRUE"
    host = domain.lower().lstrip(".")
    host += "" if "." in host else ".local"  # as http.cookiejar has it
    value_of_name = value if name else None  # without a name, the value is sent alone
    return Cookie(
        0, name or value, value_of_name, None, False, f".{host}" if has_subdomains else host, has_subdomains,
        has_subdomains, path or "/", True, is_secure.upper() == "TRUE", expiry or None, not expiry, None, None, {})
