"""What there is of a file, and who fetches what is missing."""

from __future__ import annotations

from .heads import Identity
from .journal import Seam, State
from .segments import Segment
from .spans import Spans


class Holdings:
    """One version of a file, as far as it is there.

    :param url: the address, without what is secret in it.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = url
        self.segments: list[Segment] = []
        self._hold(None)

    def _hold(self, state: State | None) -> None:
        """Have what ``state`` says, or nothing, and nothing under way."""
        self.leave()
        self.identity = None if state is None else state.identity
        self.spans = Spans(() if state is None else state.finished)
        self.seams = list(() if state is None else state.seams)
        self._verified = state is None  # else an answer may be of another version
        self._doubt = False
        self._ranged = False

    def leave(self) -> None:
        """Take nothing more from what is under way."""
        for segment in self.segments:
            segment.alive = False
        self.segments = []

    @property
    def state(self) -> State:
        """What to keep for a later run."""
        return State(self.url, self.address, self.identity or Identity(), tuple(self.spans), tuple(self.seams))

    @property
    def complete_length(self) -> int | None:
        """In bytes; None while it is unknown."""
        return None if self.identity is None else self.identity.complete_length

    @property
    def complete(self) -> bool:
        """Whether all bytes are there, and of a version that an answer of this run has shown to be that of today."""
        return self._verified and not self.segments and self.spans.length == self.complete_length

    def due_seams(self) -> list[Seam]:
        """What can be compared by now. Each must be given back to ``matched`` or ``mismatched``."""
        return [seam for seam in self.seams if self.spans.covers(seam.part)]

    def matched(self, seam: Seam) -> None:
        """The bytes before a segment are those that its answer has there."""
        self.seams.remove(seam)

    @property
    def _divisible(self) -> bool:
        """Whether a further connection is sure to be of the same version."""
        identity = self.identity
        return (identity is not None and identity.complete_length is not None and identity.if_range is not None
                and self._ranged)

    def _gap(self) -> tuple[int, int | None] | None:
        """Missing bytes that nobody fetches; both positions inclusive, the last one None where it is unknown."""
        length = self.complete_length
        if length is None:
            kept = list(self.spans)
            first_pos = kept[0].next_pos if kept and kept[0].first_pos == 0 else 0
            return None if self.segments else (first_pos, None)
        taken = Spans([*self.spans, *(segment.rest for segment in self.segments if segment.rest.length > 0)])
        gap: tuple[int, int] | None = next(iter(taken.gaps(length)), None)
        if gap is None and not self._verified and not self.segments:
            return (length, length - 1)  # nothing is missing: only the bytes in front of that are asked for
        return gap

    def _retire(self, segment: Segment) -> None:
        segment.alive = False
        self.segments = [each for each in self.segments if each.alive]
