"""``write()``, the callable that ``start_response`` returns (PEP 3333): an app may push content with it.

Few apps still do. What is written comes before what the app's iterable yields, and both are sliced as one body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ..bodies.streams import slice_chunks
from ..core.segments import Segment
from ..core.slicer import Slicer

Write = Callable[[bytes], object]


class WriteAdapter:
    """A response whose first bytes the app pushes with ``write()``.

    :param segments: the content of the response; None sends all that the app gives.
    :param length: bytes of the segments together.
    :param write: the server's ``write()``; some servers have none, and then the bytes wait for the iterable.
    """

    def __init__(self, segments: Sequence[Segment] | None, length: int, write: Write | None) -> None:
        self._slicer = None if segments is None else Slicer(segments)
        self.missing = None if segments is None else length
        self._server_write = write
        self._waiting: list[bytes] = []

    def push(self, data: bytes) -> None:
        """Send the bytes that are wanted of ``data``."""
        piece = data if self._slicer is None else self._slicer.push(data)
        if self._server_write is None:
            self._waiting.append(piece)
        elif piece:
            self._server_write(piece)
            self.missing = None if self.missing is None else self.missing - len(piece)

    def rest(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """Yield the content that remains, out of the iterable that the app has returned."""
        yield from self._waiting
        pieces = body if self._slicer is None else slice_chunks(self._slicer, body)
        for piece in pieces:  # noqa: UP028 - yield from would close the body a second time
            yield piece
