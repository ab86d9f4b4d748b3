"""``MirroredPlanner``: a planner for a file that several addresses have.

Entity tags of two servers cannot be compared (RFC 9110 8.8.1), so that nothing but a digest can vouch for a file that
is joined of what several have sent. If the caller knows one, parts come from all addresses at once. Each request that
goes to another address than the one that the file was begun at, its *base*, asks for a long overlap, and must tell the
length of the file: an address that has another file is dropped, and what it has sent is fetched again.

Without a digest, another address is asked only if one fails. What is there stays only if it has the very same strong
validator; otherwise the download starts again in a new part file.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...http.ranges import ByteRange
from ..errors import NetworkError
from ..filenames import file_name
from ..options import DownloadOptions
from .assessment import Assessment, Outcome, RangeRequest, assess
from .dialects import translate
from .pieces import PieceCheck
from .planner import Planner
from .range_fetch import RangeFetch
from .response_head import FileVersion, ResponseHead
from .retry import RetryPolicy
from .sources import Source, Sources
from .state import OverlapCheck, SavedState
from .trust import Comparison, Trust

_GONE = (Outcome.FAIL, Outcome.RETRY_ORIGINAL_URL, Outcome.NOT_THE_FILE, Outcome.CHANGED)
_SOME = 2  # failures after which another address has its turn


def planner_of(urls: Sequence[str], options: DownloadOptions) -> Planner:
    """Make the planner for a file that one or more addresses have."""
    return MirroredPlanner(urls, options) if urls[1:] else Planner(urls[0], options)


class MirroredPlanner(Planner):
    """Plans a download from several addresses; otherwise as ``Planner``.

    :param urls: the addresses, without what is secret in them. The first is the one that the part file belongs to.
    """

    def __init__(self, urls: Sequence[str], options: DownloadOptions) -> None:
        super().__init__(urls[0], options)
        self.urls = urls
        self._sources = Sources(urls)
        self._base = self._sources.main
        self._helpers: dict[ByteRange, Source] = {}  # by the overlap that it has sent
        self._is_foreign = False  # what is there came from another address than that which is asked now
        self._turned_at = 0

    def resume(self, saved: SavedState) -> None:
        """Resume from a saved state, at the address that it is from."""
        super().resume(saved)
        self._base = self._sources.main = self._sources.at(saved.url)
        self.state.url = saved.url

    @property
    def _is_judged(self) -> bool:
        return self._options.digest is not None

    @property
    def is_mixed(self) -> bool:
        """True if several addresses have sent a part of the file. What one has sent that was dropped is not there."""
        return any(not source.dropped for source in self._helpers.values())

    # what to ask for

    def next_fetch(self, now: float) -> RangeFetch | None:
        """Return bytes to ask for now, from the address that may be fastest."""
        is_beside = bool(self.state.fetches) and self._is_judged
        if self.state.version is None:
            self._base = self._sources.main
        source = self._sources.fastest(now) if is_beside else self._sources.main
        fetch = None if source is None else super().next_fetch(now)
        self._fail_over()
        if source is None or fetch is None:
            return None
        if source is not self._base and fetch.request.ranged and self.state.version is not None:
            fetch.request = self._of_helper(source, fetch.request)
        else:
            source = self._base
        source.fetches.append(fetch)
        return fetch

    def _of_helper(self, source: Source, request: RangeRequest) -> RangeRequest:
        overlap = max(self._trust.long_overlap(self.state, request.new_from), request.new_from - request.first_pos)
        if_range = None if source.version is None else source.version.if_range
        return request._replace(address=source.address, first_pos=request.new_from - overlap, if_range=if_range)

    # what to make of a response

    def on_head(self, fetch: RangeFetch, head: ResponseHead, address: str, now: float, jitter: float) -> bool:
        """Handle the head of a response. True if its content is to be read, and written for this fetch."""
        source = self._sources.of(fetch)
        if source is self._base:
            accepted = self._on_head_of_base(source, fetch, head, address, now, jitter)
        else:
            accepted = fetch.alive and self._on_head_of_helper(source, fetch, head, address, now, jitter)
        self._fail_over()
        return accepted

    def _on_head_of_base(
        self, source: Source, fetch: RangeFetch, head: ResponseHead, address: str, now: float, jitter: float
    ) -> bool:
        version = self.state.version
        if self._is_foreign and version is not None and fetch.alive and head.status == 206:
            if not version.is_vouched_for_by(head.version()):
                self.state.retire(fetch)
                self._restart(None)
            self._is_foreign = False
        accepted = super().on_head(fetch, head, address, now, jitter)
        if accepted and self.state.version is not None:
            source.note_success(self.state.version, address)
        return accepted

    def _on_head_of_helper(
        self, source: Source, fetch: RangeFetch, head: ResponseHead, address: str, now: float, jitter: float
    ) -> bool:
        head = translate(fetch.request, source.version, head)
        assessment = self._assess(source, fetch, head, address)
        is_whole = head.version().complete_length == self.state.complete_length
        if assessment.outcome is not Outcome.ACCEPT or assessment.part is None or not is_whole:
            self._reject(source, fetch, assessment, head, now, jitter)
            return False
        source.note_success(head.version(), address)
        self.state.is_verified = self.state.serves_ranges = True
        fetch.start(assessment.part, self.state.complete_length, head)
        self._helpers[fetch.overlap] = source
        return True

    def _assess(self, source: Source, fetch: RangeFetch, head: ResponseHead, address: str) -> Assessment:
        base = self.state.version or FileVersion()
        known = source.version or FileVersion(complete_length=base.complete_length, codings=base.codings)
        names = [file_name(head.fields.get("content-disposition"), address), file_name(None, source.url)]
        return assess(fetch.request, known, head, names=names, decode=self._options.decode)

    def _reject(
        self, source: Source, fetch: RangeFetch, assessment: Assessment, head: ResponseHead, now: float, jitter: float
    ) -> None:
        """Handle a response of a helper that brings nothing."""
        length, found = self.state.complete_length, head.version().complete_length
        is_other = head.status in (200, 206) and found not in (None, length)
        is_expired = fetch.request.address != source.url
        reason = f"{found} bytes instead of {length}" if is_other else assessment.reason or "it has no ranges"
        if assessment.outcome is Outcome.RETRY or (assessment.outcome in _GONE and is_expired and not is_other):
            self.on_failure(fetch, reason, now, jitter, head.retry_after)
            return
        self.state.retire(fetch)
        is_gone = assessment.outcome in _GONE
        if is_other or (is_gone and self._sources.has_other_than(source)):
            self._drop(source, reason)
        elif is_gone:
            self.error = NetworkError(reason)
        else:
            source.can_help = False
            self._tell(source, reason)
            if source is self._sources.main and not self.state.fetches:
                self._rebase(source)

    def claim(self, fetch: RangeFetch, length: int) -> int:
        """Return how many of the next ``length`` bytes of a response are to be written; 0 ends it."""
        source = self._sources.of(fetch)
        if source is not self._base and fetch.alive and fetch.is_exceeded_by(length):
            self._drop(source, "more bytes than it says")
            return 0
        first_pos = fetch.pos
        length = super().claim(fetch, length)
        if length:
            self._sources.note_brought(source, ByteRange(first_pos, first_pos + length - 1))
        return length

    def on_end(self, fetch: RangeFetch, now: float, jitter: float) -> None:
        """Handle the end of a response: its content has ended, or all wanted bytes have come."""
        source = self._sources.of(fetch)
        source.note_end(fetch, now)
        if source is self._base:
            super().on_end(fetch, now, jitter)
        elif fetch.is_incomplete or not (fetch.new_bytes or fetch.is_check):
            self.on_failure(fetch, "the connection was closed early", now, jitter)
        else:
            self.state.retire(fetch)
        self._fail_over()

    # what to do about failures

    def on_failure(
        self, fetch: RangeFetch, reason: str, now: float, jitter: float, retry_after: float = 0, *,
        permanent: bool = False,
    ) -> None:
        """Handle a request that failed, or a response that broke off or is of no use."""
        source, is_alone = self._sources.of(fetch), len(self.state.fetches) == 1
        if not fetch.alive:
            return
        if source is self._base and (is_alone or not self._is_judged):
            super().on_failure(fetch, reason, now, jitter, retry_after, permanent=permanent)
        else:
            self.state.retire(fetch)
            if permanent or source.note_failure(fetch):
                source.can_help = False
                self._tell(source, reason)
            if is_alone:
                self._retry_later(Assessment(Outcome.RETRY, reason), now, jitter, retry_after)
        self._fail_over()

    def on_comparison(self, check: OverlapCheck, comparison: Comparison) -> None:
        """Drop an address that has sent other bytes; start again if it is the one that the file was begun at.

        If a digest decides in the end, bytes that are the same prove enough, even if all of them are alike.
        """
        source, is_different = self._helpers.get(check.part, self._base), comparison is Comparison.DIFFERENT
        if self._is_judged and not is_different:
            self.state.settle(check)
        elif source is self._base:
            super().on_comparison(check, comparison)
        else:
            self._drop(source, f"bytes {check.part.first_pos} to {check.part.last_pos} are not the same")
        self._fail_over()

    def on_piece(self, check: PieceCheck, digest: bytes) -> None:
        """Note the digest that a piece has. If it is wrong and all from one address, that one is dropped.

        If it came from several, all of it is fetched again, which shows whose fault it was.
        """
        super().on_piece(check, digest)
        culprit = self._sources.only_sender(check.part)
        can_go = culprit is not None and not culprit.dropped and self._sources.has_other_than(culprit)
        if culprit is not None and can_go and digest != check.digest:
            self._drop(culprit, "a piece with a wrong digest")
            self._wrong_pieces, self.error = 0, None
        self._fail_over()

    def _is_servers_fault(self, check: PieceCheck) -> bool:
        """Tell if it comes from an address that is asked now, and not from one that has been dropped."""
        sender = self._sources.only_sender(check.part)
        return super()._is_servers_fault(check) and (sender is None or not sender.dropped)

    def _drop(self, source: Source, reason: str) -> None:
        """Ask an address no more, and fetch again what it has sent. The last one is right, whatever there is."""
        state = self.state
        if not self._sources.has_other_than(source):
            self._ask(source)
            self._rebase(source)
            self._restart_changed(reason)
            return
        source.dropped, source.can_help = True, False
        for fetch in source.active:
            state.retire(fetch)
        # A new set: a block that is being written for that address goes into the one before.
        state.finished = state.finished.without(source.brought.without(self._pieces.right()))
        state.checks = [check for check in state.checks if self._helpers.get(check.part, self._base) is not source]
        self._tell(source, reason)
        other = self._sources.next_main()
        if source is self._sources.main and other is not None:
            self._ask(other)

    def _tell(self, source: Source, reason: str) -> None:
        self.notices.append(("fewer", f"{source.url}: {reason}; continuing without it"))

    def _fail_over(self) -> None:
        """Ask another address if the main one has given up; or in turn, if it has failed for some times."""
        main, other, tries = self._sources.main, self._sources.next_main(), self._retry.tries
        if self.error is not None and other is not None:
            main.dropped, main.can_help = True, False
            reason, self.error = str(self.error), None
            self.changes = 0
            self._retry = RetryPolicy(self._options)
            self._retry.note_progress(self.state.finished.length)
        elif other is not None and tries != self._turned_at and self._is_turn_of_others(tries):
            reason = f"{main.url} fails"
        else:
            return
        self._turned_at = tries
        self.notices.append(("retry", f"{reason}; trying {other.url}"))
        self._ask(other)

    def _is_turn_of_others(self, tries: int) -> bool:
        version = self.state.version
        can_turn = self._is_judged or version is None or version.if_range is not None
        return can_turn and not self.state.fetches and tries > 0 and tries % _SOME == 0

    def _ask(self, source: Source) -> None:
        """Make an address the main one."""
        state = self.state
        self._sources.main = source
        state.url, state.address = source.url, source.address
        self._trust = Trust(has_digest=self._is_judged)
        if not self._is_judged or not source.can_help or state.complete_length is None:
            self._rebase(source)

    def _restart(self, fetch: RangeFetch | None) -> None:
        super()._restart(fetch)
        self._helpers.clear()

    def _rebase(self, source: Source) -> None:
        """Continue as if the file had been begun at this address, as far as its first response vouches for that."""
        state, version = self.state, self.state.version
        self._base, self._seen, self._is_end_unsure = source, None, False
        if version is None:
            return
        if self._is_judged:
            state.version = FileVersion(complete_length=version.complete_length, codings=version.codings)
        state.is_verified = False
        self._is_foreign = not self._is_judged
