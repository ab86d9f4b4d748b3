"""Serve the demo: ``python -m demo_flask`` runs it under gunicorn, with one worker and many threads.

With ``--behind-nginx``, this process starts nginx and another process of this module, which runs gunicorn.
"""

from __future__ import annotations

import argparse
import errno
import os
import shlex
import shutil
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication

from . import behind_nginx, create_site
from .inspector import Address, host_and_port
from .samples import INSTANCE, Sample, prepare

_PATIENCE = 3.0  # seconds; a demo that was killed leaves a worker behind, which ends a second later
_THREADS = 48  # a browser holds one connection for each player and download, and each occupies a thread

_WELCOME = """
  The demo is running. Open

      {url}/

  or send requests yourself:

      curl -i -r 100-199 {url}/files/lines.txt
      curl -i -r 0-31,320-351 {url}/files/generated.txt
      curl -C - -O --limit-rate 50M {url}/files/big.bin
      {command} get --limit-rate 50M {url}/files/big.bin

  The last two download 1 GiB: stop one with Ctrl-C and run it again, and it resumes where it stopped.

  Upload a file at

      {url}/uploads

  and pause it, reload the page, or end this demo and start it again: the upload goes on where it stopped.

{more}  Press Ctrl-C here to stop the demo.
"""

_BEHIND_NGINX = """\
  nginx sends the files that are on the disk, and the page marks them. Its configuration, to read and copy:

      {path}

"""

_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


class Server(BaseApplication):  # type: ignore[misc]
    """gunicorn with settings from code instead of a file; a single process, so that all threads share the feed."""

    def __init__(self, address: Address, samples: dict[str, Sample], directory: Path) -> None:
        self._address = address
        self._samples = samples
        self._directory = directory
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._settings().items():
            if name in self.cfg.settings:  # control_socket_disable is new in gunicorn 25.1
                self.cfg.set(name, value)

    def _settings(self) -> dict[str, Any]:
        return {
            "bind": [host_and_port(self._address)],
            "worker_class": "gthread",
            "workers": 1,
            "threads": _THREADS,
            "loglevel": "error",
            "graceful_timeout": 1,
            "control_socket_disable": True,
            "when_ready": self._welcome,
            "post_worker_init": _end_at_once,
        }

    def _welcome(self, _: object) -> None:
        welcome(self._address)

    def load(self) -> Any:
        return create_site(near(self._address), self._samples, self._directory, command=own_command())


class ServerBehindNginx(Server):
    """gunicorn on a socket that is open already, with an app that hands files over to nginx."""

    def __init__(self, address: Address, samples: dict[str, Sample], directory: Path, fileno: int) -> None:
        self._fileno = fileno
        super().__init__(address, samples, directory)

    def _settings(self) -> dict[str, Any]:
        bind = [f"fd://{self._fileno}"]
        return {**super()._settings(), "bind": bind, "keepalive": behind_nginx.KEEPALIVE}

    def _welcome(self, _: object) -> None:
        """Print nothing: the process that started this one does."""

    def load(self) -> Any:
        offload = behind_nginx.offload(self._directory)
        return create_site(near(self._address), self._samples, self._directory, offload, own_command())


def welcome(address: Address, more: str = "") -> None:
    """Print what to open.

    :param more: lines for the end.
    """
    url = f"http://{host_and_port(near(address))}"
    print(_WELCOME.format(url=url, command=own_command(), more=more), flush=True)


def own_command() -> str:
    """Return how to call ``rangeware`` of this Python in the shell where the demo was started."""
    python = Path(sys.executable)
    script = python.with_name("rangeware")
    return _as_typed(script) if script.exists() else f"{_as_typed(python)} -m rangeware"


def _as_typed(program: Path) -> str:
    """Return the path of a program for a shell: only its name if that finds it, and relative if it is below here."""
    found = shutil.which(program.name)
    if found is not None and os.path.abspath(found) == os.path.abspath(program):
        return program.name
    here = Path.cwd()
    if program.parent == here:
        return shlex.quote(f"./{program.name}")
    return shlex.quote(str(program.relative_to(here) if program.is_relative_to(here) else program))


def _end_at_once(_: object) -> None:
    """Make the worker exit at once on a signal. It would wait for its threads, and a download can take hours."""
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
        signal.signal(number, lambda *_: os._exit(0))


def near(address: Address) -> Address:
    """Return an address at which this machine reaches a server bound to ``address``."""
    host, port = address
    return _EVERYWHERE.get(host, host), port


def port_number(text: str) -> int:
    """Parse a TCP port from the command line.

    :raises argparse.ArgumentTypeError: if it is not a port.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 5 and 1 <= int(text) <= 65_535):
        raise argparse.ArgumentTypeError(f"a port is a number from 1 to 65535, not {text!r}")
    return int(text)


def absolute_path(text: str) -> Path:
    """Return the absolute path of a folder: Flask would look for a relative one beside its own code."""
    return Path(text).absolute()


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """Parse ``--host``, ``--port``, ``--data`` and ``--behind-nginx``."""
    parser = argparse.ArgumentParser(prog="python -m demo_flask", description="Run rangeware's demo for the browser.")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", default=8000, type=port_number, help="port to listen on (default: %(default)s)")
    parser.add_argument("--data", default=INSTANCE, type=absolute_path, metavar="DIR",
                        help="folder for the sample data and the uploads (default: demo_flask/instance)")
    parser.add_argument("--behind-nginx", action="store_true",
                        help="start nginx in front of the demo and let it send the files that are on the disk; its "
                             "configuration is written to DIR/nginx/")
    parser.add_argument("--socket", type=int, help=argparse.SUPPRESS)  # serve on this descriptor, behind nginx
    return parser.parse_args(arguments)


def check_free(address: Address) -> None:
    """Check that the address is free, or soon will be. gunicorn would report it less clearly.

    :raises OSError: if the server cannot listen on the address.
    """
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        try:
            return _try_to_listen(address)
        except OSError as exc:
            if exc.errno != errno.EADDRINUSE:
                raise
            time.sleep(0.1)
    return _try_to_listen(address)


def _try_to_listen(address: Address) -> None:
    family, *_, where = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(where)


def main(arguments: list[str] | None = None) -> None:
    """Serve the demo until Ctrl-C."""
    wanted = read_arguments(arguments)
    address = (wanted.host, wanted.port)
    if wanted.socket is not None:
        ServerBehindNginx(address, prepare(wanted.data), wanted.data, wanted.socket).run()
        return
    try:
        check_free(address)
    except OSError as exc:
        sys.exit(f"Cannot listen on {host_and_port(address)}: {exc.strerror}. Choose another with --port or --host.")
    try:
        samples = prepare(wanted.data)
    except OSError as exc:
        sys.exit(f"Cannot make the sample data in {exc.filename}: {exc.strerror}.")
    if wanted.behind_nginx:
        _run_behind_nginx(address, wanted.data)
    else:
        Server(address, samples, wanted.data).run()


def _run_behind_nginx(address: Address, directory: Path) -> None:
    try:
        behind_nginx.run(address, near(address), directory,
                         lambda path: welcome(address, _BEHIND_NGINX.format(path=path)))
    except behind_nginx.NotInstalled as exc:
        print(exc, file=sys.stderr)
        sys.exit(2)
    except behind_nginx.CannotRun as exc:
        sys.exit(str(exc))
    except OSError as exc:
        sys.exit(f"Cannot start nginx and gunicorn: {exc.strerror}: {exc.filename}.")


if __name__ == "__main__":
    main()
