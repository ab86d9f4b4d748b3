"""The servers that downloads are tried against, each at work on one file that the test may change."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

from tests.matrix import apache, download_apps, launch, nginx
from tests.matrix.relays import Address

TIMEOUT = 60.0
_APPS = download_apps.__name__


Serving = Callable[[Path, Path], AbstractContextManager[Address]]
"""A server at work on the files of a directory; it may write in another."""


class Host(NamedTuple):
    """A server and an address on it.

    :param path: of the file in the address.
    :param ranges: whether it sends ranges of it.
    :param connections: at a time, at most; 0 for as many as are wanted.
    """

    serving: Serving
    path: str
    ranges: bool = True
    connections: int = 0


def _of(server: str, app: str) -> Serving:
    @contextlib.contextmanager
    def serving(files: Path, directory: Path) -> Iterator[Address]:
        env = {download_apps.DIRECTORY: str(files)}
        with launch.serving(server, f"{_APPS}:{app}", directory, env) as running:
            yield running.address
    return serving


# --- servers of files ---

_APACHE = """\
ServerRoot "{directory}"
ServerName localhost
DefaultRuntimeDir "{directory}"
PidFile "{directory}/apache.pid"
ErrorLog "{directory}/server.log"
LogLevel warn
Listen 127.0.0.1:{port}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
TypesConfig /dev/null
AddEncoding x-gzip .gz .tgz
AddEncoding x-bzip2 .bz2
AddEncoding x-compress .Z
AddEncoding br .br
AddEncoding xz .xz
AddEncoding zstd .zst
{identity}
StartServers 1
ServerLimit 1
DocumentRoot "{files}"
<Directory "{files}">
    Require all granted
</Directory>
"""


def _apache(port: int, files: Path, directory: Path) -> list[str]:
    values = {"directory": directory, "files": files, "port": port, "modules": apache.MODULES,
              "identity": "" if os.geteuid() else "User www-data\nGroup www-data"}
    site = directory / "apache.conf"
    site.write_text(_APACHE.format(**values))
    executable = shutil.which("apache2", path=apache.PATH)
    assert executable, "Apache is not installed: install Debian's package apache2-bin"
    return [*apache.as_somebody(), executable, "-f", str(site), "-DFOREGROUND"]


def _python(port: int, files: Path, directory: Path) -> list[str]:
    return [*apache.WITH_US, sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1", "--directory",
            str(files)]


def _started(command: Callable[[int, Path, Path], list[str]]) -> Serving:
    """A server that takes no listening socket from us. Where somebody else took its port meanwhile, it ends: again."""
    @contextlib.contextmanager
    def serving(files: Path, directory: Path) -> Iterator[Address]:
        for _ in range(launch.ATTEMPTS):
            with socket.create_server(("127.0.0.1", 0)) as free:
                address: Address = free.getsockname()
            with _process(command(address[1], files, directory), directory) as process:
                if _accepts(process, address):
                    yield address
                    return
        raise AssertionError("".join(path.read_text() for path in directory.glob("*.log")))
    return serving


@contextlib.contextmanager
def _process(command: list[str], directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    with open(directory / "output.log", "ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(TIMEOUT)


def _accepts(process: subprocess.Popen[bytes], address: Address) -> bool:
    """False if the process ends first."""
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return process.poll() is None
        time.sleep(0.02)
    return False


HOSTS = {
    "rangeware on gunicorn, send_file": Host(_of("gunicorn-gthread", "flask_ranged"), "/file"),
    "rangeware on gunicorn, generator": Host(_of("gunicorn-gthread", "flask_ranged"), "/generator"),
    "rangeware on gunicorn with one thread": Host(_of("gunicorn-sync", "flask_ranged"), "/file"),
    "rangeware on uvicorn, FileResponse": Host(_of("uvicorn-h11", "starlette_ranged"), "/file"),
    "rangeware on uvicorn, generator": Host(_of("uvicorn-h11", "starlette_ranged"), "/generator"),
    "Flask's own ranges": Host(_of("gunicorn-gthread", "flask_alone"), "/file"),
    "Flask without ranges": Host(_of("gunicorn-gthread", "flask_alone"), "/generator", ranges=False),
    "nginx": Host(nginx.serving, "/file.bin"),
    "nginx with gzip": Host(nginx.serving, "/gzip/file.bin"),
    "nginx with one connection": Host(nginx.serving, "/one/file.bin", connections=1),
    "nginx without ranges": Host(nginx.serving, "/never/file.bin", ranges=False),
    "Apache": Host(_started(_apache), "/file.bin"),
    "http.server": Host(_started(_python), "/file.bin", ranges=False),
}
