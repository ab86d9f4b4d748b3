"""``WsgiResponder``: one WSGI request, from the app's ``start_response`` to the iterable that the server gets.

It stands in for ``start_response``, so that the app's head is held back until its body is known. ``respond`` then
decides with the shared ``Responder``, gives the head to the server, and returns the content in one of four ways: the
app's own body, one block, the server's own file wrapper, or our blocks.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Awaitable, Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from ..app_protocol import not_wsgi
from ..bodies.closing import ClosingIterator, ClosingThen, block_after_closing, close_and_log
from ..bodies.openable import OpenableSource
from ..bodies.sources import Source
from ..bodies.spool import Spool
from ..bodies.streams import ForwardSource, PeekableChunks
from ..bodies.unwrap import closable_of
from ..core.app_head import AppHead, Field
from ..core.options import Options
from ..core.reply import Reply
from ..core.values import Plan, RequestFields
from ..responder import AppCopy, Responder, with_file_segments, with_segments
from .file_wrapper import FileWrapper
from .sendfile import can_send, via_server_wrapper, would_skip_read
from .write import Write, WriteAdapter

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse

Environ = dict[str, Any]

_STATUS_LINES = {
    206: "206 Partial Content",
    304: "304 Not Modified",
    412: "412 Precondition Failed",
    416: "416 Range Not Satisfiable",
}
_PLAIN_GET = RequestFields("GET")
PRECONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")

_DOUBLING = ("a2wsgi.wsgi", "hypercorn.app_wrappers", "werkzeug.serving")
"""Modules of the servers that send a Date and a Server of their own even if the app has sent them."""

OURS = frozenset({
    *PRECONDITIONS, "HTTP_IF_RANGE", "HTTP_RANGE", "rangeware.if_range", "rangeware.range", "wsgi.file_wrapper"})
"""The keys in which the copy of environ for the app differs from the server's own."""

NO_HEAD, HEAD_HELD, COMMITTED, PASSED_ON = range(4)
"""Stages of a response: no head yet; a head that the app may still replace; too late to replace it; all is up to the
server."""


class WsgiResponder:
    """One request and its response; called by the app as ``start_response``."""

    # The body is not kept here: it may hold us, as the start_response that it was made with, and the cycle would keep
    # both alive, with a file that only the end of the body closes (CherryPy's).
    __slots__ = ("_before", "_copy", "_environ", "_given", "_options", "_request", "_responder", "_server_start",
                 "_written", "fields", "server_write", "stage", "status")

    status: str
    fields: list[Field]
    server_write: Write | None

    def __init__(self, options: Options, environ: Environ, start_response: StartResponse,
                 request: RequestFields = _PLAIN_GET, given: Environ | None = None,
                 before: Environ | None = None) -> None:
        self.stage = NO_HEAD
        self._options = options
        self._environ = environ
        self._server_start = start_response
        self._request = request
        self._written: WriteAdapter | None = None
        self._given = given
        self._before = before
        self._copy: AppCopy | None = None

    def __call__(self, status: str, headers: list[Field], exc_info: OptExcInfo | None = None) -> Write:
        """Take the app's head (PEP 3333, ``start_response``)."""
        if self.stage or exc_info is not None:
            if self.stage == PASSED_ON:
                return self._server_start(status, headers, exc_info)
            self._check_restart(exc_info)
        else:
            self.stage = HEAD_HELD
        self.status = status
        self.fields = [*headers]  # the app may change its own list
        return self._write

    def _check_restart(self, exc_info: OptExcInfo | None) -> None:
        """Refuse a call that comes too late, or a second one without ``exc_info``, as PEP 3333 demands."""
        if exc_info is None and self._has_head():
            raise AssertionError("start_response was called twice without exc_info")
        if exc_info is not None and exc_info[1] is not None and self.stage == COMMITTED:
            raise exc_info[1].with_traceback(exc_info[2])
        self.stage = max(self.stage, HEAD_HELD)

    def _has_head(self) -> bool:
        """True once the app has called ``start_response``, with whatever status."""
        return hasattr(self, "status")

    def respond(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the content for the server, after the app has answered with ``body``."""
        closable: object = body
        self._responder = self._make_responder()
        try:
            closable = self._closable(body)
            if self.stage == NO_HEAD:
                if isinstance(body, (Awaitable, AsyncIterable)) and not hasattr(body, "__iter__"):
                    raise not_wsgi(body)
                body = self._peek(body)
                closable = self._closable(body)
            if not self._has_head():  # an error of the app, which the server will report
                self._responder.carry_back()
                return body
            if self._written is not None:
                return ClosingIterator(self._written.rest(body), self._written.missing, closable)
            return self._respond(body, closable)
        except BaseException:
            close_and_log(closable)
            raise

    def respond_with(self, plan: Plan, reply: Reply, source: Source, body: Iterable[bytes]) -> Iterable[bytes]:
        """Return the content for the server, after a 206 has been decided for the app's ``body``.

        :param source: of the body.
        """
        self._responder = self._make_responder()
        closable = self._closable(body)
        try:
            self._commit(plan, reply)
            return self._render(reply, source, closable)
        except BaseException:
            close_and_log(closable)
            raise

    def _make_responder(self) -> Responder:
        carry_backs = () if self._given is None else (self.carry_back,)
        return Responder(self._options, self._environ, self._request, carry_backs)

    def carry_back(self) -> None:
        """Apply to the server's environ what the app has changed in its copy since the last call."""
        if self._copy is None:
            given = self._environ if self._given is None else self._given
            self._copy = AppCopy(self._environ, given, OURS, self._before)
        self._copy.carry_back()

    def _closable(self, body: Iterable[bytes]) -> object:
        """Return what closes this body. What the app writes into its environ until then is carried back after it."""
        closable = closable_of(body)
        if self._given is None or type(body) in (list, tuple):
            return closable
        return ClosingThen(closable, self.carry_back)

    def _peek(self, body: Iterable[bytes]) -> PeekableChunks:
        """Pull the first chunk of the body: until then the app may start its response, or start it again."""
        chunks = PeekableChunks(body)
        if chunks.peek():
            self.stage = max(self.stage, COMMITTED)
        return chunks

    def _respond(self, body: Iterable[bytes], closable: object) -> Iterable[bytes]:
        """Respond in the general way.

        :param closable: closed instead of the body, if that is not iterated over.
        """
        head = AppHead(_status_code(self.status), self.fields)
        server_wrapper = self._environ.get("wsgi.file_wrapper")
        if self._given is None and would_skip_read(server_wrapper, body):
            body = FileWrapper(body)
        source = self._responder.find_source(head, body)
        offloaded = self._responder.offload(head, source, body)
        if offloaded is not None:
            self._commit(*offloaded)
            return self._content(offloaded[1], source, body, closable)
        completed = self._responder.complete_head(head, source)
        plan, reply = self._responder.plan(completed, source)
        spools = self._responder.should_spool(head, plan)
        skips_forward = isinstance(source, ForwardSource) and reply.needs_source
        if (spools or skips_forward) and type(body) is not PeekableChunks:
            chunks = self._peek(body)
            return self._respond(chunks, self._closable(chunks))
        if spools:
            return self._respond_spooled(head, body)
        has_new_length = completed is not head and completed.complete_length != head.complete_length
        is_ours = type(body) is FileWrapper or isinstance(source, OpenableSource)
        if is_ours or has_new_length and not isinstance(body, (list, tuple)):
            reply = with_file_segments(reply, source)
        is_app_body = reply.segments is None and not self._responder.has_no_content(reply) and completed.may_be_cut
        if is_app_body and not can_send(server_wrapper, body, source, completed.complete_length):
            if completed.complete_length is not None or source is not None and source.on_disk is not None:
                reply = with_segments(reply, source)
            if reply.segments is None:  # an iterator hides the file from the server
                body = closable = ClosingIterator(chain(body), None, closable)
        source = self._responder.begin(reply, source)
        try:
            self._commit(plan, reply)
        except BaseException:
            close_and_log(getattr(source, "begun", None))
            raise
        return self._content(reply, source, body, closable)

    def _respond_spooled(self, head: AppHead, body: Iterable[bytes]) -> Iterable[bytes]:
        """Respond with a body of unknown length after reading ahead in it."""
        spool, chunks = Spool(self._options.spool_limit), iter(body)
        spool.read_ahead(chunks)
        source = self._responder.spooled_source(spool)
        plan, reply = self._responder.plan(head, source)
        self._commit(plan, reply)
        replayed = chain(spool.replay(self._options.block_size), chunks)
        rest = ClosingIterator(replayed, None, self._closable(body), spool.file)
        return self._content(reply, source, rest, rest)

    def _commit(self, plan: Plan, reply: Reply) -> Write:
        """Publish the plan, for whoever reads it from within ``start_response``, and give the head to the server."""
        self._responder.publish(plan)
        self.stage = COMMITTED if reply.segments is not None else PASSED_ON
        status = self.status
        if status[:3] == "200":
            status = _STATUS_LINES.get(reply.status, status)
        self.server_write = self._server_start(status, _without_doubled_fields(reply.fields, self._server_start))
        return self.server_write

    def _content(
        self, reply: Reply, source: Source | None, body: Iterable[bytes], closable: object
    ) -> Iterable[bytes]:
        if self._responder.has_no_content(reply):  # not an empty list, of which a server may tell the length
            return ClosingIterator(iter(()), 0, closable)
        if reply.segments is None:
            return self._passed_on(body, closable)
        if source is None or not reply.needs_source:
            return block_after_closing(reply.literals, closable)
        return self._render(reply, source, closable)

    def _passed_on(self, body: Iterable[bytes], closable: object) -> Iterable[bytes]:
        """Return the app's own body, whose end must be noticed if the app may write into its environ until then."""
        if type(body) in (list, tuple):  # some servers send the head with the first block, so that there must be one
            return body or (b"",)
        return body if self._given is None else ClosingIterator(chain(body), None, closable)

    def _render(self, reply: Reply, source: Source, closable: object) -> Iterable[bytes]:
        """Return content with bytes of the representation: one block, the server's own wrapper, or our blocks."""
        content = self._responder.read_if_small(reply, source)
        if content is not None:
            return block_after_closing(content, closable)
        segments, block_size = reply.segments or (), self._options.block_size
        wrapped = via_server_wrapper(self._environ, reply.status, source, segments, block_size, closable)
        if wrapped is not None:
            return wrapped
        return ClosingIterator(source.render(segments), reply.length, closable)

    def _write(self, data: bytes) -> None:
        """Take content from the app (PEP 3333, the callable that ``start_response`` returns)."""
        if self.stage == PASSED_ON and self._written is None and self.server_write is not None:
            self.server_write(data)  # from within the iterable: PEP 3333 forbids it, but servers allow it
            return
        if self._written is None:
            self._written = self._begin_writing()
        self._written.push(data)

    def _begin_writing(self) -> WriteAdapter:
        self._responder = self._make_responder()
        head = AppHead(_status_code(self.status), self.fields)
        plan, reply = self._responder.plan(head, self._responder.find_source(head, iter(())))
        write = self._commit(plan, reply)
        if self._request.method == "HEAD":
            return WriteAdapter((), 0, write)
        return WriteAdapter(reply.segments, reply.length, write)


def _status_code(status: str) -> int:
    """The code in the app's status line; 0, which matches no status, if it has none."""
    if status == "200 OK":
        return 200
    code = status[:3]
    return int(code) if code.isascii() and code.isdigit() else 0


def _without_doubled_fields(fields: list[Field], start_response: object) -> list[Field]:
    """Drop the fields that the server of this ``start_response`` would send a second time (RFC 9110 5.3)."""
    if getattr(start_response, "__module__", None) not in _DOUBLING:
        return fields
    return [field for field in fields if field[0].lower() not in ("date", "server")]
