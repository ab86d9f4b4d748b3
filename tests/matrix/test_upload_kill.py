"""An upload of 200 MB whose server is killed at fifty moments; and requests that race for one upload."""

import contextlib
import hashlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import report
from tests.matrix.uploading import TUS, append, appending, ask, create, offset_of, opened, read, serving

pytestmark = pytest.mark.matrix

LENGTH = 200_000_000
KILLS = 50
RATE = 12.5e6
"""Bytes a second that the client sends: 100 Mbit."""
BLOCK = 32 << 10
"""Bytes that the client hands over at once, and that its socket buffers."""
MOST_ON_THE_WIRE = 1.05
TIMEOUT = 30.0


def workers(running):
    """The processes of the server but the first, which starts new ones."""
    return [pid for pid in running.pids() if parent(pid) in running.pids()]


def parent(pid):
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return 0


def kill_workers(running):
    for pid in workers(running):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Client:
    """Sends a file, slowly; after each break it asks how much is there, and goes on.

    :param moments: after so many bytes sent, all in all, the workers are killed.
    """

    def __init__(self, running, content, moments):
        self.running = running
        self.content = content
        self.moments = list(moments)
        self.sent = 0
        self.offsets = [0]
        self.path = create(running.address, len(content))

    def run(self):
        while self.offsets[-1] < len(self.content):
            with contextlib.suppress(OSError):
                self.send_from(self.offsets[-1])
            self.offsets.append(self.ask_patiently())

    def ask_patiently(self):
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, AssertionError):
                return offset_of(self.running.address, self.path)
            time.sleep(0.02)
        raise AssertionError("no answer")

    def send_from(self, offset):
        fields = {**appending(offset), "Content-Length": str(len(self.content) - offset)}
        with opened(self.running.address, "PATCH", self.path, fields) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BLOCK)
            due = time.monotonic()
            for pos in range(offset, len(self.content), BLOCK):
                block = self.content[pos:pos + BLOCK]
                client.sendall(block)
                self.sent += len(block)
                self.kill_when_due()
                due = max(due, time.monotonic() - 0.01) + len(block) / RATE
                time.sleep(max(0.0, due - time.monotonic()))
            read(client)

    def kill_when_due(self):
        if self.moments and self.sent >= self.moments[0]:
            self.moments.pop(0)
            kill_workers(self.running)


def test_fifty_kills_of_the_workers_cost_no_byte_and_little_more_than_the_file(tmp_path):
    seed = Random().randrange(1_000_000)
    print(f"seed {seed}")
    random = Random(seed)
    content = random.randbytes(LENGTH)
    with serving("gunicorn-sync-2", tmp_path) as running:
        client = Client(running, content, sorted(random.randrange(LENGTH) for _ in range(KILLS)))
        begun = time.monotonic()
        client.run()
        seconds = time.monotonic() - begun
        whole = ask(running.address, "GET", client.path, {})
    report.note(f"{KILLS} kills in {LENGTH:,} bytes uploaded",
                f"seed {seed}: {client.sent / LENGTH:.4f} of the file on the wire, {len(client.offsets)} requests, "
                f"{seconds:.0f} s")
    assert not client.moments, "not all kills came"
    assert client.offsets == sorted(client.offsets)
    assert hashlib.sha256(whole.content).digest() == hashlib.sha256(content).digest()
    assert client.sent <= MOST_ON_THE_WIRE * LENGTH


# --- races ---

RACES = 200
RACE_LENGTH = 400_000


class Sent(NamedTuple):
    """A request of a race, and its answer."""

    offset: int
    content: bytes
    status: int
    told: int


def patch(address, path, offset, content):
    try:
        reply = append(address, path, offset, content)
    except OSError:
        return Sent(offset, content, 0, -1)
    return Sent(offset, content, reply.status, int(reply.fields.get("upload-offset", "-1")))


def at_once(works):
    """Call all at the same time, each on a thread; return their results."""
    results, barrier = [None] * len(works), threading.Barrier(len(works))

    def work(number):
        barrier.wait(TIMEOUT)
        results[number] = works[number]()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert None not in results, "a request that has no end"
    return results


def check_file(content, sents):
    """The content is what acknowledged requests have sent, whole and in order; between them there is only the
    beginning of a request that was refused once another had taken over."""
    pos = 0
    while pos < len(content):
        step = max((taken(content, pos, sent) for sent in sents if sent.offset == pos), default=0)
        assert step, f"bytes of nobody at {pos}"
        pos += step
    ends = [sent.offset + len(sent.content) for sent in sents if sent.status == 204]
    for sent in sents:
        if sent.status == 204:
            assert content[sent.offset:sent.offset + len(sent.content)] == sent.content, "an acknowledged byte is lost"
    assert max(ends, default=0) <= len(content)


def taken(content, pos, sent):
    """Bytes at this position that are of this request: all if it was acknowledged, else as many as are its own."""
    if sent.status == 204:
        return len(sent.content)
    rest = content[pos:pos + len(sent.content)]
    return next((i for i, (ours, theirs) in enumerate(zip(rest, sent.content, strict=False)) if ours != theirs),
                len(rest))


@pytest.fixture(scope="module", params=["gunicorn-sync-2", "gunicorn-gthread-2", "uvicorn-httptools-2"])
def racing(request, tmp_path_factory):
    with serving(request.param, tmp_path_factory.mktemp("server")) as running:
        yield running


def contents(letters, length):
    return [letter.encode() * length for letter in letters]


def stored(address, path, length):
    """What is in the file, after its rest has been filled up."""
    offset = offset_of(address, path)
    if offset < length:
        assert append(address, path, offset, b"." * (length - offset)).status == 204
    return ask(address, "GET", path, {}).content[:offset]


def test_two_requests_at_the_same_offset(racing):
    """Of 200 pairs each leaves the content of exactly one of them."""
    outcomes = {}
    for _ in range(RACES):
        path = create(racing.address, RACE_LENGTH)
        works = [lambda content=content, path=path: patch(racing.address, path, 0, content)
                 for content in contents("ab", RACE_LENGTH)]
        sents = at_once(works)
        content = stored(racing.address, path, RACE_LENGTH)
        check_file(content, sents)
        assert sum(sent.status == 204 for sent in sents) <= 1
        statuses = tuple(sorted(sent.status for sent in sents))
        outcomes[statuses] = outcomes.get(statuses, 0) + 1
    report.note("races of two PATCHes", f"{racing.server:20} {outcomes}")
    assert set().union(*outcomes) <= {204, 409, 423}


def test_twelve_requests_at_the_same_offset(racing):
    for _ in range(10):
        path = create(racing.address, RACE_LENGTH)
        works = [lambda content=content, path=path: patch(racing.address, path, 0, content)
                 for content in contents("abcdefghijkl", RACE_LENGTH)]
        sents = at_once(works)
        check_file(stored(racing.address, path, RACE_LENGTH), sents)
        assert sum(sent.status == 204 for sent in sents) <= 1
        assert {sent.status for sent in sents} <= {204, 409, 423}


def test_four_clients_that_each_append_where_the_file_ends(racing):
    """Each asks for the offset and sends its own piece there, again and again; nothing is lost or doubled."""
    random = Random(7)
    for _ in range(10):
        path = create(racing.address, 10**8)
        sents: list[Sent] = []

        def work(letter, path=path, sents=sents):
            for number in range(8):
                offset = offset_of(racing.address, path)
                own = bytes([8 * "abcd".index(letter) + number])  # one byte for each request, to tell them apart
                content = own * random.randrange(1, 200_000)
                sents.append(patch(racing.address, path, offset, content))
            return letter
        at_once([lambda letter=letter, work=work: work(letter) for letter in "abcd"])
        offset = offset_of(racing.address, path)
        data = next(racing._directory.parent.joinpath("uploads").glob(f"{path[-32:]}.data"))
        content = data.read_bytes()
        assert len(content) == offset
        check_file(content, sents)
        assert {sent.status for sent in sents} <= {204, 409, 423}
        ask(racing.address, "DELETE", path, TUS)
