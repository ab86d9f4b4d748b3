"""Quart: ``send_file``, a response around an asynchronous generator."""

from __future__ import annotations

from pathlib import Path

import quart

from tests.matrix.asgi_frameworks.content import GENERATOR_FIELDS, TYPE, Application, generated_slowly
from tests.matrix.frameworks.content import representation


def make(file: Path) -> Application:
    """The app."""
    app = quart.Quart("tests.matrix.asgi_frameworks.quart")

    @app.get("/file")
    async def whole_file() -> quart.Response:
        return await quart.send_file(file, mimetype=TYPE)

    @app.get("/generator")
    async def generator() -> quart.Response:
        return quart.Response(generated_slowly("quart"), headers=GENERATOR_FIELDS, mimetype=TYPE)

    @app.get("/page")
    async def page() -> quart.Response:
        return quart.Response(representation("quart", "page"), mimetype="text/plain")

    return app
