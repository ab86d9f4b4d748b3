"""The fast path where something is wrong: with the app, its file, or the server.

The first request of a server never takes the fast path, so that each app is asked once before. Where the general way
would do something else, that is asserted, too: the same app is asked with the fast path closed.
"""

# ruff: noqa: SIM115 - the files are closed by the responses

from __future__ import annotations

import io
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
import werkzeug.wsgi

from rangeware import InvalidOption, RangeMiddleware
from tests.support import CONTENT, Answer, answering, environ_for, run
from tests.wsgi.test_fastpath import close

RANGE = "bytes=10-19"
TAG = ("ETag", '"v1"')
LENGTH = ("Content-Length", "1000")


def sending(open_file: Callable[[], Any], *fields: Any) -> Any:
    """An app that sends this file."""
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [*fields])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open_file())
        return wrapped
    return app


def warm(app: Any, **options: Any) -> RangeMiddleware:
    """The middleware around an app, after a request that the app did not see: the next one may take the fast path."""
    inner: list[Any] = [answering([b"first"])]
    middleware = RangeMiddleware(lambda environ, start_response: inner[0](environ, start_response), **options)
    run(middleware, environ_for(), validate=False)
    inner[0] = app
    return middleware


def ask(app: Any, value: str | None = RANGE, **options: Any) -> Answer:
    """The response of the fast path."""
    environ = environ_for() if value is None else environ_for(range=value)
    return run(warm(app, **options), environ, validate=False)


def outcome(app: Any, value: str) -> tuple[Any, ...]:
    """What the client gets, or the exception."""
    try:
        answer = ask(app, value)
    except Exception as exc:
        return type(exc), str(exc)
    return answer.status, answer.fields, answer.body


@pytest.mark.parametrize("value", [None, RANGE])
def test_the_error_of_an_asgi_app_names_the_other_middleware(value: str | None) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("is never awaited")
    inner: list[Any] = [answering([b"first"])]
    middleware = RangeMiddleware(lambda *arguments: inner[0](*arguments))
    run(middleware, environ_for(), validate=False)
    inner[0] = asgi
    with pytest.raises(InvalidOption, match="AsgiRangeMiddleware is for ASGI"):
        run(middleware, environ_for() if value is None else environ_for(range=value), validate=False)


def test_what_an_app_wrote_before_it_raised_is_carried_back() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["REMOTE_USER"] = "anna"
        raise KeyError("broken")
    environ = environ_for(range=RANGE)
    with pytest.raises(KeyError, match="broken"):
        run(warm(app), environ, validate=False)
    assert environ["REMOTE_USER"] == "anna"


class _Uncomparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError("cannot be compared")

    __hash__ = None  # type: ignore[assignment]


def test_environ_is_carried_back_where_its_values_cannot_be_compared(path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["x.own"] = _Uncomparable()
        return sending(lambda: open(path, "rb"), LENGTH)(environ, start_response)
    environ = environ_for(range=RANGE)
    environ["x.own"] = _Uncomparable()
    mine = environ["x.own"]
    answer = run(warm(app), environ, validate=False)
    assert (answer.status, answer.body) == (206, CONTENT[10:20])
    assert environ["x.own"] is not mine


@pytest.mark.parametrize("value", [None, RANGE, "bytes=0-1,5-9"])
def test_a_file_is_closed_where_the_server_refuses_the_head(value: str | None, path: Path) -> None:
    opened: list[Any] = []

    def open_file() -> Any:
        opened.append(open(path, "rb"))
        return opened[-1]

    def start_response(*arguments: Any) -> Any:
        raise OSError("the client is gone")
    middleware = warm(sending(open_file, LENGTH, TAG))
    environ = environ_for() if value is None else environ_for(range=value)
    with pytest.raises(OSError, match="the client is gone"):
        middleware(environ, start_response)
    assert opened[0].closed


def test_a_list_is_not_hidden_from_a_server_that_refuses_the_head() -> None:
    def start_response(*arguments: Any) -> Any:
        raise OSError("the client is gone")
    with pytest.raises(OSError, match="the client is gone"):
        warm(answering([CONTENT], LENGTH))(environ_for(), start_response)


@pytest.mark.parametrize("value", [None, RANGE])
def test_a_type_error_of_the_app_is_its_own(value: str | None) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        raise TypeError("not this one")
    with pytest.raises(TypeError, match="not this one"):
        ask(app, value)


def test_a_file_that_cannot_be_read_is_treated_as_in_the_general_way(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*arguments: Any) -> bytes:
        raise OSError("Input/output error")
    monkeypatch.setattr(os, "pread", failing)
    fast = outcome(sending(lambda: open(path, "rb"), LENGTH, TAG), RANGE)
    close(monkeypatch)
    assert fast == outcome(sending(lambda: open(path, "rb"), LENGTH, TAG), RANGE) == (OSError, "Input/output error")


def test_a_file_is_closed_where_a_worker_is_stopped_while_it_is_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> bytes:
        raise SystemExit(1)
    file = open(path, "rb")
    monkeypatch.setattr(os, "pread", stopped)
    with pytest.raises(SystemExit):
        ask(sending(lambda: file, LENGTH))
    assert file.closed


def test_an_error_of_close_comes_after_the_content(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_pread = os.pread

    def pread_and_lose(descriptor: int, size: int, pos: int) -> bytes:
        block = real_pread(descriptor, size, pos)
        os.close(descriptor)
        return block
    monkeypatch.setattr(os, "pread", pread_and_lose)
    sent: list[str] = []
    body: Any = warm(sending(lambda: open(path, "rb"), LENGTH))(
        environ_for(range=RANGE), lambda status, fields: sent.append(status))
    assert (sent, list(body)) == (["206 Partial Content"], [CONTENT[10:20]])
    with pytest.raises(OSError, match="Bad file descriptor"):
        body.close()


def _with_own_close(path: Path) -> Any:
    file: Any = open(path, "rb")
    file.close = lambda: io.BufferedReader.close(file)
    return file


def _with_own_read(path: Path) -> Any:
    file: Any = open(path, "rb")
    file.read = lambda size=-1: b""
    return file


def _raw_with_own_read(path: Path) -> Any:
    file: Any = open(path, "rb", buffering=0)
    file.read = lambda size=-1: b""
    return file


def _closed(path: Path) -> Any:
    file = open(path, "rb")
    file.close()
    return file


def _detached(path: Path) -> Any:
    file = open(path, "rb")
    file.detach().close()
    return file


def _without_descriptor(path: Path) -> Any:
    file = open(path, "rb")
    os.close(file.fileno())
    return file


def _one_page(path: Path) -> Any:
    page = path.with_suffix(".page")
    page.write_bytes(CONTENT[:100] * 40 + bytes(96))
    os.utime(page, (1_700_000_000, 1_700_000_000))
    return open(page, "rb")


def _at(pos: int) -> Callable[[Path], Any]:
    def open_file(path: Path) -> Any:
        file = open(path, "rb")
        file.seek(pos)
        return file
    return open_file


UNUSUAL: dict[str, tuple[Callable[[Path], Any], Any]] = {
    "closed": (_closed, LENGTH),
    "detached": (_detached, LENGTH),
    "without a descriptor": (_without_descriptor, LENGTH),
    "of one page": (_one_page, ("Content-Length", "4096")),
    "in /sys": (lambda path: open("/sys/kernel/uevent_seqnum", "rb"), ("Content-Length", "4096")),
    "a device": (lambda path: open("/dev/zero", "rb"), ("Content-Length", "0")),
    "with a close of its own": (_with_own_close, LENGTH),
    "with a read of its own": (_with_own_read, LENGTH),
    "unbuffered with a read of its own": (_raw_with_own_read, LENGTH),
    "unbuffered": (lambda path: open(path, "rb", buffering=0), LENGTH),
    "opened by its descriptor": (lambda path: os.fdopen(os.open(path, os.O_RDONLY), "rb"), LENGTH),
    "open for writing": (lambda path: open(path, "r+b"), LENGTH),
    "a buffer": (lambda path: io.BytesIO(CONTENT), LENGTH),
    "not at its first byte": (_at(100), ("Content-Length", "900")),
    "beyond its end": (_at(2000), ("Content-Length", "0")),
    "longer than declared": (lambda path: open(path, "rb"), ("Content-Length", "500")),
    "shorter than declared": (lambda path: open(path, "rb"), ("Content-Length", "1001")),
    "a length that is no number": (lambda path: open(path, "rb"), ("Content-Length", "1e3")),
    "under a field that is a list": (lambda path: open(path, "rb"), ["Content-Length", "1000"]),
}


@pytest.mark.each
@pytest.mark.parametrize("value", [
    RANGE, "bytes=0-0", "bytes=-7", "bytes=990-", "bytes=0-0,5-9", "bytes=5000-", "bytes=0-00001"])
@pytest.mark.parametrize("kind", UNUSUAL)
def test_an_unusual_file_is_treated_as_in_the_general_way(
    kind: str, value: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_file, length = UNUSUAL[kind]
    monkeypatch.setattr("secrets.token_hex", lambda size: "b" * 2 * size)
    fast = outcome(sending(lambda: open_file(path), length, TAG), value)
    close(monkeypatch)
    assert fast == outcome(sending(lambda: open_file(path), length, TAG), value)


def test_a_file_that_shrinks_is_treated_as_in_the_general_way(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real_fstat = os.fstat

    def fstat_and_cut(descriptor: int) -> os.stat_result:
        status = real_fstat(descriptor)
        os.truncate(path, 15)
        return status
    outcomes = []
    for is_closed in (False, True):
        with monkeypatch.context() as patch:
            path.write_bytes(CONTENT)
            patch.setattr(os, "fstat", fstat_and_cut)
            if is_closed:
                close(patch)
            outcomes.append(outcome(sending(lambda: open(path, "rb"), LENGTH, TAG), RANGE)[0])
    assert outcomes[1].__name__ == "TruncatedSource"
    assert outcomes[0] in (outcomes[1], 200)  # seen in time, and then passed on as a file shorter than declared


class _Server(FileWrapper):
    """The wrapper of a server that sends Content-Length bytes from the position of its own files."""


_Server.__module__, _Server.__qualname__ = "gunicorn.http.wsgi", "FileWrapper"


class _Waitress(FileWrapper):
    """The wrapper of a server that sends from ``tell()``."""


_Waitress.__module__, _Waitress.__qualname__ = "waitress.buffers", "ReadOnlyFileBasedBuffer"


def _uwsgi(file: Any, size: int) -> Iterable[bytes]:
    """The wrapper of a server that calls ``read``."""
    return iter(lambda: file.read(size), b"")


_uwsgi.__module__, _uwsgi.__qualname__ = "None", "uwsgi_sendfile"


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=10-200009", "bytes=-200000", "bytes=0-0,5-200000", "bytes=9-"])
@pytest.mark.parametrize("wrapper", [None, FileWrapper, _Server, _Waitress, _uwsgi])
@pytest.mark.parametrize("buffering", [0, -1])
def test_a_large_range_is_sent_as_in_the_general_way(
    buffering: int, wrapper: Any, value: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(CONTENT * 300)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    monkeypatch.setattr("secrets.token_hex", lambda size: "b" * 2 * size)

    def asked() -> tuple[Any, ...]:
        opened: list[Any] = []

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            opened.append(open(path, "rb", buffering=buffering))
            start_response("200 OK", [("Content-Length", "300000"), ("X-Own", "1"), ("Content-Type", "video/mp4")])
            wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened[0])
            return wrapped
        inner: list[Any] = [answering([b"first"])]
        middleware = RangeMiddleware(lambda environ, start_response: inner[0](environ, start_response))
        with socket.socket() as client:
            added = {"gunicorn.socket": client, **({} if wrapper is None else {"wsgi.file_wrapper": wrapper})}
            run(middleware, environ_for() | added, validate=False)
            inner[0] = app
            sent: list[Any] = []
            body: Any = middleware(
                environ_for(range=value) | added, lambda status, fields: sent.append((status, fields)))
            content = b"".join(body)
            getattr(body, "close", lambda: None)()
        is_closed = opened[0].closed or wrapper is _uwsgi
        opened[0].close()
        return sent, content, is_closed, type(body)
    fast = asked()
    close(monkeypatch)
    assert fast == asked()
    assert fast[0][0][0] == "206 Partial Content"
    assert fast[2]


def test_a_file_is_closed_where_the_server_refuses_the_head_of_a_large_range(path: Path) -> None:
    path.write_bytes(CONTENT * 300)
    file = open(path, "rb")

    def start_response(*arguments: Any) -> Any:
        raise OSError("the client is gone")
    inner: list[Any] = [answering([b"first"])]
    middleware = RangeMiddleware(lambda environ, start_response: inner[0](environ, start_response))
    run(middleware, environ_for() | {"wsgi.file_wrapper": _Waitress}, validate=False)
    inner[0] = sending(lambda: file, ("Content-Length", "300000"))
    with pytest.raises(OSError, match="the client is gone"):
        middleware(environ_for(range="bytes=0-") | {"wsgi.file_wrapper": _Waitress}, start_response)
    assert file.closed


@pytest.mark.parametrize("wrapper", [FileWrapper, werkzeug.wsgi.FileWrapper])
def test_a_wrapper_that_is_not_the_servers_ends_with_the_content(wrapper: Any, path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "10"), TAG, ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")])
        wrapped: Iterable[bytes] = wrapper(open(path, "rb"))
        return wrapped
    middleware = RangeMiddleware(app)
    for _ in range(2):
        environ = environ_for()
        environ["wsgi.file_wrapper"] = _Server
        assert run(middleware, environ, validate=False).body == CONTENT[:10]


class _Chunks(list):  # type: ignore[type-arg]
    """A list, as far as its content goes."""


class _Longer(_Chunks):
    """A list with an iteration of its own."""

    def __iter__(self) -> Any:
        return iter((b"abcd", b"more"))


@pytest.mark.each
@pytest.mark.parametrize("body", [
    [None], [5], [b"a", 5], "text", _Chunks([b"abcdef"]), _Chunks([b"a"]), _Longer([b"abcd"])])
@pytest.mark.parametrize("fields", [[("Content-Length", "4")], [("Content-Length", "4"), ("X-Sendfile", "/x")]])
def test_an_unusual_list_is_treated_as_in_the_general_way(
    body: Any, fields: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [*fields])
        return body

    def returned() -> tuple[Any, ...]:
        heads: list[Any] = []
        iterable = warm(app)(environ_for(), lambda status, fields: heads.append((status, fields)))
        return heads, iterable if iterable is body else b"".join(iterable)
    fast = returned()
    close(monkeypatch)
    assert fast == returned()


def test_a_content_type_that_is_bytes_is_the_servers_to_refuse() -> None:
    fields: Any = [("Content-Type", b"text/html"), LENGTH]

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", fields)
        return [CONTENT]
    heads: list[Any] = []
    warm(app)(environ_for(), lambda status, fields: heads.append(fields))
    assert heads[0][:2] == fields


def test_what_an_app_wrote_is_carried_back_although_its_head_is_malformed(path: Path) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["REMOTE_USER"] = "anna"
        return sending(lambda: open(path, "rb"), ("X-Odd",))(environ, start_response)
    environ = environ_for(range=RANGE)
    with pytest.raises(ValueError, match="unpack"):
        run(warm(app), environ, validate=False)
    assert environ["REMOTE_USER"] == "anna"


@pytest.mark.each
@pytest.mark.parametrize("options", [{"block_size": 5}, {"validators": False}, {"hide_range": False}])
@pytest.mark.parametrize("value", [None, RANGE])
def test_options_count(options: dict[str, Any], value: str | None, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def response() -> tuple[Any, ...]:
        answer = ask(sending(lambda: open(path, "rb"), LENGTH), value, **options)
        return answer.status, answer.fields, answer.body
    fast = response()
    close(monkeypatch)
    assert fast == response()


def test_a_file_keeps_its_last_modified_and_gets_its_tag_once_it_is_settled(path: Path) -> None:
    young = path.with_suffix(".new")
    young.write_bytes(CONTENT)
    names = {name for name, _ in ask(sending(lambda: open(young, "rb"), LENGTH)).fields}
    assert "Last-Modified" in names
    assert "ETag" not in names
    os.utime(young, (1_700_000_000, 1_700_000_000))
    fields = dict(ask(sending(lambda: open(young, "rb"), LENGTH)).fields)
    assert fields["Last-Modified"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert fields["ETag"] == f'"3e8-{1_700_000_000 * 10**9:x}"'
