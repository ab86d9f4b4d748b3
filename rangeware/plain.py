"""Plain requests, with neither Range nor precondition: answers of which a glance at the head tells all that matters."""

from __future__ import annotations

from .reply import Field

_HARMLESS = frozenset({
    "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Age", "Cache-Control",
    "Content-Disposition", "Content-Language", "Content-Location", "Content-Security-Policy",
    "Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Expires", "Link",
    "Location", "P3P", "Permissions-Policy", "Pragma", "Referrer-Policy", "Server-Timing", "Set-Cookie",
    "Strict-Transport-Security", "Timing-Allow-Origin", "Vary", "Via", "X-Content-Type-Options", "X-Frame-Options",
    "X-Powered-By", "X-Request-Id", "X-Request-ID", "X-Robots-Tag", "X-XSS-Protection",
})
"""Fields that have no say in whether an answer can be sliced, and stand in a part as they do in the whole, as they are
mostly spelled. Out of it stay those of the content (Content-MD5, Content-Digest), Accept-Ranges, and those that some
servers double (Date and Server, see ``sent_once``)."""

SPELLINGS = _HARMLESS | {"Accept-Ranges", "Content-Length", "Content-Type", "ETag", "Last-Modified"}
"""The names of fields as they are mostly spelled."""

_MOST_DIGITS = 18
_COMMON_TYPES = frozenset({
    "application/json", "application/octet-stream", "application/pdf", "application/zip", "audio/mpeg", "image/jpeg",
    "image/png", "text/css; charset=utf-8", "text/html", "text/html; charset=utf-8", "text/plain",
    "text/plain; charset=utf-8", "video/mp4",
})


def plain_length(fields: list[Field], needs_validators: bool) -> str:
    """Content-Length of a 200 with these fields, if it is plain that it can be sliced and lacks nothing; else "".

    :param needs_validators: whether they are made where they are missing.
    """
    length: str | None = None
    has_tag = has_date = False
    for name, value in fields:
        if name == "Content-Length":
            if length is not None:
                return ""
            length = value
        elif name == "Content-Type":
            if value not in _COMMON_TYPES and (not value or value[0] in "mM"):  # it may be multipart/byteranges
                return ""
        elif name == "ETag":
            has_tag = True
        elif name == "Last-Modified":
            has_date = True
        elif name not in _HARMLESS:
            return ""
    if not length or needs_validators and not (has_tag and has_date):
        return ""
    return length if length[0] > "0" and length.isdigit() and length.isascii() and len(length) <= _MOST_DIGITS else ""
