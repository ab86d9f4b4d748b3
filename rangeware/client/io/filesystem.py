"""The calls in which systems and file systems differ: locks, flushing, links, times, and what a name stands for.

A network share, a memory card or a FUSE file system refuses some of them. Where a download can go on without, the
function returns False, and its caller says what is less safe for it. Windows lacks some names of ``os``, and does not
rename open files.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import DiskError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

RENAMES_OPEN_FILES = os.name != "nt"
"""False where a file must be closed to get another name."""

CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
NONBLOCK = getattr(os, "O_NONBLOCK", 0)  # opening a pipe must not wait for its other end
OPEN_OURS = os.O_CREAT | CLOEXEC | NOFOLLOW | NONBLOCK  # a symbolic link may lead to anybody's file
OPEN_TO_READ = os.O_RDONLY | CLOEXEC | NONBLOCK

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_NO_LOCKS = _UNSUPPORTED | {errno.ENOLCK}
_NO_FLUSHING = _UNSUPPORTED | {errno.EPERM, errno.EACCES, errno.EBADF, errno.EISDIR}
_NO_TIMES = _UNSUPPORTED | {errno.EPERM, errno.EACCES}
_NO_POSITIONS = _UNSUPPORTED | {errno.ESPIPE}
_KINDS = {
    stat.S_IFDIR: "a directory", stat.S_IFLNK: "a symbolic link", stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
}
_BLOCK = 1 << 20
_POSITION = threading.Lock()  # held from seeking to the end of reading or writing


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise a DiskError that names the file for any error of the system, and for a name that the system refuses."""
    try:
        yield
    except (OSError, ValueError) as exc:
        raise DiskError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc


def refuse_irregular(path: Path) -> None:
    """Refuse a name that stands for something else than a regular file. Links are not followed, dangling or not.

    :raises DiskError: naming what is there.
    """
    with disk_errors(path):
        try:
            mode = os.lstat(path).st_mode
        except FileNotFoundError:
            return
    if not stat.S_ISREG(mode):
        raise DiskError(f"{path}: is {_KINDS.get(stat.S_IFMT(mode), 'a special file')}, not a regular file")


def refuse_read_only(folder: Path) -> None:
    """Refuse a folder in which no file can be made, or the one in which it would have to be made.

    :raises DiskError: naming it.
    """
    with disk_errors(folder):
        while not os.path.lexists(folder):
            folder = folder.parent
        if not folder.is_dir():
            raise OSError(errno.ENOTDIR, "is not a directory")
        if not os.access(folder, os.W_OK | os.X_OK, effective_ids=os.access in os.supports_effective_ids):
            raise OSError(errno.EACCES, "cannot make a file in this directory")


def open_locked(path: Path, taken: str) -> tuple[int, bool]:
    """Open a file and lock it. Another run may rename or remove it in between, so that its name is checked after.

    Returns the descriptor, and False if the file system has no locks.

    :raises OSError: with ``taken`` as its text, if another run has the lock.
    """
    while True:
        descriptor = os.open(path, OPEN_OURS | os.O_RDWR, 0o666)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise OSError(errno.EINVAL, "is not a regular file")
            has_lock = lock(descriptor)
            if os.path.samestat(found, os.lstat(path)):
                return descriptor, has_lock
        except FileNotFoundError:  # the other run has just given it its final name
            pass
        except BlockingIOError:
            os.close(descriptor)
            raise OSError(0, taken) from None
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def lock(descriptor: int) -> bool:
    """Lock an open file for this process. False if the system or the file system has no locks.

    :raises BlockingIOError: if another process has the lock.
    """
    if fcntl is None:
        return False
    return _is_done(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB), _NO_LOCKS)


def sync_file(descriptor: int) -> bool:
    """Flush a file to the disk. False if the file system cannot."""
    return _is_done(lambda: os.fsync(descriptor), _UNSUPPORTED)


def sync_directory(path: Path) -> bool:
    """Flush a folder to the disk: the new names in it survive a loss of power then. False if that is not possible."""
    if not RENAMES_OPEN_FILES:  # Windows: its file system keeps the order of changes by itself
        return True
    return _is_done(lambda: _sync_directory(path), _NO_FLUSHING)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def set_time(descriptor: int, path: Path, modified: float) -> bool:
    """Set the time of modification of an open file, in seconds since 1970. False if the file system cannot."""
    target: int | Path = descriptor if os.utime in os.supports_fd else path
    return _is_done(lambda: os.utime(target, (modified, modified)), _NO_TIMES)


def _is_done(call: Callable[[], object], refusals: frozenset[int]) -> bool:
    """Call a function. False if the file system refuses it with one of these errors."""
    try:
        call()
    except OSError as exc:
        if exc.errno not in refusals:
            raise
        return False
    return True


def write_all(descriptor: int, text: bytes) -> None:
    """Write all of ``text``, in as many calls as the system needs."""
    while text:
        text = text[os.write(descriptor, text):]


def write_at(descriptor: int, block: memoryview, pos: int) -> None:
    """Write all of a block at this position. Several threads may do so at once."""
    while block:
        if hasattr(os, "pwrite"):
            try:
                written = os.pwrite(descriptor, block, pos)
            except OSError as exc:
                if exc.errno not in _NO_POSITIONS:
                    raise
                written = _seek_and_write(descriptor, block, pos)
        else:
            written = _seek_and_write(descriptor, block, pos)
        block, pos = block[written:], pos + written


def _seek_and_write(descriptor: int, block: memoryview, pos: int) -> int:
    with _POSITION:
        os.lseek(descriptor, pos, os.SEEK_SET)
        return os.write(descriptor, block)


def read_at(descriptor: int, length: int, pos: int) -> bytes:
    """Read at most ``length`` bytes from this position on."""
    if hasattr(os, "pread"):
        return os.pread(descriptor, length, pos)
    with _POSITION:
        os.lseek(descriptor, pos, os.SEEK_SET)
        return os.read(descriptor, length)


def digest_of(
    descriptor: int, algorithm: str, check: Callable[[], object] = lambda: None, *, first_pos: int = 0,
    length: int = 2**63,
) -> bytes:
    """The digest of a file, or of ``length`` bytes of it from ``first_pos`` on, by an algorithm of hashlib.

    :param check: called now and then; it raises to end that.
    """
    made, pos = hashlib.new(algorithm, usedforsecurity=False), first_pos  # also where MD5 is refused for signatures
    while block := read_at(descriptor, min(_BLOCK, first_pos + length - pos), pos):
        check()
        made.update(block)
        pos += len(block)
    return made.digest()


def link(path: Path, final: Path, *, by_way_of: Path | None) -> None:
    """Give a file a second name. Unlike renaming, this never replaces a file that has come into being meanwhile.

    On a file system without hard links, the file is renamed instead.

    :param by_way_of: a temporary name; if it is given, the file does replace any other regular file.
    :raises FileExistsError: if the final name is taken, and ``by_way_of`` is None.
    :raises DiskError: if it stands for something else than a regular file.
    """
    try:
        os.link(path, final if by_way_of is None else by_way_of)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if by_way_of is None and os.path.lexists(final):
            raise FileExistsError(errno.EEXIST, "File exists") from None
        refuse_irregular(final)
        os.replace(path, final)
        return
    if by_way_of is None:
        return
    try:
        refuse_irregular(final)
        os.replace(by_way_of, final)
    except (OSError, DiskError):
        os.unlink(by_way_of)
        raise
