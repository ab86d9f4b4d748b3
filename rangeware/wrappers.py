"""Wrappers: what frameworks and servers put around a file, and the file behind it."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from .forward import close_body

DECODING_MODULES = frozenset({"bz2", "gzip", "lzma", "zipfile"})
"""Where the files come from that go back by decoding from their first byte again."""

_FILE_MODULES = DECODING_MODULES | {"_compression", "_io", "io", "tempfile"}

_BINARY = (io.BufferedReader, io.BufferedRandom, io.FileIO, io.BytesIO)

_READERS = {
    "filelike": (f"{__name__}.FileWrapper", "gunicorn.http.wsgi.FileWrapper", "mod_wsgi.FileWrapper",
                 "wsgiref.util.FileWrapper"),
    "file": ("waitress.buffers.ReadOnlyFileBasedBuffer", "werkzeug.wsgi.FileWrapper", "webob.static.FileIter",
             "pyramid.response.FileIter", "django.core.files.base.File", "tempfile._TemporaryFileWrapper"),
    "file_to_stream": ("django.http.response.FileResponse",),
    "fp": ("bottle.WSGIFileWrapper",),
    "input": ("cherrypy.lib.file_generator",),
    "_stream": ("falcon.app_helpers.CloseableStreamIterator",),
}
"""Where iterables that read a file and give its bytes and nothing else keep that file. They are matched by exact type:
a subclass, or a stranger with such an attribute, may change the bytes on their way."""

_PASSERS = {
    "iter_response": ("cherrypy._cpwsgi._TrappedResponse", "cherrypy._cpwsgi.AppResponse"),
    "_iterator": ("django.http.response.StreamingHttpResponse",),
    "_response": ("sentry_sdk.integrations.wsgi._ScopedResponse",),
}
"""Where iterables that pass on the chunks of another one keep that."""

_KEPT_IN = {
    name: (attribute, reads)
    for reads, kinds in ((True, _READERS), (False, _PASSERS))
    for attribute, names in kinds.items()
    for name in names
}


class FileWrapper:
    """What apps get as ``wsgi.file_wrapper`` on a request with Range, and where the server has none or one that hides
    its file: it keeps the file within our reach (PEP 3333).

    :param filelike: has ``read(size)``; ``close()`` is looked up on it when we are closed.
    :param block_size: bytes per read, at most.
    """

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size
        self._closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Closes the file, once."""
        if not self._closed:
            self._closed = True
            close_body(self.filelike)


@lru_cache(maxsize=256)
def _kept_in(kind: Any) -> tuple[str, bool] | None:
    """Where a body of this type keeps the file, and whether it reads it; None if it is none that we know."""
    return _KEPT_IN.get(f"{kind.__module__}.{kind.__qualname__}")


@lru_cache(maxsize=256)
def may_be_file(kind: Any) -> bool:
    """Whether a body of this type can be a file, or have one in it that we know of."""
    return _kept_in(kind) is not None or issubclass(kind, (io.IOBase, tempfile.SpooledTemporaryFile))


def find_file(body: object) -> Any | None:
    """The file whose bytes this body gives, taken out of what frameworks and servers wrap around it; None if none.

    Iterating a body may give other bytes than reading it would, so only files that are iterated in the way of the
    standard library are taken for what they are. What stands in a wrapper that reads is meant to be read.
    """
    file: Any = body
    is_read = is_passed_on = False
    while kept := _kept_in(type(file)):  # type: ignore[arg-type]
        attribute, reads = kept
        file = getattr(file, attribute, None)
        is_read, is_passed_on = is_read or reads, is_passed_on or not reads
    if is_passed_on and type(file) not in _BINARY:  # text would be encoded on its way
        return None
    return file if is_read or _is_iterated_as_read(file) else None


def _is_iterated_as_read(file: object) -> bool:
    definers = (
        next((kind.__module__ for kind in type(file).__mro__ if name in vars(kind)), "io")
        for name in ("__iter__", "__next__")
    )
    known = isinstance(file, (io.IOBase, tempfile.SpooledTemporaryFile))
    return known and all(module in _FILE_MODULES for module in definers)


def owner(body: object) -> object:
    """What to close when a body is not iterated: the file, where its wrapper leaves that to the iterator."""
    kind: Any = type(body)
    return find_file(body) if may_be_file(kind) and not hasattr(body, "close") else body
