"""tus 1.0 (https://tus.io/protocols/resumable-upload): requests to operations, uploads to responses.

With the extensions creation, creation-with-upload, creation-defer-length, termination, expiration, checksum and
concatenation.
"""

from __future__ import annotations

import re
from datetime import timedelta

from ...http.dates import EPOCH, format_http_date
from ...http.ranges import parse_complete_length
from ..encodings import CHECKSUM_ALGORITHMS, parse_checksum, parse_digest, parse_metadata
from .operations import Append, Cancel, Create, Look, Operation, Read
from .values import Context, Digest, Fields, Reason, Refusal, Request, Response, Upload

VERSION = "1.0.0"
EXTENSIONS = (
    "creation,creation-with-upload,creation-defer-length,termination,expiration,checksum,concatenation"
)
CONTENT_TYPE = "application/offset+octet-stream"

_PART = re.compile(r"(?:[^\s?#]*/)?([0-9a-f]{32})")
_MOST_PARTS = 1000
_STATUS = {Reason.WRONG_DIGEST: 460}


def parse(request: Request) -> Operation:
    """Make an operation of a request.

    :raises Refusal: if it is malformed.
    """
    if request.fields.get("tus-resumable") != VERSION:
        raise Refusal(Reason.VERSION)
    if not request.id:
        if request.method != "POST":
            raise Refusal(Reason.METHOD)
        return _create(request)
    if request.method == "PATCH":
        return _append(request)
    simple = {"HEAD": Look, "GET": Read, "DELETE": Cancel}.get(request.method)
    if simple is None:
        raise Refusal(Reason.METHOD)
    operation: Operation = simple(request.id)
    return operation


def _create(request: Request) -> Create:
    metadata = parse_metadata(raw := request.fields.get("upload-metadata", ""))
    if metadata is None:
        raise Refusal(Reason.MALFORMED, text="malformed Upload-Metadata")
    concat = request.fields.get("upload-concat", "")
    parts = _parts(concat)
    upload = Upload(
        id="", length=_length_at_creation(request, is_final=bool(parts)), metadata=metadata, raw_metadata=raw,
        concat=concat, ends_at_length=True, digest=parse_digest(request.fields.get("repr-digest", "")),
    )
    append = Append("", 0, digest=_checksum(request)) if _has_content(request) or upload.length == 0 else None
    if append and parts and request.has_content:
        raise Refusal(Reason.FINAL)
    return Create(upload, append, parts)


def _has_content(request: Request) -> bool:
    if not request.has_content:
        return False
    is_typed = request.fields.get("content-type", "").strip().lower() == CONTENT_TYPE
    if not is_typed and request.content_length is not None:
        raise Refusal(Reason.WRONG_TYPE)
    return is_typed


def _parts(concat: str) -> tuple[str, ...]:
    """The ids in Upload-Concat; none if it is not "final;"."""
    kind, _, listed = concat.partition(";")
    matches = [_PART.fullmatch(address) for address in listed.split(" ") if address]
    parts = tuple(match[1] for match in matches if match)
    is_right = concat in ("", "partial") or (kind == "final" and len(parts) == len(matches) > 0)
    if not is_right or len(parts) > _MOST_PARTS:
        raise Refusal(Reason.MALFORMED, text="malformed Upload-Concat")
    return parts


def _length_at_creation(request: Request, is_final: bool) -> int | None:
    value, deferred = request.fields.get("upload-length"), request.fields.get("upload-defer-length")
    is_right = deferred in (None, "1") and (value is None) != (deferred is None)
    if is_final:
        is_right = value is None and deferred is None
    if not is_right:
        raise Refusal(Reason.MALFORMED, text="exactly one of Upload-Length and Upload-Defer-Length: 1 is needed")
    return None if value is None else _number("Upload-Length", value)


def _append(request: Request) -> Append:
    if request.fields.get("content-type", "").strip().lower() != CONTENT_TYPE:
        raise Refusal(Reason.WRONG_TYPE)
    offset = _number("Upload-Offset", request.fields.get("upload-offset", ""))
    length = request.fields.get("upload-length")
    return Append(
        request.id, offset, None if length is None else _number("Upload-Length", length), digest=_checksum(request)
    )


def _checksum(request: Request) -> Digest | None:
    value = request.fields.get("upload-checksum")
    if value is None:
        return parse_digest(request.fields.get("content-digest", ""))
    digest = parse_checksum(value)
    if digest is None:
        raise Refusal(Reason.MALFORMED, text="Upload-Checksum is malformed, or its algorithm is not supported")
    return digest


def _number(name: str, value: str) -> int:
    number = parse_complete_length(value)
    if number is None:
        raise Refusal(Reason.MALFORMED, text=f"{name} must be a number of bytes")
    return number


def answer(operation: Operation, upload: Upload, context: Context) -> Response:
    """Make the response for an operation that has been carried out."""
    if isinstance(operation, Cancel):
        return Response(204, _versioned())
    if isinstance(operation, Create):
        location = ("Location", context.base + upload.id)
        return Response(201, _versioned(location, *_offset(upload), *_expires(upload, context)))
    if isinstance(operation, Append):
        return Response(204, _versioned(*_offset(upload), *_expires(upload, context)))
    status = 200 if isinstance(operation, Look) else 204
    return Response(status, _versioned(*_offset(upload), *_state(upload), *_expires(upload, context)))


def refuse(refusal: Refusal, operation: Operation | None, context: Context) -> Response:
    """Make the response for an operation that has been refused."""
    fields: list[tuple[str, str]] = []
    if refusal.reason is Reason.VERSION:
        fields.append(("Tus-Version", VERSION))
    elif refusal.reason is Reason.TOO_LARGE and context.limits.max_size is not None:
        fields.append(("Tus-Max-Size", str(context.limits.max_size)))
    elif refusal.upload is not None:
        fields += _offset(refusal.upload)
    if isinstance(operation, Create) and refusal.upload is not None:
        fields.append(("Location", context.base + refusal.upload.id))
    status = _STATUS.get(refusal.reason, refusal.status)
    return Response(status, _versioned(*fields), refusal.text.encode())


def _versioned(*fields: tuple[str, str]) -> Fields:
    return ("Tus-Resumable", VERSION), *fields, ("Cache-Control", "no-store")


def _offset(upload: Upload) -> Fields:
    return (("Upload-Offset", str(upload.offset)),)


def _state(upload: Upload) -> Fields:
    length = ("Upload-Defer-Length", "1") if upload.length is None else ("Upload-Length", str(upload.length))
    described = (("Upload-Metadata", upload.raw_metadata), ("Upload-Concat", upload.concat))
    return length, *(each for each in described if each[1])


def _expires(upload: Upload, context: Context) -> Fields:
    expiry = context.expiry(upload)
    if expiry is None:
        return ()
    return (("Upload-Expires", format_http_date(EPOCH + timedelta(seconds=int(expiry)))),)


def options(context: Context) -> Fields:
    """The header fields of a response to OPTIONS."""
    size = context.limits.max_size
    return (
        ("Tus-Resumable", VERSION), ("Tus-Version", VERSION), ("Tus-Extension", EXTENSIONS),
        ("Tus-Checksum-Algorithm", CHECKSUM_ALGORITHMS), *((("Tus-Max-Size", str(size)),) if size is not None else ()),
    )
