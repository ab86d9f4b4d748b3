"""The decision: which response a request gets, and why (RFC 9110 sections 13.2.2 and 14).

``decide`` takes plain values and returns a ``Plan``. The adapters call it once the app has answered and the complete
length is known; ``core.reply`` then turns the plan into a status, header fields and segments.
"""

from __future__ import annotations

from ..http.ranges import ByteRange, RangeSpec, has_more_range_specs, parse_range, range_unit, resolve_all
from .preconditions import failed_precondition, if_range_holds
from .segments import BOUNDARY_LENGTH, content_length, part_heads
from .values import Limits, Plan, Reason, Representation, RequestFields

Span = tuple[int, int]
"""The first and the last position of a range, while there can be very many: plain tuples cost the least."""

_new = tuple.__new__
_SURPLUS = 4096  # bytes: no response is larger than the complete length and this
_ANY_BOUNDARY = "-" * BOUNDARY_LENGTH  # as good as any other, where only lengths matter


def decide(request: RequestFields, selected: Representation, limits: Limits) -> Plan:
    """Decide which response this request gets from this representation, and why (RFC 9110 13.2.2)."""
    if selected.status != 200 or request.method not in ("GET", "HEAD"):
        return Plan(selected.status, (), Reason.METHOD if selected.status == 200 else Reason.STATUS)
    if selected.obstacle is Reason.OFFLOADED:  # the front server has the representation, and so the validators
        return Plan(200, (), Reason.OFFLOADED)
    failed = failed_precondition(request, selected) if request.has_preconditions else None
    return failed or _decide_range(request, selected, limits)


def _decide_range(request: RequestFields, selected: Representation, limits: Limits) -> Plan:
    """Step 5 of RFC 9110 13.2.2: If-Range, then Range."""
    if request.range is None:
        return Plan(200, (), Reason.NO_RANGE)
    if request.method != "GET":  # RFC 9110 14.2
        return Plan(200, (), Reason.METHOD)
    obstacle = selected.obstacle or _reason_to_ignore(request.range, limits)
    if obstacle is None and request.if_range is not None and not if_range_holds(request.if_range, selected):
        obstacle = Reason.IF_RANGE
    specs = parse_range(request.range) if obstacle is None else None
    if specs is None:
        return Plan(200, (), obstacle or Reason.SYNTAX)
    return _select(specs, selected)


def _reason_to_ignore(value: str, limits: Limits) -> Reason | None:
    """A reason to ignore a Range field that shows without parsing it; None if there is none."""
    unit = range_unit(value)
    if unit != "bytes":
        return Reason.UNIT if unit else Reason.SYNTAX
    if len(value) > limits.max_ranges and has_more_range_specs(value, limits.max_ranges):  # no spec is shorter
        return Reason.TOO_MANY_RANGES
    return None


def _select(specs: tuple[RangeSpec, ...], selected: Representation) -> Plan:
    """Resolve the range-specs, merge the ranges, and order them as the body can give them."""
    if selected.complete_length is None:
        return Plan(200, (), Reason.UNKNOWN_LENGTH)
    if selected.complete_length == 0:  # no Content-Range can describe no bytes: RFC 9110 14.2 allows to ignore Range
        return Plan(200, (), Reason.EMPTY)
    spans = resolve_all(specs, selected.complete_length)
    if not spans:
        return Plan(416, (), Reason.UNSATISFIABLE)
    if len(spans) > 1 and not _is_ascending(spans):
        spans = _merge(spans)
        if not selected.random_access:
            spans.sort()
    ranges = tuple([_new(ByteRange, span) for span in spans])
    if len(ranges) > 1 and not _fits(selected.complete_length + _SURPLUS, ranges, selected):
        return Plan(200, (), Reason.SURPLUS)
    return Plan(206, ranges, Reason.SLICED)


def _is_ascending(spans: list[Span]) -> bool:
    """True if the spans are in order, and none overlaps or touches the next one."""
    next_pos = -1
    for first_pos, last_pos in spans:
        if first_pos <= next_pos:
            return False
        next_pos = last_pos + 1
    return True


def _merge(spans: list[Span]) -> list[Span]:
    """Join overlapping and touching spans, each at the place of the first of them (RFC 9110 15.3.7.2)."""
    ordered = sorted([(first_pos, last_pos, place) for place, (first_pos, last_pos) in enumerate(spans)])
    merged: list[tuple[int, Span]] = []
    first_pos, last_pos, place = ordered[0]
    for first, last, other in ordered:
        if first > last_pos + 1:
            merged.append((place, (first_pos, last_pos)))
            first_pos, last_pos, place = first, last, other
        if last > last_pos:
            last_pos = last
        if other < place:
            place = other
    merged.append((place, (first_pos, last_pos)))
    return [span for _, span in sorted(merged)]


def _fits(most: int, ranges: tuple[ByteRange, ...], selected: Representation) -> bool:
    """True if multipart/byteranges with these parts has ``most`` bytes at the most."""
    described = selected.complete_length or 0, selected.content_type, _ANY_BOUNDARY
    content = content_length(ranges)
    longest, tail = part_heads([ByteRange(most, most)], *described)
    if content + len(longest[0]) * len(ranges) + len(tail) <= most:  # no need to add up the heads one by one
        return True
    heads, tail = part_heads(ranges, *described)
    return content + sum(map(len, heads)) + len(tail) <= most
