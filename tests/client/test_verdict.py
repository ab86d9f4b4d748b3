"""What an answer is good for: RFC 9110 sections 13.1.5, 14.4, 15.3.7 and 15.5.17 as a table."""

from __future__ import annotations

import pytest

from rangeware.client.heads import Head, Identity
from rangeware.client.verdict import Ask, Verdict, rule
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
BEFORE = "Sat, 21 Nov 2026 11:00:00 GMT"
LATER = "Sat, 21 Nov 2026 11:30:00 GMT"
FIRST = Ask("http://h/f")
PLAIN = FIRST._replace(ranged=False)
AT_THE_END = Ask("http://h/f", 500, 500, None, '"a"')
RESUME = Ask("http://h/f", 400, 500, 999, '"a"')  # 100 bytes in front are compared
KNOWN = Identity(EntityTag("a"), BEFORE, True, 1000, "video/mp4")
UNVOUCHED = Identity(None, None, False, 1000, "video/mp4")
UNMEASURED = KNOWN._replace(complete_length=None)


def part(first_pos=400, last_pos=999, complete_length=1000, **fields):
    """The head of a 206 as it should be, but for what is given otherwise; None leaves a field out."""
    told = {
        "content-range": f"bytes {first_pos}-{last_pos}/{complete_length}",
        "content-length": str(last_pos - first_pos + 1), "etag": '"a"', "last-modified": BEFORE, "date": DATE,
        "content-type": "video/mp4", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return Head(206, {name: value for name, value in told.items() if value is not None})


def whole(status=200, **fields):
    told = {"content-length": "1000", "etag": '"a"', "last-modified": BEFORE, "date": DATE,
            "content-type": "video/mp4", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return Head(status, {name: value for name, value in told.items() if value is not None})


ANSWERS = [  # request, known, head, verdict, why
    pytest.param(FIRST, None, part(0), Verdict.TAKE, id="first: a part that is all"),
    pytest.param(FIRST, None, part(0, 99), Verdict.TAKE, id="first: less than asked for (15.3.7)"),
    pytest.param(FIRST, None, part(0, 99, "*"), Verdict.TAKE, id="first: of unknown length"),
    pytest.param(FIRST, None, part(5), Verdict.PLAIN, id="first: another range"),
    pytest.param(FIRST, None, part(0, content_range=None), Verdict.PLAIN, id="first: no Content-Range"),
    pytest.param(FIRST, None, part(0, content_encoding="gzip"), Verdict.PLAIN, id="first: a coded part"),
    pytest.param(FIRST, None, whole(), Verdict.TAKE, id="first: Range ignored (14.2)"),
    pytest.param(FIRST, None, whole(content_length=None), Verdict.TAKE, id="first: no length"),
    pytest.param(FIRST, None, whole(content_encoding="gzip"), Verdict.NEVER, id="first: coded, though not asked"),
    pytest.param(FIRST, None, whole(content_length="-5"), Verdict.BAD, id="first: a length that is none"),
    pytest.param(FIRST, None, whole(416, content_range="bytes */0"), Verdict.PLAIN, id="first: 416, perhaps empty"),
    pytest.param(PLAIN, None, whole(416), Verdict.NEVER, id="416 to a request without Range"),
    pytest.param(PLAIN, None, part(0), Verdict.TAKE, id="206 of all of it, to a request without Range"),
    pytest.param(PLAIN, None, part(5), Verdict.PLAIN, id="206 of less to a request without Range"),
    pytest.param(FIRST, None, whole(transfer_encoding="gzip"), Verdict.BAD, id="first: content that cannot be read"),
    pytest.param(FIRST, None, whole(transfer_encoding="Chunked"), Verdict.TAKE, id="first: chunked"),
    pytest.param(FIRST, None, whole(content_range="bytes 0-999/2000"), Verdict.BAD, id="first: 200 with Content-Range"),
    pytest.param(RESUME, KNOWN, whole(content_length="500"), Verdict.BAD, id="200 with a slice: same tag, shorter"),
    pytest.param(RESUME, KNOWN._replace(etag=None), whole(etag=None, content_length="500"), Verdict.BAD,
                 id="200 with a slice: same strong date, shorter"),
    *(pytest.param(FIRST, None, whole(status), Verdict.NEVER, id=f"first: {status}")
      for status in (204, 304, 400, 401, 403, 404, 410, 418, 501)),
    *(pytest.param(ask, known, whole(status), Verdict.LATER, id=f"{status} with {'some' if known else 'none'} there")
      for status in (408, 425, 429, 500, 502, 503, 504) for ask, known in ((FIRST, None), (RESUME, KNOWN))),
    *(pytest.param(RESUME, KNOWN, whole(status), Verdict.BACK, id=f"resumed: {status}")
      for status in (400, 401, 403, 404, 410, 412)),
    pytest.param(RESUME, KNOWN, part(), Verdict.TAKE, id="resumed: just what was asked for"),
    pytest.param(RESUME, KNOWN, part(last_pos=600), Verdict.TAKE, id="resumed: less"),
    pytest.param(RESUME, KNOWN, part(complete_length="*"), Verdict.TAKE, id="resumed: of unknown length"),
    pytest.param(RESUME, KNOWN, part(content_length=None, transfer_encoding="chunked"), Verdict.TAKE, id="chunked"),
    pytest.param(RESUME, KNOWN, part(etag=None, last_modified=BEFORE), Verdict.DOUBT, id="the tag left out"),
    pytest.param(RESUME, KNOWN, part(etag=None, last_modified=None), Verdict.DOUBT, id="all validators left out"),
    pytest.param(RESUME, UNVOUCHED, part(), Verdict.DOUBT, id="never had a validator"),
    pytest.param(RESUME, KNOWN, part(etag='W/"a"', last_modified=None), Verdict.DOUBT, id="a weak tag vouches not"),
    pytest.param(RESUME, KNOWN, part(etag='"b"'), Verdict.CHANGED, id="another tag: If-Range ignored"),
    pytest.param(RESUME, KNOWN, part(last_modified=LATER), Verdict.TAKE, id="the same tag, a mirror's date"),
    pytest.param(RESUME, KNOWN._replace(etag=None), part(etag=None, last_modified=LATER), Verdict.CHANGED, id="date"),
    pytest.param(RESUME, KNOWN, part(399), Verdict.BAD, id="from before"),
    pytest.param(RESUME, KNOWN, part(401), Verdict.BAD, id="from behind"),
    pytest.param(RESUME, KNOWN, part(0, 599), Verdict.BAD, id="from the beginning"),
    pytest.param(RESUME._replace(last_pos=800), KNOWN, part(), Verdict.BAD, id="more than asked for"),
    pytest.param(RESUME, KNOWN, part(complete_length=1001), Verdict.BAD, id="another length, the same tag"),
    pytest.param(RESUME, KNOWN, part(content_length="601"), Verdict.BAD, id="Content-Length of more"),
    pytest.param(RESUME, KNOWN, part(content_length="599"), Verdict.BAD, id="Content-Length of less"),
    pytest.param(RESUME, KNOWN, part(content_length="600, 600"), Verdict.BAD, id="Content-Length twice"),
    pytest.param(RESUME, KNOWN, part(content_encoding="br"), Verdict.BAD, id="coded"),
    pytest.param(RESUME, KNOWN, part(content_type="multipart/byteranges; boundary=x"), Verdict.BAD, id="multipart"),
    pytest.param(RESUME, KNOWN, part(content_range="bytes 400-999/x"), Verdict.BAD, id="a Content-Range that is none"),
    pytest.param(RESUME, KNOWN, part(content_range="bytes */1000"), Verdict.BAD, id="a Content-Range without range"),
    pytest.param(RESUME, UNMEASURED, part(400, 449, 450), Verdict.CHANGED, id="shorter than what is there"),
    pytest.param(RESUME, KNOWN, whole(), Verdict.ANEW, id="ranges given up"),
    pytest.param(RESUME, KNOWN, whole(etag='"b"', content_length="7"), Verdict.ANEW, id="If-Range: another version"),
    pytest.param(RESUME, KNOWN, whole(content_type="text/html"), Verdict.STRANGE, id="an error page with 200"),
    pytest.param(RESUME, KNOWN, whole(etag=None, last_modified=None), Verdict.STRANGE, id="no validators any more"),
    pytest.param(RESUME, UNVOUCHED, whole(etag=None, last_modified=None), Verdict.ANEW, id="never had any"),
    pytest.param(RESUME, KNOWN, whole(content_encoding="gzip"), Verdict.BAD, id="coded on resume"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */300"), Verdict.CHANGED, id="416: shorter"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */1000"), Verdict.BAD, id="416 though it has them"),
    pytest.param(RESUME, KNOWN, whole(416, content_range=None), Verdict.BAD, id="416 without a length"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */*"), Verdict.BAD, id="416 with a star"),
    pytest.param(AT_THE_END, UNMEASURED, whole(416, content_range="bytes */500"), Verdict.WHOLE,
                 id="416: all is there"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500"), Verdict.BAD,
                 id="416 to bytes that there must be in front of the end"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500", etag=None, last_modified=None),
                 Verdict.BAD, id="416 to bytes that there must be, and nothing vouches"),
    pytest.param(RESUME, KNOWN, whole(content_type="application/zip", etag='"b"'), Verdict.ANEW, id="another type"),
    pytest.param(RESUME, KNOWN, whole(content_type="text/html", etag='"b"'), Verdict.STRANGE, id="a page with a tag"),
    pytest.param(PLAIN, None, part(0, 99), Verdict.PLAIN, id="206 of a slice to a request without Range"),
    pytest.param(FIRST, None, part(0, 2**62, 2**62 + 1), Verdict.PLAIN, id="first: longer than any file"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500", etag='"b"'), Verdict.CHANGED,
                 id="416: as many bytes of another version"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */501"), Verdict.CHANGED, id="416: other length"),
]


@pytest.mark.parametrize(("ask", "known", "head", "verdict"), ANSWERS)
def test_verdict(ask, known, head, verdict):
    ruling = rule(ask, known, head, enough=False)
    assert ruling.verdict is verdict, ruling
    assert ruling.reason or verdict in (Verdict.TAKE, Verdict.WHOLE, Verdict.ANEW)


def test_enough_in_front_makes_up_for_a_validator():
    assert rule(RESUME, UNVOUCHED, part(), enough=True).verdict is Verdict.TAKE


def test_a_part_that_is_taken_says_which():
    assert rule(RESUME, KNOWN, part(last_pos=600)).part == ByteRange(400, 600)


@pytest.mark.parametrize(("ask", "fields"), [
    (FIRST, {"Range": "bytes=0-"}), (PLAIN, {}), (RESUME, {"Range": "bytes=400-999", "If-Range": '"a"'}),
])
def test_fields_of_a_request(ask, fields):
    assert ask.fields == {"Accept-Encoding": "identity", **fields}


def test_what_has_been_there_may_come_again():
    assert rule(FIRST, None, whole(403), seen=KNOWN).verdict is Verdict.BACK
