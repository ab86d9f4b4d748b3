"""Partial files that other programs have left: continued if they fit, refused if not, and never mixed."""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import DigestError, DiskError, NetworkError, TransferError, download
from rangeware.client.api import prepare
from rangeware.client.io.part_file import PartFile
from rangeware.client.planning.adoption import before_holes, finished_by_aria2, places
from rangeware.http.ranges import ByteRange
from tests.client.fault_server import Call, FaultServer, Reply, Version, behave

QUICK: dict[str, Any] = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05, "tries": 3}
LENGTH = 6_000_000
CUT = 2_500_000
"""Bytes that another program gets."""


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.change(Version.make(2, LENGTH))
        yield running


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


def partial(server: FaultServer, path: Path, length: int = CUT) -> Path:
    path.write_bytes(server.version.content[:length])
    return path


def serve(server: FaultServer, spoil: Callable[[Reply], Reply]) -> None:
    server.behave_as(lambda call: call.send(spoil(call.reply)))


def assert_continued(server: FaultServer, path: Path, length: int = CUT) -> None:
    assert path.read_bytes() == server.version.content
    assert server.sent < LENGTH - length + 1_000_000


def _cut_after(length: int) -> Callable[[Call], None]:
    """The connection ends after so many bytes of the first response; then nobody answers any more."""
    def act(call: Call) -> None:
        if call.number == 0:
            call.send_cut(call.reply, length)
        else:
            call.line.hang_up()

    return act


# --- other files

@pytest.mark.parametrize("name", ["file.bin.crdownload", "Unconfirmed 1234.crdownload", "other.tmp", "file.bin.part"])
def test_what_a_browser_has_left(server: FaultServer, tmp_path: Path, final: Path, name: str) -> None:
    """The name that Firefox gives is that of our part file: its file is set aside, and stays."""
    left = partial(server, tmp_path / name)
    done = download(server.url, directory=tmp_path, continue_from=left)
    assert (done.path, done.kept) == (final, CUT)
    assert_continued(server, final)
    kept = tmp_path / ("file.bin.part.1" if name == "file.bin.part" else name)
    assert kept.read_bytes() == server.version.content[:CUT]
    assert sorted(os.listdir(tmp_path)) == sorted(["file.bin", kept.name])


def test_the_folder_of_safari(server: FaultServer, tmp_path: Path, final: Path) -> None:
    folder = tmp_path / "file.bin.download"
    folder.mkdir()
    (folder / "Info.plist").write_text("<plist/>")
    with pytest.raises(DiskError, match="one file"):
        download(server.url, final, continue_from=folder)
    partial(server, folder / "file.bin")
    assert download(server.url, final, continue_from=folder).kept == CUT
    assert_continued(server, final)
    assert sorted(os.listdir(folder)) == ["Info.plist", "file.bin"]


def test_a_part_file_of_our_own_from_another_url(server: FaultServer, tmp_path: Path, final: Path) -> None:
    server.behave_as(_cut_after(CUT))
    with pytest.raises(NetworkError):
        download(server.url + "?signature=1", final, **QUICK)
    server.behave_as(behave)
    server.path, server.sent = "/elsewhere/named.bin", 0
    named = tmp_path / "named.bin"
    assert download(server.url, named, continue_from=tmp_path / "file.bin.part").kept == CUT
    assert_continued(server, named)


def test_a_file_with_holes(server: FaultServer, tmp_path: Path, final: Path) -> None:
    """Its holes are fetched, and with them the end of what was written before each."""
    content, left = server.version.content, tmp_path / "left"
    with left.open("wb") as file:
        for first_pos, last in ((0, 1_000_000), (3_000_000, 4_100_000)):
            file.seek(first_pos)
            file.write(content[first_pos:last])
        file.truncate(LENGTH)
    kept = download(server.url, final, continue_from=left).kept
    assert final.read_bytes() == content
    assert 1_800_000 < kept < 2_000_000


@pytest.mark.parametrize("failure", [AttributeError, OSError(22, "Invalid argument")])
def test_a_system_that_does_not_tell_holes(
    server: FaultServer, tmp_path: Path, final: Path, monkeypatch: pytest.MonkeyPatch, failure: Any
) -> None:
    left = partial(server, tmp_path / "left")

    def fail(*arguments: object) -> int:
        raise failure

    monkeypatch.setattr(os, "lseek", fail)
    assert download(server.url, final, continue_from=left).kept == CUT


def test_a_complete_file(server: FaultServer, tmp_path: Path, final: Path) -> None:
    left = partial(server, tmp_path / "left", LENGTH)
    assert download(server.url, final, continue_from=left).kept == LENGTH
    assert_continued(server, final, LENGTH)


@pytest.mark.parametrize("length", [0, 1, 5000, 70_000])
def test_a_short_part(server: FaultServer, tmp_path: Path, final: Path, length: int) -> None:
    left = partial(server, tmp_path / "left", length)
    assert download(server.url, final, continue_from=left).kept == length
    assert final.read_bytes() == server.version.content
    assert left.stat().st_size == length


def test_broken_off_it_is_resumed_and_not_copied_again(server: FaultServer, tmp_path: Path, final: Path) -> None:
    for arguments in ({"path": final}, {"directory": tmp_path}):
        partial(server, final)
        server.behave_as(lambda call: call.send_cut(call.reply, 1_000_000) if call.request.first_pos else (
            call.send(call.reply)))
        with pytest.raises(NetworkError) as caught:
            download(server.url, continue_from=final, **arguments, **{**QUICK, "tries": 1})
        assert "bytes kept in" in caught.value.kept
        assert final.read_bytes() == server.version.content[:CUT]
        server.behave_as(behave)
        server.requests.clear()
        assert download(server.url, continue_from=final, **arguments).kept > CUT
        assert len(server.requests) == 1
        assert final.read_bytes() == server.version.content
        assert os.listdir(tmp_path) == ["file.bin"]


def test_stopped_while_it_is_copied(
    server: FaultServer, tmp_path: Path, final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first block of it, which is resumed."""
    left, write = partial(server, tmp_path / "left"), PartFile.write

    def write_and_stop(self: PartFile, first_pos: int, block: memoryview) -> ByteRange:
        run.stop()
        return write(self, first_pos, block)

    run = prepare(server.url, final, continue_from=left)
    with monkeypatch.context() as patch:
        patch.setattr(PartFile, "write", write_and_stop)
        with pytest.raises(TransferError, match="stopped"):
            run.result()
    assert download(server.url, final, continue_from=left).kept == 1 << 20
    assert final.read_bytes() == server.version.content


# --- wrong ones

@pytest.mark.parametrize("pos", [0, CUT // 7 + 1000, CUT - 1])
@pytest.mark.parametrize("own", [True, False])
def test_a_wrong_file_is_noticed(server: FaultServer, tmp_path: Path, final: Path, pos: int, own: bool) -> None:
    content = bytearray(server.version.content[:CUT])
    content[pos] ^= 1
    left = final if own else tmp_path / "left"
    left.write_bytes(content)
    with pytest.raises(DiskError, match="cannot continue from .* are not those of the file"):
        download(server.url, final, continue_from=left)
    assert left.read_bytes() == content
    assert os.listdir(tmp_path) == [left.name]


def test_a_wrong_byte_between_the_places_is_found_by_the_digest(
    server: FaultServer, tmp_path: Path, final: Path
) -> None:
    content = bytearray(server.version.content[:CUT])
    content[100_000] ^= 1
    left = tmp_path / "left"
    left.write_bytes(content)
    with pytest.raises(DigestError):
        download(server.url, final, continue_from=left, sha256=hashlib.sha256(server.version.content).hexdigest())
    assert not final.exists()
    assert left.read_bytes() == content


def test_bytes_that_are_all_alike_prove_nothing(server: FaultServer, tmp_path: Path, final: Path) -> None:
    content = bytes(CUT) + server.version.content[CUT:]
    server.change(Version(3, content, '"zeros"', server.version.changed))
    left = tmp_path / "left"
    left.write_bytes(bytes(CUT))
    with pytest.raises(DiskError, match="alike"):
        download(server.url, final, continue_from=left)
    download(server.url, final, continue_from=left, sha256=hashlib.sha256(content).hexdigest())
    assert final.read_bytes() == content


def test_longer_than_the_file(server: FaultServer, tmp_path: Path, final: Path) -> None:
    left = tmp_path / "left"
    left.write_bytes(server.version.content + b"more")
    with pytest.raises(DiskError, match="6,000,000 bytes only"):
        download(server.url, final, continue_from=left)


@pytest.mark.parametrize("later", [False, True])
def test_a_server_without_ranges(server: FaultServer, tmp_path: Path, final: Path, later: bool) -> None:
    """From the first response on, or in the midst of the comparison."""
    left = partial(server, tmp_path / "left")

    def act(call: Call) -> None:
        if later and call.number == 0:
            call.send(call.reply)
        else:
            call.send(call.reply._replace(status=200).without("Content-Range").carrying(b"x" * 100))

    server.behave_as(act)
    with pytest.raises(DiskError, match="does not send parts"):
        download(server.url, final, continue_from=left)
    assert left.read_bytes() == server.version.content[:CUT]


@pytest.mark.parametrize("name", ["f.!qB", "f.bc!", "axel"])
def test_files_of_which_nobody_knows_what_is_there(
    server: FaultServer, tmp_path: Path, final: Path, name: str
) -> None:
    left = partial(server, tmp_path / name)
    (tmp_path / "axel.st").touch()
    with pytest.raises(DiskError, match="cannot tell which bytes"):
        download(server.url, final, continue_from=left)
    assert server.requests == []


def test_what_cannot_be_read(server: FaultServer, tmp_path: Path, final: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    partial(server, tmp_path / "f")
    (tmp_path / "f.aria2").write_bytes(b"\0\1 something else")
    for name in ("pipe", "folder", "missing", "f"):
        with pytest.raises(DiskError):
            download(server.url, final, continue_from=tmp_path / name)
    assert server.requests == []


def test_names_at_the_limit_and_names_that_are_none(server: FaultServer, tmp_path: Path, final: Path) -> None:
    left = partial(server, tmp_path / ("n" * 255))
    assert download(server.url, tmp_path / ("m" * 255), continue_from=left).kept == CUT
    for name in ("a\0b", "a\ud800", "n" * 256):
        with pytest.raises(DiskError):
            download(server.url, final, continue_from=tmp_path / name)
        with pytest.raises(DiskError):
            download(server.url, tmp_path / name, continue_from=left)


def test_another_file_of_the_final_name(server: FaultServer, tmp_path: Path, final: Path) -> None:
    left = partial(server, tmp_path / "left")
    final.write_text("mine")
    with pytest.raises(DiskError, match="already exists and differs"):
        download(server.url, final, continue_from=left)
    server.sent = 0
    assert download(server.url, final, continue_from=left, force=True).kept == CUT
    assert_continued(server, final)
    assert download(server.url, final, continue_from=left).already_complete


def test_the_file_is_written_to_meanwhile(server: FaultServer, final: Path) -> None:
    """The other program is still at work: its file is not replaced."""
    partial(server, final)

    def write_more(call: Call) -> None:
        if call.request.field("range").endswith("-") and call.is_among("written", 1):
            with final.open("ab") as file:
                file.write(b"more")
        call.send(call.reply)

    server.behave_as(write_more)
    with pytest.raises(DiskError, match="has changed meanwhile") as caught:
        download(server.url, final, continue_from=final)
    assert final.stat().st_size == CUT + 4
    assert "6,000,000" in caught.value.kept


def test_the_file_is_cut_meanwhile(server: FaultServer, final: Path) -> None:
    partial(server, final)

    def act(call: Call) -> None:
        if call.number == 2:
            os.truncate(final, 1000)
        call.send(call.reply)

    server.behave_as(act)
    with pytest.raises(DiskError, match="shorter"):
        download(server.url, final, continue_from=final)


# --- the control file of aria2

def control(bits: bytes, pieces: bytes = b"\0\0\0\0", length: int = 5 << 20, version: int = 1) -> bytes:
    """As https://aria2.github.io/manual/en/html/technical-notes.html describes it."""
    head = struct.pack(">HII", version, 0, 3) + b"abc"
    return head + struct.pack(">IQQI", 1 << 20, length, 0, len(bits)) + bits + pieces


@pytest.mark.parametrize(("text", "expected"), [
    (control(b"\0"), []),
    (control(b"\x80"), [ByteRange(0, (1 << 20) - 1)]),
    (control(b"\xf8"), [ByteRange(0, (5 << 20) - 1)]),
    (control(b"\x28"), [ByteRange(2 << 20, (3 << 20) - 1), ByteRange(4 << 20, (5 << 20) - 1)]),
    (control(b"\x08", length=(4 << 20) + 9), [ByteRange(4 << 20, (4 << 20) + 8)]),
    (control(b"\x07"), []),
    (control(b"\0", struct.pack(">IIII", 1, 1, 1 << 20, 8) + b"\xc0" + bytes(7)),
     [ByteRange(1 << 20, (1 << 20) + 32767)]),
    (control(b"\0", struct.pack(">IIII", 1, 4, 9, 1) + b"\xff", length=(4 << 20) + 9),
     [ByteRange(4 << 20, (4 << 20) + 8)]),
    (control(b"\0", struct.pack(">IIII", 1, 9, 1 << 20, 1) + b"\xff"), []),
    (control(b"\0", version=0), None),
    (control(b"\0\0"), None),
    (control(b"\0", b"\xff\xff\xff\xff"), None),
    (control(b"\0", struct.pack(">IIII", 1, 1, 1 << 20, 8) + b"\xc0"), None),
    (control(b"\xff" * 8)[:-10], None),
    (b"", None),
    (struct.pack(">HII", 1, 0, 2**32 - 1), None),
    (struct.pack(">HIIIQQI", 1, 0, 0, 0, 9, 0, 1), None),
])
def test_control_files(text: bytes, expected: list[ByteRange] | None) -> None:
    assert finished_by_aria2(text) == expected


def test_a_control_file_with_very_many_ranges() -> None:
    found = finished_by_aria2(control(b"\xaa" * 4000 + b"\xf5" + b"\xaa" * 999, length=40_000 << 20))
    assert found is not None
    assert len(found) == 10_000
    assert ByteRange(32_000 << 20, (32_004 << 20) - 1) in found
    assert found == sorted(found)


def test_control_files_that_are_cut_or_spoilt() -> None:
    whole = control(b"\x80", struct.pack(">IIII", 1, 1, 1 << 20, 8) + b"\xc0" + bytes(7))
    for length in range(len(whole)):
        assert finished_by_aria2(whole[:length]) is None
    for pos in range(len(whole)):
        with contextlib.suppress(ValueError):
            for part in finished_by_aria2(whole[:pos] + b"\xff" + whole[pos + 1:]) or ():
                assert part.length > 0


# --- places

def test_places() -> None:
    assert places([], has_digest=False) == []
    assert places([ByteRange(0, 99)], has_digest=False) == [ByteRange(0, 99)]
    assert places([ByteRange(0, 999_999)], has_digest=True) == [ByteRange(934_464, 999_999)]
    found = places([ByteRange(0, 9_999_999)], has_digest=False)
    assert (len(found), found[0], found[-1]) == (8, ByteRange(0, 65_535), ByteRange(9_934_464, 9_999_999))
    many = [ByteRange(pos, pos + 199_999) for pos in range(0, 10**8, 10**6)]
    assert len(places(many, has_digest=False)) == 12
    assert len(places(many, has_digest=True)) == 6


def test_what_to_trust_before_holes() -> None:
    extents = [ByteRange(0, 999_999), ByteRange(2_000_000, 2_000_999), ByteRange(3_000_000, 3_999_999)]
    assert before_holes(extents, 4_000_000) == [ByteRange(0, 934_463), ByteRange(3_065_536, 3_999_999)]


@pytest.mark.parametrize("named", ["file.part.aria2", "file.part"])
def test_only_the_pieces_of_a_control_file_are_taken_over(
    server: FaultServer, tmp_path: Path, final: Path, named: str
) -> None:
    """The file has its full length, and zeros where a piece is missing."""
    content, piece = server.version.content, 1 << 20
    there = [number in (0, 1, 4) for number in range(6)]
    left = b"".join(content[n * piece:(n + 1) * piece] if has else bytes(len(content[n * piece:(n + 1) * piece]))
                    for n, has in enumerate(there))
    (tmp_path / "file.part").write_bytes(left)
    (tmp_path / "file.part.aria2").write_bytes(control(b"\xc8", length=LENGTH))
    done = download(server.url, final, continue_from=tmp_path / named, **QUICK)
    assert (done.kept, final.read_bytes()) == (3 * piece, content)
