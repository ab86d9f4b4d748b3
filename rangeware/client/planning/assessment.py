"""Assess a response by its head alone, before a byte of its content is kept.

The rule of the download client is decided here: bytes of two versions of a file are never joined. A 206 is accepted
only if it is the part that was asked for and of the version that was begun. If no strong validator vouches for that,
enough bytes before the part must be there to be compared (the overlap). ``planner`` acts on the outcome.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from ...http.dates import EPOCH, parse_http_date
from ...http.ranges import ByteRange
from ..texts import status_text
from .codings import around, question
from .response_head import FileVersion, ResponseHead

_PASSING_TROUBLE = {
    202,  # the file is still being made (RFC 9110 15.3.3)
    408, 425, 429, 500, 502, 503, 504,
    509, *range(520, 531), 598, 599,  # of hosters, content delivery networks and proxies, about the server behind
}
_OF_A_FIELD = {400, 403, 405, 406, 412, 417, 422, 501}  # may be said of the field Range, and not of the file
_PLACEHOLDER = 1980  # the last year of dates that stand for none
_LONGEST_LEAD = 1 << 21  # bytes: caches that keep blocks begin with a whole one, often of 1 MiB


class RangeRequest(NamedTuple):
    """A request for bytes of the file.

    :param first_pos: the first byte asked for. The bytes before ``new_from`` are there, or will be, and are compared.
    :param new_from: the first byte that is missing.
    :param last_pos: the last byte asked for, inclusive; None for all that follow.
    :param if_range: the validator of the version that the bytes must be of; None if it has no strong one.
    :param ranged: False for a plain GET of all bytes.
    """

    address: str
    first_pos: int = 0
    new_from: int = 0
    last_pos: int | None = None
    if_range: str | None = None
    ranged: bool = True

    @property
    def fields(self) -> dict[str, str]:
        """The header fields that ask for these bytes, without a content coding (RFC 9110 12.5.3, 13.1.5, 14.2)."""
        fields = {"Accept-Encoding": "identity"}
        if self.ranged:
            fields["Range"] = f"bytes={self.first_pos}-{'' if self.last_pos is None else self.last_pos}"
            if self.if_range is not None:
                fields["If-Range"] = self.if_range
        return fields


class Outcome(Enum):
    """The use that can be made of a response."""

    ACCEPT = "its content is what was asked for"
    RESTART = "its content is the whole file: write it to a new part file"
    COMPLETE = "the file has no more bytes than are there"
    CHANGED = "the file is another version now"
    UNVERIFIED = "it is what was asked for, but nothing vouches for its version"
    UNUSABLE = "it is not what was asked for"
    NO_RANGES = "the server does not support ranges"
    RETRY_ORIGINAL_URL = "the URL after the redirects is of no use any more"
    RETRY = "the server cannot answer now"
    NOT_THE_FILE = "it is something else than the file, such as an error page"
    FAIL = "the file is not to be had"


class Assessment(NamedTuple):
    """The outcome, the reason for a person, and the bytes that the content of an accepted 206 has."""

    outcome: Outcome
    reason: str = ""
    part: ByteRange | None = None


def assess(
    request: RangeRequest, known: FileVersion | None, head: ResponseHead, *, seen: FileVersion | None = None,
    enough: bool = True, has_digest: bool = False, names: Sequence[str] = (), decode: bool | None = None,
) -> Assessment:
    """Assess the response to a request.

    :param known: the version that was begun; None if nothing is there yet.
    :param seen: any version that this URL has had, to tell the file from an error page with status 200.
    :param enough: True if the overlap of the request suffices where no strong validator vouches for the version.
    :param has_digest: True if the caller knows the digest of the file, which decides in the end.
    :param names: the names that the file has, which may tell that it is compressed itself.
    :param decode: the caller's choice if it has another coding: see ``codings.question``.
    """
    unasked = question(around(head.codings, names, head.media_type), decode)
    if head.status == 206:
        return _assess_part(request, known, head, unasked, enough=enough, has_digest=has_digest)
    if head.status == 200:
        return _assess_whole(request, known, seen or known, head, unasked)
    if head.status == 416 and request.ranged:
        return _assess_unsatisfied(request, known, head)
    reason = status_text(head.status, head.address or request.address, head.date("date"))
    if head.status in _PASSING_TROUBLE:
        return Assessment(Outcome.RETRY, reason)
    if known is not None or seen is not None:
        return Assessment(Outcome.RETRY_ORIGINAL_URL, reason)
    may_be_of_range = request.ranged and head.status in _OF_A_FIELD
    return Assessment(Outcome.NO_RANGES if may_be_of_range else Outcome.FAIL, reason)


def _assess_part(
    request: RangeRequest, known: FileVersion | None, head: ResponseHead, unasked: str, *, enough: bool,
    has_digest: bool,
) -> Assessment:
    content_range = head.content_range
    part = content_range.part if content_range is not None else None
    reason = _misfit(request, part, head) or unasked
    if reason or part is None:
        return Assessment(Outcome.UNUSABLE if known is not None else Outcome.NO_RANGES, reason)
    found = head.version()
    if not request.ranged and part.next_pos != found.complete_length:
        return Assessment(Outcome.NO_RANGES, "a part instead of the whole file")
    if known is None:
        return Assessment(Outcome.ACCEPT, part=part)
    difference = "" if _is_copy(known, found, has_digest) else known.difference(found)
    if found.complete_length is not None and found.complete_length < request.new_from:
        return Assessment(Outcome.CHANGED, f"only {found.complete_length} bytes")
    if difference and known.shares_validator(found):
        return Assessment(Outcome.UNUSABLE, difference)
    if difference:  # the server ignores If-Range (RFC 9110 13.1.5)
        return Assessment(Outcome.CHANGED, difference)
    if not enough and not known.is_vouched_for_by(found):
        return Assessment(Outcome.UNVERIFIED, "the part has no validator")
    return Assessment(Outcome.ACCEPT, part=part)


def _misfit(request: RangeRequest, part: ByteRange | None, head: ResponseHead) -> str:
    """The reason why a 206 cannot be the response to this request; ``""`` if it can (RFC 9110 15.3.7)."""
    if head.media_type == "multipart/byteranges":
        return "several parts instead of one"
    if part is None:
        return "a part without a valid Content-Range"
    # A part that begins earlier has a longer overlap. What comes after the last byte asked for can be left unread.
    if not request.first_pos - _LONGEST_LEAD <= part.first_pos <= request.first_pos:
        return f"bytes from {part.first_pos} on instead of those from {request.first_pos} on"
    if not head.has_clear_end or head.content_length not in (None, part.length, head.version().complete_length):
        return "a Content-Length that does not fit the part"
    return ""


def _is_copy(known: FileVersion, found: FileVersion, has_digest: bool) -> bool:
    """True if the file may be the same on another server of a cluster, which makes entity tags of its own.

    It has the same length, and the same date, which is a strong validator; or the digest decides. The overlap has to
    be the same as well. A date of 1980 or before is none: build tools give it to every version of a file.
    """
    has_length = known.complete_length is not None and known.complete_length == found.complete_length
    date = parse_http_date(known.last_modified or "", EPOCH.replace(year=2000)) if known.dated and found.dated else None
    has_date = date is not None and date.year > _PLACEHOLDER and known.last_modified == found.last_modified
    return has_length and known.codings == found.codings and (has_date or has_digest)


def _assess_whole(
    request: RangeRequest, known: FileVersion | None, seen: FileVersion | None, head: ResponseHead, unasked: str
) -> Assessment:
    if unasked:
        return Assessment(Outcome.FAIL if seen is None else Outcome.UNUSABLE, unasked)
    if not head.has_clear_end:
        return Assessment(Outcome.UNUSABLE, "the server sends a Content-Length or Transfer-Encoding that is malformed")
    if "content-range" in head.fields:
        return Assessment(Outcome.UNUSABLE, "a part with the status of the whole file")
    found = head.version()
    if seen is not None and _looks_like_error_page(found, seen):
        return Assessment(
            Outcome.NOT_THE_FILE, f"the server sends something else ({found.media_type or 'without a type'})")
    if known is None:
        return Assessment(Outcome.ACCEPT)
    is_short = found.complete_length is not None and found.complete_length < request.new_from
    difference = known.difference(found) or (f"only {found.complete_length} bytes" if is_short else "")
    is_other_length = known.complete_length not in (None, found.complete_length)
    is_perhaps_slice = request.first_pos and (is_other_length or is_short) and not found.has_validator
    if is_perhaps_slice:  # of a new version
        return Assessment(Outcome.CHANGED, difference or "the server sends no length any more")
    is_contradiction = difference and known.shares_validator(found)
    return Assessment(Outcome.UNUSABLE if is_contradiction else Outcome.RESTART, difference)


def _looks_like_error_page(found: FileVersion, seen: FileVersion) -> bool:
    """True if a 200 may be an error page, which seldom has a validator."""
    if found.media_type != seen.media_type:
        return found.if_range is None or found.media_type == "text/html"
    return seen.has_validator and not found.has_validator


def _assess_unsatisfied(request: RangeRequest, known: FileVersion | None, head: ResponseHead) -> Assessment:
    """Assess a 416 (RFC 9110 15.5.17). It may mean that the file is complete, has become shorter, or is empty.

    An empty file has no satisfiable range at all, and some servers refuse every range.
    """
    if known is None:
        return Assessment(Outcome.NO_RANGES, "the server refuses the range")
    content_range = head.content_range
    if content_range is None or content_range.complete_length is None:
        return Assessment(Outcome.UNUSABLE, "the server refuses the range without saying how long the file is")
    found = head.version()._replace(
        complete_length=content_range.complete_length, media_type=None, codings=known.codings)
    difference = known.difference(found)
    if not difference and content_range.complete_length == request.new_from:
        # A request with an overlap asked for bytes before the end, which a file of this length has.
        has_overlap = request.first_pos != request.new_from
        return Assessment(Outcome.UNUSABLE, _REFUSED) if has_overlap else Assessment(Outcome.COMPLETE)
    if not difference and known.complete_length is not None:
        return Assessment(Outcome.UNUSABLE, _REFUSED)
    return Assessment(Outcome.CHANGED, difference or f"only {content_range.complete_length} bytes")


_REFUSED = "the server refuses a range that the file has"
