"""Segments: how long they are, and how they come out of chunks that arrive in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter

from .errors import TruncatedSource
from .fields import ByteRange, Segment

_first_pos: Callable[[ByteRange], int] = itemgetter(0)
_last_pos: Callable[[ByteRange], int] = itemgetter(1)


def content_length(ranges: Sequence[ByteRange], literals: Iterable[bytes] = ()) -> int:
    """Bytes in the content that has these in it: the one place that computes Content-Length."""
    return sum(map(_last_pos, ranges)) - sum(map(_first_pos, ranges)) + len(ranges) + sum(map(len, literals))


def after(segments: Iterable[Segment], length: int) -> list[Segment]:
    """What is left of the segments after so many bytes of the content that they are."""
    left: list[Segment] = []
    for segment in segments:
        size = len(segment) if isinstance(segment, bytes) else segment.length
        if length < size:
            left.append(_without(segment, length))
        length = max(0, length - size)
    return left


def _without(segment: Segment, length: int) -> Segment:
    if isinstance(segment, bytes):
        return segment[length:]
    return ByteRange(segment.first_pos + length, segment.last_pos)


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
