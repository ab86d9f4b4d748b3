"""Start a target as a real server on its own core, and stop all its processes."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.data import DATA, ROOT
from benchmarks.targets import Target

CORE = 1
"""The core that servers run on."""
TIMEOUT = 30.0
"""Maximum seconds until a server responds to its first request."""
GRACE = 3.0
"""Seconds to wait for a server to stop before it is killed."""
ADDRESS_SPACE = 4 << 30
"""Memory limit of each process in bytes: some targets would read 8 GiB into memory."""


class NotServing(Exception):
    """The server exited, or did not respond."""


class Running:
    """A running target.

    :param address: host and port.
    """

    def __init__(self, target: Target, address: tuple[str, int], process: subprocess.Popen[bytes], log: Path) -> None:
        self.target = target
        self.address = address
        self._process = process
        self._log = log

    def pids(self) -> list[int]:
        """Return the ids of all live processes of the server, which have a session of their own."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._owns(pid)]

    def _owns(self, pid: int) -> bool:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] not in "ZX" and int(fields[3]) == self._process.pid

    def cpu_seconds(self) -> float:
        """Return the CPU seconds of all processes since their start, in user and kernel mode, to the nanosecond."""
        return sum(_cpu_seconds(pid) for pid in self.pids())

    def rss_bytes(self) -> int:
        """Return the resident memory of all processes."""
        return sum(_status_bytes(pid, "VmRSS") for pid in self.pids())

    def peak_bytes(self) -> int:
        """Return the sum of the peak memory of each process since ``reset_peak``."""
        return sum(_status_bytes(pid, "VmHWM") for pid in self.pids())

    def reset_peak(self) -> None:
        """Reset the peak memory to the current value."""
        for pid in self.pids():
            Path(f"/proc/{pid}/clear_refs").write_text("5")

    def log(self) -> str:
        """Return the server's output so far."""
        return self._log.read_text(errors="replace")

    def alive(self) -> bool:
        """Tell if the server's first process is still running."""
        return self._process.poll() is None

    def interrupt(self) -> None:
        """Ask the server's first process to stop, as Ctrl+C does."""
        self._process.send_signal(signal.SIGINT)

    def wait_for_answer(self) -> None:
        """Send requests until there is a response of any kind.

        :raises NotServing: if the server exits, or does not respond within ``TIMEOUT`` seconds.
        """
        deadline = time.monotonic() + TIMEOUT
        while not self._answers():
            if not self.alive() or time.monotonic() > deadline:
                raise NotServing(f"{self.target.name} does not answer\n{self.log()}")
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(self.address, TIMEOUT) as client:
            client.sendall(b"GET /no-such-page HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return client.recv(1 << 16).startswith(b"HTTP/")
        return False

    def end(self) -> None:
        """Stop all processes of the server."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def serving(target: Target) -> Iterator[Running]:
    """Run a target on a free port of 127.0.0.1, and stop it at the end.

    :raises NotServing: if it does not start.
    """
    with tempfile.TemporaryDirectory(prefix="rangeware-benchmark-") as directory:
        running = _start(target, Path(directory))
        try:
            running.wait_for_answer()
            yield running
        finally:
            running.end()


def _start(target: Target, directory: Path) -> Running:
    address = ("127.0.0.1", _free_port())
    pinned = ["taskset", "-c", str(CORE), "prlimit", f"--as={ADDRESS_SPACE}"]
    command = [*pinned, *target.start(address[1], directory)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "RANGEWARE_BENCH_DATA": str(DATA), "PYTHONWARNINGS": "ignore"}
    log = directory / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=output,
                                   stderr=output, start_new_session=True)
    return Running(target, address, process, log)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _cpu_seconds(pid: int) -> float:
    """Read the CPU clock that Linux has for each process; 0 if the process has exited."""
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | 2)
    return 0.0


def _status_bytes(pid: int, key: str) -> int:
    """Return a value of ``/proc/PID/status`` in bytes; 0 if the process has exited."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name == key:
                return int(value.split()[0]) << 10
    return 0
