"""The planner for several addresses, step by step: what is asked where, and what comes of strange answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rangeware.client.digests import Pieces
from rangeware.client.errors import NetworkError
from rangeware.client.options import DownloadOptions
from rangeware.client.planning.mirrors import MirroredPlanner, planner_of
from rangeware.client.planning.planner import Planner
from rangeware.client.planning.response_head import FileVersion, ResponseHead
from rangeware.client.planning.sources import Source, Sources
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.client.planning.trust import Comparison
from rangeware.http.ranges import ByteRange

A, B, C = "http://a/f", "http://b/f", "http://c/f"
LENGTH = 1_000_000
JUDGED = DownloadOptions(checksum="md5:" + "0" * 32, worthwhile=0, segment_size=1000, tries=4)


def head_of(fetch, tag='"a"', length=LENGTH, status=206, **fields) -> ResponseHead:
    first, last = fetch.request.first_pos, fetch.request.last_pos
    last = length - 1 if last is None else last
    ranged = {"content-range": f"bytes {first}-{last}/{length}", "content-length": str(last + 1 - first)}
    framing = {206: ranged, 200: {"content-length": str(length)}}.get(status, {})
    return ResponseHead(status, {"etag": tag, **framing, **fields})


def bring(planner, fetch, length) -> None:
    finished, first = planner.state.finished, fetch.pos
    wanted = planner.claim(fetch, length)
    finished.add(ByteRange(first, first + wanted - 1)) if wanted else None


def begun(urls=(A, B, C), options=JUDGED, length=200_000) -> tuple[MirroredPlanner, object]:
    """A planner whose first request runs at A."""
    planner = planner_of(urls, options)
    fetch = planner.next_fetch(0.0)
    assert fetch.request.address == A
    assert planner.on_head(fetch, head_of(fetch), A, 0.0, 0.0)
    bring(planner, fetch, length)
    return planner, fetch


def told(planner, event="fewer") -> str:
    return "; ".join(text for name, text in planner.notices if name == event)


def test_one_address_needs_no_mirrors():
    assert type(planner_of([A], JUDGED)) is Planner


def test_each_address_is_tried_and_asked_for_a_long_overlap_and_its_own_version():
    planner, _ = begun()
    second, third = planner.next_fetch(1.0), planner.next_fetch(1.0)
    assert {second.request.address, third.request.address} == {B, C}
    for fetch in (second, third):
        assert fetch.request.new_from - fetch.request.first_pos == 65_536
        assert fetch.request.if_range is None
    assert planner.on_head(second, head_of(second, '"b"'), second.request.address + "?2", 1.0, 0.0)
    bring(planner, second, second.remaining.length)
    planner.on_end(second, 2.0, 0.0)
    again = planner.next_fetch(2.0)
    assert (again.request.address, again.request.if_range) == (f"{second.request.address}?2", '"b"')


def test_without_a_digest_the_others_are_not_asked():
    planner, _ = begun(options=DownloadOptions(worthwhile=0, segment_size=1000))
    assert planner.next_fetch(1.0).request.address == A


def test_a_helper_that_sends_more_than_it_says_is_dropped_with_all_its_bytes():
    planner, first = begun()
    second = planner.next_fetch(1.0)
    planner.on_head(second, head_of(second, '"b"'), second.request.address, 1.0, 0.0)
    bring(planner, second, 5000)
    assert planner.state.finished.length == 205_000
    assert planner.claim(second, 10**9) == 0
    assert list(planner.state.finished) == [ByteRange(0, 199_999)]
    assert "more bytes than it says; continuing without it" in told(planner)
    assert first.alive
    assert not second.alive
    assert not planner.on_head(second, head_of(second), B, 1.0, 0.0)
    assert planner.claim(second, 1) == 0
    planner.on_failure(second, "late", 1.0, 0.0)
    planner.on_end(second, 1.0, 0.0)


def test_a_helper_whose_overlap_differs_is_dropped_and_one_of_zeros_is_not():
    planner, _ = begun()
    second, third = planner.next_fetch(1.0), planner.next_fetch(1.0)
    for fetch in (second, third):
        planner.on_head(fetch, head_of(fetch, '"b"'), fetch.request.address, 1.0, 0.0)
        bring(planner, fetch, 100)
        planner.state.checks.append(OverlapCheck(fetch.overlap, "0" * 64))
    different, alike = planner.state.checks
    planner.on_comparison(different, Comparison.DIFFERENT)
    planner.on_comparison(alike, Comparison.UNPROVEN)
    assert (second.alive, third.alive, planner.state.checks) == (False, True, [])


def test_a_mismatch_of_the_base_starts_again():
    planner, _ = begun()
    planner.on_comparison(OverlapCheck(ByteRange(5, 9), "0" * 64), Comparison.DIFFERENT)
    assert (planner.generation, planner.state.finished.length) == (1, 0)


@pytest.mark.parametrize(("status", "can_be_asked"), [(404, False), (403, False), (200, True), (503, True)])
def test_a_helper_without_a_part(status, can_be_asked):
    planner, _ = begun((A, B))
    second = planner.next_fetch(1.0)
    assert not planner.on_head(second, head_of(second, '"b"', status=status), B, 1.0, 0.0)
    assert not second.alive
    source = planner._sources.at(B)
    assert source.dropped is not can_be_asked
    assert source.has_room is (status == 503)


def test_an_address_behind_a_redirect_that_has_expired_is_not_the_end_of_a_helper():
    planner, _ = begun((A, B))
    second = planner.next_fetch(1.0)
    planner.on_head(second, head_of(second, '"b"'), "http://cdn/f?signed", 1.0, 0.0)
    bring(planner, second, 10)
    planner.on_failure(second, "reset", 1.0, 0.0)
    source = planner._sources.at(B)
    source.address = "http://cdn/f?signed"
    third = planner.next_fetch(2.0)
    while third.request.address == A:
        third = planner.next_fetch(2.0)
    planner.on_head(third, head_of(third, '"b"', status=403), third.request.address, 2.0, 0.0)
    assert (source.dropped, source.address) == (False, B)


def test_a_helper_that_refuses_one_more_connection_keeps_those_that_it_has():
    source = Source(B)
    planner, _ = begun((A, B))
    fetches = [planner.next_fetch(1.0) for _ in range(2)]
    source.fetches = fetches
    fetches[1].alive = False
    assert not source.note_failure(fetches[1])
    assert not source.has_room
    fetches[0].alive = False
    assert source.has_room
    assert not source.note_failure(fetches[0])
    assert source.note_failure(fetches[0])


def test_a_certificate_that_is_bad_ends_a_helper_at_once():
    planner, _ = begun((A, B))
    second = planner.next_fetch(1.0)
    planner.on_failure(second, "bad certificate", 1.0, 0.0, permanent=True)
    assert f"{B}: bad certificate; continuing without it" in told(planner)
    assert not planner._sources.at(B).has_room


def fail_all(planner, *fetches) -> None:
    for fetch in fetches:
        planner.on_failure(fetch, "reset", 3.0, 0.0)


def test_the_base_goes_away_and_its_helper_goes_on_alone():
    planner, first = begun((A, B))
    second = planner.next_fetch(1.0)
    planner.on_head(second, head_of(second, '"b"'), B, 1.0, 0.0)
    bring(planner, second, 1000)
    fail_all(planner, first, second)
    assert planner.next_fetch(4.0).request.address == A
    fail_all(planner, *planner.state.fetches)
    third = planner.next_fetch(4.0)
    assert third.request.address == B
    assert "trying http://b/f" in told(planner, "retry")
    assert planner.on_head(third, head_of(third, '"b"'), B, 4.0, 0.0)
    assert planner.state.finished.length == 201_000


def alone_at_b(*, options=JUDGED):
    """A has gone, and B, which is not known yet, has its turn."""
    planner, first = begun((A, B), options)
    fail_all(planner, first)
    while True:
        fetch = planner.next_fetch(4.0)
        if fetch.request.address == B:
            return planner, fetch
        fail_all(planner, fetch)


def test_the_last_one_has_no_ranges():
    planner, fetch = alone_at_b()
    assert not planner.on_head(fetch, head_of(fetch, '"b"', status=200), B, 4.0, 0.0)
    for _ in range(3):  # the digest would decide: is it the same file on a server that does not understand If-Range?
        assert not planner.on_head(fetch := planner.next_fetch(5.0), head_of(fetch, '"b"', status=200), B, 5.0, 0.0)
    whole = planner.next_fetch(5.0)
    assert planner.on_head(whole, head_of(whole, '"b"', status=200), B, 5.0, 0.0)
    assert planner.generation == 1


def test_the_last_one_has_another_file():
    planner, fetch = alone_at_b()
    planner.on_head(fetch, head_of(fetch, '"b"', LENGTH + 1), B, 4.0, 0.0)
    assert "1000001 bytes instead of 1000000; continuing without it" in told(planner)
    back = planner.next_fetch(5.0)
    assert back.request.address == A
    for _ in range(4):
        fail_all(planner, *planner.state.fetches)
        planner.next_fetch(9.0)
    assert isinstance(planner.error, NetworkError)
    assert planner.state.finished.length == 200_000


def test_the_last_one_ends_before_anything_new():
    planner, fetch = alone_at_b()
    short = head_of(fetch, '"b"')
    first = fetch.request.first_pos
    short = ResponseHead(206, {**short.fields, "content-range": f"bytes {first}-{first + 9}/{LENGTH}",
                               "content-length": "10"})
    assert planner.on_head(fetch, short, B, 4.0, 0.0)
    planner.on_end(fetch, 4.0, 0.0)
    assert not fetch.alive
    assert told(planner, "retry").count("trying again") >= 3


@pytest.mark.parametrize(("tag", "stays"), [('"a"', True), ('"b"', False)])
def test_without_a_digest_only_the_same_validator_lets_bytes_stay(tag, stays):
    planner, fetch = alone_at_b(options=DownloadOptions(tries=4))
    assert fetch.request.if_range == '"a"'
    assert planner.on_head(fetch, head_of(fetch, tag), B, 4.0, 0.0) is stays
    assert planner.generation == (0 if stays else 1)
    assert planner.state.url == B


def test_a_saved_state_is_resumed_where_it_is_from():
    planner = MirroredPlanner([A, B], JUDGED)
    planner.resume(SavedState(B, B, FileVersion(complete_length=LENGTH), (ByteRange(0, 99_999),)))
    assert planner.next_fetch(0.0).request.address == B
    assert planner.urls == [A, B]
    planner = MirroredPlanner([A, B], JUDGED)
    planner.resume(SavedState("http://a/f?old", A, FileVersion(complete_length=LENGTH), (ByteRange(0, 99_999),)))
    assert planner.next_fetch(0.0).request.address == A


def test_nothing_is_asked_if_no_address_has_room():
    planner, _ = begun((A, B))
    for source in planner._sources._all:
        source.can_help = False
    assert planner.next_fetch(1.0) is None


def test_the_next_main_one_is_one_that_has_sent_something():
    sources = Sources([A, B, C, A])
    assert sources.next_main().url == B
    sources.at(C).note_success(FileVersion(), C)
    assert sources.next_main().url == C
    sources.main = sources.at(C)
    assert sources.next_main().url == A
    for url in (A, B):
        sources.at(url).dropped = True
    assert sources.next_main() is None


def test_the_last_one_is_right_whatever_there_is():
    """The first one has gone, and what it has sent is not what the other has: the digest will tell."""
    planner, fetch = alone_at_b()
    planner._sources.at(A).dropped = True
    assert planner.on_head(fetch, head_of(fetch, '"b"'), B, 4.0, 0.0)
    check = OverlapCheck(fetch.overlap, "0" * 64)
    planner.state.checks.append(check)
    planner.on_comparison(check, Comparison.DIFFERENT)
    again = planner.next_fetch(5.0)
    assert (planner.generation, again.request.address, again.request.new_from) == (1, B, 0)
    assert planner.on_head(again, head_of(again, '"b"'), B, 5.0, 0.0)


def test_the_last_one_is_gone_too():
    planner, fetch = alone_at_b()
    planner._sources.at(A).dropped = True
    planner.on_head(fetch, head_of(fetch, status=404), B, 4.0, 0.0)
    assert "404" in str(planner.error)
    assert planner.state.finished.length == 200_000


def test_a_main_one_that_is_dropped_is_not_asked_again():
    planner, fetch = alone_at_b()
    assert planner.on_head(fetch, head_of(fetch, '"b"'), B, 4.0, 0.0)
    assert planner.claim(fetch, 10**9) == 0
    assert planner.next_fetch(5.0).request.address == A


def test_after_the_base_has_been_dropped_nothing_counts_as_its_own():
    """Else it would be dropped again and again, without end."""
    planner, _ = begun((A, B))
    planner.state.checks.append(OverlapCheck(ByteRange(5, 9), "0" * 64))
    planner._drop(planner._sources.at(A), "a lie")
    assert (planner.state.checks, planner.state.finished.length) == ([], 0)
    assert planner.next_fetch(5.0).request.address == B
    planner._restart_changed("changed")
    fetch = planner.next_fetch(6.0)
    assert (fetch.request.address, planner._sources.of(fetch).url) == (B, B)


# --- pieces with a wrong digest ---

PIECES = Pieces(1000, "md5", (b"right",) * (LENGTH // 1000))


def pieced(**options) -> tuple[MirroredPlanner, object, object]:
    """A planner with a request under way at A and one at B; all bytes before that of B are there, from A."""
    planner, first = begun((A, B), replace(JUDGED, pieces=PIECES, **options), 1000)
    second = planner.next_fetch(1.0)
    assert planner.on_head(second, head_of(second, '"b"'), B, 1.0, 0.0)
    bring(planner, first, second.pos - first.pos)
    return planner, first, second


def wrong(planner, part) -> int:
    """The number of pieces that turned out to be wrong at once."""
    checks = planner.due_pieces(part)
    for check in checks:
        planner.on_piece(check, b"wrong")
    return len(checks)


def test_one_block_may_bring_more_wrong_pieces_than_there_are_tries():
    """Its sender is dropped at the first one; the others were no further tries."""
    planner, _, second = pieced(tries=3)
    first_pos = second.pos
    bring(planner, second, 9000)
    assert wrong(planner, ByteRange(first_pos, first_pos + 8999)) >= 8
    assert (planner.error, second.alive) == (None, False)
    assert told(planner) == f"{B}: a piece with a wrong digest; continuing without it"
    assert not any(part.last_pos >= first_pos for part in planner.state.finished)


def test_a_wrong_piece_of_two_senders_is_fetched_again_before_one_is_blamed():
    planner, _, second = pieced(tries=3)
    seam = second.pos
    whole = ByteRange(seam // 1000 * 1000, seam // 1000 * 1000 + 999)
    assert seam % 1000  # else each of them brings whole pieces
    bring(planner, second, 1000)
    assert wrong(planner, whole) == 1
    assert told(planner) == ""
    planner.on_failure(second, "reset", 2.0, 0.0)
    again = next(fetch for fetch in iter(lambda: planner.next_fetch(99.0), None) if fetch.request.new_from == whole[0])
    assert planner.on_head(again, head_of(again, '"b"'), again.request.address, 99.0, 0.0)
    bring(planner, again, 1000)
    assert wrong(planner, whole) == 1
    assert f"{again.request.address}: a piece with a wrong digest; continuing without it" in told(planner)
    assert planner.error is None


def test_nobody_is_blamed_for_a_piece_that_an_earlier_run_has_begun():
    kept = SavedState(A, A, FileVersion(complete_length=LENGTH), (ByteRange(0, 499),))
    planner = MirroredPlanner((A, B), replace(JUDGED, pieces=PIECES))
    planner.resume(kept)
    fetch = planner.next_fetch(0.0)
    assert planner.on_head(fetch, head_of(fetch), A, 0.0, 0.0)
    bring(planner, fetch, 500)
    assert wrong(planner, ByteRange(0, 999)) == 1
    assert (told(planner), planner.error, fetch.alive) == ("", None, True)
