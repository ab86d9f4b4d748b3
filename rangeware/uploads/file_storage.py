"""Uploads in a folder of a local disk, which several processes may share.

For each upload the folder has ``ID.data``, whose length is the offset, and ``ID.json``, which describes it. A request
that begins to write sets the time of ``ID.json``: that time is its ticket, and each block is written under a lock only
while the ticket is still valid. So a request whose connection hangs never keeps another one out, and two requests
never mix their blocks. Once all bytes are there, ``ID.data`` is moved to its place and ``ID.json`` becomes ``ID.hook``;
once the hook has accepted the file, that becomes ``ID.done``. Finishing needs no space on the disk.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InvalidOption
from .disk import flush, locked, missing, opened, punch, refusals, reserve, write_all, write_back, write_pieces
from .protocol.values import Digest, Reason, Refusal, Upload
from .usage import Usage

_STORED = ("length", "metadata", "raw_metadata", "owner", "concat", "ends_at_length")
_WRITE_BACK = 16 << 20  # bytes
_MOVES = 3  # renames when an upload is finished: of its bytes once, of its description twice
_ID = re.compile("[0-9a-f]{32}")


class FileStorage:
    """Uploads in a folder.

    :param directory: the folder; made if it does not exist. One file system, with ``flock``: a local disk.
    :param final: the folder for finished files, on the same file system. Their names are the ids of the uploads. None
        keeps them in ``directory``, where they count towards the quotas.
    :param quota: bytes that all uploads together may have; None for no limit.
    :param user_quota: bytes that the uploads of one owner may have; None for no limit.
    :raises InvalidOption: if the two folders are not on the same file system.

    >>> storage = FileStorage("uploads", quota=10 * 2**30)  # 10 GiB
    """

    reserved = sys.maxsize
    """Bytes that are reserved for an upload at most: less for a storage that keeps only some of them here."""
    keeps_all = True
    """False for such a storage: bytes that awaited a checksum may not be here any more, and are dropped."""

    def __init__(
        self, directory: str | os.PathLike[str], *, final: str | os.PathLike[str] | None = None,
        quota: int | None = None, user_quota: int | None = None,
    ) -> None:
        self.directory = Path(directory).absolute()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.final = None if final is None else Path(final).absolute()
        if self.final is not None:
            self.final.mkdir(parents=True, exist_ok=True)
            if self.final.stat().st_dev != self.directory.stat().st_dev:
                raise InvalidOption(f"final must be on the file system of {self.directory}, not {self.final}")
        has_quota = quota is not None or user_quota is not None or (self.directory / "usage").exists()
        self.usage = Usage(self.directory / "usage", quota, user_quota) if has_quota else None

    def path(self, id: str) -> Path:
        """The path of the finished file."""
        return self.directory / f"{id}.file" if self.final is None else self.final / id

    def create(self, upload: Upload) -> None:
        """See ``Storage.create``."""
        data = self._data(upload.id)
        self._check_new(upload.id)
        self._charge(upload.owner, upload.length or 0)
        try:
            with refusals(), opened(data, os.O_WRONLY | os.O_CREAT) as fd, locked(fd):
                self._check_new(upload.id)
                try:
                    os.ftruncate(fd, 0)
                    reserve(fd, min(upload.length or 0, self.reserved))
                    os.fsync(fd)
                    self._store(upload)
                except BaseException:
                    os.unlink(data)
                    self._description(upload.id).unlink(missing_ok=True)
                    raise
        except BaseException:
            self._charge(upload.owner, -(upload.length or 0))
            raise

    def _check_new(self, id: str) -> None:
        """Refuse to create an upload that is there. A crash may have left its data alone, which does not count."""
        if self.path(id).exists():
            self._data(id).unlink(missing_ok=True)  # made after it was finished
        elif not self._description(id).exists():
            return
        raise Refusal(Reason.LOCKED, text="there is an upload with this id")

    def find(self, id: str) -> Upload:
        """See ``Storage.find``."""
        for _ in range(_MOVES + 1):
            with contextlib.suppress(FileNotFoundError):  # moved between two of our calls: look again
                return self._find(id)
        raise Refusal(Reason.MISSING)

    def _find(self, id: str) -> Upload:
        upload, unchecked_from = self._load(id)
        if upload.is_complete:  # the app may have moved the file away since
            return replace(upload, offset=upload.length or 0)
        is_moved = upload.is_pending or not self._data(id).exists()
        path = self.path(id) if is_moved else self._data(id)
        if upload.is_pending and not path.exists():  # the hook has moved it, and not returned yet
            return replace(upload, offset=upload.length or 0)
        with opened(path, os.O_RDONLY) as fd:
            status = os.fstat(fd)
            flush(fd)
        offset = status.st_size if unchecked_from is None else unchecked_from
        return replace(
            upload, offset=offset, length=offset if is_moved else upload.length, is_pending=is_moved,
            has_unchecked=status.st_size > offset, touched=max(upload.touched, status.st_mtime),
        )

    def claim(self, id: str, offset: int | None = None) -> FileWriter:
        """See ``Storage.claim``."""
        with self._finished(id):
            writer = FileWriter(self, id)
        try:
            writer.begin(offset)
        except BaseException:
            writer.close()
            raise
        return writer

    def finish(self, id: str, accept: Callable[[Upload], None]) -> Upload:
        """See ``Storage.finish``."""
        upload = self.find(id)
        if upload.is_complete:
            return upload
        with contextlib.suppress(FileNotFoundError), self._content(id) as fd, locked(fd):
            upload = self.find(id)
            if not upload.is_complete:
                self._finish(fd, upload, accept)
        return self.find(id)

    @contextlib.contextmanager
    def _content(self, id: str) -> Iterator[int]:
        """Open the bytes of an upload, wherever they are while another request moves them to their place."""
        try:
            fd = os.open(self._data(id), os.O_RDONLY)
        except FileNotFoundError:
            fd = os.open(self.path(id), os.O_RDONLY)
        try:
            yield fd
        finally:
            os.close(fd)

    def _finish(self, fd: int, upload: Upload, accept: Callable[[Upload], None]) -> None:
        if not upload.is_pending:
            os.fsync(fd)
            if upload.length is None:
                self._store(replace(upload, length=upload.offset))
            self._take_ticket(upload.id)
            os.rename(self._data(upload.id), self.path(upload.id))
            self._sync(self.path(upload.id).parent)
        if self._description(upload.id).exists():
            os.rename(self._description(upload.id), self._descriptions(upload.id)[1])
        accept(replace(upload, length=upload.offset, is_pending=True))
        os.rename(*self._descriptions(upload.id)[1:])
        self._sync(self.directory)
        self._charge(upload.owner, self._counted(replace(upload, is_complete=True)) - self._counted(upload))

    def remove(self, id: str, touched_before: float | None = None,
               discard: Callable[[str], object] | None = None) -> None:
        """See ``Storage.remove``. ``discard`` is called with the id under the lock, before anything is removed."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(FileNotFoundError):  # the app may have moved a finished file away
                stack.enter_context(locked(stack.enter_context(self._content(id))))
            upload = self.find(id)
            if touched_before is not None and upload.touched >= touched_before:
                raise Refusal(Reason.LOCKED)
            count = self._counted(upload)
            if discard is not None:
                discard(id)
            for path in self._descriptions(id):
                path.unlink(missing_ok=True)
            if not upload.is_complete or self.final is None:
                path = self.path(id) if upload.is_complete or upload.is_pending else self._data(id)
                path.unlink(missing_ok=True)
        self._charge(upload.owner, -count)
        self._sync(self.directory)

    def _counted(self, upload: Upload) -> int:
        """The bytes of an upload that quotas count: none of a finished file that is not in this folder."""
        is_away = upload.is_complete and (self.final is not None or not self.path(upload.id).exists())
        return 0 if is_away else max(upload.offset, upload.length or 0)

    def open(self, id: str) -> BinaryIO:
        """See ``Storage.open``."""
        with contextlib.suppress(FileNotFoundError):
            return open(self._data(id), "rb")  # a part of a concatenation, or not checked yet
        with missing():
            return open(self.path(id), "rb")

    def uploads(self) -> Iterator[Upload]:
        """See ``Storage.uploads``. What a crash left without a description is removed after a day."""
        for entry in os.scandir(self.directory):
            id, _, kind = entry.name.partition(".")
            if not _ID.fullmatch(id):
                continue
            if kind in ("json", "hook", "done"):
                with contextlib.suppress(Refusal):
                    yield self.find(id)
            elif kind in ("data", "new") and not self._description(id).exists():
                with contextlib.suppress(FileNotFoundError):
                    if entry.stat().st_mtime < time.time() - 86400:
                        os.unlink(entry)

    def recount(self) -> None:
        """Count the bytes of all uploads for the quotas again, after a crash."""
        if self.usage is not None:
            self.usage.recount(
                (upload.owner, self._counted(upload)) for upload in self.uploads()
            )

    @contextlib.contextmanager
    def _finished(self, id: str) -> Iterator[None]:
        """An upload that another request has finished in the meantime takes nothing more, but is not missing."""
        try:
            yield
        except FileNotFoundError:
            raise Refusal(Reason.WRONG_OFFSET, self.find(id)) from None

    def _data(self, id: str) -> Path:
        return self.directory / f"{id}.data"

    def _description(self, id: str) -> Path:
        return self.directory / f"{id}.json"

    def _descriptions(self, id: str) -> tuple[Path, Path, Path]:
        """The names of the description one after the other: until all bytes are there, while the hook is called, and
        once it has accepted the file."""
        return self._description(id), self.directory / f"{id}.hook", self.directory / f"{id}.done"

    def _charge(self, owner: str, count: int) -> None:
        if self.usage is not None and count:
            self.usage.add(owner, count)

    def _load(self, id: str) -> tuple[Upload, int | None]:
        """Read the description of an upload, and the offset from which on bytes are kept back."""
        path = next(filter(Path.exists, self._descriptions(id)), self._description(id))
        text = path.read_bytes()
        try:
            stored: dict[str, Any] = json.loads(text)
            digest = stored["digest"] and Digest(stored["digest"][0], bytes.fromhex(stored["digest"][1]))
            upload = Upload(id, digest=digest, is_pending=path.suffix == ".hook", is_complete=path.suffix == ".done",
                            touched=path.stat().st_mtime, place=tuple(stored["place"]),
                            **{name: stored[name] for name in _STORED})
            return upload, stored["unchecked_from"]
        except (ValueError, KeyError, TypeError):
            raise Refusal(Reason.MISSING, text="the description of the upload cannot be read") from None

    def _store(self, upload: Upload, unchecked_from: int | None = None) -> None:
        """Write the description of an upload. It is replaced at once, or not at all."""
        digest = upload.digest and (upload.digest.algorithm, upload.digest.value.hex())
        stored = {name: getattr(upload, name) for name in _STORED}
        text = json.dumps({**stored, "metadata": dict(upload.metadata), "digest": digest,
                           "place": upload.place, "unchecked_from": unchecked_from})
        path = self._description(upload.id)
        new = path.with_suffix(".new")
        with refusals(), opened(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) as fd:
            write_all(fd, text.encode(), 0)
            os.fsync(fd)
        os.rename(new, path)
        self._sync(self.directory)

    def _take_ticket(self, id: str) -> int:
        """Take a ticket: whoever had one before has lost the right to write. To be called under the lock."""
        path = self._description(id)
        ticket = max(time.time_ns(), path.stat().st_mtime_ns + 1)
        os.utime(path, ns=(ticket, ticket))
        return path.stat().st_mtime_ns

    def _ticket(self, id: str) -> int:
        return self._description(id).stat().st_mtime_ns

    @staticmethod
    def _sync(directory: Path) -> None:
        with opened(directory, os.O_RDONLY) as fd:
            os.fsync(fd)


class FileWriter:
    """See ``storage.Writer``."""

    def __init__(self, storage: FileStorage, id: str) -> None:
        self._storage = storage
        self._fd = os.open(storage._data(id), os.O_RDWR)
        self.upload = Upload(id)
        self._ticket = 0
        self._held_from: int | None = None
        self._written_back = 0

    def begin(self, offset: int | None) -> None:
        """Take the right to write at this offset."""
        id = self.upload.id
        with self._lock():
            upload, unchecked_from = self._storage._load(id)
            size = os.fstat(self._fd).st_size
            drops = unchecked_from is not None and (
                offset is not None or size == upload.length or not self._storage.keeps_all)
            self.upload = replace(upload, offset=unchecked_from if drops and unchecked_from is not None else size)
            if offset not in (None, self.upload.offset):
                flush(self._fd)
                raise Refusal(Reason.WRONG_OFFSET, self.upload)
            if unchecked_from is not None:  # a request that awaited a checksum was cut short, or is ended now
                os.ftruncate(self._fd, self.upload.offset)
                self._storage._store(upload)
            self._ticket = self._storage._take_ticket(id)
        self._position = self._written_back = self.upload.offset

    def write(self, block: bytes) -> None:
        """See ``Writer.write``."""
        with self._lock():
            self._check_ticket()
            with self._charged(len(block) if self.upload.length is None else 0):
                for count in write_pieces(self._fd, block, self._position):
                    self._position += count
        if self._position - self._written_back >= _WRITE_BACK:
            write_back(self._fd, self._written_back, self._position)
            self._written_back = self._position

    def describe(self, upload: Upload) -> None:
        """See ``Writer.describe``."""
        length = upload.length or 0
        with self._lock(), self._charged(length - self._position):
            reserve(self._fd, min(length, self._storage.reserved))
            self._update(replace(self.upload, length=upload.length))
        self.upload = replace(self.upload, length=upload.length)

    def forward(self, send: Callable[[int, Upload], tuple[Upload, int, int]]) -> None:
        """Have ``send`` bring bytes of the file elsewhere while no one else can write.

        :param send: called with the descriptor of the file and the upload. Returns the upload as it is to be stored,
            and from where to where bytes are not needed here once it is stored: their space is given back.
        """
        with self._lock():
            self._check_ticket()
            upload, start, end = send(self._fd, self.upload)
            if upload is not self.upload:
                self._update(upload, self._held_from)
                self.upload = upload
            punch(self._fd, start, end)

    def hold_back(self) -> None:
        """See ``Writer.hold_back``."""
        with self._lock():
            self._update(self.upload, self._position)
        self._held_from = self._position

    def release(self, *, keep: bool) -> None:
        """See ``Writer.release``."""
        with self._lock():
            self._check_ticket()
            if not keep and self._held_from is not None:
                os.ftruncate(self._fd, self._held_from)
                if self.upload.length is None:
                    self._storage._charge(self.upload.owner, self._held_from - self._position)
                self._position = self._held_from
            flush(self._fd)
            self._update(self.upload)
        self._held_from = None

    def flush(self) -> Upload:
        """See ``Writer.flush``."""
        flush(self._fd)
        offset = self._position if self._held_from is None else self._held_from
        self.upload = replace(self.upload, offset=offset, touched=time.time())
        return self.upload

    def close(self) -> None:
        """See ``Writer.close``."""
        os.close(self._fd)

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with locked(self._fd), self._storage._finished(self.upload.id), refusals():
            yield

    @contextlib.contextmanager
    def _charged(self, count: int) -> Iterator[None]:
        """Count bytes for the quotas; not those that could not be written after all."""
        before = self._position
        self._storage._charge(self.upload.owner, count)
        try:
            yield
        except BaseException:
            self._storage._charge(self.upload.owner, self._position - before - count)
            raise

    def _check_ticket(self) -> None:
        if self._storage._ticket(self.upload.id) != self._ticket:
            raise Refusal(Reason.LOCKED)

    def _update(self, upload: Upload, unchecked_from: int | None = None) -> None:
        self._check_ticket()
        self._storage._store(upload, unchecked_from)
        self._ticket = self._storage._take_ticket(upload.id)
