"""The fields Range, Content-Range and Content-Length (RFC 9110 sections 8.6, 14.1, 14.2 and 14.4).

``parse_range`` turns a Range field into range-specs; each of them ``resolve``\\ s to the ``ByteRange`` that it selects
in a representation of a known length. Positions are zero based and inclusive at both ends, as on the wire.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_OWS = " \t"  # RFC 9110 5.6.3
_MAX_DIGITS = 20  # more than any length has: a file system ends at 2**63
_BEYOND = 10**_MAX_DIGITS
_BEYOND_DIGITS = str(_BEYOND)
_SHORT_SPEC = 2 * len(_BEYOND_DIGITS) + 1  # characters in a range-spec whose numerals ``int`` can always take
_UNIT = re.compile(r"[ \t]*([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100})=")  # RFC 9110 14.1: a token; none is that long
_SLICE = 65536  # characters of a numeral tested at once; testing them as bytes takes a tenth of the time
_ZEROS = re.compile("0+(?=[0-9])")
_EMPTY_MEMBERS = 100  # RFC 9110 5.6.1.2: "a reasonable number" of empty list members
_LONGEST = 2**62  # bytes: more than any file has
_CONTENT_RANGE = re.compile(r"bytes +(?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE)

_new = tuple.__new__  # builds a NamedTuple at half the cost; a Range field can have very many members


class ByteRange(NamedTuple):
    """Bytes of a representation: zero based, both positions inclusive (RFC 9110 14.1.2).

    >>> ByteRange(0, 99).length
    100
    """

    first_pos: int
    last_pos: int

    @property
    def next_pos(self) -> int:
        """The position after the last byte: the one place that converts to a half-open interval."""
        return self.last_pos + 1

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.last_pos - self.first_pos + 1

    def content_range(self, complete_length: int) -> str:
        """Content-Range of a 206 that carries these bytes (RFC 9110 14.4)."""
        return f"bytes {self.first_pos}-{self.last_pos}/{complete_length}"


class IntRange(NamedTuple):
    """``first-pos "-" [ last-pos ]``; ``last_pos`` is inclusive, None for "to the end" (RFC 9110 14.1.1)."""

    first_pos: int
    last_pos: int | None

    def resolve(self, complete_length: int) -> ByteRange | None:
        """The bytes selected in a representation of this length; None if unsatisfiable.

        RFC 9110 14.1.2. ``complete_length`` is in bytes and may be 0.
        """
        if self.first_pos >= complete_length:
            return None
        if self.last_pos is None or self.last_pos >= complete_length:
            return ByteRange(self.first_pos, complete_length - 1)
        return ByteRange(self.first_pos, self.last_pos)


class SuffixRange(NamedTuple):
    """``"-" suffix-length``: the last ``suffix_length`` bytes (RFC 9110 14.1.1)."""

    suffix_length: int

    def resolve(self, complete_length: int) -> ByteRange | None:
        """The bytes selected in a representation of this length; None if unsatisfiable.

        RFC 9110 14.1.2. A suffix longer than the representation selects all of it.
        """
        if self.suffix_length == 0 or complete_length == 0:
            return None
        return ByteRange(max(0, complete_length - self.suffix_length), complete_length - 1)


RangeSpec = IntRange | SuffixRange
"""One member of a Range field (RFC 9110 14.1.1)."""


class ContentRange(NamedTuple):
    """A Content-Range field: ``part`` is None in a 416, ``complete_length`` is None where the sender wrote ``*``."""

    part: ByteRange | None
    complete_length: int | None


def range_unit(value: str) -> str:
    """The unit of a Range field in lower case; ``""`` if it does not begin with one and ``=`` (RFC 9110 14.1)."""
    if value.startswith("bytes="):
        return "bytes"
    match = _UNIT.match(value)
    return match[1].lower() if match else ""


def count_range_specs(value: str) -> int:
    """An upper bound on the number of range-specs in a Range field, found without parsing it.

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
        return _long_range_spec(member)
    first, hyphen, last = member.partition("-")
    if first.isdigit():
        if last.isdigit():
            first_pos, last_pos = int(first), int(last)
            # RFC 9110 14.1.1: an int-range that ends before it begins is invalid
            return _new(IntRange, (first_pos, last_pos)) if first_pos <= last_pos else None
        return IntRange(int(first), None) if hyphen and not last else None
    return SuffixRange(int(last)) if not first and last.isdigit() else None


def _long_range_spec(member: str) -> RangeSpec | None:
    """Parse a range-spec whose numerals may be of any length."""
    first, hyphen, last = member.partition("-")
    first, last = _without_leading_zeros(first), _without_leading_zeros(last)
    if hyphen and last and (len(first), first) > (len(last), last):
        return None
    return _range_spec(f"{_clamped(first)}{hyphen}{_clamped(last)}")


def _without_leading_zeros(text: str) -> str:
    zeros = _ZEROS.match(text)  # there may be a million: ``lstrip`` takes several times as long
    return text if zeros is None else text[zeros.end():]


def _clamped(text: str) -> str:
    """Replace an ASCII numeral beyond any length by one that ``int`` can take, and long text that is none by "?"."""
    if len(text) <= _MAX_DIGITS:
        return text
    slices = (text[pos:pos + _SLICE] for pos in range(0, len(text), _SLICE))
    return _BEYOND_DIGITS if all(each.encode("latin-1").isdigit() for each in slices) else "?"


def parse_complete_length(value: str) -> int | None:
    """A Content-Length field in bytes; None if it is no number or larger than any length can be (RFC 9110 8.6)."""
    digits = value if value.isdecimal() else value.strip(_OWS)
    if not (digits.isdecimal() and digits.isascii()):
        return None
    length = int(_clamped(_without_leading_zeros(digits)))
    return length if length < _BEYOND else None


def parse_content_range(value: str) -> ContentRange | None:
    """A Content-Range field in the unit ``bytes``; None if it is malformed or contradicts itself (RFC 9110 14.4)."""
    match = _CONTENT_RANGE.fullmatch(value.strip())
    if match is None:
        return None
    complete_length = None if match[3] == "*" else int(match[3])
    if match[1] is None:
        return ContentRange(None, complete_length)
    part = ByteRange(int(match[1]), int(match[2]))
    bound = _LONGEST if complete_length is None else min(complete_length, _LONGEST)
    return ContentRange(part, complete_length) if part.length > 0 and part.last_pos < bound else None


def unsatisfied_range(complete_length: int) -> str:
    """Content-Range of a 416 (RFC 9110 14.4)."""
    return f"bytes */{complete_length}"
