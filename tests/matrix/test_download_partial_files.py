"""Partial files that curl, wget and aria2 have left, continued by us."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rangeware.client import DiskError, download
from tests.client.fault_server import Call, FaultServer, Version, behave

pytestmark = pytest.mark.matrix

LENGTH = 6_000_000
CUT = 2_500_000
"""Bytes that another program gets."""


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        running.change(Version.make(2, LENGTH))
        yield running


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return tmp_path / "file.bin"


def cut_after(length: int) -> Callable[[Call], None]:
    """The connection ends after so many bytes of the first response; then nobody answers any more."""
    def act(call: Call) -> None:
        if call.number == 0:
            call.send_cut(call.reply, length)
        else:
            call.line.hang_up()

    return act


@pytest.mark.parametrize("command", [
    pytest.param(["curl", "-s", "-o", "file.bin"], id="curl"),
    pytest.param(["curl", "-s", "-R", "-o", "file.bin"], id="curl -R"),
    pytest.param(["wget", "-q", "-t", "1", "-O", "file.bin"], id="wget"),
])
def test_what_it_has_left_under_the_final_name(
    server: FaultServer, tmp_path: Path, final: Path, command: list[str]
) -> None:
    server.behave_as(cut_after(CUT))
    subprocess.run([*command, server.url], cwd=tmp_path, timeout=60)
    assert final.stat().st_size == CUT
    server.behave_as(behave)
    server.sent = 0
    with pytest.raises(DiskError, match="differs"):
        download(server.url, final)
    done = download(server.url, final, continue_from=final)
    assert done.kept == CUT
    assert final.read_bytes() == server.version.content
    assert server.sent < LENGTH - CUT + 1_000_000
    assert os.listdir(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("allocation", ["none", "prealloc", "falloc"])
def test_what_aria2_has_left(server: FaultServer, tmp_path: Path, final: Path, allocation: str) -> None:
    """It fetches from four places at once: the file has its full length and holes."""
    server.pause = 0.02
    options = ["-q", "-x", "4", "-s", "4", "-k", "1M", f"--file-allocation={allocation}", "-d", str(tmp_path)]
    running = subprocess.Popen(["aria2c", *options, server.url])
    deadline = time.monotonic() + 30
    while server.sent < CUT and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    running.wait(30)
    assert sorted(os.listdir(tmp_path)) == ["file.bin", "file.bin.aria2"]
    server.pause, server.sent = 0, 0
    with pytest.raises(DiskError, match="aria2"):
        download(server.url, final)
    other = tmp_path / "other"
    done = download(server.url, other, continue_from=tmp_path / "file.bin.aria2")
    assert done.kept > 300_000
    assert other.read_bytes() == server.version.content
    assert done.received < LENGTH + 300_000 - done.kept // 2  # four connections ask for more than they take
    assert download(server.url, final, continue_from=final).kept == done.kept
    assert final.read_bytes() == server.version.content
