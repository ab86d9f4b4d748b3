"""Prints what the matrix found, after the tests; with RANGEWARE_GRID, the grid also goes to the file of that name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.matrix import report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints the grid and the notes, also with -q."""
    told = dict(report.notes)
    if report.asgi_cells:
        told = {"ASGI servers by frameworks": report.lines(report.asgi_cells, report.impossible), **told}
    if report.cells:
        told = {"servers by frameworks": report.lines(report.cells), **told}
        if file := os.environ.get("RANGEWARE_GRID"):
            report.write(report.cells, Path(file))
    for title, lines in told.items():
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.line(line)
