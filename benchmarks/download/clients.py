"""The command lines that are timed, and what each run of one costs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from benchmarks.data import ROOT

WATCH = 0.02
"""Seconds between two looks at the memory of a client."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_LIBRARY = "benchmarks.download.library"

Command = Callable[[str, Path], list[str]]
"""Of an address and a file."""


def _curl(url: str, file: Path) -> list[str]:
    return ["curl", "-s", "-o", str(file), url]


def _rangeware(*arguments: str) -> Command:
    return lambda url, file: [sys.executable, "-m", "rangeware", "get", "-q", *arguments, "-o", str(file), url]


def _library(url: str, file: Path) -> list[str]:
    return [sys.executable, "-m", _LIBRARY, url, str(file)]


def _loop(url: str, file: Path) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("loop.py")), url, str(file)]


def _aria2(number: int) -> Command:
    return lambda url, file: ["aria2c", "-q", f"-x{number}", f"-s{number}", "-k1M", "-d", str(file.parent), "-o",
                              file.name, url]


SYNCED = "curl, then sync"
"""curl does not wait for the disk, as rangeware does: here its file is synced after it, and that is timed too."""

LOCAL: dict[str, Command] = {
    "curl": _curl,
    SYNCED: _curl,
    "rangeware get -n 1": _rangeware("-n", "1"),
    "download(segments=1)": _library,
    "urllib loop, then fsync": _loop,
}
"""Against each other at full speed. ``download`` tells its own time; that of Python's start is not in it."""

FAR: dict[str, Command] = {
    "curl": _curl,
    "rangeware get -n 1": _rangeware("-n", "1"),
    "rangeware get -n 4": _rangeware("-n", "4"),
    **({"aria2c -x1": _aria2(1), "aria2c -x4": _aria2(4)} if shutil.which("aria2c") else {}),
}
"""Behind the relay."""


class Cost(NamedTuple):
    """What one run took.

    :param seconds: wall time.
    :param cpu_seconds: in user and kernel mode, children included.
    :param peak_bytes: of resident memory.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Failed(Exception):
    """A client ended with an error, or with another file."""


def run(command: list[str], file: Path | None = None) -> Cost:
    """Runs it to its end.

    :param file: is synced after that.
    :raises Failed: if it does not end well.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "ignore", "no_proxy": "127.0.0.1"}
    begun = time.perf_counter()
    with subprocess.Popen(command, cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        with _watched(process.pid) as peak:
            assert process.stdout is not None
            said = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    synced = _sync(file) if file else 0.0
    seconds = time.perf_counter() - begun
    if process.returncode:
        raise Failed(f"{' '.join(command)} ended with {process.returncode}: {said.decode(errors='replace')}")
    if command[2:3] == [_LIBRARY]:
        seconds = float(said)
    return Cost(seconds, used.ru_utime + used.ru_stime + synced, max(peak))


def _sync(file: Path) -> float:
    """Waits until it is on the disk: CPU seconds."""
    busy = time.process_time()
    with open(file, "rb") as written:
        os.fsync(written.fileno())
    return time.process_time() - busy


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """The most memory that it had, looked at now and then: what ``wait4`` tells is never less than our own."""
    peak, ended = [0], threading.Event()

    def watch() -> None:
        while not ended.wait(WATCH):
            with contextlib.suppress(OSError):
                peak.extend(int(size) << 10 for size in _PEAK.findall(Path(f"/proc/{pid}/status").read_text()))

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peak
    finally:
        ended.set()
        thread.join()
