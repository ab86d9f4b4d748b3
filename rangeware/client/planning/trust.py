"""Trust in the server's ranges, and what is asked for accordingly.

A request that does not begin at byte 0 also asks for some bytes before the missing ones, the *overlap*. They are
compared with the bytes that are there, since servers and caches do send other bytes than they say. How many depends on
what else vouches for the version, and on what this server has done so far: see ``Trust``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import Enum

from ...http.dates import EPOCH, parse_http_date
from .assessment import RangeRequest
from .response_head import FileVersion, ResponseHead
from .state import DownloadState, OverlapCheck

UNVERIFIED_OVERLAP = 65536
"""Bytes of overlap where no strong validator vouches for the version: the overlap alone has to."""

VERIFIED_OVERLAP = 4096
"""Bytes of overlap where one does: a server may still send another slice than it says."""

RESUMED_OVERLAP = 16384
"""Bytes of overlap at the first request of a new run: a date as validator tells versions apart by a second only."""

WIDEST_OVERLAP = 1 << 20
"""Bytes of overlap at most, where shorter ones prove nothing."""

_WIDER = 16  # times as many bytes
_SHORTER = 64  # times: what remains at the end may be as little as a few bytes
_MOST_LOOKS = 3  # times that a file is looked at once more before it counts as changed
_NEAR = timedelta(minutes=1)  # dates of the copies of a file in a cluster
_LEAST_PROOF = 16  # bytes


class Comparison(Enum):
    """The outcome of comparing an overlap with the bytes in the part file."""

    DIFFERENT = "the bytes are not the same"
    UNPROVEN = "they are, but bytes that repeat are the same elsewhere, too"
    PROVEN = "they are, and show that the response begins where it says"


def proves(block: bytes) -> bool:
    """True if bytes that are the same as these come from the same place in the file.

    Not if they repeat with a period of half their length or less, as zeros do: then a slice from a little further on is
    the same. A period shows in that the first half occurs once more: the first place at which it does is the shortest
    period, or there is none.
    """
    half = len(block) // 2
    period = block.find(block[:half], 1, 2 * half)
    return len(block) >= _LEAST_PROOF and (period < 0 or block[period:] != block[:-period])


class Trust:
    """Keeps what one run has learned of the server's ranges.

    :param has_digest: True if the caller knows the digest of the file, which decides in the end.

    :ivar without_ranges: True if the whole file is to be asked for: ranges are not to be had, or not to be trusted.
    :ivar begins_plain: True if a request for the bytes from 0 on is made without Range.
    :ivar needs_long_overlap: True once a response came without the validator that was asked for.
    :ivar without_if_range: True if requests have no If-Range, since the server does not seem to understand it.
    """

    def __init__(self, *, has_digest: bool) -> None:
        self.has_digest = has_digest
        self.without_ranges = False
        self.begins_plain = False
        self._longest = WIDEST_OVERLAP
        self.forget_version()

    def forget_version(self) -> None:
        """Forget what concerned one version only: the download starts again."""
        self.needs_long_overlap = False
        self.without_if_range = False
        self._looks = 0  # in a row, after the file seemed to have changed

    # what to ask for

    def request(self, state: DownloadState, first_pos: int, last_pos: int | None) -> RangeRequest:
        """The request for these missing bytes, both positions inclusive; None for all that follow."""
        if self.without_ranges or (self.begins_plain and not first_pos):
            return RangeRequest(state.address, ranged=False)
        if_range = None if state.version is None or self.without_if_range else state.version.if_range
        overlap = self._overlap_length(state, first_pos)
        if last_pos is not None and last_pos < first_pos != state.complete_length:
            overlap = min(overlap, first_pos - 1)  # of bytes from 0 on, a server that lies seldom sends other ones
        to_the_end = last_pos is None or last_pos + 1 == state.complete_length
        return RangeRequest(state.address, first_pos - overlap, first_pos, None if to_the_end else last_pos, if_range)

    def _overlap_length(self, state: DownloadState, first_pos: int) -> int:
        vouched = VERIFIED_OVERLAP if state.is_verified else RESUMED_OVERLAP
        is_short = self._is_vouched(state) and not self.without_if_range
        usual = vouched if is_short else UNVERIFIED_OVERLAP
        return _available(state, first_pos, min(max(usual, state.widened.get(first_pos, 0)), self._most(state)))

    def _most(self, state: DownloadState) -> int:
        return self._longest if self.accepts_unproven(state) else WIDEST_OVERLAP

    def long_overlap(self, state: DownloadState, first_pos: int) -> int:
        """The bytes of overlap that suffice where no strong validator vouches for the version."""
        most = self._longest if self.has_digest else UNVERIFIED_OVERLAP
        return _available(state, first_pos, min(UNVERIFIED_OVERLAP, most))

    def _is_vouched(self, state: DownloadState) -> bool:
        return state.version is not None and state.version.if_range is not None and not self.needs_long_overlap

    # what came of it

    def shorten(self, state: DownloadState, length: int) -> None:
        """Ask for at most ``length`` bytes of overlap where something else vouches: longer ones leave no progress."""
        self._longest = min(self._longest, length)
        state.widened = {seam: min(wanted, self._most(state)) for seam, wanted in state.widened.items()}

    def note_brought(self, length: int) -> None:
        """Allow a longer overlap again, after a response that brought new bytes: up to half of what it sent.

        :param length: bytes that it sent, overlap included.
        """
        self._longest = max(self._longest, min(length // 2, WIDEST_OVERLAP))

    def note_useless(self, state: DownloadState, length: int) -> None:
        """Note that once more a response with ``length`` bytes of overlap has broken off before the first new byte."""
        self.shorten(state, length // _SHORTER)

    def can_shorten(self, state: DownloadState, length: int) -> bool:
        """True if a response with less than these bytes of overlap may bring what is missing."""
        return length > 0 and self.accepts_unproven(state)

    def note_continued(self, *, vouched: bool) -> None:
        """Note that a response continues the file; ``vouched``: it has the strong validator of this version."""
        self._looks = 0
        self.needs_long_overlap = self.needs_long_overlap or not vouched

    def looks_again(self, request: RangeRequest, state: DownloadState, head: ResponseHead) -> bool:
        """True if to look at the file once more, without If-Range, before it counts as changed.

        Some servers do not understand an entity tag in If-Range, and send the whole file. In a cluster, the next node
        may support ranges, or have the entity tag that was begun with.
        """
        known, found = state.version, head.version()
        has_ranges = state.serves_ranges or not state.is_verified or "bytes" in head.fields.get("accept-ranges", "")
        if known is None or not request.ranged or not request.new_from or not has_ranges or self._looks >= _MOST_LOOKS:
            return False
        is_as_long = known.complete_length == found.complete_length or found.complete_length is None
        if not known.is_vouched_for_by(found) and not (is_as_long and (self.has_digest or _are_near(known, found))):
            return False
        self._looks += 1
        self.without_if_range = True
        return True

    def prove(self, state: DownloadState, check: OverlapCheck) -> bool:
        """Look for a better proof after a comparison that proved nothing. False if the download has to start again.

        A longer overlap is asked for, as long as there are more bytes. Before the first missing byte has come, the
        request is made again. An overlap that begins at byte 0 then proves as much as a download that starts again
        there. Later, where two connections have met, the overlap alone is asked for: that proves that ranges of this
        place are true, unless it begins at byte 0.
        """
        seam = check.part.next_pos
        ours = [each for each in state.fetches if each.request.new_from == seam and not each.new_bytes]
        is_first = seam == state.complete_length or any(not each.is_check for each in ours)
        wider = self._wider(state, check, 0 if is_first else 1)
        if wider:
            state.widened[seam] = wider
            for fetch in ours:
                state.retire(fetch)
                state.checks = [each for each in state.checks if each != check]
            return True
        is_accepted = is_first if check.part.first_pos <= 1 else self.accepts_unproven(state)
        if is_accepted:
            state.settle(check)
        else:
            self.begins_plain = True
        return is_accepted

    def _wider(self, state: DownloadState, check: OverlapCheck, start: int) -> int:
        """The bytes of overlap to ask for next, from ``start`` on at the earliest; 0 if there can be no more."""
        length, seam = check.part.length, check.part.next_pos
        wanted = _available(state, seam, min(_WIDER * length, self._most(state), seam - start))
        return wanted if wanted > length else 0

    def accepts_unproven(self, state: DownloadState) -> bool:
        """True if an overlap may prove nothing, since something else vouches: a strong validator, or the digest."""
        return self._is_vouched(state) or self.has_digest

    def ask_otherwise(self, state: DownloadState, *, is_repeated: bool, may_do_without_ranges: bool) -> None:
        """Leave out a field that the server may be refusing: half of the tries have failed.

        As long as nothing has come at all, each second request is made without Range.

        :param is_repeated: True if more than one try has failed: a single one may be a break like any other.
        """
        if state.version is None:
            self.begins_plain = is_repeated and not self.begins_plain
        elif is_repeated and state.version.if_range is not None and not self.without_if_range:
            self.without_if_range = True
        elif may_do_without_ranges:
            self.without_ranges = True

    def lose(self, version: FileVersion | None) -> None:
        """Note that an overlap was not the same as before.

        Under a strong validator the ranges lie, and those from byte 0 on may lie as well: from now on only the response
        to a request without Range can be trusted. Without one the file has probably changed. Then it is fetched that
        way too, but if this breaks off, its bytes are there to be compared with.
        """
        is_strong = version is not None and version.if_range is not None
        self.without_ranges = self.without_ranges or self.begins_plain or is_strong
        self.begins_plain = True


def _available(state: DownloadState, first_pos: int, length: int) -> int:
    """Return at most ``length``: as many bytes before ``first_pos`` as are there or will be."""
    return min(length, state.finished.length_before(first_pos) or first_pos)


def _are_near(known: FileVersion, found: FileVersion) -> bool:
    """True unless the dates are too far from each other to be those of copies of one file."""
    now = EPOCH.replace(year=2000)
    one, other = (parse_http_date(each.last_modified or "", now) for each in (known, found))
    return one is None or other is None or abs(one - other) <= _NEAR
