"""A thousand random requests a server, checked byte by byte: no descriptor stays open, and memory does not grow."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import hostile_app, launch, report
from tests.matrix.hostile_app import LONG, MIDDLE, SMALL, content
from tests.matrix.launch import SERVERS, Running
from tests.matrix.wire import Address, Connection, Value
from tests.support import Answer, parts

pytestmark = pytest.mark.matrix

WARM_UP = 500
REQUESTS = 1_000
CONNECTIONS = 3
GROWTH = 4 << 20
"""Bytes of memory that a server may gain. A block of 64 KiB kept of each answer would be sixteen times more."""
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
"""Has the C library give back what is freed, so that only what is kept counts."""
NOISE = 1.25
"""How much more than under a bare app a server may gain that does so under a bare app."""
LEAVES_CONNECTIONS = ("eventlet", "hypercorn", "werkzeug")
"""The servers that, under any app, keep something of connections that the client has closed: sockets, or (Werkzeug,
where it is reset) the selector. Of these only files are counted."""
TIMEOUT = 20.0
QUIET = 1.5
"""Seconds without a change in the number of open descriptors."""
LENGTHS = {"/file": MIDDLE, "/generator": MIDDLE, "/list": SMALL}
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


# --- what is asked, and what must come -------------------------------------------------------------------------------

class Quick(Connection):
    """A client that does not make servers wait: neither one that sends head and body in two pieces, nor one that
    closes and waits for the client to do the same."""

    def ask(self, path: str, method: str = "GET", **fields: Value) -> Answer:
        answer = super().ask(path, method, **fields)
        if self._closing:
            self.close()
        return answer

    def send_bytes(self, data: bytes, path: str = "?", method: str = "GET") -> None:
        super().send_bytes(data, path, method)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


class Asked(NamedTuple):
    """The subject of one random request."""

    client: Connection
    address: Address
    random: Random
    path: str
    length: int

    def positions(self) -> tuple[int, int]:
        """First and last position of a random range."""
        first_pos, last_pos = sorted(self.random.randrange(self.length) for _ in range(2))
        return first_pos, last_pos

    def get(self, value: str, **fields: str) -> Answer:
        """The answer to this range."""
        return self.client.ask(self.path, Range=value, **fields)


def _check_single(answer: Answer, first_pos: int, last_pos: int, length: int) -> None:
    assert (answer.status, answer.get("Content-Range")) == (206, f"bytes {first_pos}-{last_pos}/{length}")
    assert answer.body == content(first_pos, last_pos + 1)


def _check_whole(answer: Answer, length: int) -> None:
    assert answer.status == 200
    assert answer.body == content(0, length)


def single(asked: Asked) -> None:
    first_pos, last_pos = asked.positions()
    _check_single(asked.get(f"bytes={first_pos}-{last_pos}"), first_pos, last_pos, asked.length)


def to_the_end(asked: Asked) -> None:
    first_pos, _ = asked.positions()
    _check_single(asked.get(f"bytes={first_pos}-"), first_pos, asked.length - 1, asked.length)


def suffix(asked: Asked) -> None:
    suffix_length = asked.random.randrange(1, asked.length + 1)
    _check_single(asked.get(f"bytes=-{suffix_length}"), asked.length - suffix_length, asked.length - 1, asked.length)


def several(asked: Asked) -> None:
    """Ranges that ascend and do not touch, so that nothing is to be merged or put in order."""
    number = asked.random.randrange(2, 6)
    positions = sorted(asked.random.sample(range(0, asked.length, 2), 2 * number))
    ranges = list(zip(positions[::2], positions[1::2], strict=True))
    answer = asked.get("bytes=" + ",".join(f"{first_pos}-{last_pos}" for first_pos, last_pos in ranges))
    assert answer.status == 206
    got = [(part.first_pos, part.last_pos, part.complete_length, part.content) for part in parts(answer)]
    assert got == [(*spec, asked.length, content(spec[0], spec[1] + 1)) for spec in ranges]


def if_range_holds(asked: Asked) -> None:
    first_pos, last_pos = asked.positions()
    answer = asked.get(f"bytes={first_pos}-{last_pos}", If_Range=asked.random.choice(['"v1"', DATE]))
    _check_single(answer, first_pos, last_pos, asked.length)


def if_range_fails(asked: Asked) -> None:
    validator = asked.random.choice(['"v0"', 'W/"v1"', "Sat, 01 Jan 2000 00:00:00 GMT", "garbage"])
    _check_whole(asked.get("bytes=0-9", If_Range=validator), asked.length)


def ignored(asked: Asked) -> None:
    _check_whole(asked.get(asked.random.choice(["bytes=9-0", "bytes = 0-9", "bytes=a-b", "bytes=0-9,x"])), asked.length)


def unsatisfiable(asked: Asked) -> None:
    answer = asked.get(f"bytes={asked.length + asked.random.randrange(1000)}-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{asked.length}")


def head(asked: Asked) -> None:
    answer = asked.client.ask(asked.path, "HEAD", Range="bytes=0-9")
    assert (answer.status, answer.get("Content-Length")) == (200, str(asked.length))


def whole(asked: Asked) -> None:
    _check_whole(asked.client.ask(asked.path), asked.length)


def hang_up(asked: Asked) -> None:
    """Leaves half-way, and comes back."""
    first_pos = asked.random.randrange(MIDDLE)
    value = asked.random.choice([f"bytes={first_pos}-", f"bytes={first_pos}-{first_pos + 9},{LONG // 2}-{LONG - 9}"])
    with Quick(asked.address) as leaver:
        leaver.send("/long", Range=value)
        assert leaver.head()[0] in (200, 206)
        leaver.read(asked.random.randrange(100_000))
        leaver.hang_up()


def unchecked(asked: Asked) -> None:
    """Anything at all."""
    asked.get("bytes=0-")


Kinds = dict[Callable[[Asked], None], int]
"""How many of a hundred requests are of each kind."""
KINDS: Kinds = {
    single: 25, to_the_end: 8, suffix: 8, several: 25, if_range_holds: 8, if_range_fails: 5, ignored: 4,
    unsatisfiable: 4, head: 5, whole: 4, hang_up: 4,
}
BARE: Kinds = {unchecked: 96, hang_up: 4}
"""For an app that knows nothing of ranges."""


def ask(clients: list[Quick], address: Address, random: Random, kinds: Kinds, number: int) -> None:
    """So many random requests, now on this connection, now on that."""
    for kind in random.choices(list(kinds), list(kinds.values()), k=number):
        path = random.choice(list(LENGTHS))
        kind(Asked(random.choice(clients), address, random, path, LENGTHS[path]))


# --- what it costs ---------------------------------------------------------------------------------------------------

class Held(NamedTuple):
    """The resources of the processes of a server: open descriptors, and bytes of memory."""

    descriptors: int
    memory: int


def held(running: Running) -> Held:
    """Measure the resources of the processes of a server."""
    pids = running.pids()
    pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids]
    links = [link for pid in pids for link in _links(pid)]
    if running.server in LEAVES_CONNECTIONS:
        links = [link for link in links if not link.startswith(("socket:", "anon_inode:"))]
    return Held(len(links), sum(pages) * os.sysconf("SC_PAGE_SIZE"))


def _links(pid: int) -> Iterator[str]:
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            yield os.readlink(path)


def settled(running: Running) -> Held:
    """Wait until the resources have not changed for a while: servers notice late that a client is gone."""
    deadline = time.monotonic() + TIMEOUT
    last, since = held(running), time.monotonic()
    while time.monotonic() - since < QUIET and time.monotonic() < deadline:
        time.sleep(0.05)
        now = held(running)
        if now.descriptors != last.descriptors:
            since = time.monotonic()
        last = now
    return last


def settled_at(running: Running, descriptors: int) -> Held:
    """Wait until there are no more descriptors than these, or until time is up."""
    deadline = time.monotonic() + TIMEOUT
    while held(running).descriptors > descriptors and time.monotonic() < deadline:
        time.sleep(0.05)
    return settled(running)


def spend(running: Running, random: Random, kinds: Kinds, number: int) -> int:
    """So many random requests on a few connections, all of which are closed at the end; how many were opened."""
    with ExitStack() as stack:
        clients = []
        for _ in range(CONNECTIONS):
            clients.append(stack.enter_context(Quick(running.address)))
            clients[-1].ask("/list")  # some servers do nothing else until a connection has sent its first request
        ask(clients, running.address, random, kinds, number)
        return sum(client.opened for client in clients)


class Cost(NamedTuple):
    """The change of the resources of a server by a thousand requests."""

    before: Held
    after: Held
    opened: int

    @property
    def growth(self) -> int:
        """In bytes."""
        return self.after.memory - self.before.memory


def cost(server: str, app: str, kinds: Kinds, directory: Path) -> Cost:
    """Sends a thousand requests to the server, after it has warmed up."""
    random = Random(2024)
    directory.mkdir()
    env = {**ALLOCATOR, hostile_app.DIRECTORY: str(directory)}
    with launch.serving(server, f"tests.matrix.hostile_app:{app}", directory, env) as running:
        spend(running, random, kinds, WARM_UP)
        before = settled(running)
        opened = spend(running, random, kinds, REQUESTS)
        return Cost(before, settled_at(running, before.descriptors), opened)


def _note(name: str, measured: Cost) -> None:
    before, after, opened = measured
    report.note(f"{REQUESTS:,} random requests a server", (
        f"{name:20} {opened:4} connections, {before.descriptors:3} descriptors before, {after.descriptors:3} after, "
        f"{before.memory >> 10:9,} KiB before, {measured.growth >> 10:+8,} KiB"))


@pytest.mark.parametrize("server", SERVERS)
def test_a_thousand_random_requests(server: str, tmp_path: Path) -> None:
    ours = cost(server, "application", KINDS, tmp_path / "ours")
    _note(server, ours)
    assert ours.after.descriptors <= ours.before.descriptors
    if ours.growth < GROWTH:
        return
    bare = cost(server, "bare", BARE, tmp_path / "bare")
    _note("  under a bare app", bare)
    assert ours.growth < GROWTH + NOISE * max(0, bare.growth)
