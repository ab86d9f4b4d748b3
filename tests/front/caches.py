"""Real caches in front of real servers: nginx with its slice module, and Varnish, under the files of ``docs/configs``.

The log of the origin says what a cache has asked it for, so that a test need not trust what the cache says.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.front import origin as origin_apps
from tests.front.configs import LISTEN, adapted, listen
from tests.matrix import apache, launch, nginx
from tests.matrix.wire import Address, Connection
from tests.support import Answer

MIB = 1 << 20
SERVERS = ("gunicorn-gthread-2", "uvicorn-h11-2")
"""The servers of the origin behind the caches, with two workers each."""

TIMEOUT = 60.0
"""Seconds until something must have happened; a bound, not a wait."""
GRACE = 5.0
"""Seconds that Varnish is given to end by itself."""
LONG_AGO = 3600
"""Seconds: the age of a file that will not change any more."""


class Exchange(NamedTuple):
    """One request to the origin, and the head of its response. The names of fields are in lower case."""

    worker: int
    method: str
    path: str
    asked: dict[str, str]
    status: int
    answered: dict[str, str]


class Origin(NamedTuple):
    """A server at work on the apps of ``tests.front.origin``."""

    address: Address
    folder: Path
    log: Path

    def exchanges(self, path: str) -> list[Exchange]:
        """All so far that were about this path."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [exchange for exchange in (Exchange(**json.loads(line)) for line in lines) if exchange.path == path]

    def fetched(self, path: str) -> Counter[str | None]:
        """How often content was sent for each Range; None stands for requests without one."""
        return Counter(exchange.asked.get("range") for exchange in self.exchanges(path)
                       if exchange.method == "GET" and exchange.status in (200, 206))

    def write(self, name: str, content: bytes, age: float = LONG_AGO) -> None:
        """Replace a file at once, as a careful deployer does: nobody sees it half written.

        :param age: how many seconds ago it was modified; a file of the future is young for as long as the test takes.
        """
        new = self.folder / f"{name}.new"
        new.write_bytes(content)
        modified = time.time_ns() - int(age * 1e9)
        os.utime(new, ns=(modified, modified))
        new.rename(self.folder / name)


@contextlib.contextmanager
def origin(server: str, directory: Path, folder: Path | None = None) -> Iterator[Origin]:
    """An origin at work; ended at the end.

    :param server: one of the matrix, or of ``SERVERS``.
    :param directory: where it may write.
    :param folder: of its files, where it is not to have one of its own.
    """
    log = directory / f"{server}.requests"
    if folder is None:
        folder = directory / "media"
        folder.mkdir()
    protocol = "asgi" if server.startswith(launch.ASGI_SERVERS) else "wsgi"
    app = f"tests.front.origin:{protocol}"
    env = {origin_apps.FOLDER: str(folder), origin_apps.LOG: str(log)}
    with launch.serving(server, app, directory, env) as running:
        yield Origin(running.address, folder, log)


# --- caches ---

@contextlib.contextmanager
def slice_cache(behind: Origin, directory: Path) -> Iterator[Address]:
    """nginx under ``nginx-slice-cache.conf``: its host and port; ended at the end.

    :param directory: where it may write; its complaints are in ``error.log``.
    """
    def site(port: int) -> str:
        return adapted("nginx-slice-cache.conf", {
            "/var/cache/nginx-slices": str(directory / "slices"),
            "server 127.0.0.1:8000;": "server {}:{};".format(*behind.address),
            LISTEN: listen(f"127.0.0.1:{port}"),
        })
    with nginx.with_site(site, directory) as address:
        yield address


_BY_RANGE = """\
    proxy_cache_path {directory}/ranges keys_zone=ranges:1m;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://{host}:{upstream};
            proxy_http_version 1.1;
            proxy_cache ranges;
            proxy_cache_key "$request_uri $http_range $http_if_range";
            proxy_cache_valid 200 206 1s;
            proxy_set_header Range $http_range;
            proxy_set_header If-Range $http_if_range;
            proxy_set_header If-Match $http_if_match;
            proxy_set_header If-Unmodified-Since $http_if_unmodified_since;
        }}
    }}
"""


@contextlib.contextmanager
def range_cache(behind: Origin, directory: Path) -> Iterator[Address]:
    """nginx as many a site has it: it keeps the response to each Range for itself, and passes preconditions on.

    What the origin says of a response that is not to be kept counts here: nothing in the configuration prevents it.
    """
    host, upstream = behind.address

    def site(port: int) -> str:
        return _BY_RANGE.format(directory=directory, port=port, host=host, upstream=upstream)
    with nginx.with_site(site, directory) as address:
        yield address


@contextlib.contextmanager
def varnish(behind: Origin, directory: Path) -> Iterator[Address]:
    """Varnish under ``varnish.vcl``: its host and port; ended at the end.

    :param directory: where it may write.
    """
    host, port = behind.address
    replacements = {'.host = "127.0.0.1";': f'.host = "{host}";', '.port = "8000";': f'.port = "{port}";'}
    (directory / "varnish.vcl").write_text(adapted("varnish.vcl", replacements))
    process, address = _start_varnish(directory)
    try:
        yield address
    finally:
        _end(process)


def _start_varnish(directory: Path) -> tuple[subprocess.Popen[bytes], Address]:
    """A port may be taken by someone else before Varnish gets there: then the next one."""
    for _ in range(launch.ATTEMPTS):
        with socket.create_server(("127.0.0.1", 0)) as free:
            address: Address = free.getsockname()
        with open(directory / "varnish.log", "wb") as log:
            process = subprocess.Popen(_varnishd(address[1], directory), stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log)
        if _is_up(process, address):
            return process, address
    raise AssertionError(f"Varnish does not start\n{(directory / 'varnish.log').read_text()}")


def _varnishd(port: int, directory: Path) -> list[str]:
    executable = shutil.which("varnishd", path=apache.PATH)
    assert executable, "Varnish is not installed: install Debian's package varnish"
    return [*apache.WITH_US, executable, "-F", "-j", "none", "-n", str(directory / "varnish"), "-T", "none",
            "-a", f"127.0.0.1:{port}", "-f", str(directory / "varnish.vcl"), "-s", "malloc,256m"]


def _is_up(process: subprocess.Popen[bytes], address: Address) -> bool:
    """True once it accepts connections; False if it ends before."""
    deadline = time.monotonic() + TIMEOUT
    while process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(address, 1):
            return True
        assert time.monotonic() < deadline, "Varnish does not accept connections"
        time.sleep(0.02)
    return False


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


CACHES: dict[str, Callable[[Origin, Path], contextlib.AbstractContextManager[Address]]] = {
    "slices": slice_cache, "ranges": range_cache, "varnish": varnish,
}


# --- clients ---

def ask(address: Address, path: str, method: str = "GET", **fields: str) -> Answer:
    """One exchange with a client that judges it to the byte."""
    with Connection(address, TIMEOUT) as client:
        return client.ask(path, method, **fields)


def status_of(address: Address, path: str, **fields: str) -> int:
    """The status alone; the client is not interested in the rest."""
    with Connection(address, TIMEOUT) as client:
        client.send(path, **fields)
        return client.head()[0]


def what_came(address: Address, path: str) -> tuple[bytes, bool]:
    """The content that a client gets, and whether it is all that was promised."""
    client = http.client.HTTPConnection(*address, timeout=TIMEOUT)
    with contextlib.closing(client):
        client.request("GET", path, headers={"Host": "localhost"})
        try:
            return client.getresponse().read(), True
        except http.client.IncompleteRead as exc:
            return exc.partial, False


def wait_until(claim: Callable[[], bool], what: str, within: float = TIMEOUT) -> None:
    """Until the claim is true.

    :raises AssertionError: if it is not within so many seconds.
    """
    deadline = time.monotonic() + within
    while not claim():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)
