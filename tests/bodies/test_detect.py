"""Every kind of body an app can return: right bytes, a right length, and no more read than is needed."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import array
import bz2
import gzip
import io
import mmap
import os
import random
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import bottle
import pytest
import webob.static
import werkzeug.wsgi

from rangeware import RangeMiddleware, TruncatedSource
from tests.support import CONTENT, Answer, Counted, Wire, answering, cut, environ_for, get, parts

BLOCK = 64 * 1024
BIG = bytes(random.Random(9110).randbytes(1_000_000))
START = Callable[..., Any]
Make = Callable[[Path], Any]


def length(value: int) -> tuple[str, str]:
    """A Content-Length field."""
    return ("Content-Length", str(value))


def wrapped(make: Callable[[], Any], *fields: tuple[str, str]) -> Any:
    """An app that hands a file to whatever ``wsgi.file_wrapper`` it is offered."""
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), *fields])
        return environ.get("wsgi.file_wrapper", FileWrapper)(make())
    return app


def send(body: Iterable[bytes], wire: Wire) -> None:
    """Puts every block of this body on the wire."""
    for chunk in body:
        wire.write(chunk)


def check(answer: Answer, content: bytes, first_pos: int, last_pos: int) -> None:
    """The answer is the 206 that these bytes of the content deserve."""
    assert answer.status == 206, answer.reason
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/{len(content)}"
    assert answer.get("Content-Length") == str(last_pos + 1 - first_pos)
    assert answer.body == content[first_pos:last_pos + 1]


def check_all(app: Any, content: bytes, *, advertised: bool = True) -> None:
    """Ranges at the head, in the middle, at the tail, several at once, none: all of this content."""
    last_pos = len(content) - 1
    check(get(app, "bytes=0-0"), content, 0, 0)
    check(get(app, "bytes=10-20"), content, 10, 20)
    check(get(app, "bytes=-10"), content, last_pos - 9, last_pos)
    check(get(app, "bytes=5-"), content, 5, last_pos)
    answer = get(app, "bytes=30-39,5-9,-1")
    assert answer.get("Content-Length") == str(len(answer.body))
    assert sorted(part.content for part in parts(answer)) == sorted([content[30:40], content[5:10], content[-1:]])
    assert all(part.content == content[part.first_pos:part.last_pos + 1] for part in parts(answer))
    unsatisfiable = get(app, f"bytes={len(content)}-")
    assert (unsatisfiable.status, unsatisfiable.get("Content-Range")) == (416, f"bytes */{len(content)}")
    whole = get(app)
    assert (whole.status, whole.body) == (200, content)
    if advertised:
        assert whole.get("Accept-Ranges") == "bytes"


# --- files that seek -------------------------------------------------------------------------------------------------

class Bare:
    """A file object with ``read``, ``seek``, ``tell``, ``close`` and nothing more; it counts the bytes read."""

    def __init__(self, content: bytes) -> None:
        self._file = io.BytesIO(content)
        self.bytes_read = 0
        self.reads: list[int] = []

    def read(self, size: int = -1) -> bytes:
        block = self._file.read(size)
        self.bytes_read += len(block)
        self.reads.append(len(block))
        return block

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()


class ShortReads(Bare):
    """``read`` gives seven bytes at most."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 7) if size >= 0 else 7)


class LongReads(Bare):
    """``read`` gives more than was asked for."""

    def read(self, size: int = -1) -> bytes:
        return super().read(size + 5 if size > 0 else size)


class SeekReturnsNone(Bare):
    """``seek`` gives None, as that of many a hand-made file and of Python 3.10's SpooledTemporaryFile."""

    def seek(self, offset: int, whence: int = 0) -> None:  # type: ignore[override]
        super().seek(offset, whence)


class Inverted(io.FileIO):
    """A real file that decodes what it reads: its descriptor holds other bytes."""

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        view = memoryview(buffer).cast("B")
        view[:count] = bytes(255 - byte for byte in view[:count])
        return count

    def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
        return bytes(255 - byte for byte in (super().read(-1 if size is None else size) or b""))


class InvertedReader(io.BufferedReader):
    """Inverts the bytes one layer higher, in the buffered reader."""

    def read(self, size: int | None = -1) -> bytes:
        return bytes(255 - byte for byte in super().read(size))

    def __next__(self) -> bytes:
        return bytes(255 - byte for byte in super().__next__())


INVERTED = bytes(255 - byte for byte in CONTENT)


def _path(tmp_path: Path, content: bytes = CONTENT) -> Path:
    path = tmp_path / "file"
    path.write_bytes(content)
    return path


def _spooled(max_size: int) -> Any:
    file = tempfile.SpooledTemporaryFile(max_size=max_size)
    file.write(CONTENT)
    file.seek(0)
    return file


def _named(tmp_path: Path) -> Any:
    file = tempfile.NamedTemporaryFile(dir=tmp_path)
    file.write(CONTENT)
    file.flush()
    file.seek(0)
    return file


def _member(compression: int) -> Any:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", compression) as writer:
        writer.writestr("a", b"before")
        writer.writestr("member", CONTENT)
        writer.writestr("z", b"after")
    return zipfile.ZipFile(archive).open("member")


def _coded(tmp_path: Path, module: Any) -> Any:
    path = tmp_path / "coded"
    with module.open(path, "wb") as file:
        file.write(CONTENT)
    return module.open(path, "rb")


def _mapped(tmp_path: Path) -> Any:
    with open(_path(tmp_path), "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _after_seek(file: Any) -> Any:
    file.read(10)
    file.seek(0)
    return file


SEEKABLE = [
    pytest.param(lambda tmp: open(_path(tmp), "rb"), CONTENT, id="real file"),
    pytest.param(lambda tmp: open(_path(tmp), "rb", buffering=0), CONTENT, id="unbuffered"),
    pytest.param(lambda tmp: open(_path(tmp), "rb", buffering=16), CONTENT, id="small buffer"),
    pytest.param(lambda tmp: open(_path(tmp), "r+b"), CONTENT, id="opened to read and write"),
    pytest.param(lambda tmp: _after_seek(open(_path(tmp), "rb")), CONTENT, id="read(10), seek(0)"),
    pytest.param(lambda tmp: io.BytesIO(CONTENT), CONTENT, id="BytesIO"),
    pytest.param(lambda tmp: io.BufferedReader(io.BytesIO(CONTENT)), CONTENT, id="BufferedReader of BytesIO"),
    pytest.param(lambda tmp: _spooled(10_000), CONTENT, id="SpooledTemporaryFile in memory"),
    pytest.param(lambda tmp: _spooled(10), CONTENT, id="SpooledTemporaryFile rolled over"),
    pytest.param(_named, CONTENT, id="NamedTemporaryFile"),
    pytest.param(lambda tmp: _member(zipfile.ZIP_STORED), CONTENT, id="zip member, stored"),
    pytest.param(lambda tmp: _member(zipfile.ZIP_DEFLATED), CONTENT, id="zip member, deflated"),
    pytest.param(lambda tmp: _coded(tmp, gzip), CONTENT, id="GzipFile"),
    pytest.param(lambda tmp: _coded(tmp, bz2), CONTENT, id="BZ2File"),
    pytest.param(lambda tmp: Inverted(_path(tmp)), INVERTED, id="FileIO that decodes"),
    pytest.param(lambda tmp: InvertedReader(io.FileIO(_path(tmp))), INVERTED, id="BufferedReader that decodes"),
    pytest.param(lambda tmp: io.BufferedReader(Inverted(_path(tmp))), INVERTED, id="BufferedReader over one"),
    pytest.param(lambda tmp: Bare(CONTENT), CONTENT, id="no seekable()"),
    pytest.param(lambda tmp: ShortReads(CONTENT), CONTENT, id="short reads"),
    pytest.param(lambda tmp: LongReads(CONTENT), CONTENT, id="reads longer than asked"),
    pytest.param(lambda tmp: SeekReturnsNone(CONTENT), CONTENT, id="seek gives None"),
]


@pytest.mark.each
@pytest.mark.parametrize(("make", "content"), SEEKABLE)
@pytest.mark.parametrize("block_size", [BLOCK, 13])
def test_files_that_seek(make: Make, content: bytes, block_size: int, tmp_path: Path) -> None:
    check_all(RangeMiddleware(wrapped(lambda: make(tmp_path)), block_size=block_size), content, advertised=False)


@pytest.mark.each
@pytest.mark.parametrize(("make", "content"), SEEKABLE)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_files_that_seek_are_advertised(make: Make, content: bytes, method: str, tmp_path: Path) -> None:
    file = make(tmp_path)
    answer = get(RangeMiddleware(wrapped(lambda: file)), method=method)
    # To learn the length of a decoding file is to decode it all: too dear for a request without Range.
    decodes = type(file).__module__ in ("bz2", "gzip", "zipfile")
    assert (answer.status, answer.get("Accept-Ranges")) == (200, None if decodes else "bytes")
    assert answer.body == (content if method == "GET" else b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_decoding_file_of_declared_length_is_advertised_and_not_decoded_for_it(method: str) -> None:
    coded = io.BytesIO(gzip.compress(CONTENT))
    app = RangeMiddleware(answering(lambda: gzip.GzipFile(fileobj=coded), length(1000)))
    wire = Wire()
    body: Any = app(environ_for(method), wire.start_response)
    assert coded.tell() == 0
    assert wire.head is not None
    assert dict(wire.head[1])["Accept-Ranges"] == "bytes"
    body.close()


@pytest.mark.parametrize(("make", "content"), [row for row in SEEKABLE if isinstance(row.id, str) and (
    row.id.startswith(("real", "unbuf", "Byte", "Named", "zip", "Gzip", "BufferedReader over")))])
def test_files_returned_without_a_wrapper(make: Make, content: bytes, tmp_path: Path) -> None:
    check_all(RangeMiddleware(answering(lambda: make(tmp_path))), content, advertised=False)


class StuckAtTheStart(Bare):
    """Its ``seek`` to the end says nothing and does nothing: so it seems to be empty."""

    def seek(self, offset: int, whence: int = 0) -> int:
        return super().seek(offset) if whence == 0 else 0


@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=-1"])
def test_a_file_that_only_seems_empty_is_sent_whole(value: str | None) -> None:
    answer = get(RangeMiddleware(wrapped(lambda: StuckAtTheStart(CONTENT))), value)
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, CONTENT, None)


def test_a_mapped_file(tmp_path: Path) -> None:
    app = RangeMiddleware(wrapped(lambda: _mapped(tmp_path), length(1000)))
    check(get(app, "bytes=-10"), CONTENT, 990, 999)


@pytest.mark.each
@pytest.mark.parametrize("make", [lambda path: open(path, encoding="utf-8"), lambda path: open(path, newline=""),
                                  lambda path: open(path, encoding="utf-16-le")], ids=["utf-8", "newline", "utf-16"])
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=6-40", "bytes=-3", "bytes=0-1,20-29", "bytes=9-0"])
def test_a_file_opened_in_text_mode_gives_its_bytes_or_an_error(make: Callable[[Path], Any], value: str | None,
                                                                tmp_path: Path) -> None:
    content = "Käse\r\n€ 1,20\r\n".encode() * 10
    wire = Wire()
    with make(_path(tmp_path, content)) as file:
        app = RangeMiddleware(wrapped(lambda: file))
        try:
            body = app(environ_for(**({} if value is None else {"range": value})), wire.start_response)
            sent = b"".join(bytes(chunk) for chunk in body)
        except (TypeError, AssertionError, ValueError):
            return
    assert wire.head is not None
    fields = dict(wire.head[1])
    if wire.head[0].startswith("200"):
        assert sent == content
    elif fields["Content-Type"].startswith("multipart"):
        answer = Answer(206, wire.head[1], sent, {})
        assert all(part.content == content[part.first_pos:part.last_pos + 1] for part in parts(answer))
    else:
        span = fields["Content-Range"].partition(" ")[2].partition("/")[0].split("-")
        assert sent == content[int(span[0]):int(span[1]) + 1]


@pytest.mark.each
@pytest.mark.parametrize("position", [
    pytest.param(lambda file: file.seek(100), id="seek"),
    pytest.param(lambda file: file.read(100), id="read"),
    pytest.param(lambda file: (file.read(10), file.seek(100)), id="read, seek"),
    pytest.param(lambda file: (file.seek(0, 2), file.seek(100)), id="seek to the end and back"),
])
@pytest.mark.parametrize("make", [lambda path: open(path, "rb"), lambda path: open(path, "rb", buffering=0),
                                  lambda path: io.BytesIO(path.read_bytes()), lambda path: Bare(path.read_bytes())],
                         ids=["real", "unbuffered", "BytesIO", "bare"])
@pytest.mark.parametrize("fields", [[], [length(900)]], ids=["undeclared", "declared"])
def test_byte_0_is_where_the_file_stands(position: Callable[[Any], Any], make: Callable[[Path], Any],
                                         fields: list[tuple[str, str]], tmp_path: Path) -> None:
    def file() -> Any:
        opened = make(_path(tmp_path))
        position(opened)
        return opened
    check_all(RangeMiddleware(wrapped(file, *fields)), CONTENT[100:])


def test_a_file_at_its_end_is_empty(tmp_path: Path) -> None:
    def file() -> Any:
        opened = open(_path(tmp_path), "rb")
        opened.seek(0, 2)
        return opened
    answer = get(RangeMiddleware(wrapped(file)), "bytes=0-9")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.each
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=4294967290-4294967310", 4294967290, 4294967310), ("bytes=-10", 5 * 2**30 - 10, 5 * 2**30 - 1),
    ("bytes=2147483640-2147483660", 2147483640, 2147483660)])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_sparse_file_over_4_gib(value: str, first_pos: int, last_pos: int, buffering: int, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(5 * 2**30)
        for place in (2**31, 2**32, 5 * 2**30 - 4):
            file.seek(place)
            file.write(b"mark")
    answer = get(RangeMiddleware(wrapped(lambda: open(path, "rb", buffering=buffering))), value)
    with open(path, "rb") as file:
        file.seek(first_pos)
        expected = file.read(last_pos + 1 - first_pos)
    assert b"mark" in expected
    assert (answer.status, answer.body) == (206, expected)
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/{5 * 2**30}"


# --- one file for all ------------------------------------------------------------------------------------------------

def _kept_open(path: Path, buffering: int = -1) -> Any:
    file = open(path, "rb", buffering=buffering)
    if buffering:
        file.close = lambda: None  # type: ignore[method-assign]
    return file


def test_the_position_of_a_real_file_is_never_moved(tmp_path: Path) -> None:
    file = _kept_open(_path(tmp_path, BIG))
    try:
        file.read(10)
        file.seek(123)
        offset = os.lseek(file.fileno(), 0, os.SEEK_CUR)
        app = RangeMiddleware(wrapped(lambda: file))
        for value in ("bytes=0-9", "bytes=-10", "bytes=0-9,500000-500009", "bytes=70000-300000", "bytes=2000000-"):
            get(app, value)
            assert file.tell() == 123
            assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == offset
        check(get(app, "bytes=5-9"), BIG[123:], 5, 9)
    finally:
        io.BufferedReader.close(file)


def test_one_file_object_shared_by_threads(tmp_path: Path) -> None:
    file = _kept_open(_path(tmp_path, BIG))
    app = RangeMiddleware(wrapped(lambda: file), block_size=997)
    wrong: list[str] = []

    def client(seed: int) -> None:
        dice = random.Random(seed)
        for _ in range(40):
            first_pos = dice.randrange(900_000)
            last_pos = first_pos + dice.randrange(20_000)
            answer = get(app, f"bytes={first_pos}-{last_pos}", validate=False)
            if (answer.status, answer.body) != (206, BIG[first_pos:last_pos + 1]):
                wrong.append(f"{first_pos}-{last_pos}: {answer.status}, {len(answer.body)} bytes")
    threads = [threading.Thread(target=client, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    io.BufferedReader.close(file)
    assert wrong == []


def test_two_answers_from_one_file_object_take_turns(tmp_path: Path) -> None:
    file = _kept_open(_path(tmp_path))
    app = RangeMiddleware(wrapped(lambda: file), block_size=10)
    bodies = [iter(app(environ_for(range=value), Wire().start_response)) for value in ("bytes=0-99", "bytes=500-599")]
    sent = [b"", b""]
    for _ in range(10):
        for index, body in enumerate(bodies):
            sent[index] += next(body)
    io.BufferedReader.close(file)
    assert sent == [CONTENT[:100], CONTENT[500:600]]


# --- readers that do not seek ----------------------------------------------------------------------------------------

class SaysNo(Bare):
    """``seekable()`` is False, and ``seek`` must then not be tried."""

    def seekable(self) -> bool:
        return False

    def seek(self, offset: int, whence: int = 0) -> int:
        raise AssertionError("seek on a file that says it cannot")


class SaysYes(Bare):
    """``seekable()`` is True, but ``seek`` fails."""

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        raise OSError(29, "Illegal seek")


class Unsupported(SaysYes):
    """``seek`` and ``tell`` raise what the io module raises."""

    def seek(self, offset: int, whence: int = 0) -> int:
        raise io.UnsupportedOperation("seek")

    def tell(self) -> int:
        raise io.UnsupportedOperation("tell")


class OnlyFromTheStart(Bare):
    """Seeks, but not from the end: its end cannot be known."""

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 2:
            raise io.UnsupportedOperation("can't seek from the end")
        return super().seek(offset, whence)


class OnlyReads:
    """``read`` and nothing more."""

    def __init__(self, content: bytes) -> None:
        self.read = io.BytesIO(content).read


def _pipe(content: bytes = CONTENT) -> Any:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return os.fdopen(reader, "rb")


READERS = [
    pytest.param(_pipe, id="pipe"),
    pytest.param(lambda: SaysNo(CONTENT), id="seekable() says False"),
    pytest.param(lambda: SaysYes(CONTENT), id="seekable() says True, seek raises OSError"),
    pytest.param(lambda: Unsupported(CONTENT), id="seekable() says True, seek raises UnsupportedOperation"),
    pytest.param(lambda: OnlyFromTheStart(CONTENT), id="no seek from the end"),
    pytest.param(lambda: OnlyReads(CONTENT), id="read only"),
    pytest.param(lambda: ShortReadsForward(CONTENT), id="short reads"),
]


class ShortReadsForward(SaysNo):
    """Three bytes a read."""

    def read(self, size: int = -1) -> bytes:
        return super().read(min(size, 3) if size >= 0 else 3)


@pytest.mark.parametrize("make", READERS)
def test_readers_with_declared_length(make: Callable[[], Any]) -> None:
    check_all(RangeMiddleware(wrapped(make, length(1000))), CONTENT)


@pytest.mark.each
@pytest.mark.parametrize("make", READERS)
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59", "bytes=5000-", "bytes=9-0"])
def test_readers_of_unknown_length_pass_whole(make: Callable[[], Any], value: str) -> None:
    answer = get(RangeMiddleware(wrapped(make)), value)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("Accept-Ranges") is None
    assert answer.get("Content-Length") is None


# --- lists and tuples ------------------------------------------------------------------------------------------------

LISTS = [
    pytest.param([CONTENT], id="one item"),
    pytest.param((CONTENT,), id="tuple"),
    pytest.param(cut(CONTENT, 1), id="a thousand items"),
    pytest.param(tuple(cut(CONTENT, 7)), id="tuple of items"),
    pytest.param([b"", CONTENT[:500], b"", b"", CONTENT[500:], b""], id="empty items"),
]


@pytest.mark.each
@pytest.mark.parametrize("body", LISTS)
@pytest.mark.parametrize("block_size", [BLOCK, 13])
@pytest.mark.parametrize("fields", [[], [length(1000)]], ids=["undeclared", "declared"])
def test_lists(body: Any, block_size: int, fields: list[tuple[str, str]]) -> None:
    check_all(RangeMiddleware(answering(body, *fields), block_size=block_size), CONTENT)


def test_a_list_serves_ranges_in_the_order_asked() -> None:
    answer = get(RangeMiddleware(answering(cut(CONTENT, 7))), "bytes=900-909,0-9,500-509")
    assert [part.first_pos for part in parts(answer)] == [900, 0, 500]


INTS = array.array("I", range(250))
OTHER_BYTES = [
    pytest.param([bytearray(CONTENT[:300]), CONTENT[300:]], CONTENT, id="bytearray"),
    pytest.param([memoryview(CONTENT)[:300], memoryview(CONTENT)[300:]], CONTENT, id="memoryview"),
    pytest.param([memoryview(INTS)], INTS.tobytes(), id="memoryview of four-byte items"),
    pytest.param([*cut(CONTENT[:40], 10), memoryview(CONTENT[40:80]).cast("I"), *cut(CONTENT[80:], 10)], CONTENT,
                 id="as many four-byte items as there are bytes before"),
    pytest.param([*cut(CONTENT[:40], 10), CONTENT[40:47], *cut(CONTENT[47:], 10)], CONTENT, id="one shorter than all"),
    pytest.param([*cut(CONTENT[:40], 10), CONTENT[40:77], *cut(CONTENT[77:], 10)], CONTENT, id="one longer than all"),
]


@pytest.mark.each
@pytest.mark.parametrize(("chunks", "content"), OTHER_BYTES)
@pytest.mark.parametrize("kind", [list, tuple, iter], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=0-9", 0, 9), ("bytes=290-310", 290, 310), ("bytes=-10", 990, 999), ("bytes=0-", 0, 999)])
def test_chunks_that_are_not_quite_bytes(chunks: list[Any], content: bytes, kind: Any, value: str, first_pos: int,
                                         last_pos: int) -> None:
    check(get(RangeMiddleware(answering(lambda: kind(chunks), length(1000))), value), content, first_pos, last_pos)


def test_a_bytearray_reused_for_each_chunk() -> None:
    # A generator may fill one buffer again and again: nothing of it may be kept across next().
    def body() -> Iterator[bytearray]:
        buffer = bytearray(100)
        for chunk in cut(CONTENT, 100):
            buffer[:] = chunk
            yield buffer
    answer = get(RangeMiddleware(answering(body, length(1000))), "bytes=50-949")
    check(answer, CONTENT, 50, 949)


# --- generators ------------------------------------------------------------------------------------------------------

def _with_empties() -> Iterator[bytes]:
    for chunk in cut(CONTENT, 100):
        yield b""
        yield chunk
        yield b""


GENERATORS = [
    pytest.param(lambda: iter(cut(CONTENT, 64)), id="chunks"),
    pytest.param(lambda: iter(cut(CONTENT, 1)), id="one-byte chunks"),
    pytest.param(lambda: iter([CONTENT]), id="one chunk"),
    pytest.param(_with_empties, id="empty chunks"),
    pytest.param(lambda: (chunk for chunk in cut(CONTENT, 333)), id="generator expression"),
    pytest.param(lambda: map(bytes, cut(CONTENT, 10)), id="map"),
]


@pytest.mark.each
@pytest.mark.parametrize("body", GENERATORS)
@pytest.mark.parametrize("block_size", [BLOCK, 13])
def test_generators_with_declared_length(body: Callable[[], Any], block_size: int) -> None:
    check_all(RangeMiddleware(answering(body, length(1000)), block_size=block_size), CONTENT)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 7, 19, 20])
def test_every_cut_and_every_range_of_twenty_bytes(size: int) -> None:
    content = CONTENT[:20]
    app = RangeMiddleware(answering(lambda: iter(cut(content, size)), length(20)))
    for first_pos in range(20):
        for last_pos in range(first_pos, 20):
            answer = get(app, f"bytes={first_pos}-{last_pos}", validate=False)
            assert (answer.status, answer.body) == (206, content[first_pos:last_pos + 1])


@pytest.mark.each
@pytest.mark.parametrize("body", GENERATORS)
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=0-9,50-59", "bytes=5000-", "bytes=-1"])
def test_generators_of_unknown_length_pass_whole(body: Callable[[], Any], value: str | None) -> None:
    answer = get(RangeMiddleware(answering(body)), value)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("Accept-Ranges") is None
    assert answer.get("Content-Length") is None
    assert answer.get("Content-Range") is None


def test_a_forward_source_serves_several_ranges_in_ascending_order() -> None:
    answer = get(RangeMiddleware(answering(lambda: iter(cut(CONTENT, 64)), length(1000))), "bytes=900-909,0-9,500-509")
    assert [part.first_pos for part in parts(answer)] == [0, 500, 900]
    assert [part.content for part in parts(answer)] == [CONTENT[:10], CONTENT[500:510], CONTENT[900:910]]


# --- wrappers of the frameworks, and things that only look like them -------------------------------------------------

WRAPPERS = [
    pytest.param(FileWrapper, id="wsgiref"), pytest.param(werkzeug.wsgi.FileWrapper, id="werkzeug"),
    pytest.param(webob.static.FileIter, id="webob"), pytest.param(bottle.WSGIFileWrapper, id="bottle"),
]


@pytest.mark.each
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("fields", [[], [length(1_000_000)]], ids=["undeclared", "declared"])
def test_wrappers_returned_directly_are_sought_in(wrapper: Any, fields: list[tuple[str, str]]) -> None:
    files: list[Bare] = []

    def body() -> Any:
        files.append(Bare(BIG))
        return wrapper(files[-1])
    app = RangeMiddleware(answering(body, *fields))
    check(get(app, "bytes=-10"), BIG, 999_990, 999_999)
    assert files[-1].bytes_read <= 10 + BLOCK
    answer = get(app, "bytes=900000-900009,0-9")
    assert [part.content for part in parts(answer)] == [BIG[900_000:900_010], BIG[:10]]
    assert files[-1].bytes_read <= 20 + 2 * BLOCK


@pytest.mark.each
@pytest.mark.parametrize("wrapper", WRAPPERS)
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59", "bytes=-10", "bytes=5000-", "bytes=9-0"])
def test_wrapped_files_are_not_left_open(wrapper: Any, value: str, tmp_path: Path) -> None:
    files: list[Any] = []

    def body() -> Any:
        files.append(open(_path(tmp_path), "rb"))
        return wrapper(files[-1])
    get(RangeMiddleware(answering(body)), value)
    assert files[0].closed


class _Decoding:
    """Yields other bytes than its file holds; as long as the file, so that only the content tells."""

    def __init__(self, file: Any) -> None:
        self.file = self.filelike = self.fp = self._stream = file
        self.buffer_size = self.blksize = self.block_size = 8192
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    def __iter__(self) -> Iterator[bytes]:
        while block := self.file.read(64):
            yield bytes(255 - byte for byte in block)


class _DecodingIterator(_Decoding):
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> bytes:
        if block := self.file.read(64):
            return bytes(255 - byte for byte in block)
        raise StopIteration


class _DecodingWsgiref(FileWrapper):
    def __next__(self) -> bytes:
        return bytes(255 - byte for byte in super().__next__())


class _DecodingWerkzeug(werkzeug.wsgi.FileWrapper):
    def __next__(self) -> bytes:
        return bytes(255 - byte for byte in super().__next__())


class _DecodingWebob(webob.static.FileIter):
    def __iter__(self) -> Iterator[bytes]:  # type: ignore[override]
        return (bytes(255 - byte for byte in block) for block in self.app_iter_range())


class _DecodingBottle(bottle.WSGIFileWrapper):
    def __iter__(self) -> Iterator[bytes]:
        return (bytes(255 - byte for byte in block) for block in super().__iter__())


class FileWrapperNamesake:
    """Called like the servers' class in all but its module."""

    def __init__(self, filelike: Any, blksize: int = 8192) -> None:
        self.filelike = filelike
        self.blksize = blksize
        self.close = filelike.close

    def __iter__(self) -> FileWrapperNamesake:
        return self

    def __next__(self) -> bytes:
        if block := self.filelike.read(self.blksize):
            return bytes(255 - byte for byte in block)
        raise StopIteration


FileWrapperNamesake.__name__ = FileWrapperNamesake.__qualname__ = "FileWrapper"


@pytest.mark.each
@pytest.mark.parametrize("look_alike", [_Decoding, _DecodingIterator, _DecodingWsgiref, _DecodingWerkzeug,
                                        _DecodingWebob, _DecodingBottle, FileWrapperNamesake],
                         ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("real", [False, True], ids=["memory", "real file"])
def test_look_alikes_are_not_bypassed(look_alike: Any, real: bool, tmp_path: Path) -> None:
    files: list[Any] = []

    def body() -> Any:
        files.append(open(_path(tmp_path), "rb") if real else io.BytesIO(CONTENT))
        return look_alike(files[-1])
    check_all(RangeMiddleware(answering(body, length(1000))), INVERTED)
    for file in files:  # WebOb's closes in its own iterator only, which a 416 never begins
        file.close()


def test_a_subclass_of_our_wrapper_is_not_bypassed() -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), length(1000)])
        base = environ.get("wsgi.file_wrapper", FileWrapper)

        class Decoding(base):  # type: ignore[misc, valid-type]
            def __iter__(self) -> Iterator[bytes]:
                return (bytes(255 - byte for byte in block) for block in iter(lambda: file.read(100), b""))
        file = io.BytesIO(CONTENT)
        return Decoding(file)
    check_all(RangeMiddleware(app), INVERTED)


def test_our_wrapper_behaves_like_the_one_of_pep_3333() -> None:
    seen: dict[str, Any] = {}

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), length(1000)])
        seen["wrapper"] = environ["wsgi.file_wrapper"](io.BytesIO(CONTENT), 100)
        return iter(list(seen["wrapper"]))
    check(get(RangeMiddleware(app), "bytes=0-9"), CONTENT, 0, 9)
    assert hasattr(seen["wrapper"], "close")


def test_our_wrapper_inside_another_iterable() -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), length(1000)])
        inner = environ.get("wsgi.file_wrapper", FileWrapper)(io.BytesIO(CONTENT), 100)
        return (bytes(255 - byte for byte in block) for block in inner)
    check_all(RangeMiddleware(app), INVERTED)


# --- length ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("real", [False, True], ids=["memory", "real file"])
def test_less_declared_than_the_file_holds(real: bool, tmp_path: Path) -> None:
    def file() -> Any:
        return open(_path(tmp_path), "rb") if real else io.BytesIO(CONTENT)
    app = RangeMiddleware(wrapped(file, length(500)))
    check(get(app, "bytes=-10"), CONTENT[:500], 490, 499)
    check(get(app, "bytes=400-"), CONTENT[:500], 400, 499)
    answer = get(app, "bytes=500-")
    assert (answer.status, answer.get("Content-Range")) == (416, "bytes */500")


@pytest.mark.each
@pytest.mark.parametrize("real", [False, True], ids=["memory", "real file"])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=-10", "bytes=0-9,50-59", "bytes=1500-", "bytes=5000-"])
def test_more_declared_than_the_file_holds_passes_through(real: bool, value: str, tmp_path: Path) -> None:
    def file() -> Any:
        return open(_path(tmp_path), "rb") if real else io.BytesIO(CONTENT)
    answer = get(RangeMiddleware(wrapped(file, length(2000)), validators=False), value)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("Content-Length") == "2000"
    assert answer.get("Content-Range") is None


class Trickling(io.BytesIO):
    """Gives what has come, as a file over a network does."""

    def __init__(self, at_once: int) -> None:
        super().__init__(CONTENT)
        self.at_once = at_once
        self.given = 0

    def read(self, size: int | None = -1) -> bytes:
        block = super().read(self.at_once if size is None or size < 0 else min(size, self.at_once))
        self.given += len(block)
        return block


@pytest.mark.each
@pytest.mark.parametrize("block_size", [BLOCK, 150, 40])
@pytest.mark.parametrize("at_once", [1, 7, 99, 100, 1000])
@pytest.mark.parametrize(("value", "length"), [("bytes=0-99", 100), ("bytes=100-219", 120), ("bytes=0-999", 1000),
                                               ("bytes=0-99,200-299,400-459", 260)])
def test_what_came_is_not_read_again(value: str, length: int, at_once: int, block_size: int) -> None:
    file = Trickling(at_once)
    answer = get(RangeMiddleware(wrapped(lambda: file), block_size=block_size), value)
    assert answer.status == 206
    if "," in value:
        assert [part.content for part in parts(answer)] == [CONTENT[:100], CONTENT[200:300], CONTENT[400:460]]
    else:
        check(answer, CONTENT, int(value[6:].split("-")[0]), int(value.split("-")[1]))
    assert file.given == length


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=0-9,-10", "bytes=500-"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_file_that_shrinks_before_it_is_read_at_once(value: str, buffering: int, tmp_path: Path) -> None:
    """Nothing is sent then, and so the server can still answer 500."""
    path = _path(tmp_path)
    files: list[Any] = []

    def file() -> Any:
        files.append(open(path, "rb", buffering=buffering))
        return files[-1]

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        os.truncate(path, 5)

    app = RangeMiddleware(wrapped(file))
    with pytest.raises(TruncatedSource):
        app(environ_for(range=value), start_response)
    assert [file.closed for file in files] == [True]


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=0-9,-10", "bytes=500-"])
@pytest.mark.parametrize("buffering", [-1, 0])
def test_a_file_that_shrinks_while_it_is_sent(value: str, buffering: int, tmp_path: Path) -> None:
    path = _path(tmp_path)
    wire = Wire()
    app = RangeMiddleware(wrapped(lambda: open(path, "rb", buffering=buffering)), block_size=7)
    body = app(environ_for(range=value), wire.start_response)
    os.truncate(path, 5)
    with pytest.raises(TruncatedSource):
        send(body, wire)
    body.close()  # type: ignore[attr-defined]
    assert wire.head is not None
    assert len(wire.sent) < int(dict(wire.head[1])["Content-Length"])


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=500-5000"])
@pytest.mark.parametrize("real", [False, True], ids=["memory", "real file"])
def test_a_file_that_grows_while_it_is_sent(value: str, real: bool, tmp_path: Path) -> None:
    path = _path(tmp_path)
    file: Any = open(path, "rb") if real else io.BytesIO(CONTENT)
    wire = Wire()
    body = RangeMiddleware(wrapped(lambda: file), block_size=7)(environ_for(range=value), wire.start_response)
    if real:
        with open(path, "ab") as more:
            more.write(b"grown" * 100)
    else:
        place = file.tell()
        file.seek(0, 2)
        file.write(b"grown" * 100)
        file.seek(place)
    for chunk in body:
        wire.write(chunk)
    body.close()  # type: ignore[attr-defined]
    first_pos = {"bytes=0-": 0, "bytes=-10": 990, "bytes=500-5000": 500}[value]
    assert wire.sent == CONTENT[first_pos:]
    assert wire.head is not None
    assert dict(wire.head[1])["Content-Range"] == f"bytes {first_pos}-999/1000"


PROC = Path("/proc/version")


@pytest.mark.each
@pytest.mark.skipif(not PROC.is_file(), reason="no /proc")
@pytest.mark.parametrize("raw", [False, True], ids=["wrapped", "raw"])
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=-5"}, {"range": "bytes=0-1,5-9"},
                                    {"if_match": "*"}], ids=str)
def test_a_file_that_says_0_bytes_and_holds_some(raw: bool, buffering: int, fields: dict[str, str]) -> None:
    def file() -> Any:
        return open(PROC, "rb", buffering=buffering)
    answer = get(RangeMiddleware(answering(file) if raw else wrapped(file)), **fields)
    assert (answer.status, answer.body) == (200, PROC.read_bytes())
    assert answer.get("Content-Length") in (None, str(len(answer.body)))


@pytest.mark.parametrize("make", [lambda tmp: open(_path(tmp, b""), "rb"), lambda tmp: io.BytesIO(b"")],
                         ids=["real", "BytesIO"])
def test_an_empty_file(make: Make, tmp_path: Path) -> None:
    for value in ("bytes=0-", "bytes=0-9", "bytes=-5", "bytes=0-1,3-4"):
        answer = get(RangeMiddleware(wrapped(lambda: make(tmp_path))), value)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.get("Content-Range") is None


# --- reading economy -------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize(("value", "count", "part_count"), [
    ("bytes=0-9", 10, 1), ("bytes=-10", 10, 1), ("bytes=500000-", 500_000, 1), ("bytes=100-200099", 200_000, 1),
    ("bytes=0-9,999000-999009", 20, 2), ("bytes=999000-999009,0-9,500000-599999", 100_020, 3)])
@pytest.mark.parametrize("block_size", [BLOCK, 1000])
def test_no_more_read_than_sent_and_a_block_per_part(value: str, count: int, part_count: int, block_size: int) -> None:
    file = Bare(BIG)
    answer = get(RangeMiddleware(wrapped(lambda: file), block_size=block_size), value)
    assert answer.status == 206
    assert file.bytes_read <= count + part_count * block_size
    assert max(file.reads) <= block_size


@pytest.mark.parametrize("fields", [
    {"range": "bytes=1000000-"}, {"range": "bytes=-0"}, {"if_none_match": '"v1"'}, {"if_match": '"v2"'},
    {"range": "bytes=0-9", "if_none_match": "*"}], ids=str)
def test_nothing_read_where_nothing_is_sent(fields: dict[str, str]) -> None:
    file = Bare(BIG)
    get(RangeMiddleware(wrapped(lambda: file, ("ETag", '"v1"'))), **fields)
    assert file.bytes_read == 0
    chunks = Counted(cut(CONTENT, 10))
    get(RangeMiddleware(answering(chunks, length(1000), ("ETag", '"v1"'))),
        **{name: value.replace("1000000", "1000") for name, value in fields.items()})
    assert chunks.pulled == 0


@pytest.mark.parametrize(("value", "pulled"), [
    ("bytes=0-9", 1), ("bytes=0-0", 1), ("bytes=0-10", 2), ("bytes=5-14", 2), ("bytes=500-509", 51),
    ("bytes=-1", 100), ("bytes=0-9,20-29", 3), ("bytes=20-29,0-9", 3), ("bytes=0-9,11-12,45-46", 5)])
def test_nothing_pulled_after_the_last_byte_wanted(value: str, pulled: int) -> None:
    chunks = Counted(cut(CONTENT, 10))
    answer = get(RangeMiddleware(answering(chunks, length(1000))), value)
    assert answer.status == 206
    assert chunks.pulled == pulled


def test_a_reader_is_not_read_beyond_the_last_byte_wanted() -> None:
    reader = SaysNo(BIG)
    answer = get(RangeMiddleware(wrapped(lambda: reader, length(1_000_000))), "bytes=10-19")
    check(answer, BIG, 10, 19)
    assert reader.bytes_read <= 20 + BLOCK


def test_a_chunk_is_sent_before_the_next_is_pulled() -> None:
    chunks = Counted(cut(CONTENT, 100))
    body = iter(RangeMiddleware(answering(chunks, length(1000)))(environ_for(range="bytes=0-"), Wire().start_response))
    for index in range(1, 10):
        assert next(body) == CONTENT[100 * (index - 1):100 * index]
        assert chunks.pulled == index


def test_the_last_ten_bytes_of_a_gibibyte_cost_one_block() -> None:
    class Huge(Bare):
        """A gibibyte that takes no memory."""

        place = 0

        def __init__(self) -> None:
            super().__init__(b"")

        def seek(self, offset: int, whence: int = 0) -> int:
            self.place = offset + (0, self.place, 2**30)[whence]
            return self.place

        def tell(self) -> int:
            return self.place

        def read(self, size: int = -1) -> bytes:
            count = min(size, 2**30 - self.place) if size >= 0 else 2**30 - self.place
            self.place += count
            self.bytes_read += count
            return bytes(count)
    file = Huge()
    answer = get(RangeMiddleware(wrapped(lambda: file)), "bytes=-10")
    assert (answer.status, len(answer.body)) == (206, 10)
    assert answer.get("Content-Range") == f"bytes {2**30 - 10}-{2**30 - 1}/{2**30}"
    assert file.bytes_read <= BLOCK


GROWTH = """
import resource, sys
from rangeware import RangeMiddleware
path, value = sys.argv[1:]

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "video/mp4")])
    return environ["wsgi.file_wrapper"](open(path, "rb"))

def serve(value):
    sent = 0
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "HTTP_RANGE": value}
    body = RangeMiddleware(app)(environ, lambda status, fields, exc_info=None: print(status))
    for block in body:
        sent += len(block)
    body.close()
    return sent

serve("bytes=0-200000"), serve("bytes=0-1,200000-400000")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(serve(value))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is counted in KiB on Linux only")
@pytest.mark.parametrize(("length", "value"), [
    (2**26, "bytes=0-33554431,33554433-"),
    pytest.param(2**30, "bytes=0-", marks=pytest.mark.grid),
    pytest.param(2**30, "bytes=0-536870911,536870913-", marks=pytest.mark.grid)])
def test_a_large_file_is_sent_in_less_than_two_mebibytes(length: int, value: str, tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with open(path, "wb") as file:
        file.truncate(length)
    done = subprocess.run([sys.executable, "-c", GROWTH, str(path), value], capture_output=True, text=True, timeout=60,
                          cwd=Path(__file__).parents[2], check=True)
    *_, sent, kibibytes = done.stdout.split()
    assert int(sent) >= length - 1
    assert int(kibibytes) < 2048


def test_a_long_chunk_is_not_copied_for_a_short_range() -> None:
    chunk = bytes(32 * 2**20)
    app = RangeMiddleware(answering(lambda: iter([chunk]), length(len(chunk))))
    get(app, "bytes=0-9", validate=False)
    tracemalloc.start()
    try:
        answer = get(app, "bytes=1000-1009", validate=False)
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert len(answer.body) == 10


# --- spool_limit -----------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize(("spool_limit", "status"), [(0, 200), (1, 200), (999, 200), (1000, 206), (1001, 206),
                                                     (10**9, 206)])
@pytest.mark.parametrize("size", [1, 100, 1000, 333])
def test_spool_limit_is_the_longest_answer_kept(spool_limit: int, status: int, size: int) -> None:
    app = RangeMiddleware(answering(lambda: iter(cut(CONTENT, size))), spool_limit=spool_limit)
    answer = get(app, "bytes=100-199")
    if status == 206:
        check(answer, CONTENT, 100, 199)
        assert [part.content for part in parts(get(app, "bytes=900-909,0-9"))] == [CONTENT[900:910], CONTENT[:10]]
        assert get(app, "bytes=1000-").get("Content-Range") == "bytes */1000"
    else:
        assert (answer.status, answer.body) == (200, CONTENT)
        assert answer.get("Content-Range") is None


def test_a_spooled_empty_answer() -> None:
    answer = get(RangeMiddleware(answering(lambda: iter([])), spool_limit=10), "bytes=0-9")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(("method", "fields", "status"), [
    ("GET", {}, "200 OK"), ("HEAD", {"range": "bytes=0-9"}, "200 OK"), ("POST", {"range": "bytes=0-9"}, "200 OK"),
    ("GET", {"range": "bytes=0-9"}, "404 Not Found"), ("GET", {"if_match": "*"}, "200 OK")])
def test_only_a_200_to_a_get_with_range_is_spooled(method: str, fields: dict[str, str], status: str) -> None:
    chunks = Counted(cut(CONTENT, 100))
    body = RangeMiddleware(answering(chunks, status=status), spool_limit=10**6)(
        environ_for(method, **fields), Wire().start_response)
    assert chunks.pulled <= 1
    getattr(body, "close", lambda: None)()


def test_an_answer_too_long_for_the_spool_streams_on() -> None:
    chunks = Counted(cut(CONTENT, 100))
    body = RangeMiddleware(answering(chunks), spool_limit=250)(environ_for(range="bytes=0-9"), Wire().start_response)
    assert chunks.pulled == 3
    assert b"".join(body) == CONTENT


@pytest.mark.parametrize("value", ["bytes=9-0", "rows=0-9", "bytes=0-9,"])
def test_a_range_that_is_ignored_and_one_that_is_not_both_stay_right_with_a_spool(value: str) -> None:
    answer = get(RangeMiddleware(answering(lambda: iter(cut(CONTENT, 100))), spool_limit=5000), value)
    assert (answer.status, answer.body) in ((200, CONTENT), (206, CONTENT[:10]))
    assert (answer.status == 206) == value.endswith(",")


@pytest.mark.parametrize("spool_limit", [16 * 2**20, 128 * 2**20], ids=["over the bound", "under the bound"])
def test_the_spool_does_not_live_in_memory(spool_limit: int) -> None:
    block = bytes(BLOCK)
    app = RangeMiddleware(answering(lambda: (bytes(block) for _ in range(512))), spool_limit=spool_limit)
    tracemalloc.start()
    try:
        body = app(environ_for(range="bytes=1-"), Wire().start_response)
        sent = sum(map(len, body))
        body.close()  # type: ignore[attr-defined]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sent == (2**25 - 1 if spool_limit > 2**25 else 2**25)
    assert peak < 8 * 2**20


def test_written_and_yielded_with_a_spool() -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])(CONTENT[:300])
        return iter(cut(CONTENT[300:], 100))
    answer = get(RangeMiddleware(app, spool_limit=5000), "bytes=290-310")
    assert (answer.status, answer.body) in ((206, CONTENT[290:311]), (200, CONTENT))
