"""Downloads to a stream: the right bytes in their order, once, or an error; never bytes of two versions."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import ChangedError, DigestError, DiskError, NetworkError, TransferError, adownload, download
from rangeware.client.api import prepare
from rangeware.client.errors import OutputClosed
from rangeware.client.io import stream
from rangeware.client.io.stream import StreamPart
from rangeware.client.planning.response_head import FileVersion
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.client.planning.trust import Comparison
from rangeware.errors import InvalidOption
from rangeware.http.ranges import ByteRange
from tests.client.fault_server import Call, FaultServer, Version, behave, random_bytes

QUICK: dict[str, Any] = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05, "tries": 3}
LONG = 3_000_000
SHA256 = hashlib.sha256(random_bytes(1, 600_000)).hexdigest()


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little room, so that bytes are passed on long before the end."""
    monkeypatch.setattr(stream, "ROOM", 50_000)
    monkeypatch.setattr("rangeware.client.io.engine.TICK", 0.005)


def plainly(call: Call) -> None:
    """All of it, without ranges, whatever was asked for."""
    reply = call.reply._replace(status=200).without("Content-Range", "Accept-Ranges")
    call.send_cut(reply.carrying(call.server.version.content), 250_000 if call.number == 0 else 10**9)


def in_steps(server: FaultServer, made: io.BytesIO, then: Callable[[Call], None]) -> Callable[[Call], None]:
    """The first 200,000 bytes, and when they have been passed on the end of the connection."""
    def act(call: Call) -> None:
        if call.number:
            then(call)
            return
        call.line.send(call.reply.head() + call.reply.content[:200_000])
        while made.tell() < 200_000 and not server.closing.wait(0.01):
            pass
        call.line.hang_up()

    return act


@pytest.mark.parametrize("sha256", [None, SHA256])
def test_to_a_stream(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sha256: str | None) -> None:
    monkeypatch.chdir(tmp_path)
    made = io.BytesIO()
    done = download(server.url, made, sha256=sha256, segments=4, segment_size=16_384, worthwhile=0)
    assert made.getvalue() == server.version.content
    assert (str(done.path), done.complete_length, done.kept, done.sha256) == ("-", 600_000, 0, sha256)
    assert os.listdir(tmp_path) == []
    assert len(server.requests) == 1


def test_to_a_stream_with_a_buffer_block_by_block(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "_LONGEST", 0)
    with (tmp_path / "f").open("wb") as file:
        file.write(b"before")
        download(server.url, file)
        file.write(b"after")
    assert (tmp_path / "f").read_bytes() == b"before" + server.version.content + b"after"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("sha256", [None, SHA256])
@pytest.mark.parametrize("then", [behave, plainly], ids=["ranges", "no ranges any more"])
def test_cut_and_resumed(server: FaultServer, then: Callable[[Call], None], sha256: str | None) -> None:
    made = io.BytesIO()
    server.behave_as(in_steps(server, made, then))
    done = download(server.url, made, sha256=sha256, **QUICK)
    assert made.getvalue() == server.version.content
    assert done.restarts == (then is plainly)


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("length", [600_000, 100_000])
def test_the_file_changes_after_a_part_was_passed_on(server: FaultServer, length: int) -> None:
    """To another one of the same length, and to a shorter one."""
    made, before = io.BytesIO(), server.version.content

    def change(call: Call) -> None:
        if call.number == 1:
            server.change(Version.make(2, length))
        call.send(call.reply)

    server.behave_as(in_steps(server, made, change))
    with pytest.raises(ChangedError, match="passed on"):
        download(server.url, made, **QUICK)
    assert made.getvalue() == before[:200_000]


@pytest.mark.usefixtures("small")
def test_a_file_that_becomes_a_part_of_itself(server: FaultServer) -> None:
    made, before = io.BytesIO(), server.version.content

    def shorten(call: Call) -> None:
        if call.number == 1:
            server.change(Version(2, before[:100_000], '"short"', server.version.changed + 5))
        call.send(call.reply)

    server.behave_as(in_steps(server, made, shorten))
    with pytest.raises(ChangedError, match="shorter"):
        download(server.url, made, **QUICK)
    assert made.getvalue() == before[:200_000]


def test_the_file_changes_before_anything_was_passed_on(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StreamPart, "pass_on", lambda self: False)
    made = io.BytesIO()

    def change(call: Call) -> None:
        if call.number == 0:
            call.send_cut(call.reply, 200_000)
            later = Version.make(2)
            server.change(later._replace(changed=later.changed + 900))  # too late for a copy on another server
            return
        monkeypatch.undo()
        call.send(call.reply)

    server.behave_as(change)
    assert download(server.url, made, **QUICK).restarts
    assert made.getvalue() == server.version.content


@pytest.mark.parametrize("is_short", [True, False])
def test_a_wrong_digest(server: FaultServer, request: pytest.FixtureRequest, is_short: bool) -> None:
    """Of a short file nothing is passed on; of a long one what came before the end."""
    made = io.BytesIO()
    if not is_short:
        request.getfixturevalue("small")
        server.behave_as(in_steps(server, made, behave))
    with pytest.raises(DigestError) as caught:
        download(server.url, made, sha256="0" * 64, **QUICK)
    assert caught.value.exit_code == 4
    assert caught.value.kept == ""
    assert bool(made.getvalue()) is not is_short
    assert server.version.content.startswith(made.getvalue())


def test_a_digest_of_which_nobody_knew(server: FaultServer) -> None:
    """Declared with the second response only; that of the first one has been computed anyway."""
    content = server.version.content
    part = StreamPart(io.BytesIO(), lambda: None)
    part.begin(SavedState(server.url, server.url, FileVersion()))
    part.write(0, memoryview(content))
    for name in ("sha256", "sha512"):
        assert part.digest(name) == hashlib.new(name, content).digest()
    assert part.digest("md5") == b""


def test_blocks_that_come_twice_or_too_early() -> None:
    made = io.BytesIO()
    part = StreamPart(made, lambda: None)
    part.begin(SavedState("", "", FileVersion()))
    part.write(0, memoryview(b"abc"))
    assert part.write(1, memoryview(b"bcde")) == ByteRange(1, 4)
    assert part.write(0, memoryview(b"ab")) == ByteRange(0, 1)
    with pytest.raises(DiskError, match="1 bytes are missing"):
        part.write(6, memoryview(b"g"))
    part.finish()
    assert made.getvalue() == b"abcde"


def test_begun_again_twice() -> None:
    """The second time before all that was passed on has come again: all of that counts still."""
    made, state = io.BytesIO(), SavedState("", "", FileVersion())
    part = StreamPart(made, lambda: None)
    part.begin(state)
    part.write(0, memoryview(b"abcdef"))
    part.pass_on()
    for _ in range(2):
        part.begin(state)
        part.write(0, memoryview(b"abc"))
    part.write(3, memoryview(b"defgh"))
    part.finish()
    assert made.getvalue() == b"abcdefgh"
    part.begin(state)
    with pytest.raises(ChangedError):
        part.write(0, memoryview(b"abcdefgH"))


def test_only_what_is_in_memory_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "_TAIL", 100)
    part, content = StreamPart(io.BytesIO(), lambda: None), random_bytes(5, 1000)
    part.begin(SavedState("", "", FileVersion()))
    for pos in range(0, 1000, 50):
        part.write(pos, memoryview(content)[pos:pos + 50])

    def check(first_pos: int, length: int) -> OverlapCheck:
        block = content[first_pos:first_pos + length]
        return OverlapCheck(ByteRange(first_pos, first_pos + length - 1), hashlib.sha256(block).hexdigest())

    assert part.compare(check(900, 100)) is not Comparison.DIFFERENT
    assert part.compare(check(920, 30)) is not Comparison.DIFFERENT
    assert part.compare(check(920, 10)._replace(part=ByteRange(921, 930))) is Comparison.DIFFERENT
    assert part.compare(check(0, 10)) is Comparison.DIFFERENT


@pytest.mark.usefixtures("small")
def test_a_slow_reader_is_waited_for(server: FaultServer) -> None:
    """Longer than a server may be silent: it is not the server that is slow, and memory is bounded."""
    server.change(Version.make(2, LONG))
    read, write = os.pipe()
    received = bytearray()

    def read_slowly() -> None:
        with open(read, "rb", buffering=0) as pipe:
            time.sleep(1.2)
            while block := pipe.read(1 << 20):
                received.extend(block)

    reader = threading.Thread(target=read_slowly)
    reader.start()
    with open(write, "wb", buffering=0) as pipe:
        done = download(server.url, pipe, **{**QUICK, "stall": 0.3, "tries": 1})
    reader.join(30)
    assert received == server.version.content
    assert done.received == LONG


@pytest.mark.usefixtures("small")
def test_a_reader_that_goes_away(server: FaultServer) -> None:
    server.change(Version.make(2, LONG))
    read, write = os.pipe()
    os.close(read)
    with open(write, "wb", buffering=0) as pipe, pytest.raises(OutputClosed) as caught:
        download(server.url, pipe, **QUICK)
    assert caught.value.exit_code == 141


@pytest.mark.parametrize("small", [False, True])
def test_stopped_while_nobody_reads(server: FaultServer, monkeypatch: pytest.MonkeyPatch, small: bool) -> None:
    """In the midst of the transfer, and when all has come and waits to be passed on."""
    if small:
        monkeypatch.setattr(stream, "ROOM", 50_000)
    server.change(Version.make(2, LONG))
    read, write = os.pipe()
    with open(read, "rb"), open(write, "wb", buffering=0) as pipe:
        run = prepare(server.url, pipe, **QUICK)
        threading.Timer(0.7, run.stop).start()
        with pytest.raises(TransferError, match="stopped"):
            run.result()


@pytest.mark.usefixtures("small")
def test_interrupted_while_there_is_no_room(server: FaultServer) -> None:
    """The connection thread waits for room that nobody makes any more: the run ends all the same."""
    server.change(Version.make(2, LONG))

    class Impatient(io.RawIOBase):
        def write(self, block: object) -> int:
            time.sleep(0.2)
            raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        download(server.url, Impatient(), **QUICK)  # type: ignore[arg-type]
    assert time.monotonic() - started < 20


def test_a_stream_without_room_and_one_that_is_full(server: FaultServer) -> None:
    taken = bytearray()

    class Slow(io.RawIOBase):
        """Takes every other block, and of that a part."""

        calls = 0

        def write(self, block: Any) -> int | None:
            self.calls += 1
            if self.calls % 2:
                return None
            taken.extend(block[:199_999])
            return min(199_999, len(block))

    download(server.url, Slow(), **QUICK)  # type: ignore[arg-type]
    assert taken == server.version.content
    if os.path.exists("/dev/full"):
        with open("/dev/full", "wb", buffering=0) as full, pytest.raises(DiskError, match="No space left"):
            download(server.url, full, **QUICK)


def test_asyncio(server: FaultServer) -> None:
    made = io.BytesIO()
    asyncio.run(adownload(server.url, made))
    assert made.getvalue() == server.version.content


def test_a_stream_continues_from_no_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidOption, match="continue_from needs a file"):
        download("http://h/f", io.BytesIO(), continue_from=tmp_path / "f")


def test_an_error_of_the_server(server: FaultServer) -> None:
    made = io.BytesIO()
    server.behave_as(lambda call: call.send(call.reply._replace(status=404)))
    with pytest.raises(NetworkError) as caught:
        download(server.url, made, **QUICK)
    assert (made.getvalue(), caught.value.kept) == (b"", "")


# --- standard output

_TO_OUTPUT = """
import sys
from rangeware.client import TransferError, download
print("before")
try:
    download(sys.argv[1], "-", tries=2, first_delay=0.01)
except TransferError as exc:
    sys.exit(exc.exit_code)
"""


def test_standard_output(server: FaultServer, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _TO_OUTPUT, server.url]
    ended = subprocess.run(command, capture_output=True, cwd=tmp_path, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"before\n" + server.version.content
    assert os.listdir(tmp_path) == []


def test_tar_reads_it(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "inside").write_bytes(random_bytes(9, 2_000_000))
    subprocess.run(["tar", "cf", "a.tar", "inside"], cwd=tmp_path, check=True)
    server.change(Version(2, (tmp_path / "a.tar").read_bytes(), '"tar"', server.version.changed))
    server.behave_as(lambda call: call.send_cut(call.reply, 900_000))
    (tmp_path / "out").mkdir()
    script = '"$0" -c "$1" "$2" | (head -c 7 && tar x -C out)'
    subprocess.run(["sh", "-c", script, sys.executable, _TO_OUTPUT, server.url], cwd=tmp_path, check=True, timeout=60,
                   capture_output=True)
    assert (tmp_path / "out" / "inside").read_bytes() == (tmp_path / "inside").read_bytes()


def test_head_reads_a_part_of_it(server: FaultServer) -> None:
    server.change(Version.make(2, LONG))
    script = '("$0" -c "$1" "$2"; echo $? >&2) | head -c 1000'
    command = ["sh", "-c", script, sys.executable, _TO_OUTPUT, server.url]
    ended = subprocess.run(command, capture_output=True, timeout=60)
    assert ended.stdout == b"before\n" + server.version.content[:993]
    assert ended.stderr == b"141\n"


def test_the_command_ends_without_a_word_if_nobody_reads(server: FaultServer) -> None:
    server.change(Version.make(2, LONG))
    script = '("$0" -m rangeware get -q -o - "$1"; echo $? >&2) | head -c 1000'
    ended = subprocess.run(["sh", "-c", script, sys.executable, server.url], capture_output=True, timeout=60)
    assert (ended.stdout, ended.stderr) == (server.version.content[:1000], b"141\n")


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_standard_output_in_this_process(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    with open(tmp_path / "out", "w", encoding="utf-8") as output:
        monkeypatch.setattr(sys, "stdout", output)
        print("before")
        download(server.url, name)
        print("after")
    assert (tmp_path / "out").read_bytes() == b"before\n" + server.version.content + b"after\n"


def test_there_is_no_standard_output(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for nothing in (None, io.StringIO()):
        monkeypatch.setattr(sys, "stdout", nothing)
        with pytest.raises(InvalidOption, match="standard output"):
            download(server.url, "-")
    assert server.requests == []


def test_a_file_of_that_name(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert download(server.url, "./-").path.read_bytes() == server.version.content
    assert os.listdir(tmp_path) == ["-"]
