"""Servers: which of them may be given a file to send by themselves, and the file that they are given.

What servers hand out as ``wsgi.file_wrapper`` differs in what it makes of the position of a file and of
Content-Length. Who is not named here gets bounded blocks, never an object with ``fileno``: with some servers that alone
brings the whole file back.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from .errors import TruncatedSource
from .fields import ByteRange, Segment
from .forward import closing_all
from .reply import Field
from .sources import DiskFile, SeekableSource, Source

Environ = dict[str, Any]


def _gunicorn(environ: Environ, status: int, to_both_ends: bool) -> bool:
    """Sends from where the descriptor stands, Content-Length bytes, with ``sendfile``. Not over TLS and not from the
    gevent worker: their sockets have no ``sendfile``, and it then reads smaller blocks than we do."""
    return type(environ.get("gunicorn.socket")).__module__ == "socket"


def _waitress(environ: Environ, status: int, to_both_ends: bool) -> bool:
    """Sends from ``tell()``, Content-Length bytes or what is left, from its event loop: no thread waits for it."""
    return True


def _mod_wsgi(environ: Environ, status: int, to_both_ends: bool) -> bool:
    """Sends from ``tell()``, Content-Length bytes, mapped or with ``sendfile``. An embedded one leaves a file under a
    200 to Apache's own range filter, which would slice what was refused."""
    return status == 206 or bool(environ.get("mod_wsgi.process_group"))


def _uwsgi(environ: Environ, status: int, to_both_ends: bool) -> bool:
    """Sends all of the file with ``sendfile``, whatever position and Content-Length say."""
    return to_both_ends and status != 206


_TRUSTED: dict[str, Callable[[Environ, int, bool], bool]] = {
    "gunicorn.http.wsgi.FileWrapper": _gunicorn,
    "waitress.buffers.ReadOnlyFileBasedBuffer": _waitress,
    "mod_wsgi.FileWrapper": _mod_wsgi,
    "None.uwsgi_sendfile": _uwsgi,  # a function in C: it has no module
}
"""By the name of what the server offers as ``wsgi.file_wrapper``: whether it can be trusted with this file.

bjoern is missing: its wrapper sends up to the end of the file, whatever Content-Length says, keeps the connection where
the file became shorter, and costs as much as our blocks do."""

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
    environ: Environ, status: int, source: Source | None, segments: Sequence[Segment], *closing: object
) -> Iterable[bytes] | None:
    """The content in the wrapper of the server that made ``environ``; None where that is not safe.

    A part that is not larger than a block goes faster as bytes.

    :param status: of the answer: 206, or another of which the content is all there is.
    :param closing: closed in the reverse order, once the server closes the wrapper.
    """
    part = segments[0]
    if not isinstance(source, SeekableSource) or not isinstance(part, ByteRange) or len(segments) > 1:
        return None
    file, wrapper = source.on_disk, environ.get("wsgi.file_wrapper")
    trusts = _TRUSTED.get(f"{getattr(wrapper, '__module__', '')}.{getattr(wrapper, '__qualname__', '')}")
    if file is None or wrapper is None or trusts is None or part.length <= source.block_size:
        return None
    to_both_ends = file.offset == 0 == part.first_pos and part.next_pos == file.size
    if not trusts(environ, status, to_both_ends):
        return None
    wrapped: Iterable[bytes] = wrapper(FileSlice(file, part, source.block_size, *closing), source.block_size)
    return wrapped


class FileSlice:
    """A part of a file on disk, as the wrappers of servers take it. It ends with the part, so that it is bounded also
    where the server iterates over it (gunicorn does with ``--no-sendfile``), and can be iterated itself: uWSGI's
    wrapper gives back what it got. Positions are those of the whole file, since servers pass them on to calls on its
    descriptor.

    :param part: positions in the representation.
    :param block_size: bytes that an iteration gives at once, at most.
    :param closing: closed in the reverse order, once.
    """

    def __init__(self, file: DiskFile, part: ByteRange, block_size: int, *closing: object) -> None:
        self._file = file
        self._block_size = block_size
        self._pos = file.offset + part.first_pos
        self._end = file.offset + part.next_pos
        self._closing = closing_all(closing)
        self._closing.callback(self._check)
        self._descriptor: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self.read(self._block_size), b"")

    def fileno(self) -> int:
        """A descriptor of our own that stands where we do. That of the app may share its position with others, and
        what it buffered from it does not count.

        :raises OSError: where the system cannot open a file anew by its descriptor (Linux can); servers then iterate.
        :raises ValueError: if the file is closed.
        """
        if self._descriptor is None:
            self._descriptor = os.open(f"/proc/self/fd/{self._file.raw.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
            self._closing.callback(os.close, self._descriptor)
        os.lseek(self._descriptor, self._pos, os.SEEK_SET)
        return self._descriptor

    def tell(self) -> int:
        """The position in the file."""
        return self._pos

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves as ``io.IOBase.seek`` does; the end is that of the part."""
        self._pos = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._pos, os.SEEK_END: self._end}[whence])
        return self._pos

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes of what is left of the part; all of it if ``size`` is negative.

        :raises TruncatedSource: if the file ends before the part does.
        """
        left = self._end - self._pos
        wanted = left if size < 0 else min(left, size)
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
        self._closing.close()

    def _check(self) -> None:
        if self._pos < self._end and not self._file.raw.closed:
            size = os.fstat(self._file.raw.fileno()).st_size
            if size < self._end:
                raise self._truncated(size)

    def _truncated(self, pos: int) -> TruncatedSource:
        return TruncatedSource(pos - self._file.offset, self._end - self._file.offset)
