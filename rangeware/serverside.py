"""The server's side of an ASGI exchange: what is heard from it, and the head and content that it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from math import inf

from .blocks import Pull
from .core.head import Field
from .core.reply import Reply
from .messages import TRAILERS, Message, Receive, Send, body, encoded

_DISCONNECT = "http.disconnect"
_GRACE = 10  # looks, see hosts.py
_STRETCH = 1 << 20  # bytes that go by without a pause
_MESSAGE = 4096  # bytes that a message counts for, however short it is


class ServerSide:
    """The server, for one request.

    ``gone`` says whether the client is known to have hung up, and ``trails`` whether trailers fit the answer. ``start``
    is the app's head, which is held, and ``put`` the server's own ``send``; ``hush`` ends what ``listen`` does.
    """

    __slots__ = ("_grace", "_heard", "_listeners", "_receive", "_unpaused", "gone", "hush", "put", "start",
                 "trails")

    start: Message

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.put = send
        self._heard: list[Message] = []
        self.hush: Callable[[], Awaitable[None]] | None = None
        self._listeners = 0
        self._grace = _GRACE
        self._unpaused = 0
        self.gone = False
        self.trails = True

    def is_heard(self) -> bool:
        """Whether the app may be about to end by itself: it waits for the next message, or has just heard of the end.
        The latter is so for a few looks."""
        self._grace -= self.gone and not self._listeners
        return self._listeners > 0 or self.gone and self._grace >= 0

    def is_long_since(self, length: int) -> bool:
        """Whether, after so many bytes more, others are to run: nobody waits for what is skipped."""
        self._unpaused += _MESSAGE + length
        if self._unpaused < _STRETCH:
            return False
        self._unpaused = 0
        return True

    async def receive(self) -> Message:
        """Its next message. Nobody else listens then: some servers tell each of them only once."""
        if self.hush is not None:
            await self.hush()
        if self._heard:
            return self._heard.pop(0)
        self._listeners += 1
        try:
            message = await self._receive()
        finally:
            self._listeners -= 1
        self.gone = self.gone or message["type"] == _DISCONNECT
        return message

    async def listen(self) -> None:
        """Waits until the client is gone, unless the app does: some servers let one send on into the void.

        What is heard is kept for the app. That is little: who has content to send is not listened to.
        """
        with suppress(Exception):
            while not self.gone and not self._listeners and len(self._heard) < 2:
                message = await self._receive()
                self._heard.append(message)
                self.gone = message["type"] == _DISCONNECT
                if message.get("body"):
                    return

    async def send(self, message: Message) -> None:
        """Hands it a message.

        :raises OSError: if the client is gone; most servers say nothing of that.
        """
        try:
            await self.put(message)
        except OSError:
            self.gone = True
            raise

    async def hand_on(self, added: list[Field]) -> None:
        """Begins the app's own answer, with these fields after its own."""
        await self.send({**self.start, "headers": [*self.start["headers"], *encoded(added)]} if added else self.start)

    async def commit(self, reply: Reply, trails: bool = False) -> None:
        """Begins an answer of ours, with the trailers of the app or without them: they are about the whole."""
        self.trails = trails
        start = {**self.start, "status": reply.status, "headers": encoded(reply.fields)}
        if not trails:
            start.pop("trailers", None)
        await self.send(start)

    async def end(self) -> None:
        """Ends an answer of ours for an app that will say no more."""
        if self.trails and self.start.get("trailers"):
            await self.send({"type": TRAILERS, "headers": [], "more_trailers": False})
        self.trails = False

    async def send_at_once(self, reply: Reply, content: bytes) -> None:
        """An answer of ours, whole."""
        await self.commit(reply)
        await self.send(body(content))

    async def send_blocks(self, reply: Reply, pull: Pull) -> None:
        """An answer of ours in blocks; the next one is pulled when the last one is sent.

        :raises TruncatedSource: if the blocks end early.
        """
        await self.commit(reply, trails=reply.status == 200)
        left = inf if reply.segments is None else reply.length
        while left > 0 and not self.gone:
            left = await self._send_block(pull, left)

    async def _send_block(self, pull: Pull, left: float) -> float:
        """Sends the next block, and lets go of it; the bytes that are left then."""
        block = await pull()
        left = left - len(block) if block else 0
        await self.send(body(block, more=left > 0))
        return left
