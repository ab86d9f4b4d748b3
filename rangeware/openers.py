"""Bodies: which of them can be read at any position, how long they are, and how their bytes are got.

A body is recognised by what it can do. Real files are read with ``os.pread`` where the system has it, so that a file
shared between threads is never moved under another's feet.
"""

from __future__ import annotations

import io
import os
import stat
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate
from typing import Any

from .forward import ForwardSource
from .sources import DiskFile, SeekableSource, Source
from .wrappers import DECODING_MODULES, find_file

_PAGE = 4096  # bytes; what files in /sys claim to have, in no block of a disk

Opener = Callable[[Any, int], SeekableSource | None]


def open_source(body: object, declared: int | None, block_size: int) -> Source | None:
    """How to get at the bytes of this body; None where its complete length is unknown.

    :param declared: the app's Content-Length in bytes, if it sent one.
    :param block_size: bytes per read, at most.
    """
    return _open(body, declared, block_size, (_positioned, _buffer, _moved))


def is_plain(body: object, declared: int) -> bool:
    """Whether a glance at a body that may be a file would change nothing: a file on disk has what is declared, and its
    descriptor stands where it does. False also where it takes more than that to tell."""
    file = find_file(body)
    if file is None:
        return True
    try:
        raw = file.raw if type(file) is io.BufferedReader else file
        if type(raw) is not io.FileIO:
            return False
        offset, size = raw.tell(), os.fstat(raw.fileno()).st_size
        return offset == file.tell() and size - offset >= declared and size != _PAGE
    except Exception:
        return False


def has_length(path: Any, declared: int) -> bool:
    """Whether the file at this path has as many bytes as are declared; False also where it takes a closer look to tell.

    Whoever declared it has just looked at the file, so that this look waits for no disk.
    """
    try:
        return os.stat(path).st_size == declared != _PAGE
    except (OSError, TypeError, ValueError):
        return False


def glance(body: object, declared: int | None, block_size: int) -> Source | None:
    """The same for a request without Range, where nothing is worth being moved that has a declared length, and
    nothing worth being decoded to its end to learn its length."""
    openers = (_settled, _buffer, _moved_cheaply) if declared is None else (_settled, _buffer)
    return _open(body, declared, block_size, openers)


def _open(body: object, declared: int | None, block_size: int, openers: tuple[Opener, ...]) -> Source | None:
    if isinstance(body, (list, tuple)) and _in_memory(body):
        return _memory(body, block_size)
    seekable = _seekable(find_file(body), block_size, openers)
    if seekable is None:
        return None if declared is None else ForwardSource(body, declared)  # type: ignore[arg-type]
    if declared is None or declared == seekable.complete_length:
        return seekable
    if declared > seekable.complete_length:
        return seekable._replace(shorter=True)
    return seekable._replace(complete_length=declared)


def _in_memory(body: Sequence[object]) -> bool:
    """Whether this list or tuple gives its items and nothing else, and they are bytes in one piece each."""
    return type(body).__iter__ in (list.__iter__, tuple.__iter__) and all(map(_in_one_piece, body))


def _in_one_piece(item: object) -> bool:
    return type(item) is bytes or isinstance(item, (bytes, bytearray, memoryview)) and memoryview(item).c_contiguous


def _memory(items: Sequence[bytes | bytearray | memoryview], block_size: int) -> SeekableSource:
    """Items in memory. They are not copied but for what is sent, nor held so that the app could not change them."""
    if len(items) == 1 and type(items[0]) is bytes:
        return _one_item(items[0], block_size)
    next_positions = list(accumulate(memoryview(item).nbytes for item in items))

    def read_at(pos: int, size: int) -> bytes:
        index = bisect_right(next_positions, pos)
        with memoryview(items[index]) as view, view.cast("B") as octets:
            skipped = pos - (next_positions[index] - view.nbytes)
            return octets[skipped:skipped + size].tobytes()

    return SeekableSource(read_at, next_positions[-1] if next_positions else 0, block_size)


def _one_item(item: bytes, block_size: int) -> SeekableSource:
    def read_at(pos: int, size: int) -> bytes:
        return item[pos:pos + size]

    return SeekableSource(read_at, len(item), block_size)


def _seekable(file: Any | None, block_size: int, openers: tuple[Opener, ...]) -> SeekableSource | None:
    """The bytes from where the file stands to its end; None where that cannot be told."""
    return next(filter(None, (opener(file, block_size) for opener in openers)), None)


def _or_none(opener: Opener) -> Opener:
    """``seek()`` and ``tell()`` are the app's, and fail in many ways: then the body merely runs forward."""
    @wraps(opener)
    def opened(file: Any, block_size: int) -> SeekableSource | None:
        try:
            return opener(file, block_size)
        except Exception:
            return None
    return opened


@_or_none
def _positioned(file: Any, block_size: int) -> SeekableSource | None:
    """A file on disk, read without being moved.

    Exact types only: a ``GzipFile`` has a descriptor too, of the coded bytes.
    """
    binary = file.buffer if type(file) is io.TextIOWrapper else file  # text mode is a mistake often made
    raw = binary.raw if type(binary) in (io.BufferedReader, io.BufferedRandom) else binary
    if type(raw) is not io.FileIO or not hasattr(os, "pread"):
        return None
    if type(binary) is not io.BufferedReader:
        binary.flush()
    offset, status = file.tell(), os.fstat(raw.fileno())
    length = status.st_size - offset

    def read_at(pos: int, size: int) -> bytes:
        return os.pread(raw.fileno(), size, offset + pos)

    # A size of 0 proves nothing (see /proc), nor does a page (see /sys), nor the size of anything but a regular file.
    if not stat.S_ISREG(status.st_mode) or length <= 0 and read_at(0, 1):
        return None
    if status.st_size == _PAGE and not status.st_blocks and not read_at(length - 1, 1):
        return None
    on_disk = DiskFile(raw, offset, status.st_mtime_ns)
    return SeekableSource(read_at, max(0, length), block_size, on_disk=on_disk)


@_or_none
def _settled(file: Any, block_size: int) -> SeekableSource | None:
    """The same, for a server that will send it by itself: some send from where the descriptor stands, which a seek
    within what is buffered does not move."""
    source = _positioned(file, block_size)
    if source is not None and source.on_disk is not None and source.on_disk.raw.tell() != source.on_disk.offset:
        file.seek(0, os.SEEK_END)
        file.seek(source.on_disk.offset)
    return source


@_or_none
def _buffer(file: Any, block_size: int) -> SeekableSource | None:
    """A buffer in memory, read without being moved."""
    if type(file) is not io.BytesIO:
        return None
    offset, content = file.tell(), file.getvalue()  # which a buffer that is not written to does not copy

    def read_at(pos: int, size: int) -> bytes:
        return content[offset + pos:offset + pos + size]

    return SeekableSource(read_at, max(0, len(content) - offset), block_size)


def _moved_cheaply(file: Any, block_size: int) -> SeekableSource | None:
    return None if _decodes(file) else _moved(file, block_size)


def _moved(file: Any, block_size: int) -> SeekableSource | None:
    """A file that must be moved to be read.

    :raises OSError: if it went to its end and did not come back, so that its bytes are lost to us.
    """
    if isinstance(file, io.TextIOWrapper):
        file = None if file.tell() else file.buffer
    offset = _standing(file)
    if offset is None:
        return None
    length = file.tell() - offset
    is_lie = type(file) in (io.BufferedReader, io.FileIO) and length == _PAGE and _lacks(file, offset + length - 1)
    file.seek(offset)
    if file.tell() != offset:
        raise OSError("the file cannot go back from its end to where it stood")
    if length <= 0 or is_lie:  # empty, or it did not move and told nothing
        return None

    def read_at(pos: int, size: int) -> bytes:
        file.seek(offset + pos)
        block: bytes | None = file.read(size)
        return block if type(block) is bytes else bytes(block or b"")

    return SeekableSource(read_at, length, block_size, random_access=not _decodes(file), is_moved=True)


def _lacks(file: Any, pos: int) -> bool:
    file.seek(pos)
    return not file.read(1)


def _standing(file: Any) -> int | None:
    """Where the file stands, after which it is sent to its end; None, and not moved, if it cannot be."""
    try:
        offset: int = file.tell()
        if not getattr(file, "seekable", lambda: True)():
            return None
        file.seek(offset)  # moves nothing, and fails where seeking does
        file.seek(0, os.SEEK_END)
    except Exception:
        return None
    return offset


def _decodes(file: Any) -> bool:
    """Whether this file seeks back by decoding from its first byte again."""
    return type(file).__module__ in DECODING_MODULES
