"""ASGI servers under load: 200 slow readers with flat memory, clients that hang up, a few hundred random requests."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPResponse
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import hosting, launch, report
from tests.matrix.asgi_frameworks.hostile import CHUNK, HUGE, MARK, STEP, make_huge
from tests.matrix.hostile_app import DIRECTORY, LONG, content
from tests.matrix.launch import Running
from tests.matrix.test_endurance import ALLOCATOR, KINDS, TIMEOUT, settled, settled_at, spend
from tests.matrix.wire import Address, Connection

pytestmark = pytest.mark.matrix

LEAVES_CONNECTIONS = ("hypercorn-asyncio", "hypercorn-trio")
"""Servers that keep sockets of connections that the client has reset, under any app: there only files are counted."""
SERVERS = ("uvicorn-httptools", "hypercorn-asyncio", "hypercorn-trio", "granian-asgi", "daphne")
NO_BACK_PRESSURE = ("daphne",)
"""Servers whose ``send`` returns at once whatever the client has read, so that all that an app sends is in memory."""
WITH_BACK_PRESSURE = [server for server in SERVERS if server not in NO_BACK_PRESSURE]

READERS = 200
FEW_READERS = 20
RANGE_LENGTH = 8 << 20
"""Bytes that each slow reader asks for: the system's buffers of a connection hold little of it."""
TURNS = 3
TURN = MARK // TURNS

MESSAGE = {"/huge": 128 << 10, "/stream": CHUNK}
"""Bytes of one message: rangeware's blocks of a file, an app's chunks."""
HIGH_WATER = 64 << 10
"""asyncio's transports let an app wait when they hold more than this."""


class Kept(NamedTuple):
    """The part of an unread response that a server keeps: whole messages, and bytes."""

    messages: int
    length: int


KEPT = {
    "uvicorn-httptools": Kept(1, HIGH_WATER),  # with the message that takes it over the mark
    "hypercorn-asyncio": Kept(1, HIGH_WATER),
    "hypercorn-trio": Kept(0, 0),  # it sends a message and waits until all of it is taken
    "granian-asgi": Kept(6, 417_792),  # Hyper's buffer and one more, a queue of four, and its copy of what waits
}
OVERHEAD = {"hypercorn-trio": 96 << 10, "granian-asgi": 96 << 10}
"""Bytes for the connection, the tasks and the frames of one request, where they are not 64 KiB."""


def bound(server: str, path: str) -> int:
    """Bytes that all the slow readers may cost: what the server keeps, and one message in our hands.

    Buffers that grow and allocators take up to an eighth more than they are asked for.
    """
    messages, length = KEPT[server]
    return READERS * (((1 + messages) * MESSAGE[path] + length) * 9 // 8 + OVERHEAD.get(server, 64 << 10))


# --- servers, and what they hold -------------------------------------------------------------------------------------

@contextmanager
def hostile(server: str, directory: Path, app: str = "application") -> Iterator[Running]:
    """The server at work on the hostile app."""
    files = directory / "files"
    files.mkdir()
    make_huge(files)
    env = {**ALLOCATOR, DIRECTORY: str(files)}
    with launch.serving(server, f"tests.matrix.asgi_frameworks.hostile:{app}", directory, env) as running:
        yield running


def _status(running: Running, name: str) -> int:
    """The sum of a figure of all the server's processes, in bytes."""
    lines = [line.split() for pid in running.pids() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
    return sum(int(words[1]) for words in lines if words[0] == f"{name}:") << 10


def _worked(running: Running) -> int:
    """The processor time of the server's processes so far, in ticks."""
    stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in running.pids()]
    return sum(int(fields[11]) + int(fields[12]) for fields in stats)


def _wait_until_idle(running: Running) -> None:
    """Waits until the server has nothing left to do."""
    deadline = time.monotonic() + TIMEOUT
    since, worked = time.monotonic(), _worked(running)
    while time.monotonic() - since < 0.5 and time.monotonic() < deadline:
        time.sleep(0.05)
        if worked != (worked := _worked(running)):
            since = time.monotonic()


def _read(running: Running) -> int:
    """Count the bytes that the server's processes have read so far, of files and of sockets."""
    texts = [Path(f"/proc/{pid}/io").read_text() for pid in running.pids()]
    return sum(int(text.partition("rchar: ")[2].split()[0]) for text in texts)


def _nothing_is_left(running: Running) -> bool:
    """True if everything is closed, now or a little later."""
    deadline = time.monotonic() + TIMEOUT
    while (said := hosting.state(running))["descriptors"] or said["open"]:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def _answers(running: Running) -> None:
    """A new client gets the right bytes."""
    with Connection(running.address) as client:
        answer = client.ask("/file", Range="bytes=70000-70009")
        assert (answer.status, answer.body) == (206, content(70_000, 70_010))


# --- slow readers ----------------------------------------------------------------------------------------------------

class Reader:
    """A client that reads little at a time, and lets the system buffer little for it."""

    def __init__(self, address: Address) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 1460)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2 * TURN)
        self._socket.settimeout(TIMEOUT)
        self._socket.connect(address)

    def send(self, path: str, first_pos: int, last_pos: int) -> None:
        """Asks for this range."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n"
                             f"Range: bytes={first_pos}-{last_pos}\r\n\r\n".encode())

    def head(self) -> int:
        """The status of the answer."""
        self._response = HTTPResponse(self._socket)
        self._response.begin()
        return self._response.status

    def read(self, length: int) -> bytes:
        """So many bytes of the answer."""
        return self._response.read(length)

    def hang_up(self) -> None:
        """Leaves without farewell."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if hasattr(self, "_response"):
            self._response.close()
        self._socket.close()


@contextmanager
def _readers(address: Address, path: str, number: int) -> Iterator[list[Reader]]:
    """So many clients, each of which has had one small answer: the server's threads are there."""
    with ExitStack() as stack:
        readers = [Reader(address) for _ in range(number)]
        for reader in readers:
            stack.callback(reader.hang_up)
            reader.send(path, 5, 9)
        for reader in readers:
            assert (reader.head(), reader.read(5)) in ((206, content(5, 10)), (200, content(0, 5)))
        yield readers


def _first_pos(path: str, number: int) -> int:
    """The first position for this reader. A stream is not skipped for long."""
    return number * (STEP if path == "/huge" else 4_096)


def _begin(readers: list[Reader], path: str) -> None:
    """Each asks for a large range at another position, and reads a little of it, turn by turn."""
    firsts = [min(_first_pos(path, number), HUGE - STEP) for number, _ in enumerate(readers)]
    for reader, first_pos in zip(readers, firsts, strict=True):
        reader.send(path, first_pos, min(first_pos + RANGE_LENGTH, HUGE) - 1)
    for reader in readers:
        assert reader.head() == 206
    for turn in range(TURNS):
        for reader, first_pos in zip(readers, firsts, strict=True):
            pos = first_pos + turn * TURN
            assert reader.read(TURN) == content(pos, pos + TURN)


def _note(name: str, number: int, growth: int, allowed: int = 0) -> None:
    allowance = f", at most {allowed >> 10:,} KiB allowed" if allowed else ""
    report.note("slow readers", f"{name:28} {number} readers: {growth >> 10:+,} KiB{allowance}")


@pytest.mark.parametrize("path", ["/huge", "/stream"])
@pytest.mark.parametrize("server", WITH_BACK_PRESSURE)
def test_slow_readers_cost_no_more_than_a_block_each(server: str, path: str, tmp_path: Path) -> None:
    with hostile(server, tmp_path) as running:
        with _readers(running.address, path, READERS) as readers:
            _wait_until_idle(running)
            before = _status(running, "VmRSS")
            _begin(readers, path)
            _wait_until_idle(running)
            growth = _status(running, "VmHWM") - before
            _note(f"{server} {path}", READERS, growth, bound(server, path))
            said = hosting.state(running)
            assert said["descriptors" if path == "/huge" else "open"] == READERS
        assert growth < bound(server, path)
        assert _nothing_is_left(running), hosting.state(running)
        _answers(running)
        assert "Traceback" not in running.log(), running.log()[-3000:]


@pytest.mark.parametrize("server", NO_BACK_PRESSURE)
def test_a_server_without_back_pressure_keeps_all_that_an_app_sends(server: str, tmp_path: Path) -> None:
    """Without rangeware, so that it is the server's own way. Turns red when that changes: then it belongs above."""
    with hostile(server, tmp_path, "bare") as running, _readers(running.address, "/file", FEW_READERS) as readers:
        _wait_until_idle(running)
        before = _status(running, "VmRSS")
        for reader in readers:
            reader.send("/long", 0, LONG - 1)
        _wait_until_idle(running)
        growth = _status(running, "VmHWM") - before
    _note(f"{server} without rangeware", FEW_READERS, growth)
    assert growth > FEW_READERS * LONG // 2


# --- clients that hang up --------------------------------------------------------------------------------------------

LAST = {"/huge": HUGE - 10, "/starlette": HUGE - 10, "/stream": (64 << 20) - 10}
INTERRUPTED = [(path, value) for path, last_pos in LAST.items()
               for value in (f"bytes=10-{last_pos}", f"bytes=0-99,200-{last_pos}")]
DEAF = ("/stream",)
"""An app that does not listen hears nothing of the end, since a server's ``send`` then just does nothing: it goes on
to its own end, with or without rangeware."""
SOON = HUGE // 2
"""Bytes of a representation that may be read in vain: by far not all, though a server takes its time to notice."""


def _used(running: Running) -> int:
    """Count the bytes read so far of files and pulled from streams."""
    return _read(running) + hosting.state(running)["pulled"]


@pytest.mark.parametrize("server", SERVERS)
def test_what_nobody_waits_for_is_not_read(server: str, tmp_path: Path) -> None:
    leave: Callable[[Connection], None]
    with hostile(server, tmp_path) as running:
        for path, value in INTERRUPTED:
            for leave in (Connection.hang_up, Connection.close):
                before = _used(running)
                leaver = Connection(running.address)
                leaver.send(path, Range=value)
                assert leaver.head()[0] == 206
                leaver.read(70_000)
                leave(leaver)
                assert _nothing_is_left(running), (path, value, hosting.state(running))
                assert path in DEAF or _used(running) - before < SOON, (path, value)
        _answers(running)
        assert "Traceback" not in running.log(), running.log()[-3000:]


# --- random requests -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("server", SERVERS)
def test_a_few_hundred_random_requests(server: str, tmp_path: Path) -> None:
    random = Random(2025)
    with hostile(server, tmp_path) as running:
        spend(running, random, KINDS, 60)
        before = settled(running)
        spend(running, random, KINDS, 300)
        if server not in LEAVES_CONNECTIONS:
            assert settled_at(running, before.descriptors).descriptors <= before.descriptors
        assert _nothing_is_left(running), hosting.state(running)
        assert "Traceback" not in running.log(), running.log()[-3000:]
