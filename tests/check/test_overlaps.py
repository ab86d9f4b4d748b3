"""Bytes that come more than once: a plain array is the judge."""

from __future__ import annotations

import random
import time

from rangeware.check.overlaps import Overlaps

CONTENT = random.Random(3).randbytes(200)


def test_as_an_array_has_it():
    for seed in range(200):
        judge(seed)


def judge(seed):
    """Pieces by chance, each against the array; a failure names the seed."""
    source = random.Random(seed)
    overlaps, seen, agreed = Overlaps(), {}, 0
    for _ in range(source.randrange(1, 20)):
        first = source.randrange(200)
        piece = bytearray(CONTENT[first:first + source.randrange(60)])
        if piece and source.random() < 0.1:
            piece[source.randrange(len(piece))] ^= 1
        positions = range(first, first + len(piece))
        wrong = next((pos for pos in positions if pos in seen and seen[pos] != piece[pos - first]), None)
        assert overlaps.add(first, bytes(piece)) == wrong, f"seed {seed}"
        if wrong is not None:
            return
        agreed += sum(pos in seen for pos in positions)
        seen.update(zip(positions, piece, strict=True))
        assert overlaps.agreed == agreed, f"seed {seed}"


def test_very_many_pieces_take_no_long_time():
    overlaps = Overlaps()
    begun = time.monotonic()
    for _ in range(25):
        for first in range(0, 600, 2):
            assert overlaps.add(first, b"x") is None
        assert overlaps.add(0, b"x" * 65_536) is None
    assert time.monotonic() - begun < 3
