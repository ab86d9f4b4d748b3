"""The other middleware is named: when the wrong one is made, if that can be told, and at the first request if not."""

from __future__ import annotations

import functools
import gc
import types
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import bottle
import django.conf
import fastapi
import flask
import pytest
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from werkzeug.local import LocalProxy
from werkzeug.middleware.proxy_fix import ProxyFix

from rangeware import AsgiRangeMiddleware, InvalidOption, RangeMiddleware
from tests.asgi_support import ask
from tests.support import CONTENT, get

if not django.conf.settings.configured:
    django.conf.settings.configure()


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An app as a function."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
    return [CONTENT]


class Wsgi:
    """Apps as an object and as one of its methods."""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return wsgi(environ, start_response)

    run = __call__


class WsgiPerRequest:
    """An app as a class: each request makes an object of it (PEP 3333)."""

    def __init__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> None:
        self.content = wsgi(environ, start_response)

    def __iter__(self) -> Any:
        return iter(self.content)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """An app as a coroutine function."""
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"1000")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": CONTENT})


class Asgi:
    """Apps as an object and as one of its methods."""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await asgi(scope, receive, send)

    async def run(self, scope: Any, receive: Any, send: Any) -> None:
        """Another app."""
        await asgi(scope, receive, send)


class AsgiByHand:
    """An app that returns the coroutine of another one."""

    def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        return asgi(scope, receive, send)


def with_option(option: int, environ: Any, start_response: Any) -> Iterable[bytes]:
    """An app that is completed with ``functools.partial``."""
    return wsgi(environ, start_response)


async def asgi_with_option(option: int, scope: Any, receive: Any, send: Any) -> None:
    """An app that is completed with ``functools.partial``."""
    await asgi(scope, receive, send)


class Endpoint(HTTPEndpoint):
    """An app as a class, in Starlette's way."""


WSGI_APPS = {
    "function": wsgi, "object": Wsgi(), "method": Wsgi().run, "class": WsgiPerRequest,
    "partial": functools.partial(with_option, 1), "Flask": flask.Flask("a"), "bottle": bottle.Bottle(),
    "Django": get_wsgi_application(), "ProxyFix": ProxyFix(wsgi), "ours": RangeMiddleware(wsgi),
    "lambda": lambda environ, start_response: wsgi(environ, start_response), "proxy": LocalProxy(lambda: wsgi),
}
ASGI_APPS = {
    "function": asgi, "object": Asgi(), "method": Asgi().run, "by hand": AsgiByHand(), "class": Endpoint,
    "partial": functools.partial(asgi_with_option, 1), "FastAPI": fastapi.FastAPI(), "Starlette": Starlette(),
    "Django": get_asgi_application(), "ours": AsgiRangeMiddleware(asgi),
    "lambda": lambda scope, receive, send: asgi(scope, receive, send),
}


@pytest.mark.parametrize("name", ASGI_APPS)
def test_range_middleware_names_the_other_one(name: str) -> None:
    with pytest.raises(InvalidOption, match=r"app must be a WSGI application, not .*AsgiRangeMiddleware"):
        RangeMiddleware(ASGI_APPS[name])  # type: ignore[arg-type]
    AsgiRangeMiddleware(ASGI_APPS[name])


@pytest.mark.parametrize("name", WSGI_APPS)
def test_asgi_range_middleware_names_the_other_one(name: str) -> None:
    with pytest.raises(InvalidOption, match=r"app must be an ASGI application, not .* RangeMiddleware"):
        AsgiRangeMiddleware(WSGI_APPS[name])  # type: ignore[arg-type]
    RangeMiddleware(WSGI_APPS[name])  # type: ignore[arg-type]


def test_a_later_request_names_the_asgi_middleware_too() -> None:
    """By then the shortcut for plain requests is taken."""
    apps: list[Any] = [wsgi, wsgi, asgi]
    middleware = RangeMiddleware(lambda *arguments: apps.pop(0)(*arguments))
    for _ in range(2):
        assert get(middleware, validate=False).body == CONTENT
    with pytest.raises(InvalidOption, match="AsgiRangeMiddleware"):
        get(middleware, validate=False)


def anything(app: Any) -> Any:
    """An app that does not tell how it can be called."""
    return lambda *arguments: app(*arguments)


async def anything_awaited(*arguments: Any) -> None:
    """An app that does not tell how it can be called, but that it is awaited."""
    await asgi(*arguments)


def generating(*arguments: Any) -> Any:
    """An async generator, which is no app of either kind."""
    async def chunks() -> Any:
        yield b""
    return chunks()


@pytest.mark.each
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
@pytest.mark.parametrize("app", [
    anything(fastapi.FastAPI()), anything(asgi), lambda *arguments: anything_awaited(*arguments), generating,
], ids=["FastAPI", "function", "coroutine", "async generator"])
def test_the_first_request_names_the_asgi_middleware(app: Any, value: str | None) -> None:
    middleware = RangeMiddleware(app)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a coroutine that is never awaited warns
        with pytest.raises(InvalidOption, match="AsgiRangeMiddleware"):
            get(middleware, value, validate=False)
        gc.collect()


@pytest.mark.each
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
@pytest.mark.parametrize("app", [anything(flask.Flask("a")), anything(wsgi), lambda *arguments: [b"content"]],
                         ids=["Flask", "function", "list"])
def test_the_first_request_names_the_wsgi_middleware(app: Any, value: str | None) -> None:
    with pytest.raises(InvalidOption, match=" RangeMiddleware"):
        ask(AsgiRangeMiddleware(app), value)


@pytest.mark.parametrize("app", [anything(wsgi), flask.current_app], ids=["any arguments", "proxy without app"])
def test_an_app_that_does_not_tell_counts_as_right(app: Any) -> None:
    RangeMiddleware(app)
    AsgiRangeMiddleware(app)


@pytest.mark.each
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("options", [{}, {"applies": lambda request: False}], ids=["", "left alone"])
def test_the_first_request_may_be_any(method: str, options: Any) -> None:
    with pytest.raises(InvalidOption, match="AsgiRangeMiddleware"):
        get(RangeMiddleware(anything(asgi), **options), method=method, validate=False)
    with pytest.raises(InvalidOption, match=" RangeMiddleware"):
        ask(AsgiRangeMiddleware(anything(wsgi), **options), method=method)


def test_mistakes_of_right_apps_stay_what_they_are() -> None:
    def notify(message: str, send: bool) -> None:
        """Called with too few arguments by the app."""

    def wsgi_app(environ: Any, start_response: Any) -> Any:
        return notify("x")  # type: ignore[call-arg]

    def asgi_app(scope: Any, receive: Any, send: Any) -> Any:
        return notify("x")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="notify"):
        get(RangeMiddleware(wsgi_app))
    with pytest.raises(TypeError, match="notify"):
        ask(AsgiRangeMiddleware(asgi_app))


def test_any_awaitable_will_do() -> None:
    @types.coroutine
    def old(scope: Any, receive: Any, send: Any) -> Any:
        yield from asgi(scope, receive, send).__await__()
    assert ask(AsgiRangeMiddleware(old), "bytes=0-9").body == CONTENT[:10]


def test_a_body_may_be_iterated_in_both_ways() -> None:
    class Both:
        def __init__(self, start_response: Any) -> None:
            self._start_response = start_response

        def __aiter__(self) -> Any:
            return self

        def __iter__(self) -> Any:
            self._start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
            yield CONTENT
    for value, content in ((None, CONTENT), ("bytes=0-9", CONTENT[:10])):
        answer = get(RangeMiddleware(lambda environ, start_response: Both(start_response)), value, validate=False)
        assert answer.body == content


def test_an_app_that_does_not_tell_works() -> None:
    assert get(RangeMiddleware(anything(wsgi)), "bytes=0-9").body == CONTENT[:10]
    assert ask(AsgiRangeMiddleware(anything(asgi)), "bytes=0-9").body == CONTENT[:10]


@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_a_type_error_of_the_app_stays_what_it_is(value: str | None) -> None:
    def failing(environ: dict[str, Any], start_response: Any) -> Any:
        raise TypeError("f() missing 1 required positional argument: 'x'")
    with pytest.raises(TypeError, match="'x'"):
        get(RangeMiddleware(failing), value)


@pytest.mark.each
@pytest.mark.parametrize("app", [None, 5, "app", [wsgi]])
@pytest.mark.parametrize("kind", [RangeMiddleware, AsgiRangeMiddleware])
def test_what_cannot_be_called_is_no_app(kind: Any, app: object) -> None:
    with pytest.raises(InvalidOption, match="app must be an? (WS|AS)GI application"):
        kind(app)
