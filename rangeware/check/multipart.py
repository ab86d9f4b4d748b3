"""Read a multipart/byteranges body, and say what is wrong with it (RFC 9110 14.6, RFC 2046 5.1.1). Pure.

It shares nothing with the code that writes such bodies, so that it can judge them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ..http.ranges import ContentRange, parse_content_range

_BOUNDARY = re.compile(
    r'multipart/byteranges\s*;(?:.*?;)?\s*boundary=(?:"([^"]{1,70})"|([^";,\s]{1,70}))', re.IGNORECASE)
_MOST_PARTS = 300
_END_OF_HEAD = re.compile(rb"\r\n\r\n|\n\n|\r\n\n|\n\r\n")

Field = tuple[str, str]


class Part(NamedTuple):
    """A part: its fields as they were sent, and its content, which may be cut off in the last one."""

    fields: list[Field]
    content: bytes

    @property
    def content_range(self) -> ContentRange | None:
        """Content-Range of the part; None if it is absent, malformed or there twice."""
        values = [value for name, value in self.fields if name.lower() == "content-range"]
        return parse_content_range(values[0]) if len(values) == 1 else None


class Multipart(NamedTuple):
    """The parts of a body, and its faults as sentences for a person.

    :param is_closed: True if the closing delimiter is there.
    """

    parts: list[Part]
    faults: list[str]
    is_closed: bool


def boundary_of(content_type: str) -> str | None:
    """The boundary that a Content-Type names; None if that is not multipart/byteranges.

    >>> boundary_of("multipart/byteranges; boundary=THIS")
    'THIS'
    """
    match = _BOUNDARY.match(content_type)
    return match and (match[1] or match[2])


def read_fields(head: bytes) -> list[Field]:
    """Split a head into names and values, in order and unchanged. A line without a colon gets an empty name."""
    lines = head.decode("latin-1").split("\r\n")
    return [_field(line) for line in lines if line]


def _field(line: str) -> Field:
    name, colon, value = line.partition(":")
    return (name, value.strip()) if colon else ("", line)


def read_multipart(content: bytes, boundary: str, *, is_complete: bool = True) -> Multipart:
    """Read the parts of a body, 300 at the most.

    :param is_complete: False if the body was cut off on purpose: its last part is then cut off, too.
    """
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    pieces = (b"\r\n" + content).split(delimiter, _MOST_PARTS + 1)[1:]
    parts: list[Part] = []
    faults = [] if pieces else ["its boundary is nowhere in it"]
    for number, piece in enumerate(pieces[:_MOST_PARTS], 1):
        if piece.startswith(b"--"):
            return Multipart(parts, faults or _faults_of(parts) or ([] if parts else ["it has no parts"]), True)
        is_cut = number == len(pieces) and not is_complete
        part = _part(piece, [] if is_cut else faults)
        if part is not None:
            parts.append(part)
    if is_complete and not faults:
        faults = ["it has no closing delimiter"]
    whole = parts if is_complete else parts[:-1]
    return Multipart(parts, faults or _faults_of(whole), False)


def _part(piece: bytes, faults: list[str]) -> Part | None:
    line, newline, rest = piece.partition(b"\r\n")
    if line.strip(b" \t") or not newline:
        faults.append("a delimiter is not a line of its own")
        return None
    end = _END_OF_HEAD.search(b"\r\n" + rest)
    if end is None:
        faults.append("a part has no empty line between its head and its content")
        return None
    if end[0] != b"\r\n\r\n":
        faults.append("lines in it end with LF alone")
    return Part(read_fields(rest[:max(0, end.start() - 2)]), rest[end.end() - 2:])


def _faults_of(parts: list[Part]) -> list[str]:
    """The faults of complete parts."""
    if any(part.content_range is None or part.content_range.part is None for part in parts):
        return ["a part has no valid Content-Range"]
    lengths = {part.content_range.complete_length for part in parts if part.content_range}
    if len(lengths) > 1:
        return ["its parts name several complete lengths"]
    for part in parts:
        named = part.content_range and part.content_range.part
        if named and named.length != len(part.content):
            return [f"a part has {len(part.content)} bytes where its Content-Range says {named.length}"]
    return []
