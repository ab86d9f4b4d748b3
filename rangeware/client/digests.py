"""The expected digest of the complete file: given by the user, by the URL, or by the server.

Pure. What cannot be relied on, such as a weak algorithm or a malformed field, counts as no digest.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from ..errors import InvalidOption

_SHA256 = re.compile("[0-9A-Fa-f]{64}")
_LENGTHS = {"sha512": 64, "sha256": 32}  # bytes, the strongest first
_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256"}  # RFC 9530 section 5: all others are not to be relied on

_KEY = "[a-z*][a-z0-9_.*-]*"
_BARE_ITEM = r"""
    (?: :[A-Za-z0-9+/=]*:                       # byte sequence
      | "(?: [\x20\x21\x23-\x5b\x5d-\x7e] | \\["\\] )*"
      | -?[0-9]{1,15}(?:\.[0-9]{1,3})?
      | \?[01]
      | [A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*  # token
    )"""
_MEMBER = re.compile(
    rf"(?P<key>{_KEY}) (?: = (?P<value>{_BARE_ITEM}) )? (?: ;[ ]* {_KEY} (?: = {_BARE_ITEM} )? )*", re.VERBOSE
)
_COMMA = re.compile("[ \t]*,[ \t]*")
_BASE64 = re.compile("([A-Za-z0-9+/]*)={0,2}")


class Digest(NamedTuple):
    """A digest of a representation: ``algorithm`` as ``hashlib`` names it, and the digest itself, not in hex."""

    algorithm: str
    value: bytes


def digest_of(algorithm: str, digits: str) -> Digest:
    """Make a digest of its digits in hex.

    :raises ValueError: if the algorithm or the number of digits is not one to rely on.
    """
    value = bytes.fromhex(digits)
    if _LENGTHS.get(algorithm) != len(value):
        raise ValueError(algorithm)
    return Digest(algorithm, value)


def parse_sha256(text: str) -> str:
    """Check a SHA-256 in hex as a person gives it, and return it in lower case.

    :raises InvalidOption: unless it is 64 hex digits.
    """
    digits = text.strip() if isinstance(text, str) else ""
    if not _SHA256.fullmatch(digits):
        raise InvalidOption(f"sha256 must be 64 hex digits, not {text!r}")
    return digits.lower()


def digest_of_fragment(url: str) -> str | None:
    """The SHA-256 in hex from the fragment of a URL, ``#sha256=...``; None if it has none.

    :raises InvalidOption: if it is not 64 hex digits: a check that was asked for must not be left out.
    """
    for setting in url.partition("#")[2].split("&"):
        name, equals, value = setting.partition("=")
        if equals and name.lower() == "sha256":
            return parse_sha256(value)
    return None


def declared_digest(fields: Mapping[str, str]) -> Digest | None:
    """The strongest digest of the whole representation that a response declares; None if it declares none.

    Repr-Digest (RFC 9530) before Digest (RFC 3230). Content-Digest is of the content sent, which may be a part, and
    does not count. Nor do malformed members and weak algorithms.

    :param fields: by name in lower case.
    """
    digests = [*declared_digests(fields.get("repr-digest", "")), *_known(_instance_digests(fields.get("digest", "")))]
    return max(digests, key=lambda digest: len(digest.value), default=None)


def declared_digests(value: str) -> list[Digest]:
    """The digests in a Repr-Digest or Content-Digest field (RFC 9530) that can be relied on."""
    return _known(_dictionary(value))


def _known(members: Iterable[tuple[str, str]]) -> list[Digest]:
    return [digest for algorithm, text in members if (digest := _digest(algorithm, text))]


def _digest(algorithm: str, text: str) -> Digest | None:
    """Make a digest of base64; None if the algorithm is not one to rely on, or the text not of the right length."""
    name = _ALGORITHMS.get(algorithm.lower())
    value = _decoded(text)
    return Digest(name, value) if name and value is not None and len(value) == _LENGTHS[name] else None


def _decoded(text: str) -> bytes | None:
    """Decode base64, also without padding (RFC 8941 4.2.7); None if it is malformed."""
    match = _BASE64.fullmatch(text)
    if match is None:
        return None
    try:
        return base64.b64decode(match[1] + "=" * (-len(match[1]) % 4))
    except binascii.Error:
        return None


def _dictionary(value: str) -> Iterator[tuple[str, str]]:
    """Yield the byte sequences in a dictionary (RFC 8941 3.2), without colons; none if it is malformed anywhere."""
    members: dict[str, str] = {}
    text, pos = value.strip(" "), 0
    while match := _MEMBER.match(text, pos):
        members[match["key"]] = match["value"] or ""  # the last of a key counts
        if match.end() == len(text):
            break
        comma = _COMMA.match(text, match.end())
        if comma is None:
            return
        pos = comma.end()
    else:
        return
    for key, item in members.items():
        if item.startswith(":"):
            yield key, item[1:-1]


def _instance_digests(value: str) -> Iterator[tuple[str, str]]:
    """Yield the members of a Digest field (RFC 3230 4.3.2), malformed or not."""
    for member in value.split(","):
        algorithm, _, text = member.strip(" \t").partition("=")
        yield algorithm, text
