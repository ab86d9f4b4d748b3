"""State files that are cut, foreign or newer, disks that are full, names that are taken: never a lost partial file."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import DiskError, DownloadError, NetworkError, download
from tests.client.fault_server import COMPLETE_LENGTH, Call, FaultServer, behave, random_bytes
from tests.client.faulty.trials import NAME, kept_blocks

_BUDGET = 250_000  # bytes that a first run gets
_QUICK: dict[str, Any] = {"timeout": 5.0, "first_byte": 5.0, "tries": 6, "first_delay": 0.01, "longest_delay": 0.05}
_ONE: dict[str, Any] = {**_QUICK, "segments": 1}
_FOUR: dict[str, Any] = {**_QUICK, "segments": 4, "segment_size": 16_384, "worthwhile": 0}


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(pause=0.001) as running:
        yield running


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture(params=[_ONE, _FOUR], ids=["one", "four"])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def _beside(final: Path, suffix: str) -> Path:
    return final.with_name(final.name + suffix)


def _break_off(server: FaultServer, final: Path, options: dict[str, Any]) -> tuple[Path, Path]:
    """A run that the server cuts; the partial file and its state."""
    part, state = _beside(final, ".part"), _beside(final, ".part.json")
    for _ in range(5):  # on a busy machine, a connection may be cut before the client has read what came over it
        server.budget = _BUDGET
        with pytest.raises(NetworkError) as caught:
            download(server.url, final, **{**options, "tries": 1})
        server.budget = None
        if caught.value.kept and len(kept_blocks(final.parent, server.version.content)) > 20:
            break
    assert caught.value.kept
    assert len(kept_blocks(final.parent, server.version.content)) > 20
    assert json.loads(state.read_bytes().splitlines()[0])
    server.behave_as(behave)
    server.sent = 0
    return part, state


def _assert_right(server: FaultServer, final: Path) -> None:
    assert final.read_bytes() == server.version.content
    left = {path.name for path in final.parent.iterdir()} - {NAME}
    assert not [name for name in left if not name.startswith(f"{NAME}.part.1")], left


def _assert_went_on(server: FaultServer) -> None:
    assert server.sent < len(server.version.content) - 50_000


def _assert_set_aside(final: Path, octets: bytes) -> None:
    assert _beside(final, ".part.1").read_bytes() == octets


def test_resumes_at_all(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    _break_off(server, final, options)
    download(server.url, final, **options)
    _assert_right(server, final)
    _assert_went_on(server)
    assert not _beside(final, ".part.1").exists()


@pytest.mark.parametrize("count", [15, pytest.param(40, marks=pytest.mark.grid)])
def test_state_cut_anywhere(server: FaultServer, tmp_path: Path, count: int) -> None:
    """Whatever was cut off: right, and what was there is gone on with or set aside."""
    first = tmp_path / "first" / NAME
    first.parent.mkdir()
    part, state = _break_off(server, first, _FOUR)
    octets, text = part.read_bytes(), state.read_bytes()
    for length in [*range(0, len(text), max(1, len(text) // count)), len(text) - 1]:
        place = tmp_path / str(length)
        shutil.copytree(first.parent, place)
        _beside(place / NAME, ".part.json").write_bytes(text[:length])
        server.sent = 0
        download(server.url, place / NAME, **_ONE)
        _assert_right(server, place / NAME)
        if server.sent >= len(server.version.content):
            _assert_set_aside(place / NAME, octets)


_NOT_OURS = [
    pytest.param(b"", id="empty"),
    pytest.param(b"\n", id="empty line"),
    pytest.param(b"\0" * 4096, id="zeros"),
    pytest.param(b"\xff\xfe garbage \x80", id="garbage"),
    pytest.param(b"[" * 100_000 + b"\n", id="nested without end"),
    pytest.param(b'{"version":' * 50_000 + b"\n", id="nested objects"),
    pytest.param(b"null\n", id="null"),
    pytest.param(b"[]\n", id="list"),
    pytest.param(b"{}\n", id="empty object"),
    pytest.param(b'"version"\n', id="text"),
    pytest.param(b"9" * 5000 + b"\n", id="long number"),
    pytest.param(b"NaN\n", id="no number"),
    pytest.param(b"pieces\x00\x01" * 5000, id="no text"),
]


@pytest.mark.parametrize("text", _NOT_OURS)
def test_state_that_is_not_ours(server: FaultServer, final: Path, text: bytes) -> None:
    part, state = _break_off(server, final, _ONE)
    octets = part.read_bytes()
    state.write_bytes(text)
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    _assert_set_aside(final, octets)
    assert _beside(final, ".part.1.json").read_bytes() == text


_STRANGE: list[Any] = [None, True, -1, 1.5, 10**30, "", "x", "\ud800\0", [], {}, {"a": 1}, [None]]
_STRANGE += [[[5]], [[3, 1]], [[-1, 5]], [[0, 10**30]], [[0, "5"]], [[0.0, 9.0]], [[0, 10**7]]]


@pytest.mark.parametrize("count", [3, pytest.param(7, marks=pytest.mark.grid)])
def test_state_with_a_strange_value(server: FaultServer, tmp_path: Path, count: int) -> None:
    """Each member of the state with another value, or missing: right, and nothing lost."""
    first = tmp_path / "first" / NAME
    first.parent.mkdir()
    part, state = _break_off(server, first, _FOUR)
    octets = part.read_bytes()
    first_line, newline, rest = state.read_bytes().partition(b"\n")
    said = json.loads(first_line)
    changed = [{**said, key: value} for key in said for value in random.Random(5).sample(_STRANGE, count)]
    changed += [{key: value for key, value in said.items() if key != gone} for gone in said]
    for number, other in enumerate(changed):
        place = tmp_path / str(number)
        shutil.copytree(first.parent, place)
        _beside(place / NAME, ".part.json").write_bytes(json.dumps(other).encode() + newline + rest)
        server.sent = 0
        with contextlib.suppress(DownloadError):  # as a complete length that was never so
            download(server.url, place / NAME, **_ONE)
            _assert_right(server, place / NAME)
            shutil.rmtree(place)
            continue
        assert not (place / NAME).exists(), other
        assert any(path.read_bytes()[:100_000] == octets[:100_000] for path in place.glob(f"{NAME}.part*")), other


@pytest.mark.parametrize("version", [2, 10**9, 10**400, "2", 1.5, None, -1, [1]])
def test_state_of_another_version(server: FaultServer, final: Path, version: object) -> None:
    part, state = _break_off(server, final, _ONE)
    octets = part.read_bytes()
    first_line, newline, rest = state.read_bytes().partition(b"\n")
    text = json.dumps({**json.loads(first_line), "version": version}) if version != 10**400 else (
        first_line.decode().replace('"version": 1', '"version": 1' + "0" * 5000)
    )
    state.write_bytes(text.encode() + newline + rest)
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    _assert_set_aside(final, octets)


def test_state_of_another_address(server: FaultServer, final: Path) -> None:
    part, _ = _break_off(server, final, _ONE)
    octets = part.read_bytes()
    server.path = "/other.bin"
    server.change()
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    _assert_set_aside(final, octets)


def test_set_aside_under_the_next_free_name(server: FaultServer, final: Path) -> None:
    _beside(final, ".part").write_bytes(b"second")
    _beside(final, ".part.1").write_bytes(b"first")
    download(server.url, final, **_ONE)
    assert final.read_bytes() == server.version.content
    assert (_beside(final, ".part.1").read_bytes(), _beside(final, ".part.2").read_bytes()) == (b"first", b"second")


_LINES = [b"[0,100000000]", b"[5,1]", b"[-5,1]", b"[1]", b"[]", b"[1,2", b"{}", b"null", b"[0," + b"9" * 5000 + b"]"]
_LINES += [b"\xff\x00", b"", b'[0,9,"short"]', b'[1e3,1e4]', b"[ 0 , 9 ]"]


@pytest.mark.parametrize("line", _LINES)
def test_lines_that_are_no_ranges(server: FaultServer, final: Path, line: bytes) -> None:
    part, state = _break_off(server, final, _FOUR)
    with state.open("ab") as file:
        file.write(line + b"\n")
    octets = part.read_bytes()
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    if server.sent >= len(server.version.content):
        _assert_set_aside(final, octets)


@pytest.mark.parametrize("length", [0, 1, 4096, 60_000, 100_001])
def test_partial_file_shorter_than_its_state(
    server: FaultServer, final: Path, options: dict[str, Any], length: int
) -> None:
    part, _ = _break_off(server, final, options)
    os.truncate(part, length)
    download(server.url, final, **options)
    _assert_right(server, final)


def test_partial_file_longer_than_all(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    part, _ = _break_off(server, final, options)
    with part.open("r+b") as file:
        file.seek(len(server.version.content) + 5000)
        file.write(b"more")
    download(server.url, final, **options)
    _assert_right(server, final)


def test_partial_file_missing(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    part, _ = _break_off(server, final, options)
    part.unlink()
    download(server.url, final, **options)
    _assert_right(server, final)


def test_partial_file_without_state(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    part, state = _break_off(server, final, options)
    octets = part.read_bytes()
    state.unlink()
    download(server.url, final, **options)
    _assert_right(server, final)
    _assert_set_aside(final, octets)


def test_partial_file_spoilt_in_front_of_the_break(server: FaultServer, final: Path) -> None:
    """The last bytes before the break are others than the server has: the overlap shows it."""
    part, _ = _break_off(server, final, _ONE)
    octets = bytearray(part.read_bytes())
    kept = max(kept_blocks(final.parent, server.version.content)) * 4096
    octets[kept - 2000 : kept - 1000] = random_bytes(7, 1000)
    part.write_bytes(octets)
    download(server.url, final, **_ONE)
    _assert_right(server, final)


@pytest.mark.parametrize("suffix", [".part", ".part.json", ".part.new", ".part.new.json"])
def test_directory_in_the_way(server: FaultServer, final: Path, suffix: str) -> None:
    """Of the name of one of our files: the right file, or DiskError."""
    (_beside(final, suffix) / "precious").mkdir(parents=True)
    try:
        download(server.url, final, **_ONE)
    except DiskError:
        assert not final.exists()
    else:
        assert final.read_bytes() == server.version.content
    assert list(final.parent.rglob("precious"))


@pytest.mark.parametrize("journal", [None, b"{}\n"])
def test_another_file_of_the_name_of_a_second_part_file_stays(
    server: FaultServer, final: Path, journal: bytes | None
) -> None:
    _beside(final, ".part.new").write_bytes(b"precious")
    if journal is not None:
        _beside(final, ".part.new.json").write_bytes(journal)
    download(server.url, final, **_ONE)
    assert final.read_bytes() == server.version.content
    assert _beside(final, ".part.new").read_bytes() == b"precious"


@pytest.mark.parametrize("suffix", [".part", ".part.json", ".part.json.new"])
@pytest.mark.parametrize("octets", [b"precious", b"", None])
def test_link_in_the_way(server: FaultServer, final: Path, suffix: str, octets: bytes | None) -> None:
    """A file that a link with the name of one of our files points to stays as it is, also if it is empty or missing."""
    precious = final.with_name("precious")
    if octets is not None:
        precious.write_bytes(octets)
    _beside(final, suffix).symlink_to(precious)
    with contextlib.suppress(DiskError):
        download(server.url, final, **_ONE)
        assert final.read_bytes() == server.version.content
        assert not final.is_symlink()
    assert (precious.read_bytes() if precious.exists() else None) == octets


def test_pipe_in_the_way(server: FaultServer, final: Path) -> None:
    os.mkfifo(_beside(final, ".part"))
    with contextlib.suppress(DiskError):
        download(server.url, final, **_ONE)
        assert final.read_bytes() == server.version.content
        assert final.is_file()


@pytest.mark.parametrize("folder", ["file", "file/below", "/sys/kernel"])
def test_folder_that_cannot_be_written(server: FaultServer, tmp_path: Path, folder: str) -> None:
    """A file in the place of the folder, and a folder in which not even root makes files."""
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(DiskError) as caught:
        download(server.url, tmp_path / folder / NAME, **_ONE)
    assert caught.value.exit_code == 5
    assert (tmp_path / "file").read_bytes() == b"precious"


@pytest.mark.parametrize("length", [250, 255, 256, 5000])
def test_name_too_long(server: FaultServer, tmp_path: Path, length: int) -> None:
    """For the file system: of 255 bytes is a file, but no partial file beside it."""
    final = tmp_path / ("n" * length)
    try:
        download(server.url, final, **_ONE)
    except DiskError:
        assert list(tmp_path.iterdir()) == []
    else:
        assert final.read_bytes() == server.version.content


def test_name_exists(server: FaultServer, final: Path) -> None:
    final.write_bytes(b"precious")
    with pytest.raises(DiskError):
        download(server.url, final, **_ONE)
    assert final.read_bytes() == b"precious"
    assert [request.field("range") for request in server.requests] == ["bytes=0-0"]
    download(server.url, final, force=True, **_ONE)
    _assert_right(server, final)


def test_name_exists_and_force_fails(server: FaultServer, final: Path) -> None:
    """Until the new file is whole, the old one stays."""
    final.write_bytes(b"precious")
    server.budget = _BUDGET
    with pytest.raises(NetworkError):
        download(server.url, final, force=True, **_ONE)
    assert final.read_bytes() == b"precious"


@pytest.mark.parametrize("force", [False, True])
def test_name_is_a_directory(server: FaultServer, final: Path, force: bool) -> None:
    """The file goes into it, under its own name; what is there stays."""
    (final / "precious").mkdir(parents=True)
    got = download(server.url, final, force=force, **_ONE)
    assert got.path == final / NAME
    assert got.path.read_bytes() == server.version.content
    assert sorted(path.name for path in final.iterdir()) == sorted([NAME, "precious"])


def _in_between(make: Callable[[], object]) -> Callable[[Call], None]:
    """Does this in the middle of the first answer."""

    def act(call: Call) -> None:
        reply = call.reply
        if call.number:
            call.send(reply)
            return
        call.line.send(reply.head() + reply.content[:100_000])
        make()
        call.line.send_slowly(reply.content[100_000:])

    return act


def test_name_is_taken_meanwhile(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    """Another program makes a file of that name: it stays, and so does what came."""
    server.behave_as(_in_between(lambda: final.write_bytes(b"precious")))
    with pytest.raises(DiskError, match=r"file.bin: has come into being meanwhile \(use --force") as caught:
        download(server.url, final, **options)
    assert final.read_bytes() == b"precious"
    assert caught.value.kept
    final.unlink()
    server.behave_as(behave)
    server.sent = 0
    download(server.url, final, **options)
    _assert_right(server, final)
    _assert_went_on(server)


def test_directory_is_made_meanwhile(server: FaultServer, final: Path) -> None:
    server.behave_as(_in_between(final.mkdir))
    with pytest.raises(DiskError):
        download(server.url, final, force=True, **_ONE)
    final.rmdir()
    server.sent = 0
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    _assert_went_on(server)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _replaced(final: Path, length: int) -> None:
    part = _beside(final, ".part")
    part.rename(final.parent.with_name("moved"))
    part.write_bytes(b"x" * length)


@pytest.mark.parametrize("take", [
    lambda final: _beside(final, ".part").unlink(), lambda final: _replaced(final, 10),
    lambda final: _replaced(final, COMPLETE_LENGTH + 10), lambda final: os.truncate(_beside(final, ".part"), 5),
    lambda final: shutil.rmtree(final.parent),
], ids=["removed", "replaced by a short file", "replaced by a long file", "cut", "removed with its folder"])
def test_partial_file_is_taken_away_meanwhile(
    server: FaultServer, tmp_path: Path, options: dict[str, Any], take: Callable[[Path], object]
) -> None:
    """By another program: never what is there now under the final name, nor in a later run."""
    final = tmp_path / "folder" / "file.bin"

    def take_when_begun() -> None:
        deadline = time.monotonic() + 10
        while not (final.parent.exists() and _size(_beside(final, ".part"))) and time.monotonic() < deadline:
            time.sleep(0.01)
        take(final)

    server.behave_as(_in_between(take_when_begun))
    failure = None
    try:
        download(server.url, final, **options)
    except DiskError as exc:
        failure = exc
    if failure is not None:
        assert "another program has" in str(failure)
        assert not final.exists()
        assert not failure.kept or failure.kept.endswith(".part.new")  # if an overlap has shown it before
        server.behave_as(behave)
        download(server.url, final, **options)
    _assert_right(server, final)


def test_lock_held_by_another(server: FaultServer, final: Path, options: dict[str, Any]) -> None:
    part, state = _break_off(server, final, options)
    octets, text = part.read_bytes(), state.read_bytes()
    with part.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(DiskError):
            download(server.url, final, **options)
    assert (part.read_bytes(), state.read_bytes()) == (octets, text)
    download(server.url, final, **options)
    _assert_right(server, final)
    _assert_went_on(server)


def test_two_runs_at_the_same_file(server: FaultServer, final: Path) -> None:
    """The second finds the lock and leaves; the first is right."""
    met, may_go_on = threading.Event(), threading.Event()

    def wait() -> None:
        met.set()
        may_go_on.wait(30)

    server.behave_as(_in_between(wait))
    first = threading.Thread(target=download, args=[server.url, final], kwargs={**_ONE, "timeout": 60})
    first.start()
    try:
        assert met.wait(30)
        with pytest.raises(DiskError):
            download(server.url, final, **_ONE)
    finally:
        may_go_on.set()
        first.join(60)
    _assert_right(server, final)


_LIMITED = """
import resource, sys
from rangeware.client import DiskError, download
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), int(sys.argv[3])))
try:
    download(sys.argv[1], sys.argv[2], segments=int(sys.argv[4]), segment_size=16384, worthwhile=0)
except DiskError as exc:
    print(exc.exit_code, bool(exc.kept))
else:
    print("no error")
"""


@pytest.mark.parametrize("segments", [1, 4])
@pytest.mark.parametrize("limit", [0, 100, 200_000, 400_000])
def test_full_disk(server: FaultServer, final: Path, limit: int, segments: int) -> None:
    """Files may not grow beyond a limit (EFBIG): DiskError; then there is room, and it goes on."""
    arguments = [server.url, str(final), str(limit), str(segments)]
    ended = subprocess.run([sys.executable, "-c", _LIMITED, *arguments], capture_output=True, text=True, timeout=120)
    assert ended.stdout.split()[:1] == ["5"], ended
    assert not final.exists()
    if limit >= 200_000:
        assert ended.stdout.split()[1] == "True"
    server.behave_as(behave)
    server.sent = 0
    download(server.url, final, **_ONE)
    _assert_right(server, final)
    if limit >= 200_000:
        _assert_went_on(server)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 300 KiB. Only root may mount one; where that is refused, `test_full_disk` has to do."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", folder], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a file system")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_full_file_system(server: FaultServer, small_disk: Path, options: dict[str, Any]) -> None:
    """ENOSPC, the journal included; then the file system grows."""
    final = small_disk / NAME
    with pytest.raises(DiskError) as caught:
        download(server.url, final, **options)
    assert caught.value.kept
    assert not final.exists()
    subprocess.run(["mount", "-o", "remount,size=2m", small_disk], check=True)
    server.sent = 0
    download(server.url, final, **options)
    _assert_right(server, final)
    _assert_went_on(server)
