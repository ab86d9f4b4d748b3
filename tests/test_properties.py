"""For any content, any cuts, any source and any ranges: each part is the slice of the whole, counted and closed."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from hypothesis import example
from hypothesis import strategies as st

from rangeware import RangeMiddleware
from tests.examples import for_any
from tests.oracle import Expected, Representation, by_range, check, expected, merged, range_specs
from tests.support import Answer, Counted, environ_for, parts, run

contents = st.binary(max_size=300)
cuts = st.lists(st.integers(0, 300), max_size=8)
positions = st.one_of(st.integers(0, 320), st.integers(0, 9))
int_ranges = st.tuples(positions, positions).map(lambda pair: f"{min(pair)}-{max(pair)}")
specs = st.one_of(int_ranges, positions.map("{}-".format), positions.map("-{}".format))
ranges = st.lists(specs, min_size=1, max_size=6).map(lambda members: "bytes=" + ",".join(members))
App = Callable[..., Iterable[bytes]]


def chunked(content: bytes, at: list[int]) -> list[bytes]:
    """``content`` cut at these places; equal places make empty chunks."""
    edges = [0, *sorted(min(place, len(content)) for place in at), len(content)]
    return [content[start:stop] for start, stop in zip(edges, edges[1:], strict=False)]


class CountedFile(io.BytesIO):
    """A file in memory that counts the bytes read from it and how often it is closed."""

    def __init__(self, content: bytes) -> None:
        super().__init__(content)
        self.handed_out = 0
        self.closings = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.handed_out += len(block)
        return block

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer)
        self.handed_out += count
        return count

    def close(self) -> None:
        self.closings += 1
        super().close()


def app_for(body: Callable[[dict[str, Any]], Any], *fields: tuple[str, str]) -> App:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response("200 OK", [("Content-Type", "a/b"), *fields])
        return body(environ)
    return app


def wrapped(environ: dict[str, Any], file: Any) -> Any:
    """The file, given to the server in the way of PEP 3333."""
    return environ["wsgi.file_wrapper"](file, 64)


def real_file(content: bytes) -> Any:
    file = tempfile.TemporaryFile()  # noqa: SIM115 (closed by the middleware)
    file.write(content)
    file.seek(0)
    return file


def declared(content: bytes) -> tuple[str, str]:
    return "Content-Length", str(len(content))


SOURCES: dict[str, Callable[[bytes, list[bytes]], App]] = {
    "list": lambda content, chunks: app_for(lambda environ: list(chunks)),
    "tuple": lambda content, chunks: app_for(lambda environ: tuple(chunks), declared(content)),
    "generator": lambda content, chunks: app_for(lambda environ: (chunk for chunk in chunks), declared(content)),
    "counted": lambda content, chunks: app_for(lambda environ: Counted(chunks), declared(content)),
    "BytesIO": lambda content, chunks: app_for(lambda environ: wrapped(environ, io.BytesIO(content))),
    "BytesIO, declared": lambda content, chunks: app_for(
        lambda environ: wrapped(environ, io.BytesIO(content)), declared(content)),
    "real file": lambda content, chunks: app_for(lambda environ: wrapped(environ, real_file(content))),
}
FORWARD_ONLY = "generator", "counted"


def ask(app: App, range: str | None, method: str = "GET", **options: Any) -> Answer:
    """One request to the app behind the middleware, under a server that has a file wrapper."""
    environ = environ_for(method, **({} if range is None else {"range": range}))
    environ["wsgi.file_wrapper"] = FileWrapper
    return run(RangeMiddleware(app, **options), environ)


def in_one_pass(right: Expected) -> Expected:
    """The parts that a forward-only source sends: the same, in ascending order."""
    return right._replace(spans=tuple(sorted(right.spans)))


@pytest.mark.parametrize("source", SOURCES)
@for_any(content=contents, at=cuts, value=ranges, block_size=st.sampled_from([1, 7, 64, 4096]))
@example(content=bytes(range(10)), at=[5], value="bytes=0-0,-1", block_size=1)
@example(content=bytes(range(10)), at=[0, 0, 10, 10], value="bytes=9-,0-4", block_size=64)
@example(content=b"", at=[], value="bytes=-1", block_size=64)
def test_each_part_is_the_slice_of_the_whole(source, content, at, value, block_size):
    right = by_range(value, Representation(len(content), content_type="a/b"))
    if source in FORWARD_ONLY:
        right = in_one_pass(right)
    answer = ask(SOURCES[source](content, chunked(content, at)), value, block_size=block_size)
    check(answer, right, content, value)
    if right.status == 206 and len(right.spans) > 1:
        assert {part.content_type for part in parts(answer)} == {"a/b"}
        assert str(answer.get("Content-Type")).startswith("multipart/byteranges; boundary=")
    elif right.status in (200, 206):
        assert answer.get("Content-Type") == "a/b"


@pytest.mark.parametrize("source", SOURCES)
@for_any(content=contents, at=cuts)
def test_without_range_the_whole_is_sent(source, content, at):
    app = SOURCES[source](content, chunked(content, at))
    answer = ask(app, None)
    check(answer, Expected(200), content)
    assert answer.get("Accept-Ranges") == ("bytes" if content else None)
    assert ask(app, "bytes=0-", method="HEAD").get("Content-Length") in (None, str(len(content)))


@for_any(content=contents, at=cuts, value=ranges)
def test_nothing_is_pulled_after_the_last_byte_asked_for(content, at, value):
    chunks = chunked(content, at)
    body = Counted(chunks)
    answer = ask(app_for(lambda environ: body, declared(content)), value)
    right = by_range(value, Representation(len(content), content_type="a/b"))
    assert answer.status == right.status
    assert body.closed == 1
    if right.status == 206:
        last_pos = max(last for _, last in right.spans)
        assert sum(map(len, chunks[:body.pulled - 1])) <= last_pos, "the last chunk pulled was not needed"
    elif right.status == 416:
        assert body.pulled <= 1


@for_any(content=contents, value=ranges, block_size=st.sampled_from([1, 7, 64]))
def test_a_file_is_read_no_further_than_a_block_per_part(content, value, block_size):
    file = CountedFile(content)
    answer = ask(app_for(lambda environ: wrapped(environ, file)), value, block_size=block_size)
    right = by_range(value, Representation(len(content), content_type="a/b"))
    check(answer, right, content)
    assert file.closings == 1
    if right.status == 206:
        asked = sum(last - first + 1 for first, last in right.spans)
        assert file.handed_out <= asked + block_size * len(right.spans)
    elif right.status == 416:
        assert file.handed_out == 0


@pytest.mark.parametrize("make", [io.BytesIO, real_file], ids=["BytesIO", "real file"])
@for_any(content=contents, start=positions, less=st.integers(0, 20), value=ranges)
def test_a_file_counts_from_where_it_stands_to_what_is_declared(make, content, start, less, value):
    start = min(start, len(content))
    whole = content[start:max(start + 1, len(content) - less)]

    def body(environ: dict[str, Any]) -> Any:
        file = make(content)
        file.seek(start)
        return wrapped(environ, file)
    answer = ask(app_for(body, declared(whole)), value)
    check(answer, by_range(value, Representation(len(whole), content_type="a/b")), whole, value)


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-1", "bytes=5-", "nonsense"])
@pytest.mark.parametrize("body", [
    pytest.param(lambda environ: wrapped(environ, io.BytesIO(b"surplus")), id="BytesIO"),
    pytest.param(lambda environ: iter([b"sur", b"plus"]), id="generator"),
])
def test_a_body_declared_empty_is_cut_to_nothing(body, value):
    """Content-Length equals the bytes sent: surplus is cut. Range is ignored on an empty representation."""
    check(ask(app_for(body, declared(b"")), value), Expected(200), b"")


@for_any(content=contents, at=cuts, value=ranges)
def test_a_body_of_unknown_length_is_sent_whole(content, at, value):
    answer = ask(app_for(lambda environ: iter(chunked(content, at))), value)
    check(answer, Expected(200), content)
    assert answer.get("Accept-Ranges") is None


@for_any(content=contents, at=cuts, value=ranges, limit=st.integers(1, 300))
def test_a_body_of_unknown_length_is_spooled_up_to_the_limit(content, at, value, limit):
    answer = ask(app_for(lambda environ: iter(chunked(content, at))), value, spool_limit=limit)
    right = by_range(value, Representation(len(content), content_type="a/b"))
    if len(content) > limit or ("0", "") in (range_specs(value) or ()):  # it may be the whole that is asked for
        right = Expected(200)
    elif ascending(answer):  # what was kept may be read in any order
        right = in_one_pass(right)
    check(answer, right, content)


def ascending(answer: Answer) -> bool:
    """True if the parts came in the order of the source."""
    several = "multipart/byteranges" in str(answer.get("Content-Type"))
    places = [part.first_pos for part in parts(answer)] if several else []
    return places == sorted(places)


@for_any(content=contents, value=ranges, if_range=st.sampled_from(['"v1"', '"v2"', 'W/"v1"', "x", None]))
def test_conditions_and_ranges_together(content, value, if_range):
    selected = Representation(len(content), etag='"v1"', content_type="a/b")
    fields = {"range": value} if if_range is None else {"range": value, "if_range": if_range}
    app = RangeMiddleware(app_for(lambda environ: [content], ("ETag", '"v1"')))
    check(run(app, environ_for(**fields)), expected("GET", fields, selected), content, fields)


@for_any(spans=st.lists(st.tuples(positions, positions).map(sorted).map(tuple), min_size=1, max_size=8))
def test_the_oracle_merges_into_ranges_that_neither_overlap_nor_touch(spans):
    result = merged(spans)
    ordered = sorted(result)
    gaps = [later[0] - earlier[1] for earlier, later in zip(ordered, ordered[1:], strict=False)]
    assert all(gap > 1 for gap in gaps)
    assert union(result) == union(spans)


def union(spans: Iterable[tuple[int, int]]) -> set[int]:
    def each() -> Iterator[int]:
        for first, last in spans:
            yield from range(first, last + 1)
    return set(each())
