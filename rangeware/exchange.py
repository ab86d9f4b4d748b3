"""One exchange: a request that asks for more than the whole, or an answer that takes a closer look (PEP 3333)."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import TYPE_CHECKING, Any

from .answering import Answering, of_file
from .core.head import AppHead, Field, fastpath_length
from .core.options import Options
from .core.reply import ACCEPT_RANGES, Reply, single_part
from .core.values import Plan, Reason, RequestFields
from .forward import Body, Chunks, ForwardSource, Spool, Write, Written, abandon, in_one
from .http.ranges import parse_range
from .openers import open_source
from .servers import hand_over, sent_once
from .sources import SeekableSource, Source
from .wrappers import FileWrapper, may_be_file, owner

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse

Environ = dict[str, Any]

_PHRASES = {
    206: "206 Partial Content",
    304: "304 Not Modified",
    412: "412 Precondition Failed",
    416: "416 Range Not Satisfiable",
}
_PLAIN = RequestFields("GET")


_LONG = 100  # characters in a Range field: more than one range-spec usually has

WAITING, STARTED, BEGUN, HANDED_ON = range(4)
"""How far an exchange is: no head; one that the app may still take back; too late for another; with the server."""


def request_fields(environ: Environ, preconditions: bool) -> RequestFields:
    """What the request asks; ``preconditions`` is whether they are to be looked at."""
    get = environ.get
    if not preconditions:
        return RequestFields(environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"))
    return RequestFields(
        environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"), get("HTTP_IF_MATCH"),
        get("HTTP_IF_NONE_MATCH"), get("HTTP_IF_MODIFIED_SINCE"), get("HTTP_IF_UNMODIFIED_SINCE"),
    )


class Exchange(Answering):
    """One request and its answer. The app gets it as ``start_response``: it holds the head until it is known how the
    answer can be given."""

    __slots__ = ("_server_start", "_server_write", "_written", "fields", "stage", "status")

    def __init__(self, options: Options, environ: Environ, start_response: StartResponse,
                 request: RequestFields = _PLAIN) -> None:
        self._options = options
        self._environ = environ
        self._server_start = start_response
        self._request = request
        self._written: Written | None = None
        self.stage = WAITING

    def __call__(self, status: str, headers: list[Field], exc_info: OptExcInfo | None = None) -> Write:
        """What the app calls (PEP 3333, start_response)."""
        if self.stage or exc_info is not None:
            if self.stage == HANDED_ON:
                return self._server_start(status, headers, exc_info)
            self._check_anew(exc_info)
        else:
            self.stage = STARTED
        self.status = status
        self.fields = [*headers]  # the app may change its own
        return self._write

    def _check_anew(self, exc_info: OptExcInfo | None) -> None:
        """Whether the app may start late, or anew."""
        if exc_info is None and hasattr(self, "status"):
            raise AssertionError("start_response was called twice without exc_info")
        if exc_info is not None and exc_info[1] is not None and self.stage == BEGUN:
            raise exc_info[1].with_traceback(exc_info[2])
        self.stage = max(self.stage, STARTED)

    def hand_on(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The app's own body for the server, as it is, advertised."""
        self.stage = HANDED_ON
        self.fields.append(ACCEPT_RANGES)
        self._server_write = self._server_start(self.status, self.fields)
        return body

    def respond(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """The content for the server, after the app has returned ``body``."""
        try:
            if self.stage == WAITING:
                body = self._drawn(body)
            if not hasattr(self, "status"):  # the server will say so
                return body
            if self._written is not None:
                return Body(self._written.rest(body), self._written.missing, body)
            if self._request.range is not None and not self._request.needs_validators and self._request.method == "GET":
                return self._one_range(body)
            return self._answer(body)
        except BaseException:
            abandon(owner(body))
            raise

    def _one_range(self, body: Iterable[bytes]) -> Iterable[bytes]:
        """One range of an answer of which it is plain that it can be sliced; what takes more thought gets it."""
        kind: Any = type(body)
        value = self._request.range or ""
        specs = parse_range(value) if self.status == "200 OK" and len(value) < _LONG and "," not in value else None
        declared = fastpath_length(self.fields, kind is not list and may_be_file(kind)) if specs else ""
        source = open_source(body, int(declared), self.block_size) if declared else None
        if not specs or not isinstance(source, SeekableSource) or source.shorter:
            return self._answer(body, source)
        part = specs[0].resolve(source.complete_length)
        if part is None:
            return self._answer(body, source)
        kept = [field for field in self.fields if field[0] != "Content-Length"]
        reply = single_part(part, kept, source.complete_length)
        self._commit(Plan(206, (part,), Reason.SLICED), reply)
        return self._rendered(reply, source, body)

    def _drawn(self, body: Iterable[bytes]) -> Chunks:
        """The body with its first chunk drawn: until then the app may start, or start anew with ``exc_info``."""
        chunks = Chunks(body)
        if chunks.draw():
            self.stage = max(self.stage, BEGUN)
        return chunks

    def _answer(self, body: Iterable[bytes], source: Source | None = None) -> Iterable[bytes]:
        head = AppHead(_status_code(self.status), self.fields)
        source = source or self._source(head, body)
        told = self._completed(head, source)
        plan, reply = self._plan(told, source)
        spools = plan.reason is Reason.UNKNOWN_LENGTH and self._options.spool_limit > 0
        runs_forward = isinstance(source, ForwardSource) and reply.needs_source
        if (spools or runs_forward) and type(body) is not Chunks:
            return self._answer(self._drawn(body))
        if spools:
            return self._spooled(head, body)
        measured = told is not head and told.complete_length != head.complete_length
        if measured and not isinstance(body, (list, tuple)) or type(body) is FileWrapper:
            reply = of_file(reply, source)
        self._commit(plan, reply)
        return self._content(reply, source, body)

    def _spooled(self, head: AppHead, body: Iterable[bytes]) -> Iterable[bytes]:
        """An answer of unknown length, once more of it is known."""
        spool, chunks = Spool(self._options.spool_limit), iter(body)
        spool.read_ahead(chunks)
        source = self._spooled_source(spool)
        plan, reply = self._plan(head, source)
        self._commit(plan, reply)
        return self._content(reply, source, Body(chain(spool.replay(self.block_size), chunks), None, body, spool.file))

    def _commit(self, plan: Plan, reply: Reply) -> Write:
        """Gives the head to the server; the plan is told before, so that whoever stands around us can read it."""
        self._tell(plan)
        self.stage = BEGUN if reply.segments is not None else HANDED_ON
        is_ours = self.status[:3] == "200"
        status = _PHRASES.get(reply.status, self.status) if is_ours else self.status
        self._server_write = self._server_start(status, sent_once(reply.fields, self._server_start))
        return self._server_write

    def _content(self, reply: Reply, source: Source | None, body: Iterable[bytes]) -> Iterable[bytes]:
        if self._is_bodiless(reply):  # a server may tell the length of an empty list
            return Body(iter(()), 0, owner(body))
        if reply.segments is None:  # some servers send the head with the first block: none must not be missing
            return (b"",) if type(body) in (list, tuple) and not body else body
        if source is None or not reply.needs_source:
            return in_one(reply.literals, owner(body))
        return self._rendered(reply, source, body)

    def _rendered(self, reply: Reply, source: Source, body: Iterable[bytes]) -> Iterable[bytes]:
        """Content with bytes of the representation in it: at once, by the server's own means, or in our blocks."""
        content = self._at_once(reply, source)
        if content is not None:
            return in_one(content, owner(body))
        segments = reply.segments or ()
        handed = hand_over(self._environ, reply.status, source, segments, self.block_size, owner(body))
        return Body(source.render(segments), reply.length, owner(body)) if handed is None else handed

    def _write(self, data: bytes) -> None:
        """The callable that start_response gives the app: what is written comes before what is yielded."""
        if self.stage == HANDED_ON and self._written is None and self._server_write is not None:
            self._server_write(data)  # from within the iterable: PEP 3333 forbids it, and servers let it be
            return
        if self._written is None:
            self._written = self._begin_writing()
        self._written.push(data)

    def _begin_writing(self) -> Written:
        head = AppHead(_status_code(self.status), self.fields)
        plan, reply = self._plan(head, self._source(head, iter(())))
        write = self._commit(plan, reply)
        if self._request.method == "HEAD":
            return Written((), 0, write)
        return Written(reply.segments, reply.length, write)


def _status_code(status: str) -> int:
    """The code of an app's status line; 0, which is nothing we understand, where there is none."""
    if status == "200 OK":
        return 200
    code = status[:3]
    return int(code) if code.isascii() and code.isdigit() else 0
