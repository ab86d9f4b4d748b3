"""Chunks of files in a storage, which come in any order, several at once, and may be sent again.

Each chunk is an upload of its own. Its id is made of its number and of all that is known about the file, so that all
processes find it without an index. The chunks whose turn it is move to the end of the whole file at once, so that it
is complete when the last missing chunk comes, and the work for a chunk does not depend on their number. Chunks that
are sent again are compared with what is stored. For ``chunked``, which knows nothing of storages.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import BinaryIO, NamedTuple

from .encodings import format_metadata
from .protocol.values import Reason, Refusal, Upload
from .storage import Storage

_BLOCK = 1 << 20  # bytes
_MOST_FILES = 64  # that are known by one mark


class Cut(NamedTuple):
    """A file cut into chunks. All of them have ``chunk_size`` bytes, but for the last one."""

    size: int
    chunks: int
    chunk_size: int

    @classmethod
    def of(cls, whole: Upload) -> Cut:
        """Read from a stored file into which chunks it is cut."""
        return cls(*(int(whole.metadata[name]) for name in ("size", "chunks", "chunkSize")))

    def start(self, number: int) -> int:
        """The position of a chunk."""
        return number * self.chunk_size

    def end(self, number: int) -> int:
        """The position after a chunk."""
        return self.size if number == self.chunks - 1 else self.start(number + 1)

    def length(self, number: int) -> int:
        """The length of a chunk."""
        return self.end(number) - self.start(number)


class Chunk(NamedTuple):
    """A chunk as the client describes it.

    :param mark: names the file; neither a digest of all of it nor unique.
    :param modified: the date of the file; "" if it is not known.
    :param number: from 0.
    :param length: bytes; None if it is not known.
    """

    owner: str
    mark: str
    name: str
    modified: str
    size: int
    chunks: int
    number: int
    length: int | None
    type: str

    @property
    def whole_id(self) -> str:
        """The id of the whole file."""
        return _id(*self[:6])

    @property
    def id(self) -> str:
        """The id of the chunk: that of the file if it is the only one."""
        return self.whole_id if self.chunks == 1 else _id(self.whole_id, self.number)

    def cut(self, length: int) -> Cut:
        """Find out how the file is cut if this chunk has ``length`` bytes. The last one may have up to twice as many as
        the others (Resumable.js).

        :raises Refusal: MALFORMED if it cannot have them.
        """
        last = self.chunks - 1
        cut = Cut(self.size, self.chunks, (self.size - length) // last if self.number == last > 0 else length)
        fits = self.length in (None, length) and cut.length(self.number) == length
        if not fits or (not 0 < cut.length(last) < 2 * cut.chunk_size and last):
            raise Refusal(Reason.MALFORMED, text="the chunk does not have the length that it must have")
        return cut

    def whole(self, cut: Cut) -> Upload:
        """Make the upload of the whole file."""
        metadata = {"filename": self.name, "filetype": self.type, "fileMd5": self.mark, "size": str(self.size),
                    "chunks": str(self.chunks), "chunkSize": str(cut.chunk_size)}
        return Upload(self.whole_id, self.size, 0, metadata, format_metadata(metadata), self.owner)


class _Differs(Refusal):
    """The content is not what was stored before."""

    def __init__(self) -> None:
        super().__init__(Reason.WRONG_OFFSET, text="other content than before: send it again")


class Chunks:
    """Chunks and whole files in a storage.

    :param finish: completes a whole file.
    """

    def __init__(self, storage: Storage, finish: Callable[[Upload], Upload]) -> None:
        self._storage = storage
        self._finish = finish

    def find(self, id: str) -> Upload | None:
        """Find an upload; None if there is none."""
        with _unless(Reason.MISSING):
            return self._storage.find(id)
        return None

    def known(self, owner: str, mark: str) -> list[Upload]:
        """Find the files of an owner with this mark."""
        return [whole for whole in map(self.find, self._known_ids(_id(owner, mark))) if whole is not None]

    def has(self, whole: Upload, number: int, length: int | None) -> bool:
        """True if a chunk of this length is stored, and the file is not finished.

        A finished file may have come to its end long ago, and this may be another one of the same name: its chunks are
        wanted again, and compared.
        """
        cut = Cut.of(whole)
        if is_done(whole) or number >= cut.chunks or cut.length(number) != length:
            return False
        return _has_moved(whole, cut.end(number)) or self._part(whole, number) is not None

    def take(self, chunk: Chunk, content: Iterator[bytes]) -> Upload:
        """Store a chunk, and complete the file if no other is missing. Return the file.

        :raises Refusal: if the chunk is not taken.
        """
        whole = self.find(chunk.whole_id)
        try:
            if whole is not None and (is_done(whole) or _has_moved(whole, Cut.of(whole).end(chunk.number))):
                self._compare(whole, chunk, content)
            else:
                whole = self._join(chunk, whole, self._store(chunk, content))
                self._remove_late(chunk, whole)
        except _Differs:
            self._drop(chunk)
            raise
        return self.complete(whole)

    def complete(self, whole: Upload) -> Upload:
        """Move the chunks whose turn it is to the whole file, and finish it if it has all of them."""
        with _unless(Reason.MISSING, Reason.WRONG_OFFSET):  # another request has finished it
            self._move(whole.id)
        whole = self._storage.find(whole.id)
        return self._finish(whole) if whole.offset == whole.length else whole

    def _known_ids(self, id: str) -> list[str]:
        with _unless(Reason.MISSING), self._storage.open(id) as file:
            return [*dict.fromkeys(line.decode() for line in file.read().split(b"\n") if len(line) == 32)]
        return []

    def _note(self, chunk: Chunk) -> None:
        """Note that there is such a file with this mark. Another request may be noting one at the same time."""
        id = _id(chunk.owner, chunk.mark)
        while chunk.whole_id not in (known := self._known_ids(id)):
            if len(known) >= _MOST_FILES:
                self._storage.remove(id)
            self._create(Upload(id, owner=chunk.owner, concat="partial"))
            with _unless(Reason.LOCKED), contextlib.closing(self._storage.claim(id)) as writer:
                writer.write(f"\n{chunk.whole_id}\n".encode())
                writer.flush()

    def _create(self, upload: Upload) -> None:
        with _unless(Reason.LOCKED):  # it is there
            self._storage.create(upload)

    def _store(self, chunk: Chunk, content: Iterator[bytes]) -> Cut:
        """Store the content of a chunk. One that was cut short goes on where it ended.

        Its upload has a length only once the whole request has been read, and the length is right.
        """
        is_only = chunk.chunks == 1
        whole = chunk.whole(Cut(chunk.size, chunk.chunks, chunk.size))
        self._create(replace(whole, id=chunk.id, length=None, concat="" if is_only else "partial"))
        with contextlib.closing(self._storage.claim(chunk.id)) as writer, self._storage.open(chunk.id) as file:
            known = count = writer.upload.offset
            for block in _beyond(file, known, content):
                count += len(block)
                if writer.upload.length is not None:
                    raise _Differs
                if count > chunk.size:
                    raise Refusal(Reason.MALFORMED, text="the chunk is longer than the file")
                writer.write(block)
            cut = chunk.cut(writer.flush().offset)
            if writer.upload.length is None:
                writer.describe(replace(writer.upload, length=count))
        return cut

    def _join(self, chunk: Chunk, whole: Upload | None, cut: Cut) -> Upload:
        """Find or create the whole file that a chunk belongs to. One that was cut otherwise is dropped."""
        if whole is not None and Cut.of(whole) != cut:
            self._storage.remove(whole.id)
            whole = None
        if whole is None:
            self._note(chunk)
            self._create(chunk.whole(cut))
        return self._storage.find(chunk.whole_id)

    def _remove_late(self, chunk: Chunk, whole: Upload) -> None:
        """Remove a chunk that another request has brought meanwhile, and the whole file has taken: its turn is over."""
        if chunk.id != whole.id and _has_moved(whole, Cut.of(whole).end(chunk.number)):
            with _unless(Reason.MISSING):
                self._storage.remove(chunk.id)

    def _compare(self, whole: Upload, chunk: Chunk, content: Iterator[bytes]) -> None:
        """Compare a chunk with the one that the whole file has."""
        cut = Cut.of(whole)
        with _unless(Reason.MISSING), self._storage.open(whole.id) as file:
            file.seek(cut.start(chunk.number))
            for _ in _beyond(file, cut.length(chunk.number), content):
                raise _Differs
            return
        if not chunk.modified:  # the app has taken the finished file away, and this may be another one
            with _unless(Reason.MISSING):
                self._storage.remove(whole.id)
            raise _Differs

    def _drop(self, chunk: Chunk) -> None:
        """Drop a chunk that has other content, for it to be sent again, unless the whole file has begun to take it."""
        whole = self.find(chunk.whole_id)
        if whole is not None and (is_done(whole) or _has_moved(whole, Cut.of(whole).start(chunk.number) + 1)):
            raise Refusal(Reason.MALFORMED, text="there is another file of this name, size and date")
        with _unless(Reason.MISSING):
            self._storage.remove(chunk.id)

    def _move(self, id: str) -> None:
        with contextlib.closing(self._storage.claim(id)) as writer, _unless(Reason.LOCKED):  # another one goes on
            while part := self._next(writer.upload):
                with self._storage.open(part.id) as file:
                    file.seek(writer.upload.offset - Cut.of(writer.upload).start(_next_number(writer.upload)))
                    while block := file.read(_BLOCK):
                        writer.write(block)
                writer.flush()
                self._storage.remove(part.id)

    def _next(self, whole: Upload) -> Upload | None:
        return None if whole.offset == whole.length else self._part(whole, _next_number(whole))

    def _part(self, whole: Upload, number: int) -> Upload | None:
        """Find a chunk that is complete and has the right length."""
        part = self.find(_id(whole.id, number))
        return part if part is not None and part.length == Cut.of(whole).length(number) else None


def is_done(whole: Upload) -> bool:
    """True if all of a file is there."""
    return whole.is_complete or whole.is_pending


def _has_moved(whole: Upload, end: int) -> bool:
    """True if the whole file has taken chunks up to here. It has no length while its only chunk is incomplete."""
    return whole.length is not None and whole.offset >= end


def _next_number(whole: Upload) -> int:
    cut = Cut.of(whole)
    return min(whole.offset // max(1, cut.chunk_size), cut.chunks - 1)


def _beyond(file: BinaryIO, left: int, content: Iterator[bytes]) -> Iterator[bytes]:
    """Compare content with the ``left`` bytes that a file has, and yield what goes beyond them.

    :raises Refusal: if they differ, or the content is shorter.
    """
    for block in content:
        known = file.read(min(len(block), left))
        left -= len(known)
        if block[:len(known)] != known:
            raise _Differs
        if len(known) < len(block):
            yield block[len(known):]
    if left:
        raise _Differs


@contextlib.contextmanager
def _unless(*reasons: Reason) -> Iterator[None]:
    """Go on after the block if it is refused for one of these reasons."""
    try:
        yield
    except Refusal as refusal:
        if refusal.reason not in reasons:
            raise


def _id(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
