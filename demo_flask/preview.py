"""Readable forms of a response: previews of bytes, and the parts of a multipart response.

The parts are split by the reader of ``rangeware check``, which shares nothing with the middleware, so that the page
shows the bytes on the wire.
"""

import re
from typing import NamedTuple

from rangeware.check import multipart
from rangeware.check.multipart import Field, read_fields

_TEXT_BYTES = 400
_HEX_BYTES = 128
_HEX_ROW = 8
_MAX_PARTS = 20

_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]*")

__all__ = ["Field", "Part", "Preview", "boundary_of", "preview", "read_fields", "read_parts"]


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


def boundary_of(fields: list[Field]) -> str | None:
    """Return the boundary in Content-Type; None if the response is not multipart/byteranges."""
    types = [value for name, value in fields if name.lower() == "content-type"]
    return multipart.boundary_of(types[0]) if types else None


def read_parts(content: bytes, boundary: str) -> tuple[list[Part], int]:
    """Return the first parts of a multipart body, and the number of further ones (RFC 2046 5.1.1).

    The last part may be incomplete.
    """
    parts = multipart.read_multipart(content, boundary).parts
    return [Part(part.fields, preview(part.content)) for part in parts[:_MAX_PARTS]], max(0, len(parts) - _MAX_PARTS)
