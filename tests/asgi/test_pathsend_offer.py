"""Whether an app is offered to name the path of a file: not where a middleware may want to code the content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route

from rangeware import AsgiRangeMiddleware
from rangeware.offload import XAccelRedirect
from tests.asgi_support import PATHSEND, ask, carry, scope_for
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


class Dropping:
    """Passes on what it knows, and holds the head back until the first message with a body, as compressors do."""

    def __init__(self, app: Any, holds: bool) -> None:
        self.app = app
        self.holds = holds
        self.runs = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.runs += 1
        held: list[Any] = []

        async def passing(message: Any) -> None:
            if message["type"] == "http.response.start" and self.holds:
                held.append(message)
            elif message["type"] != PATHSEND:
                while held:
                    await send(held.pop(0))
                await send(message)

        await self.app(scope, receive, passing)


@pytest.mark.parametrize("on_trio", [False, True])
@pytest.mark.parametrize("holds", [False, True])
@pytest.mark.parametrize("offload", [False, True])
def test_an_app_whose_path_was_dropped_is_run_again_and_not_offered_it_any_more(
        on_trio: bool, holds: bool, offload: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "film"
    path.write_bytes(CONTENT)

    async def film(request: Request) -> FileResponse:
        assert not await request.body()
        return FileResponse(path)

    mounted = Starlette(routes=[Mount("/films", routes=[Route("/{name}", film)])])
    dropping = Dropping(mounted, holds)
    server = XAccelRedirect({tmp_path: "/protected"}) if offload else None
    app = AsgiRangeMiddleware(dropping, offload=server)
    for value, part in (("bytes=0-9", CONTENT[:10]), ("bytes=-10", CONTENT[-10:])):
        scope = scope_for(path="/films/film", range=value)
        wire = carry(app, scope, trio=on_trio)  # no answer(): Mount changes the scope of the server
        assert (wire.messages[0]["status"], wire.body) == (206, part)
    assert dropping.runs == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "dropped" in caplog.text


def test_a_plain_get_that_is_to_be_handed_over_is_run_again_too(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(CONTENT)
    dropping = Dropping(FileResponse(path), holds=True)
    app = AsgiRangeMiddleware(dropping, offload=XAccelRedirect({tmp_path: "/protected"}))
    assert [ask(app).body for _ in range(2)] == [CONTENT, CONTENT]
    assert dropping.runs == 3


@pytest.mark.parametrize("message", [None, {"type": "http.response.start", "status": 200, "headers": []}])
@pytest.mark.parametrize("looks", [True, False])
def test_an_app_that_sends_no_content_is_run_again_only_if_it_may_have_named_a_path(message: Any, looks: bool) -> None:
    runs: list[bool] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        runs.append(looks and PATHSEND in scope["extensions"])
        if message is not None:
            await send(message)

    with pytest.raises((RuntimeError, AssertionError), match="returned"):
        ask(AsgiRangeMiddleware(app), "bytes=0-9")
    assert runs == ([True, False] if looks else [False])


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
