"""Transfers at the same time: a thread for each, and the calling thread, which shows what they report.

The threads put events into a queue. All displays are therefore used by one thread only, which is never interrupted in
the middle of a line: a signal is an event, too.
"""

from __future__ import annotations

import queue
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from ...errors import InvalidOption
from ..errors import OutputClosed, TransferError
from ..progress import Download, Progress, Upload
from .display import Display
from .interrupts import INTERRUPTED, on_interrupt

USAGE_ERROR = 1

_TICK = 0.2  # seconds: on some systems a signal does not end the waiting
_PATIENCE = 5.0  # seconds that stopped transfers get to save what they have; it is safe in any case
_BUSY = re.compile(r"\b(?:429|503) ")  # statuses of servers that want fewer connections


class Interrupted(TransferError):
    """The transfer was stopped by a signal."""


class Run(Protocol):
    """A transfer that can be stopped from another thread."""

    def result(self) -> Download | Upload:
        """Carry it out."""

    def stop(self, failure: BaseException | None = None) -> None:
        """Make ``result`` raise this exception."""


@dataclass(eq=False)
class Task:
    """A transfer that is to be carried out.

    :param begin: makes it, from the function that takes its reports and the one that takes lines about its requests.
    """

    display: Display
    begin: Callable[[Callable[[Progress], None], Callable[[str], None]], Run]
    exit_code: int | None = field(default=None, init=False)
    """None as long as it has not ended."""
    latest: Progress | None = field(default=None, init=False)
    """The latest progress. Any other report is an event of its own."""
    is_announced: bool = field(default=False, init=False)
    """True if an event says that there is progress: it will find the latest."""


class Jobs:
    """Carries out tasks, so many at once. Can be run once."""

    def __init__(self, tasks: Sequence[Task], at_once: int) -> None:
        self._tasks = tasks
        self._at_once = at_once
        self._waiting = deque(tasks)
        self._refused: deque[Task] = deque()  # by busy servers: to be tried again alone
        self._running: dict[Task, Run] = {}
        self._events: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._stopped_with = 0
        self._deadline = float("inf")
        self._fault: BaseException | None = None

    def run(self) -> int:
        """Carry out all of them, also after a failure.

        Returns the exit code of the first failure in the order of the tasks, or of an interruption.
        """
        try:
            with on_interrupt(lambda exit_code: self._events.put(lambda: self._stop(exit_code))):
                self._run()
        finally:
            for task in self._tasks:
                task.display.close()
        if self._fault is not None:
            raise self._fault
        if all(task.exit_code == 0 for task in self._tasks):  # perhaps in spite of a signal
            return 0
        return self._stopped_with or next(task.exit_code for task in self._tasks if task.exit_code)

    @property
    def finished(self) -> list[Display]:
        """The displays of the tasks that are complete."""
        return [task.display for task in self._tasks if task.exit_code == 0]

    def _run(self) -> None:
        self._start_due()
        while self._running:
            if time.monotonic() >= self._deadline:  # they hang in a call of the system
                self._abandon()
                return
            with suppress(queue.Empty):
                self._events.get(timeout=_TICK)()
            self._start_due()

    def _start_due(self) -> None:
        while self._waiting and len(self._running) < self._at_once:
            self._start(self._waiting.popleft())
        if self._refused and not self._running:
            self._start(self._refused.popleft())

    def _start(self, task: Task) -> None:
        def report(progress: Progress) -> None:
            if progress.event != "progress":
                self._events.put(lambda: task.display.show(progress))
                return
            task.latest = progress
            if not task.is_announced:
                task.is_announced = True
                self._events.put(lambda: self._show_latest(task))

        def trace(text: str) -> None:
            self._events.put(lambda: task.display.trace(text))

        try:
            run = self._running[task] = task.begin(report, trace)
        except InvalidOption as exc:
            self._end(task, exc)
            return
        threading.Thread(target=self._carry_out, args=(task, run), daemon=True).start()

    def _show_latest(self, task: Task) -> None:
        task.is_announced = False  # first: progress that comes after this line is announced again
        assert task.latest is not None
        task.display.show(task.latest)

    def _carry_out(self, task: Task, run: Run) -> None:
        """Run in a thread."""
        outcome: Download | Upload | BaseException
        try:
            outcome = run.result()
        except BaseException as exc:
            outcome = exc
        self._events.put(lambda: self._end(task, outcome))

    # the end

    def _end(self, task: Task, outcome: Download | Upload | BaseException) -> None:
        self._running.pop(task, None)
        if isinstance(outcome, (TransferError, InvalidOption)):
            self._fail(task, outcome)
        elif isinstance(outcome, BaseException):
            self._fault = self._fault or outcome
            self._stop(INTERRUPTED)
        elif isinstance(outcome, Upload):
            task.exit_code = 0
            task.display.sent(outcome)
        else:
            task.exit_code = 0
            task.display.saved(outcome)

    def _fail(self, task: Task, exc: TransferError | InvalidOption) -> None:
        if isinstance(exc, Interrupted):
            task.exit_code = self._stopped_with
        elif self._running and not self._stopped_with and _BUSY.search(str(exc)):
            self._refused.append(task)
            return
        else:
            task.exit_code = getattr(exc, "exit_code", USAGE_ERROR)
        if not isinstance(exc, OutputClosed):  # nobody reads: other programs end without a word, too
            task.display.failed(task.exit_code, str(exc), getattr(exc, "kept", ""))

    def _stop(self, exit_code: int) -> None:
        """Stop all that are running, and start no others."""
        self._stopped_with = self._stopped_with or exit_code
        self._deadline = min(self._deadline, time.monotonic() + _PATIENCE)
        self._waiting.clear()
        self._refused.clear()
        for run in self._running.values():
            run.stop(Interrupted("interrupted"))

    def _abandon(self) -> None:
        for task in [*self._running]:
            self._end(task, Interrupted("interrupted"))
