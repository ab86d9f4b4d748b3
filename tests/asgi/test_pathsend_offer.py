"""Whether an app is offered to name the path of a file: not where a middleware may want to code the content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.responses import FileResponse

from rangeware import AsgiRangeMiddleware
from tests.asgi_support import PATHSEND, ask
from tests.support import CONTENT

ZEROCOPYSEND = "http.response.zerocopysend"


def offered(extensions: tuple[str, ...] = (), method: str = "GET", **fields: str) -> set[str]:
    """The extensions that the app sees."""
    seen: list[set[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(set(scope["extensions"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    ask(AsgiRangeMiddleware(app), method=method, extensions=extensions, **fields)
    return seen[0]


@pytest.mark.parametrize("fields", [{}, {"accept_encoding": ""}, {"accept_encoding": "identity"},
                                    {"accept_encoding": "identity;q=1, *;q=0"}], ids=str)
def test_offered_where_no_coding_is_asked_for(fields: dict[str, str]) -> None:
    assert offered(range="bytes=0-9", **fields) == {PATHSEND}


@pytest.mark.parametrize("value", ["gzip", "gzip, deflate, br", "br", "zstd", "*", "gzip;q=0", "identity, br;q=0.1"])
def test_not_offered_where_a_coding_is_named(value: str) -> None:
    assert offered(range="bytes=0-9", accept_encoding=value) == set()


@pytest.mark.each
@pytest.mark.parametrize("fields", [
    {"range": "items=0-9"}, {"if_range": '"v1"'}, {"range": "items=0-9", "if_range": '"v1"'}, {}], ids=str)
@pytest.mark.parametrize("extensions", [(), (PATHSEND, ZEROCOPYSEND)])
def test_what_the_server_offers_stays_where_nothing_can_be_sliced(fields: dict[str, str], extensions: Any) -> None:
    assert offered(extensions, **fields) == {*extensions}


@pytest.mark.parametrize("method", ["HEAD", "POST"])
def test_not_offered_for_other_methods(method: str) -> None:
    assert offered(method=method, range="bytes=0-9") == set()


def test_what_the_server_offers_stays_for_a_range() -> None:
    """As without Range: a part must be of the representation that the whole is of."""
    assert offered((PATHSEND, ZEROCOPYSEND), range="bytes=0-9", accept_encoding="gzip") == {PATHSEND}


@pytest.mark.parametrize("on_trio", [False, True])
def test_not_offered_again_once_a_middleware_has_dropped_a_path(on_trio: bool, tmp_path: Path) -> None:
    """Many middlewares hold the head back until the first message with a body, and know no other message."""
    path = tmp_path / "film"
    path.write_bytes(CONTENT)

    async def dropping(scope: Any, receive: Any, send: Any) -> None:
        async def passing(message: Any) -> None:
            if message["type"] != PATHSEND:
                await send(message)
        await FileResponse(path)(scope, receive, passing)
    app = AsgiRangeMiddleware(dropping)
    with pytest.raises(RuntimeError, match="pathsend"):
        ask(app, "bytes=0-9", trio=on_trio)
    for value, part in (("bytes=0-9", CONTENT[:10]), ("bytes=-10", CONTENT[-10:])):
        assert ask(app, value, trio=on_trio).body == part


def test_an_app_that_only_sends_a_head_is_told_so() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
    with pytest.raises(RuntimeError, match=r"before it had sent all of its response$"):
        ask(AsgiRangeMiddleware(app), "bytes=0-9", accept_encoding="gzip")


def test_two_lines_of_accept_encoding_count_both() -> None:
    seen: list[set[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(set(scope["extensions"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    lines = [("accept-encoding", "identity"), ("accept-encoding", "gzip")]
    ask(AsgiRangeMiddleware(app), "bytes=0-9", lines=lines)
    assert seen == [set()]
