"""An app that answers with a file, as a careful one would: by itself, behind us, and with its ranges cut by hand.

What is cut by hand is the least that a server allows: one ``pread`` for what is small, the server's own wrapper for
what is large.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from typing import Any

from rangeware import RangeMiddleware

DIRECTORY = "RANGEWARE_MATRIX_DIR"
NAME = "counted.bin"
VALIDATORS = (("ETag", '"v1"'), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"))
SMALL = 64 << 10
"""Bytes up to which a range that is cut by hand goes as one ``bytes``."""

_ONE_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The whole, with its validators; of any other path than that of the file, one line."""
    if environ["PATH_INFO"] != "/file":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "3")])
        return [b"ok\n"]
    file = open(os.path.join(os.environ[DIRECTORY], NAME), "rb")  # noqa: SIM115 - the wrapper closes it
    length = os.fstat(file.fileno()).st_size
    start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", str(length)), *VALIDATORS])
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def by_hand(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """One range of the file, which has to be there and to lie within it."""
    match = _ONE_RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    if match is None:
        return bare(environ, start_response)
    file = open(os.path.join(os.environ[DIRECTORY], NAME), "rb")  # noqa: SIM115 - closed below or by the wrapper
    complete_length = os.fstat(file.fileno()).st_size
    first, last = match.groups()
    first_pos = int(first) if first else complete_length - int(last)
    last_pos = int(last) if first and last else complete_length - 1
    length = last_pos + 1 - first_pos
    start_response("206 Partial Content", [
        ("Content-Type", "video/mp4"), ("Content-Length", str(length)), *VALIDATORS,
        ("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length}")])
    if length <= SMALL:
        with file:
            return [os.pread(file.fileno(), length, first_pos)]
    file.seek(first_pos)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


application = RangeMiddleware(bare)
