"""Power that fails, and processes that are killed, after each step that an upload takes on disk.

Two things are taken for granted that POSIX does not promise, but ext4 as it comes, XFS and btrfs do: a file that grows
has all the bytes that its size tells, and a file that is renamed has one of its two names.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rangeware.uploads import FileStorage, UploadApp
from rangeware.uploads.protocol.values import Refusal, Upload
from tests.power import Disk, Recorder, Step, after_kill, losses
from tests.uploads.support import checksum, patch

ID = "0123456789abcdef" * 2
CONTENT = bytes(range(256)) * 50
PIECES = [CONTENT[:5000], CONTENT[5000:9000], CONTENT[9000:]]
GARBAGE = b"x" * 3000
"""Sent with a checksum that does not fit."""
STORED = {CONTENT[:length] for length in (0, 5000, 9000, len(CONTENT))} | {CONTENT[:5000] + GARBAGE}


class Recorded(NamedTuple):
    """The steps on disk of a whole upload.

    :param told: by the number of steps, the offset that the client had been told by then.
    :param accepted: the number of steps when the hook had returned.
    """

    steps: list[Step]
    told: dict[int, int]
    accepted: int


@pytest.fixture(params=["plain", "checked"])
def recorded(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recorded:
    storage = FileStorage(tmp_path / "recorded")
    recorder = Recorder(storage.directory)
    accepted: list[int] = []
    app = UploadApp(storage, finished=lambda _: accepted.append(len(recorder.steps)))
    told: dict[int, int] = {}
    offset = 0
    try:
        with monkeypatch.context() as watched:
            recorder.watch(watched)
            storage.create(Upload(ID, len(CONTENT)))
            told[len(recorder.steps)] = 0
            for piece in PIECES:
                fields = {"Upload_Checksum": checksum(piece)} if request.param == "checked" else {}
                if fields and offset == 5000:
                    assert patch(app, f"/{ID}", offset, GARBAGE, **fields).status == 460
                answer = patch(app, f"/{ID}", offset, piece, **fields)
                assert answer.status == 204
                offset = int(answer.get("Upload-Offset") or "")
                told[len(recorder.steps)] = offset
    finally:
        recorder.close()
    assert len(accepted) == 1
    return Recorded(recorder.steps, told, accepted[0])


def laid(disk: Disk, directory: Path) -> FileStorage:
    """A folder with these files."""
    directory.mkdir(parents=True)
    for name, content in disk.items():
        (directory / name).write_bytes(content)
    return FileStorage(directory)


def check(disk: Disk, directory: Path, told: int, may_be_missing: bool) -> bool:
    """Go on with an upload from this state; return whether the hook was called.

    The offset is not below what the client was told, and the file is right in the end.
    """
    storage = laid(disk, directory)
    calls: list[str] = []
    app = UploadApp(storage, finished=lambda file: calls.append(file.upload.id))
    try:
        found = storage.find(ID)
    except Refusal:
        assert may_be_missing
        return False
    assert found.offset >= told, "the offset fell"
    if found.is_complete:
        return False
    answer = patch(app, f"/{ID}", found.offset, CONTENT[found.offset:])
    assert (answer.status, answer.get("Upload-Offset")) == (204, str(len(CONTENT)))
    with storage.open(ID) as file:
        assert file.read() == CONTENT
    assert calls == [ID]
    return True


def told_before(recorded: Recorded, number: int) -> int:
    """The offset that the client had been told before a step."""
    return max((offset for steps, offset in recorded.told.items() if steps <= number), default=-1)


def different(disks: Iterable[tuple[int, Disk]]) -> dict[tuple[Any, ...], tuple[int, Disk]]:
    """Each state once, with the last step after which it may be there: the client has been told most then."""
    return {tuple(sorted(disk.items())): (number, disk) for number, disk in disks}


def test_a_kill_at_any_step(recorded: Recorded, tmp_path: Path) -> None:
    states = different(enumerate(after_kill(recorded.steps), 1))
    assert len(states) >= 10
    called = [check(disk, tmp_path / str(place), told_before(recorded, number), told_before(recorded, number) < 0)
              for place, (number, disk) in enumerate(states.values())]
    assert sum(called) >= 4


def test_power_lost_at_any_step(recorded: Recorded, tmp_path: Path) -> None:
    states = {(told_before(recorded, number), tuple(sorted(disk.items()))): disk
              for number, disk in losses(recorded.steps)}
    count = 0
    for told, disk in ((told, disk) for (told, _), disk in states.items()):
        if _may_be(disk, has_begun=told >= 0):
            check(disk, tmp_path / str(count), told, told < 0)
            count += 1
    assert count >= 20


def _may_be(disk: Disk, has_begun: bool) -> bool:
    """True if the disk is in a state that is possible, see above."""
    counts = [sum(f"{ID}.{kind}" in disk for kind in kinds) for kinds in (("data", "file"), ("json", "hook", "done"))]
    is_whole = all(content in STORED for name, content in disk.items() if name.endswith((".data", ".file")))
    return is_whole and max(counts) <= 1 and (not has_begun or min(counts) == 1)
