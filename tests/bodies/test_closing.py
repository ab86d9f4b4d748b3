"""``close()`` of what the app returned is called once, on every road an answer can take."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import contextlib
import gc
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware, TruncatedSource
from tests.support import CONTENT, Counted, Wire, answering, cut, environ_for

START = Callable[..., Any]
HEAD = [("Content-Type", "application/octet-stream"), ("Content-Length", "1000"), ("ETag", '"v1"')]
UNKNOWN = [HEAD[0], HEAD[2]]


class Boom(Exception):
    """The exception that the apps of this module raise."""


class Count:
    """Counts how often something was closed, and notes if it was ever started."""

    def __init__(self) -> None:
        self.closed = 0
        self.begun = True

    def close(self) -> None:
        self.closed += 1


class ClosingList(list):  # type: ignore[type-arg]
    """A list with a ``close``, as a framework may return one."""

    count: Count

    def close(self) -> None:
        self.count.close()


class ClosingFile(io.BytesIO):
    """A file in memory that counts."""

    count: Count

    def close(self) -> None:
        self.count.close()
        super().close()


Maker = Callable[[Count, Path], Callable[..., Iterable[bytes]]]


def listed(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        body = ClosingList(cut(CONTENT, 100))
        body.count = count
        return body
    return app


class _Chunks(Counted):
    def __init__(self, chunks: Iterable[bytes], count: Count) -> None:
        super().__init__(chunks)
        self._count = count

    def close(self) -> None:
        self._count.close()


def iterator(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return _Chunks(cut(CONTENT, 100), count)
    return app


class _Iterable:
    """Iterable, but no iterator; ``close`` sits on the iterable."""

    def __init__(self, count: Count) -> None:
        self.close = count.close

    def __iter__(self) -> Iterator[bytes]:
        yield from cut(CONTENT, 100)


def iterable(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return _Iterable(count)
    return app


def _with_finally(count: Count, chunks: Iterable[bytes], begin: Callable[[], object] = lambda: None) -> Iterator[bytes]:
    count.begun = True
    try:
        begin()
        yield from chunks
    finally:
        count.close()


def generator(count: Count, tmp_path: Path) -> Any:
    count.begun = False

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return _with_finally(count, cut(CONTENT, 100))
    return app


def lazy(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        return _with_finally(count, cut(CONTENT, 100), lambda: start_response("200 OK", HEAD[:]))
    return app


class _Lazy(_Chunks):
    def __init__(self, start_response: START, count: Count) -> None:
        super().__init__(cut(CONTENT, 100), count)
        self._start_response = start_response

    def __next__(self) -> bytes:
        if not self.pulled:
            self._start_response("200 OK", HEAD[:])
        return super().__next__()


def lazy_object(count: Count, tmp_path: Path) -> Any:
    return lambda environ, start_response: _Lazy(start_response, count)


def written(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])(CONTENT)
        return _Chunks([], count)
    return app


def half_written(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])(CONTENT[:250])
        return _Chunks(cut(CONTENT[250:], 100), count)
    return app


def wrapped_memory(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        file = ClosingFile(CONTENT)
        file.count = count
        return environ.get("wsgi.file_wrapper", FileWrapper)(file, 100)
    return app


def raw_memory(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        file = ClosingFile(CONTENT)
        file.count = count
        return file
    return app


def _patched_file(count: Count, tmp_path: Path) -> Any:
    """A real file whose ``close`` is patched on the object, as Django does to be told."""
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    file = open(path, "rb")
    original = file.close

    def close() -> None:
        count.close()
        original()
    file.close = close  # type: ignore[method-assign]
    return file


def patched_file(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return environ.get("wsgi.file_wrapper", FileWrapper)(_patched_file(count, tmp_path), 100)
    return app


def patched_after_wrapping(count: Count, tmp_path: Path) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        path = tmp_path / "file"
        path.write_bytes(CONTENT)
        file = open(path, "rb")
        body = environ.get("wsgi.file_wrapper", FileWrapper)(file, 100)

        def close() -> None:
            count.close()
            file.close()
        body.close = close
        return body
    return app


KINDS: list[Maker] = [listed, iterator, iterable, generator, lazy, lazy_object, written, half_written, wrapped_memory,
                      raw_memory, patched_file, patched_after_wrapping]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)

ROADS = [  # method, fields, status
    pytest.param("GET", {}, 200, id="whole"),
    pytest.param("GET", {"range": "bytes=9-0"}, 200, id="Range ignored"),
    pytest.param("GET", {"range": "bytes=0-9", "if_range": '"v0"'}, 200, id="If-Range fails"),
    pytest.param("GET", {"if_match": '"v1"'}, 200, id="precondition holds"),
    pytest.param("GET", {"range": "bytes=0-9"}, 206, id="206 head"),
    pytest.param("GET", {"range": "bytes=-10"}, 206, id="206 tail"),
    pytest.param("GET", {"range": "bytes=0-"}, 206, id="206 of all"),
    pytest.param("GET", {"range": "bytes=0-9,500-509"}, 206, id="multipart"),
    pytest.param("GET", {"range": "bytes=500-509,0-9"}, 206, id="multipart, backwards"),
    pytest.param("GET", {"range": "bytes=1000-"}, 416, id="416"),
    pytest.param("GET", {"if_none_match": '"v1"'}, 304, id="304"),
    pytest.param("GET", {"range": "bytes=0-9", "if_none_match": '"v1"'}, 304, id="304 with Range"),
    pytest.param("GET", {"if_match": '"v0"'}, 412, id="412"),
    pytest.param("GET", {"range": "bytes=0-9", "if_match": '"v0"'}, 412, id="412 with Range"),
    pytest.param("HEAD", {}, 200, id="HEAD"),
    pytest.param("HEAD", {"range": "bytes=0-9"}, 200, id="HEAD with Range"),
    pytest.param("HEAD", {"if_none_match": '"v1"'}, 304, id="HEAD 304"),
    pytest.param("POST", {"range": "bytes=0-9"}, 200, id="POST"),
]
roads = pytest.mark.parametrize(("method", "fields", "status"), ROADS)
OWN = [road for road in ROADS if road.values[2] != 200]


def close(body: Any) -> None:
    getattr(body, "close", lambda: None)()


def begin(app: Any, method: str, fields: dict[str, str], status: int) -> tuple[Any, Wire]:
    wire = Wire()
    body = app(environ_for(method, **fields), wire.start_response)
    assert wire.head is None or wire.head[0].startswith(str(status))
    return body, wire


@pytest.mark.each
@kinds
@roads
def test_closed_once_when_sent_whole(kind: Maker, method: str, fields: dict[str, str], status: int,
                                     tmp_path: Path) -> None:
    count = Count()
    body, wire = begin(RangeMiddleware(kind(count, tmp_path)), method, fields, status)
    for chunk in body:
        wire.write(chunk)
    close(body)
    assert wire.head is not None
    assert wire.head[0].startswith(str(status))
    del body
    gc.collect()
    assert count.closed == (1 if count.begun else 0)


@pytest.mark.each
@kinds
@roads
def test_closed_once_when_the_client_goes_half_way(kind: Maker, method: str, fields: dict[str, str], status: int,
                                                   tmp_path: Path) -> None:
    count = Count()
    body, _ = begin(RangeMiddleware(kind(count, tmp_path), block_size=5), method, fields, status)
    next(iter(body), None)
    close(body)
    del body
    gc.collect()
    assert count.closed == (1 if count.begun else 0)


@pytest.mark.each
@kinds
@roads
def test_closed_once_when_never_started(kind: Maker, method: str, fields: dict[str, str], status: int,
                                        tmp_path: Path) -> None:
    count = Count()
    body, _ = begin(RangeMiddleware(kind(count, tmp_path)), method, fields, status)
    started = count.begun and (kind is not lazy or fields or method == "HEAD" or count.closed)
    close(body)
    del body
    gc.collect()
    if kind is lazy and not started:  # a generator that never ran has nothing to finish
        assert count.closed <= 1
    else:
        assert count.closed == (1 if count.begun else 0)


@pytest.mark.each
@kinds
@pytest.mark.parametrize(("method", "fields", "status"), OWN)
@pytest.mark.parametrize("steps", [0, 1, None], ids=["at once", "after one block", "at the end"])
def test_a_server_may_close_twice(kind: Maker, method: str, fields: dict[str, str], status: int, steps: int | None,
                                  tmp_path: Path) -> None:
    count = Count()
    body, _ = begin(RangeMiddleware(kind(count, tmp_path), block_size=5), method, fields, status)
    blocks = iter(body)
    if steps is None:
        list(blocks)
    elif steps:
        next(blocks, None)
    close(body)
    close(body)
    assert count.closed == (1 if count.begun else 0)


@pytest.mark.each
@kinds
@pytest.mark.parametrize(("method", "fields", "status"), OWN)
def test_closed_with_the_last_byte_where_the_server_never_closes(kind: Maker, method: str, fields: dict[str, str],
                                                                 status: int, tmp_path: Path) -> None:
    # One bridge stops asking as soon as Content-Length bytes are out, and never calls close().
    count = Count()
    body, wire = begin(RangeMiddleware(kind(count, tmp_path), block_size=7), method, fields, status)
    assert wire.head is not None
    length = int(dict(wire.head[1]).get("Content-Length", "0")) if status != 304 and method != "HEAD" else 0
    blocks = iter(body)
    while len(wire.sent) < length:
        wire.write(next(blocks))
    assert count.closed == (1 if count.begun else 0)


@pytest.mark.parametrize("fields", [{"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}], ids=str)
def test_nothing_is_read_after_close(fields: dict[str, str]) -> None:
    chunks = Counted(cut(CONTENT, 1))

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return chunks
    body, _ = begin(RangeMiddleware(app), "GET", fields, 206)
    blocks = iter(body)
    next(blocks)
    close(body)
    pulled = chunks.pulled
    with pytest.raises((StopIteration, ValueError)):
        next(blocks)
    assert chunks.pulled == pulled


# --- the app fails ---------------------------------------------------------------------------------------------------

def _failing(chunks: list[bytes]) -> Iterator[bytes]:
    yield from chunks
    raise Boom


FAILURES = [  # chunks before the failure, Range
    pytest.param([], {}, id="first chunk, whole"),
    pytest.param([], {"range": "bytes=0-9"}, id="first chunk, 206"),
    pytest.param([], {"range": "bytes=0-9,50-"}, id="first chunk, multipart"),
    pytest.param([], {"if_match": '"v1"'}, id="first chunk, precondition"),
    pytest.param([CONTENT[:100]], {}, id="mid-body, whole"),
    pytest.param([CONTENT[:100]], {"range": "bytes=0-"}, id="mid-body, 206"),
    pytest.param([CONTENT[:100]], {"range": "bytes=500-"}, id="in bytes skipped"),
    pytest.param([CONTENT[:100]], {"range": "bytes=0-9,500-"}, id="mid-body, multipart"),
    pytest.param([CONTENT[:100]], {"range": "bytes=9-0"}, id="mid-body, Range ignored"),
]


@pytest.mark.each
@pytest.mark.parametrize(("chunks", "fields"), FAILURES)
@pytest.mark.parametrize("lazily", [False, True], ids=["eager", "lazy"])
def test_closed_once_when_a_chunk_fails(chunks: list[bytes], fields: dict[str, str], lazily: bool) -> None:
    count = Count()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        def body() -> Iterator[bytes]:
            if lazily:
                start_response("200 OK", HEAD[:])
            yield from _failing(chunks)
        if not lazily:
            start_response("200 OK", HEAD[:])
        return _Chunks(body(), count)
    with pytest.raises(Boom):
        _serve(RangeMiddleware(app), environ_for(**fields))
    assert count.closed == 1


@pytest.mark.each
@pytest.mark.parametrize("options", [{}, {"spool_limit": 5000}], ids=["declared", "spooled"])
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=0-9,-10"])
def test_generators_run_their_finally_when_a_chunk_fails(options: dict[str, Any], value: str) -> None:
    count = Count()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", (UNKNOWN if options else HEAD)[:])
        return _with_finally(count, _failing([CONTENT[:100]]))
    with pytest.raises(Boom):
        _serve(RangeMiddleware(app, **options), environ_for(range=value))
    assert count.closed == 1


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=0-9,-10"])
def test_closed_once_when_the_source_ends_early(value: str) -> None:
    count = Count()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return _Chunks([CONTENT[:900]], count)
    with pytest.raises(TruncatedSource):
        _serve(RangeMiddleware(app), environ_for(range=value))
    assert count.closed == 1


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=0-9,-10"])
def test_closed_once_when_the_file_shrinks(value: str, tmp_path: Path) -> None:
    count = Count()
    app = RangeMiddleware(patched_file(count, tmp_path), block_size=7)
    body = app(environ_for(range=value), Wire().start_response)
    (tmp_path / "file").write_bytes(b"short")
    with pytest.raises(TruncatedSource):
        list(body)
    close(body)
    assert count.closed == 1


class FileIter:
    """Wraps a file as WebOb does: without ``close``, which is left to the file."""

    def __init__(self, file: Any) -> None:
        self.file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.file.read(100), b"")


FileIter.__module__ = "webob.static"


class Fragile(io.BytesIO):
    """A file of which reading fails, or closing, or both."""

    def __init__(self, count: Count, *fails: str) -> None:
        super().__init__(CONTENT)
        self.count = count
        self.fails = fails

    def read(self, size: int | None = -1) -> bytes:
        if "read" in self.fails:
            raise OSError("it cannot be read")
        return super().read(size)

    def close(self) -> None:
        self.count.close()
        if "close" in self.fails:
            raise RuntimeError("it cannot be closed")


def around(file: Any) -> Any:
    """An app that answers with this file in a wrapper without ``close``."""
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return FileIter(file)
    return RangeMiddleware(app)


@pytest.mark.each
@pytest.mark.parametrize("fails", [("read",), ("read", "close")], ids=" and ".join)
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,20-29", "bytes=0-"])
def test_a_read_that_fails_is_told_and_the_file_closed(value: str, fails: tuple[str, ...]) -> None:
    count = Count()
    file = Fragile(count, *fails)  # kept here: it closes itself where nobody has it any more
    with pytest.raises(OSError, match="cannot be read"):
        around(file)(environ_for(range=value), Wire().start_response)
    assert count.closed == 1
    file.fails = ()


@pytest.mark.parametrize(("fields", "content"), [
    ({"range": "bytes=0-9"}, CONTENT[:10]), ({"range": "bytes=5000-"}, None), ({"if_match": '"other"'}, None)])
def test_a_close_that_fails_costs_no_answer_and_is_told(fields: dict[str, str], content: bytes | None) -> None:
    count, wire = Count(), Wire()
    file = Fragile(count, "close")
    body: Any = around(file)(environ_for(**fields), wire.start_response)
    sent = b"".join(body)
    assert sent if content is None else sent == content
    assert count.closed == 1
    with pytest.raises(RuntimeError, match="cannot be closed"):
        body.close()
    body.close()
    assert count.closed == 1
    file.fails = ()


@pytest.mark.each
@kinds
@roads
def test_closed_once_when_the_server_refuses_the_head(kind: Maker, method: str, fields: dict[str, str], status: int,
                                                      tmp_path: Path) -> None:
    count = Count()

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise Boom
    body: Any = None
    failed = False
    try:
        body = RangeMiddleware(kind(count, tmp_path))(environ_for(method, **fields), start_response)
        list(body)
    except Boom:
        failed = True
    close(body)
    assert failed
    returned = body is not None
    del body
    gc.collect()
    if not returned and kind in (written, half_written):  # write() sends the head: the app never got to return a body
        assert count.closed == 0
    elif kind is lazy or not fields or method != "GET":  # straight through, the app's own start_response may fail
        assert count.closed <= 1
    else:
        assert count.closed == (1 if count.begun else 0)


def test_what_fails_to_come_closes_all_at_once() -> None:
    """Twisted does not close an iterator that raised."""
    body = Counted(_failing([CONTENT[:100]]))
    result = iter(RangeMiddleware(answering(body, ("Content-Length", "1000")))(
        environ_for(range="bytes=10-"), Wire().start_response))
    assert next(result) == CONTENT[10:100]
    with pytest.raises(Boom):
        next(result)
    assert body.closed == 1


# --- close() fails ---------------------------------------------------------------------------------------------------

@roads
def test_a_close_that_raises_is_called_once(method: str, fields: dict[str, str], status: int) -> None:
    calls: list[int] = []

    class Body(Counted):
        def close(self) -> None:
            calls.append(1)
            raise Boom

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return Body(cut(CONTENT, 100))
    with contextlib.suppress(Boom):
        _serve(RangeMiddleware(app), environ_for(method, **fields))
    assert calls == [1]


def test_the_failure_of_the_body_is_not_lost_behind_that_of_close() -> None:
    class Body(Counted):
        def close(self) -> None:
            raise KeyError("close")

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return Body(_failing([CONTENT[:100]]))
    body = RangeMiddleware(app)(environ_for(range="bytes=0-"), Wire().start_response)
    seen: list[BaseException] = []
    for step in (lambda: list(body), lambda: close(body)):
        try:
            step()
        except Exception as exc:
            seen.append(exc)
    chain = [exc for top in seen for exc in (top, top.__context__)]
    assert any(isinstance(exc, Boom) for exc in chain)


# --- spool -----------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("spool_limit", [10, 999, 1000, 5000])
@pytest.mark.parametrize("steps", [0, 1, None], ids=["at once", "after one block", "at the end"])
@pytest.mark.parametrize("fields", [{"range": "bytes=0-9"}, {"range": "bytes=0-9,500-"}, {"range": "bytes=5000-"},
                                    {"range": "bytes=0-9", "if_none_match": '"v1"'}], ids=str)
def test_closed_once_around_the_spool(spool_limit: int, steps: int | None, fields: dict[str, str]) -> None:
    count = Count()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", UNKNOWN[:])
        return _Chunks(cut(CONTENT, 100), count)
    body = RangeMiddleware(app, spool_limit=spool_limit)(environ_for(**fields), Wire().start_response)
    blocks = iter(body)
    if steps is None:
        list(blocks)
    elif steps:
        next(blocks, None)
    close(body)
    assert count.closed == 1


def test_on_plan_that_raises_leaves_nothing_open(tmp_path: Path) -> None:
    def on_plan(environ: dict[str, Any], plan: Any) -> None:
        raise Boom
    for kind in KINDS:
        count = Count()
        _serve(RangeMiddleware(kind(count, tmp_path), on_plan=on_plan), environ_for(range="bytes=0-9"))
        assert count.closed == 1, kind


def test_a_body_without_close_is_served() -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", HEAD[:])
        return iter(cut(CONTENT, 100))
    assert _serve(RangeMiddleware(app), environ_for(range="bytes=0-9")) == CONTENT[:10]


@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts on the reference counter")
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-"}, {"range": "bytes=5000-"}],
                         ids=str)
def test_no_cycle_keeps_the_file_alive(fields: dict[str, str], tmp_path: Path) -> None:
    # A server that never calls close() relies on the collector: a cycle would hold descriptors until its next run.
    gc.collect()
    gc.disable()
    try:
        alive: list[Any] = []

        class Noticed(io.BytesIO):
            def __del__(self) -> None:
                alive.remove(1)

        def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
            start_response("200 OK", HEAD[:])
            alive.append(1)
            return environ.get("wsgi.file_wrapper", FileWrapper)(Noticed(CONTENT))
        body: Any = RangeMiddleware(app)(environ_for(**fields), Wire().start_response)
        del body
        assert alive == []
    finally:
        gc.enable()


@pytest.mark.each
@pytest.mark.skipif(sys.implementation.name != "cpython", reason="counts on the reference counter")
@pytest.mark.parametrize("fields", [
    {}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-"}, {"range": "bytes=5000-"}, {"if_none_match": "*"},
    {"range": "bytes=0-9", "if_range": '"v1"'},
], ids=str)
@pytest.mark.parametrize("declares", [True, False])
def test_a_body_that_holds_start_response_is_in_no_cycle(fields: dict[str, str], declares: bool) -> None:
    # CherryPy's body does, and its file is closed when the last reference to it goes.
    alive: list[Any] = []

    class Body:
        def __init__(self, start_response: START) -> None:
            self.start_response = start_response
            self._chunks = iter(cut(CONTENT, 100))
            start_response("200 OK", [field for field in HEAD if declares or field[0] != "Content-Length"])
            alive.append(1)

        def __iter__(self) -> Iterator[bytes]:
            return self._chunks

        def close(self) -> None:
            pass

        def __del__(self) -> None:
            alive.remove(1)

    app = RangeMiddleware(lambda environ, start_response: Body(start_response), spool_limit=10_000)
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):  # the second request may take the fast path
            _serve(app, environ_for(**fields))
            assert alive == []
    finally:
        gc.enable()


def _serve(app: Any, environ: dict[str, Any]) -> bytes:
    wire = Wire()
    body = app(environ, wire.start_response)
    try:
        for chunk in body:
            wire.write(chunk)
    finally:
        close(body)
    return wire.sent
