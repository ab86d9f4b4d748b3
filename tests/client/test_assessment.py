"""The use of a response: RFC 9110 sections 13.1.5, 14.4, 15.3.7 and 15.5.17 as a table."""

from __future__ import annotations

import pytest

from rangeware.client.planning.assessment import Outcome, RangeRequest, assess
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
BEFORE = "Sat, 21 Nov 2026 11:00:00 GMT"
PLACEHOLDER = "Tue, 01 Jan 1980 00:00:00 GMT"
LATER = "Sat, 21 Nov 2026 11:30:00 GMT"
FIRST = RangeRequest("http://h/f")
PLAIN = FIRST._replace(ranged=False)
AT_THE_END = RangeRequest("http://h/f", 500, 500, None, '"a"')
RESUME = RangeRequest("http://h/f", 400, 500, 999, '"a"')  # 100 bytes in front are compared
KNOWN = FileVersion(EntityTag("a"), BEFORE, True, 1000, "video/mp4")
UNVOUCHED = FileVersion(None, None, False, 1000, "video/mp4")
FAR, BIG = RangeRequest("http://h/f", 50_000_000, 50_004_096), KNOWN._replace(complete_length=10**8)
UNMEASURED = KNOWN._replace(complete_length=None)


def part(first_pos=400, last_pos=999, complete_length=1000, **fields):
    """The head of a 206 as it should be, but for what is given otherwise; None leaves a field out."""
    told = {
        "content-range": f"bytes {first_pos}-{last_pos}/{complete_length}",
        "content-length": str(last_pos - first_pos + 1), "etag": '"a"', "last-modified": BEFORE, "date": DATE,
        "content-type": "video/mp4", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return ResponseHead(206, {name: value for name, value in told.items() if value is not None})


def whole(status=200, **fields):
    told = {"content-length": "1000", "etag": '"a"', "last-modified": BEFORE, "date": DATE,
            "content-type": "video/mp4", **{name.replace("_", "-"): value for name, value in fields.items()}}
    return ResponseHead(status, {name: value for name, value in told.items() if value is not None})


ANSWERS = [  # request, known, head, verdict, why
    pytest.param(FIRST, None, part(0), Outcome.ACCEPT, id="first: a part that is all"),
    pytest.param(FIRST, None, part(0, 99), Outcome.ACCEPT, id="first: less than asked for (15.3.7)"),
    pytest.param(FIRST, None, part(0, 99, "*"), Outcome.ACCEPT, id="first: of unknown length"),
    pytest.param(FIRST, None, part(5), Outcome.NO_RANGES, id="first: another range"),
    pytest.param(FIRST, None, part(0, content_range=None), Outcome.NO_RANGES, id="first: no Content-Range"),
    pytest.param(FIRST, None, part(0, content_encoding="gzip"), Outcome.NO_RANGES, id="first: a coded part"),
    pytest.param(FIRST, None, whole(), Outcome.ACCEPT, id="first: Range ignored (14.2)"),
    pytest.param(FIRST, None, whole(content_length=None), Outcome.ACCEPT, id="first: no length"),
    pytest.param(FIRST, None, whole(content_encoding="gzip"), Outcome.FAIL, id="first: coded, though not asked"),
    pytest.param(RESUME, UNVOUCHED, whole(content_length="700", etag=None, last_modified=None), Outcome.CHANGED,
                 id="resume: 200 without validators, of another length: perhaps a slice of a new version"),
    pytest.param(RESUME, UNVOUCHED, whole(transfer_encoding="chunked", etag=None, last_modified=None), Outcome.CHANGED,
                 id="resume: 200 without validators, without a length: perhaps a slice"),
    pytest.param(RESUME, UNMEASURED, whole(content_length="499"), Outcome.UNUSABLE,
                 id="resume: 200 of the same version with less than is there: a slice"),
    pytest.param(RESUME, UNVOUCHED._replace(complete_length=None), whole(
        content_length="499", etag=None, last_modified=None), Outcome.CHANGED,
                 id="resume: 200 without validators, with less than is there: perhaps a slice"),
    pytest.param(RESUME, UNVOUCHED, whole(etag=None, last_modified=None), Outcome.RESTART,
                 id="resume: 200 without validators, as long as the file"),
    pytest.param(RESUME._replace(first_pos=0), UNVOUCHED, whole(content_length="700", etag=None, last_modified=None),
                 Outcome.RESTART, id="resume: 200 of another length, asked for from byte 0 on"),
    pytest.param(FIRST, None, whole(content_length="-5"), Outcome.UNUSABLE, id="first: a length that is none"),
    pytest.param(FIRST, None, whole(416, content_range="bytes */0"), Outcome.NO_RANGES, id="first: 416, perhaps empty"),
    pytest.param(PLAIN, None, whole(416), Outcome.FAIL, id="416 to a request without Range"),
    pytest.param(PLAIN, None, part(0), Outcome.ACCEPT, id="206 of all of it, to a request without Range"),
    pytest.param(PLAIN, None, part(5), Outcome.NO_RANGES, id="206 of less to a request without Range"),
    pytest.param(FIRST, None, whole(transfer_encoding="gzip"), Outcome.UNUSABLE,
                 id="first: content that cannot be read"),
    pytest.param(FIRST, None, whole(transfer_encoding="Chunked"), Outcome.ACCEPT, id="first: chunked"),
    pytest.param(FIRST, None, whole(content_range="bytes 0-999/2000"), Outcome.UNUSABLE,
                 id="first: 200 with Content-Range"),
    pytest.param(RESUME, KNOWN, whole(content_length="500"), Outcome.UNUSABLE,
                 id="200 with a slice: same tag, shorter"),
    pytest.param(RESUME, KNOWN._replace(etag=None), whole(etag=None, content_length="500"), Outcome.UNUSABLE,
                 id="200 with a slice: same strong date, shorter"),
    *(pytest.param(FIRST, None, whole(status), Outcome.FAIL, id=f"first: {status}")
      for status in (204, 304, 401, 404, 410, 418)),
    *(pytest.param(ask, None, whole(status), verdict, id=f"{status} {'to' if ask.ranged else 'without'} a range")
      for status in (400, 403, 405, 406, 412, 417, 422, 501)
      for ask, verdict in ((FIRST, Outcome.NO_RANGES), (PLAIN, Outcome.FAIL))),
    pytest.param(RESUME, KNOWN, part(content_length="1000"), Outcome.ACCEPT,
                 id="resume: a Content-Length of the whole: the overlap will tell"),
    pytest.param(RESUME, KNOWN, part(content_length="1001"), Outcome.UNUSABLE, id="resume: a length of nothing"),
    *(pytest.param(ask, known, whole(status), Outcome.RETRY, id=f"{status} with {'some' if known else 'none'} there")
      for status in (202, 408, 425, 429, 500, 502, 503, 504, 509, 520, 524, 530, 599)
      for ask, known in ((FIRST, None), (RESUME, KNOWN))),
    *(pytest.param(RESUME, KNOWN, whole(status), Outcome.RETRY_ORIGINAL_URL, id=f"resumed: {status}")
      for status in (400, 401, 403, 404, 410, 412)),
    pytest.param(RESUME, KNOWN, part(), Outcome.ACCEPT, id="resumed: just what was asked for"),
    pytest.param(RESUME, KNOWN, part(last_pos=600), Outcome.ACCEPT, id="resumed: less"),
    pytest.param(RESUME, KNOWN, part(complete_length="*"), Outcome.ACCEPT, id="resumed: of unknown length"),
    pytest.param(RESUME, KNOWN, part(content_length=None, transfer_encoding="chunked"), Outcome.ACCEPT, id="chunked"),
    pytest.param(RESUME, KNOWN, part(etag=None, last_modified=BEFORE), Outcome.UNVERIFIED, id="the tag left out"),
    pytest.param(RESUME, KNOWN, part(etag=None, last_modified=None), Outcome.UNVERIFIED, id="all validators left out"),
    pytest.param(RESUME, UNVOUCHED, part(), Outcome.UNVERIFIED, id="never had a validator"),
    pytest.param(RESUME, KNOWN, part(etag='W/"a"', last_modified=None), Outcome.UNVERIFIED,
                 id="a weak tag vouches not"),
    pytest.param(RESUME, KNOWN, part(etag='"b"', last_modified=LATER), Outcome.CHANGED,
                 id="another tag: If-Range ignored"),
    pytest.param(RESUME, KNOWN, part(etag='"b"'), Outcome.UNVERIFIED, id="another tag, the same strong date"),
    pytest.param(RESUME, KNOWN, part(etag='"b"', date=BEFORE), Outcome.CHANGED, id="another tag, the same weak date"),
    pytest.param(RESUME, KNOWN, part(etag='"b"', complete_length=1001), Outcome.CHANGED, id="another tag and length"),
    pytest.param(RESUME, KNOWN._replace(last_modified=PLACEHOLDER), part(etag='"b"', last_modified=PLACEHOLDER),
                 Outcome.CHANGED, id="another tag, and a date that is none"),
    pytest.param(RESUME, KNOWN, part(last_modified=LATER), Outcome.ACCEPT, id="the same tag, a mirror's date"),
    pytest.param(RESUME, KNOWN._replace(etag=None), part(etag=None, last_modified=LATER), Outcome.CHANGED, id="date"),
    pytest.param(RESUME, KNOWN, part(399), Outcome.ACCEPT, id="from before"),
    pytest.param(FAR, BIG, part(FAR.first_pos - (1 << 21), 99_999_999, 10**8), Outcome.ACCEPT, id="from 2 MiB before"),
    pytest.param(FAR, BIG, part(FAR.first_pos - (1 << 21) - 1, 99_999_999, 10**8), Outcome.UNUSABLE,
                 id="from far before"),
    pytest.param(RESUME, KNOWN, part(401), Outcome.UNUSABLE, id="from behind"),
    pytest.param(RESUME, KNOWN, part(0, 599), Outcome.ACCEPT, id="from the beginning"),
    pytest.param(RESUME._replace(last_pos=800), KNOWN, part(), Outcome.ACCEPT, id="more than asked for"),
    pytest.param(RESUME, KNOWN, part(complete_length=1001), Outcome.UNUSABLE, id="another length, the same tag"),
    pytest.param(RESUME, KNOWN, part(content_length="601"), Outcome.UNUSABLE, id="Content-Length of more"),
    pytest.param(RESUME, KNOWN, part(content_length="599"), Outcome.UNUSABLE, id="Content-Length of less"),
    pytest.param(RESUME, KNOWN, part(content_length="600, 600"), Outcome.UNUSABLE, id="Content-Length twice"),
    pytest.param(RESUME, KNOWN, part(content_encoding="br"), Outcome.UNUSABLE, id="coded"),
    pytest.param(RESUME, KNOWN, part(content_type="multipart/byteranges; boundary=x"), Outcome.UNUSABLE,
                 id="multipart"),
    pytest.param(RESUME, KNOWN, part(content_range="bytes 400-999/x"), Outcome.UNUSABLE,
                 id="a Content-Range that is none"),
    pytest.param(RESUME, KNOWN, part(content_range="bytes */1000"), Outcome.UNUSABLE,
                 id="a Content-Range without range"),
    pytest.param(RESUME, UNMEASURED, part(400, 449, 450), Outcome.CHANGED, id="shorter than what is there"),
    pytest.param(RESUME, KNOWN, whole(), Outcome.RESTART, id="ranges given up"),
    pytest.param(RESUME, KNOWN, whole(etag='"b"', content_length="7"), Outcome.RESTART, id="If-Range: another version"),
    pytest.param(RESUME, KNOWN, whole(content_type="text/html"), Outcome.NOT_THE_FILE, id="an error page with 200"),
    pytest.param(RESUME, KNOWN, whole(etag=None, last_modified=None), Outcome.NOT_THE_FILE,
                 id="no validators any more"),
    pytest.param(RESUME, UNVOUCHED, whole(etag=None, last_modified=None), Outcome.RESTART, id="never had any"),
    pytest.param(RESUME, KNOWN, whole(content_encoding="gzip"), Outcome.UNUSABLE, id="coded on resume"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */300"), Outcome.CHANGED, id="416: shorter"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */1000"), Outcome.UNUSABLE,
                 id="416 though it has them"),
    pytest.param(RESUME, KNOWN, whole(416, content_range=None), Outcome.UNUSABLE, id="416 without a length"),
    pytest.param(RESUME, KNOWN, whole(416, content_range="bytes */*"), Outcome.UNUSABLE, id="416 with a star"),
    pytest.param(AT_THE_END, UNMEASURED, whole(416, content_range="bytes */500"), Outcome.COMPLETE,
                 id="416: all is there"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500"), Outcome.UNUSABLE,
                 id="416 to bytes that there must be in front of the end"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500", etag=None, last_modified=None),
                 Outcome.UNUSABLE, id="416 to bytes that there must be, and nothing vouches"),
    pytest.param(RESUME, KNOWN, whole(content_type="application/zip", etag='"b"'), Outcome.RESTART, id="another type"),
    pytest.param(RESUME, KNOWN, whole(content_type="text/html", etag='"b"'), Outcome.NOT_THE_FILE,
                 id="a page with a tag"),
    pytest.param(PLAIN, None, part(0, 99), Outcome.NO_RANGES, id="206 of a slice to a request without Range"),
    pytest.param(FIRST, None, part(0, 2**62, 2**62 + 1), Outcome.NO_RANGES, id="first: longer than any file"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */500", etag='"b"'), Outcome.CHANGED,
                 id="416: as many bytes of another version"),
    pytest.param(RESUME, UNMEASURED, whole(416, content_range="bytes */501"), Outcome.CHANGED, id="416: other length"),
]


@pytest.mark.parametrize(("ask", "known", "head", "verdict"), ANSWERS)
def test_verdict(ask, known, head, verdict):
    ruling = assess(ask, known, head, enough=False)
    assert ruling.outcome is verdict, ruling
    assert ruling.reason or verdict in (Outcome.ACCEPT, Outcome.COMPLETE, Outcome.RESTART)


def test_enough_in_front_makes_up_for_a_validator():
    assert assess(RESUME, UNVOUCHED, part(), enough=True).outcome is Outcome.ACCEPT


def test_a_part_that_is_taken_says_which():
    assert assess(RESUME, KNOWN, part(last_pos=600)).part == ByteRange(400, 600)


@pytest.mark.parametrize(("ask", "fields"), [
    (FIRST, {"Range": "bytes=0-"}), (PLAIN, {}), (RESUME, {"Range": "bytes=400-999", "If-Range": '"a"'}),
])
def test_fields_of_a_request(ask, fields):
    assert ask.fields == {"Accept-Encoding": "identity", **fields}


def test_what_has_been_there_may_come_again():
    assert assess(FIRST, None, whole(403), seen=KNOWN).outcome is Outcome.RETRY_ORIGINAL_URL


@pytest.mark.parametrize(("response", "outcome"), [
    (part(etag='"b"', last_modified=LATER), Outcome.ACCEPT),
    (part(etag='"b"', last_modified=LATER, complete_length=1001), Outcome.CHANGED),
])
def test_with_a_digest_the_overlap_is_worth_more_than_the_tag(response, outcome):
    assert assess(RESUME, KNOWN, response, enough=True, has_digest=True).outcome is outcome
    assert assess(RESUME, KNOWN, response, enough=True).outcome is Outcome.CHANGED
