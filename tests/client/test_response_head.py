"""The head of a response as values. Expected values are read off RFC 9110."""

from __future__ import annotations

import pytest

from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange, ContentRange

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
CONTENT_RANGES = [
    pytest.param("bytes 42-1233/1234", ContentRange(ByteRange(42, 1233), 1234), id="of 14.4"),
    pytest.param("bytes 42-1233/*", ContentRange(ByteRange(42, 1233), None), id="unknown length, of 14.4"),
    pytest.param("bytes */1234", ContentRange(None, 1234), id="unsatisfied, of 14.4"),
    pytest.param("BYTES 0-0/1", ContentRange(ByteRange(0, 0), 1), id="unit in any case"),
    pytest.param("bytes 0-1/1", None, id="last-pos at the length is invalid (14.4)"),
    pytest.param("bytes 5-4/10", None, id="last-pos before first-pos is invalid (14.4)"),
    pytest.param("bytes 0-4/3", None, id="beyond the length"),
    pytest.param(f"bytes 0-{'9' * 5000}/{'9' * 5001}", None, id="5,000 digits"),
    pytest.param("bytes 0-1/2, bytes 0-1/2", None, id="twice"),
    pytest.param("items 0-1/2", None, id="another unit"),
    pytest.param("bytes 0-\u0661/2", None, id="digits of another script"),
    pytest.param("bytes=0-1/2", None, id="the syntax of Range"),
    pytest.param("", None, id="none"),
]


@pytest.mark.parametrize(("value", "expected"), CONTENT_RANGES)
def test_content_range(value, expected):
    assert ResponseHead(206, {"content-range": value}).content_range == expected


@pytest.mark.parametrize(("fields", "expected"), [
    ({"content-length": "12"}, 12), ({}, None), ({"content-length": "-1"}, None), ({"content-length": "1, 2"}, None),
    ({"content-length": "12", "transfer-encoding": "chunked"}, None),
])
def test_content_length(fields, expected):
    assert ResponseHead(200, fields).content_length == expected


@pytest.mark.parametrize(("value", "coding"), [("gzip", ("gzip",)), ("X-GZIP", ("gzip",)), ("identity", ()), ("", ())])
def test_codings(value, coding):
    head = ResponseHead(200, {"content-encoding": value})
    assert (head.codings, head.version().codings) == (coding, coding)


GZIP = FileVersion(EntityTag("a", False), codings=("gzip",))


@pytest.mark.parametrize(("known", "found", "difference"), [
    (GZIP, GZIP, ""),
    (GZIP, GZIP._replace(codings=("br",)), "Content-Encoding br instead of gzip"),
    (GZIP._replace(codings=()), GZIP, "Content-Encoding gzip instead of none"),
    (GZIP, GZIP._replace(codings=()), ""),
    (GZIP._replace(etag=None), FileVersion(), "Content-Encoding none instead of gzip"),
    (GZIP._replace(etag=EntityTag("a", True)), FileVersion(EntityTag("a", True)),
     "Content-Encoding none instead of gzip"),
])
def test_another_coding_is_another_representation(known, found, difference):
    """But RFC 9110 15.3.7: a 206 by If-Range need not name the coding again, if the strong validator is the same."""
    assert known.difference(found) == difference


@pytest.mark.parametrize(("value", "seconds"), [
    ("120", 120), ("Sat, 21 Nov 2026 12:00:09 GMT", 9), ("Sat, 21 Nov 2026 11:00:00 GMT", 0), ("soon", 0), ("", 0),
    ("-5", 0), ("31536000", 31_536_000), ("9" * 30, 10**10),
])
def test_retry_after(value, seconds):
    assert ResponseHead(503, {"retry-after": value, "date": DATE}).retry_after == seconds


def test_retry_after_with_a_date_and_no_date_to_reckon_from():
    assert ResponseHead(503, {"retry-after": DATE}).retry_after == 0


@pytest.mark.parametrize(("last_modified", "strong"), [
    ("Sat, 21 Nov 2026 11:59:59 GMT", True), ("Sat, 21 Nov 2026 12:00:00 GMT", False),
    ("Sat, 21 Nov 2026 12:00:01 GMT", False), ("yesterday", False),
])
def test_a_date_is_strong_where_it_is_a_second_old(last_modified, strong):  # RFC 9110 8.8.2.2
    identity = ResponseHead(200, {"date": DATE, "last-modified": last_modified}).version()
    assert (identity.dated, identity.if_range) == (strong, last_modified if strong else None)


def test_a_date_is_not_strong_without_date():
    assert ResponseHead(200, {"last-modified": "Sat, 21 Nov 2026 11:59:59 GMT"}).version().if_range is None


@pytest.mark.parametrize(("last_modified", "date", "clocked"), [
    (DATE, DATE, True), ("Sun, 22 Nov 2026 12:00:00 GMT", DATE, True), ("Sat, 21 Nov 2026 11:59:59 GMT", DATE, False),
    (DATE, "", False), ("", DATE, False), ("yesterday", DATE, False),
])
def test_a_date_that_is_that_of_the_response_says_nothing(last_modified, date, clocked):  # RFC 9110 8.8.2.1
    assert ResponseHead(200, {"date": date, "last-modified": last_modified}).version().clocked == clocked


def test_the_identity_of_a_whole_and_of_a_part():
    fields = {"etag": '"a"', "last-modified": DATE, "content-length": "10", "content-type": "Text/HTML; charset=utf-8"}
    of_all = FileVersion(EntityTag("a"), DATE, False, 10, "text/html")
    assert ResponseHead(200, fields).version() == of_all
    part = {**fields, "content-range": "bytes 5-14/20"}
    assert ResponseHead(206, part).version() == of_all._replace(complete_length=20)
    assert ResponseHead(206, fields).version().complete_length is None
    assert ResponseHead(404, fields).version().complete_length is None


STRONG, WEAK, BARE = '"a"', 'W/"a"', "a"


@pytest.mark.parametrize(("etag", "if_range"), [(STRONG, STRONG), (WEAK, None), (BARE, None)])
def test_no_date_stands_in_if_range_beside_a_tag(etag, if_range):
    fields = {"etag": etag, "date": DATE, "last-modified": "Sat, 21 Nov 2026 11:00:00 GMT"}
    identity = ResponseHead(200, fields).version()
    assert identity.if_range == (if_range if etag != BARE else fields["last-modified"])


@pytest.mark.parametrize(("etag", "if_range"), [(STRONG, STRONG), (WEAK, None), (BARE, None)])
def test_only_a_strong_tag_stands_in_if_range(etag, if_range):  # RFC 9110 13.1.5
    assert ResponseHead(200, {"etag": etag}).version().if_range == if_range


TAG_A, TAG_B = EntityTag("a"), EntityTag("b")


@pytest.mark.parametrize(("known", "found", "differ"), [
    (FileVersion(TAG_A), FileVersion(TAG_A), False),
    (FileVersion(TAG_A), FileVersion(TAG_B), True),
    (FileVersion(TAG_A), FileVersion(EntityTag("a", weak=True)), False),
    (FileVersion(TAG_A, "x"), FileVersion(TAG_A, "y"), False),
    (FileVersion(None, "x"), FileVersion(None, "y"), True),
    (FileVersion(None, "x", clocked=True), FileVersion(None, "y", clocked=True), False),
    (FileVersion(None, "x", clocked=True), FileVersion(None, "y"), True),
    (FileVersion(None, "x"), FileVersion(None, "y", clocked=True), True),
    (FileVersion(None, "x", False, 1, clocked=True), FileVersion(None, "y", False, 2, clocked=True), True),
    (FileVersion(TAG_A, "x"), FileVersion(None, "x"), False),
    (FileVersion(TAG_A), FileVersion(), False),
    (FileVersion(complete_length=1), FileVersion(complete_length=2), True),
    (FileVersion(complete_length=1), FileVersion(), False),
    (FileVersion(TAG_A, complete_length=1), FileVersion(TAG_A, complete_length=2), True),
])
def test_what_shows_another_version(known, found, differ):
    assert bool(known.difference(found)) == differ


@pytest.mark.parametrize(("known", "found", "vouched"), [
    (FileVersion(TAG_A), FileVersion(TAG_A), True),
    (FileVersion(TAG_A), FileVersion(), False),
    (FileVersion(), FileVersion(), False),
    (FileVersion(None, "x", True), FileVersion(None, "x", True), True),
    (FileVersion(None, "x", True), FileVersion(None, "x", False), False),
])
def test_what_vouches_for_a_version(known, found, vouched):
    assert known.is_vouched_for_by(found) == vouched
