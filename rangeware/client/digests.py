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

LENGTHS = {
    "sha512": 64, "blake2b": 64, "sha3_512": 64, "sha384": 48, "sha3_384": 48, "sha256": 32, "blake2s": 32,
    "sha3_256": 32, "sha224": 28, "sha3_224": 28, "sha1": 20, "md5": 16,
}
"""The algorithms that a person may name, as ``hashlib`` does: the bytes of their digests, the strongest first."""

_HEX = re.compile("(?:[0-9A-Fa-f]{2})+")
_ALGORITHMS = {"sha-512": "sha512", "sha-256": "sha256"}  # RFC 9530 section 5: all others are not to be relied on
_SPELLINGS = {name.replace("_", ""): name for name in LENGTHS}

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

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.value.hex()}"

    @property
    def rank(self) -> int:
        """The place of its algorithm among all; that of the strongest is 0."""
        return list(LENGTHS).index(self.algorithm)


class Pieces(NamedTuple):
    """The digests of the pieces of a file.

    >>> from hashlib import sha256
    >>> pieces = Pieces(2**20, "sha256", (sha256(bytes(2**20)).digest(), sha256(b"the end").digest()))

    :param length: bytes of each piece but the last, which may be shorter.
    :param algorithm: the name of the algorithm in ``hashlib``.
    :param digests: one for each piece, in their order; bytes, not hexadecimal digits.
    """

    length: int
    algorithm: str
    digests: tuple[bytes, ...]


def algorithm_named(name: str) -> str | None:
    """The algorithm as ``hashlib`` names it, in whatever way it is spelt: SHA-256, sha256, SHA3-256; None if unknown.

    >>> algorithm_named("SHA3-256")
    'sha3_256'
    """
    return _SPELLINGS.get(name.strip().lower().replace("-", "").replace("_", ""))


def digest_of(algorithm: str, digits: str) -> Digest:
    """Make a digest of its digits in hex.

    :raises ValueError: if the algorithm is unknown, or has another number of digits.
    """
    value = bytes.fromhex(digits)
    if LENGTHS.get(algorithm) != len(value):
        raise ValueError(algorithm)
    return Digest(algorithm, value)


def parse_sha256(text: str) -> str:
    """Check a SHA-256 in hex as a person gives it, and return it in lower case.

    :raises InvalidOption: unless it is 64 hex digits.
    """
    return _given("sha256", text).value.hex()


def parse_checksum(text: str) -> Digest:
    """Parse a digest as a person gives it: ``ALGORITHM:HEX``.

    MD5 and SHA-1 are accepted: they still tell a damaged file from a good one, and who gives them has no better.

    :raises InvalidOption: if it is not that.

    >>> parse_checksum("md5:d41d8cd98f00b204e9800998ecf8427e").algorithm
    'md5'
    """
    name, colon, digits = text.partition(":") if isinstance(text, str) else ("", "", "")
    algorithm = algorithm_named(name)
    if not colon or algorithm is None:
        raise InvalidOption(f"checksum must be ALGORITHM:HEX with one of {', '.join(LENGTHS)}, not {text!r}")
    return _given(algorithm, digits)


def _given(algorithm: str, text: str) -> Digest:
    digits = text.strip() if isinstance(text, str) else ""
    if not _HEX.fullmatch(digits) or len(digits) != 2 * LENGTHS[algorithm]:
        raise InvalidOption(f"{algorithm} must be {2 * LENGTHS[algorithm]} hex digits, not {text!r}")
    return digest_of(algorithm, digits)


def digest_of_fragment(url: str) -> Digest | None:
    """The digest from the fragment of a URL, ``#sha256=HEX``; None if it has none. Of several, the strongest.

    :raises InvalidOption: if one is malformed: a check that was asked for must not be left out.
    """
    settings = (setting.partition("=") for setting in url.partition("#")[2].split("&"))
    named = ((algorithm_named(name), value) for name, equals, value in settings if equals)
    return strongest(_given(algorithm, value) for algorithm, value in named if algorithm is not None)


def names_digest(url: str) -> bool:
    """True if the fragment of a URL names a digest, well-formed or not."""
    settings = (setting.partition("=") for setting in url.partition("#")[2].split("&"))
    return any(equals and algorithm_named(name) is not None for name, equals, _ in settings)


def strongest(digests: Iterable[Digest]) -> Digest | None:
    """The digest of the strongest algorithm, the first of several such; None if there is none."""
    return min(digests, key=lambda digest: digest.rank, default=None)


def declared_digest(fields: Mapping[str, str]) -> Digest | None:
    """The strongest digest of the whole representation that a response declares; None if it declares none.

    Repr-Digest (RFC 9530) before Digest (RFC 3230). Content-Digest is of the content sent, which may be a part, and
    does not count. Nor do malformed members and weak algorithms.

    :param fields: by name in lower case.
    """
    digests = [*declared_digests(fields.get("repr-digest", "")), *_known(_instance_digests(fields.get("digest", "")))]
    return strongest(digests)


def declared_digests(value: str) -> list[Digest]:
    """The digests in a Repr-Digest or Content-Digest field (RFC 9530) that can be relied on."""
    return _known(_dictionary(value))


def _known(members: Iterable[tuple[str, str]]) -> list[Digest]:
    return [digest for algorithm, text in members if (digest := _digest(algorithm, text))]


def _digest(algorithm: str, text: str) -> Digest | None:
    """Make a digest of base64; None if the algorithm is not one to rely on, or the text not of the right length."""
    name = _ALGORITHMS.get(algorithm.lower())
    value = _decoded(text)
    return Digest(name, value) if name and value is not None and len(value) == LENGTHS[name] else None


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
