"""Header fields out of raw lines. Expected values are read off RFC 9110 and RFC 9112."""

from __future__ import annotations

import pytest

from rangeware.client.planning.head_fields import combine, parse_fields

LINES = [
    pytest.param([b"A: b\r\n", b"C:d\n"], [("A", "b"), ("C", "d")], id="plain"),
    pytest.param([b"A:\t b c \t\r\n"], [("A", "b c")], id="blanks around the value (9112 5.1)"),
    pytest.param([b"A :b\r\n"], [("A", "b")], id="a blank before the colon is removed (9112 5.1)"),
    pytest.param([b"A: b\r\n", b" \t c\r\n", b"\td\r\n"], [("A", "b c d")], id="folded (9112 5.2)"),
    pytest.param([b"A:\r\n", b" b\r\n"], [("A", "b")], id="folded, first line empty"),
    pytest.param([b"A: b\r\n", b" \r\n", b"C: d\r\n"], [("A", "b"), ("C", "d")], id="a fold of blanks"),
    pytest.param([b" b\r\n", b"C: d\r\n"], [("C", "d")], id="a fold of nothing"),
    pytest.param([b"no colon\r\n", b" fold: x\r\n", b"C: d\r\n"], [("C", "d")], id="no colon, with a fold of its own"),
    pytest.param([b"A: b\r\n", b"bad name: x\r\n", b" y\r\n"], [("A", "b")], id="no fold of the line before a bad one"),
    pytest.param([b": x\r\n", b"\xff: x\r\n", b"A:\r\n"], [("A", "")], id="names that are none; an empty value"),
    pytest.param([b"A: b\0c\rD: e\r\n"], [("A", "b c D: e")], id="NUL and CR become blanks (9110 5.5)"),
    pytest.param([b"A: \xfc\r\n"], [("A", "\xfc")], id="Latin-1"),
    pytest.param([b"A: b:c\r\n"], [("A", "b:c")], id="a colon in the value"),
]


@pytest.mark.parametrize(("lines", "pairs"), LINES)
def test_lines(lines, pairs):
    assert parse_fields(lines) == pairs


@pytest.mark.parametrize(("name", "values", "combined"), [
    ("repr-digest", ["sha-256=:a:", "sha-512=:b:"], "sha-256=:a:, sha-512=:b:"),  # RFC 9110 5.3
    ("content-encoding", ["gzip", "gzip"], "gzip, gzip"),  # twice compressed
    ("etag", ['"a"', '"a"'], '"a"'), ("etag", ['"a"', '"b"'], '"a", "b"'),
    ("location", ["/a", "/a"], "/a"),
    ("content-length", ["5", "5"], "5"), ("content-length", ["5, 5"], "5"), ("content-length", ["5", "05"], "5"),
    ("content-length", ["5", "6"], "5, 6"), ("content-length", ["5,"], "5,"), ("content-length", ["x", "x"], "x, x"),
    ("content-length", ["5", "-5"], "5, -5"), ("content-length", [""], ""),
    ("transfer-encoding", ["Chunked"], "chunked"), ("transfer-encoding", ["chunked", "chunked"], "chunked"),
    ("transfer-encoding", ["identity , chunked"], "chunked"), ("transfer-encoding", ["identity"], None),
    ("transfer-encoding", ["gzip", "chunked"], "gzip, chunked"), ("transfer-encoding", [""], None),
    ("transfer-encoding", ["chunked", "gzip", "chunked"], "chunked, gzip, chunked"),
])
def test_combined(name, values, combined):
    assert combine((name.title(), value) for value in values).get(name) == combined


def test_long_input_takes_no_long_time():
    """A fold of 5,000 lines, and a list of 100,000 lengths."""
    [(_, value)] = parse_fields([b"A: b\r\n", *[b" c\r\n"] * 5000])
    assert len(value) == 10_001
    assert combine([("Content-Length", "5," * 100_000 + "5")]) == {"content-length": "5"}
