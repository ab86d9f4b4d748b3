"""``AsgiResponder``: one ASGI request, from the app's messages to those that the server gets.

The app gets ``send`` of a responder. The head is held back until the first message with content has come; then the
shared ``Responder`` decides, and the content passes unchanged, is sliced message by message, or is read from a file
that the app named. Once the last wanted byte is sent, the app is stopped: nothing more of its content is pulled.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack, aclosing
from enum import Enum, auto
from functools import cached_property, partial
from typing import Any, ClassVar

from ..app_protocol import call_asgi
from ..backends import AsyncBackend, current_backend
from ..bodies.openable import OpenableSource
from ..bodies.sources import SeekableSource, Source
from ..bodies.spool import Spool
from ..core.app_head import AppHead, Field
from ..core.reply import Reply
from ..core.slicer import Slicer
from ..core.values import Plan
from ..errors import AsgiProtocolError, TruncatedSource
from ..responder import Responder, with_segments
from . import messages
from .blocks import file_blocks, source_blocks
from .connection import Connection
from .messages import Message
from .openable import Handover, first_and_rest, render
from .pathsend import open_file_response

App = Callable[[Any, Any, Any], Awaitable[Any]]


class State(Enum):
    """The states of a response, each named by what the responder does with the next message with content."""

    NO_HEAD = auto()
    """Refuse it: ``http.response.start`` is missing."""

    HEAD_HELD = auto()
    """Decide the response: it is the first one."""

    SPOOLING = auto()
    """Read ahead: keep it until the length of the content is known or too large."""

    PASSING_ON = auto()
    """Send it unchanged: the app's own response is on its way."""

    SLICING = auto()
    """Send the wanted bytes of it."""

    STOPPING = auto()
    """Stop the app: it goes on after the last wanted byte."""

    TAKEN = auto()
    """Drop it: the response has been made of the body that the app handed over."""

    DONE = auto()
    """Refuse it: the response has ended."""


NO_HEAD, HEAD_HELD, SPOOLING, PASSING_ON, SLICING, STOPPING, TAKEN, DONE = State  # looked up faster before Python 3.12

_UNFINISHED = (HEAD_HELD, SPOOLING, SLICING)
"""States in which the app must not return. If it does so while passing on, the server itself notices."""


_UNFINISHED_RESPONSE = "the app returned before it had sent all of its response"
_LOST_PATH = (
    f"{_UNFINISHED_RESPONSE}; a middleware inside rangeware may have dropped {messages.PATHSEND}, which is not offered"
    " to the app any more"
)


class AsgiResponder:
    """One request and its response, as the app sees it.

    :param handover: where the app may put a body that opens itself; None if it cannot.
    :ivar lost_path: True if the app has sent no content, and was offered to name the path of a file.
    """

    def __init__(self, responder: Responder, connection: Connection, handover: Handover | None = None) -> None:
        self._handover = handover
        self._responder = responder
        self._connection = connection
        self.lost_path = False
        self._is_plain_get = responder.request.method == "GET" and responder.request.is_plain
        self._state = NO_HEAD
        self._failure: Exception | None = None
        self._spool: Spool | None = None

    async def run(self, app: App, scope: dict[str, Any]) -> None:
        """Run the app to its end, or until its response is complete.

        :raises AsgiProtocolError: if it sent a message that is not allowed, or returned before its response ended.
        :raises TruncatedSource: if its body was shorter than declared.
        """
        running = call_asgi(app, scope, self._connection.receive, self.send)
        try:
            await (running if self._is_plain_get else self._backend.run_app(running))
        finally:
            self._responder.carry_back()
            if self._spool is not None:
                self._spool.file.close()
        self.end(scope)

    def end(self, scope: dict[str, Any]) -> None:
        """Look at where the response stands now that the app has returned.

        :raises AsgiProtocolError: if the app has sent a message that is not allowed, or not all of its response.
        :raises TruncatedSource: if its body was shorter than declared.
        """
        if self._failure is not None:
            raise self._failure
        if self._connection.disconnected:
            return
        self.lost_path = self._state in (NO_HEAD, HEAD_HELD) and self._is_offered_to_send_paths(scope)
        if self._state in _UNFINISHED:
            raise AsgiProtocolError(_LOST_PATH if self.lost_path else _UNFINISHED_RESPONSE)

    def _is_offered_to_send_paths(self, scope: dict[str, Any]) -> bool:
        """True if the app is, in this copy of the scope, and the server itself does not offer it."""
        of_server = self._responder.environ.get("extensions") or ()
        return messages.PATHSEND in (scope.get("extensions") or ()) and messages.PATHSEND not in of_server

    @cached_property
    def _backend(self) -> AsyncBackend:
        return current_backend()

    def take_over(self, state: State, start: Message | None) -> None:
        """Go on with a response that the fast path has begun.

        :param start: the app's ``http.response.start``, if it has been held back.
        """
        if start is not None:
            self._connection.start, self._fields = messages.read_start(start)
        self._state = state

    async def send(self, message: Message) -> None:
        """Take the next message of the app.

        :raises AsgiProtocolError: if it is not allowed at this point.
        :raises TruncatedSource: if the body is shorter than declared.
        """
        kind = message.get("type")
        if self._failure is not None:
            raise self._failure
        if self._state is PASSING_ON and kind == messages.BODY and message.get("more_body"):
            await self._connection.raw_send(message)
            return
        try:
            if kind == messages.START:
                await self._hold_head(message)
            elif kind in messages.CONTENT:
                await self._ON_CONTENT[self._state](self, message)
            elif kind is None:
                raise AsgiProtocolError("the app sent a message without a type")
            elif kind != messages.TRAILERS or self._connection.trailers_allowed:
                await self._connection.send(message)
        except (AsgiProtocolError, TruncatedSource) as exc:  # for run(): the app might catch it
            self._failure = exc
            raise

    async def _hold_head(self, message: Message) -> None:
        if self._state is not NO_HEAD:
            raise AsgiProtocolError("the app sent http.response.start twice")
        self._connection.start, self._fields = messages.read_start(message)
        self._state = HEAD_HELD
        handover = self._handover
        if handover is not None and handover.body is not None:
            try:
                await self._decide_openable(handover, AppHead(message["status"], self._fields))
            finally:
                handover.end()

    async def _refuse_early(self, message: Message) -> None:
        raise AsgiProtocolError(f"the app sent {message['type']} before http.response.start")

    async def _drop(self, message: Message) -> None:
        """Drop a message of a middleware that ends the response in its own way."""

    async def _refuse_late(self, message: Message) -> None:
        raise AsgiProtocolError(f"the app sent {message['type']} after the end of its response")

    async def _decide(self, message: Message) -> None:
        status = self._connection.start["status"]
        self._head = AppHead(status, self._fields)
        await (self._decide_file if message["type"] == messages.PATHSEND else self._decide_content)(message)

    async def _decide_content(self, message: Message) -> None:
        """Decide a response whose content comes in messages: all of it in this one, or the first of it."""
        kind = message["type"]
        has_more = kind != messages.BODY or message.get("more_body", False)
        content = b"" if has_more else messages.read_content(message)
        source = self._responder.find_source(self._head, iter(()) if has_more else [content])
        plan, reply = self._responder.plan(self._responder.complete_head(self._head, source), source)
        if source is not None and len(content) > source.complete_length and self._head.may_be_cut:
            reply = with_segments(reply, source)
        if kind == messages.BODY and self._responder.should_spool(self._head, plan):
            self._spool = Spool(self._responder.options.spool_limit)
            self._state = SPOOLING
            await self._read_ahead(message)
        else:
            self._responder.publish(plan)
            await self._respond(reply, source, message)

    async def _decide_file(self, message: Message) -> None:
        """Decide, and send, a response whose content is a file that the message names."""
        self._state, path = DONE, messages.read_path(message)
        server_can_send = messages.PATHSEND in (self._responder.environ.get("extensions") or ())
        with ExitStack() as closing:
            response = await self._backend.run_in_thread(
                partial(open_file_response, self._responder, self._head, path, server_can_send, closing))
            self._responder.publish(response.plan)
            if response.content is None and not response.by_server:
                next_block = file_blocks(self._backend, response, self._responder.options.block_size)
                await self._send_while_listening(self._connection.send_blocks(response.reply, next_block))
                return
        if response.content is not None:
            await self._connection.send_reply(response.reply, response.content)
        elif response.reply.segments is None:
            await self._pass_on_first(message, response.reply.fields[len(self._fields):])
        else:
            await self._connection.start_reply(response.reply)
            await self._connection.send(message)

    async def _decide_openable(self, handover: Handover, head: AppHead) -> None:
        """Decide, and send, a response of the body that the app handed over; or leave it to the app to send it."""
        source = handover.source_under(head)
        if source is None:
            return
        plan, reply = self._responder.plan(self._responder.complete_head(head, source), source)
        if reply.segments is None:
            return
        handover.take()
        if reply.needs_source:
            await self._send_openable(source, plan, reply)
        else:
            self._state = TAKEN
            self._responder.publish(plan)
            await self._connection.send_reply(reply, reply.literals)

    async def _send_openable(self, source: OpenableSource, plan: Plan, reply: Reply) -> None:
        """Send what is wanted of a body that opens itself.

        The first block is read before the head is sent: after an error, the app may send another response.
        """
        self._state = NO_HEAD
        async with aclosing(render(self._backend, source, reply.segments or ())) as blocks:
            next_block = first_and_rest(await anext(blocks, b""), blocks)
            self._state = TAKEN
            self._responder.publish(plan)
            await self._send_while_listening(self._connection.send_blocks(reply, next_block))

    async def _send_while_listening(self, sending: Awaitable[None]) -> None:
        """Send the blocks of a file. The app waits meanwhile, so that nobody else would hear of a disconnect."""
        self._connection.stop_listening = self._backend.stop_listening
        await self._backend.run_while_listening(self._connection.listen, sending)

    async def _respond(self, reply: Reply, source: Source | None, message: Message) -> None:
        """Start the response, and send what this message has of it."""
        has_no_content = self._responder.has_no_content(reply)
        if reply.segments is None and self._responder.request.method != "HEAD":
            await self._pass_on_first(message, reply.fields[len(self._fields):])
        elif isinstance(source, SeekableSource) and reply.needs_source and not has_no_content:
            self._state = DONE
            next_block = source_blocks(self._backend, source, reply.segments or ())
            await self._connection.send_blocks(reply, next_block)
        else:
            self._complete_length = None if source is None else source.complete_length
            self._slicer = Slicer(() if has_no_content else reply.segments or ())
            self._state = SLICING
            await self._connection.start_reply(reply, allow_trailers=reply.status == 200 and not has_no_content)
            await self._slice(message)

    async def _pass_on_first(self, message: Message, added: list[Field]) -> None:
        """Start the app's own response, with these fields after its own, and send its first message."""
        self._state = PASSING_ON
        await self._connection.start_unchanged(added)
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if not message.get("more_body", False):
            self._state = DONE
        await self._connection.send(message)

    async def _slice(self, message: Message) -> None:
        """Send the wanted bytes of a message.

        The response ends with the last wanted byte, with one exception: an app that has sent all of its content may
        still say so in an empty message, and is allowed to end by itself.
        """
        slicer, has_more = self._slicer, message.get("more_body", False)
        content = messages.read_content(message, needed=not slicer.done)
        piece = slicer.push(content)
        is_last = slicer.done and not (has_more and slicer.pos == self._complete_length)
        if piece or is_last:
            await self._connection.send(messages.body_message(piece, not is_last))
        if self._connection.should_yield(len(content)):
            await self._let_others_run()
        if is_last:
            self._state = STOPPING if has_more else DONE
            await self._stop(message)
        elif not has_more:
            slicer.finish()

    async def _let_others_run(self) -> None:
        if not self._slicer.done:
            # Some servers tell by send() that the client is gone, even for no bytes.
            await self._connection.send(messages.body_message(b"", more=True))
        await self._backend.checkpoint()

    async def _stop(self, message: Message) -> None:
        """End the app after the last wanted byte, unless this message was its last one anyway."""
        if message.get("more_body", False):
            await self._connection.finish()
            await self._backend.stop_app(self._connection.app_may_end)

    async def _read_ahead(self, message: Message) -> None:
        """Keep content of unknown length; decide as soon as its length is known or too large."""
        assert self._spool is not None
        spool, has_more = self._spool, message.get("more_body", False)
        await self._backend.run_in_thread(partial(spool.push, messages.read_content(message)))
        if has_more and spool.is_complete:
            return
        source = await self._backend.run_in_thread(partial(self._responder.spooled_source, spool))
        plan, reply = self._responder.plan(self._head, source)
        self._responder.publish(plan)
        if source is not None:
            await self._respond(reply, source, message)
        else:
            await self._pass_on_spooled(spool, has_more)

    async def _pass_on_spooled(self, spool: Spool, has_more: bool) -> None:
        """Send the content that was read ahead in vain; what follows passes on."""
        self._state = PASSING_ON
        await self._connection.send(self._connection.start)
        replayed = spool.replay(self._responder.options.block_size)
        while block := await self._backend.run_in_thread(partial(next, replayed, b"")):
            await self._connection.send(messages.body_message(block, more=True))
        await self._pass_on(messages.body_message(b"", has_more))

    _ON_CONTENT: ClassVar[dict[State, Callable[[AsgiResponder, Message], Awaitable[None]]]] = {
        NO_HEAD: _refuse_early,
        HEAD_HELD: _decide,
        SPOOLING: _read_ahead,
        PASSING_ON: _pass_on,
        SLICING: _slice,
        STOPPING: _stop,
        TAKEN: _drop,
        DONE: _refuse_late,
    }
