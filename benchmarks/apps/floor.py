"""Hand-written apps that serve a single range themselves: the lowest cost that each server allows, without middleware.

Each app opens the file for every request, because a file may be replaced. The sending method and block size are the
fastest found for that server. Several ranges get the whole file, and If-Range is not evaluated. For each SERVER:

* ``SERVER`` opens with ``os.open``, which costs the least, and sends both validators;
* ``open_SERVER`` opens with ``open``, as nearly all apps do: what a middleware around ``plain`` can reach at best,
  because it does not choose how the app opens its files. It sends an ETag only;
* ``open_dated_SERVER`` also sends Last-Modified, as ``dated`` does.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from benchmarks.apps.plain import App, Validators, etag, validators, whatever_else
from benchmarks.data import FILES

Send = Callable[[dict[str, Any], Any, int, int], Iterable[bytes]]
"""Send content. Arguments: environ, an open file (closed afterwards), first position, number of bytes."""

_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})", re.ASCII)
_ACCEPT_RANGES = ("Accept-Ranges", "bytes")
_KIB = 1 << 10
_BLOCK = 124 * _KIB
"""Bytes: blocks of 128 KiB or more cost up to a third more CPU on each server that gets them."""


def _app(largest_bytes: int, send: Send) -> App:
    """Create the app for one server that opens with ``os.open``.

    :param largest_bytes: up to this length, a range is read at once and returned as bytes; longer ones use ``send``.
    """
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in FILES:
            return whatever_else(path, start_response)
        descriptor = os.open(FILES[path], os.O_RDONLY)
        first_pos, length = _start(environ, start_response, os.fstat(descriptor), validators)
        if length > largest_bytes:
            return send(environ, io.FileIO(descriptor), first_pos, length)
        content = os.pread(descriptor, length, first_pos)
        os.close(descriptor)
        return [content]
    return app


def _open_app(largest_bytes: int, send: Send, validators_of: Validators) -> App:
    """Create the app for one server that opens with ``open``, and otherwise does the same."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path not in FILES:
            return whatever_else(path, start_response)
        file = open(FILES[path], "rb")  # noqa: SIM115 - closed below, or by what sends it
        descriptor = file.fileno()
        first_pos, length = _start(environ, start_response, os.fstat(descriptor), validators_of)
        if length > largest_bytes:
            return send(environ, file, first_pos, length)
        content = os.pread(descriptor, length, first_pos)
        file.close()
        return [content]
    return app


def _start(environ: dict[str, Any], start_response: Callable[..., Any], status: os.stat_result,
           validators_of: Validators) -> tuple[int, int]:
    """Send the head. Return first position and number of bytes; of the whole file if the header is not one range."""
    complete_length = status.st_size
    match = _RANGE.fullmatch(environ.get("HTTP_RANGE", ""))
    if match is None or int(match[1]) >= complete_length:
        start_response("200 OK", [*validators_of(status), ("Content-Length", str(complete_length)), _ACCEPT_RANGES])
        return 0, complete_length
    first_pos = int(match[1])
    last_pos = min(int(match[2]), complete_length - 1) if match[2] else complete_length - 1
    length = last_pos - first_pos + 1
    start_response("206 Partial Content", [
        *validators_of(status), ("Content-Length", str(length)), _ACCEPT_RANGES,
        ("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length}")])
    return first_pos, length


def _send_by_descriptor(environ: dict[str, Any], file: Any, first_pos: int, length: int) -> Iterable[bytes]:
    """Let gunicorn send Content-Length bytes from the position of the descriptor, with ``sendfile``."""
    os.lseek(file.fileno(), first_pos, os.SEEK_SET)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


class _Part:
    """A part of a file whose reads are limited to ``block_size`` bytes.

    waitress asks for as much as its socket could ever take, and reads again what the socket did not take.
    """

    def __init__(self, file: Any, first_pos: int, length: int, block_size: int) -> None:
        self._file = file
        self._descriptor = file.fileno()
        self._pos = first_pos
        self._end = first_pos + length
        self._block_size = block_size

    def read(self, size: int) -> bytes:
        block = os.pread(self._descriptor, min(size, self._block_size, self._end - self._pos), self._pos)
        self._pos += len(block)
        return block

    def close(self) -> None:
        self._file.close()


class _SeekablePart(_Part):
    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._pos

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._pos = offset + (0, self._pos, self._end)[whence]
        return self._pos


def _send_by_event_loop(environ: dict[str, Any], file: Any, first_pos: int, length: int) -> Iterable[bytes]:
    """Let waitress send Content-Length bytes from ``tell()``."""
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](_SeekablePart(file, first_pos, length, _BLOCK))
    return wrapped


def _send_in_c(environ: dict[str, Any], file: Any, first_pos: int, length: int) -> Iterable[bytes]:
    """Let uWSGI call ``read`` in its own loop. It would send all of a file that has a descriptor, whatever the range.

    ``uwsgi.sendfile`` can send a part, but is not part of WSGI, and takes positions up to 2 GiB only.
"""
    part = _Part(file, first_pos, length, _BLOCK)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](part, _BLOCK)
    return wrapped


def _send_in_blocks(environ: dict[str, Any], file: Any, first_pos: int, length: int) -> Iterator[bytes]:
    """Send blocks. cheroot copies what the socket did not take, so they must not be large."""
    part = _Part(file, first_pos, length, _BLOCK)
    try:
        while block := part.read(_BLOCK):
            yield block
    finally:
        part.close()


_GUNICORN: tuple[int, Send] = (256 * _KIB, _send_by_descriptor)
_WAITRESS: tuple[int, Send] = (32 * _KIB, _send_by_event_loop)
_UWSGI: tuple[int, Send] = (32 * _KIB, _send_in_c)
_CHEROOT: tuple[int, Send] = (_BLOCK, _send_in_blocks)

gunicorn = gthread = _app(*_GUNICORN)
waitress = _app(*_WAITRESS)
uwsgi = _app(*_UWSGI)
cheroot = _app(*_CHEROOT)

open_gunicorn = open_gthread = _open_app(*_GUNICORN, etag)
open_waitress = _open_app(*_WAITRESS, etag)
open_uwsgi = _open_app(*_UWSGI, etag)
open_cheroot = _open_app(*_CHEROOT, etag)

open_dated_gunicorn = open_dated_gthread = _open_app(*_GUNICORN, validators)
open_dated_waitress = _open_app(*_WAITRESS, validators)
open_dated_uwsgi = _open_app(*_UWSGI, validators)
open_dated_cheroot = _open_app(*_CHEROOT, validators)
