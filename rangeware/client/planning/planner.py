"""The planner: which bytes to ask for next, and what to do about everything that happens.

The engine asks ``next_fetch`` what to do, and reports what came of it: ``on_head``, then ``claim`` for each block of
content, then ``on_end`` or ``on_failure``. Time and chance come as arguments.

A request for a range that does not begin at byte 0 also asks for some bytes before the missing ones, the *overlap*.
They are compared with the bytes that are there, since servers and caches do send other bytes than they say. How many
depends on whether a strong validator vouches for the version: see
``UNVERIFIED_OVERLAP``, ``VERIFIED_OVERLAP`` and ``RESUMED_OVERLAP``.
"""

from __future__ import annotations

from ...http.ranges import ByteRange
from ..errors import ChangedError, NetworkError, TransferError
from ..options import DownloadOptions
from .assessment import Assessment, Outcome, RangeRequest, assess
from .range_fetch import RangeFetch, divide
from .rangeset import RangeSet
from .response_head import FileVersion, ResponseHead
from .retry import RetryPolicy
from .state import DownloadState, OverlapCheck, SavedState

UNVERIFIED_OVERLAP = 65536
"""Bytes of overlap where no strong validator vouches for the version: the overlap alone has to."""

VERIFIED_OVERLAP = 4096
"""Bytes of overlap where one does: a server may still send another slice than it says."""

RESUMED_OVERLAP = 16384
"""Bytes of overlap at the first request of a new run: a date as validator tells versions apart by a second only."""

_MOST_CHANGES = 5  # new versions in one run
_OVERDUE = 3  # times the longest silence: connecting, redirects, and a head that comes byte by byte


class Planner:
    """Plans one download.

    :param url: the URL asked for, without what is secret in it.
    :param saved: the state that an earlier run has left.

    :ivar state: the bytes that are there, and the requests under way. The engine adds each block that it has written
        to ``state.finished``, taken before the write: after a restart it must not count for the new part file.
    :ivar generation: grows when the download starts again, in a new part file.
    :ivar allowed: connections at once, at most.
    :ivar error: why the download cannot go on; None as long as it can.
    :ivar notices: events for the caller, as in ``Progress``: (event, text).
    """

    def __init__(self, url: str, options: DownloadOptions, saved: SavedState | None = None) -> None:
        self.state = DownloadState(url)
        self.generation = 0
        self.changes = 0
        self.allowed = options.segments
        self.error: TransferError | None = None
        self.notices: list[tuple[str, str]] = []
        self._options = options
        self._retry = RetryPolicy(options)
        self._without_ranges = False  # ask for the whole file, since ranges are not to be had or not to be trusted
        self._seen: FileVersion | None = None
        self._mismatches = 0
        self._is_end_unsure = False  # a response of unknown length has ended: at the end of the file, or broken off?
        self._longest_overlap = RESUMED_OVERLAP
        if saved is not None:
            self.resume(saved)

    def resume(self, saved: SavedState) -> None:
        """Resume from a saved state. The first response must show that the file is still of this version."""
        self.state.reset(saved)
        self._seen = saved.version
        self.state.address = saved.address
        self._retry.note_progress(self.state.finished.length)

    # what to ask for

    def next_fetch(self, now: float) -> RangeFetch | None:
        """Return bytes to ask for now, with a connection of their own; None if there is nothing to do now."""
        state = self.state
        self._retry.note_progress(state.finished.length)
        is_full = len(state.fetches) >= self._most_connections()
        must_wait = self._retry.must_wait(now, further=bool(state.fetches))
        if self.error is not None or state.is_complete or is_full or must_wait:
            return None
        part = state.next_gap()
        if part is None and state.is_divisible:
            part = divide(state.fetches, self._options.segment_size, self._options.worthwhile, now)
        if part is None:
            if not state.fetches:
                self._restart_changed("the bytes in the part file do not fit the file")
            return None
        fetch = RangeFetch(self._request(*part), None if self._without_ranges else part[1], now)
        state.fetches = [each for each in state.fetches if each.alive]
        state.fetches.append(fetch)
        return fetch

    def _most_connections(self) -> int:
        state = self.state
        is_uncertain = (state.needs_long_overlap or self._without_ranges or self._is_end_unsure or self._retry.tries
                        or not state.is_verified)
        return self.allowed if state.is_divisible and not is_uncertain else 1

    def _overlap_length(self, first_pos: int, length: int) -> int:
        """The bytes of overlap before ``first_pos``, at most ``length``: those that are there or will be."""
        if length < UNVERIFIED_OVERLAP:  # where no validator vouches, short responses do not make the overlap shorter
            length = min(length, self._longest_overlap)
        return min(length, self.state.finished.length_before(first_pos) or first_pos)

    def _request(self, first_pos: int, last_pos: int | None) -> RangeRequest:
        state = self.state
        if self._without_ranges:
            return RangeRequest(state.address, ranged=False)
        if_range = None if state.version is None else state.version.if_range
        vouched = VERIFIED_OVERLAP if state.is_verified else RESUMED_OVERLAP
        is_unvouched = if_range is None or state.needs_long_overlap
        overlap = self._overlap_length(first_pos, UNVERIFIED_OVERLAP if is_unvouched else vouched)
        to_the_end = last_pos is None or last_pos + 1 == state.complete_length
        return RangeRequest(state.address, first_pos - overlap, first_pos, None if to_the_end else last_pos, if_range)

    def overdue(self, now: float) -> list[RangeFetch]:
        """The requests that have been silent for too long, in a head or between bytes that never end."""
        longest = _OVERDUE * self._options.stall
        return [each for each in self.state.fetches if now - each.heard_at > longest]

    # what to make of a response

    def on_head(self, fetch: RangeFetch, head: ResponseHead, address: str, now: float, jitter: float) -> bool:
        """Handle the head of a response. True if its content is to be read, and written for this fetch.

        :param address: the URL that answered, after redirects.
        :param jitter: a random number from 0 to 1.
        """
        if not fetch.alive:
            return False
        state = self.state
        request = fetch.request
        needed = self._overlap_length(request.new_from, UNVERIFIED_OVERLAP)
        enough = len(state.fetches) == 1 and fetch.overlap.length >= needed
        known = None if self._without_ranges else state.version
        assessment = assess(request, known, head, seen=self._seen, enough=enough)
        if assessment.outcome in (Outcome.ACCEPT, Outcome.COMPLETE):
            return self._accept(fetch, assessment, head, address)
        if len(state.fetches) > 1:
            reason = assessment.reason or "the server sends all of the file"
            self.on_failure(fetch, reason, now, jitter, head.retry_after)
            return False
        return self._handle_alone(fetch, assessment, head, address, now, jitter)

    def _accept(self, fetch: RangeFetch, assessment: Assessment, head: ResponseHead, address: str) -> bool:
        if assessment.outcome is Outcome.COMPLETE:
            return self._finish_complete(fetch)
        state, part = self.state, assessment.part
        found = head.version()
        if self._without_ranges and state.finished.length:
            self._restart(fetch)
        if state.version is None or self._without_ranges:
            state.version = self._seen = found
        elif not self._continue(fetch, found, part):
            return False
        state.address = address
        state.serves_ranges = part is not None
        state.is_verified = True
        fetch.start(part, state.complete_length, head)
        return True

    def _continue(self, fetch: RangeFetch, found: FileVersion, part: ByteRange | None) -> bool:
        """Continue the file that was begun with an accepted response. False if that brings nothing."""
        state, request = self.state, fetch.request
        known = state.version or found
        vouched = known.is_vouched_for_by(found)
        if not vouched:  # bytes behind this part would never be compared with it: fetch them again
            state.finished = RangeSet(each for each in state.finished if each.last_pos < request.new_from)
            state.checks = [check for check in state.checks if check.part.last_pos < request.new_from]
        state.version = known.completed_by(found)
        if part is not None and part.last_pos < request.new_from and part.next_pos != state.complete_length:
            # The part is so short that the overlap is all of it.
            self._longest_overlap = max(1, part.length // 2)
            self._without_ranges = not vouched
        if self._without_ranges:
            state.retire(fetch)
        return not self._without_ranges

    def _finish_complete(self, fetch: RangeFetch) -> bool:
        state = self.state
        state.version = (state.version or FileVersion())._replace(complete_length=fetch.request.new_from)
        state.is_verified = True
        state.retire(fetch)
        return False

    def _handle_alone(
        self, fetch: RangeFetch, assessment: Assessment, head: ResponseHead, address: str, now: float, jitter: float
    ) -> bool:
        """Handle a response that does not continue the file, while no other request is under way."""
        outcome, reason = assessment.outcome, assessment.reason
        if outcome is Outcome.RESTART:
            return self._restart_whole(fetch, reason, head, address)
        state = self.state
        state.retire(fetch)
        if outcome is Outcome.CHANGED:
            self._restart_changed(reason)
        elif outcome is Outcome.UNVERIFIED and not state.needs_long_overlap:
            state.needs_long_overlap = True
        elif outcome is Outcome.NO_RANGES and not self._without_ranges:
            self._without_ranges = True
        elif outcome is Outcome.FAIL:
            self.error = NetworkError(reason)
        elif outcome is Outcome.RETRY_ORIGINAL_URL and state.address != state.url:
            state.address = state.url
        else:
            self._retry_later(assessment, now, jitter, head.retry_after)
        return False

    def _restart_whole(self, fetch: RangeFetch, difference: str, head: ResponseHead, address: str) -> bool:
        """Accept a response with the whole file, into a new part file: the old one may be all that we ever get."""
        has_no_end = head.content_length is None and not head.is_chunked
        if self._is_end_unsure and not self._options.sha256 and has_no_end:
            self.state.retire(fetch)
            self.error = NetworkError("the server sends no Content-Length: nobody can tell if the file is complete")
            return False
        if difference:
            self._restart_changed(difference)
        if self.error is not None:
            return False
        self._restart(fetch)
        self.state.version = self._seen = head.version()
        self.state.address = address
        fetch.start(None, self.state.complete_length, head)
        return True

    def claim(self, fetch: RangeFetch, length: int) -> int:
        """Return how many of the next ``length`` bytes of a response are to be written; 0 ends it."""
        if not fetch.alive:
            return 0
        if fetch.is_exceeded_by(length):
            self._stop_trusting_ranges("the server sends more bytes than it says")
            return 0
        return fetch.claim(length)

    def on_end(self, fetch: RangeFetch, now: float, jitter: float) -> None:
        """Handle the end of a response: its content has ended, or all wanted bytes have come."""
        if not fetch.alive:
            return
        state = self.state
        if not fetch.is_incomplete:
            state.retire(fetch)
            if not fetch.new_bytes and not state.is_complete:
                nothing_new = Assessment(Outcome.UNUSABLE, "a response without any missing byte")
                self._retry_later(nothing_new, now, jitter, 0)
        elif fetch.last_pos is None and self._is_end_of_file(fetch):
            state.retire(fetch)
            state.version = (state.version or FileVersion())._replace(complete_length=fetch.pos)
        else:
            self._is_end_unsure = self._is_end_unsure or fetch.last_pos is None
            self.on_failure(fetch, "the connection was closed early", now, jitter)

    def _is_end_of_file(self, fetch: RangeFetch) -> bool:
        """True if the end of a response of unknown length may count as the end of the file.

        A response without any content may also be what remains of a head that was cut off, and one that is shorter
        than what has come before is not complete.
        """
        is_judged_by_digest = self._is_end_unsure and self._options.sha256 is not None
        is_allowed = self._options.allow_unknown_length or is_judged_by_digest
        return fetch.is_framed or (is_allowed and fetch.pos >= self._retry.best and fetch.pos > 0)

    # what to do about failures

    def on_failure(
        self, fetch: RangeFetch, reason: str, now: float, jitter: float, retry_after: float = 0, *,
        permanent: bool = False,
    ) -> None:
        """Handle a request that failed, or a response that broke off or is of no use.

        :param retry_after: seconds that the server asks for.
        :param permanent: True if it would fail again: a bad certificate, a malformed URL.
        """
        if not fetch.alive:
            return
        state = self.state
        state.retire(fetch)
        if state.fetches and not fetch.new_bytes:
            self._allow_fewer(reason)
        if not fetch.new_bytes:
            state.address = state.url  # the one after redirects may be signed, or of a server that is gone
        if permanent and not state.fetches:
            self.error = NetworkError(reason)
        else:
            is_useless = fetch.answered and not fetch.new_bytes
            outcome = Outcome.UNUSABLE if is_useless else Outcome.RETRY
            self._retry_later(Assessment(outcome, reason), now, jitter, retry_after)

    def _retry_later(self, assessment: Assessment, now: float, jitter: float, retry_after: float) -> None:
        is_other_file = assessment.outcome is Outcome.NOT_THE_FILE
        error = ChangedError if is_other_file else NetworkError
        self._delay_or_give_up(assessment.reason, now, jitter, retry_after, error)
        if assessment.outcome in (Outcome.UNUSABLE, Outcome.NOT_THE_FILE):
            self._without_ranges = self._without_ranges or self._retry.is_half_spent

    def _delay_or_give_up(
        self, reason: str, now: float, jitter: float, retry_after: float, kind: type[TransferError]
    ) -> None:
        self._retry.note_progress(self.state.finished.length)
        if self.state.fetches:
            self._retry.delay_further(now, jitter, retry_after)
            return
        has_ended, text = self._retry.fail(reason, now, jitter, retry_after)
        if has_ended:
            self.error = kind(text)
        else:
            self.notices.append(("retry", text))

    def _allow_fewer(self, reason: str) -> None:
        self.allowed = min(self.allowed, max(1, len(self.state.fetches)))
        connections = f"{self.allowed} connection{'s' if self.allowed > 1 else ''}"
        self.notices.append(("fewer", f"{reason}; continuing with {connections}"))

    # when the bytes are of another version

    def on_match(self, check: OverlapCheck) -> None:
        """Note that the bytes of an overlap are those in the part file."""
        self.state.checks.remove(check)

    def on_mismatch(self, check: OverlapCheck) -> None:
        """Start again: the file is another version, or the server sends other bytes than it says."""
        self._mismatches += 1
        reason = f"bytes {check.part.first_pos} to {check.part.last_pos} are not the same as before"
        if self._mismatches > 1:
            self._stop_trusting_ranges(reason)
        else:
            self._restart_changed(reason)

    def _stop_trusting_ranges(self, reason: str) -> None:
        """Start again without ranges: the bytes of one response are of one version."""
        self._without_ranges = True
        self._restart_changed(reason)

    def _restart_changed(self, reason: str) -> None:
        self.changes += 1
        if self.changes > _MOST_CHANGES:
            self.error = ChangedError(f"the file keeps changing: {reason}")
            return
        self._retry.start_again()
        self.notices.append(("changed", f"{reason}; starting again"))
        self._restart(None)
        self.state.address = self.state.url

    def _restart(self, fetch: RangeFetch | None) -> None:
        """Start again with nothing, in a new part file; ``fetch`` goes on and brings its first bytes."""
        self.generation += 1
        self.state.reset(None)
        if fetch is not None:
            fetch.alive = True
            self.state.fetches = [fetch]
