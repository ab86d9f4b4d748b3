"""What an app writes into environ or scope is there afterwards, with Range as without."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from tests.asgi_support import PATHSEND, carry, scope_for
from tests.support import CONTENT, environ_for, run

RANGES = [None, "bytes=0-9", "bytes=0-9,20-29", "bytes=5000-", "bytes=x", "items=0-9"]
OURS = {"rangeware.plan", "wsgi.file_wrapper"}


def write_all(environ: dict[str, Any]) -> None:
    """Add, change and remove."""
    environ["REMOTE_USER"] = "anna"
    environ["PATH_INFO"] = "/moved"
    environ["x.made"] = environ["x.kept"] = ["a list"]
    del environ["QUERY_STRING"]


HEAD = [("Content-Type", "text/plain"), ("Content-Length", "1000"), ("ETag", '"v1"')]


def at_once(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write_all(environ)
    start_response("200 OK", HEAD[:])
    return [CONTENT]


def lazily(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The app is a generator: it runs when the body is asked for."""
    write_all(environ)
    start_response("200 OK", HEAD[:])
    yield CONTENT


def later(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The app writes while its body is iterated."""
    start_response("200 OK", HEAD[:])

    def chunks() -> Iterable[bytes]:
        write_all(environ)
        yield CONTENT
    return chunks()


def of_unknown_length(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """The body passes as it is."""
    start_response("200 OK", HEAD[:1])

    def chunks() -> Iterable[bytes]:
        yield CONTENT
        write_all(environ)
    return chunks()


class Closing:
    """A body at whose end the app writes."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def __iter__(self) -> Any:
        return iter([CONTENT])

    def close(self) -> None:
        write_all(self._environ)


def at_the_end(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", HEAD[:])
    return Closing(environ)


def pushing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    write = start_response("200 OK", HEAD[:])
    write_all(environ)
    write(CONTENT)
    return []


APPS = [at_once, lazily, later, of_unknown_length, at_the_end, pushing]


def left_by(app: Any, value: str | None, if_range: str | None = '"v1"', **options: Any) -> list[dict[str, Any]]:
    """The server's environ after each of two requests: the second one may take the fast path."""
    asked = {name: text for name, text in (("range", value), ("if_range", if_range)) if text is not None and value}
    environs = [environ_for(**asked), environ_for(**asked)]
    middleware = RangeMiddleware(app, **options)
    for environ in environs:
        environ["x.kept"] = None
        run(middleware, environ, validate=False)
    return environs


@pytest.mark.each
@pytest.mark.parametrize(("app", "value"), [
    pytest.param(app, value, id=f"{app.__name__}-{value}") for app in APPS for value in RANGES
    if app is not later or value != "bytes=5000-"])  # then the body is never iterated
@pytest.mark.parametrize("options", [{}, {"hide_range": False}, {"spool_limit": 2000}], ids=str)
@pytest.mark.parametrize("if_range", [None, '"v1"'])
def test_environ_is_left_as_without_range(
    if_range: str | None, app: Any, value: str | None, options: dict[str, Any]
) -> None:
    without = left_by(app, None)[0]
    ranged = {} if value is None else {"HTTP_RANGE": value, "HTTP_IF_RANGE": if_range}
    ranged = {name: text for name, text in ranged.items() if text is not None}
    for environ in left_by(app, value, if_range, **options):
        for key in ("REMOTE_USER", "PATH_INFO", "x.made", "x.kept"):
            assert environ[key] == without[key], key
        assert "QUERY_STRING" not in environ
        assert {key for key in environ if key not in OURS} == {*without, *ranged} - OURS
        assert {key: environ[key] for key in ranged} == ranged


@pytest.mark.parametrize("value", RANGES)
def test_an_environ_that_the_app_has_emptied_is_left_so(value: str | None) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ.clear()
        start_response("200 OK", HEAD[:])
        return [CONTENT]
    for environ in left_by(app, value, None):
        assert environ.keys() <= {*OURS, "HTTP_RANGE"}


def test_those_outside_see_it_when_the_head_comes_and_when_the_app_fails() -> None:
    seen: list[object] = []

    def outer(app: Callable[..., Iterable[bytes]]) -> Any:
        def logging(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            def noting(*arguments: Any) -> Any:
                seen.append(environ.get("REMOTE_USER"))
                return start_response(*arguments)
            try:
                return app(environ, noting)
            except LookupError:
                seen.append(environ.get("REMOTE_USER"))
                raise
        return logging

    def failing(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write_all(environ)
        raise LookupError("no film")
    run(outer(RangeMiddleware(at_once)), environ_for(range="bytes=0-9"), validate=False)
    run(outer(RangeMiddleware(lazily)), environ_for(range="bytes=0-9"), validate=False)
    with pytest.raises(LookupError):
        run(outer(RangeMiddleware(failing)), environ_for(range="bytes=0-9"))
    assert seen == ["anna"] * 3


def test_what_we_hid_is_not_carried_back() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["HTTP_RANGE"] = environ.pop("rangeware.range").replace("0", "1")
        environ["wsgi.file_wrapper"] = None
        return at_once(environ, start_response)
    environ = environ_for(range="bytes=0-9")
    wrapper = environ["wsgi.file_wrapper"] = object()
    run(RangeMiddleware(app), environ, validate=False)
    assert (environ["HTTP_RANGE"], environ["wsgi.file_wrapper"]) == ("bytes=0-9", wrapper)
    assert "rangeware.range" not in environ


def test_what_those_outside_wrote_meanwhile_stays() -> None:
    environ = environ_for(range="bytes=0-9")

    def app(given: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["x.outside"] = "kept"
        return at_the_end(given, start_response)
    run(RangeMiddleware(app), environ, validate=False)
    assert (environ["x.outside"], environ["REMOTE_USER"]) == ("kept", "anna")


def test_objects_that_cannot_be_compared_are_carried_back() -> None:
    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        environ["x.array"] = Array()
        start_response("200 OK", HEAD[:])
        return [CONTENT]
    environ = environ_for(range="bytes=0-9")
    environ["x.array"] = before = Array()
    assert run(RangeMiddleware(app), environ, validate=False).status == 206
    assert environ["x.array"] is not before


def test_it_is_carried_back_from_an_app_that_never_starts_its_response() -> None:
    def silent(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        write_all(environ)
        return iter(())
    environ = environ_for(range="bytes=0-9")
    list(RangeMiddleware(silent)(environ, lambda *arguments: None))  # type: ignore[arg-type]
    assert environ["REMOTE_USER"] == "anna"


# --- ASGI ------------------------------------------------------------------------------------------------------------

async def page(request: Request) -> Response:
    request.scope["user"] = "anna"
    return PlainTextResponse(CONTENT, headers={"ETag": '"v1"'})


def scope_after(app: Any, value: str | None, **more: Any) -> dict[str, Any]:
    """The server's scope after a request."""
    fields = {} if value is None else {"range": value}
    scope = scope_for(path="/films/one", extensions=[PATHSEND, "x.own"], **fields, **more)
    wire = carry(AsgiRangeMiddleware(app), scope)
    assert wire.messages
    return scope


@pytest.mark.each
@pytest.mark.parametrize("value", RANGES)
@pytest.mark.parametrize("kind", ["text", "file"])
def test_scope_is_left_as_without_range(value: str | None, kind: str, tmp_path: Any) -> None:
    path = tmp_path / "film"
    path.write_bytes(CONTENT)

    async def film(request: Request) -> Response:
        request.scope["user"] = "anna"
        return FileResponse(path)
    app = Starlette(routes=[Mount("/films", routes=[Route("/{name}", page if kind == "text" else film)])])
    scope, without = scope_after(app, value), scope_after(app, None)
    for key in ("user", "path_params", "root_path", "endpoint"):
        assert key in scope, key
        assert scope[key] == without[key] or key == "endpoint"
    assert scope.keys() - {"rangeware.plan"} == without.keys()


@pytest.mark.parametrize("value", RANGES)
def test_fields_and_extensions_that_the_app_adds_are_kept_beside_range(value: str | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"x-request-id", b"1"))
        scope["extensions"]["x.added"] = {}
        scope["extensions"].pop("x.own")
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": CONTENT})
    scope = scope_after(app, value)
    fields = dict(scope["headers"])
    assert fields[b"x-request-id"] == b"1"
    assert fields.get(b"range") == (None if value is None else value.encode())
    assert scope["extensions"] == {PATHSEND: {}, "x.added": {}}


def replace_headers(scope: dict[str, Any]) -> None:
    scope["headers"] = [*scope["headers"], (b"x-user", b"anna")]


def replace_headers_by_a_tuple(scope: dict[str, Any]) -> None:
    scope["headers"] = ((b"x-user", b"anna"),)


def replace_extensions(scope: dict[str, Any]) -> None:
    scope["extensions"] = {**(scope.get("extensions") or {}), "x.user": {}}


def add_extensions(scope: dict[str, Any]) -> None:
    (scope.get("extensions") or scope.setdefault("extensions", {}))["x.user"] = {}


def test_what_is_changed_in_place_is_seen_by_those_who_hold_the_servers_objects() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        scope["headers"].append((b"x-user", b"anna"))
        scope["extensions"]["x.user"] = {}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": CONTENT})
    for value in filter(None, RANGES):
        scope = scope_for(extensions=["x.own"], range=value)
        headers, extensions = scope["headers"], scope["extensions"]
        carry(AsgiRangeMiddleware(app), {**scope})
        assert (b"x-user", b"anna") in headers
        assert {**dict(headers)}[b"range"] == value.encode()
        assert extensions == {"x.own": {}, "x.user": {}}


def forget_headers(scope: dict[str, Any]) -> None:
    scope["headers"] = None


WRITES = [replace_headers, replace_headers_by_a_tuple, replace_extensions, add_extensions, forget_headers]


@pytest.mark.each
@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("value", RANGES)
@pytest.mark.parametrize("hide_range", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("offered", [(), (PATHSEND, "http.response.zerocopysend")], ids=str)
def test_headers_and_extensions_may_be_replaced(write: Any, value: str | None, hide_range: bool, method: str,
                                                offered: tuple[str, ...]) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        write(scope)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else CONTENT})

    def left(asked: str | None) -> tuple[dict[Any, Any], Any]:
        scope = scope_for(method, extensions=offered, **({} if asked is None else {"range": asked}))
        wire = carry(AsgiRangeMiddleware(app, hide_range=hide_range), scope)
        assert wire.messages
        return dict(scope["headers"] or ()), scope.get("extensions")
    headers, extensions = left(value)
    without, as_without = left(None)
    headers.pop(b"range", None)
    if write is not forget_headers:
        assert headers == without
    assert extensions == as_without


def test_those_outside_see_the_route_when_the_head_comes() -> None:
    app = AsgiRangeMiddleware(Starlette(routes=[Route("/films/{name}", page)]))
    seen: list[object] = []

    async def tracing(scope: Any, receive: Any, send: Any) -> None:
        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                seen.append(scope.get("path_params"))
            await send(message)
        await app(scope, receive, noting)
    for value in filter(None, RANGES):
        carry(tracing, scope_for(path="/films/one", range=value))
    assert seen == [{"name": "one"}] * 5


def test_a_scope_that_fails_is_carried_back_too() -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        scope["user"] = "anna"
        raise LookupError("no film")
    scope = scope_for(range="bytes=0-9")
    with pytest.raises(LookupError):
        carry(AsgiRangeMiddleware(failing), scope)
    assert scope["user"] == "anna"
