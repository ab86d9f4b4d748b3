"""The target of slow and hostile clients: files and streams, and a page that counts what is left open.

``application`` is wrapped; ``bare`` is the same without rangeware, to tell a server's own ways from ours.
"""

from __future__ import annotations

import gc
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

from anyio.lowlevel import checkpoint
from starlette.responses import StreamingResponse

from rangeware import AsgiRangeMiddleware
from tests.matrix.asgi_frameworks.bare import lifespan, start
from tests.matrix.asgi_frameworks.content import TYPE, Application, Receive, Scope, Send
from tests.matrix.hostile_app import DIRECTORY, LONG, MIDDLE, MTIME, SMALL, content, made

HUGE = 1 << 30
STEP = HUGE // 200
"""In the huge file there is content at each multiple of this; between them are zeros, and nothing is on disk."""
MARK = 32_768
CHUNK = 65_536

_FIELDS = {"ETag": '"v1"', "Last_Modified": "Tue, 14 Nov 2023 22:13:20 GMT"}
_streams = {"open": 0, "pulled": 0}
"""How many streams are not at their end, and how many bytes all of them have given so far."""


def make_huge(directory: Path) -> None:
    """The huge file."""
    with open(directory / "huge", "wb") as file:
        file.truncate(HUGE)
        for pos in range(0, HUGE - MARK, STEP):
            file.seek(pos)
            file.write(content(pos, pos + MARK))
    os.utime(directory / "huge", (MTIME, MTIME))


@contextmanager
def _counted() -> Iterator[None]:
    _streams["open"] += 1
    try:
        yield
    finally:
        _streams["open"] -= 1


def _chunk(pos: int, length: int) -> bytes:
    chunk = content(pos, min(pos + CHUNK, length))
    _streams["pulled"] += len(chunk)
    return chunk


async def _chunks(length: int) -> AsyncIterator[bytes]:
    """A source that is waited for, as nearly all are: nothing else may run in a task that never waits."""
    with _counted():
        for pos in range(0, length, CHUNK):
            await checkpoint()
            yield _chunk(pos, length)


async def _stream(send: Send, length: int) -> None:
    """An app that does not listen for the end of the request."""
    await start(send, TYPE, Content_Length=str(length), **_FIELDS)
    with _counted():
        for pos in range(0, length, CHUNK):
            await send({"type": "http.response.body", "body": _chunk(pos, length), "more_body": True})
    await send({"type": "http.response.body"})


async def _file(scope: Scope, send: Send, path: Path) -> None:
    length = path.stat().st_size
    await start(send, TYPE, Content_Length=str(length), **_FIELDS)
    if "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": str(path)})
        return
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def _text(send: Send, text: bytes) -> None:
    await start(send, TYPE, Content_Length=str(len(text)), **_FIELDS)
    await send({"type": "http.response.body", "body": text})


def state() -> dict[str, int]:
    """Count the files and streams that are open, and the bytes pulled from streams."""
    gc.collect()  # a task that anyio has cancelled is in a cycle of anyio's, and its generator with it
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        except FileNotFoundError:  # that of the listing itself
            continue
    return {"descriptors": sum(link.startswith(os.environ[DIRECTORY]) for link in links), **_streams}


async def bare(scope: Scope, receive: Receive, send: Send) -> None:
    """The app."""
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    path = scope["path"]
    if path in ("/huge", "/file"):
        await _file(scope, send, Path(os.environ[DIRECTORY], "huge") if path == "/huge" else made("middle", MIDDLE))
    elif path == "/starlette":
        fields = {"Content-Length": str(HUGE)}
        await StreamingResponse(_chunks(HUGE), headers=fields, media_type=TYPE)(scope, receive, send)
    elif path in _LENGTHS:
        await _stream(send, _LENGTHS[path])
    else:
        await _text(send, json.dumps(state()).encode() if path == "/state" else content(0, SMALL))


_LENGTHS = {"/stream": HUGE, "/long": LONG, "/generator": MIDDLE}

application: Application = AsgiRangeMiddleware(bare)
