"""The demo as a process of its own, started by its real command on a free port and ended by its id."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
START_SECONDS = 20
STOP_SECONDS = 10


class Demo(NamedTuple):
    """A demo that listens."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(port: int, *arguments: str) -> "subprocess.Popen[str]":
    """Start the demo in a session of its own, so that it can be killed with its worker."""
    return subprocess.Popen([sys.executable, "-m", "demo_flask", "--port", str(port), *arguments], cwd=ROOT, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                            preexec_fn=_as_in_a_terminal)


def _as_in_a_terminal() -> None:
    """Let a hang-up end the process: it is ignored where the tests run under nohup."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def kill(process: "subprocess.Popen[str]") -> None:
    """End it and its worker at once, as a loss of power would."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def stop(process: "subprocess.Popen[str]") -> str:
    """End it as Ctrl-C does, at worst by force; what it printed."""
    process.send_signal(signal.SIGINT)
    try:
        return process.communicate(timeout=STOP_SECONDS)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        raise


def wait_until_it_answers(demo: Demo) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and demo.process.poll() is None:
        with contextlib.suppress(OSError), contextlib.closing(demo.connect()) as connection:
            connection.request("GET", "/events")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.05)
    demo.process.kill()
    raise AssertionError(f"the demo did not start: {demo.process.communicate()[0]}")


@contextlib.contextmanager
def running_demo(*arguments: str) -> Iterator[Demo]:
    """A demo that answers, for as long as the block runs."""
    port = free_port()
    demo = Demo(start(port, *arguments), port)
    wait_until_it_answers(demo)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            stop(demo.process)
