"""Shared by the ASGI apps: the generator as an asynchronous one, and the types of ASGI."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, generated

FRAMEWORKS = ("bare", "starlette", "fastapi", "litestar", "quart", "django", "blacksheep")
TYPE = "application/octet-stream"
GENERATOR_FIELDS = {"Content-Length": str(GENERATOR_LENGTH), "ETag": ETAG}

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[None]]


async def generated_slowly(framework: str) -> AsyncIterator[bytes]:
    """The generator's representation, chunk by chunk."""
    for chunk in generated(framework):
        yield chunk
