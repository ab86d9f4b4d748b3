"""Whether an app is offered to name the path of a file: not where a middleware may want to code the content."""

from __future__ import annotations

from typing import Any

import pytest

from rangeware import AsgiRangeMiddleware
from tests.asgi_support import PATHSEND, ask

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


def test_two_lines_of_accept_encoding_count_both() -> None:
    seen: list[set[str]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(set(scope["extensions"]))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    lines = [("accept-encoding", "identity"), ("accept-encoding", "gzip")]
    ask(AsgiRangeMiddleware(app), "bytes=0-9", lines=lines)
    assert seen == [set()]
