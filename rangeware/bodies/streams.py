"""Forward-only bodies: iterators and generators, whose bytes come in order and only once.

A range of such a body is served by skipping the chunks before it. Nothing after the last byte wanted is pulled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from ..core.segments import Segment
from ..core.slicer import Slicer
from .closing import close_body
from .unwrap import closable_of


class PeekableChunks:
    """The chunks of a body, whose first one can be pulled before the server asks for it.

    PEP 3333 lets an app call ``start_response`` as late as with its first chunk, and a generator does. Whoever needs
    the head has to ``peek`` first.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body: Iterable[bytes] | None = body
        self._chunks = iter(body)
        self._peeked: list[bytes] = []

    def peek(self) -> bool:
        """Pull chunks up to the first one that is not empty; False if there is none."""
        for chunk in self._chunks:
            if chunk:
                self._peeked.append(chunk)
                return True
        return False

    def __iter__(self) -> Iterator[bytes]:
        peeked, self._peeked = self._peeked, []
        return chain(peeked, self._chunks)

    def close(self) -> None:
        """Close the body, once."""
        body, self._body = self._body, None
        close_body(closable_of(body))


class ForwardSource:
    """A forward-only body of a length that the app declared."""

    random_access = False
    shorter = False  # that shows at the end of the body only
    on_disk = None

    def __init__(self, chunks: Iterable[bytes], complete_length: int) -> None:
        self.chunks = chunks
        self.complete_length = complete_length

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """Yield the bytes of the segments, whose ranges must ascend."""
        return slice_chunks(Slicer(segments), self.chunks)


def slice_chunks(slicer: Slicer, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes that the slicer cuts out of the chunks, at once for each chunk; pull no chunk without need."""
    waiting = iter(chunks)
    while not slicer.done:
        chunk = _skip_gap(slicer, waiting)
        if chunk is None:
            slicer.finish()
        else:
            yield slicer.push(chunk)


def _skip_gap(slicer: Slicer, chunks: Iterator[bytes]) -> bytes | None:
    """Pull the chunks before the next wanted byte, and return the chunk that holds it; None if the body ends first."""
    gap = slicer.gap
    chunk = next(chunks, None)
    while chunk is not None:
        size = len(chunk) if type(chunk) is bytes else memoryview(chunk).nbytes
        if size > gap:
            break
        gap -= size
        del chunk  # before the body makes the next one: no two are held in memory
        chunk = next(chunks, None)
    slicer.skip(slicer.gap - gap)
    return chunk
