"""Whole uploads in this process: files that change, states on disk, stopping, logins, and what the system does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import hashlib
import json
import os
import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from rangeware import InvalidOption
from rangeware.client import (
    ChangedError,
    DigestError,
    DiskError,
    NetworkError,
    Progress,
    TransferError,
    aupload,
    upload,
)
from rangeware.client.io import source_file, upload_store, watched
from rangeware.client.io.upload_record import parse
from rangeware.client.io.upload_store import UploadStore, cache_folder
from rangeware.client.io.watched import is_interim
from rangeware.client.upload_api import UploadRun
from rangeware.client.upload_options import UploadOptions
from tests.client.upload_server import Put, UploadServer, behave

LENGTH = 600_000
CONTENT = random.Random(4).randbytes(LENGTH)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK: dict[str, Any] = {"timeout": 5.0, "first_byte": 5.0, "tries": 4, "first_delay": 0.01, "longest_delay": 0.03}


@pytest.fixture(params=[("tus",), ("draft",)], ids=["tus", "draft"])
def server(request: pytest.FixtureRequest) -> Iterator[UploadServer]:
    with UploadServer(speaks=request.param) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def cut(put: Put) -> None:
    """Half of the file is taken, and then no request any more."""
    if put.method == "PATCH" and put.stored is not None and not put.stored.content:
        put.append(300_000)
        put.close()
    if put.stored is not None and put.stored.content:
        put.close()
    behave(put)


def half_sent(server: UploadServer, file: Path, **more: Any) -> None:
    """An upload of which the server has half, and the state of which is here."""
    server.act = cut
    with pytest.raises(NetworkError):
        upload(file, server.url, **{**QUICK, "tries": 1, **more})
    server.act = behave
    server.requests.clear()


def states(folder: Path | None = None) -> list[Path]:
    return sorted((folder or cache_folder()).glob("*"))


# resuming

def test_what_an_upload_tells(server, file):
    told: list[Progress] = []
    done = upload(file, server.url, progress=told.append, **QUICK)
    assert (done.path, done.url, done.sha256, done.complete_length) == (file, server.url, SHA256, LENGTH)
    assert (done.address, done.protocol, done.sent, done.kept) == (f"{server.url}1", server.speaks[0], LENGTH, 0)
    assert (done.resumed, done.restarts) == (False, 0)
    assert done.seconds > 0
    assert [each.event for each in told if each.event != "progress"] == ["began", "finished"]
    assert told[-1][:4] == ("finished", str(file), LENGTH, LENGTH)
    assert states() == []


def test_a_second_run_sends_the_rest_only(server, file):
    half_sent(server, file)
    done = upload(file, server.url, **QUICK)
    assert (done.kept, done.sent, done.resumed) == (300_000, 300_000, True)
    assert server.methods() == ["OPTIONS", "HEAD", "PATCH"]
    assert [each.sha256 for each in server.completed] == [SHA256]
    assert states() == []


def test_a_copy_with_another_name_is_resumed(server, file, tmp_path):
    half_sent(server, file)
    copy = tmp_path / "copy"
    copy.write_bytes(CONTENT)
    assert upload(copy, server.url, **QUICK).kept == 300_000


def test_a_file_that_was_changed_starts_afresh(server, file):
    half_sent(server, file)
    file.write_bytes(CONTENT[::-1])
    done = upload(file, server.url, **QUICK)
    assert (done.kept, server.completed[0].sha256) == (0, hashlib.sha256(CONTENT[::-1]).hexdigest())


def test_a_file_that_was_changed_with_its_old_time_starts_afresh(server, file):
    times = file.stat()
    half_sent(server, file)
    file.write_bytes(CONTENT[::-1])
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert upload(file, server.url, **QUICK).sha256 == hashlib.sha256(CONTENT[::-1]).hexdigest()
    assert server.completed[0].sha256 == hashlib.sha256(CONTENT[::-1]).hexdigest()


def test_fresh_does_not_resume(server, file):
    half_sent(server, file)
    assert upload(file, server.url, fresh=True, **QUICK).kept == 0
    assert server.methods()[:2] == ["OPTIONS", "POST"]


def test_another_url_is_another_upload(server, file):
    half_sent(server, file)
    assert upload(file, server.url + "?x", **QUICK).kept == 0
    assert upload(file, server.url + "#x", **QUICK).kept == 300_000


def test_an_upload_that_is_gone_by_now(server, file):
    half_sent(server, file)
    server.uploads.clear()
    done = upload(file, server.url, **QUICK)
    assert (done.restarts, done.kept, [each.sha256 for each in server.completed]) == (1, 0, [SHA256])


def test_the_error_says_what_is_kept(server, file):
    server.act = lambda put: put.close() if put.stored and put.stored.content else (
        put.answer(500) if put.server.count("patches") > 4 else behave(put))
    with pytest.raises(NetworkError) as caught:
        upload(file, server.url, chunk_size=100_000, **QUICK)
    assert caught.value.kept in ("100,000 of 600,000 bytes are at the server", "")
    assert len([*states()]) == 1


def test_the_digest_is_not_made_again(server, file, monkeypatch):
    half_sent(server, file)
    monkeypatch.setattr(source_file.SourceFile, "sha256", None)
    assert upload(file, server.url, **QUICK).kept == 300_000


def test_an_expected_digest(server, file):
    assert upload(file, server.url, sha256=SHA256.upper(), **QUICK).sha256 == SHA256
    server.requests.clear()
    with pytest.raises(DigestError, match=f"{SHA256} instead of {'0' * 64}"):
        upload(file, server.url, sha256="0" * 64, **QUICK)
    assert server.requests == []


# the state on disk

def test_the_state_is_private_and_has_no_secret(server, file):
    url = server.url.replace("http://", "http://ann:s3cret@")
    half_sent(server, file, headers={"X-Api-Key": "s3cret"})
    server.act = cut
    server.uploads.clear()
    with pytest.raises(NetworkError):
        upload(file, url, fresh=True, **QUICK)
    (state,) = states()
    modes = [path.stat().st_mode & 0o777 for path in (state, cache_folder())]
    assert (state.suffix, modes) == (".json", [0o600, 0o700])
    assert "s3cret" not in state.read_text()
    assert "ann" not in state.read_text()


GARBAGE = [
    b"", b"null", b"[]", b"{}", b"\xff\xfe", b"[" * 100_000, b'{"version": 1}', b'{"version": 2}', b"5", b'"x"',
]
FIELDS = {
    "version": [2, None, "1"], "url": [None, 5, "ftp://h/", "http://u@h/", "http://h/#x"],
    "address": [None, "file:///etc/passwd", "http://h/\n", "http://h/\u00fc", "http://h/" + "x" * 9000, "http://u:p@h/"],
    "protocol": [None, "ftp", ["tus"]], "sha256": [None, "ab", 5], "identity": [None, 5, [None], ["x"], [float("inf")]],
}


@pytest.mark.parametrize("text", GARBAGE)
def test_garbage_in_the_state_means_start_afresh(server, file, text):
    half_sent(server, file)
    states()[0].write_bytes(text)
    assert upload(file, server.url, **QUICK).kept == 0
    assert SHA256 in [each.sha256 for each in server.completed]


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in FIELDS.items() for value in values])
def test_a_field_of_the_state_that_cannot_be(name, value):
    right = {"version": 1, "url": "http://h/", "address": "http://h/1", "protocol": "tus", "sha256": SHA256,
             "identity": [1, 2, 3, 4, 5]}
    assert parse(json.dumps(right).encode()) is not None
    assert parse(json.dumps({**right, name: value}).encode()) is None


def test_a_state_of_another_url(server, file):
    half_sent(server, file)
    said = json.loads(states()[0].read_text())
    states()[0].write_text(json.dumps({**said, "url": "http://other/"}))
    assert upload(file, server.url, **QUICK).kept == 0


def test_a_symbolic_link_in_place_of_the_state(server, file, tmp_path):
    half_sent(server, file)
    (state,) = states()
    state.rename(tmp_path / "elsewhere")
    state.symlink_to(tmp_path / "elsewhere")
    assert upload(file, server.url, **QUICK).kept == 0


def test_old_states_are_removed_by_the_next_upload(server, file):
    half_sent(server, file)
    old, (recent,) = cache_folder() / "put-0.json", states()
    foreign = cache_folder() / "other.json"
    day = 86_400
    for path, age in ((old, 91), (old.with_suffix(".lock"), 91), (recent, 89), (foreign, 999)):
        path.touch()
        os.utime(path, (time.time() - age * day,) * 2)
    with pytest.raises(NetworkError):
        upload(file, "http://127.0.0.1:1/", tries=1)
    assert set(states()) == {recent, foreign}


def test_two_runs_at_once(server, file, tmp_path):
    store = UploadStore(cache_folder(), server.url, LENGTH, SHA256)
    try:
        with pytest.raises(DiskError, match="another run is uploading") as caught:
            upload(file, server.url, **QUICK)
        assert (caught.value.exit_code, server.requests) == (5, [])
    finally:
        store.close()
    upload(file, server.url, **QUICK)


def test_a_folder_that_cannot_be_written(server, file, tmp_path):
    (tmp_path / "taken").touch()
    with pytest.raises(DiskError, match="taken"):
        upload(file, server.url, state=tmp_path / "taken", **QUICK)


def test_a_disk_that_is_full(server, file, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(upload_store, "write_all", full)
    with pytest.raises(DiskError, match="No space left"):
        upload(file, server.url, **QUICK)
    assert "PATCH" not in server.methods()


def test_the_cache_folder(monkeypatch, tmp_path):
    assert cache_folder() == tmp_path / "cache" / "rangeware"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "rangeware"


# a file that changes

def rewrite(file: Path) -> None:
    file.write_bytes(CONTENT[::-1])


def rewrite_in_place(file: Path) -> None:
    times = file.stat()
    with file.open("r+b") as opened:
        opened.seek(LENGTH - 5)
        opened.write(b"other")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


def grow(file: Path) -> None:
    with file.open("ab") as opened:
        opened.write(b"more")


def shrink(file: Path) -> None:
    os.truncate(file, 200_000)


def replace_by_another(file: Path) -> None:
    other = file.with_name("other")
    other.write_bytes(CONTENT)
    other.replace(file)


CHANGES: list[Callable[[Path], object]] = [
    rewrite, rewrite_in_place, grow, shrink, replace_by_another, Path.unlink, Path.touch]


@pytest.mark.each
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(("chunk_size", "moment"), [
    (None, 0), (None, 1), (None, 300_000), (None, 590_000), (50_000, 0), (50_000, 300_000), (50_000, 500_000)])
def test_a_file_that_changes_is_never_completed(server, file, change, chunk_size, moment, monkeypatch):
    monkeypatch.setattr("rangeware.client.io.transport._BLOCK", 10_000)
    changed = threading.Event()

    def act(put):
        before = put.server.uploads.get("/files/1")
        if put.method == "PATCH" and not changed.is_set() and chunk_size and len(before.content) >= moment:
            change(file)
            changed.set()
        behave(put)

    def tell(done: int) -> None:
        if done >= moment and not changed.is_set() and not chunk_size:
            change(file)
            changed.set()

    watch_reading(monkeypatch, tell)
    server.act = act
    with pytest.raises(ChangedError, match="changed|shorter") as caught:
        upload(file, server.url, chunk_size=chunk_size, **QUICK)
    assert caught.value.exit_code == 3
    assert server.completed == []
    assert server.ended == ["/files/1"]
    assert states() == []


def watch_reading(monkeypatch: pytest.MonkeyPatch, tell: Callable[[int], None]) -> None:
    """Call ``tell`` with the position of each block that is read to be sent, before it is read."""
    pread = os.pread

    def read(file: int, length: int, pos: int) -> bytes:
        tell(pos if length <= 10_000 else -1)
        return pread(file, length, pos)

    monkeypatch.setattr(source_file.os, "pread", read)


def test_a_file_that_changes_while_it_is_checked(server, file, monkeypatch):
    pread = os.pread
    monkeypatch.setattr(source_file.os, "pread", lambda *args: (grow(file), pread(*args))[1])
    with pytest.raises(ChangedError):
        upload(file, server.url, **QUICK)
    assert server.requests == []


def test_a_file_that_loses_its_end_without_a_trace(server, file, monkeypatch):
    """As on a network file system, whose times and sizes come late."""
    pread = os.pread
    monkeypatch.setattr(source_file.os, "pread", lambda file, length, pos: pread(file, length, pos) if pos < 9 else b"")
    monkeypatch.setattr(source_file, "_BLOCK", 1000)
    with pytest.raises(ChangedError, match="shorter"):
        upload(file, server.url, **QUICK)


def test_a_file_that_changes_before_anything_is_created(server, file):
    server.act = lambda put: (grow(file), behave(put))[1]
    with pytest.raises(ChangedError):
        upload(file, server.url, **QUICK)
    assert server.methods() == ["OPTIONS"]


def test_an_end_that_fails_at_the_server_too(server, file):
    def act(put):
        if put.method == "DELETE":
            put.close()
        if put.method == "PATCH":
            grow(file)
        behave(put)

    server.act = act
    with pytest.raises(ChangedError):
        upload(file, server.url, chunk_size=100_000, **QUICK)
    assert server.completed == []


@pytest.mark.parametrize(("make", "text"), [
    (lambda path: path.mkdir(), "is a directory"), (os.mkfifo, "not a regular file"),
    (lambda path: None, "No such file"), (lambda path: path.symlink_to(path), "symbolic links"),
])
def test_a_file_that_is_none(server, tmp_path, make, text):
    path = tmp_path / "x"
    make(path)
    with pytest.raises(DiskError, match=text):
        upload(path, server.url, **QUICK)
    assert server.requests == []


def test_a_file_that_cannot_be_read(server, file, monkeypatch):
    def broken(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(source_file.os, "pread", broken)
    with pytest.raises(DiskError, match="Input/output"):
        upload(file, server.url, **QUICK)


def test_an_old_file_needs_no_waiting(server, file, monkeypatch):
    monkeypatch.setattr(source_file, "_GRAIN", -1.0)
    upload(file, server.url, **QUICK)


# options, logins, names

WRONG = [
    ("protocol", "ftp"), ("protocol", 5), ("chunk_size", 0), ("chunk_size", "1"), ("metadata", {"a b": "c"}),
    ("metadata", {"": "c"}), ("metadata", {"a,b": "c"}), ("metadata", {"\u00fc": "c"}), ("metadata", {"a": 5}),
    ("metadata", {5: "a"}), ("metadata", {"a": "\udcff"}), ("headers", {"Content-Length": "5"}),
    ("headers", {"upload-offset": "5"}), ("headers", {"Tus-Resumable": "1"}), ("headers", {"Content-Type": "a/b"}),
    ("headers", {"Transfer-Encoding": "chunked"}), ("sha256", "ab"), ("tries", 0), ("timeout", 0),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_option_is_named(file, name, value):
    with pytest.raises(InvalidOption, match=name):
        upload(file, "http://127.0.0.1:1/", **{name: value})


@pytest.mark.parametrize("url", ["ftp://h/", "h/x", "http://", "http://h:x/"])
def test_a_url_that_is_none(file, url):
    with pytest.raises(InvalidOption):
        upload(file, url)


@pytest.mark.parametrize("send", [upload, aupload])
def test_an_option_that_there_is_not(file, send):
    with pytest.raises(TypeError, match="segments'"):
        send(file, "http://127.0.0.1:1/", segments=4)


def test_metadata_and_name(server, tmp_path):
    file = tmp_path / "f\u00fcnf.mp4"
    file.write_bytes(b"x")
    upload(file, server.url, metadata={"album": "Rome", "filename": "six.mp4"}, **QUICK)
    creation = server.uploads["/files/1"].creation
    if server.speaks == ("tus",):
        pairs = dict(pair.split(" ") for pair in creation["upload-metadata"].split(","))
        told = {name: base64.b64decode(value).decode() for name, value in pairs.items()}
        assert told == {"filename": "six.mp4", "filetype": "video/mp4", "album": "Rome"}
    else:
        assert "f%C3%BCnf.mp4" in creation["content-disposition"]
        assert creation["content-type"] == "video/mp4"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(("userinfo", "netrc", "sent"), [
    ("ann:pw@", "", basic("ann:pw")), ("", "machine 127.0.0.1 login bob password x", basic("bob:x")),
    ("bob@", "machine 127.0.0.1 login bob password x", basic("bob:x")),
    ("ann@", "machine 127.0.0.1 login bob password x", basic("ann:")), ("ann:@", "", basic("ann:")), ("", "", None),
])
def test_logins(server, file, userinfo, netrc, sent, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text(netrc)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    upload(file, server.url.replace("http://", f"http://{userinfo}"), **QUICK)
    assert {told.get("authorization") for _, _, told in server.requests} == {sent}


def test_another_origin_gets_no_secret(file):
    with UploadServer() as other, UploadServer() as server:
        server.base = f"http://127.0.0.1:{other.port}"
        other.uploads = server.uploads
        done = upload(file, server.url.replace("http://", "http://ann:pw@"),
                      headers={"X-Api-Key": "k", "Accept-Language": "it"}, **QUICK)
        assert done.address.startswith(server.base)
        (_, _, told), = other.requests
    assert not {"authorization", "x-api-key"} & told.keys()
    assert told["accept-language"] == "it"
    assert "authorization" in server.requests[0][2]


def test_a_pool_of_the_callers(server, file):
    with urllib3.PoolManager() as pool:
        upload(file, server.url, pool=pool, **QUICK)
    assert [each.sha256 for each in server.completed] == [SHA256]


def test_the_limit_is_kept(server, file):
    assert upload(file, server.url, limit_rate=600_000, **QUICK).seconds > 0.5


# stopping

def test_asyncio(server, file):
    told: list[int] = []

    async def main():
        return await aupload(file, server.url, progress=lambda each: told.append(threading.get_ident()), **QUICK)

    assert asyncio.run(main()).sha256 == SHA256
    assert {*told} == {threading.get_ident()}


def take_nothing(put: Put) -> None:
    if put.method == "PATCH":
        put.stall()
    behave(put)


def answer_nothing(put: Put) -> None:
    if put.method == "PATCH":
        put.read_content()
        put.stall()
    behave(put)


@pytest.mark.parametrize("hang", [take_nothing, answer_nothing])
def test_a_task_that_is_cancelled_stops_soon(server, tmp_path, hang):
    file = tmp_path / "big"
    file.write_bytes(CONTENT * 30)
    server.act = hang

    async def main():
        task = asyncio.ensure_future(aupload(file, server.url, **{**QUICK, "timeout": 50.0}))
        while "PATCH" not in server.methods():  # noqa: ASYNC110 - the server is on another thread
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    begun = time.monotonic()
    asyncio.run(main())
    assert time.monotonic() - begun < 20
    assert len(states()) == 1


def test_stopped_before_it_has_begun(server, file):
    run = UploadRun(file, server.url, UploadOptions())
    run.stop()
    with pytest.raises(TransferError, match="stopped"):
        run.result()
    assert server.requests == []


def test_stopped_after_the_check(server, file, monkeypatch):
    run = UploadRun(file, server.url, UploadOptions(sha256=SHA256))
    monkeypatch.setattr(run, "_check", lambda report, length: run.stop())
    with pytest.raises(TransferError, match="stopped"):
        run.result()
    assert server.requests == []


@pytest.mark.parametrize("limit_rate", [None, 500_000])
def test_an_exception_of_progress_ends_it(server, file, limit_rate):
    server.pause = 0.02

    def weary(progress: Progress) -> None:
        if progress.event == "progress":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upload(file, server.url, progress=weary, limit_rate=limit_rate, **QUICK)
    assert len(states()) == 1
    deadline = time.monotonic() + 10
    while not server.uploads["/files/1"].content and time.monotonic() < deadline:
        time.sleep(0.01)
    server.pause = 0
    done = upload(file, server.url, **QUICK)
    assert [each.sha256 for each in server.completed] == [SHA256]
    assert done.sent + done.kept == LENGTH


def test_checking_is_told(server, file, monkeypatch):
    told: list[Progress] = []
    monkeypatch.setattr("rangeware.client.io.upload_report._REPORT", 0.0)
    upload(file, server.url, progress=told.append, **QUICK)
    assert (told[0].event, told[0].done, told[0].complete_length) == ("checking", LENGTH, LENGTH)
    assert {each.event for each in told} == {"checking", "began", "progress", "finished"}


# the connections

@pytest.mark.parametrize(("text", "is_so"), [
    (b"", False), (b"HTTP/1.1 1", True), (b"HTTP/1.1 104 X\r\n\r\n", True), (b"HTTP/1.1 104 X\r\nA: b\r\n\r\n", True),
    (b"HTTP/1.1 104 X\r\nA: b\r\n", True), (b"HTTP/1.1 200 OK\r\n", False),
    (b"HTTP/1.1 104 X\r\n\r\nHTTP/1.1 4", False), (b"HTTP/1.1 104 X\r\n\r\nHTTP/1.0 1", True), (b"garbage", False),
])
def test_interim_responses(text, is_so):
    assert is_interim(text) is is_so


def test_a_connection_that_cannot_be_peeked_at():
    """As over TLS: a response that comes early is taken for one only if the server takes nothing for too long."""
    class Tls(socket.socket):
        pass

    ours, theirs = socket.socketpair()
    line = Tls(fileno=ours.detach())
    with line, theirs:
        theirs.sendall(b"HTTP/1.1 413 X\r\n\r\n")
        watched._wait_to_send(line, 0.1, lambda: None)
        line.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                line.send(b"x" * 65536)
        with pytest.raises(BrokenPipeError):
            watched._wait_to_send(line, 0.1, lambda: None)
        line.recv(100)
        with pytest.raises(TimeoutError):
            watched._wait_to_send(line, 0.1, lambda: None)
    assert watched._deadline(None) == float("inf")


def test_a_server_that_hangs_up_over_tls_may_have_answered(monkeypatch):
    """urllib3 reads the response after a broken pipe, and not after an error of TLS."""
    class Line:
        def send(self, data: bytes) -> int:
            raise ssl.SSLEOFError("EOF occurred in violation of protocol")

    monkeypatch.setattr(watched, "_wait_to_send", lambda *_: None)
    connection = watched.Watched("127.0.0.1")
    connection.sock = Line()
    watching = watched.WATCH.set(lambda: None)
    try:
        with pytest.raises(BrokenPipeError):
            connection.send(b"x")
    finally:
        watched.WATCH.reset(watching)
        connection.sock = None
