"""Detect how the bytes of a body can be read: at any position, forward only, or of unknown length.

The adapters call ``find_source`` for a request with Range, and ``find_source_cheaply`` for any other. A body is judged
by its capability, not by the framework that made it. Real files are read with ``os.pread`` where the system has it, so
that the position of a file shared between threads never moves.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
import tempfile
from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import wraps
from itertools import accumulate
from typing import Any

from .decoders import is_decoding
from .openable import OpenableSource
from .sources import DiskFile, SeekableSource, Source
from .streams import ForwardSource
from .unwrap import find_file, is_unpatched, open_wrappers, opens_itself

PAGE = mmap.PAGESIZE
"""Bytes: the size that files in /sys claim, though they have no block on a disk."""

_ACCESS = ("__iter__", "__len__", "__getitem__")

Detector = Callable[[Any, int], SeekableSource | None]
"""Makes a source of a file, with this block size; None if the file is not of its kind."""


def find_source(body: object, declared: int | None, block_size: int) -> Source | None:
    """Return the source of a body for a request with Range; None if its complete length is unknown.

    :param declared: the app's Content-Length in bytes; None if it sent none.
    :param block_size: bytes per read, at most.
    """
    return _find(body, declared, block_size, (pread_file, _buffer, _seekable_file))


def find_source_cheaply(body: object, declared: int | None, block_size: int) -> Source | None:
    """Return the source of a body for a request without Range, where only its length and kind matter.

    Never seeks in a body whose length is declared, and never decodes one to measure it.

    :param declared: the app's Content-Length in bytes; None if it sent none.
    :param block_size: bytes per read, at most.
    """
    detectors = (_synced_file, _buffer) if declared is not None else (_synced_file, _buffer, _unless_decoding)
    return _find(body, declared, block_size, detectors)


def is_sendable_as_is(body: object, declared: int, is_bounded: bool) -> bool:
    """True if a body that may be a file can go to the server untouched, under a Content-Length of ``declared`` bytes.

    That is so if the file has that many bytes left, and the position of its descriptor is that of ``tell()``. False
    also if only a closer look could tell.

    :param is_bounded: True if the server sends Content-Length bytes from the position of a file. Any other one may send
        the file from its first byte to its end, so that this must be the content.
    """
    file, _, is_relayed = open_wrappers(body)
    if _unbuffered(file) is None:
        return is_relayed and find_file(body) is None
    return sendable_file(file, declared, is_bounded) is not None


def sendable_file(file: Any, declared: int, is_bounded: bool) -> tuple[int, os.stat_result] | None:
    """Return the position and the status of an open file that can go to the server: see ``is_sendable_as_is``."""
    raw = _unbuffered(file)
    if raw is None:
        return None
    try:
        offset, status = raw.tell(), os.fstat(raw.fileno())
        is_there = status.st_size - offset >= declared and status.st_size != PAGE and offset == file.tell()
    except Exception:
        return None
    is_all = status.st_size == declared and not offset
    return (offset, status) if is_there and (is_bounded or is_all) else None


def _unbuffered(file: Any) -> io.FileIO | None:
    """Return the unbuffered file in a file that is open for reading; None if it is none, or has methods of its own."""
    raw = file.raw if type(file) is io.BufferedReader else file
    return raw if type(raw) is io.FileIO and is_unpatched(file) and is_unpatched(raw) else None


def has_descriptor(body: object) -> bool:
    """True if a server may find a descriptor in this body, and send the file behind it instead of what is read."""
    file = open_wrappers(body)[0]
    if isinstance(file, tempfile.SpooledTemporaryFile):  # asking would move its content to the disk
        return True
    try:
        file.fileno()
    except Exception:
        return False
    return True


def items_have_length(items: Any, declared: int) -> bool:
    """True if the items of this list or tuple have ``declared`` bytes together; False also if that is hard to tell."""
    try:
        return (len(items[0]) if len(items) == 1 else sum(map(len, items))) == declared
    except TypeError:  # the app's error, and the server's to report
        return False


def path_has_length(path: Any, declared: int) -> bool:
    """True if the file at this path has exactly ``declared`` bytes; False also if only a closer look could tell.

    The app has just looked the file up to declare its length, so that this look-up does not wait for a disk.
    """
    try:
        return os.stat(path).st_size == declared != PAGE
    except (OSError, TypeError, ValueError):
        return False


def _find(body: Any, declared: int | None, block_size: int, detectors: tuple[Detector, ...]) -> Source | None:
    source: SeekableSource | OpenableSource | None
    if isinstance(body, (list, tuple)) and _is_in_memory(body):
        source = _items(body, block_size)
    else:
        source = _openable(body) or _first(detectors, find_file(body), block_size)
    if source is None:
        return None if declared is None else ForwardSource(body, declared)
    if declared is not None and declared > source.complete_length:
        return source._replace(shorter=True)
    if declared is None or declared == source.complete_length:
        return source
    return source._replace(complete_length=declared)


def _openable(body: object) -> OpenableSource | None:
    """The source of a body that opens itself at an offset; None for any other body."""
    innermost = open_wrappers(body)[0]
    kind: Any = type(innermost)
    is_openable = opens_itself(kind) and hasattr(innermost, "complete_length")
    return OpenableSource.of(innermost) if is_openable else None


def _first(detectors: tuple[Detector, ...], file: Any | None, block_size: int) -> SeekableSource | None:
    return next(filter(None, (detector(file, block_size) for detector in detectors)), None)


def _is_in_memory(body: Sequence[object]) -> bool:
    """True if this is a list or tuple like any other, and each of its items is bytes in one piece."""
    kind, base = type(body), list if isinstance(body, list) else tuple
    is_plain = kind is base or all(getattr(kind, name) is getattr(base, name) for name in _ACCESS)
    return is_plain and all(map(_is_contiguous, body))


def _is_contiguous(item: object) -> bool:
    return type(item) is bytes or isinstance(item, (bytes, bytearray, memoryview)) and memoryview(item).c_contiguous


def _items(items: Sequence[bytes | bytearray | memoryview], block_size: int) -> SeekableSource:
    """Items in memory. Only bytes that are sent are copied, and no item is locked against changes by the app."""
    if len(items) == 1 and type(items[0]) is bytes:
        return _single_item(items[0], block_size)
    next_positions = list(accumulate(memoryview(item).nbytes for item in items))

    def read_at(pos: int, size: int) -> bytes:
        index = bisect_right(next_positions, pos)
        with memoryview(items[index]) as view, view.cast("B") as octets:
            skipped = pos - (next_positions[index] - view.nbytes)
            return octets[skipped:skipped + size].tobytes()

    return SeekableSource(read_at, next_positions[-1] if next_positions else 0, block_size)


def _single_item(item: bytes, block_size: int) -> SeekableSource:
    def read_at(pos: int, size: int) -> bytes:
        return item[pos:pos + size]

    return SeekableSource(read_at, len(item), block_size)


def _none_if_raising(detector: Detector) -> Detector:
    """Treat a file as forward-only if its methods raise: ``seek()`` and ``tell()`` may be the app's own."""
    @wraps(detector)
    def guarded(file: Any, block_size: int) -> SeekableSource | None:
        try:
            return detector(file, block_size)
        except Exception:
            return None
    return guarded


@_none_if_raising
def pread_file(file: Any, block_size: int) -> SeekableSource | None:
    """A regular file on disk, read by its descriptor without moving its position.

    Only exact types count: a ``GzipFile`` has a descriptor too, but that gives the compressed bytes.
    """
    binary = file.buffer if type(file) is io.TextIOWrapper else file  # opened in text mode, a common mistake
    raw = binary.raw if type(binary) in (io.BufferedReader, io.BufferedRandom) else binary
    if type(raw) is not io.FileIO or not (is_unpatched(file) and is_unpatched(raw)) or not hasattr(os, "pread"):
        return None
    if type(binary) is not io.BufferedReader:
        binary.flush()
    offset, status = file.tell(), os.fstat(raw.fileno())
    length, pread, fileno = status.st_size - offset, os.pread, raw.fileno

    def read_at(pos: int, size: int) -> bytes:
        return pread(fileno(), size, offset + pos)

    # Sizes that prove nothing: 0 (as in /proc), one page (as in /sys), and that of anything but a regular file.
    if not stat.S_ISREG(status.st_mode) or length <= 0 and read_at(0, 1):
        return None
    if status.st_size == PAGE and not status.st_blocks and not read_at(length - 1, 1):
        return None
    on_disk = DiskFile(raw, offset, status.st_mtime_ns)
    return SeekableSource(read_at, max(0, length), block_size, on_disk=on_disk)


@_none_if_raising
def _synced_file(file: Any, block_size: int) -> SeekableSource | None:
    """A regular file on disk that the server will send by itself, with its descriptor at the file's position.

    Some servers send from the position of the descriptor, which is ahead of the file's by the bytes in its buffer. A
    seek within the buffer does not change that, so that the file has to go to its end and back.
    """
    source = pread_file(file, block_size)
    if source is not None and source.on_disk is not None and source.on_disk.raw.tell() != source.on_disk.offset:
        file.seek(0, os.SEEK_END)
        file.seek(source.on_disk.offset)
    return source


@_none_if_raising
def _buffer(file: Any, block_size: int) -> SeekableSource | None:
    """A ``BytesIO``, read without moving its position."""
    if type(file) is not io.BytesIO or not is_unpatched(file):
        return None
    offset, content = file.tell(), file.getvalue()  # no copy, unless the buffer is written to

    def read_at(pos: int, size: int) -> bytes:
        return content[offset + pos:offset + pos + size]

    return SeekableSource(read_at, max(0, len(content) - offset), block_size)


def _unless_decoding(file: Any, block_size: int) -> SeekableSource | None:
    return None if is_decoding(file) else _seekable_file(file, block_size)


def _seekable_file(file: Any, block_size: int) -> SeekableSource | None:
    """Any other object with ``seek()``, ``tell()`` and ``read()``, which have to move it to measure and to read it.

    :raises OSError: if it cannot seek back from its end, so that its bytes are lost.
    """
    if isinstance(file, io.TextIOWrapper):
        file = None if file.tell() else file.buffer
    offset = _go_to_end(file)
    if offset is None:
        return None
    length = file.tell() - offset
    is_empty_page = type(file) in (io.BufferedReader, io.FileIO) and length == PAGE and _ends_before(
        file, offset + length - 1)
    file.seek(offset)
    if file.tell() != offset:
        raise OSError("the file cannot go back from its end to its position")
    if length <= 0 or is_empty_page:  # empty, or seek() did nothing and so told nothing
        return None

    def read_at(pos: int, size: int) -> bytes:
        file.seek(offset + pos)
        block: bytes | None = file.read(size)
        return block if type(block) is bytes else bytes(block or b"")

    return SeekableSource(read_at, length, block_size, random_access=not is_decoding(file), is_moved=True)


def _ends_before(file: Any, pos: int) -> bool:
    file.seek(pos)
    return not file.read(1)


def _go_to_end(file: Any) -> int | None:
    """Seek to the end of a file and return the position before; None, without moving it, if it cannot seek."""
    try:
        offset: int = file.tell()
        if not getattr(file, "seekable", lambda: True)():
            return None
        file.seek(offset)  # moves nothing, and fails if seeking does
        file.seek(0, os.SEEK_END)
    except Exception:
        return None
    return offset
