"""The fields Range, Content-Range and Content-Length (RFC 9110 sections 8.6, 14.1, 14.2 and 14.4).

``parse_range`` turns a Range field into range-specs; each of them ``resolve``\\ s to the ``ByteRange`` that it selects
in a representation of a known length. Positions are zero based and inclusive at both ends, as on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import le
from typing import NamedTuple

from .blocks import BLOCK, consists_of

_OWS = " \t"  # RFC 9110 5.6.3
_MAX_DIGITS = 20  # more than any length has: a file system ends at 2**63
_BEYOND = 10**_MAX_DIGITS
_SHORT_SPEC = 2 * _MAX_DIGITS + 1  # characters in a range-spec whose numerals ``int`` can always take
_SHORT_FIELD = len("bytes=") + _SHORT_SPEC
_UNIT = re.compile(r"[ \t]{0,100}([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100})=")  # RFC 9110 14.1: a token; none is that long
_SEVERAL = 100  # characters in a Range field: where it pays to convert all numerals at once
_DIGITS = b"0123456789"
_ZEROS = "0" * BLOCK
_EMPTY_MEMBERS = 100  # RFC 9110 5.6.1.2: "a reasonable number" of empty list members
_LONGEST = 2**62  # bytes: more than any file has
_CONTENT_RANGE = re.compile(r"bytes +(?:([0-9]{1,19})-([0-9]{1,19})|\*)/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE)

_new = tuple.__new__  # builds a NamedTuple at half the cost; a Range field can have very many members


class ByteRange(NamedTuple):
    """Bytes of a file or other representation (RFC 9110 14.1.2).

    :param first_pos: position of the first byte; that of the whole is 0.
    :param last_pos: position of the last byte, inclusive.

    >>> ByteRange(0, 99).length
    100
    """

    first_pos: int
    last_pos: int

    @property
    def next_pos(self) -> int:
        """The position after the last byte, for half-open intervals and slices."""
        return self.last_pos + 1

    @property
    def length(self) -> int:
        """The number of bytes."""
        return self.last_pos - self.first_pos + 1

    def content_range(self, complete_length: int) -> str:
        """Return the Content-Range of a 206 that carries these bytes (RFC 9110 14.4).

        :param complete_length: bytes of the whole.
        """
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

_NOTHING = IntRange(_BEYOND, None)


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


def has_more_range_specs(value: str, most: int) -> bool:
    """True if a Range field can have more than ``most`` range-specs, found without parsing it.

    Each range-spec has one hyphen. Commas count beyond a reasonable number of empty members (RFC 9110 5.6.1.2).
    """
    return _has_more(value, "-", most) or _has_more(value, ",", most + _EMPTY_MEMBERS)


def _has_more(value: str, char: str, most: int) -> bool:
    """True if the character is more than ``most`` times in the text."""
    is_more = value.count(char, 0, BLOCK) > most
    if is_more or len(value) <= BLOCK:
        return is_more
    pos = -1
    for _ in range(most + 1):  # in a long text where it is rare, much faster than counting
        pos = value.find(char, pos + 1)
        if pos < 0:
            return False
    return True


def parse_range(value: str) -> tuple[RangeSpec, ...] | None:
    """The range-specs of a Range field in the unit ``bytes``, in their order; None means ignore the field.

    RFC 9110 14.1.1 and 14.2. One invalid member makes the whole set invalid.
    """
    if "," not in value and len(value) <= _SHORT_FIELD and value[:6] == "bytes=" and value.isascii():
        spec = _range_spec(value[6:])
        if spec is not None:
            return (spec,)
    if not value.isascii() or range_unit(value) != "bytes":
        return None
    pos = value.index("=") + 1
    if len(value) > BLOCK:
        return _long_range_specs(value, pos)
    text = value[pos:]
    return len(text) > _SEVERAL and _int_ranges(text) or _range_specs(text)


def resolve_all(specs: Iterable[RangeSpec], complete_length: int) -> list[tuple[int, int]]:
    """The first and last position of each range that is satisfiable, in their order.

    It selects what ``resolve`` of each range-spec selects, at a third of the cost.
    """
    end = complete_length - 1
    positions = [spec if type(spec) is IntRange else spec.resolve(complete_length) or _NOTHING for spec in specs]
    return [(first, end if last is None or last > end else last) for first, last in positions if first <= end]


def _int_ranges(text: str) -> tuple[RangeSpec, ...] | None:
    """Parse a set of int-ranges that all have both positions, at half the cost; None if it is anything else."""
    numerals = text.replace("-", ",").split(",")
    if text.encode().translate(None, _DIGITS) + b"," != b"-," * (len(numerals) // 2):
        return None
    try:
        numbers = list(map(int, numerals))
    except ValueError:  # a numeral is missing, or longer than ``int`` takes
        return None
    first, last = numbers[::2], numbers[1::2]
    if not all(map(le, first, last)):
        return None
    return (*map(_new, [IntRange] * len(first), zip(first, last, strict=True)),)


def _range_specs(text: str) -> tuple[RangeSpec, ...] | None:
    """Parse any set of range-specs."""
    specs: list[RangeSpec] = []
    for member in text.split(","):
        stripped = member.strip(_OWS)
        if stripped:
            spec = _range_spec(stripped) if len(stripped) <= _SHORT_SPEC else _long_member(stripped)
            if spec is None:
                return None
            specs.append(spec)
    return tuple(specs) or None


def _range_spec(member: str) -> RangeSpec | None:
    first, hyphen, last = member.partition("-")
    if first.isdigit():
        if last.isdigit():
            first_pos, last_pos = int(first), int(last)
            # RFC 9110 14.1.1: an int-range that ends before it begins is invalid
            return _new(IntRange, (first_pos, last_pos)) if first_pos <= last_pos else None
        return IntRange(int(first), None) if hyphen and not last else None
    return SuffixRange(int(last)) if not first and last.isdigit() else None


# --- text of any length: read where it stands, with no more than a block of it copied at once ---

def _long_range_specs(value: str, pos: int) -> tuple[RangeSpec, ...] | None:
    """Parse the set of range-specs from ``pos`` on."""
    if "-" not in value or not consists_of(_DIGITS + b"-, \t", value, pos, len(value)):
        return None
    specs: list[RangeSpec] = []
    while pos <= len(value):
        comma = value.find(",", pos)
        stop = len(value) if comma < 0 else comma
        pos = _after_blanks(value, pos, stop)
        if pos < stop:
            end = _before_blanks(value, pos, stop)
            spec = _range_spec(value[pos:end]) if end - pos <= _SHORT_SPEC else _long_range_spec(value, pos, end)
            if spec is None:
                return None
            specs.append(spec)
        pos = stop + 1
    return tuple(specs) or None


def _long_member(member: str) -> RangeSpec | None:
    return _long_range_spec(member, 0, len(member)) if consists_of(_DIGITS + b"-", member, 0, len(member)) else None


def _long_range_spec(value: str, pos: int, end: int) -> RangeSpec | None:
    """Parse a range-spec longer than ``_SHORT_SPEC``, of nothing but digits, hyphens and blanks."""
    hyphen = value.find("-", pos, end)
    if hyphen < 0 or value.find("-", hyphen + 1, end) >= 0 or _has_blank(value, pos, end):
        return None
    if hyphen == pos:
        return SuffixRange(_number(value, pos + 1, end))
    first_pos = _number(value, pos, hyphen)
    if hyphen + 1 == end:
        return _new(IntRange, (first_pos, None))
    last_pos = _number(value, hyphen + 1, end)
    if first_pos == last_pos == _BEYOND and _is_less(value, hyphen + 1, end, than=(pos, hyphen)):
        return None
    return _new(IntRange, (first_pos, last_pos)) if first_pos <= last_pos else None


def _has_blank(value: str, pos: int, end: int) -> bool:
    return value.find(" ", pos, end) >= 0 or value.find("\t", pos, end) >= 0


def _after_blanks(value: str, pos: int, end: int) -> int:
    """The position after the blanks from ``pos`` on, in text that has no other space."""
    while pos < end and value[pos] in _OWS:
        block = value[pos:min(pos + BLOCK, end)]
        pos += len(block) - len(block.lstrip())  # fifteen times as fast as with an argument
    return pos


def _before_blanks(value: str, pos: int, end: int) -> int:
    """The position before the blanks up to ``end``, in text that has no other space."""
    while pos < end and value[end - 1] in _OWS:
        block = value[max(pos, end - BLOCK):end]
        end -= len(block) - len(block.rstrip())
    return end


def _number(value: str, pos: int, end: int) -> int:
    """Convert the digits in these bounds; ``_BEYOND`` if they are beyond any length."""
    start = end - _MAX_DIGITS
    if start <= pos:
        return int(value[pos:end])
    return int(value[start:end]) if value[pos] == "0" and _is_zero(value, pos, start) else _BEYOND


def _is_zero(value: str, pos: int, end: int) -> bool:
    """True if there is nothing but zeros in these bounds."""
    while pos < end and _ZEROS.startswith(value[pos:min(pos + BLOCK, end)]):
        pos += BLOCK
    return pos >= end


def _is_less(value: str, pos: int, end: int, than: tuple[int, int]) -> bool:
    """Compare the numeral in these bounds with the one in the bounds ``than``."""
    start, stop = than
    common = min(end - pos, stop - start)
    if not _is_zero(value, pos, end - common) or not _is_zero(value, start, stop - common):
        return end - pos < stop - start
    for left in range(common, 0, -BLOCK):
        length = min(left, BLOCK)
        block, other = value[end - left:end - left + length], value[stop - left:stop - left + length]
        if block != other:
            return block < other
    return False


def parse_complete_length(value: str) -> int | None:
    """A Content-Length field in bytes; None if it is no number or larger than any length can be (RFC 9110 8.6)."""
    if len(value) > _MAX_DIGITS:
        return _long_complete_length(value)
    digits = value if value.isdecimal() else value.strip(_OWS)
    return int(digits) if digits.isdecimal() and digits.isascii() else None


def _long_complete_length(value: str) -> int | None:
    if not consists_of(_DIGITS + b" \t", value, 0, len(value)):
        return None
    pos = _after_blanks(value, 0, len(value))
    end = _before_blanks(value, pos, len(value))
    length = _BEYOND if pos == end or _has_blank(value, pos, end) else _number(value, pos, end)
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
