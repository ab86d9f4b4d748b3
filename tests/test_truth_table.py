"""All combinations of the conditional fields with Range, each answer compared with the oracle."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest

from rangeware import RangeMiddleware
from tests.oracle import DATE_FORMS, Expected, Representation, check, expected
from tests.support import CONTENT, Answer, answering, environ_for, get, run

Fields = dict[str, str]
App = Callable[..., Iterable[bytes]]

OLD = "Sun, 06 Nov 1994 08:49:37 GMT"
DATE = "Tue, 15 Nov 1994 08:12:31 GMT"
MODIFIED = datetime(1994, 11, 6, 8, 49, 37)
MOMENTS = {"earlier": -1, "equal": 0, "later": 1}  # seconds: the finest step that a date can tell
NO_DATE = "Sun, 06 Nov 1994 08:49:37 +0000"  # another zone than GMT is no HTTP-date (5.6.7)


def dates(moment: str) -> list[str]:
    """The moment in the three forms of 5.6.7; asctime fills its day with a blank."""
    when = MODIFIED + timedelta(seconds=MOMENTS[moment])
    return [when.strftime(form).replace("Nov 06 ", "Nov  6 ") for form in DATE_FORMS]


FORMS = {moment: dates(moment) for moment in MOMENTS}

REPRESENTATIONS = {
    "strong": Representation(len(CONTENT), '"v1"', OLD, DATE),
    "weak": Representation(len(CONTENT), 'W/"v1"', OLD, DATE),
    "no-validators": Representation(len(CONTENT), None, None, DATE),
    "same-second": Representation(len(CONTENT), '"v1"', OLD, OLD),
    "unquoted": Representation(len(CONTENT), "v1", OLD, DATE),
}

ABSENT = None
IF_MATCH = [ABSENT, '"v0,x", "v1"', '"v2"', 'W/"v1"', "v1", "*"]
IF_NONE_MATCH = [ABSENT, '"v0,x", "v1"', '"v2"', 'W/"v1"', "v1", "*"]
A_DATE = [ABSENT, "earlier", "equal", "later", NO_DATE]
IF_RANGE = [ABSENT, '"v1"', '"v2"', 'W/"v1"', "v1", "earlier", "equal", "later", NO_DATE]
RANGE = [ABSENT, "bytes=10-19", "bytes=1000-", "bytes=19-10", "bytes=990-,0-4"]
NAMES = "if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range", "range"
VALUES = IF_MATCH, IF_NONE_MATCH, A_DATE, A_DATE, IF_RANGE, RANGE


def combinations() -> Iterator[Fields]:
    """Every combination; the three date forms take turns."""
    turn = itertools.count()
    for values in itertools.product(*VALUES):
        named = zip(NAMES, values, strict=True)
        yield {name: FORMS[value][next(turn) % 3] if value in FORMS else value for name, value in named if value}


def in_every_form() -> Iterator[Fields]:
    """Every combination of dates, each in each of the three forms, where no entity tag hides them."""
    every = [ABSENT, *itertools.chain(*FORMS.values()), NO_DATE]
    for values in itertools.product(every, every, every, RANGE):
        yield {name: value for name, value in zip(NAMES[2:], values, strict=True) if value}


def serving(selected: Representation) -> App:
    """A middleware around an app that knows these validators and how to answer HEAD."""
    validators = {"ETag": selected.etag, "Last-Modified": selected.last_modified, "Date": selected.date}
    fields = [(name, value) for name, value in validators.items() if value is not None]
    fields.append(("Content-Length", str(len(CONTENT))))

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/octet-stream"), *fields])
        return [CONTENT] if environ["REQUEST_METHOD"] == "GET" else [b""]
    return RangeMiddleware(app)


def judge(app: App, method: str, fields: Fields, selected: Representation) -> Answer:
    """One request, held against the oracle and against its own plan."""
    answer = run(app, environ_for(method, **fields), validate=False)
    check(answer, expected(method, fields, selected), CONTENT, fields, method=method)
    if "range" in fields:
        assert answer.reason, f"{fields}: no reason given"
        assert answer.environ["rangeware.plan"].status == answer.status, f"{fields}: the plan says another status"
    return answer


def failures(app: App, method: str, requests: Iterable[Fields], selected: Representation) -> list[str]:
    """Yield the failures, each with its combination; stop after a few."""
    wrong: list[str] = []
    for fields in requests:
        try:
            judge(app, method, fields, selected)
        except AssertionError as exc:
            wrong.append(str(exc))
        if len(wrong) == 5:
            break
    return wrong


@pytest.mark.each
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("name", REPRESENTATIONS)
@pytest.mark.parametrize("step", [
    pytest.param(31, id="each thirty-first"),  # no field has that many values, so that each meets each of the others
    pytest.param(1, id="all", marks=pytest.mark.grid),
])
def test_every_combination_is_answered_as_the_rfc_says(name, method, step):
    selected = REPRESENTATIONS[name]
    requests = list(combinations())
    assert len(requests) == 6 * 6 * 5 * 5 * 9 * 5
    assert failures(serving(selected), method, requests[::step], selected) == []


@pytest.mark.parametrize("name", ["strong", "same-second", "no-validators"])
@pytest.mark.parametrize("step", [
    pytest.param(7, id="each seventh"),  # prime to the numbers of values
    pytest.param(1, id="all", marks=pytest.mark.grid),
])
def test_every_date_is_read_in_every_form(name, step):
    selected = REPRESENTATIONS[name]
    requests = itertools.islice(in_every_form(), 0, None, step)
    assert failures(serving(selected), "GET", requests, selected) == []


TAG, EQUAL, EARLIER, LATER = '"v1"', OLD, FORMS["earlier"][0], FORMS["later"][0]
QUESTIONS = [  # beside Range: bytes=10-19         status  why
    pytest.param({"if_range": TAG}, 206, id="1 If-Range with the current tag: the part"),
    pytest.param({"if_range": '"v2"'}, 200, id="2 If-Range with another tag: the whole"),
    pytest.param({"if_range": 'W/"v1"'}, 200, id="3 If-Range with a weak tag never holds"),
    pytest.param({"if_range": EQUAL}, 206, id="4 If-Range with exactly Last-Modified: the part"),
    pytest.param({"if_range": EARLIER}, 200, id="5 If-Range with an earlier date: the whole"),
    pytest.param({"if_range": LATER}, 200, id="6 If-Range with a later date: the whole, exactly means exactly"),
    pytest.param({"if_range": "v1"}, 200, id="7 If-Range with neither tag nor date: the whole"),
    pytest.param({"if_none_match": TAG}, 304, id="8 If-None-Match hit wins over Range"),
    pytest.param({"if_match": '"v2"'}, 412, id="9 stale If-Match wins over Range"),
    pytest.param({"if_unmodified_since": EARLIER}, 412, id="10 old If-Unmodified-Since wins over Range"),
]


@pytest.mark.parametrize(("fields", "status"), QUESTIONS)
def test_the_ten_conditional_questions(fields, status):
    answer = get(serving(REPRESENTATIONS["strong"]), "bytes=10-19", **fields)
    check(answer, Expected(status, ((10, 19),) if status == 206 else ()), CONTENT)


BESIDE = [  # fields                                                status  why
    pytest.param({"if_range": '"v2"', "range": "bytes=1000-"}, 200, id="no 416 where If-Range fails (13.1.5)"),
    pytest.param({"if_range": TAG, "range": "bytes=1000-"}, 416, id="416 where If-Range holds (14.2)"),
    pytest.param({"if_range": TAG}, 200, id="If-Range without Range is ignored (13.1.5)"),
    pytest.param({"if_none_match": '"v2"', "if_modified_since": LATER}, 200, id="a tag hides the date (13.1.3)"),
    pytest.param({"if_match": TAG, "if_unmodified_since": EARLIER}, 200, id="a tag hides the date (13.1.4)"),
    pytest.param({"if_match": '"v2"', "if_none_match": TAG}, 412, id="412 comes before 304 (13.2.2)"),
    pytest.param({"if_match": ', "v2" ,,\t"v1",'}, 200, id="empty members and tabs in a list of tags (5.6.1.2)"),
    pytest.param({"if_none_match": '"a", b, "v1"'}, 200, id="one wrong member: the field does not parse"),
    pytest.param({"if_none_match": 'w/"v1"'}, 200, id="a small w makes no weak tag (8.8.3)"),
    pytest.param({"if_none_match": '"V1"'}, 200, id="tags are compared with case (8.8.3.2)"),
    pytest.param({"if_none_match": f"  {TAG}\t"}, 304, id="blanks around a value are no part of it (5.5)"),
    pytest.param({"if_modified_since": "Fri, 01 Jan 99999 00:00:00 GMT"}, 200, id="a year beyond the calendar"),
    pytest.param({"if_modified_since": "Thu, 31 Feb 2050 00:00:00 GMT"}, 200, id="a day beyond the month"),
    pytest.param({"if_modified_since": "Sun, 06 Nov 2050 25:00:00 GMT"}, 200, id="an hour beyond the day"),
    pytest.param({"if_modified_since": "2524608000"}, 200, id="seconds are no date"),
    pytest.param({"if_modified_since": "Sun, 06 Nov 2050 08:49:37"}, 200, id="a date without GMT"),
    pytest.param({"if_unmodified_since": "Sun, 06 Nov 1993 08:49:37 UTC"}, 200, id="a date with UTC for GMT"),
    pytest.param({"if_unmodified_since": ""}, 200, id="an empty date"),
    pytest.param({"if_range": "Fri, 01 Jan 99999 00:00:00 GMT", "range": "bytes=0-0"}, 200, id="beyond all years"),
    pytest.param({"if_range": "", "range": "bytes=0-0"}, 200, id="an empty If-Range holds for nothing"),
    pytest.param({"if_range": "*", "range": "bytes=0-0"}, 200, id="If-Range knows no asterisk"),
    pytest.param({"if_range": f"{TAG}, {TAG}", "range": "bytes=0-0"}, 200, id="If-Range knows no list"),
]


@pytest.mark.parametrize(("fields", "status"), BESIDE)
def test_beside_the_table(fields, status):
    answer = get(serving(REPRESENTATIONS["strong"]), **fields)
    check(answer, Expected(status), CONTENT)


@pytest.mark.each
@pytest.mark.parametrize("field", ["if_match", "if_none_match", "if_modified_since", "if_unmodified_since", "if_range"])
@pytest.mark.parametrize("value", ["\0", "\xff", '"', 'W/"', '""', "W/", ",", "*,*", '"\x00"', "٣", "Sun, ", " "])
def test_no_text_in_a_conditional_field_raises(field, value):
    selected = REPRESENTATIONS["strong"]
    judge(serving(selected), "GET", {field: value, "range": "bytes=0-0"}, selected)


def test_date_one_second_after_last_modified_is_strong():
    selected = Representation(len(CONTENT), None, OLD, LATER)
    check(get(serving(selected), "bytes=10-19", if_range=OLD), Expected(206, ((10, 19),)), CONTENT)


def test_without_date_the_clock_decides_whether_last_modified_is_strong():
    ahead = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    selected = Representation(len(CONTENT), None, ahead, None)
    check(get(serving(selected), "bytes=10-19", if_range=ahead), Expected(200), CONTENT)
    selected = Representation(len(CONTENT), None, OLD, None)
    check(get(serving(selected), "bytes=10-19", if_range=OLD), Expected(206, ((10, 19),)), CONTENT)


@pytest.mark.parametrize(("years", "status"), [(49, 304), (-9, 304), (-49, 200), (-11, 200)])
def test_two_digits_of_a_year_mean_at_most_50_years_ahead(years, status):
    """5.6.7: what seems to lie more than 50 years ahead is the latest year in the past with these digits."""
    now = datetime.now(timezone.utc)
    modified = format_datetime(now.replace(year=now.year - 10, month=6, day=15), usegmt=True)
    value = datetime(now.year + years, 6, 15, 12).strftime(DATE_FORMS[1])
    answer = get(serving(Representation(len(CONTENT), None, modified, None)), if_modified_since=value)
    check(answer, Expected(status), CONTENT)


@pytest.mark.parametrize("value", ["Wed Nov 16 08:12:31 1994", "Wednesday, 16-Nov-94 08:12:31 GMT"])
def test_a_day_of_two_digits_is_read_in_the_old_forms(value):
    app = serving(Representation(len(CONTENT), None, "Wed, 16 Nov 1994 08:12:31 GMT", None))
    check(get(app, if_modified_since=value), Expected(304), CONTENT)
    check(get(app, "bytes=10-19", if_range=value), Expected(206, ((10, 19),)), CONTENT)


def test_if_range_takes_an_unquoted_etag_back():
    check(get(serving(REPRESENTATIONS["unquoted"]), "bytes=10-19", if_range="v1"), Expected(206, ((10, 19),)), CONTENT)


@pytest.mark.parametrize("field", ["if_match", "if_none_match", "if_modified_since", "if_unmodified_since"])
def test_preconditions_are_left_to_the_app_where_the_deployer_says_so(field):
    app = answering([CONTENT], ("ETag", '"v1"'), ("Last-Modified", OLD))
    values = {"if_match": '"v2"', "if_none_match": TAG, "if_modified_since": LATER, "if_unmodified_since": EARLIER}
    answer = get(RangeMiddleware(app, preconditions=False), "bytes=10-19", **{field: values[field]})
    check(answer, Expected(206, ((10, 19),)), CONTENT)


@pytest.mark.parametrize("status", ["201 Created", "301 Moved Permanently", "404 Not Found", "500 Server Error"])
def test_preconditions_and_range_wait_for_a_200(status):
    """13.2.1 and 14.2: nothing is evaluated where the answer without the fields is no 200."""
    app = RangeMiddleware(answering([CONTENT], ("ETag", '"v1"'), ("Last-Modified", OLD), status=status))
    answer = get(app, "bytes=0-0", if_match='"v2"', if_none_match=TAG)
    assert (answer.status, answer.body) == (int(status[:3]), CONTENT)


def test_head_is_never_answered_with_a_body():
    """9.3.2: also where the app sends one."""
    app = RangeMiddleware(answering([CONTENT], ("Content-Length", str(len(CONTENT)))))
    check(get(app, "bytes=0-0", method="HEAD"), Expected(200), CONTENT, method="HEAD")
