"""What the findings mean for clients, and what is advised."""

from __future__ import annotations

import pytest

from rangeware.check.advice import advise, infer_reason
from rangeware.check.clients import for_clients
from rangeware.check.findings import find
from rangeware.check.values import Finding
from rangeware.client.planning.response_head import ResponseHead
from rangeware.core.values import Reason
from tests.check import site
from tests.check.test_findings import NAMES, failing, refused, shifted, whole

SAFARI, CHROME, CURL, ARIA2, GET, SLICE, ZSYNC, PDF, CHANGED = (
    "Safari, iOS video", "Chrome, Firefox: seeking", "curl -C -, wget -c", "aria2", "rangeware get",
    "nginx slice cache", "zsync, zchunk", "PDF.js, zip.js", "Resuming after a change")
ALL = {SAFARI, CHROME, CURL, ARIA2, GET, SLICE, ZSYNC, PDF, CHANGED}


def statuses(**changed: str) -> dict[str, str]:
    """The status for each client where these findings are not good."""
    names = (*NAMES, "repeated", "zsync", "part_length", "repr_digest", "content_digest")
    findings = {name: Finding(name, name, changed.get(name, "good"), "") for name in names}
    return {client.name: client.status for client in for_clients(findings)}


@pytest.mark.parametrize(("finding", "status", "broken", "limited"), [
    ("one_range", "broken", ALL, set()),
    ("same_bytes", "broken", ALL - {CHANGED}, set()),
    ("first_two", "broken", {SAFARI}, set()),
    ("to_end", "broken", {CURL}, set()),
    ("from_start", "limited", set(), set()),  # with Accept-Ranges, Chromium seeks
    ("from_start", "broken", {CHROME}, set()),
    ("several", "limited", {ZSYNC}, set()),
    ("many", "limited", set(), {ZSYNC}),
    ("zsync", "limited", set(), {ZSYNC}),
    ("many", "broken", set(), {ZSYNC}),
    ("accept_ranges", "limited", {PDF}, set()),
    ("length", "limited", {PDF, ARIA2}, set()),
    ("length", "broken", {PDF, ARIA2}, {SAFARI, CHROME, GET}),
    ("part_length", "limited", {SAFARI, CHROME, ARIA2, SLICE}, {GET}),
    ("repr_digest", "broken", {GET}, set()),
    ("content_digest", "broken", set(), set()),
    ("repeated", "limited", set(), set()),
    ("speed", "limited", set(), {SAFARI, CHROME, PDF}),
    ("validators", "broken", {SLICE, CHANGED}, {GET}),
    ("validators", "limited", set(), {GET, SLICE, CHANGED}),
    ("if_range_changed", "broken", {CHANGED}, set()),
    ("if_range", "limited", set(), {GET, CHANGED}),
    ("clamped", "broken", {SLICE}, set()),
    ("late", "limited", set(), {SAFARI, CHROME, SLICE}),
    ("coding", "limited", set(), {SLICE, PDF}),
    ("unsatisfiable", "limited", set(), set()),  # curl and wget take any 416 for a complete file
    ("unsatisfiable", "broken", set(), {CURL}),
    ("head", "broken", set(), set()),
    ("suffix", "broken", set(), {PDF}),
    ("malformed", "broken", set(), set()),
])
def test_each_finding_matters_to_those_who_need_it(finding, status, broken, limited):
    found = statuses(**{finding: status})
    assert {name for name, each in found.items() if each == "broken"} == broken
    assert {name for name, each in found.items() if each == "limited"} == limited


def test_what_is_not_known_is_not_claimed():
    assert {name for name, each in statuses(several="unknown").items() if each == "unknown"} == {ZSYNC}
    assert statuses(several="unknown", many="limited")[ZSYNC] == "limited"


def test_a_finding_that_there_is_none_of_is_no_fault():
    assert all(client.status == "good" for client in for_clients({}))


def test_the_detail_names_the_findings():
    clients = {client.name: client for client in site.report(site.only("several")(refused)).clients}
    assert clients[ZSYNC].detail == "Cannot fetch several ranges at once. See: Several ranges."
    assert clients[SAFARI].detail == "Plays and seeks."


# --- advice ---

@pytest.mark.parametrize(("fields", "reason"), [
    ({"content-length": "9"}, None),
    ({"content-length": "9", "accept-ranges": "none"}, Reason.ACCEPT_RANGES_NONE),
    ({}, Reason.UNKNOWN_LENGTH),
    ({"transfer-encoding": "chunked"}, Reason.UNKNOWN_LENGTH),
    ({"transfer-encoding": "gzip, chunked"}, Reason.TRANSFER_ENCODING),
    ({"content-length": "9", "content-encoding": "gzip"}, Reason.CONTENT_CODING),
    ({"content-length": "9", "content-encoding": "gzip", "etag": 'W/"a"'}, Reason.CONTENT_CODING),
    ({"content-length": "9", "content-encoding": "gzip", "etag": '"a"'}, None),
    ({"content-length": "0"}, Reason.EMPTY),
])
def test_the_reason_that_would_explain_a_response_without_ranges(fields, reason):
    assert infer_reason(ResponseHead(200, fields)) is reason
    advice = advise({}, ResponseHead(200, fields), has_ranges=False)
    if reason is not None:
        assert advice[0].startswith(f"If this is rangeware, the reason is {reason.name}: {reason}. ")
        assert "https://rangeware.readthedocs.io/" in advice[0]
    assert any("RangeMiddleware" in text for text in advice) == (reason is not Reason.EMPTY)


def test_where_no_reason_shows_the_log_has_it():
    advice = site.report(site.without_ranges).advice
    assert "logging.getLogger" in advice[-1]
    assert "RangeMiddleware" in advice[0]


@pytest.mark.parametrize(("spoil", "fields", "words"), [
    (site.only("middle")(shifted), {}, "who changes the bytes"),
    (site.only("several")(refused), {}, "several ranges"),
    (site.only("malformed")(failing), {}, "never fails"),
    (site.only("head")(failing), {}, "Answer HEAD"),
    (site.nothing, {"etag": None, "last_modified": None}, "Send a strong ETag"),
    (site.only("again")(lambda reply: reply.put(etag='"v2"')), {}, "by itself"),
    (site.compressing, {}, "Switch compression off"),
    (site.only("if_range_changed")(lambda reply: site.part_of(whole(reply), 0, 9)), {}, "compare If-Range"),
    (lambda _, reply: reply.put(accept_ranges=None) if reply.status == 200 else reply, {}, "Send Accept-Ranges: bytes"),
    (site.only("whole")(lambda reply: reply.put(content_length=None)), {}, "Send a Content-Length"),
])
def test_advice_about_a_server_with_ranges(spoil, fields, words):
    advice = site.report(spoil, **fields).advice
    assert any(words in text for text in advice), advice
    assert not any("RangeMiddleware(app)" in text for text in advice)


def test_advice_about_late_offsets():
    answers = {name: answer._replace(waited=3.0 if name.startswith("to_end") else 0.01)
               for name, answer in site.ask_all().items()}
    findings = {finding.name: finding for finding in find(answers)}
    assert "something that seeks" in advise(findings, ResponseHead(200, {}), has_ranges=True)[0]
