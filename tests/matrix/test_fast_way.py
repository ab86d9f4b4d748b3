"""The list of servers that may send a file by themselves: for each entry, what happens with it and without it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.matrix.checks import STAYS_OPEN
from tests.matrix.handing_app import FIRST_POS, HUGE, LENGTH, SIZE, content
from tests.matrix.launch import Running, serving
from tests.matrix.wire import Connection

pytestmark = pytest.mark.matrix

ZERO_COPY = ("gunicorn-sync", "gunicorn-gthread")
APACHE = ("mod_wsgi-embedded", "mod_wsgi-daemon")
HONEST = (*ZERO_COPY, "gunicorn-gevent", "waitress", *APACHE)
TO_THE_END = ("bjoern", "wsgiref", "rocket3")
UWSGI = ("uwsgi-http", "uwsgi-http11")
RANGE = f"bytes={FIRST_POS}-{FIRST_POS + LENGTH - 1}"
PART = content(FIRST_POS, FIRST_POS + LENGTH)
PAGE_SIZE = 4096
BLOCK = 65536
FEWER = 22  # calls; some more or less are made by what else goes on in a server
SILENCE = 1.0
TIMEOUT = 20.0


@contextlib.contextmanager
def handing(server: str, directory: Path, app: str = "application", **environ: str) -> Iterator[Running]:
    """A server that serves the app."""
    environ["RANGEWARE_MATRIX_DIR"] = str(directory)
    with serving(server, f"tests.matrix.handing_app:{app}", directory, environ) as running:
        yield running


def on_the_wire(running: Running, path: str, value: str = "", surplus: bool = False) -> bytes:
    """All that comes after the head of one answer, up to the close; until nothing comes, from who does not close and
    where more than was promised is to come."""
    field = "Connection: close\r\n" + (f"Range: {value}\r\n" if value else "")
    with socket.create_connection(running.address, TIMEOUT) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n".encode())
        answer = client.recv(1 << 16)
        open_end = surplus or running.server in STAYS_OPEN
        client.settimeout(SILENCE if open_end else TIMEOUT)
        with contextlib.suppress(*(TimeoutError, ConnectionError) if open_end else ()):
            while block := client.recv(1 << 18):
                answer += block
    return answer.partition(b"\r\n\r\n")[2]


class Counts:
    """Counts of a server's processes since: system calls and bytes read (files, sockets and ``sendfile``)."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._before = self._now()

    def _now(self) -> dict[str, int]:
        total = {"syscr": 0, "rchar": 0}
        for pid in self._running.pids():
            lines = Path(f"/proc/{pid}/io").read_text().splitlines()
            figures = dict(line.split(": ") for line in lines)
            total = {name: number + int(figures[name]) for name, number in total.items()}
        return total

    @property
    def calls(self) -> int:
        """System calls that read."""
        return self._now()["syscr"] - self._before["syscr"]

    @property
    def octets(self) -> int:
        """Bytes read."""
        return self._now()["rchar"] - self._before["rchar"]


def calls_for_a_range(running: Running) -> int:
    """Count the reads of the server for one range of 44 blocks, the least of five times: it may do other things, too.
    The first response is not counted."""
    value = f"bytes={PAGE_SIZE}-{PAGE_SIZE + 44 * BLOCK - 1}"
    with Connection(running.address) as client:
        client.ask("/whole", Range=value)
        return min(_calls(running, client, value) for _ in range(5))


def _calls(running: Running, client: Connection, value: str) -> int:
    counts = Counts(running)
    answer = client.ask("/whole", Range=value)
    assert (answer.status, answer.body == content(PAGE_SIZE, PAGE_SIZE + 44 * BLOCK)) == (206, True)
    return counts.calls


# --- what servers make of a file at a position ---

@pytest.mark.parametrize("server", HONEST)
def test_who_honours_position_and_length(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path, "bare") as running:
        assert on_the_wire(running, "/part") == PART


@pytest.mark.parametrize("server", TO_THE_END)
def test_who_sends_to_the_end_of_the_file(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path, "bare") as running:
        assert on_the_wire(running, "/part", surplus=True) == content(FIRST_POS, SIZE)


@pytest.mark.parametrize("server", UWSGI)
def test_who_sends_all_of_the_file(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path, "bare") as running:
        assert on_the_wire(running, "/part", surplus=True) == content(0, SIZE)


@pytest.mark.parametrize("server", ZERO_COPY)
def test_who_sends_from_where_the_descriptor_stands(server: str, tmp_path: Path) -> None:
    """A seek within what is buffered does not move it: the right length, and wrong bytes."""
    with handing(server, tmp_path, "bare") as running:
        assert on_the_wire(running, "/sniffed") != content(0, SIZE)
        assert on_the_wire(running, "/whole") == content(0, SIZE)


# --- with us ---

@pytest.mark.parametrize("server", [*HONEST, *TO_THE_END, *UWSGI])
def test_behind_us_all_are_right(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path) as running:
        for path in ("/whole", "/sniffed", "/tagged", "/tagged-sniffed"):
            check(running, path)


def check(running: Running, path: str) -> None:
    """A range, a refused one, an open one, and none, twice: these are the server's own wrapper's, but for bjoern's."""
    assert on_the_wire(running, path, RANGE) == PART
    assert on_the_wire(running, path, "bytes=9-2") == content(0, SIZE)
    assert on_the_wire(running, path, f"bytes={FIRST_POS}-") == content(FIRST_POS, SIZE)
    assert on_the_wire(running, path) == content(0, SIZE)
    assert on_the_wire(running, path) == content(0, SIZE)


# --- without the entries ---

@pytest.mark.parametrize("server", ZERO_COPY)
def test_gunicorn_sends_a_range_with_next_to_no_calls(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path) as running:
        trusted = calls_for_a_range(running)
    with handing(server, tmp_path, RANGEWARE_TRUST="nobody") as running:
        assert calls_for_a_range(running) >= trusted + FEWER


def test_gevent_would_read_smaller_blocks_than_we_do(tmp_path: Path) -> None:
    with handing("gunicorn-gevent", tmp_path) as running:
        ours = calls_for_a_range(running)
    with handing("gunicorn-gevent", tmp_path, RANGEWARE_TRUST="everybody") as running:
        assert calls_for_a_range(running) >= 4 * ours


@pytest.mark.parametrize("server", APACHE)
def test_apache_maps_a_range_into_memory(server: str, tmp_path: Path) -> None:
    """If it begins on a page; otherwise Apache reads it itself, 8 KiB at a time, at much the cost of our blocks."""
    with handing(server, tmp_path) as running:
        trusted = calls_for_a_range(running)
    with handing(server, tmp_path, RANGEWARE_TRUST="nobody") as running:
        assert calls_for_a_range(running) >= trusted + FEWER


@pytest.mark.parametrize("trust", ["", "nobody"])
def test_waitress_keeps_no_thread_for_a_client_that_does_not_read(trust: str, tmp_path: Path) -> None:
    """Its event loop sends the file. Were it ours to send, as many slow clients as threads would stop the server."""
    with handing("waitress", tmp_path, RANGEWARE_TRUST=trust) as running, contextlib.ExitStack() as stack:
        for _ in range(8):
            idle = stack.enter_context(Connection(running.address))
            idle.send("/huge", Range="bytes=1-")
            assert idle.head()[0] == 206
        client = stack.enter_context(Connection(running.address, timeout=SILENCE if trust else TIMEOUT))
        if trust:
            with pytest.raises(AssertionError, match="no answer"):
                client.ask("/whole", Range="bytes=0-9")
        else:
            assert client.ask("/whole", Range="bytes=0-9").body == content(0, 10)


@pytest.mark.parametrize("server", UWSGI)
def test_uwsgi_would_send_the_whole_file(server: str, tmp_path: Path) -> None:
    with handing(server, tmp_path, RANGEWARE_TRUST="everybody") as running:
        assert on_the_wire(running, "/whole", RANGE, surplus=True) == content(0, SIZE)


def test_bjoern_would_send_to_the_end_of_the_file(tmp_path: Path) -> None:
    with handing("bjoern", tmp_path, RANGEWARE_TRUST="everybody") as running:
        assert on_the_wire(running, "/whole", RANGE, surplus=True) == content(FIRST_POS, SIZE)


def test_apache_would_slice_what_was_refused(tmp_path: Path) -> None:
    """More members than ``max_ranges``, and fewer than Apache's own MaxRanges, which is 200."""
    refused = "bytes=" + ",".join(f"{number}-{number}" for number in range(0, 44, 4))
    with handing("mod_wsgi-embedded", tmp_path, "ten_ranges") as running, Connection(running.address) as client:
        answer = client.ask("/whole", Range=refused)
        assert (answer.status, answer.body == content(0, SIZE)) == (200, True)
    with handing("mod_wsgi-embedded", tmp_path, "ten_ranges", RANGEWARE_TRUST="everybody") as running, \
            Connection(running.address) as client:
        assert client.ask("/whole", Range=refused).status == 206


# --- where sendfile is switched off ---

@pytest.mark.parametrize("server", ZERO_COPY)
def test_without_sendfile_no_more_is_read_than_the_range(server: str, tmp_path: Path) -> None:
    """gunicorn then reads on to the end of the file, and throws away what is beyond Content-Length."""
    octets = {}
    for app, path in (("application", "/huge"), ("bare", "/huge-part")):
        with handing(server, tmp_path, app, GUNICORN_CMD_ARGS="--no-sendfile") as running:
            counts = Counts(running)
            assert on_the_wire(running, path, RANGE) == PART
            octets[app] = counts.octets
    assert octets["application"] < LENGTH + (1 << 20)
    assert octets["bare"] > HUGE // 2
