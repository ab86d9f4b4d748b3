"""``rangeware put``: which words become which options and exit codes, and whole runs that are stopped and killed."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware import InvalidOption
from rangeware.client import (
    ChangedError,
    DigestError,
    DiskError,
    NetworkError,
    Progress,
    TransferError,
    Upload,
    upload_api,
)
from rangeware.client.cli import command, display, screen
from rangeware.client.cli.put_arguments import make_put_parser
from tests.client.test_command import PATIENCE, environment, read_terminal
from tests.client.upload_server import UploadServer

URL = "http://host.example/files/"
CONTENT = random.Random(5).randbytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Fake:
    """Stands for ``prepare`` and for the upload that it makes: notes each call, and fails if it is told to.

    A ``KeyboardInterrupt`` that it is told to raise is a real signal.
    """

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.reports: list[Progress] = []
        self.failure: BaseException | None = None
        self.number = signal.SIGINT
        self._stopped = threading.Event()

    def __call__(self, path: str, url: str, **options: Any) -> Fake:
        self._progress = options.pop("progress")
        self.calls.append((path, url, options))
        return self

    def result(self) -> Upload:
        for each in self.reports:
            self._progress(each)
        if isinstance(self.failure, KeyboardInterrupt):
            os.kill(os.getpid(), self.number)
            assert self._stopped.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        path, url, _ = self.calls[-1]
        return Upload(Path(path), url, "http://host.example/files/1", 2048, "tus", "00" * 32, 1024, 1024, 0, 1.0)

    def stop(self, failure: TransferError) -> None:
        self.failure = failure
        failure.kept = "1.00 KiB of 2.00 KiB sent"
        self._stopped.set()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    stand_in = Fake()
    monkeypatch.setattr(upload_api, "prepare", stand_in)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/rangeware"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return stand_in


OPTIONS = [
    ([], {}), (["--sha256", "ab"], {"sha256": "ab"}), (["--limit-rate", "500k"], {"limit_rate": 512_000}),
    (["--protocol", "draft"], {"protocol": "draft"}), (["--chunk-size", "16M"], {"chunk_size": 16 << 20}),
    (["--fresh"], {"fresh": True}), (["--timeout", "5", "-k"], {"timeout": 5.0, "insecure": True}),
    (["--header", "X: a"], {"headers": {"X": "a"}}),
    (["--metadata", "a=b", "--metadata", "c=d=e", "--metadata=f="], {"metadata": {"a": "b", "c": "d=e", "f": ""}}),
]


@pytest.mark.parametrize(("words", "options"), OPTIONS)
def test_options(words, options, fake):
    assert command.main(["put", "-q", *words, "film", URL]) == 0
    assert fake.calls == [("film", URL, options)]


@pytest.mark.parametrize(("user", "url", "authority"), [
    ("ann:pw", URL, "ann:pw@host.example"), ("ann", URL, "ann@host.example"),
    ("a@b:c:d/", URL, "a%40b:c%3Ad%2F@host.example"),
    ("ann:pw", "http://bob:x@host.example/files/", "ann:pw@host.example"),
])
def test_user(user, url, authority, fake):
    assert command.main(["put", "-q", "-u", user, "film", url]) == 0
    assert fake.calls[0][1] == f"http://{authority}/files/"


@pytest.mark.parametrize(("words", "text"), [
    ([], "one file and one URL"), (["film"], "one file and one URL"), (["film", URL, "more"], "one file and one URL"),
    ([URL, "film"], "not an http or https URL: film"), (["--metadata", "a", "film", URL], "must be KEY=VALUE"),
    (["--metadata", "=a", "film", URL], "must be KEY=VALUE"), (["--protocol", "ftp", "film", URL], "invalid choice"),
    (["--chunk-size", "0", "film", URL], "must be a number of bytes"), (["-n", "4", "film", URL], "unrecognized"),
])
def test_wrong_use(words, text, fake, capsys):
    assert command.main(["put", *words]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n"), fake.calls) == ("", 1, [])
    assert text in err
    assert err.endswith("(see: rangeware put --help)\n")


@pytest.mark.parametrize(("error", "exit_code"), [
    (InvalidOption("metadata"), 1), (NetworkError("reset"), 2), (ChangedError("changed"), 3),
    (DigestError("digest"), 4), (DiskError("directory"), 5), (KeyboardInterrupt(), 130),
])
def test_exit_codes(error, exit_code, fake):
    fake.failure = error
    assert command.main(["put", "film", URL]) == exit_code


def test_the_address_is_printed(fake, capsys):
    assert command.main(["put", "film", URL]) == 0
    assert capsys.readouterr() == (
        "http://host.example/files/1\n", "sent film: 2.00 KiB (1.00 KiB resumed) in 1.0 s, 1.00 KiB/s\n")


def test_quiet(fake, capsys):
    assert command.main(["put", "-q", "film", URL]) == 0
    assert capsys.readouterr() == ("", "")


def report(event: str, done: int, text: str = "") -> Progress:
    return Progress(event, "film", done, 2048, done, 512.0, (), text)


def test_lines(fake, capsys):
    fake.reports = [report("checking", 5), report("checking", 9), report("began", 0), report("progress", 1024),
                    report("retry", 1024, "reset; trying again now"), report("finished", 2048)]
    assert command.main(["put", "film", URL]) == 0
    assert capsys.readouterr().err.splitlines()[:-1] == [
        "film: checking", "film: 50 % of 2.00 KiB, 512 B/s, 0:00:02 left", "film: reset; trying again now"]


def test_json(fake, capsys):
    fake.reports = [report("checking", 5), report("checking", 9), report("began", 0)]
    assert command.main(["put", "--json", "film", URL]) == 0
    said = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["event"] for each in said] == ["checking", "began", "sent"]
    assert (said[-1]["address"], said[-1]["path"], said[-1]["resumed"]) == ("http://host.example/files/1", "film", True)


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interruption(number, exit_code, fake, capsys):
    fake.number, fake.failure = number, KeyboardInterrupt()
    words = ["put", "-q", "-u", "ann:s3cret", "--header", "Authorization: s3cret", "--header", "X: y", "film", URL]
    assert command.main(words) == exit_code
    lines = capsys.readouterr().err.splitlines()
    assert lines[:-1] == ["rangeware: interrupted", "1.00 KiB of 2.00 KiB sent",
                          "put your secret in place of each '...' (a login may also come from ~/.netrc)"]
    assert shlex.split(lines[-1].removeprefix("resume with: ")) == [
        "rangeware", "put", "-q", "-u", "ann:...", "--header", "Authorization: ...", "--header", "X: y", "film", URL]


def test_a_user_without_password_is_shown(fake, capsys):
    fake.failure = KeyboardInterrupt()
    assert command.main(["put", "-u", "ann", "film", URL]) == 130
    assert "-u ann film" in capsys.readouterr().err


def test_help(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert command.main(["put", "--help"]) == 0
    out, err = capsys.readouterr()
    assert (out.startswith("usage: rangeware put "), err) == (True, "")
    assert max(map(len, out.splitlines())) < 80
    assert {*make_put_parser()._option_string_actions} <= {*re.findall(r"-[-a-zA-Z0-9]+", out)}
    assert re.findall(r"^ +([0-9]+)  \S", out, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "130", "143"]


# whole runs

@pytest.fixture(params=[("tus",), ("draft",)], ids=["tus", "draft"])
def server(request: pytest.FixtureRequest) -> Iterator[UploadServer]:
    with UploadServer(speaks=request.param) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "film.bin"
    path.write_bytes(CONTENT)
    return path


def start(file: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    env = environment(XDG_CACHE_HOME=str(file.parent / "cache"), **more)
    return subprocess.Popen([sys.executable, "-m", "rangeware", "put", *words], cwd=file.parent, env=env, text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def run_put(file: Path, *words: str) -> tuple[int, str, str]:
    with start(file, *words) as running:
        out, err = running.communicate(timeout=PATIENCE)
        return running.returncode, out, err


def wait_for(server: UploadServer, length: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while sum(len(each.content) for each in server.uploads.values()) < length:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_whole_run(server, file):
    code, out, err = run_put(file, "film.bin", server.url)
    assert (code, out) == (0, f"{server.url}1\n")
    assert re.fullmatch(r"sent film\.bin: 2\.86 MiB in .*", err.splitlines()[-1])
    assert [each.sha256 for each in server.completed] == [SHA256]


def test_whole_runs_that_fail(server, file, tmp_path):
    server.max_size, server.limit = 5, "max-size=5"
    for words, code in ((["film.bin", server.url], 2), (["none", server.url], 5), ([".", server.url], 5),
                        (["film.bin", "ftp://h/"], 1), (["--sha256", "0" * 64, "film.bin", server.url], 4)):
        found, out, err = run_put(file, *words)
        assert (found, out, sum(line.startswith("rangeware: ") for line in err.splitlines())) == (code, "", 1)
        assert "Traceback" not in err


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_and_resumed(server, file, number, exit_code):
    server.pause = 0.01
    with start(file, "film.bin", server.url) as running:
        wait_for(server, 500_000)
        running.send_signal(number)
        out, err = running.communicate(timeout=PATIENCE)
    assert (running.returncode, out) == (exit_code, "")
    assert err.splitlines()[-1].endswith(f"-m rangeware put film.bin {server.url}")
    server.pause = 0
    code, out, err = run_put(file, "film.bin", server.url)
    assert (code, out) == (0, f"{server.url}1\n")
    assert "resumed" in err
    assert [each.sha256 for each in server.completed] == [SHA256]


def test_killed_at_many_moments_and_resumed(server, file):
    """``kill -9`` at the start, in the middle and near the end; a later run never sends a wrong byte.

    The first kill may come when the server has made the upload, and its address is not stored yet: it is lost then. The
    others come when bytes have been sent, and lose nothing.
    """
    server.pause = 0.003
    for moment in (0, 1, 400_000, 1_000_000, 1_600_000, 2_400_000, 2_900_000):
        with start(file, "-q", "film.bin", server.url) as running:
            if moment:
                wait_for(server, moment)
            else:
                time.sleep(0.1)
            running.kill()
    server.pause = 0
    code, out, _ = run_put(file, "film.bin", server.url)
    made = server.methods().count("POST")
    assert made in (1, 2)
    assert (code, out) == (0, f"{server.url}{made}\n")
    assert [each.sha256 for each in server.completed] == [SHA256]
    assert [path.name for path in (file.parent / "cache" / "rangeware").iterdir() if path.suffix == ".json"] == []


def test_bar_in_a_real_terminal(server, file):
    server.pause = 0.005
    reader, terminal = pty.openpty()
    env = environment(TERM="xterm-256color", COLUMNS="80", LINES="24", XDG_CACHE_HOME=str(file.parent / "cache"))
    words = [sys.executable, "-m", "rangeware", "put", "film.bin", server.url]
    with subprocess.Popen(words, cwd=file.parent, env=env, stdin=terminal, stdout=terminal, stderr=terminal) as running:
        os.close(terminal)
        try:
            drawn = read_terminal(reader)
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()
            os.close(reader)
    rows = [row for row in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)) if row]
    assert len([row for row in rows if "━" in row]) > 3
    assert rows[-2].startswith("sent film.bin")
    assert rows[-1] == f"{server.url}1"


def test_the_bar_while_the_file_is_checked(monkeypatch, capsys):
    bar = display.Bar(URL, False, screen.Screen())
    bar.show(report("checking", 1024))
    bar.close()
    assert "checking film" in capsys.readouterr().err


def test_memory_does_not_grow_with_the_file(server, tmp_path):
    """60 MB are sent with little memory above that of an empty file."""
    script = ("import resource, sys; from rangeware.client import upload; upload(sys.argv[1], sys.argv[2], state='s'); "
              "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)")
    peaks = []
    server.uploads = Counting()
    for length in (0, 60_000_000):
        with (tmp_path / "sparse").open("wb") as sparse:
            sparse.truncate(length)
        done = subprocess.run([sys.executable, "-c", script, "sparse", server.url], cwd=tmp_path, env=environment(),
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        peaks.append(int(done.stdout))
    assert peaks[1] - peaks[0] < 20_000  # KiB


class Counting(dict[str, Any]):
    """Uploads whose content is counted and not kept."""

    def __setitem__(self, path: str, stored: Any) -> None:
        stored.content = _Length()
        super().__setitem__(path, stored)


class _Length:
    def __init__(self) -> None:
        self.length = 0

    def __iadd__(self, block: bytes) -> _Length:
        self.length += len(block)
        return self

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, part: slice) -> bytes:
        return b""
