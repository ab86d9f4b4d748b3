"""The ASGI adapter where small differences count: what is heard, promised, waited for and kept, and for how long."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import rangeware
from rangeware import AsgiRangeMiddleware
from rangeware.asgi.connection import Connection
from rangeware.backends import AsyncioBackend
from rangeware.errors import AsgiProtocolError
from tests.asgi.test_responder import HOSTS, LENGTH, Streaming, body, carry_to_the_end, naming, start
from tests.asgi_support import ask, carry, saying, scope_for
from tests.support import CONTENT

TRAILERS = {"type": "http.response.trailers", "headers": [(b"x-sum", b"1")], "more_trailers": False}
REQUEST = {"type": "http.request", "body": b"", "more_body": False}
GONE = {"type": "http.disconnect"}


class Saying:
    """A server that says these things, then nothing any more."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self.messages = [*messages]
        self.calls = 0

    async def __call__(self) -> dict[str, Any]:
        self.calls += 1
        await asyncio.sleep(0)
        if not self.messages:
            await asyncio.Event().wait()
        return self.messages.pop(0)


async def nowhere(message: dict[str, Any]) -> None:
    """Sends to a client that reads all."""
    await asyncio.sleep(0)


# --- trailers ---

@pytest.mark.parametrize(("method", "fields"), [
    ("HEAD", {}), ("GET", {"range": "bytes=0-9"}), ("GET", {"range": "bytes=5000-"}),
    ("GET", {"if_none_match": '"v1"'}),
    ("GET", {"if_match": '"v2"'}),
])
def test_no_trailers_are_promised_for_what_is_not_the_whole(method, fields):
    app = saying(start(LENGTH, ("etag", '"v1"'), trailers=True), body(CONTENT[:500], True), body(CONTENT[500:], True),
                 body(), TRAILERS)
    wire = carry(AsgiRangeMiddleware(app), scope_for(method, extensions=["http.response.trailers"], **fields))
    assert "trailers" not in wire.messages[0]
    assert {message["type"] for message in wire.messages[1:]} == {"http.response.body"}


@pytest.mark.parametrize("pieces", [[CONTENT], [CONTENT[:500], CONTENT[500:]]])
def test_trailers_of_the_whole_follow_it_where_a_range_is_ignored(pieces):
    content = [body(piece, piece is not pieces[-1]) for piece in pieces]
    app = saying(start(LENGTH, trailers=True), *content, TRAILERS)
    wire = carry(AsgiRangeMiddleware(app), scope_for(range="bytes=0", extensions=["http.response.trailers"]))
    assert wire.messages[-1] == TRAILERS
    assert wire.answer().body == CONTENT


def test_trailers_that_were_promised_come_also_where_the_app_is_ended():
    """Content of no length is whole before the app has sent anything; this one sends on."""
    app = saying(start(("content-length", "0"), trailers=True), body(b"x", True), body(b"x", True))
    scope = scope_for(range="bytes=0-9", extensions=["http.response.trailers"])
    wire = carry(AsgiRangeMiddleware(app), scope)
    assert wire.answer().body == b""
    assert [message["type"] for message in wire.messages].count("http.response.trailers") == 1


# --- what is heard ---

def test_after_the_end_an_app_is_taken_for_listening_for_a_few_looks_only():
    async def main() -> list[bool]:
        server = Connection(Saying(GONE), nowhere)
        await server.receive()
        return [server.app_may_end() for _ in range(30)]
    looks = asyncio.run(main())
    assert looks[0]
    assert not looks[-1]
    assert 5 <= sum(looks) <= 20


def test_no_more_than_two_messages_are_kept():
    receive = Saying(*({**REQUEST, "more_body": True} for _ in range(9)))
    asyncio.run(asyncio.wait_for(Connection(receive, nowhere).listen(), 20))
    assert receive.calls == 2


def test_nobody_listens_beside_an_app_that_does():
    receive = Saying()

    async def main() -> None:
        server = Connection(receive, nowhere)
        app = asyncio.ensure_future(server.receive())
        await asyncio.sleep(0)
        await asyncio.wait_for(server.listen(), 20)
        app.cancel()
    asyncio.run(main())
    assert receive.calls == 1


@HOSTS
def test_a_receive_that_fails_harms_no_file(tmp_path, on_trio):
    (tmp_path / "file").write_bytes(CONTENT)

    async def failing() -> dict[str, Any]:
        raise RuntimeError("receive is broken")

    async def outer(scope, receive, send):
        await AsgiRangeMiddleware(naming(str(tmp_path / "file"), LENGTH), block_size=10)(scope, failing, send)
    assert ask(outer, "bytes=1-", trio=on_trio).body == CONTENT[1:]


def test_an_app_may_let_go_of_a_client_that_is_gone():
    """It is then not told that it did not finish."""
    async def app(scope, receive, send):
        await send(start(LENGTH))
        with pytest.raises(OSError, match="^gone$"):
            await send(body(CONTENT[:100], True))

    async def send(message):
        if message["type"] == "http.response.body":
            raise OSError("gone")
    asyncio.run(AsgiRangeMiddleware(app)(scope_for(range="bytes=0-500"), Saying(REQUEST), send))


def test_a_listener_has_ended_when_the_answer_has(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    ended = []

    async def receive():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("listener")

    async def main():
        app = AsgiRangeMiddleware(naming(str(tmp_path / "file"), LENGTH), block_size=10)
        await app(scope_for(range="bytes=1-"), receive, nowhere)
        return list(ended)
    assert asyncio.run(main()) == ["listener"]


# --- how long is waited ---

def test_others_run_now_and_then_and_no_oftener():
    server = Connection(Saying(), nowhere)
    assert sum(server.should_yield(100_000) for _ in range(40)) in (3, 4)  # 4 MB, a pause each 2**20 bytes or so
    assert sum(server.should_yield(0) for _ in range(1024)) in (3, 4, 5)


def test_an_app_that_hears_of_the_end_may_take_its_time():
    ended = []

    async def app(scope, receive, send):
        async def listen():
            while (await receive())["type"] != "http.disconnect":
                pass
            await asyncio.sleep(0.03)
            ended.append("by itself")
        listener = asyncio.ensure_future(listen())
        await send(start(LENGTH))
        answering = asyncio.ensure_future(send(body(CONTENT[:100], True)))
        try:
            await listener
        finally:
            for task in (listener, answering):
                task.cancel()
            await asyncio.wait([listener, answering])
    ask(AsgiRangeMiddleware(app), "bytes=0-9")
    assert ended == ["by itself"]


def test_a_task_left_behind_ends_with_the_app(monkeypatch):
    """It does not wait until nobody can be listening any more."""
    monkeypatch.setattr("rangeware.backends._POLL_SECONDS", 20)
    left = []

    async def careless(scope, receive, send):
        listener = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        left.append(asyncio.ensure_future(Streaming()(scope, receive, send)))
        for _ in range(10):
            await asyncio.sleep(0)
        listener.cancel()

    async def main():
        await AsgiRangeMiddleware(careless)(scope_for(range="bytes=0-9"), Saying(), nowhere)
        done, _ = await asyncio.wait(left, timeout=10)
        return len(done)
    assert asyncio.run(main()) == 1


def test_what_a_thread_raises_after_a_cancellation_is_not_logged(caplog):
    began = threading.Event()

    def fail() -> None:
        began.set()
        time.sleep(0.02)
        raise RuntimeError("late")

    async def main() -> None:
        task = asyncio.ensure_future(AsyncioBackend().run_in_thread(fail))
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        del task
        gc.collect()
        await asyncio.sleep(0)
    with caplog.at_level(logging.ERROR):
        asyncio.run(main())
    assert "never retrieved" not in caplog.text


def test_a_cancellation_by_others_keeps_its_message():
    if not hasattr(asyncio.Task, "uncancel"):
        pytest.skip("3.10 does not count who cancelled a task")
    seen = []

    async def app(scope, receive, send):
        try:
            await Streaming()(scope, receive, send)
        finally:
            task.cancel("by the server")
            try:
                await asyncio.sleep(0)
            finally:
                task.cancel("by the server, again")

    async def main():
        try:
            await AsgiRangeMiddleware(app)(scope_for(range="bytes=0-9"), Saying(), nowhere)
        except asyncio.CancelledError as exc:
            seen.append(exc.args)
            raise

    async def outer():
        nonlocal task
        task = asyncio.ensure_future(main())
        await asyncio.wait([task])
    task: Any = None
    asyncio.run(outer())
    assert seen in ([("by the server",)], [("by the server, again",)])


# --- what is kept, and what passes ---

def test_what_is_read_ahead_is_kept_and_read_in_threads(monkeypatch):
    import tempfile
    threads = set()

    def noting(method):
        def noted(self, *arguments):
            threads.add(threading.current_thread())
            return method(self, *arguments)
        return noted
    for name in ("read", "write"):
        monkeypatch.setattr(tempfile.SpooledTemporaryFile, name, noting(getattr(tempfile.SpooledTemporaryFile, name)))
    for limit in (5000, 500):
        app = Streaming(100, ("etag", '"v1"'))
        assert ask(AsgiRangeMiddleware(app, spool_limit=limit), "bytes=0-9").status == (206 if limit == 5000 else 200)
    assert threads
    assert threading.main_thread() not in threads


ZERO_COPY = {"type": "http.response.zerocopysend", "file": 3}


def test_zero_copy_of_unknown_length_is_handed_on():
    sent = carry_to_the_end(AsgiRangeMiddleware(saying(start(), ZERO_COPY), spool_limit=100),
                            scope_for(range="bytes=0-9"), False)
    assert [message["type"] for message in sent] == ["http.response.start", ZERO_COPY["type"]]


def test_zero_copy_where_bytes_are_to_be_cut_is_out_of_turn():
    app = saying(start(LENGTH), body(b"", True), ZERO_COPY)
    with pytest.raises(AsgiProtocolError, match="zerocopysend where bytes"):
        carry_to_the_end(AsgiRangeMiddleware(app), scope_for(range="bytes=0-9"), False)


def test_no_content_is_not_advertised_whatever_is_declared():
    wire = carry(AsgiRangeMiddleware(saying(start(LENGTH), body())), scope_for(), lawful=False)
    assert b"accept-ranges" not in dict(wire.messages[0]["headers"])


def test_headers_may_be_anything_that_can_be_gone_through():
    for headers in (((b"content-length", b"1000"), (b"etag", b'"v1"')), [[b"content-length", b"1000"]]):
        head = {"type": "http.response.start", "status": 200, "headers": headers}
        for value in (None, "bytes=0-9"):
            answer = ask(AsgiRangeMiddleware(saying(head, body(CONTENT))), value)
            assert answer.get("content-length") == ("10" if value else "1000")
        assert head["headers"] is headers
    once = {"type": "http.response.start", "status": 200, "headers": iter([(b"content-length", b"1000")])}
    assert ask(AsgiRangeMiddleware(saying(once, body(CONTENT)))).get("content-length") == "1000"


def test_a_relative_path_and_one_of_bytes_are_paths_too(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    for path in ("file", b"file", Path("file")):
        assert ask(AsgiRangeMiddleware(naming(path)), "bytes=1-5").body == CONTENT[1:6]


def test_no_frame_of_ours_holds_itself():
    """Or what an app had open when it was ended would stay so until the collector comes."""
    async def main():
        await AsgiRangeMiddleware(Streaming())(scope_for(range="bytes=0-9"), Saying(), nowhere)
    gc.collect()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        asyncio.run(main())
        gc.collect()
        frames = [thing.f_code for thing in gc.garbage if isinstance(thing, FrameType)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
    package = Path(rangeware.__file__).parent
    assert [code.co_name for code in frames if Path(code.co_filename).is_relative_to(package)] == []
