"""The values that both protocols share: a request, an upload, the reasons to refuse, and a response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

Fields = tuple[tuple[str, str], ...]


class Digest(NamedTuple):
    """A digest that the content must have: ``algorithm`` as ``hashlib`` names it."""

    algorithm: str
    value: bytes


@dataclass(frozen=True)
class Request:
    """The head of a request.

    :param method: after X-HTTP-Method-Override.
    :param id: of the upload; "" for the address where uploads are created.
    :param fields: header fields by name in lower case.
    :param content_length: bytes of content; None if it is not known before the content ends.
    """

    method: str
    id: str
    fields: Mapping[str, str]
    content_length: int | None = 0

    @property
    def has_content(self) -> bool:
        """True if the request has content, or may have."""
        return self.content_length != 0


@dataclass(frozen=True)
class Upload:
    """An upload, as it is stored.

    >>> def authorize(environ, action, upload):
    ...     return upload.metadata.get("filename", "").endswith(".mp4")
    >>> authorize(environ, "create", Upload("", length=100, metadata={"filename": "film.mp4"}))
    True

    :param id: 32 hexadecimal digits.
    :param length: bytes of the whole file; None until the client tells.
    :param offset: bytes that are stored.
    :param metadata: the client's description of the file, such as "filename" and "filetype". None of it can be trusted.
    :param raw_metadata: the metadata as the value of tus's Upload-Metadata.
    :param owner: as the ``authorize`` hook named it.
    :param concat: the value of tus's Upload-Concat: "partial", "final;..." or "".
    :param ends_at_length: True if it is complete once ``offset`` is ``length`` (tus); False if only the client can say
        so.
    :param digest: the digest that the whole file must have; None if the client promised none.
    :param has_unchecked: True if there are more bytes, which await a checksum.
    :param is_pending: True once all bytes are there, until the ``finished`` hook has accepted the file.
    :param is_complete: True from then on.
    :param touched: when it was last written to, in seconds of Unix time.
    :param place: a note of the storage about where the content is, of values that JSON has.
    """

    id: str
    length: int | None = None
    offset: int = 0
    metadata: Mapping[str, str] = field(default_factory=dict)
    raw_metadata: str = ""
    owner: str = ""
    concat: str = ""
    ends_at_length: bool = False
    digest: Digest | None = None
    has_unchecked: bool = False
    is_pending: bool = False
    is_complete: bool = False
    touched: float = 0.0
    place: Sequence[Any] = ()

    @property
    def has_all(self) -> bool:
        """True if no byte is missing, by what is stored, and it is still to be completed."""
        is_open = not (self.is_complete or self.is_partial)
        return is_open and (self.is_pending or (self.ends_at_length and self.offset == self.length))

    @property
    def is_partial(self) -> bool:
        """True if it is meant as a part of a concatenation only (tus)."""
        return self.concat == "partial"


class Limits(NamedTuple):
    """The deployer's limits: ``max_size`` in bytes, ``expires`` in seconds after the last write; None: no limit."""

    max_size: int | None = None
    expires: float | None = None


class Context(NamedTuple):
    """The values beside the upload that a response depends on.

    :param base: the address where uploads are created, as the client can reach it; ends with "/".
    :param now: seconds of Unix time.
    """

    limits: Limits
    base: str
    now: float

    def expiry(self, upload: Upload) -> float | None:
        """The time when an upload is removed unless it is written to; None if it is not."""
        return None if self.limits.expires is None or upload.is_complete else upload.touched + self.limits.expires


class Reason(Enum):
    """Why a request is refused: the status that both protocols give for it, unless one has its own, and a text."""

    MALFORMED = 400, "malformed request"
    CUT_SHORT = 400, "the content ended early; what arrived is kept"
    INCONSISTENT_LENGTH = 400, "the lengths do not agree"
    SURPLUS = 400, "more content than the length of the upload, which has ended"
    ALREADY_COMPLETE = 400, "the upload is already complete"
    WRONG_DIGEST = 400, "the content does not have the digest that was sent"
    FORBIDDEN = 403, "not allowed"
    FINAL = 403, "a concatenated upload cannot be changed"
    MISSING = 404, "no such upload"
    METHOD = 405, "method not allowed"
    WRONG_OFFSET = 409, "the offset is another one"
    NOT_FINISHED = 409, "an upload to be concatenated is not finished"
    GONE = 410, "the upload has expired, or has ended"
    LENGTH_REQUIRED = 411, "Content-Length is missing"
    VERSION = 412, "Tus-Resumable: 1.0.0 or Upload-Complete is missing"
    TOO_LARGE = 413, "too large"
    WRONG_TYPE = 415, "wrong Content-Type"
    LOCKED = 423, "another request is writing this upload"
    HOOK = 500, "the server could not accept the file"
    UNAVAILABLE = 503, "the storage does not answer; what arrived is kept"
    NO_SPACE = 507, "no space left"

    @property
    def status(self) -> int:
        """The status code."""
        return self.value[0]

    @property
    def text(self) -> str:
        """A line for a person."""
        return self.value[1]


class Refusal(Exception):  # noqa: N818 - an answer, not an error
    """A request that is not carried out, or not to its end.

    :param upload: as it is now, where that helps the client.
    :param status: instead of that of the reason.
    :param text: instead of that of the reason; sent to the client.
    """

    def __init__(self, reason: Reason, upload: Upload | None = None, text: str = "", status: int = 0) -> None:
        super().__init__(text or reason.text)
        self.reason = reason
        self.upload = upload
        self.status = status or reason.status
        self.text = text or reason.text


class Response(NamedTuple):
    """A response with all of its content."""

    status: int
    fields: Fields = ()
    content: bytes = b""
