"""``SeekableSource.render``: which blocks it sends, what it copies, and what it holds in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import pytest

from rangeware import ByteRange, TruncatedSource
from rangeware.bodies.sources import SeekableSource
from rangeware.core.segments import Segment

CONTENT = bytes(range(256)) * 40
BLOCK = 1000
HEADS: list[Segment] = [b"<", b"|", b">"]


def part(first_pos: int, length: int) -> ByteRange:
    return ByteRange(first_pos, first_pos + length - 1)


def read_content(pos: int, size: int) -> bytes:
    return CONTENT[pos:pos + size]


def source_of(read_at: Callable[[int, int], bytes] = read_content, block_size: int = BLOCK) -> SeekableSource:
    return SeekableSource(read_at, len(CONTENT), block_size)


def lengths(*segments: Segment, block_size: int = BLOCK) -> list[int]:
    """The lengths of the blocks, whose bytes must be those of the segments."""
    blocks = [*source_of(block_size=block_size).render(segments)]
    wanted = [one if isinstance(one, bytes) else CONTENT[one.first_pos:one.next_pos] for one in segments]
    assert b"".join(blocks) == b"".join(wanted)
    return list(map(len, blocks))


@pytest.mark.parametrize(("segments", "expected"), [
    pytest.param((b"",), [0], id="no content"),
    pytest.param((part(3, 400),), [400], id="a small part"),
    pytest.param((part(3, 1000),), [1000], id="a block"),
    pytest.param((part(3, 2000),), [1000, 1000], id="two blocks, and no empty one after them"),
    pytest.param((part(3, 2400),), [1000, 1000, 400], id="blocks and a rest"),
    pytest.param((b"<", part(0, 200), b"|", part(500, 200), b">"), [403], id="small parts are joined"),
    pytest.param((b"<", part(0, 499), b"|", part(500, 200), b">"), [501, 201], id="up to half a block"),
    pytest.param((b"<", part(0, 700), b"|", part(500, 200), b">"), [1, 700, 202], id="a large part goes alone"),
    pytest.param((b"<", part(0, 2400), b"|", part(5, 2050), b">"), [1, 1000, 1000, 401, 1000, 1000, 51],
                 id="the rest of a part is joined with the next head"),
])
def test_blocks(segments: tuple[Segment, ...], expected: list[int]) -> None:
    assert lengths(*segments) == expected


@pytest.mark.parametrize("block_size", [1, 2, 3, 999, 1 << 62])
def test_any_block_size(block_size: int) -> None:
    assert lengths(b"<", part(0, 9), b"|", part(700, 1500), b">", block_size=block_size)


def test_large_blocks_are_not_copied() -> None:
    blocks: list[bytes] = []

    def read_at(pos: int, size: int) -> bytes:
        blocks.append(read_content(pos, size))
        return blocks[-1]

    sent = [*source_of(read_at).render([b"<", part(0, 3000), b">"])]
    assert all(any(block is one for one in sent) for block in blocks)


def test_short_reads_are_joined() -> None:
    source = source_of(lambda pos, size: read_content(pos, min(size, 7)))
    assert list(map(len, source.render([b"<", part(0, 2400), b">"]))) == [1, 1000, 1000, 401]


@pytest.mark.parametrize("segments", [
    (part(0, 3000),), (b"<", part(0, 300), b"|", part(900, 90), b"|", part(999, 40))])
def test_sends_what_came_before_the_source_ends(segments: tuple[Segment, ...]) -> None:
    source = source_of(lambda pos, size: CONTENT[:1010][pos:pos + size])
    came: list[bytes] = []
    with pytest.raises(TruncatedSource) as raised:
        came.extend(source.render(segments))
    assert raised.value.args == TruncatedSource(1010, segments[-1].next_pos).args  # type: ignore[union-attr]
    assert b"".join(came).endswith(CONTENT[1000:1010])


def test_sends_nothing_if_nothing_came() -> None:
    """So that the server can still respond with an error."""
    blocks = source_of(lambda pos, size: b"").render([part(0, 3000)])
    with pytest.raises(TruncatedSource):
        next(blocks)


@pytest.mark.parametrize("segments", [
    pytest.param([*HEADS, part(0, 8 << 20), *HEADS], id="one large part"),
    pytest.param([piece for pos in range(0, 8 << 20, 4096) for piece in (b"<", part(pos, 4000))], id="small parts"),
])
def test_no_more_memory_than_a_block(segments: list[Segment]) -> None:
    block_size = 1 << 20
    blocks = SeekableSource(lambda pos, size: bytes(size), 8 << 20, block_size).render(segments)
    tracemalloc.start()
    try:
        while next(blocks, None) is not None:  # as a server that lets go of a block before it asks for the next one
            pass
        assert tracemalloc.get_traced_memory()[1] < block_size * 1.1
    finally:
        tracemalloc.stop()
