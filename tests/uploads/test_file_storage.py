"""The storage on a local disk: offsets, tickets, locks, finishing, full disks, quotas, and what a crash leaves."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from rangeware.errors import InvalidOption
from rangeware.uploads import FileStorage, Upload, disk, file_storage
from rangeware.uploads.cleaning import clean
from rangeware.uploads.protocol.values import Digest, Reason, Refusal

CONTENT = b"0123456789"


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "uploads")


def created(storage: FileStorage, content: bytes = b"", **more: Any) -> Upload:
    """An upload of 10 bytes, of which some are there."""
    upload = Upload(**{"id": secrets.token_hex(16), "length": 10, **more})
    storage.create(upload)
    if content:
        written(storage, upload.id, content)
    return storage.find(upload.id)


def written(storage: FileStorage, id: str, content: bytes) -> Upload:
    """Append to an upload."""
    writer = storage.claim(id)
    writer.write(content)
    upload = writer.flush()
    writer.close()
    return upload


def refused(reason: Reason, function: Any, *arguments: Any, **named: Any) -> Refusal:
    """Check that a call is refused, and why."""
    with pytest.raises(Refusal) as refusal:
        function(*arguments, **named)
    assert refusal.value.reason is reason
    return refusal.value


def content_of(storage: FileStorage, id: str) -> bytes:
    with storage.open(id) as file:
        return file.read()


# --- what is stored ---

@pytest.mark.parametrize("is_finished", [False, True])
def test_an_id_is_never_given_twice(storage: FileStorage, is_finished: bool) -> None:
    upload = created(storage, CONTENT)
    if is_finished:
        storage.finish(upload.id, lambda _: None)
    refused(Reason.LOCKED, storage.create, Upload(upload.id, 3))
    assert content_of(storage, upload.id) == CONTENT
    assert storage.find(upload.id).is_complete is is_finished


def test_an_id_is_never_given_twice_by_requests_that_cross(storage: FileStorage, monkeypatch: Any) -> None:
    """The other request creates and finishes the upload while this one begins to create it."""
    id, check = secrets.token_hex(16), storage._check_new

    def crossed(id: str) -> None:
        check(id)
        monkeypatch.setattr(storage, "_check_new", check)
        storage.finish(created(storage, CONTENT, id=id).id, lambda _: None)

    monkeypatch.setattr(storage, "_check_new", crossed)
    refused(Reason.LOCKED, storage.create, Upload(id, 10))
    assert content_of(storage, id) == CONTENT


def test_data_that_a_crash_left_alone_is_no_upload(storage: FileStorage) -> None:
    id = secrets.token_hex(16)
    (storage.directory / f"{id}.data").write_bytes(b"left")
    storage.create(Upload(id, 10))
    assert storage.find(id).offset == 0


def test_all_of_an_upload_is_stored(storage: FileStorage) -> None:
    given = Upload(secrets.token_hex(16), 10, metadata={"filename": "ä\0/.."}, raw_metadata="filename w6QALy4u",
                   owner="ada", concat="partial", digest=Digest("sha256", bytes(32)))
    storage.create(given)
    found = storage.find(given.id)
    assert abs(found.touched - time.time()) < 60
    assert found == Upload(**{**vars(given), "touched": found.touched})


def test_the_offset_is_the_length_of_the_file(storage: FileStorage) -> None:
    upload = created(storage)
    assert upload.offset == 0
    assert written(storage, upload.id, b"0123").offset == 4
    assert storage.find(upload.id).offset == 4 == (storage.directory / f"{upload.id}.data").stat().st_size
    assert written(storage, upload.id, b"45").offset == 6
    assert [each.offset for each in storage.uploads()] == [6]


def test_space_is_reserved_without_a_length(storage: FileStorage) -> None:
    upload = created(storage, length=1 << 20)
    status = (storage.directory / f"{upload.id}.data").stat()
    assert (status.st_size, status.st_blocks * 512 >= 1 << 20) == (0, True)


@pytest.mark.parametrize("method", ["find", "claim", "remove", "open"])
def test_a_missing_upload(storage: FileStorage, method: str) -> None:
    refused(Reason.MISSING, getattr(storage, method), "0" * 32)


def test_a_wrong_offset(storage: FileStorage) -> None:
    upload = created(storage, b"0123")
    refusal = refused(Reason.WRONG_OFFSET, storage.claim, upload.id, 5)
    assert refusal.upload is not None
    assert refusal.upload.offset == 4


# --- one writer ---

def test_whoever_claims_last_writes(storage: FileStorage) -> None:
    upload = created(storage)
    first = storage.claim(upload.id)
    first.write(b"01")
    second = storage.claim(upload.id, 2)
    refused(Reason.LOCKED, first.write, b"xx")
    refused(Reason.LOCKED, first.release, keep=False)
    second.write(b"23")
    assert (storage.find(upload.id).offset, second.flush().offset) == (4, 4)
    assert (storage.directory / f"{upload.id}.data").read_bytes() == b"0123"
    first.close()
    second.close()


def test_a_wrong_offset_does_not_stop_the_writer(storage: FileStorage) -> None:
    upload = created(storage)
    writer = storage.claim(upload.id)
    writer.write(b"01")
    refused(Reason.WRONG_OFFSET, storage.claim, upload.id, 0)
    writer.write(b"23")
    assert writer.flush().offset == 4
    writer.close()


def test_a_removed_upload_is_not_written(storage: FileStorage) -> None:
    upload = created(storage)
    writer = storage.claim(upload.id)
    writer.write(b"01")
    storage.remove(upload.id)
    refused(Reason.MISSING, writer.write, b"23")
    writer.close()
    assert list(storage.directory.iterdir()) == []


def test_tickets_differ_whatever_the_clock_says(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = created(storage)
    monkeypatch.setattr(time, "time_ns", lambda: 1)
    first = storage.claim(upload.id)
    second = storage.claim(upload.id)
    refused(Reason.LOCKED, first.write, b"x")
    first.close()
    second.close()


LOCKING = """
import fcntl, sys, time
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print(1, flush=True)
time.sleep(60)
"""


def test_a_lock_of_another_process(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it lives, nobody gets in; once it is killed, the kernel has released its lock."""
    monkeypatch.setattr(disk, "_PATIENCE", 0.1)
    upload = created(storage)
    data = storage.directory / f"{upload.id}.data"
    with subprocess.Popen([sys.executable, "-c", LOCKING, str(data)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        for method in (storage.claim, storage.remove):
            refused(Reason.LOCKED, method, upload.id)
        refused(Reason.LOCKED, storage.finish, upload.id, lambda _: None)
        holder.kill()
    written(storage, upload.id, CONTENT)


def test_the_lock_is_waited_for(storage: FileStorage) -> None:
    upload = created(storage)
    with open(storage.directory / f"{upload.id}.data") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        threading.Timer(0.2, lambda: fcntl.flock(file, fcntl.LOCK_UN)).start()
        assert written(storage, upload.id, b"0").offset == 1


# --- finishing ---

def test_finishing_calls_the_hook_once(storage: FileStorage) -> None:
    upload = created(storage, CONTENT)
    accepted: list[Upload] = []
    finished = storage.finish(upload.id, accepted.append)
    assert (finished.is_complete, finished.is_pending, finished.offset, finished.length) == (True, False, 10, 10)
    assert storage.finish(upload.id, accepted.append) == finished
    assert [(each.id, each.is_pending) for each in accepted] == [(upload.id, True)]
    assert content_of(storage, upload.id) == CONTENT == storage.path(upload.id).read_bytes()


def test_a_hook_that_raises_can_be_called_again(storage: FileStorage) -> None:
    upload = created(storage, CONTENT)
    with pytest.raises(ZeroDivisionError):
        storage.finish(upload.id, lambda _: 1 / 0)
    pending = storage.find(upload.id)
    assert (pending.is_pending, pending.is_complete, pending.offset) == (True, False, 10)
    assert storage.finish(upload.id, lambda _: None).is_complete


def test_a_file_that_is_finished_and_taken_meanwhile(storage: FileStorage, tmp_path: Path) -> None:
    upload = created(storage, CONTENT)
    real = storage._content

    def meanwhile(id: str) -> Any:
        storage._content = real  # type: ignore[method-assign]
        storage.finish(id, lambda _: storage.path(id).rename(tmp_path / "taken"))
        return real(id)

    storage._content = meanwhile  # type: ignore[assignment,method-assign]
    assert storage.finish(upload.id, lambda _: 1 / 0).is_complete


def test_two_who_finish_at_once(storage: FileStorage) -> None:
    upload = created(storage, CONTENT)
    calls: list[str] = []

    def accept(given: Upload) -> None:
        calls.append(given.id)
        time.sleep(0.1)

    threads = [threading.Thread(target=storage.finish, args=(upload.id, accept)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert calls == [upload.id]


def test_final_files_have_a_folder_of_their_own(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "uploads", final=tmp_path / "final")
    upload = created(storage, CONTENT)
    storage.finish(upload.id, lambda _: None)
    assert (tmp_path / "final" / upload.id).read_bytes() == CONTENT
    storage.remove(upload.id)
    assert (tmp_path / "final" / upload.id).read_bytes() == CONTENT, "it is the app's"
    refused(Reason.MISSING, storage.find, upload.id)


@pytest.mark.parametrize("length", [10, None])
def test_a_file_that_the_hook_moves_away(tmp_path: Path, length: int | None) -> None:
    """The client can still learn that it was uploaded: it would send it again otherwise."""
    storage = FileStorage(tmp_path / "uploads", final=tmp_path / "final")
    upload = created(storage, CONTENT, length=length)
    storage.finish(upload.id, lambda given: storage.path(given.id).rename(tmp_path / "taken"))
    found = storage.find(upload.id)
    assert (found.offset, found.length, found.is_complete) == (10, 10, True)
    refused(Reason.MISSING, storage.open, upload.id)
    assert clean(storage, 100) == 0
    assert storage.find(upload.id).is_complete
    os.utime(tmp_path / "uploads" / f"{upload.id}.done", (1, 1))
    assert clean(storage, 100) == 0
    refused(Reason.MISSING, storage.find, upload.id)


def test_a_hook_that_moves_the_file_and_raises(tmp_path: Path) -> None:
    """The upload is neither missing nor complete, and can be removed."""
    storage = FileStorage(tmp_path / "uploads", final=tmp_path / "final")
    upload = created(storage, CONTENT)
    seen: list[Upload] = []

    def accept(given: Upload) -> None:
        storage.path(given.id).rename(tmp_path / "taken")
        seen.append(storage.find(given.id))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        storage.finish(upload.id, accept)
    for found in (*seen, storage.find(upload.id)):
        assert (found.is_pending, found.is_complete, found.offset) == (True, False, 10)
    storage.remove(upload.id)
    refused(Reason.MISSING, storage.find, upload.id)
    refused(Reason.MISSING, storage.remove, upload.id)


def test_only_what_is_old_is_removed(storage: FileStorage) -> None:
    upload = created(storage)
    refused(Reason.LOCKED, storage.remove, upload.id, time.time() - 60)
    storage.remove(upload.id, time.time() + 60)
    refused(Reason.MISSING, storage.find, upload.id)


def test_what_is_told_is_on_the_disk(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with a wrong offset, and where a writer goes on between the flush and the look."""
    upload = created(storage)
    writer = storage.claim(upload.id)
    writer.write(b"01")
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(os.fstat(fd).st_size)
        real(fd)
        if len(synced) == 1:
            writer.write(b"23")

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    assert storage.find(upload.id).offset == 2
    refusal = refused(Reason.WRONG_OFFSET, storage.claim, upload.id, 1)
    assert (synced, refusal.upload and refusal.upload.offset) == ([2, 4], 4)
    writer.close()


def test_a_finished_file_can_be_removed(storage: FileStorage) -> None:
    upload = created(storage, CONTENT)
    storage.finish(upload.id, lambda _: None)
    storage.remove(upload.id)
    assert list(storage.directory.iterdir()) == []


def test_a_final_folder_elsewhere_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stat(path: Path, *, real: Any = Path.stat, **named: Any) -> os.stat_result:
        fields = list(real(path, **named))
        fields[2] += path.name == "final"  # st_dev
        return os.stat_result(fields)

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(InvalidOption, match="final must be on the file system of"):
        FileStorage(tmp_path / "uploads", final=tmp_path / "final")


def test_a_file_that_is_moved_meanwhile(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look finds the file gone, since another process has just finished the upload."""
    upload = created(storage, CONTENT)
    real = os.open
    calls: list[str] = []

    def opening(path: Any, flags: int, *more: Any) -> int:
        if not calls and str(path).endswith(".data"):
            calls.append(path)
            with monkeypatch.context() as unpatched:
                unpatched.setattr(os, "open", real)
                storage.finish(upload.id, lambda _: None)
        return real(path, flags, *more)

    monkeypatch.setattr(os, "open", opening)
    assert storage.find(upload.id).is_complete


def test_a_description_that_is_moved_each_time_it_is_looked_at(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process finishes the upload step by step, as often between two of our calls as it can."""
    upload = created(storage, CONTENT)
    waiting, called, done = storage._descriptions(upload.id)
    moves = [(storage._data(upload.id), storage.path(upload.id)), (waiting, called), (called, done)]
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        while moves:
            source, target = moves.pop(0)
            source.rename(target)
            if source == path:
                break
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    assert storage.find(upload.id).is_complete
    assert moves == []


# --- bytes that are kept back ---

@pytest.mark.parametrize(("keep", "offset"), [(True, 6), (False, 2)])
def test_bytes_that_are_kept_back(storage: FileStorage, keep: bool, offset: int) -> None:
    upload = created(storage, b"01")
    writer = storage.claim(upload.id)
    writer.hold_back()
    writer.write(b"2345")
    assert (storage.find(upload.id).offset, writer.flush().offset) == (2, 2)
    writer.release(keep=keep)
    assert (storage.find(upload.id).offset, writer.flush().offset) == (offset, offset)
    writer.write(CONTENT[offset:])
    writer.close()
    assert (storage.directory / f"{upload.id}.data").read_bytes() == CONTENT


@pytest.mark.parametrize("offset", [2, None])
def test_bytes_whose_checksum_never_came(storage: FileStorage, offset: int | None) -> None:
    """They count once another request claims the upload, unless it sends them again."""
    upload = created(storage, b"01")
    writer = storage.claim(upload.id)
    writer.hold_back()
    writer.write(b"2345" if offset != 2 else b"xxxx")
    writer.close()
    found = storage.find(upload.id)
    assert (found.offset, found.has_unchecked) == (2, True)
    second = storage.claim(upload.id, offset)
    assert second.upload.offset == (2 if offset == 2 else 6)
    second.write(CONTENT[second.upload.offset:])
    second.close()
    assert not storage.find(upload.id).has_unchecked
    storage.finish(upload.id, lambda _: None)
    assert content_of(storage, upload.id) == CONTENT


# --- space ---

def test_a_length_that_is_told_later(storage: FileStorage) -> None:
    upload = created(storage, b"01", length=None)
    writer = storage.claim(upload.id)
    writer.describe(Upload(**{**vars(writer.upload), "length": 10}))
    writer.write(b"2")
    assert (writer.upload.length, writer.flush().length, storage.find(upload.id).length) == (10, 10, 10)
    writer.close()


@pytest.mark.parametrize(("number", "reason"), [
    (errno.ENOSPC, Reason.NO_SPACE), (errno.EDQUOT, Reason.NO_SPACE), (errno.EFBIG, Reason.TOO_LARGE),
])
def test_a_full_disk(storage: FileStorage, monkeypatch: pytest.MonkeyPatch, number: int, reason: Reason) -> None:
    """What fitted is kept, and the upload goes on once there is space."""
    upload = created(storage)
    writer = storage.claim(upload.id)
    room = [4]

    def pwrite(fd: int, block: Any, position: int, real: Any = os.pwrite) -> int:
        if not room[0]:
            raise OSError(number, "full")
        count: int = real(fd, block[:room[0]], position)
        room[0] -= count
        return count

    monkeypatch.setattr(os, "pwrite", pwrite)
    refused(reason, writer.write, CONTENT)
    assert (writer.flush().offset, storage.find(upload.id).offset) == (4, 4)
    room[0] = 100
    writer.write(CONTENT[4:])
    writer.close()
    assert (storage.directory / f"{upload.id}.data").read_bytes() == CONTENT


def test_another_failure_is_the_servers(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> int:
        raise OSError(errno.EIO, "broken")

    writer = storage.claim(created(storage).id)
    monkeypatch.setattr(os, "pwrite", broken)
    with pytest.raises(OSError, match="broken"):
        writer.write(b"x")
    writer.close()


def test_more_than_the_disk_has_is_refused(storage: FileStorage) -> None:
    free = os.statvfs(storage.directory)
    refused(Reason.NO_SPACE, created, storage, length=free.f_bavail * free.f_frsize + (1 << 40))
    refused(Reason.TOO_LARGE, created, storage, length=2**63)
    assert list(storage.directory.iterdir()) == []


class NoLibrary:
    """A C library without fallocate."""


def failing(number: int) -> Any:
    class Function:
        def __call__(self, *_: Any) -> int:
            disk.ctypes.set_errno(number)
            return -1

    return type("Library", (), {"fallocate": Function()})()


@pytest.mark.parametrize("library", [None, NoLibrary(), failing(errno.EOPNOTSUPP)])
def test_where_space_cannot_be_reserved(storage: FileStorage, monkeypatch: pytest.MonkeyPatch, library: Any) -> None:
    monkeypatch.setattr(disk, "_library", lambda: library)
    free = os.statvfs(storage.directory)
    created(storage, length=4096)
    refused(Reason.NO_SPACE, created, storage, length=free.f_bavail * free.f_frsize + (1 << 40))


def test_space_that_goes_while_it_is_reserved(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_library", lambda: failing(errno.ENOSPC))
    refused(Reason.NO_SPACE, created, storage)
    assert list(storage.directory.iterdir()) == []


def test_where_the_system_has_fewer_calls(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    monkeypatch.delattr(os, "fdatasync")
    monkeypatch.delattr(os, "posix_fadvise")
    monkeypatch.setattr(file_storage, "_WRITE_BACK", 4)
    assert written(storage, created(storage).id, CONTENT).offset == 10


def test_without_a_c_library(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: Any, **__: Any) -> None:
        raise OSError

    monkeypatch.setattr(disk.ctypes, "CDLL", none)
    assert disk._library() is None


# --- quotas ---

def test_quotas(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, quota=30, user_quota=15)
    first = created(storage, owner="ada")
    refusal = refused(Reason.NO_SPACE, created, storage, owner="ada")
    assert refusal.text == "the quota is used up"
    created(storage, owner="grace")
    created(storage, owner="mary")
    refused(Reason.NO_SPACE, created, storage, owner="joan")
    storage.remove(first.id)
    created(storage, owner="joan")
    assert len(list(storage.uploads())) == 3


def test_a_quota_counts_bytes_of_unknown_length(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, quota=15)
    upload = created(storage, CONTENT, length=None)
    writer = storage.claim(upload.id)
    refused(Reason.NO_SPACE, writer.write, CONTENT)
    assert writer.flush().offset == 10
    refused(Reason.NO_SPACE, writer.describe, Upload(upload.id, 16))
    writer.describe(Upload(upload.id, 15))
    writer.write(b"xxxxx")
    writer.close()
    storage.remove(upload.id)
    created(storage)


@pytest.mark.parametrize("keep", [True, False])
def test_a_quota_counts_what_is_kept(tmp_path: Path, keep: bool) -> None:
    storage = FileStorage(tmp_path, quota=15)
    upload = created(storage, length=None)
    stale, writer = storage.claim(upload.id), storage.claim(upload.id)
    refused(Reason.LOCKED, stale.write, CONTENT)
    refused(Reason.NO_SPACE, writer.describe, Upload(upload.id, 2**63))
    writer.hold_back()
    writer.write(CONTENT)
    writer.release(keep=keep)
    if keep:
        refused(Reason.NO_SPACE, created, storage)
    else:
        created(storage)
    stale.close()
    writer.close()


def test_a_full_disk_where_the_numbers_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    storage = FileStorage(tmp_path, quota=15)
    monkeypatch.setattr(os, "pwrite", full)
    refused(Reason.NO_SPACE, created, storage)


def test_numbers_survive_a_kill_between_two_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = FileStorage(tmp_path, quota=1000)
    first = created(storage, length=900, owner="a name that is long")
    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", lambda *_: None)
        storage.usage.add("a name that is long", -850)  # type: ignore[union-attr]
    refused(Reason.NO_SPACE, created, storage, length=951)
    created(storage, length=950)
    assert storage.find(first.id).length == 900


def test_a_file_that_is_handed_over_leaves_the_quota(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "uploads", final=tmp_path / "final", quota=10)
    upload = created(storage, CONTENT)
    refused(Reason.NO_SPACE, created, storage)
    storage.finish(upload.id, lambda _: None)
    storage.remove(created(storage).id)


def test_a_file_that_the_hook_takes_leaves_the_quota(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path / "uploads", quota=10)
    upload = created(storage, CONTENT)
    storage.finish(upload.id, lambda given: storage.path(given.id).rename(tmp_path / "taken"))
    second = created(storage)
    storage.recount()
    refused(Reason.NO_SPACE, created, storage)
    storage.remove(upload.id)
    refused(Reason.MISSING, storage.find, upload.id)
    refused(Reason.NO_SPACE, created, storage)
    storage.remove(second.id)
    created(storage)


@pytest.mark.parametrize("broken", [b"", b"{", b"[]", b'{"": "x"}', b'{"": 99}'])
def test_counts_that_a_crash_has_spoiled(tmp_path: Path, broken: bytes) -> None:
    storage = FileStorage(tmp_path, quota=30)
    created(storage)
    (tmp_path / "usage").write_bytes(broken)
    storage.recount()
    created(storage)
    created(storage)
    refused(Reason.NO_SPACE, created, storage)
    storage.recount()
    refused(Reason.NO_SPACE, created, storage)


def test_spoiled_counts_do_not_stop_uploads(tmp_path: Path) -> None:
    storage = FileStorage(tmp_path, quota=30)
    (tmp_path / "usage").write_bytes(b"{")
    created(storage)


def test_without_a_quota_nothing_is_counted(storage: FileStorage) -> None:
    created(storage)
    storage.recount()
    assert not (storage.directory / "usage").exists()


def test_numbers_are_kept_for_who_opens_the_folder_without_quotas(tmp_path: Path) -> None:
    created(FileStorage(tmp_path, quota=30))
    (tmp_path / "usage").write_bytes(b'{"": 30}')
    FileStorage(tmp_path).recount()
    created(FileStorage(tmp_path, quota=30))


def test_a_folder_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    storage = FileStorage("uploads", final="final")
    upload = created(storage)
    monkeypatch.chdir("/")
    assert storage.find(upload.id).id == upload.id


# --- what a crash leaves ---

def test_leftovers_go_after_a_day(storage: FileStorage) -> None:
    upload = created(storage)
    old = time.time() - 90_000
    left, young = "a" * 32, "b" * 32
    kept = {f"{young}.data", f"{upload.id}.new", "package.json", "films.data"}
    for name in (f"{left}.data", f"{left}.new", *kept):
        (storage.directory / name).write_bytes(b"{}")
        os.utime(storage.directory / name, None if name.startswith(young) else (old, old))
    assert [each.id for each in storage.uploads()] == [upload.id]
    assert {path.name for path in storage.directory.iterdir()} == kept | {f"{upload.id}.data", f"{upload.id}.json"}


def test_descriptions_that_cannot_be_read(storage: FileStorage) -> None:
    upload = created(storage)
    for text in (b"{", b"{}", b"[]", b'{"digest": 1}'):
        (storage.directory / f"{upload.id}.json").write_bytes(text)
        refused(Reason.MISSING, storage.find, upload.id)
    assert list(storage.uploads()) == []


def test_a_failed_creation_leaves_nothing(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "rename", full)
    refused(Reason.NO_SPACE, created, storage)
    assert [path.suffix for path in storage.directory.iterdir()] in ([], [".new"])
