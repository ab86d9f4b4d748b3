"""The upload planner: which request comes next, and what to do about everything that happens.

The engine asks ``next_request`` what to do, and reports what came of it: ``on_response`` or ``on_failure``. Time and
chance come as arguments. The offset is always the server's: after anything but a plain success it is asked for again.
Everything that could go round for ever has a bound: failures without progress, uploads that get lost, bytes that get
lost, and bytes that change on their way.
"""

from __future__ import annotations

from typing import NamedTuple

from ...http.ranges import ByteRange
from ..errors import DigestError, NetworkError, TransferError
from ..upload_options import UploadOptions
from . import upload_request
from .response_head import ResponseHead
from .retry import RetryPolicy
from .upload_assessment import (
    UploadAssessment,
    UploadOutcome,
    assess_append,
    assess_creation,
    assess_offset,
    assess_problem,
    assess_terms,
)
from .upload_fields import Terms, contradicts_digest
from .upload_request import LocalFile, Purpose, UploadRequest

CHECKED_CHUNK = 1 << 24
"""Bytes in one request that carries a checksum: a server may drop all of it if the connection breaks."""

_MOST_RESTARTS = 2  # new uploads in one run, since the server did not know the old one
_MOST_LOSSES = 3  # times that the server may have fewer bytes than it said before
_MOST_CHECKSUMS = 3  # times in a row that the same bytes change on their way


class SavedUpload(NamedTuple):
    """An upload that a later run can resume.

    :param address: of the upload at the server.
    :param protocol: "tus" or "draft".
    """

    address: str
    protocol: str


class UploadPlanner:
    """Plans one upload.

    :param url: the URL that creates uploads, without what is secret in it.
    :param saved: the upload that an earlier run has begun; None for a new one.

    :ivar offset: the bytes that the server is known to have.
    :ivar kept: the bytes that it had from an earlier run.
    :ivar error: why the upload cannot go on; None as long as it can.
    :ivar is_done: True once the server has said that it has the whole file.
    :ivar is_spoilt: True if nothing at the server is worth a later run.
    :ivar notices: events for the caller, as in ``Progress``: (event, text).
    """

    def __init__(self, url: str, file: LocalFile, options: UploadOptions, saved: SavedUpload | None = None) -> None:
        if saved is not None and options.protocol not in (None, saved.protocol):
            saved = None
        self.saved = saved
        self.file = file
        self.offset = self.kept = self.restarts = 0
        self.error: TransferError | None = None
        self.is_done = self.is_spoilt = False
        self.notices: list[tuple[str, str]] = []
        self._url = url
        self._options = options
        self._retry = RetryPolicy(options)
        self._terms: Terms | None = None
        self._is_guess = False
        self._is_asked = False  # True once the server has said the offset of this upload
        self._was_resumed = saved is not None
        self._losses = self._checksums = 0

    @property
    def protocol(self) -> str:
        """The protocol that is spoken, as far as it is known."""
        if self.saved is not None:
            return self.saved.protocol
        return self._options.protocol or (self._terms and self._terms.protocol) or "tus"

    @property
    def remaining(self) -> ByteRange:
        """The bytes that the server does not have."""
        return ByteRange(self.offset, self.file.complete_length - 1)

    @property
    def address(self) -> str:
        """The URL of the upload; "" if there is none yet."""
        return "" if self.saved is None else self.saved.address

    def describe_kept(self) -> str:
        """Describe what a later run can resume; "" if nothing."""
        is_nothing = self.saved is None or self.is_spoilt or not self.offset
        return "" if is_nothing else f"{self.offset:,} of {self.file.complete_length:,} bytes are at the server"

    # what to ask for

    def wait_left(self, now: float) -> float:
        """Return the seconds until the next request may go out, 0 for none."""
        return self._retry.wait_left(now)

    def next_request(self, now: float) -> UploadRequest | None:
        """Return the request to send now; None if it is too early."""
        if self.wait_left(now) > 0:
            return None
        if self._terms is None:
            return upload_request.discover(self._url)
        if self.saved is None:
            return upload_request.create(self.protocol, self._url, self.file)
        if not self._is_asked:
            return upload_request.ask(self.protocol, self.saved.address)
        next_pos = self.offset + self._next_length(self._terms)
        return upload_request.append(
            self.protocol, self.saved.address, self.offset, next_pos, self.file.complete_length, self._terms.checksum)

    def _next_length(self, terms: Terms) -> int:
        """The number of bytes for the next request."""
        left = self.file.complete_length - self.offset
        wanted = self._options.chunk_size or (CHECKED_CHUNK if terms.checksum else left)
        wanted = max(wanted, terms.min_append or 0)
        return min(left, wanted, left if terms.max_append is None else terms.max_append)

    # what to make of a response

    def on_response(
        self, request: UploadRequest, head: ResponseHead, location: str | None, now: float, jitter: float, *,
        is_spent: bool = True, content: bytes = b"",
    ) -> None:
        """Handle the response to a request.

        :param location: where its Location leads, as an absolute URL; None if it has no valid one.
        :param jitter: a random number from 0 to 1.
        :param is_spent: True if all of the content was sent.
        :param content: of the response, if it is short.
        """
        assessment = assess_problem(head, content) or self._assess(request, head, location, is_spent)
        outcome = assessment.outcome
        if outcome is UploadOutcome.PROCEED:
            self._proceed(request, assessment, head, location)
        elif outcome is UploadOutcome.DONE:
            self._finish(head)
        elif outcome is UploadOutcome.GONE:
            self._start_again(assessment.reason)
        elif outcome is UploadOutcome.FAIL:
            self.error = NetworkError(assessment.reason)
        elif outcome is UploadOutcome.WRONG_DIGEST:
            self._fail_digest(assessment.reason)
        elif outcome is UploadOutcome.CHECKSUM:
            self._count_checksum(assessment.reason)
        else:
            self._change_course(assessment, head, location)
            self._retry_later(assessment.reason, now, jitter, head.retry_after)

    def _assess(
        self, request: UploadRequest, head: ResponseHead, location: str | None, is_spent: bool
    ) -> UploadAssessment:
        purpose, length, has_location = request.purpose, self.file.complete_length, location is not None
        if purpose is Purpose.DISCOVER:
            return self._learn(head)
        if purpose is Purpose.CREATE:
            return assess_creation(head, has_location=has_location, is_guess=self._is_guess)
        if purpose is Purpose.ASK:
            return assess_offset(self.protocol, head, length)
        return assess_append(self.protocol, request, head, length, is_spent=is_spent, has_location=has_location)

    def _learn(self, head: ResponseHead) -> UploadAssessment:
        """Take the terms of the server, or do without if it cannot tell them."""
        chosen = self.saved.protocol if self.saved is not None else self._options.protocol
        assessment, terms = assess_terms(head, chosen)
        if assessment.outcome is UploadOutcome.LATER and not self._retry.is_half_spent:
            return assessment
        if assessment.outcome is UploadOutcome.FAIL:
            return assessment
        self._terms = terms
        self._is_guess = chosen is None and terms.protocol is None
        if terms.max_size is not None and terms.max_size < self.file.complete_length:
            reason = f"the file is too large for the server; it takes {terms.max_size:,} bytes at most"
            return UploadAssessment(UploadOutcome.FAIL, reason)
        return UploadAssessment(UploadOutcome.PROCEED)

    def _proceed(
        self, request: UploadRequest, assessment: UploadAssessment, head: ResponseHead, location: str | None
    ) -> None:
        if request.purpose is Purpose.CREATE:
            self._begin(head, location or "")
        elif request.purpose is not Purpose.DISCOVER:
            self._note_offset(assessment.offset)
            self._narrow(head)

    def _begin(self, head: ResponseHead, address: str) -> None:
        self._narrow(head)
        self.saved = SavedUpload(address, self.protocol)
        self._is_asked = True
        self.notices.append(("began", ""))
        if self.protocol == "tus" and not self.file.complete_length:  # there is nothing to append
            self.is_done = True

    def _narrow(self, head: ResponseHead) -> None:
        if self._terms is not None and self.protocol == "draft":
            self._terms = self._terms.narrowed_by(head)

    def _note_offset(self, offset: int) -> None:
        """Take the server's word for the bytes that it has, also if it has lost some."""
        if offset < self.offset:
            self._losses += 1
            self.notices.append(("retry", f"the server has lost {self.offset - offset:,} bytes"))
        if self._losses > _MOST_LOSSES:
            self.error = NetworkError("the server keeps losing bytes that it had")
        if offset > self.offset:
            self._checksums = 0
        if self._was_resumed and not self._is_asked:
            self.kept = offset
            self._was_resumed = False
        self.offset = offset
        self._is_asked = True
        self._retry.note_progress(offset)

    def _finish(self, head: ResponseHead) -> None:
        if self._was_resumed and not self._is_asked:
            self.kept = self.file.complete_length
        self.offset = self.file.complete_length
        self._retry.note_progress(self.offset)
        if contradicts_digest(head, self.file.sha256):
            self._fail_digest("the server tells another digest than the file has")
        else:
            self.is_done = True

    def _fail_digest(self, reason: str) -> None:
        self.is_spoilt = True
        self.error = DigestError(reason)

    # what to do about failures

    def on_failure(
        self, request: UploadRequest, reason: str, now: float, jitter: float, *, permanent: bool = False
    ) -> None:
        """Handle a request that failed. ``permanent``: True if it would fail again."""
        self._is_asked = False
        if permanent:
            self.error = NetworkError(reason)
        else:
            self._retry_later(reason, now, jitter, 0)

    def _retry_later(self, reason: str, now: float, jitter: float, retry_after: float) -> None:
        self._is_asked = False
        has_ended, text = self._retry.fail(reason, now, jitter, retry_after)
        if has_ended:
            self.error = NetworkError(text)
        else:
            self.notices.append(("retry", text))

    def _change_course(self, assessment: UploadAssessment, head: ResponseHead, location: str | None) -> None:
        """Take another address, or smaller pieces, if the server says so."""
        if assessment.outcome is UploadOutcome.MOVED and self.saved is not None:
            self.saved = self.saved._replace(address=location or "")
        if assessment.outcome is UploadOutcome.SMALLER and self._terms is not None:
            self._terms = self._terms.narrowed_by(head)

    def _count_checksum(self, reason: str) -> None:
        self._is_asked = False
        self._checksums += 1
        if self._checksums >= _MOST_CHECKSUMS:
            self.error = DigestError(f"{reason}, {self._checksums} times in a row")
        else:
            self.notices.append(("retry", f"{reason}; sending them again"))

    def _start_again(self, reason: str) -> None:
        """Create a new upload: the server does not know the old one."""
        self.restarts += 1
        if self.restarts > _MOST_RESTARTS:
            self.error = NetworkError(reason)
            return
        self.saved = None
        self.offset = self.kept = 0
        self._is_asked = self._was_resumed = False
        self._retry.start_again()
        self.notices.append(("changed", f"{reason}; starting again"))
