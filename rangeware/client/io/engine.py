"""The engine: a thread for each connection, and the calling thread, which looks after everything else.

The connection threads read responses and write them to the part file. The calling thread starts them as the planner
says, saves the journal once a second, reports progress, and sees the end come. One lock guards the planner and the
choice of the current part file. It is never held while reading from the network or writing to the disk.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Iterable, Iterator

from ..planning.pieces import PieceCheck
from ..planning.planner import Planner
from ..planning.range_fetch import RangeFetch
from ..planning.state import OverlapCheck, SavedState
from ..planning.throughput import RateLimiter
from .part_file import PartFile
from .stopping import Stopped
from .stream import StreamPart
from .target import Target
from .transport import RequestFailed, Response, Transport
from .watched import WATCH

TICK = 0.1  # seconds
_SAVE = 1.0  # seconds between two journals


class Engine:
    """Carries out the plan of one download. Can be run once."""

    def __init__(self, planner: Planner, transport: Transport, target: Target, limiter: RateLimiter) -> None:
        self._planner = planner
        self._transport = transport
        self._target = target
        self._limiter = limiter
        mutex = threading.RLock()
        self._lock = threading.Condition(mutex)
        self._idle = threading.Condition(mutex)  # notified when nobody uses the part file any more
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._running: set[RangeFetch] = set()  # those whose connections may be open
        self._responses: dict[RangeFetch, Response] = {}
        self._users = 0  # threads that use the part file
        self._saved: SavedState | None = None
        self._save_at = 0.0

    # the calling thread

    def run(self) -> None:
        """Return when all bytes are in the part file.

        :raises TransferError: if that is not possible.
        """
        self._save_at = time.monotonic() + _SAVE
        try:
            self._check_kept_pieces()
            self._compare_due()
            while not self._step():
                self._look_after()
        finally:
            self._wind_up()

    def stop(self, failure: BaseException | None = None) -> None:
        """Make ``run`` raise this exception, or ``Stopped``. Called from another thread."""
        with self._lock:
            self._failure = self._failure or failure or Stopped("stopped")
            self._lock.notify_all()

    def _step(self) -> bool:
        """Start what is due and wait for something to happen. True if the download is complete."""
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._planner.state.is_complete and not self._planner.state.checks:
                return True
            if self._planner.error is not None:
                raise self._planner.error
            self._start_due()
            self._lock.wait(min(TICK, self._planner.wait_left(time.monotonic()) or TICK))
            return False

    def _start_due(self) -> None:
        while len(self._running) < self._planner.allowed:
            fetch = self._planner.next_fetch(time.monotonic())
            if fetch is None:
                return
            self._running.add(fetch)
            try:
                threading.Thread(target=self._fetch, args=(fetch,), daemon=True).start()
            except RuntimeError as exc:  # the system has no more threads
                self._running.discard(fetch)
                self._planner.on_failure(fetch, str(exc), time.monotonic(), random.random())

    def _look_after(self) -> None:
        """Give up silent connections, stop those that are not needed, report, and save now and then."""
        with self._lock:
            self._planner.drop_unanswered(time.monotonic())
            for fetch in self._planner.overdue(time.monotonic()):
                self._planner.on_failure(fetch, "no response in time", time.monotonic(), random.random())
                self._running.discard(fetch)
            needless = [response for fetch, response in self._responses.items() if not fetch.alive]
        for response in needless:
            response.stop()
        self._target.report()
        if time.monotonic() >= self._save_at:
            self.save()
            self._save_at = time.monotonic() + _SAVE

    def save(self) -> None:
        """Write a journal that survives a loss of power, if anything has changed."""
        with self._lock:
            if not self._target.is_ready:
                return
            state, part_file = self._target.saved_state, self._target.part_file
            generation = self._planner.generation
        if state == self._saved:
            return
        journal = part_file.stage(state)
        with self._lock:
            if self._planner.generation == generation:
                part_file.commit(journal, self._planner.state.finished, self._planner.state.checks)
            else:
                part_file.rollback(journal)
        part_file.sync()
        self._saved = state

    def _wind_up(self) -> None:
        """Stop all connections, and wait until no thread writes any more: the files are closed after this."""
        self._stopping.set()
        with self._lock:
            self._planner.state.abandon_fetches()
            responses = list(self._responses.values())
        for response in responses:
            response.stop()
        with self._lock:
            self._idle.wait_for(lambda: self._users == 0)

    # the connection threads

    def _fetch(self, fetch: RangeFetch) -> None:
        try:
            self._request(fetch)
        except RequestFailed as exc:
            with self._lock:
                self._planner.on_failure(
                    fetch, str(exc), time.monotonic(), random.random(), permanent=exc.permanent)
        except BaseException as exc:  # raised by run(), in the calling thread
            self._failure = self._failure or exc
        finally:
            with self._lock:
                self._responses.pop(fetch, None)
                self._running.discard(fetch)
                self._lock.notify_all()

    def _request(self, fetch: RangeFetch) -> None:
        WATCH.set(lambda: _check_wanted(fetch))
        with contextlib.closing(self._transport.open(fetch.request.address, fetch.request.fields)) as response:
            if self._accept(fetch, response):
                self._read(fetch, response)
                with self._lock:
                    self._planner.on_end(fetch, time.monotonic(), random.random())
        with self._using_part_file():
            self._compare_due()

    def _accept(self, fetch: RangeFetch, response: Response) -> bool:
        with self._lock:
            if not self._planner.on_head(
                    fetch, response.head, response.address, time.monotonic(), random.random()):
                return False
            self._responses[fetch] = response
            if not self._target.is_ready:  # a late write must not go into a file that starts again
                self._idle.wait_for(lambda: self._users == 0)
            return fetch.alive and self._target.open(response.head)

    def _read(self, fetch: RangeFetch, response: Response) -> None:
        block = self._read_overlap(fetch, response)
        while not block or self._store(fetch, block):
            fetch.heard_at = time.monotonic()
            if not fetch.is_incomplete:
                return self._read_end(fetch, response)
            block = response.read()
            if not block:
                return None
        return None

    def _read_end(self, fetch: RangeFetch, response: Response) -> None:
        """Read the end of a response after its last wanted byte, so that its connection can be used again."""
        if fetch.is_exhausted:
            with contextlib.suppress(RequestFailed):
                self._store(fetch, response.read())

    def _read_overlap(self, fetch: RangeFetch, response: Response) -> bytes:
        """Read the bytes of the overlap, and record them to be compared. Returns bytes that came after them."""
        length, overlap = fetch.overlap.length, bytearray()
        while len(overlap) < length:
            fetch.heard_at = time.monotonic()
            block = response.read()
            if not block:
                raise RequestFailed("the connection was closed early")
            with self._lock:
                self._target.count(min(len(block), length - len(overlap)))
            overlap += block
        if length:
            sha256 = hashlib.sha256(overlap[:length]).hexdigest()
            self._record_overlap(fetch, OverlapCheck(fetch.overlap, sha256))
        return bytes(overlap[length:])

    @contextlib.contextmanager
    def _using_part_file(self) -> Iterator[None]:
        """Keep the part file open and current inside the ``with`` block.

        Only for connection threads. The calling thread waits until there are no users: an interrupt that reached it
        in here, such as Ctrl-C, could leave it waiting for itself.
        """
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                self._idle.notify_all()

    def _record_overlap(self, fetch: RangeFetch, check: OverlapCheck) -> None:
        with self._lock:
            if fetch.alive:
                self._planner.state.checks.append(check)
                self._target.part_file.note_check(check)
        with self._using_part_file():
            self._compare_due()

    def _store(self, fetch: RangeFetch, block: bytes) -> bool:
        """Write the wanted bytes of a block. False if not all of them are wanted."""
        with self._using_part_file():
            with self._lock:
                first_pos = fetch.pos
                length = self._planner.claim(fetch, len(block))
                finished, part_file = self._planner.state.finished, self._target.part_file
            part = part_file.write(first_pos, memoryview(block)[:length]) if length else None
            due: list[PieceCheck] = []
            with self._lock:
                if part is not None:
                    finished.add(part)
                    due = self._planner.due_pieces(part)
                self._target.count(len(block))
                delay = self._limiter.delay(len(block), time.monotonic())
            self._check_pieces(due, part_file)
        if delay:
            self._stopping.wait(delay)
        return length == len(block)

    def _check_kept_pieces(self) -> None:
        """Check the pieces that an earlier run has left."""
        for part in list(self._planner.state.finished):
            self._check_pieces(self._planner.due_pieces(part), self._target.part_file)

    def _check_pieces(self, due: Iterable[PieceCheck], part_file: PartFile | StreamPart) -> None:
        for check in due:
            assert isinstance(part_file, PartFile), "what is passed on as it comes has no pieces"
            digest = part_file.digest_of_part(check.part, check.algorithm)
            with self._lock:
                if part_file is self._target.part_file:
                    self._planner.on_piece(check, digest)

    def _compare_due(self) -> None:
        """Compare each overlap whose bytes are all there by now."""
        with self._lock:
            due = [] if self._stopping.is_set() else self._planner.state.due_checks()
            part_file = self._target.part_file if due else None
        if part_file is None:
            return
        for check in due:
            comparison = part_file.compare(check)
            with self._lock:
                if check in self._planner.state.checks:
                    self._planner.on_comparison(check, comparison)


def _check_wanted(fetch: RangeFetch) -> None:
    """End a request whose response nobody waits for any more: a server may answer others only after that.

    :raises RequestFailed: if that is so.
    """
    if not fetch.alive:
        raise RequestFailed("not wanted any more")
