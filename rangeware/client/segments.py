"""A stretch of the file that one connection fetches, and how stretches are divided between connections."""

from __future__ import annotations

from collections.abc import Sequence

from ..http.ranges import ByteRange
from .heads import Head
from .verdict import Ask

_UNMEASURED = 0.2  # seconds in which a connection has not shown how fast it is
_LATELY = 5.0  # seconds
_SILENT = 3.0  # seconds without the first byte after which a connection counts as slow


class Segment:
    """The bytes that one answer is to bring.

    :param ask: the request.
    :param last_pos: the last byte wanted, inclusive; None where nobody knows which is the last.
    :param begun: when it was made, in seconds on any clock.
    """

    def __init__(self, ask: Ask, last_pos: int | None, begun: float) -> None:
        self.ask = ask
        self.begun = begun
        self.heard = begun  # when the bytes that are waited for were first waited for
        self.pos = ask.keep_from  # the next byte that comes
        self.last_pos = last_pos  # it shrinks when the segment is divided
        self.framed = False  # whether the end of the content shows without a length
        self.answered = False
        self.alive = True
        self._bounded = False
        self._marks = [(begun, self.pos), (begun, self.pos)]
        self._answer_ends: int | None = None

    def begin(self, part: ByteRange | None, complete_length: int | None, head: Head) -> None:
        """The answer is taken. ``part``: the bytes it brings; None for all, of which there are ``complete_length``."""
        if part is None:
            self.ask = self.ask._replace(first_pos=0, keep_from=0)
            self.pos = 0
            self._marks = [(since, 0) for since, _ in self._marks]
            self.last_pos = None
        self._answer_ends = complete_length - 1 if part is None and complete_length is not None else None
        if part is not None:
            self._answer_ends = part.last_pos
        if self._answer_ends is not None:
            last_pos = self._answer_ends if self.last_pos is None else self.last_pos
            self.last_pos = min(last_pos, self._answer_ends)
        self.framed = head.chunked
        self._bounded = head.chunked or head.content_length is not None
        self.answered = True

    @property
    def margin(self) -> ByteRange:
        """The bytes in front that are only compared; may be none."""
        return ByteRange(self.ask.first_pos, self.ask.keep_from - 1)

    @property
    def rest(self) -> ByteRange:
        """What it is still to bring; to the end of the largest file where nobody knows how much that is."""
        return ByteRange(self.pos, 2**63 if self.last_pos is None else self.last_pos)

    @property
    def ends_early(self) -> bool:
        """Whether bytes are missing, or nobody can tell."""
        return self.last_pos is None or self.pos <= self.last_pos

    @property
    def exhausted(self) -> bool:
        """Whether its answer should have no more bytes, and the server shows that without closing the connection."""
        return self._bounded and self._answer_ends is not None and self.pos > self._answer_ends

    @property
    def brought(self) -> int:
        """How many bytes have come that were missing."""
        return self.pos - self.ask.keep_from

    def exceeded_by(self, length: int) -> bool:
        """Whether so many bytes more are more than the answer said that it has."""
        return self._answer_ends is not None and self.pos + length > self._answer_ends + 1

    def claim(self, length: int) -> int:
        """Take up to so many bytes; how many are wanted."""
        wanted = length if self.last_pos is None else max(0, min(length, self.last_pos + 1 - self.pos))
        self.pos += wanted
        return wanted

    def rate(self, now: float) -> float | None:
        """Bytes per second, lately; None as long as that says nothing."""
        if now - self._marks[1][0] >= _LATELY:
            self._marks = [self._marks[1], (now, self.pos)]
        since, pos = self._marks[0]
        if self.brought:
            return (self.pos - pos) / (now - since) if now - since > _UNMEASURED else None
        return 0.0 if now - since > _SILENT else None


def divide(segments: Sequence[Segment], least: int, worthwhile: float, now: float) -> ByteRange | None:
    """Take from the segment that needs the longest what a further connection can do meanwhile; None if nothing pays.

    :param least: bytes that a connection is worth.
    :param worthwhile: seconds that must be saved; 0 divides at once.
    """
    rates = [segment.rate(now) for segment in segments]
    usual = max((rate for rate in rates if rate), default=0.0 if worthwhile else 1.0)
    best, best_saved, best_kept = None, worthwhile, 0
    for segment, rate in zip(segments, rates, strict=True):
        left = segment.rest.length
        own = usual if rate is None else rate
        kept = int(left * own / (own + usual)) if usual else left
        saved = (left - kept) / own if own else float("inf")
        if left - kept >= least and saved >= best_saved:
            best, best_saved, best_kept = segment, saved, kept
    if best is None or best.last_pos is None:
        return None
    part = ByteRange(best.pos + best_kept, best.last_pos)
    best.last_pos = part.first_pos - 1
    best.alive = best_kept > 0
    return part
