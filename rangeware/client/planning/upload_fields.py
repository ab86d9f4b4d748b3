"""The header fields of uploads as values: tus 1.0, and the IETF draft "Resumable Uploads for HTTP".

A server may send anything. A field that is malformed counts as absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...http.ranges import parse_complete_length
from ..digests import declared_digests
from .response_head import ResponseHead

INTEROP_VERSION = "8"
"""The version of the draft that is spoken (``Upload-Draft-Interop-Version``)."""

TUS_VERSION = "1.0.0"
_LONGEST = 2**62  # bytes: more than any file has
_LIMIT = re.compile(r"([a-z*][a-z0-9_.*-]*)=(-?[0-9]{1,15})(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=[^,;\"]*)?)*")
_OTHER_LIMIT = re.compile(r"[a-z*][a-z0-9_.*-]*(?:=[^,\"]*)?")
_EMPTY_SHA256 = bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")


class Terms(NamedTuple):
    """The things that a server says about the uploads that it takes.

    :param protocol: "tus" or "draft"; None if it says neither.
    :param max_size: the longest file in bytes; None if it says no limit.
    :param max_append: the longest content of one request in bytes.
    :param min_append: the shortest content of one request in bytes, but for the last.
    :param checksum: the algorithm of Upload-Checksum that it checks, as ``hashlib`` names it; "" for none.
    """

    protocol: str | None = None
    max_size: int | None = None
    max_append: int | None = None
    min_append: int | None = None
    checksum: str = ""

    def narrowed_by(self, head: ResponseHead) -> Terms:
        """These terms, with the limits that another response tells."""
        limits = parse_limits(head.fields.get("upload-limit", ""))
        return self._replace(
            max_size=limits.get("max-size", self.max_size), max_append=limits.get("max-append-size", self.max_append),
            min_append=limits.get("min-append-size", self.min_append))


def parse_terms(head: ResponseHead, wanted: str | None) -> Terms:
    """Read the response to OPTIONS. A server that speaks both protocols is asked in tus, which has settled.

    :param wanted: the protocol to read the terms of, if the server speaks it; None for the one that it says.
    """
    fields = head.fields
    if wanted != "draft" and TUS_VERSION in _listed(fields.get("tus-version", "")):
        return Terms("tus", _integer(fields.get("tus-max-size")), checksum=_checksum(fields))
    is_draft = wanted != "tus" and ("upload-limit" in fields or "upload-draft-interop-version" in fields)
    return Terms("draft").narrowed_by(head) if is_draft else Terms(max_size=_integer(fields.get("tus-max-size")))


def _checksum(fields: Mapping[str, str]) -> str:
    algorithms = _listed(fields.get("tus-checksum-algorithm", ""))
    if "checksum" not in _listed(fields.get("tus-extension", "")):
        return ""
    return next((name for name in ("sha256", "sha1") if name in algorithms), "")


def _listed(value: str) -> list[str]:
    return [member.strip(" \t").lower() for member in value.split(",")]


def _integer(value: str | None) -> int | None:
    """A whole number of at least 0 (also an Item of RFC 9651 without parameters); None if it is absent or malformed."""
    number = parse_complete_length(value or "")
    return None if number is None or number > _LONGEST else number


def upload_offset(head: ResponseHead) -> int | None:
    """Upload-Offset in bytes; None if it is absent or malformed."""
    return _integer(head.fields.get("upload-offset"))


def upload_length(head: ResponseHead) -> int | None:
    """Upload-Length in bytes; None if it is absent or malformed."""
    return _integer(head.fields.get("upload-length"))


def upload_complete(head: ResponseHead) -> bool | None:
    """Upload-Complete, a boolean of RFC 9651; None if it is absent or malformed."""
    item = head.fields.get("upload-complete", "").partition(";")[0].strip(" ")
    return {"?1": True, "?0": False}.get(item)


def parse_limits(value: str) -> dict[str, int]:
    """Upload-Limit, a dictionary of integers; empty if it is malformed anywhere. Members of another kind are left out.

    >>> parse_limits("max-size=1000, min-size=0")
    {'max-size': 1000, 'min-size': 0}
    """
    limits: dict[str, int] = {}
    for member in value.split(","):
        text = member.strip(" \t")
        match = _LIMIT.fullmatch(text)
        if match is not None:
            limits[match[1]] = int(match[2])
        elif not _OTHER_LIMIT.fullmatch(text):
            return {}
    return {name: limit for name, limit in limits.items() if limit >= (name == "max-append-size")}


def contradicts_digest(head: ResponseHead, sha256: str) -> bool:
    """True if a response tells another SHA-256 of the upload than this one in hex.

    A response with content of its own, such as the page that a finished upload leads to, may tell the digest of that
    content; and Content-Digest may be that of no content.
    """
    if head.status != 204 and head.content_length != 0 and head.media_type is not None:
        return False
    found = [*declared_digests(head.fields.get("repr-digest", "")),
             *(each for each in declared_digests(head.fields.get("content-digest", "")) if each.value != _EMPTY_SHA256)]
    return any(each.algorithm == "sha256" and each.value.hex() != sha256 for each in found)
