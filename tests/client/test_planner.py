"""The planner without network, disk and clock: single steps, and whole downloads from a made-up server."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import settings as thorough
from hypothesis import strategies as st

from rangeware.client.errors import ChangedError, NetworkError
from rangeware.client.options import DownloadOptions
from rangeware.client.planning.assessment import RangeRequest
from rangeware.client.planning.planner import Planner
from rangeware.client.planning.range_fetch import RangeFetch, divide, take_over
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.client.planning.trust import (
    RESUMED_OVERLAP,
    UNVERIFIED_OVERLAP,
    VERIFIED_OVERLAP,
    Comparison,
    proves,
)
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

URL = "http://127.0.0.1/file"
LENGTH = 1_000_000
DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
STRONG = FileVersion(EntityTag("a"), None, False, LENGTH, None)
FORCED = {"segment_size": 1000, "worthwhile": 0}


def part(ask: RangeRequest, last_pos: int = LENGTH - 1, **fields: str) -> ResponseHead:
    told = {"content-range": f"bytes {ask.first_pos}-{last_pos}/{LENGTH}", "etag": '"a"'}
    return ResponseHead(206, {name: value for name, value in {**told, **fields}.items() if value})


def begun(**options) -> tuple[Planner, RangeFetch]:
    """A download of which the first answer is there."""
    planner = Planner(URL, DownloadOptions(**options))
    segment = planner.next_fetch(0.0)
    assert planner.on_head(segment, part(segment.request), URL, 0.0, 1.0)
    return planner, segment


def bring(planner: Planner, segment: RangeFetch, length: int) -> int:
    first_pos = segment.pos
    claimed = planner.claim(segment, length)
    if claimed:
        planner.state.finished.add(ByteRange(first_pos, first_pos + claimed - 1))
    return claimed


def test_the_first_request_asks_for_all_of_it_in_one_range():
    ask = Planner(URL, DownloadOptions()).next_fetch(0.0).request
    assert ask.fields == {"Accept-Encoding": "identity", "Range": "bytes=0-"}


def test_nothing_more_while_the_first_answer_is_awaited():
    planner = Planner(URL, DownloadOptions(**FORCED))
    planner.next_fetch(0.0)
    assert planner.next_fetch(0.0) is None


def test_a_break_is_followed_by_a_request_for_the_rest_under_if_range():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.on_failure(segment, "reset", 1.0, 1.0)
    assert planner.next_fetch(1.0) is None
    ask = planner.next_fetch(2.0).request
    assert (ask.first_pos, ask.new_from) == (500_000 - VERIFIED_OVERLAP, 500_000)
    assert (ask.last_pos, ask.if_range) == (None, '"a"')


def test_a_resumed_run_compares_more():
    state = SavedState(URL, URL, STRONG, (ByteRange(0, 499_999),))
    ask = Planner(URL, DownloadOptions(), state).next_fetch(0.0).request
    assert (ask.first_pos, ask.new_from) == (500_000 - RESUMED_OVERLAP, 500_000)


def test_a_resumed_run_has_one_connection_until_the_version_is_sure():
    finished = ByteRange(0, 99_999), ByteRange(200_000, 299_999), ByteRange(500_000, 599_999)
    state = SavedState(URL, URL, STRONG, finished)
    planner = Planner(URL, DownloadOptions(connections=3), state)
    first = planner.next_fetch(0.0)
    assert (first.request.last_pos, planner.next_fetch(0.0)) == (199_999, None)
    planner.on_head(first, part(first.request, 199_999), URL, 0.0, 1.0)
    others = [planner.next_fetch(0.0), planner.next_fetch(0.0), planner.next_fetch(0.0)]
    assert [each and (each.request.first_pos, each.request.new_from, each.request.last_pos) for each in others] == [
        (300_000 - VERIFIED_OVERLAP, 300_000, 499_999), (600_000 - VERIFIED_OVERLAP, 600_000, None), None]


@pytest.mark.parametrize("head", [
    {"etag": ""}, {"etag": 'W/"a"'}, {"etag": "", "last-modified": DATE, "date": DATE},
])
def test_without_a_strong_validator_there_is_one_connection(head):
    planner = Planner(URL, DownloadOptions(**FORCED))
    segment = planner.next_fetch(0.0)
    planner.on_head(segment, part(segment.request, **head), URL, 0.0, 1.0)
    assert planner.next_fetch(9.0) is None
    bring(planner, segment, 500_000)
    planner.on_failure(segment, "reset", 1.0, 0.0)
    assert planner.next_fetch(1.0).request.first_pos == 500_000 - UNVERIFIED_OVERLAP


def test_a_part_without_validator_is_asked_for_again_with_the_overlap():
    planner, segment = begun(**FORCED)
    bring(planner, segment, 500_000)
    planner.on_failure(segment, "reset", 1.0, 0.0)
    again = planner.next_fetch(1.0)
    assert not planner.on_head(again, part(again.request, etag=""), URL, 1.0, 0.0)
    once_more = planner.next_fetch(1.0)
    assert once_more.request.first_pos == 500_000 - UNVERIFIED_OVERLAP
    assert planner.on_head(once_more, part(once_more.request, etag=""), URL, 1.0, 0.0)
    assert planner.next_fetch(9.0) is None


def wait(planner: Planner, now: float) -> float:
    """The time without a request, in steps of a quarter of a second."""
    return next(steps / 4 for steps in range(1000) if not planner.wait_left(now + steps / 4))


def test_delays_double_and_end_with_the_tries():
    planner = Planner(URL, DownloadOptions(tries=6))
    now, delays = 0.0, []
    while planner.error is None:
        segment = planner.next_fetch(now)
        planner.on_failure(segment, "reset", now, 1.0)
        if planner.error is None:
            delays.append(wait(planner, now))
            now += delays[-1]
    assert delays == [0.5, 1, 2, 4, 8]
    assert isinstance(planner.error, NetworkError)


def test_the_longest_delay_and_the_jitter():
    planner, now = Planner(URL, DownloadOptions(tries=20)), 0.0
    for _ in range(12):
        planner.on_failure(planner.next_fetch(now), "reset", now, 0.5)
        delay = wait(planner, now)
        now += delay
    assert delay == pytest.approx(15)


def test_progress_gives_new_tries():
    planner, segment = begun(tries=2)
    for now in range(50):
        assert bring(planner, segment, 1000) == 1000
        planner.on_failure(segment, "reset", now, 0.0)
        segment = planner.next_fetch(now)
        planner.on_head(segment, part(segment.request), URL, now, 0.0)
    assert planner.error is None


def test_the_same_bytes_again_are_no_progress():
    """A server without ranges that always breaks off at the same place does not keep us for ever."""
    planner = Planner(URL, DownloadOptions(tries=3))
    for now in range(10):
        segment = planner.next_fetch(now)
        if segment is None:
            break
        assert planner.on_head(segment, ResponseHead(200, {"content-length": str(LENGTH)}), URL, now, 0.0)
        bring(planner, segment, 1000)
        planner.on_end(segment, now, 0.0)
    assert isinstance(planner.error, NetworkError)
    assert planner.generation > 0


def test_retry_after_is_waited_for():
    planner = Planner(URL, DownloadOptions())
    planner.on_head(planner.next_fetch(0.0), ResponseHead(503, {"retry-after": "7"}), URL, 0.0, 0.0)
    assert (planner.next_fetch(6.9), planner.next_fetch(7.0) is not None) == (None, True)
    assert planner.notices == [("retry", "503 Service Unavailable: http://127.0.0.1/file; trying again in 7.0 s")]


def test_an_hour_is_too_long_to_wait():
    planner = Planner(URL, DownloadOptions())
    planner.on_head(planner.next_fetch(0.0), ResponseHead(429, {"retry-after": "3600"}), URL, 0.0, 0.0)
    assert "3,600 seconds" in str(planner.error)


def test_four_connections_where_forced():
    planner, first = begun(**FORCED)
    others = [planner.next_fetch(0.0) for _ in range(4)]
    assert others[3] is None
    assert sorted((each.pos, each.last_pos) for each in [first, *others[:3]]) == [
        (0, 249_999), (250_000, 499_999), (500_000, 749_999), (750_000, 999_999)]
    assert all(each.request.first_pos == each.request.new_from - VERIFIED_OVERLAP for each in others[:3])


@pytest.mark.parametrize("head", [
    ResponseHead(429, {}), ResponseHead(503, {}), ResponseHead(403, {}),
    ResponseHead(200, {"etag": '"a"', "content-length": "1000000"}),
    ResponseHead(200, {"content-type": "text/html"}), ResponseHead(206, {}), ResponseHead(416, {}),
])
def test_a_second_connection_that_is_refused_is_done_without(head):
    planner, first = begun(**FORCED)
    second = planner.next_fetch(0.0)
    assert not planner.on_head(second, head, URL, 0.0, 0.0)
    assert (planner.allowed, planner.next_fetch(9.0)) == (1, None)
    assert bring(planner, first, LENGTH) == LENGTH // 2
    planner.on_end(first, 1.0, 0.0)
    assert planner.next_fetch(9.0).request.new_from == LENGTH // 2
    assert (planner.generation, planner.error) == (0, None)


def test_a_connection_that_breaks_before_its_answer_lowers_their_number():
    planner, _ = begun(**FORCED)
    planner.on_failure(planner.next_fetch(0.0), "refused", 0.0, 0.0)
    assert planner.allowed == 1
    assert [event for event, _ in planner.notices] == ["fewer"]


def test_a_connection_that_breaks_in_its_answer_does_not():
    planner, _ = begun(**FORCED)
    second = planner.next_fetch(0.0)
    planner.on_head(second, part(second.request), URL, 0.0, 0.0)
    bring(planner, second, 1)
    planner.on_failure(second, "reset", 0.0, 0.0)
    assert planner.allowed == 4


def test_one_whose_answer_brings_nothing_does():
    planner, _ = begun(**FORCED)
    second = planner.next_fetch(0.0)
    planner.on_head(second, part(second.request), URL, 0.0, 0.0)
    planner.on_failure(second, "reset", 0.0, 0.0)
    assert planner.allowed == 1


def changed(planner: Planner) -> bool:
    return planner.generation > 0 and planner.state.finished.length == 0 and planner.state.version is None


def answered_otherwise(planner: Planner, times: int, **fields: str) -> None:
    """So many answers in a row with other fields, at once."""
    for _ in range(times):
        segment = planner.next_fetch(0.0)
        assert not planner.on_head(segment, part(segment.request, **fields), URL, 0.0, 0.0)


def test_another_tag_in_a_part_begins_again():
    planner, segment = begun()
    bring(planner, segment, 1000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    answered_otherwise(planner, 4, etag='"b"')
    assert changed(planner)
    assert planner.next_fetch(0.0).request.fields["Range"] == "bytes=0-"


def test_a_file_that_changes_for_ever():
    planner = Planner(URL, DownloadOptions())
    for number in range(80):
        segment = planner.next_fetch(0.0)
        if segment is None:
            break
        planner.on_head(segment, part(segment.request, etag=f'"{number}"'), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.on_failure(segment, "reset", 0.0, 0.0)
    assert isinstance(planner.error, ChangedError)


def test_a_whole_file_that_changes_for_ever():
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, STRONG, (ByteRange(0, 9999),)))
    for number in range(1, 9):
        segment = planner.next_fetch(0.0)
        if segment is None:
            break
        planner.on_head(
            segment, ResponseHead(200, {"content-length": f"{number}0000", "etag": f'"{number}"'}), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.on_failure(segment, "reset", 0.0, 0.0)
    assert isinstance(planner.error, ChangedError)


def test_something_else_for_ever_is_a_change_too():
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, STRONG, (ByteRange(0, 9),)))
    while (segment := planner.next_fetch(0.0)) is not None:
        planner.on_head(segment, ResponseHead(200, {"content-type": "text/html"}), URL, 0.0, 0.0)
    assert isinstance(planner.error, ChangedError)
    assert planner.state.finished.length == 10


MISMATCH = OverlapCheck(ByteRange(0, 9), "0" * 64)


def test_after_a_mismatch_under_a_strong_validator_no_range_is_trusted():
    planner, segment = begun()
    bring(planner, segment, 1000)
    planner.on_comparison(MISMATCH, Comparison.DIFFERENT)
    assert changed(planner)
    for _ in range(2):
        segment = planner.next_fetch(9.0)
        assert not segment.request.ranged
        assert planner.on_head(segment, ResponseHead(200, {"content-length": "5000", "etag": '"a"'}), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.on_failure(segment, "reset", 0.0, 0.0)


def test_a_mismatch_without_a_strong_validator_is_followed_by_a_plain_request_that_can_be_resumed():
    """The file has changed more probably than the ranges lie; if they do, the next overlap shows it."""
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, FileVersion(), (ByteRange(0, 99_999),)))
    planner.on_comparison(MISMATCH, Comparison.DIFFERENT)
    segment = planner.next_fetch(0.0)
    assert not segment.request.ranged
    assert planner.on_head(segment, ResponseHead(200, {"content-length": str(LENGTH)}), URL, 0.0, 0.0)
    bring(planner, segment, 100_000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    assert planner.next_fetch(0.0).request.first_pos == 100_000 - UNVERIFIED_OVERLAP
    planner.on_comparison(MISMATCH, Comparison.DIFFERENT)
    segment = planner.next_fetch(0.0)
    bring(planner, segment, 100_000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    assert not planner.next_fetch(0.5).request.ranged


def test_bytes_beyond_the_range_end_the_trust():
    planner, segment = begun()
    assert planner.claim(segment, LENGTH + 1) == 0
    assert not planner.next_fetch(0.0).request.ranged


def test_an_answer_to_a_plain_request_replaces_what_a_plain_request_brought():
    planner = Planner(URL, DownloadOptions())
    assert not planner.on_head(planner.next_fetch(0.0), ResponseHead(416, {}), URL, 0.0, 0.0)
    for generation in (0, 1):
        segment = planner.next_fetch(9.0)
        assert not segment.request.ranged
        assert planner.on_head(segment, ResponseHead(200, {"content-length": "5000"}), URL, 9.0, 0.0)
        assert (planner.generation, planner.state.finished.length) == (generation, 0)
        bring(planner, segment, 1000)
        planner.on_end(segment, 9.0, 0.0)


def test_a_part_to_a_plain_request_is_no_answer():
    planner = Planner(URL, DownloadOptions(tries=3))
    planner.on_head(planner.next_fetch(0.0), ResponseHead(416, {}), URL, 0.0, 0.0)
    while (segment := planner.next_fetch(0.0)) is not None:
        planner.on_head(segment, part(segment.request._replace(first_pos=5)), URL, 0.0, 0.0)
    assert isinstance(planner.error, NetworkError)


def test_a_signed_address_that_has_expired():
    planner = Planner(URL, DownloadOptions(), SavedState(URL, "http://cdn/x?signed", STRONG, (ByteRange(0, 9),)))
    first = planner.next_fetch(0.0)
    assert first.request.address == "http://cdn/x?signed"
    planner.on_head(first, ResponseHead(403, {}), "http://cdn/x?signed", 0.0, 0.0)
    assert planner.next_fetch(0.0).request.address == URL


def test_after_a_failure_the_first_address_is_asked():
    planner, segment = begun()
    planner.state.address = "http://cdn/x"
    planner.on_failure(segment, "reset", 0.0, 0.0)
    assert planner.next_fetch(0.0).request.address == URL


def test_what_is_hopeless_is_tried_once():
    planner = Planner(URL, DownloadOptions())
    planner.on_failure(planner.next_fetch(0.0), "no such certificate", 0.0, 0.0, permanent=True)
    assert str(planner.error) == "no such certificate"


def test_short_parts_are_gone_on_with_at_once():
    planner = Planner(URL, DownloadOptions())
    for _ in range(5):
        segment = planner.next_fetch(0.0)
        planner.on_head(segment, part(segment.request, segment.request.first_pos + 9999), URL, 0.0, 1.0)
        bring(planner, segment, 10_000 - segment.overlap.length)
        planner.on_end(segment, 0.0, 1.0)
    assert planner.state.finished.length == 10_000 + 4 * (10_000 - VERIFIED_OVERLAP)


def test_parts_shorter_than_the_overlap_bring_it_down():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    segment = planner.next_fetch(0.0)
    assert planner.on_head(segment, part(segment.request, segment.request.first_pos + 99), URL, 0.0, 0.0)
    planner.on_failure(segment, "too short", 0.0, 0.0)
    segment = planner.next_fetch(0.0)
    assert planner.on_head(segment, part(segment.request, segment.request.first_pos + 99), URL, 0.0, 0.0)
    bring(planner, segment, 1)
    assert segment.request.new_from - segment.request.first_pos == 50
    assert planner.state.finished.length == 500_001


def test_the_end_of_a_length_unknown_by_a_last_chunk():
    planner = Planner(URL, DownloadOptions())
    segment = planner.next_fetch(0.0)
    planner.on_head(segment, ResponseHead(200, {"transfer-encoding": "chunked"}), URL, 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.on_end(segment, 0.0, 0.0)
    assert (planner.state.is_complete, planner.state.complete_length) == (True, 1000)


def unmeasured(planner: Planner, length: int) -> None:
    """An answer of which only the end of the connection is the end."""
    segment = planner.next_fetch(99.0)
    planner.on_head(segment, ResponseHead(200, {}), URL, 99.0, 0.0)
    bring(planner, segment, length)
    planner.on_end(segment, 99.0, 0.0)


@pytest.mark.parametrize(("options", "answers"), [
    ({"allow_unknown_length": True}, 1), ({"sha256": "0" * 64}, 2), ({}, None),
])
def test_the_end_of_the_connection_is_the_end_of_the_file_only_where_allowed(options, answers):
    """With a digest: once nobody else can tell."""
    planner = Planner(URL, DownloadOptions(**options))
    for answer in (1, 2):
        if not planner.state.is_complete and planner.error is None:
            unmeasured(planner, 1000)
        assert planner.state.is_complete == (answers is not None and answer >= answers)
    assert (planner.error is None) == (answers is not None)


def test_an_end_before_bytes_that_there_have_been_is_none():
    saved = SavedState(URL, URL, FileVersion(), (ByteRange(0, 4999),))
    planner = Planner(URL, DownloadOptions(allow_unknown_length=True), saved)
    unmeasured(planner, 1000)
    assert not planner.state.is_complete


def test_a_server_with_ranges_tells_in_the_second_answer_whether_that_was_all():
    planner = Planner(URL, DownloadOptions())
    segment = planner.next_fetch(0.0)
    planner.on_head(segment, ResponseHead(200, {}), URL, 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.on_end(segment, 0.0, 0.0)
    again = planner.next_fetch(0.0)
    assert again.request.fields["Range"] == "bytes=0-"
    assert planner.on_head(again, ResponseHead(206, {"content-range": "bytes 0-999/1000"}), URL, 0.0, 0.0)
    planner.on_end(again, 0.0, 0.0)
    assert planner.state.is_complete


def test_a_server_without_ranges_and_lengths_can_not_be_believed():
    planner = Planner(URL, DownloadOptions())
    for _ in range(2):
        segment = planner.next_fetch(0.0)
        planner.on_head(segment, ResponseHead(200, {}), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.on_end(segment, 0.0, 0.0)
    assert "no Content-Length" in str(planner.error)


def test_what_comes_for_a_download_begun_again_is_not_written():
    planner, first = begun(**FORCED)
    second = planner.next_fetch(0.0)
    planner.on_comparison(MISMATCH, Comparison.DIFFERENT)
    for segment in (first, second):
        assert planner.claim(segment, 10) == 0
        planner.on_end(segment, 0.0, 0.0)
        planner.on_failure(segment, "late", 0.0, 0.0)
        assert not planner.on_head(segment, part(segment.request), URL, 0.0, 0.0)
    assert (planner.state.finished.length, planner.error) == (0, None)


def test_a_slow_segment_gives_most_of_what_it_has_to_do():
    fast = RangeFetch(RangeRequest(URL), 999_999, 0.0)
    slow = RangeFetch(RangeRequest(URL, 0, 1_000_000), 1_999_999, 0.0)
    fast.pos, slow.pos = 900_000, 1_010_000
    taken = divide([fast, slow], 1000, 1.0, 1.0)
    assert taken.last_pos == 1_999_999
    assert 1_010_000 < taken.first_pos < 1_030_000
    assert slow.last_pos == taken.first_pos - 1


def test_a_silent_segment_gives_all_it_has():
    fast, silent = RangeFetch(RangeRequest(URL), 9999, 0.0), RangeFetch(RangeRequest(URL, 0, 10_000), 99_999, 0.0)
    fast.pos, fast.heard_at = 9_000, 4.0
    assert divide([fast, silent], 1000, 1.0, 4.0) is None
    assert take_over([fast, silent], 4.0) is silent
    assert (silent.remaining, silent.alive) == (ByteRange(10_000, 99_999), False)


def test_a_silent_segment_is_not_waited_for_even_if_little_is_missing_and_nobody_else_is_busy():
    planner, first = begun(connections=2, segment_size=1000)
    bring(planner, first, LENGTH - 1000)
    first.heard_at = 1.0
    assert planner.next_fetch(4.0) is None
    second = planner.next_fetch(4.1)
    assert (second.request.new_from, second.last_pos, first.alive) == (LENGTH - 1000, LENGTH - 1, False)
    planner.on_failure(second, "reset", 5.0, 0.0)
    third = planner.next_fetch(5.0)  # what it could not bring is missing again
    assert (third.request.new_from, third.last_pos) == (LENGTH - 1000, LENGTH - 1)


def test_bytes_are_not_moved_from_one_silent_connection_to_the_next_for_ever():
    planner, first = begun(connections=4)
    moved = [planner.next_fetch(4.0 * number) for number in range(1, 10)]
    assert [each is not None for each in moved] == [True, False, True] + [False] * 6
    assert planner.state.fetches == [moved[2]]
    assert planner.allowed == 1


def test_no_third_connection_for_bytes_for_which_two_got_no_answer():
    """Nor is a new one opened before the one without an answer has been closed, if it is the only one."""
    planner, first = begun(connections=4, segment_size=1000, worthwhile=0)
    bring(planner, first, 1000)
    first.heard_at = 1.0
    second = planner.next_fetch(1.0)
    first.heard_at = 5.0
    third = planner.next_fetch(5.0)
    assert (second.alive, third.remaining, planner.allowed) == (False, second.remaining, 4)
    first.heard_at = 9.0
    assert planner.next_fetch(9.0) is None
    assert (third.alive, planner.allowed, planner.state.fetches) == (False, 1, [first])
    assert planner.notices[-1] == ("fewer", "no answer to a further connection; continuing with 1 connection")
    bring(planner, first, first.remaining.length)
    planner.on_end(first, 10.0, 0.0)
    assert planner.next_fetch(10.0).remaining == second.remaining


def test_where_all_connections_are_in_use_one_without_an_answer_makes_room():
    planner, first = begun(connections=2, segment_size=1000, worthwhile=0)
    bring(planner, first, 1000)
    second = planner.next_fetch(1.0)
    first.heard_at = 5.0
    planner.drop_unanswered(5.0)
    assert (second.alive, first.alive, planner.allowed) == (False, True, 1)


def test_a_connection_that_has_been_answered_is_not_dropped():
    planner, first = begun(connections=2, segment_size=1000, worthwhile=0)
    bring(planner, first, 1000)
    second = planner.next_fetch(1.0)
    assert planner.on_head(second, part(second.request), URL, 1.0, 0.0)
    first.heard_at = 5.0
    planner.drop_unanswered(5.0)
    assert (second.alive, planner.allowed) == (True, 2)


def test_a_connection_that_brings_much_before_it_hangs_may_be_followed_by_another_at_once():
    planner, fetch = begun(connections=4)
    for number in range(1, 4):
        bring(planner, fetch, 1 + (1 << 18))
        fetch.heard_at = 10.0 * number
        following = planner.next_fetch(10.0 * number + 4)
        assert following.moves == 0
        assert planner.on_head(following, part(following.request), URL, 10.0 * number + 4, 0.0)
        fetch = following


def test_where_answers_take_long_a_connection_is_not_silent_before():
    planner = Planner(URL, DownloadOptions(connections=2))
    first = planner.next_fetch(0.0)
    assert planner.on_head(first, part(first.request), URL, 20.0, 0.0)
    first.heard_at = 20.0
    second = planner.next_fetch(24.0)
    assert planner.next_fetch(60.0) is None
    assert second.alive
    assert planner.next_fetch(64.1) is None  # the server may not have noticed yet that the other one is closed
    assert not second.alive
    assert planner.next_fetch(64.6) is not None


def test_with_a_limit_of_the_rate_silence_means_nothing():
    planner, _ = begun(connections=4, limit_rate=100)
    assert planner.next_fetch(40.0) is None


@pytest.mark.parametrize(("pos", "now"), [(900_000, 1.0), (0, 0.1), (10, 0.1)])
def test_what_does_not_pay_is_not_divided(pos, now):
    segment = RangeFetch(RangeRequest(URL), 999_999, 0.0)
    segment.pos = pos
    assert divide([segment], 1000, 1.0, now) is None


class Server:
    """Brings bytes as it likes, and breaks off."""

    def __init__(self, seed: int, content: bytes, etag: str, slices: int, cut: float) -> None:
        self.random = random.Random(seed)
        self.content, self.etag, self.slices, self.cut = content, etag, slices, cut
        self.under_way: dict[RangeFetch, list[int]] = {}  # next position, last one

    def answer(self, segment: RangeFetch) -> ResponseHead:
        ask, last_pos = segment.request, len(self.content) - 1
        last_pos = min(last_pos if ask.last_pos is None else ask.last_pos, ask.first_pos + self.slices - 1)
        tag = {"etag": self.etag} if self.etag else {}
        if not ask.ranged:
            self.under_way[segment] = [0, len(self.content) - 1]
            return ResponseHead(200, {"content-length": str(len(self.content)), **tag})
        self.under_way[segment] = [ask.first_pos, last_pos]
        return ResponseHead(206, {"content-range": f"bytes {ask.first_pos}-{last_pos}/{len(self.content)}",
                          **tag})

    def block(self, segment: RangeFetch) -> bytes | None:
        """Some bytes; None for a break."""
        pos, last_pos = self.under_way[segment]
        if self.random.random() < self.cut:
            return None
        block = self.content[pos:min(last_pos + 1, pos + self.random.randrange(1, 3000))]
        self.under_way[segment][0] += len(block)
        return block


class Client:
    """Does the work of the engine, one step after the other."""

    def __init__(self, planner: Planner, server: Server, length: int) -> None:
        self.planner, self.server, self.file, self.now = planner, server, bytearray(length), 0.0
        self.margins: dict[RangeFetch, bytes] = {}

    def step(self) -> None:
        self.now += 1.0
        while (segment := self.planner.next_fetch(self.now)) is not None:
            if self.planner.on_head(segment, self.server.answer(segment), URL, self.now, 0.0):
                self.margins[segment] = b""
        if self.planner.state.fetches:
            self.receive(self.server.random.choice(self.planner.state.fetches))
        self.compare()

    def compare(self) -> None:
        for seam in self.planner.state.due_checks():
            if seam not in self.planner.state.checks:
                continue
            there = self.file[seam.part.first_pos:seam.part.next_pos]
            assert hashlib.sha256(there).hexdigest() == seam.sha256
            self.planner.on_comparison(seam, Comparison.PROVEN if proves(there) else Comparison.UNPROVEN)

    def receive(self, segment: RangeFetch) -> None:
        block, segment.heard_at = self.server.block(segment), self.now
        if block is None:
            self.planner.on_failure(segment, "reset", self.now, 0.0)
            return
        missing = segment.overlap.length - len(self.margins[segment])
        self.margins[segment] += block[:missing]
        if 0 < missing <= len(block):
            sha256 = hashlib.sha256(self.margins[segment]).hexdigest()
            self.planner.state.checks.append(OverlapCheck(segment.overlap, sha256))
            self.compare()
        rest = block[missing:]
        first_pos = segment.pos
        claimed = self.planner.claim(segment, len(rest)) if rest else 0
        self.file[first_pos:first_pos + claimed] = rest[:claimed]
        if claimed:
            self.planner.state.finished.add(ByteRange(first_pos, first_pos + claimed - 1))
        if not block or (missing <= len(block) and not segment.is_incomplete):
            self.planner.on_end(segment, self.now, 0.0)


@thorough(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 30_000), etag=st.sampled_from(['"a"', 'W/"a"', ""]),
       segments=st.integers(1, 5), slices=st.sampled_from([700, 9_000, 10**9]), cut=st.sampled_from([0.0, 0.05, 0.3]),
       least=st.sampled_from([300, 5000]), kind=st.sampled_from(["random", "zeros", "zeros within", "period"]))
def test_whatever_breaks_the_file_becomes_whole(seed, length, etag, segments, slices, cut, least, kind):
    content = random.Random(seed).randbytes(length)
    content = {"random": content, "zeros": bytes(length), "period": (content[:7] * length)[:length],
               "zeros within": content[:length // 4] + bytes(length // 2) + content[-length // 4:]}[kind][:length]
    length = len(content)
    in_order = etag == '"a"' or slices > UNVERIFIED_OVERLAP  # else it comes in one piece
    planner = Planner(URL, DownloadOptions(connections=segments, segment_size=least, worthwhile=0, tries=10**6))
    client = Client(planner, Server(seed, content, etag, slices, cut if in_order else 0.0), length)
    for _ in range(20_000):
        if planner.state.is_complete and not planner.state.checks:
            break
        client.step()
        assert planner.error is None
    assert planner.state.is_complete
    assert client.file == content
    assert planner.state.complete_length == length
    assert planner.generation == 0 or not in_order or kind != "random"


@pytest.mark.parametrize(("head", "complete"), [
    (lambda ask: part(ask), True),
    (lambda ask: part(ask, etag='"b"'), False),
    (lambda ask: ResponseHead(200, {"etag": '"b"', "content-length": "5"}), False),
])
def test_what_is_all_there_is_shown_to_be_of_today(head, complete):
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, STRONG, (ByteRange(0, LENGTH - 1),)))
    assert not planner.state.is_complete
    segment = planner.next_fetch(0.0)
    assert segment.request.fields["Range"] == f"bytes={LENGTH - RESUMED_OVERLAP}-"
    planner.on_head(segment, head(segment.request), URL, 0.0, 0.0)
    planner.on_end(segment, 0.0, 0.0)
    assert (planner.state.is_complete, planner.error) == (complete, None)


def test_an_empty_file_that_is_all_there():
    empty = STRONG._replace(complete_length=0)
    planner = Planner(URL, DownloadOptions(), SavedState(URL, URL, empty))
    refusal = ResponseHead(416, {"content-range": "bytes */0", "etag": '"a"'})
    planner.on_head(planner.next_fetch(0.0), refusal, URL, 0.0, 0.0)
    assert planner.state.is_complete


def test_more_bytes_than_the_file_has_are_begun_again():
    planner, segment = begun()
    planner.state.finished.add(ByteRange(0, LENGTH))
    planner.on_end(segment, 0.0, 0.0)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    assert planner.next_fetch(1.0) is None
    assert planner.next_fetch(1.0).request.fields["Range"] == "bytes=0-"


def test_what_lies_behind_an_unvouched_part_is_forgotten():
    """It would never be compared with it."""
    saved = SavedState(URL, URL, STRONG, (ByteRange(0, 99_999), ByteRange(500_000, 999_999)))
    planner = Planner(URL, DownloadOptions(), saved)
    for _ in range(2):
        segment = planner.next_fetch(0.0)
        taken = planner.on_head(segment, part(segment.request, 499_999, etag=""), URL, 0.0, 0.0)
    assert taken
    assert list(planner.state.finished) == [ByteRange(0, 99_999)]


def test_unvouched_parts_that_are_too_short_to_compare_end_the_trust():
    saved = SavedState(URL, URL, FileVersion(complete_length=LENGTH), (ByteRange(0, 499_999),))
    planner = Planner(URL, DownloadOptions(), saved)
    segment = planner.next_fetch(0.0)
    assert not planner.on_head(segment, part(segment.request, segment.request.first_pos + 9, etag=""), URL, 0.0, 0.0)
    assert not planner.next_fetch(0.0).request.ranged


def test_a_refused_connection_does_not_make_the_others_wait():
    planner, first = begun(**FORCED)
    planner.on_head(planner.next_fetch(0.0), ResponseHead(429, {"retry-after": "900000"}), URL, 0.0, 0.0)
    assert planner.allowed == 1
    bring(planner, first, LENGTH)
    planner.on_end(first, 1.0, 0.0)
    assert planner.next_fetch(1.0) is not None


def test_connections_that_fail_together_are_one_failure():
    planner, first = begun(connections=8, **FORCED)
    others = [planner.next_fetch(0.0) for _ in range(7)]
    for segment in [first, *others]:
        planner.on_failure(segment, "refused", 0.0, 1.0)
    assert (planner.error, planner._retry.tries) == (None, 1)


def test_the_address_after_redirects_is_kept_after_a_break():
    planner = Planner(URL, DownloadOptions())
    segment = planner.next_fetch(0.0)
    planner.on_head(segment, part(segment.request), "http://mirror/f", 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    assert planner.next_fetch(0.0).request.address == "http://mirror/f"


def test_more_than_a_thousand_failures():
    planner = Planner(URL, DownloadOptions(tries=2000))
    for number in range(1500):
        planner.on_failure(planner.next_fetch(100.0 * number), "refused", 100.0 * number, 1.0)
    assert planner.error is None


def test_a_part_instead_of_all_is_not_taken_for_ever():
    planner = Planner(URL, DownloadOptions(tries=4))
    planner.on_head(planner.next_fetch(0.0), ResponseHead(416, {}), URL, 0.0, 0.0)
    for _ in range(10):
        segment = planner.next_fetch(0.0)
        if segment is None:
            break
        assert not planner.on_head(segment, part(segment.request, 99), URL, 0.0, 0.0)
    assert isinstance(planner.error, NetworkError)


def test_a_tag_that_comes_later_is_remembered():
    saved = SavedState(URL, URL, FileVersion(complete_length=LENGTH), (ByteRange(0, 99_999),))
    planner = Planner(URL, DownloadOptions(), saved)
    segment = planner.next_fetch(0.0)
    assert planner.on_head(segment, part(segment.request), URL, 0.0, 0.0)
    assert planner.state.version.if_range == '"a"'


def test_a_connection_that_has_become_slow_is_slow():
    segment = RangeFetch(RangeRequest(URL), LENGTH - 1, 0.0)
    segment.pos, segment.heard_at = 900_000, 6.0
    assert segment.rate(6.0) == pytest.approx(150_000)
    segment.pos, segment.heard_at = 900_010, 11.0
    segment.rate(12.0)
    assert 0 < segment.rate(13.0) < 10
    assert segment.rate(14.1) == 0


def test_short_parts_do_not_shorten_what_is_compared_without_validators():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.on_failure(segment, "reset", 0.0, 0.0)
    segment = planner.next_fetch(0.0)
    planner.on_head(segment, part(segment.request, segment.request.first_pos + 99), URL, 0.0, 0.0)
    planner.on_failure(segment, "too short", 0.0, 0.0)
    segment = planner.next_fetch(0.0)
    assert not planner.on_head(segment, part(segment.request, etag=""), URL, 0.0, 0.0)
    assert planner.next_fetch(0.0).request.first_pos == 500_000 - UNVERIFIED_OVERLAP
