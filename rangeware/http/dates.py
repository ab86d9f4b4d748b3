"""HTTP-date: Last-Modified, Date, If-Modified-Since, If-Unmodified-Since and the date in If-Range (RFC 9110 5.6.7)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

from .blocks import trimmed

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
"""The beginning of Unix time."""

LONGEST = len("Wednesday, 06-Nov-94 08:49:37 GMT")
"""Characters in an HTTP-date, at most."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY_NAME = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY = "(?P<day>[0-9]{2})"
_YEAR = "(?P<year>[0-9]{4})"
_HTTP_DATES = tuple(
    re.compile(form)
    for form in (
        f"{_DAY_NAME}, {_DAY} {_MONTH} {_YEAR} {_TIME} GMT",  # IMF-fixdate
        f"{_LONG_DAY_NAME}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",  # rfc850-date
        f"{_DAY_NAME} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} {_YEAR}",  # asctime-date
    )
)


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """The time in UTC that an HTTP-date names; None means ignore the field.

    All three forms of RFC 9110 5.6.7. ``now`` (in UTC) settles the century of a year of two digits.
    """
    text = trimmed(value, LONGEST)
    for form in _HTTP_DATES:
        match = form.fullmatch(text)
        if match is not None:
            return _to_datetime(match, now)
    return None


def _to_datetime(match: re.Match[str], now: datetime) -> datetime | None:
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    month = _MONTHS.index(match["month"]) + 1
    year = int(match["year"]) if len(match["year"]) == 4 else _full_year(int(match["year"]), now.year)
    is_leap = second == 60  # a leap second: in the grammar, but not in datetime; taken for the second after it
    try:
        moment = datetime(year, month, day, hour, minute, second - is_leap, tzinfo=timezone.utc)
        return moment + timedelta(seconds=is_leap)
    except (ValueError, OverflowError):  # 31 February, 25 o'clock, the year 0 or 10000
        return None


def _full_year(last_two_digits: int, current_year: int) -> int:
    """A year more than 50 years ahead means the most recent past year with these digits (RFC 9110 5.6.7)."""
    year = current_year - current_year % 100 + last_two_digits
    return year - 100 if year > current_year + 50 else year


def format_http_date(moment: datetime) -> str:
    """Format ``moment`` (in UTC) as IMF-fixdate, the form to generate (RFC 9110 5.6.7)."""
    return format_datetime(moment, usegmt=True)
