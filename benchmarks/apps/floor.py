"""Hand-written apps that serve a single range themselves: the lowest cost that each server allows, without middleware.

Serve the app named after the server. Each app opens the file for every request, because a file may be replaced. The
sending method and block size are the fastest found for that server. Several ranges get the whole file, and If-Range is
not evaluated.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.apps.plain import App, validators, whatever_else
from benchmarks.data import FILES

Send = Callable[[dict[str, Any], int, int, int], Iterable[bytes]]
"""Send content. Arguments: environ, a file descriptor (closed afterwards), first position, number of bytes."""

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})", re.ASCII)
_KIB = 1 << 10
_MIB = 1 << 20


def _app(largest_bytes: int, send: Send) -> App:
    """Create the app for one server.

    :param largest_bytes: up to this length, a range is read at once and returned as bytes; longer ones use ``send``.
    """
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in FILES:
            return whatever_else(path, start_response)
        descriptor = os.open(FILES[path], os.O_RDONLY)
        status = os.fstat(descriptor)
        first_pos, length = _selected(environ.get("HTTP_RANGE", ""), status.st_size)
        fields = [*validators(status), ("Content-Length", str(length)), ("Accept-Ranges", "bytes")]
        if length < status.st_size:
            last_pos = first_pos + length - 1
            start_response("206 Partial Content",
                           [*fields, ("Content-Range", f"bytes {first_pos}-{last_pos}/{status.st_size}")])
        else:
            start_response("200 OK", fields)
        if length > largest_bytes:
            return send(environ, descriptor, first_pos, length)
        content = os.pread(descriptor, length, first_pos)
        os.close(descriptor)
        return [content]
    return app


def _selected(value: str, complete_length: int) -> tuple[int, int]:
    """Return first position and number of bytes of the range; of the whole file if the header is not one range."""
    match = _RANGE.fullmatch(value)
    if match is None or int(match[1]) >= complete_length:
        return 0, complete_length
    first_pos = int(match[1])
    last_pos = min(int(match[2]), complete_length - 1) if match[2] else complete_length - 1
    return first_pos, last_pos - first_pos + 1


def _send_by_descriptor(environ: dict[str, Any], descriptor: int, first_pos: int, length: int) -> Iterable[bytes]:
    """Let gunicorn send Content-Length bytes from the position of the descriptor, with ``sendfile``."""
    os.lseek(descriptor, first_pos, os.SEEK_SET)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](io.FileIO(descriptor))
    return wrapped


class _Part:
    """A part of a file whose reads are limited to ``block_size`` bytes.

    waitress asks for as much as its socket could ever take, and reads again what the socket did not take.
    """

    def __init__(self, descriptor: int, first_pos: int, length: int, block_size: int) -> None:
        self._descriptor = descriptor
        self._pos = first_pos
        self._end = first_pos + length
        self._block_size = block_size

    def read(self, size: int) -> bytes:
        block = os.pread(self._descriptor, min(size, self._block_size, self._end - self._pos), self._pos)
        self._pos += len(block)
        return block

    def close(self) -> None:
        os.close(self._descriptor)


class _SeekablePart(_Part):
    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._pos

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._pos = offset + (0, self._pos, self._end)[whence]
        return self._pos


def _send_by_event_loop(environ: dict[str, Any], descriptor: int, first_pos: int, length: int) -> Iterable[bytes]:
    """Let waitress send Content-Length bytes from ``tell()``."""
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_SeekablePart(descriptor, first_pos, length, 128 * _KIB))
    return wrapped


def _send_in_c(environ: dict[str, Any], descriptor: int, first_pos: int, length: int) -> Iterable[bytes]:
    """Let uWSGI call ``read`` in its own loop. It would send all of a file that has a descriptor, whatever the range.

    ``uwsgi.sendfile`` can send a part, but is not part of WSGI, and takes positions up to 2 GiB only.
"""
    part = _Part(descriptor, first_pos, length, 256 * _KIB)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](part, 256 * _KIB)
    return wrapped


def _send_in_blocks(environ: dict[str, Any], descriptor: int, first_pos: int, length: int) -> Iterator[bytes]:
    """Send blocks. cheroot copies what the socket did not take, so blocks are small until the buffers have grown."""
    block_size = 128 * _KIB if length <= 4 * _MIB else 192 * _KIB
    part = _Part(descriptor, first_pos, length, block_size)
    try:
        while block := part.read(block_size):
            yield block
    finally:
        part.close()


gunicorn = gthread = _app(256 * _KIB, _send_by_descriptor)
waitress = _app(32 * _KIB, _send_by_event_loop)
uwsgi = _app(32 * _KIB, _send_in_c)
cheroot = _app(128 * _KIB, _send_in_blocks)
