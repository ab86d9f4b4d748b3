"""``python -m demo_flask --behind-nginx``: nginx in front of the demo sends the files, once the app has named them.

This writes the configuration, starts nginx and gunicorn as two processes, and ends both when it ends itself, or when
one of them does. Each has a process group of its own, so that Ctrl-C reaches this process alone, and so that nothing
of nginx is left when its master process is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import grp
import http.client
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import StrictUndefined, Template

from rangeware.offload import XAccelRedirect

from .inspector import Address, host_and_port
from .samples import MEDIA

KEEPALIVE = 75  # seconds in which gunicorn keeps an idle connection; nginx closes its own after 60

_TEMPLATE = Path(__file__).parent / "templates" / "nginx.conf"
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"])
_PATIENCE = 30.0  # seconds in which both must answer
_GRACE = 5.0  # seconds in which each must end
_LAST_LINES = 8
_PR_SET_PDEATHSIG = 1


class CannotRun(Exception):
    """nginx or gunicorn does not run. The message is shown to the user."""


class NotInstalled(CannotRun):
    """There is no nginx."""


class Part(NamedTuple):
    """A process that was started here, and the file that has its errors."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


# --- The configuration ------------------------------------------------------------------------------------------------

def folders(directory: Path) -> dict[Path, str]:
    """Return the folders of the sample files that are on the disk, and the path of the location for each.

    :param directory: where the sample data is.
    """
    return {MEDIA.resolve(): "/protected/media/", directory.resolve(): "/protected/data/"}


def offload(directory: Path) -> XAccelRedirect:
    """Return the option for ``RangeMiddleware`` that fits the configuration."""
    return XAccelRedirect(folders(directory))


def configuration(address: Address, upstream: Address, directory: Path) -> str:
    """Return the text of ``nginx.conf``.

    :param address: where nginx listens.
    :param upstream: where gunicorn does.
    :raises CannotRun: if nginx cannot be told the path of a folder.
    """
    template = Template(_TEMPLATE.read_text(encoding="utf-8"), undefined=StrictUndefined, keep_trailing_newline=True)
    aliases = {quoted(f"{folder}/"): path for folder, path in folders(directory).items()}
    text: str = template.render(listen=_listen(address), upstream=host_and_port(upstream), folders=aliases,
                                user=_user())
    return text


def quoted(path: str) -> str:
    """Return a path as a quoted string of nginx.

    :raises CannotRun: if the path has a ``$``, which begins a variable and cannot be escaped, or a control character.
    """
    if "$" in path or any(ord(char) < 0x20 or ord(char) == 0x7F for char in path):
        raise CannotRun(f"nginx cannot be told of the folder {path!r}: its path has a $ or a control character.")
    return '"{}"'.format(path.replace("\\", "\\\\").replace('"', '\\"'))


def _listen(address: Address) -> str:
    """Return where to listen, as numbers: nginx would listen on all addresses of a name, and gunicorn on one."""
    host, port = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][4][:2]
    return host_and_port((str(host), int(port))) + (" ipv6only=off" if host == "::" else "")


def _user() -> str:
    """Return the user and group of this process for nginx's workers; nothing if nginx cannot change the user anyway."""
    if os.geteuid():
        return ""
    return f"{pwd.getpwuid(0).pw_name} {grp.getgrgid(0).gr_name}"


def write_configuration(address: Address, upstream: Address, directory: Path) -> Path:
    """Write ``nginx.conf`` and make the folders that it names. Each address has a folder of its own for them.

    :raises OSError: if ``directory`` is not writable.
    """
    text = configuration(address, upstream, directory)
    path = directory.resolve() / "nginx" / "{}-{}".format(*address) / "nginx.conf"
    (path.parent / "temp").mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.fsencode(text))
    return path


# --- The processes ----------------------------------------------------------------------------------------------------

def find_nginx() -> str:
    """Return the path of nginx.

    :raises NotInstalled: if there is none.
    """
    executable = shutil.which("nginx", path=_PATH)
    if executable is None:
        raise NotInstalled("nginx is not installed: install the package nginx (on Debian and Ubuntu: "
                           "apt install nginx-light), or start the demo without --behind-nginx.")
    return executable


def run(address: Address, reached_at: Address, directory: Path, welcome: Callable[[Path], None]) -> None:
    """Run nginx and gunicorn until a signal.

    :param reached_at: where this machine reaches ``address``.
    :param welcome: called with the path of the configuration when both answer.
    :raises NotInstalled: if there is no nginx.
    :raises CannotRun: if one of them does not start, or ends.
    :raises OSError: if ``directory`` is not writable.
    """
    executable, parts, signals = find_nginx(), list[Part](), _listen_to_signals()
    try:
        with socket.create_server(("127.0.0.1", 0), backlog=512) as behind:
            path = write_configuration(address, behind.getsockname(), directory)
            parts.append(_start_gunicorn(address, directory, behind.fileno(), path.with_name("gunicorn.log")))
        parts.append(_start("nginx", [executable, "-p", f"{path.parent}/", "-c", str(path)],
                            path.with_name("error.log")))
        for _ in _until(signals, parts, time.monotonic() + _PATIENCE):
            if _answers(reached_at):
                welcome(path)
                break
        for _ in _until(signals, parts):
            pass
    finally:
        for part in reversed(parts):
            _end(part)


def _listen_to_signals() -> list[int]:
    """Return a list to which the numbers of signals are appended that should end this process."""
    signals: list[int] = []
    hang_up = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]  # ignored under nohup
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, *hang_up):
        signal.signal(number, lambda number, _: signals.append(number))
    return signals


def _until(signals: Sequence[int], parts: Sequence[Part], deadline: float | None = None) -> Iterator[None]:
    """Yield ten times a second until there is a signal.

    :raises CannotRun: if one of the processes has ended, or at the deadline.
    """
    while not signals:
        for part in parts:
            if part.process.poll() is not None:
                raise CannotRun(_obituary(part))
        if deadline is not None and time.monotonic() > deadline:
            raise CannotRun(f"nginx and gunicorn do not answer. Their errors are in {parts[0].log.parent}.")
        yield
        time.sleep(0.1)


def _start_gunicorn(address: Address, directory: Path, fileno: int, log: Path) -> Part:
    host, port = address
    command = [sys.executable, "-m", __package__ or "", "--host", host, "--port", str(port), "--data", str(directory),
               "--socket", str(fileno)]
    return _start("gunicorn", command, log, [fileno])


def _start(name: str, command: list[str], log: Path, pass_fds: Sequence[int] = ()) -> Part:
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None

    def stand_alone() -> None:
        os.setpgrp()
        if prctl is not None:  # the kernel ends it when this process is killed
            prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

    log.write_bytes(b"")
    with log.open("ab") as errors:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=pass_fds,
                                   preexec_fn=stand_alone)
    return Part(name, process, log)


def _answers(address: Address) -> bool:
    """True if nginx answers with what gunicorn sent."""
    connection = http.client.HTTPConnection(*address, timeout=2)
    try:
        connection.request("GET", "/events")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _obituary(part: Part) -> str:
    code = part.process.returncode
    how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
    lines = part.log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
    told = f" The last lines of {part.log}:\n\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
    return f"{part.name} {how}, and so the demo ends.{told}"


def _end(part: Part) -> None:
    """End a process, and what is left of its group: nginx's workers outlive a master process that was killed."""
    part.process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        part.process.wait(_GRACE)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(part.process.pid, signal.SIGKILL)
    part.process.wait()
