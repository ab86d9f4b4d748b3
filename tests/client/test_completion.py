"""Completion scripts, in real shells: each one completes what is typed, as a person would see it."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rangeware.check.cli.arguments import make_check_parser
from rangeware.client.cli import command
from rangeware.client.cli.arguments import make_get_parser
from rangeware.client.cli.put_arguments import make_put_parser

PATIENCE = 20.0  # seconds

CASES = [  # what is typed -> some of what is offered, and all of it with that beginning
    ("rangeware ", {"get", "put", "check", "uploads"}),
    ("rangeware ge", {"get"}),
    ("rangeware get --fo", {"--force"}),
    ("rangeware get -q --check", {"--checksum", "--checksums"}),
    ("rangeware put --proto", {"--protocol"}),
    ("rangeware put --protocol ", {"tus", "draft"}),
    ("rangeware ch", {"check"}),
    ("rangeware check --max", {"--max-bytes"}),
    ("rangeware --completion ", {"bash", "zsh", "fish"}),
    ("rangeware get -i two", {"two words"}),
    ("rangeware get -d fol", {"folder"}),
    ("rangeware put tw", {"two words"}),
]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file and a folder to complete, and the scripts."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "two words").touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> Path:
    assert command.main(["--completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    path = Path(f"script.{shell}")
    path.write_text(out)
    return path


needs_zsh = pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
needs_fish = pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")


def offered_by_bash(path: Path, typed: str) -> set[str]:
    ask = (f'source {path}; COMP_WORDS=({typed.rstrip()}{" " + repr("") if typed.endswith(" ") else ""}); '
           'COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rangeware; printf "%s\\n" "${COMPREPLY[@]}"')
    done = subprocess.run(["bash", "--norc", "-c", ask], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stderr in ("", "bash: line 1: compopt: not currently executing completion function\n")
    return {*done.stdout.splitlines()} - {""}


@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_bash(typed: str, offered: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    found = offered_by_bash(script("bash", capsys), typed)
    assert {word for word in found if not word.startswith("-") or "-" in typed} == offered


@needs_fish
@pytest.mark.parametrize(("typed", "offered"), CASES)
def test_fish(typed: str, offered: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    path = script("fish", capsys)
    done = subprocess.run(["fish", "--no-config", "-c", f"source {path}; complete -C '{typed}'"], text=True,
                          capture_output=True, timeout=PATIENCE, check=True)
    assert done.stderr == ""
    found = {line.partition("\t")[0].replace("\\ ", " ").rstrip("/") for line in done.stdout.splitlines()}
    assert found == offered


def typed_into(words: list[str], text: str, until: str) -> str:
    """Type into a shell in a terminal, and return all that it draws until a pattern appears."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(words[0], words, {"PATH": os.environ["PATH"], "TERM": "xterm", "HOME": os.getcwd(), "PS1": "> "})
    drawn, deadline = "", time.monotonic() + PATIENCE
    try:
        os.write(terminal, text.encode())
        while not re.search(until, drawn):
            assert time.monotonic() < deadline, drawn
            if select.select([terminal], [], [], 0.2)[0]:
                drawn += os.read(terminal, 65536).decode(errors="replace")
                drawn = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", drawn)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    return drawn


@needs_zsh
@pytest.mark.parametrize(("typed", "completed"), [
    ("rangeware ge", "get|ge\x07t"), ("rangeware get --fo", "rangeware get --force "),
    ("rangeware put --proto", "rangeware put --protocol "), ("rangeware put --protocol t", "--protocol tus "),
    ("rangeware --completion f", "--completion fish "), ("rangeware get -i tw", r"two\\ words "),
    ("rangeware get -d fo", "folder/"), ("rangeware put tw", r"two\\ words "),
])
def test_zsh(typed: str, completed: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = script("zsh", capsys)
    set_up = f"autoload -Uz compinit && compinit -u -D; source ./{path}; echo rea''dy\n"
    drawn = typed_into(["zsh", "-f", "-i"], set_up + typed + "\t", rf"ready(?s:.)*{completed}")
    assert "error" not in drawn


def test_an_interactive_bash(capsys: pytest.CaptureFixture[str]) -> None:
    """File names with blanks come quoted: only bash itself can do that."""
    path = script("bash", capsys)
    typed = f"source {path}; echo rea''dy\nrangeware get -i tw\t"
    typed_into(["bash", "--norc", "--noprofile", "-i"], typed, r"ready(?s:.)*two\\ words ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_option_of_each_command_is_offered(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = script(shell, capsys).read_text()
    for parser in (make_get_parser(), make_put_parser(), make_check_parser()):
        for name in parser._option_string_actions:
            shown = name if shell != "fish" else f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            assert re.search(rf"(?<![\w-]){re.escape(shown)}(?![\w-])", text), name


def test_nothing_is_loaded_for_it_otherwise() -> None:
    code = "import sys; from rangeware.client.cli.command import main; main(['get'])"
    code += "; print('rangeware.client.cli.completion' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE, check=True)
    assert done.stdout == "False\n"
