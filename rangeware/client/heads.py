"""What the head of an answer says, in values. A server may say anything: what is not to the grammar is None."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from ..http.dates import EPOCH, parse_http_date
from ..http.etags import EntityTag, parse_entity_tag
from ..http.ranges import ContentRange, parse_complete_length, parse_content_range

_SECOND = timedelta(seconds=1)
_LONGEST_WAIT = 10**6  # seconds
_LONGEST = 2**62  # bytes: more than any file has


class Identity(NamedTuple):
    """What tells one version of a file from another (RFC 9110 8.8).

    :param etag: the entity tag, weak or strong; None if there is none, or text that is none.
    :param last_modified: the text of Last-Modified.
    :param dated: whether Last-Modified is a strong validator: at least a second older than Date (8.8.2.2).
    :param complete_length: in bytes; None while it is unknown.
    :param media_type: of the Content-Type, in lower case.
    """

    etag: EntityTag | None = None
    last_modified: str | None = None
    dated: bool = False
    complete_length: int | None = None
    media_type: str | None = None

    @property
    def if_range(self) -> str | None:
        """The value of If-Range that stands for this version; None where nothing can.

        RFC 9110 13.1.5: a strong entity tag; a date only where there is no entity tag at all, and the date is strong.
        """
        if self.etag is not None and not self.etag.weak:
            return str(self.etag)
        return self.last_modified if self.dated and self.etag is None else None

    def completed_by(self, other: Identity) -> Identity:
        """This version, with what an answer with bytes of it tells in addition."""
        length = other.complete_length if self.complete_length is None else self.complete_length
        if self.etag is None and other.etag is not None:
            return self._replace(
                etag=other.etag, last_modified=other.last_modified, dated=other.dated, complete_length=length)
        return self._replace(complete_length=length)

    @property
    def has_validator(self) -> bool:
        """Whether there is an entity tag or a date, strong or not."""
        return self.etag is not None or self.last_modified is not None

    def difference(self, other: Identity) -> str:
        """What shows that ``other`` is of another version; ``""`` if nothing does."""
        if None not in (self.complete_length, other.complete_length) and self.complete_length != other.complete_length:
            return f"{other.complete_length} bytes instead of {self.complete_length}"
        if self.etag is not None and other.etag is not None:
            return "" if self.etag.weakly_matches(other.etag) else f"ETag {other.etag} instead of {self.etag}"
        if None not in (self.last_modified, other.last_modified) and self.last_modified != other.last_modified:
            return f"Last-Modified {other.last_modified} instead of {self.last_modified}"
        return ""

    def contradicted_by(self, other: Identity) -> bool:
        """Whether ``other`` has the validator of this version. If it differs all the same, one of both is a lie."""
        same_tag = self.etag is not None and other.etag is not None and self.etag.weakly_matches(other.etag)
        return same_tag or self.vouched_by(other)

    def vouched_by(self, other: Identity) -> bool:
        """Whether ``other`` has the strong validator of this version."""
        return self.if_range is not None and self.if_range == other.if_range


class Head(NamedTuple):
    """The head of an answer. ``fields``: names in lower case, lines of one name joined by a comma."""

    status: int
    fields: Mapping[str, str]

    @property
    def content_range(self) -> ContentRange | None:
        """The value of Content-Range; None where it is missing or not to the grammar (RFC 9110 14.4)."""
        return parse_content_range(self.fields.get("content-range", ""))

    @property
    def content_length(self) -> int | None:
        """The length of the content in bytes; None where it is not said, or a coding of the message goes before it."""
        if "transfer-encoding" in self.fields:  # RFC 9112 6.3
            return None
        length = parse_complete_length(self.fields.get("content-length", ""))
        return None if length is None or length > _LONGEST else length

    @property
    def chunked(self) -> bool:
        """Whether the end of the content shows without a length (RFC 9112 7.1)."""
        return self.fields.get("transfer-encoding", "").strip().lower() == "chunked"

    @property
    def readable(self) -> bool:
        """Whether it is certain where the content ends, or that only the end of the connection tells (RFC 9112 6.3)."""
        if "transfer-encoding" in self.fields:
            return self.chunked
        return "content-length" not in self.fields or self.content_length is not None

    @property
    def coding(self) -> str:
        """The content coding; ``""`` for none."""
        coding = self.fields.get("content-encoding", "").strip().lower()
        return "" if coding == "identity" else coding

    @property
    def media_type(self) -> str | None:
        """The media type, without parameters."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower() or None

    def identity(self) -> Identity:
        """The version of the file that this answer is of."""
        tag = parse_entity_tag(self.fields.get("etag", ""))
        last_modified = self.fields.get("last-modified", "").strip() or None
        return Identity(tag if tag.quoted else None, last_modified, self._dated(), self._complete_length(),
                        self.media_type)

    def _complete_length(self) -> int | None:
        if self.status != 206:
            return self.content_length if self.status == 200 else None
        content_range = self.content_range
        return None if content_range is None else content_range.complete_length

    def _dated(self) -> bool:
        """RFC 9110 8.8.2.2: a file that changes twice in a second has one date; one second later it cannot any more."""
        date = self.date("date")
        last_modified = self.date("last-modified", date)
        return None not in (date, last_modified) and date - last_modified >= _SECOND  # type: ignore[operator]

    def date(self, name: str, now: datetime | None = None) -> datetime | None:
        """The time in UTC that a field names; None where there is none."""
        return parse_http_date(self.fields.get(name, ""), now or EPOCH.replace(year=2000))

    @property
    def retry_after(self) -> float:
        """Seconds to wait before the next request, 0 where nothing is said (RFC 9110 10.2.3)."""
        value = self.fields.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(min(int(value[:8]), _LONGEST_WAIT))
        date, then = self.date("date"), self.date("retry-after")
        return max(0.0, (then - date).total_seconds()) if date is not None and then is not None else 0.0
