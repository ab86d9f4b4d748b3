"""The displays of ``rangeware get`` and ``put``: a bar on a terminal, lines elsewhere, JSON for programs, or errors.

Each transfer has a display of its own; those with bars share a ``Screen``. Everything goes to standard error; only the
JSON and the URL of an upload go to standard output. Names and texts come from servers, so that control characters are
removed. A display never raises: a transfer goes on when nobody looks any more.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from .formatting import bare_url, count_milestones, format_progress, format_sent, format_summary, label_of, with_name
from .hints import hint_for
from .output import print_json, print_line, print_result
from .screen import Screen

if TYPE_CHECKING:
    from .. import Download, Progress, Upload

_PAUSE = 1.0  # seconds between two JSON objects on progress


def choose_display(as_json: bool, quiet: bool, urls: Sequence[str]) -> list[Display]:
    """Choose the display for each file, by the arguments and by what standard error is."""
    several = len(urls) > 1
    if as_json:
        return [Json(url, several) for url in urls]
    if quiet:
        return [Display(url, several) for url in urls]
    if not _has_terminal() or find_spec("rich") is None:
        return [Lines(url, several) for url in urls]
    screen = Screen(len(urls))
    return [Bar(url, several, screen) for url in urls]


def _has_terminal() -> bool:
    """True if standard error is a terminal whose cursor can be moved."""
    if sys.stderr is None or not sys.stderr.isatty():
        return False
    return os.environ.get("TERM", "") not in ("", "dumb", "unknown")


class Display:
    """Shows errors only; the base of the other displays.

    :param several: True if there are several URLs, so that an error must name its own.

    :ivar url: the URL of the transfer as it was given.
    :ivar latest: the last report; None before the first.
    """

    def __init__(self, url: str, several: bool) -> None:
        self.url = url
        self.latest: Progress | None = None
        self._several = several

    def show(self, progress: Progress) -> None:
        """Show a report of the transfer."""
        self.latest = progress

    def trace(self, text: str) -> None:
        """Show a line about a request or a response."""
        self._print(text)

    def saved(self, download: Download) -> None:
        """Show the end of a download that is complete."""
        self._end(failed=False)

    def sent(self, upload: Upload) -> None:
        """Show the end of an upload that is complete."""
        self._end(failed=False)

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Show the end of a transfer that failed; ``kept`` describes what can be resumed, ``""`` for nothing."""
        self._end(failed=True)
        text += hint_for(text)
        if self._several and bare_url(self.url) not in bare_url(text):
            text = f"{self.url}: {text}"
        if self._several and kept:
            text, kept = f"{text}; {kept}", ""
        self._print(f"rangeware: {text}")
        if kept:
            self._print(kept)

    def close(self) -> None:
        """Give the terminal back. May be called again."""

    def _end(self, *, failed: bool) -> None:
        """Remove what is drawn for this transfer."""

    def _print(self, text: str) -> None:
        print_line(text)


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
            self._notice(progress, progress.text)

    def saved(self, download: Download) -> None:
        """Show the last line."""
        super().saved(download)
        self._print(format_summary(download))

    def sent(self, upload: Upload) -> None:
        """Show the last line, and the URL of the upload on standard output."""
        super().sent(upload)
        self._print(format_sent(upload))
        print_result(upload.address)

    def _check(self, progress: Progress) -> None:
        """Show that the file is read for its digest."""
        if not self._is_checking:
            self._is_checking = True
            self._notice(progress, "checking")

    def _advance(self, progress: Progress) -> None:
        milestone = count_milestones(progress)
        if milestone > self._milestone:
            self._milestone = milestone
            self._notice(progress, format_progress(progress))

    def _notice(self, progress: Progress, text: str) -> None:
        """Print a line with the name of the file, or with its URL as long as it has no name."""
        if self._several and not progress.path:
            text = f"{self.url}: {text}"
        self._print(with_name(progress, text))


class Bar(Lines):
    """Shows a bar at the foot of the terminal, which disappears when the file is complete."""

    def __init__(self, url: str, several: bool, screen: Screen) -> None:
        super().__init__(url, several)
        self._screen = screen

    def close(self) -> None:
        """Remove all bars and show the cursor again."""
        self._screen.close()

    def _end(self, *, failed: bool) -> None:
        self._screen.end(self, failed=failed)

    def _advance(self, progress: Progress) -> None:
        name = label_of(progress) or (self.url if self._several else "")
        self._screen.show(self, ("checking " if progress.event == "checking" else "") + name, progress)

    def _check(self, progress: Progress) -> None:
        self._advance(progress)

    def _print(self, text: str) -> None:
        self._screen.print(text)


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
        self._write(progress._asdict())

    def saved(self, download: Download) -> None:
        """Write the fields of ``download``."""
        self._write({"event": "saved", **download._asdict(), "path": str(download.path)})

    def sent(self, upload: Upload) -> None:
        """Write the fields of ``upload``."""
        self._write({"event": "sent", **upload._asdict(), "path": str(upload.path), "resumed": upload.resumed})

    def failed(self, exit_code: int, text: str, kept: str) -> None:
        """Write the error, and what is kept."""
        self._write({"event": "error", "exit_code": exit_code, "text": text, "kept": kept})
        super().failed(exit_code, text, kept)

    def _write(self, fields: dict[str, Any]) -> None:
        print_json({**fields, "url": self.url})
