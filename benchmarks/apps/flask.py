"""Flask with its own range support: ``send_file`` for files, ``make_conditional`` for ``/gen``, nothing for ``/plain``.

Serve ``alone``, or ``with_rangeware``, which is the same app inside the middleware.
"""

from __future__ import annotations

import flask

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, JSON, generated
from rangeware import RangeMiddleware


def make() -> flask.Flask:
    """Create the app."""
    app = flask.Flask(__name__)

    @app.get("/1m")
    @app.get("/1g")
    @app.get("/8g")
    def file() -> flask.Response:
        return flask.send_file(FILES[flask.request.path], mimetype="application/octet-stream")

    @app.get("/gen")
    def generator() -> flask.Response:
        response = flask.Response(generated(), mimetype="application/octet-stream")
        response.content_length = GIB
        response.headers["ETag"] = GENERATOR_ETAG
        return response.make_conditional(flask.request, accept_ranges=True, complete_length=GIB)

    @app.get("/plain")
    def plain_generator() -> flask.Response:
        response = flask.Response(generated(), mimetype="application/octet-stream")
        response.content_length = GIB
        response.headers["ETag"] = GENERATOR_ETAG
        return response

    @app.get("/json")
    def items() -> flask.Response:
        return flask.Response(JSON, mimetype="application/json")

    return app


alone = make()
with_rangeware = make()
with_rangeware.wsgi_app = RangeMiddleware(with_rangeware.wsgi_app)  # type: ignore[method-assign]
