"""Segments: the content of a response as a list of literal bytes and byte ranges.

This is the one idea of the package. A single part, multipart/byteranges, a 412 and a 416 are all such lists, so that
Content-Length is the sum of their lengths, and there is one way of writing for each kind of source. ``core.reply``
composes the lists, ``bodies`` and ``core.slicer`` render them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from ..http.ranges import ByteRange

Segment = bytes | ByteRange
"""A piece of the content of a response: literal bytes, or bytes of the representation."""

BOUNDARY_LENGTH = 32
"""Characters in the boundary of multipart/byteranges: 128 random bits in hexadecimal."""

_first_pos: Callable[[ByteRange], int] = itemgetter(0)
_last_pos: Callable[[ByteRange], int] = itemgetter(1)


def content_length(ranges: Sequence[ByteRange], literals: Iterable[bytes] = ()) -> int:
    """Add up the bytes of these ranges and literals: the Content-Length of multipart content."""
    return sum(map(_last_pos, ranges)) - sum(map(_first_pos, ranges)) + len(ranges) + sum(map(len, literals))


def whole_content(complete_length: int) -> tuple[Segment, ...]:
    """The content of a response that carries the whole representation."""
    return (ByteRange(0, complete_length - 1) if complete_length else b"",)


def part_heads(
    ranges: Iterable[ByteRange], complete_length: int, content_type: str | None, boundary: str
) -> tuple[list[bytes], bytes]:
    """The literals of multipart/byteranges: one before the bytes of each part, and one after the last (RFC 9110 14.6).

    Each begins with the CRLF that belongs to the delimiter (RFC 2046 5.1.1). A body that thus begins with CRLF is
    allowed and needed: zsync 0.6.2 repeats its requests for ever without it, and aborts without the CRLF at the end.
    """
    delimiter = f"\r\n--{boundary}".encode("latin-1")
    type_line = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    before = delimiter + f"\r\n{type_line}Content-Range: bytes ".encode("latin-1")
    head = before.replace(b"%", b"%%") + b"%%d-%%d/%d\r\n\r\n" % complete_length
    return [head % part for part in ranges], delimiter + b"--\r\n"


def skip_content(segments: Iterable[Segment], length: int) -> list[Segment]:
    """The segments that remain after the first ``length`` bytes of their content."""
    left: list[Segment] = []
    for segment in segments:
        size = len(segment) if isinstance(segment, bytes) else segment.length
        if length < size:
            left.append(_without_start(segment, length))
        length = max(0, length - size)
    return left


def _without_start(segment: Segment, length: int) -> Segment:
    if isinstance(segment, bytes):
        return segment[length:]
    return ByteRange(segment.first_pos + length, segment.last_pos)
