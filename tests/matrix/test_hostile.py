"""Hostile clients: nothing is logged, nothing is left open, and the next request is answered."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.matrix.hostile_app import BIG, MIDDLE, SMALL, content
from tests.matrix.hosting import TIMEOUT, Hosted, check, hosting, left
from tests.matrix.launch import RANGE_LIMIT, SERVERS, Running
from tests.matrix.wire import Connection, Silence, Value
from tests.support import Answer

pytestmark = pytest.mark.matrix

UNLIMITED = ("cheroot", "rocket3")
LAST_ONE_WINS = ("cheroot", "rocket3")
"""The servers that give the app the last of several fields of one name, and not all of them joined."""
ONE_AT_A_TIME = ("gunicorn-sync", "wsgiref")
"""The servers that can do nothing while a client does not read."""
STAYS_OPEN = ("uwsgi-http", "uwsgi-http11", "mod_wsgi-embedded", "mod_wsgi-daemon")
"""The servers that keep the connection when an app's iterator raises, so that the next answer is taken for content."""

REFUSAL = {
    "gunicorn-sync": 431, "gunicorn-gthread": 431, "gunicorn-gevent": 431, "waitress": 431, "gevent": 400,
    "bjoern": 400, "wsgiref": 431, "werkzeug": 431, "mod_wsgi-embedded": 400, "mod_wsgi-daemon": 400, "granian": 431,
    "eventlet": 400, "twisted": 400, "a2wsgi": 400, "hypercorn": 431,
}
"""How each server refuses a field over its limit; the others just close."""
REFUSED_LENGTH = {"uwsgi-http": 4_096, "uwsgi-http11": 4_096, "granian": 1_000_000, "a2wsgi": 1_000_000,
                  "hypercorn": 1_000_000}
"""Characters in a Range value that is refused, where it is not one more than the limit."""


@pytest.fixture(scope="module", params=SERVERS)
def hosted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """The servers, one after the other."""
    with hosting(request.param, "application", tmp_path_factory.mktemp(request.param)) as server:
        yield server


def ask(hosted: Hosted, path: str, **fields: Value) -> Answer:
    """One request on a connection of its own."""
    with Connection(hosted.running.address) as client:
        return client.ask(path, **fields)


# --- bad Range fields ------------------------------------------------------------------------------------------------

def _list_of_ranges(length: int) -> str:
    members = "0-0,2-2," * (length // 8)
    return "bytes=" + members[:length - 9].rpartition(",")[0].ljust(length - 9, ",") + "4-4"


LONG = [
    pytest.param(_list_of_ranges, 200, 0, SMALL, id="one huge list of ranges"),
    pytest.param(lambda length: "bytes=5-" + "9" * (length - 8), 206, 5, SMALL, id="a huge last position"),
    pytest.param(lambda length: "bytes=-" + "9" * (length - 7), 206, 0, SMALL, id="a huge suffix"),
    pytest.param(lambda length: "bytes=" + "," * (length - 9) + "0-4", 200, 0, SMALL,
                 id="no reasonable number of empty members (RFC 9110 5.6.1.2)"),
    pytest.param(lambda length: "bytes=" + "0-4;x" * (length // 5 - 2) + "x" * (length % 5 + 4), 200, 0, SMALL,
                 id="garbage"),
]


@pytest.mark.parametrize(("make", "status", "first_pos", "next_pos"), LONG)
def test_the_longest_range_field_that_the_server_lets_through(
        hosted: Hosted, make: Callable[[int], str], status: int, first_pos: int, next_pos: int) -> None:
    value = make(RANGE_LIMIT[hosted.running.server])
    assert len(value) == RANGE_LIMIT[hosted.running.server]
    answer = ask(hosted, "/list", Range=value)
    assert (answer.status, answer.body) == (status, content(first_pos, next_pos))
    check(hosted.running)


def test_a_huge_first_position_is_unsatisfiable(hosted: Hosted) -> None:
    answer = ask(hosted, "/list", Range="bytes=" + "9" * (RANGE_LIMIT[hosted.running.server] - 7) + "-")
    assert (answer.status, answer.get("Content-Range")) == (416, f"bytes */{SMALL}")
    check(hosted.running)


def refused(running: Running) -> int:
    """The status by which a Range field over the server's limit is refused; 0 if the connection is just closed."""
    length = REFUSED_LENGTH.get(running.server, RANGE_LIMIT[running.server] + 1)
    with Connection(running.address) as client:
        client.send("/list", Range="bytes=0-".ljust(length, "9"))
        try:
            return client.head()[0]
        except Silence:
            raise
        except AssertionError:
            return 0


def test_a_longer_range_field_is_refused_by_the_server(hosted: Hosted) -> None:
    server = hosted.running.server
    expected = 206 if server in UNLIMITED else REFUSAL.get(server, 0)
    seen: set[int] = set()
    for _ in range(20):
        seen.add(refused(hosted.running))
        if expected in seen:
            break
    assert seen in ({expected}, {expected, 0})  # a refusal may be lost where the server closes with bytes unread
    check(hosted.running)


GARBAGE = ["", " ", "bytes", "bytes=", "=", "bytes=-", "bytes=--1", "bytes=1-0", "bytes=a-b", "bytes=0-1-2", "bytes=,",
           "bytes 0-1", "bytes=0x0-0x1", "bytes=+0-1", "bytes=0 -1", "bytes=0-1;q=1", "bytes=0-1,a", "bytes = 0-1",
           "bytes=\t", "bytes=0.0-1", "bytes=1e2-", '"bytes=0-1"', "bytes=0-1=", "bytes=-1-", "bytes=0_0-1", "%00",
           "bytes=\xa0-1", "bytes=\xb2-\xb3", "bytes=0-1\xe9"]


def test_garbage_is_ignored(hosted: Hosted) -> None:
    with Connection(hosted.running.address) as client:
        for value in GARBAGE:
            for fields in {"Range": value}, {"Range": "bytes=0-9", "If_Range": value}:
                answer = client.ask("/list", **fields)
                assert (answer.status, answer.body) == (200, content(0, SMALL)), fields


def test_doubled_fields_are_ignored(hosted: Hosted) -> None:
    answer = ask(hosted, "/file", Range=["bytes=0-1", "bytes=5-6"])
    if hosted.running.server in LAST_ONE_WINS:
        assert (answer.status, answer.body) == (206, content(5, 7))
        return
    assert (answer.status, answer.body) == (200, content(0, MIDDLE))


# --- clients that go away --------------------------------------------------------------------------------------------

INTERRUPTED = [
    ("/big", None), ("/big", "bytes=10-"), ("/big", f"bytes=0-99,200-{BIG - 10}"),
    ("/stream", None), ("/stream", "bytes=10-"), ("/stream", f"bytes=0-99,200-{BIG - 10}"),
]


class Leaver(Connection):
    """A client that can leave in every way."""

    def begin(self, path: str, value: str | None) -> None:
        """Asks for this, all of it or a range."""
        self.send(path, **({} if value is None else {"Range": value}))

    def half_close(self) -> None:
        """Says that there will be no more requests (FIN), reads on for a while, and is gone."""
        self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(AssertionError):
            self.read(200_000)
        self.close()


def break_off(running: Running, path: str, value: str | None) -> None:
    """Two clients that leave in the middle of this answer."""
    for leave in (Leaver.hang_up, Leaver.half_close):
        leaver = Leaver(running.address)
        leaver.begin(path, value)
        assert leaver.head()[0] in (200, 206)
        leaver.read(70_000)
        leave(leaver)


@contextlib.contextmanager
def deaf(running: Running) -> Iterator[None]:
    """Clients that ask for much and read nothing of it, and then are gone."""
    with contextlib.ExitStack() as stack:
        for path, value in INTERRUPTED[0], INTERRUPTED[1], INTERRUPTED[4]:
            client = Leaver(running.address)
            stack.callback(client.hang_up)
            client.begin(path, value)
        yield


@pytest.mark.parametrize(("path", "value"), INTERRUPTED)
def test_clients_that_hang_up(hosted: Hosted, path: str, value: str | None) -> None:
    break_off(hosted.running, path, value)
    check(hosted.running)
    assert left(hosted) == {}


def test_clients_that_never_read(hosted: Hosted) -> None:
    with deaf(hosted.running):
        if hosted.running.server not in ONE_AT_A_TIME:
            check(hosted.running)
    check(hosted.running)
    assert left(hosted) == {}


# --- what the server writes about it ---------------------------------------------------------------------------------

_COMPLAINT = re.compile("traceback|error|exception|warn|fail|invalid|errno|abort|denied|timeout|leak|alert|crit", re.I)
_OURS = re.compile(r"[/\\]rangeware[/\\]\w+\.py")
_GONE = re.compile(r"(BrokenPipe|ConnectionReset)Error|Broken pipe|Connection reset by peer")
_PASSING = re.compile(r"'[^']*'|GET /\w*|\w+\(\)|0x[0-9a-f]+|\d+")
"""What differs from one time to the next: names of files, what was asked for, the server's own functions, numbers."""


def complaints(log: str) -> set[str]:
    """The lines that tell of something wrong, without what differs each time; frames of a traceback are left out."""
    lines = [line for line in log.splitlines() if _COMPLAINT.search(line) and not line.startswith(" ")]
    return {_PASSING.sub("", _GONE.sub("gone", line)) for line in lines}


def provoke(running: Running) -> None:
    """All that the tests above do and a server may complain of."""
    refused(running)
    for path, value in INTERRUPTED:
        break_off(running, path, value)
    with deaf(running), Connection(running.address) as other:
        if running.server not in ONE_AT_A_TIME:
            other.ask("/list")


def test_the_log_says_no_more_than_for_a_bare_app(hosted: Hosted, tmp_path: Path) -> None:
    log = hosted.running.log()
    assert not _OURS.search(log), log[-3000:]
    said = complaints(log)
    if not said:
        return
    with hosting(hosted.running.server, "bare", tmp_path) as bare:
        provoke(bare.running)
        deadline = time.monotonic() + TIMEOUT
        while not said <= complaints(bare.running.log()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert said - complaints(bare.running.log()) == set()
