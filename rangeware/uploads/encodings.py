"""Encoded text in header fields: Upload-Metadata and Upload-Checksum of tus, digests (RFC 9530), file names (RFC 6266).

Pure. The cost is linear in the length of the text, and nothing that a client sends raises.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from email.message import Message

from .protocol.values import Digest

_LONGEST_METADATA = 8192  # characters
_LONGEST_DISPOSITION = 2048  # characters
_KEY = re.compile(r"[\x21-\x2b\x2d-\x7e]+")  # printable ASCII without space and comma
_ALGORITHMS = {"sha1": 20, "sha256": 32, "md5": 16}  # bytes
_RFC_9530 = {"sha-256": "sha256", "sha-512": "sha512"}  # section 5: the others are not to be relied on
_MEMBER = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/]*={0,2}):(?:;[^,]*)?")

CHECKSUM_ALGORITHMS = ",".join(_ALGORITHMS)
"""The value of Tus-Checksum-Algorithm."""


def parse_metadata(value: str) -> dict[str, str] | None:
    """Parse Upload-Metadata; None if it is malformed, has a key twice, or is longer than 8,192 characters.

    A value that is not UTF-8 keeps its other characters.
    """
    metadata: dict[str, str] = {}
    for pair in value.split(",") if value.strip() else ():
        key, _, encoded = pair.strip(" ").partition(" ")
        octets = _decode(encoded.strip(" "))
        if octets is None or key in metadata or not _KEY.fullmatch(key):
            return None
        metadata[key] = octets.decode("utf-8", "replace")
    return metadata if len(value) <= _LONGEST_METADATA else None


def format_metadata(metadata: Mapping[str, str]) -> str:
    """Write metadata as the value of Upload-Metadata."""
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in metadata.items())


def parse_file_name(disposition: str) -> str:
    """Return the file name in a Content-Disposition as the client wrote it, for display only; "" if it has none."""
    message = Message()
    if len(disposition) > _LONGEST_DISPOSITION:  # the parser takes quadratic time
        return ""
    try:
        message["Content-Disposition"] = disposition
        name = message.get_filename("").encode("utf-8", "replace").decode()
    except (LookupError, ValueError, TypeError):  # of odd charsets and continuations (RFC 2231)
        return ""
    try:
        return name.encode("latin-1").decode()  # raw UTF-8, as browsers send it
    except UnicodeError:
        return name


def parse_checksum(value: str) -> Digest | None:
    """Parse Upload-Checksum; None if it is malformed, or the algorithm is not one of ``CHECKSUM_ALGORITHMS``."""
    algorithm, _, encoded = value.strip(" ").partition(" ")
    octets = _decode(encoded.strip(" "))
    return Digest(algorithm, octets) if octets is not None and len(octets) == _ALGORITHMS.get(algorithm) else None


def parse_digest(value: str) -> Digest | None:
    """Parse Content-Digest or Repr-Digest: the strongest digest in it; None if there is none that can be checked."""
    digests = []
    for member in value.split(","):
        match = _MEMBER.fullmatch(member.strip(" \t"))
        octets = _decode(match[2]) if match and match[1] in _RFC_9530 else None
        if match and octets and len(octets) == int(match[1][-3:]) // 8:
            digests.append(Digest(_RFC_9530[match[1]], octets))
    return max(digests, key=lambda digest: len(digest.value), default=None)


def _decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeError, binascii.Error):
        return None
