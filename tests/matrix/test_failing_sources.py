"""Sources that fail in mid-body: the connection is closed on every server where raising does that."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.matrix.hostile_app import ENDS_AT, MIDDLE, content
from tests.matrix.hosting import Hosted, check, hosting, left
from tests.matrix.launch import SERVERS
from tests.matrix.test_hostile import STAYS_OPEN
from tests.matrix.wire import Connection

pytestmark = pytest.mark.matrix


@pytest.fixture(scope="module", params=SERVERS)
def hosted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """The servers, one after the other."""
    with hosting(request.param, "application", tmp_path_factory.mktemp(request.param)) as server:
        yield server


FAILING = [
    pytest.param(path, value, id=f"{path[1:]} {name}")
    for path in ("/raises", "/short", "/vanishing")
    for name, value in (("single", "bytes=10-"), ("several", "bytes=0-9,100-"), ("whole", "bytes = 0-9"))
]


@pytest.mark.parametrize(("path", "value"), FAILING)
def test_a_source_that_fails_in_mid_body(hosted: Hosted, path: str, value: str) -> None:
    server = hosted.running.server
    with Connection(hosted.running.address) as client:
        client.send(path, Range=value)
        if server in STAYS_OPEN:
            _stays_open(client, path, value)
        else:
            _closes(client, server, value)
    check(hosted.running)
    assert left(hosted) == {}


def _closes(client: Connection, server: str, value: str) -> None:
    """Fewer bytes come than were promised, and all that come are right."""
    try:
        promised = _promised(client)
    except AssertionError as exc:
        assert server == "granian" and "closed" in str(exc)  # noqa: PT017, PT018 - it may throw away the head as well
        return
    body = client.rest()
    if server == "rocket3":
        body, refusal, _ = body.partition(b"HTTP/1.1 500 Server Error\r\n")
        assert refusal, "this server appends the head of an error to what was sent"
    assert len(body) < promised[0]
    _check_beginning(value, body)


def _stays_open(client: Connection, path: str, value: str) -> None:
    """Fewer bytes come than were promised, and all that come are right; then the next answer is taken for the rest."""
    length, end = _promised(client)
    if path == "/vanishing":  # how much is sent of a file, and what then, depends on who sends it
        _check_beginning(value, client.read(ENDS_AT // 2))
        return
    _check_beginning(value, client.read(length - end - (MIDDLE - ENDS_AT)))
    client.send("/list")
    assert client.read(9) == b"HTTP/1.1 "


def _promised(client: Connection) -> tuple[int, int]:
    """Bytes that the head of an answer promises, and how many of them end a multipart body."""
    fields = {name.lower(): value for name, value in client.head()[1]}
    _, _, boundary = fields["content-type"].partition("boundary=")
    return int(fields["content-length"]), len(f"\r\n--{boundary}--\r\n") if boundary else 0


def _check_beginning(value: str, body: bytes) -> None:
    first_pos = {"bytes=10-": 10, "bytes = 0-9": 0, "bytes=0-9,100-": 100}[value]
    received = body.rpartition(b"\r\n\r\n")[2]  # of several parts the last one
    assert len(received) > ENDS_AT // 4
    assert received == content(first_pos, first_pos + len(received))
