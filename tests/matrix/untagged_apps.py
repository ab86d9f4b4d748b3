"""Apps that send the file named in RANGEWARE_MATRIX_FILE without validators: the ones it gets are ours."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from rangeware import AsgiRangeMiddleware, RangeMiddleware

FILE = "RANGEWARE_MATRIX_FILE"
TYPE = "application/octet-stream"


def _wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    file = open(os.environ[FILE], "rb")  # noqa: SIM115 - what the server gets closes it
    start_response("200 OK", [("Content-Type", TYPE)])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


async def _named(scope: dict[str, Any], receive: Callable[[], Awaitable[Any]],
                 send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", TYPE.encode())]})
    await send({"type": "http.response.pathsend", "path": os.environ[FILE]})


wsgi = RangeMiddleware(_wrapped)
asgi = AsgiRangeMiddleware(_named)
