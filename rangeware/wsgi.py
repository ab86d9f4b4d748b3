"""The WSGI middleware: the start_response protocol around the pure core (PEP 3333)."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from .errors import InvalidOption
from .fields import Segment
from .forward import Body, Chunks, ForwardSource, Spool, close_body, sliced
from .options import Options
from .plan import BOUNDARY_LENGTH, Plan, Reason, RequestFields, decide
from .reply import Field, Head, Reply, compose, content_length, describe, made_validators, whole
from .servers import hand_over, hides_file, sent_once
from .slicer import Slicer
from .sources import SeekableSource, Source, glance, open_source
from .wrappers import FileWrapper, owner

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication

Environ = dict[str, Any]
Write = Callable[[bytes], object]

_LOGGER = logging.getLogger("rangeware")
_PHRASES = {
    206: "206 Partial Content",
    304: "304 Not Modified",
    412: "412 Precondition Failed",
    416: "416 Range Not Satisfiable",
}
_PRECONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")


class RangeMiddleware:
    """Gives every answer of a WSGI app ranges, conditions and validators: ``app = RangeMiddleware(app)``.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, max_ranges=50)  # Flask

    Put it outermost, around other middleware: it must see the bytes that the client gets. The danger: an app whose
    answers to the same request differ from one time to the next, under the same ETag, gives parts that do not fit.

    :param app: any WSGI application.
    :param options: see ``rangeware.options.Options``.
    :raises InvalidOption: if an option has a value that cannot work.
    """

    def __init__(self, app: WSGIApplication, **options: Any) -> None:
        if not callable(app):
            raise InvalidOption(f"app must be a WSGI application, not {app!r}")
        self._app = app
        self._options = Options.read(options)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request (PEP 3333)."""
        options = self._options
        if options.applies is not None and not options.applies(environ):
            return self._app(environ, start_response)
        ranged = "HTTP_RANGE" in environ or "HTTP_IF_RANGE" in environ
        if not ranged and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._app(environ, start_response)
        exchange = _Exchange(options, environ, start_response)
        wrapper = environ.setdefault("wsgi.file_wrapper", FileWrapper)  # apps would read files in a way of their own
        app_environ = _app_environ(environ, options.hide_range) if ranged or hides_file(wrapper) else environ
        return exchange.respond(self._app(app_environ, exchange.start_response))


def _app_environ(environ: Environ, hide_range: bool) -> Environ:
    """A copy for the app: servers look things up in their own dictionary after the app has returned."""
    copy = dict(environ)
    copy["wsgi.file_wrapper"] = FileWrapper
    for key, name in (("HTTP_RANGE", "rangeware.range"), ("HTTP_IF_RANGE", "rangeware.if_range")):
        if key in environ:
            copy[name] = environ[key]
            if hide_range:
                del copy[key]
    return copy


def _request_fields(environ: Environ, options: Options) -> RequestFields:
    get = environ.get
    preconditions = map(get, _PRECONDITIONS) if options.preconditions else ()
    return RequestFields(environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"), *preconditions)


class _Exchange:
    """One request and its answer."""

    def __init__(self, options: Options, environ: Environ, start_response: StartResponse) -> None:
        self._options = options
        self._environ = environ
        self._start_response = start_response
        self._request = _request_fields(environ, options)
        self._status = ""
        self._head: Head | None = None
        self._begun = False  # whether it is too late for another head
        self._handed_on = False  # whether the server has the app's own body, and so settles what comes too late
        self._server_write: Write | None = None
        self._written: _Written | None = None

    def start_response(self, status: str, headers: list[Field], exc_info: OptExcInfo | None = None) -> Write:
        """What the app calls: holds the head until it is known how the answer can be given."""
        if self._handed_on:
            return self._start_response(status, headers, exc_info)
        if self._begun and exc_info is not None and exc_info[1] is not None:
            raise exc_info[1].with_traceback(exc_info[2])
        if self._head is not None and exc_info is None:
            raise AssertionError("start_response was called twice without exc_info")
        self._status = status
        self._head = Head(_status_code(status), list(headers))
        return self._write

    def respond(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The content for the server, after the app has returned ``body``."""
        try:
            if self._head is None:
                body = self._drawn(body)
            if self._head is None:  # the server will say so
                return body
            if self._written is not None:
                return Body(self._written.rest(body), self._written.missing, body)
            return self._answer(self._head, body)
        except BaseException:
            close_body(body)
            raise

    def _drawn(self, body: Iterable[bytes]) -> Chunks:
        """The body with its first chunk drawn: until then the app may start, or start anew with ``exc_info``."""
        chunks = Chunks(body)
        self._begun = chunks.draw()
        return chunks

    def _answer(self, head: Head, body: Iterable[bytes]) -> Iterable[bytes]:
        source = self._source(head, body)
        told = self._completed(head, source)
        plan, reply = self._plan(told, source)
        spools = plan.reason is Reason.UNKNOWN_LENGTH and self._options.spool_limit > 0
        runs_forward = reply.needs_source and isinstance(source, ForwardSource)
        if (spools or runs_forward) and not isinstance(body, Chunks):
            body = self._drawn(body)
            return self._answer(self._head or head, body)
        if spools:
            return self._spooled(head, body)
        measured = told.complete_length != head.complete_length and not isinstance(body, (list, tuple))
        if measured or type(body) is FileWrapper:
            reply = _of_file(reply, source)
        self._commit(plan, reply)
        return self._content(reply, source, body)

    def _spooled(self, head: Head, body: Iterable[bytes]) -> Iterable[bytes]:
        """An answer of unknown length, once more of it is known."""
        block_size = self._options.block_size
        spool = Spool(iter(body), self._options.spool_limit)
        source = open_source(spool.file, None, block_size) if spool.whole else None
        plan, reply = self._plan(head, source)
        self._commit(plan, reply)
        return self._content(reply, source, Body(spool.replay(block_size), None, body, spool.file))

    def _source(self, head: Head, body: Iterable[bytes]) -> Source | None:
        if self._request.method not in ("GET", "HEAD"):
            return None
        look = open_source if self._request.range is not None else glance
        return look(body, head.complete_length, self._options.block_size)

    def _completed(self, head: Head, source: Source | None) -> Head:
        """The head with what the app left out and is known of its body."""
        obstacle = head.obstacle()
        if source is None or source.shorter or obstacle not in (None, Reason.CONTENT_CODING):
            return head
        on_disk = source.on_disk if isinstance(source, SeekableSource) else None
        added: list[Field] = []
        if on_disk is not None and self._options.validators:
            added = made_validators(head, source.complete_length, on_disk.mtime_ns, on_disk.offset, _now())
        if obstacle is None and head.get("content-length") is None and self._is_told_by(source):
            # Without it some servers send an end of chunks after a HEAD, and a body of which nobody sees the end.
            added.append(("Content-Length", str(source.complete_length)))
        return Head(head.status, [*head.fields, *added]) if added else head

    def _is_told_by(self, source: Source) -> bool:
        """Whether the body says how long the content of GET is, and can be held to it. An empty one on HEAD says
        nothing: it was left out."""
        if self._request.method == "HEAD":
            return source.complete_length > 0
        return isinstance(source, SeekableSource) and not source.is_moved

    def _plan(self, head: Head, source: Source | None) -> tuple[Plan, Reply]:
        complete_length = None if source is None else source.complete_length
        if self._request.method == "HEAD":  # the body says nothing of what GET would send
            complete_length = head.complete_length or complete_length or None
        random_access = source is not None and source.random_access
        obstacle = Reason.SHORTER if source is not None and source.shorter else None
        selected = describe(head, complete_length, _now(), random_access=random_access, obstacle=obstacle)
        plan = decide(self._request, selected, self._options.limits)
        boundary = secrets.token_hex(BOUNDARY_LENGTH // 2) if len(plan.ranges) > 1 else ""
        return plan, compose(plan, head, selected, boundary)

    def _commit(self, plan: Plan, reply: Reply) -> Write:
        """Gives the head to the server; the plan is told before, so that whoever stands around us can read it."""
        if self._request.conditional:
            self._tell(plan)
        self._begun = True
        self._handed_on = reply.segments is None
        own = self._head is not None and reply.status == self._head.status
        fields = sent_once(reply.fields, self._start_response)
        self._server_write = self._start_response(self._status if own else _PHRASES[reply.status], fields)
        return self._server_write

    def _tell(self, plan: Plan) -> None:
        self._environ["rangeware.plan"] = plan
        _LOGGER.debug("%d: %s; Range %r, ranges %s", plan.status, plan.reason, self._request.range, plan.ranges)
        if self._options.on_plan is not None:
            try:
                self._options.on_plan(self._environ, plan)
            except Exception:
                _LOGGER.exception("on_plan failed")

    def _content(self, reply: Reply, source: Source | None, body: Iterable[bytes]) -> Iterable[bytes]:
        if self._request.method == "HEAD" or reply.status == 304:  # a server may tell the length of an empty list
            return Body(iter(()), 0, owner(body))
        if reply.segments is None:  # some servers send the head with the first block: none must not be missing
            return (b"",) if type(body) in (list, tuple) and not body else body
        handed = hand_over(self._environ, reply.status, source, reply.segments, owner(body))
        if handed is not None:
            return handed
        if source is not None and reply.needs_source:
            blocks = source.render(reply.segments)
        else:
            blocks = sliced(Slicer(reply.segments), ())
        return Body(blocks, content_length(reply.segments), owner(body))

    def _write(self, data: bytes) -> None:
        """The callable that start_response gives the app: what is written comes before what is yielded."""
        if self._handed_on and self._written is None and self._server_write is not None:
            self._server_write(data)  # from within the iterable: PEP 3333 forbids it, and servers let it be
            return
        if self._written is None:
            self._written = self._begin_writing()
        self._written.push(data)

    def _begin_writing(self) -> _Written:
        assert self._head is not None
        plan, reply = self._plan(self._head, self._source(self._head, iter(())))
        write = self._commit(plan, reply)
        return _Written(() if self._request.method == "HEAD" else reply.segments, write)


class _Written:
    """An answer that the app begins with ``write()``.

    :param segments: the content of the answer; None lets all through that the app gives.
    :param write: the server's; some servers have none, and there what is written waits for the iterable.
    """

    def __init__(self, segments: Sequence[Segment] | None, write: Write | None) -> None:
        self._slicer = None if segments is None else Slicer(segments)
        self.missing = None if segments is None else content_length(segments)
        self._server_write = write
        self._waiting: list[bytes] = []

    def push(self, data: bytes) -> None:
        """Sends what of these bytes is to be sent."""
        piece = data if self._slicer is None else self._slicer.push(data)
        if self._server_write is None:
            self._waiting.append(piece)
        elif piece:
            self._server_write(piece)
            self.missing = None if self.missing is None else self.missing - len(piece)

    def rest(self, body: Iterable[bytes]) -> Iterator[bytes]:
        """What remains to be sent once the app has returned its iterable."""
        yield from self._waiting
        pieces = body if self._slicer is None else sliced(self._slicer, body)
        for piece in pieces:  # noqa: UP028 - yield from would close the body a second time
            yield piece


def _status_code(status: str) -> int:
    """The code of an app's status line; 0, which is nothing we understand, where there is none."""
    code = status[:3]
    return int(code) if code.isascii() and code.isdigit() else 0


def _of_file(reply: Reply, source: Source | None) -> Reply:
    """The reply, with the bytes of the file where the app's body was to go on as it is: what we measured is ours to
    keep to, and what is in our wrapper may go faster in the server's."""
    seekable = isinstance(source, SeekableSource) and not source.is_moved and not source.shorter
    if reply.segments is not None or source is None or not seekable:
        return reply
    return reply._replace(segments=whole(source.complete_length))


def _now() -> datetime:
    return datetime.now(timezone.utc)
