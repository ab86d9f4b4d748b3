"""FastAPI: ``FileResponse``, a ``StreamingResponse`` around an ordinary generator."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse, PlainTextResponse, StreamingResponse

from tests.matrix.asgi_frameworks.content import GENERATOR_FIELDS, TYPE, Application
from tests.matrix.frameworks.content import generated, representation

_METHODS = ["GET", "HEAD"]


def make(file: Path) -> Application:
    """The app."""
    app = FastAPI()

    @app.api_route("/file", methods=_METHODS)
    async def whole_file() -> FileResponse:
        return FileResponse(file, media_type=TYPE)

    @app.api_route("/generator", methods=_METHODS)
    def generator() -> StreamingResponse:
        return StreamingResponse(generated("fastapi"), media_type=TYPE, headers=GENERATOR_FIELDS)

    @app.api_route("/page", methods=_METHODS)
    def page() -> PlainTextResponse:
        return PlainTextResponse(representation("fastapi", "page"))

    return app
