"""Resumable, seekable HTTP for any Python web app: ``app = RangeMiddleware(app)``, or ``AsgiRangeMiddleware(app)``."""

from typing import TYPE_CHECKING, Any

from .errors import InvalidOption, TruncatedSource
from .fields import ByteRange
from .plan import Plan, Reason
from .wsgi import RangeMiddleware

if TYPE_CHECKING:
    from .asgi import AsgiRangeMiddleware

__all__ = ["AsgiRangeMiddleware", "ByteRange", "InvalidOption", "Plan", "RangeMiddleware", "Reason", "TruncatedSource"]


def __getattr__(name: str) -> Any:
    """What WSGI apps do without, and would have to load asyncio for."""
    if name != "AsgiRangeMiddleware":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from .asgi import AsgiRangeMiddleware

    return AsgiRangeMiddleware
