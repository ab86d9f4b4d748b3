"""The displays of ``rangeware get`` and ``put``: a bar on a terminal, lines elsewhere, JSON for programs, or errors.

Everything goes to standard error; only the JSON and the URL of an upload go to standard output. Names and texts come
from servers, so that control characters are removed. A display never raises: a transfer goes on when nobody
looks any more.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TextIO

from .formatting import (
    count_milestones,
    format_columns,
    format_progress,
    format_sent,
    format_summary,
    hide_userinfo,
    make_printable,
    share_row,
    with_name,
)

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from .. import Download, Progress, Upload

_MARGIN = 2  # columns, for the ^C that a terminal shows: it must not wrap
_PAUSE = 1.0  # seconds between two JSON objects on progress


def choose_display(as_json: bool, quiet: bool, url: str, several: bool) -> Display:
    """Choose the display for one file, by the arguments and by what standard error is.

    :param several: True if there are several URLs, so that an error must name its own.
    """
    if as_json:
        return Json(url, several)
    if quiet:
        return Display(url, several)
    return (Bar if _has_terminal() and find_spec("rich") is not None else Lines)(url, several)


def _has_terminal() -> bool:
    """True if standard error is a terminal whose cursor can be moved."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Display:
    """Shows errors only; the base of the other displays.

    :ivar latest: the last report; None before the first.
    """

    def __init__(self, url: str, several: bool) -> None:
        self._url = url
        self._name = f"{url}: " if several else ""
        self.latest: Progress | None = None

    def show(self, progress: Progress) -> None:
        """Show a report of the transfer."""
        self.latest = progress

    def saved(self, download: Download) -> None:
        """Show the end of a download that is complete."""
        self.close()

    def sent(self, upload: Upload) -> None:
        """Show the end of an upload that is complete."""
        self.close()

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Show the end of a transfer that failed; ``kept`` describes what can be resumed, ``""`` for nothing."""
        self.close()
        print_line(f"rangeware: {self._name}{text}")
        if kept:
            print_line(kept)

    def close(self) -> None:
        """Give the terminal back. May be called again."""


class Lines(Display):
    """Shows a line for each tenth of the file, or for each doubling if the complete length is unknown."""

    def __init__(self, url: str, several: bool) -> None:
        super().__init__(url, several)
        self._milestone = 0
        self._is_checking = False

    def show(self, progress: Progress) -> None:
        """Show an event at once, and progress if it is time for a line."""
        super().show(progress)
        if progress.event == "checking":
            self._check(progress)
            return
        if progress.event == "progress":
            self._advance(progress)
            return
        self._milestone = count_milestones(progress)
        if progress.text and progress.event != "finished":
            self._notice(with_name(progress, progress.text))

    def saved(self, download: Download) -> None:
        """Show the last line."""
        super().saved(download)
        print_line(format_summary(download))

    def sent(self, upload: Upload) -> None:
        """Show the last line, and the URL of the upload on standard output."""
        super().sent(upload)
        print_line(format_sent(upload))
        _write(make_printable(upload.address), sys.stdout)

    def _check(self, progress: Progress) -> None:
        """Show that the file is read for its digest."""
        if not self._is_checking:
            self._is_checking = True
            self._notice(with_name(progress, "checking"))

    def _advance(self, progress: Progress) -> None:
        milestone = count_milestones(progress)
        if milestone > self._milestone:
            self._milestone = milestone
            self._notice(with_name(progress, format_progress(progress)))

    def _notice(self, text: str) -> None:
        print_line(text)


class Bar(Lines):
    """Shows a bar at the foot of the terminal, drawn by rich, which disappears when the file is complete.

    rich is imported with the first progress: a small file is complete before that.
    """

    def __init__(self, url: str, several: bool) -> None:
        super().__init__(url, several)
        self._live: Live | None = None

    def close(self) -> None:
        """Remove the bar and show the cursor again."""
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

    def _check(self, progress: Progress) -> None:
        self._advance(progress)

    def _notice(self, text: str) -> None:
        if self._live is None:
            print_line(text)
            return
        with suppress(OSError):
            self._live.console.print(make_printable(text), soft_wrap=True)


class Json(Display):
    """Writes a JSON object in a line on standard output for each event, and errors on standard error, too."""

    def __init__(self, url: str, several: bool, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(url, several)
        self._clock = clock
        self._next = clock()

    def show(self, progress: Progress) -> None:
        """Write an event; progress once a second only."""
        super().show(progress)
        if progress.event in ("progress", "checking"):
            if self._clock() < self._next:
                return
            self._next = self._clock() + _PAUSE
        _write_json(progress._asdict())

    def saved(self, download: Download) -> None:
        """Write the fields of ``download``."""
        _write_json({"event": "saved", **download._asdict(), "path": str(download.path)})

    def sent(self, upload: Upload) -> None:
        """Write the fields of ``upload``."""
        _write_json({"event": "sent", **upload._asdict(), "path": str(upload.path), "resumed": upload.resumed})

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Write the error, and what is kept."""
        _write_json({"event": "error", "url": self._url, "exit_code": exit_code, "text": text, "kept": kept})
        super().failed(exit_code, text, kept)


def _write_json(fields: dict[str, Any]) -> None:
    import json

    hidden = {name: hide_userinfo(value) if isinstance(value, str) else value for name, value in fields.items()}
    _write(json.dumps(hidden), sys.stdout)


def print_line(text: str) -> None:
    """Print a line on standard error, made safe for a terminal. Never raises."""
    _write(make_printable(text), sys.stderr)


def _write(line: str, stream: TextIO | None) -> None:
    if stream is None:  # closed before the command was started
        return
    try:
        print(line, file=stream, flush=True)
    except (OSError, ValueError):
        _mute(stream)


def _mute(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null: flushing its buffer at the end of the process must not fail."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())


def _make_live() -> Live:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, force_terminal=True, markup=False, emoji=False, highlight=False)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


def _row(progress: Progress, width: int) -> RenderableType:
    """Make a line of at most ``width`` columns: name, bar and figures; without the bar if there is no room."""
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    figures = format_columns(progress)
    label = ("checking " if progress.event == "checking" else "") + os.path.basename(progress.path)
    name, bar_width = share_row(make_printable(label), width - len(figures))
    cells: list[RenderableType] = [Text(name), Text(figures)]
    if bar_width:
        cells.insert(1, ProgressBar(progress.complete_length, progress.done, bar_width))
    row = Table.grid(padding=(0, 1))
    for _ in cells:
        row.add_column(no_wrap=True, overflow="crop")
    row.add_row(*cells)
    return row
