"""The target of hostile clients: files, a stream, sources that fail, and a page that counts what is left open.

``application`` is wrapped; ``bare`` is the same without rangeware, to tell a server's own words from ours.
"""

from __future__ import annotations

import io
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

from rangeware import Plan, RangeMiddleware

DIRECTORY = "RANGEWARE_HOSTILE_DIR"
"""The environment variable that names the directory for the files."""
MTIME = 1_700_000_000
SMALL = 1_000
MIDDLE = 300_000
LONG = 8 * 2**20
BIG = 64 * 2**20
ENDS_AT = 100_000
"""Where the sources fail that promise ``MIDDLE`` bytes."""

HEAD = [("Content-Type", "application/octet-stream"), ("ETag", '"v1"'),
        ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")]

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

_BLOCK = 16_384
_PRIME = 65_521
_PATTERN = bytes((7 * i + i // 256 + i // 65_536) % 256 for i in range(_PRIME)) * 2
_opened: list[Any] = []
_lock = threading.Lock()


def content(first_pos: int, next_pos: int) -> bytes:
    """The bytes of every representation here; each is the beginning of one endless sequence."""
    pieces = []
    while first_pos < next_pos:
        length = min(_PRIME, next_pos - first_pos)
        pieces.append(_PATTERN[first_pos % _PRIME:first_pos % _PRIME + length])
        first_pos += length
    return b"".join(pieces)


class Stream:
    """The content up to where it ends, and a note of whether it was closed, and once.

    :param complete_length: in bytes.
    :param failure: raised at the end; None ends it quietly.
    """

    def __init__(self, complete_length: int, failure: Exception | None = None) -> None:
        self._complete_length = complete_length
        self._failure = failure
        self._pos = 0
        self.closed = False
        _noticed(self)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        first_pos, self._pos = self._pos, min(self._pos + _BLOCK, self._complete_length)
        if first_pos < self._pos:
            return content(first_pos, self._pos)
        raise self._failure or StopIteration

    def close(self) -> None:
        assert not self.closed, "closed twice"
        self.closed = True


def _noticed(body: Any) -> Any:
    with _lock:
        _opened[:] = [other for other in _opened if not other.closed]
        _opened.append(body)
    return body


def made(name: str, complete_length: int) -> Path:
    """The path of a file with this content as far as ``MIDDLE``, and zeros after that."""
    path = Path(os.environ[DIRECTORY], name)
    with _lock:
        if not path.exists():
            new = path.with_suffix(".new")
            with new.open("wb") as file:
                file.write(content(0, min(complete_length, MIDDLE)))
                file.truncate(complete_length)
            os.utime(new, (MTIME, MTIME))
            new.rename(path)
    return path


def _file(environ: Environ, file: io.BufferedReader) -> Iterable[bytes]:
    wrapper: Callable[..., Iterable[bytes]] = environ.get("wsgi.file_wrapper", FileWrapper)
    return wrapper(_noticed(file), 65_536)


def _vanishing(environ: Environ) -> Iterable[bytes]:
    """A file that loses its end between the moment when it is measured and the moment when it is read."""
    with tempfile.NamedTemporaryFile(dir=os.environ[DIRECTORY], prefix="vanishing") as new:
        new.write(content(0, MIDDLE))
        new.flush()
        file = open(new.name, "rb")  # noqa: SIM115
        environ.get("hostile.truncate", []).append(lambda: os.truncate(f"/proc/self/fd/{file.fileno()}", ENDS_AT))
        return _file(environ, file)


def _state() -> dict[str, int]:
    with _lock:
        unclosed = sum(not body.closed for body in _opened)
    links = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            links.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    descriptors = sum(link.startswith(os.environ[DIRECTORY]) for link in links)
    return {"descriptors": descriptors, "unclosed": unclosed, "threads": threading.active_count()}


def _page(environ: Environ) -> tuple[int, Iterable[bytes]]:
    """Length and body of what is asked for."""
    path = environ["PATH_INFO"]
    if path == "/file":
        return MIDDLE, _file(environ, made("middle", MIDDLE).open("rb"))
    if path == "/big":
        return BIG, _file(environ, made("big", BIG).open("rb"))
    if path == "/long":
        return LONG, Stream(LONG)
    if path == "/generator":
        return MIDDLE, Stream(MIDDLE)
    if path == "/stream":
        return BIG, Stream(BIG)
    if path == "/raises":
        return MIDDLE, Stream(ENDS_AT, RuntimeError("this source fails on purpose"))
    if path == "/short":
        return MIDDLE, Stream(ENDS_AT)
    if path == "/vanishing":
        return MIDDLE, _vanishing(environ)
    if path == "/nap":
        threading.current_thread()  # makes threads known that Python did not start
        time.sleep(0.05)
    text = json.dumps(_state()).encode() if path == "/state" else content(0, SMALL)
    return len(text), [text[i:i + 64] for i in range(0, len(text), 64)]


def _app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    length, body = _page(environ)
    start_response("200 OK", [*HEAD, ("Content-Length", str(length))])
    return body


def bare(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The app. It knows nothing of ranges, but gives as a stream what it is asked a range of."""
    if "HTTP_RANGE" not in environ:
        return _app(environ, start_response)
    length = {"/big": BIG, "/stream": BIG, "/long": LONG}.get(environ["PATH_INFO"], MIDDLE)
    start_response("200 OK", [*HEAD, ("Content-Length", str(length))])
    return Stream(length)


def _truncate(environ: Environ, plan: Plan) -> None:
    for truncate in environ["hostile.truncate"]:
        truncate()


_ranged = RangeMiddleware(_app, on_plan=_truncate)


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The app, with ranges."""
    environ["hostile.truncate"] = []
    return _ranged(environ, start_response)
