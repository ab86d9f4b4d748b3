"""``RangeSet``: the set of bytes of a file that are already there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...http.ranges import ByteRange


class RangeSet:
    """A set of byte positions, kept as ascending ranges. Touching ranges are joined.

    >>> ranges = RangeSet([ByteRange(0, 9), ByteRange(20, 29), ByteRange(10, 11)])
    >>> list(ranges)
    [ByteRange(first_pos=0, last_pos=11), ByteRange(first_pos=20, last_pos=29)]
    """

    def __init__(self, parts: Iterable[ByteRange] = ()) -> None:
        self._parts: list[ByteRange] = []
        for part in sorted(parts):
            if self._parts and part.first_pos <= self._parts[-1].next_pos:
                before = self._parts.pop()
                part = ByteRange(before.first_pos, max(before.last_pos, part.last_pos))
            self._parts.append(part)

    def __iter__(self) -> Iterator[ByteRange]:
        return iter(self._parts)

    @property
    def length(self) -> int:
        """The number of bytes in the set."""
        return sum(part.length for part in self._parts)

    def add(self, part: ByteRange) -> None:
        """Add these bytes."""
        first_pos, last_pos = part
        apart = []
        for each in self._parts:
            if each.next_pos < first_pos or last_pos + 1 < each.first_pos:
                apart.append(each)
            else:
                first_pos, last_pos = min(first_pos, each.first_pos), max(last_pos, each.last_pos)
        self._parts = sorted([*apart, ByteRange(first_pos, last_pos)])

    def without(self, parts: Iterable[ByteRange]) -> RangeSet:
        """Make a set that lacks these bytes."""
        removed = RangeSet(parts)
        kept: list[ByteRange] = []
        for each in self._parts:
            cut = (ByteRange(max(gap.first_pos, each.first_pos), min(gap.last_pos, each.last_pos))
                   for gap in removed.gaps(each.next_pos))
            kept += (part for part in cut if part.length > 0)
        return RangeSet(kept)

    def covers(self, part: ByteRange) -> bool:
        """True if each of these bytes is in the set."""
        return any(each.first_pos <= part.first_pos and part.last_pos <= each.last_pos for each in self._parts)

    def length_before(self, pos: int) -> int:
        """The number of bytes in the set that stand directly before ``pos``."""
        return next((pos - each.first_pos for each in self._parts if each.first_pos < pos <= each.next_pos), 0)

    def gaps(self, complete_length: int) -> list[ByteRange]:
        """The bytes that are missing in a file of this length, in bytes."""
        edges = [*self._parts, ByteRange(complete_length, complete_length)]
        gaps, pos = [], 0
        for part in edges:
            if pos < part.first_pos:
                gaps.append(ByteRange(pos, part.first_pos - 1))
            pos = part.next_pos
        return gaps
