"""Lines on standard error and standard output. Most never raise: a transfer goes on when nobody looks any more.

What a command is for, such as a report, must arrive: ``write_result`` says if it does not.
"""

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
    _write(format_json(fields), sys.stdout)


def format_json(fields: dict[str, Any]) -> str:
    """Format an object in a line of JSON, without user names and passwords in URLs."""
    import json

    hidden = {name: hide_userinfo(value) if isinstance(value, str) else value for name, value in fields.items()}
    return json.dumps(hidden)


def write_result(text: str) -> None:
    """Write lines on standard output as they are.

    :raises OutputClosed: if nobody reads any more.
    :raises DiskError: if they cannot be written.
    """
    from ..io.sink import stream_errors

    with stream_errors():
        print(text, flush=True)


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
