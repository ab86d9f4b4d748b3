"""Whole runs in this process: asyncio, stopping, names, progress, and what the system does now and then."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator

import pytest

from rangeware.client import DiskError, DownloadError, NetworkError, Progress, adownload, download, partial
from rangeware.client.fetch import _Run
from rangeware.client.journal import Seam, State
from rangeware.client.partial import Partial, journal_of
from rangeware.client.planner import Planner
from rangeware.client.settings import Settings
from rangeware.fields import ByteRange
from tests.client.fault_server import Call, FaultServer, behave

QUICK = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05}
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
    run = _Run(server.url, tmp_path / "f", Settings())
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
    assert ((tmp_path / "f").read_text(), server.requests) == ("mine", [])
    download(server.url, tmp_path / "f", force=True)
    assert (tmp_path / "f").read_bytes() == server.version.content


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_meanwhile_is_not_replaced(server, tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    final = tmp_path / "f"

    def intrude(progress: Progress) -> None:
        final.write_text("mine")

    with pytest.raises(DiskError, match="exists"):
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


def test_the_limit_is_kept(server, tmp_path):
    """No upper bound: a busy machine takes longer. Lower ones hold on any."""
    done = download(server.url, tmp_path / "f", limit_rate=600_000, **FOUR)
    assert done.seconds > 0.5


def test_the_journal_is_saved_while_bytes_come(server, tmp_path, monkeypatch):
    monkeypatch.setattr("rangeware.client.engine._SAVE", 0.0)
    saved: list[State] = []
    prepare = Partial.prepare
    monkeypatch.setattr(Partial, "prepare", lambda self, state: saved.append(state) or prepare(self, state))

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
    monkeypatch.setattr("rangeware.client.engine._SAVE", 0.0)
    prepare, drop, mismatched = Partial.prepare, Partial.drop, Planner.mismatched
    on_its_way, found_out, dropped = threading.Event(), threading.Event(), []

    def slow(self: Partial, state: State) -> int:
        journal = prepare(self, state)
        if len(server.requests) > 1:
            on_its_way.set()
            found_out.wait(20)
        return journal

    def find_out(self: Planner, seam: Seam) -> None:
        mismatched(self, seam)
        found_out.set()

    def lie(call: Call) -> None:
        reply = call.reply
        if call.request.first_pos:
            call.send(reply._replace(content=reply.content[::-1]))
            return
        call.line.send(reply.head() + reply.content[:50_000])
        on_its_way.wait(20)
        call.line.send(reply.content[50_000:])

    monkeypatch.setattr(Partial, "prepare", slow)
    monkeypatch.setattr(Partial, "drop", lambda self, journal: dropped.append(self.path.name) or drop(self, journal))
    monkeypatch.setattr(Planner, "mismatched", find_out)
    server.act = lie
    download(server.url, tmp_path / "f", **QUICK, segments=2, segment_size=200_000, worthwhile=0)
    assert (tmp_path / "f").read_bytes() == server.version.content
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert dropped == ["f.part"]


def test_a_system_that_has_no_boot_id(server, tmp_path, monkeypatch):
    """Only what was on disk for certain counts then; nothing is wrong for it."""
    monkeypatch.setattr(partial, "_BOOT_ID", tmp_path / "none")
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", tries=1)
    server.behave_as(behave)
    assert download(server.url, tmp_path / "f").kept == 300_000
    assert (tmp_path / "f").read_bytes() == server.version.content


def test_a_partial_file_that_gets_its_name_while_another_run_opens_it(tmp_path, monkeypatch):
    path = tmp_path / "f.part"
    flock, moved = partial.fcntl.flock, []

    def slow(descriptor: int, operation: int) -> None:
        if len(moved) < 2:
            moved.append(path.rename(tmp_path / f"done-{len(moved)}"))
            path.touch() if len(moved) == 1 else None
        flock(descriptor, operation)

    monkeypatch.setattr(partial.fcntl, "flock", slow)
    opened = Partial(path)
    try:
        assert os.path.samestat(os.fstat(opened._file), path.stat())
    finally:
        opened.close()


def test_a_journal_with_a_name_too_long_leaves_nothing(server, tmp_path):
    with pytest.raises(DiskError):
        download(server.url, tmp_path / ("n" * 249))
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_noted_before_there_is_a_journal(tmp_path):
    opened = Partial(tmp_path / "f.part")
    try:
        opened.write(0, memoryview(b"abc"))
        assert not journal_of(opened.path).exists()
    finally:
        opened.close()
