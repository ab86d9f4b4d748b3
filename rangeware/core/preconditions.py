"""Conditional requests: If-Match, If-None-Match, the two dates, and If-Range (RFC 9110 section 13).

``core.plan`` asks first whether a precondition fails, and later whether If-Range allows a range to be served. A field
that is malformed is ignored: it holds.
"""

from __future__ import annotations

from datetime import timedelta

from ..http.blocks import trimmed
from ..http.dates import LONGEST, parse_http_date
from ..http.etags import EntityTag, is_any, is_tag_list, names_strongly, names_weakly, parse_entity_tag
from .values import Plan, Reason, Representation, RequestFields

_ONE_SECOND = timedelta(seconds=1)


def failed_precondition(request: RequestFields, selected: Representation) -> Plan | None:
    """The 412 or 304 of the first precondition that fails; None if all hold (steps 1 to 4 of RFC 9110 13.2.2)."""
    if request.if_match is not None:
        if not _if_match_holds(request.if_match, selected.etag):
            return Plan(412, (), Reason.IF_MATCH)
    elif _is_modified_after(request.if_unmodified_since, selected) is True:
        return Plan(412, (), Reason.IF_UNMODIFIED_SINCE)
    if request.if_none_match is not None:
        if not _if_none_match_holds(request.if_none_match, selected.etag):
            return Plan(304, (), Reason.IF_NONE_MATCH)
    elif _is_modified_after(request.if_modified_since, selected) is False:
        return Plan(304, (), Reason.IF_MODIFIED_SINCE)
    return None


def _if_match_holds(value: str, etag: EntityTag | None) -> bool:
    if is_any(value) or not is_tag_list(value):
        return True
    return etag is not None and names_strongly(value, etag)  # RFC 9110 13.1.1


def _if_none_match_holds(value: str, etag: EntityTag | None) -> bool:
    if is_any(value):
        return False
    return not is_tag_list(value) or etag is None or not names_weakly(value, etag)  # RFC 9110 13.1.2


def _is_modified_after(value: str | None, selected: Representation) -> bool | None:
    """Compare Last-Modified with the date in a field; None if either is missing or malformed.

    RFC 9110 13.1.3 and 13.1.4.
    """
    if value is None or selected.last_modified is None:
        return None
    date = parse_http_date(value, selected.date)
    return None if date is None else selected.last_modified > date


def if_range_holds(value: str, selected: Representation) -> bool:
    """True if the range may be served: the validator in If-Range is the current one (RFC 9110 13.1.5).

    An entity tag is compared strongly. A date must be exactly Last-Modified, and Last-Modified must be a strong
    validator: at least one second older than the response, for a file can change twice within a second.
    """
    text = trimmed(value, max(LONGEST, len(str(selected.etag))))
    if not text:
        return False
    tag = parse_entity_tag(text)
    if selected.etag is not None and tag.strongly_matches(selected.etag):
        return True
    date = None if tag.quoted else parse_http_date(text, selected.date)
    return date is not None and date == selected.last_modified and selected.date - date >= _ONE_SECOND
