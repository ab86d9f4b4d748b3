"""Resumable, seekable HTTP for any Python web app: ``app = RangeMiddleware(app)``, or ``AsgiRangeMiddleware(app)``."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .core.values import Plan, Reason
from .errors import InvalidOption, TruncatedSource
from .http.ranges import ByteRange

if TYPE_CHECKING:
    from .asgi import AsgiRangeMiddleware
    from .wsgi import RangeMiddleware

__all__ = ["AsgiRangeMiddleware", "ByteRange", "InvalidOption", "Plan", "RangeMiddleware", "Reason", "TruncatedSource"]


_ADAPTERS = {"AsgiRangeMiddleware": "asgi", "RangeMiddleware": "wsgi"}


def __getattr__(name: str) -> Any:
    """An adapter is loaded when it is first named: WSGI apps need not load asyncio, nor the client either of them."""
    if name not in _ADAPTERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_ADAPTERS[name]}", __name__), name)
