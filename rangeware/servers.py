"""Servers: which of them may be given a file to send by themselves, and the file that they are given.

What servers hand out as ``wsgi.file_wrapper`` differs in what it makes of the position of a file and of
Content-Length. Who is not named here gets bounded blocks, never an object with ``fileno``: with some servers that alone
brings the whole file back.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from .core.head import Field
from .core.segments import Segment
from .errors import TruncatedSource
from .forward import close_all
from .http.ranges import ByteRange
from .sources import DiskFile, Source

Environ = dict[str, Any]


def _gunicorn(environ: Environ, status: int) -> type[FilePart] | None:
    """Sends from where the descriptor stands, Content-Length bytes, with ``sendfile``. Not over TLS and not from the
    gevent worker: their sockets have no ``sendfile``, and it then reads smaller blocks than we do."""
    return FileSlice if type(environ.get("gunicorn.socket")).__module__ == "socket" else None


def _waitress(environ: Environ, status: int) -> type[FilePart] | None:
    """Sends from ``tell()``, Content-Length bytes or what is left, from its event loop: no thread waits for it."""
    return FileSlice


def _mod_wsgi(environ: Environ, status: int) -> type[FilePart] | None:
    """Sends from ``tell()``, Content-Length bytes, mapped or with ``sendfile``. An embedded one leaves a file under a
    200 to Apache's own range filter, which would slice what was refused."""
    is_safe = status == 206 or "HTTP_RANGE" not in environ or environ.get("mod_wsgi.process_group")
    return FileSlice if is_safe else None


def _uwsgi(environ: Environ, status: int) -> type[FilePart] | None:
    """Sends all of a file that has a descriptor, whatever position and Content-Length say. Of anything else it calls
    ``read`` until nothing comes, in a loop in C that costs less than one over an iterable."""
    return FilePart


_TRUSTED: dict[str, Callable[[Environ, int], type[FilePart] | None]] = {
    "gunicorn.http.wsgi.FileWrapper": _gunicorn,
    "waitress.buffers.ReadOnlyFileBasedBuffer": _waitress,
    "mod_wsgi.FileWrapper": _mod_wsgi,
    "None.uwsgi_sendfile": _uwsgi,
}
"""By the name of what the server offers as ``wsgi.file_wrapper``: in which form it can be trusted with this file.

One that sends files by itself is missing: bjoern sends all up to the end of the file, whatever position and
Content-Length say: wrong for a part, and for a whole that grows meanwhile."""

_MOST_ASKED = 1 << 30  # bytes; a wrapper in C takes no number beyond 31 bits
SMALL = 65536
"""Bytes of a part that goes faster in one block, with every server."""

_DOUBLING = ("a2wsgi.wsgi", "hypercorn.app_wrappers", "werkzeug.serving")
"""Where the servers come from that send a Date and a Server of their own also beside those of the app."""


def sent_once(fields: list[Field], start_response: object) -> list[Field]:
    """The fields without those that the server of this ``start_response`` would double (RFC 9110 5.3)."""
    if getattr(start_response, "__module__", None) not in _DOUBLING:
        return fields
    return [field for field in fields if field[0].lower() not in ("date", "server")]


def hides_file(wrapper: object) -> bool:
    """Whether what the server offers as ``wsgi.file_wrapper`` does not tell which file is in it: a class in C without a
    module, which is bjoern's."""
    return getattr(wrapper, "__module__", None) == "builtins"


def hand_over(
    environ: Environ, status: int, source: Source, segments: Sequence[Segment], block_size: int, *closing: object
) -> Iterable[bytes] | None:
    """The content in the wrapper of the server that made ``environ``; None where that is not safe.

    :param status: of the answer: 206, or another of which the content is all there is.
    :param block_size: bytes per read, at most.
    :param closing: closed in the reverse order, once the server closes the wrapper.
    """
    part = segments[0]
    if source.on_disk is None or len(segments) > 1 or isinstance(part, bytes):
        return None
    wrapper = environ.get("wsgi.file_wrapper")
    trusts = _TRUSTED.get(f"{getattr(wrapper, '__module__', '')}.{getattr(wrapper, '__qualname__', '')}")
    form = None if trusts is None else trusts(environ, status)
    if wrapper is None or form is None:
        return None
    asked = min(block_size, _MOST_ASKED)
    wrapped: Iterable[bytes] = wrapper(form(source.on_disk, part, block_size, *closing), asked)
    return wrapped


class FilePart:
    """A part of a file on disk, which ends with the part. Positions are those of the whole file.

    :param part: positions in the representation.
    :param block_size: bytes per read, at most. waitress asks for all that its socket could ever take, and then reads
        again what the socket did not take.
    :param closing: closed in the reverse order, once.
    """

    def __init__(self, file: DiskFile, part: ByteRange, block_size: int, *closing: object) -> None:
        self._file = file
        self._pos = file.offset + part.first_pos
        self._end = file.offset + part.next_pos
        self._block_size = block_size
        self._closing: tuple[object, ...] = tuple(reversed(closing))

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self.read, self._block_size), b"")

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes of what is left of the part, and no more than a block; all if ``size`` is negative.

        :raises TruncatedSource: if the file ends before the part does.
        """
        left = self._end - self._pos
        wanted = left if size < 0 else min(left, size, self._block_size)
        block = os.pread(self._file.raw.fileno(), wanted, self._pos) if wanted > 0 else b""
        if not block and wanted > 0:
            raise self._truncated(self._pos)
        self._pos += len(block)
        return block

    def close(self) -> None:
        """Closes what it was given, once.

        :raises TruncatedSource: if the file lost bytes of the part while the server sent it by its descriptor: the
            connection must not be kept.
        """
        closing, self._closing = self._closing, ()
        if closing:
            try:
                self._check()
            finally:
                close_all(closing)

    def _check(self) -> None:
        if self._pos < self._end and not self._file.raw.closed:
            size = os.fstat(self._file.raw.fileno()).st_size
            if size < self._end:
                raise self._truncated(size)

    def _truncated(self, pos: int) -> TruncatedSource:
        return TruncatedSource(pos - self._file.offset, self._end - self._file.offset)


class FileSlice(FilePart):
    """The same, as the wrappers of trusted servers take it: they pass its position on to calls on its descriptor. It is
    bounded also where they iterate over it (gunicorn does with ``--no-sendfile``)."""

    _own: io.FileIO | None = None

    def fileno(self) -> int:
        """A descriptor of our own that stands where we do. That of the app may share its position with others, and
        what it buffered from it does not count. The danger: ``fcntl`` locks of this process on the file end with it.

        :raises OSError: where the system cannot open a file anew by its descriptor (Linux can); servers then iterate.
        :raises ValueError: if the file is closed.
        """
        if self._own is None:
            self._own = io.FileIO(f"/proc/self/fd/{self._file.raw.fileno()}")
            self._closing = (self._own, *self._closing)
        self._own.seek(self._pos)
        return self._own.fileno()

    def tell(self) -> int:
        """The position in the file."""
        return self._pos

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves as ``io.IOBase.seek`` does; the end is that of the part."""
        self._pos = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._pos, os.SEEK_END: self._end}[whence])
        return self._pos
