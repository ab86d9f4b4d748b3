"""Resumable Uploads for HTTP (draft-ietf-httpbis-resumable-upload): requests to operations, uploads to responses.

Interim responses (104) are left out: neither WSGI nor ASGI can send them. A client then creates an upload with an
empty request, and learns its address by the response.
"""

from __future__ import annotations

import re

from ...http.ranges import parse_complete_length
from ..encodings import format_metadata, parse_digest, parse_file_name
from .operations import Append, Cancel, Create, Look, Operation, Read
from .values import Context, Fields, Reason, Refusal, Request, Response, Upload

INTEROP_VERSION = "8"
CONTENT_TYPE = "application/partial-upload"

_BARE_ITEM = (  # RFC 9651 3.3: number, string, token, byte sequence, boolean, date, display string
    r"""-?[0-9]+(?:\.[0-9]+)?|"(?:[ !#-\[\]-~]|\\["\\])*"|[A-Za-z*][!#-'*+.^-z|~0-9A-Z:/-]*|:[A-Za-z0-9+/=]*:|\?[01]"""
    r"""|@-?[0-9]+|%"[ !#-~]*\""""
)
_PARAMETERS = rf"(?:;[ ]*[a-z*][a-z0-9_.*-]*(?:=(?:{_BARE_ITEM}))?)*[ ]*"  # RFC 9651 3.1.2; without meaning here
_INTEGER = re.compile(rf"[ ]*([0-9]{{1,15}}){_PARAMETERS}")  # RFC 9651 3.3.1
_BOOLEAN = re.compile(rf"[ ]*\?([01]){_PARAMETERS}")  # RFC 9651 3.3.6
_DESCRIBED = (("content-type", "filetype"), ("content-encoding", "encoding"), ("content-disposition", "disposition"))
_PROBLEMS = {
    Reason.WRONG_OFFSET: "mismatching-upload-offset",
    Reason.INCONSISTENT_LENGTH: "inconsistent-upload-length",
    Reason.SURPLUS: "inconsistent-upload-length",
    Reason.ALREADY_COMPLETE: "completed-upload",
}


def parse(request: Request) -> Operation:
    """Make an operation of a request.

    :raises Refusal: if it is malformed.
    """
    if not request.id:
        return _create(request)
    if request.method == "PATCH":
        return _append(request)
    if request.method == "HEAD":
        return Look(request.id, ends_others=True)
    if request.method == "GET":
        return Read(request.id)
    if request.method == "DELETE":
        return Cancel(request.id)
    raise Refusal(Reason.METHOD)


def _create(request: Request) -> Create:
    if request.method not in ("POST", "PUT", "PATCH"):
        raise Refusal(Reason.METHOD)
    completes = _boolean(request, "upload-complete")
    if completes is None:
        raise Refusal(Reason.VERSION)
    metadata = {ours: request.fields[name] for name, ours in _DESCRIBED if request.fields.get(name)}
    if (name := parse_file_name(metadata.get("disposition", ""))):
        metadata["filename"] = name
    upload = Upload(
        id="", length=_length(request, 0, completes), metadata=metadata, raw_metadata=format_metadata(metadata),
        digest=parse_digest(request.fields.get("repr-digest", "")),
    )
    digest = parse_digest(request.fields.get("content-digest", ""))
    append = Append("", 0, completes=completes, digest=digest, ends_on_surplus=True)
    return Create(upload, append if completes or request.has_content else None)


def _append(request: Request) -> Append:
    if request.fields.get("content-type", "").partition(";")[0].strip().lower() != CONTENT_TYPE:
        raise Refusal(Reason.WRONG_TYPE)
    offset, completes = _integer(request, "upload-offset"), _boolean(request, "upload-complete")
    if offset is None or completes is None:
        raise Refusal(Reason.MALFORMED, text="Upload-Offset and Upload-Complete are needed")
    digest = parse_digest(request.fields.get("content-digest", ""))
    return Append(request.id, offset, _length(request, offset, completes), completes, digest, ends_on_surplus=True)


def _length(request: Request, offset: int, completes: bool) -> int | None:
    """The length that the request tells, by Upload-Length, or by Content-Length if it completes the upload."""
    told = _integer(request, "upload-length")
    if not completes or request.content_length is None:
        return told
    length = offset + request.content_length
    if told not in (None, length):
        raise Refusal(Reason.INCONSISTENT_LENGTH)
    return length


def _integer(request: Request, name: str) -> int | None:
    match = _INTEGER.fullmatch(request.fields.get(name, ""))
    return parse_complete_length(match[1]) if match else None


def _boolean(request: Request, name: str) -> bool | None:
    match = _BOOLEAN.fullmatch(request.fields.get(name, ""))
    return match[1] == "1" if match else None


def answer(operation: Operation, upload: Upload, context: Context) -> Response:
    """Make the response for an operation that has been carried out."""
    if isinstance(operation, Cancel):
        return Response(204, _marked())
    location = ("Location", context.base + upload.id)
    fields = _marked(*_offset(upload), ("Upload-Limit", _limits(context, upload)))
    if isinstance(operation, Create) or (isinstance(operation, Append) and upload.is_complete):
        return Response(201, (location, *fields))
    length = (("Upload-Length", str(upload.length)),) if upload.length is not None else ()
    return Response(204, (*fields, *length))


def refuse(refusal: Refusal, operation: Operation | None, context: Context) -> Response:
    """Make the response for an operation that has been refused: with a problem type (RFC 9457) where there is one."""
    fields = list(_marked())
    if refusal.reason is Reason.TOO_LARGE:
        fields.append(("Upload-Limit", _limits(context)))
    elif refusal.reason is Reason.WRONG_TYPE:
        fields.append(("Accept-Patch", CONTENT_TYPE))
    elif refusal.upload is not None:
        fields += _offset(refusal.upload)
    if isinstance(operation, Create) and refusal.upload is not None:
        fields.append(("Location", context.base + refusal.upload.id))
    problem = _PROBLEMS.get(refusal.reason)
    if problem is None:
        return Response(refusal.status, tuple(fields), refusal.text.encode())
    content = _problem(problem, refusal, operation)
    return Response(refusal.status, (*fields, ("Content-Type", "application/problem+json")), content.encode())


def _problem(name: str, refusal: Refusal, operation: Operation | None) -> str:
    members = [f'"type": "https://iana.org/assignments/http-problem-types#{name}"', f'"title": "{refusal.reason.text}"']
    if refusal.reason is Reason.WRONG_OFFSET and refusal.upload is not None and isinstance(operation, Append):
        members += [f'"expected-offset": {refusal.upload.offset}', f'"provided-offset": {operation.offset}']
    return f"{{{', '.join(members)}}}"


def _marked(*fields: tuple[str, str]) -> Fields:
    return *fields, ("Cache-Control", "no-store"), ("Upload-Draft-Interop-Version", INTEROP_VERSION)


def _offset(upload: Upload) -> Fields:
    return ("Upload-Offset", str(upload.offset)), ("Upload-Complete", "?1" if upload.is_complete else "?0")


def _limits(context: Context, upload: Upload | None = None) -> str:
    size, age = context.limits.max_size, context.limits.expires
    expiry = None if upload is None else context.expiry(upload)
    if expiry is not None:
        age = max(0, expiry - context.now)
    limits = {"max-size": size, "max-age": age}
    return ", ".join(f"{key}={int(limit)}" for key, limit in limits.items() if limit is not None) or "min-size=0"


def options(context: Context) -> Fields:
    """The header fields of a response to OPTIONS."""
    return ("Accept-Patch", CONTENT_TYPE), ("Upload-Limit", _limits(context))
