"""Decision: which answer a request gets, and why (RFC 9110 sections 13 and 14). Plain values in, a ``Plan`` out."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta
from typing import NamedTuple

from .core.segments import content_length, part_heads
from .http.dates import EPOCH, parse_http_date
from .http.etags import ANY, EntityTag, parse_entity_tag, parse_entity_tags
from .http.ranges import ByteRange, RangeSpec, count_range_specs, parse_range, range_unit

make = tuple.__new__

BOUNDARY_LENGTH = 32
"""Characters in the boundary of a multipart answer: 128 random bits in hexadecimal."""

_SURPLUS = 4096  # bytes: no answer is larger than the complete length and this
_BOUNDARY = "-" * BOUNDARY_LENGTH  # as good as any, where only lengths matter
_LONG = 100  # characters in a Range field: more than one range-spec mostly has
_ONE_SECOND = timedelta(seconds=1)


class Reason(enum.Enum):
    """Why an answer is what it is. ``str(reason)`` is a sentence for people, ``reason.name`` a label for metrics."""

    SLICED = "the ranges asked for"
    UNSATISFIABLE = "no range asked for lies within the representation"
    IF_MATCH = "If-Match does not hold"
    IF_UNMODIFIED_SINCE = "the representation was modified after If-Unmodified-Since"
    IF_NONE_MATCH = "If-None-Match names the current representation"
    IF_MODIFIED_SINCE = "the representation was not modified after If-Modified-Since"
    NO_RANGE = "no Range was asked for"
    METHOD = "Range is defined for GET only"
    STATUS = "the app answered with a status other than 200"
    OWN_CONTENT_RANGE = "the app sent a Content-Range of its own"
    OWN_MULTIPART = "the app sent multipart/byteranges of its own"
    TRANSFER_ENCODING = "the app chose a Transfer-Encoding"
    ACCEPT_RANGES_NONE = "the app declines ranges with Accept-Ranges: none"
    OFFLOADED = "a front server sends the content"
    CONTENT_CODING = "the content is coded and has no strong ETag"
    UNKNOWN_LENGTH = "the complete length is unknown"
    SHORTER = "the file is shorter than its declared length"
    EMPTY = "the representation is empty"
    UNIT = "the range unit is not bytes"
    TOO_MANY_RANGES = "more ranges than max_ranges"
    SYNTAX = "Range is not to the grammar"
    IF_RANGE = "If-Range does not hold"
    SURPLUS = "the parts would be larger than the whole"

    def __str__(self) -> str:
        return self.value


_UNCONDITIONAL = (None, None, None, None)


class RequestFields(NamedTuple):
    """What a request asks, as field text; None where the field is absent."""

    method: str
    range: str | None = None
    if_range: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None

    @property
    def preconditional(self) -> bool:
        """Whether there is a precondition that decides before Range is looked at (RFC 9110 13.2.2)."""
        return self[3:] != _UNCONDITIONAL

    @property
    def compares(self) -> bool:
        """Whether validators are asked about."""
        return self.if_range is not None or self.preconditional

    @property
    def conditional(self) -> bool:
        """Whether anything is asked but the whole representation."""
        return self.range is not None or self.compares


class Representation(NamedTuple):
    """What the app would send with 200, as far as it matters here.

    ``complete_length`` is in bytes, None where unknown. ``date`` is the moment of the answer: its Date, or now.
    ``status`` is the app's own; ``obstacle`` says why its answer must not be sliced. ``random_access`` is False for a
    body that can merely run forward.
    """

    complete_length: int | None
    etag: EntityTag | None = None
    last_modified: datetime | None = None
    date: datetime = EPOCH
    content_type: str | None = None
    random_access: bool = True
    status: int = 200
    obstacle: Reason | None = None

    @property
    def sliceable(self) -> bool:
        """Whether a satisfiable Range would be served; then Accept-Ranges says so."""
        return self.obstacle is None and bool(self.complete_length)


class Limits(NamedTuple):
    """Bounds on what one request may ask for: range-specs in one Range field, at least 1."""

    max_ranges: int = 100


class Plan(NamedTuple):
    """The answer decided on: its status, the ranges it carries (both ends inclusive), and why.

    >>> plan = environ["rangeware.plan"]
    >>> plan.status, plan.ranges, str(plan.reason)
    (206, (ByteRange(first_pos=0, last_pos=99),), 'the ranges asked for')
    """

    status: int
    ranges: tuple[ByteRange, ...]
    reason: Reason


def decide(request: RequestFields, selected: Representation, limits: Limits) -> Plan:
    """Which response this request gets from this representation, and why (RFC 9110 13.2.2)."""
    if selected.status != 200 or request.method not in ("GET", "HEAD"):
        return Plan(selected.status, (), Reason.METHOD if selected.status == 200 else Reason.STATUS)
    if selected.obstacle is Reason.OFFLOADED:  # the front server has the representation, and so the validators
        return Plan(200, (), Reason.OFFLOADED)
    failed = _failed_precondition(request, selected) if request.preconditional else None
    return failed or _decide_range(request, selected, limits)


def only_spec(value: str) -> RangeSpec | None:
    """The range-spec of a Range field that has just one, as most have; None for any other field."""
    specs = parse_range(value) if len(value) < _LONG and "," not in value else None
    return None if specs is None else specs[0]


def decide_one(spec: RangeSpec, complete_length: int) -> Plan | None:
    """The same for the commonest case: one range-spec, of a representation that can be sliced, and no condition.

    None where it is unsatisfiable, which takes ``decide``.
    """
    part = spec.resolve(complete_length)
    return None if part is None else make(Plan, (206, (part,), Reason.SLICED))


def _failed_precondition(request: RequestFields, selected: Representation) -> Plan | None:
    """Steps 1 to 4 of RFC 9110 13.2.2; None where all conditions hold."""
    if request.if_match is not None:
        if not _if_match_holds(request.if_match, selected.etag):
            return Plan(412, (), Reason.IF_MATCH)
    elif _modified_after(request.if_unmodified_since, selected) is True:
        return Plan(412, (), Reason.IF_UNMODIFIED_SINCE)
    if request.if_none_match is not None:
        if not _if_none_match_holds(request.if_none_match, selected.etag):
            return Plan(304, (), Reason.IF_NONE_MATCH)
    elif _modified_after(request.if_modified_since, selected) is False:
        return Plan(304, (), Reason.IF_MODIFIED_SINCE)
    return None


def _if_match_holds(value: str, etag: EntityTag | None) -> bool:
    """RFC 9110 13.1.1: strong comparison; a field that is not to the grammar is ignored."""
    tags = parse_entity_tags(value)
    if tags is None or isinstance(tags, str):
        return True
    return etag is not None and any(tag.strongly_matches(etag) for tag in tags)


def _if_none_match_holds(value: str, etag: EntityTag | None) -> bool:
    """RFC 9110 13.1.2: weak comparison; a field that is not to the grammar is ignored."""
    tags = parse_entity_tags(value)
    if tags is None or isinstance(tags, str):
        return tags != ANY
    return etag is None or not any(tag.weakly_matches(etag) for tag in tags)


def _modified_after(value: str | None, selected: Representation) -> bool | None:
    """Whether Last-Modified is later than the date given; None where either is missing or unreadable.

    RFC 9110 13.1.3 and 13.1.4.
    """
    if value is None or selected.last_modified is None:
        return None
    date = parse_http_date(value, selected.date)
    return None if date is None else selected.last_modified > date


def _decide_range(request: RequestFields, selected: Representation, limits: Limits) -> Plan:
    """Step 5 of RFC 9110 13.2.2."""
    if request.range is None:
        return Plan(200, (), Reason.NO_RANGE)
    if request.method != "GET":  # RFC 9110 14.2
        return Plan(200, (), Reason.METHOD)
    fault = selected.obstacle or _fault(request.range, limits)
    if fault is None and request.if_range is not None and not _if_range_holds(request.if_range, selected):
        fault = Reason.IF_RANGE
    specs = parse_range(request.range) if fault is None else None
    if specs is None:
        return Plan(200, (), fault or Reason.SYNTAX)
    return _select(specs, selected)


def _fault(value: str, limits: Limits) -> Reason | None:
    """What is wrong with a Range field, as far as that is seen without taking it apart."""
    unit = range_unit(value)
    if unit != "bytes":
        return Reason.UNIT if unit else Reason.SYNTAX
    if len(value) > limits.max_ranges and count_range_specs(value) > limits.max_ranges:  # no spec is shorter than that
        return Reason.TOO_MANY_RANGES
    return None


def _if_range_holds(value: str, selected: Representation) -> bool:
    """RFC 9110 13.1.5: strong comparison only, of either kind of validator."""
    tag = parse_entity_tag(value)
    if selected.etag is not None and tag.strongly_matches(selected.etag):
        return True
    date = None if tag.quoted else parse_http_date(value, selected.date)
    return date is not None and date == selected.last_modified and selected.date - date >= _ONE_SECOND


def _select(specs: tuple[RangeSpec, ...], selected: Representation) -> Plan:
    """The ranges that can be served, merged and in the order in which this body can give them."""
    if selected.complete_length is None:
        return Plan(200, (), Reason.UNKNOWN_LENGTH)
    if selected.complete_length == 0:  # no Content-Range can describe nothing: RFC 9110 14.2 allows to ignore Range
        return Plan(200, (), Reason.EMPTY)
    ranges = [part for spec in specs if (part := spec.resolve(selected.complete_length)) is not None]
    if not ranges:
        return Plan(416, (), Reason.UNSATISFIABLE)
    if len(ranges) == 1:
        return make(Plan, (206, (ranges[0],), Reason.SLICED))
    return _select_several(ranges, selected, selected.complete_length + _SURPLUS)


def _select_several(ranges: list[ByteRange], selected: Representation, bound: int) -> Plan:
    if not _ascend(ranges):
        ranges = _merge(ranges)
        if not selected.random_access:
            ranges.sort()
    if len(ranges) > 1 and not _is_within(bound, ranges, selected):
        return Plan(200, (), Reason.SURPLUS)
    return Plan(206, tuple(ranges), Reason.SLICED)


def _ascend(ranges: list[ByteRange]) -> bool:
    """Whether these ranges are in order, and none overlaps or touches the next one."""
    next_pos = -1
    for first_pos, last_pos in ranges:
        if first_pos <= next_pos:
            return False
        next_pos = last_pos + 1
    return True


def _merge(ranges: list[ByteRange]) -> list[ByteRange]:
    """Overlapping and touching ranges become one, at the place of the first of them (RFC 9110 15.3.7.2)."""
    merged: list[tuple[int, ByteRange]] = []
    for place, part in sorted(enumerate(ranges), key=lambda numbered: numbered[1]):
        if merged and part.first_pos <= merged[-1][1].next_pos:
            before, last = merged.pop()
            part = ByteRange(last.first_pos, max(last.last_pos, part.last_pos))
            place = min(before, place)
        merged.append((place, part))
    return [part for _, part in sorted(merged)]


def _is_within(bound: int, ranges: list[ByteRange], selected: Representation) -> bool:
    """Whether the multipart answer with these parts has no more bytes than this."""
    described = selected.complete_length or 0, selected.content_type, _BOUNDARY
    content = content_length(ranges)
    longest, tail = part_heads([ByteRange(bound, bound)], *described)
    if content + len(longest[0]) * len(ranges) + len(tail) <= bound:  # which saves counting each
        return True
    heads, tail = part_heads(ranges, *described)
    return content + sum(map(len, heads)) + len(tail) <= bound
