"""The ASGI middleware (ASGI 3, HTTP): the messages of an app, and the answer that is made of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from . import blocks, hosts, messages
from .core.head import AppHead, Field, fastpath_length
from .core.options import Options, OptionsDict
from .core.reply import ACCEPT_RANGES, Reply
from .core.slicer import Slicer
from .core.values import Reason, RequestFields
from .errors import AsgiProtocolError, TruncatedSource
from .forward import Spool
from .messages import Message
from .paths import PathAnswering
from .serverside import ServerSide
from .sources import SeekableSource, Source

if TYPE_CHECKING:
    from typing_extensions import Unpack

App = Callable[[Any, Any, Any], Awaitable[Any]]


class AsgiRangeMiddleware:
    """Gives every answer of an ASGI app ranges, conditions and validators: ``app = AsgiRangeMiddleware(app)``.

    >>> app.add_middleware(AsgiRangeMiddleware, max_ranges=50)  # Starlette, FastAPI

    Put it outermost, around other middleware: it must see the bytes that the client gets. The danger: an app whose
    answers to the same request differ from one time to the next, under the same ETag, gives parts that do not fit.

    :param app: any ASGI 3 application, on asyncio or trio.
    :param options: see ``rangeware.options.Options``; what takes an environ gets the scope.
    :raises InvalidOption: if an option has a value that cannot work.
    """

    def __init__(self, app: App, **options: Unpack[OptionsDict]) -> None:
        self._options = Options.for_app(app, "an ASGI", options)
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers one request (ASGI 3)."""
        options = self._options
        if scope["type"] != "http" or options.applies is not None and not options.applies(scope):
            await self._app(scope, receive, send)
            return
        request = messages.request_fields(scope, options.preconditions)
        ranged = request.range is not None or request.if_range is not None
        if not ranged and request.method not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(options, scope, request, ServerSide(receive, send))
        await exchange.run(self._app, messages.app_scope(scope, request, options.hide_range) if ranged else scope)


class _Exchange(PathAnswering):
    """One request and its answer, as the app sees it. Its head is held until it is known how the answer can be given;
    ``_take`` is what happens to the next message with content."""

    def __init__(self, options: Options, scope: dict[str, Any], request: RequestFields, server: ServerSide) -> None:
        self._options = options
        self._environ = scope
        self._request = request
        self._server = server
        self._is_plain = request.method == "GET" and not request.is_conditional
        self._passes = False
        self._failure: Exception | None = None
        self._spool: Spool | None = None
        self._take: Callable[[Message], Awaitable[None]] = self._too_early

    async def run(self, app: App, scope: dict[str, Any]) -> None:
        """Runs the app, and looks whether it has done all of its work.

        :raises AsgiProtocolError: if it sent what cannot come there, or did not finish.
        :raises TruncatedSource: if its body was shorter than declared.
        """
        running = app(scope, self._server.receive, self.send)
        try:
            await (running if self._is_plain else self._host.run(running))
        finally:
            if self._spool is not None:
                self._spool.file.close()
        if self._failure is not None:
            raise self._failure
        if not self._server.gone and self._take not in (self._too_early, self._pass_on, self._end, self._too_late):
            raise AsgiProtocolError("the app returned before it had sent all of its answer")

    @cached_property
    def _host(self) -> hosts.Host:
        return hosts.current()

    async def send(self, message: Message) -> None:
        """The next message of the app.

        :raises AsgiProtocolError: if it cannot come there.
        :raises TruncatedSource: if the body is shorter than declared.
        """
        kind = message.get("type")
        if self._passes and kind == messages.BODY and message.get("more_body"):
            await self._server.put(message)
            return
        if self._failure is not None:
            raise self._failure
        try:
            if kind == messages.START:
                self._keep(message)
            elif kind in messages.CONTENT:
                await self._take(message)
            elif kind is None:
                raise AsgiProtocolError("the app sent a message without a type")
            elif kind != messages.TRAILERS or self._server.trails:
                await self._server.send(message)
        except (AsgiProtocolError, TruncatedSource) as exc:  # the app might not let it through
            self._failure = exc
            raise

    def _keep(self, message: Message) -> None:
        if self._take != self._too_early:
            raise AsgiProtocolError("the app sent http.response.start twice")
        self._server.start, self._fields = messages.begun(message)
        self._take = self._begin

    async def _too_early(self, message: Message) -> None:
        raise AsgiProtocolError(f"the app sent {message['type']} before http.response.start")

    async def _too_late(self, message: Message) -> None:
        raise AsgiProtocolError(f"the app sent {message['type']} after the end of its answer")

    async def _begin(self, message: Message) -> None:
        """The first message with content."""
        status = self._server.start["status"]
        if self._is_plain and status == 200:
            own = ACCEPT_RANGES in self._fields
            fields = [field for field in self._fields if field != ACCEPT_RANGES] if own else self._fields
            length = fastpath_length(fields, message["type"] == messages.PATHSEND)
            if length and messages.has_content(message, int(length)):
                await self._hand_on(message, [] if own else [ACCEPT_RANGES])
                return
        self._head = AppHead(status, self._fields)
        await (self._begin_file if message["type"] == messages.PATHSEND else self._begin_content)(message)

    async def _begin_content(self, message: Message) -> None:
        kind = message["type"]
        more = kind != messages.BODY or message.get("more_body", False)
        source = self._source(self._head, iter(()) if more else [messages.content_of(message)])
        plan, reply = self._plan(self._completed(self._head, source), source)
        if plan.reason is Reason.UNKNOWN_LENGTH and kind == messages.BODY and self._options.spool_limit:
            self._spool = Spool(self._options.spool_limit)
            self._take = partial(self._read_ahead, self._spool)
            await self._take(message)
        else:
            self._tell(plan)
            await self._answer(reply, source, message)

    async def _begin_file(self, message: Message) -> None:
        self._take, path = self._too_late, messages.path_of(message)
        by_server = messages.PATHSEND in (self._environ.get("extensions") or ())
        with ExitStack() as closing:
            opened = await self._host.in_thread(partial(self._opened, self._head, path, by_server, closing))
            self._tell(opened.plan)
            if opened.content is None and not opened.hands_on:
                sent = self._server.send_blocks(opened.reply, blocks.of_file(self._host, opened, self.block_size))
                self._server.hush = self._host.hush
                await self._host.beside(self._server.listen, sent)
                return
        if opened.content is not None:
            await self._server.send_at_once(opened.reply, opened.content)
        elif opened.reply.segments is None:
            await self._hand_on(message, opened.reply.fields[len(self._fields):])
        else:
            await self._server.commit(opened.reply)
            await self._server.send(message)

    async def _answer(self, reply: Reply, source: Source | None, message: Message) -> None:
        """The answer, where the message has all of the content or the first of it."""
        if reply.segments is None and self._request.method != "HEAD":
            await self._hand_on(message, reply.fields[len(self._fields):])
        elif isinstance(source, SeekableSource) and reply.needs_source and not self._is_bodiless(reply):
            self._take = self._too_late
            await self._server.send_blocks(reply, blocks.rendered(self._host, source, reply.segments or ()))
        else:
            self._complete_length = None if source is None else source.complete_length
            self._slicer = Slicer(() if self._is_bodiless(reply) else reply.segments or ())
            self._take = self._slice
            await self._server.commit(reply, trails=reply.status == 200 and not self._is_bodiless(reply))
            await self._slice(message)

    async def _hand_on(self, message: Message, added: list[Field]) -> None:
        """The app's own answer, with these fields after its own."""
        self._take, self._passes = self._pass_on, True
        await self._server.hand_on(added)
        await self._pass_on(message)

    async def _pass_on(self, message: Message) -> None:
        if not message.get("more_body", False):
            self._take, self._passes = self._too_late, False
        await self._server.send(message)

    async def _slice(self, message: Message) -> None:
        """Sends what is wanted of the message. An app that has given all it declared may say that this was all."""
        slicer, more = self._slicer, message.get("more_body", False)
        content = messages.content_of(message, needed=not slicer.done)
        piece = slicer.push(content)
        is_last = slicer.done and not (more and slicer.pos == self._complete_length)
        if piece or is_last:
            await self._server.send(messages.body(piece, not is_last))
        if self._server.is_long_since(len(content)):
            if not slicer.done:
                await self._server.send(messages.body(b"", more=True))  # some servers tell then that the client is gone
            await self._host.pause()
        if is_last:
            self._take = self._end if more else self._too_late
            await self._end(message)
        elif not more:
            slicer.finish()

    async def _end(self, message: Message) -> None:
        """After the last byte: the app is not asked for more. While it ends, it may still say that this was all."""
        if message.get("more_body", False):
            await self._server.end()
            await self._host.stop(self._server.is_heard)

    async def _read_ahead(self, spool: Spool, message: Message) -> None:
        """Keeps content of unknown length, until that is known or too large."""
        more = message.get("more_body", False)
        await self._host.in_thread(partial(spool.push, messages.content_of(message)))
        if more and spool.whole:
            return
        source = await self._host.in_thread(partial(self._spooled_source, spool))
        plan, reply = self._plan(self._head, source)
        self._tell(plan)
        if source is not None:
            await self._answer(reply, source, message)
            return
        self._take = self._pass_on
        await self._server.send(self._server.start)
        replayed = spool.replay(self.block_size)
        while block := await self._host.in_thread(partial(next, replayed, b"")):
            await self._server.send(messages.body(block, more=True))
        await self._pass_on(messages.body(b"", more))

