"""Resumable, seekable HTTP for any Python web app: ``app = RangeMiddleware(app)``."""

from .errors import InvalidOption, TruncatedSource
from .fields import ByteRange
from .plan import Plan, Reason
from .wsgi import RangeMiddleware

__all__ = ["ByteRange", "InvalidOption", "Plan", "RangeMiddleware", "Reason", "TruncatedSource"]
