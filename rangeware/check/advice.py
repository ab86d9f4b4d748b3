"""What to do about the findings, and which reason of rangeware would explain them. Pure.

A server that uses rangeware has the reason of each decision in its log. From outside, it can be inferred only from the
plain response.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from ..client.planning.response_head import ResponseHead
from ..core.values import Reason
from .values import Finding

_REASONS = "https://rangeware.readthedocs.io/en/latest/options.html#why-did-i-get-a-200"
_WRAP = (
    "Let the app serve ranges. Python: app = RangeMiddleware(app) for WSGI, app.wsgi_app = "
    "RangeMiddleware(app.wsgi_app) in Flask, app.add_middleware(AsgiRangeMiddleware) in FastAPI and Starlette. nginx "
    "before any app: proxy_force_ranges on (the app still sends it all bytes each time). Static files: from a server "
    "that has ranges, such as nginx, Apache or Caddy.")


def advise(findings: Mapping[str, Finding], head: ResponseHead, *, has_ranges: bool) -> tuple[str, ...]:
    """What to do, the most important first.

    :param head: of the plain response.
    """
    return (*_about_ranges(findings, head, has_ranges), *_by_finding(findings, has_ranges))


def infer_reason(head: ResponseHead) -> Reason | None:
    """The reason for which rangeware would not serve ranges of this plain response; None if nothing in it is one.

    >>> infer_reason(ResponseHead(200, {"content-length": "0"})).name
    'EMPTY'
    """
    etag = head.version().etag
    if head.fields.get("accept-ranges", "").strip().lower() == "none":
        return Reason.ACCEPT_RANGES_NONE
    if "transfer-encoding" in head.fields and not head.is_chunked:
        return Reason.TRANSFER_ENCODING
    if head.codings and (etag is None or etag.weak):
        return Reason.CONTENT_CODING
    if head.content_length is None:
        return Reason.UNKNOWN_LENGTH
    return Reason.EMPTY if head.content_length == 0 else None


_MENDS = {
    Reason.ACCEPT_RANGES_NONE: "Have the app leave out Accept-Ranges: none.",
    Reason.TRANSFER_ENCODING: "Have the app leave Transfer-Encoding to the server.",
    Reason.CONTENT_CODING: "Compress once and give the result a strong ETag, or switch compression off for this type.",
    Reason.UNKNOWN_LENGTH: "Have the app send a Content-Length, which a generator can also do if it knows it; or set "
                           "spool_limit, and rangeware reads ahead to learn it.",
    Reason.EMPTY: "Nothing: try a larger file.",
}


def _about_ranges(findings: Mapping[str, Finding], head: ResponseHead, has_ranges: bool) -> Iterator[str]:
    """Advice for a URL without ranges."""
    if has_ranges:
        return
    reason = infer_reason(head)
    if reason is not None:
        yield f"If this is rangeware, the reason is {reason.name}: {reason}. {_MENDS[reason]} See {_REASONS}"
    if reason is not Reason.EMPTY:
        yield _WRAP
    if "one_range" in findings and reason is None:
        yield ("If this is rangeware, its log has the reason: logging.getLogger(\"rangeware\").setLevel(\"DEBUG\"). "
               f"See {_REASONS}")


_Mend = tuple[str, Callable[[Finding], bool], str]


def _is_bad(finding: Finding) -> bool:
    return finding.status in ("limited", "broken")


def _is_broken(finding: Finding) -> bool:
    return finding.status == "broken"


_BY_FINDING: tuple[_Mend, ...] = (
    ("same_bytes", _is_broken, "Find out who changes the bytes: a proxy, a cache, or a file that is written to "
                               "meanwhile. Until then, have no client resume."),
    ("length", lambda finding: finding.status == "limited",
     "Send a Content-Length. Behind a proxy: no compression and no filters for this type."),
    ("length", _is_broken, "Find out who ends the connection early, or says a wrong length: a proxy with a time limit, "
                           "or an app that fails half-way."),
    ("repeated", _is_bad, "Send the field once: the app and the proxy, or two parts of the app, both add it."),
    ("repr_digest", _is_broken, "Make Repr-Digest of the whole file, also with a 206."),
    ("content_digest", _is_broken, "Leave Content-Digest out of a 206, as rangeware does, or make it of the part."),
    ("validators", _is_broken, "Make the ETag of what does not change by itself: the length and the time of the file, "
                               "not the time of the request. Several servers must make the same one."),
    ("validators", lambda finding: finding.status == "limited",
     "Send a strong ETag, such as \"LENGTH-MTIME\" in quotes. rangeware makes one for files on disk; nginx makes a "
     "weak one of it where gzip is on."),
    ("coding", lambda finding: _is_bad(finding) and not finding.detail.startswith("Where a client"),
     "Switch compression off for this type (gzip_types in nginx, SetEnv no-gzip in Apache): video, audio, images and "
     "archives are compressed already."),
    ("if_range_changed", _is_broken, "Have the server compare If-Range with its ETag, as rangeware does; or remove the "
                                     "validators, so that nobody sends If-Range."),
    ("several", _is_bad, "Let rangeware serve several ranges: it sends them in one multipart/byteranges."),
    ("late", _is_bad, "Give the middleware something that seeks: a file, or an OpenableBody or OpenableResponse, which "
                      "opens the content where it is asked to."),
    ("speed", lambda finding: _is_bad(finding) and "until the first byte" in finding.detail,
     "Find out what takes the time before the first byte: what the app does for each request, or a proxy that reads "
     "everything first."),
    ("accept_ranges", lambda finding: finding.detail.startswith("Absent from"),
     "Send Accept-Ranges: bytes with the plain response."),
    ("head", _is_bad, "Answer HEAD with the fields of GET."),
    ("malformed", _is_broken, "Let rangeware read Range: it never fails over one."),
)


def _by_finding(findings: Mapping[str, Finding], has_ranges: bool) -> Iterator[str]:
    for name, applies, text in _BY_FINDING:
        if name in findings and applies(findings[name]) and (has_ranges or name not in ("length", "several")):
            yield text
