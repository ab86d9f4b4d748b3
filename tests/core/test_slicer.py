"""Segments out of chunks: every cut of the input must give the same bytes."""

from __future__ import annotations

import itertools

import pytest

from rangeware.bodies.streams import ForwardSource
from rangeware.core.slicer import Slicer
from rangeware.errors import TruncatedSource
from rangeware.http.ranges import ByteRange

WHOLE = b"0123456789"
SEGMENTS = [
    pytest.param([ByteRange(0, 9)], b"0123456789", id="whole"),
    pytest.param([ByteRange(3, 3)], b"3", id="one byte"),
    pytest.param([ByteRange(2, 5)], b"2345", id="middle"),
    pytest.param([ByteRange(9, 9)], b"9", id="last byte"),
    pytest.param([b"<", ByteRange(0, 1), b"|", ByteRange(4, 6), b">"], b"<01|456>", id="two parts with literals"),
    pytest.param([ByteRange(0, 0), ByteRange(2, 2), ByteRange(4, 4)], b"024", id="three in one chunk"),
    pytest.param([b"a", b"b", ByteRange(8, 9), b"c", b"d"], b"ab89cd", id="literals in a row"),
]


def cuts(whole: bytes):
    """Every way to cut ``whole`` into chunks."""
    places = range(1, len(whole))
    for count in range(len(whole)):
        for chosen in itertools.combinations(places, count):
            yield [whole[a:b] for a, b in itertools.pairwise((0, *chosen, len(whole)))]


@pytest.mark.parametrize(("segments", "expected"), SEGMENTS)
def test_every_cut_gives_the_same_bytes(segments, expected):
    for chunks in cuts(WHOLE):
        slicer = Slicer(segments)
        assert b"".join(map(slicer.push, chunks)) == expected
        assert slicer.done
        slicer.finish()


@pytest.mark.parametrize(("segments", "expected"), SEGMENTS)
def test_done_as_soon_as_the_last_byte_wanted_has_come(segments, expected):
    last = max(segment.last_pos for segment in segments if isinstance(segment, ByteRange))
    slicer = Slicer(segments)
    for pos, byte in enumerate(WHOLE):
        assert slicer.done == (pos > last)
        slicer.push(bytes([byte]))


def test_a_body_that_runs_forward_is_pulled_up_to_the_last_byte_wanted():
    chunks = iter([b"abc", b"def", b"ghi", b"jkl"])
    source = ForwardSource(chunks, 12)
    assert b"".join(source.render([b"<", ByteRange(1, 1), b"|", ByteRange(4, 6), b">"])) == b"<b|efg>"
    assert list(chunks) == [b"jkl"]


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_chunks_of_any_kind_of_bytes(kind):
    slicer = Slicer([ByteRange(2, 5)])
    assert [slicer.push(kind(WHOLE[:4])), slicer.push(kind(WHOLE[4:]))] == [b"23", b"45"]
    assert type(Slicer([ByteRange(0, 3)]).push(kind(WHOLE))) is bytes


def test_a_chunk_of_text_is_the_apps_fault_and_shows():
    with pytest.raises(TypeError):
        Slicer([ByteRange(0, 1)]).push("text")  # type: ignore[arg-type]


def test_empty_chunks_change_nothing():
    slicer = Slicer([ByteRange(1, 2)])
    assert [slicer.push(chunk) for chunk in (b"", b"01", b"", b"23", b"")] == [b"", b"1", b"", b"2", b""]


def test_literals_alone_need_no_chunk():
    slicer = Slicer([b"a", b"b"])
    assert slicer.done
    assert [slicer.push(b""), slicer.push(b"")] == [b"ab", b""]


def test_finish_raises_when_bytes_are_missing():
    slicer = Slicer([ByteRange(2, 5)])
    slicer.push(b"0123")
    with pytest.raises(TruncatedSource) as caught:
        slicer.finish()
    assert (caught.value.length, caught.value.promised) == (4, 6)
