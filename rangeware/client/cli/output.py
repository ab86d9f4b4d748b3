"""Lines on standard error and standard output that never raise: a transfer goes on when nobody looks any more."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any, TextIO

from .formatting import hide_userinfo, make_printable


def print_line(text: str) -> None:
    """Print a line on standard error, made safe for a terminal."""
    _write(make_printable(text), sys.stderr)


def print_result(text: str) -> None:
    """Print a line on standard output, made safe for a terminal."""
    _write(make_printable(text), sys.stdout)


def print_json(fields: dict[str, Any]) -> None:
    """Print an object in a line on standard output, without user names and passwords in URLs."""
    import json

    hidden = {name: hide_userinfo(value) if isinstance(value, str) else value for name, value in fields.items()}
    _write(json.dumps(hidden), sys.stdout)


def _write(line: str, stream: TextIO | None) -> None:
    if stream is None:  # closed before the command was started
        return
    try:
        print(line, file=stream, flush=True)
    except (OSError, ValueError):
        _mute(stream)


def _mute(stream: TextIO) -> None:
    """Redirect a broken stream to /dev/null: flushing its buffer at the end of the process must not fail."""
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), stream.fileno())
