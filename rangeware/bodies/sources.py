"""Sources with random access: bodies whose bytes can be read at any position, and how they are sent in blocks.

``detect`` makes them of files, buffers and lists. ``Source`` is the protocol that they share with the forward-only
``streams.ForwardSource``, so that the adapters need not know which one they have.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple, Protocol

from ..core.segments import Segment
from ..errors import TruncatedSource


class Source(Protocol):
    """The bytes of a representation, and the way to them."""

    @property
    def complete_length(self) -> int:
        """The complete length in bytes."""

    @property
    def random_access(self) -> bool:
        """True if ranges can be rendered in any order; if False, they must ascend."""

    @property
    def shorter(self) -> bool:
        """True if there are fewer bytes than the app declared: its response must pass unchanged."""

    @property
    def on_disk(self) -> DiskFile | None:
        """The file on disk; None for any other source."""

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """Yield the bytes of the segments, block by block.

        :raises TruncatedSource: while rendering, if the representation ends early.
        """


class DiskFile(NamedTuple):
    """A regular file on disk, as it was when the app returned it.

    :param raw: the open file; its ``fileno()`` raises once it is closed, when the number may be another file's.
    :param offset: the position in the file, in bytes, of byte 0 of the representation.
    :param mtime_ns: time of modification in nanoseconds since 1970.
    """

    raw: io.FileIO
    offset: int
    mtime_ns: int

    def read_cached(self, pos: int, size: int) -> bytes:
        """Read ``size`` bytes at the most from position ``pos`` of the representation, if they are in the page cache.

        :raises BlockingIOError: if they must be fetched from the disk, or the system cannot tell (Linux can).
        """
        buffer = bytearray(size)
        try:
            length = os.preadv(self.raw.fileno(), [buffer], self.offset + pos, os.RWF_NOWAIT)
        except (AttributeError, OSError) as exc:
            raise BlockingIOError from exc
        return bytes(memoryview(buffer)[:length])


class SeekableSource(NamedTuple):
    """A body whose bytes can be read at any position.

    :param read_at: ``read_at(pos, size)`` reads ``size`` bytes at the most; fewer only at the end, or by a short read.
    :param complete_length: in bytes.
    :param block_size: bytes per read and per block sent, at most.
    :param random_access: False if seeking back is as expensive as reading again from the start.
    :param on_disk: the file on disk; None for anything else.
    :param is_moved: True if reading moves the position of the object that the app returned.
    :param shorter: True if the app declared more bytes than there are.
    """

    read_at: Callable[[int, int], bytes]
    complete_length: int
    block_size: int
    random_access: bool = True
    on_disk: DiskFile | None = None
    is_moved: bool = False
    shorter: bool = False

    def read(self, segments: Sequence[Segment]) -> bytes:
        """Read the bytes of all segments at once.

        :raises TruncatedSource: if the representation ends early.
        """
        pieces: list[bytes] = []
        read_at = self.read_at
        for segment in segments:
            if type(segment) is bytes:
                pieces.append(segment)
                continue
            pos, last_pos = segment
            length = last_pos - pos + 1
            block = read_at(pos, length)
            if len(block) != length:
                block = self._complete(block, pos, length)
                if len(block) < length:
                    raise TruncatedSource(pos + len(block), last_pos + 1)
            pieces.append(block)
        return b"".join(pieces)

    def _complete(self, block: bytes, pos: int, length: int) -> bytes:
        """Complete ``block`` to ``length`` bytes, or to fewer if the representation ends early.

        ``read()`` may return fewer bytes than it is asked for, and an app's own also more.
        """
        blocks, came = [block], len(block)
        while block and came < length:
            block = self.read_at(pos + came, length - came)
            blocks.append(block)
            came += len(block)
        return b"".join(blocks)[:length]

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """Yield the bytes of the segments in blocks. Each block is sent before more is read.

        Large parts are sent as they are read, without a copy. Small ones are joined up to half a block, so that the
        pieces and their copy are one block of memory.
        """
        held: list[bytes] = []
        read_at, most_joined = self.read_at, self.block_size // 2
        room = most_joined
        for segment in segments:
            if type(segment) is bytes:
                held.append(segment)
                room -= len(segment)
                continue
            pos, last_pos = segment
            length = last_pos - pos + 1
            if length > room:
                if held:
                    yield _joined(held)
                room = most_joined
                if length > room:
                    pos = yield from self._render_large(pos, last_pos)
                    length = last_pos - pos + 1
                    if not length:
                        continue
            block = read_at(pos, length)
            if len(block) != length:
                block = yield from self._complete_or_end(block, pos, length, last_pos, held)
            held.append(block)
            room -= length
            del block  # free it before the next one is read
        if held:
            yield _joined(held)

    def _render_large(self, pos: int, last_pos: int) -> Generator[bytes, None, int]:
        """Yield blocks as they are read; return the position of the rest, which is small enough to be joined."""
        most_joined = self.block_size // 2
        while last_pos - pos >= most_joined:
            length = min(self.block_size, last_pos - pos + 1)
            block = self.read_at(pos, length)
            if len(block) != length:
                block = yield from self._complete_or_end(block, pos, length, last_pos, [])
            pos += length
            yield block
            del block
        return pos

    def _complete_or_end(
        self, block: bytes, pos: int, length: int, last_pos: int, held: list[bytes]
    ) -> Generator[bytes, None, bytes]:
        """Return the block, completed; if that cannot be, yield what came before the gap for a client that resumes.

        :raises TruncatedSource: if the representation ends early.
        """
        block = self._complete(block, pos, length)
        if len(block) < length:
            rest = b"".join([*held, block])
            if rest:
                yield rest
            raise TruncatedSource(pos + len(block), last_pos + 1)
        return block


def _joined(pieces: list[bytes]) -> bytes:
    """Join the pieces, and empty their list: they need not be in memory while the block is sent. One is not copied."""
    block = b"".join(pieces)
    pieces.clear()
    return block
