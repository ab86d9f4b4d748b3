"""Count the instructions of one request for 4 KiB: ``python -m benchmarks.instructions [REGEX]``.

On a server, code runs cold, and costs two to three times as much as in a loop: what counts is the number of
instructions. valgrind (callgrind) counts them, whatever else the machine does. Each app runs in processes of its own
for N and for 3 N requests; the difference divided by 2 N is one request, without start and warm-up. That is done in
process, with an environ like that of gunicorn and its ``wsgi.file_wrapper``, and on real servers, where the server's
own work is in it too. Work in the kernel is not counted. Needs valgrind and the servers; in process only gunicorn.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.environs import Environ, environ_of
from benchmarks.serving import Running, serving
from benchmarks.targets import TARGETS, Command

APPS = {
    "floor-open": "floor:open_gunicorn", "floor-open-dated": "floor:open_dated_gunicorn",
    "minimum": "minimum:app", "minimum-dated": "minimum:dated",
    "rangeware": "plain:with_rangeware", "rangeware-dated": "plain:dated_with_rangeware",
}
"""Module and attribute of the apps in process. On servers they are the targets ``APP-SERVER``."""
IN_PROCESS = "in process"
PLACES = (IN_PROCESS, "gunicorn", "uwsgi")
"""Where the apps run: gunicorn with the sync worker, and uWSGI with one process."""

_REQUESTS = 200
_LENGTH = 4 << 10
_PATH = "/1m"
_PATIENCE = 60.0
"""Seconds that a server under valgrind may take to stop."""
_IDLE = 0.02
"""CPU seconds in half a second: an idle server uses less."""
_COUNTED = re.compile(r"Collected : (\d+)")
_EXTRA = {
    "gunicorn": ["--graceful-timeout", "60"],  # under valgrind a worker takes seconds to stop
    "uwsgi": ["--threads", "1"],
}

Counts = dict[str, dict[str, float]]
"""Instructions per request, by place and app."""


def is_possible() -> bool:
    """Tell if valgrind is there."""
    return shutil.which("valgrind") is not None


def measure(pattern: str = "", count: int = _REQUESTS) -> dict[str, Counts]:
    """Count in all places. Return the section ``instructions`` of the results.

    :param pattern: regular expression; only ``APP-PLACE`` that match are run.
    :param count: a number of requests, of which as many and three times as many are run.
    """
    data.make([_PATH])
    counts: Counts = {}
    for place in PLACES:
        for app in APPS:
            if re.search(pattern, f"{app}-{place}"):
                print(f"instructions: {app}, {place}", file=sys.stderr, flush=True)
                counts.setdefault(place, {})[app] = _per_request(app, place, count)
    return {"instructions": counts}


def _per_request(app: str, place: str, count: int) -> float:
    fewer, more = (_in_process(app, number) if place == IN_PROCESS else _on_server(app, place, number)
                   for number in (count, 3 * count))
    return (more - fewer) / (2 * count)


def _fields(count: int) -> Iterator[tuple[int, str]]:
    """Yield random positions, always the same, and the Range header for each."""
    chances = random.Random(1)
    for _ in range(count):
        first_pos = chances.randrange(data.LENGTHS[_PATH] - _LENGTH)
        yield first_pos, f"bytes={first_pos}-{first_pos + _LENGTH - 1}"


def _check(first_pos: int, status: str, content: bytes) -> None:
    if not status.startswith("206") or content != data.content(first_pos, first_pos + _LENGTH - 1):
        raise RuntimeError(f"{status}, {len(content)} bytes, for {_LENGTH} bytes from {first_pos}")


# --- in process ---

def _in_process(app: str, count: int) -> int:
    """Count the instructions of a process with so many requests."""
    with tempfile.TemporaryDirectory(prefix="rangeware-benchmark-") as directory:
        command = [sys.executable, "-m", "benchmarks.instructions", "--serve", app, "--requests", str(count)]
        environ = {**os.environ, "RANGEWARE_BENCH_DATA": str(data.DATA)}
        subprocess.run(_under_valgrind(command, Path(directory)), cwd=data.ROOT, env=environ, check=True)
        return _counted(Path(directory))


def _serve(app: Callable[[Environ, Any], Iterable[bytes]], count: int) -> None:
    """Make requests as a server does, and check the first response."""
    heads: list[str] = []

    def start_response(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> None:
        heads.append(status)
    usual = environ_of() | {"PATH_INFO": _PATH}
    for first_pos, field in _fields(count):
        body: Any = app({**usual, "HTTP_RANGE": field}, start_response)
        blocks = list(body)
        if hasattr(body, "close"):
            body.close()
        if len(heads) == 1:
            _check(first_pos, heads[0], b"".join(blocks))


# --- on servers ---

def _on_server(app: str, server: str, count: int) -> int:
    """Count the instructions of all processes of a server with so many requests."""
    target = next(target for target in TARGETS if target.name == f"{app}-{server}")
    with tempfile.TemporaryDirectory(prefix="rangeware-benchmark-") as directory:
        def start(port: int, own: Path) -> Command:
            *command, module = target.start(port, own)
            return _under_valgrind([*command, *_EXTRA[server], module], Path(directory))
        with serving(target._replace(start=start)) as running:
            _ask(running, count)
            _stop(running)
        return _counted(Path(directory))


def _ask(running: Running, count: int) -> None:
    """Request one after the other, over one connection if the server keeps it open, and check all responses."""
    with contextlib.closing(http.client.HTTPConnection(*running.address, timeout=_PATIENCE)) as connection:
        for first_pos, field in _fields(count):
            connection.request("GET", _PATH, headers={"Range": field})
            answer = connection.getresponse()
            _check(first_pos, str(answer.status), answer.read())


def _stop(running: Running) -> None:
    """Stop the server in a way that lets valgrind report, and wait for its last process.

    First wait until it is idle: uWSGI leaves out a large part of its exit if it is interrupted while busy.
    """
    before = 0.0
    while (cpu := running.cpu_seconds()) - before > _IDLE:
        before = cpu
        time.sleep(0.5)
    running.interrupt()
    deadline = time.monotonic() + _PATIENCE
    while running.pids():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{running.target.name} does not stop\n{running.log()}")
        time.sleep(0.05)


# --- valgrind ---

def _under_valgrind(command: Command, directory: Path) -> Command:
    """Return the command that counts, with the same hashes of strings in each process."""
    return ["env", "PYTHONHASHSEED=0", "valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null",
            f"--log-file={directory}/%p", *command]


def _counted(directory: Path) -> int:
    """Add up what valgrind has reported of each process."""
    found = [_COUNTED.search(log.read_text()) for log in directory.iterdir()]
    if not all(found) or not found:
        raise RuntimeError(f"{found.count(None)} of {len(found)} processes ended without a count")
    return sum(int(match[1]) for match in found if match)


def table(counts: Counts) -> Iterator[str]:
    """Yield the lines of a table in plain text."""
    for place, by_app in counts.items():
        yield f"\n{place:24} instructions  over floor-open"
        for app, count in by_app.items():
            over = over_floor(by_app, app)
            yield f"  {app:22} {count:12,.0f}" + ("" if over is None else f"  {over:15,.0f}")


def over_floor(by_app: dict[str, float], app: str) -> float | None:
    """Return the instructions beyond those of the hand-written app with the same validators; None if unknown."""
    floor = by_app.get("floor-open-dated" if app.endswith("-dated") else "floor-open")
    return None if floor is None or app not in by_app else by_app[app] - floor


def main() -> int:
    """Count, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="", metavar="REGEX",
                        help='of APP-PLACE, such as "rangeware-uwsgi"; "in process" needs no server')
    parser.add_argument("--requests", type=int, default=_REQUESTS, metavar="N", help="number of requests (%(default)s)")
    parser.add_argument("--serve", choices=APPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        module, _, name = APPS[arguments.serve].partition(":")
        _serve(getattr(import_module(f"benchmarks.apps.{module}"), name), arguments.requests)
        return 0
    print("\n".join(table(measure(arguments.pattern, arguments.requests)["instructions"])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
