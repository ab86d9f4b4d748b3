"""Bodies: which of them can be read at any position, how long they are, and how their bytes are got.

A body is recognised by what it can do. Real files are read with ``os.pread`` where the system has it, so that a file
shared between threads is never moved under another's feet.
"""

from __future__ import annotations

import io
import os
import stat
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, NamedTuple, Protocol

from .errors import TruncatedSource
from .fields import ByteRange
from .forward import ForwardSource, close_body
from .slicer import Segment

_WRAPPERS = {
    ("gunicorn.http.wsgi", "FileWrapper"): "filelike",
    ("mod_wsgi", "FileWrapper"): "filelike",
    ("wsgiref.util", "FileWrapper"): "filelike",
    ("waitress.buffers", "ReadOnlyFileBasedBuffer"): "file",
    ("werkzeug.wsgi", "FileWrapper"): "file",
    ("webob.static", "FileIter"): "file",
    ("pyramid.response", "FileIter"): "file",
    ("bottle", "WSGIFileWrapper"): "fp",
    ("django.http.response", "FileResponse"): "file_to_stream",
    ("django.core.files.base", "File"): "file",
    ("falcon.app_helpers", "CloseableStreamIterator"): "_stream",
    ("tempfile", "_TemporaryFileWrapper"): "file",
    (__name__, "FileWrapper"): "filelike",
}
"""Iterables that give the bytes of a file and nothing else, and where they keep it. They are matched by exact type:
a subclass, or a stranger with such an attribute, may change the bytes on their way."""


class FileWrapper:
    """What apps get as ``wsgi.file_wrapper`` on a request with Range: it keeps the file within our reach (PEP 3333).

    :param filelike: has ``read(size)``; ``close()`` is looked up on it when we are closed.
    :param block_size: bytes per read, at most.
    """

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Closes the file."""
        close_body(self.filelike)


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

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """The bytes of the segments, block by block.

        :raises TruncatedSource: while rendering, if the representation ends early.
        """


class FileState(NamedTuple):
    """What tells one state of a file on disk from another: when it was modified (nanoseconds), and the position in
    it (bytes) of byte 0 of the representation."""

    mtime_ns: int
    offset: int


class SeekableSource(NamedTuple):
    """A body that can be read at any position.

    :param read_at: from a position, at most so many bytes: ``read_at(pos, size)``; fewer only at the end, or by a
        short read.
    :param block_size: bytes per read and per block sent, at most.
    :param random_access: False where going back is as dear as starting again.
    :param on_disk: what tells this state of a file on disk from another; None for anything else.
    :param shorter: whether the app declared more than there is.
    """

    read_at: Callable[[int, int], bytes]
    complete_length: int
    block_size: int
    random_access: bool = True
    on_disk: FileState | None = None
    shorter: bool = False

    def render(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        """The bytes of the segments, small pieces joined into blocks."""
        held: list[bytes] = []
        room = self.block_size
        for piece in self._pieces(segments):
            if held and len(piece) > room:
                yield b"".join(held)
                held, room = [], self.block_size
            held.append(piece)
            room -= len(piece)
        yield b"".join(held)

    def _pieces(self, segments: Sequence[Segment]) -> Iterator[bytes]:
        for segment in segments:
            if isinstance(segment, ByteRange):
                yield from self._blocks(segment)
            else:
                yield segment

    def _blocks(self, part: ByteRange) -> Iterator[bytes]:
        pos = part.first_pos
        while pos < part.next_pos:
            wanted = min(self.block_size, part.next_pos - pos)
            block = self.read_at(pos, wanted)[:wanted]
            if not block:
                raise TruncatedSource(pos, part.next_pos)
            pos += len(block)  # read() may return less than we asked for: count what came
            yield block


Opener = Callable[[Any, int], SeekableSource | None]


def open_source(body: object, declared: int | None, block_size: int) -> Source | None:
    """How to get at the bytes of this body; None where its complete length is unknown.

    :param declared: the app's Content-Length in bytes, if it sent one.
    :param block_size: bytes per read, at most.
    """
    return _open(body, declared, block_size, (_positioned, _buffer, _moved))


def glance(body: object, declared: int | None, block_size: int) -> Source | None:
    """The same for a request without Range, where nothing is worth being moved that has a declared length, and
    nothing worth being decoded to its end to learn its length."""
    openers = (_positioned, _buffer, _moved_cheaply) if declared is None else (_positioned, _buffer)
    return _open(body, declared, block_size, openers)


def _open(body: object, declared: int | None, block_size: int, openers: tuple[Opener, ...]) -> Source | None:
    if isinstance(body, (list, tuple)) and all(isinstance(item, (bytes, bytearray, memoryview)) for item in body):
        return _memory(body, block_size)
    seekable = _seekable(find_file(body), block_size, openers)
    if seekable is None:
        return None if declared is None else ForwardSource(body, declared)  # type: ignore[arg-type]
    if declared is None or declared == seekable.complete_length:
        return seekable
    if declared > seekable.complete_length:
        return seekable._replace(shorter=True)
    return seekable._replace(complete_length=declared)


def _memory(items: Sequence[bytes | bytearray | memoryview], block_size: int) -> SeekableSource:
    blocks = [item if type(item) is bytes else memoryview(item).tobytes() for item in items]
    ends = list(accumulate(len(block) for block in blocks))

    def read_at(pos: int, size: int) -> bytes:
        index = bisect_right(ends, pos)
        skipped = pos - (ends[index] - len(blocks[index]))
        return blocks[index][skipped:skipped + size]

    return SeekableSource(read_at, ends[-1] if ends else 0, block_size)


def find_file(body: object) -> Any | None:
    """The file whose bytes this body gives, taken out of what frameworks and servers wrap around it; None if none.

    Iterating a body may give other bytes than reading it would, so only files of the standard library are taken for
    what they are. What stands in a wrapper is meant to be read.
    """
    file: Any = body
    while attribute := _WRAPPERS.get((type(file).__module__, type(file).__qualname__)):
        file = getattr(file, attribute, None)
    if file is body and not isinstance(body, (io.IOBase, tempfile.SpooledTemporaryFile)):
        return None
    return file


def owner(body: object) -> object:
    """What to close when a body is not iterated: the file, where its wrapper leaves that to the iterator."""
    return body if hasattr(body, "close") else find_file(body)


def _seekable(file: Any | None, block_size: int, openers: tuple[Opener, ...]) -> SeekableSource | None:
    """The bytes from where the file stands to its end; None where that cannot be told."""
    try:
        return next(filter(None, (opener(file, block_size) for opener in openers)), None)
    except Exception:  # seek() and tell() are the app's, and fail in many ways: then the body merely runs forward
        return None


def _positioned(file: Any, block_size: int) -> SeekableSource | None:
    """A file on disk, read without being moved.

    Exact types only: a ``GzipFile`` has a descriptor too, of the coded bytes.
    """
    binary = file.buffer if type(file) is io.TextIOWrapper else file  # text mode is a mistake often made
    raw = binary.raw if type(binary) in (io.BufferedReader, io.BufferedRandom) else binary
    if type(raw) is not io.FileIO or not hasattr(os, "pread"):
        return None
    binary.flush()
    offset, status = file.tell(), os.fstat(raw.fileno())
    length = status.st_size - offset

    def read_at(pos: int, size: int) -> bytes:
        # fileno() refuses a file that was closed meanwhile, whose number may be another file's by now
        return os.pread(raw.fileno(), size, offset + pos)

    # A size of 0 proves nothing (see /proc), nor does the size of anything but a regular file.
    if not stat.S_ISREG(status.st_mode) or length <= 0 and read_at(0, 1):
        return None
    return SeekableSource(read_at, max(0, length), block_size, on_disk=FileState(status.st_mtime_ns, offset))


def _buffer(file: Any, block_size: int) -> SeekableSource | None:
    """A buffer in memory, read without being moved."""
    if type(file) is not io.BytesIO:
        return None
    offset = file.tell()

    def read_at(pos: int, size: int) -> bytes:
        with file.getbuffer() as view:
            return bytes(view[offset + pos:offset + pos + size])

    with file.getbuffer() as view:
        return SeekableSource(read_at, max(0, len(view) - offset), block_size)


def _moved_cheaply(file: Any, block_size: int) -> SeekableSource | None:
    return None if _decodes(file) else _moved(file, block_size)


def _moved(file: Any, block_size: int) -> SeekableSource | None:
    """A file that must be moved to be read."""
    file = file.buffer if isinstance(file, io.TextIOWrapper) else file
    offset = file.tell()
    if not getattr(file, "seekable", lambda: True)():
        return None
    file.seek(0, os.SEEK_END)
    length = file.tell() - offset
    file.seek(offset)
    if length <= 0 and file.read(1):  # it did not tell the truth
        file.seek(offset)
        return None

    def read_at(pos: int, size: int) -> bytes:
        file.seek(offset + pos)
        block: bytes = file.read(size)
        return block

    return SeekableSource(read_at, max(0, length), block_size, random_access=not _decodes(file))


def _decodes(file: Any) -> bool:
    """Whether this file seeks back by decoding from its first byte again."""
    return type(file).__module__ in ("bz2", "gzip", "lzma", "zipfile")
