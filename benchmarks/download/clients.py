"""The commands to time, and the cost of one run."""

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
"""Seconds between two samples of a client's memory."""
_PEAK = re.compile(r"^VmHWM:\s+(\d+) kB", re.MULTILINE)
_LIBRARY = "benchmarks.download.library"

Command = Callable[[str, Path], list[str]]
"""Return the command line. Arguments: URL and file."""


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
"""curl with a sync of its file afterwards, which is timed too: rangeware waits for the disk, curl does not."""

LOCAL: dict[str, Command] = {
    "curl": _curl,
    SYNCED: _curl,
    "rangeware get -n 1": _rangeware("-n", "1"),
    "download(segments=1)": _library,
    "urllib loop, then fsync": _loop,
}
"""Clients compared at full speed. ``download`` reports its own time, without the start of Python."""

FAR: dict[str, Command] = {
    "curl": _curl,
    "rangeware get -n 1": _rangeware("-n", "1"),
    "rangeware get -n 4": _rangeware("-n", "4"),
    **({"aria2c -x1": _aria2(1), "aria2c -x4": _aria2(4)} if shutil.which("aria2c") else {}),
}
"""Clients compared behind the relay."""


class Cost(NamedTuple):
    """The cost of one run.

    :param seconds: wall time.
    :param cpu_seconds: CPU time in user and kernel mode, including child processes.
    :param peak_bytes: peak resident memory.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


class Failed(Exception):
    """A client failed, or wrote a wrong file."""


def run(command: list[str], file: Path | None = None) -> Cost:
    """Run a command to its end.

    :param file: sync this file afterwards.
    :raises Failed: if the command fails.
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
    """Sync the file to disk. Return the CPU seconds used."""
    busy = time.process_time()
    with open(file, "rb") as written:
        os.fsync(written.fileno())
    return time.process_time() - busy


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[list[int]]:
    """Sample the peak memory of a process. ``wait4`` does not help: its figure is never below our own memory."""
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
