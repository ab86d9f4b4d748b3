"""Plain requests, of which the middleware looks at the head only: what must come out as if it had looked closer.

A middleware looks closer at the first request that a server makes, to learn what it offers; so what is asked twice has
gone both ways.
"""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware
from tests.support import CONTENT, Answer, Counted, Wire, environ_for, run

LENGTH = ("Content-Length", "1000")
TYPE = ("Content-Type", "video/mp4")
ETAG = ("ETag", '"v1"')
MODIFIED = ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")

Body = Callable[[Path], Iterable[bytes]]


class Handed(FileWrapper):
    """A wrapper of which the server takes the descriptor, as gunicorn does with its own."""


Handed.__module__, Handed.__qualname__ = "gunicorn.http.wsgi", "FileWrapper"


def opened(path: Path, looks: int = 0) -> io.BufferedReader:
    """The file, after the app has looked at so many of its bytes and gone back."""
    file = open(path, "rb")
    file.read(looks)
    file.seek(0)
    return file


class Halving(io.BytesIO):
    """A file with an iteration of its own."""

    def __iter__(self) -> Any:
        return iter((CONTENT[:500], CONTENT[500:]))


def shorter(path: Path) -> io.BufferedReader:
    """A file that holds less than is declared."""
    cut = path.with_suffix(".cut")
    cut.write_bytes(CONTENT[:500])
    os.utime(cut, (1_700_000_000, 1_700_000_000))
    return opened(cut)


def spooled(path: Path) -> Any:
    """A file without a name that has the content."""
    file = tempfile.SpooledTemporaryFile()
    file.write(CONTENT)
    file.seek(0)
    return file


def generated(path: Path) -> Iterator[bytes]:
    yield from (CONTENT[:300], CONTENT[300:])


BODIES: dict[str, Body] = {
    "list": lambda path: [CONTENT],
    "tuple": lambda path: (CONTENT[:1], CONTENT[1:]),
    "empty list": lambda path: [],
    "empty tuple": lambda path: (),
    "generator": generated,
    "file": opened,
    "file in the server's wrapper": lambda path: Handed(opened(path)),
    "file looked into": lambda path: Handed(opened(path, 16)),
    "file of half the length": lambda path: Handed(shorter(path)),
    "file without a wrapper, of half the length": lambda path: shorter(path),
    "file with an iteration of its own": lambda path: Halving(CONTENT),
    "raw file": lambda path: Handed(open(path, "rb", buffering=0)),
    "file open for writing": lambda path: Handed(open(path, "r+b")),
    "buffer": lambda path: Handed(io.BytesIO(CONTENT)),
    "spooled": lambda path: Handed(spooled(path)),
}

HEADS: dict[str, list[tuple[str, str]]] = {
    "nothing": [],
    "length": [LENGTH],
    "all": [TYPE, LENGTH, ETAG, MODIFIED],
    "one validator, twice": [LENGTH, ETAG, ETAG],
    "one validator, another twice": [LENGTH, MODIFIED, MODIFIED],
    "two lengths": [LENGTH, ("Content-Length", "7"), ETAG, MODIFIED],
    "the same length twice": [LENGTH, LENGTH, ETAG, MODIFIED],
    "an empty length": [("Content-Length", ""), LENGTH, ETAG, MODIFIED],
    "noughts": [("Content-Length", "00"), ETAG, MODIFIED],
    "nought": [("Content-Length", "0"), ETAG, MODIFIED],
    "a leading nought": [("Content-Length", "01000"), ETAG, MODIFIED],
    "other digits": [("Content-Length", "\u0661\u0660\u0660\u0660"), ETAG, MODIFIED],
    "superscript": [("Content-Length", "1\u00b2"), ETAG, MODIFIED],
    "very long": [("Content-Length", "1" + "0" * 30), ETAG, MODIFIED],
    "multipart of its own": [("Content-Type", "Multipart/ByteRanges; boundary=x"), LENGTH, ETAG, MODIFIED],
    "message": [("Content-Type", "message/http"), LENGTH, ETAG, MODIFIED],
    "empty type": [("Content-Type", ""), LENGTH, ETAG, MODIFIED],
    "declines": [LENGTH, ETAG, MODIFIED, ("Accept-Ranges", "none")],
    "accepts": [LENGTH, ETAG, MODIFIED, ("Accept-Ranges", "bytes")],
    "coded": [LENGTH, MODIFIED, ("ETag", 'W/"1"'), ("Content-Encoding", "gzip")],
    "off-loaded": [LENGTH, ETAG, MODIFIED, ("X-Accel-Redirect", "/x")],
    "other case": [("content-length", "1000"), ("etag", '"v1"'), ("last-modified", MODIFIED[1])],
    "unknown field": [LENGTH, ETAG, MODIFIED, ("X-Something", "else")],
}


def answering(fields: list[tuple[str, str]], body: Callable[[], Iterable[bytes]], status: str = "200 OK") -> Any:
    """An app behind us that answers this."""
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, list(fields))
        return body()
    return RangeMiddleware(app)


def asked(app: Any, wrapper: Any = Handed) -> Answer:
    """A plain request from a server with this wrapper."""
    environ = environ_for()
    environ["wsgi.file_wrapper"] = wrapper
    return run(app, environ, validate=False)


@pytest.mark.each
@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("kind", BODIES)
def test_a_glance_and_a_closer_look_tell_the_same(kind: str, head: str, path: Path) -> None:
    app = answering(HEADS[head], lambda: BODIES[kind](path))
    closer, glance = asked(app), asked(app)
    assert (glance.status, glance.body) == (closer.status, closer.body)
    assert sorted(glance.fields) == sorted(closer.fields)


@pytest.mark.each
@pytest.mark.parametrize("looks", [0, 1, 16, 999])
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize("times", [1, 20], ids=["all of the file", "the beginning of the file"])
def test_a_server_that_takes_the_descriptor_finds_it_where_the_file_stands(looks: int, buffering: int, times: int,
                                                                           path: Path) -> None:
    path.write_bytes(CONTENT * times)

    def body() -> Any:
        file = open(path, "rb", buffering=buffering)
        file.read(looks)
        file.seek(0)
        return Handed(file)

    app = answering([TYPE, LENGTH, ETAG, MODIFIED], body)
    for _ in range(3):
        wire = Wire()
        environ = environ_for()
        environ["wsgi.file_wrapper"] = Handed
        given: Any = app(environ, wire.start_response)
        assert os.lseek(given.filelike.fileno(), 0, os.SEEK_CUR) == 0
        assert given.filelike.tell() == 0
        given.close()


def test_a_file_that_is_closed_already_is_the_servers_to_find_out(path: Path) -> None:
    def closed() -> Any:
        file = opened(path)
        file.close()
        return Handed(file)

    app = answering([TYPE, LENGTH, ETAG, MODIFIED], closed)
    for _ in range(2):
        with pytest.raises(ValueError, match="closed file"):
            asked(app)


@pytest.mark.parametrize("fields", [[TYPE, LENGTH, ETAG, MODIFIED], [LENGTH]])
def test_what_the_server_refuses_is_closed_once(fields: list[tuple[str, str]]) -> None:
    def refuse(status: str, headers: Any, exc_info: Any = None) -> Any:
        raise OSError("no such client")

    bodies = [Counted([CONTENT]), Counted([CONTENT])]
    rest = iter(bodies)
    app = answering(fields, lambda: next(rest))
    for body in bodies:
        environ = environ_for()
        with pytest.raises(OSError, match="no such client"):
            app(environ, refuse)
        assert body.closed == 1


@pytest.mark.parametrize("name", ["Content-Type", "ETag", "Last-Modified"])
def test_a_field_that_is_no_text_is_the_servers_to_refuse(name: str) -> None:
    fields: list[Any] = [field for field in (TYPE, LENGTH, ETAG, MODIFIED) if field[0] != name]
    app = answering([*fields, (name, None)], lambda: [CONTENT])
    assert [asked(app).all(name) for _ in range(2)] == [[None], [None]]


@pytest.mark.parametrize("status", ["200 OK", "200 Fine", "404 Not Found", "206 Partial Content", "500 Oh", "20"])
def test_any_status_comes_as_it_is(status: str) -> None:
    app = answering([LENGTH], lambda: [CONTENT], status)
    for _ in range(2):
        wire = Wire()
        b"".join(app(environ_for(), wire.start_response))
        assert wire.head is not None
        assert wire.head[0] == status


@pytest.mark.parametrize("wrapper", [None, Handed])
def test_an_app_finds_a_wrapper_on_each_request(wrapper: Any, path: Path) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [LENGTH, ETAG, MODIFIED])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened(path))
        return wrapped

    served = RangeMiddleware(app)
    for offered in (wrapper, wrapper, None, Handed, wrapper):
        environ = environ_for()
        if offered is not None:
            environ["wsgi.file_wrapper"] = offered
        assert run(served, environ, validate=False).body == CONTENT


# --- what must not be taken for plain, also on the second request ---

def twice(app: Any, **fields: str) -> list[Answer]:
    """Send the same request twice to the same middleware."""
    return [run(app, environ_for(**fields)) for _ in range(2)]


HEAD = [("Content-Type", "text/plain"), LENGTH, ETAG, MODIFIED]


def test_an_app_that_starts_with_its_first_chunk() -> None:
    def app(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", HEAD)
        yield CONTENT

    for answer in twice(RangeMiddleware(app)):
        assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, "bytes")


def test_an_app_that_writes() -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", HEAD)(CONTENT[:10])
        return [CONTENT[10:]]

    for answer in twice(RangeMiddleware(app)):
        assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, "bytes")


def test_an_app_that_is_left_alone_on_some_requests() -> None:
    said = iter([True, False, True, False])
    app = RangeMiddleware(answering(HEAD, lambda: [CONTENT])._app, applies=lambda environ: next(said))
    assert [answer.get("Accept-Ranges") for _ in range(2) for answer in twice(app)] == ["bytes", None] * 2


class Hiding(FileWrapper):
    """A wrapper that does not tell which file is in it, as that of a server in C."""


Hiding.__module__ = "builtins"


def test_a_wrapper_that_hides_its_file_never_reaches_the_app(path: Path) -> None:
    given: list[Any] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        given.append(environ["wsgi.file_wrapper"])
        start_response("200 OK", HEAD)
        wrapped: Iterable[bytes] = given[-1](opened(path))
        return wrapped

    served = RangeMiddleware(app)
    for _ in range(3):
        environ = environ_for()
        environ["wsgi.file_wrapper"] = Hiding
        assert run(served, environ).body == CONTENT
        assert environ["wsgi.file_wrapper"] is Hiding
    assert Hiding not in given


@pytest.mark.parametrize("name", ["range", "if_range"])
def test_a_lone_field_of_a_range_request_is_hidden(name: str) -> None:
    seen: list[bool] = []

    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        seen.append(f"HTTP_{name.upper()}" in environ or f"rangeware.{name}" not in environ)
        start_response("200 OK", HEAD)
        return [CONTENT]

    twice(RangeMiddleware(app), **{name: "bytes=0-9"})
    assert seen == [False, False]


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,20-29", "bytes=5000-"])
@pytest.mark.parametrize("declared", ["1001", "2000"])
def test_a_file_shorter_than_declared_is_not_sliced(value: str, declared: str, path: Path) -> None:
    fields = [("Content-Type", "text/plain"), ("Content-Length", declared), ETAG, MODIFIED]
    app = answering(fields, lambda: FileWrapper(opened(path)))
    for answer in twice(app, range=value):
        assert (answer.status, answer.body, answer.get("Content-Length")) == (200, CONTENT, declared)


# --- phrases ---

@pytest.mark.parametrize("status", ["206 Some of it", "404 Gone fishing", "299 Odd", "416 No"])
def test_the_phrase_of_an_app_stays_its_own(status: str, path: Path) -> None:
    def app(environ: Any, start_response: Any) -> Iterable[bytes]:
        start_response(status, [("Content-Range", "bytes 0-999/2000")])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened(path))
        return wrapped

    for value in (None, "bytes=0-9"):
        wire = Wire()
        environ = environ_for(**({} if value is None else {"range": value}))
        body: Any = RangeMiddleware(app)(environ, wire.start_response)
        assert (wire.head or [None])[0] == status
        assert b"".join(body) == CONTENT
        getattr(body, "close", lambda: None)()
