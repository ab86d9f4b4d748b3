"""Content codings (RFC 9110 8.4.1) of files: which of them belong to the file itself, and which were put around it.

Many servers put a coding on a file that is stored compressed, such as ``x-gzip`` on ``x.tar.gz`` (Apache: AddEncoding).
There the coded bytes are the file. It shows in the name or in the media type. Any other coding is a question for the
caller: the decoded file, or the bytes as they are sent? Some servers also name codings that are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

UNDOABLE = frozenset({"gzip", "deflate", "bzip2", "xz", "lzma", "br", "zstd"})
"""The codings that can be undone; ``br`` and ``zstd`` need a module."""

_SAME = {
    "bzip": "bzip2", "brotli": "br", "zlib": "deflate", "gz": "gzip", "tgz": "gzip", "zst": "zstd",
    "bz2": "bzip2", "z": "compress",
}
_NONE = re.compile(
    r"identity|none|null|no|off|false|binary|[78]bit|base64|quoted-printable|raw|text|plain|chunked|aws-chunked"
    r"|(charset=)?\"?(utf-?(8|16|32)(le|be)?|us-ascii|ascii|latin-?1|iso-?8859-[0-9]+|windows-?[0-9]+|cp-?[0-9]+|gb[0-9k]+"
    r"|big5|shift[_-]jis|euc-[a-z]+|ansi|unicode)\"?|[^/]*/.*"
)
"""Charsets, transfer codings, media types and words: the content has no coding that anybody could undo."""

_EXTENSIONS = {
    "gzip": "gz gzip tgz taz tpz svgz emz wmz dz bgz bgzf cpgz adz crate unitypackage",
    "compress": "z taz tz", "br": "br", "zstd": "zst zstd tzst", "xz": "xz txz", "lzma": "lzma tlz",
    "bzip2": "bz2 bz bzip2 tbz tbz2 tb2", "deflate": "zz zlib deflate", "lz4": "lz4", "lzip": "lz", "lzop": "lzo",
    "pack200-gzip": "gz pack", "zip": "zip",
}
_TYPES = {  # words in media types; "compressed" alone is gzip or compress
    "gzip": "gzip gzipped gunzip tgz compressed", "compress": "compress compressed z", "br": "br brotli",
    "zstd": "zstd zst", "xz": "xz", "lzma": "lzma", "bzip2": "bzip bzip2 bz2", "deflate": "zlib deflate", "lz4": "lz4",
    "lzip": "lzip", "lzop": "lzop", "pack200-gzip": "pack200", "zip": "zip",
}
_OTHERS = frozenset(["bzip", "bzip2", "bz2", "xz", "lzma", "zstd", "lzip", "lz4", "zip", "rar", "7z"])
_SEPARATORS = re.compile("[/+._-]")


def parse_codings(value: str) -> tuple[str, ...]:
    """The codings that a Content-Encoding field names, in the order in which they were applied.

    In lower case, under their registered names, and without those that are none.

    >>> parse_codings("X-GZip"), parse_codings("utf-8"), parse_codings("gzip, br")
    (('gzip',), (), ('gzip', 'br'))
    """
    named = (member.partition(";")[0].strip(" \t").lower() for member in value.split(","))
    return tuple(_SAME.get(name.removeprefix("x-"), name.removeprefix("x-"))
                 for name in named if name and not _NONE.fullmatch(name))


def is_named(coding: str, name: str) -> bool:
    """True if a file of this name is itself in this coding.

    Any extension may say so, and not the last one only: Apache puts the coding on ``x.tar.gz.asc`` as well, whose
    bytes are not coded at all. As they are sent, they are right in either case.
    """
    extensions = name.lower().split(".")[1:]
    return not set(_EXTENSIONS.get(coding, "").split()).isdisjoint(extensions)


def _is_typed(coding: str, media_type: str | None) -> bool:
    words = set(_SEPARATORS.split(media_type or ""))
    if coding in ("gzip", "compress") and not words.isdisjoint(_OTHERS):
        return False
    return not set(_TYPES.get(coding, "").split()).isdisjoint(words)


def around(codings: tuple[str, ...], names: Iterable[str], media_type: str | None = None) -> tuple[str, ...]:
    """The codings that were put around the file: without the innermost one, if that belongs to the file itself.

    :param names: the names that the file has.
    """
    inner = codings[0] if codings else ""
    belongs = _is_typed(inner, media_type) or any(is_named(inner, name) for name in names)
    return codings[1:] if belongs else codings


def question(codings: tuple[str, ...], decode: bool | None) -> str:
    """The question to ask because of codings around a file, as text for a person; ``""`` if there is none.

    :param decode: the caller's choice: True undoes them, False keeps the bytes as they are sent, None has to be asked.
    """
    if not codings or decode is False:
        return ""
    told = f"the server sends the file with Content-Encoding {', '.join(codings)[:100]}, which was not asked for"
    if not UNDOABLE.issuperset(codings):
        return f"{told} and cannot be undone (--no-decode keeps the bytes as they are sent)"
    if decode:
        return ""
    return f"{told} (--decode undoes it when all is there, --no-decode keeps the bytes as they are sent)"
