"""Cut segments out of the chunks of a body that can only be read forward.

The adapters push each chunk of a generator, or each message of an ASGI app, and send what comes back.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import TruncatedSource
from ..http.ranges import ByteRange
from .segments import Segment


class Slicer:
    """Takes the chunks of a representation one by one and returns the bytes of the segments that they complete.

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
        """True if no further chunk is needed."""
        return self._wanted is None

    @property
    def gap(self) -> int:
        """Bytes to skip before the next wanted one; 0 if none is wanted."""
        return 0 if self._wanted is None else self._wanted.first_pos - self.pos

    def skip(self, length: int) -> None:
        """Count chunks that were not pushed because no byte of them is wanted: ``gap`` bytes at the most."""
        self.pos += length

    def push(self, chunk: bytes | bytearray | memoryview) -> bytes:
        """Take the next chunk and return the bytes that can be sent now: often all of the chunk, or none."""
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
        """Declare that the body has ended.

        :raises TruncatedSource: if bytes are still wanted.
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
        """Move on to the next range, collecting the literals before it, or after the last one."""
        self._wanted = None
        for segment in self._rest:
            if isinstance(segment, ByteRange):
                self._wanted = segment
                return
            self._literals += segment

    def _take_literals(self) -> bytes:
        literals, self._literals = self._literals, b""
        return literals
