"""Objects in stores as bodies: ``S3Body`` for boto3, ``FsspecBody`` for whatever fsspec opens.

An app returns one as the body of its response. It is an ``OpenableBody``, so that the middleware asks the store for
the bytes that the client asked for, and for no others. Each class is loaded when it is named, with its library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .fsspec_body import FsspecBody
    from .s3_body import S3Body

__all__ = ["FsspecBody", "S3Body"]

_MODULES = {"FsspecBody": "fsspec_body", "S3Body": "s3_body"}


def __getattr__(name: str) -> Any:
    """Load a class when it is first named.

    :raises ImportError: if its library is missing: ``pip install 'rangeware[fsspec]'`` or ``'rangeware[s3]'``.
    """
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The names of the module, with those that are not loaded yet."""
    return sorted({*globals(), *__all__})
