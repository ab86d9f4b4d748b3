"""The rows at the foot of a terminal: one for each running transfer, and one for all of them if there are several.

rich draws them. It is imported with the first row only: a small file is complete before that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from .formatting import format_columns, format_total, make_printable, share_row
from .output import print_line

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from .. import Progress

_MARGIN = 2  # columns, for the ^C that a terminal shows: it must not wrap
_SPARE = 2  # rows of the terminal that are left to the lines above
_PAUSE = 0.1  # seconds between two pictures of several rows


class Screen:
    """The rows of all running transfers.

    :param count: transfers in all.
    """

    def __init__(self, count: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._rows: dict[object, tuple[str, Progress]] = {}
        self._live: Live | None = None
        self._drawn_at = float("-inf")
        self._received = self._done = self._failed = 0

    def show(self, owner: object, label: str, progress: Progress) -> None:
        """Draw the row of a transfer anew; with several, ten times a second at the most."""
        self._rows[owner] = label, progress
        if self._count > 1 and self._clock() < self._drawn_at + _PAUSE:
            return
        with suppress(OSError):  # the terminal is gone
            if self._live is None:
                self._live = _make_live()
                self._live.start()
            self._draw(self._live)

    def print(self, text: str) -> None:
        """Print a line above the rows."""
        if self._live is None:
            print_line(text)
            return
        with suppress(OSError):
            self._live.console.print(make_printable(text), soft_wrap=True)

    def end(self, owner: object, *, failed: bool) -> None:
        """Remove the row of a transfer that has ended."""
        _, progress = self._rows.pop(owner, ("", None))
        self._received += 0 if progress is None else progress.received
        self._done += 1
        self._failed += failed
        if self._done == self._count:
            self.close()
        elif self._live is not None:
            with suppress(OSError):
                self._draw(self._live)

    def close(self) -> None:
        """Remove the rows and show the cursor again. May be called again."""
        if self._live is not None:
            live, self._live = self._live, None
            with suppress(OSError):
                live.stop()

    def _draw(self, live: Live) -> None:
        from rich.console import Group

        self._drawn_at = self._clock()
        width = live.console.width - _MARGIN
        most = max(1, live.console.height - _SPARE)
        rows = [_row(label, progress, width) for label, progress in [*self._rows.values()][:most]]
        live.update(Group(*rows, *([self._total(width)] if self._count > 1 else [])), refresh=True)

    def _total(self, width: int) -> RenderableType:
        running = [progress for _, progress in self._rows.values()]
        received = self._received + sum(progress.received for progress in running)
        text = format_total(self._done, self._failed, self._count, received, sum(each.rate for each in running))
        return _cells([text[:width]])


def _make_live() -> Live:
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr, force_terminal=True, markup=False, emoji=False, highlight=False)
    return Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False)


def _row(label: str, progress: Progress, width: int) -> RenderableType:
    """Make a row of at most ``width`` columns: name, bar and figures; without the bar if there is no room."""
    from rich.progress_bar import ProgressBar

    name, bar, figures = share_row(make_printable(label), format_columns(progress), width)
    if not bar:
        return _cells([name, figures])
    return _cells([name, ProgressBar(progress.complete_length, progress.done, bar), figures])


def _cells(cells: list[RenderableType]) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    row = Table.grid(padding=(0, 1))
    for _ in cells:
        row.add_column(no_wrap=True, overflow="crop")
    row.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in cells))
    return row
