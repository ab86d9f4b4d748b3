"""Long text, read in blocks."""

from __future__ import annotations

import pytest

from rangeware.http.blocks import BLOCK, consists_of, trimmed

GAP = " \t" * BLOCK


@pytest.mark.parametrize(("value", "text"), [
    ("ab", "ab"), (" ab\t", "ab"), ("", ""), ("   ", ""), ("abc", ""), ("a\n", "a\n"), (f"{GAP}ab{GAP}", "ab"),
    (f"{GAP}abc{GAP}", ""), (GAP, ""), (f"{GAP}a{GAP}b", ""), ("x" * 5 * BLOCK, ""), (f"{GAP}\n", "\n"),
    (f" \t ab{GAP} ", "ab"), (f" {GAP}ab", "ab"),
])
def test_trimmed(value, text):
    assert trimmed(value, 2) == text


@pytest.mark.parametrize("length", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
def test_consists_of(length):
    value = "\xb2" + "7" * length + "\u0661"
    assert consists_of(b"78", value, 1, length + 1)
    assert not consists_of(b"78", value, 0, length + 1)
    assert not consists_of(b"78", value, 1, length + 2)
