"""Accept-Encoding: which values let a compressor code the content. Read off RFC 9110 12.5.3, on the cautious side."""

from __future__ import annotations

import pytest

from rangeware.http.codings import mentions_coding

NONE = ["", " ", ",", "identity", "Identity", "identity;q=1, *;q=0", "*;q=0", "*; q=0.000", "identity;q=0.5",
        " * ;Q=0 "]
SOME = ["gzip", "gzip, deflate, br", "identity, br", "br;q=1.0, *;q=0", "zstd", "*", "*;q=0.1", "*;q=0.001", "x-own",
        "*;q=1", "gzip ; q=0.5", "*;q=0;x"]
REFUSED = ["gzip;q=0", "identity, gzip;q=0", "br; q=0.0"]
"""Compressors that look for the name only would still code."""


@pytest.mark.parametrize("value", NONE)
def test_no_coding_is_mentioned(value: str) -> None:
    assert not mentions_coding(value)


@pytest.mark.parametrize("value", SOME + REFUSED)
def test_a_coding_is_mentioned(value: str) -> None:
    assert mentions_coding(value)
