"""The ASGI adapter by itself: whose turn it is, how an app is ended, files by their path, reading without waiting."""

from __future__ import annotations

import asyncio
import os
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio
import trio.testing

from rangeware import AsgiRangeMiddleware, InvalidOption, TruncatedSource
from rangeware.errors import AsgiProtocolError
from tests.asgi_support import PATHSEND, ask, carry, saying, scope_for
from tests.support import CONTENT, cut, parts

LENGTH = ("content-length", str(len(CONTENT)))
HOSTS = pytest.mark.parametrize("on_trio", [False, True], ids=["asyncio", "trio"])


def start(*fields: tuple[str, str], status: int = 200, **more: Any) -> dict[str, Any]:
    """The message that starts an answer."""
    headers = [(name.encode(), value.encode()) for name, value in (("content-type", "text/plain"), *fields)]
    return {"type": "http.response.start", "status": status, "headers": headers, **more}


def body(content: bytes = b"", more: bool = False) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, "more_body": more}


class Streaming:
    """An app that sends CONTENT in pieces, and notes what it got to do."""

    def __init__(self, length: int = 100, *fields: tuple[str, str]) -> None:
        self.fields = fields or (LENGTH,)
        self.pieces = cut(CONTENT, length)
        self.sent = 0
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            await send(start(*self.fields))
            for piece in self.pieces:
                self.sent += 1
                await send(body(piece, more=True))
            await send(body())
            self.ended.append("whole")
        except BaseException as exc:
            self.ended.append(type(exc).__name__)
            raise
        finally:
            self.ended.append("finally")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def naming(path: object, *fields: tuple[str, str], status: int = 200) -> Any:
    return saying(start(*fields, status=status), {"type": PATHSEND, "path": path})


# --- construction and what passes ---

def test_an_app_that_cannot_be_called_is_refused():
    with pytest.raises(InvalidOption, match="app must be an ASGI application, not 7"):
        AsgiRangeMiddleware(7)


def test_a_wrong_option_is_refused():
    with pytest.raises(InvalidOption, match="max_ranges"):
        AsgiRangeMiddleware(saying(), max_ranges=0)


@pytest.mark.parametrize("kind", ["lifespan", "websocket", "something"])
def test_other_scopes_pass_untouched(kind):
    seen = []

    async def app(*arguments):
        seen.append(arguments)
    scope, receive, send = {"type": kind}, object(), object()
    asyncio.run(AsgiRangeMiddleware(app)(scope, receive, send))
    assert len(seen) == 1
    assert all(got is given for got, given in zip(seen[0], (scope, receive, send), strict=True))


@pytest.mark.parametrize(("method", "options"), [("POST", {}), ("GET", {"applies": lambda scope: False})])
def test_requests_left_alone_pass_untouched(method, options):
    seen = []

    async def app(*arguments):
        seen.append(arguments)
    given = scope_for(method), object(), object()
    asyncio.run(AsgiRangeMiddleware(app, **options)(*given))
    assert all(got is one for got, one in zip(seen[0], given, strict=True))


def test_applies_and_on_plan_get_the_scope():
    told = []
    app = AsgiRangeMiddleware(saying(start(LENGTH), body(CONTENT)), applies=lambda scope: told.append(scope) or True,
                              on_plan=lambda scope, plan: told.append((scope, plan.status)))
    answer = ask(app, "bytes=0-9")
    assert told[0] is answer.environ
    assert told[1] == (answer.environ, 206)


def test_repeated_lines_are_joined():
    app = AsgiRangeMiddleware(saying(start(LENGTH, ("etag", '"b"')), body(CONTENT)))
    assert ask(app, lines=[("range", "bytes=0-1"), ("range", "bytes=5-6")]).status == 200  # RFC 9110 14.2: no list
    assert ask(app, lines=[("if-none-match", '"a"'), ("if-none-match", '"b"')]).status == 304


def test_an_app_that_keeps_its_ranges_sees_them():
    async def app(scope, receive, send):
        seen.append(dict(scope["headers"]).get(b"range"))
        seen.append(scope.get("rangeware.range"))
        await send(start(LENGTH))
        await send(body(CONTENT))
    for hide_range, expected in ((True, [None, "bytes=0-1"]), (False, [b"bytes=0-1", "bytes=0-1"])):
        seen: list[object] = []
        ask(AsgiRangeMiddleware(app, hide_range=hide_range), "bytes=0-1")
        assert seen == expected


def test_extensions_may_be_missing():
    scope = scope_for(range="bytes=0-1")
    scope["extensions"] = None
    sent: list[Any] = []

    async def send(message):
        sent.append(message)
    asyncio.run(AsgiRangeMiddleware(saying(start(LENGTH), body(CONTENT)))(scope, None, send))
    assert [message.get("status") for message in sent] == [206, None]


def test_what_an_app_sends_is_not_changed_for_it():
    head = start(LENGTH)
    before = {**head, "headers": [*head["headers"]]}
    for value in (None, "bytes=0-1"):
        ask(AsgiRangeMiddleware(saying(head, body(CONTENT))), value)
    assert head == before


# --- apps that speak out of turn ---

WRONG = [
    pytest.param([body(CONTENT)], "http.response.body before http.response.start", id="body before start"),
    pytest.param([{"type": PATHSEND, "path": "/"}], "pathsend before http.response.start", id="path before start"),
    pytest.param([start(), start(), body(b"x")], "http.response.start twice", id="start twice"),
    pytest.param([start(LENGTH), body(CONTENT, True), start()], "http.response.start twice", id="start in mid-body"),
    pytest.param([start(), body(CONTENT), start(), body(CONTENT)], "start twice", id="two answers"),
    pytest.param([start(), body(b"x"), body(b"y")], "body after the end of its response", id="body after the last"),
    pytest.param([start(), body("text")], "str in http.response.body where bytes", id="text for bytes"),
    pytest.param([start(LENGTH), body(b"", True), body(None)], "NoneType in http.response.body", id="None for bytes"),
    pytest.param([start(LENGTH), body(b"", True), {"type": PATHSEND, "path": "/"}], "pathsend where bytes",
                 id="path in mid-body"),
    pytest.param([{"type": "http.response.start"}], "with the status None", id="no status"),
    pytest.param([start(status="200")], "with the status '200'", id="status as text"),
    pytest.param([{**start(), "headers": [("a", "b")]}], "not pairs of bytes", id="headers as text"),
    pytest.param([{**start(), "headers": [(5, b"b")]}], "not pairs of bytes", id="a number for a name"),
    pytest.param([{**start(), "headers": [(b"a",)]}], "not pairs of bytes", id="headers without values"),
    pytest.param([{**start(), "headers": None}], "not pairs of bytes", id="None for headers"),
    pytest.param([start(), {"body": b""}], "a message without a type", id="no type"),
    pytest.param([start(), {"type": PATHSEND}], "None as the path", id="no path"),
    pytest.param([start(), {"type": PATHSEND, "path": 0}], "0 as the path", id="a descriptor for a path"),
    pytest.param([start()], "returned before it had sent all", id="a head and nothing else"),
    pytest.param([start(LENGTH), body(CONTENT[:10], True)], "returned before it had sent all", id="no end"),
]


@pytest.mark.each
@HOSTS
@pytest.mark.parametrize("swallowing", [False, True], ids=["", "swallowed"])
@pytest.mark.parametrize(("messages", "fault"), WRONG)
def test_a_wrong_message_is_named(messages, fault, swallowing, on_trio):
    app = saying(*messages, swallowing=swallowing)
    scope = scope_for(range="bytes=900-950", extensions=[PATHSEND])
    with pytest.raises(AsgiProtocolError, match=fault):
        carry_to_the_end(AsgiRangeMiddleware(app), scope, on_trio)


def carry_to_the_end(app: Any, scope: Any, on_trio: bool) -> Any:
    """As ``carry`` does, but the app may raise after an answer that was whole."""
    sent: list[Any] = []

    async def send(message):
        sent.append(message)

    async def main():
        await app(scope, None, send)
    trio.run(main) if on_trio else asyncio.run(main())
    return sent


@pytest.mark.each
@pytest.mark.parametrize("swallowing", [False, True])
@pytest.mark.parametrize("value", [None, "bytes=0-1", "bytes=5-"])
def test_nothing_that_is_broken_looks_whole(value, swallowing):
    """A part that is sent whole may be followed by a fault; what is not, must not end."""
    app = Streaming(100, ("content-length", "2000"))

    async def outer(scope, receive, send):
        try:
            await app(scope, receive, send)
        except TruncatedSource:
            if not swallowing:
                raise
    if value == "bytes=0-1":
        assert ask(AsgiRangeMiddleware(outer), value).status == 206
        return
    if value is None:  # passes as it is: the server's to see
        assert carry(AsgiRangeMiddleware(outer), scope_for(), lawful=False).body == CONTENT
        return
    with pytest.raises(TruncatedSource) as caught:
        carry(AsgiRangeMiddleware(outer), scope_for(range=value))
    assert (caught.value.length, caught.value.promised) == (1000, 2000)


def test_what_came_of_a_short_body_is_sent():
    sent = []

    async def send(message):
        sent.append(message.get("body"))
    app = AsgiRangeMiddleware(Streaming(300, ("content-length", "2000")))
    with pytest.raises(TruncatedSource):
        asyncio.run(app(scope_for(range="bytes=500-"), None, send))
    assert b"".join(filter(None, sent)) == CONTENT[500:]


# --- the end of an app ---

@pytest.mark.each
@HOSTS
@pytest.mark.parametrize(("value", "asked", "how"), [
    ("bytes=0-0", 1, "cancelled"), ("bytes=150-250", 3, "cancelled"), ("bytes=0-9,850-860", 9, "cancelled"),
    ("bytes=950-", 10, "whole"), ("bytes=0-9,990-", 10, "whole"), ("bytes=2000-", 1, "cancelled"),
    ("bytes=1", 10, "whole"),
])
def test_an_app_is_not_asked_for_more_and_ends(value, asked, how, on_trio):
    app = Streaming()
    ask(AsgiRangeMiddleware(app), value, trio=on_trio)
    cancelled = "Cancelled" if on_trio else "CancelledError"
    assert (app.sent, app.ended) == (asked, [how if how == "whole" else cancelled, "finally"])


@HOSTS
def test_head_asks_for_nothing(on_trio):
    app = Streaming()
    assert ask(AsgiRangeMiddleware(app), method="HEAD", trio=on_trio).get("content-length") == "1000"
    assert app.sent == 1
    assert app.ended[-1] == "finally"


@HOSTS
def test_surplus_is_cut_and_asked_for_no_further(on_trio):
    app = Streaming(100, ("content-length", "250"))
    assert ask(AsgiRangeMiddleware(app), "bytes=200-", trio=on_trio).body == CONTENT[200:250]
    assert app.sent == 3
    app = Streaming(100, ("content-length", "300"))
    assert ask(AsgiRangeMiddleware(app), "bytes=200-", trio=on_trio).body == CONTENT[200:300]
    assert app.sent == 4


@HOSTS
def test_an_app_that_listens_may_end_by_itself(on_trio):
    """The server says http.disconnect once the answer is whole; this app then takes its time."""
    ended = []

    async def listening(scope, receive, send):
        async def stream():
            await Streaming()(scope, receive, send)

        async def listen():
            while (await receive())["type"] != "http.disconnect":
                pass
        if on_trio:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stream)
                await listen()
                nursery.cancel_scope.cancel()
        else:
            task = asyncio.ensure_future(stream())
            await listen()
            task.cancel()
            await asyncio.wait([task])
        await (trio.sleep if on_trio else asyncio.sleep)(0)
        ended.append("by itself")
    assert ask(AsgiRangeMiddleware(listening), "bytes=0-9", trio=on_trio).body == CONTENT[:10]
    assert ended == ["by itself"]


@HOSTS
def test_an_app_that_listens_in_vain_is_cancelled(monkeypatch, on_trio):
    monkeypatch.setattr("rangeware.backends._POLLS", 2)
    app = Streaming()

    async def never():
        await (trio.sleep_forever() if on_trio else asyncio.Event().wait())

    async def listening(scope, receive, send):
        if on_trio:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(receive)
                await trio.testing.wait_all_tasks_blocked()
                await app(scope, receive, send)
        else:
            listener = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            try:
                await app(scope, receive, send)
            finally:
                listener.cancel()
    sent = []

    async def send(message):
        sent.append(message)

    async def main():
        await AsgiRangeMiddleware(listening)(scope_for(range="bytes=0-9"), never, send)
    trio.run(main) if on_trio else asyncio.run(main())
    assert app.ended[-1] == "finally"
    assert sent[-1] == body(CONTENT[:10])


def with_careless(turns: int) -> tuple[Streaming, Any]:
    """An app that leaves the sending to a task, which begins after so many turns of the loop; and what asks it and
    waits for that task."""
    app, left = Streaming(), []

    async def late(*arguments):
        for _ in range(turns):
            await asyncio.sleep(0)
        await app(*arguments)

    async def careless(*arguments):
        left.append(asyncio.ensure_future(late(*arguments)))
        if not turns:
            await asyncio.wait(left)  # which does not cancel what it waits for

    async def send(message):
        pass

    async def main():
        await AsgiRangeMiddleware(careless)(scope_for(range="bytes=0-9"), None, send)
        await asyncio.wait(left)
        return getattr(asyncio.current_task(), "cancelling", int)()
    return app, main


@pytest.mark.parametrize("turns", [0, 2], ids=["waited for", "after the app has ended"])
def test_a_task_that_an_app_leaves_behind_ends(turns):
    app, main = with_careless(turns)
    assert asyncio.run(main()) == 0
    assert app.ended == ["CancelledError", "finally"]


@HOSTS
def test_what_an_app_raises_while_it_ends_is_raised(on_trio):
    async def app(scope, receive, send):
        try:
            await Streaming()(scope, receive, send)
        finally:
            raise LookupError("cleaning up failed")
    with pytest.raises(LookupError):
        carry_to_the_end(AsgiRangeMiddleware(app), scope_for(range="bytes=0-9"), on_trio)


@HOSTS
def test_an_app_that_does_not_let_itself_be_cancelled_ends_as_it_likes(on_trio):
    ended = []

    async def app(scope, receive, send):
        try:
            await Streaming()(scope, receive, send)
        except BaseException:
            ended.append("caught")
            if on_trio:
                raise
    assert ask(AsgiRangeMiddleware(app), "bytes=0-9", trio=on_trio).body == CONTENT[:10]
    assert ended == ["caught"]


def test_our_cancellation_stays_ours():
    """The task that runs the app goes on, and is not taken for cancelled by those around it."""
    sent = []

    async def send(message):
        sent.append(message)

    async def main():
        await AsgiRangeMiddleware(Streaming())(scope_for(range="bytes=0-9"), None, send)
        await asyncio.sleep(0)
        return getattr(asyncio.current_task(), "cancelling", int)()
    assert asyncio.run(main()) == 0
    assert sent[-1] == body(CONTENT[:10])


@pytest.mark.skipif(not hasattr(asyncio.Task, "uncancel"), reason="3.10 does not count who cancelled a task")
def test_a_cancellation_by_others_is_not_taken_for_ours():
    async def app(scope, receive, send):
        try:
            await Streaming()(scope, receive, send)
        finally:
            task.cancel()
            await asyncio.sleep(0)

    async def send(message):
        pass

    async def main():
        await AsgiRangeMiddleware(app)(scope_for(range="bytes=0-9"), None, send)

    async def outer():
        nonlocal task
        task = asyncio.ensure_future(main())
        await asyncio.wait([task])
        return task.cancelled()
    task: Any = None
    assert asyncio.run(outer())


# --- clients that hang up, and servers that cancel ---

SITUATIONS = {
    "stream": lambda path: Streaming(),
    "message": lambda path: saying(start(LENGTH), body(CONTENT)),
    "file": lambda path: naming(str(path), LENGTH),
}


@pytest.fixture(params=SITUATIONS)
def situation(request, file):
    return lambda: SITUATIONS[request.param](file)


def open_files(path: Path) -> int:
    """Count the descriptors of this process for this file."""
    links = (os.readlink(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")
             if os.path.islink(f"/proc/self/fd/{number}"))
    return sum(link == str(path) for link in links)


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=200-800", "bytes=0-1,500-600", "bytes=1"])
@pytest.mark.parametrize("options", [{"block_size": 50}, {}], ids=["blocks", "at once"])
def test_a_cancellation_at_every_await_ends_all(situation, file, value, options):
    """Cancelled after so many turns of the event loop, until it ends before that."""
    async def main():
        for turns in range(500):
            sent: list[Any] = []

            async def send(message, sent=sent):
                await asyncio.sleep(0)
                sent.append(message)

            async def receive():
                await asyncio.Event().wait()
            app = situation()
            middleware = AsgiRangeMiddleware(app, **options)
            task = asyncio.ensure_future(middleware(scope_for(range=value), receive, send))
            for _ in range(turns):
                await asyncio.sleep(0)
            ended = task.done()
            task.cancel()
            await asyncio.wait([task])
            assert open_files(file) == 0
            if isinstance(app, Streaming) and app.sent:
                assert app.ended[-1] == "finally"
            if ended:
                assert task.result() is None
                assert sent[-1]["more_body"] is False
                return turns
            is_whole = bool(sent) and not sent[-1].get("more_body", True)
            assert task.cancelled() or is_whole and not hasattr(task, "uncancel")  # 3.10: taken for our own
        raise AssertionError("it never ended")
    assert asyncio.run(main()) > 1


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=200-800", "bytes=0-1,500-600", "bytes=1"])
def test_a_cancellation_at_every_await_ends_all_on_trio(situation, file, value):
    async def one(turns):
        sent: list[Any] = []

        async def send(message):
            await trio.lowlevel.checkpoint()
            sent.append(message)

        async def countdown(scope):
            for _ in range(turns):
                await trio.lowlevel.checkpoint()
            scope.cancel()
        app = situation()
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(countdown, scope)
                await AsgiRangeMiddleware(app, block_size=50)(scope_for(range=value), trio.sleep_forever, send)
                nursery.cancel_scope.cancel()
        assert open_files(file) == 0
        if isinstance(app, Streaming) and app.sent:
            assert app.ended[-1] == "finally"
        return bool(sent) and sent[-1].get("more_body") is False

    async def main():
        for turns in range(500):
            if await one(turns):
                return turns
        raise AssertionError("it never ended")
    assert trio.run(main) > 1


@pytest.mark.each
@HOSTS
@pytest.mark.parametrize("error", [OSError, RuntimeError])
def test_a_server_that_refuses_at_every_send_ends_all(situation, file, error, on_trio):
    """As ASGI 2.4 servers do when the client is gone."""
    async def one(allowed):
        sent: list[Any] = []

        async def send(message):
            if len(sent) == allowed:
                raise error("gone")
            sent.append(message)

        async def receive():
            await (trio.sleep_forever() if on_trio else asyncio.Event().wait())
        app = situation()
        try:
            await AsgiRangeMiddleware(app, block_size=100)(scope_for(range="bytes=100-800"), receive, send)
        except error:
            assert not sent or sent[-1].get("more_body", True)
        assert open_files(file) == 0
        if isinstance(app, Streaming):
            assert app.ended[-1] == "finally"
        return bool(sent) and sent[-1].get("more_body") is False

    async def main():
        allowed = 0
        while not await one(allowed):
            allowed += 1
            assert allowed < 50
    trio.run(main) if on_trio else asyncio.run(main())


@pytest.mark.each
@HOSTS
def test_a_client_that_is_gone_in_silence_at_every_send_ends_all(situation, file, on_trio):
    """As servers before ASGI 2.4 have it: ``send`` does nothing any more, ``receive`` says http.disconnect."""
    async def pause():
        await (trio.lowlevel.checkpoint() if on_trio else asyncio.sleep(0))

    async def one(allowed):
        sent: list[Any] = []

        async def send(message):
            sent.append(message)
            await pause()

        async def receive():
            while len(sent) < allowed:
                await pause()
            return {"type": "http.disconnect"}
        app = situation()
        await AsgiRangeMiddleware(app, block_size=100)(scope_for(range="bytes=100-800"), receive, send)
        assert open_files(file) == 0
        assert b"".join(message.get("body", b"") for message in sent) in CONTENT[100:801]
        if isinstance(app, Streaming):
            assert app.ended[-1] == "finally"

    async def main():
        for allowed in range(1, 12):
            await one(allowed)
    trio.run(main) if on_trio else asyncio.run(main())


@HOSTS
def test_a_file_is_not_read_for_a_client_that_is_gone(file, on_trio):
    """uvicorn and Hypercorn let one send on without a word."""
    sent: list[Any] = []

    async def send(message):
        sent.append(message)

    async def receive():
        while len(sent) < 3:
            await (trio.lowlevel.checkpoint if on_trio else asyncio.sleep)(*([] if on_trio else [0]))
        return {"type": "http.disconnect"}

    async def main():
        app = AsgiRangeMiddleware(naming(str(file), LENGTH), block_size=1)
        await app(scope_for(range="bytes=0-899"), receive, send)
    trio.run(main) if on_trio else asyncio.run(main())
    assert 3 <= len(sent) < 20


@HOSTS
def test_an_app_that_hears_of_the_end_needs_not_finish(on_trio):
    async def app(scope, receive, send):
        await send(start(LENGTH))
        await send(body(CONTENT[:100], True))
        assert (await receive())["type"] == "http.disconnect"
    scope = scope_for(range="bytes=0-900")

    async def receive():
        return {"type": "http.disconnect"}

    async def send(message):
        pass

    async def main():
        await AsgiRangeMiddleware(app)(scope, receive, send)
    trio.run(main) if on_trio else asyncio.run(main())


def test_a_listener_that_fails_does_not_harm_the_answer(file):
    sent = []

    async def send(message):
        sent.append(message)
        await asyncio.sleep(0)

    async def receive():
        raise RuntimeError("receive is broken")
    asyncio.run(AsgiRangeMiddleware(naming(str(file)), block_size=10)(scope_for(range="bytes=0-99"), receive, send))
    assert b"".join(message.get("body", b"") for message in sent) == CONTENT[:100]


def test_a_file_is_closed_after_the_read_that_a_cancellation_met(file, monkeypatch):
    """Or the number of its descriptor could be another file's when the read comes to it."""
    import threading
    began, may_go_on = threading.Event(), threading.Event()
    real, seen = os.pread, []

    def slow(descriptor, size, pos):
        began.set()
        assert may_go_on.wait(20)
        seen.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        return real(descriptor, size, pos)
    monkeypatch.setattr("os.pread", slow)
    monkeypatch.setattr("os.preadv", refusing)

    async def send(message):
        pass

    async def receive():
        await asyncio.Event().wait()

    async def main():
        app = AsgiRangeMiddleware(naming(str(file)), block_size=10)
        task = asyncio.ensure_future(app(scope_for(range="bytes=0-99"), receive, send))
        while not began.is_set():
            await asyncio.sleep(0.001)
        for _ in range(2):  # the second must not cut the wait short
            task.cancel()
            await asyncio.sleep(0.01)
            assert not task.done()
        may_go_on.set()
        await asyncio.wait([task])
        assert task.cancelled()
    asyncio.run(main())
    assert seen == [str(file)]
    assert open_files(file) == 0


# --- files ---

def refusing(*arguments: object) -> int:
    raise BlockingIOError


@pytest.mark.each
@HOSTS
@pytest.mark.parametrize("offered", [(), (PATHSEND,)], ids=["", "offered"])
@pytest.mark.parametrize("value", ["bytes=5-9", "bytes=0-", "bytes=-0", "bytes=0-9,500-509,-10", "x=1", "bytes=9999-"])
@pytest.mark.parametrize("block_size", [7, 131072])
def test_a_file_by_its_path(file, value, offered, block_size, on_trio):
    app = AsgiRangeMiddleware(naming(str(file), LENGTH), block_size=block_size)
    answer = ask(app, value, extensions=offered, trio=on_trio)
    if value == "bytes=0-9,500-509,-10":
        assert [part.content for part in parts(answer)] == [CONTENT[:10], CONTENT[500:510], CONTENT[-10:]]
    else:
        right = {"bytes=5-9": (206, CONTENT[5:10]), "bytes=0-": (206, CONTENT), "x=1": (200, CONTENT)}
        assert (answer.status, answer.body) == right.get(value, (416, answer.body))


@pytest.mark.parametrize(("fields", "value", "handed"), [
    pytest.param((LENGTH,), None, True, id="whole"),
    pytest.param((), None, True, id="whole, of no declared length"),
    pytest.param((LENGTH, ("accept-ranges", "bytes"), ("etag", '"x"'), ("last-modified", "x")), None, True, id="plain"),
    pytest.param((LENGTH,), "bytes=0-", True, id="all of it as a part"),
    pytest.param((LENGTH,), "bytes=0", True, id="Range that is ignored"),
    pytest.param((LENGTH,), "bytes=1-", False, id="a part"),
    pytest.param((("content-length", "900"),), "bytes=0", False, id="less than there is"),
    pytest.param((("content-length", "900"),), None, False, id="whole, less than there is"),
    pytest.param((("content-length", "2000"),), "bytes=0-5", True, id="less than declared"),
    pytest.param((("content-encoding", "gzip"), ("etag", 'W/"x"')), "bytes=0-5", True, id="coded"),
])
def test_a_whole_file_is_left_to_a_server_that_can(file, fields, value, handed):
    scope = scope_for(**({"range": value} if value else {}), extensions=[PATHSEND])
    wire = carry(AsgiRangeMiddleware(naming(str(file), *fields), block_size=100), scope, lawful=False)
    assert [message["type"] for message in wire.messages[1:]].count(PATHSEND) == handed
    assert wire.messages[0]["status"] == (206 if value in ("bytes=0-", "bytes=1-") else 200)


@pytest.mark.each
@pytest.mark.parametrize(("length", "advertised"), [("1000", True), ("900", False), ("1001", False), ("0", False)])
@pytest.mark.parametrize("own", [(), (("accept-ranges", "bytes"),)])
def test_a_plain_file_is_advertised_where_it_could_be_sliced(file, length, advertised, own):
    app = naming(str(file), ("content-length", length), ("etag", '"x"'), ("last-modified", "x"), *own)
    wire = carry(AsgiRangeMiddleware(app), scope_for(extensions=[PATHSEND]), lawful=False)
    fields = [name for name, _ in wire.messages[0]["headers"]]
    assert fields.count(b"accept-ranges") == (1 if advertised or own else 0)


def test_a_path_that_cannot_be_looked_at_is_not_advertised(tmp_path):
    app = naming(str(tmp_path / "none"), LENGTH, ("etag", '"x"'), ("last-modified", "x"))
    with pytest.raises(FileNotFoundError):
        ask(AsgiRangeMiddleware(app), extensions=[PATHSEND])


def test_a_file_without_validators_gets_them(file):
    answer = ask(AsgiRangeMiddleware(naming(str(file))), extensions=[PATHSEND])
    assert answer.get("last-modified") == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.get("content-length") == "1000"
    again = ask(AsgiRangeMiddleware(naming(str(file))), if_none_match=answer.get("etag"), extensions=[PATHSEND])
    assert again.status == 304


@HOSTS
def test_a_file_that_is_missing_is_the_apps_fault(tmp_path, on_trio):
    with pytest.raises(FileNotFoundError):
        ask(AsgiRangeMiddleware(naming(str(tmp_path / "none"))), "bytes=0-9", trio=on_trio)


def test_a_file_that_cannot_be_measured_passes_whole():
    answer = ask(AsgiRangeMiddleware(naming("/proc/self/cmdline")), "bytes=0-3")
    assert (answer.status, answer.body) == (200, Path("/proc/self/cmdline").read_bytes())


def test_a_file_behind_another_status_passes_whole(file):
    answer = ask(AsgiRangeMiddleware(naming(str(file), LENGTH, status=404), block_size=10), "bytes=0-3")
    assert (answer.status, answer.body) == (404, CONTENT)


def test_a_file_that_shrinks_is_told(file, monkeypatch):
    real = os.preadv

    def shrinking(descriptor, buffers, pos, flags):
        os.truncate(file, 500)
        return real(descriptor, buffers, pos, flags)
    monkeypatch.setattr("os.preadv", shrinking)
    with pytest.raises(TruncatedSource):
        ask(AsgiRangeMiddleware(naming(str(file)), block_size=100), "bytes=0-899")


def test_an_error_while_a_file_is_opened_closes_it(file, monkeypatch):
    monkeypatch.setattr("rangeware.responder.decide", lambda *arguments: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ask(AsgiRangeMiddleware(naming(str(file))), "bytes=0-9")
    assert open_files(file) == 0


class Cache:
    """Stands in for the system's: has what the pattern says, time and again."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.asked = 0
        self.real = os.preadv

    def __call__(self, descriptor: int, buffers: list[Any], pos: int, flags: int) -> int:
        has = self.pattern[self.asked % len(self.pattern)]
        self.asked += 1
        if has == "0":
            raise BlockingIOError
        if has == "?":
            raise OSError(95, "Operation not supported")
        wanted = buffers if has == "1" else [memoryview(buffers[0])[:max(1, len(buffers[0]) // 2)]]
        return self.real(descriptor, wanted, pos, flags)


@pytest.mark.each
@HOSTS
@pytest.mark.parametrize("pattern", ["1", "0", "?", "01", "10", "110", "h", "h0", "1h01"])
@pytest.mark.parametrize("value", ["bytes=3-950", "bytes=0-99,200-300,500-501,900-"])
def test_bytes_come_right_whether_they_are_cached_or_not(file, pattern, value, on_trio, monkeypatch):
    """0: not cached; h: the first half is; ?: the file system cannot tell."""
    whole = [(3, 950)] if value == "bytes=3-950" else [(0, 99), (200, 300), (500, 501), (900, 999)]
    for block_size in (64, 100, 333):
        monkeypatch.setattr("os.preadv", Cache(pattern))
        answer = ask(AsgiRangeMiddleware(naming(str(file)), block_size=block_size), value, trio=on_trio)
        got = [answer.body] if len(whole) == 1 else [part.content for part in parts(answer)]
        assert got == [CONTENT[first_pos:last_pos + 1] for first_pos, last_pos in whole]


def test_bytes_come_right_where_the_system_has_no_such_call(file, monkeypatch):
    monkeypatch.delattr("os.RWF_NOWAIT", raising=False)
    assert ask(AsgiRangeMiddleware(naming(str(file)), block_size=100), "bytes=3-950").body == CONTENT[3:951]


def test_files_are_opened_and_fetched_in_a_thread(file, monkeypatch):
    import threading
    threads = []
    for module, name in (("rangeware.asgi.pathsend", "FileIO"), ("os", "pread")):
        real = getattr(__import__(module, fromlist=[name]), name)

        def noting(*arguments, real=real, **options):
            threads.append(threading.current_thread())
            return real(*arguments, **options)
        monkeypatch.setattr(f"{module}.{name}", noting)
    monkeypatch.setattr("os.preadv", refusing)
    for value in ("bytes=0-9", "bytes=0-899"):
        ask(AsgiRangeMiddleware(naming(str(file)), block_size=100), value)
    assert len(threads) >= 10
    assert threading.main_thread() not in threads


# --- content of unknown length ---

@pytest.mark.each
@HOSTS
@pytest.mark.parametrize(("limit", "value", "status"), [
    (0, "bytes=0-9", 200), (999, "bytes=0-9", 200), (1000, "bytes=0-9", 206), (5000, "bytes=-1,0-0", 206),
    (5000, "bytes=2000-", 416), (5000, "bytes=1", 200), (5000, None, 200),
])
def test_unknown_length_is_learned_up_to_the_limit(limit, value, status, on_trio):
    app = Streaming(100, ("etag", '"v1"'))
    answer = ask(AsgiRangeMiddleware(app, spool_limit=limit), value, trio=on_trio)
    assert answer.status == status
    assert app.ended == ["whole", "finally"]
    if status == 200:
        assert answer.body == CONTENT
    elif value == "bytes=0-9":
        assert answer.body == CONTENT[:10]
    elif status == 206:
        assert [part.content for part in parts(answer)] == [CONTENT[-1:], CONTENT[:1]]


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"x" * 10]])
def test_short_content_of_unknown_length(pieces):
    app = saying(start(), *(body(piece, True) for piece in pieces), body())
    answer = ask(AsgiRangeMiddleware(app, spool_limit=100), "bytes=0-4")
    assert answer.body == b"".join(pieces)[:5]


def test_what_was_kept_is_let_go_when_the_app_fails(monkeypatch):
    import tempfile
    made = []

    class Noting(tempfile.SpooledTemporaryFile):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            made.append(self)
    monkeypatch.setattr("tempfile.SpooledTemporaryFile", Noting)

    async def app(scope, receive, send):
        await send(start())
        await send(body(b"x", True))
        raise LookupError
    with pytest.raises(LookupError):
        ask(AsgiRangeMiddleware(app, spool_limit=100), "bytes=0-4")
    assert [file.closed for file in made] == [True]


# --- other messages ---

def test_trailers_of_the_whole_are_not_sent_with_a_part():
    trailers = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]}
    app = saying(start(LENGTH, ("trailer", "x-sum"), trailers=True), body(CONTENT), trailers)
    whole = carry(AsgiRangeMiddleware(app), scope_for(extensions=["http.response.trailers"]))
    assert whole.messages[-1] == trailers
    part = carry(AsgiRangeMiddleware(app), scope_for(range="bytes=0-9", extensions=["http.response.trailers"]))
    assert part.messages[-1] == body(CONTENT[:10])
    assert part.answer().get("trailer") is None


@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_messages_that_are_not_known_pass_at_once(value):
    hints = {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]}
    debug = {"type": "http.response.debug", "info": {"template": object()}}
    app = saying(hints, start(LENGTH), debug, body(CONTENT))
    fields = {"range": value} if value else {}
    wire = carry(AsgiRangeMiddleware(app), scope_for(extensions=[hints["type"], debug["type"]], **fields))
    assert wire.messages[:2] == [hints, debug]
    assert wire.answer().status == (206 if value else 200)


def test_zero_copy_is_left_to_the_server_where_nothing_is_to_be_cut():
    zero_copy = {"type": "http.response.zerocopysend", "file": 3}
    offered = []

    async def app(scope, receive, send):
        offered.append(sorted(scope["extensions"]))
        await send(start(LENGTH, ("etag", '"v1"')))
        await send(zero_copy if zero_copy["type"] in scope["extensions"] else body(CONTENT))
    sent = []

    async def send(message):
        sent.append(message)
    for value in ({}, {"range": "bytes=0-9"}, {"if_none_match": '"v1"'}):
        scope = scope_for(extensions=[zero_copy["type"]], **value)
        asyncio.run(AsgiRangeMiddleware(app)(scope, None, send))
    assert [message.get("status", message["type"]) for message in sent] == [
        200, zero_copy["type"], 206, "http.response.body", 304, "http.response.body"]
    assert offered == [[zero_copy["type"]], [PATHSEND], [zero_copy["type"]]]


def test_wsgi_apps_need_not_load_asyncio():
    import subprocess
    import sys
    code = "import rangeware, sys; assert not {'asyncio', 'rangeware.asgi'} & {*sys.modules}"
    subprocess.run([sys.executable, "-c", f"{code}; rangeware.AsgiRangeMiddleware"], check=True)
    import rangeware
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        rangeware.Nothing  # noqa: B018


# --- apps that have more to do than to answer ---

@pytest.mark.each
@HOSTS
@pytest.mark.parametrize(("method", "fields", "status"), [
    ("HEAD", {}, 200), ("GET", {"if_none_match": '"v1"'}, 304), ("GET", {"if_match": '"v2"'}, 412),
    ("GET", {"range": "bytes=5000-"}, 416), ("GET", {"range": "bytes=0-9"}, 206),
])
def test_an_app_that_has_sent_all_it_has_is_left_to_end_by_itself(method, fields, status, on_trio):
    """As all answers do behind Starlette's BaseHTTPMiddleware: all in a message that says that more will come."""
    ended = []

    async def app(scope, receive, send):
        await send(start(LENGTH, ("etag", '"v1"')))
        await send(body(CONTENT, more=True))
        await send(body())
        ended.append("by itself")
    assert ask(AsgiRangeMiddleware(app), method=method, trio=on_trio, **fields).status == status
    assert ended == ["by itself"]


@pytest.mark.each
@HOSTS
@pytest.mark.parametrize("status", [204, 304, 404])
def test_another_status_of_the_app_passes_however_it_comes(status, on_trio):
    app = saying(start(status=status), body(b"", True), body(b"", True), body())
    assert ask(AsgiRangeMiddleware(app), trio=on_trio).status == status


@HOSTS
def test_an_app_that_is_ended_may_say_that_this_was_all(on_trio):
    async def app(scope, receive, send):
        await send(start(LENGTH))
        try:
            for piece in cut(CONTENT, 100):
                await send(body(piece, True))
        finally:
            said.append("all")
            with trio.CancelScope(shield=True) if on_trio else nullcontext():
                await send(body())
    said: list[str] = []
    assert ask(AsgiRangeMiddleware(app), "bytes=0-9", trio=on_trio).body == CONTENT[:10]
    assert said == ["all"]


def test_a_task_of_trio_that_does_not_belong_to_the_app_is_told():
    told = []

    async def main():
        async with trio.open_nursery() as outside:
            async def app(scope, receive, send):
                async def produce():
                    try:
                        await Streaming()(scope, receive, send)
                    except OSError as exc:
                        told.append(str(exc))
                outside.start_soon(produce)
                await trio.sleep_forever()

            async def send(message):
                pass
            await AsgiRangeMiddleware(app)(scope_for(range="bytes=0-9"), None, send)
    trio.run(main)
    assert told == ["the response is complete, and its request is over"]


def test_who_replays_the_request_does_not_stop_the_loop(file):
    """Middlewares that have read the request's content give it again, and again."""
    calls = []

    async def receive():
        calls.append(1)
        assert len(calls) < 100
        return {"type": "http.request", "body": b"", "more_body": False}
    sent = []

    async def send(message):
        sent.append(message)
    asyncio.run(AsgiRangeMiddleware(naming(str(file)), block_size=10)(scope_for(range="bytes=0-99"), receive, send))
    assert sent[-1] == body(CONTENT[90:100])


def test_others_are_let_run_now_and_then(monkeypatch):
    monkeypatch.setattr("rangeware.asgi.connection._STRETCH", 5000)
    turns = []

    async def count():
        while True:
            turns.append(1)
            await asyncio.sleep(0)

    async def send(message):
        pass

    async def main():
        counting = asyncio.ensure_future(count())
        await AsgiRangeMiddleware(Streaming(10))(scope_for(range="bytes=500-999"), None, send)
        counting.cancel()
    asyncio.run(main())
    assert len(turns) >= 40


def test_an_app_that_has_just_heard_of_the_end_may_end_by_itself():
    """Hypercorn tells it within the last ``send``; Django then ends by itself."""
    ended = []

    async def app(scope, receive, send):
        async def listen():
            await receive()
            heard.set()
        listener = asyncio.ensure_future(listen())
        answering = asyncio.ensure_future(Streaming()(scope, receive, send))
        await asyncio.wait([listener, answering], return_when=asyncio.FIRST_COMPLETED)
        answering.cancel()
        await asyncio.wait([answering])
        ended.append("by itself")
    heard: Any = None

    async def main():
        nonlocal heard
        heard, over = asyncio.Event(), asyncio.Event()

        async def receive():
            await over.wait()
            return {"type": "http.disconnect"}

        async def send(message):
            if not message.get("more_body", True):
                over.set()
                await heard.wait()
        await AsgiRangeMiddleware(app)(scope_for(range="bytes=0-9"), receive, send)
    asyncio.run(main())
    assert ended == ["by itself"]


@pytest.mark.parametrize("path", [None, 0])
def test_a_path_that_is_none_is_named_without_range_too(path):
    with pytest.raises(AsgiProtocolError, match="as the path of a file"):
        ask(AsgiRangeMiddleware(naming(path, LENGTH, ("etag", '"x"'), ("last-modified", "x"))), extensions=[PATHSEND])


def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        ask(AsgiRangeMiddleware(naming(str(tmp_path / "pipe"))), "bytes=0-9")


@pytest.mark.parametrize("more", [True, False])
def test_what_comes_after_the_end_of_a_plain_answer_is_refused(more):
    app = saying(start(LENGTH), body(CONTENT, True), body(), body(b"surplus", more))
    with pytest.raises(AsgiProtocolError, match="after the end"):
        carry_to_the_end(AsgiRangeMiddleware(app), scope_for(), False)


def test_a_second_start_in_a_plain_answer_is_refused():
    app = saying(start(LENGTH), body(CONTENT[:5], True), start(more_body=True))
    with pytest.raises(AsgiProtocolError, match="twice"):
        carry_to_the_end(AsgiRangeMiddleware(app), scope_for(), False)


@pytest.mark.parametrize(("options", "value"), [({}, "bytes=1-2"), ({"spool_limit": 100}, "bytes=1-2")])
def test_content_may_be_of_any_bytes(options, value):
    view = memoryview(bytes(range(20)))[::2]
    for content in (view, bytearray(view.tobytes())):
        if options:  # the length is learned
            app = saying(start(), body(content, True), body())
            assert ask(AsgiRangeMiddleware(app, **options), value).body == b"\x02\x04"
        app = saying(start(("content-length", "10")), body(content, True), body())
        assert ask(AsgiRangeMiddleware(app, **options), value).body == b"\x02\x04"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_trailers_that_will_not_come_are_not_waited_for(method):
    """A Range that is ignored, and an app that sends more than it declared and so is ended early."""
    app = Streaming(100, ("content-length", "250"))

    async def trailing(scope, receive, send):
        async def outer(message):
            await send({**message, "trailers": True} if message["type"] == "http.response.start" else message)
        await app(scope, receive, outer)
    scope = scope_for(method, range="bytes=0", extensions=["http.response.trailers"])
    wire = carry(AsgiRangeMiddleware(trailing), scope)
    assert wire.body == (CONTENT[:250] if method == "GET" else b"")


# --- what is heard ---

@HOSTS
def test_what_is_heard_while_a_file_is_sent_is_told_to_the_app(file, on_trio):
    heard = []
    said = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def app(scope, receive, send):
        await naming(str(file), LENGTH)(scope, receive, send)
        heard.append(await receive())
        heard.append(await receive())

    async def receive():
        if said:
            return said.pop(0)
        return await (trio.sleep_forever() if on_trio else asyncio.Event().wait())

    async def send(message):
        await (trio.lowlevel.checkpoint if on_trio else asyncio.sleep)(*([] if on_trio else [0]))

    async def main():
        await AsgiRangeMiddleware(app, block_size=10)(scope_for(range="bytes=0-899"), receive, send)
    trio.run(main) if on_trio else asyncio.run(main())
    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


def test_a_request_with_content_is_left_to_the_app(file):
    heard = []

    async def app(scope, receive, send):
        await naming(str(file), LENGTH)(scope, receive, send)
        heard.extend([await receive(), await receive()])
    calls = []

    async def receive():
        calls.append(1)
        return {"type": "http.request", "body": b"x" * 10, "more_body": True}

    async def send(message):
        assert len(calls) <= 1, "content that nobody asked for is kept"
        await asyncio.sleep(0)
    asyncio.run(AsgiRangeMiddleware(app, block_size=10)(scope_for(range="bytes=0-99"), receive, send))
    assert [message["body"] for message in heard] == [b"x" * 10] * 2


@HOSTS
def test_an_app_that_begins_to_receive_while_a_file_is_sent_hears_all_in_order(file, on_trio):
    """From a server whose ``receive`` is a queue, which tells everything once."""
    heard, sent = [], []
    to_come = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def late(receive):
        while len(sent) < 5:
            await pause()
        heard.extend([(await receive())["type"], (await receive())["type"]])

    async def app(scope, receive, send):
        file_app = naming(str(file), LENGTH)
        if on_trio:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(late, receive)
                await file_app(scope, receive, send)
        else:
            task = asyncio.ensure_future(late(receive))
            await file_app(scope, receive, send)
            await asyncio.wait_for(task, 20)
    waiting = []

    async def receive():
        assert not waiting, "two receive at once"
        waiting.append(1)
        try:
            while not to_come or to_come[0]["type"] == "http.disconnect" and len(sent) < 10:
                await pause()
        finally:
            waiting.pop()
        return to_come.pop(0)

    async def pause():
        await (trio.lowlevel.checkpoint() if on_trio else asyncio.sleep(0))

    async def send(message):
        sent.append(message)
        await pause()

    async def main():
        await AsgiRangeMiddleware(app, block_size=10)(scope_for(range="bytes=0-899"), receive, send)
    trio.run(main) if on_trio else asyncio.run(main())
    assert heard == ["http.request", "http.disconnect"]


def test_a_client_that_is_gone_is_noticed_while_bytes_are_skipped(monkeypatch):
    """By servers of ASGI 2.4, whose ``send`` says so."""
    monkeypatch.setattr("rangeware.asgi.connection._STRETCH", 50_000)
    app, sent = Streaming(10), []

    async def send(message):
        sent.append(message)
        if len(sent) > 1:
            raise OSError
    with pytest.raises(OSError, match="^$"):
        asyncio.run(AsgiRangeMiddleware(app)(scope_for(range="bytes=-10"), None, send))
    assert app.sent < 20


# --- cancellation by others ---

async def _shielded(scope: Any, receive: Any, send: Any) -> None:
    """Takes its time to end, and lets nobody cut that short."""
    try:
        await Streaming()(scope, receive, send)
    finally:
        with anyio.CancelScope(shield=True):
            for _ in range(5):
                await asyncio.sleep(0)


async def _grouped(scope: Any, receive: Any, send: Any) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(Streaming(), scope, receive, send)


@pytest.mark.each
@pytest.mark.parametrize("app", [Streaming(), _shielded, _grouped], ids=["bare", "shielded", "grouped"])
@pytest.mark.parametrize("turns", range(15))
def test_a_scope_around_is_cancelled_and_nobody_else(app, turns):
    """At any moment, also while our own cancellation is on its way."""
    async def send(message):
        await asyncio.sleep(0)

    async def never():
        await asyncio.Event().wait()

    async def main():
        async def cancel():
            for _ in range(turns):
                await asyncio.sleep(0)
            scope.cancel()
        with anyio.CancelScope() as scope:
            cancelling = asyncio.ensure_future(cancel())
            await AsgiRangeMiddleware(app)(scope_for(range="bytes=0-9"), never, send)
            await anyio.sleep(20)
        await cancelling
        return scope.cancelled_caught

    async def outer():
        task = asyncio.ensure_future(main())
        await asyncio.wait([task], timeout=10)
        return task.result()
    assert asyncio.run(outer())


@pytest.mark.skipif(not hasattr(asyncio.Task, "uncancel"), reason="3.10 does not count who cancelled a task")
def test_an_old_cancellation_is_not_taken_for_a_new_one():
    async def send(message):
        pass

    async def main():
        asyncio.current_task().cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        assert asyncio.current_task().cancelling() == 1
        await AsgiRangeMiddleware(Streaming())(scope_for(range="bytes=0-9"), None, send)
        return "went on"
    assert asyncio.run(main()) == "went on"


@HOSTS
def test_an_app_that_sends_where_no_cancellation_comes_is_told(on_trio, monkeypatch):
    monkeypatch.setattr("rangeware.backends._POLLS", 1)
    told = []

    async def app(scope, receive, send):
        with anyio.CancelScope(shield=True), suppress(OSError):
            await Streaming()(scope, receive, send)
        told.append("told")
    assert ask(AsgiRangeMiddleware(app), "bytes=0-9", trio=on_trio).body == CONTENT[:10]
    assert told == ["told"] if on_trio else not told  # asyncio's own cancellation goes through anyio's shield


def test_an_app_that_waits_for_its_producer_ends(monkeypatch):
    monkeypatch.setattr("rangeware.backends._POLLS", 1)
    app = Streaming()

    async def patient(scope, receive, send):
        producer = asyncio.ensure_future(app(scope, receive, send))
        try:
            await asyncio.shield(producer)
        finally:
            await asyncio.wait([producer])
            assert isinstance(producer.exception(), OSError)
    assert ask(AsgiRangeMiddleware(patient), "bytes=0-9").body == CONTENT[:10]
    assert app.ended == ["OSError", "finally"]


def test_after_a_failure_nothing_of_what_was_read_ahead_goes_on():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"0123456789", "more_body": True})
        for message in ({"type": "http.response.start", "status": 200, "headers": []},
                        {"type": "http.response.body", "body": b"more", "more_body": True}):
            with suppress(AsgiProtocolError):
                await send(message)

    async def send(message):
        sent.append(message.get("body"))

    with pytest.raises(AsgiProtocolError, match="twice"):
        asyncio.run(AsgiRangeMiddleware(app, spool_limit=5)(scope_for(range="bytes=0-1"), None, send))
    assert b"more" not in sent
