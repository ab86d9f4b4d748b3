"""Power that fails, and processes that are killed, after each step that a download takes on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from rangeware.client import NetworkError, download
from rangeware.client.io import engine, journal_file
from tests.matrix.pacing import Pacing
from tests.power import Disk, Recorder, Step, after_kill, after_power_loss

LENGTH = 100_001
VERSIONS = {f'"v{number}"': Random(number).randbytes(LENGTH) for number in (1, 2, 3)}
"""What the server has, by entity tag."""
RATES = (3e5, 1e5, 3e4)
"""Bytes a second: on a busy machine, the client has time for enough journals only if a file comes more slowly."""
ENOUGH = 5
"""Journals in a recording that shows something."""
OPTIONS: dict[str, Any] = {"first_delay": 0.01, "longest_delay": 0.02}
SEGMENTED: dict[str, Any] = {"segments": 4, "segment_size": 8 << 10, "worthwhile": 0}

# --- what must hold --------------------------------------------------------------------------------------------------

def check_journals(disk: Disk, *, same_boot: bool) -> int:
    """That what the journals say is there is there; how many bytes that is."""
    found = 0
    for name in disk:
        if f"{name}.json" not in disk:
            continue
        for (first_pos, last_pos), right in _vouched(disk[f"{name}.json"], same_boot=same_boot):
            kept = disk[name][first_pos:last_pos + 1]
            if len(kept) <= last_pos - first_pos:
                break  # a file that is too short is not gone on with
            assert kept == right[first_pos:last_pos + 1], f"{first_pos} to {last_pos} are not in {name}"
            found += len(kept)
    return found


def _vouched(text: bytes, *, same_boot: bool) -> Iterator[tuple[list[int], bytes]]:
    """The pieces that a journal says are there, both positions inclusive, and the version they are of."""
    first_line, newline, rest = text.partition(b"\n")
    try:
        said = json.loads(first_line)
    except ValueError:
        return
    if newline:
        since = [json.loads(line) for line in rest.split(b"\n")[:-1]] if same_boot else []
        for piece in [*said["finished"], *since]:
            if len(piece) == 2:  # others are of bytes that are still to be compared
                yield piece, VERSIONS[said["etag"]]


def check_final(disk: Disk, *allowed: bytes) -> None:
    """Under its final name there is nothing but a whole file."""
    assert disk.get("file") in (None, *allowed), "a wrong file under the final name"


def boot(monkeypatch: pytest.MonkeyPatch, directory: Path, number: int) -> None:
    """Has the machine been started so many times."""
    path = directory / f"boot-{number}"
    path.write_text(f"00000000-0000-4000-8000-00000000000{number}\n")
    monkeypatch.setattr(journal_file, "_BOOT_ID", path)


def go_on(disks: Iterable[Disk], count: int, url: str, directory: Path, right: bytes, **options: Any) -> int:
    """Goes on from about so many of these states; how many bytes were kept from them in all."""
    different = list({tuple(sorted(disk.items())): disk for disk in disks}.values())
    kept = 0
    for number, disk in enumerate(different[::max(1, len(different) // count)]):
        there = directory / str(number)
        there.mkdir(parents=True)
        for name, content in disk.items():
            (there / name).write_bytes(content)
        if (there / "file").exists() and not options.get("force"):
            assert disk["file"] == right
            continue
        got = download(url, there / "file", **OPTIONS, **options)
        assert (there / "file").read_bytes() == right
        kept += got.kept
    return kept


# --- scenarios -------------------------------------------------------------------------------------------------------

class Scenario(NamedTuple):
    """A recording.

    :param options: of the downloads.
    :param cut: bytes after which the runs before them were cut off, each with a version of its own.
    :param versions: of the file on the server when the downloads are recorded, one after the other.
    :param elsewhere: True if the runs before were of another URL.
    :param replaced: True if there is a file of that name already.
    """

    options: dict[str, Any]
    cut: tuple[int, ...] = ()
    versions: tuple[int, ...] = (1,)
    elsewhere: bool = False
    replaced: bool = False


SCENARIOS = {
    "one stream": Scenario({"segments": 1}),
    "segments": Scenario(SEGMENTED),
    "gone on with": Scenario({"segments": 1}, cut=(50_000,)),
    "gone on with in segments": Scenario(SEGMENTED, cut=(50_000,)),
    "changed": Scenario({"segments": 1}, cut=(50_000,), versions=(2,)),
    "changed, in segments": Scenario(SEGMENTED, cut=(50_000,), versions=(2,)),
    "changed twice": Scenario({"segments": 1}, cut=(50_000, 66_000), versions=(3,)),
    "changed, and changed back": Scenario({"segments": 1}, cut=(50_000, 66_000)),
    "of another address": Scenario({"segments": 1}, cut=(50_000,), versions=(2,), elsewhere=True),
    "in place of another": Scenario({"segments": 1, "force": True}, replaced=True),
    "one after the other": Scenario({"segments": 1, "force": True}, versions=(1, 2)),
}
BEFORE = b"what stood there before"


@pytest.fixture(params=SCENARIOS)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    return SCENARIOS[request.param]


resumed = pytest.mark.parametrize("resumed", [10, pytest.param(40, marks=pytest.mark.grid)])
"""The number of states of each scenario from which a download goes on. All of them are looked at."""


class Recorded(NamedTuple):
    """A recorded download, the server, and what must come of it."""

    steps: list[Step]
    server: Pacing
    url: str
    right: bytes
    finals: list[bytes]


@pytest.fixture
def recorded(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    boot(monkeypatch, tmp_path, 1)
    monkeypatch.setattr(engine, "_SAVE", 0.0)
    monkeypatch.setattr(engine, "TICK", 0.005)
    with Pacing(b"").serving() as server:
        url = f"{server.url}/file"
        for rate in RATES:
            server.rate = rate
            steps = _record(scenario, server, url, tmp_path / f"recorded at {rate}", monkeypatch)
            if sum(step.call in ("rename", "replace") for step in steps) >= ENOUGH:
                break
        server.rate = None
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # of the runs that go on, nothing is to be recorded
        finals = [VERSIONS[f'"v{number}"'] for number in scenario.versions] + [BEFORE] * scenario.replaced
        yield Recorded(steps, server, url, server.content, finals)


def _record(
    scenario: Scenario, server: Pacing, url: str, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> list[Step]:
    directory.mkdir()
    if scenario.replaced:
        (directory / "file").write_bytes(BEFORE)
    for number, length in enumerate(scenario.cut, 1):
        _become(server, number)
        server.cut_at = server.sent + length
        with pytest.raises(NetworkError):
            download(url + "-elsewhere" * scenario.elsewhere, directory / "file", tries=1, segments=1, **OPTIONS)
    server.cut_at = None
    recorder = Recorder(directory)
    try:
        with monkeypatch.context() as watched:
            recorder.watch(watched)
            for number in scenario.versions:
                _become(server, number)
                download(url, directory / "file", **OPTIONS, **scenario.options)
    finally:
        recorder.close()
    return recorder.steps


def _become(server: Pacing, number: int) -> None:
    server.etag = f'"v{number}"'
    server.content = VERSIONS[server.etag]


@resumed
def test_a_kill_at_any_step(recorded: Recorded, scenario: Scenario, resumed: int, tmp_path: Path) -> None:
    disks = list(after_kill(recorded.steps))
    assert len(disks) > 15, "nothing was recorded"
    for disk in disks:
        check_final(disk, *recorded.finals)
        check_journals(disk, same_boot=True)
    kept = go_on(disks, resumed, recorded.url, tmp_path / "on", recorded.right, **scenario.options)
    assert kept > resumed * LENGTH // 16


@resumed
def test_power_lost_at_any_step(recorded: Recorded, scenario: Scenario, resumed: int, tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    disks = list(after_power_loss(recorded.steps))
    vouched = 0
    for disk in disks:
        check_final(disk, *recorded.finals)
        vouched += check_journals(disk, same_boot=False)
    assert vouched > len(disks) * LENGTH // 50, "the journals vouch for next to nothing: this test shows nothing"
    boot(monkeypatch, tmp_path, 2)
    kept = go_on(disks, resumed, recorded.url, tmp_path / "on", recorded.right, **scenario.options)
    assert kept > resumed * LENGTH // 32
