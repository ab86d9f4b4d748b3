"""Files of a ``FileStorage``: lock, write and flush them, and reserve space for them.

``refusals`` and ``missing`` turn the errors of the system into what a client is told.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import os
import time
from collections.abc import Iterator

from .protocol.values import Reason, Refusal

_PATIENCE = 5.0  # seconds to wait for a lock
_PAUSE = 0.02  # seconds between tries
_TELL = {errno.ENOSPC: Reason.NO_SPACE, errno.EDQUOT: Reason.NO_SPACE, errno.EFBIG: Reason.TOO_LARGE}
_KEEP_SIZE, _PUNCH_HOLE = 1, 2  # of fallocate(2): os.posix_fallocate would make the file longer
_LONGEST = 2**62  # bytes


def reserve(fd: int, length: int) -> None:
    """Reserve ``length`` bytes for a file, where the file system can; else only look if there are as many.

    :raises OSError: ENOSPC if there is not enough space, EFBIG if no file can be as long.
    """
    if length > _LONGEST:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
    disk = os.fstatvfs(fd)  # first: fallocate would take all there is before it finds that it is not enough
    if disk.f_bavail * disk.f_frsize < length - os.fstat(fd).st_size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    if length:
        _fallocate(fd, _KEEP_SIZE, 0, length)


def punch(fd: int, start: int, end: int) -> None:
    """Give back the space of the bytes from ``start`` to ``end``, which are zeros then, where the file system can."""
    if end > start:
        _fallocate(fd, _KEEP_SIZE | _PUNCH_HOLE, start, end - start)


def _fallocate(fd: int, mode: int, start: int, length: int) -> bool:
    """Call fallocate(2); False if the system or the file system cannot."""
    function = getattr(_library(), "fallocate64", None) or getattr(_library(), "fallocate", None)
    if function is None:
        return False
    function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if function(fd, mode, start, length) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        raise OSError(number, os.strerror(number))
    return False


def _library() -> ctypes.CDLL | None:
    with contextlib.suppress(OSError, TypeError):
        return ctypes.CDLL(None, use_errno=True)
    return None


@contextlib.contextmanager
def opened(path: str | os.PathLike[str], flags: int) -> Iterator[int]:
    """Open a file with these flags of ``os.open`` meanwhile; a new one can be read by all."""
    fd = os.open(path, flags, 0o644)
    try:
        yield fd
    finally:
        os.close(fd)


@contextlib.contextmanager
def locked(fd: int) -> Iterator[None]:
    """Hold the lock of a file. The kernel releases it if the process dies."""
    deadline = time.monotonic() + _PATIENCE
    while not _try_lock(fd):
        if time.monotonic() > deadline:
            raise Refusal(Reason.LOCKED)
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextlib.contextmanager
def refusals() -> Iterator[None]:
    """Turn a full disk into what the client is told."""
    try:
        yield
    except OSError as exc:
        reason = _TELL.get(exc.errno or 0)
        if reason is None:
            raise
        raise Refusal(reason) from exc


@contextlib.contextmanager
def missing() -> Iterator[None]:
    """Tell the client that there is no such upload if a file is missing."""
    try:
        yield
    except FileNotFoundError:
        raise Refusal(Reason.MISSING) from None


def flush(fd: int) -> None:
    """Bring the bytes of a file to the disk."""
    (os.fdatasync if hasattr(os, "fdatasync") else os.fsync)(fd)  # macOS has only one of them


def write_back(fd: int, start: int, end: int) -> None:
    """Have the system begin to write these bytes to the disk, so that a flush has less to wait for."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, start, end - start, os.POSIX_FADV_DONTNEED)


def write_all(fd: int, text: bytes, position: int) -> None:
    """Write all of a text at a position."""
    for _ in write_pieces(fd, text, position):
        pass


def write_pieces(fd: int, block: bytes, position: int) -> Iterator[int]:
    """Write a block, and yield after each system call how many bytes it took."""
    rest = memoryview(block)
    while rest:
        count = os.pwrite(fd, rest, position)
        yield count
        rest, position = rest[count:], position + count
