"""The server's side of an ASGI exchange: what is heard from it, and the head and content that it is sent."""

from __future__ import annotations

from contextlib import suppress
from math import inf

from .blocks import Pull
from .messages import Message, Receive, Send, body, encoded
from .reply import Field, Reply

_GRACE = 10  # looks, see hosts.py


class ServerSide:
    """The server, for one request.

    ``gone`` says whether the client is known to have hung up, ``start`` is the app's head, which is held,
    ``put`` the server's own ``send``, and ``trails`` says whether trailers fit the answer.
    """

    __slots__ = ("_grace", "_listeners", "_receive", "gone", "put", "start", "trails")

    start: Message

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.put = send
        self._listeners = 0
        self._grace = _GRACE
        self.gone = False
        self.trails = True

    def is_heard(self) -> bool:
        """Whether the app may be about to end by itself: it waits for the next message, or has just heard of the end.
        The latter is so for a few looks."""
        self._grace -= self.gone and not self._listeners
        return self._listeners > 0 or self.gone and self._grace >= 0

    async def receive(self) -> Message:
        """Its next message."""
        self._listeners += 1
        try:
            message = await self._receive()
        finally:
            self._listeners -= 1
        self.gone = self.gone or message["type"] == "http.disconnect"
        return message

    async def listen(self) -> None:
        """Waits until the client is gone, unless the app does: some servers let one send on into the void.

        The request's content may come before, and again and again from whoever replays it.
        """
        ends = 0
        with suppress(Exception):
            while not self.gone and not self._listeners and ends < 2:
                ends += not (await self.receive()).get("more_body", False)

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

    async def commit(self, reply: Reply) -> None:
        """Begins an answer of ours. The trailers of the app are about the whole."""
        start = {**self.start, "status": reply.status, "headers": encoded(reply.fields)}
        self.trails = reply.status == self.start["status"]
        if not self.trails:
            start.pop("trailers", None)
        await self.send(start)

    async def send_at_once(self, reply: Reply, content: bytes) -> None:
        """An answer of ours, whole."""
        await self.commit(reply)
        await self.send(body(content))

    async def send_blocks(self, reply: Reply, pull: Pull) -> None:
        """An answer of ours in blocks; the next one is pulled when the last one is sent.

        :raises TruncatedSource: if the blocks end early.
        """
        await self.commit(reply)
        left = inf if reply.segments is None else reply.length
        while left > 0 and not self.gone:
            left = await self._send_block(pull, left)

    async def _send_block(self, pull: Pull, left: float) -> float:
        """Sends the next block, and lets go of it; the bytes that are left then."""
        block = await pull()
        left = left - len(block) if block else 0
        await self.send(body(block, more=left > 0))
        return left
