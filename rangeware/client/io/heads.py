"""Heads of responses, read more strictly and more patiently than ``http.client`` reads them.

It skips an informational response only if that is a 100, and a server may send others (RFC 9110 15.2). It takes the end
of a connection for the end of a head, so that a Location or an offset that was cut off would count as complete. It
gives up at a line without a colon, and after 100 lines. So the lines are read here, and it is only told the fields that
say where the content ends.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import Any

from ..planning.head_fields import Pairs, combine, parse_fields

_MOST = 20  # informational responses before the final one
_LONGEST_LINE = 1 << 16  # bytes
_LONGEST_HEAD = 1 << 20  # bytes
_MOST_LINES = 5000
_INFORMATIONAL = re.compile(rb"HTTP/1\.[0-9] (?:100|10[2-9]|1[1-9][0-9])(?![0-9])")
_PROTOCOL = b"HTTP/"
_FRAMING = ("connection", "content-length", "keep-alive", "proxy-connection", "transfer-encoding")


class StrictResponse(HTTPResponse):
    """A response of ``http.client`` whose head is complete, and has all lines that are headers."""

    def begin(self) -> None:
        """Read the head."""
        stream: Any = self.fp
        status_line, pairs = _read_head(stream)
        fields = combine(pairs)
        framing = "".join(f"{name}: {fields[name]}\r\n" for name in _FRAMING if name in fields)
        head: Any = status_line and status_line + framing.encode("latin-1") + b"\r\n"
        self.fp = io.BytesIO(head)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            self.fp = stream
        self.headers = self.msg = HTTPMessage()
        for name, value in pairs:
            self.headers.add_header(name, value)


def _read_head(stream: Any) -> tuple[bytes, Pairs]:
    """Read the head of the final response: its status line, and its fields unless that is malformed."""
    for _ in range(_MOST):
        begun: bytes = stream.peek(1)[:len(_PROTOCOL)]
        if not _PROTOCOL.startswith(begun):  # another protocol, whose lines may never end
            return begun, []  # at which http.client says what is wrong
        status_line = _read_line(stream)
        if not status_line.startswith(_PROTOCOL):
            return status_line, []
        pairs = parse_fields(_lines(stream))
        if not _INFORMATIONAL.match(status_line):
            return status_line, pairs
    raise HTTPException("nothing but informational responses")


def _lines(stream: Any) -> Iterator[bytes]:
    """Yield the lines of a head up to the empty one."""
    length = 0
    for _ in range(_MOST_LINES):
        line = _read_line(stream)
        if not line.endswith(b"\n"):
            raise HTTPException("the head of the response was cut off")
        if line in (b"\r\n", b"\n"):
            return
        length += len(line)
        if length > _LONGEST_HEAD:
            raise HTTPException(f"the head of the response is longer than {_LONGEST_HEAD >> 20} MiB")
        yield line
    raise HTTPException(f"the head of the response has more than {_MOST_LINES} lines")


def _read_line(stream: Any) -> bytes:
    line: bytes = stream.readline(_LONGEST_LINE + 1)
    if len(line) > _LONGEST_LINE:
        raise HTTPException(f"a header line of the response is longer than {_LONGEST_LINE >> 10} KiB")
    return line
