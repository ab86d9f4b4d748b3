"""The requests of an upload as values, in both protocols.

tus 1.0: a POST creates an upload at an address of its own, HEAD asks for its offset, PATCH appends. The IETF draft
("Resumable Uploads for HTTP") has the same requests with other fields. Its creation is the careful one, with empty
content, since the address of the upload must be known before a connection can break.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from ..upload_text import content_disposition, repr_digest, upload_checksum, upload_metadata
from .upload_fields import INTEROP_VERSION, TUS_VERSION


class LocalFile(NamedTuple):
    """The file to upload, as far as the server is told of it.

    :param name: its name, without folder.
    :param media_type: guessed from its name.
    :param sha256: the SHA-256 of all its bytes in hex.
    :param metadata: of the caller, for tus.
    """

    name: str
    media_type: str
    complete_length: int
    sha256: str
    metadata: Mapping[str, str]


class Purpose(Enum):
    """The purpose of a request."""

    DISCOVER = "which protocol does the server speak?"
    CREATE = "create an upload"
    ASK = "how many bytes are there?"
    APPEND = "append bytes"
    CANCEL = "end the upload, unfinished"


class UploadRequest(NamedTuple):
    """A request. Only APPEND has content: the bytes of the file from ``first_pos``, without ``next_pos``.

    :param checksum: the algorithm of the digest to send with the content, as ``hashlib`` names it; "" for none.
    """

    purpose: Purpose
    method: str
    url: str
    fields: Mapping[str, str]
    first_pos: int = 0
    next_pos: int = 0
    checksum: str = ""

    @property
    def length(self) -> int:
        """The length of the content in bytes."""
        return self.next_pos - self.first_pos

    def with_checksum(self, value: bytes) -> UploadRequest:
        """This request, with the digest of its content."""
        return self._replace(fields={**self.fields, "Upload-Checksum": upload_checksum(self.checksum, value)})


def discover(url: str) -> UploadRequest:
    """Ask which protocol the server speaks, and its limits."""
    return UploadRequest(Purpose.DISCOVER, "OPTIONS", url, {})


def create(protocol: str, url: str, file: LocalFile) -> UploadRequest:
    """Create an upload without any content."""
    fields = {"Upload-Length": str(file.complete_length), "Content-Length": "0",
              "Repr-Digest": repr_digest(file.sha256)}
    if protocol == "tus":
        metadata = {"filename": file.name, "filetype": file.media_type, **file.metadata}
        fields["Upload-Metadata"] = upload_metadata(metadata)
    else:
        fields["Upload-Complete"] = "?0"
        fields["Content-Type"] = file.media_type
        fields["Content-Disposition"] = content_disposition(file.name)
    return UploadRequest(Purpose.CREATE, "POST", url, {**_version(protocol), **fields})


def ask(protocol: str, address: str) -> UploadRequest:
    """Ask how many bytes the server has."""
    return UploadRequest(Purpose.ASK, "HEAD", address, _version(protocol))


def append(
    protocol: str, address: str, first_pos: int, next_pos: int, complete_length: int, checksum: str = ""
) -> UploadRequest:
    """Append the bytes from ``first_pos`` to before ``next_pos``."""
    fields = {"Upload-Offset": str(first_pos), "Content-Length": str(next_pos - first_pos)}
    if protocol == "tus":
        fields["Content-Type"] = "application/offset+octet-stream"
    else:
        fields["Content-Type"] = "application/partial-upload"
        fields["Upload-Complete"] = "?1" if next_pos == complete_length else "?0"
    return UploadRequest(
        Purpose.APPEND, "PATCH", address, {**_version(protocol), **fields}, first_pos, next_pos, checksum)


def cancel(protocol: str, address: str) -> UploadRequest:
    """End an upload that will not be completed."""
    return UploadRequest(Purpose.CANCEL, "DELETE", address, _version(protocol))


def _version(protocol: str) -> dict[str, str]:
    if protocol == "tus":
        return {"Tus-Resumable": TUS_VERSION}
    return {"Upload-Draft-Interop-Version": INTEROP_VERSION}
