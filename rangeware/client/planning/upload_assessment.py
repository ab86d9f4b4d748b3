"""Assess the response to each request of an upload by its head. ``upload_planner`` acts on the outcome.

No response is taken for the end of the upload unless the server says so in the words of the protocol.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

from .response_head import ResponseHead
from .upload_fields import Terms, parse_terms, upload_complete, upload_length, upload_offset
from .upload_request import UploadRequest

_PASSING_TROUBLE = {408, 409, 423, 425, 429}
_LASTING_TROUBLE = {501, 505}  # of those from 500 on
_LOGIN = {401, 407}
_MISSING = {403, 404, 410}  # tus: 403 is a possible answer for an upload that is there no more
_TOO_LARGE = 413
_WRONG_CHECKSUM = 460  # of tus
_MOVED = {301, 302, 307, 308}
_FORBIDDEN = 403
_DIGEST_TYPE = re.compile(rb'"type"[ \t\r\n]*:[ \t\r\n]*"[^"]*digest', re.IGNORECASE)


class UploadOutcome(Enum):
    """The use that can be made of a response."""

    PROCEED = "the server has so many bytes"
    DONE = "the server has all bytes, and says that this is the end"
    LATER = "the server cannot answer now, or its response is of no use"
    SMALLER = "the server wants less content in one request"
    CHECKSUM = "bytes have changed on their way"
    MOVED = "the upload is at another address"
    GONE = "the server does not know the upload any more"
    WRONG_DIGEST = "the server says that the whole has another digest"
    FAIL = "the server does not take the file"


class UploadAssessment(NamedTuple):
    """The outcome, the reason for a person, and the bytes that the server has where the outcome is PROCEED."""

    outcome: UploadOutcome
    reason: str = ""
    offset: int = 0


_DONE = UploadAssessment(UploadOutcome.DONE)


def assess_terms(head: ResponseHead, wanted: str | None) -> tuple[UploadAssessment, Terms]:
    """Assess the response to OPTIONS; PROCEED also if it tells nothing: not every server answers OPTIONS.

    :param wanted: the protocol that has been chosen; None for the one that the server says.
    """
    terms = parse_terms(head, wanted)
    if terms.protocol is None and (head.status in _LOGIN or head.status == _FORBIDDEN):
        return UploadAssessment(UploadOutcome.FAIL, _says(head)), terms
    if terms.protocol is None and _is_passing(head.status):
        return UploadAssessment(UploadOutcome.LATER, _says(head)), terms
    return UploadAssessment(UploadOutcome.PROCEED), terms


def assess_creation(head: ResponseHead, *, has_location: bool, is_guess: bool) -> UploadAssessment:
    """Assess the response to the request that creates an upload.

    :param has_location: True if it has a Location that leads somewhere.
    :param is_guess: True if the server has not said that it speaks this protocol.
    """
    is_created = 200 <= head.status < 300 and (not is_guess or "tus-resumable" in head.fields)
    if is_created and has_location:
        return UploadAssessment(UploadOutcome.PROCEED)
    if is_created:
        return UploadAssessment(UploadOutcome.FAIL, "the server does not say where the upload is (no valid Location)")
    refusal = _refusal(head)
    if refusal.outcome is UploadOutcome.LATER:
        return refusal
    is_strange = is_guess and head.status not in _LOGIN and head.status != _TOO_LARGE
    neither = "; it speaks neither tus nor the IETF draft for resumable uploads" if is_strange else ""
    return UploadAssessment(UploadOutcome.FAIL, refusal.reason + neither)


def assess_offset(protocol: str, head: ResponseHead, complete_length: int) -> UploadAssessment:
    """Assess the response to the question how many bytes the server has."""
    if not 200 <= head.status < 300:
        return _refusal(head)
    offset, length = upload_offset(head), upload_length(head)
    if length not in (None, complete_length) or (offset or 0) > complete_length:
        return UploadAssessment(UploadOutcome.GONE, "the server has another upload at this address")
    if protocol == "draft" and upload_complete(head):
        return _DONE if offset in (None, complete_length) else _early_end(offset, complete_length)
    if offset is None:
        return UploadAssessment(UploadOutcome.LATER, "the server does not say how many bytes it has")
    if protocol == "tus" and offset == complete_length:
        return _DONE
    return UploadAssessment(UploadOutcome.PROCEED, offset=offset)


def assess_append(
    protocol: str, request: UploadRequest, head: ResponseHead, complete_length: int, *, is_spent: bool,
    has_location: bool,
) -> UploadAssessment:
    """Assess the response to a request with content.

    :param is_spent: True if all of the content was sent. A server may answer before that.
    :param has_location: True if it has a Location that leads somewhere.
    """
    if head.status in _MOVED and has_location:
        return UploadAssessment(UploadOutcome.MOVED, f"the server answers {head.status}")
    if not 200 <= head.status < 300:
        return _refusal(head, request.length)
    if not is_spent:
        return UploadAssessment(UploadOutcome.LATER, "the server has not taken all bytes")
    is_last = request.next_pos == complete_length
    offset = upload_offset(head)
    if protocol == "tus":
        return _appended(request, offset, is_last)
    is_complete = upload_complete(head)
    if is_complete and not is_last:
        return _early_end(request.next_pos, complete_length)
    if is_last:
        is_right = is_complete and offset in (None, complete_length)
        return _DONE if is_right else UploadAssessment(UploadOutcome.LATER, "the server does not say that it has all")
    return _appended(request, request.next_pos if offset is None else offset, is_last)


def _appended(request: UploadRequest, offset: int | None, is_last: bool) -> UploadAssessment:
    if offset != request.next_pos:
        return UploadAssessment(UploadOutcome.LATER, "the server does not say that it has the bytes")
    return _DONE if is_last else UploadAssessment(UploadOutcome.PROCEED, offset=offset)


def _early_end(offset: int | None, complete_length: int) -> UploadAssessment:
    reason = f"the server takes the upload for complete after {offset} of {complete_length} bytes"
    return UploadAssessment(UploadOutcome.FAIL, reason)


def assess_problem(head: ResponseHead, content: bytes) -> UploadAssessment | None:
    """Assess the problem details (RFC 9457) of an error: None unless their type is about a digest."""
    is_problem = head.status >= 400 and head.media_type == "application/problem+json"
    if not is_problem or _DIGEST_TYPE.search(content) is None:
        return None
    return UploadAssessment(UploadOutcome.WRONG_DIGEST, f"the server has got another digest ({head.status})")


def _refusal(head: ResponseHead, length: int = 0) -> UploadAssessment:
    """Assess a status that is not one of success, for a request with so many bytes of content."""
    status, reason = head.status, _says(head)
    if status == _WRONG_CHECKSUM:
        return UploadAssessment(UploadOutcome.CHECKSUM, "bytes have changed on their way to the server")
    if status == _TOO_LARGE:
        limit = Terms().narrowed_by(head).max_append
        is_for_one = limit is not None and limit < length
        return UploadAssessment(UploadOutcome.SMALLER if is_for_one else UploadOutcome.FAIL, reason)
    if status in _MISSING:
        return UploadAssessment(UploadOutcome.GONE, reason)
    return UploadAssessment(UploadOutcome.LATER if _is_passing(status) else UploadOutcome.FAIL, reason)


def _is_passing(status: int) -> bool:
    return status in _PASSING_TROUBLE or (status >= 500 and status not in _LASTING_TROUBLE)


def _says(head: ResponseHead) -> str:
    status = head.status
    if status in _LOGIN:
        return f"the server asks for a login, or refuses this one ({status})"
    if status != _TOO_LARGE:
        return f"the server answers {status}"
    limit = parse_terms(head, None).max_size
    at_most = "" if limit is None else f"; it takes {limit:,} bytes at most"
    return f"the file is too large for the server ({status}){at_most}"
