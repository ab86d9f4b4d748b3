"""A Range in another unit than bytes is for the app: it sees the field, and its answer passes (RFC 9110 14.1)."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from rangeware import AsgiRangeMiddleware, RangeMiddleware, Reason
from tests.asgi_support import PATHSEND, ask
from tests.support import CONTENT, answering, get

Fields = list[tuple[str, str]]
VALUES = ["items=0-24", "Items=0-24", "items=25-", "x-rows.v2=0-24", "seconds=1.5-2", "items=0-24,30-49", "pages=all"]
OURS = ["bytes=0-x", "bytes = 0-1", "bytes=9-0", "0-24", "", "=0-1", "it\xe9ms=0-1", "two words=1"]
SIXTY_SIX = b"".join(b"row %02d\n" % number for number in range(66))


def rows(value: str | None, if_range: str | None) -> tuple[int, Fields, bytes]:
    """A REST API with ranges of items: its answer to a Range field."""
    shown = ("X-Seen", f"{value!r}, {if_range!r}")
    if value is None or not value.lower().startswith("items="):
        return 200, [shown], SIXTY_SIX
    if value.endswith("=25-"):
        return 416, [shown, ("Content-Range", "items */66")], b"no such rows\n"
    return 206, [shown, ("Content-Range", "items 0-24/66")], SIXTY_SIX[:25 * 7]


def wsgi_rows(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    status, fields, content = rows(environ.get("HTTP_RANGE"), environ.get("HTTP_IF_RANGE"))
    hidden = [("X-Hidden", str(environ.get("rangeware.range")))]
    length = [("Content-Type", "text/plain"), ("Content-Length", str(len(content)))]
    start_response(f"{status} X", [*length, *fields, *hidden])
    return [content]


async def asgi_rows(scope: Any, receive: Any, send: Any) -> None:
    seen = {name: value.decode("latin-1") for name, value in scope["headers"]}
    status, fields, content = rows(seen.get(b"range"), seen.get(b"if-range"))
    length = [("content-type", "text/plain"), ("content-length", str(len(content)))]
    hidden = [("X-Hidden", str(scope.get("rangeware.range")))]
    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in [*length, *fields, *hidden]]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


TWINS: dict[str, tuple[Any, Any]] = {
    "WSGI": (get, RangeMiddleware(wsgi_rows)), "ASGI": (ask, AsgiRangeMiddleware(asgi_rows)),
}
ALONE: dict[str, Any] = {"WSGI": wsgi_rows, "ASGI": asgi_rows}
twins = pytest.mark.parametrize("twin", TWINS)


@pytest.mark.each
@twins
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("more", [{}, {"if_range": '"v1"'}], ids=["", "If-Range"])
def test_the_app_answers_as_it_does_alone(twin: str, value: str, method: str, more: dict[str, str]) -> None:
    fetch, app = TWINS[twin]
    wrapped = fetch(app, value, method=method, **more)
    alone = fetch(ALONE[twin], value, method=method, **({} if twin == "WSGI" else {"lawful": False}), **more)
    assert (wrapped.status, wrapped.body) == (alone.status, alone.body if method != "HEAD" else b"")
    added = [("Accept-Ranges", "bytes")] if alone.status == 200 and method != "POST" else []
    fields = [(name.lower(), field) for name, field in [*alone.fields, *added]]
    assert [(name.lower(), field) for name, field in wrapped.fields] == fields
    assert wrapped.get("X-Seen") == f"{value!r}, {more.get('if_range')!r}"
    assert wrapped.get("X-Hidden") == "None"


@pytest.mark.each
@twins
@pytest.mark.parametrize("value", OURS)
def test_a_field_without_a_unit_and_a_malformed_one_stay_hidden(twin: str, value: str) -> None:
    fetch, app = TWINS[twin]
    for more in ({}, {"if_range": '"v1"'}):
        answer = fetch(app, value, **more)
        assert (answer.status, answer.body) == (200, SIXTY_SIX)
        assert (answer.get("X-Seen"), answer.get("X-Hidden")) == ("None, None", value)
        assert more or answer.environ["rangeware.plan"].reason is Reason.SYNTAX


@pytest.mark.each
@twins
@pytest.mark.parametrize(("value", "reason"), [("items=0-24", Reason.STATUS), ("rows=0-24", Reason.UNIT)])
def test_the_plan_says_why(twin: str, value: str, reason: Reason) -> None:
    fetch, app = TWINS[twin]
    assert fetch(app, value).environ["rangeware.plan"].reason is reason


@pytest.mark.each
@twins
@pytest.mark.parametrize("value", ["items=0-24", "bytes=0-9", "bytes=x"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_other_methods_have_a_plan_too(twin: str, value: str, method: str) -> None:
    answer = TWINS[twin][0](TWINS[twin][1], value, method=method)
    reason = Reason.STATUS if value == "items=0-24" else Reason.METHOD
    assert answer.environ["rangeware.plan"].reason is reason


@twins
def test_conditions_are_still_evaluated(twin: str) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), ("ETag", '"v1"')])
        return [CONTENT]

    async def twin_app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-type", b"text/plain"), (b"etag", b'"v1"')]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": CONTENT})
    fetch, wrapped = (get, RangeMiddleware(app)) if twin == "WSGI" else (ask, AsgiRangeMiddleware(twin_app))
    assert fetch(wrapped, "items=0-24", if_none_match='"v1"').status == 304  # type: ignore[operator]


class Watched(io.BytesIO):
    """Remembers whether it was sought in."""

    sought = False

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self.sought = True
        return super().seek(offset, whence)


def test_the_body_is_left_to_the_server() -> None:
    file = Watched(CONTENT)
    body = (chunk for chunk in [CONTENT])
    for returned in (file, body):
        app = answering(lambda returned=returned: returned, ("Content-Length", "1000"))  # type: ignore[misc]
        answer = get(RangeMiddleware(app), "items=0-24")
        assert (answer.status, answer.body) == (200, CONTENT)
    assert not file.sought


def test_an_asgi_app_is_offered_what_the_server_offers() -> None:
    offered: list[object] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        offered.append(scope["extensions"])
        await asgi_rows(scope, receive, send)
    for extensions in ((), (PATHSEND, "http.response.zerocopysend")):
        ask(AsgiRangeMiddleware(app), "items=0-24", extensions=extensions)
    assert offered == [{}, {PATHSEND: {}, "http.response.zerocopysend": {}}]
