"""``rangeware get`` of 200 MB, killed at fifty random moments and begun again each time."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from tests.matrix import report
from tests.matrix.launch import ROOT
from tests.matrix.pacing import Pacing

pytestmark = pytest.mark.matrix

LENGTH = 200_000_000
RATE = 12.5e6
"""Bytes a second on each connection: 100 Mbit."""
KILLS = 50
EARLY = 10
"""Of the kills: those that the clock brings, while the command starts or a little later."""
MOST_ON_THE_WIRE = 1.05
TIMEOUT = 120.0
"""Seconds in which a moment must come; a bound, not a wait."""


class Moment(NamedTuple):
    """When to kill: once so many bytes of content were sent since the start, or so many seconds went by."""

    content: int
    seconds: float


def moments(seed: int) -> list[Moment]:
    """Together they ask for less than the whole file, so that each of them comes before its end."""
    random = Random(seed)
    by_content = sorted(random.randrange(LENGTH * 7 // 10) for _ in range(KILLS - EARLY))
    steps = [Moment(there - here, TIMEOUT) for here, there in zip([0, *by_content], by_content, strict=False)]
    by_clock = [Moment(LENGTH // 100, random.uniform(0.0, 0.5)) for _ in range(EARLY)]
    return random.sample(steps + by_clock, KILLS)


@pytest.fixture(scope="module")
def content() -> bytes:
    return os.urandom(LENGTH)


def start(url: str, file: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "rangeware", "get", url, "-o", str(file), "-q", *arguments]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    return subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT)


def kill_at(moment: Moment, process: subprocess.Popen[bytes], pacing: Pacing) -> None:
    sent, begun = pacing.sent, time.monotonic()
    try:
        while pacing.sent - sent < moment.content and time.monotonic() - begun < moment.seconds:
            assert process.poll() is None, "it ended by itself"
            time.sleep(0.0005)
        assert time.monotonic() - begun < TIMEOUT, "the moment did not come"
    finally:
        process.kill()
        print(process.communicate()[0].decode(errors="replace"), end="")


@pytest.mark.parametrize("arguments", [["-n", "1"], []], ids=["one stream", "as many as it likes"])
def test_fifty_kills_cost_no_byte_and_little_more_than_the_file(
        arguments: list[str], content: bytes, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    seed = Random().randrange(1_000_000)
    print(f"seed {seed}")
    file = tmp_path / "file.bin"
    with Pacing(content, rate=RATE).serving() as pacing:
        begun = time.monotonic()
        for moment in moments(seed):
            kill_at(moment, start(f"{pacing.url}/file.bin", file, arguments), pacing)
            assert not file.exists()
        killed_at, requests = pacing.sent, len(pacing.asked)
        last = start(f"{pacing.url}/file.bin", file, arguments)
        said = last.communicate(timeout=TIMEOUT)[0]
        seconds = time.monotonic() - begun
    report.note(f"{KILLS} kills in {LENGTH:,} bytes", (
        f"{request.node.callspec.id:20} seed {seed:6}: {pacing.sent / LENGTH:.4f} of the file on the wire, "
        f"{killed_at / LENGTH:.3f} at the last kill, {requests} requests, {seconds:.0f} s"))
    assert last.returncode == 0, said.decode(errors="replace")
    assert hashlib.sha256(file.read_bytes()).digest() == hashlib.sha256(content).digest()
    assert pacing.sent <= MOST_ON_THE_WIRE * LENGTH
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.bin"]
