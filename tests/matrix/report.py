"""The report at the end of the matrix: the grid, and notes under their titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

Cells = Mapping[tuple[str, str], Sequence[str]]

notes: dict[str, list[str]] = {}
"""Lines under their titles, in the order in which they came; printed after the tests."""

cells: dict[tuple[str, str], list[str]] = {}
"""For each WSGI server and framework tried, the checks that failed."""

asgi_cells: dict[tuple[str, str], list[str]] = {}
"""The same for ASGI."""

impossible: dict[tuple[str, str], str] = {}
"""The pairs of an ASGI server and a framework that cannot work together, and why: a dash in the grid."""


def note(title: str, line: str) -> None:
    """Keeps a line to be printed under this title."""
    notes.setdefault(title, []).append(line)


def lines(cells: Cells, impossible: Mapping[tuple[str, str], str] = MappingProxyType({})) -> list[str]:
    """The grid, servers by frameworks, and below it the first line of each failure, and why a pair is impossible.

    What was not tried is a dot, what is impossible a dash.
    """
    results = {cell: str(len(failures)) if failures else "ok" for cell, failures in cells.items()}
    return [*grid({**results, **dict.fromkeys(impossible, "-")}), *_explained(cells, impossible)]


def _explained(cells: Cells, impossible: Mapping[tuple[str, str], str]) -> list[str]:
    told = [(cell, failure.splitlines()[0]) for cell, failures in cells.items() for failure in failures]
    explained = [f"{server}, {framework}: {line}" for (server, framework), line in [*told, *impossible.items()]]
    return ["", *explained] if explained else []


def grid(cells: Mapping[tuple[str, str], str]) -> list[str]:
    """The lines of a table with a row and a column for each name, in the order in which they come."""
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    return table(["", *columns], *([row, *(cells.get((row, column), ".") for column in columns)] for row in rows))


def table(*rows: Sequence[str]) -> list[str]:
    """The lines of a table whose columns are as wide as their widest cells."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def write(cells: Cells, file: Path) -> None:
    """The grid in a file."""
    file.write_text("\n".join([*lines(cells), ""]))
