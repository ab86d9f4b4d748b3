"""Names that stand for something else than a regular file: refused before the first request, and left as they are."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rangeware.client import DiskError, Progress, download
from tests.client.fault_server import FaultServer


def _device(path: Path) -> None:
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))  # that of /dev/null
    except PermissionError:
        pytest.skip("no right to make a device")


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # the path of a socket may have 107 bytes


def _link(path: Path) -> None:
    precious = path.with_name("precious")
    precious.write_text("precious")
    path.symlink_to(precious)


MAKERS: dict[str, Callable[[Path], object]] = {
    "named pipe": os.mkfifo, "socket": _socket, "device": _device, "symbolic link": _link,
    "symbolic link to nothing": lambda path: path.symlink_to("nothing"),
}
NAMES = ["f", "f.part", "f.part.json", "f.part.json.new", "f.part.whole", "f.part.new", "f.part.new.json",
         "f.part.new.json.new", "f.part.new.whole"]


def _marks(path: Path) -> tuple[int, ...]:
    found = os.lstat(path)
    return found.st_mode, found.st_ino, found.st_rdev, found.st_mtime_ns, found.st_ctime_ns


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_regular_file_is_refused_before_the_first_request(
    server: FaultServer, tmp_path: Path, kind: str, name: str
) -> None:
    MAKERS[kind](tmp_path / name)
    before = _marks(tmp_path / name)
    names = sorted(os.listdir(tmp_path))
    with pytest.raises(DiskError, match=f"{name}: is a {kind.removesuffix(' to nothing')}, not a regular file"):
        download(server.url, tmp_path / "f", force=True)
    assert (_marks(tmp_path / name), sorted(os.listdir(tmp_path))) == (before, names)
    assert server.requests == []
    if kind == "symbolic link":
        assert (tmp_path / "precious").read_text() == "precious"


@pytest.mark.parametrize("name", [name for name in NAMES if name != "f"])
def test_a_directory_in_the_place_of_one_of_our_files(server: FaultServer, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(DiskError, match="is a directory, not a regular file"):
        download(server.url, tmp_path / "f", force=True)
    assert (os.listdir(tmp_path), server.requests) == ([name], [])


def test_the_null_device_itself(server: FaultServer) -> None:
    with pytest.raises(DiskError, match="is a device"):
        download(server.url, os.devnull, force=True)
    assert stat.S_ISCHR(os.lstat(os.devnull).st_mode)


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("kind", MAKERS)
def test_what_comes_meanwhile_is_not_replaced_either(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, links: bool
) -> None:
    """Also on a file system without hard links."""
    if not links:
        monkeypatch.setattr(os, "link", _no_links)
    final = tmp_path / "f"

    def intrude(progress: Progress) -> None:
        if not os.path.lexists(final):
            MAKERS[kind](final)

    with pytest.raises(DiskError, match="not a regular file") as caught:
        download(server.url, final, force=True, progress=intrude)
    assert not stat.S_ISREG(os.lstat(final).st_mode)
    assert "600,000" in caught.value.kept
    final.unlink()
    assert download(server.url, final).kept == 600_000


def _no_links(*arguments: object, **options: object) -> None:
    raise PermissionError(1, "Operation not permitted")


def test_a_pipe_that_takes_the_name_of_the_part_file_in_between(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the names and the opening."""
    opened = os.open

    def late(path: Path, *arguments: int) -> int:
        if str(path).endswith("f.part") and not os.path.lexists(path):
            os.mkfifo(path)
        return opened(path, *arguments)

    monkeypatch.setattr(os, "open", late)
    with pytest.raises(DiskError, match="not a regular file"):
        download(server.url, tmp_path / "f")
    assert server.requests == []


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A folder of a file system that is mounted for reading. Root may write into any other."""
    folder = tmp_path / "read-only"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("no right to mount a file system")
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_read_only_folder_is_told_before_the_first_request(server: FaultServer, read_only: Path) -> None:
    for options in ({"directory": read_only}, {"path": read_only}, {"path": read_only / "f"},
                    {"directory": read_only / "a" / "b"}):
        with pytest.raises(DiskError):
            download(server.url, **options)
    assert server.requests == []


def test_a_folder_below_a_file(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="is not a directory"):
        download(server.url, directory=tmp_path / "file" / "below")
    assert server.requests == []
