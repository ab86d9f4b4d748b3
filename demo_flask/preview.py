"""Readable forms of a response: previews of bytes, and the parts of a multipart response.

The parts are split at their boundary, with no help from rangeware, so that the page shows the bytes on the wire.
"""

import re
from typing import NamedTuple

_TEXT_BYTES = 400
_HEX_BYTES = 128
_HEX_ROW = 8
_MAX_PARTS = 20

_BOUNDARY = re.compile(r'multipart/byteranges\s*;.*?boundary="?([^";,\s]{1,70})', re.IGNORECASE)
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]*")

Field = tuple[str, str]


class Preview(NamedTuple):
    """The first bytes of some content. ``kind`` is "text" or "hex"; ``length`` counts all bytes received."""

    kind: str
    text: str
    length: int
    cut: bool


class Part(NamedTuple):
    """A part of a multipart response: its headers as received, and a preview of its bytes."""

    fields: list[Field]
    preview: Preview


def preview(content: bytes) -> Preview:
    """Show the first bytes as text if they are printable ASCII, and as hexadecimal otherwise."""
    if _TEXT.fullmatch(content[:_TEXT_BYTES]):
        return Preview("text", content[:_TEXT_BYTES].decode("ascii"), len(content), len(content) > _TEXT_BYTES)
    return Preview("hex", _hex(content[:_HEX_BYTES]), len(content), len(content) > _HEX_BYTES)


def _hex(content: bytes) -> str:
    rows = range(0, len(content), _HEX_ROW)
    return "\n".join(_hex_row(first, content[first:first + _HEX_ROW]) for first in rows)


def _hex_row(first: int, row: bytes) -> str:
    letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "·" for byte in row)
    return f"{first:04x}  {row.hex(' '):<{3 * _HEX_ROW - 1}}  {letters}"


def read_fields(head: bytes) -> list[Field]:
    """Split a head into names and values, in order and unchanged. A line without a colon gets an empty name."""
    lines = head.decode("latin-1").split("\r\n")
    return [_field(line) for line in lines if line]


def _field(line: str) -> Field:
    name, colon, value = line.partition(":")
    return (name, value.strip()) if colon else ("", line)


def boundary_of(fields: list[Field]) -> str | None:
    """Return the boundary in Content-Type; None if the response is not multipart/byteranges."""
    types = [value for name, value in fields if name.lower() == "content-type"]
    match = _BOUNDARY.match(types[0]) if types else None
    return match and match[1]


def read_parts(content: bytes, boundary: str) -> tuple[list[Part], int]:
    """Return the first parts of a multipart body, and the number of further ones (RFC 2046 5.1.1).

    The last part may be incomplete.
    """
    delimiter = b"\r\n--" + boundary.encode("latin-1")
    pieces = (b"\r\n" + content).split(delimiter)[1:]
    parts = [piece for piece in pieces if not piece.startswith(b"--")]
    return [_part(piece) for piece in parts[:_MAX_PARTS]], max(0, len(parts) - _MAX_PARTS)


def _part(piece: bytes) -> Part:
    head, _, content = piece.partition(b"\r\n\r\n")
    return Part(read_fields(head), preview(content))
