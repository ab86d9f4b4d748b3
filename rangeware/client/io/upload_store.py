"""The states of uploads in a folder of the user: a file of JSON for each URL and content, and a lock beside it.

The name is made of the URL and the content of the file, so that a file that was renamed or copied is resumed, and one
that was changed is not. A run holds the lock as long as it works; the system releases it when a run dies.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from ..planning.upload_planner import SavedUpload
from .filesystem import CLOEXEC, NOFOLLOW, OPEN_TO_READ, disk_errors, open_locked, sync_directory, sync_file, write_all
from .upload_record import UploadRecord, parse, render

_LONGEST = 1 << 16  # bytes: no record of ours comes near
_PREFIX = "put-"
_MOST_AGE = 90 * 86_400  # seconds
_OPEN_NEW = os.O_CREAT | os.O_TRUNC | os.O_WRONLY | CLOEXEC | NOFOLLOW


def cache_folder() -> Path:
    """The folder for states: ``rangeware`` in the user's cache folder."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(named) if os.path.isabs(named) else Path.home() / ".cache"
    return base / "rangeware"


def remembered_digest(folder: Path, identity: tuple[int, ...]) -> str | None:
    """The SHA-256 in hex that an earlier run has found for a file with these marks; None if none has."""
    for path in sorted(folder.glob(f"{_PREFIX}*.json")):
        record = _read(path)
        if record is not None and record.identity == identity:
            return record.sha256
    return None


def _read(path: Path) -> UploadRecord | None:
    try:
        with open(os.open(path, OPEN_TO_READ | NOFOLLOW), "rb") as file:
            return parse(file.read(_LONGEST))
    except OSError:
        return None


class UploadStore:
    """The state of one upload, which no other run can have at the same time.

    :param url: the URL that creates uploads, without what is secret in it.
    :param sha256: of the whole file, in hex.
    :raises DiskError: if the folder cannot be written to, or another run uploads the same file to this URL.
    """

    def __init__(self, folder: Path, url: str, complete_length: int, sha256: str) -> None:
        key = hashlib.sha256(f"{url}\n{complete_length}\n{sha256}".encode("utf-8", "surrogateescape")).hexdigest()[:40]
        self._path = folder / f"{_PREFIX}{key}.json"
        self._url = url
        self._sha256 = sha256
        with disk_errors(folder):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _remove_old(folder)
            self._lock_path = folder / f"{_PREFIX}{key}.lock"
            self._lock, _ = open_locked(self._lock_path, "another run is uploading this file")

    def load(self) -> SavedUpload | None:
        """Read what an earlier run has left; None if that is nothing, or not to be trusted."""
        record = _read(self._path)
        if record is None or (record.url, record.sha256) != (self._url, self._sha256):
            return None
        return record.saved

    def save(self, saved: SavedUpload, identity: tuple[int, ...]) -> None:
        """Write the state, so that it survives a loss of power.

        :param identity: the marks of the file.
        """
        record = UploadRecord(self._url, saved, self._sha256, tuple(identity))
        new = self._path.with_suffix(".new")
        with disk_errors(self._path):
            with _created(new) as descriptor:
                write_all(descriptor, render(record))
                sync_file(descriptor)
            os.replace(new, self._path)
            sync_directory(self._path.parent)

    def forget(self) -> None:
        """Remove the state: the upload is complete, or of no use any more."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Release the lock, and remove it: the name goes before another run can lock it."""
        with contextlib.suppress(OSError):
            self._lock_path.unlink()
        os.close(self._lock)


def _remove_old(folder: Path) -> None:
    """Remove the states of uploads that nobody has resumed for three months: hardly a server keeps them so long."""
    oldest = time.time() - _MOST_AGE
    for path in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if path.lstat().st_mtime < oldest:
                path.unlink()


@contextlib.contextmanager
def _created(path: Path) -> Iterator[int]:
    descriptor = os.open(path, _OPEN_NEW, 0o600)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
