"""The partial file of another program, whose bytes are taken over: opened, read, and never changed."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from ...http.ranges import ByteRange
from ..errors import DiskError
from ..planning.adoption import before_holes, finished_by_aria2
from .filesystem import OPEN_TO_READ, disk_errors, read_at
from .journal_file import read_state
from .part_names import journal_of

_BLOCK = 1 << 20
_LONGEST_CONTROL = 1 << 20  # bytes: for eight million pieces
_MOST_EXTENTS = 1000
_ARIA2 = ".aria2"
_FOLDER = ".download"  # of Safari
_WITH_HOLES = (".!qb", ".!ut", ".bc!", ".idm")  # file name extensions, in lower case


class PartialSource:
    """A partial file that is open for reading.

    :param path: of the file; of the control file of aria2 beside it; or of the folder that Safari makes.
    :raises DiskError: if it cannot be read, or nobody can tell which bytes are in it.

    :ivar path: of the file itself.
    :ivar finished: the bytes that are in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = _file_of(path)
        with disk_errors(self.path):
            self._file = os.open(self.path, OPEN_TO_READ)
        try:
            with disk_errors(self.path):
                self._found = os.fstat(self._file)
            if not stat.S_ISREG(self._found.st_mode):
                raise DiskError(f"{self.path}: is not a regular file")
            self.finished = self._finished()
        except BaseException:
            self.close()
            raise

    def _finished(self) -> list[ByteRange]:
        length = self._found.st_size
        left = read_state(self.path)
        if left is not None:
            return list(left.finished)
        self._refuse_unknown()
        control = self.path.with_name(self.path.name + _ARIA2)
        if os.path.lexists(control):
            return [part for part in _read_control(control) if part.last_pos < length]
        return before_holes(self._extents(length), length)

    def _refuse_unknown(self) -> None:
        """Refuse files that have holes, as far as their names tell: their length proves nothing."""
        is_of_axel = os.path.lexists(self.path.with_name(self.path.name + ".st"))
        if is_of_axel or self.path.suffix.lower() in _WITH_HOLES or os.path.lexists(journal_of(self.path)):
            raise DiskError(f"{self.path}: cannot tell which bytes are in it")

    def _extents(self, length: int) -> list[ByteRange]:
        """The ranges that are not holes; all of it if the system does not say, or there are very many."""
        whole, extents, pos = ByteRange(0, length - 1), list[ByteRange](), 0
        try:
            while pos < length and len(extents) < _MOST_EXTENTS:
                first_pos = os.lseek(self._file, pos, os.SEEK_DATA)
                pos = os.lseek(self._file, first_pos, os.SEEK_HOLE)
                extents.append(ByteRange(first_pos, pos - 1))
        except AttributeError:
            return [whole]
        except OSError as exc:
            if exc.errno != errno.ENXIO:  # no more data
                return [whole]
        return extents

    def is_same_file(self, path: Path) -> bool:
        """True if this is the file that has a name now, and nobody has written to it since."""
        try:
            found = os.lstat(path)
        except (OSError, ValueError):
            return False
        marks = (found.st_size, found.st_mtime_ns) == (self._found.st_size, self._found.st_mtime_ns)
        return os.path.samestat(found, self._found) and marks

    def read(self, part: ByteRange) -> bytes:
        """Read some bytes.

        :raises DiskError: if they are not there any more.
        """
        with disk_errors(self.path):
            block = read_at(self._file, part.length, part.first_pos)
        if len(block) < part.length:
            raise DiskError(f"{self.path}: has become shorter")
        return block

    def blocks(self) -> Iterator[tuple[int, memoryview]]:
        """Yield all bytes that are in it, in blocks with their positions."""
        for part in self.finished:
            for pos in range(part.first_pos, part.next_pos, _BLOCK):
                yield pos, memoryview(self.read(ByteRange(pos, min(pos + _BLOCK, part.next_pos) - 1)))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


def _file_of(path: Path) -> Path:
    """The partial file itself."""
    if path.suffix == _ARIA2:
        return path.with_suffix("")
    if not os.path.isdir(path) or path.suffix != _FOLDER:
        return path
    with disk_errors(path):
        inside = [each for each in path.iterdir() if each.is_file() and each.suffix != ".plist"]
    if len(inside) != 1:
        raise DiskError(f"{path}: must have one file in it")
    return inside[0]


def _read_control(control: Path) -> list[ByteRange]:
    with disk_errors(control), contextlib.closing(open(control, "rb")) as file:
        finished = finished_by_aria2(file.read(_LONGEST_CONTROL))
    if finished is None:
        raise DiskError(f"{control}: cannot read this control file of aria2")
    return finished
