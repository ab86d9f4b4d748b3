"""Tell files that decode: gzip, bz2, zip members and the like, also inside other file objects.

They seek back by decoding from their first byte again. ``detect`` asks here whether ranges of a file must ascend, and
whether measuring it costs as much as reading it.
"""

from __future__ import annotations

import io
from contextlib import suppress
from types import MemberDescriptorType
from typing import Any

_DECODING = frozenset({
    "_compression", "backports", "brotli", "bz2", "compression", "gzip", "isal", "lz4", "lzma", "mgzip", "pgzip",
    "py7zr", "pyzipper", "pyzstd", "rarfile", "snappy", "zipencrypt", "zipfile", "zipfile_deflate64", "zlib_ng",
    "zstandard", "zstd",
})
"""Packages whose file objects decode."""

_MOST_FILES = 64
"""Files within files that are looked at: an app's objects may refer to very many others."""


def is_decoding(file: Any) -> bool:
    """True if this file, or one that it reads from, seeks back by decoding from its first byte again."""
    waiting, seen = [file], set[int]()
    for inner in waiting:  # files that refer to each other come only once
        if len(seen) == _MOST_FILES:
            break
        if id(inner) not in seen:
            seen.add(id(inner))
            if any(str(kind.__module__).partition(".")[0] in _DECODING for kind in type(inner).__mro__):
                return True
            waiting += _files_inside(inner)
    return False


def _files_inside(file: Any) -> list[Any]:
    """The files that this one may read from; none if the app's own attributes raise."""
    try:
        held = [*getattr(file, "__dict__", {}).values(), *_slots(file)]
        held += [item for several in held if type(several) in (list, tuple) for item in several[:_MOST_FILES]]
        if isinstance(file, (io.BufferedReader, io.BufferedRandom)):
            held.append(file.raw)
        elif isinstance(file, io.TextIOWrapper):
            held.append(file.buffer)
        return [inner for inner in held if hasattr(type(inner), "read") or "read" in getattr(inner, "__dict__", ())]
    except Exception:
        return []


def _slots(file: Any) -> list[Any]:
    """The attributes of an object that its classes keep in ``__slots__``."""
    found = []
    for kind in type(file).__mro__:
        for member in vars(kind).values():
            if type(member) is MemberDescriptorType:
                with suppress(AttributeError):  # not set
                    found.append(member.__get__(file))
    return found
