"""The options of an upload, checked once. ``upload_api.upload`` describes each of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from ..errors import InvalidOption
from .options import TransferOptions, check_number

PROTOCOLS = ("tus", "draft")
"""The protocols by name: tus 1.0, and the IETF draft "Resumable Uploads for HTTP"."""

_OURS = {  # fields that say which bytes are sent, and where they belong
    "accept-encoding", "connection", "content-digest", "content-disposition", "content-encoding", "content-length",
    "content-range", "content-type", "expect", "host", "if-match", "if-modified-since", "if-none-match",
    "if-unmodified-since", "range", "repr-digest", "trailer", "transfer-encoding", "tus-resumable", "upload-checksum",
    "upload-complete", "upload-concat", "upload-defer-length", "upload-draft-interop-version", "upload-length",
    "upload-metadata", "upload-offset", "x-http-method-override",
}


@dataclass(frozen=True)
class UploadOptions(TransferOptions):
    """The options of one upload."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    protocol: str | None = None
    chunk_size: int | None = None
    fresh: bool = False
    state: str | os.PathLike[str] | None = None

    refused: ClassVar[frozenset[str]] = frozenset(_OURS)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.protocol is not None and self.protocol not in PROTOCOLS:
            raise InvalidOption(f"protocol must be one of {', '.join(PROTOCOLS)} or None, not {self.protocol!r}")
        if self.chunk_size is not None:
            check_number("chunk_size", self.chunk_size, 1, int)
        object.__setattr__(self, "metadata", dict(self.metadata or {}))
        for name, value in self.metadata.items():
            _check_metadata(name, value)


def _check_metadata(name: Any, value: Any) -> None:
    """Check a key and its value: tus separates keys by blanks and pairs by commas."""
    is_key = isinstance(name, str) and name.isascii() and name.isprintable() and not set(name) & {" ", ","}
    if not is_key or not name:
        raise InvalidOption(f"metadata must have keys of ASCII without blank and comma, not {name!r}")
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise InvalidOption(f"metadata must have text as the value of {name}")
