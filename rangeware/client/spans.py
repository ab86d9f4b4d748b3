"""Which bytes of a file are there: a set of positions, kept as ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..http.ranges import ByteRange


class Spans:
    """A set of byte positions. What touches is one range, so that a file that grows in order is always one.

    >>> spans = Spans([ByteRange(0, 9), ByteRange(20, 29), ByteRange(10, 11)])
    >>> list(spans)
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
        """How many bytes these are."""
        return sum(part.length for part in self._parts)

    def add(self, part: ByteRange) -> None:
        """Take these bytes in too."""
        first_pos, last_pos = part
        apart = []
        for each in self._parts:
            if each.next_pos < first_pos or last_pos + 1 < each.first_pos:
                apart.append(each)
            else:
                first_pos, last_pos = min(first_pos, each.first_pos), max(last_pos, each.last_pos)
        self._parts = sorted([*apart, ByteRange(first_pos, last_pos)])

    def covers(self, part: ByteRange) -> bool:
        """Whether each of these bytes is there."""
        return any(each.first_pos <= part.first_pos and part.last_pos <= each.last_pos for each in self._parts)

    def known_before(self, pos: int) -> int:
        """How many bytes directly before ``pos`` are there."""
        return next((pos - each.first_pos for each in self._parts if each.next_pos == pos), 0)

    def gaps(self, complete_length: int) -> list[ByteRange]:
        """What is missing of a file of this length, in bytes."""
        edges = [*self._parts, ByteRange(complete_length, complete_length)]
        gaps, pos = [], 0
        for part in edges:
            if pos < part.first_pos:
                gaps.append(ByteRange(pos, part.first_pos - 1))
            pos = part.next_pos
        return gaps
