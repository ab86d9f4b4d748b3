"""Figures from the results: medians, ratios within a round, and their format."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Results = dict[str, Any]

KIB = 1 << 10
GIB = 1 << 30
GB = 10**9

IN_BULK = ("range-1m", "range-16m", "range-512m", "multi-10x1m", "whole-1m", "whole-1g")
"""Measures whose cost is reported per GB of content; for the others it is per request."""
NOT_PYTHON = ("nginx", "go")

_US = 1e6
_SECONDS = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "µs", 1e6), (0.0, "ns", 1e9))


def median(values: Iterable[float]) -> float | None:
    """Return the median; None without values."""
    found = list(values)
    return statistics.median(found) if found else None


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float | None:
    """Return the median of the ratios within each round; None if no round has both values."""
    return median(top / bottom for top, bottom in zip(numerators, denominators, strict=False) if bottom > 0)


def cells(results: Results, group: str, measure: str, target: str) -> list[Any]:
    """Return the results by round; empty if there are none."""
    found: list[Any] = results.get(group, {}).get(measure, {}).get(target, [])
    return found


def cpu_seconds(results: Results, measure: str, target: str) -> list[float]:
    """Return the server's CPU seconds per request, by round."""
    return [cell["cpu_s"] / cell["requests"] for cell in cells(results, "wire", measure, target) if cell["requests"]]


def costs(results: Results, measure: str, target: str) -> list[float]:
    """Return the server's CPU by round: seconds per GB for measures in ``IN_BULK``, else microseconds per request."""
    if measure not in IN_BULK:
        return [seconds * _US for seconds in cpu_seconds(results, measure, target)]
    return [cell["cpu_s"] * GB / cell["bytes"] for cell in cells(results, "wire", measure, target) if cell["bytes"]]


def cost_ratio(results: Results, measure: str, target: str, other: str) -> float | None:
    """Return the CPU per request of a target, divided by that of another."""
    return ratio(cpu_seconds(results, measure, target), cpu_seconds(results, measure, other))


def added(results: Results, measure: str, name: str) -> list[float]:
    """Return the nanoseconds that a wrapper adds to the bare app in process, by round."""
    own, bare = (cells(results, "inprocess", measure, key) for key in (name, "bare"))
    return [whole - app for whole, app in zip(own, bare, strict=False)]


def targets(results: Results, kind: str) -> list[str]:
    """Return the names of all targets of a kind."""
    return [name for name, about in results["targets"].items() if about["kind"] == kind]


def server_of(results: Results, target: str) -> str:
    """Return the server that a target runs on."""
    server: str = results["targets"].get(target, {}).get("server", "")
    return server


def floor_of(results: Results, target: str) -> str:
    """Return the hand-written app to compare with: on the same server, with the same validators, and with ``open``."""
    server = server_of(results, target)
    return f"floor-open-dated-{server}" if "-dated-" in target else f"floor-open-{server}"


def alone(results: Results, target: str) -> str | None:
    """Return the target with the same app and server but without the middleware; None if there is none."""
    name = target.removeprefix("rangeware-")
    return name if name != target and name in results["targets"] else None


def best_python_peer(results: Results, measure: str, server: str | None = None) -> str | None:
    """Return the Python peer with the least CPU, of those on ``server`` if given; None if there is none."""
    found = {
        name: median(cpu_seconds(results, measure, name)) for name in targets(results, "peer")
        if name not in NOT_PYTHON and server in (None, server_of(results, name))
    }
    able = {name: cost for name, cost in found.items() if cost is not None}
    return min(able, key=able.__getitem__) if able else None


def written(value: float | None) -> str:
    """Format a figure with three digits."""
    if value is None:
        return "-"
    if abs(value) >= 100 or not value:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def times(value: float | None) -> str:
    """Format a ratio."""
    return "-" if value is None else f"{written(value)} x"


def duration(seconds: float | None) -> str:
    """Format a time with a suitable unit."""
    if seconds is None:
        return "-"
    unit, factor = next((unit, factor) for least, unit, factor in _SECONDS if abs(seconds) >= least)
    return f"{written(seconds * factor)} {unit}"


def size(count: float | None) -> str:
    """Format a number of bytes with a suitable unit."""
    if count is None:
        return "-"
    for unit, factor in (("GiB", GIB), ("MiB", KIB * KIB), ("KiB", KIB)):
        if abs(count) >= factor:
            return f"{written(count / factor)} {unit}"
    return f"{count:,.0f} B"


def span(values: Sequence[float], write: Callable[[float], str] = written) -> str:
    """Format the minimum and the maximum."""
    return f"{write(min(values))} - {write(max(values))}" if values else "-"


def unbroken(text: str) -> str:
    """Keep figures and their units on one line, for pages whose tables are narrow."""
    return re.sub(r"(?<=\d) (?=([nµm]?s|[KMG]iB)\b)", "\N{NO-BREAK SPACE}", text)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """Format a Markdown table. The first ``words`` columns contain words, the others figures."""
    rules = [":--" if column < words else "--:" for column in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows)) + "\n"
