"""Compare the bytes of many responses where they overlap. Pure.

A hostile server sends very many parts, so no pair of them is compared twice: each new piece is compared with what is
already there, and only what is new in it is kept.
"""

from __future__ import annotations

from bisect import bisect_right


class Overlaps:
    """The bytes of a file as far as responses have told them.

    :ivar agreed: bytes that came more than once, and were the same.
    """

    def __init__(self) -> None:
        self.agreed = 0
        self._pieces: list[tuple[int, bytes]] = []  # by position; none overlaps another

    def add(self, first_pos: int, content: bytes) -> int | None:
        """Add bytes. Return the position of the first one that differs from what came before; None if none does."""
        index = max(0, bisect_right(self._pieces, (first_pos, b"\xff")) - 1)
        end = first_pos + len(content)
        pos, new = first_pos, []
        while pos < end:
            start, known = self._pieces[index] if index < len(self._pieces) else (end, b"")
            if start > pos or start == end:
                stop = min(start, end)
                new.append((pos, content[pos - first_pos:stop - first_pos]))
            else:
                stop = max(pos, min(start + len(known), end))
                if content[pos - first_pos:stop - first_pos] != known[pos - start:stop - start]:
                    return _first_difference(content[pos - first_pos:stop - first_pos], known[pos - start:]) + pos
                self.agreed += stop - pos
                index += 1
            pos = stop
        self._pieces = sorted([*self._pieces, *new])
        return None


def _first_difference(content: bytes, other: bytes) -> int:
    return next(index for index, pair in enumerate(zip(content, other, strict=False)) if pair[0] != pair[1])
