"""Sets of positions, against Python's own sets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from rangeware.client.planning.rangeset import RangeSet
from rangeware.http.ranges import ByteRange

LENGTH = 40
PARTS = st.lists(st.tuples(st.integers(0, LENGTH - 1), st.integers(1, 12)).map(
    lambda pair: ByteRange(pair[0], min(LENGTH, pair[0] + pair[1]) - 1)))


def positions(parts) -> set[int]:
    return {pos for part in parts for pos in range(part.first_pos, part.next_pos)}


@given(PARTS, PARTS)
def test_a_set_of_positions(parts, more):
    spans = RangeSet(parts)
    for part in more:
        spans.add(part)
    there = positions([*parts, *more])
    assert positions(spans) == there
    assert spans.length == len(there)
    assert positions(spans.gaps(LENGTH)) == set(range(LENGTH)) - there
    kept = list(spans)
    assert all(one.next_pos < other.first_pos for one, other in zip(kept, kept[1:], strict=False))


@given(PARTS, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_what_is_covered(parts, one, other):
    part = ByteRange(min(one, other), max(one, other))
    assert RangeSet(parts).covers(part) == (positions([part]) <= positions(parts))


@given(PARTS, st.integers(0, LENGTH))
def test_what_is_known_before_a_position(parts, pos):
    there = positions(parts)
    known = 0
    while pos - known - 1 in there:
        known += 1
    assert RangeSet(parts).length_before(pos) == known
