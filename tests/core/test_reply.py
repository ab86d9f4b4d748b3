"""Head and content of an answer, as values."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime

import pytest

from rangeware.core.app_head import AppHead, describe, validators_of_file
from rangeware.core.plan import decide
from rangeware.core.reply import compose
from rangeware.core.segments import part_heads
from rangeware.core.values import Limits, Plan, Reason, RequestFields
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=timezone.utc)
NOW_NS = int(NOW.timestamp()) * 10**9
OLD_NS = 1_700_000_000 * 10**9
BOUNDARY = "0123456789abcdef" * 2
HEAD = AppHead(200, [("Content-Type", "text/plain"), ("ETag", '"v1"'), ("Set-Cookie", "a"), ("set-cookie", "b")])


def composed(plan: Plan, head: AppHead = HEAD, complete_length: int | None = 1000):
    selected = describe(head, complete_length, NOW, random_access=True)
    return compose(plan, head, selected, BOUNDARY)


def test_one_range():
    reply = composed(Plan(206, (ByteRange(0, 9),), Reason.SLICED))
    assert reply.segments == (ByteRange(0, 9),)
    assert reply.fields == [
        *HEAD.fields, ("Content-Range", "bytes 0-9/1000"), ("Accept-Ranges", "bytes"), ("Content-Length", "10"),
    ]


def test_several_ranges_in_the_form_of_rfc_9110_14_6():
    reply = composed(Plan(206, (ByteRange(20, 29), ByteRange(0, 9)), Reason.SLICED))
    assert reply.segments is not None
    assert reply.segments[1::2] == (ByteRange(20, 29), ByteRange(0, 9))
    written = b"".join(s if isinstance(s, bytes) else b"x" * s.length for s in reply.segments)
    assert written == (
        b"\r\n--" + BOUNDARY.encode() + b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 20-29/1000\r\n\r\n"
        b"xxxxxxxxxx\r\n--" + BOUNDARY.encode() + b"\r\nContent-Type: text/plain\r\nContent-Range: bytes 0-9/1000\r\n"
        b"\r\nxxxxxxxxxx\r\n--" + BOUNDARY.encode() + b"--\r\n"
    )
    assert dict(reply.fields)["Content-Length"] == str(len(written)) == str(reply.length)
    assert dict(reply.fields)["Content-Type"] == f"multipart/byteranges; boundary={BOUNDARY}"
    assert "Content-Range" not in dict(reply.fields)


@pytest.mark.parametrize(("extra", "status"), [(0, 206), (1, 200)])
def test_the_decision_knows_the_multipart_length_to_the_byte(extra, status):
    ranges = (ByteRange(0, 9), ByteRange(20, 29))
    length = composed(Plan(206, ranges, Reason.SLICED)).length
    room = (1000 + 4096 - length) // len(ranges)  # bytes by which each part head may grow
    head = AppHead(200, [("Content-Type", "text/plain" + "x" * (room + extra))])
    request = RequestFields("GET", range="bytes=0-9,20-29")
    assert decide(request, describe(head, 1000, NOW, random_access=True), Limits()).status == status


def test_a_percent_sign_in_the_content_type_stays():
    content_type = "text/plain; name=100%d%%"
    heads, _ = part_heads([ByteRange(2, 5)], 1000, content_type, BOUNDARY)
    assert heads[0].endswith(f"Content-Type: {content_type}\r\nContent-Range: bytes 2-5/1000\r\n\r\n".encode())


OBSTACLES = [
    (200, [], None),
    (200, [("Content-Length", "5")], None),
    (206, [], Reason.STATUS),
    (404, [], Reason.STATUS),
    (200, [("Content-Range", "bytes 0-1/2")], Reason.OWN_CONTENT_RANGE),
    (200, [("content-type", "Multipart/Byteranges; boundary=x")], Reason.OWN_MULTIPART),
    (200, [("Transfer-Encoding", "chunked")], Reason.TRANSFER_ENCODING),
    (200, [("X-Accel-Redirect", "/x")], Reason.OFFLOADED),
    (200, [("X-Sendfile", "/x")], Reason.OFFLOADED),
    (200, [("X-Lighttpd-Send-File", "/x")], Reason.OFFLOADED),
    (200, [("X-LIGHTTPD-send-tempfile", "/x")], Reason.OFFLOADED),
    (200, [("X-Sendfile2", "/x 0-")], Reason.OFFLOADED),
    (200, [("X-LiteSpeed-Location", "/x")], Reason.OFFLOADED),
    (200, [("X-Reproxy-URL", "http://127.0.0.1/x")], Reason.OFFLOADED),
    (200, [("X-REPROXY-FILE", "/x")], Reason.OFFLOADED),
    (200, [("Accept-Ranges", "None")], Reason.ACCEPT_RANGES_NONE),
    (200, [("Accept-Ranges", "bytes")], None),
    (200, [("Content-Encoding", "gzip")], Reason.CONTENT_CODING),
    (200, [("Content-Encoding", "gzip"), ("ETag", 'W/"v1"')], Reason.CONTENT_CODING),
    (200, [("Content-Encoding", "gzip"), ("ETag", '"v1"')], None),
    (200, [("Content-Encoding", "gzip"), ("ETag", '"v1:gzip"')], Reason.CONTENT_CODING),  # as Flask-Compress marks it
    (200, [("Content-Encoding", "BR"), ("ETag", '"v1:br"')], Reason.CONTENT_CODING),
    (200, [("Content-Encoding", "br"), ("ETag", '"v1:gzip"')], None),
    (200, [("ETag", '"v1:gzip"')], None),
]


@pytest.mark.parametrize(("status", "fields", "obstacle"), OBSTACLES)
def test_what_must_not_be_sliced(status, fields, obstacle):
    assert AppHead(status, fields).obstacle() is obstacle


def test_of_a_repeated_field_the_first_line_counts():
    assert AppHead(200, [("ETag", '"a"'), ("etag", '"b"')]).etag == EntityTag("a")


@pytest.mark.parametrize(("lines", "length"), [
    (["5"], 5), (["5", "5"], 5), (["5", "6"], None), (["x"], None), ([], None),
])
def test_a_length_is_known_where_it_is_declared_in_one_way(lines, length):
    assert AppHead(200, [("Content-Length", line) for line in lines]).complete_length == length


def test_the_date_of_the_answer_is_its_own_or_now():
    own = AppHead(200, [("Date", "Sun, 06 Nov 1994 08:49:37 GMT")])
    assert describe(own, 1, NOW, random_access=True).date == datetime(1994, 11, 6, 8, 49, 37, tzinfo=timezone.utc)
    assert describe(AppHead(200, [("Date", "soon")]), 1, NOW, random_access=True).date == NOW


def test_made_validators():
    modified = NOW_NS - 60 * 10**9
    assert validators_of_file(AppHead(200, []), 1000, modified + 123, 0, NOW) == [
        ("Last-Modified", "Sat, 21 Nov 2026 11:59:00 GMT"), ("ETag", f'"{1000:x}-{modified + 123:x}"'),
    ]


@pytest.mark.parametrize(("age", "is_made"), [(0, False), (1.999, False), (2, True), (-5, False)])
def test_a_young_file_has_no_tag(age, is_made):
    made = dict(validators_of_file(AppHead(200, []), 1, NOW_NS - int(age * 10**9), 0, NOW))
    assert ("ETag" in made) == is_made
    assert not made.get("ETag", "").startswith("W/")


@pytest.mark.parametrize(("date", "is_made"), [
    ("Thu, 01 Jan 1970 00:00:00 GMT", False), ("Thu, 01 Jan 1970 00:00:01 GMT", False),
    ("Tue, 01 Jan 1980 00:00:00 GMT", False), ("Sun, 31 Dec 1989 23:59:59 GMT", False),
    ("Mon, 01 Jan 1990 00:00:00 GMT", True),
])
def test_a_time_that_build_tools_use_for_every_file_makes_no_validators(date, is_made):
    mtime_ns = int(parsedate_to_datetime(date).timestamp()) * 10**9
    assert bool(validators_of_file(AppHead(200, []), 1, mtime_ns, 0, NOW)) == is_made
    assert not is_made or dict(validators_of_file(AppHead(200, []), 1, mtime_ns, 0, NOW))["Last-Modified"] == date


def test_last_modified_is_never_later_than_now():
    made = dict(validators_of_file(AppHead(200, []), 1, NOW_NS + 10**13, 0, NOW))
    assert made["Last-Modified"] == "Sat, 21 Nov 2026 12:00:00 GMT"  # RFC 9110 8.8.2.1


def test_only_what_is_missing_is_made():
    for own, made in (("ETag", "Last-Modified"), ("Last-Modified", "ETag")):
        assert [name for name, _ in validators_of_file(AppHead(200, [(own, "x")]), 1, OLD_NS, 0, NOW)] == [made]


def test_a_file_served_from_the_middle_has_a_tag_of_its_own():
    tags = {dict(validators_of_file(AppHead(200, []), 1, OLD_NS, offset, NOW))["ETag"] for offset in (0, 1, 2)}
    assert len(tags) == 3


def test_made_validators_bear_any_time_a_file_system_can_give():
    for mtime_ns, count in ((-(2**63), 0), (OLD_NS, 2), (2**63 - 1, 1), (2**85, 0), (-(2**85), 0)):
        assert len(validators_of_file(AppHead(200, []), 1, mtime_ns, 0, NOW)) == count


@pytest.mark.parametrize("status", [206, 304, 412, 416])
def test_the_apps_own_status_passes_as_it_is(status):
    head = AppHead(status, [("Content-Range", "bytes 0-1/9"), ("Content-Length", "2")])
    reply = composed(Plan(status, (), Reason.STATUS), head, 2)
    assert reply[:3] == (status, [("Content-Range", "bytes 0-1/9"), ("Content-Length", "2")], None)


def test_a_refusal_describes_itself_and_not_the_representation():
    fields = [("ETag", '"v1"'), ("Last-Modified", "x"), ("Content-Encoding", "gzip"), ("Content-Language", "de"),
              ("Content-Location", "/x"), ("Content-Disposition", "inline"), ("Repr-Digest", "x"), ("Vary", "Origin"),
              ("Content-Security-Policy", "default-src 'self'"), ("Access-Control-Allow-Origin", "*")]
    kept = {"Vary", "Content-Security-Policy", "Access-Control-Allow-Origin", "Content-Type", "Content-Length"}
    refused = composed(Plan(412, (), Reason.IF_MATCH), AppHead(200, fields))
    assert {name for name, _ in refused.fields} == kept
    unsatisfied = composed(Plan(416, (), Reason.UNSATISFIABLE), AppHead(200, fields))
    assert {name for name, _ in unsatisfied.fields} == kept | {"Content-Range", "Accept-Ranges"}


@pytest.mark.parametrize("has_etag", [True, False])
def test_last_modified_stays_on_a_304_where_it_is_the_only_validator(has_etag):
    fields = [("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"), *([("ETag", '"v1"')] if has_etag else [])]
    reply = composed(Plan(304, (), Reason.IF_MODIFIED_SINCE), AppHead(200, fields))
    assert ("Last-Modified" in dict(reply.fields)) == (not has_etag)  # RFC 9110 15.4.5


def test_timedelta_of_a_young_file_is_two_seconds():
    assert validators_of_file(AppHead(200, []), 1, NOW_NS, 0, NOW + timedelta(seconds=2))[1][1].startswith('"')
