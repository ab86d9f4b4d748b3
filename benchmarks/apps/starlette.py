"""Starlette (ASGI): ``FileResponse``. What is generated goes out whole."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated


async def file(request: Request) -> FileResponse:
    """A file."""
    return FileResponse(FILES[request.url.path], media_type="application/octet-stream")


async def generator(request: Request) -> StreamingResponse:
    """What is generated."""
    return StreamingResponse(generated(), media_type="application/octet-stream",
                             headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})


app = Starlette(routes=[Route("/1g", file), Route("/8g", file), Route("/gen", generator)])
