"""Apps that are wrong on purpose, and answers that rangeware has no business with."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware, TruncatedSource
from tests.support import CONTENT, Wire, answering, cut, environ_for, get, parts, run

START = Callable[..., Any]
Kind = Callable[[bytes, int], Any]


def as_list(content: bytes, declared: int) -> Any:
    return answering(cut(content, 100), ("Content-Length", str(declared)))


def as_generator(content: bytes, declared: int) -> Any:
    return answering(lambda: iter(cut(content, 100)), ("Content-Length", str(declared)))


def as_file(content: bytes, declared: int) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(declared))])
        return environ.get("wsgi.file_wrapper", FileWrapper)(io.BytesIO(content))
    return app


def as_write(content: bytes, declared: int) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(declared))])(content)
        return []
    return app


def as_write_and_list(content: bytes, declared: int) -> Any:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(declared))])(content[:50])
        return [content[50:]]
    return app


FORWARD = [as_generator, as_write, as_write_and_list]
KINDS = [as_list, as_file, *FORWARD]
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
VALUES = ["bytes=0-9", "bytes=100-899", "bytes=-10", "bytes=0-", "bytes=990-1500", "bytes=0-9,500-509", "bytes=0-,5-",
          "bytes=1000-", "bytes=1100-1199", "bytes=-2000"]


@pytest.mark.each
@kinds
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("declared", [0, 1, 500, 900, 999, 1001, 1100, 5000])
def test_the_length_promised_is_the_length_sent_or_an_error_shows(kind: Kind, value: str, declared: int) -> None:
    app = RangeMiddleware(kind(CONTENT, declared))
    wire = Wire()
    body: Any = None
    try:
        body = app(environ_for(range=value), wire.start_response)
        for chunk in body:
            wire.write(chunk)
    except TruncatedSource:
        assert declared > 1000
        assert kind is not as_file
        return
    finally:
        getattr(body, "close", lambda: None)()
    assert wire.head is not None
    fields = dict(wire.head[1])
    if wire.head[0].startswith("200"):  # the app's own answer: its bytes, whole or cut where it said
        assert wire.sent in (CONTENT, CONTENT[:declared])
        return
    assert fields["Content-Length"] == str(len(wire.sent))
    if wire.head[0].startswith("206") and "Content-Range" in fields:
        span, _, complete_length = fields["Content-Range"].partition(" ")[2].partition("/")
        first_pos, last_pos = map(int, span.split("-"))
        assert wire.sent == CONTENT[first_pos:last_pos + 1]
        assert last_pos < int(complete_length) <= max(declared, len(CONTENT))


@pytest.mark.each
@pytest.mark.parametrize("kind", FORWARD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-10", "bytes=999-1000", "bytes=1050-", "bytes=0-9,1050-1059"])
def test_a_forward_body_shorter_than_declared_is_truncated(kind: Kind, value: str) -> None:
    with pytest.raises(TruncatedSource):
        get(RangeMiddleware(kind(CONTENT, 1100)), value, validate=False)


@pytest.mark.parametrize("kind", FORWARD, ids=lambda kind: kind.__name__)
def test_a_forward_body_shorter_than_declared_serves_what_it_has(kind: Kind) -> None:
    answer = get(RangeMiddleware(kind(CONTENT, 1100)), "bytes=10-19")
    assert (answer.status, answer.body) == (206, CONTENT[10:20])
    assert answer.get("Content-Range") == "bytes 10-19/1100"


@pytest.mark.each
@pytest.mark.parametrize("kind", FORWARD, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize(("value", "body"), [("bytes=-10", CONTENT[890:900]), ("bytes=0-", CONTENT[:900]),
                                             ("bytes=895-950", CONTENT[895:900])])
def test_a_forward_body_longer_than_declared_is_cut(kind: Kind, value: str, body: bytes) -> None:
    answer = get(RangeMiddleware(kind(CONTENT, 900)), value)
    assert (answer.status, answer.body) == (206, body)
    assert str(answer.get("Content-Range")).endswith("/900")


@pytest.mark.each
@kinds
@pytest.mark.parametrize("declared", [900, 1100])
@pytest.mark.parametrize("fields", [{}, {"range": "lines=0-9"}, {"range": "bytes=9-0"}, {"range": "bytes=+1-2"}],
                         ids=str)
def test_a_whole_answer_keeps_its_bytes_in_order(kind: Kind, declared: int, fields: dict[str, str]) -> None:
    wire = Wire()
    body: Any = None
    try:
        body = RangeMiddleware(kind(CONTENT, declared))(environ_for(**fields), wire.start_response)
        for chunk in body:
            wire.write(chunk)
    except TruncatedSource:
        assert declared == 1100
    finally:
        getattr(body, "close", lambda: None)()
    assert wire.sent in (CONTENT, CONTENT[:declared])
    assert wire.head is not None
    assert dict(wire.head[1]).get("Content-Length") in (str(declared), str(len(wire.sent)))


def test_truncated_source_is_an_exception_of_its_own() -> None:
    assert issubclass(TruncatedSource, Exception)
    with pytest.raises(TruncatedSource) as caught:
        get(RangeMiddleware(as_generator(CONTENT, 1100)), "bytes=0-", validate=False)
    assert str(caught.value)


# --- Content-Length that is none -------------------------------------------------------------------------------------

MALFORMED = ["", "abc", "-1", "+1000", "1_000", "1000.0", "0x3e8", "1000 1000", "1000, 1000", "１０００", "9" * 5000,
             " 1000", "1e3"]


@pytest.mark.each
@pytest.mark.parametrize("declared", MALFORMED, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"},
                                    {"if_match": "*"}], ids=str)
def test_a_generator_with_a_malformed_content_length(declared: str, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(answering(lambda: iter(cut(CONTENT, 100)), ("Content-Length", declared))), **fields)
    if declared == " 1000" and answer.status != 200:  # blanks around a value are no part of it
        assert answer.get("Content-Length") == str(len(answer.body))
        assert b"/1000\r\n" in answer.body or str(answer.get("Content-Range")).endswith("/1000")
        return
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("Content-Length") == declared


@pytest.mark.each
@pytest.mark.parametrize("declared", MALFORMED, ids=lambda text: repr(text[:12]))
@pytest.mark.parametrize("body", [[CONTENT], lambda: io.BytesIO(CONTENT)], ids=["list", "file"])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59", "bytes=1000-"])
def test_no_answer_of_ours_repeats_a_malformed_content_length(declared: str, body: Any, value: str) -> None:
    answer = get(RangeMiddleware(answering(body, ("Content-Length", declared))), value)
    if answer.status == 200:
        assert answer.body == CONTENT
    else:
        assert answer.get("Content-Length") == str(len(answer.body))


@pytest.mark.each
@pytest.mark.parametrize(("first", "second"), [("1000", "1000"), ("1000", "900"), ("1000", "x")])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=-10", "bytes=0-9,500-509", "bytes=5000-"])
def test_content_length_twice(first: str, second: str, value: str) -> None:
    # RFC 9112 6.3: two that differ are an error; two alike may be taken as one.
    app = answering(lambda: iter(cut(CONTENT, 100)), ("Content-Length", first), ("content-length", second))
    answer = get(RangeMiddleware(app), value)
    if answer.status == 200:
        assert answer.body == CONTENT
        return
    assert first == second
    assert answer.all("Content-Length") == [str(len(answer.body))]


# --- chunks that are none --------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("body", [["text"], [b"x" * 4, "text"], ("text",), lambda: iter(["text"]),
                                  lambda: iter([b"x" * 4, "text"]), lambda: iter([None]), lambda: iter([5]), [None],
                                  lambda: io.StringIO("text" * 10)],
                         ids=["list", "second item", "tuple", "iterator", "second chunk", "None", "number",
                              "None in a list", "StringIO"])
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=-2", "bytes=0-0,6-"])
def test_text_for_bytes_is_an_error_that_shows(body: Any, value: str) -> None:
    with pytest.raises((TypeError, AssertionError, ValueError, TruncatedSource)):
        get(RangeMiddleware(answering(body, ("Content-Length", "8"))), value, validate=False)


@pytest.mark.parametrize("result", [None, 5], ids=repr)
def test_a_body_that_is_no_iterable_is_an_error_that_shows(result: Any) -> None:
    with pytest.raises((TypeError, AssertionError)):
        get(RangeMiddleware(answering(result, ("Content-Length", "8"))), "bytes=0-", validate=False)


@pytest.mark.each
@pytest.mark.parametrize("body", [lambda: iter([]), list, tuple, lambda: (chunk for chunk in [b"", b""])],
                         ids=["iterator", "list", "tuple", "empty chunks"])
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=-1", "bytes=0-9,50-59"])
def test_an_empty_body(body: Any, value: str | None) -> None:
    for fields in ([], [("Content-Length", "0")]):
        answer = get(RangeMiddleware(answering(body, *fields)), value)
        assert (answer.status, answer.body) == (200, b"")
        assert answer.get("Content-Range") is None


@pytest.mark.parametrize("body", [lambda: iter([]), lambda: (chunk for chunk in [b"", b""])],
                         ids=["iterator", "empty chunks"])
def test_an_empty_body_that_promised_some(body: Any) -> None:
    with pytest.raises(TruncatedSource):
        get(RangeMiddleware(answering(body, ("Content-Length", "10"))), "bytes=0-4", validate=False)


def test_an_empty_body_is_never_an_empty_list() -> None:
    # One server answers 500 to an empty iterable.
    for method, fields in (("HEAD", {}), ("HEAD", {"range": "bytes=0-9"}), ("GET", {"range": "bytes=0-9"})):
        app = RangeMiddleware(answering([CONTENT] if method == "HEAD" else []))
        body = app(environ_for(method, **fields), Wire().start_response)
        assert list(body) == [b""]
        getattr(body, "close", lambda: None)()


# --- answers that are none of our business ---------------------------------------------------------------------------

RAW = [("Content-Type", "text/plain"), ("Content-Length", "1000"), ("X-Case", " Odd  Value"), ("x-case", "two")]
UNTOUCHED = [
    pytest.param("206 Partial Content", [("Content-Range", "bytes 0-999/5000")], id="206"),
    pytest.param("206 Partial Content", [("Content-Range", "rows 1-9/*")], id="206 of rows"),
    pytest.param("206 Partial Content", [], id="206 without Content-Range"),
    pytest.param("416 Range Not Satisfiable", [("Content-Range", "bytes */5000")], id="416"),
    pytest.param("200 OK", [("Content-Range", "bytes 0-999/5000")], id="200 with Content-Range"),
    pytest.param("200 OK", [("Accept-Ranges", "none")], id="Accept-Ranges: none"),
    pytest.param("200 OK", [("accept-ranges", "None")], id="accept-ranges: None"),
    pytest.param("200 OK", [("X-Sendfile", "/x")], id="X-Sendfile"),
    pytest.param("200 OK", [("X-Accel-Redirect", "/x")], id="X-Accel-Redirect"),
    pytest.param("200 OK", [("x-lighttpd-send-file", "/x")], id="X-Lighttpd-Send-File"),
    pytest.param("200 OK", [("Transfer-Encoding", "chunked")], id="Transfer-Encoding"),
    pytest.param("201 Created", [], id="201"),
    pytest.param("203 Non-Authoritative Information", [], id="203"),
    pytest.param("301 Moved Permanently", [("Location", "/x")], id="301"),
    pytest.param("302 Found", [("Location", "/x")], id="302"),
    pytest.param("404 Not Found", [], id="404"),
    pytest.param("404 Gone fishing", [], id="404 in other words"),
    pytest.param("500 Internal Server Error", [], id="500"),
    pytest.param("207 Multi-Status", [], id="207"),
]
FIELDS = [{"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"}, {"range": "x"},
          {"range": "bytes=0-9", "if_range": '"v1"'}]


@pytest.mark.each
@pytest.mark.parametrize(("status", "extra"), UNTOUCHED)
@pytest.mark.parametrize("fields", FIELDS, ids=str)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [[CONTENT], lambda: iter(cut(CONTENT, 100)), lambda: io.BytesIO(CONTENT)],
                         ids=["list", "generator", "file"])
def test_untouched_to_the_byte(status: str, extra: list[tuple[str, str]], fields: dict[str, str], method: str,
                               body: Any) -> None:
    head = [*RAW, *extra]
    wire = Wire()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response(status, head[:])
        return body() if callable(body) else body
    returned = RangeMiddleware(app)(environ_for(method, **fields), wire.start_response)
    for chunk in returned:
        wire.write(chunk)
    getattr(returned, "close", lambda: None)()
    assert wire.head == (status, head)
    assert wire.sent == CONTENT


@pytest.mark.parametrize("fields", FIELDS, ids=str)
def test_a_multipart_200_is_untouched(fields: dict[str, str]) -> None:
    head = [("Content-Type", "Multipart/ByteRanges; boundary=x"), ("Content-Length", "1000")]
    wire = Wire()

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", head[:])
        return [CONTENT]
    assert b"".join(RangeMiddleware(app)(environ_for(**fields), wire.start_response)) == CONTENT
    assert wire.head == ("200 OK", head)


@pytest.mark.each
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
@pytest.mark.parametrize("fields", [*FIELDS, {"if_match": '"v2"'}, {"if_none_match": '"v1"'}], ids=str)
def test_other_methods_are_left_alone(method: str, fields: dict[str, str]) -> None:
    wire = Wire()
    head = [*RAW, ("ETag", '"v1"')]

    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", head[:])
        return [CONTENT]
    assert b"".join(RangeMiddleware(app)(environ_for(method, **fields), wire.start_response)) == CONTENT
    assert wire.head == ("200 OK", head)


@pytest.mark.each
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("fields", [{}, *FIELDS], ids=str)
def test_answers_without_content(status: str, fields: dict[str, str]) -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response(status, [("ETag", '"v1"')])
        return []
    answer = get(RangeMiddleware(app), **fields)
    assert (answer.status, answer.body, answer.fields) == (int(status[:3]), b"", [("ETag", '"v1"')])


@pytest.mark.parametrize("status", ["206 Partial Content", "416 Range Not Satisfiable"])
def test_nothing_is_pulled_ahead_of_an_answer_that_passes(status: str) -> None:
    def body() -> Iterator[bytes]:
        for chunk in cut(CONTENT, 100):
            pulled.append(1)
            yield chunk
    pulled: list[int] = []
    returned = RangeMiddleware(answering(body, status=status))(environ_for(range="bytes=0-9"), Wire().start_response)
    assert pulled == []
    assert b"".join(returned) == CONTENT


# --- heads that are odd ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("status", ["200", "200 ", "200 Fine by me", "200 OK"])
def test_any_reason_phrase_is_a_200(status: str) -> None:
    wire = Wire()
    app = RangeMiddleware(answering([CONTENT], status=status))
    assert b"".join(app(environ_for(range="bytes=0-9"), wire.start_response)) == CONTENT[:10]
    assert wire.head is not None
    assert wire.head[0] == "206 Partial Content"


@pytest.mark.parametrize("name", ["content-length", "CONTENT-LENGTH", "Content-Length"])
def test_names_of_fields_in_any_case(name: str) -> None:
    answer = get(RangeMiddleware(answering(lambda: iter([CONTENT]), (name, "1000"))), "bytes=0-9")
    assert (answer.status, answer.body, answer.all("Content-Length")) == (206, CONTENT[:10], ["10"])


@pytest.mark.each
@pytest.mark.parametrize("etag", ["v1", '"v1', 'w/"v1"', '""', '"a b"', '"é"'])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59"])
def test_odd_etags_do_no_harm(etag: str, value: str) -> None:
    answer = get(RangeMiddleware(answering([CONTENT], ("ETag", etag))), value)
    assert (answer.status, answer.get("ETag")) == (206, etag)


@pytest.mark.parametrize("last_modified", ["", "yesterday", "0", "Thu, 99 Foo 2020 00:00:00 GMT", "1" * 5000])
def test_an_odd_last_modified_does_no_harm(last_modified: str) -> None:
    app = RangeMiddleware(answering([CONTENT], ("Last-Modified", last_modified)))
    assert get(app, "bytes=0-9").status == 206
    assert get(app, if_modified_since="Thu, 01 Jan 2026 00:00:00 GMT").status == 200
    assert get(app, "bytes=0-9", if_range="Thu, 01 Jan 2026 00:00:00 GMT").status == 200


def test_an_app_without_content_type_is_served() -> None:
    def app(environ: dict[str, Any], start_response: START) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "1000")])
        return [CONTENT]
    answer = run(RangeMiddleware(app), environ_for(range="bytes=0-9,50-59"), validate=False)
    assert [(part.content_type, part.content) for part in parts(answer)] == [(None, CONTENT[:10]),
                                                                            (None, CONTENT[50:60])]


def test_an_environ_without_the_usual_keys() -> None:
    for environ in ({"REQUEST_METHOD": "GET", "HTTP_RANGE": "bytes=0-9"}, {"REQUEST_METHOD": "GET"}):
        wire = Wire()
        assert CONTENT.startswith(b"".join(RangeMiddleware(answering([CONTENT]))(environ, wire.start_response)))


@pytest.mark.parametrize("wrong", [None, "text"])
def test_what_is_no_bytes_does_not_end_content_that_is_read_ahead(wrong):
    """It would look whole."""
    app = RangeMiddleware(answering(lambda: iter([b"some", wrong, b"more"])), spool_limit=100)
    with pytest.raises(TypeError):
        get(app, "bytes=0-9", validate=False)


def test_a_status_that_is_none_is_an_error_that_shows() -> None:
    closed: list[int] = []

    class Body(list[bytes]):
        def close(self) -> None:
            closed.append(1)

    def app(environ: Any, start_response: Any) -> Any:
        start_response(None, [])
        return Body([b"abc"])
    with pytest.raises(TypeError):
        get(RangeMiddleware(app), "bytes=0-1", validate=False)
    assert closed == [1]


def test_a_chunk_that_is_none_ends_a_body_that_is_skipped() -> None:
    app = RangeMiddleware(answering(lambda: iter([b"abc", None, b"defghij"]), ("Content-Length", "10")))
    with pytest.raises(TruncatedSource):
        get(app, "bytes=5-", validate=False)
