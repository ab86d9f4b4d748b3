"""The planner: which bytes to ask for next, and what to do about everything that happens.

The engine asks ``next_fetch`` what to do, and reports what came of it: ``on_head``, then ``claim`` for each block of
content, then ``on_end`` or ``on_failure``. Time and chance come as arguments. Whether a request has Range, and how many
bytes it asks for once more, to be compared, is up to ``trust``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...http.ranges import ByteRange
from ..errors import ChangedError, DigestError, NetworkError, TransferError
from ..filenames import file_name
from ..options import DownloadOptions
from .assessment import Assessment, Outcome, assess
from .dialects import translate
from .pieces import PieceCheck, PieceChecks
from .range_fetch import RangeFetch, overdue, share, unanswered
from .rangeset import RangeSet
from .response_head import FileVersion, ResponseHead
from .retry import RetryPolicy
from .state import DownloadState, OverlapCheck, SavedState
from .trust import Comparison, Trust

_MOST_CHANGES = 5  # new versions in one run


class Planner:
    """Plans one download.

    :param url: the URL asked for, without what is secret in it.
    :param saved: the state that an earlier run has left.

    :ivar urls: the addresses that the file may be fetched from, without what is secret in them; this one first.
    :ivar state: the bytes that are there, and the requests under way. The engine adds each block that it has written
        to ``state.finished``, taken before the write: after a restart it must not count for the new part file.
    :ivar generation: grows when the download starts again, in a new part file.
    :ivar allowed: connections at once, at most.
    :ivar error: why the download cannot go on; None as long as it can.
    :ivar notices: events for the caller, as in ``Progress``: (event, text).
    """

    def __init__(self, url: str, options: DownloadOptions, saved: SavedState | None = None) -> None:
        self.urls: Sequence[str] = (url,)
        self.state = DownloadState(url)
        self.generation = 0
        self.changes = 0
        self.allowed = options.connections
        self.error: TransferError | None = None
        self.notices: list[tuple[str, str]] = []
        self._options = options
        self._retry = RetryPolicy(options)
        self._trust = Trust(has_digest=options.digest is not None)
        self._pieces = PieceChecks(options.pieces)
        self._wrong_pieces = 0
        self._seen: FileVersion | None = None
        self._is_end_unsure = False  # a response of unknown length has ended: at the end of the file, or broken off?
        if saved is not None:
            self.resume(saved)

    def resume(self, saved: SavedState) -> None:
        """Resume from a saved state. The first response must show that the file is still of this version."""
        self.state.reset(saved)
        self._seen = saved.version
        self.state.address = saved.address
        self._retry.note_progress(self.state.finished.length)

    @property
    def is_mixed(self) -> bool:
        """True if several addresses have sent a part of the file."""
        return False

    # what to ask for

    def next_fetch(self, now: float) -> RangeFetch | None:
        """Return bytes to ask for now, with a connection of their own; None if there is nothing to do now."""
        state = self.state
        self.drop_unanswered(now)
        self._retry.note_progress(state.finished.length)
        is_full = len(state.fetches) >= self._most_connections()
        must_wait = self.wait_left(now) > 0
        part = state.next_gap() or state.next_recheck()
        if self.error is not None or is_full or must_wait or (state.is_complete and part is None):
            return None
        silent = None
        if part is None and state.is_divisible:
            part, silent = share(state.fetches, self._options, now)
        if part is None:
            if not state.fetches:
                self._restart_changed("the bytes in the part file do not fit the file")
            return None
        request = self._trust.request(state, *part)
        fetch = RangeFetch(request, part[1] if request.ranged else None, now, state.slowest_answer, silent)
        state.fetches = [each for each in state.fetches if each.alive]
        state.fetches.append(fetch)
        return fetch

    def wait_left(self, now: float) -> float:
        """Return the seconds until the next request may go out, 0 for none."""
        return self._retry.wait_left(now, further=bool(self.state.fetches))

    def drop_unanswered(self, now: float) -> None:
        """Stop further connections that get no answer, unless another one may still take their bytes.

        Some servers answer one connection after the other. The bytes are left to those that are answered, or to one
        that is opened when all others have been closed.
        """
        dropped = unanswered(self.state.fetches, self.allowed, now) if self.state.is_divisible else []
        for fetch in dropped:
            self.state.retire(fetch)
        if dropped:
            self._retry.delay(now, 1.0, 0.0)  # the server has to notice that they are closed
            self._allow_fewer("no answer to a further connection")

    def _most_connections(self) -> int:
        state = self.state
        is_uncertain = (self._trust.needs_long_overlap or self._trust.without_ranges or self._is_end_unsure
                        or self._retry.tries or not state.is_verified)
        return self.allowed if state.is_divisible and not is_uncertain else 1

    def overdue(self, now: float) -> list[RangeFetch]:
        """The requests that have been silent for too long, in a head or between bytes that never end."""
        return overdue(self.state.fetches, self._options, now)

    # what to make of a response

    def on_head(self, fetch: RangeFetch, head: ResponseHead, address: str, now: float, jitter: float) -> bool:
        """Handle the head of a response. True if its content is to be read, and written for this fetch.

        :param address: the URL that answered, after redirects.
        :param jitter: a random number from 0 to 1.
        """
        if not fetch.alive:
            return False
        state = self.state
        state.slowest_answer = max(state.slowest_answer, now - fetch.heard_at)
        request = fetch.request
        needed = self._trust.long_overlap(state, request.new_from)
        enough = len(state.fetches) == 1 and fetch.overlap.length >= needed
        known = state.version if request.ranged else None
        head = translate(request, known, head)
        assessment = assess(
            request, known, head, seen=self._seen, enough=enough, has_digest=self._trust.has_digest,
            decode=self._options.decode,
            names=[file_name(head.fields.get("content-disposition"), address), file_name(None, state.url)])
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
        if not fetch.request.ranged and state.finished.length:
            self._restart(fetch)
        if state.version is None or not fetch.request.ranged:
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
        if not (vouched or fetch.is_check):  # bytes behind this part would never be compared: fetch them again
            state.finished = RangeSet(each for each in state.finished if each.last_pos < request.new_from)
            state.checks = [check for check in state.checks if check.part.last_pos < request.new_from]
        state.version = known.completed_by(found)
        self._trust.note_continued(vouched=vouched)
        is_short = part is not None and part.next_pos < request.new_from + (not fetch.is_check)
        if part is not None and is_short and part.next_pos != state.complete_length:
            # The part is so short that the overlap is all of it; or the file ends here, which a 416 will say.
            self._trust.shorten(state, part.length // 2 if state.complete_length is not None else 0)
            self._trust.without_ranges = not (vouched or self._trust.has_digest)
        if self._trust.without_ranges:
            state.retire(fetch)
        return not self._trust.without_ranges

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
        if outcome in (Outcome.RESTART, Outcome.CHANGED) and self._trust.looks_again(fetch.request, self.state, head):
            self.state.retire(fetch)
            return False
        if outcome is Outcome.RESTART:
            return self._restart_whole(fetch, reason, head, address)
        state = self.state
        state.retire(fetch)
        if outcome is Outcome.CHANGED:
            self._restart_changed(reason)
        elif outcome is Outcome.UNVERIFIED and not self._trust.needs_long_overlap:
            self._trust.needs_long_overlap = True
        elif outcome is Outcome.NO_RANGES and not self._trust.without_ranges:
            self._trust.without_ranges = True
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
        if self._is_end_unsure and not self._options.digest and has_no_end:
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

    def due_pieces(self, part: ByteRange) -> list[PieceCheck]:
        """The pieces to check, now that these bytes are there. Each must be told to ``on_piece``."""
        return self._pieces.due(part, self.state.finished, self.state.complete_length)

    def on_piece(self, check: PieceCheck, digest: bytes) -> None:
        """Note the digest that a piece has. If it is wrong, its bytes are fetched again.

        They go out of a copy of the set: a block that is still being written there goes into the one before.
        """
        if self._pieces.note(check, digest):
            self._wrong_pieces = 0
            return
        self.state.finished = self.state.finished.without([check.part])
        self._wrong_pieces += self._is_servers_fault(check)
        self.notices.append(("retry", f"bytes {check.part.first_pos} to {check.part.last_pos} have a wrong digest"))
        if self._wrong_pieces >= self._options.tries:
            self.error = DigestError(f"pieces have come with a wrong digest {self._wrong_pieces} times in a row")

    def _is_servers_fault(self, _: PieceCheck) -> bool:
        """Tell if a wrong piece comes from a server that is asked now, and not from an earlier run."""
        return self.state.is_verified

    def on_end(self, fetch: RangeFetch, now: float, jitter: float) -> None:
        """Handle the end of a response: its content has ended, or all wanted bytes have come."""
        if not fetch.alive:
            return
        state = self.state
        self._note_brought(fetch)
        if not fetch.is_incomplete:
            state.retire(fetch)
            if not (fetch.new_bytes or fetch.is_check or state.is_complete):
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
        is_judged_by_digest = self._is_end_unsure and self._options.digest is not None
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
        self._note_brought(fetch)
        if state.fetches and not fetch.new_bytes:
            self._allow_fewer(reason)
        if not fetch.new_bytes:
            state.address = state.url  # the one after redirects may be signed, or of a server that is gone
            if fetch.answered and self._retry.tries:
                self._trust.note_useless(state, fetch.overlap.length)
        if permanent and not state.fetches:
            self.error = NetworkError(reason)
        else:
            may_help = self._trust.can_shorten(state, fetch.overlap.length)
            is_useless = fetch.answered and not fetch.new_bytes and not may_help
            outcome = Outcome.UNUSABLE if is_useless else Outcome.RETRY
            self._retry_later(Assessment(outcome, reason), now, jitter, retry_after)

    def _note_brought(self, fetch: RangeFetch) -> None:
        if fetch.new_bytes:
            self._trust.note_brought(fetch.pos - fetch.request.first_pos)

    def _retry_later(self, assessment: Assessment, now: float, jitter: float, retry_after: float) -> None:
        self._retry.note_progress(self.state.finished.length)
        if self.state.fetches:
            self._retry.delay_further(now, jitter, retry_after)
        else:
            is_over, text = self._retry.fail(assessment.reason, now, jitter, retry_after)
            kind = ChangedError if assessment.outcome is Outcome.NOT_THE_FILE else NetworkError
            self.error = kind(text) if is_over else self.error
            self.notices += [] if is_over else [("retry", text)]
        if self._retry.is_half_spent:
            is_useless = assessment.outcome in (Outcome.UNUSABLE, Outcome.NOT_THE_FILE)
            is_refused = assessment.outcome is Outcome.RETRY_ORIGINAL_URL or self._trust.begins_plain
            is_refused = is_refused and not self.state.serves_ranges
            self._trust.ask_otherwise(
                self.state, is_repeated=self._retry.tries > 1, may_do_without_ranges=is_useless or is_refused)

    def _allow_fewer(self, reason: str) -> None:
        self.allowed = min(self.allowed, max(1, len(self.state.fetches)))
        connections = f"{self.allowed} connection{'s' if self.allowed > 1 else ''}"
        self.notices.append(("fewer", f"{reason}; continuing with {connections}"))

    # when the bytes are of another version

    def on_comparison(self, check: OverlapCheck, comparison: Comparison) -> None:
        """Handle the outcome of comparing an overlap with the bytes in the part file."""
        place = f"bytes {check.part.first_pos} to {check.part.last_pos}"
        if comparison is Comparison.PROVEN:
            self.state.settle(check)
        elif comparison is Comparison.DIFFERENT:  # another version, or other bytes than the server says
            self._trust.lose(self.state.version)
            self._restart_changed(f"{place} are not the same as before")
        elif not self._trust.prove(self.state, check):
            self._restart_changed(f"{place} are all alike and prove nothing")

    def _stop_trusting_ranges(self, reason: str) -> None:
        """Start again without ranges: the bytes of one response are of one version."""
        self._trust.without_ranges = True
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
        self._pieces.start_again()
        self._trust.forget_version()
        if fetch is not None:
            fetch.alive = True
            self.state.fetches = [fetch]
