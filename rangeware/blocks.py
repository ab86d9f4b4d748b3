"""Blocks of an answer, got in such a way that nobody on the event loop waits for a disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial

from .core.segments import Segment, skip_content
from .hosts import Host
from .paths import Opened
from .sources import SeekableSource, Source

Pull = Callable[[], Awaitable[bytes]]
"""Gives the next block, and b"" after the last one."""


def rendered(host: Host, source: Source, segments: Sequence[Segment]) -> Pull:
    """The blocks of these segments."""
    if isinstance(source, SeekableSource) and source.on_disk is not None:
        return _OnDisk(host, source, segments).pull
    blocks = source.render(segments)
    if isinstance(source, SeekableSource) and not source.is_moved:
        return partial(_next, blocks)
    return partial(host.in_thread, partial(next, blocks, b""))


def of_file(host: Host, opened: Opened, block_size: int) -> Pull:
    """The blocks of an answer with a file; of one that cannot be measured, all that it gives."""
    segments = opened.reply.segments
    if opened.source is None or segments is None:
        return partial(host.in_thread, partial(opened.file.read, block_size))
    return rendered(host, opened.source, segments)


async def _next(blocks: Iterator[bytes]) -> bytes:
    return next(blocks, b"")


class _OnDisk:
    """Blocks of a file, read at once where the system has them in memory, and in a thread where it must fetch them."""

    def __init__(self, host: Host, source: SeekableSource, segments: Sequence[Segment]) -> None:
        self._host = host
        self._source = source
        self._cached = source._replace(read_at=source.on_disk.read_cached) if source.on_disk else source
        self._rest = segments
        self._pulled = 0  # bytes of the rest
        self._blocks = self._cached.render(segments)

    async def pull(self) -> bytes:
        """The next block."""
        try:
            block = next(self._blocks, b"")
        except BlockingIOError:
            block = await self._host.in_thread(self._fetched)
        else:
            await self._host.pause()  # a server whose client keeps up would let nobody else run
        self._pulled += len(block)
        return block

    def _fetched(self) -> bytes:
        self._rest = skip_content(self._rest, self._pulled)
        block = next(self._source.render(self._rest), b"")
        self._pulled, self._blocks = 0, self._cached.render(skip_content(self._rest, len(block)))
        return block
