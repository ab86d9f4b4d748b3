"""What uploads cost: ``python -m benchmarks.uploads``.

Through gunicorn, one PATCH of 1 GB against an app that reads the same content in pieces of 1 MiB straight into a file,
in turn, with and without bringing it to the disk: seconds, CPU seconds of the server, and how much its memory grew.
In this process, small PATCHes, and creation and HEAD with 10,000 open uploads: CPU and wall time of one.
"""

from __future__ import annotations

import argparse
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from rangeware.uploads import FileStorage, UploadApp
from tests.uploads.support import TUS, ask, create, offset_of, patch

_GOALS = "goals: 0.8 of the speed, +8 MiB, 3 ms of CPU for a small PATCH, 5 ms for creation and HEAD"
_BLOCK = bytes(1 << 20)
_SMALL = b"x" * 1000


def straight(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """Read the content straight into a file; with ``?sync`` bring it to the disk."""
    left, read = int(environ["CONTENT_LENGTH"] or 0), environ["wsgi.input"].read
    fd = os.open(os.environ["UPLOADS"] + "/straight", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    while left and (block := read(min(left, 1 << 20))):
        os.write(fd, block)
        left -= len(block)
    if environ["QUERY_STRING"]:
        os.fdatasync(fd)
    os.close(fd)
    start_response("204 No Content", [])
    return []


def ours(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
    """The upload app."""
    return UploadApp(FileStorage(os.environ["UPLOADS"]))(environ, start_response)


class Cost(NamedTuple):
    """The cost of one PATCH: wall seconds, and CPU seconds of the server."""

    seconds: float
    cpu: float


class Server:
    """gunicorn with one worker."""

    def __init__(self, app: str, directory: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [sys.executable, "-m", "gunicorn", "--log-level", "error", "-b", f"127.0.0.1:{self.port}"]
        self._process = subprocess.Popen([*command, f"benchmarks.uploads:{app}"],
                                         env={**os.environ, "UPLOADS": directory})
        self._worker = 0
        for _ in range(200):
            time.sleep(0.05)
            try:
                self.send("PATCH", "/x", {}, 0)
                break
            except OSError:
                continue
        self._worker = self._child()
        self.memory = self._peak()

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()

    def _child(self) -> int:
        out = subprocess.run(["pgrep", "-P", str(self._process.pid)], capture_output=True, text=True, check=True)
        return int(out.stdout.split()[0])

    def _peak(self) -> int:
        match = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self._worker}/status").read_text())
        return int(match[1]) if match else 0

    def growth(self) -> int:
        """KiB that the worker's memory has grown by since it answered its first request."""
        return self._peak() - self.memory

    def cpu(self) -> float:
        fields = Path(f"/proc/{self._worker}/stat").read_text().split()
        return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")

    def send(self, method: str, path: str, fields: dict[str, str], length: int) -> str:
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {length}"]
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            head = "\r\n".join([*lines, *(f"{name}: {value}" for name, value in fields.items()), "", ""])
            client.sendall(head.encode())
            while length:
                length -= client.send(memoryview(_BLOCK)[:min(length, len(_BLOCK))])
            return b"".join(iter(lambda: client.recv(65536), b"")).decode()

    @contextmanager
    def measured(self, costs: list[Cost]) -> Iterator[None]:
        began, cpu = time.perf_counter(), self.cpu()
        yield
        costs.append(Cost(time.perf_counter() - began, self.cpu() - cpu))


def large(length: int, rounds: int) -> None:
    """Print what one large PATCH costs."""
    costs: dict[str, list[Cost]] = {"straight": [], "straight, synced": [], "rangeware": []}
    with tempfile.TemporaryDirectory(dir=".") as directory, ExitStack() as stack:
        straight_server, our_server = (Server(app, directory) for app in ("straight", "ours"))
        stack.callback(straight_server.close)
        stack.callback(our_server.close)
        for _ in range(rounds):
            for name, query in (("straight", ""), ("straight, synced", "?sync")):
                with straight_server.measured(costs[name]):
                    assert " 204 " in straight_server.send("PATCH", f"/{query}", {}, length)
            _upload(our_server, length, costs["rangeware"])
        _print_large(costs, {"straight": straight_server.growth(), "rangeware": our_server.growth()})


def _upload(server: Server, length: int, costs: list[Cost]) -> None:
    made = server.send("POST", "/", {**TUS, "Upload-Length": str(length)}, 0)
    match = re.search(r"Location: (\S+)", made)
    assert match, made
    fields = {**TUS, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    with server.measured(costs):
        assert " 204 " in server.send("PATCH", match[1], fields, length)
    server.send("DELETE", match[1], TUS, 0)


def _print_large(costs: dict[str, list[Cost]], growth: dict[str, int]) -> None:
    for name, each in costs.items():
        seconds, cpu = (statistics.median(figures) for figures in zip(*each, strict=True))
        grown = f"  +{growth[name] / 1024:.1f} MiB" if name in growth else ""
        print(f"{name:18} {seconds:6.2f} s (least {min(each).seconds:.2f})  CPU {cpu:5.2f} s{grown}")
    for name in ("straight", "straight, synced"):
        ratios = [other.seconds / mine.seconds for other, mine in zip(costs[name], costs["rangeware"], strict=True)]
        print(f"speed in terms of {name}: median {statistics.median(ratios):.2f}")


def small(count: int, others: int) -> None:
    """Print what small requests cost."""
    with tempfile.TemporaryDirectory(dir=".") as directory:
        app = UploadApp(FileStorage(directory))
        location = create(app, count * len(_SMALL))
        _report("small PATCH", [partial(patch, app, location, place * len(_SMALL), _SMALL)
                                for place in range(count)])
        for _ in range(others):
            create(app, 1000)
        _report(f"creation, with {others:,} open uploads", [lambda: create(app, 1000)] * count)
        _report(f"HEAD, with {others:,} open uploads", [lambda: offset_of(app, location)] * count)
        _report("OPTIONS", [lambda: ask(app, "OPTIONS", "/")] * count)


def _report(name: str, calls: list[Callable[[], object]]) -> None:
    walls, cpus = [], []
    for call in calls:
        began, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - began)
        cpus.append(time.process_time() - cpu)
    print(f"{name:40} {1000 * statistics.median(walls):6.2f} ms, 99 % within "
          f"{1000 * sorted(walls)[len(walls) * 99 // 100]:6.2f} ms, CPU {1000 * statistics.median(cpus):6.2f} ms")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--length", type=int, default=10**9, help="bytes of the large PATCH")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    print(_GOALS)
    small(300, 10_000)
    large(given.length, given.rounds)


if __name__ == "__main__":
    main()
