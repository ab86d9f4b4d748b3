"""How much overlap is asked for, and what bytes that are the same prove."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangeware.client.options import DownloadOptions
from rangeware.client.planning.planner import Planner
from rangeware.client.planning.range_fetch import RangeFetch
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.client.planning.trust import (
    RESUMED_OVERLAP,
    UNVERIFIED_OVERLAP,
    VERIFIED_OVERLAP,
    WIDEST_OVERLAP,
    Comparison,
    proves,
)
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange
from tests.client.test_planner import FORCED, URL, bring, part

LENGTH = 10_000_000
STRONG = FileVersion(EntityTag("a"), None, False, LENGTH, None)
BARE = FileVersion(complete_length=LENGTH)


def has_short_period(block: bytes) -> bool:
    """By definition, byte by byte."""
    return any(all(block[pos] == block[pos - period] for pos in range(period, len(block)))
               for period in range(1, len(block) // 2 + 1))


@given(st.one_of(
    st.binary(min_size=16, max_size=40),
    st.text("ab", min_size=16, max_size=40).map(str.encode),
    st.text("ab", min_size=1, max_size=12).map(lambda text: (text * 40)[:40].encode()),
))
def test_bytes_that_repeat_prove_nothing(block):
    assert proves(block) != has_short_period(block)


def test_a_few_bytes_prove_nothing():
    assert not proves(b"")
    assert not proves(bytes(range(15)))
    assert proves(bytes(range(16)))


@pytest.mark.parametrize("block", [
    bytes(1 << 20), b"ab" * (1 << 19), (b"a" * 1023 + b"b") * 1024, b"a" * (1 << 20) + b"b", b"b" + b"a" * (1 << 20),
])
def test_a_megabyte_is_judged_in_linear_time(block):
    for _ in range(20):  # each would take minutes in quadratic time
        proves(block)


def resumed(first_missing: int, version: FileVersion = STRONG, **options: object) -> tuple[Planner, RangeFetch]:
    saved = SavedState(URL, URL, version, (ByteRange(0, first_missing - 1),))
    planner = Planner(URL, DownloadOptions(**options), saved)
    return planner, answered(planner)


def whole_part(fetch: RangeFetch, **fields: str) -> ResponseHead:
    """A 206 that brings all that was asked for."""
    first_pos, last_pos = fetch.request.first_pos, fetch.request.last_pos
    last_pos = LENGTH - 1 if last_pos is None else last_pos
    return part(fetch.request, **{"content-range": f"bytes {first_pos}-{last_pos}/{LENGTH}", **fields})


def answered(planner: Planner) -> RangeFetch:
    """The next request, and an answer as it should be, of which the overlap has come."""
    fetch = planner.next_fetch(0.0)
    assert planner.on_head(
        fetch, whole_part(fetch, etag='"a"' if planner.state.version.etag else ""), URL, 0.0, 0.0)
    planner.state.checks.append(OverlapCheck(fetch.overlap, f"{fetch.overlap.length:064}"))
    return fetch


def compare(planner: Planner, comparison: Comparison) -> None:
    for check in planner.state.due_checks():
        planner.on_comparison(check, comparison)


def test_an_overlap_that_proves_nothing_is_widened_before_a_byte_is_kept():
    planner, fetch = resumed(5_000_000)
    for length in (RESUMED_OVERLAP, 16 * RESUMED_OVERLAP, WIDEST_OVERLAP):
        assert fetch.overlap == ByteRange(5_000_000 - length, 4_999_999)
        before, kept = fetch, planner.state.finished.length
        compare(planner, Comparison.UNPROVEN)
        if length < WIDEST_OVERLAP:
            assert planner.claim(before, 100) == 0
            assert planner.state.finished.length == kept
            fetch = answered(planner)
    assert planner.claim(fetch, 100) == 100  # the strong validator vouches
    assert (planner.generation, planner.state.checks) == (0, [])


def test_once_it_proves_something_the_next_overlap_is_as_long_as_ever():
    planner, _ = resumed(5_000_000)
    compare(planner, Comparison.UNPROVEN)
    fetch = answered(planner)
    compare(planner, Comparison.PROVEN)
    bring(planner, fetch, 1000)
    planner.on_failure(fetch, "reset", 0.0, 0.0)
    assert planner.next_fetch(0.0).overlap.length == VERIFIED_OVERLAP


@pytest.mark.parametrize(("version", "options", "restarts"), [
    (BARE, {}, 1), (STRONG, {}, 0), (BARE, {"sha256": "0" * 64}, 0),
])
def test_where_nothing_vouches_an_overlap_that_never_proves_anything_is_not_accepted(version, options, restarts):
    planner, fetch = resumed(5_000_000, version, **options)
    while planner.state.widened.get(5_000_000) != WIDEST_OVERLAP:
        compare(planner, Comparison.UNPROVEN)
        fetch = answered(planner)
    compare(planner, Comparison.UNPROVEN)
    assert planner.generation == restarts
    if restarts:
        assert not planner.next_fetch(0.0).request.ranged
    else:
        assert planner.claim(fetch, 100) == 100


def test_an_overlap_from_the_first_byte_on_is_as_good_as_a_new_start():
    planner, fetch = resumed(5_000, BARE)
    assert fetch.overlap.first_pos == 0
    compare(planner, Comparison.UNPROVEN)
    assert planner.claim(fetch, 100) == 100
    assert planner.generation == 0


def two_met() -> tuple[Planner, int]:
    """A second connection has brought all that it had to; then the first one has come to where it began."""
    planner = Planner(URL, DownloadOptions(connections=2, **FORCED))
    first = planner.next_fetch(0.0)
    assert planner.on_head(first, whole_part(first), URL, 0.0, 0.0)
    second = answered(planner)
    for each in (second, first):
        bring(planner, each, each.remaining.length)
        planner.on_end(each, 0.0, 0.0)
    return planner, second.request.new_from


def test_where_two_connections_have_met_the_overlap_alone_is_asked_for_again():
    planner, seam = two_met()
    compare(planner, Comparison.UNPROVEN)
    fetch = planner.next_fetch(1.0)
    assert fetch.request.fields["Range"] == f"bytes={seam - 16 * VERIFIED_OVERLAP}-{seam - 1}"
    assert planner.next_fetch(1.0) is None
    planner.on_failure(fetch, "reset", 1.0, 0.0)
    fetch = planner.next_fetch(2.0)
    assert planner.on_head(fetch, whole_part(fetch), URL, 2.0, 0.0)
    planner.state.checks.append(OverlapCheck(fetch.overlap, "1" * 64))
    assert (fetch.is_incomplete, planner.next_fetch(2.0)) == (False, None)
    planner.on_end(fetch, 2.0, 0.0)
    assert planner.next_fetch(2.0) is None
    compare(planner, Comparison.PROVEN)
    assert (planner.state.checks, planner.state.is_complete, planner.error) == ([], True, None)


def test_where_two_connections_have_met_in_zeros_the_validator_vouches_in_the_end():
    planner, seam = two_met()
    for _ in range(10):
        compare(planner, Comparison.UNPROVEN)
        fetch = planner.next_fetch(1.0)
        if fetch is None:
            break
        assert planner.on_head(fetch, whole_part(fetch), URL, 1.0, 0.0)
        planner.state.checks.append(OverlapCheck(fetch.overlap, f"{fetch.overlap.length:064}"))
        planner.on_end(fetch, 1.0, 0.0)
    assert (planner.state.checks, planner.state.is_complete, planner.generation) == ([], True, 0)


def test_where_they_have_met_within_the_first_bytes_that_are_alike_the_file_is_asked_for_plainly():
    """An overlap from byte 0 on is true even where a server lies about every other place."""
    planner, seam = two_met()
    planner.state.widened[seam] = seam - 1
    planner.on_comparison(OverlapCheck(ByteRange(1, seam - 1), "1" * 64), Comparison.UNPROVEN)
    assert planner.generation == 1
    assert not planner.next_fetch(1.0).request.ranged


def test_a_check_that_cannot_be_as_long_as_wanted_any_more_is_made_as_it_is():
    planner, _ = two_met()
    compare(planner, Comparison.UNPROVEN)
    for now in range(1, 9):
        fetch = planner.next_fetch(float(9 * now))
        if fetch is None:
            break
        assert planner.on_head(fetch, whole_part(fetch), URL, 9.0 * now, 0.0)
        planner.on_failure(fetch, "reset", 9.0 * now, 0.0)
    assert (now, planner.error) == (3, None)
    compare(planner, Comparison.UNPROVEN)
    assert (planner.state.checks, planner.generation) == ([], 0)


def test_breaks_that_bring_nothing_new_shorten_the_overlap_where_a_validator_vouches():
    planner, fetch = resumed(5_000_000)
    lengths = []
    for now in range(1, 6):
        lengths.append(fetch.overlap.length)
        planner.on_failure(fetch, "reset", 9.0 * now, 0.0)
        fetch = planner.next_fetch(9.0 * now)
        if not fetch.request.ranged:
            break
        planner.on_head(fetch, whole_part(fetch), URL, 9.0 * now, 0.0)
    assert lengths == [RESUMED_OVERLAP, VERIFIED_OVERLAP, VERIFIED_OVERLAP // 64, 1, 0]
    assert not fetch.request.ranged  # there is still a try left for the whole file
    assert planner.error is None


def test_a_response_that_brings_much_makes_the_overlap_long_again():
    """Short ones are for a server that always breaks off, not for the rest of the run."""
    planner, fetch = resumed(5_000_000)
    for now in (1.0, 20.0):
        planner.on_failure(fetch, "reset", now, 0.0)
        fetch = planner.next_fetch(now + 15)
        planner.on_head(fetch, whole_part(fetch), URL, now + 15, 0.0)
    assert fetch.overlap.length == VERIFIED_OVERLAP // 64
    for length, longest in ((1000, 500), (100_000, VERIFIED_OVERLAP)):
        first_pos = fetch.pos
        brought = planner.claim(fetch, length - fetch.overlap.length)
        planner.state.finished.add(ByteRange(first_pos, first_pos + brought - 1))
        planner.state.checks.clear()
        planner.on_failure(fetch, "reset", 100.0, 0.0)
        fetch = planner.next_fetch(200.0)
        assert fetch.overlap.length == longest
        planner.on_head(fetch, whole_part(fetch), URL, 200.0, 0.0)


WHOLE = ResponseHead(200, {"content-length": str(LENGTH), "etag": '"a"'})
EARLY, SOON, LATE = "Sat, 21 Nov 2026 11:00:00 GMT", "Sat, 21 Nov 2026 11:00:07 GMT", "Sat, 21 Nov 2026 11:30:00 GMT"
DATED = {"last-modified": EARLY, "date": "Sat, 21 Nov 2026 12:00:00 GMT"}


def seemingly_changed(planner: Planner, head: ResponseHead, times: int) -> None:
    for _ in range(times):
        fetch = planner.next_fetch(0.0)
        assert not planner.on_head(fetch, head, URL, 0.0, 0.0)


def test_a_server_that_does_not_understand_if_range_is_asked_without_it():
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, STRONG, (ByteRange(0, 4_999_999),)))
    seemingly_changed(planner, WHOLE, 1)
    fetch = planner.next_fetch(0.0)
    assert fetch.request.fields["Range"] == f"bytes={5_000_000 - UNVERIFIED_OVERLAP}-"
    assert "If-Range" not in fetch.request.fields
    assert planner.on_head(fetch, whole_part(fetch), URL, 0.0, 0.0)
    assert planner.generation == 0


def test_a_server_that_has_no_ranges_is_not_asked_for_ever():
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, STRONG, (ByteRange(0, 4_999_999),)))
    seemingly_changed(planner, WHOLE, 3)
    assert planner.on_head(planner.next_fetch(0.0), WHOLE, URL, 0.0, 0.0)
    assert planner.generation == 1


@pytest.mark.parametrize(("fields", "known", "options", "looks"), [
    ({"etag": '"b"'}, STRONG, {}, True),
    ({"etag": '"b"', "content-length": "7"}, STRONG, {}, False),
    ({"etag": '"b"', "last-modified": SOON}, STRONG._replace(last_modified=EARLY), {}, True),
    ({"etag": '"b"', "last-modified": LATE}, STRONG._replace(last_modified=EARLY), {}, False),
    ({"etag": '"b"', "last-modified": LATE}, STRONG._replace(last_modified=EARLY), {"sha256": "0" * 64}, True),
])
def test_a_file_that_may_be_a_copy_is_looked_at_once_more(fields, known, options, looks):
    planner = Planner(URL, DownloadOptions(**options), SavedState(URL, URL, known, (ByteRange(0, 4_999_999),)))
    head = ResponseHead(200, {**WHOLE.fields, **fields})
    assert planner.on_head(planner.next_fetch(0.0), head, URL, 0.0, 0.0) != looks
    assert planner.generation == (0 if looks else 2)


def test_a_server_whose_last_answer_was_whole_is_asked_again_only_if_it_says_that_it_has_ranges():
    for fields, looks in (({}, False), ({"accept-ranges": "bytes"}, True)):
        planner = Planner(URL, DownloadOptions())
        fetch = planner.next_fetch(0.0)
        assert planner.on_head(fetch, WHOLE, URL, 0.0, 0.0)
        bring(planner, fetch, 1_000_000)
        planner.on_failure(fetch, "reset", 0.0, 0.0)
        head = ResponseHead(200, {**WHOLE.fields, **fields})
        assert planner.on_head(planner.next_fetch(0.0), head, URL, 0.0, 0.0) != looks


def test_a_copy_under_another_tag_is_taken_with_a_long_overlap_that_proves_something():
    known = STRONG._replace(last_modified=EARLY, dated=True)
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, known, (ByteRange(0, 4_999_999),)))
    fetch = planner.next_fetch(0.0)
    assert not planner.on_head(fetch, whole_part(fetch, etag='"b"', **DATED), URL, 0.0, 0.0)
    fetch = planner.next_fetch(0.0)
    assert planner.on_head(fetch, whole_part(fetch, etag='"b"', **DATED), URL, 0.0, 0.0)
    assert fetch.overlap.length == UNVERIFIED_OVERLAP
    assert planner.state.version.if_range == '"a"'
    planner.state.checks.append(OverlapCheck(fetch.overlap, "0" * 64))
    while planner.generation == 0:
        compare(planner, Comparison.UNPROVEN)
        if planner.generation == 0:
            fetch = planner.next_fetch(0.0)
            assert planner.on_head(fetch, whole_part(fetch, etag='"b"', **DATED), URL, 0.0, 0.0)
            planner.state.checks.append(OverlapCheck(fetch.overlap, f"{fetch.overlap.length:064}"))
    assert not planner.next_fetch(0.0).request.ranged
