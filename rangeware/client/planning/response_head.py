"""The head of a response as values: status, lengths, and the version of the file that it is of.

A server may send anything. A field that is malformed counts as absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from ...http.dates import EPOCH, parse_http_date
from ...http.etags import EntityTag, parse_entity_tag
from ...http.ranges import ContentRange, parse_complete_length, parse_content_range
from .codings import parse_codings

_SECOND = timedelta(seconds=1)
_NO_TIME = timedelta(0)
_LONGEST_WAIT = 10**10  # seconds
_LONGEST = 2**62  # bytes: more than any file has


class FileVersion(NamedTuple):
    """The marks by which one version of a file is told from another (RFC 9110 8.8).

    :param etag: the entity tag, weak or strong; None if there is none, or it is malformed.
    :param last_modified: the text of Last-Modified.
    :param dated: True if Last-Modified is a strong validator: at least a second older than Date (8.8.2.2).
    :param complete_length: in bytes; None while it is unknown.
    :param media_type: of Content-Type, in lower case.
    :param codings: of Content-Encoding. Ranges are of the coded bytes (RFC 9110 14.2): another coding is another
        file, byte for byte.
    :param clocked: True if Last-Modified is not before Date, as of a server that puts the time of the response there.
    """

    etag: EntityTag | None = None
    last_modified: str | None = None
    dated: bool = False
    complete_length: int | None = None
    media_type: str | None = None
    codings: tuple[str, ...] = ()
    clocked: bool = False

    @property
    def if_range(self) -> str | None:
        """The value of If-Range that asks for this version; None if it has no strong validator.

        RFC 9110 13.1.5: a strong entity tag; a date only if there is no entity tag at all, and the date is strong.
        """
        if self.etag is not None and not self.etag.weak:
            return str(self.etag)
        return self.last_modified if self.dated and self.etag is None else None

    def completed_by(self, other: FileVersion) -> FileVersion:
        """This version, with the marks that it lacks taken from another response of the same version."""
        length = other.complete_length if self.complete_length is None else self.complete_length
        if self.etag is None and other.etag is not None:
            return self._replace(
                etag=other.etag, last_modified=other.last_modified, dated=other.dated, complete_length=length,
                clocked=other.clocked)
        return self._replace(complete_length=length)

    @property
    def has_validator(self) -> bool:
        """True if there is an entity tag or a date, strong or not."""
        return self.etag is not None or self.last_modified is not None

    def difference(self, other: FileVersion) -> str:
        """The mark that shows ``other`` to be another version, as text for a person; ``""`` if none does."""
        if None not in (self.complete_length, other.complete_length) and self.complete_length != other.complete_length:
            return f"{other.complete_length} bytes instead of {self.complete_length}"
        if other.codings != self.codings and not (self.is_vouched_for_by(other) and not other.codings):
            # RFC 9110 15.3.7: a part that was asked for with If-Range need not name the coding once more.
            return f"Content-Encoding {_named(other.codings)} instead of {_named(self.codings)}"
        if self.etag is not None and other.etag is not None:
            return "" if self.etag.weakly_matches(other.etag) else f"ETag {other.etag} instead of {self.etag}"
        if self.clocked and other.clocked:  # such dates differ always, and say nothing
            return ""
        if None not in (self.last_modified, other.last_modified) and self.last_modified != other.last_modified:
            return f"Last-Modified {other.last_modified} instead of {self.last_modified}"
        return ""

    def shares_validator(self, other: FileVersion) -> bool:
        """True if ``other`` has a validator of this version. If it still differs, the server contradicts itself."""
        has_same_tag = self.etag is not None and other.etag is not None and self.etag.weakly_matches(other.etag)
        return has_same_tag or self.is_vouched_for_by(other)

    def is_vouched_for_by(self, other: FileVersion) -> bool:
        """True if ``other`` has the strong validator of this version, so that it is the same, byte for byte."""
        return self.if_range is not None and self.if_range == other.if_range


def _named(codings: tuple[str, ...]) -> str:
    return ", ".join(codings)[:100] or "none"


class ResponseHead(NamedTuple):
    """The head of a response.

    :param fields: names in lower case, repeated lines joined by a comma.
    :param address: the URL that answered.
    """

    status: int
    fields: Mapping[str, str]
    address: str = ""

    @property
    def content_range(self) -> ContentRange | None:
        """Content-Range; None if it is absent or malformed (RFC 9110 14.4)."""
        return parse_content_range(self.fields.get("content-range", ""))

    @property
    def content_length(self) -> int | None:
        """The length of the content in bytes; None if it is unknown, or a Transfer-Encoding overrides it."""
        if "transfer-encoding" in self.fields:  # RFC 9112 6.3
            return None
        length = parse_complete_length(self.fields.get("content-length", ""))
        return None if length is None or length > _LONGEST else length

    @property
    def is_chunked(self) -> bool:
        """True if the end of the content shows without a length (RFC 9112 7.1)."""
        return self.fields.get("transfer-encoding", "").strip().lower() == "chunked"

    @property
    def has_clear_end(self) -> bool:
        """False if the fields that say where the content ends are malformed (RFC 9112 6.3).

        True also for a response without any: its content ends with the connection.
        """
        if "transfer-encoding" in self.fields:
            return self.is_chunked
        return "content-length" not in self.fields or self.content_length is not None

    @property
    def codings(self) -> tuple[str, ...]:
        """The content codings, in the order in which they were applied."""
        return parse_codings(self.fields.get("content-encoding", ""))

    @property
    def media_type(self) -> str | None:
        """The media type without parameters, in lower case."""
        return self.fields.get("content-type", "").partition(";")[0].strip().lower() or None

    def version(self) -> FileVersion:
        """The version of the file that this response is of."""
        tag = parse_entity_tag(self.fields.get("etag", ""))
        last_modified = self.fields.get("last-modified", "").strip() or None
        age = self._age()
        return FileVersion(tag if tag.quoted else None, last_modified, age is not None and age >= _SECOND,
                           self._complete_length(), self.media_type, self.codings, age is not None and age <= _NO_TIME)

    def _complete_length(self) -> int | None:
        if self.status != 206:
            return self.content_length if self.status == 200 else None
        content_range = self.content_range
        return None if content_range is None else content_range.complete_length

    def _age(self) -> timedelta | None:
        """The time from Last-Modified to Date; None if one of them is absent.

        RFC 9110 8.8.2.2: a file that changes twice in a second keeps its date; one second later it cannot. 8.8.2.1: a
        file cannot have been modified after the response.
        """
        date = self.date("date")
        last_modified = self.date("last-modified", date)
        return None if date is None or last_modified is None else date - last_modified

    def date(self, name: str, now: datetime | None = None) -> datetime | None:
        """The time in UTC that a field names; None if it is absent or malformed."""
        return parse_http_date(self.fields.get(name, ""), now or EPOCH.replace(year=2000))

    @property
    def retry_after(self) -> float:
        """Retry-After in seconds from the time of the response; 0 if it is absent or malformed (RFC 9110 10.2.3)."""
        value = self.fields.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            return float(min(int(value[:11]), _LONGEST_WAIT))
        date, then = self.date("date"), self.date("retry-after")
        return max(0.0, (then - date).total_seconds()) if date is not None and then is not None else 0.0
