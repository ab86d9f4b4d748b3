"""The quick starts of docs/quickstart.md, each as it stands there: saved, started, and asked with its curl commands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.matrix.test_recipes import FILM, at_work

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^<!-- quickstart: ([\w-]+)(, file films\.py)? -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FILES = {name: text for name, file, text in _BLOCK.findall(PAGE) if file}
COMMANDS = {name: text.strip() for name, file, text in _BLOCK.findall(PAGE) if not file}
CHECK = COMMANDS.pop("check")

pytestmark = [
    pytest.mark.matrix,
    pytest.mark.filterwarnings("ignore:.*pkg_resources"),  # Pyramid imports it
]


def test_each_app_has_a_command():
    assert FILES.keys() == COMMANDS.keys()
    assert len(FILES) == 13


@pytest.mark.parametrize("name", FILES)
def test_curl_says_what_stands_there(name: str, tmp_path: Path):
    with at_work(tmp_path, {"films.py": FILES[name]}, COMMANDS[name]) as running:
        address = "{}:{}".format(*running.address)
        for command, answer in re.findall(r"^\$ (.*)\n(.*)$", CHECK, re.MULTILINE):
            typed = shlex.split(command.replace("127.0.0.1:8000", address))
            said = subprocess.run(typed, capture_output=True, text=True, timeout=30, check=True).stdout
            assert said.strip() == answer, running.log()
        middle = ["curl", "-s", "-r", "1000-1999", f"http://{address}/film.mp4"]
        assert subprocess.run(middle, capture_output=True, timeout=30, check=True).stdout == FILM[1000:2000]


@pytest.mark.parametrize("name", ["flask", "quart"])
def test_mypy_wants_the_comment_that_stands_there(name: str, tmp_path: Path):
    (tmp_path / "films.py").write_text(FILES[name])
    command = [sys.executable, "-m", "mypy", "--warn-unused-ignores", "--follow-imports=silent", "--check-untyped-defs",
               "--config-file=", "--cache-dir", str(tmp_path / "cache"), "films.py"]
    environ = {"MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout + done.stderr
