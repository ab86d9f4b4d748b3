"""The state of a download: the bytes that are there, their version, and the requests for the rest.

``DownloadState`` is what the planner works on. ``SavedState`` is the part of it that outlives the process: the journal
beside the part file holds it as text.
"""

from __future__ import annotations

from typing import NamedTuple

from ...http.ranges import ByteRange
from ..digests import Digest
from .range_fetch import RangeFetch
from .rangeset import RangeSet
from .response_head import FileVersion


class OverlapCheck(NamedTuple):
    """The overlap as one response sent it: its range, and the SHA-256 of its bytes.

    The bytes in the part file at that place come from another response, or will. If they have another SHA-256, the two
    responses are not of the same version, whatever their heads say.
    """

    part: ByteRange
    sha256: str


class SavedState(NamedTuple):
    """A part file, as a later run has to know it.

    :param url: the URL asked for, without what is secret in it.
    :param address: the URL that answered, after redirects.
    :param version: the version of the file that the bytes are of.
    :param finished: the bytes that are there.
    :param checks: the comparisons that are still to be made.
    :param digest: the digest of the complete file, if the caller or the server has given one.
    """

    url: str
    address: str
    version: FileVersion
    finished: tuple[ByteRange, ...] = ()
    checks: tuple[OverlapCheck, ...] = ()
    digest: Digest | None = None


class DownloadState:
    """One version of a file, as far as it is there, and who fetches the rest.

    :param url: the URL asked for, without what is secret in it.

    :ivar address: the URL to ask, which a redirect may have changed.
    :ivar slowest_answer: the seconds that the slowest response has taken to begin.
    :ivar fetches: the requests under way.
    :ivar version: the version that was begun; None before the first response.
    :ivar finished: the bytes that are in the part file.
    :ivar checks: the comparisons that are still to be made.
    :ivar widened: the bytes of overlap wanted where shorter ones proved nothing, by the position after them.
    :ivar is_verified: False as long as the bytes of an earlier run may be of another version than today's file.
    :ivar serves_ranges: True if the last accepted response was a 206.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = url
        self.slowest_answer = 0.0
        self.fetches: list[RangeFetch] = []
        self.reset(None)

    def reset(self, saved: SavedState | None) -> None:
        """Start from a saved state, or from nothing, with no request under way."""
        self.abandon_fetches()
        self.version = None if saved is None else saved.version
        self.finished = RangeSet(() if saved is None else saved.finished)
        self.checks = list(() if saved is None else saved.checks)
        self.widened: dict[int, int] = {}
        self.is_verified = saved is None
        self.serves_ranges = False

    def abandon_fetches(self) -> None:
        """Take nothing more from the requests under way."""
        for fetch in self.fetches:
            fetch.alive = False
        self.fetches = []

    def retire(self, fetch: RangeFetch) -> None:
        """Take nothing more from this request."""
        fetch.alive = False
        self.fetches = [each for each in self.fetches if each.alive]

    @property
    def saved(self) -> SavedState:
        """The state to keep for a later run."""
        return SavedState(self.url, self.address, self.version or FileVersion(), tuple(self.finished),
                          tuple(self.checks))

    @property
    def complete_length(self) -> int | None:
        """In bytes; None while it is unknown."""
        return None if self.version is None else self.version.complete_length

    @property
    def is_complete(self) -> bool:
        """True if all bytes are there, of the version that a response of this run has shown to be today's."""
        return self.is_verified and not self.fetches and self.finished.length == self.complete_length

    def due_checks(self) -> list[OverlapCheck]:
        """The comparisons whose bytes are all there, and which may prove something."""
        return [check for check in self.checks if self.finished.covers(check.part) and not self._is_too_short(check)]

    def _is_too_short(self, check: OverlapCheck) -> bool:
        return check.part.length < self.widened.get(check.part.next_pos, 0)

    def next_recheck(self) -> tuple[int, int] | None:
        """The next seam to be compared over more bytes, as an empty range that begins there."""
        short = [check for check in self.checks if self._is_too_short(check)]
        asked = {each.request.new_from for each in self.fetches}
        asked |= {check.part.next_pos for check in self.checks if check not in short}
        seams = (check.part.next_pos for check in short)
        return next(((seam, seam - 1) for seam in seams if seam not in asked), None)

    def settle(self, check: OverlapCheck) -> None:
        """Drop a comparison that has been made, and those that it was made for."""
        is_widened = self.widened.pop(check.part.next_pos, None) is not None
        seam = check.part.next_pos if is_widened else None
        self.checks = [each for each in self.checks if each != check and each.part.next_pos != seam]

    @property
    def is_divisible(self) -> bool:
        """True if a further connection is sure to bring bytes of the same version."""
        version = self.version
        return (version is not None and version.complete_length is not None and version.if_range is not None
                and self.serves_ranges)

    def next_gap(self) -> tuple[int, int | None] | None:
        """The first missing bytes that nobody fetches; both positions inclusive, the last None while it is unknown."""
        length = self.complete_length
        if length is None:
            kept = list(self.finished)
            first_pos = kept[0].next_pos if kept and kept[0].first_pos == 0 else 0
            return None if self.fetches else (first_pos, None)
        taken = RangeSet([*self.finished, *(each.remaining for each in self.fetches if each.remaining.length > 0)])
        gap: tuple[int, int] | None = next(iter(taken.gaps(length)), None)
        if gap is None and not self.is_verified and not self.fetches:
            return (length, length - 1)  # nothing is missing: ask for the overlap alone, to learn today's version
        return gap
