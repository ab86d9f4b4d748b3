"""What off-load saves: ``python -m benchmarks.offload``.

Files in the page cache go to a client through nginx, Apache and lighttpd, with the configurations of ``docs/configs``,
before gunicorn with two workers: handed over, and in turn sent from Python, by ``sendfile`` and in blocks. Measured is
the CPU time of all processes of gunicorn, in user and kernel mode, with their threads and the children that they have
waited for. What is handed over costs the same for each response, however long the file is: about 0.3 ms if the caches
of the processor are warm, and 1 ms if they are not, as after a gigabyte has gone through them.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.util import shift_path_info

from benchmarks.data import GIB
from rangeware import RangeMiddleware
from rangeware.offload import XAccelRedirect, XLighttpdSendFile, XSendfile
from tests.front import front_servers
from tests.matrix import launch
from tests.matrix.launch import Running
from tests.matrix.wire import Address

GOAL = 0.01
"""CPU time of Python with off-load, at most, in terms of that without."""
GB = 10**9
_DIRECTORY = "RANGEWARE_MATRIX_DIR"
_LENGTHS = {"1": GIB, "4": 4 * GIB}
"""Bytes of each file by its name."""
_TICKS = os.sysconf("SC_CLK_TCK")
_WARM = 2
"""Requests before the first one that is measured: both workers have then imported all."""

Environ = dict[str, Any]


# --- the app ---

def _send(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    name = environ["PATH_INFO"].removeprefix("/")
    file = open(f"{os.environ[_DIRECTORY]}/media/{name}", "rb")  # noqa: SIM115 - the server closes it
    start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", str(_LENGTHS[name]))])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def _send_blocks(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    del environ["wsgi.file_wrapper"]
    return _from_python(environ, start_response)


def _ready(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("204 No Content", [])
    return [b""]


_media = Path(os.environ.get(_DIRECTORY, "/")) / "media"
_from_python = RangeMiddleware(_send)
_apps: dict[str, Callable[..., Iterable[bytes]]] = {
    "": _ready,
    "sendfile": _from_python,
    "blocks": _send_blocks,
    "nginx": RangeMiddleware(_send, offload=XAccelRedirect({_media: "/protected/"})),
    "apache": RangeMiddleware(_send, offload=XSendfile([_media])),
    "lighttpd": RangeMiddleware(_send, offload=XLighttpdSendFile([_media])),
}


def app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Send a file: ``/sendfile/1`` and ``/blocks/1`` from here, ``/nginx/1`` and others by the front server."""
    return _apps[shift_path_info(environ) or ""](environ, start_response)


# --- measuring ---

def cpu_seconds(running: Running) -> float:
    """Return the CPU seconds of all live processes of a server, and of the children that they have waited for."""
    return sum(_cpu_of(pid) for pid in running.pids())


def _cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    waited = (int(fields[13]) + int(fields[14])) / _TICKS  # cutime and cstime
    return waited + time.clock_gettime((~pid << 3) | 2)  # the process's own clock, to the nanosecond


def download(address: Address, path: str) -> None:
    """Download a file, and throw it away.

    :raises ValueError: if it does not come whole.
    """
    buffer, left = bytearray(1 << 20), _LENGTHS[path[-1]]
    with socket.create_connection(address, 60) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        with client.makefile("rb", 0) as answer:
            head = _head(answer)
            while left > 0 and (count := answer.readinto(buffer)):
                left -= count
    if not head.startswith(b"HTTP/1.1 200 ") or left:
        raise ValueError(f"{path}: {head.splitlines()[0]!r}, {left} bytes are missing")


def _head(answer: Any) -> bytes:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        octet = answer.read(1)
        if not octet:
            raise ValueError("no whole head")
        head += octet
    return head


def measure(running: Running, address: Address, path: str) -> float:
    """Return the CPU seconds of the Python server for each GB of downloads of a file, 4 GiB together."""
    count = max(_LENGTHS.values()) // _LENGTHS[path[-1]]
    before = cpu_seconds(running)
    for _ in range(count):
        download(address, path)
    return (cpu_seconds(running) - before) * GB / (count * _LENGTHS[path[-1]])


def costs_of(name: str, running: Running, directory: Path, rounds: int) -> dict[str, list[float]]:
    """Return the CPU seconds for each GB with this front server, by path, one figure for each round."""
    folder, paths = directory / name, (f"/{name}/1", f"/{name}/4", "/sendfile/1", "/blocks/1")
    folder.mkdir()
    with front_servers.serving(name, running.address, directory / "media", folder) as address:
        for path in paths * _WARM:
            download(address, path)
        measured = [[measure(running, address, path) for path in paths] for _ in range(rounds)]
    return dict(zip(paths, map(list, zip(*measured, strict=True)), strict=True))


@contextmanager
def _directory() -> Iterator[Path]:
    """A directory with the film, which every user may enter; removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="rangeware-offload-"))
    try:
        directory.chmod(0o755)
        (directory / "media").mkdir()
        for name, length in _LENGTHS.items():
            (directory / "media" / name).touch()
            os.truncate(directory / "media" / name, length)
            os.utime(directory / "media" / name, (1_700_000_000, 1_700_000_000))
        yield directory
    finally:
        shutil.rmtree(directory)


def report(name: str, costs: dict[str, list[float]]) -> Iterator[bool]:
    """Print the medians of a front server, and tell of each ratio if it meets the goal."""
    for python in ("sendfile", "blocks"):
        by_python = costs[f"/{python}/1"]
        for length in _LENGTHS:
            handed_over = costs[f"/{name}/{length}"]
            ratio = statistics.median(ours / theirs for ours, theirs in zip(handed_over, by_python, strict=True))
            print(f"{name:8}  {length} GiB  {1000 * statistics.median(handed_over):6.2f} ms/GB   from Python by "
                  f"{python:8} {1000 * statistics.median(by_python):6.1f} ms/GB   ratio {ratio:6.2%}", flush=True)
            yield ratio < GOAL


def main() -> int:
    """Measure, and print; 1 if a goal is not met."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7, metavar="N", help="rounds for each front server (%(default)s)")
    given = parser.parse_args()
    print(f"CPU of gunicorn, medians of {given.rounds} rounds of 4 GiB; goal: below {GOAL:.0%} of that from Python")
    met: list[bool] = []
    with _directory() as directory, launch.serving(
            "gunicorn-sync-2", "benchmarks.offload:app", directory, {_DIRECTORY: str(directory)}) as running:
        for name in front_servers.FRONT_SERVERS:
            met += report(name, costs_of(name, running, directory, given.rounds))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
