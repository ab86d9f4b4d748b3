"""Compressors inside and outside of us: ranges are never taken of bytes that are coded anew for each request."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import gzip
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import brotli
import flask
import flask_compress
import pytest
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from paste import gzipper
from whitenoise import WhiteNoise

from rangeware import RangeMiddleware
from tests.matrix.frameworks.one_view import one_view
from tests.support import Answer, cut, environ_for, parts, run

pytestmark = [
    pytest.mark.matrix,
    # Flask-Compress forgets the file of send_file() when it codes it, with or without us.
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning:flask_compress"),
]
App = Callable[..., Iterable[bytes]]

TEXT = b"".join(b"line %d of a text that can be compressed\n" % number for number in range(500))
LENGTH = str(len(TEXT))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of TEXT that is years old."""
    made = tmp_path / "text.txt"
    made.write_bytes(TEXT)
    os.utime(made, (1_700_000_000, 1_700_000_000))
    return made


# --- apps that compress ----------------------------------------------------------------------------------------------

def with_paste(file: Path, way: str) -> App:
    """Paste's gzipper around an app without framework."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", LENGTH), ("ETag", '"v1"')])
        if way == "file":
            return environ["wsgi.file_wrapper"](open(file, "rb"))  # type: ignore[no-any-return]
        return cut(TEXT, 1000) if way == "page" else iter(cut(TEXT, 1000))
    return gzipper.middleware(app)  # type: ignore[no-any-return]


def with_flask_compress(file: Path, way: str) -> App:
    """Flask-Compress with its own defaults."""
    app = flask.Flask(__name__)
    flask_compress.Compress(app)

    @app.get("/")
    def view() -> flask.Response:
        if way == "file":
            return flask.send_file(file, mimetype="text/plain")
        response = flask.Response(TEXT if way == "page" else iter(cut(TEXT, 1000)), mimetype="text/plain")
        response.content_length = len(TEXT)
        response.set_etag("v1")
        return response
    return app


def with_django(file: Path, way: str) -> App:
    """Django's GZipMiddleware."""
    headers = {"Content-Length": LENGTH, "ETag": '"v1"'}

    def view(request: Any) -> Any:
        if way == "file":
            return FileResponse(open(file, "rb"), content_type="text/plain", headers={"ETag": '"v1"'})
        if way == "page":
            return HttpResponse(TEXT, content_type="text/plain", headers=headers)
        return StreamingHttpResponse(iter(cut(TEXT, 1000)), content_type="text/plain", headers=headers)
    return one_view(view, "django.middleware.gzip.GZipMiddleware")


compressors = pytest.mark.parametrize("make", [with_flask_compress, with_django])
codings = pytest.mark.parametrize("coding", ["gzip", "gzip, deflate, br"])
ways = pytest.mark.parametrize("way", ["page", "generator", "file"])


def ask(app: App, method: str = "GET", path: str = "/", **fields: str) -> Answer:
    """One request, with the ``wsgi.file_wrapper`` that most servers offer."""
    environ = environ_for(method, path, **fields)
    environ["wsgi.file_wrapper"] = FileWrapper
    return run(app, environ)


def decoded(answer: Answer) -> bytes:
    """The whole representation, as a client reads it."""
    decoders = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}
    return decoders[answer.get("Content-Encoding")](answer.body)


# --- inside ----------------------------------------------------------------------------------------------------------

RANGES = ["bytes=0-9", "bytes=100-", "bytes=-10", "bytes=10-19,-5"]


@compressors
@ways
@codings
@pytest.mark.parametrize("value", RANGES)
def test_no_range_is_taken_of_what_is_coded_on_the_fly(make: Any, way: str, coding: str, file: Path,
                                                       value: str) -> None:
    answer = ask(RangeMiddleware(make(file, way)), range=value, accept_encoding=coding)
    if answer.get("Content-Encoding") is None:
        assert answer.status == 206
        return
    assert (answer.status, decoded(answer)) == (200, TEXT)


@compressors
@ways
@codings
def test_what_is_coded_on_the_fly_is_not_resumed(make: Any, way: str, coding: str, file: Path) -> None:
    app = RangeMiddleware(make(file, way))
    first = ask(app, accept_encoding=coding)
    etag = first.get("ETag") or '"none"'
    answer = ask(app, range="bytes=10-", if_range=etag, accept_encoding=coding)
    if first.get("Content-Encoding"):
        assert (answer.status, decoded(answer)) == (200, TEXT)
    else:
        assert (answer.status, answer.get("Content-Encoding"), answer.body) == (206, None, TEXT[10:])


@compressors
@ways
@codings
def test_nothing_is_promised_for_what_is_coded_on_the_fly(make: Any, way: str, coding: str, file: Path) -> None:
    answer = ask(RangeMiddleware(make(file, way)), accept_encoding=coding)
    assert (answer.status, decoded(answer)) == (200, TEXT)
    promised = None if way != "file" else ask(make(file, way)).get("Accept-Ranges")  # by Flask's send_file
    assert answer.get("Accept-Ranges") == (promised if answer.get("Content-Encoding") else "bytes")


@compressors
@ways
@codings
def test_a_range_beyond_the_end_of_what_is_coded(make: Any, way: str, coding: str, file: Path) -> None:
    answer = ask(RangeMiddleware(make(file, way)), range="bytes=999999-", accept_encoding=coding)
    if answer.status == 416:
        assert answer.get("Content-Range") == f"bytes */{LENGTH}"
    else:
        assert (answer.status, decoded(answer)) == (200, TEXT)


@compressors
@ways
@pytest.mark.parametrize("coding", [{}, {"accept_encoding": "identity"}, {"accept_encoding": "identity;q=1, *;q=0"}],
                         ids=["nothing said", "identity", "as players ask"])
def test_ranges_where_the_client_takes_no_coding(make: Any, way: str, file: Path, coding: dict[str, str]) -> None:
    app = RangeMiddleware(make(file, way))
    one = ask(app, range="bytes=100-199", **coding)
    assert (one.status, one.body, one.get("Content-Encoding")) == (206, TEXT[100:200], None)
    two = ask(app, range="bytes=10-19,-5", **coding)
    assert [part.content for part in parts(two)] == [TEXT[10:20], TEXT[-5:]]


@compressors
@ways
@codings
def test_reading_ahead_does_not_make_a_coding_stable(make: Any, way: str, coding: str, file: Path) -> None:
    answer = ask(RangeMiddleware(make(file, way), spool_limit=1 << 20), range="bytes=0-9", accept_encoding=coding)
    if answer.get("Content-Encoding") is None:
        assert (answer.status, answer.body) == (206, TEXT[:10])
    else:
        assert (answer.status, decoded(answer)) == (200, TEXT)


@ways
def test_a_strong_tag_on_what_is_coded_on_the_fly_is_believed(way: str, file: Path) -> None:
    """Paste's gzipper leaves the tag of what it codes as it is, which RFC 9110 8.8.3.3 forbids, and says no Vary. It
    cannot be told from content that was coded beforehand."""
    app = RangeMiddleware(with_paste(file, way))
    whole = ask(app, accept_encoding="gzip")
    assert (whole.get("ETag"), whole.get("Vary"), decoded(whole)) == ('"v1"', None, TEXT)
    answer = ask(app, range="bytes=10-99", accept_encoding="gzip")  # from 10 on: the head of gzip notes the time
    assert (answer.status, answer.get("Content-Encoding"), answer.body) == (206, "gzip", whole.body[10:100])


def test_ranges_of_what_was_coded_beforehand(file: Path) -> None:
    coded = gzip.compress(TEXT)
    file.with_name("text.txt.gz").write_bytes(coded)
    app = RangeMiddleware(WhiteNoise(answering_nothing, root=file.parent))
    answer = ask(app, path="/text.txt", range="bytes=10-99", accept_encoding="gzip")
    assert (answer.status, answer.get("Content-Encoding"), answer.body) == (206, "gzip", coded[10:100])
    assert ask(app, path="/text.txt", range="bytes=10-99").body == TEXT[10:100]


def answering_nothing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


# --- outside ---------------------------------------------------------------------------------------------------------

def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", LENGTH), ("ETag", '"v1"')])
    return cut(TEXT, 1000)


def paste_outside(app: App) -> App:
    return gzipper.middleware(app)  # type: ignore[no-any-return]


def flask_compress_outside(app: App) -> App:
    """A Flask app, one view of which is a WSGI app."""
    outer = flask.Flask(__name__)
    flask_compress.Compress(outer)
    outer.add_url_rule("/", "inner", lambda: flask.Response.from_app(app, flask.request.environ))
    return outer


def django_outside(app: App) -> App:
    """A Django app, one view of which is a WSGI app."""
    def view(request: Any) -> Any:
        answer = run(app, request.environ)
        return HttpResponse(answer.body, status=answer.status, headers=dict(answer.fields))
    return one_view(view, "django.middleware.gzip.GZipMiddleware")


def refused(app: App) -> App:
    """The app, with a Content-Encoding on each answer."""
    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        def start(status: str, fields: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, [*fields, ("Content-Encoding", "identity")])
        return app(environ, start)
    return wrapped


OUTSIDE = [paste_outside, flask_compress_outside, django_outside]
outside = pytest.mark.parametrize("around", OUTSIDE)
CODED = [  # what each of them codes of our answers, though a part of a coded whole is something else
    pytest.param("bytes=0-9", [paste_outside], id="ten bytes"),
    pytest.param("bytes=100-5099", OUTSIDE, id="5,000 bytes"),
    pytest.param("bytes=0-4999,9000-9999", [django_outside], id="multipart"),
]


@outside
@pytest.mark.parametrize(("value", "coded_by"), CODED)
def test_a_compressor_outside_codes_even_a_206(around: Any, value: str, coded_by: list[Any]) -> None:
    # This is why a compressor belongs inside of us. None of the three looks for 206, Content-Range or no-transform.
    answer = ask(around(RangeMiddleware(plain)), range=value, accept_encoding="gzip, br")
    assert (answer.status, answer.get("Content-Encoding") is not None) == (206, around in coded_by)


@outside
@pytest.mark.parametrize(("value", "coded_by"), CODED)
def test_a_compressor_outside_stops_at_a_content_encoding(around: Any, value: str, coded_by: list[Any]) -> None:
    answer = ask(around(refused(RangeMiddleware(plain))), range=value, accept_encoding="gzip, br")
    assert (answer.status, answer.get("Content-Encoding")) == (206, "identity")
    assert int(answer.get("Content-Length") or "") == len(answer.body) > 9


@outside
def test_a_compressor_outside_has_nothing_to_do_without_accept_encoding(around: Any) -> None:
    app = around(RangeMiddleware(plain))
    one = ask(app, range="bytes=100-5099")
    assert (one.status, one.get("Content-Encoding"), one.body) == (206, None, TEXT[100:5100])
    two = ask(app, range="bytes=10-19,-5")
    assert [part.content for part in parts(two)] == [TEXT[10:20], TEXT[-5:]]
