"""Sources: the bytes of a representation that can be read at any position, and how they are rendered in blocks."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from .core.segments import Segment
from .errors import TruncatedSource


class Source(Protocol):
    """The bytes of a representation, and a way to them."""

    @property
    def complete_length(self) -> int:
        """In bytes."""

    @property
    def random_access(self) -> bool:
        """Whether ranges can be rendered in any order; if not, they must ascend."""

    @property
    def shorter(self) -> bool:
        """Whether there is less than the app declared, so that its answer is not ours to mend."""

    @property
    def on_disk(self) -> DiskFile | None:
        """The file, if it is one on disk; None for anything else."""

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """The bytes of the segments, block by block.

        :raises TruncatedSource: while rendering, if the representation ends early.
        """


class DiskFile(NamedTuple):
    """A regular file on disk, as it was when it was handed over.

    :param raw: its descriptor; ``fileno()`` refuses once it is closed, when the number may be another file's.
    :param offset: the position in it (bytes) of byte 0 of the representation.
    :param mtime_ns: when it was modified (nanoseconds).
    """

    raw: io.FileIO
    offset: int
    mtime_ns: int

    def read_cached(self, pos: int, size: int) -> bytes:
        """At most so many bytes from this position of the representation, if the system has them in memory.

        :raises BlockingIOError: if they have to be fetched, or the system cannot tell (Linux can).
        """
        buffer = bytearray(size)
        try:
            length = os.preadv(self.raw.fileno(), [buffer], self.offset + pos, os.RWF_NOWAIT)
        except (AttributeError, OSError) as exc:
            raise BlockingIOError from exc
        return bytes(memoryview(buffer)[:length])


class SeekableSource(NamedTuple):
    """A body that can be read at any position.

    :param read_at: from a position, at most so many bytes: ``read_at(pos, size)``; fewer only at the end, or by a
        short read.
    :param block_size: bytes per read and per block sent, at most.
    :param random_access: False where going back is as dear as starting again.
    :param on_disk: the file, if it is one on disk; None for anything else.
    :param is_moved: whether reading moves what the app handed over.
    :param shorter: whether the app declared more than there is.
    """

    read_at: Callable[[int, int], bytes]
    complete_length: int
    block_size: int
    random_access: bool = True
    on_disk: DiskFile | None = None
    is_moved: bool = False
    shorter: bool = False

    def read(self, segments: Sequence[Segment]) -> bytes:
        """The bytes of the segments, all at once.

        :raises TruncatedSource: if the representation ends early.
        """
        return b"".join(map(self._read_segment, segments))

    def _read_segment(self, segment: Segment) -> bytes:
        if type(segment) is bytes:
            return segment
        first_pos, last_pos = segment
        length = last_pos - first_pos + 1
        block = self.read_at(first_pos, length)
        return block if len(block) == length else self._filled(block, first_pos, length)

    def _filled(self, block: bytes, pos: int, length: int) -> bytes:
        """So many bytes, of which this block came: ``read()`` may give less than it is asked for, and an app's more.

        :raises TruncatedSource: if the representation ends early.
        """
        blocks, came = [block], len(block)
        while block and came < length:
            block = self.read_at(pos + came, length - came)
            blocks.append(block)
            came += len(block)
        if came < length:
            raise TruncatedSource(pos + came, pos + length)
        return b"".join(blocks)[:length]

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """The bytes of the segments, joined into full blocks. A block is sent before more is read."""
        held: list[bytes] = []
        read_at, block_size = self.read_at, self.block_size
        room = block_size
        for segment in segments:
            if type(segment) is bytes:
                held.append(segment)
                room -= len(segment)
                continue
            pos, last_pos = segment
            length = last_pos - pos + 1
            if room < length <= block_size:  # so that small parts are read in one go
                yield b"".join(held)
                held, room = [], block_size
            if length <= room:
                block = read_at(pos, length)
                held.append(block if len(block) == length else self._filled(block, pos, length))
                room -= length
                del block  # before the next one is read
                continue
            while pos <= last_pos:
                if room <= 0:
                    yield b"".join(held)
                    held, room = [], block_size
                wanted = min(room, last_pos - pos + 1)
                block = read_at(pos, wanted)
                if not block:
                    if held:
                        yield b"".join(held)  # what came before helps a client that resumes
                    raise TruncatedSource(pos, last_pos + 1)
                if len(block) > wanted:  # an app's own read() may do that
                    block = block[:wanted]
                held.append(block)
                pos += len(block)  # read() may return less than we asked for: count what came
                room -= len(block)
                del block
        yield b"".join(held)
