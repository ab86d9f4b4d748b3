"""What each server lets through of an upload: cut, chunked, refused, taken over, trickling, ended."""

import contextlib
import hashlib
import socket
import time
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import report, upload_apps
from tests.matrix.uploading import (
    OCTETS,
    PARTIAL,
    TUS,
    append,
    appending,
    ask,
    chunked,
    create,
    offset_of,
    opened,
    read,
    reset,
    serving,
)

pytestmark = pytest.mark.matrix

LENGTH = 3_000_000
LONG = 30_000_000
"""Bytes of content that no socket buffers: the answer comes while the client still sends."""
CONTENT = Random(1).randbytes(LENGTH)
CUTS = (1, 70_000, 1_500_000)
TAKEOVER = 5.0
"""Seconds in which a request gets past another one whose connection hangs."""
PIECE = 1 << 20
"""Bytes that an app reads at once, at most."""
SMALL = 32 << 10
"""The largest piece for servers that lose the one that they are reading."""
BUFFER = 1 << 19
"""Bytes that uvicorn may have received without handing them over: it drops them when the connection ends."""
ALL = LENGTH


class Facts(NamedTuple):
    """What a server does.

    :param fin: bytes that are lost at most when a client closes its connection in mid-content.
    :param rst: the same when it resets it.
    :param chunked: the status of chunked content.
    :param asks: whether "100 Continue" is sent only when the app reads: a refusal spares the client the content.
    :param hangs: whether a client that sends on and does not read the refusal may be neither read from nor closed.
    :param loses: whether a refusal may never reach a client that sends on.
    """

    fin: int = 0
    rst: int = PIECE
    chunked: int = 204
    asks: bool = False
    hangs: bool = False
    loses: bool = False


SERVERS = {
    "gunicorn-sync-2": Facts(rst=0),
    "gunicorn-gthread-2": Facts(rst=0),
    "uwsgi-http": Facts(fin=SMALL, rst=SMALL, chunked=411, asks=True, loses=True),
    "uwsgi-http11": Facts(fin=SMALL, rst=SMALL, chunked=411, asks=True),
    "waitress": Facts(fin=ALL, rst=ALL),
    "cheroot": Facts(),
    "mod_wsgi-embedded": Facts(fin=SMALL, rst=SMALL, chunked=411, asks=True),
    "mod_wsgi-daemon": Facts(fin=SMALL, rst=SMALL, chunked=411),
    "granian": Facts(rst=0, chunked=411, asks=True),
    "uvicorn-h11": Facts(fin=BUFFER, rst=BUFFER, asks=True),
    "uvicorn-httptools": Facts(fin=BUFFER, rst=BUFFER, asks=True),
    "hypercorn-asyncio": Facts(rst=0, hangs=True),
    "granian-asgi": Facts(rst=0, asks=True),
}


@pytest.fixture(scope="module", params=SERVERS)
def running(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def address(running):
    return running.address


@pytest.fixture
def facts(running):
    return SERVERS[running.server]


def started(address, path, sent, **framing):
    """A PATCH of which so many bytes of content have been sent."""
    fields = framing or {"Content-Length": str(LENGTH)}
    client = opened(address, "PATCH", path, {**appending(0), **{k.replace("_", "-"): v for k, v in fields.items()}})
    client.sendall(sent)
    return client


def kept(address, path, least):
    """The offset once it has come to rest; at least so much is waited for."""
    deadline = time.monotonic() + 5
    while (offset := offset_of(address, path)) < least and time.monotonic() < deadline:
        time.sleep(0.05)
    while (later := settled_a_little(address, path)) != offset:
        offset = later
    return offset


def settled_a_little(address, path):
    time.sleep(0.3)
    return offset_of(address, path)


def complete(address, path, offset):
    """Send the rest: the file is right."""
    assert append(address, path, offset, CONTENT[offset:]).status == 204
    whole = ask(address, "GET", path, {})
    assert hashlib.sha256(whole.content).digest() == hashlib.sha256(CONTENT).digest()


def test_one_patch_and_ranges_of_the_file(address):
    path = create(address, LENGTH)
    complete(address, path, 0)
    part = ask(address, "GET", path, {"Range": "bytes=1000000-1000099"})
    assert (part.status, part.content) == (206, CONTENT[1_000_000:1_000_100])
    last = ask(address, "GET", path, {"Range": "bytes=-10"})
    assert (last.status, last.fields["content-range"]) == (206, f"bytes {LENGTH - 10}-{LENGTH - 1}/{LENGTH}")


@pytest.mark.parametrize("sent", CUTS)
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_what_is_kept_of_a_cut_patch(how, sent, address, facts, running):
    path = create(address, LENGTH)
    client = started(address, path, CONTENT[:sent])
    if how == "rst":
        time.sleep(0.3)
        reset(client)
    else:
        client.close()
    lost = min(sent, facts.fin if how == "fin" else facts.rst)
    offset = kept(address, path, sent - lost)
    report.note("bytes lost of a cut PATCH", f"{running.server:20} {how} at {sent:>9,}: {sent - offset:>9,}")
    assert sent - lost <= offset <= sent
    complete(address, path, offset)


def test_chunked_content(address, facts):
    path = create(address, LENGTH)
    with started(address, path, b"", Transfer_Encoding="chunked") as client:
        with contextlib.suppress(OSError):
            client.sendall(chunked(CONTENT) + b"0\r\n\r\n")
        assert read(client).status == facts.chunked
    complete(address, path, LENGTH if facts.chunked == 204 else 0)


@pytest.mark.parametrize("how", ["between two chunks", "in a chunk", "by a reset", "with a length"])
def test_cut_content_never_completes_an_upload(how, address):
    path = ask(address, "POST", upload_apps.PATH, {"Upload-Complete": "?0"}).fields["location"]
    framing = {"Content-Length": str(LENGTH)} if how == "with a length" else {"Transfer-Encoding": "chunked"}
    fields = {"Content-Type": PARTIAL, "Upload-Offset": "0", "Upload-Complete": "?1", **framing}
    client = opened(address, "PATCH", path, fields)
    content = CONTENT[:70_000] if how == "with a length" else chunked(CONTENT[:70_000])
    client.sendall(content[:-60] if how == "in a chunk" else content)
    if how == "by a reset":
        time.sleep(0.3)
        reset(client)
    else:
        client.close()
    time.sleep(0.5)
    head = ask(address, "HEAD", path, {})
    assert (head.status, head.fields["upload-complete"]) == (204, "?0")
    assert int(head.fields["upload-offset"]) <= 70_000


@pytest.mark.parametrize(("offset", "status"), [(0, 204), (5, 409)])
def test_expectation_of_100_continue(offset, status, address, facts):
    path = create(address, LENGTH)
    fields = {**appending(offset), "Content-Length": str(LENGTH), "Expect": "100-continue"}
    with opened(address, "PATCH", path, fields) as client:
        client.settimeout(1)
        with contextlib.suppress(TimeoutError):  # uWSGI never says it
            first = client.recv(12, socket.MSG_PEEK)
            assert first == (b"HTTP/1.1 409" if facts.asks and status == 409 else b"HTTP/1.1 100")
        client.settimeout(20)
        if not (facts.asks and status == 409):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # refused meanwhile
                client.sendall(CONTENT)
        assert read(client).status == status
    assert offset_of(address, path) == (LENGTH if status == 204 else 0)


EARLY = {
    "409": (409, "PATCH", lambda address: create(address, LONG), appending(5)),
    "413": (413, "POST", lambda address: upload_apps.PATH,
            {**TUS, "Content-Type": OCTETS, "Upload-Length": str(upload_apps.MAX_SIZE + 1)}),
}


@pytest.mark.parametrize("case", EARLY)
def test_refusal_is_read_by_a_client_that_still_sends(case, address, facts, running):
    status, method, path, fields = EARLY[case]
    with opened(address, method, path(address), {**fields, "Content-Length": str(LONG)}) as client:
        stopped = send_all(client)
        told = answered(client, method)
    report.note("a refusal while the client sends 30 MB", f"{running.server:20} {status}: {stopped}, then {told}")
    assert told == status or facts.loses
    assert stopped != "TimeoutError" or facts.hangs


def send_all(client):
    """Send without reading; what ended it."""
    client.settimeout(3)
    try:
        for _ in range(LONG // LENGTH):
            client.sendall(CONTENT)
    except OSError as exc:
        return type(exc).__name__
    return "all taken"


def answered(client, method):
    client.settimeout(20)
    try:
        return read(client, method).status
    except OSError as exc:
        return type(exc).__name__


@pytest.mark.parametrize("fields", [TUS, {}], ids=["tus", "the draft"])
def test_hanging_request_is_taken_over(fields, address):
    path = create(address, LENGTH)
    with started(address, path, CONTENT[:1_500_000]) as hanging:
        time.sleep(0.5)
        begun = time.monotonic()
        offset = int(ask(address, "HEAD", path, fields).fields["upload-offset"])
        complete(address, path, offset)
        assert time.monotonic() - begun < TAKEOVER
        with contextlib.suppress(OSError):
            hanging.sendall(CONTENT[1_500_000:])
            assert read(hanging).status >= 400
    assert ask(address, "GET", path, {}).content == CONTENT


def test_trickle_counts_in_the_end(address, facts):
    path = create(address, LENGTH)
    with started(address, path, b"") as client:
        for pos in range(15):
            client.sendall(CONTENT[pos:pos + 1])
            time.sleep(0.2)
    least = 0 if facts.fin in (SMALL, ALL) else 15
    assert least <= kept(address, path, least) <= 15


def test_delete_ends_a_patch(address):
    path = create(address, LENGTH)
    with started(address, path, CONTENT[:1_500_000]) as client:
        time.sleep(0.3)
        begun = time.monotonic()
        assert ask(address, "DELETE", path, TUS).status == 204
        assert time.monotonic() - begun < TAKEOVER
        with contextlib.suppress(OSError):
            client.sendall(CONTENT[1_500_000:])
            assert read(client).status == 404
    assert ask(address, "HEAD", path, TUS).status in (404, 410)
