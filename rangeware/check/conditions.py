"""Do the conditions of a request hold: If-Range, and the preconditions (RFC 9110 section 13)? Pure."""

from __future__ import annotations

from ..http.etags import is_any, is_tag_list, names_strongly, names_weakly, parse_entity_tag
from .values import Answer, Known


def _version_of(answer: Answer, known: Known) -> Known:
    """The version that the request is compared with: the known one, or that of the response itself."""
    if answer.head is None or known.version.has_validator:
        return known
    return known._replace(version=answer.head.version())


def holds_if_range(answer: Answer, known: Known) -> bool | None:
    """True if If-Range names the current version, or there is none; None if that cannot be told (RFC 9110 13.1.5)."""
    value = answer.probe.fields.get("if-range")
    if value is None:
        return True
    version = _version_of(answer, known).version
    if answer.status == 416 and not version.has_validator:  # it need not have any
        return None
    tag = parse_entity_tag(value)
    if tag.quoted:
        return version.etag is not None and tag.strongly_matches(version.etag)
    return version.dated and value.strip() == version.last_modified


def holds_preconditions(answer: Answer, known: Known) -> int | None:
    """The status that a precondition demands: 412 or 304; 200 if none does, None if that cannot be told.

    RFC 9110 13.2.2. Dates are compared as text only, which is enough for those that a server has sent.
    """
    fields, version = answer.probe.fields, _version_of(answer, known).version
    match, none_match = fields.get("if-match"), fields.get("if-none-match")
    if match is not None:
        if version.etag is None or not (is_any(match) or is_tag_list(match)):
            return None
        if not is_any(match) and not names_strongly(match, version.etag):
            return 412
    elif "if-unmodified-since" in fields and fields["if-unmodified-since"] != version.last_modified:
        return None
    if none_match is not None:
        if version.etag is None or not (is_any(none_match) or is_tag_list(none_match)):
            return None
        return 304 if is_any(none_match) or names_weakly(none_match, version.etag) else 200
    if "if-modified-since" in fields:
        return 304 if fields["if-modified-since"] == version.last_modified else None
    return 200
