"""The middlewares that stand inside and outside of us, and one app for servers with all these stacks:
``/inside/Sentry/mounted/file``, ``/outside/WebOb/mounted/generator`` ...
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from wsgiref.util import shift_path_info

import webob.dec
from paste import gzipper
from paste.cascade import Cascade
from paste.translogger import TransLogger
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.middleware.shared_data import SharedDataMiddleware
from whitenoise import WhiteNoise

from rangeware import RangeMiddleware
from tests.matrix.frameworks import bare
from tests.matrix.frameworks.content import make_file

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports Eventlet where there is one, and that says that it is old
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

App = Callable[..., Iterable[bytes]]
STATIC = str(Path(__file__).parent)


def not_found(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


def dispatched(app: App) -> App:
    return DispatcherMiddleware(not_found, {"/mounted": app})


def shared_data(app: App) -> App:
    return SharedDataMiddleware(app, {"/static": STATIC})


def whitenoise(app: App) -> App:
    return WhiteNoise(app, root=STATIC, prefix="static")  # type: ignore[no-any-return]


def translogged(app: App) -> App:
    return TransLogger(app, setup_console_handler=False)  # type: ignore[no-any-return]


def cascaded(app: App) -> App:
    return Cascade([not_found, app])  # type: ignore[no-any-return]


def by_webob(app: App) -> App:
    return webob.dec.wsgify.middleware(lambda request, app: request.get_response(app), app)  # type: ignore[no-any-return]


class Filter:
    """An iterable around the app's, as Paste's filters make them."""

    def __init__(self, body: Iterable[bytes], change: Callable[[bytes], bytes] = bytes) -> None:
        self._body = body
        self._chunks = iter(body)
        self._change = change

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._change(next(self._chunks))

    def close(self) -> None:
        getattr(self._body, "close", lambda: None)()


def filtered(app: App) -> App:
    return lambda environ, start_response: Filter(app(environ, start_response))


def _through(body: Iterable[bytes]) -> Iterator[bytes]:
    try:
        for chunk in body:  # noqa: UP028 - yield from would close a generator itself
            yield chunk
    finally:
        getattr(body, "close", lambda: None)()


def by_generator(app: App) -> App:
    """The filter as a generator: the app is called with the first ``next()`` only."""
    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        yield from _through(app(environ, start_response))
    return wrapped


def to_generator(app: App) -> App:
    """The filter returns a generator: the app is called before it begins."""
    return lambda environ, start_response: _through(app(environ, start_response))


MIDDLEWARES: dict[str, Callable[[App], App]] = {
    "ProxyFix": partial(ProxyFix, x_for=1, x_proto=1, x_host=1, x_prefix=1),
    "DispatcherMiddleware": dispatched,
    "SharedDataMiddleware": shared_data,
    "WhiteNoise": whitenoise,
    "Sentry": SentryWsgiMiddleware,
    "TransLogger": translogged,
    "Cascade": cascaded,
    "gzipper": gzipper.middleware,  # without Accept-Encoding: see test_compressors
    "WebOb": by_webob,
    "filter": filtered,
    "generator": by_generator,
    "to_generator": to_generator,
    "twice": RangeMiddleware,
}


def stacked(middleware: Callable[[App], App], inside: bool, app: App) -> App:
    """The app with the middleware inside or outside of us."""
    return RangeMiddleware(middleware(app)) if inside else middleware(RangeMiddleware(app))


def _unmounted(app: App) -> App:
    """The app, told only of the last segment of the path."""
    def wrapped(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        environ["PATH_INFO"] = "/" + environ["PATH_INFO"].rpartition("/")[2]
        return app(environ, start_response)
    return wrapped


def _application(directory: Path) -> App:
    inner = _unmounted(bare.make(make_file(directory)))
    stacks = {(place, name): stacked(middleware, place == "inside", inner)
              for place in ("inside", "outside") for name, middleware in MIDDLEWARES.items()}

    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        app = stacks.get((shift_path_info(environ) or "", shift_path_info(environ) or ""), not_found)
        return app(environ, start_response)
    return dispatch


if "RANGEWARE_MATRIX_DIR" in os.environ:
    application = _application(Path(os.environ["RANGEWARE_MATRIX_DIR"]))
