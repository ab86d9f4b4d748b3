"""The verdict on one response, as RFC 9110 has it: a table of requests, responses and verdicts."""

from __future__ import annotations

import pytest

from rangeware.check.conditions import holds_if_range, holds_preconditions
from rangeware.check.known import known_from
from rangeware.check.responses import judge_response, make_answer, parts_of
from rangeware.check.values import Answer, Known, Probe
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.http.etags import EntityTag
from tests.check import site
from tests.check.site import CONTENT, DATE, LENGTH, MODIFIED, Reply, part_of

V1 = FileVersion(EntityTag("v1"), MODIFIED, True)
WEAK = FileVersion(EntityTag("v1", weak=True), MODIFIED, True)
KNOWN = Known(LENGTH, V1)
WHOLE = site.well_made(Probe("", "GET", {}, 0))


def answer(reply: Reply, method: str = "GET", complete: bool = True, slow: bool = False, **fields: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    return Answer(Probe("", method, named, 1 << 20), ResponseHead(reply.status, reply.fields), reply.content, complete,
                  reply.failure, slow)


def part(first: int, last: int, complete: str = "") -> Reply:
    return part_of(WHOLE, first, last, complete)


def several(*spans: tuple[int, int]) -> Reply:
    return site.parts_of(WHOLE, [*spans])


REFUSED = Reply(416, {"content-range": f"bytes */{LENGTH}"})
BARE = Reply(416, {})
TWO = "bytes=0-9,20-29"
CASES = [  # the response, the fields of the request, the status and words of the verdict
    # 200
    pytest.param(WHOLE, {}, "good", "200 with the whole", id="plain"),
    pytest.param(WHOLE, {"range": "bytes=0-9"}, "broken", "instead of the range", id="range ignored"),
    pytest.param(WHOLE, {"range": TWO}, "limited", "instead of the parts", id="several ignored"),
    pytest.param(WHOLE, {"range": "bytes=9-0"}, "good", "malformed Range is ignored", id="malformed ignored (14.2)"),
    pytest.param(WHOLE, {"range": "bytes=999999-"}, "limited", "has 416", id="unsatisfiable ignored (15.5.17)"),
    pytest.param(WHOLE, {"range": "bytes=0-9", "if_range": '"v2"'}, "good", "If-Range does not name", id="changed"),
    pytest.param(WHOLE, {"range": "bytes=0-9", "if_range": 'W/"v1"'}, "good", "If-Range does not name", id="weak"),
    pytest.param(WHOLE, {"range": "bytes=0-9", "if_range": '"v1"'}, "broken", "instead of", id="unchanged and ignored"),
    pytest.param(WHOLE.put(content_range="bytes 0-9/10"), {}, "broken", "with Content-Range", id="200 with a range"),
    pytest.param(WHOLE, {"if_none_match": '"v1"'}, "limited", "has 304", id="condition overlooked"),
    pytest.param(WHOLE, {"if_match": '"v2"'}, "limited", "has 412", id="precondition overlooked"),
    pytest.param(WHOLE, {"if_match": '"v2", "v1"'}, "good", "200", id="If-Match holds"),
    pytest.param(WHOLE, {"if_none_match": '"v2"'}, "good", "200", id="If-None-Match of another"),
    # 206, one range
    pytest.param(part(0, 9), {"range": "bytes=0-9"}, "good", f"bytes 0-9 of {LENGTH}, as asked", id="as asked"),
    pytest.param(part(LENGTH - 5, LENGTH - 1), {"range": "bytes=-5"}, "good", "as asked", id="suffix"),
    pytest.param(part(5, LENGTH - 1), {"range": "bytes=5-"}, "good", "as asked", id="open end"),
    pytest.param(part(0, 9), {"range": "bytes=0-9", "if_range": '"v1"'}, "good", "as asked", id="If-Range holds"),
    pytest.param(part(0, 9), {"range": "bytes=0-9", "if_range": MODIFIED}, "good", "as asked", id="date holds"),
    pytest.param(part(0, 9), {"range": "bytes=0-9", "if_range": '"v2"'}, "broken", "two versions", id="changed, 206"),
    pytest.param(part(0, 9), {"range": "bytes=0-9", "if_range": DATE}, "broken", "two versions", id="date, 206"),
    pytest.param(part(0, 9), {}, "broken", "without having been asked", id="206 to a plain GET"),
    pytest.param(part(0, 9), {"range": "bytes=0-9", "if_match": '"v2"'}, "broken", "precondition", id="412 was due"),
    pytest.param(part(0, 9), {"range": "bytes=x"}, "broken", "malformed Range", id="206 to a malformed Range"),
    pytest.param(part(0, 9).put(content_range=None), {"range": "bytes=0-9"}, "broken", "without Content-Range",
                 id="none"),
    pytest.param(part(0, 9).put(content_range="0-9"), {"range": "bytes=0-9"}, "broken", "'0-9'", id="malformed field"),
    pytest.param(part(0, 9).put(content_range="bytes */9"), {"range": "bytes=0-9"}, "broken", "which bytes", id="star"),
    pytest.param(part(0, 9, "77"), {"range": "bytes=0-9"}, "broken", "a file of 77 bytes", id="another length"),
    pytest.param(part(0, 9, "*"), {"range": "bytes=0-9"}, "limited", "unknown length", id="length *"),
    pytest.param(part(1, 9, "*"), {"range": "bytes=0-9"}, "broken", "instead of 0-9", id="length * and wrong"),
    pytest.param(part(1, 9), {"range": "bytes=0-9"}, "broken", "instead of 0-9", id="later"),
    pytest.param(part(0, 10), {"range": "bytes=0-9"}, "broken", "instead of 0-9", id="longer"),
    pytest.param(part(0, 5), {"range": "bytes=0-9"}, "limited", "allowed (RFC 9110 15.3.7)", id="shorter"),
    pytest.param(part(0, 5), {"range": "bytes=0-"}, "broken", "too short", id="shorter than to the end"),
    pytest.param(part(0, 9), {"range": "bytes=999999-"}, "broken", "15.5.17: 416", id="none of them is there"),
    pytest.param(part(0, 9).carrying(b"x"), {"range": "bytes=0-9"}, "broken", "with 1 bytes of content", id="too few"),
    pytest.param(part(0, 9).put(content_length="x"), {"range": "bytes=0-9"}, "broken", "where it ends", id="no end"),
    pytest.param(part(0, 9)._replace(failure="cut"), {"range": "bytes=0-9"}, "broken", "broke off", id="cut"),
    # 206, several
    pytest.param(several((0, 9), (20, 29)), {"range": TWO}, "good", "2 parts in multipart", id="several as asked"),
    pytest.param(several((20, 29), (0, 9)), {"range": TWO}, "good", "merged or in another order", id="another order"),
    pytest.param(several((0, 40), (50, 60)), {"range": "bytes=0-9,20-29,50-60"}, "good", "merged",
                 id="two of three merged"),
    pytest.param(part(0, 29), {"range": TWO}, "good", "all ranges in it", id="merged to one"),
    pytest.param(part(0, 9), {"range": TWO}, "limited", "one part only", id="the first only"),
    pytest.param(part(0, 9), {"range": "bytes=0-9,999999-"}, "good", "as asked", id="one of two is there"),
    pytest.param(several((0, 9)), {"range": TWO}, "limited", "not all", id="one part of two"),
    pytest.param(several((0, 9), (60, 69)), {"range": TWO}, "broken", "not asked for", id="others"),
    pytest.param(several((0, 9)), {"range": "bytes=0-9"}, "broken", "one range (RFC 9110 15.3.7.2)",
                 id="multipart for one"),
    pytest.param(several((0, 9), (20, 29)).put(content_range="bytes 0-9/9"), {"range": TWO}, "broken", "in its head",
                 id="multipart with Content-Range"),
    pytest.param(site.parts_of(WHOLE, [(0, 9), (20, 29)], b""), {"range": TWO}, "broken", "closing", id="not closed"),
    pytest.param(site.parts_of(WHOLE._replace(content=CONTENT[:99]), [(0, 9), (20, 29)]), {"range": TWO}, "broken",
                 "a file of 99 bytes", id="another length in the parts"),
    # 416
    pytest.param(REFUSED, {"range": "bytes=999999-"}, "good", f"bytes */{LENGTH}", id="416"),
    pytest.param(REFUSED, {"range": "bytes=x"}, "good", "malformed Range is refused", id="416 to a malformed Range"),
    pytest.param(REFUSED, {"range": "bytes=0-9"}, "broken", "has these bytes", id="416 to what is there"),
    pytest.param(REFUSED, {"range": TWO}, "limited", "has these bytes", id="416 to several"),
    pytest.param(BARE, {"range": "bytes=999999-"}, "limited", "without Content-Range", id="416 without a length"),
    pytest.param(REFUSED.put(content_range="bytes */7"), {"range": "bytes=999999-"}, "broken", "length of 7",
                 id="lies"),
    pytest.param(REFUSED, {}, "broken", "no range", id="416 to a plain GET"),
    pytest.param(REFUSED, {"range": "bytes=999999-", "if_range": '"v2"'}, "broken", "no range",
                 id="416 after a change"),
    # others
    pytest.param(Reply(304, {}), {"if_none_match": '"v1"'}, "good", "current", id="304"),
    pytest.param(Reply(304, {}), {"if_none_match": 'W/"v1"'}, "good", "current", id="304, weakly (13.1.2)"),
    pytest.param(Reply(304, {}), {"if_none_match": "*"}, "good", "current", id="304, any"),
    pytest.param(Reply(304, {}), {"if_modified_since": MODIFIED}, "good", "current", id="304 by date"),
    pytest.param(Reply(304, {}), {"if_modified_since": DATE}, "unknown", "cannot be told", id="304 by another date"),
    pytest.param(Reply(304, {}), {}, "broken", "no condition", id="304 to a plain GET"),
    pytest.param(Reply(304, {}), {"if_none_match": '"v2"'}, "broken", "no condition", id="304 to another tag"),
    pytest.param(Reply(412, {}), {"if_match": '"v2"'}, "good", "names another version", id="412"),
    pytest.param(Reply(412, {}), {"if_match": 'W/"v1"'}, "good", "another version", id="412, strongly (13.1.1)"),
    pytest.param(Reply(412, {}), {"if_match": "*"}, "unknown", "cannot be told", id="412 to any"),
    pytest.param(Reply(412, {}), {"if_unmodified_since": DATE}, "unknown", "cannot be told", id="412 by date"),
    pytest.param(Reply(412, {}), {"range": "bytes=0-9"}, "broken", "without a condition", id="412 to no condition"),
    pytest.param(Reply(400, {}), {"range": "bytes=x"}, "good", "refused", id="400 to a malformed Range"),
    pytest.param(Reply(400, {}), {"range": "bytes=0-9"}, "broken", "plain request succeeds", id="400 to a range"),
    pytest.param(Reply(400, {}), {}, "broken", "plain request succeeds", id="400"),
    pytest.param(Reply(500, {}), {"range": "bytes=x"}, "broken", "fails over", id="500"),
    pytest.param(Reply(429, {}), {"range": "bytes=0-9"}, "unknown", "no more requests", id="429"),
    pytest.param(Reply(503, {}), {"range": "bytes=0-9"}, "unknown", "no more requests", id="503"),
]


@pytest.mark.parametrize(("reply", "fields", "status", "words"), CASES)
def test_verdict(reply, fields, status, words):
    verdict = judge_response(answer(reply, **fields), KNOWN)
    assert verdict.status == status
    assert words in verdict.detail
    assert "\n" not in verdict.detail
    assert verdict.detail.endswith(".")


@pytest.mark.parametrize(("reply", "status", "words"), [
    (WHOLE._replace(content=b""), "good", "200"), (part(0, 9), "broken", "without having been asked"),
    (Reply(405, {}), "limited", "405 Method Not Allowed to HEAD"), (Reply(501, {}), "broken", "fails over"),
])
def test_head(reply, status, words):
    verdict = judge_response(answer(reply, "HEAD", range="bytes=0-9"), KNOWN)
    assert (verdict.status, words in verdict.detail) == (status, True)


def test_no_response():
    probe = Probe("", "GET", {}, 9)
    assert judge_response(Answer(probe, failure="cut"), KNOWN) == ("broken", "No response: cut.")
    assert judge_response(Answer(probe, failure="no time", is_conclusive=False), KNOWN)[0] == "unknown"


def test_an_empty_file_has_no_ranges():
    reply = site.well_made(Probe("", "GET", {}, 0), b"")
    assert judge_response(answer(reply, range="bytes=0-9"), Known(0, V1)) == (
        "good", "200: there are no bytes that a range could select.")


@pytest.mark.parametrize(("reply", "status"), [
    pytest.param(part(0, 99)._replace(content=CONTENT[:50]), "good",
                 id="fewer than it says, of which the rest was left"),
    pytest.param(part(0, 99).put(content_length=None), "good", id="as many as it says, without a length"),
    pytest.param(part(0, 99)._replace(content=CONTENT[:150]).put(content_length=None), "broken",
                 id="more than it says"),
])
def test_content_that_was_not_read_to_its_end(reply, status):
    assert judge_response(answer(reply, complete=False, range="bytes=0-99"), KNOWN).status == status


def test_a_slow_part_is_limited():
    slow = answer(part(0, 99)._replace(content=b"x"), complete=False, slow=True, range="bytes=0-99")
    assert judge_response(slow, KNOWN) == ("limited", "206, but only 1 of 100 bytes came in time.")


def hurried(answer):
    """The answer, of which no more came since there was less time than a server may take."""
    return answer._replace(is_slow=True, is_complete=False, is_conclusive=False)


def test_what_had_too_little_time_is_unknown():
    late = "no content came within 0.5 seconds"
    short = part(0, 99)._replace(content=b"x")
    for reply in (Reply(0, {}, failure=late), WHOLE._replace(failure=late, content=b""), short):
        given = answer(reply, range="bytes=0-99")
        if not reply.status:
            given = given._replace(head=None)
        assert judge_response(hurried(given), KNOWN).status == "unknown", reply.status
    lost = Answer(Probe("", "GET", {}, 9), failure=late)
    assert judge_response(hurried(lost), KNOWN).detail == f"No response: {late}; a longer timeout may tell."


def test_parts_of_which_too_few_came_in_time():
    cut = several((0, 9), (20, 29), (40, 49))
    asked = {"range": "bytes=0-9,20-29,40-49"}
    begun = answer(cut._replace(content=cut.content[:150]), complete=False, slow=True, **asked)
    assert judge_response(begun, KNOWN) == (
        "limited", "206 in multipart/byteranges, of which only 2 of 3 parts came in time.")
    assert judge_response(hurried(begun), KNOWN).status == "unknown"
    none = answer(cut._replace(content=b"\r\n--SEP"), complete=False, slow=True, **asked)
    assert judge_response(none, KNOWN).status == "unknown"


def test_parts_that_were_cut_off_on_purpose():
    cut = several((0, 9), (20, 29), (40, 49))
    cut = cut._replace(content=cut.content[:-60])
    assert judge_response(answer(cut, complete=False, range="bytes=0-9,20-29,40-49,60-69"), KNOWN).status == "good"


def test_without_a_known_length_a_suffix_is_not_judged():
    assert judge_response(answer(part(5, 9, "*"), range="bytes=-5"), Known()).status == "limited"


def test_the_length_may_come_with_the_416():
    unknown = Known(None, V1)
    assert judge_response(answer(REFUSED, range="bytes=999999-"), unknown).status == "good"
    assert judge_response(answer(REFUSED, range="bytes=0-9"), unknown).status == "broken"
    assert judge_response(answer(BARE, range="bytes=999999-"), unknown).status == "limited"


@pytest.mark.parametrize(("reply", "value", "holds"), [
    (part(0, 9), '"v1"', True), (part(0, 9), '"v2"', False), (part(0, 9), 'W/"v1"', False),
    (part(0, 9), MODIFIED, True),
    (part(0, 9), DATE, False), (part(0, 9).put(etag=None), '"v1"', False),
    (part(0, 9).put(last_modified=None), DATE, False),
    (part(0, 9).put(etag='W/"v1"'), 'W/"v1"', False), (BARE, '"v1"', None),
    (part(0, 9).put(last_modified=DATE), DATE, False),  # as new as the response: no strong validator (8.8.2.2)
])
def test_if_range_by_the_response_alone(reply, value, holds):
    assert holds_if_range(answer(reply, range="bytes=0-9", if_range=value), Known()) is holds


def test_conditions_of_no_response_are_compared_with_nothing():
    probe = Probe("", "GET", {"if-range": '"v1"', "if-none-match": '"v1"'}, 9)
    assert holds_preconditions(Answer(probe), Known()) is None
    assert holds_if_range(Answer(probe), Known()) is False


@pytest.mark.parametrize(("fields", "demanded"), [
    ({"if_match": "no tag"}, None), ({"if_none_match": "no tag"}, None), ({"if_unmodified_since": MODIFIED}, 200),
    ({"if_match": '"v1"', "if_none_match": '"v1"'}, 304), ({"if_match": '"v1"', "if_unmodified_since": DATE}, 200),
])
def test_preconditions(fields, demanded):
    assert holds_preconditions(answer(WHOLE, **fields), KNOWN) == demanded


def test_the_parts_of_an_answer():
    assert parts_of(answer(part(3, 5), range="bytes=3-5")) == [(3, CONTENT[3:6])]
    assert parts_of(answer(several((0, 1), (5, 7)), range="")) == [(0, CONTENT[:2]), (5, CONTENT[5:8])]
    assert parts_of(answer(part(3, 5).put(content_range=None))) == []
    assert parts_of(answer(WHOLE)) == []


def test_an_answer_made_of_raw_fields():
    made = make_answer(("GET", [("Range", "bytes=0-1")]), (206, [("Content-Range", "bytes 0-1/9"), ("ETag", '"a"')]),
                       b"ab", is_complete=True)
    known = known_from([made])
    assert (known.complete_length, known.version.etag) == (9, EntityTag("a"))
    assert judge_response(made, known).status == "good"


def test_what_two_responses_tell_together():
    first = make_answer(("GET", []), (416, [("Content-Range", "bytes */7")]), b"", is_complete=True)
    second = make_answer(("GET", []), (304, [("ETag", '"a"')]), b"", is_complete=True)
    nothing = Answer(Probe("", "GET", {}, 9))
    assert known_from([first, second, nothing])[0] == 7
    assert known_from([first, second])[1].etag == EntityTag("a")
    assert known_from([nothing]) == Known()


def test_what_is_shown_of_a_response_is_short_and_harmless():
    reply = part(0, 9).put(content_range="\x1b[2J\xff" + "x" * 500)
    detail = judge_response(answer(reply, range="bytes=0-9"), KNOWN).detail
    assert detail.isascii()
    assert detail.isprintable()
    assert len(detail) < 250
