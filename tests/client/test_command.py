"""The command: which arguments become which options and exit codes, and whole runs against a real server."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pty
import random
import re
import runpy
import select
import shlex
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import rangeware.client
from rangeware import InvalidOption
from rangeware.client import (
    ChangedError,
    DigestError,
    DiskError,
    Download,
    NetworkError,
    OutputClosed,
    Progress,
    api,
)
from rangeware.client.cli import command, display
from rangeware.client.cli.arguments import make_get_parser

URL = "http://host.example/file"
PATIENCE = 60.0  # seconds, before a test gives up


class Fake:
    """Stands for ``api.prepare``: notes each call, and does what it is told with each address."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        self.failures: dict[str, BaseException] = {}
        self.before: Callable[[Callable[[Progress], None]], None] = lambda progress: None

    def __call__(self, url: str, path: Any = None, shared: Any = None, **options: Any) -> FakeRun:
        progress = options.pop("progress")
        self.calls.append((url, path, options))
        return FakeRun(self, url, progress)

    @property
    def urls(self) -> list[str]:
        return [url for url, _, _ in self.calls]


class Waiting(Exception):
    """Stands for a download that goes on until it is stopped."""


class FakeRun:
    """A download that does nothing. A ``KeyboardInterrupt`` that it is told to raise is a real SIGINT."""

    def __init__(self, fake: Fake, url: str, progress: Callable[[Progress], None]) -> None:
        self._fake, self._url, self._progress = fake, url, progress
        self._stopped = threading.Event()
        self._failure: BaseException | None = None

    def result(self) -> Download:
        self._fake.before(self._progress)
        failure = self._fake.failures.get(self._url)
        if isinstance(failure, KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        if isinstance(failure, (KeyboardInterrupt, Waiting)):
            failure = self.wait()
        if failure is not None:
            raise failure
        if self._stopped.is_set():
            raise self.wait()
        return Download(Path("file"), self._url, self._url, 3, None, None, None, 3, 0, 0, 1.0)

    def wait(self) -> BaseException:
        assert self._stopped.wait(PATIENCE)
        assert self._failure is not None
        return self._failure

    def stop(self, failure: BaseException) -> None:
        self._failure = failure
        self._stopped.set()


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    stand_in = Fake()
    monkeypatch.setattr(api, "prepare", stand_in)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/rangeware"])
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    return stand_in


OPTIONS = [  # words                                   -> what differs from the defaults
    pytest.param([], {}, id="none"),
    pytest.param(["--directory", "there"], {"directory": "there"}, id="folder in full"),
    pytest.param(["--connections=8"], {"connections": 8}, id="connections in full"),
    pytest.param(["--checksum", "md5:ab"], {"checksum": "md5:ab"}, id="any digest"),
    pytest.param(["--timeout", "30"], {"timeout": 30.0}, id="timeout"),
    pytest.param(["--first-byte", "1.5"], {"first_byte": 1.5}, id="first byte"),
    pytest.param(["--tries", "9"], {"tries": 9}, id="tries"),
    pytest.param(["--cookies", "c.txt"], {"cookies": "c.txt"}, id="cookies"),
    pytest.param(["--cacert", "ca.pem"], {"cacert": "ca.pem"}, id="certificates"),
    pytest.param(["-k"], {"insecure": True}, id="insecure"),
    pytest.param(["--decode"], {"decode": True}, id="decode"),
    pytest.param(["--no-decode"], {"decode": False}, id="no decode"),
    pytest.param(["-N"], {"if_newer": True}, id="newer"),
    pytest.param(["--if-newer"], {"if_newer": True}, id="newer in full"),
    pytest.param(["--skip-existing"], {"skip_existing": True}, id="skip"),
    pytest.param(["--continue-from", "x.crdownload"], {"continue_from": "x.crdownload"}, id="adopted"),
    pytest.param(["--metalink"], {"metalink": True}, id="metalink"),
    pytest.param(["--metalink-file", "x"], {"metalink_file": "x"}, id="one of several files"),
    pytest.param(["--same"], {}, id="no mirror"),
    pytest.param(["-O"], {}, id="the server's name"),
    pytest.param(["-A", "me/1"], {"headers": {"User-Agent": "me/1"}}, id="agent"),
    pytest.param(["--user-agent", "me/1", "-H", "user-agent: x", "-H", "A: 1"],
                 {"headers": {"A": "1", "User-Agent": "me/1"}}, id="agent twice"),
    pytest.param(["-d", "there"], {"directory": "there"}, id="folder"),
    pytest.param(["-n", "8"], {"connections": 8}, id="connections"),
    pytest.param(["-n1"], {"connections": 1}, id="one connection"),
    pytest.param(["--sha256", "ab" * 32], {"sha256": "ab" * 32}, id="digest"),
    pytest.param(["--limit-rate", "1"], {"limit_rate": 1}, id="bytes"),
    pytest.param(["--limit-rate", "500k"], {"limit_rate": 512_000}, id="k"),
    pytest.param(["--limit-rate=2M"], {"limit_rate": 2_097_152}, id="M"),
    pytest.param(["--limit-rate", "1.5m"], {"limit_rate": 1_572_864}, id="fraction"),
    pytest.param(["--limit-rate", "1G"], {"limit_rate": 1_073_741_824}, id="G"),
    pytest.param(["--limit-rate", "1T"], {"limit_rate": 1_099_511_627_776}, id="T"),
    pytest.param(["--force"], {"force": True}, id="force"),
    pytest.param(["--allow-unknown-length"], {"allow_unknown_length": True}, id="unknown length"),
    pytest.param(["--header", "X: a: b \t"], {"headers": {"X": "a: b"}}, id="field"),
    pytest.param(["--header=X:"], {"headers": {"X": ""}}, id="empty field"),
    pytest.param(
        ["--header=A: 1", "--header=B: 2", "--header=a: 3", "--header=Cookie: c=1", "--header=cookie:d=2"],
        {"headers": {"A": "1, 3", "B": "2", "Cookie": "c=1; d=2"}},
        id="fields given again (RFC 9110 5.3, RFC 6265 4.2.1)",
    ),
]


@pytest.mark.parametrize(("words", "options"), OPTIONS)
def test_options(words: list[str], options: dict[str, Any], fake: Fake) -> None:
    assert command.main(["get", "-q", *words, URL]) == 0
    assert fake.calls == [(URL, None, options)]


def test_mirrors_are_one_download(fake: Fake) -> None:
    assert command.main(["get", "-q", "--same", "-o", "x", "http://a/1", "http://b/1", "http://a/1"]) == 0
    assert fake.calls == [("http://a/1", "./x", {"mirrors": ["http://b/1"]})]


def test_a_metalink_may_be_a_file_here(fake: Fake) -> None:
    assert command.main(["get", "-q", "dir/x.meta4", "y.METALINK", "http://h/z.meta4"]) == 0
    assert command.main(["get", "-q", "--metalink", "list.xml"]) == 0
    assert fake.urls == ["dir/x.meta4", "y.METALINK", "http://h/z.meta4", "list.xml"]


PATHS = [
    pytest.param(["-o", "-"], "-", id="standard output"),
    pytest.param(["-d", "b", "-o", "-"], "-", id="standard output in a folder"),
    pytest.param(["-o", "x"], "./x", id="name"),
    pytest.param(["-o", "a/x", "-d", "b"], "b/a/x", id="name in folder"),
    pytest.param(["-o", "/a/x", "-d", "b"], "/a/x", id="absolute"),
]


@pytest.mark.parametrize(("words", "path"), PATHS)
def test_path(words: list[str], path: str, fake: Fake) -> None:
    assert command.main(["get", "-q", *words, URL]) == 0
    assert fake.calls[0][1] == path


def test_addresses_and_options_may_be_mixed(fake: Fake) -> None:
    assert command.main(["get", "http://h/1", "-q", "http://h/2", "-n", "2", "--", "http://h/3"]) == 0
    assert fake.urls == ["http://h/1", "http://h/2", "http://h/3"]
    assert fake.calls[0][2]["connections"] == 2


WRONG = [  # words                                            -> what the line says
    pytest.param(["fetch", URL], "unknown command 'fetch' (", id="unknown command"),
    pytest.param(["gte", URL], "unknown command 'gte'; did you mean rangeware get?", id="mistyped command"),
    pytest.param([URL], f"did you mean rangeware get {URL}?", id="address without command"),
    pytest.param([URL + "?a&b"], f"did you mean rangeware get '{URL}?a&b'?", id="address for a shell"),
    pytest.param([URL, "-q"], f"did you mean rangeware get {URL} ...?", id="address first"),
    pytest.param(["-o", "x", URL], "did you mean rangeware get -o ...?", id="address last"),
    pytest.param(["--json"], "unrecognized arguments: --json", id="option without command"),
    pytest.param(["--"], "no command", id="no command"),
    pytest.param(["--completion", "tcsh"], "invalid choice: 'tcsh'", id="unknown shell"),
    pytest.param(["get", "--forse", URL], "--forse; did you mean --force?", id="mistyped option"),
    pytest.param(["get", "--output-file=x", URL], "did you mean --output?", id="mistyped option with a value"),
    pytest.param(["get", "-L", URL], "-L (redirects are followed anyway)", id="option of curl"),
    pytest.param(["get", "-o", "x", "-O", URL], "not allowed with argument", id="two names"),
    pytest.param(["get", "-o", "-", "--json", URL], "-o - and --json both write", id="two outputs"),
    pytest.param(["get", "--force", "-N", URL], "--force and --if-newer exclude each other", id="force and newer"),
    pytest.param(["get", "--sha256", "a", "--checksum", "md5:a", URL], "exclude each other", id="two digests"),
    pytest.param(["get", "-N", "-o", "-", URL], "--if-newer is about a file", id="newer than standard output"),
    pytest.param(["get", "--checksum", "md5:a", URL, URL + "2"], "--checksum is for one URL", id="md5 for two"),
    pytest.param(["get", "--continue-from", "x", URL, URL + "2"], "--continue-from is for one", id="rest for two"),
    pytest.param(["get", "--timeout", "0", URL], "must be a number of seconds above 0", id="no patience"),
    pytest.param(["get", "--timeout", "1e3", URL], "must be a number of seconds above 0", id="odd patience"),
    pytest.param(["get", "-A", "a\nb", URL], "argument -A/--user-agent: must be a text of one line", id="agent LF"),
    pytest.param(["get", "-j", "0", URL], "argument -j/--jobs: must be a whole number", id="no jobs"),
    pytest.param(["get"], "no URL", id="no URL"),
    pytest.param(["get", "-o", "x", URL, URL + "2"], "-o is for one URL, not for 2", id="one name for two"),
    pytest.param(["get", "--sha256", "a", URL, URL + "2"], "--sha256 is for one URL, not for 2", id="digest for two"),
    pytest.param(["get", "-o", "", URL], "-o must name a file", id="empty name"),
    pytest.param(["get", "-o"], "argument -o/--output: expected one argument", id="option without value"),
    pytest.param(["get", "--what", URL], "unrecognized arguments: --what", id="unknown option"),
    pytest.param(["get", "--lim", "5", URL], "unrecognized arguments: --lim", id="shortened option"),
    pytest.param(["get", "-q", "--json", URL], "not allowed with argument", id="quiet and json"),
    *(
        pytest.param(["get", "-q", URL, address], f"not an http or https URL: {address}", id=address)
        for address in ("ftp://h/x", "h/x", "//h/x", "http:/x", "http://", "https:///x", "http://?x", "http://a b/",
                        "http://h/a http://h/b")
    ),
    pytest.param(["get", "-q", URL, "h.example/x"], "h.example/x; did you mean https://h.example/x?", id="no scheme"),
    pytest.param(["get", "-q", URL, "localhost:80/x"], "did you mean https://localhost:80/x?", id="host and port"),
    *(
        pytest.param(["get", "-q", *more, URL, address], f"not a URL: {address}: ", id=" ".join([*more, address]))
        for address in ("http://[::1/x", "http://h:99999/x", "http://h:port/x") for more in ([], ["--checksums", "x"])
    ),
    pytest.param(["get", "-i", "missing", URL], "cannot read -i missing: No such file or directory", id="no list"),
    *(
        pytest.param(["get", "-n", number, URL], "argument -n/--connections: must be a whole number of at least 1",
                     id=f"number {number!r}")
        for number in ("0", "-1", "x", "", "1.5", "²", "٣")
    ),
    *(
        pytest.param(["get", "--limit-rate", rate, URL], "must be bytes per second such as 500k", id=f"rate {rate!r}")
        for rate in ("0", "0.5", "", "k", "-5", "5x", "5kB", "1e5", "inf", "nan", "5 k", "٣k", "9" * 400)
    ),
    *(
        pytest.param(["get", "-H", field, URL], "argument -H/--header: must be 'Name: value' in one line", id=label)
        for field, label in (
            ("X", "field without colon"),
            (": x", "field without name"),
            ("X : y", "space before the colon"),
            ("X: y\r\nZ: z", "CR LF"),
            ("X: y\nZ: z", "LF"),
            ("X: y\rZ", "CR"),
            ("X: \0", "NUL"),
            ("X\n: y", "LF in the name"),
            ("X: \u20ac", "beyond Latin-1"),
        )
    ),
]


@pytest.mark.parametrize(("words", "text"), WRONG)
def test_wrong_use(
    words: list[str], text: str, fake: Fake, capsys: pytest.CaptureFixture[str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command.main(words) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("rangeware: ")
    assert err.endswith("(see: rangeware get --help)\n")
    assert err.count("\n") == 1
    assert text in err
    assert fake.calls == []


def test_a_wrong_field_is_not_repeated(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["get", "--header", "Authorization: secret\n", URL]) == 1
    assert "secret" not in capsys.readouterr().err


def test_list(fake: Fake, tmp_path: Path) -> None:
    listed = tmp_path / "list.txt"
    listed.write_bytes("\ufeffhttp://h/1\r\n\r\n  # no\n#no\n\thttp://h/2#sha256=ab  \n \nhttp://h/ü".encode())
    more = tmp_path / "more.txt"
    more.write_text("http://h/3\n")
    assert command.main(["get", "-q", "-i", str(listed), "http://h/0", "-i", str(more)]) == 0
    assert fake.urls == ["http://h/0", "http://h/1", "http://h/2#sha256=ab", "http://h/ü", "http://h/3"]


def test_each_url_once(fake: Fake) -> None:
    urls = ["http://h/1", "http://h/2#x", "http://h/1", "http://h/2", "http://h/3", "http://h/3#sha256=ab", "http://h/4?"]
    assert command.main(["get", "-q", *urls]) == 0
    assert fake.urls == ["http://h/1", "http://h/2#x", "http://h/3#sha256=ab", "http://h/4?"]
    fake.calls.clear()
    urls = ["http://h/1", "http://h/1#x=1&md5=ab", "http://h/2#SHA-512=ab", "http://h/2"]
    assert command.main(["get", "-q", *urls]) == 0
    assert fake.urls == ["http://h/1#x=1&md5=ab", "http://h/2#SHA-512=ab"]
    fake.calls.clear()
    assert command.main(["get", "-q", "http://h/1#sha256=ab", "http://h/1#sha256=cd"]) == 0
    assert fake.urls == ["http://h/1#sha256=ab", "http://h/1#sha256=cd"]  # one of them is wrong: that must be said


def test_list_that_is_no_text(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = tmp_path / "list.bin"
    listed.write_bytes(b"http://h/\xff\n")
    assert command.main(["get", "-i", str(listed)]) == 1
    assert "it is not UTF-8 text" in capsys.readouterr().err


def test_empty_list(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    assert command.main(["get", "-i", str(tmp_path / "empty")]) == 1
    assert "no URL" in capsys.readouterr().err


EXIT_CODES = [
    pytest.param(InvalidOption("malformed URL"), 1, id="usage"),
    pytest.param(NetworkError("reset", "5 B in file.part"), 2, id="network"),
    pytest.param(ChangedError("changed", "5 B in file.part"), 3, id="changed"),
    pytest.param(DigestError("another digest", "5 B in file.part"), 4, id="digest"),
    pytest.param(DiskError("disk full", "5 B in file.part"), 5, id="disk"),
]


@pytest.mark.parametrize(("error", "exit_code"), EXIT_CODES)
def test_exit_codes(error: Exception, exit_code: int, fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failures[URL] = error
    assert command.main(["get", URL]) == exit_code
    kept = ["5 B in file.part"] if exit_code > 1 else []
    assert capsys.readouterr() == ("", "\n".join([f"rangeware: {error}", *kept, ""]))


def test_goes_on_after_an_error_and_ends_with_the_first(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failures = {"http://h/2": DiskError("taken"), "http://u:secret@h/3": NetworkError("reset")}
    words = ["get", "-q", "-j1", "http://h/1", "http://h/2", "http://u:secret@h/3", "http://h/4"]
    assert command.main(words) == 5
    assert len(fake.calls) == 4
    assert capsys.readouterr().err.splitlines() == [
        "rangeware: http://h/2: taken",
        "rangeware: http://...@h/3: reset",
    ]


def test_interruption_stops_all(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failures["http://h/2?a&b"] = KeyboardInterrupt()
    assert command.main(["get", "-q", "-j1", "http://h/1", "-n", "2", "http://h/2?a&b", "http://h/3"]) == 130
    assert fake.urls == ["http://h/1", "http://h/2?a&b"]
    assert capsys.readouterr().err.splitlines() == [
        "rangeware: http://h/2?a&b: interrupted",
        "resume with: rangeware get -q -j1 -n 2 'http://h/2?a&b' http://h/3",
    ]


def test_interruption_after_an_error(fake: Fake) -> None:
    fake.failures = {"http://h/1": DiskError("taken"), "http://h/2": KeyboardInterrupt()}
    assert command.main(["get", "-q", "http://h/1", "http://h/2"]) == 130


def interrupted(
    words: list[str], fake: Fake, capsys: pytest.CaptureFixture[str], program: str = "rangeware"
) -> str:
    """The last line of a command line that was interrupted."""
    fake.failures = dict.fromkeys([word for word in words if "://" in word], KeyboardInterrupt())
    assert command.main(words) == 130
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith(f"resume with: {program} get ")
    return line


SECRETS = [  # word                                              -> as it is shown
    (["--header", "Authorization: Bearer s3cret"], "--header 'Authorization: ...'"),
    (["--header=authorization:s3cret"], "'--header=authorization: ...'"),
    (["--header", "COOKIE: a=s3cret"], "--header 'COOKIE: ...'"),
    (["--header", "Proxy-Authorization: Basic s3cret"], "--header 'Proxy-Authorization: ...'"),
    (["-H", "Private-Token: s3cret", "-H", "X-Api-Key: s3cret"], "-H 'Private-Token: ...' -H 'X-Api-Key: ...'"),
    (["--header", "Accept: text/plain"], "--header 'Accept: text/plain'"),
    (["--header", "Referer: http://u:s3cret@h/"], "--header 'Referer: http://...@h/'"),
    (["http://user:s3cret@h/"], "http://...@h/"),
    (["https://user:s3cr@et@h/x@y"], "https://...@h/x@y"),
    (["-o", "it's \x1b[2J"], "-o $'it\\'s \\x1b[2J'"),
]


@pytest.mark.parametrize(("words", "shown"), SECRETS)
def test_the_way_on_is_told_without_secrets(
    words: list[str], shown: str, fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    line = interrupted(["get", *words, *([] if "@h/" in words[0] else [URL])], fake, capsys)
    assert f" {shown}" in line
    assert "s3cr" not in line


def test_the_way_on_is_the_very_command_line(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["get", "--header", "X: $a 'b' \"c\"", "-d", "two words", "-q", "http://h/?a=1&b=2#c"]
    assert shlex.split(interrupted(words, fake, capsys))[3:] == words


def test_the_way_on_as_a_module(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["/lib/rangeware/__main__.py", "get", URL])
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    fake.failures[URL] = KeyboardInterrupt()
    assert command.main() == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"resume with: python3 -m rangeware get {URL}"


def test_the_way_on_as_a_module_of_an_environment(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Its python is a link to one that the shell finds, but that does not have the packages."""
    program = tmp_path / "python3"
    program.symlink_to("/usr/bin/python3")
    monkeypatch.setattr(sys, "argv", ["/lib/rangeware/__main__.py", "get", URL])
    monkeypatch.setattr(sys, "executable", str(program))
    fake.failures[URL] = KeyboardInterrupt()
    assert command.main() == 130
    assert capsys.readouterr().err.splitlines()[-1] == f"resume with: {program} -m rangeware get {URL}"


def test_what_an_interruption_keeps(fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    def stop(self: FakeRun, failure: Any) -> None:
        failure.kept = "5 of 9 bytes kept in x.part"
        usual(self, failure)

    usual = FakeRun.stop
    monkeypatch.setattr(FakeRun, "stop", stop)
    fake.failures[URL] = fake.failures["http://h/2"] = KeyboardInterrupt()
    assert command.main(["get", URL]) == 130
    assert capsys.readouterr().err.splitlines()[:2] == ["rangeware: interrupted", "5 of 9 bytes kept in x.part"]
    assert command.main(["get", "-j1", "http://h/2", URL]) == 130
    assert capsys.readouterr().err.splitlines() == [
        "rangeware: http://h/2: interrupted; 5 of 9 bytes kept in x.part",
        f"resume with: rangeware get -j1 http://h/2 {URL}"]


def test_sigterm_is_treated_like_an_interruption(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.before = lambda progress: os.kill(os.getpid(), signal.SIGTERM)
    fake.failures[URL] = Waiting()
    assert command.main(["get", URL]) == 143
    assert capsys.readouterr().err.splitlines() == ["rangeware: interrupted", f"resume with: rangeware get {URL}"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_that_somebody_has_plans_for(fake: Fake) -> None:
    seen = []
    signal.signal(signal.SIGTERM, lambda *_: seen.append(1))
    try:
        fake.before = lambda progress: os.kill(os.getpid(), signal.SIGTERM)
        assert command.main(["get", "-q", URL]) == 0
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    assert seen == [1]


def test_in_another_thread(fake: Fake) -> None:
    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(command.main(["get", "-q", URL])))
    thread.start()
    thread.join(PATIENCE)
    assert codes == [0]


def test_interruption_while_the_list_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt(_: list[str]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "parse", interrupt)
    assert command.main(["get", "-i", "-"]) == 130
    assert capsys.readouterr().err == "rangeware: interrupted\n"


def test_json_of_an_interruption(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failures[URL] = KeyboardInterrupt()
    assert command.main(["get", "--json", URL]) == 130
    out, err = capsys.readouterr()
    assert json.loads(out) == {"event": "error", "url": URL, "exit_code": 130, "text": "interrupted", "kept": ""}
    assert err.splitlines() == ["rangeware: interrupted", f"resume with: rangeware get --json {URL}"]


def test_the_display_ends_also_with_errors_of_ours(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    monkeypatch.setattr(display.Lines, "close", lambda self: closed.append(1))
    fake.failures[URL] = RuntimeError("a fault of ours")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        command.main(["get", URL])
    assert closed == [1]


@pytest.mark.parametrize(("words", "exit_code"), [(["--help"], 0), (["-h"], 0), ([], 1)])
def test_help_about_the_commands(words: list[str], exit_code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(words) == exit_code  # without any word, the exit code is 1, as git's
    out, err = capsys.readouterr()
    assert re.findall(r"^  rangeware (\w+) .*  \S", out, re.MULTILINE) == ["get", "put", "check", "uploads"]
    assert err == ""


@pytest.mark.parametrize("words", [["get", "--help"], ["get", "-h"]])
def test_help(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert command.main(words) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: rangeware get ")
    assert err == ""
    assert max(map(len, out.splitlines())) < 80


@pytest.mark.parametrize(("words", "exit_code"), [(["--help"], 0), (["get"], 1)])
def test_as_a_module(words: list[str], exit_code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rangeware", *words])
    monkeypatch.delitem(sys.modules, "rangeware.__main__", raising=False)
    with pytest.raises(SystemExit) as caught:
        runpy.run_module("rangeware", run_name="__main__")
    assert caught.value.code == exit_code


def test_help_names_each_option_and_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    command.main(["get", "--help"])
    words = set(re.findall(r"[^\s,]+", capsys.readouterr().out))
    assert words >= {*make_get_parser()._option_string_actions}
    assert words >= {"0", "1", "2", "3", "4", "5", "130", "143"}


@pytest.mark.parametrize("words", [["--version"], ["get", "--version"], ["get", URL, "--version"]])
def test_version(words: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: f"1.2 of {name}")
    assert command.main(words) == 0
    assert capsys.readouterr() == ("rangeware 1.2 of rangeware\n", "")


def test_version_of_what_is_not_installed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import PackageNotFoundError

    def missing(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("importlib.metadata.version", missing)
    assert command.main(["--version"]) == 0
    assert capsys.readouterr().out == "rangeware, not installed\n"


def test_blanks_in_a_url_and_around_it(fake: Fake) -> None:
    """As copied from somewhere: browsers, wget and aria2 take them, too."""
    assert command.main(["get", "-q", " http://h/a b?c d ", "http://h/a b?c d"]) == 0
    assert fake.urls == ["http://h/a b?c d"]


def test_without_urllib3(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    fake.failures[URL] = ModuleNotFoundError("No module named 'urllib3'", name="urllib3")
    assert command.main(["get", URL]) == 1
    assert capsys.readouterr().err == "rangeware: urllib3 is missing: pip install 'rangeware[cli]'\n"


# whole runs: python -m rangeware get, against a server that knows nothing of rangeware

CONTENT = random.Random(6).randbytes(3_000_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """One file with ranges and a strong ETag; ``/slow`` sends at most 1.7 MB/s, ``/gone`` is not there."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/gone":
            self.send_error(404)
            return
        content = self.server.texts.get(self.path, CONTENT)  # type: ignore[attr-defined]
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first = int(wanted[1]) if wanted else 0
        last = min(int(wanted[2] or len(content)), len(content) - 1) if wanted else len(content) - 1
        self.server.asked.append((first, last))  # type: ignore[attr-defined]
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(last - first + 1))
        self.send_header("ETag", '"v1"')
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        for pos in range(first, last + 1, 50_000):
            time.sleep(0.03 if self.path.startswith("/slow") else 0)
            self.wfile.write(content[pos:min(pos + 50_000, last + 1)])

    def handle(self) -> None:
        self.server.connections += 1  # type: ignore[attr-defined]
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def finish(self) -> None:
        with suppress(ConnectionError):
            super().finish()

    def log_message(self, *_: Any) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[int, int]] = []
        self.connections = 0
        self.texts: dict[str, bytes] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def run_get(*words: str, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "rangeware", "get", *words],
        cwd=cwd, env=environment(), capture_output=True, text=True, timeout=PATIENCE, **options,
    )


def environment(**more: str) -> dict[str, str]:
    root = str(Path(rangeware.__file__).parents[1])
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {**clean, "PYTHONPATH": root, "PYTHONUTF8": "1", "PYTHONWARNINGS": "error", **more}


def test_whole_run(server: Server, tmp_path: Path) -> None:
    done = run_get("--sha256", DIGEST, server.url("/big.iso"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "big.iso").read_bytes() == CONTENT
    assert re.fullmatch(
        r"saved (\./)?big\.iso: 2\.86 MiB in .*, sha256 checked", done.stderr.splitlines()[-1]
    )


def test_whole_run_with_a_list_on_standard_input(server: Server, tmp_path: Path) -> None:
    listed = f"# two files\n{server.url('/a.bin')}\n\n{server.url('/b.bin')}\n"
    done = run_get("-q", "-i", "-", "-d", ".", cwd=tmp_path, input=listed)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [(tmp_path / name).read_bytes() == CONTENT for name in ("a.bin", "b.bin")] == [True, True]


def test_whole_run_with_json(server: Server, tmp_path: Path) -> None:
    done = run_get("--json", "-o", "x.bin", server.url("/slow"), "-n", "1", cwd=tmp_path)
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    assert objects[0]["event"] == "began"
    assert {"began", "progress", "saved"} <= {each["event"] for each in objects}
    assert objects[-1]["event"] == "saved"
    assert objects[-1]["complete_length"] == len(CONTENT)
    assert (tmp_path / "x.bin").read_bytes() == CONTENT


def test_whole_runs_that_fail(server: Server, tmp_path: Path) -> None:
    gone = run_get(server.url("/gone"), cwd=tmp_path)
    assert gone.returncode == 2
    assert "404" in gone.stderr
    other = run_get("--sha256", "0" * 64, server.url("/x"), cwd=tmp_path)
    assert other.returncode == 4
    (tmp_path / "there").touch()
    taken = run_get(server.url("/there"), cwd=tmp_path)
    assert taken.returncode == 5
    wrong = run_get("ftp://127.0.0.1/x", cwd=tmp_path)
    assert wrong.returncode == 1
    for done in (gone, other, taken, wrong):
        assert sum(line.startswith("rangeware: ") for line in done.stderr.splitlines()) == 1
        assert "Traceback" not in done.stderr
    assert (tmp_path / "there").read_bytes() == b""
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_and_gone_on_with(number: int, exit_code: int, server: Server, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "rangeware", "get", "-n", "1", server.url("/slow.bin")]
    with subprocess.Popen(words, cwd=tmp_path, env=environment(), stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        try:
            line = ""
            while not re.search("[2-9][0-9] %", line):
                line = running.stderr.readline()
                assert line
            running.send_signal(number)
            rest = running.stderr.read()
            assert running.wait(PATIENCE) == exit_code
        finally:
            running.kill()
    assert "rangeware: interrupted\n" in rest
    assert " kept in slow.bin.part\n" in rest
    assert (tmp_path / "slow.bin.part").exists()
    assert not (tmp_path / "slow.bin").exists()
    way_on = rest.splitlines()[-1].removeprefix("resume with: ")
    program, *rest = shlex.split(way_on)
    found = shutil.which(program)  # by its name, or by its path where the shell would find another
    assert found is not None
    assert os.path.samefile(os.path.dirname(found), os.path.dirname(sys.executable))
    assert rest == words[1:]
    server.asked.clear()
    assert run_get(*words[4:], cwd=tmp_path).returncode == 0
    assert (tmp_path / "slow.bin").read_bytes() == CONTENT
    assert min(first for first, _ in server.asked) > 100_000


def test_bar_in_a_real_terminal(server: Server, tmp_path: Path) -> None:
    name = "a-very-long-name-" * 8 + ".iso"
    words = [sys.executable, "-m", "rangeware", "get", "-n", "1", server.url(f"/slow-{name}")]
    reader, terminal = pty.openpty()
    env = environment(TERM="xterm-256color", COLUMNS="80", LINES="24")
    with subprocess.Popen(words, cwd=tmp_path, env=env, stdin=terminal, stdout=terminal, stderr=terminal) as running:
        os.close(terminal)
        try:
            drawn = read_terminal(reader)
            assert running.wait(PATIENCE) == 0
        finally:
            running.kill()
            os.close(reader)
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h") == 1
    rows = [row for row in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)) if row]
    bars = [row for row in rows if "━" in row]
    assert len(bars) > 5
    assert max(map(len, bars)) <= 80
    known = [row for row in bars if "%" in row]  # on a busy machine the first may be drawn before the head has come
    assert len(bars) - len(known) <= 2
    row_of_all = r"slow-a-.*\.\.\..*\.iso [━╸╺]+ +\d+% +[0-9.]+/2\.86 MiB .*[0-9:-]{7} *"
    assert all(re.fullmatch(row_of_all, row) for row in known)
    assert rows[-1].startswith("saved ")


def read_terminal(reader: int) -> str:
    """All that is drawn until the program ends."""
    drawn = b""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if not select.select([reader], [], [], 1.0)[0]:
            continue
        try:
            drawn += os.read(reader, 65536)
        except OSError:  # EIO: the program has ended
            break
    return drawn.decode()


def test_a_reader_of_json_that_goes_away(server: Server, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "rangeware", "get", "--json", "-n", "1", server.url("/slow.bin")]
    with subprocess.Popen(
        words, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        try:
            running.stdout.readline()
            running.stdout.close()
            assert (running.stderr.read(), running.wait(PATIENCE)) == (b"", 0)
        finally:
            running.kill()
    assert (tmp_path / "slow.bin").read_bytes() == CONTENT


LATE = ["urllib3", "rich", "json", "asyncio", "ssl", "http.client", "email.parser", "importlib.metadata"]


def test_nothing_heavy_is_loaded_early() -> None:
    """A wrong command line is answered before the transport is there, and rich comes with the bar only."""
    script = "import sys; before = set(sys.modules); from rangeware.client.cli.command import main; main(['get'])"
    script += f"; print(*(name for name in {LATE} if name in set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment(), capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert done.stdout == "\n"


def test_a_run_without_urllib3(tmp_path: Path) -> None:
    load = "from rangeware.client.cli.command import main"
    script = f"import sys; sys.modules['urllib3'] = None; {load}; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "get", URL], cwd=tmp_path, env=environment(), capture_output=True, text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert done.stderr == "rangeware: urllib3 is missing: pip install 'rangeware[cli]'\n"


# several files at once

TEN = [f"/{number}?a=1&b=%20" for number in range(10)]


def test_ten_files_and_one_that_is_not_there(server: Server, tmp_path: Path) -> None:
    urls = [server.url(path) for path in [*TEN[:5], "/gone", *TEN[5:], TEN[0]]]
    done = run_get("-d", "x", *urls, cwd=tmp_path)
    assert done.returncode == 2
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [str(number) for number in range(10)]
    assert all(path.read_bytes() == CONTENT for path in (tmp_path / "x").iterdir())
    lines = done.stderr.splitlines()
    assert sum(line.startswith("saved x/") for line in lines) == 10
    [error] = [line for line in lines if line.startswith("rangeware: ")]
    assert error.count(server.url("/gone")) == 1


def interrupt(words: list[str], cwd: Path, number: int, is_time: Callable[[], bool], **options: Any) -> tuple[int, str]:
    """Run a command line until it is time, and send it a signal. Returns the exit code and standard error."""
    command_line = [sys.executable, "-m", "rangeware", "get", *words]
    with subprocess.Popen(command_line, cwd=cwd, env=environment(), stderr=subprocess.PIPE, text=True) as running:
        try:
            until = time.monotonic() + PATIENCE
            while not is_time():
                assert time.monotonic() < until
                time.sleep(0.01)
            running.send_signal(number)
            return running.wait(PATIENCE), running.stderr.read() if running.stderr else ""
        finally:
            running.kill()


@pytest.mark.parametrize(("is_list", "number", "exit_code"), [
    pytest.param(False, signal.SIGINT, 130, id="words"), pytest.param(True, signal.SIGTERM, 143, id="list"),
])
def test_ten_files_interrupted_and_resumed_by_the_printed_command(
    is_list: bool, number: int, exit_code: int, server: Server, tmp_path: Path
) -> None:
    """What was printed is given to a shell as it is."""
    urls = [server.url(path if index % 6 else f"/slow{path[1:]}") for index, path in enumerate(TEN)]
    words = [*urls, "-d", "it's here", "-n", "1"]
    if is_list:
        (tmp_path / "my list").write_text("\n".join(urls))
        words = ["-i", "my list", *words[10:]]
    folder = tmp_path / "it's here"

    def is_time() -> bool:
        with contextlib.suppress(FileNotFoundError):  # one may be complete, and so renamed, before it is looked at
            begun = [path.stat().st_size for path in folder.glob("*.part")]
            return (folder / "1").exists() and any(100_000 < size < 1_000_000 for size in begun)
        return False

    code, said = interrupt(words, tmp_path, number, is_time)
    assert code == exit_code
    lines = said.splitlines()
    whole = sorted(path.name for path in folder.iterdir() if "." not in path.name)
    parts = list(folder.glob("*.part"))
    assert whole
    assert parts
    stopped = [line for line in lines if ": interrupted" in line]
    assert len(stopped) <= 4
    assert all(line.startswith(f"rangeware: {server.url('/')}") for line in stopped)
    assert sum("; " in line and line.endswith(".part") for line in stopped) == len(parts)
    assert lines[-1].startswith("resume with: ")
    if not is_list:
        assert not any(f"/{name}?" in lines[-1] for name in whole)
    way_on = lines[-1].removeprefix("resume with: ")
    path = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
    done = subprocess.run(["bash", "-c", way_on], cwd=tmp_path, env=environment(PATH=path), capture_output=True,
                          text=True, timeout=PATIENCE)
    assert (done.returncode, done.stderr.count("rangeware: ")) == (0, 0)
    assert done.stderr.count(" is already complete: ") == (len(whole) if is_list else 0)
    assert len(list(folder.iterdir())) == 10
    assert all(path.read_bytes() == CONTENT for path in folder.iterdir())


def test_two_files_of_one_name_are_never_mixed(server: Server, tmp_path: Path) -> None:
    done = run_get("--force", server.url("/a/x"), server.url("/b/x"), cwd=tmp_path)
    assert done.returncode == 5
    assert len([line for line in done.stderr.splitlines() if "is the name of" in line]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_connections_to_one_host(fake: Fake) -> None:
    """Several files at once get eight connections to one host, unless fewer are asked for; one file gets all."""
    hosts = ["http://H/1", "http://u:p@h/2", "http://h/3", "http://other/1"]
    for words, segments in (([], [2, 2, 2, None]), (["-n", "9"], [2, 2, 2, 9]), (["-n1"], [1, 1, 1, 1]),
                            (["-j1", "-n", "9"], [9, 9, 9, 9]), (["-j2"], [4, 4, 4, None])):
        fake.calls.clear()
        assert command.main(["get", "-q", *words, *hosts]) == 0
        assert [options.get("connections") for _, _, options in fake.calls] == segments
    fake.calls.clear()
    assert command.main(["get", "-q", "-j", "50", *(f"http://h/{number}" for number in range(50))]) == 0
    assert {options["connections"] for _, _, options in fake.calls} == {1}


def test_insecure_is_said_loudly(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """Also to those who want to hear of errors only. The others are told by an event."""
    for words in (["-q"], ["--json"]):
        assert command.main(["get", *words, "--insecure", URL]) == 0
        assert "warning: certificates are not checked" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-v"], ["--verbose"], ["-v", "--json"]])
def test_requests_are_shown_on_standard_error(
    words: list[str], fake: Fake, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["get", *words, URL]) == 0
    fake.calls[0][2]["trace"]("> GET / HTTP/1.1")  # nobody shows it any more
    assert "trace" in fake.calls[0][2]
    assert command.main(["get", URL]) == 0
    assert "trace" not in fake.calls[1][2]


def test_the_program_is_named_as_the_shell_finds_it(
    fake: Fake, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["/opt/my venv/rangeware"])
    assert interrupted(["get", URL], fake, capsys, program="'/opt/my venv/rangeware'").endswith(f"get {URL}")


def test_bars_of_several_files_in_a_real_terminal(server: Server, tmp_path: Path) -> None:
    words = [*(server.url(f"/slow{number}") for number in range(3)), server.url("/gone"), "-n", "1", "-j", "2"]
    drawn = run_in_terminal(words, tmp_path, 2)
    rows = [row for row in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)) if row.strip()]
    assert drawn.count("\x1b[?25l") == drawn.count("\x1b[?25h") == 1
    assert any(re.match(r"[0-3] of 4 files(, 1 failed)?, .*iB/s", row) for row in rows)
    assert any(re.match(r"slow0 +[━╸╺]+ +[0-9]+%", row) for row in rows)
    shown = screen_after(drawn)
    assert sorted(line[:9] for line in shown) == ["rangeware", "saved slo", "saved slo", "saved slo"]


def run_in_terminal(words: list[str], cwd: Path, exit_code: int, keys: bytes = b"") -> str:
    """Run in a terminal of 80 columns and return all that was drawn; ``keys`` are typed at the first bar."""
    reader, terminal = pty.openpty()
    env = environment(TERM="xterm-256color", COLUMNS="80", LINES="24")
    with subprocess.Popen(
        [sys.executable, "-m", "rangeware", "get", *words], cwd=cwd, env=env, stdin=terminal, stdout=terminal,
        stderr=terminal, start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    ) as running:
        os.close(terminal)
        try:
            drawn = ""
            while keys and "━" not in drawn:
                drawn += os.read(reader, 65536).decode()
            os.write(reader, keys)
            drawn += read_terminal(reader)
            assert running.wait(PATIENCE) == exit_code
        finally:
            running.kill()
            os.close(reader)
    return drawn


def screen_after(drawn: str) -> list[str]:
    """The lines that a person sees in the end, by the few control sequences that are used."""
    lines, line = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", drawn):
        if part == "\n":
            line += 1
            lines += [""] * (line + 1 - len(lines))
        elif part == "\r":
            continue
        elif match := re.fullmatch(r"\x1b\[([0-9]*)A", part):
            line -= int(match[1] or 1)
        elif part == "\x1b[2K":
            lines[line] = ""
        elif not part.startswith("\x1b"):
            lines[line] += part
    return [text for text in lines if text.strip()]


@pytest.mark.parametrize("count", [1, 3])
def test_nothing_is_left_of_the_bars_after_an_interruption(count: int, server: Server, tmp_path: Path) -> None:
    urls = [server.url(f"/slow{number}") for number in range(count)]
    shown = screen_after(run_in_terminal([*urls, "-n", "1"], tmp_path, 130, b"\x03"))
    assert not any("━" in line or "of 3 files" in line for line in shown)
    assert shown[-1].startswith("resume with: ")
    assert sum("interrupted" in line for line in shown) == count


def test_standard_output_gets_the_bytes_and_nothing_else(server: Server, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "rangeware", "get", "-o", "-", "--sha256", DIGEST, server.url("/x")]
    done = subprocess.run(words, cwd=tmp_path, env=environment(), capture_output=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout == CONTENT) == (0, True)
    assert re.fullmatch(rb"written to standard output: 2\.86 MiB in .*, sha256 checked", done.stderr.splitlines()[-1])
    assert [*tmp_path.iterdir()] == []


def test_output_that_nobody_reads_ends_without_a_word(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """As other programs end that a pipe has closed: 128 and the number of SIGPIPE."""
    fake.failures[URL] = OutputClosed("nobody reads the output any more")
    assert command.main(["get", "-o", "-", URL]) == 128 + signal.SIGPIPE
    assert capsys.readouterr() == ("", "")
