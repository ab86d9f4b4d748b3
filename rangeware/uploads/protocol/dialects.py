"""Choose the protocol that a request speaks, and do what both have in common: OPTIONS, cross-origin access (CORS)."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from . import draft, tus
from .operations import Operation, Options
from .values import Context, Fields, Reason, Refusal, Request, Response, Upload

_TUS_FIELDS = ("upload-metadata", "upload-concat", "upload-defer-length")
_METHODS = "POST, PUT, PATCH, HEAD, GET, DELETE, OPTIONS"
_REQUEST_FIELDS = (
    "Authorization, Content-Type, Content-Disposition, Content-Digest, Repr-Digest, Range, Tus-Resumable, "
    "Upload-Checksum, Upload-Complete, Upload-Concat, Upload-Defer-Length, Upload-Draft-Interop-Version, "
    "Upload-Length, Upload-Metadata, Upload-Offset, X-HTTP-Method-Override, X-Requested-With"
)
_RESPONSE_FIELDS = (
    "Accept-Ranges, Content-Disposition, Content-Length, Content-Range, ETag, Location, Retry-After, "
    "Tus-Checksum-Algorithm, Tus-Extension, Tus-Max-Size, Tus-Resumable, Tus-Version, Upload-Complete, Upload-Concat, "
    "Upload-Defer-Length, Upload-Expires, Upload-Length, Upload-Limit, Upload-Metadata, Upload-Offset"
)
_RETRY_AFTER = "1"  # seconds


class Dialect(Protocol):
    """A protocol: the modules ``tus`` and ``draft``."""

    def parse(self, request: Request) -> Operation: ...

    def answer(self, operation: Operation, upload: Upload, context: Context) -> Response: ...

    def refuse(self, refusal: Refusal, operation: Operation | None, context: Context) -> Response: ...


def actual_method(method: str, fields: dict[str, str]) -> str:
    """The method that is meant: tus clients behind proxies that know few methods override it.

    GET and HEAD stay what they are: nobody expects them to change anything, or an answer to HEAD to have content.
    """
    if method in ("GET", "HEAD") or "tus-resumable" not in fields:
        return method
    return fields.get("x-http-method-override", method).upper()


def choose(request: Request) -> Dialect:
    """Tell the protocols apart. A request to an upload that shows neither is the draft's, whose HEAD has no field."""
    if "tus-resumable" in request.fields:
        return tus
    if "upload-complete" in request.fields:
        return draft  # also with Upload-Metadata: tus-js-client sends it in both protocols
    shows_tus = any(name in request.fields for name in _TUS_FIELDS)
    is_tus_patch = request.method == "PATCH" and draft.CONTENT_TYPE not in request.fields.get("content-type", "")
    return tus if shows_tus or not request.id or is_tus_patch else draft


def parse(request: Request) -> Operation:
    """Make an operation of a request.

    :raises Refusal: if it is malformed.
    """
    if request.content_length is None and "content-length" in request.fields:
        raise Refusal(Reason.MALFORMED, text="malformed Content-Length")  # or a cut could not be told from the end
    return Options() if request.method == "OPTIONS" else choose(request).parse(request)


def answer(request: Request, operation: Operation, upload: Upload | None, context: Context) -> Response:
    """Make the response for an operation that has been carried out; ``upload`` as it is afterwards."""
    if upload is None:
        return Response(204, (("Allow", _METHODS), *tus.options(context), *draft.options(context)))
    return choose(request).answer(operation, upload, context)


def refuse(request: Request, operation: Operation | None, refusal: Refusal, context: Context) -> Response:
    """Make the response for an operation that has been refused."""
    response = choose(request).refuse(refusal, operation, context)
    later = ("Retry-After", _RETRY_AFTER)
    more = {405: ("Allow", _METHODS), 423: later, 503: later}.get(refusal.status)
    fields = (*response.fields, *((more,) if more else ()), ("X-Content-Type-Options", "nosniff"))
    return Response(response.status, fields, b"" if request.method == "HEAD" else response.content)


def cors_fields(request: Request, origins: Collection[str]) -> Fields:
    """The header fields that let pages of other origins use the uploads.

    :param origins: origins such as "https://example.org"; one that is "*" stands for all, without their cookies.
    """
    origin = request.fields.get("origin")
    if origin is None or not origins:
        return ()
    fields: Fields = (("Access-Control-Expose-Headers", _RESPONSE_FIELDS),)
    if request.method == "OPTIONS":
        fields = (("Access-Control-Allow-Methods", _METHODS), ("Access-Control-Allow-Headers", _REQUEST_FIELDS),
                  ("Access-Control-Max-Age", "86400"))
    if origin in origins:
        return ("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"), \
            ("Vary", "Origin"), *fields
    return (("Access-Control-Allow-Origin", "*"), *fields) if "*" in origins else (("Vary", "Origin"),)
