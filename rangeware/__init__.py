"""Resumable, seekable HTTP for any Python web app, in one line: ``app.wsgi_app = RangeMiddleware(app.wsgi_app)`` in
Flask, ``app.add_middleware(AsgiRangeMiddleware)`` in FastAPI. ``help(RangeMiddleware)`` describes the options.

Beside the middleware: ``rangeware.client`` downloads and uploads, ``rangeware.uploads`` takes uploads,
``rangeware.offload`` has nginx, Apache or lighttpd send the files, ``rangeware.stores`` sends what is in S3 and other
stores. https://rangeware.readthedocs.io has the line for every framework, and recipes for servers.
"""

# docs/architecture.md has a map of the package, with one request and one download walked through.

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core.values import Plan, Reason
from .errors import InvalidOption, TruncatedSource
from .http.ranges import ByteRange

if TYPE_CHECKING:
    from .asgi import AsgiRangeMiddleware
    from .bodies.openable import OpenableBody
    from .wsgi import RangeMiddleware

__all__ = [
    "AsgiRangeMiddleware", "ByteRange", "InvalidOption", "OpenableBody", "Plan", "RangeMiddleware", "Reason",
    "TruncatedSource",
]

__version__ = "0.1.0"

_LOADED_LATE = {"AsgiRangeMiddleware": "asgi", "OpenableBody": "bodies.openable", "RangeMiddleware": "wsgi"}


def __getattr__(name: str) -> Any:
    """Load a class when it is first named: a WSGI app needs no asyncio, and the client needs none of them."""
    if name not in _LOADED_LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_LOADED_LATE[name]}", __name__), name)


def __dir__() -> list[str]:
    """The names of the module, with those that are not loaded yet."""
    return sorted({*globals(), *__all__})
