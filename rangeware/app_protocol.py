"""Tell WSGI apps from ASGI apps, so that whoever takes the wrong middleware hears at once which one is right.

An app is known by how it can be called: ``app(environ, start_response)`` or ``await app(scope, receive, send)``. One
that could be either is believed, until its first request shows otherwise.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable
from types import CoroutineType
from typing import Any

from .errors import InvalidOption

_WSGI = ("environ", "start_response")
_ASGI = ("scope", "receive", "send")
_LACKS_SEND = "missing 1 required positional argument: 'send'"


def check_wsgi(app: Any) -> None:
    """Refuse what cannot be a WSGI app.

    :raises InvalidOption: naming ``AsgiRangeMiddleware`` if it is an ASGI app.
    """
    _check_callable(app, "a WSGI")
    if _is_coroutine_function(app) or _takes(app, _ASGI) and not _takes(app, _WSGI):
        raise not_wsgi(app)


def check_asgi(app: Any) -> None:
    """Refuse what cannot be an ASGI app.

    :raises InvalidOption: naming ``RangeMiddleware`` if it is a WSGI app.
    """
    _check_callable(app, "an ASGI")
    if _takes(app, _WSGI) and not _takes(app, _ASGI):
        raise not_asgi(app)


def not_wsgi(app: object) -> InvalidOption:
    """The error for an ASGI app in the place of a WSGI app."""
    return InvalidOption(f"app must be a WSGI application, not {app!r}: AsgiRangeMiddleware is for ASGI applications")


def not_asgi(app: object) -> InvalidOption:
    """The error for a WSGI app in the place of an ASGI app."""
    return InvalidOption(f"app must be an ASGI application, not {app!r}: RangeMiddleware is for WSGI applications")


def check_wsgi_error(app: Any, exc: BaseException) -> None:
    """Look at what an app has raised that was called as a WSGI app.

    :raises InvalidOption: if it could be an ASGI app, and misses its third argument.
    """
    if isinstance(exc, TypeError) and str(exc).endswith(_LACKS_SEND) and _takes(app, _ASGI):
        raise not_wsgi(app) from exc


def call_asgi(app: Any, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
    """Call an app as an ASGI app; what it returns is to be awaited.

    :raises InvalidOption: if it could be a WSGI app, and does not take three arguments or returns something else.
    """
    try:
        running: Awaitable[None] = app(scope, receive, send)
    except TypeError as exc:
        if "positional argument" in str(exc) and _takes(app, _WSGI):
            raise not_asgi(app) from exc
        raise
    if type(running) is not CoroutineType and not inspect.isawaitable(running):
        raise not_asgi(app)
    return running


def _check_callable(app: object, protocol: str) -> None:
    if not callable(app):
        raise InvalidOption(f"app must be {protocol} application, not {app!r}")


def _is_coroutine_function(app: Any) -> bool:
    try:
        while isinstance(app, functools.partial):
            app = app.func
        return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)
    except Exception:  # a proxy that has no app yet
        return False


def _takes(app: Any, arguments: tuple[str, ...]) -> bool:
    """True if the app can be called with so many arguments, or does not tell."""
    try:
        signature = inspect.signature(app, follow_wrapped=False)
    except Exception:  # written in C, or a proxy that has no app yet
        return True
    try:
        signature.bind(*arguments)
    except TypeError:
        return False
    return True
