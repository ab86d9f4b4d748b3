"""The same command again: a file that is whole is done, any other stays as it is, unless replacing it was asked for."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import DiskError, NetworkError, Progress, TransferError, adownload, download
from rangeware.client.api import DownloadRun, prepare
from rangeware.client.io.existing_file import _is_shorter
from rangeware.client.io.questions import Answer
from rangeware.client.options import DownloadOptions
from rangeware.client.planning.response_head import ResponseHead
from tests.client.fault_server import Call, FaultServer, Reply, Version, behave

QUICK: dict[str, Any] = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05, "tries": 3}
LONG = 3 << 20
"""Bytes of a file that is compared in places."""
_HOUR = 3600


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


def put(server: FaultServer, final: Path, content: bytes | None = None, later: float = 0) -> None:
    """Make the file, with the time of the version at the server, or so many seconds later."""
    final.write_bytes(server.version.content if content is None else content)
    os.utime(final, (server.version.changed + later,) * 2)


def serve(server: FaultServer, spoil: Callable[[Reply], Reply]) -> None:
    server.behave_as(lambda call: call.send(spoil(call.reply)))


def undated(reply: Reply) -> Reply:
    return reply.without("Last-Modified")


def whole(server: FaultServer) -> Callable[[Reply], Reply]:
    """A server without ranges."""
    return lambda reply: reply._replace(status=200).without("Content-Range", "Accept-Ranges").carrying(
        server.version.content)


def ranges(server: FaultServer) -> list[str]:
    return [request.field("range") for request in server.requests]


# --- length and date

def test_the_same_again_is_done_after_one_request(server: FaultServer, tmp_path: Path, final: Path) -> None:
    told: list[Progress] = []
    assert not download(server.url, final).already_complete
    server.requests.clear()
    done = download(server.url, final, progress=told.append)
    assert (done.already_complete, done.received, done.kept, done.complete_length) == (True, 0, 0, 600_000)
    assert (done.path, done.url, done.address, done.etag) == (final, server.url, server.url, server.version.etag)
    assert (done.last_modified, done.sha256) == (server.version.last_modified, None)
    assert ranges(server) == ["bytes=0-0"]
    assert [(each.event, each.text) for each in told] == [("finished", "already complete")]
    assert (told[-1].path, told[-1].done, told[-1].complete_length) == (str(final), 600_000, 600_000)
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("spoil", [lambda reply: reply, undated])
def test_without_ranges_the_content_is_not_read(server: FaultServer, final: Path, spoil: Any) -> None:
    put(server, final)
    serve(server, lambda reply: spoil(whole(server)(reply)))
    assert download(server.url, final).already_complete


@pytest.mark.parametrize(("content", "later", "why"), [
    pytest.param(b"x" * 600_000, -10, "newer", id="older than at the server"),
    pytest.param(b"x" * 600_000, 10, "not the same", id="other bytes, and another date"),
    pytest.param(b"x" * 599_999, 0, "600,000 bytes", id="shorter"),
    pytest.param(b"x" * 600_001, 0, "600,000 bytes", id="longer"),
    pytest.param(b"", 0, "600,000 bytes", id="empty"),
])
def test_another_file_stays(server: FaultServer, final: Path, content: bytes, later: int, why: str) -> None:
    put(server, final, content, later)
    with pytest.raises(DiskError, match=f"differs: .*{why}") as caught:
        download(server.url, final)
    assert caught.value.exit_code == 5
    assert final.read_bytes() == content
    download(server.url, final, force=True)
    assert final.read_bytes() == server.version.content


@pytest.mark.parametrize(("length", "told"), [(0, False), (1, True), (599_999, True), (600_000, False)])
def test_a_file_that_may_be_a_part_can_be_continued(server: FaultServer, final: Path, length: int, told: bool) -> None:
    put(server, final, server.version.content[:length], later=-_HOUR)
    with pytest.raises(DiskError, match="differs") as caught:
        download(server.url, final)
    assert ("--continue-from" in str(caught.value)) is told


def test_a_file_that_goes_while_it_is_compared(server: FaultServer, final: Path) -> None:
    put(server, final, b"x")
    answer = Answer(ResponseHead(200, {"content-length": "5"}), server.url)
    assert _is_shorter(final, answer)
    final.unlink()
    assert not _is_shorter(final, answer)


@pytest.mark.parametrize("content", [b"", b"x"])
def test_short_files(server: FaultServer, final: Path, content: bytes) -> None:
    server.change(Version(2, content, '"short"', server.version.changed))
    for spoil in (lambda reply: reply, undated):
        serve(server, spoil)
        put(server, final)
        assert download(server.url, final).already_complete
        final.write_bytes(b"other")
        with pytest.raises(DiskError, match="differs"):
            download(server.url, final)


def test_a_file_with_another_time_is_compared(server: FaultServer, final: Path) -> None:
    """Copied, or fetched by another program: the bytes tell."""
    put(server, final, later=_HOUR)
    assert download(server.url, final).already_complete
    assert ranges(server) == ["bytes=0-0", "bytes=0-599999"]


def test_a_file_system_that_has_even_seconds_only(server: FaultServer, final: Path) -> None:
    """FAT: the time of an odd second is rounded down."""
    server.change(server.version._replace(changed=server.version.changed // 2 * 2 + 1))
    put(server, final, later=-1)
    assert download(server.url, final).already_complete
    server.change(server.version._replace(changed=server.version.changed + 1))
    put(server, final, later=-1)
    with pytest.raises(DiskError, match="newer"):
        download(server.url, final)


def test_curl_and_wget_have_fetched_it(server: FaultServer, tmp_path: Path) -> None:
    commands = (["curl", "-s", "-o", "f"], ["curl", "-s", "-R", "-o", "f"], ["wget", "-q", "-O", "f"])
    for number, command in enumerate(commands):
        folder = tmp_path / str(number)
        folder.mkdir()
        subprocess.run([*command, server.url], cwd=folder, check=True, timeout=60)
        assert download(server.url, folder / "f").already_complete


# --- samples

@pytest.fixture
def long(server: FaultServer) -> Version:
    return server.change(Version.make(2, LONG))


def test_a_long_file_without_a_date_is_compared_in_places(server: FaultServer, final: Path, long: Version) -> None:
    put(server, final)
    serve(server, undated)
    told: list[Progress] = []
    assert download(server.url, final, progress=told.append).already_complete
    assert len(server.requests) == 4
    assert [each.text for each in told if each.event == "warning"] == [
        "the server sends no date; file.bin was compared in 3 places only"]


@pytest.mark.parametrize("pos", [0, 65_535, LONG // 2, LONG - 65_536, LONG - 1])
def test_another_byte_in_one_of_them(server: FaultServer, final: Path, long: Version, pos: int) -> None:
    content = bytearray(long.content)
    content[pos] ^= 1
    put(server, final, bytes(content))
    serve(server, undated)
    with pytest.raises(DiskError, match="not the same"):
        download(server.url, final)
    assert final.read_bytes() == content


def test_places_that_are_all_alike_prove_nothing(server: FaultServer, final: Path) -> None:
    """A disk image with zeros in each of them: it could be any other."""
    content = bytearray(LONG)
    content[LONG // 4:LONG // 4 + 9] = b"not alike"
    server.change(Version(2, bytes(content), '"zeros"', server.version.changed))
    serve(server, undated)
    put(server, final, bytes(LONG))
    with pytest.raises(DiskError, match="may be another file"):
        download(server.url, final)


@pytest.mark.parametrize("spoil", [
    pytest.param(lambda reply: reply._replace(status=416).put("Content-Range", f"bytes */{LONG}").carrying(b""),
                 id="refused"),
    pytest.param(lambda reply: reply.put("Content-Range", f"bytes 0-65534/{LONG}").carrying(reply.content[:65_535]),
                 id="shorter"),
    pytest.param(lambda reply: reply.put("Content-Type", "multipart/byteranges; boundary=a"), id="multipart"),
    pytest.param(lambda reply: reply.put("Content-Encoding", "gzip"), id="coded"),
    pytest.param(lambda reply: reply.put("ETag", '"other"'), id="another version meanwhile"),
])
def test_a_server_that_does_not_send_them(server: FaultServer, final: Path, long: Version, spoil: Any) -> None:
    put(server, final)
    server.behave_as(lambda call: call.send(undated(spoil(call.reply) if call.number else call.reply)))
    with pytest.raises(DiskError, match="may be another file"):
        download(server.url, final)
    assert final.read_bytes() == long.content


def test_without_ranges_a_long_file_cannot_be_compared(server: FaultServer, final: Path, long: Version) -> None:
    put(server, final)
    serve(server, lambda reply: undated(whole(server)(reply)))
    with pytest.raises(DiskError, match="may be another file"):
        download(server.url, final)


@pytest.mark.parametrize("spoil", [
    lambda reply: reply._replace(status=200), lambda reply: reply._replace(status=200).without("Content-Range"),
    lambda reply: reply._replace(status=203)])
def test_a_slice_with_200(server: FaultServer, final: Path, long: Version, spoil: Any) -> None:
    """Such a server says the length of the slice in a wrong place: the file here is not another one for that."""
    download(server.url, final, **QUICK)
    serve(server, spoil)
    assert download(server.url, final, **QUICK).already_complete
    server.change(Version.make(2, 1))
    with pytest.raises(DiskError, match="the server has 1 bytes"):
        download(server.url, final, **QUICK)


def test_a_server_that_sends_no_length(server: FaultServer, final: Path) -> None:
    put(server, final)

    def chunked(call: Call) -> None:
        reply = whole(server)(call.reply).put("Content-Length").put("Transfer-Encoding", "chunked")
        call.line.send(reply.head() + b"%x\r\n%b\r\n0\r\n\r\n" % (len(reply.content), reply.content))

    server.behave_as(chunked)
    with pytest.raises(DiskError, match="no length"):
        download(server.url, final)
    assert download(server.url, final, if_newer=True).already_complete
    server.requests.clear()
    digest = hashlib.sha256(server.version.content).hexdigest()
    assert download(server.url, final, sha256=digest).already_complete
    assert server.requests == []


def test_a_content_coding_hides_the_length(server: FaultServer, final: Path) -> None:
    put(server, final)
    serve(server, lambda reply: reply.put("Content-Encoding", "gzip"))
    with pytest.raises(DiskError, match="may be another file"):
        download(server.url, final)


def test_a_sample_that_ends_early(server: FaultServer, final: Path, long: Version) -> None:
    put(server, final)

    def act(call: Call) -> None:
        reply = undated(call.reply)
        if call.number == 1:
            reply = reply.put("Content-Length").put("Transfer-Encoding", "chunked")
            call.line.send(reply.head() + b"64\r\n%b\r\n0\r\n\r\n" % reply.content[:100])
        else:
            call.send(reply)

    server.behave_as(act)
    assert download(server.url, final, **QUICK).already_complete
    assert len(server.requests) == 5


# --- digests

def test_a_digest_that_was_given_needs_no_request(server: FaultServer, tmp_path: Path, final: Path) -> None:
    digest = hashlib.sha256(server.version.content).hexdigest()
    put(server, final, later=-_HOUR)
    for arguments in ({"path": final}, {"directory": tmp_path}, {"path": tmp_path}):
        done = download(server.url, sha256=digest, **arguments)
        assert (done.already_complete, done.sha256, done.path) == (True, digest, final)
    assert server.requests == []
    with pytest.raises(DiskError, match="differs: its sha256 is"):
        download(server.url, final, sha256="0" * 64)
    assert server.requests == []


def test_a_digest_that_the_server_declares(server: FaultServer, final: Path) -> None:
    digest = base64.b64encode(hashlib.sha256(server.version.content).digest()).decode()
    serve(server, lambda reply: reply.put("Repr-Digest", f"sha-256=:{digest}:"))
    put(server, final, later=-_HOUR)
    assert download(server.url, final).already_complete
    assert ranges(server) == ["bytes=0-0"]
    put(server, final, server.version.content[::-1])
    with pytest.raises(DiskError, match="differs: its sha256 is"):
        download(server.url, final)


# --- names

def test_a_name_by_the_url_is_done_after_one_request(server: FaultServer, tmp_path: Path, final: Path) -> None:
    put(server, final)
    assert download(server.url, directory=tmp_path).already_complete
    assert download(server.url, tmp_path).path == final
    assert ranges(server) == ["bytes=0-0"] * 2


def test_a_name_by_the_server_is_found_with_its_head(server: FaultServer, tmp_path: Path, final: Path) -> None:
    serve(server, lambda reply: reply.put("Content-Disposition", 'attachment; filename="named.bin"'))
    final.write_text("of the name in the URL: another file")
    named = tmp_path / "named.bin"
    assert download(server.url, directory=tmp_path).path == named
    done = download(server.url, directory=tmp_path)
    assert (done.path, done.already_complete) == (named, True)
    named.write_text("mine")
    with pytest.raises(DiskError, match=r"named\.bin already exists and differs"):
        download(server.url, directory=tmp_path)
    assert download(server.url, directory=tmp_path, if_newer=True).path == named
    assert named.read_bytes() == server.version.content
    assert final.read_text() == "of the name in the URL: another file"
    assert sorted(os.listdir(tmp_path)) == ["file.bin", "named.bin"]


def test_a_partial_file_of_aria2_is_not_taken_for_a_whole_one(server: FaultServer, tmp_path: Path, final: Path) -> None:
    """It has the length of the whole file, and holes."""
    put(server, final, later=_HOUR)
    (tmp_path / "file.bin.aria2").touch()
    for options in ({}, {"if_newer": True}):
        with pytest.raises(DiskError, match="aria2"):
            download(server.url, final, **options)


def test_a_control_file_of_aria2_that_is_out_of_date(server: FaultServer, tmp_path: Path, final: Path) -> None:
    """The file has been fetched by us since."""
    put(server, final, later=_HOUR)
    (tmp_path / "file.bin.aria2").touch()
    download(server.url, final, force=True)
    assert download(server.url, final).already_complete
    assert download(server.url, final, if_newer=True).already_complete


# --- options

@pytest.mark.parametrize(("content", "later", "replaced"), [
    (None, 0, False), (None, _HOUR, False), (b"x" * 600_000, _HOUR, False), (b"x" * 600_000, -10, True),
    (b"x", _HOUR, True),
])
def test_if_newer(server: FaultServer, final: Path, content: bytes | None, later: int, replaced: bool) -> None:
    put(server, final, content, later)
    before = final.read_bytes()
    assert download(server.url, final, if_newer=True).already_complete is not replaced
    assert final.read_bytes() == (server.version.content if replaced else before)
    assert os.listdir(final.parent) == ["file.bin"]


def test_if_newer_where_nothing_can_be_told(server: FaultServer, final: Path, long: Version) -> None:
    put(server, final)
    serve(server, lambda reply: undated(whole(server)(reply)))
    assert not download(server.url, final, if_newer=True).already_complete


def test_if_newer_that_is_cut_off_keeps_the_old_file(server: FaultServer, final: Path) -> None:
    final.write_text("old")
    server.behave_as(lambda call: call.send_cut(call.reply, 300_000) if call.number == 1 else (
        call.send(call.reply if call.number == 0 else call.reply._replace(status=404))))
    with pytest.raises(NetworkError):
        download(server.url, final, if_newer=True, **QUICK)
    assert final.read_text() == "old"
    server.behave_as(behave)
    assert download(server.url, final, if_newer=True).kept == 300_000
    assert final.read_bytes() == server.version.content


def test_skip_existing_does_not_ask(server: FaultServer, tmp_path: Path, final: Path) -> None:
    final.write_text("mine")
    for arguments in ({"path": final}, {"directory": tmp_path}, {"path": tmp_path}):
        done = download(server.url, skip_existing=True, **arguments)
        assert (done.path, done.complete_length, done.already_complete) == (final, 4, True)
    assert (server.requests, final.read_text()) == ([], "mine")
    serve(server, lambda reply: reply.put("Content-Disposition", 'attachment; filename="named.bin"'))
    final.unlink()
    (tmp_path / "named.bin").write_text("mine")
    assert download(server.url, directory=tmp_path, skip_existing=True).path == tmp_path / "named.bin"
    assert os.listdir(tmp_path) == ["named.bin"]


def test_force_asks_for_everything(server: FaultServer, tmp_path: Path, final: Path) -> None:
    put(server, final)
    assert not download(server.url, directory=tmp_path, force=True).already_complete
    assert ranges(server) == ["bytes=0-"]


# --- failures

def test_a_server_that_fails_for_a_while(server: FaultServer, final: Path) -> None:
    put(server, final, later=_HOUR)
    told: list[Progress] = []

    def act(call: Call) -> None:
        if call.number in (0, 2):
            call.send(call.reply._replace(status=503))
        elif call.number == 3:
            call.send_cut(call.reply, 100_000)
        else:
            call.send(call.reply)

    server.behave_as(act)
    assert download(server.url, final, progress=told.append, **QUICK).already_complete
    assert len([each for each in told if each.event == "retry"]) == 3


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 3)])
def test_a_server_that_fails(server: FaultServer, final: Path, status: int, requests: int) -> None:
    put(server, final)
    serve(server, lambda reply: reply._replace(status=status))
    with pytest.raises(NetworkError, match=str(status)):
        download(server.url, final, **QUICK)
    assert len(server.requests) == requests
    assert final.read_bytes() == server.version.content


def test_a_server_that_refuses_ranges(server: FaultServer, final: Path) -> None:
    put(server, final)
    server.behave_as(lambda call: call.send(
        call.reply._replace(status=403) if call.request.field("range") else call.reply))
    assert download(server.url, final, **QUICK).already_complete
    assert ranges(server) == ["bytes=0-0", ""]


def test_a_server_that_hangs_up_and_one_that_is_none(server: FaultServer, final: Path) -> None:
    put(server, final)
    server.behave_as(lambda call: call.line.hang_up())
    with pytest.raises(NetworkError, match="3 tries"):
        download(server.url, final, **QUICK)
    server.behave_as(lambda call: call.send(call.reply._replace(status=302).put("Location", "ftp://127.0.0.1/")))
    with pytest.raises(NetworkError, match="not an http"):
        download(server.url, final, **QUICK)


def test_stopped_while_it_waits(server: FaultServer, final: Path) -> None:
    put(server, final)
    serve(server, lambda reply: reply._replace(status=503).put("Retry-After", "500"))
    run: list[DownloadRun] = []

    def stop(progress: Progress) -> None:
        threading.Thread(target=run[0].stop, args=[ZeroDivisionError()]).start()

    run.append(DownloadRun(server.url, final, DownloadOptions(progress=stop)))
    with pytest.raises(ZeroDivisionError):
        run[0].result()


def test_stopped_while_a_digest_is_computed(server: FaultServer, final: Path) -> None:
    put(server, final)
    run = prepare(server.url, final, sha256=hashlib.sha256(server.version.content).hexdigest())
    run.stop()
    with pytest.raises(TransferError, match="stopped"):
        run.result()


def test_asyncio(server: FaultServer, final: Path) -> None:
    put(server, final)
    assert asyncio.run(adownload(server.url, final)).already_complete


def test_a_file_that_goes_meanwhile(server: FaultServer, final: Path) -> None:
    put(server, final)

    def act(call: Call) -> None:
        final.unlink()
        call.send(call.reply)

    server.behave_as(act)
    with pytest.raises(DiskError, match="No such file"):
        download(server.url, final)
