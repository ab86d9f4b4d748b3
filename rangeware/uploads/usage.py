"""Count the bytes that the uploads of each owner have, in one small file that all processes share."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .disk import refusals
from .protocol.values import Reason, Refusal


class Usage:
    """The bytes of each owner.

    :param quota: bytes of all owners together; None for no limit.
    :param user_quota: bytes of one owner; None for no limit.
    """

    def __init__(self, path: Path, quota: int | None, user_quota: int | None) -> None:
        self._path = path
        self._quota = quota
        self._user_quota = user_quota

    def add(self, owner: str, count: int) -> None:
        """Add bytes to those of an owner, or take some away.

        :raises Refusal: NO_SPACE if they are more than a quota then.
        """
        with refusals(), self._open() as fd:
            counts = _read(fd)
            counts[owner] = max(0, counts.get(owner, 0) + count)
            if count > 0 and (_exceeds(sum(counts.values()), self._quota) or _exceeds(counts[owner], self._user_quota)):
                raise Refusal(Reason.NO_SPACE, text="the quota is used up")
            _write(fd, counts)

    def recount(self, sizes: Iterable[tuple[str, int]]) -> None:
        """Replace all numbers by the sums of these."""
        with self._open() as fd:
            counts: dict[str, int] = {}
            for owner, size in sizes:
                counts[owner] = counts.get(owner, 0) + size
            _write(fd, counts)

    @contextlib.contextmanager
    def _open(self) -> Iterator[int]:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield fd
        finally:
            os.close(fd)


def _exceeds(count: int, quota: int | None) -> bool:
    return quota is not None and count > quota


def _read(fd: int) -> dict[str, int]:
    """Read the numbers. What a crash has spoiled counts as nothing, until they are counted again."""
    try:
        return {str(owner): int(count) for owner, count in json.loads(os.pread(fd, os.fstat(fd).st_size, 0)).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def _write(fd: int, counts: dict[str, int]) -> None:
    """Write the numbers. A process that is killed between the two calls leaves spaces, which do not matter."""
    text = json.dumps({owner: count for owner, count in counts.items() if count}).encode()
    os.pwrite(fd, text.ljust(os.fstat(fd).st_size), 0)
    os.ftruncate(fd, len(text))
