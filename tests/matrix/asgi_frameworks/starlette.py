"""Starlette: ``FileResponse``, ``StreamingResponse``."""

from __future__ import annotations

from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from tests.matrix.asgi_frameworks.content import GENERATOR_FIELDS, TYPE, Application, generated_slowly
from tests.matrix.frameworks.content import representation


def make(file: Path) -> Application:
    """The app."""
    async def whole_file(request: Request) -> FileResponse:
        return FileResponse(file, media_type=TYPE)

    return Starlette(routes=[Route("/file", whole_file), Route("/generator", _generator), Route("/page", _page)])


async def _generator(request: Request) -> StreamingResponse:
    return StreamingResponse(generated_slowly("starlette"), media_type=TYPE, headers=GENERATOR_FIELDS)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(representation("starlette", "page"))
