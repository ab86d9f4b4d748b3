"""Starlette (ASGI): ``FileResponse``. The generator is sent whole.

Serve ``alone``, or ``with_rangeware``, which is the same app inside the middleware.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, StreamingResponse
from starlette.routing import Route

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, ITEMS, generated
from rangeware import AsgiRangeMiddleware


async def file(request: Request) -> FileResponse:
    """Respond with a file."""
    return FileResponse(FILES[request.url.path], media_type="application/octet-stream")


async def generator(request: Request) -> StreamingResponse:
    """Respond with the generator."""
    return StreamingResponse(_generated(), media_type="application/octet-stream",
                             headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})


async def _generated() -> AsyncIterator[bytes]:
    """Generate the blocks asynchronously. Starlette would run a plain generator in a thread, block by block."""
    for block in generated():
        yield block


async def items(request: Request) -> JSONResponse:
    """Respond with JSON."""
    return JSONResponse(ITEMS)


alone = Starlette(routes=[
    *(Route(path, file) for path in FILES), Route("/gen", generator), Route("/json", items)])
with_rangeware = AsgiRangeMiddleware(alone)
