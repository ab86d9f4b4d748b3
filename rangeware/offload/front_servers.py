"""The header field by which a front server is told which file to send, and the proof that it will be the right one.

``rangeware.responder`` asks here for each file that the app sends. A wrong yes would send another file than the app
opened, perhaps one that nobody may have. So the file must lie under a folder that the deployer named, without any
symbolic link on the way, and the path that the front server will open must lead to the very file that the app has
open. In all other cases the answer is no, and the file is sent from Python.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar, TypeVar
from urllib.parse import quote_from_bytes

from ..errors import InvalidOption

Folder = str | os.PathLike[str]
AnyFolder = TypeVar("AnyFolder", bound=Folder)  # the keys of a mapping are invariant

_LOGGER = logging.getLogger("rangeware")
_LONGEST = 2048
"""Characters of a path in a header field. nginx reads the head of a response into 4 KiB, and refuses a longer one."""

_CONTROL = re.compile(r"[\0-\x1f\x7f]")


class _SentFromHere(Exception):
    """The reason why a file is not handed over."""


class _Root:
    """A folder whose files the front server sends, and what the path to it is called there.

    :param folder: ends with a slash.
    :param target: takes the place of ``folder`` in the field, and ends with a slash.
    """

    def __init__(self, folder: bytes, target: bytes) -> None:
        self.folder = folder
        self.target = target

    def relative(self, path: bytes) -> bytes | None:
        """Return the part of a path below this folder; None if it is not below it. Both are free of links.

        The folder itself may be a link to where the files are, and a deployment may change the link at any time.
        """
        real = os.path.join(os.path.realpath(self.folder), b"")
        return path[len(real):] if path.startswith(real) else None


class _FrontServer:
    """The base of the classes for front servers.

    :param roots: the folders whose files are handed over, as absolute paths.
    :raises InvalidOption: if there is no folder, or one that is not an absolute path.
    """

    _NAME: ClassVar[str]
    keeps_validators = True
    """True if the client gets the ETag and the Last-Modified of the app; False if the front server makes others."""

    def __init__(self, roots: Folder | Iterable[Folder] | Mapping[AnyFolder, Folder]) -> None:
        if isinstance(roots, (str, os.PathLike)):
            roots = [roots]
        if not isinstance(roots, Iterable):
            raise InvalidOption(f"{type(self).__name__} needs folders, not {roots!r}")
        targets = roots if isinstance(roots, Mapping) else {root: root for root in roots}
        made = [_Root(self._folder(folder), self._target(target)) for folder, target in targets.items()]
        self._roots = sorted(made, key=lambda root: len(root.folder), reverse=True)  # the innermost folder first
        self._given = dict(targets)
        for root in made:
            if not os.path.isdir(root.folder):
                _LOGGER.warning("%s: there is no folder %s", type(self).__name__, os.fsdecode(root.folder))
        if not made:
            raise InvalidOption(f"{type(self).__name__} needs at least one folder")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._given!r})"

    def field_for(self, path: object, fileno: int) -> tuple[str, str] | None:
        """Return the field that has the front server send an open file; None if it could send another one.

        The logger ``rangeware`` is told the reason, at DEBUG.

        :param path: that the file was opened with; anything but a path gives None.
        :param fileno: the descriptor of the open file.
        """
        try:
            return self._NAME, self._value(path, fileno)
        except (_SentFromHere, OSError, ValueError) as exc:
            _LOGGER.debug("%s: %r is sent from here: %s", self._NAME, path, exc)
            return None

    def _value(self, path: object, fileno: int) -> str:
        if not isinstance(path, (str, bytes, os.PathLike)):
            raise _SentFromHere("it was not opened by a path")
        value = self._encode(self._location(os.path.realpath(os.fsencode(path)), os.fstat(fileno)))
        if len(value) > _LONGEST:
            raise _SentFromHere(f"its path has more than {_LONGEST} characters")
        return value

    def _location(self, real: bytes, opened: os.stat_result) -> bytes:
        """Return the path of an open file as the front server knows it.

        :param real: the path of the file, free of links.
        """
        for root in self._roots:
            relative = root.relative(real)
            if relative is not None:
                found = os.stat(root.folder + relative)  # the path that the front server will open
                if not os.path.samestat(found, opened) or found.st_size != opened.st_size:
                    raise _SentFromHere("another file has taken its path")
                return root.target + relative
        raise _SentFromHere("it is not below any of the folders")

    def _folder(self, folder: Folder) -> bytes:
        path = os.fspath(folder) if isinstance(folder, os.PathLike) else folder
        if not isinstance(path, str) or not os.path.isabs(path) or "\0" in path:
            raise InvalidOption(f"{type(self).__name__}: {folder!r} is not the absolute path of a folder")
        return os.path.join(os.path.normpath(os.fsencode(path)), b"")

    def _target(self, target: Folder) -> bytes:
        return self._folder(target)

    def _encode(self, location: bytes) -> str:
        """Return the location as the value of the field."""
        return quote_from_bytes(location)


class XAccelRedirect(_FrontServer):
    """nginx (``X-Accel-Redirect``), 1.5.9 or later, which decodes the path.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, offload=XAccelRedirect({"/srv/media/": "/protected/"}))

    nginx makes ETag and Last-Modified by itself, and keeps of the app's fields only those that its manual names. The
    documentation has a configuration that keeps the others as well ("Past one machine").

    :param roots: the folders whose files are handed over, with the URI path of the ``internal`` location that has the
        folder as its ``alias``. Files must be readable for nginx.
    :raises InvalidOption: if a folder is not an absolute path, or a URI path is not one.
    """

    _NAME = "X-Accel-Redirect"
    keeps_validators = False

    def __init__(self, roots: Mapping[AnyFolder, str]) -> None:
        if not isinstance(roots, Mapping):
            raise InvalidOption(f"XAccelRedirect needs a mapping of folders to URI paths, not {roots!r}")
        super().__init__(roots)

    def _target(self, target: Folder) -> bytes:
        is_path = isinstance(target, str) and target.startswith("/") and target.isascii() and target.isprintable()
        if not is_path or {*str(target)} & {*" \"#?%\\"} or {"..", "."} & {*str(target).split("/")}:
            raise InvalidOption(f"XAccelRedirect: {target!r} is not the URI path of a location")
        return str(target).rstrip("/").encode() + b"/"


class XSendfile(_FrontServer):
    """Apache with mod_xsendfile (``X-Sendfile``), any version.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, offload=XSendfile(["/srv/media"]))

    Version 0.12, which distributions have, takes the path as it is; 1.0 decodes it. So a file is handed over only if
    both find it, and sent from Python if its path has a ``%`` or a control character, or a blank at its end.

    :param roots: the folders whose files are handed over, each in ``XSendFilePath``; or a mapping of folders to their
        paths on the front server, where these differ. Files must be readable for the front server.
    :raises InvalidOption: if a folder is not an absolute path.
    """

    _NAME = "X-Sendfile"

    def _encode(self, location: bytes) -> str:
        value = location.decode("latin-1")  # as PEP 3333 has it: each character is a byte
        if "%" in value or _CONTROL.search(value) or value != value.strip():
            raise _SentFromHere("not all versions of mod_xsendfile find this name")
        return value


class XLighttpdSendFile(_FrontServer):
    """lighttpd 1.4.46 or later, whatever module connects it with the app.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, offload=XLighttpdSendFile(["/srv/media"]))

    The field is ``X-Sendfile``: ``X-LIGHTTPD-send-file`` counts with FastCGI only, and would reach the client from
    mod_proxy. lighttpd refuses paths that are not UTF-8, and reads each control character as ``_``, which may be the
    name of another file: such files are sent from Python.

    :param roots: the folders whose files are handed over, each in ``x-sendfile-docroot``; or a mapping of folders to
        their paths on the front server, where these differ. Files must be readable for the front server.
    :raises InvalidOption: if a folder is not an absolute path.
    """

    _NAME = "X-Sendfile"

    def _encode(self, location: bytes) -> str:
        path = location.decode()  # a UnicodeDecodeError is a ValueError
        if _CONTROL.search(path):
            raise _SentFromHere("lighttpd reads control characters as another name")
        return super()._encode(location)
