"""Whole runs in this process: asyncio, stopping, names, progress, and what the system does now and then."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from rangeware.client import DigestError, DiskError, DownloadError, NetworkError, Progress, adownload, download
from rangeware.client.api import DownloadRun
from rangeware.client.io import filesystem, journal_file, part_file
from rangeware.client.io.engine import Engine
from rangeware.client.io.part_file import PartFile
from rangeware.client.io.part_names import journal_of
from rangeware.client.options import DownloadOptions
from rangeware.client.planning import range_fetch
from rangeware.client.planning.planner import Planner
from rangeware.client.planning.response_head import FileVersion
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.client.planning.throughput import RateLimiter
from rangeware.client.planning.trust import Comparison
from rangeware.http.ranges import ByteRange
from tests.client.fault_server import Call, FaultServer, Line, behave
from tests.client.faulty.trials import run_in_time

QUICK = {"timeout": 5.0, "first_byte": 5.0, "first_delay": 0.01, "longest_delay": 0.05}
FOUR = {**QUICK, "segment_size": 16_384, "worthwhile": 0}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def half(call: Call) -> None:
    """Half of what is asked for, and then nothing more, for ever."""
    call.send(call.reply._replace(content=call.reply.content[:300_000]))
    call.line.stall()


def cut(call: Call) -> None:
    """Half of what is asked for, and the end of the connection."""
    call.send_cut(call.reply, 300_000)


def test_asyncio_gets_the_same(server, tmp_path):
    told: list[tuple[int, Progress]] = []

    async def main():
        return await asyncio.gather(*(
            adownload(server.url, tmp_path / name, progress=lambda each: told.append((threading.get_ident(), each)))
            for name in ("a", "b")))

    downloads = asyncio.run(main())
    assert [each.path.read_bytes() for each in downloads] == [server.version.content] * 2
    assert {thread for thread, _ in told} == {threading.get_ident()}
    assert [each.event for _, each in told].count("finished") == 2


def test_asyncio_without_progress_and_with_an_error(server, tmp_path):
    server.act = lambda call: call.send(call.reply._replace(status=404))
    with pytest.raises(NetworkError, match="404"):
        asyncio.run(adownload(server.url, tmp_path / "f"))


def test_a_task_that_is_cancelled_stops_and_keeps_what_has_come(server, tmp_path):
    server.act = half

    async def main():
        half_there = asyncio.Event()
        task = asyncio.ensure_future(adownload(
            server.url, tmp_path / "f", **QUICK, progress=lambda each: each.done >= 300_000 and half_there.set()))
        await asyncio.wait_for(half_there.wait(), 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    server.behave_as(behave)
    assert not (tmp_path / "f").exists()
    assert download(server.url, tmp_path / "f").kept == 300_000
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_stopped_before_it_has_begun(server, tmp_path):
    run = DownloadRun(server.url, tmp_path / "f", DownloadOptions())
    run.stop()
    with pytest.raises(DownloadError, match="stopped"):
        run.result()
    assert list(tmp_path.iterdir()) == []


def test_an_exception_of_progress_ends_it_and_keeps_what_has_come(server, tmp_path):
    server.act = half

    def weary(progress: Progress) -> None:
        if progress.done >= 300_000:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.url, tmp_path / "f", progress=weary, **QUICK)
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f").kept == 300_000


def test_a_partial_file_is_found_by_its_address(server, tmp_path):
    """Without a path the name comes with the answer; the part that is there is found before anything is asked."""
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, directory=tmp_path, tries=1)
    (tmp_path / "a.part.json").write_text("of something else")
    server.behave_as(behave)
    server.requests.clear()
    assert download(server.url, directory=tmp_path).path == tmp_path / "file.bin"
    assert server.requests[0].first_pos == 300_000 - 16_384


def test_a_directory_as_path(server, tmp_path):
    assert download(server.url, tmp_path).path == tmp_path / "file.bin"


def test_a_directory_that_is_made(server, tmp_path):
    assert download(server.url, directory=tmp_path / "a" / "b").path.read_bytes() == server.version.content


def test_a_directory_in_the_way_of_the_name(server, tmp_path):
    (tmp_path / "file.bin").mkdir()
    with pytest.raises(DiskError, match="directory"):
        download(server.url, directory=tmp_path)


def test_a_name_by_the_server_is_made_safe(server, tmp_path):
    server.act = lambda call: call.send(call.reply.put("Content-Disposition", 'attachment; filename="../../.x"'))
    assert download(server.url, directory=tmp_path).path.parent == tmp_path


def test_force_replaces_and_nothing_else_does(server, tmp_path):
    (tmp_path / "f").write_text("mine")
    with pytest.raises(DiskError, match="already"):
        download(server.url, tmp_path / "f")
    assert (tmp_path / "f").read_text() == "mine"
    assert [request.field("range") for request in server.requests] == ["bytes=0-0"]
    download(server.url, tmp_path / "f", force=True)
    assert (tmp_path / "f").read_bytes() == server.version.content


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_not_replaced(server, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    final = tmp_path / "f"

    def intrude(progress: Progress) -> None:
        final.write_text("mine")

    with pytest.raises(DiskError, match="has come into being"):
        download(server.url, final, progress=intrude)
    assert final.read_text() == "mine"
    final.unlink()
    assert download(server.url, final).kept == len(server.version.content)


def no_links(*arguments: object, **options: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_file_system_without_hard_links(server, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "link", no_links)
    assert download(server.url, tmp_path / "f").path.read_bytes() == server.version.content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_the_time_of_the_file_is_its_last_modified(server, tmp_path):
    assert int(download(server.url, tmp_path / "f").path.stat().st_mtime) == server.version.changed


def test_what_a_download_tells(server, tmp_path):
    told: list[Progress] = []
    done = download(server.url, tmp_path / "f", progress=told.append, **FOUR)
    length = len(server.version.content)
    assert (done.complete_length, done.etag, done.last_modified) == (
        length, server.version.etag, server.version.last_modified)
    assert (done.url, done.address, done.sha256, done.kept, done.restarts) == (server.url, server.url, None, 0, 0)
    assert done.received >= length
    assert done.seconds > 0
    assert [each.event for each in told if each.event != "progress"] == ["began", "finished"]
    assert (told[-1].done, told[-1].complete_length, told[-1].segments) == (length, length, ())


def test_a_warning_from_a_connection_is_told_in_the_calling_thread(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("no netrc file")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    told: list[tuple[str, str, threading.Thread]] = []
    download(server.url, tmp_path / "f", **QUICK,
             progress=lambda each: told.append((each.event, each.text, threading.current_thread())))
    assert [text for event, text, _ in told if event == "warning"] == ["the netrc file is ignored: line 1 is malformed"]
    assert {thread for _, _, thread in told} == {threading.current_thread()}


def test_a_server_that_answers_one_connection_after_the_other(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that nobody waits for any more is closed, long before the first byte is overdue."""
    def door(line: Line) -> None:
        if line.server.open_connections > 1:
            line.server.count("bites")
            line.stall()

    monkeypatch.setattr(range_fetch, "_SILENT", 0.4)
    server.pause = 0.02
    server.behave_as(behave, door)
    told: list[Progress] = []
    lines: list[str] = []
    patient = {**FOUR, "timeout": 8.0, "first_byte": 8.0, "first_delay": 0.5, "longest_delay": 0.5}
    ended = run_in_time(download, server.url, tmp_path / "f", **patient, progress=told.append, trace=lines.append)
    assert ended is not None
    assert ended.error is None
    assert server.bites
    assert [each.text for each in told if each.event == "fewer"]
    assert "< no response: not wanted any more" in lines
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_the_limit_is_kept(server, tmp_path):
    """No upper bound: a busy machine takes longer. Lower ones hold on any."""
    done = download(server.url, tmp_path / "f", limit_rate=600_000, **FOUR)
    assert done.seconds > 0.5


def test_the_journal_is_saved_while_bytes_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr("rangeware.client.io.engine._SAVE", 0.0)
    saved: list[SavedState] = []
    prepare = PartFile.stage
    monkeypatch.setattr(PartFile, "stage", lambda self, state: saved.append(state) or prepare(self, state))

    def act(call: Call) -> None:
        content = call.reply.content
        call.line.send(call.reply.head())
        for number in range(3):
            call.line.send(content[number * 200_000:(number + 1) * 200_000])
            while saved[-1:] == [] or saved[-1].finished[-1:] != (ByteRange(0, (number + 1) * 200_000 - 1),):
                if number == 2 or server.closing.wait(0.01):
                    break

    server.act = act
    download(server.url, tmp_path / "f", segments=1)
    lasts = [state.finished[-1].last_pos for state in saved if state.finished]
    assert lasts == sorted(set(lasts))
    assert {199_999, 399_999} <= set(lasts)
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_a_journal_for_a_file_that_was_begun_again_is_dropped(server, tmp_path, monkeypatch):
    """A lie comes to light while the journal of what was there is on its way to the disk."""
    monkeypatch.setattr("rangeware.client.io.engine._SAVE", 0.0)
    prepare, drop, mismatched = PartFile.stage, PartFile.rollback, Planner.on_comparison
    on_its_way, found_out, dropped = threading.Event(), threading.Event(), []

    def slow(self: PartFile, state: SavedState) -> int:
        journal = prepare(self, state)
        if len(server.requests) > 1:
            on_its_way.set()
            found_out.wait(20)
        return journal

    def find_out(self: Planner, seam: OverlapCheck, comparison: Comparison) -> None:
        mismatched(self, seam, comparison)
        found_out.set()

    def lie(call: Call) -> None:
        reply = call.reply
        if call.request.first_pos:
            call.send(reply._replace(content=reply.content[::-1]))
            return
        call.line.send(reply.head() + reply.content[:50_000])
        on_its_way.wait(20)
        call.line.send(reply.content[50_000:])

    monkeypatch.setattr(PartFile, "stage", slow)
    monkeypatch.setattr(
        PartFile, "rollback", lambda self, journal: dropped.append(self.path.name) or drop(self, journal))
    monkeypatch.setattr(Planner, "on_comparison", find_out)
    server.act = lie
    download(server.url, tmp_path / "f", **QUICK, segments=2, segment_size=200_000, worthwhile=0)
    assert (tmp_path / "f").read_bytes() == server.version.content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert dropped == ["f.part"]


def test_a_system_that_has_no_boot_id(server, tmp_path, monkeypatch):
    """Only what was on disk for certain counts then; nothing is wrong for it."""
    monkeypatch.setattr(journal_file, "_BOOT_ID", tmp_path / "none")
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", tries=1)
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f").kept == 300_000
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_a_partial_file_that_gets_its_name_while_another_run_opens_it(tmp_path, monkeypatch):
    path = tmp_path / "f.part"
    flock, moved = filesystem.fcntl.flock, []

    def slow(descriptor: int, operation: int) -> None:
        if len(moved) < 2:
            moved.append(path.rename(tmp_path / f"done-{len(moved)}"))
            path.touch() if len(moved) == 1 else None
        flock(descriptor, operation)

    monkeypatch.setattr(filesystem.fcntl, "flock", slow)
    opened = PartFile(path)
    try:
        assert os.path.samestat(os.fstat(opened._file), path.stat())
    finally:
        opened.close()


def test_nothing_is_noted_before_there_is_a_journal(tmp_path):
    opened = PartFile(tmp_path / "f.part")
    try:
        opened.write(0, memoryview(b"abc"))
        assert not journal_of(opened.path).exists()
    finally:
        opened.close()


def part_of(server: FaultServer, final: Path) -> bytes:
    """Have a partial file of 300,000 bytes left by a run that was cut."""
    server.behave_as(cut)
    with pytest.raises(NetworkError):
        download(server.url, final, tries=1)
    return final.with_name("f.part").read_bytes()


@pytest.mark.parametrize("first", [
    lambda call: call.send(call.reply.put("ETag", '"other"')),
    lambda call: call.send(call.reply.put("Content-Range", "bytes */5")._replace(status=416).carrying(b"")),
    lambda call: call.send(call.reply._replace(content=call.reply.content[::-1])),
], ids=["another tag", "shorter", "other bytes"])
@pytest.mark.parametrize("then", [404, 503])
def test_the_old_part_stays_where_the_new_version_cannot_be_had(server, tmp_path, first, then):
    final = tmp_path / "f"
    left = part_of(server, final)
    server.behave_as(lambda call: first(call) if call.number == 0 else call.send(call.reply._replace(status=then)))
    with pytest.raises(NetworkError) as caught:
        download(server.url, final, **{**QUICK, "tries": 3})
    assert "300,000 of 600,000" in caught.value.kept
    assert (tmp_path / "f.part").read_bytes() == left
    server.behave_as(behave)
    assert download(server.url, final).kept == 300_000
    assert final.read_bytes() == server.version.content


def test_a_server_cannot_plant_a_partial_file(server, tmp_path):
    for name in ("good.part", "good.part.json", "good.PART.new.json", "good.part.1"):
        server.behave_as(lambda call, name=name: call.send(
            call.reply.put("Content-Disposition", f'attachment; filename="{name}"')))
        assert ".part" not in download(server.url, directory=tmp_path).path.name.lower()


@pytest.mark.parametrize("force", [False, True])
def test_killed_while_the_file_got_its_name(server, tmp_path, force):
    """It has both names, and is whole, since only such a one gets the final name."""
    final, part = tmp_path / "f", tmp_path / "f.part"
    part_of(server, final)
    part.write_bytes(server.version.content)
    os.link(part, tmp_path / "f.part.whole")
    os.link(part, final)
    server.behave_as(behave)
    assert download(server.url, final, force=force).already_complete is not force
    assert final.read_bytes() == server.version.content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_killed_before_the_file_got_its_name(server, tmp_path):
    part_of(server, tmp_path / "f")
    os.link(tmp_path / "f.part", tmp_path / "f.part.whole")
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f", force=True).kept == 300_000
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_a_part_with_another_name_is_not_written_to(server, tmp_path):
    left = part_of(server, tmp_path / "f")
    os.link(tmp_path / "f.part", tmp_path / "mine")
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f").kept == 0
    assert (tmp_path / "f").read_bytes() == server.version.content
    assert (tmp_path / "mine").read_bytes() == (tmp_path / "f.part.1").read_bytes() == left


@pytest.mark.parametrize("step", ["stage", "commit", "sync"])
@pytest.mark.parametrize("failure", [DiskError("no space left"), KeyboardInterrupt()])
def test_what_is_left_stays_where_it_cannot_be_taken_up(server, tmp_path, monkeypatch, step, failure):
    left = part_of(server, tmp_path / "f")

    def fail(*arguments: object) -> None:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(PartFile, step, fail)
        with pytest.raises(type(failure)):
            download(server.url, tmp_path / "f")
    assert (tmp_path / "f.part").read_bytes() == left
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f").kept == 300_000


def test_a_journal_that_is_a_pipe_is_not_waited_for(server, tmp_path):
    os.mkfifo(tmp_path / "a.part.json")
    assert download(server.url, directory=tmp_path).complete_length == 600_000


def test_no_more_threads_for_a_second_connection(server, tmp_path, monkeypatch):
    start, started = threading.Thread.start, []

    def refuse(self: threading.Thread) -> None:
        if "_fetch" in self.name and started:
            raise RuntimeError("can't start new thread")
        started.append(self.name)
        start(self)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        server.act = half
        with pytest.raises(NetworkError):
            download(server.url, tmp_path / "f", **{**FOUR, "timeout": 0.2, "first_byte": 0.2})
    assert (tmp_path / "f.part").stat().st_size >= 300_000


def test_a_run_that_begins_when_another_has_just_ended(server, tmp_path, monkeypatch):
    """It has looked whether there is such a file before there was."""
    final, opened = tmp_path / "f", part_file.open_locked

    def late(path: Path, taken: str) -> tuple[int, bool]:
        monkeypatch.setattr(part_file, "open_locked", opened)
        final.write_text("of the other run")
        return opened(path, taken)

    monkeypatch.setattr(part_file, "open_locked", late)
    with pytest.raises(DiskError, match="already"):
        download(server.url, final)
    assert final.read_text() == "of the other run"
    final.unlink()
    assert download(server.url, final).complete_length == 600_000  # nothing is locked


def test_the_better_part_of_one_version_is_gone_on_with(server, tmp_path):
    """A server that has no ranges for a while, and is cut later each time."""
    final = tmp_path / "f"
    part_of(server, final)

    def without_ranges(call: Call) -> None:
        reply = call.reply.without("Content-Range")
        call.send_cut(reply._replace(status=200).carrying(server.version.content), 500_000)

    server.behave_as(without_ranges)
    with pytest.raises(NetworkError) as caught:
        download(server.url, final, **{**QUICK, "tries": 2})
    assert "500,000" in caught.value.kept
    assert "f.part.new" in caught.value.kept
    server.behave_as(behave)
    assert download(server.url, final).kept == 500_000
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert final.read_bytes() == server.version.content


def test_progress_is_told_by_the_thread_that_called(server, tmp_path):
    threads = set()
    download(server.url, tmp_path / "f", progress=lambda each: threads.add(threading.get_ident()), **FOUR)
    assert threads == {threading.get_ident()}


def test_what_progress_raises_ends_a_download_by_asyncio(server, tmp_path):
    server.act = half

    def weary(progress: Progress) -> None:
        if progress.done >= 300_000:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(adownload(server.url, tmp_path / "f", progress=weary, **QUICK))
    assert (tmp_path / "f.part").stat().st_size == 300_000


def test_a_chunked_answer_that_never_ends_after_its_last_byte(server, tmp_path):
    def trailers(call: Call) -> None:
        reply = call.reply.put("Content-Length").put("Transfer-Encoding", "chunked")
        call.line.send(reply.head() + b"%x\r\n%b\r\n0\r\n" % (len(reply.content), reply.content))
        while not server.closing.wait(0.05):
            call.line.send(b"A: b\r\n")

    server.act = trailers
    impatient = {**QUICK, "timeout": 0.2, "first_byte": 0.2}
    assert download(server.url, tmp_path / "f", **impatient).complete_length == 600_000
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_a_pool_with_few_places_and_fields_of_its_own(server, tmp_path):
    headers = urllib3.make_headers(basic_auth="me:secret")
    server.act = cut
    with urllib3.PoolManager(maxsize=1, block=True, headers=headers) as pool:
        with pytest.raises(NetworkError):
            download(server.url, tmp_path / "f", pool=pool, tries=1)
        server.behave_as(behave)
        download(server.url, tmp_path / "f", pool=pool)
    assert {request.field("authorization") for request in server.requests} == {headers["authorization"]}


def test_a_wrong_digest_is_set_aside_and_leaves_nothing_else(server, tmp_path):
    with pytest.raises(DigestError) as caught:
        download(server.url, tmp_path / "f", sha256="0" * 64)
    assert {path.name for path in tmp_path.iterdir()} == {"f.part.1", "f.part.1.json"}
    assert "f.part.1" in caught.value.kept


def test_one_wrong_digest_leaves_one_copy_however_often_it_is_tried(server, tmp_path):
    for _ in range(3):
        with pytest.raises(DigestError) as caught:
            download(server.url, tmp_path / "f", sha256="0" * 64)
        assert "f.part.1" in caught.value.kept
    assert sorted(os.listdir(tmp_path)) == ["f.part.1", "f.part.1.json"]
    assert (tmp_path / "f.part.1").read_bytes() == server.version.content


def test_other_files_that_were_set_aside_stay(server, tmp_path):
    """Of the same length, of another one, and what is no file at all."""
    content = server.version.content
    (tmp_path / "f.part.1").write_bytes(content[::-1])
    (tmp_path / "f.part.2").write_bytes(content[:-1])
    (tmp_path / "f.part.3").symlink_to("f.part.1")
    os.mkfifo(tmp_path / "f.part.4")
    for _ in range(2):
        with pytest.raises(DigestError):
            download(server.url, tmp_path / "f", sha256="0" * 64)
    assert sorted(os.listdir(tmp_path)) == [*(f"f.part.{number}" for number in range(1, 6)), "f.part.5.json"]
    assert (tmp_path / "f.part.1").read_bytes() == content[::-1]
    assert (tmp_path / "f.part.5").read_bytes() == content


@pytest.mark.parametrize(("media_type", "name", "warns"), [
    ("text/html", "f.iso", True), ("text/html; charset=utf-8", "f.zip", True), ("application/xhtml+xml", "f.pdf", True),
    ("text/html", "f.html", False), ("text/html", "f", False), ("application/octet-stream", "f.iso", False),
])
def test_a_web_page_as_something_else_is_told(server, tmp_path, media_type, name, warns):
    told: list[Progress] = []
    server.act = lambda call: call.send(call.reply.put("Content-Type", media_type))
    download(server.url, tmp_path / name, progress=told.append)
    texts = [each.text for each in told if each.event == "warning"]
    assert texts == [f"the server sends a web page ({media_type.partition(';')[0]}) as {name}"] * warns


def test_names_that_are_none_for_the_system(server, tmp_path):
    for name in ("a\0b", "a\ud800"):
        with pytest.raises(DiskError):
            download(server.url, tmp_path / name)


def test_descriptors_and_threads_do_not_pile_up(server, tmp_path):
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for number in range(20):
        download(server.url, tmp_path / str(number), **FOUR)
        server.behave_as(lambda call: call.send(call.reply._replace(status=404)))
        with pytest.raises(NetworkError):
            download(server.url, tmp_path / f"{number}-none")
        server.behave_as(behave)
    after = len(os.listdir("/proc/self/fd")) if before else 0
    assert after - server.open_connections <= before + 5


def test_what_a_segment_that_is_given_up_brings_is_not_compared():
    planner = Planner("http://127.0.0.1/", DownloadOptions())
    segment = planner.next_fetch(0.0)
    planner.state.abandon_fetches()
    engine = Engine(planner, None, None, RateLimiter(None))
    engine._record_overlap(segment, OverlapCheck(ByteRange(0, 9), "0" * 64))
    assert planner.state.checks == []


def test_cut_within_the_bytes_that_are_compared(server, tmp_path):
    part_of(server, tmp_path / "f")
    server.behave_as(lambda call: call.send_cut(call.reply, 100) if call.number == 0 else call.send(call.reply))
    assert download(server.url, tmp_path / "f", **QUICK).restarts == 0
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_ended_within_the_bytes_that_are_compared(server, tmp_path):
    """The last chunk comes before the first byte that is missing."""
    def short(call: Call) -> None:
        reply = call.reply.put("Content-Length").put("Transfer-Encoding", "chunked")
        call.line.send(reply.head() + b"64\r\n%b\r\n0\r\n\r\n" % reply.content[:100])

    part_of(server, tmp_path / "f")
    server.behave_as(lambda call: short(call) if call.number == 0 else call.send(call.reply))
    assert download(server.url, tmp_path / "f", **QUICK).restarts == 0
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_what_was_begun_again_while_it_was_compared_is_left():
    seam = OverlapCheck(ByteRange(0, 9), "0" * 64)
    url = "http://127.0.0.1/"
    planner = Planner(url, DownloadOptions(), SavedState(url, url, FileVersion(), (ByteRange(0, 99),), (seam,)))

    class Beginning:
        def compare(self, check: OverlapCheck) -> Comparison:
            planner.state.checks.clear()
            return Comparison.DIFFERENT

    class Files:
        part_file = Beginning()

    Engine(planner, None, Files(), RateLimiter(None))._compare_due()
    assert planner.generation == 0


def test_a_file_that_somebody_has_cut_gets_no_name(tmp_path):
    opened = PartFile(tmp_path / "f.part")
    opened.write(0, memoryview(b"abc"))
    with pytest.raises(DiskError, match="cut"):
        opened.publish(tmp_path / "f", 5, None, force=False)
    opened.close()
    assert [path.name for path in tmp_path.iterdir()] == ["f.part"]


def test_a_file_that_grows_by_another_connection_has_not_been_cut(tmp_path, monkeypatch):
    opened = PartFile(tmp_path / "f.part")
    others = [9, 6, 3]
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        found = real(descriptor)
        if others:  # at the worst moment
            opened.write(others.pop(), memoryview(b"abc"))
        return found

    monkeypatch.setattr(os, "fstat", fstat)
    opened.write(0, memoryview(b"abc"))
    monkeypatch.undo()
    opened.close()


def test_what_this_run_had_brought_before_the_file_changed_is_told(server, tmp_path):
    def change(call: Call) -> None:
        if call.number == 0:
            call.send_cut(call.reply, 300_000)
        elif call.number == 1:
            call.send(call.reply.put("ETag", '"other"'))
        else:
            call.send(call.reply._replace(status=404))

    server.act = change
    with pytest.raises(NetworkError) as caught:
        download(server.url, tmp_path / "f", **{**QUICK, "segments": 1, "tries": 2})
    assert "300,000 of 600,000" in caught.value.kept


def test_the_digest_that_was_asked_for_is_in_the_result(server, tmp_path):
    content = server.version.content
    in_sha256, in_sha512 = hashlib.sha256(content).hexdigest(), hashlib.sha512(content).hexdigest()
    plain = download(server.url, tmp_path / "a")
    one = download(server.url, tmp_path / "b", sha256=in_sha256)
    other = download(f"{server.url}#sha512={in_sha512}", tmp_path / "c")
    assert [(each.sha256, each.checksum) for each in (plain, one, other)] == [
        (None, None), (in_sha256, f"sha256:{in_sha256}"), (None, f"sha512:{in_sha512}")]


def test_a_weak_digest_is_kept_with_the_partial_file(server, tmp_path):
    """The next run checks it without being told again."""
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", checksum=f"md5:{'f' * 32}", tries=1)
    server.behave_as(behave)
    with pytest.raises(DigestError, match="^the md5 is .* instead of ffff"):
        download(server.url, tmp_path / "f")
    assert server.requests[-1].is_later
