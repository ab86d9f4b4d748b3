"""Apps to download from: one file, in the directory that RANGEWARE_MATRIX_DIR names, which may change under them.

``/file`` sends it as the framework does, ``/generator`` block by block.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path

import flask
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware, RangeMiddleware

DIRECTORY = "RANGEWARE_MATRIX_DIR"
NAME = "file.bin"
TYPE = "application/octet-stream"
BLOCK = 50_000


def _file() -> Path:
    return Path(os.environ[DIRECTORY], NAME)


def _blocks(content: bytes) -> Iterator[bytes]:
    for pos in range(0, len(content), BLOCK):
        yield content[pos:pos + BLOCK]


async def _slow_blocks(content: bytes) -> AsyncIterator[bytes]:
    for block in _blocks(content):
        yield block


def _etag(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _of_flask() -> flask.Flask:
    app = flask.Flask(__name__)

    @app.get("/file")
    def whole_file() -> flask.Response:
        return flask.send_file(_file(), mimetype=TYPE)

    @app.get("/generator")
    def generator() -> flask.Response:
        content = _file().read_bytes()
        response = flask.Response(_blocks(content), mimetype=TYPE)
        response.content_length = len(content)
        response.set_etag(_etag(content))
        return response

    return app


async def _whole_file(request: Request) -> FileResponse:
    return FileResponse(_file(), media_type=TYPE)


async def _generator(request: Request) -> StreamingResponse:
    content = _file().read_bytes()
    fields = {"Content-Length": str(len(content)), "ETag": f'"{_etag(content)}"'}
    return StreamingResponse(_slow_blocks(content), media_type=TYPE, headers=fields)


flask_alone: Callable[..., Iterable[bytes]] = _of_flask()
"""Flask's own ranges: of the file, none of the generator."""
flask_ranged = RangeMiddleware(_of_flask())
starlette_ranged = AsgiRangeMiddleware(
    Starlette(routes=[Route("/file", _whole_file), Route("/generator", _generator)]))
