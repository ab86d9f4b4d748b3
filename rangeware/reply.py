"""Head and content: what the app's head says, and what the answer's head and content are.

The content of an answer is a list of segments, each either literal bytes or a ``ByteRange`` of the representation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from .fields import (
    EPOCH,
    ByteRange,
    EntityTag,
    Segment,
    format_http_date,
    multipart_tail,
    parse_complete_length,
    parse_entity_tag,
    parse_http_date,
    part_head,
    unsatisfied_range,
)
from .plan import Plan, Reason, Representation

Field = tuple[str, str]

_SETTLED = timedelta(seconds=2)
_OFFLOAD_FIELDS = ("x-accel-redirect", "x-sendfile", "x-lighttpd-send-file")
_DIGESTS_OF_CONTENT = frozenset({"content-digest", "content-md5"})  # RFC 9530 2: of the bytes sent, not of the whole
_LENGTH = frozenset({"content-length", "content-range"})
_METADATA = _DIGESTS_OF_CONTENT | _LENGTH | {
    "accept-ranges", "content-disposition", "content-encoding", "content-language", "content-type",
    "digest", "last-modified", "repr-digest", "trailer", "transfer-encoding",
}
_DROPPED = {
    206: _DIGESTS_OF_CONTENT | _LENGTH | {"accept-ranges"},
    304: _METADATA,  # RFC 9110 15.4.5 keeps Content-Location and ETag
    412: _METADATA | {"content-location", "etag"},
    416: _METADATA | {"content-location", "etag"},
}
_TEXTS = {
    412: b"Precondition failed: the representation is not the one that the request is about.\n",
    416: b"Range not satisfiable: the representation ends before the first byte asked for.\n",
}


class Head:
    """The status and the header fields of the app's answer, looked up without regard to case.

    Of a field that stands more than once the first line counts.
    """

    def __init__(self, status: int, fields: Sequence[Field]) -> None:
        self.status = status
        self.fields = fields
        self._values = {name.lower(): value for name, value in reversed(fields)}
        self.complete_length = self._complete_length()

    def _complete_length(self) -> int | None:
        """What the app declares; None where it does not, or not in one way (RFC 9112 6.3)."""
        declared = {value for name, value in self.fields if name.lower() == "content-length"}
        return parse_complete_length(declared.pop()) if len(declared) == 1 else None

    def get(self, name: str) -> str | None:
        """The value of the field with this name in lower case; None if it is not there."""
        return self._values.get(name)

    @property
    def etag(self) -> EntityTag | None:
        """The current entity tag; None if there is none."""
        value = (self.get("etag") or "").strip()
        return parse_entity_tag(value) if value else None

    def date(self, name: str, now: datetime) -> datetime | None:
        """The time that the field with this name (in lower case) gives; None if there is none or it is unreadable."""
        value = self.get(name)
        return parse_http_date(value, now) if value else None

    def obstacle(self) -> Reason | None:
        """Why this answer must not be sliced; None if it may be."""
        content_type = self.get("content-type") or ""
        if self.status != 200:
            return Reason.STATUS
        if self.get("content-range") is not None:
            return Reason.OWN_CONTENT_RANGE
        if content_type.lower().startswith("multipart/byteranges"):
            return Reason.OWN_MULTIPART
        if self.get("transfer-encoding") is not None:
            return Reason.TRANSFER_ENCODING
        if any(self.get(name) is not None for name in _OFFLOAD_FIELDS):
            return Reason.OFFLOADED
        return self._declined()

    def _declined(self) -> Reason | None:
        if (self.get("accept-ranges") or "").strip().lower() == "none":
            return Reason.ACCEPT_RANGES_NONE
        coding = (self.get("content-encoding") or "").strip().lower()
        return None if coding in ("", "identity") or self._stable_under(coding) else Reason.CONTENT_CODING

    def _stable_under(self, coding: str) -> bool:
        """Whether the next request will bring the same bytes. A coding made on the fly need not: gzip notes the time.

        Flask-Compress makes such a tag of the tag of what it codes, and leaves it strong.
        """
        etag = self.etag
        return etag is not None and not etag.weak and not etag.opaque_tag.endswith(f":{coding}")

    def without(self, names: Collection[str]) -> list[Field]:
        """The fields but for those with these names (in lower case), in their order."""
        return [field for field in self.fields if field[0].lower() not in names]


def made_validators(
    head: Head, complete_length: int, mtime_ns: int, offset: int, now: datetime
) -> list[Field]:
    """The validators that a file on disk can have and this head lacks (RFC 9110 8.8.2.1 and 8.8.3.1).

    The tag is made of lengths and times only, so that hosts behind one load balancer agree. It is weak while the file
    is so young that it could change again within the resolution of its clock.
    """
    age = now - EPOCH - timedelta(microseconds=mtime_ns // 1000)
    made = []
    if head.get("last-modified") is None:  # RFC 9110 8.8.2.1: never later than the Date of the message
        made.append(("Last-Modified", format_http_date(now - min(max(age, timedelta(0)), now - EPOCH))))
    if head.get("etag") is None:
        opaque_tag = f"{complete_length:x}-{mtime_ns:x}" + (f"-{offset:x}" if offset else "")
        made.append(("ETag", str(EntityTag(opaque_tag, weak=age < _SETTLED))))
    return made


def describe(
    head: Head, complete_length: int | None, now: datetime, *, random_access: bool, obstacle: Reason | None = None
) -> Representation:
    """The representation that the app would send under this head, of this length in bytes (None: unknown).

    ``obstacle`` is what the body has against being sliced; the head may have something too.
    """
    date = head.date("date", now) or now
    return Representation(
        complete_length=complete_length,
        etag=head.etag,
        last_modified=head.date("last-modified", now),
        date=date,
        content_type=head.get("content-type"),
        random_access=random_access,
        status=head.status,
        obstacle=head.obstacle() or obstacle,
    )


class Reply(NamedTuple):
    """An answer whole: ``segments`` are its content, None where that is the app's body as it is."""

    status: int
    fields: list[Field]
    segments: tuple[Segment, ...] | None

    @property
    def needs_source(self) -> bool:
        """Whether bytes of the representation are in the content, as segments."""
        return any(isinstance(segment, ByteRange) for segment in self.segments or ())


def content_length(segments: Sequence[Segment]) -> int:
    """Bytes in the content: the one place that computes Content-Length."""
    return sum(segment.length if isinstance(segment, ByteRange) else len(segment) for segment in segments)


def compose(plan: Plan, head: Head, selected: Representation, boundary: str) -> Reply:
    """The answer that ``plan`` decided on. ``boundary`` has ``BOUNDARY_LENGTH`` characters, new for each answer."""
    if head.status != 200 or plan.status == 200:
        return _whole(plan, head, selected)
    if plan.status == 206:
        return _partial(plan, head, selected, boundary)
    if plan.status == 304:
        return Reply(304, _not_modified(head), (b"",))
    return _refusal(plan.status, head, selected)


def _partial(plan: Plan, head: Head, selected: Representation, boundary: str) -> Reply:
    complete_length = selected.complete_length or 0
    fields = head.without(_DROPPED[206])
    segments: tuple[Segment, ...] = plan.ranges
    if len(plan.ranges) == 1:
        fields.append(("Content-Range", plan.ranges[0].content_range(complete_length)))
    else:
        # RFC 9110 14.6: unquoted, since some recipients mishandle quotes
        fields = _replace(fields, "Content-Type", f"multipart/byteranges; boundary={boundary}")
        segments = _multipart(plan.ranges, complete_length, selected.content_type, boundary)
    return _with_length(206, _advertised(fields), segments)


def _multipart(
    ranges: Sequence[ByteRange], complete_length: int, content_type: str | None, boundary: str
) -> tuple[Segment, ...]:
    segments: list[Segment] = []
    for part in ranges:
        segments += part_head(content_type, part.content_range(complete_length), boundary), part
    return (*segments, multipart_tail(boundary))


def _not_modified(head: Head) -> list[Field]:
    """RFC 9110 15.4.5; Last-Modified stays where there is no ETag, for a cache to know which answer to freshen."""
    return head.without(_DROPPED[304] if head.etag else _DROPPED[304] - {"last-modified"})


def _refusal(status: int, head: Head, selected: Representation) -> Reply:
    fields = [*head.without(_DROPPED[status]), ("Content-Type", "text/plain; charset=utf-8")]
    if status == 416:
        fields = _advertised([*fields, ("Content-Range", unsatisfied_range(selected.complete_length or 0))])
    return _with_length(status, fields, (_TEXTS[status],))


def _whole(plan: Plan, head: Head, selected: Representation) -> Reply:
    """The app's own answer, advertised where it could be sliced.

    Where a Range was asked for and is not served, our bounded blocks send the content, and so its length is ours too.
    """
    complete_length = selected.complete_length
    if selected.obstacle is not None or complete_length is None:
        return Reply(head.status, list(head.fields), None)
    fields = _advertised(list(head.fields)) if selected.sliceable else list(head.fields)
    if plan.reason in (Reason.NO_RANGE, Reason.METHOD):
        return Reply(200, fields, None)
    return _with_length(200, fields, whole(complete_length))


def whole(complete_length: int) -> tuple[Segment, ...]:
    """The content where it is all of the representation."""
    return (ByteRange(0, complete_length - 1) if complete_length else b"",)


def _advertised(fields: list[Field]) -> list[Field]:
    if not any(name.lower() == "accept-ranges" for name, _ in fields):
        fields.append(("Accept-Ranges", "bytes"))
    return fields


def _with_length(status: int, fields: list[Field], segments: tuple[Segment, ...]) -> Reply:
    return Reply(status, _replace(fields, "Content-Length", str(content_length(segments))), segments)


def _replace(fields: list[Field], name: str, value: str) -> list[Field]:
    kept = [field for field in fields if field[0].lower() != name.lower()]
    return [*kept, (name, value)]
