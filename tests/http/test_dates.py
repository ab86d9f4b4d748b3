"""The three forms of HTTP-date. Expected values are read off the RFC's ABNF and examples."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rangeware.http import dates

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)

MOMENT = datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)
DATES = [  # RFC 9110 5.6.7
    pytest.param("Sun, 06 Nov 1994 08:49:37 GMT", MOMENT, id="IMF-fixdate"),
    pytest.param("Sunday, 06-Nov-94 08:49:37 GMT", MOMENT, id="RFC 850"),
    pytest.param("Sun Nov  6 08:49:37 1994", MOMENT, id="asctime"),
    pytest.param("Sun Nov 16 08:49:37 1994", MOMENT.replace(day=16), id="asctime, two digits"),
    pytest.param(" Sun, 06 Nov 1994 08:49:37 GMT\t", MOMENT, id="blanks around"),
    pytest.param("Friday, 01-Jan-76 00:00:00 GMT", datetime(2076, 1, 1, tzinfo=timezone.utc), id="50 years ahead"),
    pytest.param("Friday, 01-Jan-77 00:00:00 GMT", datetime(1977, 1, 1, tzinfo=timezone.utc), id="51: the past"),
    pytest.param("Sat, 31 Dec 2016 23:59:60 GMT", datetime(2017, 1, 1, tzinfo=timezone.utc), id="leap second"),
    pytest.param("Saturday, 31-Dec-16 23:59:60 GMT", datetime(2017, 1, 1, tzinfo=timezone.utc), id="60, RFC 850"),
    pytest.param("Sat Dec 31 23:59:60 2016", datetime(2017, 1, 1, tzinfo=timezone.utc), id="60, asctime"),
    pytest.param("Sun, 06 Nov 1994 08:49:60 GMT", MOMENT.replace(minute=50, second=0), id="60 at any time"),
    pytest.param("Sun, 06 Nov 1994 08:49:61 GMT", None, id="second 61"),
    pytest.param("Sun, 06 Nov 1994 08:60:00 GMT", None, id="minute 60"),
    pytest.param("Fri, 31 Dec 9999 23:59:60 GMT", None, id="beyond the year 9999"),
    pytest.param("Sun, 06 Nov 1994 08:49:37 UTC", None, id="another zone"),
    pytest.param("Sun, 06 Nov 1994 08:49:37 +0000", None, id="a numeric zone"),
    pytest.param("Sun, 6 Nov 1994 08:49:37 GMT", None, id="day of one digit"),
    pytest.param("Thu, 31 Feb 1994 08:49:37 GMT", None, id="31 February"),
    pytest.param("Sun, 06 Nov 99999 08:49:37 GMT", None, id="the year 99999"),
    pytest.param("Sun, 06 Nov 0000 08:49:37 GMT", None, id="the year 0"),
    pytest.param("Sun, 06 Nov 1994 25:49:37 GMT", None, id="25 o'clock"),
    pytest.param("Sun, 06 Nov 1994 08:49:37 GMT\n", None, id="line feed"),
    pytest.param("yesterday", None, id="words"),
]


@pytest.mark.parametrize(("value", "moment"), DATES)
def test_parse_http_date(value, moment):
    assert dates.parse_http_date(value, NOW) == moment


def test_format_http_date_generates_imf_fixdate():
    assert dates.format_http_date(MOMENT) == "Sun, 06 Nov 1994 08:49:37 GMT"


def test_every_parser_survives_any_latin_1_character():
    for code in range(256):
        for value in (chr(code), f"Sun, 06 Nov 1994 08:49:37 GMT{chr(code)}"):
            dates.parse_http_date(value, NOW)
