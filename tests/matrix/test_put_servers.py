"""``rangeware put`` against the tus servers of npm, and ours with both protocols: cut, killed on either side, resumed,
and right in the end.
"""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rangeware.client import ChangedError, upload
from tests.matrix import npm, report
from tests.matrix.launch import ROOT
from tests.matrix.relays import Relay

pytestmark = pytest.mark.matrix

LENGTH = 20_000_001
SERVERS = ["@tus/server", "tus-node-server", "gunicorn, tus", "gunicorn, draft", "uvicorn, tus", "uvicorn, draft"]
"""Those of npm; under the others, which have two workers, are our apps."""
QUICK: dict[str, Any] = {"first_delay": 0.05, "longest_delay": 0.5, "timeout": 10.0}
TIMEOUT = 120.0
RATE = "8M"
"""Bytes a second, so that a moment in the middle can be met."""


class UploadRelay(Relay):
    """Cuts connections after so many bytes that go up."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(address)
        self.cuts: list[int] = []
        """Bytes that may go up until the next cut, for one cut after the other."""
        self.happened = 0

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while block := source.recv(16 << 10):
                if sink.getpeername() == self._to and self._is_due(len(block)):
                    self.hang_up()
                    return
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def _is_due(self, length: int) -> bool:
        with self.lock:
            if not self.cuts:
                return False
            self.cuts[0] -= length
            if self.cuts[0] > 0:
                return False
            self.cuts.pop(0)
            self.happened += 1
            return True


class Site:
    """A server that can be killed and started again on its port, with a relay in front of it."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self.folder = folder
        self._stack = ExitStack()
        self.process, self.port = self._start("0")
        self.relay = UploadRelay(("127.0.0.1", self.port))
        self.url = f"{self.relay.url}/files"

    @property
    def protocol(self) -> str:
        return "draft" if self.name.endswith("draft") else "tus"

    def _start(self, port: str) -> tuple[subprocess.Popen[str], int]:
        words = ("tus_server.js", self.name, str(self.folder), port)
        return self._stack.enter_context(npm.running(*words, log=self.folder.parent / "log"))

    def restart(self) -> None:
        """Kills the server, and starts it again."""
        self.kill()
        self.process, _ = self._start(str(self.port))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(TIMEOUT)

    def stored(self) -> list[Path]:
        """The files of all uploads, without those that say what is in them."""
        return [path for path in self.folder.iterdir() if not self._tells(path)]

    def told(self) -> str:
        """What the server has noted of the uploads."""
        return "".join(path.read_text() for path in self.folder.iterdir() if self._tells(path))

    def _tells(self, path: Path) -> bool:
        return ".json" in path.name or path.suffix in (".done", ".new")

    def size(self) -> int:
        """Bytes that are on disk in all uploads."""
        return sum(path.stat().st_size for path in self.stored())

    def close(self) -> None:
        self._stack.close()


class OurSite(Site):
    """One of our apps, under a server with two workers."""

    def _start(self, port: str) -> tuple[subprocess.Popen[str], int]:
        number = int(port) or free_port()
        server = self.name.partition(",")[0]
        words = ["gunicorn", "-w", "2", "-b", f"127.0.0.1:{number}", "tests.matrix.upload_apps:wsgi"]
        if server == "uvicorn":
            words = ["uvicorn", "--workers", "2", "--port", str(number), "tests.matrix.upload_apps:asgi"]
        env = {**os.environ, "RANGEWARE_MATRIX_DIR": str(self.folder)}
        with open(self.folder.parent / "log", "a") as log:
            process = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=env, text=True, stdout=log,
                                       stderr=log, start_new_session=True)
        self._stack.callback(self._end, process)
        deadline = time.monotonic() + TIMEOUT
        while not is_listening(number):
            assert time.monotonic() < deadline, (self.folder.parent / "log").read_text()
            time.sleep(0.02)
        return process, number

    @staticmethod
    def _end(process: subprocess.Popen[str]) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(TIMEOUT)

    def kill(self) -> None:
        self._end(self.process)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def is_listening(port: int) -> bool:
    with socket.socket() as trial:
        return trial.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(params=SERVERS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "uploads"
    folder.mkdir()
    running = (OurSite if "," in request.param else Site)(request.param, folder)
    try:
        with running.relay.serving():
            yield running
    finally:
        running.close()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.mp4"
    path.write_bytes(os.urandom(LENGTH))
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def assert_right(site: Site, file: Path) -> None:
    assert [sha256(path) for path in site.stored()] == [sha256(file)]


def start(site: Site, file: Path, *words: str) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1", "XDG_CACHE_HOME": str(file.parent / "cache")}
    command = [sys.executable, "-m", "rangeware", "put", "--protocol", site.protocol, *words, str(file), site.url]
    return subprocess.Popen(command, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(site: Site, length: int) -> None:
    deadline = time.monotonic() + TIMEOUT
    while site.size() < length:
        assert time.monotonic() < deadline, "the moment did not come"
        time.sleep(0.005)


@pytest.mark.parametrize("chunk_size", [None, 3_000_000])
def test_whole(site: Site, file: Path, chunk_size: int | None) -> None:
    done = upload(file, site.url, protocol=site.protocol, state=file.parent / "state", chunk_size=chunk_size, **QUICK)
    assert (done.protocol, done.sent, done.restarts) == (site.protocol, LENGTH, 0)
    assert_right(site, file)


def test_an_empty_file(site: Site, file: Path) -> None:
    file.write_bytes(b"")
    assert upload(file, site.url, protocol=site.protocol, state=file.parent / "state", **QUICK).complete_length == 0
    assert site.size() == 0


@pytest.mark.parametrize("seed", range(3))
def test_cut_at_many_places(site: Site, file: Path, seed: int) -> None:
    random = Random(seed)
    site.relay.cuts = [random.randrange(100, 2_500_000) for _ in range(10)]
    done = upload(file, site.url, protocol=site.protocol, state=file.parent / "state", **QUICK)
    assert_right(site, file)
    assert site.relay.happened == 10
    report.note("rangeware put, ten cuts", (
        f"{site.name:16} seed {seed}: {done.sent / LENGTH:.3f} of the file sent, {done.restarts} new uploads, "
        f"{done.seconds:.1f} s"))


def test_a_server_that_is_killed(site: Site, file: Path) -> None:
    with start(site, file, "--limit-rate", RATE) as running:
        for moment in (3_000_000, 9_000_000, 15_000_000):
            wait_for(site, moment)
            site.restart()
        out, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 0, err
    assert out.strip().startswith("http://")
    assert_right(site, file)


def test_a_client_that_is_killed(site: Site, file: Path) -> None:
    for moment in (1, 2_000_000, 5_000_000, 9_000_000, 14_000_000, 18_000_000):
        with start(site, file, "-q", "--limit-rate", RATE) as running:
            wait_for(site, moment)
            running.kill()
    with start(site, file) as running:
        _, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 0, err
    assert "resumed" in err
    assert_right(site, file)


def test_both_are_killed(site: Site, file: Path) -> None:
    with start(site, file, "-q", "--limit-rate", RATE) as running:
        wait_for(site, 6_000_000)
        running.kill()
    site.restart()
    with start(site, file) as running:
        _, err = running.communicate(timeout=TIMEOUT)
    assert running.returncode == 0, err
    assert_right(site, file)


def test_a_file_that_changes(site: Site, file: Path) -> None:
    def change() -> None:
        wait_for(site, 4_000_000)
        with file.open("r+b") as opened:
            opened.write(b"other")

    changing = threading.Thread(target=change)
    changing.start()
    with pytest.raises(ChangedError):
        upload(file, site.url, protocol=site.protocol, state=file.parent / "state", limit_rate=8 << 20, **QUICK)
    changing.join(TIMEOUT)
    assert site.size() < LENGTH


def test_the_metadata_arrives(site: Site, file: Path) -> None:
    if site.protocol == "draft":
        pytest.skip("the draft has no metadata")
    upload(file, site.url, protocol=site.protocol, state=file.parent / "state", metadata={"album": "Rome"}, **QUICK)
    assert "Rome" in site.told() or "Um9tZQ==" in site.told()  # one server keeps it in base64
