"""Each row of the table of hostile names and paths, on the real front servers."""

from __future__ import annotations

import pytest

from tests.front.hostile_names import ROWS, Row, table
from tests.front.stack import SERVERS, Stack

pytestmark = pytest.mark.matrix


CASES = [pytest.param(protocol, row, id=f"{protocol}-{row.what}")
         for protocol in SERVERS for row in ROWS if row.is_path or protocol == "wsgi"]
"""An ASGI app names paths, and opens nothing."""


@pytest.mark.parametrize(("stack", "row"), CASES, indirect=["stack"])
def test_row(stack: Stack, front: str, row: Row) -> None:
    path = f"hostile/{ROWS.index(row)}"
    assert stack.is_handed_over(front, path) == (front in row.handed)
    whole = stack.ask(front, path)
    assert (whole.status, whole.body, whole.get("X-Injected")) == (200, row.content, None)
    if row.has_ranges:
        part = stack.ask(front, path, Range="bytes=3-9")
        assert (part.status, part.body) == (206, row.content[3:10])
        assert part.get("Content-Range") == f"bytes 3-9/{len(row.content)}"


def test_table_has_a_line_for_each_row() -> None:
    lines = list(table())
    assert len(lines) == len(ROWS) + 1 > 40
    assert len({row.what for row in ROWS}) == len(ROWS)
