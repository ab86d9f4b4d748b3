"""What ``rangeware get`` shows: a bar on a terminal, lines elsewhere, JSON for programs, or nothing but errors.

All goes to standard error; only the JSON goes to standard output. Names and texts come from servers, so none reaches
a terminal with control characters in it. Showing never raises: a download goes on when nobody looks any more.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

from .wording import about, clean, count_milestones, hide_userinfo, in_figures, in_words, share_row, summary

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from . import Download, Progress

_MARGIN = 2  # columns, for the ^C that a terminal shows: it must not wrap
_PAUSE = 1.0  # seconds between two JSON objects on progress


def choose(as_json: bool, quiet: bool, url: str, several: bool) -> Display:
    """The display for one file, by what was asked for and where standard error leads.

    ``several`` addresses are asked for: what fails must be named.
    """
    if as_json:
        return Json(url, several)
    if quiet:
        return Display(url, several)
    return (Bar if _has_terminal() and find_spec("rich") is not None else Lines)(url, several)


def _has_terminal() -> bool:
    """A terminal whose cursor can be moved."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Display:
    """Shows errors only; what the others have in common."""

    def __init__(self, url: str, several: bool) -> None:
        self._url = url
        self._name = f"{url}: " if several else ""
        self.latest: Progress | None = None
        """What was told last, None before the first word."""

    def show(self, progress: Progress) -> None:
        """Takes note of one event of the download."""
        self.latest = progress

    def saved(self, download: Download) -> None:
        """Ends with a file that is whole."""
        self.close()

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Ends without: ``kept`` says how much is there to go on with, and where, ``""`` for nothing."""
        self.close()
        say(f"rangeware: {self._name}{text}")
        if kept:
            say(kept)

    def close(self) -> None:
        """Gives the terminal back. May be called again."""


class Lines(Display):
    """A line for each tenth, or for each doubling where the complete length is unknown."""

    def __init__(self, url: str, several: bool) -> None:
        super().__init__(url, several)
        self._milestone = 0

    def show(self, progress: Progress) -> None:
        """Shows notices, and progress where it is time for a line."""
        super().show(progress)
        if progress.event == "progress":
            self._advance(progress)
            return
        self._milestone = count_milestones(progress)
        if progress.text and progress.event != "finished":
            self._notice(about(progress, progress.text))

    def saved(self, download: Download) -> None:
        """Shows the last line."""
        super().saved(download)
        say(summary(download))

    def _advance(self, progress: Progress) -> None:
        milestone = count_milestones(progress)
        if milestone > self._milestone:
            self._milestone = milestone
            self._notice(about(progress, in_words(progress)))

    def _notice(self, text: str) -> None:
        say(text)


class Bar(Lines):
    """A bar at the foot of the terminal, drawn by rich, that is gone when the file is there.

    rich is imported with the first progress: a small file is there before.
    """

    def __init__(self, url: str, several: bool) -> None:
        super().__init__(url, several)
        self._live: Live | None = None

    def close(self) -> None:
        """Takes the bar away and shows the cursor again."""
        if self._live is not None:
            live, self._live = self._live, None
            with suppress(OSError):
                live.stop()

    def _advance(self, progress: Progress) -> None:
        with suppress(OSError):  # the terminal is gone
            if self._live is None:
                self._live = _make_live()
                self._live.start()
            self._live.update(_row(progress, self._live.console.width - _MARGIN), refresh=True)

    def _notice(self, text: str) -> None:
        if self._live is None:
            say(text)
            return
        with suppress(OSError):
            self._live.console.print(clean(text), soft_wrap=True)


class Json(Display):
    """One JSON object a line on standard output for each event; errors on standard error, too."""

    def __init__(self, url: str, several: bool, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(url, several)
        self._clock = clock
        self._next = clock()

    def show(self, progress: Progress) -> None:
        """Writes the event; of those on progress, one a second."""
        super().show(progress)
        if progress.event == "progress":
            if self._clock() < self._next:
                return
            self._next = self._clock() + _PAUSE
        _write_json(progress._asdict())

    def saved(self, download: Download) -> None:
        """Writes the fields of ``download``."""
        _write_json({"event": "saved", **download._asdict(), "path": str(download.path)})

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Writes what went wrong, and what is kept."""
        _write_json({"event": "error", "url": self._url, "exit_code": exit_code, "text": text, "kept": kept})
        super().failed(exit_code, text, kept)


def _write_json(fields: dict[str, Any]) -> None:
    import json

    hidden = {name: hide_userinfo(value) if isinstance(value, str) else value for name, value in fields.items()}
    _write(json.dumps(hidden), sys.stdout)


def say(text: str) -> None:
    """One line on standard error, made safe for a terminal. Never raises."""
    _write(clean(text), sys.stderr)


def _write(line: str, stream: TextIO | None) -> None:
    if stream is None:  # closed before we began
        return
    try:
        print(line, file=stream, flush=True)
    except (OSError, ValueError):
        _mute(stream)


def _mute(stream: TextIO) -> None:
    """Nobody reads any more: what is still in the buffer must not fail again at the end of the process."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _make_live() -> Live:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, force_terminal=True, markup=False, emoji=False, highlight=False)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


def _row(progress: Progress, width: int) -> RenderableType:
    """One line of at most ``width`` columns: name, bar and figures; without the bar where it has no room."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    figures = in_figures(progress)
    name, bar_width = share_row(clean(os.path.basename(progress.path)), width - len(figures))
    cells: list[RenderableType] = [Text(name), Text(figures)]
    if bar_width:
        cells.insert(1, ProgressBar(progress.complete_length, progress.done, bar_width))
    row = Table.grid(padding=(0, 1))
    for _ in cells:
        row.add_column(no_wrap=True, overflow="crop")
    row.add_row(*cells)
    return row
