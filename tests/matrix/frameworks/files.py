"""Apps that hand out a file of LENGTH bytes at ``/film.bin``, in all the ways that the frameworks have for it."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bottle
import cherrypy
import falcon
import flask
import static as static3
import web
import webob
import webob.static
from cherrypy.lib.static import serve_file
from django.http import FileResponse, StreamingHttpResponse
from django.views.static import serve
from werkzeug.middleware.shared_data import SharedDataMiddleware
from whitenoise import WhiteNoise

from tests.matrix.frameworks.one_view import one_view

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # they import what is old, and that says so
    import morepath
    import pecan
    import pecan.middleware.static
    import pyramid.response
    from pyramid.config import Configurator
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

App = Callable[..., Iterable[bytes]]
LENGTH = 64 << 20
TYPE = "application/octet-stream"


def not_found(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


# --- Flask -----------------------------------------------------------------------------------------------------------

def flask_app(view: Callable[[], Any]) -> App:
    """A Flask app with this one view."""
    app = flask.Flask(__name__)
    app.add_url_rule("/film.bin", "view", view)
    return app


def flask_path(path: Path) -> App:
    return flask_app(lambda: flask.send_file(path))


def flask_open(path: Path) -> App:
    return flask_app(lambda: flask.send_file(open(path, "rb"), mimetype=TYPE))


def flask_directory(path: Path) -> App:
    return flask_app(lambda: flask.send_from_directory(path.parent, path.name))


def flask_passthrough(path: Path) -> App:
    return flask_app(lambda: flask.Response(open(path, "rb"), mimetype=TYPE, direct_passthrough=True))


def werkzeug_shared_data(path: Path) -> App:
    return SharedDataMiddleware(not_found, {"/": str(path.parent)})


# --- Bottle ----------------------------------------------------------------------------------------------------------

def bottle_app(view: Callable[[], Any]) -> App:
    """A Bottle app with this one view."""
    app = bottle.Bottle()
    app.route("/film.bin", callback=view)
    return app  # type: ignore[no-any-return]


def bottle_static(path: Path) -> App:
    return bottle_app(lambda: bottle.static_file(path.name, root=path.parent))


def bottle_file(path: Path) -> App:
    return bottle_app(lambda: open(path, "rb"))


# --- Django ----------------------------------------------------------------------------------------------------------

def django_file(path: Path) -> App:
    return one_view(lambda request: FileResponse(open(path, "rb")))


def django_sniffed(path: Path) -> App:
    def view(request: Any) -> FileResponse:
        file = open(path, "rb")
        assert len(file.read(4)) == 4
        file.seek(0)
        return FileResponse(file)
    return one_view(view)


def django_from_1000(path: Path) -> App:
    def view(request: Any) -> FileResponse:
        file = open(path, "rb")
        file.seek(1000)
        return FileResponse(file)
    return one_view(view)


def django_serve(path: Path) -> App:
    return one_view(lambda request: serve(request, path.name, document_root=path.parent))


def django_streaming(content: Any) -> App:
    """Stream this iterable with Django, without a length."""
    return one_view(lambda request: StreamingHttpResponse(content))


def django_stream(path: Path) -> App:
    headers = {"Content-Length": str(LENGTH)}
    return one_view(lambda request: StreamingHttpResponse(open(path, "rb"), headers=headers))


# --- Pyramid, WebOb, Falcon ------------------------------------------------------------------------------------------

def pyramid_app(view: Callable[[Any], Any]) -> App:
    """A Pyramid app with this one view."""
    with Configurator() as config:
        config.add_route("view", "/film.bin")
        config.add_view(view, route_name="view")
    return config.make_wsgi_app()  # type: ignore[no-any-return]


def pyramid_file(path: Path) -> App:
    return pyramid_app(lambda request: pyramid.response.FileResponse(path, request=request))


def pyramid_iter(path: Path) -> App:
    return pyramid_app(lambda request: pyramid.response.Response(
        app_iter=pyramid.response.FileIter(open(path, "rb")), content_length=LENGTH, content_type=TYPE))


def webob_file_app(path: Path) -> App:
    return webob.static.FileApp(str(path))  # type: ignore[no-any-return]


def webob_raw(path: Path) -> App:
    return lambda environ, start_response: webob.Response(  # type: ignore[no-any-return]
        app_iter=open(path, "rb"), content_length=LENGTH, content_type=TYPE)(environ, start_response)


def falcon_app(responder: Callable[[falcon.Response], None]) -> App:
    """A Falcon app with this one responder."""
    class Resource:
        def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
            responder(resp)
    app = falcon.App(media_type=TYPE)
    app.add_route("/film.bin", Resource())
    return app


def falcon_set_stream(path: Path) -> App:
    return falcon_app(lambda resp: resp.set_stream(open(path, "rb"), LENGTH))


def falcon_stream(path: Path) -> App:
    return falcon_app(lambda resp: setattr(resp, "stream", open(path, "rb")))


def falcon_static(path: Path) -> App:
    app = falcon.App()
    app.add_static_route("/", str(path.parent))
    return app


# --- CherryPy, web.py, Morepath, Pecan, WhiteNoise, static3 ----------------------------------------------------------

def cherrypy_app(view: Callable[[], Any]) -> App:
    """A CherryPy application with this one handler."""
    class Root:
        @cherrypy.expose
        def default(self, *segments: str) -> Any:
            return view()
    cherrypy.config.update({"environment": "embedded"})
    return cherrypy.Application(Root(), "", {"/": {"request.throw_errors": True}})  # type: ignore[no-any-return]


def cherrypy_serve_file(path: Path) -> App:
    return cherrypy_app(lambda: serve_file(str(path)))


def cherrypy_file(path: Path) -> App:
    def view() -> Any:
        cherrypy.response.headers.update({"Content-Length": str(LENGTH), "Content-Type": TYPE})
        cherrypy.response.stream = True  # otherwise CherryPy reads it all into a list
        return open(path, "rb")
    return cherrypy_app(view)


def web_py(path: Path) -> App:
    class Film:
        def GET(self) -> Any:  # noqa: N802 - the framework's name
            web.header("Content-Length", str(LENGTH))
            web.header("Content-Type", TYPE)
            return open(path, "rb")
    return web.application(("/film.bin", Film)).wsgifunc()  # type: ignore[no-any-return]


def morepath_file(path: Path) -> App:
    class App(morepath.App):  # type: ignore[misc]
        pass

    @App.path(path="/film.bin")
    class Film:
        pass

    @App.view(model=Film)
    def view(film: Film, request: Any) -> Any:
        return morepath.Response(app_iter=open(path, "rb"), content_length=LENGTH, content_type=TYPE)
    App.commit()
    return App()  # type: ignore[no-any-return]


def pecan_static(path: Path) -> App:
    return pecan.middleware.static.StaticFileMiddleware(not_found, str(path.parent))  # type: ignore[no-any-return]


def whitenoise(path: Path) -> App:
    return WhiteNoise(not_found, root=path.parent)  # type: ignore[no-any-return]


def static3_cling(path: Path) -> App:
    return static3.Cling(str(path.parent))  # type: ignore[no-any-return]


def bare_in_sentry(path: Path) -> App:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", TYPE), ("Content-Length", str(LENGTH))])
        return environ["wsgi.file_wrapper"](open(path, "rb"))  # type: ignore[no-any-return]
    return SentryWsgiMiddleware(app)


# --- files in memory, and files that no framework gives us -----------------------------------------------------------

def flask_memory(content: bytes) -> App:
    return flask_app(lambda: flask.send_file(io.BytesIO(content), mimetype=TYPE))


def bottle_memory(content: bytes) -> App:
    return bottle_app(lambda: io.BytesIO(content))


def django_memory(content: bytes) -> App:
    return one_view(lambda request: FileResponse(io.BytesIO(content)))


def falcon_memory(content: bytes) -> App:
    return falcon_app(lambda resp: resp.set_stream(io.BytesIO(content), len(content)))


def pecan_file(path: Path) -> App:
    """Pecan reads the file into a list."""
    class Root:
        @pecan.expose(content_type=TYPE)  # type: ignore[untyped-decorator]
        def _default(self, *segments: str) -> Any:
            pecan.response.app_iter = open(path, "rb")
            return pecan.response
    return pecan.make_app(Root())  # type: ignore[no-any-return]
