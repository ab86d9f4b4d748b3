"""The connection: the server's ``receive`` and ``send`` for one request, and what is known of the client.

The responder sends everything through it. It notices when the client disconnects. Either the app hears of that, by its
``receive``, or our own ``listen`` does, which runs while we send blocks that the app knows nothing of.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf

from ..core.app_head import Field
from ..core.reply import Reply
from .blocks import NextBlock
from .messages import DISCONNECT, TRAILERS, Message, Receive, Send, body_message, encode_fields

_GRACE = 10  # checks by the backend that waits for the app to end
_STRETCH = 1 << 20  # bytes that are skipped without letting other tasks run
_MESSAGE = 4096  # bytes that a message counts for, however short it is


class Connection:
    """The server's side of one request.

    :ivar raw_send: the server's own ``send``.
    :ivar disconnected: True once the client is known to be gone.
    :ivar trailers_allowed: True as long as the app's trailers would be right after the content that is sent.
    :ivar start: the app's ``http.response.start``, held back until the response is known.
    :ivar stop_listening: ends ``listen`` if it may be running; None if it cannot be.
    """

    __slots__ = ("_grace", "_receive", "_received", "_receivers", "_unyielded", "disconnected", "raw_send", "start",
                 "stop_listening", "trailers_allowed")

    start: Message

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.raw_send = send
        self._received: list[Message] = []
        self.stop_listening: Callable[[], Awaitable[None]] | None = None
        self._receivers = 0
        self._grace = _GRACE
        self._unyielded = 0
        self.disconnected = False
        self.trailers_allowed = True

    def app_may_end(self) -> bool:
        """True while the app may be about to end by itself, so that it need not be cancelled yet.

        It may if it waits in ``receive``, where it will hear of the end, or has heard of it a moment ago; the latter
        counts for a few calls only.
        """
        self._grace -= self.disconnected and not self._receivers
        return self._receivers > 0 or self.disconnected and self._grace >= 0

    def should_yield(self, length: int) -> bool:
        """Count ``length`` skipped bytes; True if other tasks should get to run now.

        While bytes are skipped, nothing is awaited that would let them.
        """
        self._unyielded += _MESSAGE + length
        if self._unyielded < _STRETCH:
            return False
        self._unyielded = 0
        return True

    async def receive(self) -> Message:
        """Return the next message for the app. We stop listening first: some servers tell each message only once."""
        if self.stop_listening is not None:
            await self.stop_listening()
        if self._received:
            return self._received.pop(0)
        self._receivers += 1
        try:
            message = await self._receive()
        finally:
            self._receivers -= 1
        self.disconnected = self.disconnected or message["type"] == DISCONNECT
        return message

    async def listen(self) -> None:
        """Wait until the client has disconnected, unless the app is waiting in ``receive`` itself.

        Some servers accept messages for ever for a client that is gone. Messages received here are kept for the app;
        they are few, for a client that still sends a body ends the listening.
        """
        with suppress(Exception):
            while not self.disconnected and not self._receivers and len(self._received) < 2:
                message = await self._receive()
                self._received.append(message)
                self.disconnected = message["type"] == DISCONNECT
                if message.get("body"):
                    return

    async def send(self, message: Message) -> None:
        """Send a message.

        :raises OSError: if the server says that the client is gone; most servers do not.
        """
        try:
            await self.raw_send(message)
        except OSError:
            self.disconnected = True
            raise

    async def start_unchanged(self, added: list[Field]) -> None:
        """Start the app's own response, with these fields after its own."""
        headers = [*self.start["headers"], *encode_fields(added)]
        await self.send({**self.start, "headers": headers} if added else self.start)

    async def start_reply(self, reply: Reply, allow_trailers: bool = False) -> None:
        """Start a response of ours. The app's trailers are about the whole representation, and do not fit a part."""
        self.trailers_allowed = allow_trailers
        start = {**self.start, "status": reply.status, "headers": encode_fields(reply.fields)}
        if not allow_trailers:
            start.pop("trailers", None)
        await self.send(start)

    async def finish(self) -> None:
        """End a response of ours whose app will send no more: the trailers that it announced stay empty."""
        if self.trailers_allowed and self.start.get("trailers"):
            await self.send({"type": TRAILERS, "headers": [], "more_trailers": False})
        self.trailers_allowed = False

    async def send_reply(self, reply: Reply, content: bytes) -> None:
        """Send a complete response of ours."""
        await self.start_reply(reply)
        await self.send(body_message(content))

    async def send_blocks(self, reply: Reply, next_block: NextBlock) -> None:
        """Send a response of ours block by block; each is read when the one before is sent.

        :raises TruncatedSource: if the source ends early.
        """
        await self.start_reply(reply, allow_trailers=reply.status == 200)
        left = inf if reply.segments is None else reply.length
        while left > 0 and not self.disconnected:
            left = await self._send_block(next_block, left)

    async def _send_block(self, next_block: NextBlock, left: float) -> float:
        """Send the next block and return the bytes that are left. The block is freed before another one is read."""
        block = await next_block()
        left = left - len(block) if block else 0
        await self.send(body_message(block, more=left > 0))
        return left
