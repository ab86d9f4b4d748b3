"""A plain file goes to the server as it is only where the server sends the bytes that a part would have.

The wrappers stand in for those of servers that send more, or other, bytes than they should; ``tests/matrix`` has the
servers themselves.
"""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import contextlib
import gzip
import io
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import django.conf
import pytest
from django.http import StreamingHttpResponse

from rangeware import RangeMiddleware
from tests.support import Answer, Wire, environ_for

CONTENT = bytes((7 * i + i // 256) % 256 for i in range(300_000))
VALIDATORS = ("ETag", '"v1"'), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "film"
    made.write_bytes(CONTENT)
    return made


class Server:
    """Sends what it gets as uWSGI does (``by_descriptor``), or as wsgiref and Rocket3 do."""

    def __init__(self, by_descriptor: bool) -> None:
        self._sent_by_descriptor: Any = None
        self.wrapper: Any = self._remember if by_descriptor else FileWrapper
        self.by_descriptor = by_descriptor

    @property
    def _remember(self) -> Any:
        """uWSGI's ``wsgi.file_wrapper`` returns the file itself, and has this name."""
        def uwsgi_sendfile(file: Any, size: int = 8192) -> Any:
            self._sent_by_descriptor = file
            return file
        uwsgi_sendfile.__module__, uwsgi_sendfile.__qualname__ = None, "uwsgi_sendfile"  # type: ignore[assignment]
        return uwsgi_sendfile

    def ask(self, app: Any, **fields: str) -> Answer:
        environ, wire = environ_for(**fields), Wire()
        environ["wsgi.file_wrapper"] = self.wrapper
        body = app(environ, wire.start_response)
        assert wire.head is not None
        status, head = wire.head
        content = self._sent(body)
        getattr(body, "close", lambda: None)()
        return Answer(int(status.split()[0]), head, content, environ)

    def _sent(self, body: Iterable[bytes]) -> bytes:
        if body is not self._sent_by_descriptor:
            return b"".join(body)
        descriptor = None
        with contextlib.suppress(AttributeError, OSError):
            descriptor = body.fileno()  # type: ignore[attr-defined]
        if descriptor is not None:  # whatever position and Content-Length are
            with open(descriptor, "rb", closefd=False) as file:
                file.seek(0)
                return file.read()
        return b"".join(iter(lambda: body.read(8192), b""))  # type: ignore[attr-defined]


servers = pytest.mark.parametrize("by_descriptor", [True, False], ids=["descriptor", "to the end"])


def positioned(file: Any, position: int) -> Any:
    file.seek(position)
    return file


def ahead(file: Any, position: int) -> Any:
    """The descriptor is ahead of the file's own position."""
    file.read(10)
    return positioned(file, position)


def handing(make: Any, length: int | None, *fields: tuple[str, str], wrapped: bool = True) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        declared = [("Content-Length", str(length))] if length is not None else []
        start_response("200 OK", [("Content-Type", "video/mp4"), *declared, *fields])
        return environ["wsgi.file_wrapper"](make()) if wrapped else make()
    return RangeMiddleware(app)


@pytest.mark.each
@servers
@pytest.mark.parametrize("wrapped", [True, False])
@pytest.mark.parametrize("buffering", [-1, 0])
@pytest.mark.parametrize(("position", "declared"), [
    (0, 300_000), (0, None), (100, 299_900), (100, None), (5003, 294_997), (0, 1_000), (100, 1_000), (0, 100_007),
    (290_000, 10_000)])
@pytest.mark.parametrize("fields", [(), VALIDATORS, (*VALIDATORS, ("Accept-Ranges", "none")),
                                    (*VALIDATORS, ("Content-Encoding", "br"))], ids=["", "validators", "none", "coded"])
def test_the_whole_is_the_bytes_that_the_parts_are_of(
    by_descriptor: bool, wrapped: bool, buffering: int, position: int, declared: int | None, fields: Any, path: Path,
) -> None:
    right = CONTENT[position:][:declared]
    for move in (positioned, ahead):
        app = handing(lambda move=move: move(open(path, "rb", buffering=buffering), position), declared, *fields,
                      wrapped=wrapped)
        server = Server(by_descriptor)
        for conditions in ({}, {"if_none_match": '"v0"'}, {"range": "bytes=x"}):
            whole = server.ask(app, **conditions)
            assert (whole.status, whole.body) == (200, right)
            assert whole.get("Content-Length") in (str(len(right)), None if declared is None else "")
        part = server.ask(app, range="bytes=10-1009")
        assert part.body == (right[10:1010] if part.status == 206 else right)
        assert part.status == 206 or ("Accept-Ranges", "none") in fields


@pytest.mark.each
@servers
@pytest.mark.parametrize("declared", [len(CONTENT), None, 1000])
@pytest.mark.parametrize("position", [0, 100])
def test_a_decoding_file_is_not_sent_by_its_descriptor(by_descriptor: bool, declared: int | None, position: int,
                                                       tmp_path: Path) -> None:
    path = tmp_path / "film.gz"
    path.write_bytes(gzip.compress(CONTENT))
    right = CONTENT[position:][:declared]
    declared = None if declared is None else len(right)
    app = handing(lambda: positioned(gzip.open(path), position), declared)
    assert Server(by_descriptor).ask(app).body == right
    assert Server(by_descriptor).ask(app, range="bytes=10-19").body == right[10:20]


@servers
def test_a_file_with_a_read_of_its_own_is_not_sent_by_its_descriptor(by_descriptor: bool, path: Path) -> None:
    class Inverted(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return bytes(255 - byte for byte in super().read(-1 if size is None else size) or b"")

        def __next__(self) -> bytes:
            block = self.read(8192)
            if not block:
                raise StopIteration
            return block
    right = bytes(255 - byte for byte in CONTENT)
    for length in (None, len(CONTENT)):
        app = handing(lambda: Inverted(path), length)
        assert Server(by_descriptor).ask(app).body == right


def asked_of(app: Any, wrapper: Any, **fields: str) -> bytes:
    """The content that a server with this wrapper would send by reading it."""
    environ, wire = environ_for(**fields), Wire()
    if wrapper is not None:
        environ["wsgi.file_wrapper"] = wrapper
    body: Any = app(environ, wire.start_response)
    content = b"".join(body)
    getattr(body, "close", lambda: None)()
    return content


class Gunicorn(FileWrapper):
    """Has the name of gunicorn's, by which it is known: that server sends a file by its descriptor."""

    __module__, __qualname__ = "gunicorn.http.wsgi", "FileWrapper"


class Strip(io.BufferedReader):
    """Gives fewer bytes than there are in the file."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(size).replace(b"\r\n", b"\n")


@pytest.mark.parametrize("wrapper", [None, FileWrapper, Gunicorn])
def test_a_plain_file_with_a_read_of_its_own_is_read_by_it_once(wrapper: Any, tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"line\r\n" * 100)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ["wsgi.file_wrapper"](Strip(io.FileIO(path)), 8192)
    assert asked_of(RangeMiddleware(app), wrapper) == b"line\n" * 100


def test_a_server_that_sends_by_descriptor_gets_none_of_a_file_with_a_read_of_its_own(path: Path) -> None:
    class Masked(io.BufferedReader):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size).upper()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "300000"), *VALIDATORS])
        return environ["wsgi.file_wrapper"](Masked(io.FileIO(path)), 8192)
    environ = environ_for()
    environ["wsgi.file_wrapper"] = Gunicorn
    body: Any = RangeMiddleware(app)(environ, Wire().start_response)
    assert not isinstance(body, Gunicorn)
    assert b"".join(body) == CONTENT.upper()
    body.close()


@pytest.mark.each
@pytest.mark.parametrize("declared", [True, False])
@pytest.mark.parametrize("kind", ["memory", "disk"])
@servers
def test_a_wrapped_file_with_a_read_of_its_own_is_read_with_and_without_range(by_descriptor: bool, kind: str,
                                                                              declared: bool, path: Path) -> None:
    def masked(self: Any, size: int = -1) -> bytes:
        return bytes(255 - byte for byte in base.read(self, size))
    base: Any = io.BytesIO if kind == "memory" else io.BufferedReader
    masks = type("Masked", (base,), {"read": masked})
    app = handing(lambda: masks(CONTENT if kind == "memory" else io.FileIO(path)), len(CONTENT) if declared else None)
    right = bytes(255 - byte for byte in CONTENT)
    server = Server(by_descriptor)
    for _ in range(2):
        assert server.ask(app).body == right
        assert server.ask(app, range="bytes=10-19").body == right[10:20]


@pytest.mark.each
@pytest.mark.parametrize("declared", [True, False])
@servers
def test_a_file_returned_as_it_is_with_lines_of_its_own_is_iterated(by_descriptor: bool, declared: bool,
                                                                    path: Path) -> None:
    """By uWSGI too, which has a descriptor, but was not given the file to send it by that."""
    class Inverted(io.BufferedReader):
        def readline(self, size: int | None = -1, /) -> bytes:
            return bytes(255 - byte for byte in super().readline(size))
    app = handing(lambda: Inverted(io.FileIO(path)), len(CONTENT) if declared else None, wrapped=False)
    right = bytes(255 - byte for byte in CONTENT)
    server = Server(by_descriptor)
    for _ in range(2):
        assert server.ask(app).body == right
        part = server.ask(app, range="bytes=10-19")
        assert (part.status, part.body) == ((206, right[10:20]) if declared else (200, right))


@pytest.mark.parametrize("wrapper", [None, FileWrapper, Gunicorn])
def test_a_generator_in_a_relay_runs_to_its_end(wrapper: Any) -> None:
    """Django's ``StreamingHttpResponse`` passes on chunks, as servers do: nothing is cut out of it without Range."""
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    ended: list[str] = []

    def chunks() -> Iterable[bytes]:
        yield CONTENT[:500]
        yield CONTENT[500:1000]
        ended.append("after the last chunk")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
        return StreamingHttpResponse(chunks())
    middleware = RangeMiddleware(app)
    for _ in range(2):
        assert asked_of(middleware, wrapper) == CONTENT[:1000]
    assert len(ended) == 2


@pytest.mark.each
@pytest.mark.parametrize("wrapper", [None, FileWrapper])
@pytest.mark.parametrize("kind", ["own", "spooled", "patched"])
def test_any_file_that_is_longer_than_declared_is_cut(wrapper: Any, kind: str) -> None:
    class Own(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(size)

    def file() -> Any:
        makers: dict[str, Any] = {"spooled": tempfile.SpooledTemporaryFile, "patched": io.BytesIO, "own": Own}
        made = makers[kind]()
        made.write(CONTENT[:1000])
        made.seek(100)
        if kind == "patched":
            made.readline = made.readline
        return made

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "500")])
        return environ["wsgi.file_wrapper"](file())
    assert asked_of(RangeMiddleware(app), wrapper) == CONTENT[100:600]
    assert asked_of(RangeMiddleware(app), wrapper, range="bytes=10-19") == CONTENT[110:120]


def test_a_file_shorter_than_declared_is_not_sent_from_its_first_byte(path: Path) -> None:
    app = handing(lambda: positioned(open(path, "rb"), 100), 300_000)
    assert Server(by_descriptor=True).ask(app).body == CONTENT[100:]


@servers
def test_a_whole_file_still_goes_to_the_server_untouched(by_descriptor: bool, path: Path) -> None:
    returned: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", "300000"), *VALIDATORS])
        returned.append(environ["wsgi.file_wrapper"](open(path, "rb")))
        return returned[-1]
    middleware, server = RangeMiddleware(app), Server(by_descriptor)
    for _ in range(2):
        environ = environ_for()
        environ["wsgi.file_wrapper"] = server.wrapper
        body: Any = middleware(environ, Wire().start_response)
        assert body is returned[-1]
        body.close()


@pytest.mark.each
@servers
@pytest.mark.parametrize("status", ["404 Not Found", "206 Partial Content"])
def test_other_statuses_pass_as_they_are(by_descriptor: bool, status: str, path: Path) -> None:
    returned: list[Any] = []

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response(status, [("Content-Type", "video/mp4"), ("Content-Length", "1000")])
        returned.append(environ["wsgi.file_wrapper"](positioned(open(path, "rb"), 100)))
        return returned[-1]
    environ = environ_for()
    environ["wsgi.file_wrapper"] = Server(by_descriptor).wrapper
    body: Any = RangeMiddleware(app)(environ, Wire().start_response)
    assert body is returned[-1]
    body.close()
