"""ASGI without any framework, after the specification: a path where that is offered, otherwise messages."""

from __future__ import annotations

from email.utils import formatdate
from pathlib import Path

from tests.matrix.asgi_frameworks.content import (
    GENERATOR_FIELDS,
    TYPE,
    Application,
    Receive,
    Scope,
    Send,
    generated_slowly,
)
from tests.matrix.frameworks.content import representation

_BLOCK = 65_536


def make(file: Path) -> Application:
    """The app."""
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(receive, send)
        elif scope["path"] == "/file":
            await _file(scope, send, file)
        elif scope["path"] == "/generator":
            await _generator(send)
        else:
            await _page(send)
    return app


async def lifespan(receive: Receive, send: Send) -> None:
    """Begins and ends with the server."""
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})


async def start(send: Send, content_type: str, **fields: str) -> None:
    """Sends the head of a 200; ``Content_Length`` is the field Content-Length."""
    headers = [(name.replace("_", "-").lower().encode(), value.encode()) for name, value in fields.items()]
    head = [(b"content-type", content_type.encode()), *headers]
    await send({"type": "http.response.start", "status": 200, "headers": head})


async def _file(scope: Scope, send: Send, path: Path) -> None:
    stat = path.stat()
    await start(send, TYPE, Content_Length=str(stat.st_size), ETag=f'"{stat.st_mtime_ns:x}"',
                 Last_Modified=formatdate(stat.st_mtime, usegmt=True))
    if "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": str(path)})
        return
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def _generator(send: Send) -> None:
    await start(send, TYPE, **GENERATOR_FIELDS)
    async for chunk in generated_slowly("bare"):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body"})


async def _page(send: Send) -> None:
    page = representation("bare", "page")
    await start(send, "text/plain", Content_Length=str(len(page)))
    await send({"type": "http.response.body", "body": page})
