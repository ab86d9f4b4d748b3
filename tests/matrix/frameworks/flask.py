"""Flask: ``send_file`` with a path, a streamed response."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import flask

from tests.matrix.frameworks.content import GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    app = flask.Flask("tests.matrix.frameworks.flask")

    @app.get("/file")
    def whole_file() -> flask.Response:
        return flask.send_file(file, mimetype="application/octet-stream")

    @app.get("/generator")
    def generator() -> flask.Response:
        response = flask.Response(generated("flask"), mimetype="application/octet-stream")
        response.content_length = GENERATOR_LENGTH
        response.set_etag("v1")
        return response

    @app.get("/page")
    def page() -> flask.Response:
        return flask.Response(representation("flask", "page"), mimetype="text/plain")

    return app
