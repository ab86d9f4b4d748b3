"""Apps of the frameworks wrapped, and the frameworks' own clients as judges of our answers."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import bottle
import flask
import pytest
import webob
import webob.byterange
import webob.static
import werkzeug.http
import werkzeug.test
import werkzeug.utils
import werkzeug.wrappers

from rangeware import RangeMiddleware
from tests.support import CONTENT, Answer, cut, environ_for, parts, run

MTIME = 1_700_000_000
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file of CONTENT that is years old."""
    file = tmp_path / "file.bin"
    file.write_bytes(CONTENT)
    os.utime(file, (MTIME, MTIME))
    return str(file)


def get(app: Any, range: str | None = None, *, method: str = "GET", **fields: str) -> Answer:
    """One request, with the ``wsgi.file_wrapper`` that most servers offer."""
    environ = environ_for(method, **fields, **({} if range is None else {"range": range}))
    environ["wsgi.file_wrapper"] = FileWrapper
    return run(app, environ)


# --- apps ------------------------------------------------------------------------------------------------------------

def flask_app(view: Callable[[], Any]) -> Any:
    """A Flask app with this one view."""
    app = flask.Flask(__name__)
    app.add_url_rule("/", "view", view)
    return app


def flask_path(path: str) -> Any:
    return flask_app(lambda: flask.send_file(path))


def flask_open(path: str) -> Any:
    return flask_app(lambda: flask.send_file(open(path, "rb"), mimetype="text/plain"))


def flask_memory(path: str) -> Any:
    return flask_app(lambda: flask.send_file(io.BytesIO(CONTENT), mimetype="text/plain"))


def flask_directory(path: str) -> Any:
    return flask_app(lambda: flask.send_from_directory(os.path.dirname(path), os.path.basename(path)))


def flask_generator(path: str) -> Any:
    def view() -> Any:
        response = flask.Response((chunk for chunk in cut(CONTENT, 64)), mimetype="text/plain")
        response.content_length = len(CONTENT)
        response.set_etag("v1")
        return response
    return flask_app(view)


def flask_bytes(path: str) -> Any:
    return flask_app(lambda: flask.Response(CONTENT, mimetype="text/plain", headers={"ETag": '"v1"'}))


def flask_passthrough(path: str) -> Any:
    return flask_app(lambda: flask.Response(open(path, "rb"), mimetype="text/plain", direct_passthrough=True))


def flask_conditional(path: str) -> Any:
    def view() -> Any:
        response = flask.Response(CONTENT, mimetype="text/plain")
        response.add_etag()
        return response.make_conditional(flask.request, accept_ranges=True, complete_length=len(CONTENT))
    return flask_app(view)


def werkzeug_send_file(path: str) -> Any:
    @werkzeug.wrappers.Request.application
    def app(request: werkzeug.wrappers.Request) -> Any:
        return werkzeug.utils.send_file(path, request.environ)
    return app


def webob_file_app(path: str) -> Any:
    return webob.static.FileApp(path)


def webob_directory_app(path: str) -> Any:
    return webob.static.DirectoryApp(os.path.dirname(path), index_page=os.path.basename(path))


def webob_conditional(path: str) -> Any:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = webob.Response(body=CONTENT, content_type="text/plain", conditional_response=True, etag="v1")
        return response(environ, start_response)
    return app


def bottle_static(path: str) -> Any:
    app = bottle.Bottle()
    app.route("/", callback=lambda: bottle.static_file(os.path.basename(path), root=os.path.dirname(path)))
    return app


def bottle_file(path: str) -> Any:
    app = bottle.Bottle()
    app.route("/", callback=lambda: open(path, "rb"))
    return app


def bottle_generator(path: str) -> Any:
    def callback() -> Iterator[bytes]:
        bottle.response.content_length = len(CONTENT)
        yield from cut(CONTENT, 64)
    app = bottle.Bottle()
    app.route("/", callback=callback)
    return app


APPS = [flask_path, flask_open, flask_memory, flask_directory, flask_generator, flask_bytes, flask_passthrough,
        flask_conditional, werkzeug_send_file, webob_file_app, webob_directory_app, webob_conditional, bottle_static,
        bottle_file, bottle_generator]
apps = pytest.mark.parametrize("make", APPS, ids=lambda make: make.__name__)
WITH_ETAG = [flask_path, flask_directory, flask_generator, flask_bytes, flask_conditional, werkzeug_send_file,
             webob_conditional, bottle_static]
RANGES = [("bytes=0-9", 0, 9), ("bytes=-10", 990, 999), ("bytes=500-", 500, 999), ("bytes=0-", 0, 999),
          ("bytes=990-5000", 990, 999)]


@pytest.mark.each
@apps
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), RANGES)
def test_one_range(make: Any, path: str, value: str, first_pos: int, last_pos: int) -> None:
    answer = get(RangeMiddleware(make(path)), value)
    assert answer.status == 206, answer.reason
    assert answer.body == CONTENT[first_pos:last_pos + 1]
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/1000"
    assert answer.get("Content-Length") == str(len(answer.body))
    assert answer.get("Accept-Ranges") == "bytes"


@apps
def test_two_ranges(make: Any, path: str) -> None:
    answer = get(RangeMiddleware(make(path)), "bytes=10-19,-5")
    assert answer.status == 206
    assert [part.content for part in parts(answer)] == [CONTENT[10:20], CONTENT[-5:]]


@apps
def test_a_range_beyond_the_end(make: Any, path: str) -> None:
    answer = get(RangeMiddleware(make(path)), "bytes=1000-")
    assert (answer.status, answer.get("Content-Range")) == (416, "bytes */1000")
    assert answer.get("Content-Length") == str(len(answer.body))


@pytest.mark.each
@apps
@pytest.mark.parametrize("value", ["bytes=9-2", "bytes = 1-2", "nonsense"])
def test_a_range_to_ignore(make: Any, path: str, value: str) -> None:
    answer = get(RangeMiddleware(make(path)), value)
    assert (answer.status, answer.body) == (200, CONTENT)


@pytest.mark.each
@apps
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=5000-"])
def test_head(make: Any, path: str, value: str | None) -> None:
    answer = get(RangeMiddleware(make(path)), value, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")


@apps
def test_whole(make: Any, path: str) -> None:
    answer = get(RangeMiddleware(make(path)))
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, "bytes")


@pytest.mark.parametrize("make", WITH_ETAG, ids=lambda make: make.__name__)
def test_if_range_with_their_own_etag(make: Any, path: str) -> None:
    app = RangeMiddleware(make(path))
    etag = get(app, "bytes=0-9").get("ETag")
    assert etag is not None
    assert etag == get(make(path)).get("ETag")
    resumed = get(app, "bytes=10-19", if_range=etag)
    assert (resumed.status, resumed.body) == (206, CONTENT[10:20])
    changed = get(app, "bytes=10-19", if_range='"another"')
    assert (changed.status, changed.body) == (200, CONTENT)
    weak = get(app, "bytes=10-19", if_range=f"W/{etag}")
    assert (weak.status, weak.body) == (200, CONTENT)


@pytest.mark.parametrize("make", [flask_path, werkzeug_send_file, webob_file_app, bottle_static],
                         ids=lambda make: make.__name__)
def test_if_range_with_their_own_last_modified(make: Any, path: str) -> None:
    app = RangeMiddleware(make(path))
    assert get(app).get("Last-Modified") == MODIFIED
    assert get(app, "bytes=10-19", if_range=MODIFIED).status == 206
    assert get(app, "bytes=10-19", if_range="Tue, 14 Nov 2023 22:13:21 GMT").status == 200


@pytest.mark.each
@pytest.mark.parametrize("make", [make for make in WITH_ETAG if make is not bottle_static],
                         ids=lambda make: make.__name__)
@pytest.mark.parametrize("extra", [{}, {"range": "bytes=0-9"}])
def test_if_none_match_with_their_own_etag(make: Any, path: str, extra: dict[str, str]) -> None:
    app = RangeMiddleware(make(path))
    etag = str(get(app).get("ETag"))
    answer = get(app, if_none_match=etag, **extra)
    assert (answer.status, answer.body) == (304, b"")
    assert get(app, if_none_match='"another"', **extra).status == (206 if extra else 200)


@pytest.mark.parametrize("make", [flask_open, flask_passthrough, webob_file_app, bottle_file],
                         ids=lambda make: make.__name__)
def test_files_without_an_etag_get_one(make: Any, path: str) -> None:
    app = RangeMiddleware(make(path))
    etag = get(app).get("ETag")
    assert etag is not None
    answer = get(app, "bytes=10-19", if_range=etag)
    assert (answer.status, answer.body, answer.get("ETag")) == (206, CONTENT[10:20], etag)


@pytest.mark.each
@apps
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=0-9,50-59", "bytes=5000-", "bytes=9-0"])
def test_no_file_is_left_open(make: Any, path: str, value: str | None) -> None:
    # An open file that the collector meets is a ResourceWarning, and this project's tests hold those to be errors.
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    get(RangeMiddleware(make(path)), value)
    after = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    assert after == before


# --- their clients as judges -----------------------------------------------------------------------------------------

@pytest.mark.each
@apps
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), RANGES)
def test_read_by_werkzeug(make: Any, path: str, value: str, first_pos: int, last_pos: int) -> None:
    client = werkzeug.test.Client(RangeMiddleware(make(path)))
    with client.get("/", headers={"Range": value}) as response:
        assert response.status_code == 206
        content_range = werkzeug.http.parse_content_range_header(response.headers["Content-Range"])
        assert content_range is not None
        assert (content_range.units, content_range.start, content_range.stop, content_range.length) == (
            "bytes", first_pos, last_pos + 1, 1000)
        assert response.data == CONTENT[first_pos:last_pos + 1]
        assert response.content_length == len(response.data)


@pytest.mark.each
@apps
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), RANGES)
def test_read_by_webob(make: Any, path: str, value: str, first_pos: int, last_pos: int) -> None:
    response = webob.Request.blank("/", headers={"Range": value}).get_response(RangeMiddleware(make(path)))
    assert response.status_code == 206
    content_range = response.content_range
    assert (content_range.start, content_range.stop, content_range.length) == (first_pos, last_pos + 1, 1000)
    assert response.body == CONTENT[first_pos:last_pos + 1]
    assert response.content_length == len(response.body)
    assert response.accept_ranges == "bytes"


@apps
def test_a_416_read_by_both(make: Any, path: str) -> None:
    app = RangeMiddleware(make(path))
    with werkzeug.test.Client(app).get("/", headers={"Range": "bytes=1000-"}) as response:
        content_range = werkzeug.http.parse_content_range_header(response.headers["Content-Range"])
        assert content_range is not None
        assert (response.status_code, content_range.start, content_range.length) == (416, None, 1000)
    read = webob.Request.blank("/", headers={"Range": "bytes=1000-"}).get_response(app)
    assert (read.status_code, read.content_range.start, read.content_range.length) == (416, None, 1000)
    assert read.content_length == len(read.body)


@pytest.mark.each
@apps
@pytest.mark.parametrize("steps", [200, 333])
def test_put_together_again(make: Any, path: str, steps: int) -> None:
    client = werkzeug.test.Client(RangeMiddleware(make(path)))
    content = b""
    while len(content) < 1000:
        with client.get("/", headers={"Range": f"bytes={len(content)}-{len(content) + steps - 1}"}) as response:
            assert response.status_code == 206
            content += response.data
    assert content == CONTENT


@pytest.mark.parametrize("fields", [{"If-None-Match": "*"}, {"If-Match": '"another"'}], ids=str)
def test_conditional_answers_read_by_both(path: str, fields: dict[str, str]) -> None:
    app = RangeMiddleware(flask_path(path))
    status = 304 if "If-None-Match" in fields else 412
    with werkzeug.test.Client(app).get("/", headers=fields) as response:
        assert response.status_code == status
    read = webob.Request.blank("/", headers=fields).get_response(app)
    assert (read.status_code, read.content_length or 0) == (status, len(read.body))


def test_a_view_behind_flask_sees_no_range(path: str) -> None:
    seen: list[Any] = []

    def view() -> Any:
        seen.append((flask.request.range, flask.request.headers.get("Range"), flask.request.environ["rangeware.range"]))
        return flask.Response(CONTENT)
    assert get(RangeMiddleware(flask_app(view)), "bytes=0-9").status == 206
    assert seen == [(None, None, "bytes=0-9")]


def test_flask_pages_that_are_no_200_pass(path: str) -> None:
    app = flask.Flask(__name__)
    app.add_url_rule("/moved", "moved", lambda: flask.redirect("/"))
    for location, status in (("/moved", 302), ("/none", 404)):
        wrapped = webob.Request.blank(location, headers={"Range": "bytes=0-9"}).get_response(RangeMiddleware(app))
        plain = webob.Request.blank(location).get_response(app)
        assert (wrapped.status_code, wrapped.body, wrapped.headerlist) == (status, plain.body, plain.headerlist)
