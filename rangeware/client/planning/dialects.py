"""Odd but harmless ways to say 200, 206 and 416, translated into the usual ones before a response is assessed.

Some servers and proxies send the right bytes in the wrong words: a slice with status 200, a Content-Range on every
response or in a spelling of their own, an empty 206 for a range behind the end. The framing tells which bytes they are;
where it leaves a doubt, the head stays as it is.
"""

from __future__ import annotations

import re

from ...http.ranges import ByteRange, parse_complete_length, unsatisfied_range
from .assessment import RangeRequest
from .response_head import FileVersion, ResponseHead

_TRANSFORMED = 203  # RFC 9110 15.3.4: by a proxy; the length and the validators tell if it is still the file
_EMPTY_RANGE = re.compile(r"bytes +([0-9]{1,19})-([0-9]{0,19}|-1)/([0-9]{1,19}|\*)", re.ASCII | re.IGNORECASE)
_SPELLED = re.compile(
    r"(?:bytes[ \t]*[:=]?)?[ \t]*([0-9]{1,19})[ \t]*-[ \t]*([0-9]{1,19})[ \t]*(?:/[ \t]*([0-9]{1,19}|\*))?",
    re.ASCII | re.IGNORECASE)


def translate(request: RangeRequest, known: FileVersion | None, head: ResponseHead) -> ResponseHead:
    """The head as another server would have sent it.

    :param known: the version that was begun; None if nothing is there yet.
    """
    if head.status == _TRANSFORMED:
        head = head._replace(status=200)
    head = _respelled(head)
    if head.status == 206 and _is_empty(head):
        return _unsatisfied(head)
    if head.status != 200:
        return head
    if "content-range" in head.fields:
        return _with_content_range(request, known, head)
    return _bare_slice(request, known, head)


def _respelled(head: ResponseHead) -> ResponseHead:
    """With a Content-Range in the form of RFC 9110 14.4, if only its punctuation or its complete length is missing."""
    match = _SPELLED.fullmatch(head.fields.get("content-range", "").strip())
    if match is None or head.content_range is not None:
        return head
    return head._replace(fields={**head.fields, "content-range": f"bytes {match[1]}-{match[2]}/{match[3] or '*'}"})


def _is_empty(head: ResponseHead) -> bool:
    """True for a 206 without a byte: by its Content-Length, or by a range that ends directly before it begins."""
    match = _EMPTY_RANGE.fullmatch(head.fields.get("content-range", "").strip())
    ends_before = match is not None and int(match[2] or -1) == int(match[1]) - 1
    return head.content_length == 0 or ends_before


def _unsatisfied(head: ResponseHead) -> ResponseHead:
    """A 416, with the complete length if it was told (RFC 9110 15.5.17)."""
    length = parse_complete_length(head.fields.get("content-range", "").rpartition("/")[2])
    told = {} if length is None else {"content-range": unsatisfied_range(length)}
    kept = {name: value for name, value in head.fields.items() if name != "content-range"}
    return ResponseHead(416, {**kept, **told})


def _with_content_range(request: RangeRequest, known: FileVersion | None, head: ResponseHead) -> ResponseHead:
    """A 200 with Content-Range: the whole file or a slice, as its Content-Length says."""
    whole = head._replace(fields={name: value for name, value in head.fields.items() if name != "content-range"})
    content_range, length = head.content_range, head.content_length
    part = None if content_range is None else content_range.part
    if content_range is None or part is None:
        is_whole = length is not None and known is not None and length == known.complete_length
        return whole if is_whole or not request.ranged else head
    complete_length = content_range.complete_length
    if complete_length is not None and length == complete_length:
        return whole
    if not head.has_clear_end or length not in (None, part.length):
        return head
    if part.first_pos == 0 and part.next_pos == complete_length:
        return whole
    return head._replace(status=206) if request.ranged else head


def _bare_slice(request: RangeRequest, known: FileVersion | None, head: ResponseHead) -> ResponseHead:
    """A 200 without Content-Range, as long as the range that was asked for, and not as the file.

    If it is nevertheless all of a new version, its validators or the overlap differ, and it is asked for once more. To
    take a slice for the whole file would be worse.
    """
    if known is None or known.complete_length is None or not request.ranged or not request.first_pos:
        return head
    last_pos = known.complete_length - 1 if request.last_pos is None else request.last_pos
    part = ByteRange(request.first_pos, last_pos)
    if head.content_length != part.length:
        return head
    return ResponseHead(206, {**head.fields, "content-range": part.content_range(known.complete_length)})
