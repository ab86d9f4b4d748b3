"""The command that resumes: it is run by a real shell as it is printed."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from rangeware.client.cli.arguments import parse
from rangeware.client.cli.resume import describe_resume, quote

WORDS = ["plain", "two words", "it's", '"$a" `b` \\', "", "-", "a\nb",
         "esc\x1b[2J'\\", "漢字", "lone\udcff", "\u202e1", "*"]
SHELLS = [shell for shell in ("bash", "zsh") if shutil.which(shell)]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("word", WORDS)
def test_a_shell_reads_each_word_as_it_was(word: str, shell: str) -> None:
    quoted = quote(word)
    assert quoted.isprintable()
    done = subprocess.run([shell, "-c", f"printf %s {quoted}"], capture_output=True, check=True)
    assert done.stdout == word.encode("utf-8", "surrogateescape")


def lines(words: list[str], finished: set[str], monkeypatch: pytest.MonkeyPatch, listed: str = "") -> list[str]:
    monkeypatch.setattr("rangeware.client.cli.arguments._listed", lambda name: listed.split())
    return describe_resume(["rangeware"], ["get", *words], parse(["get", *words]), finished)


CASES = [  # words, URLs from standard input, finished -> lines
    (["http://h/1", "http://h/2"], "", {"http://h/1"}, ["resume with: rangeware get http://h/2"]),
    (["-i", "list", "http://h/2"], "http://h/1", {"http://h/2", "http://h/1"}, ["resume with: rangeware get -i list"]),
    (["-q", "-i", "-"], "http://h/1 http://h/2", {"http://h/1"}, ["resume with: rangeware get -q http://h/2"]),
    (["--input=-", "-d", "x"], "http://h/1", set(), ["resume with: rangeware get -d x http://h/1"]),
    (["--input", "-"], "http://h/?a&b", set(), ["resume with: rangeware get 'http://h/?a&b'"]),
    (["-i-", "http://h/1"], "http://h/1", set(), ["resume with: rangeware get http://h/1"]),
    (["-qi", "-"], "http://h/1", set(),
     ["give it the same list on standard input again", "resume with: rangeware get -qi -"]),
    (["-i", "-"], " ".join(f"http://h/{number}" for number in range(21)), set(),
     ["give it the same list on standard input again", "resume with: rangeware get -i -"]),
    (["-o", "-", "http://h/1"], "", set(), ["start again with: rangeware get -o - http://h/1"]),
    (["-H", "Cookie: a=b", "http://h/1"], "", set(),
     ["put your secret in place of each '...' (a login may also come from ~/.netrc)",
      "resume with: rangeware get -H 'Cookie: ...' http://h/1"]),
]


@pytest.mark.parametrize(("words", "listed", "finished", "said"), CASES)
def test_lines(
    words: list[str], listed: str, finished: set[str], said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lines(words, finished, monkeypatch, listed) == said
