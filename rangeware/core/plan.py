"""The decision: which response a request gets, and why (RFC 9110 sections 13.2.2 and 14).

``decide`` takes plain values and returns a ``Plan``. The adapters call it once the app has answered and the complete
length is known; ``core.reply`` then turns the plan into a status, header fields and segments.
"""

from __future__ import annotations

from ..http.ranges import ByteRange, RangeSpec, count_range_specs, parse_range, range_unit
from .preconditions import failed_precondition, if_range_holds
from .segments import BOUNDARY_LENGTH, content_length, part_heads
from .values import Limits, Plan, Reason, Representation, RequestFields

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
    if len(value) > limits.max_ranges and count_range_specs(value) > limits.max_ranges:  # no spec is shorter than that
        return Reason.TOO_MANY_RANGES
    return None


def _select(specs: tuple[RangeSpec, ...], selected: Representation) -> Plan:
    """Resolve the range-specs against the representation."""
    if selected.complete_length is None:
        return Plan(200, (), Reason.UNKNOWN_LENGTH)
    if selected.complete_length == 0:  # no Content-Range can describe no bytes: RFC 9110 14.2 allows to ignore Range
        return Plan(200, (), Reason.EMPTY)
    ranges = [part for spec in specs if (part := spec.resolve(selected.complete_length)) is not None]
    if not ranges:
        return Plan(416, (), Reason.UNSATISFIABLE)
    if len(ranges) == 1:
        return Plan(206, (ranges[0],), Reason.SLICED)
    return _select_several(ranges, selected, selected.complete_length + _SURPLUS)


def _select_several(ranges: list[ByteRange], selected: Representation, most: int) -> Plan:
    """Merge the ranges and order them as the body can give them, in a response of ``most`` bytes at the most."""
    if not _is_ascending(ranges):
        ranges = _merge(ranges)
        if not selected.random_access:
            ranges.sort()
    if len(ranges) > 1 and not _fits(most, ranges, selected):
        return Plan(200, (), Reason.SURPLUS)
    return Plan(206, tuple(ranges), Reason.SLICED)


def _is_ascending(ranges: list[ByteRange]) -> bool:
    """True if the ranges are in order, and none overlaps or touches the next one."""
    next_pos = -1
    for first_pos, last_pos in ranges:
        if first_pos <= next_pos:
            return False
        next_pos = last_pos + 1
    return True


def _merge(ranges: list[ByteRange]) -> list[ByteRange]:
    """Join overlapping and touching ranges, each at the place of the first of them (RFC 9110 15.3.7.2)."""
    merged: list[tuple[int, ByteRange]] = []
    for place, part in sorted(enumerate(ranges), key=lambda numbered: numbered[1]):
        if merged and part.first_pos <= merged[-1][1].next_pos:
            before, last = merged.pop()
            part = ByteRange(last.first_pos, max(last.last_pos, part.last_pos))
            place = min(before, place)
        merged.append((place, part))
    return [part for _, part in sorted(merged)]


def _fits(most: int, ranges: list[ByteRange], selected: Representation) -> bool:
    """True if multipart/byteranges with these parts has ``most`` bytes at the most."""
    described = selected.complete_length or 0, selected.content_type, _ANY_BOUNDARY
    content = content_length(ranges)
    longest, tail = part_heads([ByteRange(most, most)], *described)
    if content + len(longest[0]) * len(ranges) + len(tail) <= most:  # no need to add up the heads one by one
        return True
    heads, tail = part_heads(ranges, *described)
    return content + sum(map(len, heads)) + len(tail) <= most
