"""Bodies that merely run forward: their chunks, the way through them, reading ahead, and closing once."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, compress, islice, repeat
from operator import length_hint

from .core.segments import Segment
from .core.slicer import Slicer

Write = Callable[[bytes], object]

_LOGGER = logging.getLogger("rangeware")

_MOST_SKIPPED = 1 << 30  # chunks skipped at a time: a length that was declared may be beyond what counts in C
_SPOOL_MEMORY = 1 << 20  # bytes read ahead that are held in memory; beyond this, in a temporary file


def close_body(body: object) -> None:
    """Calls ``close()`` of a body, where it has one."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def abandon(body: object) -> None:
    """Closes a body of which nothing will be sent, since something was raised. The server is to hear of that."""
    try:
        close_body(body)
    except Exception:
        _LOGGER.exception("close() failed")


def close_all(bodies: Iterable[object]) -> None:
    """Closes each of these bodies in this order, also if one of them fails to close."""
    rest = iter(bodies)
    for body in rest:
        try:
            close_body(body)
        except BaseException:
            close_all(rest)
            raise


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
        drawn, self._drawn = self._drawn, []
        return chain(drawn, self._chunks)

    def close(self) -> None:
        """Closes the body, once."""
        body, self._body = self._body, None
        close_body(body)


class ForwardSource:
    """A body that can merely run forward, of a length that the app declared."""

    random_access = False
    shorter = False  # that shows at its end only
    on_disk = None

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
        chunk = _skip(slicer, waiting)
        if chunk is None:
            slicer.finish()
        else:
            yield slicer.push(chunk)


def _skip(slicer: Slicer, chunks: Iterator[bytes]) -> bytes | None:
    """Pulls the chunks before the next byte wanted; gives back the one that holds it, None if there is none."""
    gap, before = slicer.gap, 0
    chunk = next(chunks, None)
    while chunk is not None:
        size = len(chunk) if type(chunk) is bytes else memoryview(chunk).nbytes
        if size > gap:
            break
        gap -= size
        del chunk  # before the next one is made
        passed, chunk = _skip_alike(chunks, size, gap // size) if size == before and size else (0, None)
        gap -= passed * size
        before = size
        chunk = next(chunks, None) if chunk is None else chunk
    slicer.skip(slicer.gap - gap)
    return chunk


def _skip_alike(chunks: Iterator[bytes], size: int, count: int) -> tuple[int, bytes | None]:
    """Pulls so many chunks, as long as they have this size: how many had, and the first that has another.

    Nothing is counted in the loop, so that it costs little more than to run through the chunks.
    """
    count = min(count, _MOST_SKIPPED)
    ticks = repeat(True, count)  # one falls for each chunk
    for chunk in compress(islice(chunks, count), ticks):
        if type(chunk) is not bytes or len(chunk) != size:
            return count - length_hint(ticks) - 1, chunk
    return count - length_hint(ticks), None


class Spool:
    """Content of unknown length, kept to learn it: in memory, then in a temporary file.

    :param limit: bytes to read ahead, at least 1; at most one chunk more is taken, to see that there is more.
    """

    def __init__(self, limit: int) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=min(limit, _SPOOL_MEMORY))  # noqa: SIM115
        self.whole = True
        self._limit = limit

    def push(self, chunk: bytes) -> None:
        """Keeps a chunk; ``whole`` says afterwards whether all of them are within the limit."""
        self.file.write(chunk)
        self.whole = self.file.tell() <= self._limit

    def read_ahead(self, chunks: Iterator[bytes]) -> None:
        """Keeps what comes, to its end or up to the limit; what is over the limit stays in ``chunks``."""
        try:
            for chunk in chunks:
                self.push(chunk)
                if not self.whole:
                    break
        except BaseException:
            self.file.close()
            raise

    def replay(self, block_size: int) -> Iterator[bytes]:
        """What was kept, from its first byte; only once."""
        self.file.seek(0)
        while block := self.file.read(block_size):
            yield block
        self.file.close()


class Body:
    """The iterable that the server gets. It closes what it was given once, also if the server closes it twice, or
    never: together with the last byte, and where there is none, or a block fails to come, at once.

    :param length: bytes that the blocks give together; None where that is not known.
    :param closing: closed in the reverse order, after the blocks.
    """

    def __init__(self, blocks: Iterator[bytes], length: int | None, *closing: object) -> None:
        self._blocks = blocks
        self._missing = length
        self._closing: tuple[object, ...] = (blocks, *reversed(closing))
        self._failure: Exception | None = None
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
        if self._closing:
            closing, self._closing = self._closing, ()
            close_all(closing)
        elif self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _close_early(self) -> None:
        try:
            self.close()
        except Exception as exc:  # it must not cost the client the last block: the server hears of it in close()
            self._failure = exc


def in_one(content: bytes, body: object) -> Iterable[bytes]:
    """Content in one block. The app's body, of which nothing is needed any more, is closed."""
    try:
        close_body(body)
    except Exception as exc:  # it must not cost the client the answer
        return Body(iter((content,)), None, _Failed(exc))
    return (content,)


class _Failed:
    """Tells the server, once it closes, what was raised when something was closed."""

    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def close(self) -> None:
        raise self._failure


class Written:
    """An answer that the app begins with ``write()``.

    :param segments: the content of the answer, ``length`` bytes together; None lets all through that the app gives.
    :param write: the server's; some servers have none, and there what is written waits for the iterable.
    """

    def __init__(self, segments: Sequence[Segment] | None, length: int, write: Write | None) -> None:
        self._slicer = None if segments is None else Slicer(segments)
        self.missing = None if segments is None else length
        self._server_write = write
        self._waiting: list[bytes] = []

    def push(self, data: bytes) -> None:
        """Sends what of these bytes is to be sent."""
        piece = data if self._slicer is None else self._slicer.push(data)
        if self._server_write is None:
            self._waiting.append(piece)
        elif piece:
            self._server_write(piece)
            self.missing = None if self.missing is None else self.missing - len(piece)

    def rest(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """What remains to be sent once the app has returned its iterable."""
        yield from self._waiting
        pieces = body if self._slicer is None else sliced(self._slicer, body)
        for piece in pieces:  # noqa: UP028 - yield from would close the body a second time
            yield piece
