"""Format the results as tables: medians of the rounds, and the goals."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.download.clients import FAR, LOCAL, SYNCED
from benchmarks.download.measure import LARGE, SMALL

Results = dict[str, Any]
OURS, LIBRARY = "rangeware get -n 1", "download(segments=1)"
AT_LEAST_OF_CURL, AT_LEAST_OF_ONE, MOST_GROWTH = 0.9, 3.5, 8.0
"""The goals: speed relative to curl, speed of four connections relative to one, extra MiB for the larger file."""

_PLACES = {
    "disk": ("1 GiB to a file on the disk", LARGE), "tmpfs": ("1 GiB to a file in memory (tmpfs)", LARGE),
    "64 MiB": ("64 MiB to a file in memory", SMALL),
    "far": ("64 MiB at 50 ms either way and 20 Mbit/s for each connection", SMALL),
}


class Goal(NamedTuple):
    """A goal, the result that was reached, and if the goal is met."""

    what: str
    goal: str
    reached: str
    met: bool


def median(results: Results, place: str, client: str, what: str) -> float:
    """Return the median of all rounds, in seconds or bytes."""
    return float(statistics.median(cell[what] for cell in results[place][client]))


def speed_ratio(results: Results, place: str, client: str, other: str) -> float:
    """Return the speed of a client relative to another: the median of the ratios within each round."""
    pairs = zip(results[place][client], results[place][other], strict=True)
    return float(statistics.median(theirs["seconds"] / ours["seconds"] for ours, theirs in pairs))


def goals(results: Results) -> Iterator[Goal]:
    """Yield each goal with its result."""
    for place in ("disk", "tmpfs"):
        for client in (OURS, LIBRARY):
            for other in ("curl", SYNCED):
                ratio = speed_ratio(results, place, client, other)
                yield Goal(f"{client}, {place}, over {other}", f">= {AT_LEAST_OF_CURL} x", f"{ratio:.2f} x",
                           ratio >= AT_LEAST_OF_CURL)
    grown = (median(results, "tmpfs", OURS, "peak_bytes") - median(results, "64 MiB", OURS, "peak_bytes")) / (1 << 20)
    yield Goal("memory: 1 GiB over 64 MiB", f"<= {MOST_GROWTH:.0f} MiB more", f"{grown:+.1f} MiB", grown <= MOST_GROWTH)
    ratio = speed_ratio(results, "far", "rangeware get -n 4", OURS)
    yield Goal("four segments over one, far away", f">= {AT_LEAST_OF_ONE} x", f"{ratio:.2f} x",
               ratio >= AT_LEAST_OF_ONE)


def text(results: Results) -> str:
    """Format the whole report in Markdown."""
    lines = ["# Downloads", "", results["about"], "", _READING, "", "## Speed to reach", ""]
    lines += table(["what", "goal", "reached", "met"],
                   [[goal.what, goal.goal, goal.reached, "yes" if goal.met else "**no**"] for goal in goals(results)])
    for place, (title, length) in _PLACES.items():
        lines += ["", f"## {title}", "", *_of(results, place, length)]
    return "\n".join([*lines, ""])


_READING = """\
nginx on one core sends from memory, the clients take turns in a new order each round and run where the kernel puts
them; every file was compared with the one served. Figures are medians of the rounds, ratios the median of the ratios
within each round. Times are those of the whole process, the start of Python included, but for `download(segments=1)`:
there it is that of the call. rangeware has the file on the disk when it ends; curl does not wait for that, so that it
is timed with a sync of its file as well. CPU is that of the client, in user and in kernel mode. The slow network is a
relay: it delays what goes either way, has a rate for each connection, small buffers, no loss and no slow start, and a
new connection costs a round trip. Run it anew: `python -m benchmarks.download`."""


def _of(results: Results, place: str, length: int) -> list[str]:
    rows = []
    for client in (FAR if place == "far" else LOCAL):
        if client not in results[place]:
            continue
        seconds = [cell["seconds"] for cell in results[place][client]]
        middle = statistics.median(seconds)
        rows.append([
            client, f"{middle:.2f} s", f"{min(seconds):.2f} to {max(seconds):.2f} s",
            f"{length / middle / 1e6:,.1f} MB/s",
            f"{speed_ratio(results, place, client, 'curl'):.2f} x",
            f"{median(results, place, client, 'cpu_seconds'):.2f} s",
            f"{median(results, place, client, 'peak_bytes') / (1 << 20):.0f} MiB"])
    return table(["client", "time", "from, to", "speed", "over curl", "CPU", "memory, at most"], rows)


def table(head: list[str], rows: list[list[str]]) -> list[str]:
    """Format a Markdown table with aligned columns, readable as plain text."""
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    lines = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in [head, *rows]]
    return [f"| {' | '.join(line)} |" for line in (lines[0], ["-" * width for width in widths], *lines[1:])]
