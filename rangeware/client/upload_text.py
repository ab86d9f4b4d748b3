"""The header fields of uploads as text: metadata, names and digests. Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from urllib.parse import quote

_PLAIN = re.compile(r"[ !#-\[\]-~]*")  # the characters that a quoted-string can hold without an escape (RFC 9110 5.6.4)


def upload_metadata(metadata: Mapping[str, str]) -> str:
    """Upload-Metadata of tus: keys, and their values in base64.

    >>> upload_metadata({"filename": "a.txt", "draft": ""})
    'filename YS50eHQ=,draft'
    """
    return ",".join(f"{name} {_in_base64(value.encode())}".rstrip(" ") for name, value in metadata.items())


def _in_base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


def content_disposition(name: str) -> str:
    """Content-Disposition that names a file (RFC 6266); a name beyond plain ASCII in UTF-8 as well (RFC 8187)."""
    if _PLAIN.fullmatch(name):
        return f'attachment; filename="{name}"'
    plain = "".join(char if _PLAIN.fullmatch(char) else "_" for char in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def repr_digest(sha256: str) -> str:
    """Repr-Digest (RFC 9530) of a SHA-256 in hex."""
    return f"sha-256=:{_in_base64(bytes.fromhex(sha256))}:"


def upload_checksum(algorithm: str, value: bytes) -> str:
    """Upload-Checksum of tus."""
    return f"{algorithm} {_in_base64(value)}"
