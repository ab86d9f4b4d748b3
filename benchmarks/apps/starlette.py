"""Starlette (ASGI): ``FileResponse``. What is generated goes out whole.

Serve ``alone`` or ``with_rangeware``: the same app twice, the second one in the middleware.
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
    """A file."""
    return FileResponse(FILES[request.url.path], media_type="application/octet-stream")


async def generator(request: Request) -> StreamingResponse:
    """What is generated."""
    return StreamingResponse(_generated(), media_type="application/octet-stream",
                             headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})


async def _generated() -> AsyncIterator[bytes]:
    """Asynchronous: Starlette runs any other in a thread, a block at a time."""
    for block in generated():
        yield block


async def items(request: Request) -> JSONResponse:
    """JSON."""
    return JSONResponse(ITEMS)


alone = Starlette(routes=[
    *(Route(path, file) for path in FILES), Route("/gen", generator), Route("/json", items)])
with_rangeware = AsgiRangeMiddleware(alone)
