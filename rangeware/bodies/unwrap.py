"""Find the file inside a body: frameworks and servers wrap files in iterables of their own.

``detect`` asks here for the file whose bytes a body gives, and the adapters for the object to close. Wrappers are
known by the exact name of their class, so that no framework has to be imported, and a subclass, which may change the
bytes on their way, is never taken for its base.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Set
from functools import lru_cache
from typing import Any

_READING = frozenset({"__iter__", "__next__", "read", "readinto", "readline", "seek", "tell"})

BINARY_FILES = (io.BufferedReader, io.BufferedRandom, io.FileIO, io.BytesIO)
"""Classes whose files give the same bytes whether they are read or iterated."""

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
def wrapper_of(kind: Any) -> tuple[str, bool] | None:
    """The attribute in which a wrapper of this type keeps its content, and True if it reads it as a file."""
    return _WRAPPERS.get(f"{kind.__module__}.{kind.__qualname__}")


@lru_cache(maxsize=256)
def opens_itself(kind: Any) -> bool:
    """True if bodies of this type can be opened at any position: see ``openable.OpenableBody``."""
    return hasattr(kind, "open_range")


@lru_cache(maxsize=256)
def may_be_file(kind: Any) -> bool:
    """True if a body of this type can be a file, opens itself at an offset, or wraps one of these."""
    is_file = issubclass(kind, (io.IOBase, tempfile.SpooledTemporaryFile))
    return is_file or wrapper_of(kind) is not None or opens_itself(kind)


def find_file(body: object) -> Any | None:
    """Return the file whose bytes this body gives, out of any wrappers; None if there is none.

    Iterating over a file object may give other bytes than ``read()`` does. So a body that the server would iterate
    over must do all of its reading in the standard library's way to count as a file. Inside a wrapper that calls
    ``read()`` anything with that method does, unless ``tell()`` was changed and ``seek()`` was not: the position that
    the one tells may not be the one that the other takes.
    """
    file, is_read, is_relayed = open_wrappers(body)
    if type(file) in BINARY_FILES and is_unpatched(file):
        return file
    if is_relayed:  # it would encode text
        return None
    changed = _changed_methods(file)
    if is_read:
        return None if "tell" in changed and "seek" not in changed else file
    return file if not changed and isinstance(file, (io.IOBase, tempfile.SpooledTemporaryFile)) else None


def open_wrappers(body: object) -> tuple[Any, bool, bool]:
    """Return the innermost object in a body; whether a wrapper reads it as a file; whether one relays chunks."""
    file: Any = body
    is_read = is_relayed = False
    while wrapper := wrapper_of(type(file)):  # type: ignore[arg-type]
        attribute, reads = wrapper
        file = getattr(file, attribute, None)
        is_read, is_relayed = is_read or reads, is_relayed or not reads
    return file, is_read, is_relayed


def deletes_file(body: object) -> bool:
    """True if there is a temporary file in this body that is deleted when it is closed."""
    file = body
    while wrapper := wrapper_of(type(file)):  # type: ignore[arg-type]
        if isinstance(file, tempfile._TemporaryFileWrapper):
            return bool(getattr(getattr(file, "_closer", None), "delete", True))
        file = getattr(file, wrapper[0], None)
    return False


def is_unpatched(file: object) -> bool:
    """True if none of the methods for reading was replaced in this very object."""
    return _READING.isdisjoint(getattr(file, "__dict__", ()))


def has_own_read(file: object) -> bool:
    """True if this file gives other bytes by ``read()`` than the standard library's would, as far as can be told."""
    return not _changed_methods(file).isdisjoint(("read", "readinto"))


def _changed_methods(file: object) -> Set[str]:
    """The names of the methods for reading that are not those of the standard library, in the class or the object."""
    of_class = _methods_of_class(type(file))  # type: ignore[arg-type]
    return of_class if is_unpatched(file) else of_class | (_READING & vars(file).keys())


@lru_cache(maxsize=256)
def _methods_of_class(kind: Any) -> frozenset[str]:
    return frozenset(
        name for name in _READING
        for definer in [next((base for base in kind.__mro__ if name in vars(base)), object)]
        if str(definer.__module__).partition(".")[0] not in sys.stdlib_module_names and definer is not object
    )


def closable_of(body: object) -> object:
    """Return the object to close if the body is not iterated over.

    That is the body, but for wrappers without ``close()``: they close their file when they are iterated to the end,
    so that the file has to be closed in their place.
    """
    kind: Any = type(body)
    return open_wrappers(body)[0] if may_be_file(kind) and not hasattr(body, "close") else body
