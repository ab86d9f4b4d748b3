"""Bodies that open themselves at an offset, in ASGI apps: their way from the app to us, and to the client.

ASGI has no message for such a body. So the middleware leaves a ``Handover`` in the scope of a request with Range or a
precondition, and ``OpenableResponse`` puts its body there. The messages that it sends are the usual ones, which every
middleware in between understands: if one of them changes the length or the status of the response, we see that by the
head, and the content comes in messages.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing, suppress
from datetime import datetime, timezone
from functools import partial
from typing import Any

from ..backends import AsyncBackend, Event, current_backend
from ..bodies.closing import close_body
from ..bodies.openable import OpenableBody, OpenableSource, slicer_for
from ..core.app_head import AppHead, Field
from ..core.segments import Segment, whole_content
from ..core.slicer import Slicer
from ..http.ranges import ByteRange
from .blocks import NextBlock
from .messages import DISCONNECT, HANDOVER, START, Message, Receive, Send, body_message, encode_fields

_PATIENCE = 0.25
"""Seconds that the head of a response may take on its way through the middlewares in between."""


class Handover:
    """The place for the body of the app, for one request.

    :ivar body: None if the app sends its content in messages.
    :ivar decided: set once the head of the response has reached us.
    :ivar ended: set once nothing is read of the body any more.
    :ivar is_taken: True if the response is made of the body: the app must not send it.
    """

    decided: Event
    ended: Event

    def __init__(self) -> None:
        self.body: Any = None
        self.is_taken = False

    def offer(self, body: Any, backend: AsyncBackend) -> None:
        """Put a body here, for which the app waits for both events."""
        self.body, self.decided, self.ended = body, backend.event(), backend.event()

    def take(self) -> None:
        """Say that the response is made of the body."""
        self.is_taken = True
        self.decided.set()

    def end(self) -> None:
        """Say that the body is not needed any more."""
        self.decided.set()
        self.ended.set()

    def source_under(self, head: AppHead) -> OpenableSource | None:
        """Return the source of the body, if this response is still the one that the app began.

        :param head: of the response, as it came through the middlewares of the app.
        """
        source = OpenableSource.of(self.body)
        return source if head.status == 200 and head.complete_length == source.complete_length else None


class OpenableResponse:
    """An ASGI app that answers with a body that opens itself, such as one of ``rangeware.stores``.

    >>> response = OpenableResponse(film, [("Content-Type", "video/mp4")])

    A Starlette endpoint can return it. FastAPI needs a subclass of both: ``class FilmResponse(OpenableResponse,
    Response)``. Without rangeware, and for a request without Range, it sends the whole body.

    The danger: a middleware between rangeware and the app that changes the content, but neither its length nor the
    status, changes the whole only, and no part of it.

    :param body: its ``open_range`` may return blocks or be an asynchronous generator.
    :param headers: names and values, or a mapping of them. Content-Length, ETag and Last-Modified are those of the
        body, if they are missing.
    :param status: anything but 200 is sent without ranges.
    :ivar background: a function that is called after the response, as in Starlette and FastAPI; None for none.
    :raises TypeError: if the length of the body is no length, or its entity tag is not text.
    """

    __slots__ = ("background", "body", "raw_headers", "status_code")  # FastAPI would send a __dict__ as JSON

    def __init__(
        self, body: OpenableBody, headers: Mapping[str, str] | Iterable[Field] = (), status: int = 200
    ) -> None:
        self.background: Any = None
        self.body = body
        self.status_code = status
        fields = headers.items() if isinstance(headers, Mapping) else headers
        self.raw_headers = encode_fields(_completed([*fields], body))

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send the response (ASGI 3)."""
        start = {"type": START, "status": self.status_code, "headers": [*self.raw_headers]}
        handover = scope.get(HANDOVER) if self.status_code == 200 else None
        try:
            if scope["method"] == "HEAD":
                await send(start)
                await send(body_message(b""))
            elif handover is None:
                await self._send_blocks(receive, send, start)
            elif not await self._hand_over(handover, send, start):
                await self._send_blocks(receive, send)
        finally:
            close_body(self.body)
        if self.background is not None:
            await self.background()

    async def _hand_over(self, handover: Handover, send: Send, start: Message) -> bool:
        """Offer the body to the middleware; True if it has sent the response.

        Compressors keep the head until the first message with content, so that an empty one follows it. Other
        middlewares pass messages on from another task, or when all of the content has come: the offer is withdrawn if
        that takes too long, for the content is sent in messages then.
        """
        backend = current_backend()
        handover.offer(self.body, backend)
        await send(start)
        if not handover.is_taken:
            await send(body_message(b"", more=True))
        await backend.wait_for(handover.decided, _PATIENCE)
        handover.body = None
        if handover.is_taken:
            await handover.ended.wait()
        return handover.is_taken

    async def _send_blocks(self, receive: Receive, send: Send, *before: Message) -> None:
        """Send the whole body, until the client leaves: some servers do not tell in ``send`` that it has left.

        The first block is read before the messages ``before`` are sent, so that an error comes before them.
        """
        backend = current_backend()
        left: list[Message] = []

        async def listen() -> None:
            with suppress(Exception):
                while not left:
                    message = await receive()
                    if message["type"] == DISCONNECT:
                        left.append(message)

        source = OpenableSource.of(self.body)
        async with aclosing(render(backend, source, whole_content(source.complete_length))) as blocks:
            block = await anext(blocks, b"")
            for message in before:
                await send(message)
            await backend.run_while_listening(listen, _send_rest(send, block, blocks, left))
        if not left:
            await send(body_message(b""))


async def _send_rest(send: Send, block: bytes, blocks: AsyncIterator[bytes], left: Sequence[Message]) -> None:
    """Send this block and the others, until ``left`` says that the client has left."""
    while block and not left:
        await send(body_message(block, more=True))
        block = await anext(blocks, b"")


def _completed(fields: list[Field], body: OpenableBody) -> list[Field]:
    """Add Content-Length and the validators of the body, if they are missing."""
    head = AppHead(200, fields)
    added = OpenableSource.of(body).validators(head, datetime.now(timezone.utc))
    if head.get("content-length") is None:
        added.append(("Content-Length", str(body.complete_length)))
    return [*fields, *added]


async def render(
    backend: AsyncBackend, source: OpenableSource, segments: Sequence[Segment]
) -> AsyncGenerator[bytes, None]:
    """Yield the bytes of the segments, as ``OpenableSource.render`` does; blocking calls are made in threads.

    :raises TruncatedSource: while rendering, if a range ends early.
    """
    if not source.complete_length:
        return
    for part, group in source.openings(segments):
        async with aclosing(_opened(backend, source.body, part, slicer_for(part, group))) as blocks:
            async for block in blocks:
                yield block


def first_and_rest(first: bytes, rest: AsyncIterator[bytes]) -> NextBlock:
    """Return a function that returns the next block: the first one has been read."""
    held = [first]

    async def next_block() -> bytes:
        return held.pop() if held else await anext(rest, b"")

    return next_block


async def _opened(backend: AsyncBackend, body: Any, part: ByteRange, slicer: Slicer) -> AsyncGenerator[bytes, None]:
    """Yield what the slicer makes of the bytes of one range of a body."""
    opened: list[Any] = []  # so that it is closed, too, if we are cancelled while it is opened
    try:
        await backend.run_in_thread(lambda: opened.append(body.open_range(*part)))
        next_chunk = _next_chunk(backend, opened[0])
        while not slicer.done:
            chunk = await next_chunk()
            if chunk is None:
                slicer.finish()
            elif block := slicer.push(chunk):
                yield block
    finally:
        for chunks in opened:
            await _close(chunks)


def _next_chunk(backend: AsyncBackend, chunks: Any) -> Callable[[], Awaitable[bytes | None]]:
    """Return a function that returns the next chunk; None after the last one."""
    if hasattr(chunks, "__aiter__"):
        return partial(anext, aiter(chunks), None)
    return partial(backend.run_in_thread, partial(next, iter(chunks), None))


async def _close(chunks: Any) -> None:
    """Close what ``open_range`` has returned; not in a thread, for which a cancelled task could not wait."""
    if hasattr(chunks, "aclose"):
        await chunks.aclose()
    else:
        close_body(chunks)
