"""An app that hands files back in the server's own wrapper: by itself, behind us, and behind us with another list.

``RANGEWARE_TRUST`` in the environment names another list of trusted servers: ``everybody`` or ``nobody``.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

from rangeware import RangeMiddleware
from rangeware.wsgi import sendfile

SIZE = 3_000_000
HUGE = 64 << 20
FIRST_POS, LENGTH = 1_000_003, 500_009
SNIFFED = 10
VALIDATORS = (("ETag", '"v1"'), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"))

_made = threading.Lock()


def content(first_pos: int, next_pos: int) -> bytes:
    """These bytes of the file; no two windows of it look alike."""
    first, last = first_pos // 4, next_pos // 4 + 1
    octets = b"".join(number.to_bytes(4, "big") for number in range(first, last))
    return octets[first_pos - 4 * first:next_pos - 4 * first]


def _path(name: str, size: int) -> str:
    path = Path(os.environ["RANGEWARE_MATRIX_DIR"]) / name
    with _made:
        if not path.exists():
            with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
                file.write(content(0, SIZE))
                file.truncate(size)
            os.chmod(file.name, 0o644)
            os.rename(file.name, path)
    return str(path)


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """``/part`` and ``/huge-part`` hand a range over as a careless app would; the others are whole. What has validators
    of its own is ``/tagged``, with more to it."""
    place = environ["PATH_INFO"]
    size = HUGE if place.startswith("/huge") else SIZE
    file = open(_path(f"{size}.bin", size), "rb")  # noqa: SIM115 - what the server gets closes it
    if "sniffed" in place:
        file.read(SNIFFED)
    file.seek(FIRST_POS if place.endswith("part") else 0)
    length = LENGTH if place.endswith("part") else size
    validators = VALIDATORS if place.startswith("/tagged") else ()
    fields = [("Content-Type", "application/octet-stream"), ("Content-Length", str(length)), *validators]
    start_response("200 OK", fields)
    wrapped: Iterable[bytes] = environ.get("wsgi.file_wrapper", FileWrapper)(file, 8192)
    return wrapped


class _Everybody(dict[str, Callable[..., Any]]):
    """The list with everyone on it."""

    def get(self, key: object, default: object = None) -> Any:
        return lambda *conditions: sendfile.SendableFile


if os.environ.get("RANGEWARE_TRUST") == "everybody":
    sendfile._TRUSTED = _Everybody()
elif os.environ.get("RANGEWARE_TRUST") == "nobody":
    sendfile._TRUSTED = {}

application = RangeMiddleware(bare, block_size=65_536)
ten_ranges = RangeMiddleware(bare, max_ranges=10)
