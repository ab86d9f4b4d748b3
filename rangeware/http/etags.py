"""Entity tags: ETag, If-Match, If-None-Match and the tag in If-Range (RFC 9110 sections 8.8.3 and 13.1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from .blocks import consists_of, trimmed

_OWS = " \t"  # RFC 9110 5.6.3
_ENTITY_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ONE_ENTITY_TAG = re.compile(_ENTITY_TAG)
_OPAQUE = bytes([0x21, *range(0x23, 0x7f), *range(0x80, 0x100)])
_BLANKS, _SEPARATORS = b" \t", b", \t"
_STEP = 4096  # characters; a shorter run of blanks and commas is faster tested one by one
_RUNS = {_BLANKS: re.compile(r"[ \t]+"), _SEPARATORS: re.compile(r"[, \t]+")}
_SHORT_TAGS = re.compile(
    r'(?:(?:W/)?"[\x21\x23-\x7e\x80-\xff]{0,1000}"[ \t]{0,1000}(?:,[, \t]{0,1000}|\Z)){1,100}')


class EntityTag(NamedTuple):
    """An entity tag (RFC 9110 8.8.3); ``opaque_tag`` is without its quotes.

    ``quoted`` is False for text that is not an entity tag. Some frameworks send their ETag without quotes and clients
    echo it; such a value equals the same raw text only.
    """

    opaque_tag: str
    weak: bool = False
    quoted: bool = True

    def strongly_matches(self, other: EntityTag) -> bool:
        """Strong comparison: neither is weak, and they are the same character for character (RFC 9110 8.8.3.2)."""
        return not self.weak and self == other

    def weakly_matches(self, other: EntityTag) -> bool:
        """Weak comparison: the same character for character, weak or not (RFC 9110 8.8.3.2)."""
        return self.opaque_tag == other.opaque_tag and self.quoted == other.quoted

    def __str__(self) -> str:
        opaque_tag = f'"{self.opaque_tag}"' if self.quoted else self.opaque_tag
        return f"W/{opaque_tag}" if self.weak else opaque_tag


def parse_entity_tag(value: str) -> EntityTag:
    """One entity tag; text that is not one comes back with ``quoted`` False."""
    text = value.strip(_OWS)
    match = _ONE_ENTITY_TAG.fullmatch(text)
    if match is None:
        return EntityTag(text, quoted=False)
    return EntityTag(match[2], weak=bool(match[1]))


def is_any(value: str) -> bool:
    """True if If-Match or If-None-Match has the value ``*``, which refers to any current representation."""
    return trimmed(value, 1) == "*"


def is_tag_list(value: str) -> bool:
    """True if the value of If-Match or If-None-Match is a list of entity tags (RFC 9110 13.1.1 and 13.1.2).

    There can be very many, so that none is built: ``names_strongly`` and ``names_weakly`` search the text for one.
    """
    first = pos = _after(_SEPARATORS, value, 0)
    while pos < len(value):
        match = _SHORT_TAGS.match(value, pos)
        end = _end_of_member(value, pos) if match is None else match.end()
        if end is None:
            return False
        pos = _after(_SEPARATORS, value, end)
    return first < pos


def _end_of_member(value: str, pos: int) -> int | None:
    """The position after the entity tag at ``pos`` and the blanks after it; None if there is none in the list."""
    start = pos + 2 if value.startswith("W/", pos) else pos
    end = value.find('"', start + 1)
    if not value.startswith('"', start) or end < 0 or not consists_of(_OPAQUE, value, start + 1, end):
        return None
    end = _after(_BLANKS, value, end + 1)
    return end if end == len(value) or value[end] == "," else None


def names_strongly(value: str, tag: EntityTag) -> bool:
    """True if a list of entity tags has one that this one strongly matches (RFC 9110 8.8.3.2)."""
    return not tag.weak and any(not value.startswith("W/", max(0, pos - 2)) for pos in _places(value, tag))


def names_weakly(value: str, tag: EntityTag) -> bool:
    """True if a list of entity tags has one that this one weakly matches (RFC 9110 8.8.3.2)."""
    return any(True for _ in _places(value, tag))


def _places(value: str, tag: EntityTag) -> Iterator[int]:
    """The places in a list where this opaque tag begins with its quote."""
    text = f'"{tag.opaque_tag}"'
    quotes, before = 0, 0
    pos = value.find(text) if tag.quoted else -1
    while pos >= 0:
        quotes += value.count('"', before, pos)
        if quotes % 2 == 0:  # else it begins with the quote that ends another tag
            yield pos
        before, pos = pos, value.find(text, pos + 1)


def _after(characters: bytes, value: str, pos: int) -> int:
    """The position after those of these characters that stand from ``pos`` on."""
    end = _end_of_run(characters, value, pos, pos + _STEP)
    if end < pos + _STEP:
        return end
    while end + _STEP <= len(value) and consists_of(characters, value, end, end + _STEP):
        end += _STEP
    return _end_of_run(characters, value, end, len(value))


def _end_of_run(characters: bytes, value: str, pos: int, end: int) -> int:
    match = _RUNS[characters].match(value, pos, end)
    return pos if match is None else match.end()
