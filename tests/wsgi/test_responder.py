"""The start_response protocol of PEP 3333, seen from the app's side and from the server's side."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.validate import validator

import pytest

from rangeware import RangeMiddleware
from tests.support import CONTENT, Answer, Counted, Wire, answering, cut, environ_for, get, parts, run

LENGTH = ("Content-Length", "1000")
HEAD = [("Content-Type", "application/octet-stream"), LENGTH, ("ETag", '"v1"')]
ERROR_HEAD = [("Content-Type", "text/plain"), ("Content-Length", "5")]
PROTOCOL_ERRORS = (AssertionError, RuntimeError, TypeError, ValueError)
START = Callable[..., Any]


class Boom(Exception):
    """The exception that the apps of this module raise."""


def raised() -> tuple[Any, Any, Any]:
    """An exc_info of a Boom."""
    try:
        raise Boom
    except Boom:
        return sys.exc_info()


# --- apps that all mean the same 200 of CONTENT ----------------------------------------------------------------------

def eager_list(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    return [CONTENT]


def eager_generator(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    return (chunk for chunk in cut(CONTENT, 64))


def lazy_generator(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    yield from cut(CONTENT, 64)


def lazy_generator_empty_first(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    yield b""
    yield CONTENT


class LazyObject:
    """An app that is a class; it speaks at the first ``next``."""

    def __init__(self, environ: dict[str, Any], start_response: START) -> None:
        self._start_response = start_response
        self._chunks = iter(cut(CONTENT, 300))
        self._spoken = False

    def __iter__(self) -> LazyObject:
        return self

    def __next__(self) -> bytes:
        if not self._spoken:
            self._spoken = True
            self._start_response("200 OK", HEAD[:])
        return next(self._chunks)


class LazyIter:
    """An app that is a class; it speaks in a generator ``__iter__``."""

    def __init__(self, environ: dict[str, Any], start_response: START) -> None:
        self._start_response = start_response

    def __iter__(self) -> Iterator[bytes]:
        self._start_response("200 OK", HEAD[:])
        yield from cut(CONTENT, 300)


def write_only(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])(CONTENT)
    return []


def write_twice_then_list(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    write = start_response("200 OK", HEAD[:])
    write(CONTENT[:5])
    write(b"")
    write(CONTENT[5:500])
    return [CONTENT[500:]]


def write_then_generator(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])(CONTENT[:5])
    return (chunk for chunk in cut(CONTENT[5:], 100))


def write_inside_the_generator(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    write = start_response("200 OK", HEAD[:])
    write(CONTENT[:5])
    yield from cut(CONTENT[5:], 100)


def head_replaced_before_the_body(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("500 Oops", ERROR_HEAD[:])
    start_response("200 OK", HEAD[:], raised())
    return [CONTENT]


def head_replaced_in_the_generator(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("404 Not Found", ERROR_HEAD[:])
    start_response("200 OK", HEAD[:], raised())
    yield CONTENT


def exc_info_none(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:], None)
    return [CONTENT]


SPEAKERS = [eager_list, eager_generator, lazy_generator, lazy_generator_empty_first, LazyObject, LazyIter, write_only,
            write_twice_then_list, write_then_generator, write_inside_the_generator, head_replaced_before_the_body,
            head_replaced_in_the_generator, exc_info_none]
speakers = pytest.mark.parametrize("app", SPEAKERS, ids=lambda app: app.__name__)


@speakers
def test_without_range_the_answer_is_the_apps(app: Any) -> None:
    answer = get(RangeMiddleware(app))
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, "bytes")
    assert set(HEAD) <= set(answer.fields)


@pytest.mark.each
@speakers
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=0-9", 0, 9), ("bytes=3-7", 3, 7), ("bytes=4-5", 4, 5), ("bytes=2-599", 2, 599), ("bytes=-1", 999, 999),
    ("bytes=0-", 0, 999)])
def test_one_range_of_every_speaker(app: Any, value: str, first_pos: int, last_pos: int) -> None:
    answer = get(RangeMiddleware(app), value)
    assert answer.status == 206
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/1000"
    assert answer.body == CONTENT[first_pos:last_pos + 1]
    assert answer.get("Content-Length") == str(len(answer.body))


@speakers
def test_several_ranges_of_every_speaker(app: Any) -> None:
    answer = get(RangeMiddleware(app), "bytes=2-7,400-600,-1")
    assert answer.status == 206
    assert [part.content for part in parts(answer)] == [CONTENT[2:8], CONTENT[400:601], CONTENT[-1:]]
    assert answer.get("Content-Length") == str(len(answer.body))


@pytest.mark.each
@speakers
@pytest.mark.parametrize(("fields", "status"), [
    ({"range": "bytes=1000-"}, 416), ({"if_none_match": '"v1"'}, 304), ({"if_match": '"v2"'}, 412),
    ({"range": "bytes=0-9", "if_none_match": "*"}, 304)])
def test_every_speaker_can_be_refused(app: Any, fields: dict[str, str], status: int) -> None:
    answer = get(RangeMiddleware(app), **fields)
    assert answer.status == status
    assert CONTENT[:5] not in answer.body
    assert answer.get("Content-Length") in (None, str(len(answer.body)))


@pytest.mark.each
@speakers
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"if_none_match": '"v1"'}, {"if_match": '"v2"'}])
def test_head_puts_no_body_on_the_wire(app: Any, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(app), method="HEAD", **fields)
    expected = 304 if "if_none_match" in fields else 412 if "if_match" in fields else 200
    assert (answer.status, answer.body) == (expected, b"")


VALID_SPEAKERS = [app for app in SPEAKERS if app is not write_inside_the_generator]


@pytest.mark.each
@pytest.mark.parametrize("app", VALID_SPEAKERS, ids=lambda app: app.__name__)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("fields", [
    {}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,20-29"}, {"range": "bytes=5000-"}, {"range": "rows=1"},
    {"range": "bytes=0-9", "if_range": '"v1"'}, {"range": "bytes=0-9", "if_range": '"v2"'},
    {"if_none_match": '"v1"'}, {"if_match": '"v2"'}], ids=str)
def test_valid_between_two_validators(app: Any, method: str, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(validator(app)), method=method, **fields)
    if method == "POST":
        assert (answer.status, answer.body) == (200, CONTENT)
    if method == "HEAD":
        assert answer.body == b""
    else:
        assert answer.get("Content-Length") in (None, str(len(answer.body)))


# --- start_response called twice -------------------------------------------------------------------------------------

def fails_before_the_body(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    start_response("500 Oops", ERROR_HEAD[:], raised())
    return [b"error"]


def fails_at_first_next(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    def body() -> Iterator[bytes]:
        start_response("500 Oops", ERROR_HEAD[:], raised())
        yield b"error"
    start_response("200 OK", HEAD[:])
    return body()


def fails_lazily(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    start_response("500 Oops", ERROR_HEAD[:], raised())
    yield b"error"


def fails_after_an_empty_chunk(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    def body() -> Iterator[bytes]:
        yield b""
        start_response("500 Oops", ERROR_HEAD[:], raised())
        yield b"error"
    start_response("200 OK", HEAD[:])
    return body()


@pytest.mark.each
@pytest.mark.parametrize("app", [fails_before_the_body, fails_at_first_next, fails_lazily, fails_after_an_empty_chunk],
                         ids=lambda app: app.__name__)
@pytest.mark.parametrize("fields", [
    {}, {"range": "bytes=0-9"}, {"range": "bytes=-10"}, {"range": "bytes=0-9,50-59"},
    {"range": "bytes=0-9", "if_match": '"v1"'}, {"if_match": '"v1"'}], ids=str)
def test_exc_info_before_the_first_byte_replaces_the_head(app: Any, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(app), **fields)
    assert (answer.status, answer.body) == (500, b"error")
    assert answer.get("Content-Length") == "5"
    assert answer.get("Content-Range") is None
    assert answer.get("ETag") is None


def fails_in_mid_body(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    yield CONTENT[:100]
    start_response("500 Oops", ERROR_HEAD[:], raised())
    yield b"error"


def fails_after_write(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])(CONTENT[:100])

    def body() -> Iterator[bytes]:
        yield CONTENT[100:200]
        start_response("500 Oops", ERROR_HEAD[:], raised())
        yield b"error"
    return body()


@pytest.mark.each
@pytest.mark.parametrize("app", [fails_in_mid_body, fails_after_write], ids=lambda app: app.__name__)
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-"}, {"range": "bytes=5-999"}, {"range": "bytes=0-9,50-"},
                                    {"if_match": '"v1"'}], ids=str)
def test_exc_info_after_the_first_byte_is_raised_again(app: Any, fields: dict[str, str]) -> None:
    wire = Wire()
    with pytest.raises(Boom):
        _serve(RangeMiddleware(app), environ_for(**fields), wire)
    assert b"error" not in wire.sent


@pytest.mark.parametrize("value", ["bytes=500-", "bytes=-1", "bytes=500-600,-1"])
def test_exc_info_in_bytes_skipped_gives_an_error_or_the_error_page(value: str) -> None:
    # The server has seen our 206 but no byte: to replace the head is right, to raise again is right, a mixture is not.
    wire = Wire()
    try:
        _serve(RangeMiddleware(fails_in_mid_body), environ_for(range=value), wire)
    except Boom:
        assert b"error" not in wire.sent
        return
    assert wire.head is not None
    assert (wire.head[0][:3], wire.sent) == ("500", b"error")


def _twice_eagerly(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    start_response("200 OK", HEAD[:])
    return [CONTENT]


def _twice_lazily(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    start_response("200 OK", HEAD[:])
    yield CONTENT


def _twice_in_mid_body(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    yield CONTENT[:100]
    start_response("200 OK", HEAD[:])
    yield CONTENT[100:]


def _never(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    return [CONTENT]


def _never_lazily(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    yield CONTENT


@pytest.mark.each
@pytest.mark.parametrize("app", [_twice_eagerly, _twice_lazily, _twice_in_mid_body, _never, _never_lazily],
                         ids=lambda app: app.__name__)
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-"}, {"if_match": '"v1"'}], ids=str)
def test_a_head_too_many_or_too_few_is_an_error(app: Any, fields: dict[str, str]) -> None:
    with pytest.raises(PROTOCOL_ERRORS):
        _serve(RangeMiddleware(app), environ_for(**fields), Wire())


# --- the app raises --------------------------------------------------------------------------------------------------

def _raises_before_head(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    raise Boom


def _raises_after_head(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    raise Boom


def _raises_lazily_before_head(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    raise Boom
    yield b""


def _raises_lazily_after_head(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    raise Boom
    yield b""


def _raises_in_mid_body(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
    start_response("200 OK", HEAD[:])
    yield CONTENT[:100]
    raise Boom


def _raises_after_write(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])(CONTENT[:100])
    raise Boom


@pytest.mark.each
@pytest.mark.parametrize(("app", "at_most"), [
    (_raises_before_head, 0), (_raises_after_head, 0), (_raises_lazily_before_head, 0), (_raises_lazily_after_head, 0),
    (_raises_in_mid_body, 100), (_raises_after_write, 100)])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-"}, {"range": "bytes=0-9,500-"}, {"if_match": '"v1"'}],
                         ids=str)
def test_what_the_app_raises_reaches_the_server(app: Any, at_most: int, fields: dict[str, str]) -> None:
    wire = Wire()
    with pytest.raises(Boom):
        _serve(RangeMiddleware(app), environ_for(**fields), wire)
    if "," not in fields.get("range", ""):
        assert CONTENT[:at_most].startswith(wire.sent)


@pytest.mark.parametrize("app", [_raises_before_head, _raises_lazily_before_head], ids=lambda app: app.__name__)
def test_no_head_when_the_app_gave_none(app: Any) -> None:
    wire = Wire()
    with pytest.raises(Boom):
        _serve(RangeMiddleware(app), environ_for(range="bytes=0-9"), wire)
    assert wire.head is None


# --- write() ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=600-"}, {"if_match": "*"}], ids=str)
def test_write_without_declared_length_is_passed_on_in_order(fields: dict[str, str]) -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        write = start_response("200 OK", HEAD[:1])
        write(CONTENT[:100])
        write(CONTENT[100:500])
        return [CONTENT[500:]]
    answer = get(RangeMiddleware(app), **fields)
    assert (answer.status, answer.body) == (200, CONTENT)
    # What was written is no part of the list returned: the sum over the list is not the complete length.
    assert answer.get("Content-Length") in (None, "1000")
    assert answer.get("Accept-Ranges") is None


@pytest.mark.each
@pytest.mark.parametrize("fields", [{"if_none_match": '"v1"'}, {"if_none_match": '"v1"', "range": "bytes=0-9"}])
@pytest.mark.parametrize("app", [write_only, write_twice_then_list, write_then_generator],
                         ids=lambda app: app.__name__)
def test_nothing_written_survives_a_304(app: Any, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(app), **fields)
    assert (answer.status, answer.body) == (304, b"")


def _serve_without_write(app: Any, environ: dict[str, Any]) -> Answer:
    wire = Wire()

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        wire.start_response(status, headers, exc_info)
    body = app(environ, start_response)
    try:
        for chunk in body:
            wire.write(chunk)
    finally:
        getattr(body, "close", lambda: None)()
    assert wire.head is not None
    return Answer(int(wire.head[0][:3]), wire.head[1], wire.sent, environ)


@pytest.mark.each
@speakers
@pytest.mark.parametrize(("fields", "status"), [
    ({"range": "bytes=0-9"}, 206), ({"range": "bytes=0-9,500-"}, 206), ({"range": "bytes=1000-"}, 416),
    ({"range": "bytes=9-0"}, 200), ({"if_none_match": '"v1"'}, 304)])
def test_a_server_whose_start_response_returns_nothing(app: Any, fields: dict[str, str], status: int) -> None:
    answer = _serve_without_write(RangeMiddleware(app), environ_for(**fields))
    assert answer.status == status
    if status == 200:
        assert answer.body == CONTENT
    if fields.get("range") == "bytes=0-9":
        assert answer.body == CONTENT[:10]


@pytest.mark.parametrize("app", [eager_list, eager_generator, lazy_generator, LazyIter], ids=lambda app: app.__name__)
def test_no_write_is_needed_without_range(app: Any) -> None:
    answer = _serve_without_write(RangeMiddleware(app), environ_for())
    assert (answer.status, answer.body) == (200, CONTENT)


# --- environ ---------------------------------------------------------------------------------------------------------

class Looker:
    """An app that keeps the environ it was given and changes it."""

    def __init__(self) -> None:
        self.environ: dict[str, Any] = {}
        self.as_given: dict[str, Any] = {}

    def __call__(self, environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        self.environ, self.as_given = environ, dict(environ)
        if "rangeware.range" in environ:
            environ["PATH_INFO"] = "/changed"
            environ["HTTP_COOKIE"] = "a=1"
        start_response("200 OK", HEAD[:])
        return [CONTENT]


def test_the_app_gets_the_environ_itself_without_range() -> None:
    app, environ = Looker(), environ_for()
    run(RangeMiddleware(app), environ, validate=False)
    assert app.environ is environ


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_range_is_hidden_and_kept_under_our_names(method: str) -> None:
    app, environ = Looker(), environ_for(method, range="bytes=0-9", if_range='"v1"')
    run(RangeMiddleware(app), environ, validate=False)
    assert "HTTP_RANGE" not in app.as_given
    assert "HTTP_IF_RANGE" not in app.as_given
    assert (app.as_given["rangeware.range"], app.as_given["rangeware.if_range"]) == ("bytes=0-9", '"v1"')
    assert type(app.environ) is dict  # PEP 3333: a builtin dictionary, no subclass


def test_no_if_range_is_made_up() -> None:
    app = Looker()
    get(RangeMiddleware(app), "bytes=0-9")
    assert app.as_given.get("rangeware.if_range") is None
    assert "HTTP_IF_RANGE" not in app.as_given


@pytest.mark.each
@pytest.mark.parametrize("hide_range", [True, False])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,20-29", "bytes=5000-", "nonsense"])
def test_the_servers_environ_is_changed_by_the_app_only(value: str, hide_range: bool) -> None:
    server_wrapper = object()
    app, environ = Looker(), environ_for(range=value, if_range='"v1"', cookie="b=2")
    environ["wsgi.file_wrapper"] = server_wrapper
    before = dict(environ)
    run(RangeMiddleware(app, hide_range=hide_range), environ, validate=False)
    environ.pop("rangeware.plan")
    assert environ == {**before, "PATH_INFO": "/changed", "HTTP_COOKIE": "a=1"}
    assert environ["wsgi.file_wrapper"] is server_wrapper
    assert app.environ is not environ


def test_our_wrapper_is_offered_with_range() -> None:
    app, environ = Looker(), environ_for(range="bytes=0-9")
    run(RangeMiddleware(app), environ, validate=False)
    assert isinstance(app.as_given["wsgi.file_wrapper"], type)


def test_hide_range_false_leaves_range_visible() -> None:
    app = Looker()
    answer = get(RangeMiddleware(app, hide_range=False), "bytes=0-9", if_range='"v1"')
    assert (app.as_given["HTTP_RANGE"], app.as_given["HTTP_IF_RANGE"]) == ("bytes=0-9", '"v1"')
    assert (answer.status, answer.body) == (206, CONTENT[:10])


def test_hide_range_false_lets_the_apps_206_pass() -> None:
    app = answering([b"from a store"], ("Content-Range", "bytes 0-11/99"), status="206 Partial Content")
    answer = get(RangeMiddleware(app, hide_range=False), "bytes=0-11")
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, b"from a store", "bytes 0-11/99")


@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"},
                                    {"if_none_match": '"v1"'}], ids=str)
def test_an_app_that_gives_the_same_list_of_fields_each_time(fields: dict[str, str]) -> None:
    shared = HEAD[:]

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", shared)
        return [CONTENT]
    wrapped = RangeMiddleware(app)
    get(wrapped, **fields)
    assert get(wrapped).fields == get(RangeMiddleware(eager_list)).fields


def test_start_response_is_called_before_the_body_is_returned() -> None:
    # A server may read the head right after the call; a lazily started app then went out without one.
    for app in SPEAKERS:
        wire = Wire()
        body = RangeMiddleware(app)(environ_for(range="bytes=0-9"), wire.start_response)
        assert wire.head is not None, app
        assert wire.head[0].startswith("206"), app
        getattr(body, "close", lambda: None)()


def test_one_chunk_is_drawn_from_a_lazy_app_and_no_more() -> None:
    pulled = Counted(cut(CONTENT, 10))

    def app(environ: dict[str, Any], start_response: START) -> Iterator[bytes]:
        start_response("200 OK", HEAD[:])
        yield from pulled
    body = RangeMiddleware(app)(environ_for(range="bytes=500-509"), Wire().start_response)
    assert pulled.pulled <= 1
    getattr(body, "close", lambda: None)()


def _serve(app: Any, environ: dict[str, Any], wire: Wire) -> None:
    body = app(environ, wire.start_response)
    try:
        for chunk in body:
            wire.write(chunk)
        assert wire.head is not None, "no head"
    finally:
        getattr(body, "close", lambda: None)()
