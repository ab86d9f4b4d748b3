"""Read the blocks of a response without blocking the event loop.

A thread for each block would be the simple way, and a slow one: handing a call to a thread and back costs more than
reading a block that the system has in memory. So files on disk are read at once where the page cache has the bytes,
and in a thread only where the disk must be waited for.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from ..backends import AsyncBackend
from ..bodies.sources import SeekableSource, Source
from ..core.segments import Segment, skip_content
from .pathsend import FileResponse

NextBlock = Callable[[], Awaitable[bytes]]
"""Returns the next block; b"" after the last one."""


def source_blocks(backend: AsyncBackend, source: Source, segments: Sequence[Segment]) -> NextBlock:
    """The blocks of these segments of a source."""
    if isinstance(source, SeekableSource) and source.on_disk is not None:
        return _DiskBlocks(backend, source, segments).next_block
    blocks = source.render(segments)
    if isinstance(source, SeekableSource) and not source.is_moved:
        return partial(_next_in_memory, blocks)
    return partial(backend.run_in_thread, partial(next, blocks, b""))


def file_blocks(backend: AsyncBackend, response: FileResponse, block_size: int) -> NextBlock:
    """The blocks of a response with a file. A file that cannot be measured is read to its end."""
    segments = response.reply.segments
    if response.source is None or segments is None:
        return partial(backend.run_in_thread, partial(response.file.read, block_size))
    return source_blocks(backend, response.source, segments)


async def _next_in_memory(blocks: Iterator[bytes]) -> bytes:
    return next(blocks, b"")


class _DiskBlocks:
    """The blocks of segments of a file on disk.

    ``_cached`` reads from the page cache and raises ``BlockingIOError`` where a block is not all there. Then the same
    block is read in a thread, and a new rendering of the segments after it takes over.
    """

    def __init__(self, backend: AsyncBackend, source: SeekableSource, segments: Sequence[Segment]) -> None:
        self._backend = backend
        self._source = source
        self._cached = source._replace(read_at=source.on_disk.read_cached) if source.on_disk else source
        self._segments = segments
        self._done = 0  # bytes of these segments that have been returned
        self._blocks = self._cached.render(segments)

    async def next_block(self) -> bytes:
        """Return the next block; b"" after the last one."""
        try:
            block = next(self._blocks, b"")
        except BlockingIOError:
            block = await self._backend.run_in_thread(self._read_from_disk)
        else:
            await self._backend.checkpoint()  # a server whose client keeps up would let no other task run
        self._done += len(block)
        return block

    def _read_from_disk(self) -> bytes:
        self._segments = skip_content(self._segments, self._done)
        block = next(self._source.render(self._segments), b"")
        self._done, self._blocks = 0, self._cached.render(skip_content(self._segments, len(block)))
        return block
