"""The response: from a ``Plan`` to a status, header fields and segments.

``compose`` is called by the adapters after ``core.plan`` has decided. It starts from the fields of the app's 200 and
drops those that would be wrong on the response at hand; every field that is not named here stays, such as Set-Cookie,
Vary, Cache-Control and those of CORS.
"""

from __future__ import annotations

from typing import NamedTuple

from ..http.ranges import ByteRange, unsatisfied_range
from .app_head import AppHead, Field
from .segments import Segment, content_length, part_heads, whole_content
from .values import Plan, Reason, Representation

ACCEPT_RANGES = ("Accept-Ranges", "bytes")

_DIGESTS_OF_CONTENT = frozenset({"content-digest", "content-md5"})  # RFC 9530 2: of the bytes sent, not of the whole
_LENGTH = frozenset({"content-length", "content-range"})
_METADATA = _DIGESTS_OF_CONTENT | _LENGTH | {
    "accept-ranges", "content-disposition", "content-encoding", "content-language", "content-type",
    "digest", "last-modified", "repr-digest", "trailer", "transfer-encoding",
}
# What lets a cache store a response. RFC 9111 3: one with an explicit lifetime is stored whatever its status is.
_LIFETIME = frozenset({"cache-control", "edge-control", "expires", "surrogate-control", "x-accel-expires"})
_TARGETED_LIFETIME = "-cache-control"  # RFC 9213: CDN-Cache-Control, and one for each cache that wants its own
_DROPPED = {
    206: _DIGESTS_OF_CONTENT | _LENGTH | {"accept-ranges", "trailer"},
    304: _METADATA,  # RFC 9110 15.4.5 keeps Content-Location and ETag
    412: _METADATA | _LIFETIME | {"content-location", "etag"},
    416: _METADATA | _LIFETIME | {"content-location", "etag"},
}
"""By status: the fields of the app's 200 that do not go on the response, in lower case."""

_TEXTS = {
    412: b"Precondition failed: the representation is not the one that the request is about.\n",
    416: b"Range not satisfiable: the representation ends before the first byte asked for.\n",
}


class Reply(NamedTuple):
    """A complete response. ``segments=None`` sends the app's body unchanged; ``length`` is that of all segments."""

    status: int
    fields: list[Field]
    segments: tuple[Segment, ...] | None
    length: int = 0

    @property
    def needs_source(self) -> bool:
        """True if the content has bytes of the representation in it."""
        return ByteRange in map(type, self.segments or ())

    @property
    def literals(self) -> bytes:
        """The content of a response whose segments are all literal."""
        return b"".join(segment for segment in self.segments or () if isinstance(segment, bytes))


def compose(plan: Plan, head: AppHead, selected: Representation, boundary: str) -> Reply:
    """Compose the response that ``plan`` decided on.

    :param head: of the app's response.
    :param boundary: ``BOUNDARY_LENGTH`` random characters for multipart/byteranges, new for each response.
    """
    if head.status != 200 or plan.status == 200:
        return _whole(plan, head, selected)
    if plan.status == 206:
        fields = head.without(_DROPPED[206])
        return partial(plan.ranges, fields, selected.complete_length or 0, selected.content_type, boundary)
    if plan.status == 304:
        return Reply(304, _fields_of_304(head), ())
    return _refusal(plan.status, head, selected)


def partial(
    ranges: tuple[ByteRange, ...], fields: list[Field], complete_length: int, content_type: str | None, boundary: str
) -> Reply:
    """Compose a 206 with these ranges.

    :param fields: those of the representation that stay; others are added in place.
    :param boundary: see ``compose``.
    """
    if len(ranges) == 1:  # RFC 9110 15.3.7.1
        fields.append(("Content-Range", ranges[0].content_range(complete_length)))
        return _advertised(206, fields, ranges, ranges[0].length)
    heads, tail = part_heads(ranges, complete_length, content_type, boundary)
    segments: list[Segment] = [tail] * (2 * len(heads) + 1)
    segments[:-1:2], segments[1::2] = heads, ranges
    # RFC 9110 14.6: the boundary unquoted, since some recipients mishandle quotes
    fields = [field for field in fields if field[0].lower() != "content-type"]
    fields.append(("Content-Type", f"multipart/byteranges; boundary={boundary}"))
    return _advertised(206, fields, tuple(segments), content_length(ranges, (*heads, tail)))


def offloaded(head: AppHead, field: Field) -> Reply:
    """Compose the empty response that has a front server send a file.

    It keeps what the app says of the representation; the front server adds what it knows better, and may send a part
    of it, to which digests of the content would not belong.

    :param field: tells the front server which file it is.
    """
    return Reply(200, [*head.without(_DROPPED[206]), ("Content-Length", "0"), field], ())


def offloaded_head(head: AppHead) -> Reply:
    """Compose the response to HEAD for a file that a front server sends on GET, under an ETag that it makes."""
    added = [ACCEPT_RANGES] if head.get("accept-ranges") is None else []
    return Reply(200, [*head.without(("etag",)), *added], None)


def _fields_of_304(head: AppHead) -> list[Field]:
    """RFC 9110 15.4.5. Last-Modified stays if there is no ETag: a cache finds the response to update by it."""
    return head.without(_DROPPED[304] if head.etag else _DROPPED[304] - {"last-modified"})


def _refusal(status: int, head: AppHead, selected: Representation) -> Reply:
    text = _TEXTS[status]
    kept = [field for field in head.without(_DROPPED[status]) if not field[0].lower().endswith(_TARGETED_LIFETIME)]
    fields = [*kept, ("Content-Type", "text/plain; charset=utf-8")]
    if status != 416:
        return Reply(status, [*fields, ("Content-Length", str(len(text)))], (text,), len(text))
    fields.append(("Content-Range", unsatisfied_range(selected.complete_length or 0)))
    return _advertised(416, fields, (text,), len(text))


def _whole(plan: Plan, head: AppHead, selected: Representation) -> Reply:
    """The app's own response, with Accept-Ranges if it could have been sliced.

    If the request has a Range that is not served, the content goes out in our bounded blocks, so that Content-Length
    has to be ours too. Otherwise the body stays the app's.
    """
    complete_length = selected.complete_length
    if selected.obstacle is not None or complete_length is None:
        return Reply(head.status, list(head.fields), None)
    fields = list(head.fields)
    if selected.is_sliceable and head.get("accept-ranges") is None:
        fields.append(ACCEPT_RANGES)
    if plan.reason in (Reason.NO_RANGE, Reason.METHOD, Reason.UNIT):
        return Reply(200, fields, None)
    fields = [field for field in fields if field[0].lower() != "content-length"]
    fields.append(("Content-Length", str(complete_length)))
    return Reply(200, fields, whole_content(complete_length), complete_length)


def _advertised(status: int, fields: list[Field], segments: tuple[Segment, ...], length: int) -> Reply:
    """A response with content of ours: Accept-Ranges and Content-Length are added to the fields."""
    fields += ACCEPT_RANGES, ("Content-Length", str(length))
    return Reply(status, fields, segments, length)
