"""The journal of a part file on disk, ``NAME.part.json``. ``journal`` has its text.

A journal is replaced by a new one that was written beside it, and lines are appended to it. Its first line names only
bytes that have been flushed to the disk.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable
from pathlib import Path

from ...http.ranges import ByteRange
from ..planning.state import OverlapCheck, SavedState
from . import filesystem
from .filesystem import OPEN_OURS, OPEN_TO_READ, sync_directory, write_all
from .journal import parse, render, render_check, render_part
from .part_names import journal_of, staged_of

_LONGEST = 1 << 26  # bytes: no journal of ours comes near
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_OPEN_TO_APPEND = OPEN_OURS | os.O_WRONLY | os.O_APPEND
_OPEN_NEW = _OPEN_TO_APPEND | os.O_EXCL


def _boot_id() -> str:
    """A text that differs between two starts of the machine; "" if the system has none."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


def read_state(part: Path) -> SavedState | None:
    """Read the journal of a part file; None if it is missing, or says what cannot be trusted."""
    try:
        with open(os.open(journal_of(part), OPEN_TO_READ), "rb") as file:
            state = parse(file.read(_LONGEST), _boot_id())
        if state is None or (state.finished and part.stat().st_size <= state.finished[-1].last_pos):
            return None
    except OSError:
        return None
    return state


class JournalFile:
    """The journal of one part file.

    :ivar is_durable: False once the file system has refused to flush: the first line then names no bytes, unless the
        machine has no boot id, and they could not be named otherwise.
    """

    def __init__(self, part: Path) -> None:
        self._path = journal_of(part)
        self._staged = staged_of(part)
        self._descriptor: int | None = None
        self._lock = threading.Lock()
        self.is_durable = True

    def remove(self) -> None:
        """Remove it, for good: a loss of power could bring it back otherwise, beside other bytes."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)
        self.sync()

    def create(self, state: SavedState) -> None:
        """Begin a new journal, which says ``state``."""
        descriptor = os.open(self._path, _OPEN_NEW, 0o600)
        self._use(descriptor)
        write_all(descriptor, self._render(state))

    def _render(self, state: SavedState) -> bytes:
        boot_id = _boot_id()
        return render(state if self.is_durable or not boot_id else state._replace(finished=()), boot_id)

    def append_part(self, part: ByteRange) -> None:
        """Note that these bytes have been written."""
        self._append(render_part(part))

    def append_check(self, check: OverlapCheck) -> None:
        """Note that these bytes are still to be compared."""
        self._append(render_check(check))

    def _append(self, line: bytes) -> None:
        """Append a line without waiting for the disk. A full disk shows elsewhere: a lost line does no harm."""
        with self._lock, contextlib.suppress(OSError):
            if self._descriptor is not None:
                os.write(self._descriptor, line)

    def _use(self, descriptor: int | None) -> None:
        with self._lock:
            descriptor, self._descriptor = self._descriptor, descriptor
        if descriptor is not None:
            os.close(descriptor)

    def stage(self, state: SavedState) -> int:
        """Write a new journal that says ``state`` beside the old one. Returns its descriptor."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._staged)
        descriptor = os.open(self._staged, _OPEN_NEW, 0o600)
        try:
            write_all(descriptor, self._render(state))
            self.is_durable = filesystem.sync_file(descriptor) and self.is_durable
        except OSError:
            self.rollback(descriptor)
            raise
        return descriptor

    def commit(self, descriptor: int, written: Iterable[ByteRange], checks: Iterable[OverlapCheck]) -> None:
        """Replace the old journal by the staged one, with lines about these bytes and comparisons."""
        write_all(descriptor, b"".join([*map(render_part, written), *map(render_check, checks)]))
        if filesystem.RENAMES_OPEN_FILES:
            os.rename(self._staged, self._path)
        else:
            os.close(descriptor)
            self._use(None)
            os.replace(self._staged, self._path)
            descriptor = os.open(self._path, _OPEN_TO_APPEND)
        self._use(descriptor)

    def rollback(self, descriptor: int) -> None:
        """Drop a staged journal."""
        os.close(descriptor)
        with contextlib.suppress(OSError):
            os.unlink(self._staged)

    def sync(self) -> None:
        """Flush the names in the folder to the disk."""
        self.is_durable = sync_directory(self._path.parent) and self.is_durable

    def close(self) -> None:
        """Close it."""
        self._use(None)
