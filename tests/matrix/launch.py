"""Starts WSGI and ASGI servers, the real ones, on 127.0.0.1, and ends them."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.matrix import apache

ROOT = Path(__file__).resolve().parents[2]
THREADS = "8"
TIMEOUT = 60.0
"""Seconds in which a server must answer its first request; a bound, not a wait."""
GRACE = 5.0
"""Seconds that a server is given to end by itself."""
ATTEMPTS = 3

SERVERS: tuple[str, ...] = (
    "gunicorn-sync", "gunicorn-gthread", "gunicorn-gevent", "uwsgi-http", "uwsgi-http11", "waitress", "cheroot",
    "gevent", "bjoern", "wsgiref", "werkzeug", "mod_wsgi-embedded", "mod_wsgi-daemon", "granian", "eventlet",
    "twisted", "a2wsgi", "hypercorn", "rocket3",
)

ASGI_SERVERS: tuple[str, ...] = (
    "uvicorn-h11", "uvicorn-httptools", "hypercorn-asyncio", "hypercorn-trio", "daphne", "granian-asgi",
)

RANGE_LIMIT: dict[str, int] = {
    "gunicorn-sync": 8_181, "gunicorn-gthread": 8_181, "gunicorn-gevent": 8_181, "uwsgi-http": 3_700,
    "uwsgi-http11": 3_700, "waitress": 262_095, "cheroot": 4_000_000, "gevent": 65_527, "bjoern": 81_872,
    "wsgiref": 65_527, "werkzeug": 65_527, "mod_wsgi-embedded": 8_184, "mod_wsgi-daemon": 8_184, "granian": 417_700,
    "eventlet": 8_182, "twisted": 16_344, "a2wsgi": 16_337, "hypercorn": 16_337, "rocket3": 4_000_000,
}
"""Characters in the longest Range value that each server lets through; 4,000,000 where no limit was found.

Some count the whole head: measured with ``GET /list``, ``Host: localhost`` and nothing else. uWSGI counts what it makes
of it too, the name of the machine included: its limit is 3,700 to 3,900, unless it has a larger ``--buffer-size``.
granian, a2wsgi and Hypercorn look at what has come so far each time that bytes arrive, and let more through where it
comes in few pieces: these lengths pass in whatever pieces they come.
"""

_ON_A_PORT = ("mod_wsgi-embedded", "mod_wsgi-daemon", "granian", "rocket3", "granian-asgi")
"""The servers that take no listening socket from us, and have to be told a free port."""

_MODULES = {
    "a2wsgi": ("a2wsgi", "uvicorn"), "gunicorn-gevent": ("gunicorn", "gevent"), "uvicorn-h11": ("uvicorn", "h11"),
    "uvicorn-httptools": ("uvicorn", "httptools"), "hypercorn-trio": ("hypercorn", "trio"),
}


class Running:
    """A server at work.

    :param server: its name in ``SERVERS`` or ``ASGI_SERVERS``.
    :param address: host and port.
    """

    def __init__(self, server: str, address: tuple[str, int], process: subprocess.Popen[bytes],
                 directory: Path) -> None:
        self.server = server
        self.address = address
        self._process = process
        self._directory = directory

    def pids(self) -> list[int]:
        """Every live process of the server: each runs in the session that we made for it."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if self._owns(pid)]

    def _owns(self, pid: int) -> bool:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return False
        return fields[0] not in "ZX" and int(fields[3]) == self._process.pid

    def log(self) -> str:
        """All that the server has written so far."""
        return "\n".join(path.read_text(errors="replace") for path in sorted(self._directory.glob("*.log")))

    def wait_for_answer(self) -> None:
        """Asks for ``/`` until there is an answer, whatever it is.

        :raises AssertionError: if the server ends, or does not answer within ``TIMEOUT`` seconds.
        """
        deadline = time.monotonic() + TIMEOUT
        while not self._answers():
            assert self.alive(), f"{self.server} ended at once\n{self.log()}"
            assert time.monotonic() < deadline, f"{self.server} does not answer\n{self.log()}"
            time.sleep(0.02)
        assert self.alive(), f"{self.server} ended; another process answers on its port\n{self.log()}"

    def alive(self) -> bool:
        """True if the server's first process is still running."""
        return self._process.poll() is None

    def _answers(self) -> bool:
        answer = b""
        with contextlib.suppress(OSError), socket.create_connection(self.address, 1) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            client.settimeout(TIMEOUT / 4)
            while block := client.recv(1 << 16):  # to its end, or the server would log that we hung up
                answer += block
                client.settimeout(0.3)  # one server does not close, though it was asked to
        return answer.startswith(b"HTTP/")

    def end(self) -> None:
        """Ends every process of the server."""
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def serving(server: str, app: str, directory: Path, env: Mapping[str, str] | None = None) -> Iterator[Running]:
    """A server at work, and ended at the end.

    It has answered one request for ``/`` when it is handed out.

    :param server: one of ``SERVERS`` or ``ASGI_SERVERS``; of gunicorn and uvicorn also with a number of workers behind
        it: ``gunicorn-sync-2``.
    :param app: ``package.module:attribute``.
    :param directory: where it may write; made anew in there is a directory for its log.
    :param env: added to the environment of its processes.
    """
    _check_installed(server)
    started = _on_a_port if server in _ON_A_PORT else _on_a_socket
    running = started(server, app, directory, {**os.environ, **_environment(), **(env or {})})
    try:
        yield running
    finally:
        running.end()


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "ignore", "PYTHONFAULTHANDLER": "1"}


def _on_a_socket(server: str, app: str, directory: Path, environ: Mapping[str, str]) -> Running:
    """The listening socket is ours, so that nobody has to guess a free port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor, address = listening.fileno(), listening.getsockname()
        running = _start(server, app, address, descriptor, directory, environ)
    _wait_or_end(running)
    return running


def _on_a_port(server: str, app: str, directory: Path, environ: Mapping[str, str]) -> Running:
    """A port may be taken by someone else before the server gets there: then the next one."""
    for _ in range(ATTEMPTS):
        with socket.create_server(("127.0.0.1", 0)) as free:
            address = free.getsockname()
        running = _start(server, app, address, None, directory, environ)
        with contextlib.suppress(_PortTaken):
            _wait_or_end(running)
            return running
    raise AssertionError(f"{server} got no port\n{running.log()}")


class _PortTaken(Exception):
    """Someone else has the port."""


def _wait_or_end(running: Running) -> None:
    try:
        running.wait_for_answer()
    except BaseException as exc:
        running.end()
        if "in use" in running.log():
            raise _PortTaken from exc
        raise


def _start(server: str, app: str, address: tuple[str, int], descriptor: int | None, directory: Path,
           environ: Mapping[str, str]) -> Running:
    own = Path(tempfile.mkdtemp(prefix=f"{server}-", dir=directory))
    command = _command(server, app, address[1], descriptor, own)
    with open(own / "server.log", "ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            pass_fds=() if descriptor is None else (descriptor,))
    return Running(server, address, process, own)


def _check_installed(server: str) -> None:
    if server.startswith("mod_wsgi"):
        apache.check_installed()
        return
    if server.startswith("uwsgi"):
        assert _UWSGI.exists(), f"uWSGI is not installed: there is no {_UWSGI}"
        return
    for module in _MODULES.get(server, (server.partition("-")[0],)):
        assert importlib.util.find_spec(module), f"{server} cannot run: {module} is not installed"


# --- command lines ---

_UWSGI = Path(sys.executable).with_name("uwsgi")


def _command(server: str, app: str, port: int, descriptor: int | None, directory: Path) -> list[str]:
    if server.startswith("mod_wsgi"):
        return apache.command(server.partition("-")[2], app, port, directory, ROOT, THREADS)
    return [*apache.WITH_US, *_of_python(server, app, port, descriptor)]


def _of_python(server: str, app: str, port: int, descriptor: int | None) -> list[str]:
    product, _, variant = server.partition("-")
    if product == "uwsgi":
        return [str(_UWSGI), *_uwsgi_socket(variant, f"fd://{descriptor}"), "--module", app, "--master", "--processes",
                "1", "--threads", THREADS, "--home", sys.prefix, "--socket-timeout", "60", "--die-on-term",
                "--need-app", "--disable-logging"]
    if product == "gunicorn":
        variant, _, workers = variant.partition("-")
        return [sys.executable, "-m", "gunicorn", "--bind", f"fd://{descriptor}", "--worker-class", variant,
                "--workers", workers or "1", "--threads", THREADS if variant == "gthread" else "1", "--keep-alive",
                "60", "--timeout", "120", "--graceful-timeout", "1", "--log-level", "warning", app]
    if product == "granian":
        threads = [] if variant else ["--blocking-threads", THREADS]
        return [sys.executable, "-m", "granian", "--interface", variant or "wsgi", "--host", "127.0.0.1", "--port",
                str(port), "--workers", "1", "--log-level", "warning", *threads, app]
    if product == "hypercorn":
        worker = ["--worker-class", variant, f"asgi:{app}"] if variant else [f"wsgi:{app}"]
        return [sys.executable, "-m", "hypercorn", "--bind", f"fd://{descriptor}", "--workers", "0", "--keep-alive",
                "60", *worker]
    if product == "uvicorn" and "-" in variant:
        http, _, workers = variant.partition("-")
        return [sys.executable, "-m", "uvicorn", "--fd", str(descriptor), "--http", http, "--workers", workers,
                "--no-access-log", "--timeout-keep-alive", "60", app]
    if product == "daphne":
        return [sys.executable, "-m", "daphne", "--fd", str(descriptor), "--verbosity", "0", app]
    number = port if descriptor is None else descriptor
    return [sys.executable, "-m", "tests.matrix.run_server", server, app, str(number)]


def _uwsgi_socket(variant: str, bind: str) -> list[str]:
    return ["--http", bind, "--http-keepalive"] if variant == "http" else ["--http11-socket", bind]
