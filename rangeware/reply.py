"""Head and content: what the app's head says, and what the answer's head and content are.

The content of an answer is a list of segments, each either literal bytes or a ``ByteRange`` of the representation.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from .core.segments import Segment, content_length, part_heads, whole_content
from .http.dates import EPOCH, format_http_date, parse_http_date
from .http.etags import EntityTag, parse_entity_tag
from .http.ranges import ByteRange, parse_complete_length, unsatisfied_range
from .plan import Plan, Reason, Representation, make

Field = tuple[str, str]

ACCEPT_RANGES = ("Accept-Ranges", "bytes")
_SETTLED = timedelta(seconds=2)
_REFUSING = {
    "content-range": Reason.OWN_CONTENT_RANGE,
    "transfer-encoding": Reason.TRANSFER_ENCODING,
    "x-accel-redirect": Reason.OFFLOADED,
    "x-sendfile": Reason.OFFLOADED,
    "x-lighttpd-send-file": Reason.OFFLOADED,
}
_DECIDING = frozenset({*_REFUSING, "accept-ranges", "content-encoding"})
_DIGESTS_OF_CONTENT = frozenset({"content-digest", "content-md5"})  # RFC 9530 2: of the bytes sent, not of the whole
_LENGTH = frozenset({"content-length", "content-range"})
_METADATA = _DIGESTS_OF_CONTENT | _LENGTH | {
    "accept-ranges", "content-disposition", "content-encoding", "content-language", "content-type",
    "digest", "last-modified", "repr-digest", "trailer", "transfer-encoding",
}
_DROPPED = {
    206: _DIGESTS_OF_CONTENT | _LENGTH | {"accept-ranges", "trailer"},
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
        self._judged = False
        self._obstacle: Reason | None = None

    def _complete_length(self) -> int | None:
        """What the app declares; None where it does not, or not in one way (RFC 9112 6.3)."""
        declared = self._values.get("content-length")
        if declared is None or len(self._values) < len(self.fields) and self._is_repeated("content-length"):
            return None
        return parse_complete_length(declared)

    def _is_repeated(self, name: str) -> bool:
        """Whether the field with this name has several values."""
        return len({value for key, value in self.fields if key.lower() == name}) > 1

    def get(self, name: str) -> str | None:
        """The value of the field with this name in lower case; None if it is not there."""
        return self._values.get(name)

    @property
    def etag(self) -> EntityTag | None:
        """The current entity tag; None if there is none."""
        value = (self.get("etag") or "").strip()
        return parse_entity_tag(value) if value else None

    @property
    def has_validators(self) -> bool:
        """Whether both kinds are there."""
        return "etag" in self._values and "last-modified" in self._values

    def date(self, name: str, now: datetime) -> datetime | None:
        """The time that the field with this name (in lower case) gives; None if there is none or it is unreadable."""
        value = self.get(name)
        return parse_http_date(value, now) if value else None

    def obstacle(self) -> Reason | None:
        """Why this answer must not be sliced; None if it may be."""
        if not self._judged:
            self._judged, self._obstacle = True, self._judge()
        return self._obstacle

    def _judge(self) -> Reason | None:
        if self.status != 200:
            return Reason.STATUS
        content_type = self._values.get("content-type")
        if content_type is not None and content_type[:20].lower() == "multipart/byteranges":
            return Reason.OWN_CONTENT_RANGE if "content-range" in self._values else Reason.OWN_MULTIPART
        return None if _DECIDING.isdisjoint(self._values) else self._refused() or self._declined()

    def _refused(self) -> Reason | None:
        for name, reason in _REFUSING.items():
            if name in self._values:
                return reason
        return None

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
    head: Head, complete_length: int | None, now: datetime | None, *, random_access: bool,
    obstacle: Reason | None = None,
) -> Representation:
    """The representation that the app would send under this head, of this length in bytes (None: unknown).

    ``obstacle`` is what the body has against being sliced; the head may have something too. Without ``now`` nobody asks
    about validators, and they are left out.
    """
    described = random_access, head.status, head.obstacle() or obstacle
    if now is None:
        return make(Representation, (complete_length, None, None, EPOCH, head.get("content-type"), *described))
    date = head.date("date", now) or now
    modified = head.date("last-modified", now)
    return Representation(complete_length, head.etag, modified, date, head.get("content-type"), *described)


class Reply(NamedTuple):
    """An answer whole: ``segments`` are its content, ``length`` bytes together; None where that is the app's body as it
    is."""

    status: int
    fields: list[Field]
    segments: tuple[Segment, ...] | None
    length: int = 0

    @property
    def needs_source(self) -> bool:
        """Whether bytes of the representation are in the content, as segments."""
        return ByteRange in map(type, self.segments or ())

    @property
    def literals(self) -> bytes:
        """The content, where it is made of nothing else."""
        return b"".join(segment for segment in self.segments or () if isinstance(segment, bytes))


def compose(plan: Plan, head: Head, selected: Representation, boundary: str) -> Reply:
    """The answer that ``plan`` decided on. ``boundary`` has ``BOUNDARY_LENGTH`` characters, new for each answer."""
    if head.status != 200 or plan.status == 200:
        return _whole(plan, head, selected)
    if plan.status == 206:
        return _partial(plan, head, selected, boundary)
    if plan.status == 304:
        return Reply(304, _not_modified(head), ())
    return _refusal(plan.status, head, selected)


def compose_one(plan: Plan, fields: list[Field], complete_length: int) -> Reply:
    """The answer with one range, as ``decide_one`` decided. Of the fields (of a 200) those are left out that the answer
    brings itself, if they are spelled as they mostly are."""
    return _one_part(plan, [field for field in fields if field[0] != "Content-Length"], complete_length)


def _one_part(plan: Plan, fields: list[Field], complete_length: int) -> Reply:
    fields.append(("Content-Range", plan.ranges[0].content_range(complete_length)))
    return _advertised(206, fields, plan.ranges, plan.ranges[0].length)


def _partial(plan: Plan, head: Head, selected: Representation, boundary: str) -> Reply:
    complete_length = selected.complete_length or 0
    fields = head.without(_DROPPED[206])
    if len(plan.ranges) == 1:
        return _one_part(plan, fields, complete_length)
    heads, tail = part_heads(plan.ranges, complete_length, selected.content_type, boundary)
    segments: list[Segment] = []
    for before, part in zip(heads, plan.ranges, strict=True):
        segments += before, part
    # RFC 9110 14.6: the boundary unquoted, since some recipients mishandle quotes
    fields = [field for field in fields if field[0].lower() != "content-type"]
    fields.append(("Content-Type", f"multipart/byteranges; boundary={boundary}"))
    return _advertised(206, fields, (*segments, tail), content_length(plan.ranges, (*heads, tail)))


def _not_modified(head: Head) -> list[Field]:
    """RFC 9110 15.4.5; Last-Modified stays where there is no ETag, for a cache to know which answer to freshen."""
    return head.without(_DROPPED[304] if head.etag else _DROPPED[304] - {"last-modified"})


def _refusal(status: int, head: Head, selected: Representation) -> Reply:
    text = _TEXTS[status]
    fields = [*head.without(_DROPPED[status]), ("Content-Type", "text/plain; charset=utf-8")]
    if status != 416:
        return Reply(status, [*fields, ("Content-Length", str(len(text)))], (text,), len(text))
    fields.append(("Content-Range", unsatisfied_range(selected.complete_length or 0)))
    return _advertised(416, fields, (text,), len(text))


def _whole(plan: Plan, head: Head, selected: Representation) -> Reply:
    """The app's own answer, advertised where it could be sliced.

    Where a Range was asked for and is not served, our bounded blocks send the content, and so its length is ours too.
    """
    complete_length = selected.complete_length
    if selected.obstacle is not None or complete_length is None:
        return Reply(head.status, list(head.fields), None)
    fields = list(head.fields)
    if selected.sliceable and head.get("accept-ranges") is None:
        fields.append(ACCEPT_RANGES)
    if plan.reason in (Reason.NO_RANGE, Reason.METHOD):
        return Reply(200, fields, None)
    fields = [field for field in fields if field[0].lower() != "content-length"]
    fields.append(("Content-Length", str(complete_length)))
    return Reply(200, fields, whole_content(complete_length), complete_length)


def _advertised(status: int, fields: list[Field], segments: tuple[Segment, ...], length: int) -> Reply:
    """An answer of ours: its fields lack what says how long it is, and that there are ranges."""
    fields += ACCEPT_RANGES, ("Content-Length", str(length))
    return make(Reply, (status, fields, segments, length))
