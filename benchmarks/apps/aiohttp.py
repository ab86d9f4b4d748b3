"""aiohttp with its own server: ``FileResponse``, which sends with ``sendfile``. The generator is sent whole.

``python -m benchmarks.apps.aiohttp PORT``
"""

from __future__ import annotations

import sys

from aiohttp import web

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, JSON, generated


async def file(request: web.Request) -> web.FileResponse:
    """Respond with a file."""
    return web.FileResponse(FILES[request.path])


async def generator(request: web.Request) -> web.StreamResponse:
    """Respond with the generator."""
    response = web.StreamResponse(headers={"ETag": GENERATOR_ETAG})
    response.content_length = GIB
    await response.prepare(request)
    for block in generated():
        await response.write(block)
    return response


async def items(request: web.Request) -> web.Response:
    """Respond with JSON."""
    return web.Response(body=JSON, content_type="application/json")


def main(port: int) -> None:
    """Serve until stopped."""
    app = web.Application()
    app.add_routes([*(web.get(path, file) for path in FILES), web.get("/gen", generator), web.get("/json", items)])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
