"""A body that opens itself, returned by each framework in its own way, is opened at the range that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import bottle
import django.conf
import flask
import pytest
import webob
from django.core.handlers.wsgi import WSGIHandler
from django.http import FileResponse, StreamingHttpResponse
from django.test import override_settings
from django.urls import path

from rangeware import OpenableBody, RangeMiddleware
from tests.support import CONTENT, Answer, cut, environ_for, parts, run


class Film(OpenableBody):
    """Notes what was opened, and how often it was closed: by whoever read it, since references to all are kept."""

    complete_length, etag = len(CONTENT), '"v1"'

    def __init__(self) -> None:
        self.opened: list[tuple[int, int]] = []
        self.closed = 0
        self.kept: list[Iterator[bytes]] = []

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        self.kept.append(self.blocks(first_pos, last_pos))
        return self.kept[-1]

    def blocks(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        self.opened.append((first_pos, last_pos))
        try:
            yield from cut(CONTENT[first_pos:last_pos + 1], 64)
        finally:
            self.closed += 1


def flask_passthrough(film: Film) -> Any:
    app = flask.Flask(__name__)
    app.add_url_rule("/", "film", lambda: flask.Response(film, mimetype="video/mp4", direct_passthrough=True))
    return app


def flask_send_file(film: Film) -> Any:
    app = flask.Flask(__name__)
    app.add_url_rule("/", "film", lambda: flask.send_file(film, mimetype="video/mp4"))
    return app


def flask_send_file_with_etag(film: Film) -> Any:
    app = flask.Flask(__name__)
    app.add_url_rule("/", "film", lambda: flask.send_file(film, mimetype="video/mp4", etag="own", conditional=False))
    return app


def bottle_return(film: Film) -> Any:
    app = bottle.Bottle()
    app.route("/", callback=lambda: film)
    return app


def bottle_response(film: Film) -> Any:
    app = bottle.Bottle()
    app.route("/", callback=lambda: bottle.HTTPResponse(film, headers={"Content-Type": "video/mp4"}))
    return app


def django_app(respond: Callable[[Any], Any]) -> Any:
    """A Django app with this one view for ``/``."""
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    handler, urls = WSGIHandler(), (path("", respond),)

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        with override_settings(ROOT_URLCONF=urls):
            return handler(environ, start_response)
    return app


def django_streaming(film: Film) -> Any:
    return django_app(lambda request: StreamingHttpResponse(film, content_type="video/mp4"))


def django_file(film: Film) -> Any:
    return django_app(lambda request: FileResponse(film, content_type="video/mp4"))


def webob_app_iter(film: Film) -> Any:
    return webob.Response(app_iter=film, content_type="video/mp4")


def pyramid_app_iter(film: Film) -> Any:
    config = pytest.importorskip("pyramid.config").Configurator()
    from pyramid.response import Response

    config.add_route("film", "/")
    config.add_view(lambda request: Response(app_iter=film, content_type="video/mp4"), route_name="film")
    return config.make_wsgi_app()


def falcon_stream(film: Film) -> Any:
    falcon = pytest.importorskip("falcon")

    class Resource:
        def on_get(self, req: Any, resp: Any) -> None:
            resp.stream, resp.content_type = film, "video/mp4"

        on_head = on_get

    app = falcon.App()
    app.add_route("/", Resource())
    return app


APPS = [flask_passthrough, flask_send_file, flask_send_file_with_etag, bottle_return, bottle_response, django_streaming,
        django_file, webob_app_iter, pyramid_app_iter, falcon_stream]
apps = pytest.mark.parametrize("make", APPS, ids=lambda make: make.__name__)
wrappers = pytest.mark.parametrize("wrapper", [None, FileWrapper], ids=["no wrapper", "file_wrapper"])
pytestmark = pytest.mark.filterwarnings("ignore:.*cgi:DeprecationWarning", "ignore:pkg_resources:UserWarning")


def get(app: Any, wrapper: Any, range: str | None = None, method: str = "GET", **fields: str) -> Answer:
    environ = environ_for(method, **fields, **({} if range is None else {"range": range}))
    if wrapper is not None:
        environ["wsgi.file_wrapper"] = wrapper
    return run(app, environ, validate=method != "HEAD")


@wrappers
@apps
def test_it_is_opened_at_the_range(make: Callable[[Film], Any], wrapper: Any) -> None:
    film = Film()
    answer = get(RangeMiddleware(make(film)), wrapper, "bytes=300-899")
    assert (answer.status, answer.body) == (206, CONTENT[300:900])
    assert answer.get("ETag") in ('"v1"', '"own"')
    assert (film.opened, film.closed) == ([(300, 899)], 1)


@wrappers
@apps
def test_it_is_opened_once_for_each_part(make: Callable[[Film], Any], wrapper: Any) -> None:
    film = Film()
    answer = get(RangeMiddleware(make(film)), wrapper, "bytes=900-950,3-4")
    assert [part.content for part in parts(answer)] == [CONTENT[900:951], CONTENT[3:5]]
    assert (film.opened, film.closed) == ([(900, 950), (3, 4)], 2)


@wrappers
@apps
@pytest.mark.parametrize("range", [None, "bytes=0-"])
def test_the_whole(make: Callable[[Film], Any], wrapper: Any, range: str | None) -> None:
    film = Film()
    answer = get(RangeMiddleware(make(film)), wrapper, range)
    assert (answer.status, answer.body) == (206 if range else 200, CONTENT)
    assert (answer.get("Content-Length"), answer.get("Accept-Ranges")) == (str(len(CONTENT)), "bytes")
    assert (film.opened, film.closed) == ([(0, 999)], 1)


@apps
@pytest.mark.parametrize(("method", "fields", "status"), [
    ("HEAD", {}, 200), ("GET", {"range": "bytes=1000-"}, 416), ("GET", {"if_none_match": "*"}, 304),
])
def test_it_is_not_opened_without_need(
    make: Callable[[Film], Any], method: str, fields: dict[str, str], status: int
) -> None:
    film = Film()
    assert get(RangeMiddleware(make(film)), None, method=method, **fields).status == status
    assert film.opened == []


@wrappers
@apps
def test_without_rangeware_the_whole_is_sent(make: Callable[[Film], Any], wrapper: Any) -> None:
    film = Film()
    assert get(make(film), wrapper).body == CONTENT
    assert (film.opened, film.closed) == ([(0, 999)], 1)
