"""Plot the results: ``cpu.png`` and ``deep.png``, readable at a width of 800 pixels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib

matplotlib.use("Agg")  # before importing pyplot: no display needed

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.lines import Line2D  # noqa: E402
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator  # noqa: E402

from benchmarks.figures import GIB, KIB, Results, cells, cpu_seconds, duration, median, size  # noqa: E402
from benchmarks.tables import reason  # noqa: E402

_SIZES = {
    "range-4k": 4 * KIB, "range-64k": 64 * KIB, "range-1m": KIB * KIB, "range-16m": 16 * KIB * KIB,
    "range-512m": GIB // 2,
}
_MARKERS = {"gunicorn": "o", "gthread": "s", "uwsgi": "^", "waitress": "D", "cheroot": "v"}
_READS_MS = 100  # time to first byte that shows that the file was read up to the last KiB
_INCHES = 10.0  # of width
_DPI = 160  # pixels per inch: twice the displayed size
_FONT = 12.5  # points
_SMALL = 10.5
_LABEL = 0.0235  # height of a line of small text, as a fraction of the axes


class _Look(NamedTuple):
    """The style of a target's line. The colours are Okabe and Ito's, which are safe for colour-blind readers."""

    colour: str
    width: float
    dashes: Literal["-", "--"]
    layer: int


_POLLS = {
    "rangeware": _Look("#0072B2", 2.4, "-", 5),
    "around a framework": _Look("#56B4E9", 1.8, "-", 4),
    "floor": _Look("#E69F00", 1.9, "--", 3),
    "nginx": _Look("#000000", 2.6, "-", 6),
    "slow": _Look("#D55E00", 1.6, "-", 2),
    "peer": _Look("#999999", 1.0, "-", 1),
}
_LEGEND = {
    "rangeware": "rangeware around a small app", "around a framework": "rangeware around Flask or Starlette",
    "floor": "written by hand for that server", "nginx": "nginx",
    "slow": "peers that read up to the range, or all", "peer": "other peers",
}


def write(results: Results, directory: Path) -> None:
    """Draw both plots into the directory, with the figures that are available."""
    for draw, name in ((_cpu, "cpu.png"), (_deep, "deep.png")):
        with plt.rc_context({"font.size": _FONT, "axes.spines.top": False, "axes.spines.right": False}):
            figure = draw(results)
        figure.savefig(Path(directory, name), dpi=_DPI, facecolor="white", metadata={"Software": None})
        plt.close(figure)


def _drawn(results: Results) -> list[str]:
    """Return the targets to draw: of each app in several variants one, because the lines would cover each other."""
    left_out = re.compile(r"minimum-|.*-dated-|floor-(?!open-)")
    return [name for name in results["targets"] if not left_out.match(name)]


def _look(results: Results, target: str) -> str:
    """Return the name of a target's style."""
    kind: str = results["targets"][target]["kind"]
    if kind == "rangeware":
        return "around a framework" if "flask" in target or "starlette" in target else "rangeware"
    if kind == "peer" and _reads_all(results, target):
        return "slow"
    return "nginx" if target == "nginx" else kind


def _reads_all(results: Results, target: str) -> bool:
    """Tell if the last KiB of a file takes far longer than the first, or never arrives."""
    first, last = (median(cells(results, "ttfb", measure, target)) for measure in ("file-first", "file-last"))
    return first is not None and (last is None or last > _READS_MS)


def _cpu(results: Results) -> Figure:
    """Plot server CPU per response against the size of the range, with labels at the smallest size."""
    figure, axes = plt.subplots(figsize=(_INCHES, 8.4), layout="constrained")
    lines = {name: _points(results, name) for name in _drawn(results)}
    lines = {name: points for name, points in lines.items() if points}
    for name, points in lines.items():
        _draw_line(axes, results, name, points)
    axes.set(xscale="log", yscale="log", xlim=(9, GIB), title="Server CPU of one answer, by the size of the range")
    axes.set_xlabel("bytes in the range, somewhere in a file of 1 GiB")
    _cpu_ticks(axes)
    _label_lines(axes, results, lines)
    _legend(axes, results, lines)
    return figure


def _points(results: Results, target: str) -> list[tuple[int, float]]:
    found = ((length, median(cpu_seconds(results, measure, target))) for measure, length in _SIZES.items())
    return [(length, seconds) for length, seconds in found if seconds is not None]


def _draw_line(axes: Axes, results: Results, target: str, points: Sequence[tuple[int, float]]) -> None:
    look = _POLLS[_look(results, target)]
    marker = _MARKERS.get(results["targets"][target]["server"], "")
    axes.plot(*zip(*points, strict=True), look.dashes, color=look.colour, linewidth=look.width, zorder=look.layer,
              marker=marker if look.layer > 1 else "", markersize=5)


def _cpu_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(FixedLocator(list(_SIZES.values())))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: size(value).replace(".00", "").replace(".0", "")))
    axes.xaxis.set_minor_locator(NullLocator())
    _time_ticks(axes.yaxis)
    axes.grid(color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)


def _time_ticks(axis: matplotlib.axis.Axis) -> None:
    """Put a tick at each power of ten, labelled with its unit."""
    axis.set_major_locator(LogLocator(numticks=20))
    axis.set_major_formatter(FuncFormatter(lambda value, _: duration(value * 1.000001).replace(".00", "").replace(
        ".0", "")))
    axis.set_minor_locator(NullLocator())


def _label_lines(axes: Axes, results: Results, lines: dict[str, list[tuple[int, float]]]) -> None:
    """Write each line's name left of its first point, with a thin line between them if the name had to move."""
    lowest = min((seconds for points in lines.values() for _, seconds in points), default=1)
    axes.set_ylim(bottom=lowest / 8)  # room for the names: most lines start close together
    to_axes = axes.transData + axes.transAxes.inverted()
    starts = {name: to_axes.transform(points[0]) for name, points in lines.items()}
    heights = _apart({name: float(start[1]) for name, start in starts.items()}, _LABEL)
    for name, height in heights.items():
        look = _POLLS[_look(results, name)]
        axes.annotate(
            name, xy=lines[name][0], xytext=(0.292, height), textcoords=axes.transAxes, ha="right", va="center",
            fontsize=_SMALL, color=_text_colour(look), fontweight="bold" if look.layer > 4 else "normal",
            arrowprops={"arrowstyle": "-", "color": look.colour, "linewidth": 0.6, "shrinkA": 2, "shrinkB": 0,
                        "relpos": (1, 0.5)})


def _text_colour(look: _Look) -> str:
    """Return a darker colour for text: light colours are hard to read."""
    return {"#999999": "#555555", "#E69F00": "#9A6A00", "#56B4E9": "#2B7FB3"}.get(look.colour, look.colour)


def _apart(heights: dict[str, float], least: float) -> dict[str, float]:
    """Move heights as little as possible so that neighbours are at least ``least`` apart."""
    groups: list[tuple[list[str], float]] = []  # names from bottom to top, and the height of their middle
    for name in sorted(heights, key=heights.__getitem__):
        names, middle = [name], heights[name]
        while groups and middle - groups[-1][1] < least * (len(names) + len(groups[-1][0])) / 2:
            names = groups.pop()[0] + names
            middle = sum(heights[member] for member in names) / len(names)
        groups.append((names, max(middle, least * len(names) / 2)))
    return {name: middle + least * (place - (len(names) - 1) / 2)
            for names, middle in groups for place, name in enumerate(names)}


def _legend(axes: Axes, results: Results, found: Iterable[str]) -> None:
    used = {_look(results, name) for name in found}
    handles = [Line2D([], [], color=look.colour, linewidth=look.width, linestyle=look.dashes, label=_LEGEND[name])
               for name, look in _POLLS.items() if name in used]
    axes.legend(handles=handles, loc="lower right", fontsize=_SMALL, edgecolor="none", framealpha=1)


def _deep(results: Results) -> Figure:
    """Plot time to first byte for the first and the last KiB, one row per target, the fastest on top."""
    last = {name: median(cells(results, "ttfb", "file-last", name)) for name in _drawn(results)}
    first = {name: median(cells(results, "ttfb", "file-first", name)) for name in last}
    rows = sorted((name for name in last if last[name] is not None or first[name] is not None),
                  key=lambda name: (last[name] or float("inf")), reverse=True)
    figure, axes = plt.subplots(figsize=(_INCHES, 1.6 + 0.245 * max(len(rows), 8)), layout="constrained")
    for row, name in enumerate(rows):
        _draw_row(axes, results, name, row, first[name], last[name])
    axes.set(xscale="log", ylim=(-0.8, len(rows) - 0.2), title="First byte of 1 KiB out of 8 GiB, after")
    axes.set_yticks(range(len(rows)), rows, fontsize=_SMALL)
    for tick, name in zip(axes.get_yticklabels(), rows, strict=True):
        tick.set_color(_text_colour(_POLLS[_look(results, name)]))
    _time_ticks(axes.xaxis)
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(axis="y", length=0)
    _deep_legend(axes)
    return figure


def _draw_row(axes: Axes, results: Results, name: str, row: int, first: float | None, last: float | None) -> None:
    """Draw ``first`` as a ring and ``last`` as a dot (in milliseconds), with a line between them."""
    colour = _POLLS[_look(results, name)].colour
    found = [value / 1_000 for value in (first, last) if value is not None]
    axes.plot(found, [row] * len(found), color=colour, linewidth=1.6, zorder=2)
    if last is not None:
        axes.plot(last / 1_000, row, "o", color=colour, markersize=6, zorder=3)
    if first is not None:
        axes.plot(first / 1_000, row, "o", color=colour, markerfacecolor="none", markersize=10, zorder=4)
    if last is None and first is not None:
        axes.annotate(f"last: {reason(results, 'file-last', name)}", (first / 1_000, row), (12, 0),
                      textcoords="offset points", va="center", fontsize=_SMALL, color=colour)


def _deep_legend(axes: Axes) -> None:
    ring = Line2D([], [], marker="o", color="#444444", markerfacecolor="none", linestyle="", markersize=10)
    dot = Line2D([], [], marker="o", color="#444444", linestyle="", markersize=6)
    axes.legend([ring, dot], ["the first 1 KiB", "the last 1 KiB"], loc="upper right", fontsize=_SMALL, frameon=False)
