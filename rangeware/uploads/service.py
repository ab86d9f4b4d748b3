"""Parts of both upload apps: the deployer's options, addresses, and the heads of responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any
from urllib.parse import quote

from ..errors import InvalidOption
from ..http.ranges import parse_complete_length
from .cleaning import clean
from .engine import Exchange, FinishedUpload, Hook
from .protocol import dialects
from .protocol.values import Fields, Limits, Reason, Refusal, Request, Response, Upload
from .storage import Storage

_ID = re.compile("[0-9a-f]{32}")
_HOST = re.compile(r"[A-Za-z0-9.\-]+(?::[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](?::[0-9]{1,5})?")
_HARMLESS = re.compile(r"(?:image/(?!svg)|audio/|video/|font/)[a-z0-9.+-]+|text/plain|application/(?:pdf|zip|gzip)")
_MOST = {"max_size": 2**62, "expires": 10**10}  # bytes, and seconds: 300 years
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f\"\\/]")


@dataclass(frozen=True)
class Service:
    """The storage and the options of an upload app. ``UploadApp`` describes each of them."""

    storage: Storage
    path: str = "/"
    max_size: int | None = None
    expires: float | None = None
    authorize: Callable[[Any, str, Upload], object] | None = None
    finished: Callable[[FinishedUpload], object] | None = None
    download: bool = True
    cors: Collection[str] = ("*",)
    trust_forwarded: bool = False

    def __post_init__(self) -> None:
        if not callable(getattr(self.storage, "create", None)):
            hint = f"; did you mean FileStorage({self.storage!r})?" if isinstance(self.storage, (str, PathLike)) else ""
            raise InvalidOption(f"storage must be a FileStorage or an S3Storage, not {self.storage!r}{hint}")
        if not (self.path.startswith("/") and self.path.endswith("/")):
            raise InvalidOption(f"path must begin and end with '/', not {self.path!r}")
        for name in ("max_size", "expires"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))
                                      or not 0 < value < _MOST[name]):
                raise InvalidOption(f"{name} must be a number above 0 and below {_MOST[name]}, or None, not {value!r}")

    def find_id(self, path: str) -> str | None:
        """The part of a path that names an upload; "" for the address where uploads are created, None if it is neither
        that nor below it."""
        if path + "/" == self.path:
            return ""
        return path[len(self.path):] if path.startswith(self.path) else None

    def request(self, method: str, id: str, fields: dict[str, str], is_ended: bool) -> Request:
        """Make a request.

        :param is_ended: True if reading ends at the end of the content, also where its length is not declared.
        """
        declared = fields.get("content-length")
        length = (None if is_ended else 0) if declared is None else parse_complete_length(declared)
        return Request(dialects.actual_method(method, fields), id, fields, length)

    def exchange(self, request: Request, root: str, finished: Hook | None) -> Exchange:
        """Begin a request; ``root`` is the address under which the app is mounted."""
        base = self._origin(request.fields) + quote(root + self.path, safe="/:@!$&'()*+,;=~")
        return Exchange(self.storage, Limits(self.max_size, self.expires), finished, request, base)

    def clean(self, finished: Hook | None) -> int:
        """Remove what has expired, and call the hook for what a crash kept from it; return how many were removed."""
        return clean(self.storage, self.expires, self.exchange(Request("CLEAN", "", {}), "", finished).finish)

    def _origin(self, fields: Mapping[str, str]) -> str:
        """Scheme and host as a proxy that is trusted tells them; "" for addresses relative to the request's."""
        if not self.trust_forwarded:
            return ""
        scheme, host = (fields.get(f"x-forwarded-{name}", "").partition(",")[0].strip() for name in ("proto", "host"))
        return f"{scheme}://{host}" if scheme in ("http", "https") and _HOST.fullmatch(host) else ""

    def head(self, request: Request, response: Response) -> Fields:
        """Make all header fields of a response."""
        fields = (*response.fields, *dialects.cors_fields(request, self.cors))
        if response.status == 204:
            return fields
        typed = () if dict(fields).get("Content-Type") else (("Content-Type", "text/plain; charset=utf-8"),)
        return *fields, *typed, ("Content-Length", str(len(response.content)))

    def content_head(self, request: Request, upload: Upload) -> Fields:
        """Make the header fields for the content of an upload. A browser saves it, and never runs it as a page."""
        if not self.download:
            raise Refusal(Reason.METHOD)
        claimed = upload.metadata.get("filetype", "").strip().lower()
        media_type = claimed if _HARMLESS.fullmatch(claimed) else "application/octet-stream"
        name = _NOT_IN_NAMES.sub("_", upload.metadata.get("filename", ""))[:200] or upload.id
        plain = name.encode("ascii", "replace").decode().replace("?", "_")
        disposition = f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
        return (
            ("Content-Type", media_type), ("Content-Disposition", disposition), ("Content-Length", str(upload.offset)),
            ("X-Content-Type-Options", "nosniff"), ("Content-Security-Policy", "sandbox; default-src 'none'"),
            ("Cache-Control", "private, no-cache"), *dialects.cors_fields(request, self.cors),
        )


def check_id(id: str) -> None:
    """Refuse what is no id, before any path is built of it."""
    if id and not _ID.fullmatch(id):
        raise Refusal(Reason.MISSING)


def owner_of(decision: object) -> str:
    """Make the owner of an upload of what the ``authorize`` hook returned.

    :raises Refusal: FORBIDDEN if it returned False.
    """
    if decision is False:
        raise Refusal(Reason.FORBIDDEN)
    return decision if isinstance(decision, str) else ""
