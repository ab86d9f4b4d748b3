"""What the goals of speed and ``docs/performance.md`` need: ``benchmarks/run --goals`` measures nothing else."""

from __future__ import annotations

import re

from benchmarks.targets import Target
from benchmarks.wire import Measure

_OWN_AND_FLOOR = r"(rangeware|floor-open)-(gunicorn|gthread|uwsgi|waitress|cheroot)|nginx"
_SMALL_RANGE = (
    rf"{_OWN_AND_FLOOR}|(rangeware|floor-open)-dated-\w+|minimum(-dated)?-\w+"
    r"|(baize|whitenoise|static-ranges)-gthread|(rangeware-)?starlette-uvicorn"
)
_MULTIPART = r"rangeware-(gunicorn|gthread|uwsgi)|baize-gthread|nginx"
_TARGETS = {
    "range-4k": _SMALL_RANGE,
    "range-1m": _OWN_AND_FLOOR,
    "range-512m": _OWN_AND_FLOOR,
    "multi-10x4k": _MULTIPART,
    "multi-100x4k": _MULTIPART,
    "multi-10x1m": _MULTIPART,
    "whole-1m": r"(rangeware-)?starlette-uvicorn",
    "json": r"(rangeware-)?starlette-uvicorn",
}
"""Regular expressions of the targets, by measure."""

_ON_PAGE = (
    r"(rangeware|floor-open)-(gunicorn|uwsgi|waitress)|(rangeware-)?flask-gunicorn|(baize|whitenoise)-gthread"
    r"|(rangeware-)?starlette-uvicorn|aiohttp|nginx"
)
_PAGE_MEASURES = ("range-4k", "range-1m", "range-512m", "multi-10x4k", "file-first", "file-last")

IN_PROCESS = r"^(json|file|file-dated|list-range|parse-one|parse-100|hostile-1mb)$"
"""Regular expression of the measures in process."""
INSTRUCTIONS = r"^(floor-open|minimum|rangeware)-(?!dated)|-dated-in process$"
"""Regular expression of the instruction counts."""


def is_needed(measure: Measure, target: Target) -> bool:
    """Tell if a goal or a table needs this measure of this target, or the comparison with it."""
    wanted = _TARGETS.get(measure.name, "(?!)")
    if measure.name in _PAGE_MEASURES:
        wanted = f"{wanted}|{_ON_PAGE}"
    return re.fullmatch(wanted, target.name) is not None
