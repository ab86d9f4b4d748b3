"""Displays: texts and figures as tables, and each display on a standard error that is read afterwards."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import unicodedata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rangeware import ByteRange
from rangeware.client import Download, Progress
from rangeware.client.cli import display, formatting, output, screen
from rangeware.client.cli.output import print_line
from rangeware.client.cli.screen import Screen

MIB = 1 << 20
URL = "http://user:secret@host.example/big.iso"
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def progress(event: str = "progress", done: int = 50 * MIB, **fields: Any) -> Progress:
    given = {
        "path": "there/big.iso",
        "complete_length": 100 * MIB,
        "received": done,
        "rate": 10.0 * MIB,
        "segments": (ByteRange(0, 9), ByteRange(20, 29)),
        "text": "",
    }
    return Progress(event, done=done, **{**given, **fields})


def download(**fields: Any) -> Download:
    given = {
        "path": Path("there/big.iso"),
        "url": URL,
        "address": "http://mirror.example/big.iso",
        "complete_length": 100 * MIB,
        "etag": '"v1"',
        "last_modified": None,
        "sha256": None,
        "received": 100 * MIB,
        "kept": 0,
        "restarts": 0,
        "seconds": 8.0,
    }
    return Download(**{**given, **fields})


class Terminal(io.StringIO):
    """A standard error that says it is a terminal."""

    def isatty(self) -> bool:
        return True

    @property
    def rows(self) -> list[str]:
        """The rows that were drawn, without colours."""
        return [row for row in re.split(r"[\r\n]+", CONTROL.sub("", self.getvalue())) if row]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    stream = Terminal()
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}.items():
        monkeypatch.setenv(name, value)
    for module in (output, screen):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=stream, stdout=sys.stdout))
    return stream


SIZES = [
    (0, "0 B"),
    (999, "999 B"),
    (1000, "0.98 KiB"),
    (1024, "1.00 KiB"),
    (10_000, "9.77 KiB"),
    (102_400, "100 KiB"),
    (1_022_976, "999 KiB"),
    (1_023_500, "0.98 MiB"),  # 999.51 KiB
    (12.34 * MIB, "12.3 MiB"),
    (9.996 * MIB, "10.0 MiB"),
    (99.96 * MIB, "100 MiB"),
    (5 << 30, "5.00 GiB"),
    (1 << 80, "1048576 EiB"),
]


@pytest.mark.parametrize(("length", "text"), SIZES)
def test_size(length: float, text: str) -> None:
    assert formatting.format_size(length) == text


CUTS = [
    ("short.iso", 9, "short.iso"),
    ("longer.iso", 9, "lon...iso"),
    ("longer.iso", 8, "lon...so"),
    ("漢字漢字漢字.iso", 11, "漢字....iso"),  # two columns each
    ("漢字漢字漢字", 12, "漢字漢字漢字"),
    ("\uff21\uff22\uff23\uff24.iso", 11, "\uff21\uff22....iso"),
    ("e\u0301e\u0301e\u0301", 3, "e\u0301e\u0301e\u0301"),
]


@pytest.mark.parametrize(("name", "width", "text"), CUTS)
def test_long_names_are_cut_in_the_middle(name: str, width: int, text: str) -> None:
    assert formatting.shorten(name, width) == text


CLEANED = [
    ("plain ünï 漢字", "plain ünï 漢字"),
    ("a\x1b[2Jb", "a?[2Jb"),
    ("a\x9b2Jb", "a?2Jb"),
    ("two\nlines\r\tmore", "two lines  more"),
    ("right\u202eleft", "right?left"),
    ("lone \udcff", "lone ?"),
    ("bell\x07 nul\0 del\x7f", "bell? nul? del?"),
]


@pytest.mark.parametrize(("text", "shown"), CLEANED)
def test_nothing_that_steers_a_terminal_is_shown(text: str, shown: str) -> None:
    assert formatting.make_printable(text) == shown


ADDRESSES = [
    ("http://user:password@host/file", "http://...@host/file"),
    ("see https://p@ss@host:8/a@b?c@d", "see https://...@host:8/a@b?c@d"),
    ("http://host/a@b", "http://host/a@b"),
    ("http://host?mail=a@b", "http://host?mail=a@b"),
    ("mail to a@b", "mail to a@b"),
]


@pytest.mark.parametrize(("text", "shown"), ADDRESSES)
def test_names_and_passwords_in_addresses_are_hidden(text: str, shown: str) -> None:
    assert formatting.hide_userinfo(text) == shown


IN_WORDS = [
    ({"done": 50 * MIB}, "50 % of 100 MiB, 10.0 MiB/s, 0:00:05 left"),
    ({"done": 100 * MIB - 1}, "99 % of 100 MiB, 10.0 MiB/s, 0:00:00 left"),
    ({"done": 100 * MIB, "rate": 0.0}, "100 % of 100 MiB, 0 B/s, 0:00:00 left"),
    ({"done": 0, "rate": 0.0}, "0 % of 100 MiB, 0 B/s, -:--:-- left"),
    ({"done": 0, "rate": MIB / 72}, "0 % of 100 MiB, 14.2 KiB/s, 2:00:00 left"),
    ({"done": 0, "complete_length": 0}, "100 % of 0 B, 10.0 MiB/s, 0:00:00 left"),
    ({"done": 5 * MIB, "complete_length": None}, "5.00 MiB, 10.0 MiB/s"),
]


@pytest.mark.parametrize(("fields", "text"), IN_WORDS)
def test_progress_in_words(fields: dict[str, Any], text: str) -> None:
    assert formatting.format_progress(progress(**fields)) == text


IN_FIGURES = [
    ({"done": 50 * MIB}, " 50%  50.0/100 MiB 10.0 MiB/s 0:00:05  2 connections"),
    ({"done": 0, "rate": 0.0, "segments": ()}, "  0%  0.00/100 MiB      0 B/s -:--:--  0 connections"),
    ({"done": 100 * MIB, "segments": (ByteRange(0, 1),)}, "100%   100/100 MiB 10.0 MiB/s 0:00:00  1 connection "),
    ({"done": 1234567, "complete_length": None}, "1.18 MiB 10.0 MiB/s  2 connections"),
]


@pytest.mark.parametrize(("fields", "text"), IN_FIGURES)
def test_progress_in_figures(fields: dict[str, Any], text: str) -> None:
    assert formatting.format_columns(progress(**fields))[0] == text


SUMMARIES = [
    ({}, "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s"),
    ({"checksum": "md5:00"}, "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s, md5 checked"),
    ({"path": Path("-")}, "written to standard output: 100 MiB in 8.0 s, 12.5 MiB/s"),
    ({"already_complete": True}, "there/big.iso is already complete: 100 MiB"),
    ({"already_complete": True, "etag": None}, "there/big.iso is there already: 100 MiB"),
    ({"already_complete": True, "checksum": "sha256:0"}, "there/big.iso is already complete: 100 MiB, sha256 checked"),
    ({"checksum": "sha256:" + "ab" * 32}, "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s, sha256 checked"),
    (
        {"kept": 60 * MIB, "received": 40 * MIB, "seconds": 100.0},
        "saved there/big.iso: 100 MiB (60.0 MiB resumed) in 0:01:40, 410 KiB/s",
    ),
    ({"seconds": 0.0, "complete_length": 0, "received": 0}, "saved there/big.iso: 0 B in 0.0 s, 0 B/s"),
]


@pytest.mark.parametrize(("fields", "text"), SUMMARIES)
def test_last_line(fields: dict[str, Any], text: str) -> None:
    assert formatting.format_summary(download(**fields)) == text


FORMS = ["f" * 52, "f" * 37, "f" * 23, "f" * 12, "f" * 4]
ROOMS = [  # name, columns of the row -> name, columns of the bar, columns of the figures
    ("big.iso", 78, ("big.iso", 17, 52)),
    ("big.iso", 150, ("big.iso", 40, 52)),
    ("a-rather-long-name-of-a-file.iso", 78, ("a-rather-lon...-a-file.iso", 13, 37)),
    ("a-rather-long-name-of-a-file.iso", 86, ("a-rather-l...-file.iso", 10, 52)),
    ("a-rather-long-name-of-a-file.iso", 38, ("a-rathe...le.iso", 8, 12)),
    ("a-rather-long-name-of-a-file.iso", 36, ("a-rath...e.iso", 8, 12)),
    ("big.iso", 38, ("big.iso", 17, 12)),
    ("big.iso", 30, ("big.iso", 9, 12)),
    ("漢字漢字漢字漢字漢字.iso", 38, ("漢字漢...字.iso", 8, 12)),
    ("a-rather-long-name.iso", 18, ("a-rat...e.iso", 0, 4)),
    ("a-rather-long-name.iso", 2, ("a...o", 0, 4)),
]


@pytest.mark.parametrize(("name", "room", "shares"), ROOMS)
def test_name_bar_and_figures_share_the_room(name: str, room: int, shares: tuple[str, int, int]) -> None:
    shown, bar, figures = formatting.share_row(name, FORMS, room)
    assert (shown, bar, len(figures)) == shares


def lines_of(shown: list[Progress], capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = display.Lines(URL, several=False)
    for each in shown:
        lines.show(each)
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err.splitlines()


def test_a_line_for_each_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    whole = [progress("began", 0), *(progress(done=MIB * done // 2) for done in range(201)), progress("finished")]
    assert [line.split(",")[0] for line in lines_of(whole, capsys)] == [
        f"big.iso: {tenth}0 % of 100 MiB" for tenth in range(1, 10)
    ]


def test_a_line_for_each_tenth_of_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    resumed = [progress("began", 45 * MIB, text="goes on at 45 MiB"), progress(done=49 * MIB), progress(done=71 * MIB)]
    assert lines_of(resumed, capsys) == [
        "big.iso: goes on at 45 MiB",
        "big.iso: 71 % of 100 MiB, 10.0 MiB/s, 0:00:02 left",
    ]


def test_a_line_for_each_doubling_where_the_length_is_unknown(capsys: pytest.CaptureFixture[str]) -> None:
    unknown = [progress(done=done << 18, complete_length=None) for done in range(40)]
    assert [line.split(",")[0] for line in lines_of(unknown, capsys)] == [
        f"big.iso: {size}.00 MiB" for size in (1, 2, 4, 8)
    ]


def test_after_a_change_the_lines_begin_again(capsys: pytest.CaptureFixture[str]) -> None:
    changed = [progress(done=55 * MIB), progress("changed", 0, text="another version"), progress(done=10 * MIB)]
    assert [line[:26] for line in lines_of(changed, capsys)] == [
        "big.iso: 55 % of 100 MiB, ",
        "big.iso: another version",
        "big.iso: 10 % of 100 MiB, ",
    ]


def test_notices_are_lines_and_cannot_steer_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = [progress("retry", path="x/\x1b[2Jevil", text="retry in 2.1 s: http://u:p@h/ said\n\x1b]0;owned\x07")]
    assert lines_of(hostile, capsys) == ["?[2Jevil: retry in 2.1 s: http://...@h/ said ?]0;owned?"]


def test_standard_output_has_a_name(capsys: pytest.CaptureFixture[str], terminal: Terminal) -> None:
    assert formatting.with_name(progress(path="-"), "retry") == "standard output: retry"
    bar = display.Bar(URL, False, Screen())
    bar.show(progress(path="-"))
    assert terminal.rows[0].startswith("standard output ━")
    bar.close()


def test_a_long_name_leaves_room_for_the_notice(capsys: pytest.CaptureFixture[str]) -> None:
    retry = progress("retry", path="there/" + "a" * 100 + ".iso", text="retry in 2.1 s")
    assert lines_of([retry], capsys) == ["a" * 19 + "..." + "a" * 14 + ".iso: retry in 2.1 s"]


def test_last_words(capsys: pytest.CaptureFixture[str]) -> None:
    lines = display.Lines(URL, several=False)
    lines.saved(download())
    lines.failed(2, "connection reset", "12 MiB in big.iso.part")
    display.Display(URL, several=True).failed(5, "the disk is full", "")
    assert capsys.readouterr().err.splitlines() == [
        "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s",
        "rangeware: connection reset",
        "12 MiB in big.iso.part",
        "rangeware: http://...@host.example/big.iso: the disk is full",
    ]


def test_quiet_shows_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    quiet = display.choose_display(False, True, [URL])[0]
    quiet.show(progress("retry", text="retry in 2.1 s"))
    quiet.show(progress())
    quiet.saved(download())
    assert capsys.readouterr() == ("", "")
    assert quiet.latest == progress()


def objects_of(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_json_writes_each_event(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display.Json(URL, several=False)
    shown.show(progress("began", 0, text="b\x1b\n", path="ünï\udcff"))
    assert objects_of(capsys) == [
        {
            "event": "began",
            "url": "http://...@host.example/big.iso",
            "path": "ünï\udcff",
            "done": 0,
            "complete_length": 100 * MIB,
            "received": 0,
            "rate": 10.0 * MIB,
            "segments": [[0, 9], [20, 29]],
            "text": "b\x1b\n",
        }
    ]


def test_json_of_progress_once_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    now = 0.0
    shown = display.Json(URL, several=False, clock=lambda: now)
    for tenth in range(30):
        now = tenth / 10
        shown.show(progress(done=tenth))
        shown.show(progress("retry", done=tenth))
    seen = objects_of(capsys)
    assert [each["done"] for each in seen if each["event"] == "progress"] == [0, 10, 20]
    assert [each["done"] for each in seen if each["event"] == "retry"] == list(range(30))


def test_json_ends_with_the_download_or_the_error(capsys: pytest.CaptureFixture[str]) -> None:
    display.Json(URL, several=False).saved(download(kept=7))
    shown = display.Json(URL, several=False)
    shown.failed(3, "it changed", "7 B in x.part")
    out, err = capsys.readouterr()
    saved, error = map(json.loads, out.splitlines())
    hidden = "http://...@host.example/big.iso"
    assert saved == {"event": "saved", **download(kept=7)._asdict(), "path": "there/big.iso", "url": hidden}
    assert error == {"event": "error", "url": hidden, "exit_code": 3, "text": "it changed", "kept": "7 B in x.part"}
    assert err.splitlines() == ["rangeware: it changed", "7 B in x.part"]


class Broken(io.StringIO):
    """A stream that nobody reads."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stream", [None, Broken()], ids=["closed", "nobody reads"])
def test_showing_never_raises(stream: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    for as_json in (True, False):
        shown = display.choose_display(as_json, False, [URL])[0]
        shown.show(progress("retry", text="again"))
        shown.saved(download())
        shown.failed(2, "x", "y")


def test_what_is_not_for_standard_output_never_goes_there(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    print_line("for standard error, which is closed")
    assert capsys.readouterr().out == ""


def test_a_broken_pipe_is_muted_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text left in the buffer would fail once more at the end of the process, and change its exit code."""
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        print_line("nobody reads this")
        stream.write("nor this")
        stream.flush()


CHOICES = [  # json, quiet, terminal, TERM, rich  -> display
    pytest.param(False, False, True, "xterm", True, "Bar", id="terminal"),
    pytest.param(False, False, True, "xterm", False, "Lines", id="rich is missing"),
    pytest.param(False, False, True, "dumb", True, "Lines", id="cannot move its cursor"),
    pytest.param(False, False, True, "", True, "Lines", id="unknown terminal"),
    pytest.param(False, False, False, "xterm", True, "Lines", id="no terminal"),
    pytest.param(True, False, True, "xterm", True, "Json", id="json"),
    pytest.param(False, True, True, "xterm", True, "Display", id="quiet"),
]


@pytest.mark.parametrize(("as_json", "quiet", "is_terminal", "term", "rich", "name"), CHOICES)
def test_choose(
    as_json: bool, quiet: bool, is_terminal: bool, term: str, rich: bool, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stderr", Terminal() if is_terminal else io.StringIO())
    monkeypatch.setattr(display, "find_spec", lambda _: object() if rich else None)
    assert [type(each).__name__ for each in display.choose_display(as_json, quiet, [URL, URL])] == [name, name]


def test_bar(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress("began", 0))
    assert terminal.getvalue() == ""
    bar.show(progress())
    row = terminal.rows[0]
    assert row.startswith("big.iso ━")
    assert row.rstrip().endswith("50%  50.0/100 MiB 10.0 MiB/s 0:00:05  2 connections")
    assert "\x1b[?25l" in terminal.getvalue()  # hides the cursor
    bar.saved(download())
    assert terminal.getvalue().rindex("\x1b[?25h") > terminal.getvalue().rindex("\x1b[?25l")
    assert terminal.rows[-1] == "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s"


def test_bar_moves_with_progress(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    for done in (0, 30, 60, 100):
        bar.show(progress(done=done * MIB))
    bar.close()
    assert [re.findall(r"(\d+)%", row)[0] for row in terminal.rows[:4]] == ["0", "30", "60", "100"]


@pytest.mark.each
@pytest.mark.parametrize("width", [20, 40, 52, 60, 79, 80, 81, 120, 300])
@pytest.mark.parametrize("name", ["x", "漢字" * 40 + ".iso", "a" * 300 + ".iso"], ids=["x", "wide", "long"])
@pytest.mark.parametrize("complete_length", [100 * MIB, None, 0])
def test_bar_is_one_row_at_any_width(
    width: int, name: str, complete_length: int | None, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    bar = display.Bar(URL, False, Screen())
    bar.show(progress(path=name, complete_length=complete_length, segments=(ByteRange(0, 1),) * 16))
    drawn = terminal.getvalue()
    assert "\n" not in drawn
    [row] = terminal.rows
    columns = sum(1 + (unicodedata.east_asian_width(char) == "W") for char in row)
    assert columns <= width - len("^C")
    assert width < (80 if name == "x" else 120) or row.rstrip().endswith("16 connections")
    assert width < 40 or re.search("[━╸╺]{8}", row)
    assert row.startswith(name[:1] if width < 40 else name[:3])
    bar.close()


def test_unknown_complete_length_shows_a_pulse_and_the_bytes(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress(complete_length=None))
    bar.close()
    assert re.fullmatch(r"big\.iso ━+ 50\.0 MiB 10\.0 MiB/s  2 connections *", terminal.rows[0])


def test_notices_stand_above_the_bar(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress("retry", text="retry in 0.5 s"))
    assert terminal.getvalue() == "big.iso: retry in 0.5 s\n"  # no bar yet
    bar.show(progress())
    bar.show(progress("fewer", text="http://u:p@h/ wants [bold]fewer[/bold] :smile:\x1b[2J" + "x" * 90))
    bar.close()
    assert f"big.iso: http://...@h/ wants [bold]fewer[/bold] :smile:?[2J{'x' * 90}" in terminal.rows
    assert "\x1b[2J" not in terminal.getvalue()


def test_names_cannot_steer_the_bar(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress(path="d/[red]\x1b[2J\n\x9b1m.iso", complete_length=None))
    bar.close()
    assert terminal.rows[0].startswith("[red]?[2J ?1m.iso ━")


def test_errors_come_when_the_bar_is_gone(terminal: Terminal) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress())
    bar.failed(2, "connection reset", "50 MiB in big.iso.part")
    bar.close()
    drawn = terminal.getvalue()
    assert drawn.endswith("\x1b[?25h\r\x1b[1A\x1b[2Krangeware: connection reset\n50 MiB in big.iso.part\n")


def test_no_color(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    bar = display.Bar(URL, False, Screen())
    bar.show(progress())
    bar.close()
    assert "━" in terminal.getvalue()
    assert re.findall(r"\x1b\[[0-9;]*[13-9][0-9;]*m", terminal.getvalue()) == []


def test_a_terminal_that_goes_away(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    bar = display.Bar(URL, False, Screen())
    bar.show(progress())

    def fail(text: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", fail)
    bar.show(progress())
    bar.show(progress("retry", text="again"))
    bar.saved(download())


# several files

class Clock:
    """A clock that goes on by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_several_bars_and_their_total(terminal: Terminal) -> None:
    clock = Clock()
    rows = Screen(3, clock)
    first, second, third = (display.Bar(f"http://u:p@h/{number}", True, rows) for number in range(3))
    first.show(progress(path="a.iso", received=MIB))
    assert [row.split()[0] for row in terminal.rows] == ["a.iso", "0"]
    second.show(progress(path="", complete_length=None, done=0, received=MIB, rate=2.0 * MIB))
    assert len(terminal.rows) == 2  # too early for another picture
    clock.now += 0.2
    second.show(progress(path="", complete_length=None, done=0, received=MIB, rate=2.0 * MIB))
    assert terminal.rows[-3].startswith("a.iso ━")
    assert terminal.rows[-2].startswith("http://...@h/1 ━")
    assert terminal.rows[-1].rstrip() == "0 of 3 files, 2.00 MiB, 12.0 MiB/s"
    first.saved(download())
    assert terminal.rows[-1].rstrip() == "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s" or any(
        row.startswith("saved there/big.iso") for row in terminal.rows)
    third.failed(2, "404 Not Found: http://h/2", "")
    assert any(row.rstrip() == "rangeware: 404 Not Found: http://h/2" for row in terminal.rows)
    assert any(row.startswith("2 of 3 files, 1 failed, 2.00 MiB") for row in terminal.rows)
    second.failed(2, "404 Not Found: http://h/1", "5 bytes kept in x.part")
    assert terminal.rows[-1] == "rangeware: 404 Not Found: http://h/1; 5 bytes kept in x.part"
    assert terminal.getvalue().count("\x1b[?25l") == terminal.getvalue().count("\x1b[?25h") == 1


def test_files_that_end_before_any_bar(terminal: Terminal) -> None:
    rows = Screen(2)
    for number in range(2):
        display.Bar(f"http://h/{number}", True, rows).saved(download())
    assert terminal.getvalue() == "saved there/big.iso: 100 MiB in 8.0 s, 12.5 MiB/s\n" * 2


def test_more_bars_than_the_terminal_has_rows(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "10")
    clock = Clock()
    rows = Screen(50, clock)
    for number in range(50):
        clock.now += 1
        display.Bar(f"http://h/{number}", True, rows).show(progress(path=f"{number}.iso"))
    rows.close()
    last = terminal.getvalue().rpartition("\x1b[?25h")[0].rpartition("\x1b[2K")[2]
    assert terminal.getvalue().split("\x1b[?25l")[1].count("49.iso") == 0
    assert "of 50 files" in last


def test_a_notice_names_the_url_until_the_file_has_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    lines = display.Lines("http://u:p@h/1", True)
    lines.show(progress("retry", path="", text="retry in 2.1 s"))
    lines.show(progress("retry", text="retry in 2.1 s"))
    alone = display.Lines("http://u:p@h/1", False)
    alone.show(progress("retry", path="", text="retry in 2.1 s"))
    assert capsys.readouterr().err.splitlines() == [
        "http://...@h/1: retry in 2.1 s", "big.iso: retry in 2.1 s", "retry in 2.1 s"]


def test_an_error_names_the_url_once(capsys: pytest.CaptureFixture[str]) -> None:
    shown = display.Display("http://u:p@h/1#sha256=ab", True)
    shown.failed(2, "404 Not Found: http://...@h/1", "")
    shown.failed(2, "404 Not Found", "")
    shown.trace("> GET /1")
    assert capsys.readouterr().err.splitlines() == [
        "rangeware: 404 Not Found: http://...@h/1", "rangeware: http://...@h/1#sha256=ab: 404 Not Found", "> GET /1"]


def test_a_terminal_that_goes_away_with_several_bars(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Screen(2)
    first, second = (display.Bar(f"http://h/{number}", True, rows) for number in range(2))
    first.show(progress())

    def fail(text: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(terminal, "write", fail)
    first.saved(download())
    second.failed(2, "x", "y")
    second.close()
