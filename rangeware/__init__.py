"""Resumable, seekable HTTP for any Python web app."""

from .errors import InvalidOption, TruncatedSource
from .fields import ByteRange
from .plan import Plan, Reason

__all__ = ["ByteRange", "InvalidOption", "Plan", "Reason", "TruncatedSource"]
