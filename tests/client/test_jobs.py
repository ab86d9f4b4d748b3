"""Several transfers at once: their order, their ends, and what a signal stops."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rangeware import InvalidOption
from rangeware.client import DigestError, Download, NetworkError, Progress
from rangeware.client.cli import jobs
from rangeware.client.cli.display import Display
from rangeware.client.cli.jobs import Jobs, Task

PATIENCE = 20.0  # seconds, before a test gives up


class Shown(Display):
    """Notes what it is to show."""

    def __init__(self, name: str, lines: list[tuple[str, Any]]) -> None:
        super().__init__(name, several=True)
        self.lines = lines
        self.threads: set[threading.Thread] = set()

    def note(self, what: Any) -> None:
        self.threads.add(threading.current_thread())
        self.lines.append((self.url, what))

    def show(self, progress: Progress) -> None:
        self.note(progress.done)

    def trace(self, text: str) -> None:
        self.note(text)

    def saved(self, download: Download) -> None:
        self.note("saved")

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        self.note(f"{exit_code} {text}{kept}")


def progress(done: int, event: str = "progress") -> Progress:
    return Progress(event, "", done, None, 0, 0.0, (), "")


class Script:
    """A run that does what a function says, which gets ``report``, ``trace`` and the event of being stopped."""

    def __init__(self, act: Callable[..., object], report: Any, trace: Any) -> None:
        self._act, self._report, self._trace = act, report, trace
        self._stopped = threading.Event()
        self._failure: BaseException | None = None

    def result(self) -> Download:
        self._act(self._report, self._trace, self._stopped)
        if self._failure is not None:
            raise self._failure
        return Download(Path("x"), "", "", 0, None, None, None, 0, 0, 0, 0.0)

    def stop(self, failure: BaseException | None = None) -> None:
        self._failure = failure
        self._stopped.set()


class Several:
    """Tasks by name, and what was shown."""

    def __init__(self, at_once: int, **acts: Callable[..., object]) -> None:
        self.lines: list[tuple[str, Any]] = []
        self.displays = [Shown(name, self.lines) for name in acts]
        tasks = [
            Task(shown, lambda report, trace, act=act: Script(act, report, trace))  # type: ignore[misc]
            for shown, act in zip(self.displays, acts.values(), strict=True)
        ]
        self.jobs = Jobs(tasks, at_once)

    def run(self) -> int:
        return self.jobs.run()


def raising(exc: BaseException) -> Callable[..., object]:
    def act(*_: Any) -> None:
        raise exc

    return act


def nothing(*_: Any) -> None:
    pass


def waiting(report: Any, trace: Any, stopped: threading.Event) -> None:
    assert stopped.wait(PATIENCE)


def interrupting(report: Any, trace: Any, stopped: threading.Event) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    assert stopped.wait(PATIENCE)


def test_no_more_than_so_many_at_once() -> None:
    running: list[int] = []
    most: list[int] = []

    def act(*_: Any) -> None:
        running.append(1)
        most.append(len(running))
        time.sleep(0.01)
        running.pop()

    assert Several(3, **{str(number): act for number in range(12)}).run() == 0
    assert max(most) == 3


def test_they_begin_in_the_order_given() -> None:
    several = Several(1, a=nothing, b=nothing, c=nothing)
    assert several.run() == 0
    assert several.lines == [("a", "saved"), ("b", "saved"), ("c", "saved")]
    assert [shown.url for shown in several.jobs.finished] == ["a", "b", "c"]


def test_the_exit_code_is_that_of_the_first_in_order_not_in_time() -> None:
    has_failed = threading.Event()

    def late(*_: Any) -> None:
        assert has_failed.wait(PATIENCE)
        raise DigestError("late")

    def early(*_: Any) -> None:
        has_failed.set()
        raise NetworkError("early")

    several = Several(3, good=nothing, late=late, early=early)
    assert several.run() == 4
    assert sorted(several.lines) == [("early", "2 early"), ("good", "saved"), ("late", "4 late")]


def test_all_is_shown_in_the_calling_thread() -> None:
    def act(report: Any, trace: Any, stopped: Any) -> None:
        report(progress(1, "began"))
        trace("> GET /")
        report(progress(2, "finished"))

    several = Several(4, a=act, b=act)
    assert several.run() == 0
    assert [what for name, what in several.lines if name == "a"] == [1, "> GET /", 2, "saved"]
    assert {thread for shown in several.displays for thread in shown.threads} == {threading.current_thread()}


def test_progress_that_nobody_has_seen_yet_is_replaced() -> None:
    """A display that is slow, or a terminal that was stopped, must not fill the memory."""
    many = 10_000
    is_over = threading.Event()

    def act(report: Any, trace: Any, stopped: Any) -> None:
        for done in range(many):
            report(progress(done))
        is_over.set()

    class Slow(Shown):
        def show(self, progress: Progress) -> None:
            assert is_over.wait(PATIENCE)
            super().show(progress)

    lines: list[tuple[str, Any]] = []
    task = Task(Slow("a", lines), lambda report, trace: Script(act, report, trace))
    assert Jobs([task], 1).run() == 0
    assert len(lines) <= 3
    assert lines[-2:] == [("a", many - 1), ("a", "saved")]


def test_progress_that_was_seen_is_followed_by_more() -> None:
    def act(report: Any, trace: Any, stopped: Any) -> None:
        for done in range(3):
            report(progress(done))
            until = time.monotonic() + PATIENCE
            while several.lines[-1:] != [("a", done)]:
                assert time.monotonic() < until
                time.sleep(0.001)

    several = Several(1, a=act)
    assert several.run() == 0
    assert several.lines == [("a", 0), ("a", 1), ("a", 2), ("a", "saved")]


def test_a_wrong_option_is_a_failure_of_one() -> None:
    def begin(*_: Any) -> Any:
        raise InvalidOption("no such option")

    lines: list[tuple[str, Any]] = []
    tasks = [Task(Shown("a", lines), begin), Task(Shown("b", lines), lambda *_: Script(nothing, *_))]
    assert Jobs(tasks, 1).run() == 1
    assert lines == [("a", "1 no such option"), ("b", "saved")]


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_all_and_starts_no_more(number: int, exit_code: int) -> None:
    def act(report: Any, trace: Any, stopped: threading.Event) -> None:
        os.kill(os.getpid(), number)
        assert stopped.wait(PATIENCE)

    before = signal.getsignal(number)
    several = Several(2, a=waiting, b=act, never=nothing)
    assert several.run() == exit_code
    assert sorted(several.lines) == [("a", f"{exit_code} interrupted"), ("b", f"{exit_code} interrupted")]
    assert several.jobs.finished == []
    assert signal.getsignal(number) is before


def test_a_second_interrupt_ends_at_once() -> None:
    def act(report: Any, trace: Any, stopped: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert stopped.wait(PATIENCE)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(PATIENCE)

    with pytest.raises(KeyboardInterrupt):
        Several(1, a=act).run()


def test_one_that_hangs_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE", 0.1)
    for_ever = threading.Event()

    def act(report: Any, trace: Any, stopped: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        for_ever.wait(PATIENCE)

    several = Several(2, a=act, b=waiting)
    assert several.run() == 130
    assert sorted(several.lines) == [("a", "130 interrupted"), ("b", "130 interrupted")]
    for_ever.set()


def test_one_that_is_complete_all_the_same_is_saved() -> None:
    several = Several(2, a=interrupting, b=waiting)
    for_b = several.jobs._tasks[1]
    for_b.begin = lambda report, trace: Deaf(waiting, report, trace)
    assert several.run() == 130
    assert ("b", "saved") in several.lines
    assert [shown.url for shown in several.jobs.finished] == ["b"]


def test_nothing_is_left_to_do_after_a_signal_that_came_too_late() -> None:
    several = Several(1, a=interrupting)
    several.jobs._tasks[0].begin = lambda report, trace: Deaf(interrupting, report, trace)
    assert several.run() == 0
    assert several.lines == [("a", "saved")]


class Deaf(Script):
    """A run that was about to end anyway."""

    def stop(self, failure: BaseException | None = None) -> None:
        super().stop(None)


def test_a_fault_of_ours_stops_all_and_is_raised() -> None:
    several = Several(2, a=waiting, b=raising(ZeroDivisionError("ours")), c=nothing)
    with pytest.raises(ZeroDivisionError, match="ours"):
        several.run()
    assert several.lines == [("a", "130 interrupted")]


@pytest.mark.parametrize(("text", "exit_code"), [
    ("503 Service Unavailable: http://h/", 0), ("429 Too Many Requests", 0), ("404 Not Found", 2), ("1503 bytes", 2),
])
def test_a_busy_server_is_asked_again_when_the_others_are_done(text: str, exit_code: int) -> None:
    """The server of this test serves one connection only."""
    asked = []
    lock = threading.Lock()

    def act(report: Any, trace: Any, stopped: threading.Event) -> None:
        asked.append(1)
        if not lock.acquire(blocking=False):
            raise NetworkError(text)
        time.sleep(0.1)
        lock.release()

    assert Several(3, a=act, b=act, c=act).run() == exit_code
    assert len(asked) == (5 if exit_code == 0 else 3)


def test_a_busy_server_is_asked_again_once() -> None:
    busy = raising(NetworkError("503 Service Unavailable"))
    several = Several(2, a=waiting_a_moment, b=busy)
    assert several.run() == 2
    assert several.lines == [("a", "saved"), ("b", "2 503 Service Unavailable")]
    alone = Several(2, b=busy)
    assert alone.run() == 2


def waiting_a_moment(*_: Any) -> None:
    time.sleep(0.1)
