"""Bodies that merely run forward: their chunks, the way through them, reading ahead, and closing once."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack

from .fields import Segment
from .slicer import Slicer

_SPOOL_MEMORY = 1 << 20  # bytes read ahead that are held in memory; beyond this, in a temporary file


def close_body(body: object) -> None:
    """Calls ``close()`` of a body, where it has one."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def closing_all(bodies: Iterable[object]) -> ExitStack:
    """What closes each of these bodies, in the reverse order, once, also if one of them fails to close."""
    stack = ExitStack()
    for body in bodies:
        stack.callback(close_body, body)
    return stack


class Chunks:
    """The chunks of a body, the first of which can be drawn before they are asked for."""

    def __init__(self, body: Iterable[bytes]) -> None:
        self._body: Iterable[bytes] | None = body
        self._chunks = iter(body)
        self._drawn: list[bytes] = []

    def draw(self) -> bool:
        """Pulls up to the first chunk that is not empty; False if there is none."""
        for chunk in self._chunks:
            if chunk:
                self._drawn.append(chunk)
                return True
        return False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._drawn.pop() if self._drawn else next(self._chunks)

    def close(self) -> None:
        """Closes the body, once."""
        body, self._body = self._body, None
        close_body(body)


class ForwardSource:
    """A body that can merely run forward, of a length that the app declared."""

    random_access = False
    shorter = False  # that shows at its end only

    def __init__(self, chunks: Iterable[bytes], complete_length: int) -> None:
        self.chunks = chunks
        self.complete_length = complete_length

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """The bytes of the segments; nothing after the last byte wanted is pulled."""
        return sliced(Slicer(segments), self.chunks)


def sliced(slicer: Slicer, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """What the slicer lets through of the chunks, each at once; pulls none that is not needed."""
    waiting = iter(chunks)
    while not slicer.done:
        chunk = next(waiting, None)
        if chunk is None:
            slicer.finish()
        elif piece := slicer.push(chunk):
            yield piece
    yield slicer.push(b"")


class Spool:
    """An answer of unknown length, read ahead to learn it: in memory, then in a temporary file.

    :param chunks: what the app gives; what is over the limit stays in it.
    :param limit: bytes to read ahead, at least 1; at most one chunk more is read to see that there is more.
    """

    def __init__(self, chunks: Iterator[bytes], limit: int) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=min(limit, _SPOOL_MEMORY))  # noqa: SIM115
        self._chunks = chunks
        try:
            self.whole = self._read_ahead(limit)
        except BaseException:
            self.file.close()
            raise

    def _read_ahead(self, limit: int) -> bool:
        """Whether the answer ended within the limit."""
        for chunk in self._chunks:
            self.file.write(chunk)
            if self.file.tell() > limit:
                break
        whole = self.file.tell() <= limit
        self.file.seek(0)
        return whole

    def replay(self, block_size: int) -> Iterator[bytes]:
        """The answer from its first byte: what was read ahead, then the rest."""
        while block := self.file.read(block_size):
            yield block
        self.file.close()
        for chunk in self._chunks:  # noqa: UP028 - yield from would close the body a second time
            yield chunk


class Body:
    """The iterable that the server gets. It closes what it was given once, also if the server closes it twice, or
    never: together with the last byte, and where there is none, or a block fails to come, at once.

    :param length: bytes that the blocks give together; None where that is not known.
    :param closing: closed in the reverse order, after the blocks.
    """

    def __init__(self, blocks: Iterator[bytes], length: int | None, *closing: object) -> None:
        self._blocks = blocks
        self._missing = length
        self._closing = closing_all((*closing, blocks))
        if length == 0:
            self._blocks = iter((b"",))  # some servers send the head with the first block
            self._close_early()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block = next(self._blocks)
        except Exception:  # Twisted does not close what raised
            self._close_early()
            raise
        if self._missing is not None:
            self._missing -= len(block)
            if not self._missing:
                self._close_early()
        return block

    def close(self) -> None:
        """Closes the blocks, then the app's body."""
        self._closing.close()

    def _close_early(self) -> None:
        try:
            self.close()
        except Exception as exc:  # it must not cost the client the last block: the server hears of it in close()
            self._closing.callback(_raise, exc)


def _raise(exc: Exception) -> None:
    raise exc
