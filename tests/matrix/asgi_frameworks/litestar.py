"""Litestar: ``File``, ``Stream``."""

from __future__ import annotations

from pathlib import Path

from litestar import HttpMethod, Litestar, Response, route
from litestar.response import File, Stream

from tests.matrix.asgi_frameworks.content import GENERATOR_FIELDS, TYPE, Application, generated_slowly
from tests.matrix.frameworks.content import representation

_METHODS = [HttpMethod.GET, HttpMethod.HEAD]


def make(file: Path) -> Application:
    """The app."""
    @route("/file", http_method=_METHODS)
    async def whole_file() -> File:
        return File(file, media_type=TYPE)

    return Litestar([whole_file, _generator, _page], openapi_config=None)


@route("/generator", http_method=_METHODS)
async def _generator() -> Stream:
    return Stream(generated_slowly("litestar"), media_type=TYPE, headers=GENERATOR_FIELDS)


@route("/page", http_method=_METHODS)
async def _page() -> Response[bytes]:
    return Response(representation("litestar", "page"), media_type="text/plain")
