"""Figures out of results: medians, ratios within a round, and how they are written."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Results = dict[str, Any]

KIB = 1 << 10
GIB = 1 << 30
GB = 10**9

IN_BULK = ("range-1m", "range-16m", "range-512m", "multi-10x1m", "whole-1m", "whole-1g")
"""Measures whose cost is told per GB of content; that of the others is told per request."""
NOT_PYTHON = ("nginx", "go")

_US = 1e6
_SECONDS = ((1.0, "s", 1.0), (1e-3, "ms", 1e3), (1e-6, "µs", 1e6), (0.0, "ns", 1e9))


def median(values: Iterable[float]) -> float | None:
    """The middle one; None where there is none."""
    found = list(values)
    return statistics.median(found) if found else None


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float | None:
    """The median of the ratios within each round; None where there is no round in which both are."""
    return median(top / bottom for top, bottom in zip(numerators, denominators, strict=False) if bottom > 0)


def cells(results: Results, group: str, measure: str, target: str) -> list[Any]:
    """What was found, round by round; empty where nothing was."""
    found: list[Any] = results.get(group, {}).get(measure, {}).get(target, [])
    return found


def cpu_seconds(results: Results, measure: str, target: str) -> list[float]:
    """CPU seconds of the server for one request, round by round."""
    return [cell["cpu_s"] / cell["requests"] for cell in cells(results, "wire", measure, target) if cell["requests"]]


def costs(results: Results, measure: str, target: str) -> list[float]:
    """CPU of the server, round by round: seconds a GB of content for what is in bulk, else microseconds a request."""
    if measure not in IN_BULK:
        return [seconds * _US for seconds in cpu_seconds(results, measure, target)]
    return [cell["cpu_s"] * GB / cell["bytes"] for cell in cells(results, "wire", measure, target) if cell["bytes"]]


def cost_ratio(results: Results, measure: str, target: str, other: str) -> float | None:
    """How many times the CPU of the other this one costs; of single requests, whatever their size."""
    return ratio(cpu_seconds(results, measure, target), cpu_seconds(results, measure, other))


def added(results: Results, measure: str, name: str) -> list[float]:
    """Nanoseconds that something adds in process to the bare app, round by round."""
    own, bare = (cells(results, "inprocess", measure, key) for key in (name, "bare"))
    return [whole - app for whole, app in zip(own, bare, strict=False)]


def targets(results: Results, kind: str) -> list[str]:
    """The names of all targets of a kind."""
    return [name for name, about in results["targets"].items() if about["kind"] == kind]


def server_of(results: Results, target: str) -> str:
    """The server that a target answers on."""
    server: str = results["targets"].get(target, {}).get("server", "")
    return server


def alone(results: Results, target: str) -> str | None:
    """The target with the same app on the same server, without the middleware; None where there is none."""
    name = target.removeprefix("rangeware-")
    return name if name != target and name in results["targets"] else None


def best_python_peer(results: Results, measure: str, server: str | None = None) -> str | None:
    """The peer in Python with the least CPU; on this server only, if one is given. None where there is none."""
    found = {
        name: median(cpu_seconds(results, measure, name)) for name in targets(results, "peer")
        if name not in NOT_PYTHON and server in (None, server_of(results, name))
    }
    able = {name: cost for name, cost in found.items() if cost is not None}
    return min(able, key=able.__getitem__) if able else None


def written(value: float | None) -> str:
    """A figure to three digits."""
    if value is None:
        return "-"
    if abs(value) >= 100 or not value:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.3f}"


def times(value: float | None) -> str:
    """A ratio."""
    return "-" if value is None else f"{written(value)} x"


def duration(seconds: float | None) -> str:
    """A time with the unit that suits it."""
    if seconds is None:
        return "-"
    unit, factor = next((unit, factor) for least, unit, factor in _SECONDS if abs(seconds) >= least)
    return f"{written(seconds * factor)} {unit}"


def size(count: float | None) -> str:
    """Bytes with the unit that suits them."""
    if count is None:
        return "-"
    for unit, factor in (("GiB", GIB), ("MiB", KIB * KIB), ("KiB", KIB)):
        if abs(count) >= factor:
            return f"{written(count / factor)} {unit}"
    return f"{count:,.0f} B"


def span(values: Sequence[float], write: Callable[[float], str] = written) -> str:
    """The least and the most of these."""
    return f"{write(min(values))} - {write(max(values))}" if values else "-"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], words: int = 1) -> str:
    """A Markdown table; the first ``words`` columns are words, the others figures."""
    rules = [":--" if column < words else "--:" for column in range(len(heads))]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, rules, *rows)) + "\n"
