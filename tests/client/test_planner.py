"""The planner without network, disk and clock: single steps, and whole downloads from a made-up server."""

from __future__ import annotations

import hashlib
import random

import pytest
from hypothesis import given
from hypothesis import settings as thorough
from hypothesis import strategies as st

from rangeware.client.errors import ChangedError, NetworkError
from rangeware.client.heads import Head, Identity
from rangeware.client.journal import Seam, State
from rangeware.client.planner import OVERLAP, PROBE, RESUMED, Planner
from rangeware.client.segments import Segment, divide
from rangeware.client.settings import Settings
from rangeware.client.verdict import Ask
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

URL = "http://127.0.0.1/file"
LENGTH = 1_000_000
DATE = "Sat, 21 Nov 2026 12:00:00 GMT"
STRONG = Identity(EntityTag("a"), None, False, LENGTH, None)
FORCED = {"segment_size": 1000, "worthwhile": 0}


def part(ask: Ask, last_pos: int = LENGTH - 1, **fields: str) -> Head:
    told = {"content-range": f"bytes {ask.first_pos}-{last_pos}/{LENGTH}", "etag": '"a"'}
    return Head(206, {name: value for name, value in {**told, **fields}.items() if value})


def begun(**options) -> tuple[Planner, Segment]:
    """A download of which the first answer is there."""
    planner = Planner(URL, Settings(**options))
    segment = planner.next(0.0)
    assert planner.answered(segment, part(segment.ask), URL, 0.0, 1.0)
    return planner, segment


def bring(planner: Planner, segment: Segment, length: int) -> int:
    first_pos = segment.pos
    claimed = planner.claim(segment, length)
    if claimed:
        planner.spans.add(ByteRange(first_pos, first_pos + claimed - 1))
    return claimed


def test_the_first_request_asks_for_all_of_it_in_one_range():
    ask = Planner(URL, Settings()).next(0.0).ask
    assert ask.fields == {"Accept-Encoding": "identity", "Range": "bytes=0-"}


def test_nothing_more_while_the_first_answer_is_awaited():
    planner = Planner(URL, Settings(**FORCED))
    planner.next(0.0)
    assert planner.next(0.0) is None


def test_a_break_is_followed_by_a_request_for_the_rest_under_if_range():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.broke(segment, "reset", 1.0, 1.0)
    assert planner.next(1.0) is None
    ask = planner.next(2.0).ask
    assert (ask.first_pos, ask.keep_from, ask.last_pos, ask.if_range) == (500_000 - PROBE, 500_000, None, '"a"')


def test_a_resumed_run_compares_more():
    state = State(URL, URL, STRONG, (ByteRange(0, 499_999),))
    ask = Planner(URL, Settings(), state).next(0.0).ask
    assert (ask.first_pos, ask.keep_from) == (500_000 - RESUMED, 500_000)


def test_a_resumed_run_has_one_connection_until_the_version_is_sure():
    state = State(URL, URL, STRONG, (ByteRange(0, 99_999), ByteRange(200_000, 299_999), ByteRange(500_000, 599_999)))
    planner = Planner(URL, Settings(segments=3), state)
    first = planner.next(0.0)
    assert (first.ask.last_pos, planner.next(0.0)) == (199_999, None)
    planner.answered(first, part(first.ask, 199_999), URL, 0.0, 1.0)
    others = [planner.next(0.0), planner.next(0.0), planner.next(0.0)]
    assert [each and (each.ask.first_pos, each.ask.keep_from, each.ask.last_pos) for each in others] == [
        (300_000 - PROBE, 300_000, 499_999), (600_000 - PROBE, 600_000, None), None]


@pytest.mark.parametrize("head", [
    {"etag": ""}, {"etag": 'W/"a"'}, {"etag": "", "last-modified": DATE, "date": DATE},
])
def test_without_a_strong_validator_there_is_one_connection(head):
    planner = Planner(URL, Settings(**FORCED))
    segment = planner.next(0.0)
    planner.answered(segment, part(segment.ask, **head), URL, 0.0, 1.0)
    assert planner.next(9.0) is None
    bring(planner, segment, 500_000)
    planner.broke(segment, "reset", 1.0, 0.0)
    assert planner.next(1.0).ask.first_pos == 500_000 - OVERLAP


def test_a_part_without_validator_is_asked_for_again_with_the_overlap():
    planner, segment = begun(**FORCED)
    bring(planner, segment, 500_000)
    planner.broke(segment, "reset", 1.0, 0.0)
    again = planner.next(1.0)
    assert not planner.answered(again, part(again.ask, etag=""), URL, 1.0, 0.0)
    once_more = planner.next(1.0)
    assert once_more.ask.first_pos == 500_000 - OVERLAP
    assert planner.answered(once_more, part(once_more.ask, etag=""), URL, 1.0, 0.0)
    assert planner.next(9.0) is None


def wait(planner: Planner, now: float) -> float:
    """How long nothing is asked, in steps of a quarter of a second."""
    return next(steps / 4 for steps in range(1000) if not planner._patience.waits(now + steps / 4))


def test_delays_double_and_end_with_the_tries():
    planner = Planner(URL, Settings(tries=6))
    now, delays = 0.0, []
    while planner.error is None:
        segment = planner.next(now)
        planner.broke(segment, "reset", now, 1.0)
        if planner.error is None:
            delays.append(wait(planner, now))
            now += delays[-1]
    assert delays == [0.5, 1, 2, 4, 8]
    assert isinstance(planner.error, NetworkError)


def test_the_longest_delay_and_the_jitter():
    planner, now = Planner(URL, Settings(tries=20)), 0.0
    for _ in range(12):
        planner.broke(planner.next(now), "reset", now, 0.5)
        delay = wait(planner, now)
        now += delay
    assert delay == pytest.approx(15)


def test_progress_gives_new_tries():
    planner, segment = begun(tries=2)
    for now in range(50):
        assert bring(planner, segment, 1000) == 1000
        planner.broke(segment, "reset", now, 0.0)
        segment = planner.next(now)
        planner.answered(segment, part(segment.ask), URL, now, 0.0)
    assert planner.error is None


def test_the_same_bytes_again_are_no_progress():
    """A server without ranges that always breaks off at the same place does not keep us for ever."""
    planner = Planner(URL, Settings(tries=3))
    for now in range(10):
        segment = planner.next(now)
        if segment is None:
            break
        assert planner.answered(segment, Head(200, {"content-length": str(LENGTH)}), URL, now, 0.0)
        bring(planner, segment, 1000)
        planner.ended(segment, now, 0.0)
    assert isinstance(planner.error, NetworkError)
    assert planner.generation > 0


def test_retry_after_is_waited_for():
    planner = Planner(URL, Settings())
    planner.answered(planner.next(0.0), Head(503, {"retry-after": "7"}), URL, 0.0, 0.0)
    assert (planner.next(6.9), planner.next(7.0) is not None) == (None, True)
    assert planner.notices == [("retry", "the server answers 503; next try in 7.0 s")]


def test_an_hour_is_too_long_to_wait():
    planner = Planner(URL, Settings())
    planner.answered(planner.next(0.0), Head(429, {"retry-after": "3600"}), URL, 0.0, 0.0)
    assert "3600 seconds" in str(planner.error)


def test_four_connections_where_forced():
    planner, first = begun(**FORCED)
    others = [planner.next(0.0) for _ in range(4)]
    assert others[3] is None
    assert sorted((each.pos, each.last_pos) for each in [first, *others[:3]]) == [
        (0, 249_999), (250_000, 499_999), (500_000, 749_999), (750_000, 999_999)]
    assert all(each.ask.first_pos == each.ask.keep_from - PROBE for each in others[:3])


@pytest.mark.parametrize("head", [
    Head(429, {}), Head(503, {}), Head(403, {}), Head(200, {"etag": '"a"', "content-length": "1000000"}),
    Head(200, {"content-type": "text/html"}), Head(206, {}), Head(416, {}),
])
def test_a_second_connection_that_is_refused_is_done_without(head):
    planner, first = begun(**FORCED)
    second = planner.next(0.0)
    assert not planner.answered(second, head, URL, 0.0, 0.0)
    assert (planner.allowed, planner.next(9.0)) == (1, None)
    assert bring(planner, first, LENGTH) == LENGTH // 2
    planner.ended(first, 1.0, 0.0)
    assert planner.next(9.0).ask.keep_from == LENGTH // 2
    assert (planner.generation, planner.error) == (0, None)


def test_a_connection_that_breaks_before_its_answer_lowers_their_number():
    planner, _ = begun(**FORCED)
    planner.broke(planner.next(0.0), "refused", 0.0, 0.0)
    assert planner.allowed == 1
    assert [event for event, _ in planner.notices] == ["fewer"]


def test_a_connection_that_breaks_in_its_answer_does_not():
    planner, _ = begun(**FORCED)
    second = planner.next(0.0)
    planner.answered(second, part(second.ask), URL, 0.0, 0.0)
    bring(planner, second, 1)
    planner.broke(second, "reset", 0.0, 0.0)
    assert planner.allowed == 4


def test_one_whose_answer_brings_nothing_does():
    planner, _ = begun(**FORCED)
    second = planner.next(0.0)
    planner.answered(second, part(second.ask), URL, 0.0, 0.0)
    planner.broke(second, "reset", 0.0, 0.0)
    assert planner.allowed == 1


def changed(planner: Planner) -> bool:
    return planner.generation > 0 and planner.spans.length == 0 and planner.identity is None


def test_another_tag_in_a_part_begins_again():
    planner, segment = begun()
    bring(planner, segment, 1000)
    planner.broke(segment, "reset", 0.0, 0.0)
    again = planner.next(0.0)
    assert not planner.answered(again, part(again.ask, etag='"b"'), URL, 0.0, 0.0)
    assert changed(planner)
    assert planner.next(0.0).ask.fields["Range"] == "bytes=0-"


def test_a_file_that_changes_for_ever():
    planner = Planner(URL, Settings())
    for number in range(20):
        segment = planner.next(0.0)
        if segment is None:
            break
        planner.answered(segment, part(segment.ask, etag=f'"{number}"'), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.broke(segment, "reset", 0.0, 0.0)
    assert isinstance(planner.error, ChangedError)


def test_something_else_for_ever_is_a_change_too():
    planner = Planner(URL, Settings(), State(URL, URL, STRONG, (ByteRange(0, 9),)))
    while (segment := planner.next(0.0)) is not None:
        planner.answered(segment, Head(200, {"content-type": "text/html"}), URL, 0.0, 0.0)
    assert isinstance(planner.error, ChangedError)
    assert planner.spans.length == 10


def test_a_mismatch_begins_again_and_the_second_one_ends_the_trust_in_ranges():
    planner, segment = begun()
    for ranged in (True, False):
        bring(planner, segment, 1000)
        planner.mismatched(Seam(ByteRange(0, 9), "0" * 64))
        assert changed(planner)
        segment = planner.next(0.0)
        assert segment.ask.ranged == ranged
        planner.answered(segment, part(segment.ask), URL, 0.0, 0.0) if ranged else None
    assert planner.answered(segment, Head(200, {"content-length": "5", "etag": '"a"'}), URL, 0.0, 0.0)


def test_bytes_beyond_the_range_end_the_trust():
    planner, segment = begun()
    assert planner.claim(segment, LENGTH + 1) == 0
    assert not planner.next(0.0).ask.ranged


def test_an_answer_to_a_plain_request_replaces_what_a_plain_request_brought():
    planner = Planner(URL, Settings())
    assert not planner.answered(planner.next(0.0), Head(416, {}), URL, 0.0, 0.0)
    for generation in (0, 1):
        segment = planner.next(9.0)
        assert not segment.ask.ranged
        assert planner.answered(segment, Head(200, {"content-length": "5000"}), URL, 9.0, 0.0)
        assert (planner.generation, planner.spans.length) == (generation, 0)
        bring(planner, segment, 1000)
        planner.ended(segment, 9.0, 0.0)


def test_a_part_to_a_plain_request_is_no_answer():
    planner = Planner(URL, Settings(tries=3))
    planner.answered(planner.next(0.0), Head(416, {}), URL, 0.0, 0.0)
    while (segment := planner.next(0.0)) is not None:
        planner.answered(segment, part(segment.ask._replace(first_pos=5)), URL, 0.0, 0.0)
    assert isinstance(planner.error, NetworkError)


def test_a_signed_address_that_has_expired():
    planner = Planner(URL, Settings(), State(URL, "http://cdn/x?signed", STRONG, (ByteRange(0, 9),)))
    first = planner.next(0.0)
    assert first.ask.address == "http://cdn/x?signed"
    planner.answered(first, Head(403, {}), "http://cdn/x?signed", 0.0, 0.0)
    assert planner.next(0.0).ask.address == URL


def test_after_a_failure_the_first_address_is_asked():
    planner, segment = begun()
    planner.address = "http://cdn/x"
    planner.broke(segment, "reset", 0.0, 0.0)
    assert planner.next(0.0).ask.address == URL


def test_what_is_hopeless_is_tried_once():
    planner = Planner(URL, Settings())
    planner.broke(planner.next(0.0), "no such certificate", 0.0, 0.0, hopeless=True)
    assert str(planner.error) == "no such certificate"


def test_short_parts_are_gone_on_with_at_once():
    planner = Planner(URL, Settings())
    for _ in range(5):
        segment = planner.next(0.0)
        planner.answered(segment, part(segment.ask, segment.ask.first_pos + 9999), URL, 0.0, 1.0)
        bring(planner, segment, 10_000 - segment.margin.length)
        planner.ended(segment, 0.0, 1.0)
    assert planner.spans.length == 10_000 + 4 * (10_000 - PROBE)


def test_parts_shorter_than_the_overlap_bring_it_down():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.broke(segment, "reset", 0.0, 0.0)
    segment = planner.next(0.0)
    assert planner.answered(segment, part(segment.ask, segment.ask.first_pos + 99), URL, 0.0, 0.0)
    planner.broke(segment, "too short", 0.0, 0.0)
    segment = planner.next(0.0)
    assert planner.answered(segment, part(segment.ask, segment.ask.first_pos + 99), URL, 0.0, 0.0)
    bring(planner, segment, 1)
    assert segment.ask.keep_from - segment.ask.first_pos == 50
    assert planner.spans.length == 500_001


def test_the_end_of_a_length_unknown_by_a_last_chunk():
    planner = Planner(URL, Settings())
    segment = planner.next(0.0)
    planner.answered(segment, Head(200, {"transfer-encoding": "chunked"}), URL, 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.ended(segment, 0.0, 0.0)
    assert (planner.complete, planner.complete_length) == (True, 1000)


def unmeasured(planner: Planner, length: int) -> None:
    """An answer of which only the end of the connection is the end."""
    segment = planner.next(99.0)
    planner.answered(segment, Head(200, {}), URL, 99.0, 0.0)
    bring(planner, segment, length)
    planner.ended(segment, 99.0, 0.0)


@pytest.mark.parametrize(("options", "answers"), [
    ({"allow_unknown_length": True}, 1), ({"sha256": "0" * 64}, 2), ({}, None),
])
def test_the_end_of_the_connection_is_the_end_of_the_file_only_where_allowed(options, answers):
    """With a digest: once nobody else can tell."""
    planner = Planner(URL, Settings(**options))
    for answer in (1, 2):
        if not planner.complete and planner.error is None:
            unmeasured(planner, 1000)
        assert planner.complete == (answers is not None and answer >= answers)
    assert (planner.error is None) == (answers is not None)


def test_an_end_before_bytes_that_there_have_been_is_none():
    planner = Planner(URL, Settings(allow_unknown_length=True), State(URL, URL, Identity(), (ByteRange(0, 4999),)))
    unmeasured(planner, 1000)
    assert not planner.complete


def test_a_server_with_ranges_tells_in_the_second_answer_whether_that_was_all():
    planner = Planner(URL, Settings())
    segment = planner.next(0.0)
    planner.answered(segment, Head(200, {}), URL, 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.ended(segment, 0.0, 0.0)
    again = planner.next(0.0)
    assert again.ask.fields["Range"] == "bytes=0-"
    assert planner.answered(again, Head(206, {"content-range": "bytes 0-999/1000"}), URL, 0.0, 0.0)
    planner.ended(again, 0.0, 0.0)
    assert planner.complete


def test_a_server_without_ranges_and_lengths_can_not_be_believed():
    planner = Planner(URL, Settings())
    for _ in range(2):
        segment = planner.next(0.0)
        planner.answered(segment, Head(200, {}), URL, 0.0, 0.0)
        bring(planner, segment, 1000)
        planner.ended(segment, 0.0, 0.0)
    assert "no length" in str(planner.error)


def test_what_comes_for_a_download_begun_again_is_not_written():
    planner, first = begun(**FORCED)
    second = planner.next(0.0)
    planner.mismatched(Seam(ByteRange(0, 9), "0" * 64))
    for segment in (first, second):
        assert planner.claim(segment, 10) == 0
        planner.ended(segment, 0.0, 0.0)
        planner.broke(segment, "late", 0.0, 0.0)
        assert not planner.answered(segment, part(segment.ask), URL, 0.0, 0.0)
    assert (planner.spans.length, planner.error) == (0, None)


def test_a_slow_segment_gives_most_of_what_it_has_to_do():
    fast, slow = Segment(Ask(URL), 999_999, 0.0), Segment(Ask(URL, 0, 1_000_000), 1_999_999, 0.0)
    fast.pos, slow.pos = 900_000, 1_010_000
    taken = divide([fast, slow], 1000, 1.0, 1.0)
    assert taken.last_pos == 1_999_999
    assert 1_010_000 < taken.first_pos < 1_030_000
    assert slow.last_pos == taken.first_pos - 1


def test_a_silent_segment_gives_all_it_has():
    fast, silent = Segment(Ask(URL), 9999, 0.0), Segment(Ask(URL, 0, 10_000), 99_999, 0.0)
    fast.pos = 9_000
    assert divide([fast, silent], 1000, 1.0, 5.0) == ByteRange(10_000, 99_999)
    assert not silent.alive


@pytest.mark.parametrize(("pos", "now"), [(900_000, 1.0), (0, 0.1), (10, 0.1)])
def test_what_does_not_pay_is_not_divided(pos, now):
    segment = Segment(Ask(URL), 999_999, 0.0)
    segment.pos = pos
    assert divide([segment], 1000, 1.0, now) is None


class Server:
    """Brings bytes as it likes, and breaks off."""

    def __init__(self, seed: int, content: bytes, etag: str, slices: int, cut: float) -> None:
        self.random = random.Random(seed)
        self.content, self.etag, self.slices, self.cut = content, etag, slices, cut
        self.under_way: dict[Segment, list[int]] = {}  # next position, last one

    def answer(self, segment: Segment) -> Head:
        ask, last_pos = segment.ask, len(self.content) - 1
        last_pos = min(last_pos if ask.last_pos is None else ask.last_pos, ask.first_pos + self.slices - 1)
        tag = {"etag": self.etag} if self.etag else {}
        if not ask.ranged:
            self.under_way[segment] = [0, len(self.content) - 1]
            return Head(200, {"content-length": str(len(self.content)), **tag})
        self.under_way[segment] = [ask.first_pos, last_pos]
        return Head(206, {"content-range": f"bytes {ask.first_pos}-{last_pos}/{len(self.content)}",
                          **tag})

    def block(self, segment: Segment) -> bytes | None:
        """Some bytes; None for a break."""
        pos, last_pos = self.under_way[segment]
        if self.random.random() < self.cut:
            return None
        block = self.content[pos:min(last_pos + 1, pos + self.random.randrange(1, 3000))]
        self.under_way[segment][0] += len(block)
        return block


class Client:
    """What the engine does, one step after the other."""

    def __init__(self, planner: Planner, server: Server, length: int) -> None:
        self.planner, self.server, self.file, self.now = planner, server, bytearray(length), 0.0
        self.margins: dict[Segment, bytes] = {}

    def step(self) -> None:
        self.now += 1.0
        while (segment := self.planner.next(self.now)) is not None:
            if self.planner.answered(segment, self.server.answer(segment), URL, self.now, 0.0):
                self.margins[segment] = b""
        if self.planner.segments:
            self.receive(self.server.random.choice(self.planner.segments))
        for seam in self.planner.due_seams():
            there = self.file[seam.part.first_pos:seam.part.next_pos]
            assert hashlib.sha256(there).hexdigest() == seam.sha256
            self.planner.matched(seam)

    def receive(self, segment: Segment) -> None:
        block = self.server.block(segment)
        if block is None:
            self.planner.broke(segment, "reset", self.now, 0.0)
            return
        missing = segment.margin.length - len(self.margins[segment])
        self.margins[segment] += block[:missing]
        if 0 < missing <= len(block):
            self.planner.seams.append(Seam(segment.margin, hashlib.sha256(self.margins[segment]).hexdigest()))
        rest = block[missing:]
        first_pos = segment.pos
        claimed = self.planner.claim(segment, len(rest)) if rest else 0
        self.file[first_pos:first_pos + claimed] = rest[:claimed]
        if claimed:
            self.planner.spans.add(ByteRange(first_pos, first_pos + claimed - 1))
        if not block or not segment.ends_early:
            self.planner.ended(segment, self.now, 0.0)


@thorough(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32), length=st.integers(1, 30_000), etag=st.sampled_from(['"a"', 'W/"a"', ""]),
       segments=st.integers(1, 5), slices=st.sampled_from([700, 9_000, 10**9]), cut=st.sampled_from([0.0, 0.05, 0.3]),
       least=st.sampled_from([300, 5000]))
def test_whatever_breaks_the_file_becomes_whole(seed, length, etag, segments, slices, cut, least):
    content = random.Random(seed).randbytes(length)
    in_order = etag == '"a"' or slices > OVERLAP  # else too little could be compared, and it comes in one piece
    planner = Planner(URL, Settings(segments=segments, segment_size=least, worthwhile=0, tries=10**6))
    client = Client(planner, Server(seed, content, etag, slices, cut if in_order else 0.0), length)
    for _ in range(20_000):
        if planner.complete and not planner.seams:
            break
        client.step()
        assert planner.error is None
    assert planner.complete
    assert client.file == content
    assert planner.complete_length == length
    assert planner.generation == 0 or not in_order


@pytest.mark.parametrize(("head", "complete"), [
    (lambda ask: part(ask), True),
    (lambda ask: part(ask, etag='"b"'), False),
    (lambda ask: Head(200, {"etag": '"b"', "content-length": "5"}), False),
])
def test_what_is_all_there_is_shown_to_be_of_today(head, complete):
    planner = Planner(URL, Settings(), State(URL, URL, STRONG, (ByteRange(0, LENGTH - 1),)))
    assert not planner.complete
    segment = planner.next(0.0)
    assert segment.ask.fields["Range"] == f"bytes={LENGTH - RESUMED}-"
    planner.answered(segment, head(segment.ask), URL, 0.0, 0.0)
    planner.ended(segment, 0.0, 0.0)
    assert (planner.complete, planner.error) == (complete, None)


def test_an_empty_file_that_is_all_there():
    empty = STRONG._replace(complete_length=0)
    planner = Planner(URL, Settings(), State(URL, URL, empty))
    planner.answered(planner.next(0.0), Head(416, {"content-range": "bytes */0", "etag": '"a"'}), URL, 0.0, 0.0)
    assert planner.complete


def test_more_bytes_than_the_file_has_are_begun_again():
    planner, segment = begun()
    planner.spans.add(ByteRange(0, LENGTH))
    planner.ended(segment, 0.0, 0.0)
    planner.broke(segment, "reset", 0.0, 0.0)
    assert planner.next(1.0) is None
    assert planner.next(1.0).ask.fields["Range"] == "bytes=0-"


def test_what_lies_behind_an_unvouched_part_is_forgotten():
    """It would never be compared with it."""
    planner = Planner(URL, Settings(), State(URL, URL, STRONG, (ByteRange(0, 99_999), ByteRange(500_000, 999_999))))
    for _ in range(2):
        segment = planner.next(0.0)
        taken = planner.answered(segment, part(segment.ask, 499_999, etag=""), URL, 0.0, 0.0)
    assert taken
    assert list(planner.spans) == [ByteRange(0, 99_999)]


def test_unvouched_parts_that_are_too_short_to_compare_end_the_trust():
    planner = Planner(URL, Settings(), State(URL, URL, Identity(complete_length=LENGTH), (ByteRange(0, 499_999),)))
    segment = planner.next(0.0)
    assert not planner.answered(segment, part(segment.ask, segment.ask.first_pos + 9, etag=""), URL, 0.0, 0.0)
    assert not planner.next(0.0).ask.ranged


def test_a_refused_connection_does_not_make_the_others_wait():
    planner, first = begun(**FORCED)
    planner.answered(planner.next(0.0), Head(429, {"retry-after": "900000"}), URL, 0.0, 0.0)
    assert planner.allowed == 1
    bring(planner, first, LENGTH)
    planner.ended(first, 1.0, 0.0)
    assert planner.next(1.0) is not None


def test_connections_that_fail_together_are_one_failure():
    planner, first = begun(segments=8, **FORCED)
    others = [planner.next(0.0) for _ in range(7)]
    for segment in [first, *others]:
        planner.broke(segment, "refused", 0.0, 1.0)
    assert (planner.error, planner._patience.tries) == (None, 1)


def test_the_address_after_redirects_is_kept_after_a_break():
    planner = Planner(URL, Settings())
    segment = planner.next(0.0)
    planner.answered(segment, part(segment.ask), "http://mirror/f", 0.0, 0.0)
    bring(planner, segment, 1000)
    planner.broke(segment, "reset", 0.0, 0.0)
    assert planner.next(0.0).ask.address == "http://mirror/f"


def test_more_than_a_thousand_failures():
    planner = Planner(URL, Settings(tries=2000))
    for number in range(1500):
        planner.broke(planner.next(100.0 * number), "refused", 100.0 * number, 1.0)
    assert planner.error is None


def test_a_part_instead_of_all_is_not_taken_for_ever():
    planner = Planner(URL, Settings(tries=4))
    planner.answered(planner.next(0.0), Head(416, {}), URL, 0.0, 0.0)
    for _ in range(10):
        segment = planner.next(0.0)
        if segment is None:
            break
        assert not planner.answered(segment, part(segment.ask, 99), URL, 0.0, 0.0)
    assert isinstance(planner.error, NetworkError)


def test_a_tag_that_comes_later_is_remembered():
    planner = Planner(URL, Settings(), State(URL, URL, Identity(complete_length=LENGTH), (ByteRange(0, 99_999),)))
    segment = planner.next(0.0)
    assert planner.answered(segment, part(segment.ask), URL, 0.0, 0.0)
    assert planner.identity.if_range == '"a"'


def test_a_connection_that_has_become_slow_is_slow():
    segment = Segment(Ask(URL), LENGTH - 1, 0.0)
    segment.pos = 900_000
    assert segment.rate(6.0) == pytest.approx(150_000)
    segment.pos = 900_010
    segment.rate(12.0)
    assert segment.rate(13.0) < 10


def test_short_parts_do_not_shorten_what_is_compared_without_validators():
    planner, segment = begun()
    bring(planner, segment, 500_000)
    planner.broke(segment, "reset", 0.0, 0.0)
    segment = planner.next(0.0)
    planner.answered(segment, part(segment.ask, segment.ask.first_pos + 99), URL, 0.0, 0.0)
    planner.broke(segment, "too short", 0.0, 0.0)
    segment = planner.next(0.0)
    assert not planner.answered(segment, part(segment.ask, etag=""), URL, 0.0, 0.0)
    assert planner.next(0.0).ask.first_pos == 500_000 - OVERLAP
