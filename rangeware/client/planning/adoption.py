"""Partial files of other programs: which bytes they have, and which of them to compare with the server.

Pure. curl, wget and browsers write a file from its first byte on. aria2 fills it in pieces, which its control file
lists, since the file has its full length from the start.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...http.ranges import ByteRange
from .existing import SAMPLE
from .rangeset import RangeSet

_ARIA2_BLOCK = 16384  # bytes for a bit in the bit field of a piece
_MOST_KEPT = 10_000  # ranges of a file
_MOST_RANGES = 6  # that are compared: the longest ones
_PLACES = 8  # in a file that is one range


def finished_by_aria2(control: bytes) -> list[ByteRange] | None:
    """The bytes that a file of aria2 has, from its control file (version 1); None if that is malformed.

    Of very many ranges, only the longest: each block that comes is put in its place among them.

    Pieces that are complete have a bit in the bit field; of those under way, each block of 16 KiB has one.
    """
    try:
        return _finished(_Reader(control))
    except ValueError:
        return None


class _Reader:
    """Reads bytes and numbers, the highest octet of which comes first. Raises ValueError at the end."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self._pos = 0

    def octets(self, length: int) -> bytes:
        found = self._octets[self._pos:self._pos + length]
        self._pos += length
        if len(found) < length:
            raise ValueError(length)
        return found

    def number(self, length: int) -> int:
        return int.from_bytes(self.octets(length), "big")


def _finished(control: _Reader) -> list[ByteRange]:
    version, _ = control.number(2), control.number(4)
    control.octets(control.number(4))  # the info hash of a torrent
    piece_length, length, _ = control.number(4), control.number(8), control.number(8)
    field = control.octets(control.number(4))
    if version != 1 or not piece_length or len(field) != (-(-length // piece_length) + 7) // 8:
        raise ValueError(version)
    parts = _ranges(field, 0, piece_length, length)
    for _ in range(control.number(4)):  # ends with the control file at the latest
        first_pos, own_length = control.number(4) * piece_length, control.number(4)
        field = control.octets(control.number(4))
        parts += _ranges(field, first_pos, _ARIA2_BLOCK, min(first_pos + own_length, length))
    longest = sorted(RangeSet(parts), key=lambda part: -part.length)[:_MOST_KEPT]
    return sorted(longest)


def _ranges(field: bytes, first_pos: int, size: int, end: int) -> list[ByteRange]:
    """The ranges of ``size`` bytes that have a bit in a bit field, the first one highest; none goes beyond ``end``."""
    numbers = (8 * index + bit for index, octet in enumerate(field) for bit in range(8) if octet & 128 >> bit)
    firsts = (first_pos + number * size for number in numbers)
    return [ByteRange(first, min(first + size, end) - 1) for first in firsts if first < end]


def before_holes(extents: Sequence[ByteRange], length: int) -> list[ByteRange]:
    """The bytes to trust in a file with holes: blocks beside a hole that were written in part are filled with zeros."""
    trusted = (ByteRange(each.first_pos + (SAMPLE if each.first_pos else 0),
                         each.last_pos - (SAMPLE if each.next_pos < length else 0)) for each in extents)
    return [each for each in trusted if each.length > 0]


def places(finished: Sequence[ByteRange], *, has_digest: bool) -> list[ByteRange]:
    """The bytes to compare with the server before a partial file is adopted.

    :param has_digest: True if a digest will judge the complete file: the end of each range, where breaks show, is
        enough then.
    """
    longest = sorted(finished, key=lambda part: -part.length)[:_MOST_RANGES]
    each = 1 if has_digest else max(2, _PLACES // len(longest) if longest else 2)
    return list(RangeSet(place for part in longest for place in _places_in(part, each)))


def _places_in(part: ByteRange, count: int) -> list[ByteRange]:
    """So many places in a range, the last one at its end, the first one of several at its beginning."""
    size = min(SAMPLE, part.length)
    room = part.length - size
    firsts = [part.first_pos + (room * number // (count - 1) if count > 1 else room) for number in range(count)]
    return [ByteRange(first_pos, first_pos + size - 1) for first_pos in firsts]
