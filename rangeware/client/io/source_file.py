"""The file to upload, which must not change while its bytes are sent.

Its digest is made before the first byte is sent. Size, times and inode are looked at then, and again after each block
is read and before it is sent: as long as they are those of the digest, so are the bytes. A change therefore shows
before the last block can be sent, and the upload is never completed with bytes of two versions.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from ..errors import ChangedError, DiskError
from .filesystem import OPEN_TO_READ, disk_errors, read_at

_BLOCK = 1 << 20
_GRAIN = 0.05  # seconds: file systems give the same time to changes that follow each other more closely


class Identity(NamedTuple):
    """The marks of one version of a file. Times are in nanoseconds."""

    device: int
    inode: int
    size: int
    modified: int
    changed: int

    @classmethod
    def of(cls, found: os.stat_result) -> Identity:
        """The marks in the status of a file."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class SourceFile:
    """A file that is open for reading.

    :raises DiskError: if it cannot be read, or is not a regular file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_errors(path):
            self._file = os.open(path, OPEN_TO_READ)
        try:
            with disk_errors(path):
                found = os.fstat(self._file)
            if not stat.S_ISREG(found.st_mode):
                raise DiskError(f"{path}: is {'a directory' if stat.S_ISDIR(found.st_mode) else 'not a regular file'}")
        except BaseException:
            self.close()
            raise
        self.identity = Identity.of(found)

    def settle(self) -> None:
        """Wait until a further change is sure to show in the times of the file, then take its marks again."""
        with disk_errors(self.path):
            age = time.time() - os.fstat(self._file).st_ctime
            if 0 <= age < _GRAIN:
                time.sleep(_GRAIN)
            self.identity = Identity.of(os.fstat(self._file))

    def sha256(self, tell: Callable[[int], object]) -> str:
        """Read the whole file, and return its SHA-256 in hex.

        :param tell: called with the number of bytes read so far; it may raise.
        :raises ChangedError: if the file changes meanwhile.
        """
        made, length = hashlib.sha256(), 0
        for block in self.blocks(0, self.identity.size, _BLOCK):
            made.update(block)
            length += len(block)
            tell(length)
        self.check()
        return made.hexdigest()

    def digest(self, algorithm: str, first_pos: int, next_pos: int) -> bytes:
        """The digest of some bytes, by an algorithm of hashlib."""
        made = hashlib.new(algorithm)
        for block in self.blocks(first_pos, next_pos, _BLOCK):
            made.update(block)
        return made.digest()

    def blocks(self, first_pos: int, next_pos: int, size: int) -> Iterator[bytes]:
        """Yield the bytes from ``first_pos`` to before ``next_pos``, in blocks of at most ``size``.

        :raises ChangedError: if the file has changed. A block is yielded only if it had not when it was read.
        """
        pos = first_pos
        while pos < next_pos:
            with disk_errors(self.path):
                block = read_at(self._file, min(size, next_pos - pos), pos)
            self.check()
            if not block:
                raise ChangedError(f"{self.path} has become shorter while it was uploaded")
            pos += len(block)
            yield block

    def check(self) -> None:
        """Look whether this is still the file that was begun with.

        :raises ChangedError: if it is not.
        """
        with disk_errors(self.path):
            ours = Identity.of(os.fstat(self._file))
        try:
            named = Identity.of(os.stat(self.path))
        except OSError:
            named = None
        if ours != self.identity or named != self.identity:
            raise ChangedError(f"{self.path} has changed while it was uploaded")

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)
