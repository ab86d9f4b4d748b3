"""Send a file by the server's own means: the servers that can be trusted with it, and the file object for them.

PEP 3333 lets a server offer ``wsgi.file_wrapper``, and several send a file in it with ``sendfile`` or in a loop in C.
They differ in what they make of the file's position and of Content-Length. A server that is not named here gets
bounded blocks, and never an object with ``fileno``: with some servers, that alone would send the whole file.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from ..bodies.closing import close_all
from ..bodies.detect import has_descriptor, is_sendable_as_is, items_have_length
from ..bodies.sources import DiskFile, Source
from ..bodies.streams import ForwardSource
from ..bodies.unwrap import BINARY_FILES, find_file, has_own_read, may_be_file
from ..core.segments import Segment
from ..errors import TruncatedSource
from ..http.ranges import ByteRange

Environ = dict[str, Any]


def _for_gunicorn(environ: Environ, status: int) -> type[BoundedFile] | None:
    """gunicorn sends Content-Length bytes from the position of the descriptor, with ``sendfile``.

    Not over TLS and not in the gevent worker: their sockets have no ``sendfile``, so that gunicorn would read smaller
    blocks than we do.
    """
    return SendableFile if type(environ.get("gunicorn.socket")).__module__ == "socket" else None


def _for_waitress(environ: Environ, status: int) -> type[BoundedFile] | None:
    """waitress sends from ``tell()``, Content-Length bytes or less, from its event loop: no thread waits for it."""
    return SendableFile


def _for_mod_wsgi(environ: Environ, status: int) -> type[BoundedFile] | None:
    """mod_wsgi sends Content-Length bytes from ``tell()``, mapped or with ``sendfile``.

    In embedded mode it leaves a file under a 200 to Apache's own range filter, which would slice a response although
    we refused to.
    """
    is_safe = status == 206 or "HTTP_RANGE" not in environ or environ.get("mod_wsgi.process_group")
    return SendableFile if is_safe else None


def _for_uwsgi(environ: Environ, status: int) -> type[BoundedFile] | None:
    """uWSGI sends all of a file that has a descriptor, whatever position and Content-Length say.

    On any other object it calls ``read`` until nothing comes, in a loop in C that costs less than iterating.
    """
    return BoundedFile


_BOUNDED = frozenset({
    "gunicorn.http.wsgi.FileWrapper", "waitress.buffers.ReadOnlyFileBasedBuffer", "mod_wsgi.FileWrapper",
})
"""Wrappers whose servers send Content-Length bytes from the position of the file, of those below."""

_TRUSTED: dict[str, Callable[[Environ, int], type[BoundedFile] | None]] = {
    "gunicorn.http.wsgi.FileWrapper": _for_gunicorn,
    "waitress.buffers.ReadOnlyFileBasedBuffer": _for_waitress,
    "mod_wsgi.FileWrapper": _for_mod_wsgi,
    "None.uwsgi_sendfile": _for_uwsgi,
}
"""By the name of the server's ``wsgi.file_wrapper``: the kind of file object to put into it; None to send blocks.

bjoern is missing, though it sends files by itself: it sends up to the end of the file, whatever position and
Content-Length say. That is wrong for a part, and for a whole file that grows meanwhile.
"""

_MOST_ASKED = 1 << 30  # bytes; a wrapper in C takes no number beyond 31 bits


def hides_file(wrapper: object) -> bool:
    """True if the server's ``wsgi.file_wrapper`` does not let us see the file in it: bjoern's, a class in C."""
    return getattr(wrapper, "__module__", None) == "builtins"


def sends_declared_length(wrapper: object) -> bool:
    """True if the server with this ``wsgi.file_wrapper`` sends Content-Length bytes from the position of a file."""
    return _name_of(wrapper) in _BOUNDED


def respects_position_and_length(wrapper: object, body: object) -> bool:
    """True if the server with this ``wsgi.file_wrapper`` sends Content-Length bytes of this body, from its position."""
    return sends_declared_length(wrapper) and (type(body) is wrapper or type(body) in BINARY_FILES)


def can_send(wrapper: object, body: Iterable[bytes], source: Source | None, length: int | None) -> bool:
    """True if the server sends the app's own body with the bytes that a part of it would have.

    Some servers send a file from its first byte, or to its end, whatever its position and Content-Length are, and some
    by its descriptor, whatever its methods give.

    :param wrapper: the server's ``wsgi.file_wrapper``.
    :param source: of the body; None if its complete length is unknown.
    :param length: the Content-Length in bytes; None if there is none.
    """
    is_shorter = source is not None and source.shorter
    if isinstance(body, (list, tuple)):
        return length is None or is_shorter or isinstance(source, ForwardSource) or items_have_length(body, length)
    kind: Any = type(body)
    if not may_be_file(kind) or _returns_file(wrapper) and find_file(body) is None:
        return True  # no file, or one of which the server alone knows whether it is to be read or iterated
    is_bounded = respects_position_and_length(wrapper, body)
    if source is not None and source.on_disk is not None:
        wanted = source.complete_length if length is None else length
        return is_bounded and is_shorter or is_sendable_as_is(body, wanted, is_bounded)
    if is_bounded or length is None:
        return not has_descriptor(body)
    return is_sendable_as_is(body, length, is_bounded)


def would_skip_read(wrapper: object, body: object) -> bool:
    """True if the server would send this file by its descriptor, though its class has a ``read()`` of its own."""
    return _returns_file(wrapper) and has_own_read(body) and find_file(body) is None and has_descriptor(body)


def _returns_file(wrapper: object) -> bool:
    """True for the ``wsgi.file_wrapper`` of uWSGI, which returns the file itself: the server remembers which one."""
    return _name_of(wrapper) == "None.uwsgi_sendfile"


def via_server_wrapper(
    environ: Environ, status: int, source: Source, segments: Sequence[Segment], block_size: int, *closing: object
) -> Iterable[bytes] | None:
    """Put the content into the ``wsgi.file_wrapper`` of the server that made ``environ``; None if that is not safe.

    :param status: of the response: 206, or another one whose content is the whole representation.
    :param block_size: bytes per read, at most.
    :param closing: closed in reverse order when the server closes the wrapper.
    """
    part = segments[0]
    if source.on_disk is None or len(segments) > 1 or isinstance(part, bytes):
        return None
    return wrap_part(environ, status, source.on_disk, part, block_size, *closing)


def wrap_part(
    environ: Environ, status: int, file: DiskFile, part: ByteRange, block_size: int, *closing: object
) -> Iterable[bytes] | None:
    """Put a part of a file into the server's wrapper: see ``via_server_wrapper``."""
    wrapper = environ.get("wsgi.file_wrapper")
    choose = _TRUSTED.get(_name_of(wrapper))
    kind = None if choose is None else choose(environ, status)
    if wrapper is None or kind is None:
        return None
    wrapped: Iterable[bytes] = wrapper(kind(file, part, block_size, *closing), min(block_size, _MOST_ASKED))
    return wrapped


def _name_of(wrapper: object) -> str:
    return f"{getattr(wrapper, '__module__', '')}.{getattr(wrapper, '__qualname__', '')}"


class BoundedFile:
    """A part of a file on disk as a file object that ends with the part. Positions are those of the whole file.

    :param part: positions in the representation.
    :param block_size: bytes per read, at most. waitress asks for as much as its socket could ever take, and reads
        again what the socket did not take.
    :param closing: closed in reverse order, once.
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
        """Read ``size`` bytes of the part at the most, and no more than a block; all of it if ``size`` is negative.

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
        """Close everything that was given to be closed, once.

        :raises TruncatedSource: if the file lost bytes of the part while the server sent it by its descriptor: the
            server must not keep the connection.
        """
        closing, self._closing = self._closing, ()
        if closing:
            try:
                self._check_length()
            finally:
                close_all(closing)

    def _check_length(self) -> None:
        if self._pos < self._end and not self._file.raw.closed:
            size = os.fstat(self._file.raw.fileno()).st_size
            if size < self._end:
                raise self._truncated(size)

    def _truncated(self, pos: int) -> TruncatedSource:
        return TruncatedSource(pos - self._file.offset, self._end - self._file.offset)


class SendableFile(BoundedFile):
    """A bounded file with a descriptor, for servers that send Content-Length bytes from its position.

    It is bounded also for servers that iterate over it, as gunicorn does with ``--no-sendfile``.
    """

    _own: io.FileIO | None = None

    def fileno(self) -> int:
        """Return a descriptor of our own, at our position.

        The app's descriptor may share its position with other open files, and is ahead of ``tell()`` by the bytes in
        the file's buffer. The danger: closing ours ends the ``fcntl`` locks of this process on the file.

        :raises OSError: if the system cannot open a file again by its descriptor (Linux can); servers then iterate.
        :raises ValueError: if the file is closed.
        """
        if self._own is None:
            self._own = io.FileIO(f"/proc/self/fd/{self._file.raw.fileno()}")
            self._closing = (self._own, *self._closing)
        self._own.seek(self._pos)
        return self._own.fileno()

    def tell(self) -> int:
        """Return the position in the file."""
        return self._pos

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move as ``io.IOBase.seek`` does, and return the new position. The end is that of the part."""
        self._pos = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._pos, os.SEEK_END: self._end}[whence])
        return self._pos
