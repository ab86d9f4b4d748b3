"""The part file of a download, ``NAME.part``, with its journal beside it. Needs a POSIX system.

A run holds an exclusive lock on the part file as long as it has it open, so that two runs of the same command never
write into one file; the system releases the lock when a run dies. The journal names only bytes that are in the file
(see ``journal``): its first line names only bytes that were flushed before it, and the old journal is removed before
bytes that it names may change. A later run therefore never trusts bytes that are not there.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from ...http.ranges import ByteRange
from ..errors import DiskError
from ..planning.state import OverlapCheck, SavedState
from .journal import parse, render, render_check, render_part
from .posix import link, sync_directory, write_all

_BLOCK = 1 << 20
_LONGEST_JOURNAL = 1 << 26  # bytes: no journal of ours comes near
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_OPEN_OURS = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # a symbolic link may lead to anybody's file
_OPEN_JOURNAL = _OPEN_OURS | os.O_EXCL | os.O_WRONLY | os.O_APPEND


def _boot_id() -> str:
    """A text that differs between two starts of the machine; "" if the system has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Raise a DiskError that names the file for any error of the system, and for a name that the system refuses."""
    try:
        yield
    except (OSError, ValueError) as exc:
        raise DiskError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc


def journal_of(part: Path) -> Path:
    """The path of the journal of a part file."""
    return part.with_name(part.name + ".json")


def temporary_whole_of(part: Path) -> Path:
    """The name that a complete file has for a moment, before it replaces an existing file."""
    return part.with_name(part.name + ".whole")


def read_state(part: Path) -> SavedState | None:
    """Read the journal of a part file; None if it is missing, or says what cannot be trusted."""
    try:
        with open(os.open(journal_of(part), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            state = parse(file.read(_LONGEST_JOURNAL), _boot_id())
        if state is None or (state.finished and part.stat().st_size <= state.finished[-1].last_pos):
            return None
    except OSError:
        return None
    return state


class PartFile:
    """A part file that no other run can write to as long as it is open.

    :param path: of the part file; it is created if it does not exist.
    :raises DiskError: if it cannot be opened, or another run has it open.

    :ivar state: what its journal said when it was opened; None if that cannot be trusted.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal: int | None = None
        self._journal_lock = threading.Lock()
        with disk_errors(path):
            self._file = _open_locked(path)
        self.state = read_state(path)

    # the file as a whole

    @property
    def is_unusable(self) -> bool:
        """True if there are bytes that cannot be resumed."""
        return self.state is None and os.fstat(self._file).st_size > 0

    def set_aside(self) -> Path:
        """Rename the part file and its journal, and open a new, empty one. Returns the new name of the old one."""
        name, number = self.path.name.removesuffix(".new"), 1
        while os.path.lexists(other := self.path.with_name(f"{name}.{number}")):
            number += 1
        with disk_errors(self.path):
            os.rename(self.path, other)
            with contextlib.suppress(FileNotFoundError):
                os.rename(journal_of(self.path), journal_of(other))
            sync_directory(self.path.parent)
        self.reopen()
        return other

    def reopen(self) -> None:
        """Open the file that has the name now, or a new, empty one."""
        with disk_errors(self.path):
            opened = _open_locked(self.path)
        os.close(self._file)
        self._file = opened
        self.state = read_state(self.path)

    def begin(self, state: SavedState) -> None:
        """Empty the file, and start its journal. No other thread may be between ``stage`` and ``sync``."""
        with disk_errors(self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal_of(self.path))
            sync_directory(self.path.parent)  # or a loss of power could bring the old journal back, beside other bytes
            os.ftruncate(self._file, 0)
            journal = os.open(journal_of(self.path), _OPEN_JOURNAL, 0o600)
            self._use_journal(journal)
            write_all(journal, render(state, _boot_id()))

    def discard(self) -> None:
        """Remove the file and its journal, as far as the system lets us.

        The file itself goes last: as long as it has its name, its lock keeps other runs away from the rest.
        """
        for path in (journal_of(self.path), _staged(self.path), temporary_whole_of(self.path), self.path):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def take_over(self, other: Path) -> None:
        """Replace this part file and its journal by another part file and its journal."""
        with disk_errors(self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal_of(self.path))
            sync_directory(self.path.parent)
            os.rename(other, self.path)
            os.rename(journal_of(other), journal_of(self.path))
        self.reopen()

    @property
    def has_hard_link(self) -> bool:
        """True if the file has a second name (a hard link): bytes written here would change that file too."""
        return os.fstat(self._file).st_nlink > 1

    def is_same_file(self, path: Path) -> bool:
        """True if ``path`` is a second name of this file."""
        try:
            return os.path.samestat(os.fstat(self._file), os.lstat(path))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Close the file, so that another run may resume it. An empty file is removed."""
        self._use_journal(None)
        if not os.fstat(self._file).st_size and self.is_same_file(self.path):
            self.discard()
        os.close(self._file)
        self._file = -1

    # its bytes

    def write(self, first_pos: int, block: memoryview) -> ByteRange:
        """Write a block at ``first_pos``, and note it in the journal. Returns its range."""
        with disk_errors(self.path):
            written = 0
            while written < len(block):
                written += os.pwrite(self._file, block[written:], first_pos + written)
        part = ByteRange(first_pos, first_pos + len(block) - 1)
        self._append(render_part(part))
        return part

    def matches(self, check: OverlapCheck) -> bool:
        """True if the bytes in the file are those that the check was made of."""
        with disk_errors(self.path):
            block = os.pread(self._file, check.part.length, check.part.first_pos)
        return hashlib.sha256(block).hexdigest() == check.sha256

    def digest(self, algorithm: str) -> bytes:
        """The digest of the whole file, by an algorithm of hashlib."""
        made = hashlib.new(algorithm)
        with disk_errors(self.path):
            pos = 0
            while block := os.pread(self._file, _BLOCK, pos):
                made.update(block)
                pos += len(block)
        return made.digest()

    # its journal

    def note_check(self, check: OverlapCheck) -> None:
        """Note in the journal that these bytes are still to be compared."""
        self._append(render_check(check))

    def _append(self, line: bytes) -> None:
        """Append a line without waiting for the disk. A full disk shows elsewhere: a lost line does no harm."""
        with self._journal_lock, contextlib.suppress(OSError):
            if self._journal is not None:
                os.write(self._journal, line)

    def _use_journal(self, journal: int | None) -> None:
        with self._journal_lock:
            journal, self._journal = self._journal, journal
        if journal is not None:
            os.close(journal)

    def stage(self, state: SavedState) -> int:
        """Flush the bytes of the file to the disk, and write a new journal that says ``state`` beside the old one.

        This may take seconds, and the file may be written to meanwhile. Returns the descriptor of the new journal,
        for ``commit`` or ``rollback``.
        """
        staged = _staged(self.path)
        with disk_errors(self.path):
            os.fsync(self._file)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(staged)
            journal = os.open(staged, _OPEN_JOURNAL, 0o600)
            try:
                write_all(journal, render(state, _boot_id()))
                os.fsync(journal)
            except OSError:
                os.close(journal)
                os.unlink(staged)
                raise
        return journal

    def commit(self, journal: int, written: Iterable[ByteRange], checks: Iterable[OverlapCheck]) -> None:
        """Replace the old journal by the staged one. Call ``sync`` afterwards to make that durable.

        :param written: the bytes in the file by now. The caller holds the lock under which they are added: a line that
            went into the old journal during this call would be lost.
        :param checks: the comparisons that are still to be made by now.
        """
        with disk_errors(self.path):
            write_all(journal, b"".join([*map(render_part, written), *map(render_check, checks)]))
            os.rename(_staged(self.path), journal_of(self.path))
        self._use_journal(journal)

    def rollback(self, journal: int) -> None:
        """Drop a staged journal: the download has started again meanwhile, so that it does not fit the file."""
        os.close(journal)
        with contextlib.suppress(OSError):
            os.unlink(_staged(self.path))

    def sync(self) -> None:
        """Flush the names of the files to the disk."""
        with disk_errors(self.path):
            sync_directory(self.path.parent)

    # the end

    def publish(self, final: Path, complete_length: int, modified: float | None, *, force: bool) -> None:
        """Flush the complete file, and give it its final name as a second one. ``discard`` removes the first.

        :param modified: its time of modification, in seconds since 1970; None leaves that of the last write.
        :param force: True replaces an existing file.
        :raises DiskError: also if there is a file of that name, unless ``force`` is True.
        """
        with disk_errors(self.path):
            if os.fstat(self._file).st_size < complete_length:
                raise OSError(0, "another program has cut the partial file")
            os.ftruncate(self._file, complete_length)
            if modified is not None:
                os.utime(self._file, (modified, modified))
            os.fsync(self._file)
        with disk_errors(final):
            link(self.path, final, by_way_of=temporary_whole_of(self.path) if force else None)
            sync_directory(final.parent)


def _staged(part: Path) -> Path:
    return part.with_name(part.name + ".json.new")


def _open_locked(path: Path) -> int:
    return open_locked(path, "another run is downloading this file")


def open_locked(path: Path, taken: str) -> int:
    """Open a file and lock it. Another run may rename or remove it in between, so that its name is checked after.

    :raises OSError: with ``taken`` as its text, if another run has the lock.
    """
    while True:
        descriptor = os.open(path, _OPEN_OURS | os.O_RDWR, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise OSError(0, taken) from None
        except FileNotFoundError:  # the other run has just given it its final name
            pass
        os.close(descriptor)
