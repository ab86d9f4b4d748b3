"""Find the file inside a body: frameworks and servers wrap files in iterables of their own.

``detect`` asks here for the file whose bytes a body gives, and the adapters for the object to close. Wrappers are
known by the exact name of their class, so that no framework has to be imported, and a subclass, which may change the
bytes on their way, is never taken for its base.
"""

from __future__ import annotations

import io
import tempfile
from functools import lru_cache
from typing import Any

DECODING_MODULES = frozenset({"bz2", "gzip", "lzma", "zipfile"})
"""Modules whose file objects decode: they seek back by decoding from the first byte again."""

_FILE_MODULES = DECODING_MODULES | {"_compression", "_io", "io", "tempfile"}

_BINARY_FILES = (io.BufferedReader, io.BufferedRandom, io.FileIO, io.BytesIO)

_READERS = {
    "filelike": ("rangeware.wsgi.file_wrapper.FileWrapper", "gunicorn.http.wsgi.FileWrapper", "mod_wsgi.FileWrapper",
                 "wsgiref.util.FileWrapper"),
    "file": ("waitress.buffers.ReadOnlyFileBasedBuffer", "werkzeug.wsgi.FileWrapper", "webob.static.FileIter",
             "pyramid.response.FileIter", "django.core.files.base.File", "tempfile._TemporaryFileWrapper"),
    "file_to_stream": ("django.http.response.FileResponse",),
    "fp": ("bottle.WSGIFileWrapper",),
    "input": ("cherrypy.lib.file_generator",),
    "_stream": ("falcon.app_helpers.CloseableStreamIterator",),
}
"""Iterables that read a file and yield its bytes unchanged, by the attribute that holds the file."""

_RELAYS = {
    "iter_response": ("cherrypy._cpwsgi._TrappedResponse", "cherrypy._cpwsgi.AppResponse"),
    "_iterator": ("django.http.response.StreamingHttpResponse",),
    "_response": ("sentry_sdk.integrations.wsgi._ScopedResponse",),
}
"""Iterables that yield the chunks of another iterable unchanged, by the attribute that holds it."""

_WRAPPERS = {
    name: (attribute, reads)
    for reads, wrappers in ((True, _READERS), (False, _RELAYS))
    for attribute, names in wrappers.items()
    for name in names
}


@lru_cache(maxsize=256)
def _wrapper(kind: Any) -> tuple[str, bool] | None:
    """The attribute in which a wrapper of this type keeps its content, and True if it reads it as a file."""
    return _WRAPPERS.get(f"{kind.__module__}.{kind.__qualname__}")


@lru_cache(maxsize=256)
def may_be_file(kind: Any) -> bool:
    """True if a body of this type can be a file, or a known wrapper with a file in it."""
    return _wrapper(kind) is not None or issubclass(kind, (io.IOBase, tempfile.SpooledTemporaryFile))


def find_file(body: object) -> Any | None:
    """Return the file whose bytes this body gives, out of any wrappers; None if there is none.

    Iterating over a file object may give other bytes than ``read()`` does. So a body that the server would iterate
    over must be iterated in the standard library's way to count as a file; inside a wrapper that calls ``read()``
    anything with that method does.
    """
    file: Any = body
    is_read = is_relayed = False
    while wrapper := _wrapper(type(file)):  # type: ignore[arg-type]
        attribute, reads = wrapper
        file = getattr(file, attribute, None)
        is_read, is_relayed = is_read or reads, is_relayed or not reads
    if is_relayed and type(file) not in _BINARY_FILES:  # a relay would encode text
        return None
    return file if is_read or _is_iterated_as_read(file) else None


def _is_iterated_as_read(file: object) -> bool:
    """True if iterating over this object is the standard library's and so gives the bytes that ``read()`` gives."""
    definers = (
        next((kind.__module__ for kind in type(file).__mro__ if name in vars(kind)), "io")
        for name in ("__iter__", "__next__")
    )
    is_known = isinstance(file, (io.IOBase, tempfile.SpooledTemporaryFile))
    return is_known and all(module in _FILE_MODULES for module in definers)


def closable_of(body: object) -> object:
    """Return the object to close if the body is not iterated over.

    That is the body, but for wrappers without ``close()``: they close their file when they are iterated to the end,
    so that the file has to be closed in their place.
    """
    kind: Any = type(body)
    return find_file(body) if may_be_file(kind) and not hasattr(body, "close") else body
