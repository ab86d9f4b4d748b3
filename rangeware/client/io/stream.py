"""A download to a stream, such as standard output: the bytes are passed on in their order, as they come.

There is one connection, and nothing on disk. The connection thread puts blocks into a bounded buffer, and the calling
thread passes them on: a slow reader slows the connection down. The last bytes stay in memory, so that an overlap can be
compared when a connection breaks. Bytes that were passed on cannot be taken back: if the download starts again, its
first bytes are compared with them and not passed on twice, and another version is an error.

A short file with a digest is passed on only after it has been checked.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO

from ...http.ranges import ByteRange
from ..errors import ChangedError, DiskError
from ..planning.state import OverlapCheck, SavedState
from ..planning.trust import Comparison
from .overlaps import compare_overlap
from .sink import TICK, Sink

ROOM = 32 << 20
"""Bytes that may wait for the reader."""

_TAIL = 4 << 20  # bytes that can be compared with an overlap
_ALGORITHMS = ("sha256", "sha512")  # those that a server may declare, at any time
_LONGEST = 0.3  # seconds that passing on may take before the calling thread looks after other things
_STALE = 0.5  # seconds after which the calling thread does something else than to pass bytes on


class StreamPart:
    """The bytes of a download on their way to a stream. It takes the place of a part file.

    :param check: called while the reader is waited for; it raises to end that.
    """

    def __init__(self, stream: BinaryIO, check: Callable[[], object]) -> None:
        self._sink = Sink(stream)
        self._check = check
        self._left = memoryview(b"")  # of a block that is being passed on
        self._room = threading.Condition()
        self._pending: deque[bytes] = deque()
        self._pending_length = 0
        self._has_passed_on = False
        self._holds = False
        self._is_passing_on = False
        self._looked_at = time.monotonic()
        self._next = 0  # position of the next byte to come
        self._tail = bytearray()  # the last ones before it
        self._hashes = {name: hashlib.new(name) for name in _ALGORITHMS}
        self._known, self._known_digest = 0, b""  # bytes that came before the download started again

    def begin(self, state: SavedState) -> None:
        """Begin with the first byte, perhaps again."""
        digest, length = state.digest, state.version.complete_length
        with self._room:
            if not self._has_passed_on:
                self._known, self._pending_length = 0, 0
                self._pending.clear()
            elif self._next > self._known:
                self._known, self._known_digest = self._next, self._hashes["sha256"].digest()
            self._next = 0
            self._tail.clear()
            names = {*_ALGORITHMS, *(() if digest is None else (digest.algorithm,))}
            self._hashes = {name: hashlib.new(name) for name in names}
            self._holds = digest is not None and length is not None and length <= ROOM

    # in the connection thread

    def write(self, first_pos: int, block: memoryview) -> ByteRange:
        """Take a block, which begins where the one before ended, or before. Waits until there is room for it.

        :raises ChangedError: if it is not what has been passed on before.
        """
        part = ByteRange(first_pos, first_pos + len(block) - 1)
        with self._room:
            while self._must_wait():
                self._room.wait(TICK)
            if first_pos > self._next:
                raise DiskError(f"{first_pos - self._next} bytes are missing before byte {first_pos}")
            fresh = block[self._next - first_pos:]
            known = max(0, self._known - self._next)
            self._note(fresh[:known])
            self._check_known()
            self._note(fresh[known:])
            if len(fresh) > known:
                self._pending.append(bytes(fresh[known:]))
                self._pending_length += len(fresh) - known
        return part

    def _must_wait(self) -> bool:
        """True while there is no room. When the calling thread is busy otherwise, perhaps at the end, do not wait."""
        is_looked_after = self._is_passing_on or time.monotonic() - self._looked_at < _STALE
        return self._pending_length >= ROOM and is_looked_after

    def _note(self, block: memoryview) -> None:
        self._next += len(block)
        for each in self._hashes.values():
            each.update(block)
        self._tail += block
        if len(self._tail) > 2 * _TAIL:
            del self._tail[:-_TAIL]

    def _check_known(self) -> None:
        if self._known and self._next == self._known and self._hashes["sha256"].digest() != self._known_digest:
            raise ChangedError("the file has changed after a part of it was passed on")

    # in the calling thread

    def pass_on(self) -> bool:
        """Pass on what has come so far, as far as the reader takes it now. True if there is more.

        :raises OutputClosed: if nobody reads any more.
        :raises DiskError: if the stream cannot be written to.
        """
        started = self._looked_at = time.monotonic()
        if self._holds:
            return False
        self._is_passing_on = True
        try:
            return self._write_until(started + _LONGEST)
        finally:
            self._is_passing_on = False
            self._looked_at = time.monotonic()

    def _write_until(self, deadline: float) -> bool:
        while True:
            self._left = self._left or memoryview(self._pop())
            if not self._left:
                return False
            written = self._sink.write(self._left)
            if not written:
                return True
            self._left = self._left[written:]
            if time.monotonic() >= deadline:
                return True

    def _pop(self) -> bytes:
        with self._room:
            block = self._pending.popleft() if self._pending else b""
            self._pending_length -= len(block)
            self._has_passed_on = self._has_passed_on or bool(block)
            self._room.notify_all()
        return block

    def finish(self) -> None:
        """Pass on the rest, once all of it is known to be right.

        :raises ChangedError: if more was passed on than the file has.
        """
        if self._next < self._known:
            raise ChangedError("the file has become shorter after a part of it was passed on")
        self._holds = False
        while self._left or self._pending:
            self._check()
            self.pass_on()
        self._sink.flush()

    # the rest of a part file

    def compare(self, check: OverlapCheck) -> Comparison:
        """Compare bytes with those that the check was made of. Those that are not in memory any more are different."""
        with self._room:
            first = check.part.first_pos - (self._next - len(self._tail))
            block = bytes(self._tail[first:first + check.part.length]) if first >= 0 else b""
        return compare_overlap(check, block)

    def digest(self, algorithm: str) -> bytes:
        """The digest of all bytes so far; ``b""`` if nobody knew before that it would be needed."""
        made = self._hashes.get(algorithm)
        return b"" if made is None else made.digest()

    def set_aside(self, digest: object = None) -> Path:
        """Drop what has not been passed on."""
        self._pending.clear()
        return Path("-")

    def note_check(self, check: OverlapCheck) -> None:
        """Nothing is noted: there is no later run."""

    def stage(self, state: SavedState) -> int:
        """Nothing is written."""
        return -1

    def commit(self, journal: int, written: Iterable[ByteRange], checks: Iterable[OverlapCheck]) -> None:
        """Nothing is written."""

    def rollback(self, journal: int) -> None:
        """Nothing was written."""

    def sync(self) -> None:
        """Nothing was written."""


class StreamOutput:
    """A stream in the place of the files of a download.

    :param stream: a binary stream that can be written to.
    :param check: called while the reader is waited for; it raises to end that.
    """

    def __init__(self, stream: BinaryIO, check: Callable[[], object]) -> None:
        self.final = Path("-")
        self.current = StreamPart(stream, check)

    def left_by_earlier_run(self, url: str) -> None:
        """Nothing is left."""

    def begin(self, state: SavedState, *, again: bool) -> None:
        """Begin with the first byte; ``again``: the download starts again."""
        self.current.begin(state)

    def pass_on(self) -> bool:
        """Pass on what has come so far, as far as the reader takes it now. True if there is more."""
        return self.current.pass_on()

    def finish(self, complete_length: int, modified: float | None) -> None:
        """Pass on the rest."""
        self.current.finish()

    def describe_kept(self, length: int, complete_length: int | None) -> str:
        """Nothing is kept."""
        return ""

    def close(self) -> None:
        """Leave the stream open: it is the caller's."""
