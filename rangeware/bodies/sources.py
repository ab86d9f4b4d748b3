"""Sources with random access: bodies whose bytes can be read at any position, and how they are sent in blocks.

``detect`` makes them of files, buffers and lists. ``Source`` is the protocol that they share with the forward-only
``streams.ForwardSource``, so that the adapters need not know which one they have.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
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
        return b"".join(map(self._read_segment, segments))

    def _read_segment(self, segment: Segment) -> bytes:
        if type(segment) is bytes:
            return segment
        first_pos, last_pos = segment
        length = last_pos - first_pos + 1
        block = self.read_at(first_pos, length)
        return block if len(block) == length else self._read_rest(block, first_pos, length)

    def _read_rest(self, block: bytes, pos: int, length: int) -> bytes:
        """Complete ``block`` to ``length`` bytes: ``read()`` may return fewer bytes, and an app's own also more.

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
        """Yield the bytes of the segments, joined into full blocks. Each block is sent before more is read."""
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
            if room < length <= block_size:  # so that a small part is read in one go
                yield b"".join(held)
                held, room = [], block_size
            if length <= room:
                block = read_at(pos, length)
                held.append(block if len(block) == length else self._read_rest(block, pos, length))
                room -= length
                del block  # free it before the next one is read
                continue
            while pos <= last_pos:
                if room <= 0:
                    yield b"".join(held)
                    held, room = [], block_size
                wanted = min(room, last_pos - pos + 1)
                block = read_at(pos, wanted)
                if not block:
                    if held:
                        yield b"".join(held)  # the bytes before the gap help a client that resumes
                    raise TruncatedSource(pos, last_pos + 1)
                if len(block) > wanted:  # the read() of an app's own class may do that
                    block = block[:wanted]
                held.append(block)
                pos += len(block)  # read() may return less than we asked for: count what came
                room -= len(block)
                del block
        yield b"".join(held)
