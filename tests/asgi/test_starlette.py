"""Starlette's responses and middlewares behind the twin, as Starlette's own TestClient and httpx see them."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from rangeware import AsgiRangeMiddleware
from tests.asgi_support import App, Message, ask, carry, scope_for
from tests.oracle import Expected, Representation, check, expected
from tests.support import CONTENT, Answer, cut, parts

with warnings.catch_warnings():  # newer ones of Starlette want another client than httpx, which is tested here too
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

# trio says where an async generator is not closed. Starlette leaves its own to the collector when a client goes away,
# and so it does where an answer ends early.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator '.*' was garbage collected:ResourceWarning")

MTIME = 1_700_000_000
TYPE = "application/octet-stream"
LENGTH = {"Content-Length": str(len(CONTENT))}
TAGGED = {**LENGTH, "ETag": '"v1"'}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """An app that may end by itself is looked after more often, so that nobody waits."""
    monkeypatch.setattr("rangeware.backends._POLL_SECONDS", 0.0005)


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A file of CONTENT that is years old."""
    file = tmp_path / "file.bin"
    file.write_bytes(CONTENT)
    os.utime(file, (MTIME, MTIME))
    return str(file)


# --- clients ---------------------------------------------------------------------------------------------------------

def starlette_client(backend: str, app: App, method: str, headers: dict[str, str]) -> httpx.Response:
    """Starlette's TestClient."""
    return TestClient(app, backend=backend).request(method, "/file.bin", headers=headers)


async def httpx_client(app: App, method: str, headers: dict[str, str]) -> httpx.Response:
    """httpx's ASGI transport."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://testserver") as client:
        return await client.request(method, "/file.bin", headers=headers)


CLIENTS: dict[str, Callable[[App, str, dict[str, str]], httpx.Response]] = {
    "TestClient on asyncio": partial(starlette_client, "asyncio"),
    "TestClient on trio": partial(starlette_client, "trio"),
    "httpx on asyncio": lambda *request: asyncio.run(httpx_client(*request)),
    "httpx on trio": lambda *request: trio.run(httpx_client, *request),
}
clients = pytest.mark.parametrize("client", CLIENTS)


def fetch(client: str, app: App, method: str = "GET", **fields: str) -> Answer:
    """One request by this client: ``fetch("httpx on trio", app, if_range='"v1"')``."""
    headers = {"accept-encoding": "identity", **{name.replace("_", "-"): value for name, value in fields.items()}}
    response = CLIENTS[client](app, method, headers)
    return Answer(response.status_code, response.headers.multi_items(), response.content, {})


# --- apps ------------------------------------------------------------------------------------------------------------

async def running(chunks: list[bytes]) -> AsyncIterator[bytes]:
    """The chunks, one after the other."""
    for chunk in chunks:
        yield chunk


def async_stream(path: str, headers: dict[str, str]) -> Response:
    return StreamingResponse(running(cut(CONTENT, 64)), media_type=TYPE, headers=headers)


def sync_stream(path: str, headers: dict[str, str]) -> Response:
    return StreamingResponse(iter(cut(CONTENT, 64)), media_type=TYPE, headers=headers)


def in_one(path: str, headers: dict[str, str]) -> Response:
    return Response(CONTENT, media_type=TYPE, headers=headers)


def file(path: str, headers: dict[str, str]) -> Response:
    return FileResponse(path, media_type=TYPE)


def site(respond: Callable[[str, dict[str, str]], Response], path: str, headers: dict[str, str] | None = None,
         *middleware: Middleware) -> Starlette:
    """An app that answers with this response."""
    def view(request: Request) -> Response:
        return respond(path, TAGGED if headers is None else headers)
    return Starlette(routes=[Route("/file.bin", view)], middleware=middleware)


def static(path: str, *middleware: Middleware) -> Starlette:
    """An app that serves the file's directory."""
    return Starlette(routes=[Mount("/", StaticFiles(directory=os.path.dirname(path)))], middleware=middleware)


APPS: dict[str, Callable[[str], App]] = {
    "FileResponse": partial(site, file),
    "StaticFiles": static,
    "Response": partial(site, in_one),
    "async StreamingResponse": partial(site, async_stream),
    "sync StreamingResponse": partial(site, sync_stream),
}
apps = pytest.mark.parametrize("name", APPS)

REQUESTS = [  # fields; the oracle knows the answer
    pytest.param({}, id="all"),
    pytest.param({"range": "bytes=100-199"}, id="one range"),
    pytest.param({"range": "bytes=990-"}, id="the end"),
    pytest.param({"range": "bytes=-10"}, id="suffix"),
    pytest.param({"range": "bytes=10-19,500-509"}, id="two ranges"),
    pytest.param({"range": "bytes=500-509,10-19"}, id="two ranges, not in order"),
    pytest.param({"range": "bytes=0-9,5000-"}, id="one of two is satisfiable"),
    pytest.param({"range": "bytes=5000-"}, id="unsatisfiable"),
    pytest.param({"range": "bytes = 0-9"}, id="malformed"),
    pytest.param({"range": "bytes=9-0"}, id="not to the grammar"),
    pytest.param({"range": "bytes=100-199", "if_range": '"v2"'}, id="If-Range with another tag"),
    pytest.param({"range": "bytes=100-199", "if_range": "{etag}"}, id="If-Range with the tag"),
    pytest.param({"range": "bytes=100-199", "if_none_match": "{etag}"}, id="not modified"),
    pytest.param({"range": "bytes=100-199", "if_match": '"v2"'}, id="precondition failed"),
]


def judge(client: str, app: App, fields: dict[str, str], method: str = "GET", *, forward: bool = False) -> Answer:
    """One request, held against the oracle; the validators are those of the whole answer."""
    whole = fetch(client, app)
    assert (whole.status, whole.body) == (200, CONTENT)
    selected = Representation(len(CONTENT), whole.get("ETag"), whole.get("Last-Modified"), None,
                              whole.get("Content-Type"))
    meant = {name: value.replace("{etag}", str(selected.etag)) for name, value in fields.items()}
    right = expected(method, meant, selected)
    if forward:  # a body that runs forward gives its parts in ascending order
        right = right._replace(spans=tuple(sorted(right.spans)))
    answer = fetch(client, app, method, **meant)
    check(answer, right, CONTENT, method=method)
    return answer


@pytest.mark.each
@clients
@apps
@pytest.mark.parametrize("fields", REQUESTS)
def test_every_response_has_ranges_and_conditions(client: str, name: str, fields: dict[str, str], path: str) -> None:
    judge(client, AsgiRangeMiddleware(APPS[name](path)), fields, forward="Streaming" in name)


@pytest.mark.each
@clients
@pytest.mark.parametrize("name", ["FileResponse", "StaticFiles"])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,20-29"}])
def test_head_is_answered_without_body(client: str, name: str, fields: dict[str, str], path: str) -> None:
    answer = judge(client, AsgiRangeMiddleware(APPS[name](path)), fields, "HEAD")
    assert (answer.get("Content-Length"), answer.get("Accept-Ranges")) == ("1000", "bytes")


@pytest.mark.each
@clients
@pytest.mark.parametrize("respond", [async_stream, sync_stream])
def test_a_stream_of_unknown_length_is_sent_whole(client: str, respond: Any, path: str) -> None:
    app = AsgiRangeMiddleware(site(respond, path, {}))
    answer = fetch(client, app, range="bytes=0-9")
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, None)
    spooling = AsgiRangeMiddleware(site(respond, path, {}), spool_limit=2000)
    check(fetch(client, spooling, range="bytes=500-509,0-9"), Expected(206, ((500, 509), (0, 9))), CONTENT)


@apps
def test_both_clients_get_the_same_as_the_strict_server(name: str, path: str) -> None:
    app = AsgiRangeMiddleware(APPS[name](path))
    strict = ask_file(app, "bytes=100-199")
    for client in CLIENTS:
        answer = fetch(client, app, range="bytes=100-199")
        assert (answer.status, answer.fields, answer.body) == (strict.status, strict.fields, strict.body)


def ask_file(app: App, range: str, **more: Any) -> Answer:
    """One request for the file, to the strict server."""
    scope = scope_for(path="/file.bin", range=range, **more)
    return carry(app, scope).answer()


# --- Starlette's middlewares -----------------------------------------------------------------------------------------

async def marking(request: Request, call_next: Any) -> Response:
    """Act as a middleware of Starlette's kind."""
    response: Response = await call_next(request)
    response.headers["X-Marked"] = "yes"
    return response


MARKING = Middleware(BaseHTTPMiddleware, dispatch=marking)
TWIN = Middleware(AsgiRangeMiddleware)
GZIP = Middleware(GZipMiddleware, minimum_size=1)
AROUND = {
    "BaseHTTPMiddleware inside": (TWIN, MARKING),
    "BaseHTTPMiddleware outside": (MARKING, TWIN),
    "BaseHTTPMiddleware twice": (MARKING, TWIN, MARKING),
    "GZipMiddleware inside": (TWIN, GZIP),
    "GZipMiddleware outside": (GZIP, TWIN),
    "all inside": (TWIN, GZIP, MARKING),
}


@pytest.mark.each
@clients
@pytest.mark.parametrize("respond", [file, in_one, async_stream, sync_stream])
@pytest.mark.parametrize("around", AROUND)
def test_other_middlewares_may_stand_inside_and_outside(client: str, respond: Any, around: str, path: str) -> None:
    app = site(respond, path, None, *AROUND[around])
    forward = respond in (async_stream, sync_stream) or "inside" in around or "twice" in around
    answers = [judge(client, app, fields, forward=forward) for fields in (
        {"range": "bytes=100-199"}, {"range": "bytes=10-19,500-509"}, {"range": "bytes=5000-"},
        {"range": "bytes=100-199", "if_range": '"v2"'}, {"range": "bytes=100-199", "if_none_match": "{etag}"})]
    assert [answer.status for answer in answers] == [206, 206, 416, 200, 304]
    if "BaseHTTP" in around:
        assert {answer.get("X-Marked") for answer in answers if answer.status < 300} == {"yes"}


@pytest.mark.each
@clients
@pytest.mark.parametrize("respond", [in_one, async_stream])
def test_content_coded_on_the_fly_is_not_sliced(client: str, respond: Any, path: str) -> None:
    """Without a strong tag: the next coding may bring other bytes. httpx decodes what it gets."""
    app = AsgiRangeMiddleware(site(respond, path, LENGTH, GZIP))
    answer = fetch(client, app, accept_encoding="gzip", range="bytes=0-9")
    assert (answer.status, answer.body, answer.get("Content-Encoding")) == (200, CONTENT, "gzip")


def test_a_file_within_gzip_is_what_it_is_without_range(path: str) -> None:
    """An uncoded part would have the tag of the coded whole, and no Vary."""
    app = AsgiRangeMiddleware(site(file, path, None, GZIP))
    whole, part = (carry(app, scope_for(path="/file.bin", accept_encoding="gzip", **fields)).answer()
                   for fields in ({}, {"range": "bytes=10-19"}))
    names = "ETag", "Content-Encoding", "Vary"
    assert [part.get(name) for name in names] == [whole.get(name) for name in names]
    assert whole.get("Content-Encoding") == "gzip"
    uncoded = carry(app, scope_for(path="/file.bin", accept_encoding="identity", range="bytes=0-9")).answer()
    check(uncoded, Expected(206, ((0, 9),)), CONTENT)


# --- ends ------------------------------------------------------------------------------------------------------------

@pytest.mark.each
@clients
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=-1", "bytes=0-0,500-509", "bytes=5000-", "bytes=x"])
def test_the_background_task_runs_after_a_file(client: str, value: str, path: str) -> None:
    ran: list[str] = []

    def respond(path: str, headers: dict[str, str]) -> Response:
        return FileResponse(path, background=BackgroundTask(ran.append, "once"))
    assert fetch(client, AsgiRangeMiddleware(site(respond, path)), range=value).status in (200, 206, 416)
    assert ran == ["once"]


class Source:
    """Chunks of the content, which tells how many were asked for and whether it came to its end."""

    def __init__(self) -> None:
        self.pulled = 0
        self.ended = 0

    async def runs(self) -> AsyncIterator[bytes]:
        """For an async response."""
        try:
            for chunk in cut(CONTENT, 10):
                self.pulled += 1
                yield chunk
        finally:
            self.ended += 1

    def steps(self) -> Iterator[bytes]:
        """For a sync one."""
        try:
            for chunk in cut(CONTENT, 10):
                self.pulled += 1
                yield chunk
        finally:
            self.ended += 1


WANTED = [  # Range                     chunks of ten bytes up to the last one wanted
    pytest.param("bytes=0-0", 1, id="the first byte"),
    pytest.param("bytes=0-9", 1, id="the first chunk"),
    pytest.param("bytes=5-14", 2, id="across a cut"),
    pytest.param("bytes=500-509", 51, id="in the middle"),
    pytest.param("bytes=0-9,200-209", 21, id="two ranges"),
    pytest.param("bytes=-1", 100, id="the last byte"),
    pytest.param("bytes=0-", 100, id="all"),
]


@pytest.mark.each
@clients
@pytest.mark.parametrize("within", [(), (MARKING,)], ids=["bare", "in a BaseHTTPMiddleware"])
@pytest.mark.parametrize("way", ["runs", "steps"])
@pytest.mark.parametrize(("value", "chunks"), WANTED)
def test_nothing_is_asked_for_after_the_last_chunk_wanted(client: str, within: tuple[Middleware, ...], way: str,
                                                          value: str, chunks: int, path: str) -> None:
    """An async generator is told to end. One that is not async runs in threads, and ends when nobody holds it."""
    source = Source()

    def respond(path: str, headers: dict[str, str]) -> Response:
        return StreamingResponse(getattr(source, way)(), media_type=TYPE, headers=headers)
    assert fetch(client, AsgiRangeMiddleware(site(respond, path, None, *within)), range=value).status == 206
    deadline = time.monotonic() + 30
    while not source.ended and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.001)  # a thread of the pool may still be about to let go of it
    ahead = 1 if within else 0  # that middleware asks for one more than it has sent
    assert chunks <= source.pulled <= chunks + ahead
    assert source.ended == 1


@pytest.mark.parametrize("on_trio", [False, True], ids=["asyncio", "trio"])
def test_no_more_is_read_ahead_than_the_limit_and_a_chunk(on_trio: bool) -> None:
    sent: list[Message] = []
    begun: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for chunk in cut(CONTENT, 100):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            begun.append(bool(sent))
        await send({"type": "http.response.body"})

    async def watched(scope: Any, receive: Any, send: Any) -> None:
        async def watch(message: Message) -> None:
            sent.append(message)
            await send(message)
        await AsgiRangeMiddleware(app, spool_limit=250)(scope, receive, watch)
    answer = ask(watched, "bytes=0-9", trio=on_trio)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert begun == [False, False, *[True] * 8]


# --- what is not http ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_lifespan_and_websockets_pass(backend: str) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
        events.append("up")
        yield {"kept": "state"}
        events.append("down")

    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(f"{await websocket.receive_text()} {websocket.headers['range']}")
        await websocket.close()

    def view(request: Request) -> Response:
        return Response(request.state.kept)
    routes = [Route("/", view), WebSocketRoute("/echo", echo)]
    with TestClient(AsgiRangeMiddleware(Starlette(routes=routes, lifespan=lifespan)), backend=backend) as client:
        assert events == ["up"]
        assert client.get("/", headers={"Range": "bytes=0-1"}).text == "st"
        with client.websocket_connect("/echo", headers={"Range": "bytes=0-1"}) as session:
            session.send_text("heard")
            assert session.receive_text() == "heard bytes=0-1"
    assert events == ["up", "down"]


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "unheard-of"])
def test_other_scopes_reach_the_app_as_they_are(kind: str) -> None:
    got: list[object] = []

    async def app(*arguments: object) -> None:
        got.extend(arguments)
    arguments = {"type": kind, "headers": [(b"range", b"bytes=0-1")]}, object(), object()
    asyncio.run(AsgiRangeMiddleware(app)(*arguments))
    assert [id(one) for one in got] == [id(one) for one in arguments]


# --- messages beside the answer --------------------------------------------------------------------------------------

DEBUG = {"type": "http.response.debug", "info": {"template": "page", "context": {"kept": 1}}}
HINT = {"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]}
UNKNOWN = {"type": "http.response.unheard_of", "data": object()}
TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}


def sending(*messages: Message, trailers: bool = False, length: bool = True) -> App:
    """An app that sends these messages around an answer in two halves; those that are no trailers before it."""
    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        for message in messages:
            if message is not TRAILERS:
                await send(message)
        headers = [(b"content-type", b"text/plain"), *([(b"content-length", b"1000")] if length else [])]
        await send({"type": "http.response.start", "status": 200, "headers": headers,
                    **({"trailers": True} if trailers else {})})
        await send({"type": "http.response.body", "body": CONTENT[:500], "more_body": True})
        await send({"type": "http.response.body", "body": CONTENT[500:]})
        if trailers:
            await send(TRAILERS)
    return app


@pytest.mark.each
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("headers", [{}, {"Range": "bytes=0-9"}, {"Range": "bytes=5000-"}])
def test_the_test_client_gets_its_template(backend: str, headers: dict[str, str]) -> None:
    response: Any = TestClient(AsgiRangeMiddleware(sending(DEBUG)), backend=backend).get("/", headers=headers)
    assert (response.template, response.context) == ("page", {"kept": 1})


@pytest.mark.each
@pytest.mark.parametrize("on_trio", [False, True], ids=["asyncio", "trio"])
@pytest.mark.parametrize("message", [DEBUG, HINT, UNKNOWN], ids=lambda message: message["type"])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=5000-"}, {"range": "bytes=0-0,9-9"}])
def test_messages_beside_the_answer_pass(on_trio: bool, message: Message, fields: dict[str, str]) -> None:
    scope = scope_for(extensions=[message["type"]], **fields)
    wire = carry(AsgiRangeMiddleware(sending(message)), scope, trio=on_trio)
    assert [sent for sent in wire.messages if sent["type"] == message["type"]] == [message]
    assert wire.answer().status == {"bytes=5000-": 416}.get(fields.get("range", ""), 206 if fields else 200)


@pytest.mark.each
@pytest.mark.parametrize("on_trio", [False, True], ids=["asyncio", "trio"])
@pytest.mark.parametrize("length", [True, False], ids=["declared", "undeclared"])
@pytest.mark.parametrize("value", [None, "x=0-9", "bytes=0-9", "bytes=-9", "bytes=0-0,9-9", "bytes=5000-"])
def test_trailers_follow_where_the_head_says_so(on_trio: bool, length: bool, value: str | None) -> None:
    """The strict server refuses them where the head does not, and waits for them where it does."""
    app = AsgiRangeMiddleware(sending(trailers=True, length=length))
    fields = {} if value is None else {"range": value}
    wire = carry(app, scope_for(extensions=["http.response.trailers"], **fields), trio=on_trio)
    right = expected("GET", fields if length else {}, Representation(1000, content_type="text/plain"))
    check(wire.answer(), right, CONTENT)
    if right.status == 200:
        assert wire.messages[-1] == TRAILERS


@pytest.mark.parametrize("fields", [{"range": "bytes=0-9"}, {"if_range": '"v1"'}, {}])
def test_an_app_is_offered_to_send_a_path_but_no_descriptor(fields: dict[str, str]) -> None:
    """If the request has Range: a file can be read from any byte by its path, but the content of a descriptor cannot
    be sliced. The server's own scope stays as it is (the strict server checks)."""
    offered: list[set[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        offered.append(set(scope["extensions"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    assert ask(AsgiRangeMiddleware(app), extensions=["http.response.zerocopysend", "x.own"], **fields).status == 204
    others = {"http.response.pathsend"} if "range" in fields else {"http.response.zerocopysend"}
    assert offered == [{"x.own"} | others]


def test_two_ranges_have_the_type_of_the_whole_in_each_part(path: str) -> None:
    answer = ask_file(AsgiRangeMiddleware(site(file, path)), "bytes=0-9,500-509")
    assert [part.content_type for part in parts(answer)] == [TYPE, TYPE]


def test_the_plan_is_in_the_scope_of_the_server() -> None:
    answer = ask(AsgiRangeMiddleware(sending()), "bytes=0-9")
    assert (answer.environ["rangeware.plan"].status, answer.reason) == (206, "the ranges asked for")
