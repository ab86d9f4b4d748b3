"""Parsers of the Range header: rangeware's and those of the peers, on the same input."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from baize.responses import FileResponseMixin
from bottle import parse_range_header as bottle_parse
from cherrypy.lib.httputil import get_ranges
from starlette.responses import FileResponse
from static_ranges import Ranges
from webob.byterange import Range
from werkzeug.http import parse_range_header

from rangeware.core.plan import decide
from rangeware.core.values import Limits, Plan, Representation, RequestFields
from rangeware.http.ranges import parse_range

LENGTH = 1 << 30  # bytes in the representation, for the parsers that need it


def _ranges(count: int) -> str:
    """Return this many ranges of one byte each, ascending and not adjacent."""
    return "bytes=" + ",".join(f"{pos}-{pos}" for pos in range(0, 20 * count, 20))


FIELDS = {
    "parse-one": "bytes=0-499",
    "parse-suffix": "bytes=0-0,-1",
    "parse-100": _ranges(100),
    "parse-10000": _ranges(10_000),
    "parse-10000-zeros": "bytes=" + ",".join(["0-"] * 10_000),
}
_TOO_MANY = ("parse-10000", "parse-10000-zeros")

_SELECTED = Representation(LENGTH)
_LIMITS = Limits()


def _decide(value: str) -> Plan:
    return decide(RequestFields("GET", range=value), _SELECTED, _LIMITS)


def _bottle(value: str) -> list[tuple[int, int]]:
    return list(bottle_parse(value, LENGTH))


def _quietly(parse: Callable[[str, int], object], value: str) -> object:
    """Call a parser of Starlette or baize. They raise an exception for headers they refuse; return it as the result."""
    try:
        return parse(value, LENGTH)
    except Exception as exc:
        return exc


def _cherrypy(value: str) -> object:
    return get_ranges(value, LENGTH)


def _static_ranges(value: str) -> object:
    """Run only the parser, without resolving, sorting and merging."""
    return Ranges.parse_byteranges({"HTTP_RANGE": value})


PEERS: dict[str, Callable[[str], object]] = {
    "werkzeug": parse_range_header,
    "webob": Range.parse,
    "starlette": partial(_quietly, FileResponse._parse_range_header),
    "bottle": _bottle,
    "cherrypy": _cherrypy,
    "static-ranges": _static_ranges,
    "baize": partial(_quietly, FileResponseMixin.parse_range),
}


def parser_calls() -> dict[str, dict[str, Callable[[], object]]]:
    """Return the calls to time, by measure and name.

    ``rangeware`` is the parser, except for headers with too many ranges: ``decide`` refuses these without parsing, so
    it is timed instead. ``rangeware-decide`` is the whole decision: counting, parsing, resolving, merging.
    """
    return {measure: _calls(measure, field) for measure, field in FIELDS.items()}


def _calls(measure: str, field: str) -> dict[str, Callable[[], object]]:
    own = {"rangeware": _decide if measure in _TOO_MANY else parse_range, "rangeware-decide": _decide}
    return {name: partial(parse, field) for name, parse in {**own, **PEERS}.items()}


def outcome(result: object) -> str:
    """Describe the result of a parser in a few words."""
    if isinstance(result, Plan):
        return _counted(len(result.ranges)) if result.ranges else str(result.reason)
    if isinstance(result, Range):
        return "the first range only"
    if result is None or isinstance(result, Exception):
        return "refused"
    found: Any = getattr(result, "ranges", result)
    return _counted(len(found)) if found else "refused"


def _counted(count: int) -> str:
    return f"{count:,} ranges" if count > 1 else "one range"
