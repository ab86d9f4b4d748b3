"""File systems that refuse some calls, and a system that lacks some: the download goes on, and says so."""

from __future__ import annotations

import errno
import fcntl
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import DigestError, DiskError, NetworkError, Progress, download
from rangeware.client.io import engine, filesystem, journal_file
from rangeware.client.io.part_file import NO_FLUSHING, NO_LOCKS, NO_TIMES
from rangeware.client.planning.trust import RESUMED_OVERLAP
from tests.client.fault_server import Call, FaultServer, behave
from tests.client.faulty.trials import NAME

QUICK: dict[str, Any] = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05}
FOUR: dict[str, Any] = {**QUICK, "segment_size": 16_384, "worthwhile": 0}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def failing(code: str) -> Callable[..., Any]:
    def fail(*arguments: object, **options: object) -> None:
        number = getattr(errno, code)
        raise OSError(number, os.strerror(number))

    return fail


def _is_folder(descriptor: int) -> bool:
    return os.path.isdir(f"/proc/self/fd/{descriptor}")


def _sync_failing(code: str, folders: bool) -> Callable[[int], None]:
    real = os.fsync
    return lambda descriptor: (failing(code) if _is_folder(descriptor) is folders else real)(descriptor)


def _open_failing(code: str) -> Callable[..., int]:
    real = os.open
    return lambda path, flags, *mode: (failing(code) if os.path.isdir(path) else real)(path, flags, *mode)


CASES = [
    *(pytest.param(filesystem.fcntl, "flock", lambda code=code: failing(code), [NO_LOCKS], id=f"no locks: {code}")
      for code in ("ENOSYS", "ENOLCK", "EOPNOTSUPP", "EINVAL")),
    *(pytest.param(os, "fsync", lambda code=code: _sync_failing(code, folders=True), [NO_FLUSHING],
                   id=f"folders cannot be flushed: {code}") for code in ("EINVAL", "EPERM", "ENOTSUP", "EBADF")),
    *(pytest.param(os, "open", lambda code=code: _open_failing(code), [NO_FLUSHING],
                   id=f"folders cannot be opened: {code}") for code in ("EACCES", "EISDIR")),
    *(pytest.param(os, "fsync", lambda code=code: _sync_failing(code, folders=False), [NO_FLUSHING],
                   id=f"files cannot be flushed: {code}") for code in ("EINVAL", "ENOSYS")),
    *(pytest.param(os, "utime", lambda code=code: failing(code), [NO_TIMES], id=f"no times: {code}")
      for code in ("EPERM", "EACCES", "ENOTSUP")),
    *(pytest.param(os, "link", lambda code=code: failing(code), [], id=f"no hard links: {code}")
      for code in ("EPERM", "EOPNOTSUPP", "EMLINK", "ENOSYS")),
    *(pytest.param(os, "pwrite", lambda code=code: failing(code), [], id=f"no positions: {code}")
      for code in ("ESPIPE", "EOPNOTSUPP")),
]


@pytest.mark.parametrize(("place", "name", "make", "warnings"), CASES)
def test_goes_on_and_says_what_is_less_safe(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Any, name: str,
    make: Callable[[], Callable[..., Any]], warnings: list[str],
) -> None:
    """Once each; broken off and resumed, with one connection and with four."""
    monkeypatch.setattr(place, name, make())
    final = tmp_path / NAME
    told: list[Progress] = []
    server.behave_as(lambda call: call.send_cut(call.reply, 300_000))
    with pytest.raises(NetworkError):
        download(server.url, final, tries=1, **QUICK)
    server.behave_as(behave)
    assert download(server.url, final, progress=told.append, **FOUR).kept == 300_000
    assert final.read_bytes() == server.version.content
    assert os.listdir(tmp_path) == [NAME]
    assert [each.text for each in told if each.event == "warning"] == warnings


@pytest.mark.parametrize("code", ["EIO", "ENOSPC", "EDQUOT"])
@pytest.mark.parametrize("name", ["fsync", "pwrite", "ftruncate"])
def test_a_disk_that_fails_is_no_lesser_file_system(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, name, failing(code))
        with pytest.raises(DiskError, match=os.strerror(getattr(errno, code))):
            download(server.url, tmp_path / NAME, **QUICK)
    assert not (tmp_path / NAME).exists()
    assert download(server.url, tmp_path / NAME, **QUICK).complete_length == 600_000


def test_a_lock_that_another_run_has_is_one(server: FaultServer, tmp_path: Path) -> None:
    with (tmp_path / f"{NAME}.part").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DiskError, match="another run"):
            download(server.url, tmp_path / NAME)


@pytest.mark.parametrize("folders", [True, False])
def test_bytes_that_were_not_flushed_count_until_the_machine_is_restarted(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folders: bool
) -> None:
    monkeypatch.setattr(os, "fsync", _sync_failing("EINVAL", folders))
    boot_id = tmp_path / "boot-id"
    boot_id.write_text("first")
    monkeypatch.setattr(journal_file, "_BOOT_ID", boot_id)
    server.behave_as(lambda call: call.send_cut(call.reply, 300_000))
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / NAME, tries=1, **QUICK)
    boot_id.write_text("second")
    server.behave_as(behave)
    assert download(server.url, tmp_path / NAME, **QUICK).kept == 0
    assert (tmp_path / NAME).read_bytes() == server.version.content


_WITHOUT = """
import builtins, os, sys
sys.modules["fcntl"] = None
for name in ("pread", "pwrite", "pathconf", "O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK"):
    delattr(os, name)
os.supports_fd.discard(os.utime)

from rangeware.client.io import filesystem
filesystem.RENAMES_OPEN_FILES = False

def is_open(path):
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.path.samestat(os.stat(path), os.fstat(int(number))):
                return True
        except OSError:
            pass
    return False

def strict(call, *watched):
    def called(*paths, **options):
        for number in watched:
            if os.path.exists(paths[number]) and is_open(paths[number]):
                raise PermissionError(13, f"in use: {paths[number]}")
        return call(*paths, **options)
    return called

rename = strict(os.rename, 0, 1)
def no_replacing(source, target):
    if os.path.exists(target):
        raise FileExistsError(17, "File exists")
    rename(source, target)
os.rename, os.replace, os.unlink = no_replacing, strict(os.replace, 0, 1), strict(os.unlink, 0)
real_open = os.open
def no_folders(path, *arguments):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied")
    return real_open(path, *arguments)
os.open = no_folders

from rangeware.client import TransferError, download
told = []
try:
    download(sys.argv[1], sys.argv[2], progress=told.append, segment_size=16384, worthwhile=0, tries=2,
             first_delay=0.01, segments=int(sys.argv[3]), force=len(sys.argv) > 4,
             sha256=sys.argv[5] if len(sys.argv) > 5 else None)
except TransferError as exc:
    print(type(exc).__name__, exc, exc.kept)
else:
    print("saved")
print(*[each.text for each in told if each.event == "warning"])
"""


def _run_without(server: FaultServer, final: Path, *more: str, segments: int = 4) -> list[str]:
    command = [sys.executable, "-c", _WITHOUT, server.url, str(final), str(segments), *more]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert not ended.stderr, ended.stderr
    return ended.stdout.splitlines()


def _cut_off(call: Call) -> None:
    if call.number:
        call.send(call.reply._replace(status=404))
    else:
        call.send_cut(call.reply, 300_000)


def test_a_system_without_posix(server: FaultServer, tmp_path: Path) -> None:
    """As on Windows: no locks, no positions, no flags, and no other name for a file that is open."""
    final = tmp_path / NAME

    server.behave_as(_cut_off)
    assert _run_without(server, final, segments=1)[0].startswith("NetworkError")  # a second connection may get the 404
    assert (tmp_path / f"{NAME}.part").stat().st_size >= 300_000
    server.behave_as(behave)
    server.requests.clear()
    assert _run_without(server, final) == ["saved", NO_LOCKS]
    assert final.read_bytes() == server.version.content
    assert os.listdir(tmp_path) == [NAME]
    assert min(request.first_pos or 0 for request in server.requests) >= 300_000 - RESUMED_OVERLAP
    assert int(final.stat().st_mtime) == server.version.changed


def test_a_system_without_posix_where_the_file_changes(server: FaultServer, tmp_path: Path) -> None:
    final = tmp_path / NAME
    final.write_bytes(b"before")
    server.behave_as(_cut_off)
    assert _run_without(server, final, "force")[0].startswith("NetworkError")
    server.change()
    server.behave_as(behave)
    assert _run_without(server, final, "force") == ["saved", NO_LOCKS]
    assert final.read_bytes() == server.version.content
    assert os.listdir(tmp_path) == [NAME]


def test_a_system_without_posix_and_a_wrong_digest(server: FaultServer, tmp_path: Path) -> None:
    assert _run_without(server, tmp_path / NAME, "force", "0" * 64)[0].startswith("DigestError")
    assert sorted(os.listdir(tmp_path)) == [f"{NAME}.part.1", f"{NAME}.part.1.json"]


@pytest.fixture
def without_posix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "fcntl", None)
    monkeypatch.setattr(filesystem, "RENAMES_OPEN_FILES", False)
    for name in ("pread", "pwrite"):
        monkeypatch.delattr(os, name)


@pytest.mark.usefixtures("without_posix")
def test_a_system_without_posix_in_this_process(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_SAVE", 0.0)
    server.behave_as(_cut_off)
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / NAME, **FOUR)
    server.behave_as(behave)
    assert download(server.url, tmp_path / NAME, **FOUR).kept >= 300_000
    assert (tmp_path / NAME).read_bytes() == server.version.content
    with pytest.raises(DigestError):
        download(server.url, tmp_path / "other", sha256="0" * 64)


def test_the_layer_without_locks_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fcntl", None)
    spec = importlib.util.spec_from_file_location("rangeware.client.io.other_filesystem", filesystem.__file__)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    assert loaded.lock(0) is False


def test_a_replacement_that_fails_leaves_no_second_name(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / NAME).write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", failing("EBUSY"))
        with pytest.raises(DiskError):
            download(server.url, tmp_path / NAME, force=True, **QUICK)
    assert (tmp_path / NAME).read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == [NAME, f"{NAME}.part", f"{NAME}.part.json"]
