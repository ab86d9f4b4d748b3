"""Bodies that open themselves at an offset: objects in a store, blobs in a database, encrypted files.

An app returns an ``OpenableBody`` where it would return a file. ``detect`` finds it, also inside the wrappers of the
frameworks, and makes an ``OpenableSource`` of it, which opens it once for each part that the client asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from types import NoneType
from typing import Any, NamedTuple

from ..core.app_head import AppHead, Field, validators_of_body
from ..core.segments import Segment, whole_content
from ..core.slicer import Slicer
from ..http.ranges import ByteRange
from .closing import close_body
from .streams import slice_chunks


class OpenableBody:
    """The content of a representation, which can be read from any position on.

    Make a subclass with an ``open_range`` of your own, set ``complete_length``, and return an instance as the body of
    the response. ETag, Last-Modified and Content-Length are added to the response if the app does not send them.

    >>> class Blob(OpenableBody):
    ...     def __init__(self, blob):
    ...         self.blob, self.complete_length, self.etag = blob, len(blob), f'"{blob.version}"'
    ...     def open_range(self, first_pos, last_pos):
    ...         yield self.blob.read(first_pos, last_pos + 1)

    For frameworks it is an iterable, an iterator and a file with ``read()``; without rangeware, too.

    :ivar complete_length: the complete length in bytes.
    :ivar etag: the entity tag as in ETag, with its quotes (RFC 9110 8.8.3); None if there is none. It must change with
        the content: parts of two versions would be joined otherwise.
    :ivar last_modified: the time of modification, with its time zone; None if it is unknown.
    :ivar random_access: False if going back is as expensive as reading again from the start, as where the content must
        be decompressed. Several ranges are then sent in ascending order, and opened as one that has them all.
    """

    complete_length: int
    random_access = True
    etag: str | None = None
    last_modified: datetime | None = None
    _blocks: Iterator[bytes] | None = None
    _rest = b""

    def open_range(self, first_pos: int, last_pos: int) -> Iterable[bytes] | AsyncIterable[bytes]:
        """Return the bytes of a range, in blocks of any size; to be written by the subclass.

        A generator is closed when no more of it is needed, as is anything else with a ``close()``. An exception before
        the first block becomes the error page of the server; a later one breaks the connection, so that the client
        sees that the response is incomplete. In an ASGI app the blocks may come from an asynchronous generator; from
        any other iterable they are read in a thread.

        :param first_pos: position of the first byte.
        :param last_pos: position of the last byte, inclusive, less than ``complete_length``.
        """
        raise NotImplementedError(f"{type(self).__name__} has no open_range()")

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._blocks is None:
            length = self.complete_length
            self._blocks = OpenableSource(self, length).render(whole_content(length)) if length else iter(())
        return next(self._blocks)

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` bytes, or fewer at the end; all that are left if ``size`` is negative."""
        blocks = [self._rest]
        missing = size - len(self._rest)
        while size < 0 or missing > 0:
            block = next(self, b"")
            if not block:
                break
            blocks.append(block)
            missing -= len(block)
        content = b"".join(blocks)
        self._rest = content[size:] if size >= 0 else b""
        return content[:size] if size >= 0 else content

    def close(self) -> None:
        """Close what has been opened."""
        close_body(self._blocks)


class OpenableSource(NamedTuple):
    """A body that opens itself, as a source.

    :param body: has ``open_range``.
    :param complete_length: in bytes; less than the body's own if the app declared less.
    :param shorter: True if the app declared more bytes than there are.
    :param begun: the blocks of the response, where the first one has been read; None if nothing has been opened.
    """

    body: Any
    complete_length: int
    random_access: bool = True
    on_disk: None = None
    shorter: bool = False
    begun: Iterator[bytes] | None = None

    @classmethod
    def of(cls, body: Any) -> OpenableSource:
        """Return the source of a body.

        :raises TypeError: naming the class of the body, if its length is no length.
        """
        length = body.complete_length
        if type(length) is not int or length < 0:
            raise TypeError(f"{type(body).__name__}.complete_length must be a number of bytes, not {length!r}")
        return cls(body, length, getattr(body, "random_access", True))

    def validators(self, head: AppHead, now: datetime) -> list[Field]:
        """Return the validators of the body that the head of the response lacks.

        :raises TypeError: naming the class of the body, if its entity tag is not text.
        """
        etag, last_modified = getattr(self.body, "etag", None), getattr(self.body, "last_modified", None)
        if not isinstance(etag, (str, NoneType)):
            raise TypeError(f"{type(self.body).__name__}.etag must be text or None, not {etag!r}")
        return validators_of_body(head, etag, last_modified, now)

    def begin(self, segments: Sequence[Segment]) -> OpenableSource:
        """Read the first block of these segments, so that an error comes before the head of the response.

        :raises RuntimeError: instead of an OSError: gunicorn takes that for one of its socket, and sends nothing.
        """
        try:
            return self._replace(begun=_Begun(self.render(segments)))
        except OSError as exc:
            raise RuntimeError("the body of the response cannot be read") from exc

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """Yield the bytes of the segments. Each range is opened when the bytes before it have been sent.

        :raises TruncatedSource: while rendering, if a range ends early.
        """
        if self.begun is not None:
            return self.begun
        return self._render(segments)

    def _render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        for part, group in self.openings(segments):
            chunks = self.body.open_range(*part)
            try:
                yield from slice_chunks(slicer_for(part, group), chunks)
            finally:
                close_body(chunks)

    def openings(self, segments: Sequence[Segment]) -> Iterator[tuple[ByteRange, Sequence[Segment]]]:
        """Yield each range that is to be opened, with the segments that its bytes complete.

        :param segments: with at least one range.
        """
        places = [place for place, segment in enumerate(segments) if isinstance(segment, ByteRange)]
        if not self.random_access:  # one range from the first byte to the last one: going back would cost too much
            places = places[-1:]
        start = 0
        for place in places:
            end = len(segments) if place == places[-1] else place + 1
            group = segments[start:end]
            parts = [segment for segment in group if isinstance(segment, ByteRange)]
            yield ByteRange(parts[0].first_pos, parts[-1].last_pos), group
            start = end


class _Begun:
    """Blocks of which the first one has been read."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._all = chain((next(blocks),), blocks)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._all)

    def close(self) -> None:
        """Close the range that is open."""
        close_body(self._blocks)


def slicer_for(part: ByteRange, segments: Sequence[Segment]) -> Slicer:
    """A slicer of these segments, for the chunks of an opened range. It cuts what goes beyond its end."""
    slicer = Slicer(segments)
    slicer.skip(part.first_pos)
    return slicer
