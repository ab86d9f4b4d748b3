"""Bodies that open themselves at an offset, in ASGI apps: through the middlewares in between, and without any."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timezone
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware, OpenableBody, TruncatedSource
from rangeware.asgi import OpenableResponse
from tests.asgi_support import ask, carry, scope_for
from tests.bodies.test_openable import Body, Store
from tests.support import CONTENT, Counted, parts

Record = list[tuple[int, int]]

# Starlette leaves the request's generator to the garbage collector, of which trio tells under Python 3.10.
pytestmark = pytest.mark.filterwarnings("ignore:Async generator 'starlette.requests.Request.stream':ResourceWarning")


class AsyncBody(Body):
    """Its blocks come from an asynchronous generator."""

    async def open_range(self, first_pos: int, last_pos: int) -> AsyncIterator[bytes]:  # type: ignore[override]
        blocks = self.store.stream(first_pos, last_pos)
        try:
            for block in blocks:
                await anyio.sleep(0)
                yield block
        finally:
            blocks.close()  # type: ignore[attr-defined]


class Relay(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-seen"] = "yes"
        return response


class Queue:
    """Passes each message on from another task, and lets the app go on meanwhile."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        messages, kept = anyio.create_memory_object_stream[Any](100)
        async with anyio.create_task_group() as group, messages:
            group.start_soon(self._relay, kept, send)
            await self.app(scope, receive, messages.send)

    async def _relay(self, kept: Any, send: Any) -> None:
        async with kept:
            async for message in kept:
                for _ in range(3):
                    await anyio.sleep(0)
                await send(message)


MIDDLEWARES: dict[str, list[Middleware]] = {
    "none": [], "base": [Middleware(Relay)], "gzip": [Middleware(GZipMiddleware)],
    "both": [Middleware(Relay), Middleware(GZipMiddleware)], "base twice": [Middleware(Relay), Middleware(Relay)],
    "queue": [Middleware(Queue)],
}
CASES: list[tuple[dict[str, str], int, Record]] = [
    ({}, 200, [(0, 999)]),
    ({"range": "bytes=10-99"}, 206, [(10, 99)]),
    ({"range": "bytes=-5"}, 206, [(995, 999)]),
    ({"range": "bytes=500-509,0-9"}, 206, [(500, 509), (0, 9)]),
    ({"range": "bytes=1000-"}, 416, []),
    ({"range": "bytes=x"}, 200, [(0, 999)]),
    ({"range": "bytes=0-9", "if_range": '"v1"'}, 206, [(0, 9)]),
    ({"range": "bytes=0-9", "if_range": '"v2"'}, 200, [(0, 999)]),
    ({"if_none_match": '"v1"'}, 304, []),
    ({"if_none_match": '"v2"'}, 200, [(0, 999)]),
    ({"range": "bytes=0-9", "if_none_match": '"v1"'}, 304, []),
    ({"if_match": '"v2"'}, 412, []),
    ({"range": "items=0-9"}, 200, [(0, 999)]),
]


def starlette(body: Any, middlewares: list[Middleware] | None = None, **arguments: Any) -> Starlette:
    async def endpoint(request: Request) -> Any:
        return OpenableResponse(body, [("Content-Type", "video/mp4")], **arguments)

    return Starlette(routes=[Route("/", endpoint, methods=["GET", "POST"])], middleware=middlewares or [])


@pytest.mark.each
@pytest.mark.parametrize("trio", [False, True])
@pytest.mark.parametrize("kind", [Body, AsyncBody])
@pytest.mark.parametrize("middlewares", MIDDLEWARES.values(), ids=MIDDLEWARES)
@pytest.mark.parametrize(("fields", "status", "opened"), CASES)
def test_a_body_is_opened_where_the_client_asks(fields: dict[str, str], status: int, opened: Record,
                                                middlewares: list[Middleware], kind: Any, trio: bool) -> None:
    store = Store()
    served = AsgiRangeMiddleware(starlette(kind(store, etag='"v1"'), middlewares))
    answer = ask(served, trio=trio, **fields)
    assert (answer.status, store.opened, store.closed) == (status, opened, len(opened))
    if status == 200:
        assert answer.body == CONTENT
    elif status == 206 and len(opened) > 1:
        assert [part.content for part in parts(answer)] == [CONTENT[first:last + 1] for first, last in opened]
    elif status == 206:
        assert answer.body == CONTENT[opened[0][0]:opened[0][1] + 1]
        assert answer.get("Content-Range") == f"bytes {opened[0][0]}-{opened[0][1]}/1000"
    if any(middleware.cls is Relay for middleware in middlewares):
        assert answer.get("x-seen") == "yes", "the head came through the middlewares"
    if status in (200, 206, 304):
        assert answer.get("etag") == '"v1"'


@pytest.mark.each
@pytest.mark.parametrize("method", ["HEAD", "POST"])
@pytest.mark.parametrize("wrapped", [True, False])
def test_other_methods(method: str, wrapped: bool) -> None:
    store = Store()
    app = starlette(Body(store))
    answer = ask(AsgiRangeMiddleware(app) if wrapped else app, "bytes=0-9", method)
    assert (answer.status, answer.get("content-length")) == (200, "1000")
    assert (answer.body, store.opened) == ((b"", []) if method == "HEAD" else (CONTENT, [(0, 999)]))


@pytest.mark.parametrize("kind", [Body, AsyncBody])
def test_without_rangeware_the_whole_is_sent(kind: Any) -> None:
    then = datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    answer = ask(starlette(kind(Store(), etag="v1", last_modified=then)), "bytes=0-9")
    assert (answer.status, answer.body) == (200, CONTENT)
    assert answer.get("etag") == '"v1"'
    assert answer.get("last-modified") == "Thu, 02 Jan 2020 03:04:05 GMT"


def test_the_fields_of_the_app_come_before_those_of_the_body() -> None:
    response = OpenableResponse(Body(Store(), etag="v1"), [("content-length", "1000"), ("ETag", '"mine"')])
    for app in (response, AsgiRangeMiddleware(response)):
        answer = ask(app)
        assert (answer.get("content-length"), answer.get("etag")) == ("1000", '"mine"')


def test_without_subclass_and_validators() -> None:
    class Bare:
        complete_length = 3

        def open_range(self, first_pos: int, last_pos: int) -> list[bytes]:
            return [b"abc"[first_pos:last_pos + 1]]

    answer = ask(AsgiRangeMiddleware(OpenableResponse(Bare())), "bytes=1-1")  # type: ignore[arg-type]
    assert (answer.status, answer.body) == (206, b"b")


def test_a_coding_made_in_between_is_not_undone() -> None:
    store = Store()
    response = OpenableResponse(Body(store), [("Content-Type", "text/plain")])
    answer = ask(AsgiRangeMiddleware(GZipMiddleware(response)), "bytes=0-9", accept_encoding="gzip")
    assert (answer.status, answer.get("content-encoding"), store.opened) == (200, "gzip", [(0, 999)])


@pytest.mark.parametrize("status", [201, 404])
def test_another_status_has_no_ranges(status: int) -> None:
    answer = ask(AsgiRangeMiddleware(starlette(Body(Store()), status=status)), "bytes=0-9")
    assert (answer.status, answer.body) == (status, CONTENT)


def test_a_head_that_was_changed_is_not_ours_any_more() -> None:
    """A middleware that changes the content takes away its length, or declares another one."""
    def shouting(app: Any) -> Any:
        async def changed(scope: Any, receive: Any, send: Any) -> None:
            async def shout(message: Any) -> None:
                if message["type"] == "http.response.start":
                    kept = [field for field in message["headers"] if field[0] not in (b"content-length", b"etag")]
                    message = {**message, "headers": kept}
                else:
                    message = {**message, "body": message["body"].upper()}
                await send(message)
            await app(scope, receive, shout)
        return changed

    store = Store(b"abc" * 100)
    answer = ask(AsgiRangeMiddleware(shouting(starlette(Body(store)))), "bytes=0-9")
    assert (answer.status, answer.body) == (200, b"ABC" * 100)


@pytest.mark.parametrize("fields", [{"range": "bytes=0-9"}, {"range": "bytes=0-9,20-29"}, {"if_none_match": '"v1"'}])
def test_a_middleware_that_collects_the_content_first_gets_it(fields: dict[str, str]) -> None:
    """One that makes an ETag of the content keeps the head until the last message; the range is then cut out."""
    def collecting(app: Any) -> Any:
        async def collected(scope: Any, receive: Any, send: Any) -> None:
            messages: list[Any] = []
            await app(scope, receive, _appender(messages))
            content = b"".join(message.get("body", b"") for message in messages[1:])
            await send(messages[0])
            await send({"type": "http.response.body", "body": content})
        return collected

    store = Store()
    answer = ask(AsgiRangeMiddleware(collecting(starlette(Body(store, etag='"v1"')))), **fields)
    assert answer.status == (304 if "if_none_match" in fields else 206)
    if answer.status == 206:
        whole = [part.content for part in parts(answer)] if "," in fields["range"] else [answer.body]
        assert whole[0] == CONTENT[:10]
    assert (store.opened, store.closed) == ([(0, 999)], 1)


def _appender(messages: list[Any]) -> Any:
    async def append(message: Any) -> None:
        messages.append(message)
    return append


def test_empty_blocks_are_not_sent() -> None:
    class Sparse(AsyncBody):
        async def open_range(self, first_pos: int, last_pos: int) -> AsyncIterator[bytes]:  # type: ignore[override]
            for block in (b"", CONTENT[first_pos:last_pos], b"", CONTENT[last_pos:last_pos + 1]):
                yield block

    assert ask(AsgiRangeMiddleware(OpenableResponse(Sparse(Store()))), "bytes=5-9").body == CONTENT[5:10]


def test_accept_ranges_none_is_respected() -> None:
    served = AsgiRangeMiddleware(OpenableResponse(Body(Store()), [("Accept-Ranges", "none")]))
    answer = ask(served, "bytes=0-9")
    assert (answer.status, answer.body, answer.get("accept-ranges")) == (200, CONTENT, "none")


class Gone(OpenableBody):
    complete_length = 1000

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        raise FileNotFoundError("the object is gone")


@pytest.mark.each
@pytest.mark.parametrize("middlewares", MIDDLEWARES.values(), ids=MIDDLEWARES)
@pytest.mark.parametrize("trio", [False, True])
def test_an_error_at_the_first_range_comes_before_the_head(middlewares: Any, trio: bool) -> None:
    heads: list[Any] = []

    async def noting(scope: Any, receive: Any, send: Any) -> None:
        async def note(message: Any) -> None:
            heads.append(message)
        await AsgiRangeMiddleware(starlette(Gone(), middlewares))(scope, receive, note)

    error = pytest.RaisesExc(FileNotFoundError)
    with pytest.RaisesGroup(error, allow_unwrapped=True, flatten_subgroups=True):
        carry(noting, scope_for(range="bytes=0-9"), trio=trio)
    assert heads == []


@pytest.mark.each
@pytest.mark.parametrize("trio", [False, True])
@pytest.mark.parametrize("range_", ["bytes=0-9", None])
def test_the_app_may_answer_such_an_error_itself(range_: str | None, trio: bool) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await OpenableResponse(Gone())(scope, receive, send)
        except FileNotFoundError:
            await Response("no such film", 404)(scope, receive, send)

    answer = ask(AsgiRangeMiddleware(app), range_, trio=trio)
    assert (answer.status, answer.body) == (404, b"no such film")


@pytest.mark.each
@pytest.mark.parametrize("trio", [False, True])
@pytest.mark.parametrize("range_", ["bytes=100-599", None])
def test_a_range_that_ends_early_breaks_the_response(range_: str | None, trio: bool) -> None:
    class Short(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            return self.store.stream(first_pos, first_pos + 99)

    store = Store()
    with pytest.raises(TruncatedSource):
        ask(AsgiRangeMiddleware(starlette(Short(store))), range_, trio=trio)
    assert store.closed == 1


@pytest.mark.parametrize("kind", [Body, AsyncBody])
def test_a_client_that_leaves_closes_the_range_and_the_body(kind: Any) -> None:
    store, closed = Store(), []
    served = AsgiRangeMiddleware(OpenableResponse(kind(store, close=lambda: closed.append(1))))
    sent = []

    async def send(message: Any) -> None:
        sent.append(message)
        if len(sent) > 3:
            raise OSError("the client is gone")

    async def main() -> None:
        with pytest.raises(OSError, match="the client is gone"):
            await served(scope_for(range="bytes=0-899"), anyio.sleep_forever, send)

    anyio.run(main)
    assert (store.opened, store.closed, closed) == ([(0, 899)], 1, [1])
    assert store.sent < 300


@pytest.mark.each
@pytest.mark.parametrize("trio", [False, True])
@pytest.mark.parametrize("kind", [Body, AsyncBody])
@pytest.mark.parametrize("range_", [None, "bytes=0-"])
def test_a_client_that_leaves_silently_stops_the_reading(kind: Any, range_: str | None, trio: bool) -> None:
    """uvicorn's ``send`` does not tell, and waits for nobody then."""
    store = Store(CONTENT * 1000)
    served = AsgiRangeMiddleware(OpenableResponse(kind(store)))

    async def main() -> None:
        left = anyio.Event()

        async def receive() -> Any:
            await left.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            if message.get("body"):
                left.set()
                await anyio.sleep(0)

        await served(scope_for(**({} if range_ is None else {"range": range_})), receive, send)

    anyio.run(main, backend="trio" if trio else "asyncio")
    assert store.closed == 1
    assert store.sent < 100_000


def test_what_is_opened_while_the_request_is_cancelled_is_closed() -> None:
    for backend in ("asyncio", "trio"):
        kept: list[Counted] = []

        class Slow(Body):
            def open_range(self, first_pos: int, last_pos: int) -> Any:
                time.sleep(0.2)
                kept.append(Counted([CONTENT]))  # noqa: B023 - called before the next round
                return kept[-1]  # noqa: B023

        async def main() -> None:
            with anyio.move_on_after(0.05):
                await AsgiRangeMiddleware(OpenableResponse(Slow(Store())))(  # noqa: B023
                    scope_for(range="bytes=0-899"), anyio.sleep_forever, anyio.sleep)

        anyio.run(main, backend=backend)
        assert [counted.closed for counted in kept] == [1]


@pytest.mark.each
@pytest.mark.parametrize("trio", [False, True])
@pytest.mark.parametrize("pause", [0, 0.01])
def test_the_body_is_closed_and_the_background_runs_after_the_response(pause: float, trio: bool) -> None:
    """A middleware that passes messages on from another task lets the app end before the content is sent."""
    happened: list[str] = []

    class Noting(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            for block in self.store.stream(first_pos, last_pos):
                happened.append("block")
                time.sleep(pause)
                yield block

        def close(self) -> None:
            happened.append("closed")

    async def background() -> None:
        happened.append("background")

    response = OpenableResponse(Noting(Store()))
    response.background = background
    answer = ask(AsgiRangeMiddleware(Queue(response)), "bytes=0-199", trio=trio)
    assert answer.body == CONTENT[:200]
    assert happened == ["block"] * 4 + ["closed", "background"]


def test_a_head_that_comes_too_late_comes_with_the_content_of_the_app() -> None:
    """The offer is withdrawn: the body must not be read in two places."""
    def waiting(app: Any) -> Any:
        async def waited(scope: Any, receive: Any, send: Any) -> None:
            messages: list[Any] = []
            await app(scope, receive, _appender(messages))
            for message in messages:
                changed = {**message, "body": message["body"].swapcase()} if message.get("body") else message
                await send(changed)
        return waited

    store = Store(b"abc" * 100)
    answer = ask(AsgiRangeMiddleware(waiting(OpenableResponse(Body(store)))), "bytes=0-9")
    assert (answer.status, answer.body) == (206, b"ABCABCABCA")
    assert (store.opened, store.closed) == ([(0, 299)], 1)


def test_an_empty_body_opens_nothing() -> None:
    store = Store(b"")
    for range_ in (None, "bytes=0-9"):
        answer = ask(AsgiRangeMiddleware(OpenableResponse(Body(store))), range_)
        assert (answer.status, answer.body, answer.get("content-length"), store.opened) == (200, b"", "0", [])


def test_headers_may_be_a_mapping() -> None:
    assert ask(OpenableResponse(Body(Store()), {"Content-Type": "video/mp4"})).get("content-type") == "video/mp4"


def test_fastapi_does_not_send_the_object_as_json() -> None:
    app = FastAPI()
    app.get("/")(lambda: OpenableResponse(Body(Store())))
    messages: list[Any] = []

    async def main() -> None:
        with pytest.raises(ValueError, match="__dict__"):
            await app(scope_for(), anyio.sleep_forever, _appender(messages))

    anyio.run(main)
    assert messages[0]["status"] == 500


def test_where_going_back_is_expensive_one_range_has_them_all() -> None:
    store = Store()
    answer = ask(AsgiRangeMiddleware(OpenableResponse(Body(store, random_access=False))), "bytes=500-509,10-19")
    assert [part.content for part in parts(answer)] == [CONTENT[10:20], CONTENT[500:510]]
    assert store.opened == [(10, 509)]


def test_a_cancelled_request_closes_the_range() -> None:
    for backend in ("asyncio", "trio"):
        for kind in (Body, AsyncBody):
            store = Store()

            async def main(kind: Any = kind, store: Store = store) -> None:
                async def send(message: Any) -> None:
                    if message.get("body"):
                        await anyio.sleep_forever()

                with anyio.move_on_after(0.1):
                    await AsgiRangeMiddleware(OpenableResponse(kind(store)))(
                        scope_for(range="bytes=0-899"), anyio.sleep_forever, send)

            anyio.run(main, backend=backend)
            assert (store.opened, store.closed) == ([(0, 899)], 1)


def test_fastapi_takes_a_subclass_of_both() -> None:
    class FilmResponse(OpenableResponse, Response):
        pass

    store, done = Store(), []
    app = FastAPI()

    @app.get("/")
    async def film() -> FilmResponse:
        response = FilmResponse(Body(store), [("Content-Type", "video/mp4")])
        response.background = BackgroundTask(done.append, 1)
        return response

    app.add_middleware(AsgiRangeMiddleware)
    answer = ask(app, "bytes=10-19")
    assert (answer.status, answer.body, answer.get("content-type")) == (206, CONTENT[10:20], "video/mp4")
    assert (store.opened, done) == ([(10, 19)], [1])


def test_one_middleware_inside_the_other() -> None:
    store = Store()
    served = AsgiRangeMiddleware(AsgiRangeMiddleware(starlette(Body(store))))
    assert ask(served, "bytes=10-19").body == CONTENT[10:20]
    assert store.opened == [(10, 19)]


def test_the_scope_of_the_server_is_left_as_it_was() -> None:
    scope = scope_for(range="bytes=0-9")
    carry(AsgiRangeMiddleware(starlette(Body(Store()))), scope).answer()
    assert {key for key in scope if key.startswith("rangeware")} == {"rangeware.plan"}
