"""Slicer: how segments come out of chunks that arrive in order."""

from __future__ import annotations

from collections.abc import Iterable

from .core.segments import Segment
from .errors import TruncatedSource
from .http.ranges import ByteRange


class Slicer:
    """Takes the chunks of a representation one by one and gives back the bytes of the segments.

    The ranges among ``segments`` must ascend and must not overlap. ``pos`` is the position of the first byte of the
    next chunk.

    >>> slicer = Slicer([b"<", ByteRange(2, 5), b">"])
    >>> slicer.push(b"abcd"), slicer.push(b"efgh"), slicer.done
    (b'<cd', b'ef>', True)
    """

    def __init__(self, segments: Iterable[Segment]) -> None:
        self._rest = iter(segments)
        self.pos = 0
        self._literals = b""
        self._wanted: ByteRange | None = None
        self._advance()

    @property
    def done(self) -> bool:
        """Whether no further chunk is needed."""
        return self._wanted is None

    @property
    def gap(self) -> int:
        """Bytes that will come before the next one that is wanted; 0 if none is."""
        return 0 if self._wanted is None else self._wanted.first_pos - self.pos

    def pass_over(self, length: int) -> None:
        """Takes note of chunks that are not pushed, having no byte that is wanted: no more than ``gap`` bytes."""
        self.pos += length

    def push(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """What of the answer can be sent now that this chunk has come: often all of the chunk, or nothing."""
        data = chunk if type(chunk) is bytes else memoryview(chunk).tobytes()
        pieces: list[bytes] = []
        while self._wanted is not None:
            piece = data[self._wanted.first_pos - self.pos:self._wanted.next_pos - self.pos]
            if not piece:
                break
            if self._literals:
                pieces.append(self._literals)
            pieces.append(piece)
            self._consume(self._wanted, len(piece))
        self.pos += len(data)
        return b"".join(pieces) + self._take_literals()

    def finish(self) -> None:
        """Says that no chunk will come any more.

        :raises TruncatedSource: if one would be needed.
        """
        if self._wanted is not None:
            raise TruncatedSource(self.pos, self._wanted.next_pos)

    def _consume(self, wanted: ByteRange, length: int) -> None:
        self._literals = b""
        if length < wanted.length:
            self._wanted = ByteRange(wanted.first_pos + length, wanted.last_pos)
        else:
            self._advance()

    def _advance(self) -> None:
        """Goes on to the next range and gathers the literals before it, or after the last."""
        self._wanted = None
        for segment in self._rest:
            if isinstance(segment, ByteRange):
                self._wanted = segment
                return
            self._literals += segment

    def _take_literals(self) -> bytes:
        literals, self._literals = self._literals, b""
        return literals
