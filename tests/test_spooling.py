"""``spool_limit`` reads ahead only where the client can gain by it: no live stream waits in vain."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rangeware import AsgiRangeMiddleware, RangeMiddleware, Reason
from tests.asgi_support import ask
from tests.support import Wire, environ_for, get

CHUNKS = [b"%04d" % number for number in range(100)]
CONTENT = b"".join(CHUNKS)
TYPE = "text/plain"
ALL = ["bytes=0-", "bytes=00-", "BYTES= 0- ", "bytes=0-,", "bytes=0-,5-9", "bytes=7-9,0-"]
SOME = ["bytes=0-9", "bytes=10-", "bytes=-10", "bytes=0-399", "bytes=0-9,20-29", "bytes=0-0", "bytes=0-99999"]
LIVE = ["text/event-stream", "Text/Event-Stream; charset=utf-8", "multipart/x-mixed-replace; boundary=frame"]


def streaming(pulled: list[int], content_type: str = TYPE) -> Callable[..., Any]:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", content_type)])

        def chunks() -> Iterator[bytes]:
            for number, chunk in enumerate(CHUNKS):
                pulled.append(number)
                yield chunk
        return chunks()
    return app


def asgi_streaming(pulled: list[int], content_type: str = TYPE) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", content_type.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for number, chunk in enumerate(CHUNKS):
            pulled.append(number)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body"})
    return app


def first_block(app: Any, value: str) -> tuple[bytes, Any]:
    environ = environ_for(range=value)
    body = iter(RangeMiddleware(app, spool_limit=300)(environ, Wire().start_response))
    block = next(block for block in body if block)
    body.close()  # type: ignore[attr-defined]
    return block, environ["rangeware.plan"].reason


@pytest.mark.parametrize("value", ALL)
def test_a_client_that_asks_for_all_gets_the_first_bytes_at_once(value: str) -> None:
    pulled: list[int] = []
    assert first_block(streaming(pulled), value) == (CHUNKS[0], Reason.UNKNOWN_LENGTH)
    assert pulled == [0]


@pytest.mark.each
@pytest.mark.parametrize("value", ALL + SOME)
@pytest.mark.parametrize("content_type", LIVE)
def test_live_content_is_never_read_ahead(value: str, content_type: str) -> None:
    pulled: list[int] = []
    assert first_block(streaming(pulled, content_type), value) == (CHUNKS[0], Reason.UNKNOWN_LENGTH)
    assert pulled == [0]


@pytest.mark.parametrize("value", SOME)
def test_others_are_still_served_after_reading_ahead(value: str) -> None:
    assert get(RangeMiddleware(streaming([]), spool_limit=400), value).status == 206
    assert ask(AsgiRangeMiddleware(asgi_streaming([]), spool_limit=400), value).status == 206
    pulled: list[int] = []
    assert first_block(streaming(pulled), value)[1] is Reason.UNKNOWN_LENGTH
    assert len(pulled) > 70


@pytest.mark.each
@pytest.mark.parametrize("value", ALL)
@pytest.mark.parametrize("content_type", [TYPE, *LIVE])
def test_asgi_messages_pass_one_by_one(value: str, content_type: str) -> None:
    pulled: list[int] = []
    sent: list[int] = []

    async def counting(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message.get("body"):
                sent.append(len(pulled))
            await send(message)
        await AsgiRangeMiddleware(asgi_streaming(pulled, content_type), spool_limit=300)(scope, receive, noting)
    assert ask(counting, value).body == CONTENT
    assert sent == [*range(1, 101)]


@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-9"])
def test_a_spool_of_a_live_stream_keeps_its_answer(value: str) -> None:
    answer = get(RangeMiddleware(streaming([], LIVE[0]), spool_limit=1000), value)
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, None)
