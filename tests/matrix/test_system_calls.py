"""The system calls of a real server for one request, counted with ``strace``: a guard that needs no clock.

The calls of a request are those of gunicorn's worker from the ``accept`` of its connection to the ``shutdown`` of that;
what a worker does between requests is not among them.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.matrix import counted_app, launch, report
from tests.matrix.launch import Running
from tests.matrix.wire import Connection
from tests.support import Answer, parts

pytestmark = pytest.mark.matrix

KIB, MIB = 1 << 10, 1 << 20
LENGTH = 64 * MIB
TURNS = 3
"""Times that each request is counted, after it has been asked once: the least counts."""

FIRST_POS = 100_003
PARTS = [(FIRST_POS + 9 * KIB * i, FIRST_POS + 9 * KIB * i + 4 * KIB - 1) for i in range(100)]
REQUESTS = {  # the Range field, and the ranges that come
    "plain GET":   (None, [(0, LENGTH - 1)]),
    "HEAD":        (None, []),
    "4 KiB":       (f"bytes={FIRST_POS}-{FIRST_POS + 4 * KIB - 1}", [(FIRST_POS, FIRST_POS + 4 * KIB - 1)]),
    "last 1 KiB":  ("bytes=-1024", [(LENGTH - 1024, LENGTH - 1)]),
    "32 MiB":      (f"bytes={FIRST_POS}-{FIRST_POS + 32 * MIB - 1}", [(FIRST_POS, FIRST_POS + 32 * MIB - 1)]),
    "100 x 4 KiB": ("bytes=" + ",".join(f"{first}-{last}" for first, last in PARTS), PARTS),
}


class Most(NamedTuple):
    """The most that a request may make a worker call.

    :param reads: that read from the file.
    :param sendfiles: of the file. The kernel may send less than it was asked for.
    :param sends: of bytes of ours, the head among them.
    :param added: system calls of any kind, over those of another app.
    :param other: that app: without us, or with the range cut by hand. Nobody cuts a hundred by hand: there it is the
        app that cuts one, and a read a part and the sends are among what is added.
    """

    reads: int
    sendfiles: int
    sends: int
    added: int
    other: str


BOUNDS = {
    "plain GET":   Most(reads=0, sendfiles=4, sends=1, added=3, other="bare"),  # where it stands, and its length
    "HEAD":        Most(reads=0, sendfiles=0, sends=1, added=0, other="bare"),
    "4 KiB":       Most(reads=1, sendfiles=0, sends=2, added=2, other="by_hand"),
    "last 1 KiB":  Most(reads=1, sendfiles=0, sends=2, added=2, other="by_hand"),
    "32 MiB":      Most(reads=0, sendfiles=4, sends=1, added=6, other="by_hand"),
    "100 x 4 KiB": Most(reads=100, sendfiles=0, sends=8, added=108, other="by_hand"),
}

READS = ("read", "readv", "pread64", "preadv", "preadv2", "mmap")
OF_MEMORY = {"brk", "mmap", "munmap", "mremap", "madvise", "futex"}
"""Not counted, but for what is mapped of the file: when an allocator asks for more, or gives some back, depends on what
went before."""
SENDS = ("write", "writev", "send", "sendto", "sendmsg", "sendmmsg")

_CALL = re.compile(r"\d+ +(\w+)\(.*")
_ACCEPTED = re.compile(r"\d+ +accept4?\(.* = (\d+)<.*")


class Calls(NamedTuple):
    """The system calls of one request by their names: all, and those that have to do with the file."""

    all: Counter[str]
    of_file: Counter[str]

    @property
    def reads(self) -> int:
        """That read from the file."""
        return sum(self.of_file[name] for name in READS)

    @property
    def sends(self) -> int:
        """That send bytes out of memory."""
        return sum(self.all[name] for name in SENDS)


# --- the file, and what is asked of it -------------------------------------------------------------------------------

def content(first_pos: int, last_pos: int) -> bytes:
    """These bytes of the file: each 8 of it hold their own number."""
    first = first_pos // 8
    octets = b"".join(number.to_bytes(8, "big") for number in range(first, last_pos // 8 + 1))
    return octets[first_pos - 8 * first:][:last_pos + 1 - first_pos]


def make_file(directory: Path) -> None:
    """The file, all but its beginning and its end of zeros."""
    with open(directory / counted_app.NAME, "wb") as file:
        file.write(content(0, 2 * MIB - 1))
        file.seek(LENGTH - MIB)
        file.write(content(LENGTH - MIB, LENGTH - 1))


def ask(running: Running, name: str) -> None:
    """One request on a connection of its own; of what comes, the positions and the first KiB of each are checked."""
    value, ranges = REQUESTS[name]
    with Connection(running.address) as client:
        answer = client.ask("/file", "HEAD" if name == "HEAD" else "GET", **({"Range": value} if value else {}))
    assert answer.status in (200, 206)
    came = _came(answer)
    assert [(first, first + len(octets) - 1) for first, octets in came] == ranges
    assert all(octets[:KIB] == content(first, first + KIB - 1) for first, octets in came)


def _came(answer: Answer) -> list[tuple[int, bytes]]:
    if (answer.get("Content-Type") or "").startswith("multipart/"):
        return [(part.first_pos, part.content) for part in parts(answer)]
    first = re.match(r"bytes (\d+)", answer.get("Content-Range") or "bytes 0")
    assert first, f"Content-Range: {answer.get('Content-Range')}"
    return [(int(first[1]), answer.body)] if answer.body else []


# --- counting --------------------------------------------------------------------------------------------------------

@contextlib.contextmanager
def strace(pid: int, log: Path) -> Iterator[None]:
    """Has the system calls of this process written down, from when this is entered on.

    :raises AssertionError: where there is no strace, or the kernel does not let it attach.
    """
    assert shutil.which("strace"), "strace is not installed"
    process = subprocess.Popen(["strace", "-f", "-y", "-o", str(log), "-p", str(pid)], stdin=subprocess.DEVNULL,
                               stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert " attached" in said, (
            f"strace cannot attach to a process: {said.strip()}. It needs ptrace: root, CAP_SYS_PTRACE in a container, "
            "or 0 in /proc/sys/kernel/yama/ptrace_scope")
        yield
    finally:
        process.terminate()
        process.communicate()


def worker(running: Running) -> int:
    """The process that answers: the child of gunicorn's first one."""
    pids = running.pids()
    children = [pid for pid in pids if _parent(pid) in pids]
    assert len(children) == 1, f"gunicorn has other processes than one and its worker: {pids}"
    return children[0]


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def by_connection(log: str) -> list[Calls]:
    """The calls of each connection, from its ``accept`` to its ``shutdown``, in their order."""
    found: list[Calls] = []
    descriptor = None
    for line in log.splitlines():
        call, accepted = _CALL.match(line), _ACCEPTED.match(line)
        if accepted:
            descriptor = accepted[1]
            found.append(Calls(Counter(), Counter()))
        if call is None or descriptor is None:
            continue
        found[-1].all[call[1]] += call[1] not in OF_MEMORY
        found[-1].of_file[call[1]] += counted_app.NAME in line
        if call[1] in ("shutdown", "close") and f"({descriptor}<" in line:
            descriptor = None
    return found


@pytest.fixture(scope="module")
def counted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Calls]]:
    """By the name of an app and of a request: the calls."""
    directory = tmp_path_factory.mktemp("system-calls")
    make_file(directory)
    return {
        app: count(app, directory, names)
        for app, names in (("application", list(REQUESTS)), ("bare", ["plain GET", "HEAD"]),
                           ("by_hand", ["4 KiB", "last 1 KiB", "32 MiB"]))
    }


def count(app: str, directory: Path, names: list[str]) -> dict[str, Calls]:
    """The calls of each of these requests to this app, the least of ``TURNS``."""
    env = {counted_app.DIRECTORY: str(directory)}
    asked = [name for name in names for _ in range(1 + TURNS)]
    log = directory / f"{app}.strace"
    server = launch.serving("gunicorn-sync", f"{counted_app.__name__}:{app}", directory, env)
    with server as running, strace(worker(running), log):
        for name in asked:
            ask(running, name)
        with Connection(running.address) as client:  # once this is answered, all before it is written down
            client.ask("/")
    found = by_connection(log.read_text())
    assert len(found) == len(asked) + 1, f"strace saw {len(found)} connections of {len(asked) + 1}"
    turns: dict[str, list[Calls]] = {name: [] for name in names}
    for name, calls in zip(asked, found, strict=False):
        turns[name].append(calls)
    return {name: min(calls, key=lambda each: each.all.total()) for name, calls in turns.items()}


# --- the bounds ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", BOUNDS)
def test_a_request_makes_no_more_system_calls_than_this(name: str, counted: dict[str, dict[str, Calls]]) -> None:
    most, ours = BOUNDS[name], counted["application"][name]
    other = counted[most.other]["4 KiB" if name == "100 x 4 KiB" else name]
    got = Most(ours.reads, ours.of_file["sendfile"], ours.sends, ours.all.total() - other.all.total(), most.other)
    report.note("system calls", f"{name:<12} {ours.all.total():>4}, of {most.other} {other.all.total():>3}: {got}")
    over = [f"{what} {number}, the bound is {bound}"
            for what, number, bound in zip(Most._fields[:-1], got[:-1], most[:-1], strict=True) if number > bound]
    assert not over, (f"too many system calls for {name!r}: {'; '.join(over)}\n"
                      f"with us:      {dict(ours.all)}\nby {most.other}: {dict(other.all)}")
