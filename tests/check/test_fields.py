"""Fields that come twice, and parts without the length of the file, as clients take them."""

from __future__ import annotations

import pytest

from rangeware.check import check
from rangeware.check.fields import judge_part_length, judge_repeated
from rangeware.check.values import Answer
from tests.check import site
from tests.check.site import LENGTH, ask_all
from tests.client.fault_server import Call, FaultServer


def first_two(*lines: tuple[str, str]) -> dict[str, Answer]:
    answers = ask_all()
    answers["first_two"] = answers["first_two"]._replace(lines=(*answers["first_two"].lines, *lines))
    return answers


@pytest.mark.parametrize(("name", "value", "status", "words"), [
    ("Content-Range", f"bytes 0-1/{LENGTH}", "limited", "comes 2 times in a 206"),
    ("CONTENT-RANGE", "bytes 5-9/10", "broken", "Content-Range says both bytes 0-1"),
    ("Content-Length", "2", "limited", "Node and others refuse"),
    ("Content-Length", "2, 2", "limited", "comes 3 times"),
    ("Content-Length", "3", "broken", "says both 2 and 3"),
    ("ETag", '"v1"', "limited", 'ETag "v1" comes 2 times'),
    ("ETag", '"v2"', "limited", 'ETag says both "v1" and "v2"'),
    ("Last-Modified", site.DATE, "limited", "says both"),
    ("Content-Type", "text/html", "limited", "says both"),
])
def test_fields_that_come_once_are_sent_twice(name, value, status, words):
    verdict = judge_repeated(first_two((name, value)))
    assert verdict is not None
    assert (verdict.status, words in verdict.detail) == (status, True), verdict.detail


@pytest.mark.parametrize("line", [
    ("Accept-Ranges", "bytes"), ("Vary", "Accept"), ("X-A", "1"),
    ("Date", site.DATE),  # no list, but Werkzeug sends it twice, and no client minds
])
def test_other_fields_may_come_in_several_lines(line):
    assert judge_repeated(first_two(line, line)) is None


def test_the_worst_is_told():
    verdict = judge_repeated(first_two(("ETag", '"v1"'), ("Content-Range", "bytes 0-1/7")))
    assert verdict is not None
    assert verdict.detail.startswith("Content-Range says both")


def twice(*fields: str):
    def act(call: Call) -> None:
        reply = call.reply
        call.send(reply._replace(fields=(*reply.fields, *(line for line in reply.fields if line[0] in fields))))

    return act


@pytest.mark.parametrize(("field", "status"), [
    ("Content-Range", "limited"), ("ETag", "limited"), ("Content-Length", "limited"), ("Last-Modified", "limited"),
    ("Accept-Ranges", None),
])
def test_lines_reach_the_finding_as_a_server_sends_them(field, status):
    with FaultServer(twice(field)) as server:
        report = check(server.url)
    finding = report.finding("repeated")
    assert (finding and finding.status, report.verdict) == (status, "limited")
    assert ("Send the field once" in " ".join(report.advice)) == (status == "limited")


def starred(_, reply):
    said = reply.fields.get("content-range", "")
    return reply.put(content_range=said.replace(f"/{LENGTH}", "/*")) if reply.status == 206 and said else reply


def test_parts_that_do_not_name_the_length():
    """Chromium does not seek, aria2 ends with an error, and nginx breaks off: seen with each of them."""
    made = site.report(starred)
    finding = made.finding("part_length")
    assert finding is not None
    assert (finding.status, made.verdict) == ("limited", "limited")
    assert {each.name for each in made.clients if each.status == "broken"} == {
        "Safari, iOS video", "Chrome, Firefox: seeking", "aria2", "nginx slice cache"}


def test_where_there_are_no_parts_there_is_no_such_finding():
    assert judge_part_length(ask_all(site.without_ranges)) is None


@pytest.mark.parametrize(("change", "words"), [
    (lambda reply: reply, None),
    (lambda reply: reply._replace(content=reply.content[2:]), "without an empty line"),  # as Go sends it
    (lambda reply: reply._replace(content=b"preamble" + reply.content), None),
    (lambda reply: reply._replace(content=b"one\r\ntwo" + reply.content), "without an empty line"),
    (lambda reply: reply.put(content_length=None, transfer_encoding="chunked"), "reads no chunks"),
    (lambda reply: site.part_of(reply, 0, LENGTH - 1).put(content_type="video/mp4"), None),  # all in one part
])
def test_several_parts_as_zsync_reads_them(change, words):
    """It passes over one line, expects the delimiter in the next, and knows no Transfer-Encoding (http.c of 0.6.2)."""
    report = site.report(site.only("several")(change))
    finding = report.finding("zsync")
    assert (words in finding.detail and finding.status == "limited") if words else finding is None
    assert not words or report.verdict == "good"  # the standard allows all this


def test_without_several_parts_zsync_is_no_matter():
    assert site.report(content=site.CONTENT[:500]).finding("zsync") is None
