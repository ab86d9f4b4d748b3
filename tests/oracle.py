"""The oracle, an independent judge of what RFC 9110 demands for a request: slow and simple on purpose.

Written from sections 5.6, 8.8, 13 and 14 of the RFC, with the choices of docs/choices.md where the RFC leaves one.
Bytes are counted in sets of positions and numerals are compared as text, so that no mistake in arithmetic can be shared
with what is judged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import NamedTuple

from tests.support import Answer, parts

Spans = tuple[tuple[int, int], ...]

ENTITY_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')  # 8.8.3
DATE_FORMS = "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"  # 5.6.7
ASCII_DIGITS = frozenset("0123456789")
BLANKS = " \t"  # OWS, 5.6.3
SURPLUS = 4096  # deliberate choice: no answer is larger than the whole + 4 KiB


class Representation(NamedTuple):
    """The selected representation, and the Date of the answer that carries it."""

    complete_length: int
    etag: str | None = None
    last_modified: str | None = None
    date: str | None = None
    content_type: str | None = "application/octet-stream"


class Expected(NamedTuple):
    """The one right answer; ``spans`` (both ends inclusive) for 206 only."""

    status: int
    spans: Spans = ()


def expected(method: str, fields: Mapping[str, str], selected: Representation, *, max_ranges: int = 256,
             boundary_length: int = 32) -> Expected:
    """The order of 13.2.2, for GET and HEAD. ``fields`` are keyed like ``if_none_match``."""
    if not may_proceed(fields, selected):  # steps 1 and 2
        return Expected(412)
    if not is_news(fields, selected):  # steps 3 and 4
        return Expected(304)
    if method != "GET" or "range" not in fields:  # 14.2: GET only; 13.1.5: If-Range without Range says nothing
        return Expected(200)
    if "if_range" in fields and not if_range(fields["if_range"], selected):  # step 5
        return Expected(200)
    return by_range(fields["range"], selected, max_ranges, boundary_length)


def may_proceed(fields: Mapping[str, str], selected: Representation) -> bool:
    """Steps 1 and 2 of 13.2.2; a present If-Match hides If-Unmodified-Since (13.1.4)."""
    if "if_match" in fields:
        return if_match(fields["if_match"], selected.etag)
    return if_unmodified_since(fields.get("if_unmodified_since", ""), selected.last_modified)


def is_news(fields: Mapping[str, str], selected: Representation) -> bool:
    """Steps 3 and 4 of 13.2.2; a present If-None-Match hides If-Modified-Since (13.1.3)."""
    if "if_none_match" in fields:
        return if_none_match(fields["if_none_match"], selected.etag)
    return if_modified_since(fields.get("if_modified_since", ""), selected.last_modified)


# --- Entity tags, 8.8.3 and 13.1.1, 13.1.2 ---

def entity_tags(text: str) -> list[str] | None:
    """The tags of a ``1#entity-tag`` list; None if it is not one."""
    left_over = [member.strip(BLANKS) for member in ENTITY_TAG.sub("T", text.replace("T", "x")).split(",")]
    return ENTITY_TAG.findall(text) if set(left_over) <= {"T", ""} and "T" in left_over else None


def strong_comparison(one: str, other: str) -> bool:
    """8.8.3.2: the same character for character, and neither weak."""
    return one == other and not one.startswith("W/")


def weak_comparison(one: str, other: str) -> bool:
    """8.8.3.2: the same opaque-tags, weak or not."""
    return one.removeprefix("W/") == other.removeprefix("W/")


def if_match(text: str, etag: str | None) -> bool:
    """13.1.1. A field that does not parse has no say (a deliberate choice)."""
    tags = entity_tags(text)
    if text == "*" or tags is None:
        return True
    return etag is not None and any(strong_comparison(tag, etag) for tag in tags)


def if_none_match(text: str, etag: str | None) -> bool:
    """13.1.2. A field that does not parse has no say (a deliberate choice)."""
    if text == "*":
        return False
    return etag is None or not any(weak_comparison(tag, etag) for tag in entity_tags(text) or ())


# --- Dates, 5.6.7 and 13.1.3, 13.1.4 ---

@cache
def instant(text: str | None) -> datetime | None:
    """The moment that a date in any of the three forms of 5.6.7 names; None for other text."""
    for form in DATE_FORMS:
        try:
            return datetime.strptime(text or "", form)
        except ValueError:
            continue
    return None


def if_modified_since(text: str, last_modified: str | None) -> bool:
    """13.1.3: false where the last modification is earlier than the date or the same."""
    date, modified = instant(text), instant(last_modified)
    return date is None or modified is None or modified > date


def if_unmodified_since(text: str, last_modified: str | None) -> bool:
    """13.1.4: true where the last modification is earlier than the date or the same."""
    date, modified = instant(text), instant(last_modified)
    return date is None or modified is None or modified <= date


def if_range(text: str, selected: Representation) -> bool:
    """13.1.5: a strong tag that is the same, or a strong date that is exactly Last-Modified."""
    if selected.etag is not None and strong_comparison(text, selected.etag):
        return True  # also for an ETag without quotes (a deliberate choice)
    if '"' in text[:3]:
        return False
    asked, modified, date = instant(text), instant(selected.last_modified), instant(selected.date)
    if asked is None or modified is None or asked != modified:
        return False
    return date is None or date - modified >= timedelta(seconds=1)  # 8.8.2.2; no Date: long ago, for all we ask here


# --- Ranges, 14.1 and 14.2 ---

def by_range(text: str, selected: Representation, max_ranges: int = 256, boundary_length: int = 32) -> Expected:
    """The response to a Range that is not ignored (14.2, 15.3.7, 15.5.17)."""
    specs = range_specs(text)
    length = selected.complete_length
    if specs is None or len(specs) > max_ranges or length == 0:
        return Expected(200)
    spans = merged([span for spec in specs if (span := satisfied(spec, length))])
    if not spans:
        return Expected(416)
    if len(spans) > 1 and multipart_length(spans, selected, boundary_length) > length + SURPLUS:
        return Expected(200)
    return Expected(206, spans)


def range_specs(text: str) -> list[tuple[str, str]] | None:
    """The members of a valid bytes set, as pairs of numerals or ""; None if it is not valid (14.1.1)."""
    unit, equals, range_set = text.strip(BLANKS).partition("=")
    if not (unit.isascii() and unit.lower() == "bytes" and equals):
        return None
    members = [member.strip(BLANKS) for member in range_set.split(",")]
    specs = [(first, last) for first, _, last in (member.partition("-") for member in members if member)]
    valid = all(is_range_spec(member) for member in members if member)
    return specs if specs and valid else None


def is_range_spec(member: str) -> bool:
    """An int-range that does not run backwards, or a suffix-range (14.1.1)."""
    first, hyphen, last = member.partition("-")
    if not hyphen or not (first or last) or not set(first + last) <= ASCII_DIGITS:
        return False
    return not (first and last) or magnitude(first) <= magnitude(last)


def magnitude(numeral: str) -> tuple[int, str]:
    """A sort key for numerals of any length, by value."""
    significant = numeral.lstrip("0")
    return len(significant), significant


def position(numeral: str) -> int:
    """The value; a number beyond all lengths for what is longer than 18 digits."""
    significant = numeral.lstrip("0")
    return int(significant or "0") if len(significant) <= 18 else 10 ** 18


def satisfied(spec: tuple[str, str], length: int) -> tuple[int, int] | None:
    """First and last position that a member means; None if it cannot be satisfied (14.1.2)."""
    first, last = spec
    if first:
        start, stop = position(first), position(last) + 1 if last else length
    else:
        start, stop = max(0, length - position(last)), length
    stop = min(stop, length)
    return (start, stop - 1) if start < stop else None


def merged(spans: list[tuple[int, int]]) -> Spans:
    """Join ranges that overlap or touch, at the place of the first (15.3.7.2; a deliberate choice)."""
    groups: list[set[int]] = []
    for first, last in spans:
        group = set(range(first, last + 1))
        around = group | {first - 1, last + 1}
        friends = [other for other in groups if other & around]
        if friends:
            friends[0].update(group, *friends[1:])
            groups = [other for other in groups if not any(other is friend for friend in friends[1:])]
        else:
            groups.append(group)
    return tuple((min(group), max(group)) for group in groups)


def multipart_length(spans: Spans, selected: Representation, boundary_length: int) -> int:
    """Bytes of the multipart/byteranges body (14.6; RFC 2046 5.1.1)."""
    boundary = "b" * boundary_length
    content_type = f"Content-Type: {selected.content_type}\r\n" if selected.content_type is not None else ""
    heads = [f"\r\n--{boundary}\r\n{content_type}Content-Range: bytes {first}-{last}/{selected.complete_length}\r\n\r\n"
             for first, last in spans]
    content = sum(last - first + 1 for first, last in spans)
    return len("".join(heads)) + content + len(f"\r\n--{boundary}--\r\n")


# --- An answer against what was expected ---

def check(answer: Answer, right: Expected, content: bytes, label: object = "", *, method: str = "GET") -> None:
    """Asserts that status, Content-Range, Content-Length and each byte of the body are what ``right`` says."""
    status, body, complete_length = answer.status, answer.body, len(content)
    assert status == right.status, f"{label}: {status}, not {right.status}"
    assert len(body) <= complete_length + SURPLUS, f"{label}: {len(body)} bytes"
    bodiless = method == "HEAD" or status == 304  # 9.3.2, 15.4.5; their Content-Length is that of the 200 (8.6)
    promised = complete_length if status in (200, 304) else len(body)
    if not (method == "HEAD" and status not in (200, 304)):
        assert answer.get("Content-Length") in (str(promised), None), f"{label}: Content-Length"
    if bodiless:
        assert body == b"", f"{label}: a body"
    elif status == 200:
        assert body == content, f"{label}: not the whole"
    elif status == 206:
        assert answer.get("Content-Length") is not None, f"{label}: no Content-Length"
        slices = [(span, content[span[0]:span[1] + 1]) for span in right.spans]
        assert sent(answer, complete_length) == slices, f"{label}: not these parts: {right.spans}"
    if status != 206 or len(right.spans) > 1:
        content_range = f"bytes */{complete_length}" if status == 416 else None  # 14.4
        assert answer.get("Content-Range") == content_range, f"{label}: Content-Range"


def sent(answer: Answer, complete_length: int) -> list[tuple[tuple[int, int], bytes]]:
    """The ranges of a 206 with their bytes, as its fields and part heads tell them."""
    content_range = answer.get("Content-Range")
    if content_range is not None:  # 15.3.7.1
        match = re.fullmatch(r"bytes ([0-9]+)-([0-9]+)/([0-9]+)", content_range)
        assert match is not None, content_range
        assert int(match[3]) == complete_length, content_range
        return [((int(match[1]), int(match[2])), answer.body)]
    read = parts(answer)  # 15.3.7.2
    assert {part.complete_length for part in read} == {complete_length}
    return [((part.first_pos, part.last_pos), part.content) for part in read]
