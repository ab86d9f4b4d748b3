"""The head of the app's response: its status and header fields, and what they mean for ranges.

An adapter reads the head that the app sent into an ``AppHead``. ``describe`` makes the ``Representation`` of it that
``core.plan`` decides on; ``validators_of_file`` makes the ETag and Last-Modified that the head of a file lacks.
``glance`` lets the adapters skip all that for simple responses.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta, timezone
from functools import lru_cache

from ..http.dates import EPOCH, format_http_date, parse_http_date
from ..http.etags import EntityTag, parse_entity_tag
from ..http.ranges import parse_complete_length
from .values import Reason, Representation

Field = tuple[str, str]
"""A header field: its name and its value."""

_OBSTACLES = {
    "content-range": Reason.OWN_CONTENT_RANGE,
    "transfer-encoding": Reason.TRANSFER_ENCODING,
    "x-accel-redirect": Reason.OFFLOADED,
    "x-sendfile": Reason.OFFLOADED,
    "x-sendfile2": Reason.OFFLOADED,
    "x-lighttpd-send-file": Reason.OFFLOADED,
    "x-lighttpd-send-tempfile": Reason.OFFLOADED,
    "x-litespeed-location": Reason.OFFLOADED,
    "x-reproxy-url": Reason.OFFLOADED,
    "x-reproxy-file": Reason.OFFLOADED,
}
"""Fields whose mere presence means that the response must not be sliced."""

_DECISIVE = frozenset({*_OBSTACLES, "accept-ranges", "content-encoding"})
SPECIAL_NAMES = _DECISIVE | {
    "content-digest", "content-length", "content-md5", "content-type", "date", "etag", "last-modified", "server",
    "trailer"}
"""Names, in lower case, of the fields that are not the same on a 206 as on a 200, or decide something."""

_SETTLING_TIME = 2 * 10**9  # nanoseconds
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_TIME = 631_152_000 * 10**9  # 1990-01-01, in nanoseconds since 1970
_LATEST_TIME = 253_402_300_800 * 10**9  # the year 10000: beyond what datetime holds

_HARMLESS = frozenset({
    "Access-Control-Allow-Credentials", "Access-Control-Allow-Headers", "Access-Control-Allow-Methods",
    "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Access-Control-Max-Age", "Age", "Cache-Control",
    "Content-Disposition", "Content-Language", "Content-Location", "Content-Security-Policy",
    "Cross-Origin-Embedder-Policy", "Cross-Origin-Opener-Policy", "Cross-Origin-Resource-Policy", "Expires", "Link",
    "Location", "P3P", "Permissions-Policy", "Pragma", "Referrer-Policy", "Server-Timing", "Set-Cookie",
    "Strict-Transport-Security", "Timing-Allow-Origin", "Vary", "Via", "X-Content-Type-Options", "X-Frame-Options",
    "X-Powered-By", "X-Request-Id", "X-Request-ID", "X-Robots-Tag", "X-XSS-Protection",
})
"""The commonest of the other fields, in their usual spelling."""

USUAL_NAMES = _HARMLESS | {"Accept-Ranges", "Content-Length", "Content-Type", "ETag", "Last-Modified"}
"""Names of fields in their usual spelling."""

_LIVE_TYPES = ("text/event-stream", "multipart/x-mixed-replace")
_MOST_DIGITS = 18
_COMMON_TYPES = frozenset({
    "application/json", "application/octet-stream", "application/pdf", "application/zip", "audio/mpeg", "image/jpeg",
    "image/png", "text/css; charset=utf-8", "text/html", "text/html; charset=utf-8", "text/plain",
    "text/plain; charset=utf-8", "video/mp4",
})


class AppHead:
    """The status and the header fields of the app's response, looked up by name in any case.

    If a field is repeated, its first line counts. ``complete_length`` is the Content-Length in bytes; None if it is
    missing, malformed, or there are several that differ (RFC 9112 6.3).
    """

    def __init__(self, status: int, fields: Sequence[Field]) -> None:
        self.status = status
        self.fields = fields
        self._values = {name.lower(): value for name, value in reversed(fields)}
        self.complete_length = self._declared_length()
        self._is_judged = False
        self._obstacle: Reason | None = None

    def _declared_length(self) -> int | None:
        declared = self._values.get("content-length")
        if declared is None or len(self._values) < len(self.fields) and self._has_several("content-length"):
            return None
        return parse_complete_length(declared)

    def _has_several(self, name: str) -> bool:
        return len({value for key, value in self.fields if key.lower() == name}) > 1

    def get(self, name: str) -> str | None:
        """The value of the field with this name, given in lower case; None if it is absent."""
        return self._values.get(name)

    @property
    def etag(self) -> EntityTag | None:
        """The entity tag in ETag; None if there is none."""
        value = (self.get("etag") or "").strip()
        return parse_entity_tag(value) if value else None

    @property
    def has_validators(self) -> bool:
        """True if both ETag and Last-Modified are present."""
        return "etag" in self._values and "last-modified" in self._values

    @property
    def is_live(self) -> bool:
        """True if Content-Type says that the content goes on for as long as the client listens."""
        return (self.get("content-type") or "").strip().lower().startswith(_LIVE_TYPES)

    def date(self, name: str, now: datetime) -> datetime | None:
        """The HTTP-date in the field with this name, given in lower case; None if it is absent or malformed."""
        value = self.get(name)
        return parse_http_date(value, now) if value else None

    def obstacle(self) -> Reason | None:
        """The reason why this response must not be sliced; None if it may be."""
        if not self._is_judged:
            self._is_judged, self._obstacle = True, self._find_obstacle()
        return self._obstacle

    @property
    def may_be_cut(self) -> bool:
        """True if content that is longer than declared may be cut: that of a 200 which we understand."""
        return self.obstacle() in (None, Reason.CONTENT_CODING, Reason.ACCEPT_RANGES_NONE)

    def _find_obstacle(self) -> Reason | None:
        if self.status != 200:
            return Reason.STATUS
        content_type = self._values.get("content-type")
        if content_type is not None and content_type[:20].lower() == "multipart/byteranges":
            return Reason.OWN_CONTENT_RANGE if "content-range" in self._values else Reason.OWN_MULTIPART
        return None if _DECISIVE.isdisjoint(self._values) else self._forbidding_field() or self._forbidding_value()

    def _forbidding_field(self) -> Reason | None:
        for name, reason in _OBSTACLES.items():
            if name in self._values:
                return reason
        return None

    def _forbidding_value(self) -> Reason | None:
        if (self.get("accept-ranges") or "").strip().lower() == "none":
            return Reason.ACCEPT_RANGES_NONE
        coding = (self.get("content-encoding") or "").strip().lower()
        return None if coding in ("", "identity") or self._is_stable(coding) else Reason.CONTENT_CODING

    def _is_stable(self, coding: str) -> bool:
        """True if a strong ETag promises the same coded bytes for the next request.

        Content that is coded on the fly differs from one request to the next: gzip writes the time into it. Yet
        Flask-Compress leaves the tag of the plain content strong, and only appends ``:`` and the coding.
        """
        etag = self.etag
        return etag is not None and not etag.weak and not etag.opaque_tag.endswith(f":{coding}")

    def without(self, names: Collection[str]) -> list[Field]:
        """The fields except those with these names, given in lower case, in their order."""
        return [field for field in self.fields if field[0].lower() not in names]


def validators_of_file(
    head: AppHead, complete_length: int, mtime_ns: int, offset: int, now: datetime
) -> list[Field]:
    """Make the validators of a file on disk that the head lacks (RFC 9110 8.8.2.1 and 8.8.3.1).

    The tag is made of lengths and times only, so that hosts behind one load balancer agree. There is none while the
    file is so young that it could change again within the resolution of its clock: a weak one that turned strong would
    look like another version to whoever compares the text. A time before 1990 is a constant of a build tool (0, 1, or
    the year 1980, where zip begins), which two versions may share, so that nothing is made of it.

    :param complete_length: in bytes.
    :param mtime_ns: time of modification in nanoseconds since 1970.
    :param offset: position in the file of the first byte of the representation.
    """
    has_tag, has_date = head.get("etag") is not None, head.get("last-modified") is not None
    now_ns = (now - EPOCH) // _MICROSECOND * 1000
    return [*missing_validators(has_tag, has_date, complete_length, mtime_ns, offset, now_ns)]


def missing_validators(
    has_tag: bool, has_date: bool, complete_length: int, mtime_ns: int, offset: int, now_ns: int
) -> tuple[Field, ...]:
    """Make the validators of a file that the head lacks: see ``validators_of_file``.

    :param now_ns: in nanoseconds since 1970.
    """
    if now_ns - mtime_ns >= _SETTLING_TIME:
        return _settled_validators(has_tag, has_date, complete_length, mtime_ns, offset)
    if has_date or mtime_ns < _EARLIEST_TIME or mtime_ns >= _LATEST_TIME:
        return ()
    return (_last_modified(min(mtime_ns, now_ns)),)  # RFC 9110 8.8.2.1: never later than the Date of the message


@lru_cache(maxsize=1024)
def _settled_validators(
    has_tag: bool, has_date: bool, complete_length: int, mtime_ns: int, offset: int
) -> tuple[Field, ...]:
    if not _EARLIEST_TIME <= mtime_ns < _LATEST_TIME:
        return ()
    made = () if has_date else (_last_modified(mtime_ns),)
    suffix = f"-{offset:x}" if offset else ""
    return made if has_tag else (*made, ("ETag", f'"{complete_length:x}-{mtime_ns:x}{suffix}"'))


def _last_modified(time_ns: int) -> Field:
    return "Last-Modified", format_http_date(EPOCH + timedelta(microseconds=time_ns // 1000))


def validators_of_body(
    head: AppHead, etag: str | None, last_modified: datetime | None, now: datetime
) -> list[Field]:
    """Return the validators that the body itself knows, and the head lacks.

    :param etag: as in ETag; without its quotes, it gets them. What cannot be an entity tag is left out.
    :param last_modified: in any time zone. RFC 9110 8.8.2.1: never later than the Date of the message.
    """
    known = []
    if last_modified is not None and head.get("last-modified") is None:
        known.append(("Last-Modified", format_http_date(min(now, last_modified.astimezone(timezone.utc)))))
    if etag and head.get("etag") is None:
        tag = parse_entity_tag(etag)
        tag = tag if tag.quoted else parse_entity_tag(f'"{tag.opaque_tag}"')
        known += [("ETag", str(tag))] if tag.quoted else []
    return known


def describe(
    head: AppHead, complete_length: int | None, now: datetime | None, *, random_access: bool,
    obstacle: Reason | None = None,
) -> Representation:
    """Describe the representation that the app would send under this head.

    :param complete_length: in bytes; None where it is unknown.
    :param now: None if the request compares no validators: they are left out then.
    :param obstacle: a reason in the body not to slice it; the head may have one too.
    """
    described = random_access, head.status, head.obstacle() or obstacle
    if now is None:
        return Representation(complete_length, None, None, EPOCH, head.get("content-type"), *described)
    date = head.date("date", now) or now
    modified = head.date("last-modified", now)
    return Representation(complete_length, head.etag, modified, date, head.get("content-type"), *described)


def glance(fields: Sequence[Field]) -> tuple[str, bool, bool]:
    """Read from the fields of a 200 what the fast path needs, if the response obviously can be sliced.

    :returns: the Content-Length; True if there is an ETag; True if there is a Last-Modified. The Content-Length is ""
        if it is missing, or if anything is unusual, so that the response has to take the general way.
    """
    declared = None
    has_tag = has_date = False
    for name, value in fields:
        if name in _HARMLESS:
            continue
        if name == "Content-Length":
            if declared is not None:
                return "", has_tag, has_date
            declared = value
        elif name == "Content-Type":
            if value not in _COMMON_TYPES and (type(value) is not str or value[:1] in "mM"):
                return "", has_tag, has_date  # it may be multipart/byteranges
        elif name == "ETag":
            has_tag = True
        elif name == "Last-Modified":
            has_date = True
        elif type(name) is not str or name.lower() in SPECIAL_NAMES:
            return "", has_tag, has_date
    return declared or "", has_tag, has_date


def is_positive(declared: str) -> bool:
    """True if a Content-Length is obviously a number of bytes, and not 0."""
    return declared[:1] > "0" and declared.isdigit() and declared.isascii() and len(declared) <= _MOST_DIGITS
