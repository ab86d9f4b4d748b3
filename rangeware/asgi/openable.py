"""Bodies that open themselves at an offset, in ASGI apps: how they get from the app to us, and to the client.

ASGI has no message for such a body. So the middleware leaves a ``Handover`` in the scope of a request with Range or a
precondition, and ``OpenableResponse`` puts its body there. The messages that it sends are the usual ones, which every
middleware in between understands: if one of them changes the response, we see that by the head, and the content comes
in messages.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import aclosing
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ..backends import AsyncBackend, current_backend
from ..bodies.closing import close_body
from ..bodies.openable import OpenableBody, OpenableSource, slicer_of
from ..core.app_head import AppHead, Field
from ..core.segments import Segment, whole_content
from ..http.ranges import ByteRange
from .blocks import NextBlock
from .messages import HANDOVER, START, Message, Send, body_message, encode_fields

_PATIENCE = 100
"""How many times other tasks may run until the head of a response has come through the middlewares in between."""


class Handover:
    """Where the app puts its body, for one request.

    :ivar body: None if the app sends its content in messages.
    :ivar is_decided: True once the head of the response has reached us.
    :ivar is_taken: True if the response is made of the body: the app need not send it.
    """

    body: Any = None
    is_decided = False
    is_taken = False

    def source_under(self, head: AppHead) -> OpenableSource | None:
        """Return the source of the body, if this response is still the one that the app began.

        :param head: of the response, as it came through the middlewares of the app.
        """
        is_same = self.body is not None and head.status == 200 and head.complete_length == self.body.complete_length
        return OpenableSource(self.body, self.body.complete_length) if is_same else None


class OpenableResponse:
    """An ASGI app that answers with a body that opens itself, such as one of ``rangeware.stores``.

    >>> response = OpenableResponse(film, [("Content-Type", "video/mp4")])

    A Starlette endpoint can return it. FastAPI needs a subclass of both: ``class FilmResponse(OpenableResponse,
    Response)``. Without rangeware, and for a request without Range, it sends the whole body.

    :param body: its ``open_range`` may return blocks or be an asynchronous generator.
    :param headers: names and values. Content-Length, ETag and Last-Modified are those of the body, if they are missing.
    :param status: anything but 200 is sent without ranges.
    """

    background: Any = None
    """A function that Starlette and FastAPI call after the response; None for none."""

    def __init__(self, body: OpenableBody, headers: Iterable[Field] = (), status: int = 200) -> None:
        self.body = body
        self.status_code = status
        self.raw_headers = encode_fields(_completed([*headers], body))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the response (ASGI 3)."""
        start = {"type": START, "status": self.status_code, "headers": [*self.raw_headers]}
        handover = scope.get(HANDOVER) if self.status_code == 200 else None
        try:
            if scope["method"] == "HEAD":
                await send(start)
                await send(body_message(b""))
            elif handover is None:
                await self._send_blocks(send, start)
            elif not await self._hand_over(handover, send, start):
                await self._send_blocks(send)
        finally:
            close_body(self.body)
        if self.background is not None:
            await self.background()

    async def _hand_over(self, handover: Handover, send: Send, start: Message) -> bool:
        """Offer the body to the middleware; True if it has sent the response.

        Compressors keep the head until the first message with content, so that an empty one follows it. Starlette's
        ``BaseHTTPMiddleware`` passes messages on from another task, which has to run first.
        """
        handover.body = self.body
        await send(start)
        if not handover.is_decided:
            await send(body_message(b"", more=True))
        backend = current_backend()
        for _ in range(_PATIENCE):
            if handover.is_decided:
                break
            await backend.checkpoint()
        return handover.is_taken

    async def _send_blocks(self, send: Send, *before: Message) -> None:
        """Send the whole body. The first block is read before ``before`` is sent, so that an error comes before it."""
        length = self.body.complete_length
        source = OpenableSource(self.body, length)
        async with aclosing(render(current_backend(), source, whole_content(length))) as blocks:
            block = await anext(blocks, b"")
            for message in before:
                await send(message)
            while block:
                await send(body_message(block, more=True))
                block = await anext(blocks, b"")
        await send(body_message(b""))


def _completed(fields: list[Field], body: OpenableBody) -> list[Field]:
    """Add Content-Length and the validators of the body, if they are missing."""
    head = AppHead(200, fields)
    added = OpenableSource(body, body.complete_length).validators(head, datetime.now(timezone.utc))
    if head.get("content-length") is None:
        added.append(("Content-Length", str(body.complete_length)))
    return [*fields, *added]


async def render(
    backend: AsyncBackend, source: OpenableSource, segments: Sequence[Segment]
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the segments, as ``OpenableSource.render`` does; blocking calls are made in threads.

    :raises TruncatedSource: while rendering, if a range ends early.
    """
    held = b""
    for segment in segments:
        if isinstance(segment, bytes):
            held += segment
            continue
        async with aclosing(_opened(backend, source.body, segment)) as blocks:
            async for block in blocks:
                yield held + block if held else block
                held = b""
    if held:
        yield held


def first_and_rest(first: bytes, rest: AsyncIterator[bytes]) -> NextBlock:
    """Return a function that returns the next block: the first one has been read."""
    held = [first]

    async def next_block() -> bytes:
        return held.pop() if held else await anext(rest, b"")

    return next_block


async def _opened(backend: AsyncBackend, body: Any, part: ByteRange) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of one range of a body."""
    slicer = slicer_of(part)
    chunks = await backend.run_in_thread(partial(body.open_range, *part))
    next_chunk = _next_chunk(backend, chunks)
    try:
        while not slicer.done:
            chunk = await next_chunk()
            if chunk is None:
                slicer.finish()
            elif block := slicer.push(chunk):
                yield block
    finally:
        await (chunks.aclose() if hasattr(chunks, "aclose") else _close(chunks))


def _next_chunk(backend: AsyncBackend, chunks: Any) -> Callable[[], Awaitable[bytes | None]]:
    """Return a function that returns the next chunk; None after the last one."""
    if hasattr(chunks, "__aiter__"):
        return partial(anext, aiter(chunks), None)
    return partial(backend.run_in_thread, partial(next, iter(chunks), None))


async def _close(chunks: object) -> None:
    close_body(chunks)  # not in a thread: a task that was cancelled could not wait for it
