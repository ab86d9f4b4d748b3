"""The text of the state of an upload: one JSON object. Neither user nor password is in it.

Pure. What is read may be anything: a file that was cut off, or written by somebody else.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from ..digests import parse_sha256
from ..planning.upload_planner import SavedUpload
from ..upload_options import PROTOCOLS

_FORMAT = 1
_LONGEST_ADDRESS = 8192


class UploadRecord(NamedTuple):
    """The state of an upload.

    :param url: the URL that created it, without what is secret in it.
    :param saved: the upload at the server.
    :param sha256: of the whole file, in hex.
    :param identity: the marks of the file that had this digest: device, inode, size, and two times.
    """

    url: str
    saved: SavedUpload
    sha256: str
    identity: tuple[int, ...]


def render(record: UploadRecord) -> bytes:
    """The text of a record."""
    return json.dumps({
        "version": _FORMAT,
        "url": record.url,
        "address": record.saved.address,
        "protocol": record.saved.protocol,
        "sha256": record.sha256,
        "identity": record.identity,
    }).encode() + b"\n"


def parse(text: bytes) -> UploadRecord | None:
    """Read a record; None if it is cut off, foreign, of a newer format or otherwise not to be trusted."""
    try:
        said = json.loads(text)
        if said["version"] != _FORMAT or said["protocol"] not in PROTOCOLS:
            return None
        saved = SavedUpload(_address(said["address"]), said["protocol"])
        identity = tuple(int(each) for each in said["identity"])
        return UploadRecord(_address(said["url"]), saved, parse_sha256(said["sha256"]), identity)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None


def _address(value: Any) -> str:
    """Check the text of a URL; one with a user, a password or a fragment is not of ours."""
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or len(value) > _LONGEST_ADDRESS:
        raise ValueError(value)
    if not value.isascii() or not value.isprintable() or "#" in value or "@" in value.split("/")[2]:
        raise ValueError(value)
    return value
