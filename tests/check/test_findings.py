"""What is found at a server that is well made, and at one in which one thing is wrong."""

from __future__ import annotations

import gzip

import pytest

from rangeware.check.findings import find
from rangeware.check.reporting import make_report
from rangeware.check.values import Answer, Probe, worst
from tests.check import site
from tests.check.site import (
    CONTENT,
    DATE,
    LENGTH,
    MODIFIED,
    Reply,
    ask_all,
    compressing,
    found,
    only,
    part_of,
    report,
    without_ranges,
)

NAMES = ["url", "length", "accept_ranges", "head", "first_two", "from_start", "one_range", "suffix",
         "to_end", "clamped", "several", "many", "unsatisfiable", "malformed", "same_bytes", "speed", "late",
         "validators", "if_range", "if_range_changed", "revalidated", "coding"]


def test_a_good_server():
    made = report()
    assert (made.verdict, made.summary) == ("good", "Seeking, resuming and fetching in parts work.")
    assert [finding.name for finding in made.findings] == NAMES
    assert {finding.status for finding in made.findings} == {"good"}
    assert {client.status for client in made.clients} == {"good"}
    assert made.advice == ()


def test_a_server_without_ranges():
    made = report(without_ranges)
    assert made.verdict == "broken"
    assert made.summary == "No seeking, no resuming, no fetching in parts: the server serves no ranges."
    assert {client.status for client in made.clients} == {"broken"}
    assert "RangeMiddleware" in made.advice[0]
    assert "suffix" not in [finding.name for finding in made.findings]


def first(reply: Reply) -> Reply:
    return reply.put(content_range=None)


def shifted(reply: Reply) -> Reply:
    return reply._replace(content=reply.content[1:] + b"x")


def forgetful(_: Probe, reply: Reply) -> Reply:
    return reply.put(accept_ranges=None) if reply.status == 200 else reply


def declining(_: Probe, reply: Reply) -> Reply:
    return reply.put(accept_ranges="none") if reply.status == 200 else reply


def promising(probe: Probe, reply: Reply) -> Reply:
    return without_ranges(probe, reply).put(accept_ranges="bytes")


def declining_and_keeping(probe: Probe, reply: Reply) -> Reply:
    return without_ranges(probe, reply).put(accept_ranges="none")


def whole(reply: Reply) -> Reply:
    return site.well_made(Probe("", "GET", {}, 0))


def refused(reply: Reply) -> Reply:
    return Reply(416, {"content-range": f"bytes */{LENGTH}"})


def failing(reply: Reply) -> Reply:
    return Reply(500, {})


@pytest.mark.parametrize(("spoil", "name", "status", "words"), [
    pytest.param(only("first_two")(whole), "first_two", "broken", "200 with the whole", id="Safari gets 200"),
    pytest.param(only("from_start")(whole), "from_start", "limited", "Chrome takes the file", id="Chrome gets 200"),
    pytest.param(lambda probe, reply: forgetful(probe, whole(reply) if probe.name == "from_start" else reply),
                 "from_start", "broken", "unless Accept-Ranges", id="Chrome gets 200 and no promise"),
    pytest.param(only("from_start")(lambda reply: part_of(whole(reply), 0, 999)), "to_end", "broken",
                 "curl and wget end there", id="an open range is cut short"),
    pytest.param(only("middle")(first), "one_range", "broken", "without Content-Range", id="the middle is bad"),
    pytest.param(only("overlap")(failing), "one_range", "broken", "500", id="500 to one of three"),
    pytest.param(only("suffix")(whole), "suffix", "limited", "from the end", id="no suffix"),
    pytest.param(only("clamped")(refused), "clamped", "broken", "has these bytes", id="no clamping (14.1.2)"),
    pytest.param(only("several")(refused), "several", "limited", "has these bytes", id="416 to several"),
    pytest.param(only("many")(whole), "many", "limited", "loads everything", id="200 to many"),
    pytest.param(only("unsatisfiable")(whole), "unsatisfiable", "limited", "has 416", id="200 beyond the end"),
    pytest.param(only("huge")(lambda reply: Reply(416, {})), "unsatisfiable", "good", "416",
                 id="huge is no number"),
    pytest.param(only("huge")(failing), "unsatisfiable", "broken", "500", id="500 to a huge number"),
    pytest.param(only("malformed")(failing), "malformed", "broken", "500", id="500 to a malformed Range"),
    pytest.param(only("if_range_tag")(whole), "if_range", "limited", "current ETag", id="If-Range by tag unknown"),
    pytest.param(only("if_range_date")(whole), "if_range", "limited", "current Last-Modified", id="by date unknown"),
    pytest.param(only("if_range_changed")(lambda reply: part_of(reply, 0, 9)), "if_range_changed", "broken",
                 "two versions", id="If-Range ignored"),
    pytest.param(only("revalidated")(whole), "revalidated", "limited", "overlooked", id="no 304"),
    pytest.param(only("middle")(shifted), "same_bytes", "broken", "disagree", id="shifted by one"),
    pytest.param(only("early")(shifted), "same_bytes", "broken", "disagree", id="other bytes than the whole"),
    pytest.param(only("suffix")(shifted), "same_bytes", "broken", "disagree", id="another end"),
    pytest.param(only("several")(lambda reply: reply._replace(content=reply.content.replace(CONTENT[:10], b"0" * 10))),
                 "several", "broken", "another byte at 0", id="other bytes in a part of several"),
    pytest.param(forgetful, "accept_ranges", "limited", "Absent from the plain response", id="not advertised"),
    pytest.param(declining, "accept_ranges", "limited", "yet serves them", id="declined and served"),
    pytest.param(declining_and_keeping, "accept_ranges", "limited", "declines ranges (", id="declined"),
    pytest.param(promising, "accept_ranges", "broken", "no range is served", id="promised only"),
    pytest.param(without_ranges, "accept_ranges", "limited", "Absent, and", id="neither"),
    pytest.param(only("head")(lambda reply: reply.put(content_length="7")), "head", "broken", "Content-Length 7",
                 id="lies"),
    pytest.param(only("head")(lambda reply: reply.put(content_length=None)), "head", "limited", "No Content-Length",
                 id="HEAD without a length"),
    pytest.param(only("head")(lambda reply: reply.put(etag='"v2"')), "head", "limited", 'ETag "v2"',
                 id="HEAD, other tag"),
    pytest.param(only("head")(lambda reply: Reply(405, {})), "head", "limited", "405", id="no HEAD"),
    pytest.param(only("whole")(lambda reply: reply._replace(failure="cut")), "length", "broken", "broke off", id="cut"),
    pytest.param(only("whole")(lambda reply: reply.put(content_length="x")), "length", "broken", "'x'", id="no number"),
    pytest.param(only("whole")(lambda reply: reply.put(content_length=None, transfer_encoding="chunked")), "length",
                 "limited", "chunked", id="chunked"),
    pytest.param(only("whole")(lambda reply: reply.put(content_length=None)), "length", "limited", "closing",
                 id="closed"),
    pytest.param(only("whole")(lambda reply: part_of(reply, 0, LENGTH - 1)), "url", "broken", "206 Partial", id="206"),
    pytest.param(only("again")(lambda reply: reply.put(etag='"v2"')), "validators", "broken", '"v2"',
                 id="unstable tag"),
    pytest.param(only("early")(lambda reply: reply.put(last_modified=DATE, etag=None)), "validators", "broken",
    "change",
                 id="unstable date"),
])
def test_one_thing_is_wrong(spoil, name, status, words):
    finding = found(name, spoil)
    assert finding.status == status
    assert words in finding.detail


def test_other_bytes_in_a_part_of_several_are_a_matter_of_those_who_ask_so():
    made = report(only("many")(lambda reply: reply._replace(content=reply.content.replace(CONTENT[:4], b"0000"))))
    assert {each.name for each in made.findings if each.status != "good"} == {"many"}
    assert {each.name for each in made.clients if each.status != "good"} == {"zsync, zchunk"}
    both = report(lambda probe, reply: reply._replace(content=b"0" + reply.content[1:]) if probe.name == "first_two"
                  else reply)
    assert {each.name for each in both.findings if each.status == "broken"} == {"same_bytes"}


def test_the_whole_from_byte_0_on_is_no_end_that_is_missing():
    assert found("to_end", only("from_start")(whole)).status == "good"
    assert found("to_end", only("to_end")(whole)).status == "broken"


def test_the_verdict_is_that_of_the_worst_finding():
    made = report(only("several")(refused))
    assert made.verdict == "limited"
    assert made.summary == "Seeking and resuming work, with limits. Look at: Several ranges."
    made = report(only("middle")(shifted))
    assert (made.verdict, made.summary) == ("broken", "Clients go wrong here. Look at: The same bytes each time.")


@pytest.mark.parametrize(("fields", "status", "words"), [
    ({}, "good", 'A strong ETag, "v1"'),
    ({"etag": None}, "good", "No ETag, but Last-Modified"),
    ({"etag": 'W/"v1"'}, "limited", f'A weak ETag, W/"v1", and Last-Modified {MODIFIED}: no strong'),
    ({"etag": 'W/"v1"', "last_modified": None}, "limited", 'A weak ETag, W/"v1": no strong'),
    ({"etag": None, "last_modified": DATE}, "limited", "that is as new as the response"),
    ({"etag": None, "last_modified": None}, "limited", "No ETag and no Last-Modified"),
    ({"etag": "v1"}, "limited", "The ETag v1 is malformed"),
])
def test_validators(fields, status, words):
    finding = found("validators", **fields)
    assert (finding.status, words in finding.detail) == (status, True), finding.detail


def test_a_part_without_the_tag_of_the_whole():
    """RFC 9110 15.3.7: a 206 must have the ETag that a 200 would have had."""
    bare = found("validators", lambda _, reply: reply.put(etag=None) if reply.status == 206 else reply)
    assert (bare.status, "A 206 lacks the ETag" in bare.detail) == ("limited", True)
    dated = found("validators", lambda _, reply: reply.put(last_modified=None) if reply.status == 206 else reply)
    assert dated.status == "good"


def test_two_tags_are_told_from_one_that_is_malformed():
    answers = ask_all(etag='"v1", "v2"')
    assert "is malformed" in {each.name: each for each in find(answers)}["validators"].detail
    answers["whole"] = answers["whole"]._replace(lines=(("ETag", '"v1"'), ("etag", '"v2"')))
    finding = {each.name: each for each in find(answers)}["validators"]
    assert (finding.status, finding.detail[:25]) == ("limited", 'Several ETags, "v1", "v2"')


def test_a_weak_tag_in_if_range_must_not_hold():
    assert found("if_range_changed", etag='W/"v1"').status == "good"
    taken = found("if_range_changed", only("if_range_weak")(lambda reply: part_of(reply, 0, 9)), etag='W/"v1"')
    assert taken.status == "broken"


def test_redirects_are_told():
    answers = ask_all()
    answers["whole"] = answers["whole"]._replace(hops=("http://a/", "http://b/"))
    url = next(finding for finding in find(answers) if finding.name == "url")
    assert url.detail == f"200 OK, video/mp4, {LENGTH} bytes. After 2 redirects, at {site.URL}."


def test_without_a_type_and_a_length():
    assert found("url", lambda _, reply: reply.put(content_type=None, content_length=None, content_range=None),
                 CONTENT * 6).detail == "200 OK, no Content-Type."


def test_an_empty_file():
    made = report(content=b"")
    assert (made.verdict, made.clients) == ("limited", ())
    assert made.summary == "The file is empty, so there is nothing to seek in: try a larger one."
    assert made.advice == ("If this is rangeware, the reason is EMPTY: the representation is empty. Nothing: try a "
                           "larger file. See https://rangeware.readthedocs.io/en/latest/options.html#why-did-i-get-a-200",)
    assert found("same_bytes", content=b"").status == "unknown"
    assert report(only("malformed")(failing), b"").verdict == "broken"


def test_what_was_not_asked_is_unknown():
    def spoil(probe: Probe, reply: Reply) -> Reply:
        return Reply(0, {}, failure="no time") if probe.name in ("several", "many") else reply

    answers = {name: answer._replace(is_conclusive=answer.head is not None) for name, answer in ask_all(spoil).items()}
    finding = {each.name: each for each in find(answers)}["several"]
    assert (finding.status, finding.detail) == ("unknown", "No response: no time.")


def test_where_no_range_could_be_asked_for_nothing_is_claimed():
    def spoil(probe: Probe, reply: Reply) -> Reply:
        return Reply(0, {}, failure="no time") if "range" in probe.fields else reply

    answers = {name: answer._replace(is_conclusive=answer.head is not None) for name, answer in ask_all(spoil).items()}
    made = make_report(site.URL, answers, 1, 1, 1.0)
    assert (made.verdict, made.advice) == ("limited", ())
    assert made.summary.startswith("Not all could be found out: Accept-Ranges, The first two bytes")
    assert {client.status for client in made.clients} == {"unknown"}


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_takes_no_more_requests_is_not_without_ranges(status):
    made = report(lambda probe, reply: reply if probe.name == "whole" else Reply(status, {}), last_modified=None)
    assert made.verdict == "limited"
    assert made.summary.startswith("Not all could be found out: Accept-Ranges, HEAD, The first two bytes")
    assert {client.status for client in made.clients} == {"unknown"}
    assert made.advice == ()


def test_with_limits_is_said_only_of_ranges_that_were_seen():
    """One thing is limited, and whether ranges are served is not known."""
    made = report(lambda probe, reply: reply if probe.name == "whole" else Reply(429, {}), etag='W/"v1"')
    assert {finding.status for finding in made.findings} == {"good", "limited", "unknown"}
    assert made.summary.startswith("Not all could be found out: ")


@pytest.mark.parametrize(("late", "again", "early", "status"), [
    (0.02, None, 0.01, "good"), (5.0, 4.0, 0.01, "limited"), (5.0, 0.02, 0.01, "good"), (5.0, 5.0, 4.9, "good"),
    (0.9, 0.9, 0.5, "good"),
])
def test_a_late_offset(late, again, early, status):
    answers = {name: answer._replace(waited=early) for name, answer in ask_all().items()}
    answers["to_end"] = answers["to_end"]._replace(waited=late)
    if again is not None:
        answers["to_end_again"] = answers["to_end"]._replace(waited=again)
    finding = {each.name: each for each in find(answers)}["late"]
    assert finding.status == status
    assert f"{1000 * (late if again is None else min(late, again)):.0f} ms" in finding.detail


def test_the_time_of_what_is_no_part_is_not_told():
    assert report(only("to_end")(whole)).finding("late") is None


# --- compression ---

def coded_with(change):
    def spoil(probe: Probe, reply: Reply) -> Reply:
        coded = compressing(probe, reply)
        return change(coded) if "content-encoding" in coded.fields else coded

    return spoil


def packed(_: Probe, reply: Reply) -> Reply:
    return reply.put(content_encoding="gzip")


PACKED = gzip.compress(CONTENT, 1, mtime=0)


def of_packed(probe: Probe, reply: Reply) -> Reply:
    """Ranges of the coded bytes where a coding is accepted, under a tag of their own."""
    if "gzip" not in probe.fields["accept-encoding"]:
        return reply
    return site.well_made(probe, PACKED, etag='"v1-gzip"', content_encoding="gzip")


@pytest.mark.parametrize(("spoil", "status", "words"), [
    pytest.param(site.nothing, "good", "None", id="none"),
    pytest.param(compressing, "limited", "range is then of the plain bytes", id="as nginx does"),
    pytest.param(of_packed, "limited", "range is then of the compressed bytes", id="ranges of the coded bytes"),
    pytest.param(coded_with(lambda reply: reply.put(etag='"v1"')), "broken", "joins the two", id="one tag for both"),
    pytest.param(packed, "good", "even for a client that accepts none", id="always, with a strong tag"),
    pytest.param(lambda probe, reply: packed(probe, reply).put(etag=None), "limited", "even for", id="always, no tag"),
    pytest.param(lambda probe, reply: compressing(probe, without_ranges(probe, reply)), "limited", "no length and no",
                 id="without ranges"),
    pytest.param(lambda probe, reply: compressing(probe, whole(reply) if probe.name == "coded_range" else reply),
                 "limited", "range gets 200 OK", id="no ranges then"),
    pytest.param(lambda probe, reply: compressing(probe, reply).put(content_encoding="gzip")
                 if probe.name == "coded_range" else compressing(probe, reply), "broken",
                 "other bytes than the compressed",
                 id="plain bytes under the coding"),
    pytest.param(lambda probe, reply: of_packed(probe, reply).put(content_encoding=None)
                 if probe.name == "coded_range" else of_packed(probe, reply), "broken", "other bytes than the plain",
                 id="coded bytes without the coding"),
    pytest.param(only("early")(lambda reply: reply.put(content_encoding="gzip")), "broken", "A 206 names",
                 id="in a 206"),
    pytest.param(lambda probe, reply: packed(probe, reply) if reply.status == 200 else reply, "limited",
                 "does not name the Content-Encoding gzip", id="not in a 206"),
    pytest.param(lambda probe, reply: reply if reply.status == 206 and "if-range" in probe.fields
                 else packed(probe, reply), "good", "even for", id="not in a 206 after If-Range (15.3.7)"),
    pytest.param(only("coded")(failing), "broken", "Where a client accepts compression: 500", id="500"),
])
def test_coding(spoil, status, words):
    finding = found("coding", spoil)
    assert (finding.status, words in finding.detail) == (status, True), finding.detail


def test_a_tag_cannot_be_one_for_both_where_there_is_none():
    assert found("coding", coded_with(lambda reply: reply.put(etag=None)), etag=None).status == "limited"


def test_the_coding_of_a_part_from_a_coded_file_beyond_what_was_read():
    """What lies beyond the bytes that were read cannot be compared."""
    answers = ask_all(compressing)
    answers["whole"] = answers["whole"]._replace(content=b"")
    coding = {each.name: each for each in find(answers)}["coding"]
    assert coding.status == "limited"


def test_statuses_have_an_order():
    assert worst([]) == "good"
    assert worst(["good", "unknown"]) == "unknown"
    assert worst(["unknown", "limited", "good"]) == "limited"
    assert worst(["limited", "broken"]) == "broken"


def test_a_report_as_a_dictionary():
    made = report(only("several")(refused)).as_dict()
    assert [*made] == ["url", "verdict", "summary", "findings", "clients", "advice", "requests", "bytes", "seconds"]
    assert made["findings"][0] == {"name": "url", "title": "The URL", "status": "good",
                                   "detail": f"200 OK, video/mp4, {LENGTH} bytes."}
    assert [*made["clients"][0]] == ["name", "status", "detail"]
    assert made["advice"] == ["Let rangeware serve several ranges: it sends them in one multipart/byteranges."]


def test_an_answer_without_a_head_has_no_fields():
    lost = Answer(Probe("x", "GET", {}, 1))
    assert (lost.status, lost.field("etag")) == (0, "")
