"""A report as lines of text: a table where there is room, and blocks in a narrow terminal. Pure.

A status is always a word, and colours only repeat it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator

from ..values import Report, Status

Span = tuple[str, str]
"""Text, and the name of its style: a status, "heading" or ""."""
Line = list[Span]

_STATUS_WIDTH = 9
_TITLE_WIDTH = 25
_WIDE = 64  # columns from which on there is a table
_Row = tuple[Status, str, str]


def make_lines(report: Report, width: int) -> Iterator[Line]:
    """The lines of a report.

    :param width: columns of the terminal, 20 or more.
    """
    yield from ([(text, "heading")] for text in _wrapped(report.url, width))
    yield from _section("What was seen", [(each.status, each.title, each.detail) for each in report.findings], width)
    yield from _section("What it means for", [(each.status, each.name, each.detail) for each in report.clients], width)
    if report.advice:
        yield from _heading("What to do")
        for text in report.advice:
            yield from _hanging("* ", text, width)
    yield []
    first, *rest = _wrapped(f"{report.verdict}: {report.summary}", width)
    yield [(report.verdict, report.verdict), (first.removeprefix(report.verdict), "")]
    yield from ([(text, "")] for text in rest)
    yield from ([(text, "")] for text in _wrapped(
        f"({report.requests} requests, {report.bytes} bytes, {report.seconds:.1f} seconds)", width))


def _section(title: str, rows: list[_Row], width: int) -> Iterator[Line]:
    if rows:
        yield from _heading(title)
        for row in rows:
            yield from (_table_row if width >= _WIDE else _block)(row, width)


def _heading(title: str) -> Iterable[Line]:
    return [], [(title, "heading")]


def _table_row(row: _Row, width: int) -> Iterator[Line]:
    status, title, detail = row
    titles = _wrapped(title, _TITLE_WIDTH - 1)
    details = _wrapped(detail, width - _STATUS_WIDTH - _TITLE_WIDTH - 3)
    for number in range(max(len(titles), len(details))):
        left = titles[number] if number < len(titles) else ""
        right = details[number] if number < len(details) else ""
        word, style = (status, status) if number == 0 else ("", "")
        yield [("  ", ""), (f"{word:<{_STATUS_WIDTH}}", style), (f"{left:<{_TITLE_WIDTH}}{right}".rstrip(), "")]


def _block(row: _Row, width: int) -> Iterator[Line]:
    status, title, detail = row
    first, *rest = _wrapped(f"{status:<{_STATUS_WIDTH}}{title}", width)
    yield [(first[:_STATUS_WIDTH], status), (first[_STATUS_WIDTH:], "")]
    yield from ([(" " * _STATUS_WIDTH + text, "")] for text in rest)
    yield from ([(f"  {text}", "")] for text in _wrapped(detail, width - 2))


def _hanging(mark: str, text: str, width: int) -> Iterator[Line]:
    for number, line in enumerate(_wrapped(text, width - len(mark))):
        yield [((mark if number == 0 else " " * len(mark)) + line, "")]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, max(width, 10), break_on_hyphens=False) or [""]
