"""Texts for a person about requests and responses: what a status means here, and the lines of a trace.

Pure. Nothing secret is shown: no credentials, no cookies, no signature in a URL; and nothing that a terminal obeys,
since the texts have parts that a server has sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from http import HTTPStatus

_SECRET = re.compile(r"auth|cookie|credential|key|passw|secret|sig|token", re.IGNORECASE)
_USERINFO = re.compile(r"//[^/?#]*@")
_IN_QUERY = re.compile(r"(?<=[?&;])([^?&;=\s]+)=[^&;<>\s\"]+")  # of a URL within a header, such as Link
_LONGEST_URL = 400  # characters
_LONGEST_VALUE = 400
_HIDDEN = "(hidden)"
_PHRASES = {status.value: status.phrase for status in HTTPStatus}
_SIGNATURES = ("signature", "sig", "x-amz-signature", "x-goog-signature")
_STAMP = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)T(\d\d)(?::|%3A)?(\d\d)(?::|%3A)?(\d\d)Z", re.ASCII)
_SECONDS = re.compile(r"\d{1,10}", re.ASCII)
_HINTS = {
    401: "give a user and a password, in the URL or in a netrc file, or a header Authorization",
    407: "the proxy wants a user and a password: USER:PASSWORD@ before the host in its URL",
}
Pairs = Iterable[tuple[str, str]]


def shown_url(url: str) -> str:
    """A URL as it may be shown: without user and password, and without the values of secrets in its query."""
    base, mark, query = _USERINFO.sub("//", url, count=1).partition("?")
    text = base + mark + "&".join(_parameter(*each.partition("=")) for each in query.split("&"))
    return printable(text if len(text) <= _LONGEST_URL else f"{text[:_LONGEST_URL]}...")


def is_secret(name: str) -> bool:
    """True if what has this name, a header or a parameter of a query, is not to be shown."""
    return _SECRET.search(name) is not None


def _parameter(name: str, equals: str, value: str) -> str:
    return f"{name}={_HIDDEN}" if value and is_secret(name) else name + equals + value


def printable(text: str) -> str:
    """A text with a question mark in place of each character that is not printable."""
    return text if text.isprintable() else "".join(char if char.isprintable() else "?" for char in text)


def status_text(status: int, url: str, now: datetime | None = None) -> str:
    """Describe a response that is not the file, as in ``404 Not Found: http://host/file``, and what may help.

    :param url: that answered.
    :param now: the time of the response in UTC, if it is known.
    """
    hint = _HINTS.get(status, "")
    if status in (400, 401, 403) and _is_signed(url):
        end = _end_of_signature(url)
        hint = "the signed URL has expired" if end and now and end < now else "the URL is signed, and may have expired"
    return f"{status_line(status)}: {shown_url(url)}" + (f" ({hint})" if hint else "")


def status_line(status: int) -> str:
    """A status and its phrase, as RFC 9110 has it and not as the server does."""
    return f"{status} {_PHRASES.get(status, '')}".rstrip()


def _query(url: str) -> dict[str, str]:
    settings = (each.partition("=") for each in url.partition("?")[2].split("&"))
    return {name.lower(): value for name, _, value in settings}


def _is_signed(url: str) -> bool:
    return any(name in _query(url) for name in _SIGNATURES)


def _end_of_signature(url: str) -> datetime | None:
    """The time at which a signed URL expires, in UTC; None if it does not say so in a known way.

    Amazon and Google give the beginning and the duration, in seconds; older ones, also of CloudFront, the end in
    seconds since 1970; Azure the end as text.
    """
    query = _query(url)
    begin = _stamp(query.get("x-amz-date", "") or query.get("x-goog-date", ""))
    duration = query.get("x-amz-expires", "") or query.get("x-goog-expires", "")
    if begin and _SECONDS.fullmatch(duration):
        return _later(begin, int(duration))
    if _SECONDS.fullmatch(query.get("expires", "")):
        return _later(datetime(1970, 1, 1, tzinfo=timezone.utc), int(query["expires"]))
    return _stamp(query.get("se", ""))


def _later(begin: datetime, seconds: int) -> datetime | None:
    try:
        return begin + timedelta(seconds=seconds)
    except OverflowError:
        return None


def _stamp(text: str) -> datetime | None:
    match = _STAMP.fullmatch(text)
    try:
        return match and datetime(*map(int, match.groups()), tzinfo=timezone.utc)  # type: ignore[arg-type, misc]
    except ValueError:
        return None


def request_line(method: str, url: str, fields: Mapping[str, str]) -> str:
    """The line of a trace for a request."""
    return f"> {method} {shown_url(url)}{_fields(fields.items())}"


def response_line(status: int, pairs: Pairs) -> str:
    """The line of a trace for the head of a response."""
    return f"< {status_line(status)}{_fields(pairs)}"


def _fields(pairs: Pairs) -> str:
    return "".join(f" | {printable(name)}: {_value(name, value)}" for name, value in pairs)


def _without_value(match: re.Match[str]) -> str:
    return f"{match[1]}={_HIDDEN}" if is_secret(match[1]) else match[0]


def _value(name: str, value: str) -> str:
    if name.lower() in ("location", "content-location", "referer"):
        return shown_url(value)
    return _HIDDEN if is_secret(name) else printable(_IN_QUERY.sub(_without_value, value[:_LONGEST_VALUE]))
