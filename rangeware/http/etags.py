"""Entity tags: ETag, If-Match, If-None-Match and the tag in If-Range (RFC 9110 sections 8.8.3 and 13.1)."""

from __future__ import annotations

import re
from typing import NamedTuple

_OWS = " \t"  # RFC 9110 5.6.3
_ENTITY_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_ONE_ENTITY_TAG = re.compile(_ENTITY_TAG)
_LISTED_ENTITY_TAG = re.compile(rf"[ \t,]*{_ENTITY_TAG}[ \t]*(?:,[ \t,]*|\Z)")

ANY = "*"
"""If-Match and If-None-Match with this value refer to any current representation."""


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
