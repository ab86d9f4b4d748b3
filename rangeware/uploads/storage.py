"""The storage that an upload app needs, as a protocol. ``FileStorage`` is one, ``S3Storage`` another.

All methods may block, and may be called by several threads and processes at once. They raise ``Refusal`` for what the
client is to be told; any other exception is a failure of the server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from .protocol.values import Upload


class Writer(Protocol):
    """The right of one request to write an upload, until another request claims it."""

    @property
    def upload(self) -> Upload:
        """The upload as it was claimed, and after each ``flush`` as it is then."""

    def write(self, block: bytes) -> None:
        """Append a block. What was stored before stays if it fails.

        :raises Refusal: LOCKED if another request has claimed the upload, WRONG_OFFSET with the upload if it has
            finished it, MISSING if it has been removed, NO_SPACE, or
            UNAVAILABLE for now.
        """

    def describe(self, upload: Upload) -> None:
        """Store another ``length``, and reserve space for it.

        :raises Refusal: as ``write``.
        """

    def hold_back(self) -> None:
        """Keep back the blocks written from now on: they count once ``release`` is called, or another request claims
        the upload."""

    def release(self, *, keep: bool) -> None:
        """Count the blocks that were kept back, or drop them."""

    def flush(self) -> Upload:
        """Bring all that counts to the disk, and return the upload as it is then."""

    def close(self) -> None:
        """Release what the writer holds open."""


class Storage(Protocol):
    """A place for uploads."""

    def create(self, upload: Upload) -> None:
        """Store a new upload of 0 bytes, and reserve ``upload.length`` bytes.

        :raises Refusal: NO_SPACE, TOO_LARGE, or LOCKED if there is one with this id.
        """

    def find(self, id: str) -> Upload:
        """Return the upload as it is. ``offset`` is never more than what is safely on the disk.

        :raises Refusal: MISSING.
        """

    def claim(self, id: str, offset: int | None = None) -> Writer:
        """Become the only one who writes this upload. Whoever did so before finds out at its next ``write``.

        :param offset: where the content begins; None for any. Bytes that are kept back count, unless it is where they
            begin.
        :raises Refusal: MISSING, WRONG_OFFSET with the upload, also if it is complete, or LOCKED after 5 seconds.
        """

    def finish(self, id: str, accept: Callable[[Upload], None]) -> Upload:
        """Move the whole file to its place, call ``accept`` under the lock, and store that it has returned.

        If it raises, the upload stays pending, and ``finish`` may be called again. Once it has returned it is not
        called again.

        :raises Refusal: MISSING or LOCKED; also whatever ``accept`` raises.
        """

    def remove(self, id: str, touched_before: float | None = None) -> None:
        """Remove an upload, also a finished one; whoever writes it finds out at its next ``write``.

        :param touched_before: seconds of Unix time: only if it has not been written to since.
        :raises Refusal: MISSING or LOCKED.
        """

    def open(self, id: str) -> BinaryIO:
        """Open the content of an upload, finished or not, under no lock.

        :raises Refusal: MISSING.
        """

    def uploads(self) -> Iterator[Upload]:
        """Yield all uploads."""

    def recount(self) -> None:
        """Count again what quotas are about, after a crash."""
