"""Compare a file that has the final name already with the file at the server: is it complete, and the same?

Pure. A digest decides, if there is one. Otherwise the length and the date do: a download gives its file the time of
Last-Modified, so that the same length and the same time mean the same file. Where the server tells too little, some
bytes are compared.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ...http.ranges import ByteRange
from ..filenames import file_name
from .assessment import Outcome, RangeRequest, assess
from .codings import around
from .response_head import FileVersion, ResponseHead

SAMPLE = 65536
"""Bytes to compare in one place."""

DECODED = "the decoded length is not known"

_WHOLE = 1 << 20  # bytes of a file that is compared completely
_COARSE = 2  # seconds: FAT keeps even ones only


class LocalFile(NamedTuple):
    """A file on disk: its length in bytes, and its time of modification in seconds since 1970."""

    length: int
    modified: float


class Verdict(Enum):
    """The result of a comparison."""

    SAME = "the file is complete"
    DIFFERS = "the file at the server is another one"
    UNKNOWN = "length and date leave it open"


class Comparison(NamedTuple):
    """A verdict, and the reason for a person."""

    verdict: Verdict
    reason: str = ""


def complete_length_of(head: ResponseHead, address: str) -> int | None:
    """The complete length of the file in the response to a request for a range.

    None if it is unknown, or that of coded bytes, which are not those of the file.

    :param address: the URL that answered.
    """
    name = file_name(head.fields.get("content-disposition"), address)
    if around(head.codings, [name], head.media_type):
        return None
    if head.status == 416:
        content_range = head.content_range
        return None if content_range is None else content_range.complete_length
    return head.version().complete_length


def compare(
    local: LocalFile, head: ResponseHead, length: int | None, *, if_newer: bool, is_decoded: bool = False
) -> Comparison:
    """Compare a file with the head of a response, by length and date.

    :param length: the complete length at the server, in bytes; None if it is unknown.
    :param if_newer: True if a file here that is newer than the one at the server counts as the same, if it has its
        length: somebody has copied or changed it on purpose.
    :param is_decoded: True if the file here is the decoded one, of which no server tells the length: the time that the
        download has given it has to do.
    """
    date = head.date("last-modified")
    if length is not None and length != local.length:
        return Comparison(Verdict.DIFFERS, f"the server has {length:,} bytes, and the file {local.length:,}")
    if date is None:
        return Comparison(Verdict.UNKNOWN, "the server sends no date")
    if _is_before(local.modified, date.timestamp()):
        return Comparison(Verdict.DIFFERS, "the server has a newer one")
    is_of_date = local.modified < date.timestamp() + 1
    if (is_of_date and (length is not None or is_decoded)) or if_newer:
        return Comparison(Verdict.SAME)
    if is_decoded:
        return Comparison(Verdict.UNKNOWN, DECODED)
    return Comparison(Verdict.UNKNOWN, "the server sends no length" if length is None else "the file has another date")


def _is_before(modified: float, date: float) -> bool:
    """True if a file is older than a date; not if its file system has no odd seconds, and that is the difference."""
    return modified < date and not (modified % _COARSE == 0 and date - modified < _COARSE)


def samples(length: int) -> list[ByteRange]:
    """The bytes to compare of a file of this length: all of a short one; the beginning, the middle, the end."""
    if length <= _WHOLE:
        return [ByteRange(0, length - 1)]
    firsts = (0, (length - SAMPLE) // 2, length - SAMPLE)
    return [ByteRange(first_pos, first_pos + SAMPLE - 1) for first_pos in firsts]


def is_sample(request: RangeRequest, version: FileVersion, head: ResponseHead) -> bool:
    """True if a response has exactly the bytes that were asked for, or begins with them, of this version.

    :param version: the version that the comparison was begun with.
    """
    assessment = assess(request, None, head, decode=False)
    if assessment.outcome is not Outcome.ACCEPT or version.difference(head.version()):
        return False
    if assessment.part is None:
        return request.first_pos == 0
    return assessment.part == (request.first_pos, request.last_pos)
