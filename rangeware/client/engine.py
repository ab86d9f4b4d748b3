"""One download: a thread for each connection, and one that looks after the journal, the progress and the end."""

from __future__ import annotations

import contextlib
import hashlib
import random
import threading
import time
from collections.abc import Iterator

from .errors import DownloadError
from .journal import Seam, State
from .meter import Limiter
from .planner import Planner
from .segments import Segment
from .target import Target
from .transport import Answer, Broken, Transport

TICK = 0.1  # seconds
_SAVE = 1.0  # seconds between two journals


class Stopped(DownloadError):
    """The download was told to stop."""

    exit_code = 130


class Engine:
    """Carries out what the planner plans. Can be run once.

    Everything of the planner, and which partial file is the current one, is under one lock; reading from the network
    and writing to the disk are not.
    """

    def __init__(self, planner: Planner, transport: Transport, target: Target, limiter: Limiter) -> None:
        self._planner = planner
        self._transport = transport
        self._target = target
        self._limiter = limiter
        mutex = threading.RLock()
        self._lock = threading.Condition(mutex)
        self._written = threading.Condition(mutex)
        self._stopping = threading.Event()
        self._failure: BaseException | None = None
        self._under_way: set[Segment] = set()  # whose connections may be open
        self._answers: dict[Segment, Answer] = {}
        self._writing = 0
        self._saved: State | None = None
        self._save_at = 0.0

    # the thread that looks after all

    def run(self) -> None:
        """Return when the whole is in the partial file.

        :raises DownloadError: if that cannot be.
        """
        self._save_at = time.monotonic() + _SAVE
        try:
            self._compare_due()
            while not self._over():
                self._attend()
        finally:
            self._wind_up()

    def stop(self, failure: BaseException | None = None) -> None:
        """Have ``run`` raise this, or ``Stopped``; from another thread."""
        with self._lock:
            self._failure = self._failure or failure or Stopped("stopped")
            self._lock.notify_all()

    def _over(self) -> bool:
        with self._lock:
            if self._failure is not None:
                raise self._failure
            if self._planner.complete and not self._planner.seams:
                return True
            if self._planner.error is not None:
                raise self._planner.error
            self._start_due()
            self._lock.wait(TICK)
            return False

    def _start_due(self) -> None:
        while len(self._under_way) < self._planner.allowed:
            segment = self._planner.next(time.monotonic())
            if segment is None:
                return
            self._under_way.add(segment)
            try:
                threading.Thread(target=self._fetch, args=(segment,), daemon=True).start()
            except RuntimeError as exc:  # no more threads
                self._under_way.discard(segment)
                self._planner.broke(segment, str(exc), time.monotonic(), random.random())

    def _attend(self) -> None:
        with self._lock:
            for segment in self._planner.overdue(time.monotonic()):
                self._planner.broke(segment, "no answer in time", time.monotonic(), random.random())
                self._under_way.discard(segment)
            needless = [answer for segment, answer in self._answers.items() if not segment.alive]
        for answer in needless:
            answer.stop()
        self._target.report()
        if time.monotonic() >= self._save_at:
            self.save()
            self._save_at = time.monotonic() + _SAVE

    def save(self) -> None:
        """Have the journal on disk, if there is anything new."""
        with self._lock:
            if not self._target.ready:
                return
            state, partial, generation = self._target.state, self._target.partial, self._planner.generation
        if state == self._saved:
            return
        journal = partial.prepare(state)
        with self._lock:
            if self._planner.generation == generation:
                partial.engage(journal, self._planner.spans, self._planner.seams)
            else:
                partial.drop(journal)
        partial.settle()
        self._saved = state

    def _wind_up(self) -> None:
        """No thread writes after this."""
        self._stopping.set()
        with self._lock:
            self._planner.leave()
            answers = list(self._answers.values())
        for answer in answers:
            answer.stop()
        with self._lock:
            self._written.wait_for(lambda: self._writing == 0)

    # the threads of the connections

    def _fetch(self, segment: Segment) -> None:
        try:
            self._ask(segment)
        except Broken as exc:
            with self._lock:
                self._planner.broke(segment, str(exc), time.monotonic(), random.random(), hopeless=exc.hopeless)
        except BaseException as exc:  # goes on in the thread that waits for all
            self._failure = self._failure or exc
        finally:
            with self._lock:
                self._answers.pop(segment, None)
                self._under_way.discard(segment)
                self._lock.notify_all()

    def _ask(self, segment: Segment) -> None:
        with contextlib.closing(self._transport.open(segment.ask.address, segment.ask.fields)) as answer:
            if self._accept(segment, answer):
                self._read(segment, answer)
                with self._lock:
                    self._planner.ended(segment, time.monotonic(), random.random())
        with self._touching():
            self._compare_due()

    def _accept(self, segment: Segment, answer: Answer) -> bool:
        with self._lock:
            if not self._planner.answered(
                    segment, answer.head, answer.address, time.monotonic(), random.random()):
                return False
            self._answers[segment] = answer
            if not self._target.ready:  # what is still being written must not come into a file that is begun again
                self._written.wait_for(lambda: self._writing == 0)
            return segment.alive and self._target.open(answer.head)

    def _read(self, segment: Segment, answer: Answer) -> None:
        block = self._margin(segment, answer)
        while not block or self._store(segment, block):
            segment.heard = time.monotonic()
            if not segment.ends_early:
                return self._read_end(segment, answer)
            block = answer.read()
            if not block:
                return None
        return None

    def _read_end(self, segment: Segment, answer: Answer) -> None:
        """All that was wanted has come. Where the answer ends there, see to it: its connection can serve again then."""
        if segment.exhausted:
            with contextlib.suppress(Broken):
                self._store(segment, answer.read())

    def _margin(self, segment: Segment, answer: Answer) -> bytes:
        """Read the bytes in front of the segment, and compare them. Returns what has come with them."""
        length, margin = segment.margin.length, bytearray()
        while len(margin) < length:
            segment.heard = time.monotonic()
            block = answer.read()
            if not block:
                raise Broken("the connection was closed before the end")
            with self._lock:
                self._target.count(min(len(block), length - len(margin)))
            margin += block
        if length:
            self._witness(segment, Seam(segment.margin, hashlib.sha256(margin[:length]).hexdigest()))
        return bytes(margin[length:])

    @contextlib.contextmanager
    def _touching(self) -> Iterator[None]:
        """The partial file is not closed, nor begun again, meanwhile. Segments that are not alive must let it be.

        Not for the thread that looks after all: what interrupts that one could leave it waiting for itself.
        """
        with self._lock:
            self._writing += 1
        try:
            yield
        finally:
            with self._lock:
                self._writing -= 1
                self._written.notify_all()

    def _witness(self, segment: Segment, seam: Seam) -> None:
        with self._lock:
            if segment.alive:
                self._planner.seams.append(seam)
                self._target.partial.note_seam(seam)
        with self._touching():
            self._compare_due()

    def _store(self, segment: Segment, block: bytes) -> bool:
        """Write what is wanted of it. False if that is not all of it."""
        with self._touching():
            with self._lock:
                first_pos = segment.pos
                length = self._planner.claim(segment, len(block))
                spans, partial = self._planner.spans, self._target.partial
            part = partial.write(first_pos, memoryview(block)[:length]) if length else None
            with self._lock:
                if part is not None:
                    spans.add(part)
                self._target.count(len(block))
                delay = self._limiter.delay(len(block), time.monotonic())
        if delay:
            self._stopping.wait(delay)
        return length == len(block)

    def _compare_due(self) -> None:
        """Compare what is there of the bytes in front of segments."""
        with self._lock:
            due = [] if self._stopping.is_set() else self._planner.due_seams()
            partial = self._target.partial if due else None
        for seam in due:
            fits = partial is not None and partial.has(seam)
            with self._lock:
                if seam in self._planner.seams:
                    (self._planner.matched if fits else self._planner.mismatched)(seam)
