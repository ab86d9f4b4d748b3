"""The part file of a download, ``NAME.part``, with its journal beside it.

A run holds an exclusive lock on the part file as long as it has it open, so that two runs of the same command never
write into one file; the system releases the lock when a run dies. The journal names only bytes that are in the file
(see ``journal``): its first line names only bytes that were flushed before it, and the old journal is removed before
bytes that it names may change. A later run therefore never trusts bytes that are not there.

Where a file system has no locks or does not flush, the download goes on all the same, and a warning says so.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from ...http.ranges import ByteRange
from ..digests import Digest
from ..planning.state import OverlapCheck, SavedState
from ..planning.trust import Comparison
from . import filesystem
from .filesystem import (
    NOFOLLOW,
    OPEN_TO_READ,
    digest_of,
    disk_errors,
    link,
    open_locked,
    read_at,
    set_time,
    sync_file,
    write_at,
)
from .journal_file import JournalFile, read_state
from .overlaps import compare_overlap
from .part_names import all_names, journal_of, temporary_whole_of

NO_LOCKS = "this file system has no locks: do not download this file twice at once"
NO_FLUSHING = "this file system cannot flush to the disk: after a loss of power, the file may have to be fetched again"
LOST = "another program has removed or replaced the partial file"
CUT = "another program has cut the partial file"
NO_TIMES = "this file system does not let the time of the file be set"
_DELAYS = (0, 0.1, 0.5)  # seconds


class PartFile:
    """A part file that no other run can write to as long as it is open.

    :param path: of the part file; it is created if it does not exist.
    :param warn: called with text about what this file system lacks.
    :raises DiskError: if it cannot be opened, or another run has it open.

    :ivar state: what its journal said when it was opened; None if that cannot be trusted.
    """

    def __init__(self, path: Path, warn: Callable[[str], object] = lambda text: None) -> None:
        self.path = path
        self._warn = warn
        self._journal = JournalFile(path)
        self._refusal = ""
        self._file = self._open()
        self.state = read_state(path)

    def _open(self) -> int:
        with disk_errors(self.path):
            descriptor, has_lock = open_locked(self.path, "another run is downloading this file")
        if not has_lock:
            self._warn(NO_LOCKS)
        self._length = os.fstat(descriptor).st_size
        return descriptor

    # the file as a whole

    @property
    def is_unusable(self) -> bool:
        """True if there are bytes that cannot be resumed."""
        return self.state is None and os.fstat(self._file).st_size > 0

    def set_aside(self, digest: Digest | None = None) -> Path:
        """Rename the part file and its journal, and open a new, empty one. Returns the new name of the old one.

        :param digest: the digest that the whole file has. A file that was set aside before and has the same digest is
            replaced: one wrong digest leaves one copy, however often it is tried.
        """
        other = self._name_aside(digest)
        with disk_errors(self.path):
            self._release_name()
            os.replace(self.path, other)
            with contextlib.suppress(FileNotFoundError):
                os.replace(journal_of(self.path), journal_of(other))
            self._journal.sync()
        self.reopen()
        return other

    def _name_aside(self, digest: Digest | None) -> Path:
        """The first name that is free, or taken by a file of this digest."""
        name, number = self.path.name.removesuffix(".new"), 1
        while os.path.lexists(other := self.path.with_name(f"{name}.{number}")):
            if digest is not None and self._is_copy(other, digest):
                break
            number += 1
        return other

    def _is_copy(self, other: Path, digest: Digest) -> bool:
        """True if another file has the length of this one, and this digest. One that cannot be read is none."""
        with contextlib.suppress(OSError):
            found = os.lstat(other)
            if stat.S_ISREG(found.st_mode) and found.st_size == os.fstat(self._file).st_size:
                with open(os.open(other, OPEN_TO_READ | NOFOLLOW), "rb") as file:
                    return digest_of(file.fileno(), digest.algorithm) == digest.value
        return False

    def reopen(self) -> None:
        """Open the file that has the name now, or a new, empty one."""
        opened = self._open()
        self._close_file()
        self._file = opened
        self.state = read_state(self.path)

    def begin(self, state: SavedState) -> None:
        """Empty the file, and start its journal. No other thread may be between ``stage`` and ``sync``."""
        with disk_errors(self.path):
            self._journal.close()
            self._journal.remove()
            os.ftruncate(self._file, 0)
            self._length = 0
            self._journal.create(state)
        self._warn_if_unsafe()

    def discard(self) -> None:
        """Remove the file and its journal, as far as the system lets us.

        The file itself goes last: as long as it has its name, its lock keeps other runs away from the rest.
        """
        self._release_name()
        for path in all_names(self.path):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def take_over(self, other: Path) -> None:
        """Replace this part file and its journal by another part file and its journal."""
        with disk_errors(self.path):
            self._journal.remove()
            self._release_name()
            os.replace(other, self.path)
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

    @property
    def is_intact(self) -> bool:
        """False if another program has removed or cut the file, or put another one in its place."""
        return not self._refusal and (self._file < 0 or self.is_same_file(self.path))

    def check_name(self) -> None:
        """Refuse to work on a file that another program has taken away: what has its name has other bytes.

        :raises DiskError: if that is so.
        """
        with disk_errors(self.path):
            if not self.is_intact:
                self._refuse(self._refusal or LOST)
            self._check_refusal()

    def _is_cut(self) -> bool:
        """True if the file is shorter than what has been written. Some file systems tell its size a little late."""
        for delay in _DELAYS:
            time.sleep(delay)
            known = self._length  # first: another thread may be making it longer
            if os.fstat(self._file).st_size >= known:
                return False
        return True

    def _check_refusal(self) -> None:
        if self._refusal:
            raise OSError(0, self._refusal)

    def _refuse(self, why: str) -> None:
        """Refuse everything from now on. The journal goes: a later run must not believe it."""
        self._refusal = why
        self._journal.close()
        with contextlib.suppress(OSError):
            self._journal.remove()

    def close(self) -> None:
        """Close the file, so that another run may resume it. An empty file is removed."""
        self._journal.close()
        if self._file >= 0 and not os.fstat(self._file).st_size and self.is_same_file(self.path):
            self.discard()
        self._close_file()

    def _release_name(self) -> None:
        """Close the file where the system does not let an open one be renamed or removed."""
        if not filesystem.RENAMES_OPEN_FILES:
            self._journal.close()
            self._close_file()

    def _close_file(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    # its bytes

    def write(self, first_pos: int, block: memoryview) -> ByteRange:
        """Write a block at ``first_pos``, and note it in the journal. Returns its range."""
        part = ByteRange(first_pos, first_pos + len(block) - 1)
        with disk_errors(self.path):
            if self._is_cut():  # this block would hide it: the file would be long again
                self._refuse(CUT)
            self._check_refusal()
            write_at(self._file, block, first_pos)
        self._length = max(self._length, part.next_pos)
        self._journal.append_part(part)
        return part

    def compare(self, check: OverlapCheck) -> Comparison:
        """Compare the bytes in the file with those that the check was made of."""
        with disk_errors(self.path):
            block = read_at(self._file, check.part.length, check.part.first_pos)
        return compare_overlap(check, block)

    def digest(self, algorithm: str) -> bytes:
        """The digest of the whole file, by an algorithm of hashlib."""
        with disk_errors(self.path):
            return digest_of(self._file, algorithm)

    def digest_of_part(self, part: ByteRange, algorithm: str) -> bytes:
        """The digest of these bytes, by an algorithm of hashlib."""
        with disk_errors(self.path):
            return digest_of(self._file, algorithm, first_pos=part.first_pos, length=part.length)

    # its journal

    def note_check(self, check: OverlapCheck) -> None:
        """Note in the journal that these bytes are still to be compared."""
        self._journal.append_check(check)

    def stage(self, state: SavedState) -> int:
        """Flush the bytes of the file to the disk, and write a new journal that says ``state`` beside the old one.

        This may take seconds, and the file may be written to meanwhile. Returns the descriptor of the new journal,
        for ``commit`` or ``rollback``.
        """
        self.check_name()
        with disk_errors(self.path):
            self._journal.is_durable = sync_file(self._file) and self._journal.is_durable
            return self._journal.stage(state)

    def commit(self, journal: int, written: Iterable[ByteRange], checks: Iterable[OverlapCheck]) -> None:
        """Replace the old journal by the staged one. Call ``sync`` afterwards to make that durable.

        :param written: the bytes in the file by now. The caller holds the lock under which they are added: a line that
            went into the old journal during this call would be lost.
        :param checks: the comparisons that are still to be made by now.
        """
        with disk_errors(self.path):
            self._journal.commit(journal, written, checks)

    def rollback(self, journal: int) -> None:
        """Drop a staged journal: the download has started again meanwhile, so that it does not fit the file."""
        self._journal.rollback(journal)

    def sync(self) -> None:
        """Flush the names of the files to the disk."""
        with disk_errors(self.path):
            self._journal.sync()
        self._warn_if_unsafe()

    def _warn_if_unsafe(self) -> None:
        if not self._journal.is_durable:
            self._warn(NO_FLUSHING)

    # the end

    def publish(self, final: Path, complete_length: int, modified: float | None, *, force: bool) -> None:
        """Flush the complete file, and give it its final name as a second one. ``discard`` removes the first.

        :param modified: its time of modification, in seconds since 1970; None leaves that of the last write.
        :param force: True replaces an existing file.
        :raises DiskError: also if there is a file of that name, unless ``force`` is True.
        """
        self.check_name()
        with disk_errors(self.path):
            if os.fstat(self._file).st_size < complete_length:
                raise OSError(0, CUT)
            os.ftruncate(self._file, complete_length)
            if modified is not None and not set_time(self._file, self.path, modified):
                self._warn(NO_TIMES)
            is_flushed = sync_file(self._file)
            self._release_name()
        with disk_errors(final):
            try:
                link(self.path, final, by_way_of=temporary_whole_of(self.path) if force else None)
            except FileExistsError as exc:
                raise OSError(exc.errno, "has come into being meanwhile (use --force to replace it)") from exc
            if not (filesystem.sync_directory(final.parent) and is_flushed):
                self._warn(NO_FLUSHING)
