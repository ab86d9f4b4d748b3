"""The pieces of a file whose digests are known: which of them are there, and which have been checked."""

from __future__ import annotations

from typing import NamedTuple

from ...http.ranges import ByteRange
from ..digests import Pieces
from .rangeset import RangeSet


class PieceCheck(NamedTuple):
    """A piece that is there: its bytes must have this digest."""

    number: int
    part: ByteRange
    algorithm: str
    digest: bytes


class PieceChecks:
    """Tells which pieces are to be checked. Each is told once, until it turns out to be wrong.

    :param pieces: the digests; None if there are none.
    """

    def __init__(self, pieces: Pieces | None) -> None:
        self._pieces = pieces
        self._told: set[int] = set()
        self._right: set[int] = set()

    def start_again(self) -> None:
        """Forget which pieces have been checked: the bytes are others."""
        self._told, self._right = set(), set()

    def due(self, part: ByteRange, finished: RangeSet, complete_length: int | None) -> list[PieceCheck]:
        """The pieces with a byte in this part that are there completely by now.

        None are, if the file has another length than the pieces: the digest of the file will tell.
        """
        pieces = self._pieces
        if pieces is None or complete_length is None or len(pieces.digests) != -(-complete_length // pieces.length):
            return []
        touched = range(part.first_pos // pieces.length, part.last_pos // pieces.length + 1)
        made = [self._made(pieces, number, complete_length) for number in touched if number not in self._told]
        found = [check for check in made if finished.covers(check.part)]
        self._told.update(check.number for check in found)
        return found

    @staticmethod
    def _made(pieces: Pieces, number: int, complete_length: int) -> PieceCheck:
        first_pos = number * pieces.length
        last_pos = min(first_pos + pieces.length, complete_length) - 1
        return PieceCheck(number, ByteRange(first_pos, last_pos), pieces.algorithm, pieces.digests[number])

    def note(self, check: PieceCheck, digest: bytes) -> bool:
        """Note the digest that the piece has. False if it is wrong; the piece is told again when it has come again."""
        if digest == check.digest:
            self._right.add(check.number)
            return True
        self._told.discard(check.number)
        return False

    def right(self) -> list[ByteRange]:
        """The bytes of the pieces that have been checked, and are right."""
        length = 0 if self._pieces is None else self._pieces.length
        return [ByteRange(number * length, (number + 1) * length - 1) for number in self._right]
