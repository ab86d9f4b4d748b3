"""Which requests a check sends: each depends on the answers to those before it. Pure.

The first ones find out the length of the file and its validators, and whether ranges are served at all. If they are
not, those that are about the details of ranges are left out.
"""

from __future__ import annotations

from collections.abc import Iterator

from .known import Answers, coding_of, known_of, serves_ranges
from .values import Known, Probe

BEGINNING = 1 << 20  # bytes of the plain response that are read: a file that is no longer is read whole
_MOST = 1 << 16  # bytes read of any other response
_SAMPLE = 4096  # bytes in a range
_TAIL = 1000
_SPREAD = 100  # ranges in the request for many
_ROOM_FOR_MANY = 1 << 17  # bytes: in a shorter file, the heads of so many parts outweigh the whole
_LATE = 0.3  # seconds after which a late offset is asked for once more

OTHER_TAG = '"rangeware-check-another-version"'
"""An entity tag that no version has."""


def next_probe(answers: Answers) -> Probe | None:
    """The next request; None if there is none left."""
    return next((probe for probe in _plan(answers) if probe.name not in answers), None)


def _plan(answers: Answers) -> Iterator[Probe]:
    """All requests, as far as the answers so far tell."""
    known = known_of(answers)
    yield _get("whole", most=BEGINNING)
    yield Probe("head", "HEAD", {"accept-encoding": "identity"}, _MOST)
    if known.complete_length != 0:
        yield _range("first_two", "0-1")
        yield _range("from_start", "0-", most=_SAMPLE)
        yield from _samples(known.complete_length)
        if serves_ranges(answers):
            yield from _details(known)
            yield from _conditions(known)
            yield from _once_more(answers, known)
    yield _range("malformed", "one-two")
    yield from _general(answers, known)


def _samples(length: int | None) -> Iterator[Probe]:
    """Ranges of the beginning and the middle, which overlap."""
    if length is None:
        yield _range("early", "1-100")
        return
    size = min(_SAMPLE, max(1, length // 8))
    middle = length // 2
    yield _range("early", _span(min(_TAIL, length // 4), size, length))
    yield _range("middle", _span(middle, size, length))
    if size > 1:
        yield _range("overlap", _span(middle - size // 2, size, length))


def _details(known: Known) -> Iterator[Probe]:
    """Ranges in all the forms that the grammar has."""
    length = known.complete_length
    tail = _TAIL if length is None else min(_TAIL, max(1, length // 2))
    yield _range("suffix", f"-{tail}")
    yield _range("unsatisfiable", f"{10**18 if length is None else length}-")
    yield _range("huge", "9" * 40 + "-")
    if length is None:
        return
    yield _range("to_end", f"{length - tail}-")
    yield _range("clamped", f"{length - tail}-{length + _TAIL}")
    if length >= 1000:
        yield _range("several", f"0-9,{length // 2}-{length // 2 + 9},-10")
    if length >= _ROOM_FOR_MANY:
        step = length // _SPREAD
        yield _range("many", ",".join(f"{first}-{first + 3}" for first in range(0, step * _SPREAD, step)))


def _conditions(known: Known) -> Iterator[Probe]:
    """Requests with If-Range (RFC 9110 13.1.5)."""
    version = known.version
    tag = version.etag
    if tag is not None:
        yield _range("if_range_weak" if tag.weak else "if_range_tag", "0-9", {"if-range": str(tag)})
    if version.dated and version.last_modified is not None:
        yield _range("if_range_date", "0-9", {"if-range": version.last_modified})
    yield _range("if_range_changed", "0-9", {"if-range": OTHER_TAG})


def _once_more(answers: Answers, known: Known) -> Iterator[Probe]:
    """A late offset again, if it took long: that can have been chance."""
    if known.complete_length and "to_end" in answers and answers["to_end"].waited > _LATE:
        yield _range("to_end_again", answers["to_end"].probe.fields["range"].removeprefix("bytes="))


def _general(answers: Answers, known: Known) -> Iterator[Probe]:
    """Requests that make sense for any file."""
    version = known.version
    if version.etag is not None:
        yield _get("revalidated", {"if-none-match": str(version.etag)})
    elif version.last_modified is not None:
        yield _get("revalidated", {"if-modified-since": version.last_modified})
    yield _get("coded", {"accept-encoding": "gzip, deflate, br, zstd"})
    if coding_of(answers) and serves_ranges(answers):
        yield _range("coded_range", "0-99", {"accept-encoding": "gzip, deflate, br, zstd"})
    yield _get("again", most=_SAMPLE)


def _span(first: int, size: int, length: int) -> str:
    return f"{first}-{min(first + size, length) - 1}"


def _get(name: str, fields: dict[str, str] | None = None, most: int = _MOST) -> Probe:
    return Probe(name, "GET", {"accept-encoding": "identity", **(fields or {})}, most)


def _range(name: str, ranges: str, fields: dict[str, str] | None = None, most: int = _MOST) -> Probe:
    return _get(name, {"range": f"bytes={ranges}", **(fields or {})}, most)
