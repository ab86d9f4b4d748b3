"""A partial file on disk, with its journal beside it. Needs a POSIX system."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..http.ranges import ByteRange
from .errors import DiskError
from .journal import Seam, State, parse, render, render_piece, render_seam
from .system import link, sync_directory, write_all

_BLOCK = 1 << 20
_LONGEST_JOURNAL = 1 << 26  # bytes: no journal of ours comes near
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_OURS = os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW  # a link there may lead to anybody's file
_NEW_JOURNAL = _OURS | os.O_EXCL | os.O_WRONLY | os.O_APPEND


def _boot_id() -> str:
    """What tells this start of the machine from others; "" where the system does not say."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return ""


@contextlib.contextmanager
def disk(path: Path) -> Iterator[None]:
    """What the system refuses here is a DiskError that names the file; also a name that is none for it."""
    try:
        yield
    except (OSError, ValueError) as exc:
        raise DiskError(f"{path}: {getattr(exc, 'strerror', None) or exc}") from exc


def journal_of(part: Path) -> Path:
    """Where the journal of this partial file is."""
    return part.with_name(part.name + ".json")


def whole_of(part: Path) -> Path:
    """The name that a whole file has for a moment, before it takes the place of one that there is."""
    return part.with_name(part.name + ".whole")


def read_state(part: Path) -> State | None:
    """What the journal of a partial file says; None where it says nothing that can be believed."""
    try:
        with open(os.open(journal_of(part), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            state = parse(file.read(_LONGEST_JOURNAL), _boot_id())
        if state is None or (state.finished and part.stat().st_size <= state.finished[-1].last_pos):
            return None
    except OSError:
        return None
    return state


class Partial:
    """A partial file that nobody else writes to as long as it is open.

    :param path: of the partial file.
    :raises DiskError: if it cannot be opened, or another run is at it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._journal: int | None = None
        self._lock = threading.Lock()  # of the journal's descriptor
        with disk(path):
            self._file = _open_locked(path)
        self.state = read_state(path)

    # as a whole

    @property
    def strange(self) -> bool:
        """Whether there is something here that cannot be gone on with."""
        return self.state is None and os.fstat(self._file).st_size > 0

    def set_aside(self) -> Path:
        """Give what is here another name, and begin with an empty file. Returns the other name."""
        name, number = self.path.name.removesuffix(".new"), 1
        while os.path.lexists(other := self.path.with_name(f"{name}.{number}")):
            number += 1
        with disk(self.path):
            os.rename(self.path, other)
            with contextlib.suppress(FileNotFoundError):
                os.rename(journal_of(self.path), journal_of(other))
            sync_directory(self.path.parent)
        self.reopen()
        return other

    def reopen(self) -> None:
        """Open what now has its name, an empty file if there is none."""
        with disk(self.path):
            opened = _open_locked(self.path)
        os.close(self._file)
        self._file = opened
        self.state = read_state(self.path)

    def begin(self, state: State) -> None:
        """Empty it, and write down what it is to become. No other thread may be in ``save``'s second half."""
        with disk(self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal_of(self.path))
            sync_directory(self.path.parent)  # or a loss of power might bring one back, beside other bytes
            os.ftruncate(self._file, 0)
            journal = os.open(journal_of(self.path), _NEW_JOURNAL, 0o600)
            self._note_in(journal)
            write_all(journal, render(state, _boot_id()))

    def discard(self) -> None:
        """Take it away, and its journal, as far as the system lets us.

        The file itself goes last: as long as it has this name, its lock keeps other runs away from the others.
        """
        for path in (journal_of(self.path), _fresh(self.path), whole_of(self.path), self.path):
            with contextlib.suppress(OSError):
                os.unlink(path)

    def take_over(self, other: Path) -> None:
        """Have another partial file, and its journal, in the place of this one."""
        with disk(self.path):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal_of(self.path))
            sync_directory(self.path.parent)
            os.rename(other, self.path)
            os.rename(journal_of(other), journal_of(self.path))
        self.reopen()

    @property
    def named_elsewhere(self) -> bool:
        """Whether the file has another name, too: what is written would come into that one."""
        return os.fstat(self._file).st_nlink > 1

    def is_file(self, path: Path) -> bool:
        """Whether this is another name of it."""
        try:
            return os.path.samestat(os.fstat(self._file), os.lstat(path))
        except FileNotFoundError:
            return False

    def close(self) -> None:
        """Let go of it. Others may go on with it then. An empty file does not stay."""
        self._note_in(None)
        if not os.fstat(self._file).st_size and self.is_file(self.path):
            self.discard()
        os.close(self._file)
        self._file = -1

    # bytes

    def write(self, first_pos: int, block: memoryview) -> ByteRange:
        """Write these bytes from there on, and note that they are there."""
        with disk(self.path):
            written = 0
            while written < len(block):
                written += os.pwrite(self._file, block[written:], first_pos + written)
        part = ByteRange(first_pos, first_pos + len(block) - 1)
        self._note(render_piece(part))
        return part

    def has(self, seam: Seam) -> bool:
        """Whether the bytes there are those that the seam is of."""
        with disk(self.path):
            block = os.pread(self._file, seam.part.length, seam.part.first_pos)
        return hashlib.sha256(block).hexdigest() == seam.sha256

    def digest(self, algorithm: str) -> bytes:
        """The digest of the whole file, by an algorithm of hashlib."""
        made = hashlib.new(algorithm)
        with disk(self.path):
            pos = 0
            while block := os.pread(self._file, _BLOCK, pos):
                made.update(block)
                pos += len(block)
        return made.digest()

    # journal

    def note_seam(self, seam: Seam) -> None:
        """Note that these bytes are still to be compared."""
        self._note(render_seam(seam))

    def _note(self, line: bytes) -> None:
        """Without a wait for the disk. That it is full will show when it matters, so that a lost note is no harm."""
        with self._lock, contextlib.suppress(OSError):
            if self._journal is not None:
                os.write(self._journal, line)

    def _note_in(self, journal: int | None) -> None:
        with self._lock:
            journal, self._journal = self._journal, journal
        if journal is not None:
            os.close(journal)

    def prepare(self, state: State) -> int:
        """Have on disk what ``state`` says is there, and a new journal that says so. Returns that, for ``engage``."""
        fresh = _fresh(self.path)
        with disk(self.path):
            os.fsync(self._file)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(fresh)
            journal = os.open(fresh, _NEW_JOURNAL, 0o600)
            try:
                write_all(journal, render(state, _boot_id()))
                os.fsync(journal)
            except OSError:
                os.close(journal)
                os.unlink(fresh)
                raise
        return journal

    def engage(self, journal: int, written: Iterable[ByteRange], seams: Iterable[Seam]) -> None:
        """Have the new journal take the place of the old one. ``settle`` makes that last.

        :param written: what is in the file by now. The caller sees to it that it does not change meanwhile.
        :param seams: what is to be compared by now.
        """
        with disk(self.path):
            write_all(journal, b"".join([*map(render_piece, written), *map(render_seam, seams)]))
            os.rename(_fresh(self.path), journal_of(self.path))
        self._note_in(journal)

    def drop(self, journal: int) -> None:
        """The file was begun again meanwhile: the new journal is not for what it is now."""
        os.close(journal)
        with contextlib.suppress(OSError):
            os.unlink(_fresh(self.path))

    def settle(self) -> None:
        """Have the names of the files on disk."""
        with disk(self.path):
            sync_directory(self.path.parent)

    # the end

    def publish(self, final: Path, complete_length: int, modified: float | None, *, force: bool) -> None:
        """Have it on disk, and give it its final name, too. ``discard`` takes the other one.

        :param modified: what its time of modification is to be, in seconds since 1970.
        :raises DiskError: also where there is a file of that name, but for ``force``.
        """
        with disk(self.path):
            if os.fstat(self._file).st_size < complete_length:
                raise OSError(0, "somebody has cut the partial file")
            os.ftruncate(self._file, complete_length)
            if modified is not None:
                os.utime(self._file, (modified, modified))
            os.fsync(self._file)
        with disk(final):
            link(self.path, final, by_way_of=whole_of(self.path) if force else None)
            sync_directory(final.parent)


def _fresh(part: Path) -> Path:
    return part.with_name(part.name + ".json.new")


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, _OURS | os.O_RDWR, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            raise OSError(0, "another run is at it") from None
        except FileNotFoundError:  # the other run has just given it its final name
            pass
        os.close(descriptor)
