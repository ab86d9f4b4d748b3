"""The fast path decides nothing of its own: each case gets the same messages by the general way.

The cases are those of the table that both adapters share, ``tests/test_twins.py``, and heads, contents and faults of
our own. Each is driven twice, the second time with the fast path closed. Compared are the messages that the server
gets, with their headers in order, the plan, what ``on_plan`` was told, and what is raised.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import Any, NamedTuple

import pytest
import trio

from rangeware import AsgiRangeMiddleware
from rangeware.asgi.fastpath import PlainGet
from rangeware.errors import AsgiProtocolError
from tests.asgi.test_responder import WRONG, body
from tests.asgi_support import PATHSEND, saying, scope_for
from tests.support import CONTENT
from tests.test_twins import ANSWERS, GROUPS, Asked, Case, as_asgi, file_of, sample, steps

Message = dict[str, Any]
App = Callable[[Any, Any, Any], Any]

REQUEST = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}
HINT = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
LENGTH = (b"content-length", b"1000")
BYTES = (b"accept-ranges", b"bytes")


class Heard(NamedTuple):
    """The server's side of a response."""

    messages: list[Message]
    plan: object
    told: list[object]
    error: tuple[type[BaseException], str] | None


class Server:
    """A server for one request; it says that the client is gone after ``REQUEST``.

    :param fails_at: the number of the message that ``send`` refuses with ``error``.
    """

    def __init__(self, scope: Any, fails_at: int | None = None, error: type[Exception] = OSError) -> None:
        self.scope = scope
        self._fails_at = fails_at
        self._error = error
        self._sent: list[Message] = []
        self._to_say = [GONE, REQUEST]
        self._plans: list[object] = []

    async def receive(self) -> Message:
        return self._to_say.pop() if len(self._to_say) > 1 else self._to_say[0]

    async def send(self, message: Message) -> None:
        if len(self._sent) == self._fails_at:
            self._fails_at = None
            raise self._error("refused")
        copied = {**message, "headers": [*message["headers"]]} if "headers" in message else {**message}
        self._sent.append(copied)

    async def serve(self, app: App, **options: Any) -> Heard:
        """Run the app to its end."""
        error: tuple[type[BaseException], str] | None = None
        middleware = AsgiRangeMiddleware(app, **options, on_plan=lambda scope, plan: self._plans.append(plan))
        try:
            await middleware(self.scope, self.receive, self.send)
        except Exception as exc:
            error = type(exc), str(exc)
        return Heard(self._sent, self.scope.get("rangeware.plan"), self._plans, error)


def closed(patch: pytest.MonkeyPatch) -> None:
    """Send all requests the general way."""
    patch.setattr("rangeware.asgi.middleware.has_request_fields", lambda headers: True)


def compare(make: Callable[[], tuple[App, Server]], monkeypatch: pytest.MonkeyPatch, **options: Any) -> Heard:
    """Drive a case both ways; return what the server heard."""
    async def main() -> Heard:
        app, server = make()
        return await server.serve(app, **options)

    fast = asyncio.run(main())
    with monkeypatch.context() as patch:
        closed(patch)
        assert asyncio.run(main()) == fast
    return fast


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Counter[bool]:
    """Counts the plain GETs that have ended: True for those that have never left the fast path."""
    counts: Counter[bool] = Counter()
    end = PlainGet.end

    def counting(plain: PlainGet) -> None:
        counts[plain._general is None] += 1
        end(plain)
    monkeypatch.setattr(PlainGet, "end", counting)
    return counts


# --- the shared table ---

async def respond(cases: Iterable[Case]) -> list[tuple[Case, Heard]]:
    heard = []
    for case in cases:
        scope = scope_for(case.asked.method, extensions=(PATHSEND,) * case.offered, lines=case.asked.lines,
                          **case.fields)
        heard.append((case, await Server(scope).serve(as_asgi(case.given), **case.options)))
    return heard


@steps
@pytest.mark.parametrize("group", GROUPS)
def test_the_fast_path_responds_as_the_general_way_does(
    group: str, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda length: "b" * 2 * length)
    fast = asyncio.run(respond(sample(group, step)))
    closed(monkeypatch)
    for (case, one), (_, other) in zip(fast, asyncio.run(respond(sample(group, step))), strict=True):
        for name, heard, right in zip(Heard._fields, one, other, strict=True):
            assert heard == right, f"{case}: {name}"


@pytest.mark.parametrize("kind", ["list", "stream", "file"])
def test_the_fast_path_responds_so_under_trio_too(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    cases = [Case(name, given, Asked({})) for name, given in ANSWERS.items() if given.kind == kind]
    fast = trio.run(respond, cases)
    closed(monkeypatch)
    assert fast == trio.run(respond, cases)


@pytest.mark.each
@pytest.mark.parametrize("kind", ["list", "stream", "file"])
@pytest.mark.parametrize(("what", "is_fast"), [
    ("", True), (", advertises", True), (", 404", True), (", 201", True), (", one byte", True), (", no type", True),
    (", no validators", None), (", no length", None), (", declines", False), (", gzip", False), (", odd case", False),
    (", two lengths", False), (", length twice", False), (", declared empty", False), (", all fields", False),
    (", longer", None), (", shorter", None),
])
def test_the_table_does_take_the_fast_path(kind: str, what: str, is_fast: bool | None, taken: Counter[bool]) -> None:
    """Where it depends on the kind: a stream needs nothing but a harmless head."""
    asyncio.run(respond([Case(kind, ANSWERS[f"{kind}{what}"], Asked({}))]))
    is_fast = (kind == "stream" or kind == "list" and what == ", no validators") if is_fast is None else is_fast
    if kind == "file" and ANSWERS[f"{kind}{what}"].status != 200:  # a path is passed with 200 only
        is_fast = False
    assert taken == Counter([is_fast])


@pytest.mark.parametrize("asked", [
    Asked({}, "HEAD"), Asked({}, "POST"), Asked({"range": "bytes=0-9"}), Asked({"if_range": '"v1"'}),
    Asked({"if_none_match": '"v1"'}), Asked({"if_match": "*"}), Asked({"if_modified_since": "x"}),
    Asked({"if_unmodified_since": "x"}),
])
def test_other_requests_do_not(asked: Asked, taken: Counter[bool]) -> None:
    asyncio.run(respond([Case("list", ANSWERS["list"], asked)]))
    assert not taken


# --- heads and contents ---

class Ok(enum.IntEnum):
    """A status of the app's own."""

    OK = 200


def head(*headers: Any, status: Any = 200, **more: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": [*headers], **more}


HEADS = {
    "length": head(LENGTH),
    "no headers": {"type": "http.response.start", "status": 200},
    "nothing": head(),
    "a tuple": {**head(), "headers": (LENGTH,)},
    "None": {**head(), "headers": None},
    "lists": head([b"content-length", b"1000"], [b"accept-ranges", b"bytes"]),
    "advertised first": head(BYTES, LENGTH),
    "advertised twice": head(LENGTH, BYTES, BYTES),
    "advertised and declined": head(LENGTH, BYTES, (b"accept-ranges", b"none")),
    "declined": head(LENGTH, (b"accept-ranges", b"none")),
    "declined loudly": head(LENGTH, (b"accept-ranges", b"None")),
    "advertised loudly": head(LENGTH, (b"accept-ranges", b"Bytes")),
    "another unit": head(LENGTH, (b"accept-ranges", b"items")),
    "advertised, no length": head(BYTES),
    "upper case": head((b"Content-Length", b"1000"), (b"CONTENT-TYPE", b"text/plain")),
    "advertised in upper case": head(LENGTH, (b"Accept-Ranges", b"bytes")),
    "declined in upper case": head(LENGTH, (b"Accept-Ranges", b"none")),
    "coded in upper case": head(LENGTH, (b"Content-Encoding", b"gzip")),
    "coded": head(LENGTH, (b"content-encoding", b"gzip")),
    "coded, strong tag": head(LENGTH, (b"content-encoding", b"gzip"), (b"etag", b'"x"')),
    "length twice": head(LENGTH, LENGTH),
    "two lengths": head(LENGTH, (b"content-length", b"999")),
    "length in two cases": head(LENGTH, (b"Content-Length", b"1000")),
    "two lengths in two cases": head((b"content-length", b"999"), (b"Content-Length", b"1000")),
    "leading zero": head((b"content-length", b"01000")),
    "zero": head((b"content-length", b"0")),
    "zeros": head((b"content-length", b"00")),
    "zero and a length": head((b"content-length", b"00"), LENGTH),
    "no number": head((b"content-length", b"x")),
    "negative": head((b"content-length", b"-1")),
    "blanks": head((b"content-length", b" 1000 ")),
    "empty length": head((b"content-length", b"")),
    "huge": head((b"content-length", b"9" * 400)),
    "not ASCII": head((b"content-length", "1000²".encode("latin-1"))),
    "parts": head(LENGTH, (b"content-type", b"multipart/byteranges; boundary=x")),
    "parts in upper case": head(LENGTH, (b"content-type", b"Multipart/ByteRanges; boundary=x")),
    "parts second": head(LENGTH, (b"content-type", b"text/plain"), (b"content-type", b"multipart/byteranges")),
    "another multipart": head(LENGTH, (b"content-type", b"multipart/form-data")),
    "live": head((b"content-type", b"text/event-stream")),
    "empty type": head(LENGTH, (b"content-type", b"")),
    "content-range": head(LENGTH, (b"content-range", b"bytes 0-999/1000")),
    "transfer-encoding": head((b"transfer-encoding", b"chunked")),
    "x-sendfile": head((b"x-sendfile", b"/file")),
    "x-sendfile in upper case": head((b"X-Sendfile", b"/file"), LENGTH),
    "x-accel-redirect": head((b"x-accel-redirect", b"/file"), LENGTH),
    "unknown": head(LENGTH, (b"x-process-time", b"1"), (b"etag", b'"v1"')),
    "cookies": head(LENGTH, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),
    "trailers": head(LENGTH, trailers=True),
    "more in the message": head(LENGTH, own=[1]),
    "an empty name": head(LENGTH, (b"", b"x")),
    "names of text": head(("content-length", b"1000")),
    "values of text": head((b"content-type", "text/plain"), LENGTH),
    "harmless values of text": head((b"vary", "Accept"), LENGTH),
    "names of bytearray": head((bytearray(b"vary"), b"Accept"), LENGTH),
    "values of bytearray": head((b"vary", bytearray(b"Accept")), LENGTH),
    "a number for a value": head((b"vary", 5)),
    "a number for a pair": head(5),
    "three in a pair": head((b"vary", b"a", b"b")),
    "204": head(status=204),
    "304": head((b"etag", b'"v1"'), status=304),
    "404": head(LENGTH, status=404),
    "404, parts": head((b"content-type", b"multipart/byteranges"), status=404),
    "404, unknown": head((b"x-own", b"1"), LENGTH, status=404),
    "own 206": head((b"content-length", b"1000"), (b"content-range", b"bytes 0-999/5000"), status=206),
    "HTTPStatus": head(LENGTH, status=HTTPStatus.OK),
    "another enum": head(LENGTH, status=Ok.OK),
    "no status": {"type": "http.response.start", "headers": [LENGTH]},
    "status of text": head(LENGTH, status="200"),
    "status of float": head(LENGTH, status=200.0),
    "status of bool": head(LENGTH, status=True),
}
HALVES = [body(CONTENT[:500], True), body(CONTENT[500:])]
CONTENTS: dict[str, Sequence[Message]] = {
    "whole": [body(CONTENT)],
    "bare": [{"type": "http.response.body", "body": CONTENT}],
    "no body": [{"type": "http.response.body"}],
    "empty": [body()],
    "short": [body(CONTENT[:-1])],
    "long": [body(CONTENT + b"x")],
    "bytearray": [body(bytearray(CONTENT))],  # type: ignore[arg-type]
    "memoryview": [body(memoryview(CONTENT))],  # type: ignore[arg-type]
    "wide memoryview": [body(memoryview(CONTENT).cast("I"))],  # type: ignore[arg-type]
    "text": [body("x" * 1000)],  # type: ignore[arg-type]
    "None": [body(None)],  # type: ignore[arg-type]
    "halves": HALVES,
    "halves and an end": [*HALVES[:1], body(CONTENT[500:], True), body()],
    "whole and an end": [body(CONTENT, True), body()],
    "nothing first": [body(b"", True), body(b"", True), body(CONTENT)],
    "text in the middle": [body(b"", True), body("text", True), body()],  # type: ignore[arg-type]
    "bytearray first": [body(bytearray(b"x"), True), body(CONTENT[1:])],  # type: ignore[arg-type]
    "more_body is 1": [{"type": "http.response.body", "body": CONTENT, "more_body": 1}, body()],
    "more_body is None": [{"type": "http.response.body", "body": CONTENT, "more_body": None}],
    "short stream": [*HALVES[:1], body()],
    "no end": HALVES[:1],
    "no content": [],
    "late": [*HALVES, body(b"late")],
    "late, and more": [body(CONTENT), body(b"late", True)],
    "a second response": [*HALVES, head(LENGTH), body(CONTENT)],
    "a second start": [HALVES[0], head(LENGTH), HALVES[1]],
    "two starts": [head(LENGTH), body(CONTENT)],
    "trailers": [*HALVES, TRAILERS],
    "trailers early": [TRAILERS, *HALVES],
    "a hint": [HINT, *HALVES],
    "a hint between": [HALVES[0], HINT, HALVES[1]],
    "no type": [{"body": CONTENT}],
    "no type between": [HALVES[0], {"body": CONTENT}, HALVES[1]],
    "unknown type": [{"type": 5}, *HALVES],
    "zero copy": [{"type": "http.response.zerocopysend", "file": 3}],
    "zero copy between": [HALVES[0], {"type": "http.response.zerocopysend", "file": 3}, HALVES[1]],
    "path between": [HALVES[0], {"type": PATHSEND, "path": "/"}, body()],
    "no path": [{"type": PATHSEND}],
    "a number for a path": [{"type": PATHSEND, "path": 0}],
    "a path to nothing": [{"type": PATHSEND, "path": "/none"}],
}


@pytest.mark.each
@pytest.mark.parametrize("swallowing", [False, True], ids=["", "swallowing"])
@pytest.mark.parametrize("name", HEADS)
def test_odd_heads_and_contents(name: str, swallowing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for content in CONTENTS.values():
        compare(lambda content=content: (  # type: ignore[misc]
            saying(HEADS[name], *content, swallowing=swallowing),
            Server(scope_for(extensions=[PATHSEND]))), monkeypatch)


@pytest.mark.each
@pytest.mark.parametrize("headers", [(), (LENGTH,), ((b"content-length", b"999"),)])
@pytest.mark.parametrize("validators", [(), ((b"etag", b'"v1"'),), ((b"etag", b'"v1"'), (b"last-modified", b"x"))])
@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_paths(headers: Any, validators: Any, status: int, as_bytes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    path = file_of(CONTENT).encode() if as_bytes else file_of(CONTENT)
    heard = compare(lambda: (
        saying(head(*headers, *validators, status=status), {"type": PATHSEND, "path": path}),
        Server(scope_for(extensions=[PATHSEND]))), monkeypatch)
    assert heard.error is None


def test_a_descriptor_is_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one of a file of the right length."""
    with open(file_of(CONTENT), "rb") as file:
        messages = head(LENGTH, (b"etag", b'"x"'), (b"last-modified", b"x")), {"type": PATHSEND, "path": file.fileno()}
        heard = compare(lambda: (saying(*messages), Server(scope_for(extensions=[PATHSEND]))), monkeypatch)
    assert heard.error is not None


@pytest.mark.each
@pytest.mark.parametrize("swallowing", [False, True], ids=["", "swallowing"])
@pytest.mark.parametrize(("messages", "fault"), WRONG)
def test_wrong_messages(
    messages: list[Message], fault: str, swallowing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare(lambda: (saying(*messages, swallowing=swallowing), Server(scope_for(extensions=[PATHSEND]))), monkeypatch)


def test_what_is_refused_early_is_refused_for_good(taken: Counter[bool]) -> None:
    """Also if the app catches the error, and goes on as it should have begun."""
    app = saying(body(CONTENT), head(LENGTH), body(CONTENT), swallowing=True)
    heard = asyncio.run(Server(scope_for()).serve(app))
    assert (heard.messages, heard.error) == ([], (
        AsgiProtocolError, "the app sent http.response.body before http.response.start"))


@pytest.mark.parametrize("options", [
    {"preconditions": False}, {"applies": lambda scope: False}, {"spool_limit": 100}, {"validators": False},
    {"hide_range": False}, {"block_size": 7}])
def test_options(options: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("length", "nothing", "404"):
        for content in CONTENTS.values():
            compare(lambda name=name, content=content: (  # type: ignore[misc]
                saying(HEADS[name], *content), Server(scope_for(if_none_match="x"))), monkeypatch, **options)


def test_a_message_that_the_app_changes_afterwards_stays_as_it_was_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> tuple[App, Server]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            message = head(LENGTH)
            await send(message)
            message["headers"].append((b"x-late", b"1"))
            message["status"] = 500
            await send(body(CONTENT))
            assert message["headers"] == [LENGTH, (b"x-late", b"1")]
        return app, Server(scope_for())
    heard = compare(make, monkeypatch)
    assert heard.messages[0] == head(LENGTH, BYTES)


# --- faults of the app, of the server, and of the client ---

@pytest.mark.each
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("content", ["halves", "whole", "halves and an end"])
def test_an_app_that_raises(at: int, content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def make() -> tuple[App, Server]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            for message in [head(LENGTH), *CONTENTS[content]][:at]:
                await send(message)
            raise LookupError("the app's own")
        return app, Server(scope_for())
    assert compare(make, monkeypatch).error == (LookupError, "the app's own")


@pytest.mark.each
@pytest.mark.parametrize("swallowing", [False, True], ids=["", "swallowing"])
@pytest.mark.parametrize("error", [OSError, RuntimeError])
@pytest.mark.parametrize("at", range(5))
@pytest.mark.parametrize("name", ["length", "nothing", "coded", "404"])
def test_a_server_that_refuses(
    at: int, error: type[Exception], name: str, swallowing: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for content in CONTENTS.values():
        compare(lambda content=content: (  # type: ignore[misc]
            saying(HEADS[name], *content, swallowing=swallowing), Server(scope_for(), at, error)), monkeypatch)


@pytest.mark.each
@pytest.mark.parametrize("at", range(4))
@pytest.mark.parametrize("name", ["length", "nothing", "coded", "404"])
@pytest.mark.parametrize("calls", [1, 2])
@pytest.mark.parametrize("goes_on", [False, True])
def test_an_app_that_receives(
    at: int, name: str, calls: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second time, it hears that the client is gone. It may return then, with its response unfinished."""
    heard: list[list[Message]] = []

    def make() -> tuple[App, Server]:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            messages = [HEADS[name], *HALVES]
            for message in messages[:at]:
                await send(message)
            heard.append([await receive() for _ in range(calls)])
            for message in messages[at:] if goes_on else []:
                await send(message)
        return app, Server(scope_for())
    response = compare(make, monkeypatch)
    assert heard == [[REQUEST, GONE][:calls]] * 2
    assert (response.error is not None) == (at == 1 and calls == 1 and not goes_on)


def test_the_app_gets_the_scope_of_the_server() -> None:
    seen: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)
        await saying(head(LENGTH), body(CONTENT))(scope, receive, send)
    scope = scope_for()
    asyncio.run(Server(scope).serve(app))
    assert seen[0] is scope


def test_two_tasks_may_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages wait for their turn in ``send``; each is sent once, after the head."""
    def make() -> tuple[App, Server]:
        class Slow(Server):
            async def send(self, message: Message) -> None:
                await asyncio.sleep(0)
                await super().send(message)

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send(head(LENGTH))
            first = asyncio.ensure_future(send(HALVES[0]))
            await asyncio.sleep(0)
            with suppress(OSError):
                await send(HALVES[1])
            await first
        return app, Slow(scope_for())
    assert len(compare(make, monkeypatch).messages) == 3
