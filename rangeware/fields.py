"""Grammar: from field text to values and back (RFC 9110).

Parsers return None for text that is not to the grammar, which means: ignore the field. They never raise on what a
client sent, and their cost is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime, timezone
from email.utils import format_datetime
from typing import NamedTuple

_OWS = " \t"  # RFC 9110 5.6.3
_MAX_DIGITS = 20  # more than any length has: a file system ends at 2**63
_BEYOND = 10**_MAX_DIGITS
_BEYOND_DIGITS = str(_BEYOND)
_SHORT_SPEC = 2 * len(_BEYOND_DIGITS) + 1  # characters in a range-spec of which ``int`` can take the numerals
_LONGEST_UNIT = 100  # characters up to the "=" after a unit
_SLICE = 65536  # characters of a numeral looked at at once: as bytes, of which a test takes a tenth of the time
_ZEROS = re.compile("0+(?=[0-9])")
_EMPTY_MEMBERS = 100  # RFC 9110 5.6.1.2: "a reasonable number" of empty list members

make = tuple.__new__  # makes a NamedTuple at half the cost, where very many are made

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


class ByteRange(NamedTuple):
    """Bytes of a representation: zero based, both positions inclusive, as on the wire (RFC 9110 14.1.2).

    >>> ByteRange(0, 99).length
    100
    """

    first_pos: int
    last_pos: int

    @property
    def next_pos(self) -> int:
        """The position after the last byte: the one place that converts to half-open."""
        return self.last_pos + 1

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last_pos - self.first_pos + 1

    def content_range(self, complete_length: int) -> str:
        """The value of Content-Range for these bytes (RFC 9110 14.4)."""
        return f"bytes {self.first_pos}-{self.last_pos}/{complete_length}"


class IntRange(NamedTuple):
    """``first-pos "-" [ last-pos ]``; ``last_pos`` is inclusive, None where it was left out (RFC 9110 14.1.1)."""

    first_pos: int
    last_pos: int | None

    def resolve(self, complete_length: int) -> ByteRange | None:
        """The bytes meant in a representation of this length; None if unsatisfiable.

        RFC 9110 14.1.2. ``complete_length`` is in bytes and may be 0.
        """
        if self.first_pos >= complete_length:
            return None
        if self.last_pos is None or self.last_pos >= complete_length:
            return ByteRange(self.first_pos, complete_length - 1)
        return make(ByteRange, self)


class SuffixRange(NamedTuple):
    """``"-" suffix-length``: the last so many bytes (RFC 9110 14.1.1)."""

    suffix_length: int

    def resolve(self, complete_length: int) -> ByteRange | None:
        """The bytes meant in a representation of this length; None if unsatisfiable.

        RFC 9110 14.1.2. A suffix longer than the representation means all of it.
        """
        if self.suffix_length == 0 or complete_length == 0:
            return None
        return ByteRange(max(0, complete_length - self.suffix_length), complete_length - 1)


RangeSpec = IntRange | SuffixRange

Segment = bytes | ByteRange
"""A piece of the content of an answer: literal bytes, or bytes of the representation."""


class EntityTag(NamedTuple):
    """An entity tag (RFC 9110 8.8.3), ``opaque_tag`` without its quotes.

    ``quoted`` is False for text that is no entity tag. Some frameworks send theirs without quotes and clients echo
    them; such a tag equals the same raw text only.
    """

    opaque_tag: str
    weak: bool = False
    quoted: bool = True

    def strongly_matches(self, other: EntityTag) -> bool:
        """RFC 9110 8.8.3.2: neither is weak, and they are the same character for character."""
        return not self.weak and self == other

    def weakly_matches(self, other: EntityTag) -> bool:
        """RFC 9110 8.8.3.2: the same character for character, weak or not."""
        return self.opaque_tag == other.opaque_tag and self.quoted == other.quoted

    def __str__(self) -> str:
        opaque_tag = f'"{self.opaque_tag}"' if self.quoted else self.opaque_tag
        return f"W/{opaque_tag}" if self.weak else opaque_tag


_ENTITY_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ONE_ENTITY_TAG = re.compile(_ENTITY_TAG)
_LISTED_ENTITY_TAG = re.compile(rf"[ \t,]*{_ENTITY_TAG}[ \t]*(?:,[ \t,]*|\Z)")

ANY = "*"
"""What If-Match and If-None-Match say of any current representation at all."""


def parse_complete_length(value: str) -> int | None:
    """The value of Content-Length in bytes; None where it is no number or beyond what any length can be."""
    digits = value if value.isdecimal() else value.strip(_OWS)
    if not (digits.isdecimal() and digits.isascii()):
        return None
    length = int(_cut(_significant(digits)))
    return length if length < _BEYOND else None


def range_unit(value: str) -> str:
    """The unit of a Range field in lower case, ``""`` where there is none (RFC 9110 14.1)."""
    if value.startswith("bytes="):
        return "bytes"
    unit, equals, _ = value[:_LONGEST_UNIT].strip(_OWS).partition("=")
    return unit.lower() if equals else ""


def count_range_specs(value: str) -> int:
    """At least as many as the range-specs in this field, without taking it apart.

    Each range-spec has one hyphen. Commas count beyond a reasonable number of empty members (RFC 9110 5.6.1.2).
    """
    return max(value.count("-"), value.count(",") - _EMPTY_MEMBERS)


def parse_range(value: str) -> tuple[RangeSpec, ...] | None:
    """The range-specs of a Range field in the unit ``bytes``, in their order; None means ignore the field.

    RFC 9110 14.1.1 and 14.2. One invalid member makes the whole set invalid.
    """
    if "-" not in value or not value.isascii() or range_unit(value) != "bytes":
        return None
    specs = []
    for member in value.partition("=")[2].split(","):
        spec = _range_spec(member) or _range_spec(member.strip(_OWS)) if member else None
        if spec is not None:
            specs.append(spec)
        elif member.strip(_OWS):
            return None
    return tuple(specs) or None


def _range_spec(member: str) -> RangeSpec | None:
    if len(member) > _SHORT_SPEC:
        return _long_spec(member)
    first, hyphen, last = member.partition("-")
    if first.isdigit():
        if last.isdigit():
            first_pos, last_pos = int(first), int(last)
            # RFC 9110 14.1.1: an int-range that ends before it begins is invalid
            return make(IntRange, (first_pos, last_pos)) if first_pos <= last_pos else None
        return IntRange(int(first), None) if hyphen and not last else None
    return SuffixRange(int(last)) if not first and last.isdigit() else None


def _long_spec(member: str) -> RangeSpec | None:
    """The same where there may be numerals of any length."""
    first, hyphen, last = member.partition("-")
    first, last = _significant(first), _significant(last)
    if hyphen and last and (len(first), first) > (len(last), last):
        return None
    return _range_spec(f"{_cut(first)}{hyphen}{_cut(last)}")


def _significant(text: str) -> str:
    """A numeral without leading zeros. There may be very many: ``lstrip`` takes several times as long."""
    zeros = _ZEROS.match(text)
    return text if zeros is None else text[zeros.end():]


def _cut(text: str) -> str:
    """A numeral (in ASCII) that is beyond any length as one that ``int`` can take; what is none stays none."""
    if len(text) <= _MAX_DIGITS:
        return text
    slices = (text[pos:pos + _SLICE] for pos in range(0, len(text), _SLICE))
    return _BEYOND_DIGITS if all(each.encode("latin-1").isdigit() for each in slices) else "?"


def parse_entity_tag(value: str) -> EntityTag:
    """One entity tag; text that is none comes back with ``quoted`` False."""
    text = value.strip(_OWS)
    match = _ONE_ENTITY_TAG.fullmatch(text)
    if match is None:
        return EntityTag(text, quoted=False)
    return EntityTag(match[2], weak=bool(match[1]))


def parse_entity_tags(value: str) -> tuple[EntityTag, ...] | str | None:
    """The value of If-Match or If-None-Match: ``ANY``, or the tags listed; None means ignore the field.

    RFC 9110 13.1.1 and 13.1.2.
    """
    text = value.strip(_OWS)
    if text == ANY:
        return ANY
    tags, pos = [], 0
    while pos < len(text):
        match = _LISTED_ENTITY_TAG.match(text, pos)
        if match is None:
            return None
        tags.append(EntityTag(match[2], weak=bool(match[1])))
        pos = match.end()
    return tuple(tags) or None


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})"
_DAY_NAME = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY_NAME = "(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_DAY = "(?P<day>[0-9]{2})"
_YEAR = "(?P<year>[0-9]{4})"
_HTTP_DATES = tuple(
    re.compile(form)
    for form in (
        f"{_DAY_NAME}, {_DAY} {_MONTH} {_YEAR} {_TIME} GMT",  # IMF-fixdate
        f"{_LONG_DAY_NAME}, {_DAY}-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT",  # rfc850-date
        f"{_DAY_NAME} {_MONTH} (?P<day>[0-9]{{2}}| [0-9]) {_TIME} {_YEAR}",  # asctime-date
    )
)


def parse_http_date(value: str, now: datetime) -> datetime | None:
    """The time that an HTTP-date names, in UTC; None means ignore the field.

    RFC 9110 5.6.7, all three forms. ``now`` (in UTC) settles the century of a year of two digits.
    """
    text = value.strip(_OWS)
    for form in _HTTP_DATES:
        match = form.fullmatch(text)
        if match is not None:
            return _datetime(match, now)
    return None


def _datetime(match: re.Match[str], now: datetime) -> datetime | None:
    day, hour, minute, second = (int(match[name]) for name in ("day", "hour", "minute", "second"))
    month = _MONTHS.index(match["month"]) + 1
    year = int(match["year"]) if len(match["year"]) == 4 else _full_year(int(match["year"]), now.year)
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
    except ValueError:  # 31 February, 25 o'clock, the year 0
        return None


def _full_year(last_two_digits: int, current_year: int) -> int:
    """RFC 9110 5.6.7: more than 50 years in the future means the most recent past year with these digits."""
    year = current_year - current_year % 100 + last_two_digits
    return year - 100 if year > current_year + 50 else year


def format_http_date(moment: datetime) -> str:
    """``moment`` (in UTC) as IMF-fixdate, the form to generate (RFC 9110 5.6.7)."""
    return format_datetime(moment, usegmt=True)


def unsatisfied_range(complete_length: int) -> str:
    """The value of Content-Range in a 416 (RFC 9110 14.4)."""
    return f"bytes */{complete_length}"


def part_heads(
    ranges: Iterable[ByteRange], complete_length: int, content_type: str | None, boundary: str
) -> tuple[list[bytes], bytes]:
    """What stands before the bytes of each part of multipart/byteranges, and after the last (RFC 9110 14.6).

    Each begins with the CRLF that belongs to the delimiter (RFC 2046 5.1.1). A body that thus begins with CRLF is
    allowed and needed: zsync 0.6.2 repeats its requests for ever without it, and aborts without the CRLF at the end.
    """
    delimiter = f"\r\n--{boundary}".encode("latin-1")
    type_line = "" if content_type is None else f"Content-Type: {content_type}\r\n"
    before = delimiter + f"\r\n{type_line}Content-Range: bytes ".encode("latin-1")
    after = f"/{complete_length}\r\n\r\n".encode("latin-1")
    return [b"%b%d-%d%b" % (before, *part, after) for part in ranges], delimiter + b"--\r\n"
