"""``FsspecBody``: a file in anything that fsspec opens: S3, GCS, Azure, HTTP, SFTP, memory, a zip file, a disk.

fsspec caches listings and reads ahead, which suits dataframes. Here, what is known of a file is asked for anew when the
body is made, and blocks are read one by one, exactly the bytes that are sent. After each block the file must still be
the one that it was. Only s3fs makes its requests conditional on the entity tag, which saves asking again. The file is
opened once for all parts of a response, for many file systems ask the store again when they open it.
"""

from __future__ import annotations

import io
import os
import stat
import sys
import zipfile
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from typing import Any

from fsspec.core import url_to_fs
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from ..bodies.closing import close_all
from ..bodies.decoders import is_decoding
from ..bodies.openable import OpenableBody
from ..core.app_head import AppHead, validators_of_file
from ..core.options import Options
from ..errors import SourceChanged
from ..http.dates import parse_http_date

_ETAG = ("ETag", "etag")  # s3fs and HTTP; adlfs, gcsfs and WebDAV
_DIGEST = ("md5Hash",)  # gcsfs
_MODIFIED = ("LastModified", "last_modified", "Last-Modified", "mtime", "modified", "updated")
"""Names in ``info()``: s3fs; adlfs; HTTP; local, SFTP and gcsfs; WebDAV; gcsfs of before."""
_TYPE = ("ContentType", "contentType", "mimetype", "content_type")  # s3fs; gcsfs; HTTP; WebDAV
_VERSION = ("size", *_DIGEST, *_MODIFIED, "created", "CRC")
"""What tells one version of a file without an ETag from the next: ``created`` in the memory, ``CRC`` in a zip file."""


_SEEKABLE = (None, zipfile.ZIP_STORED) if sys.version_info >= (3, 12) else (None,)
"""Compression of the members of zip files, and of files elsewhere, that are not read from their start to go back."""


class FsspecBody(OpenableBody):
    """The content of a file that fsspec opens, for the body of a response.

    >>> @app.get("/films/<name>")
    ... def film(name):
    ...     try:
    ...         body = FsspecBody(store, f"films/{name}")  # store = fsspec.filesystem("s3"), made once
    ...     except (FileNotFoundError, IsADirectoryError):
    ...         flask.abort(404)
    ...     return flask.Response(body, mimetype=body.content_type, direct_passthrough=True)

    Each block is one request to the store, and in memory until it is sent. A file system made before a fork is made
    again in each process, as fsspec wants it. The constructor asks the store, so that an asynchronous view has to call
    it in a thread. The file is kept open between ranges, until ``close()``.

    The dangers: a path with ``..`` in it leaves its folder where the file system knows such (disk, SFTP, HTTP ...), so
    refuse one that comes from a client. A file system of fsspec that caches whole files (``filecache``,
    ``simplecache``) may give the bytes of an old version under the ETag of a new one. A web server that ignores Range
    without saying so is noticed only when a range is read.

    :param fs: the file system; an asynchronous one is used through its synchronous interface.
    :param path: the path of the file in this file system.
    :param block_size: bytes per read and request, at most.
    :ivar content_type: as the store knows it; None if it does not.
    :raises FileNotFoundError: from the constructor, if there is no such file.
    :raises IsADirectoryError: from the constructor, if it is a folder.
    :raises ValueError: from the constructor, if its length is unknown, or the store says that it has no ranges.
    """

    content_type: str | None = None

    def __init__(self, fs: Any, path: str, *, block_size: int = 4 << 20) -> None:
        if getattr(fs, "asynchronous", False):
            raise ValueError("a file system made with asynchronous=True works in its own event loop only")
        self._fs, self._path, self._block_size = _of_this_process(fs), path, Options(block_size=block_size).block_size
        self._kept: list[Any] = []
        if isinstance(self._fs, LocalFileSystem):
            self._learn_of_local_file(os.stat(self._fs._strip_protocol(path)))
        else:
            self._learn(self._info())

    def _learn(self, info: Mapping[str, Any]) -> None:
        if info.get("type") == "directory":
            raise IsADirectoryError(self._path)
        if info.get("size") is None:
            raise ValueError(f"the store does not tell the length of {self._path!r}, so that it has no ranges")
        if info.get("partial") is False:  # HTTP, with "Accept-Ranges: none"
            raise ValueError(f"the store says that it has no ranges of {self._path!r}")
        self.complete_length = int(info["size"])
        self.content_type = _first(info, _TYPE) or getattr(info.get("content_settings"), "content_type", None)
        self._version = _version(info)
        self.etag, self.last_modified = _first(info, (*_ETAG, *_DIGEST)), _date(_first(info, _MODIFIED))
        self.random_access = _has_random_access(self._fs, info)

    def _learn_of_local_file(self, status: os.stat_result) -> None:
        """All of it from one look, or the length of one version could come with the ETag of the next."""
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(self._path)
        self.complete_length = status.st_size
        self._version, self.etag, self.last_modified = _of_local_file(status)

    @classmethod
    def from_url(cls, url: str, **storage_options: Any) -> FsspecBody:
        """Make the body of what fsspec finds at this URL, such as ``s3://bucket/key`` or ``zip://member::film.zip``.

        The danger: with ``::`` in it a URL goes on to other file systems, and to any file that the process may read;
        and fsspec keeps a file system for each such text. Let no client choose a part of it: a path that one may choose
        goes to the constructor.

        :param url: as ``fsspec.open`` takes it.
        :param storage_options: of the file system, as ``fsspec.open`` takes them.
        """
        return cls(*url_to_fs(url, **storage_options))

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        """See ``OpenableBody.open_range``.

        :raises SourceChanged: if the file has been replaced.
        :raises OSError: if it can no longer be read; also what else the file system raises.
        """
        left, file = last_pos - first_pos + 1, self._taken()
        try:
            file.seek(0)  # an uncompressed member of a zip file is fast only from there to a place further on
            file.seek(first_pos)
            while left > 0 and (block := self._read(file, min(left, self._block_size))):
                left -= len(block)
                yield block
        finally:
            self._kept.append(file)

    def close(self) -> None:
        """Close the file. A range that is read later opens it again."""
        super().close()
        kept, self._kept = self._kept, []
        close_all(kept)

    def _taken(self) -> Any:
        """The file that an earlier range has left open, or another one: two ranges that are read at once share none."""
        try:
            return self._kept.pop()
        except IndexError:
            return self._open()

    def _open(self) -> Any:
        """Open the file so that it reads what it is told to, and nothing ahead."""
        file = self._fs.open(self._path, "rb", block_size=self._block_size, cache_type="none")
        if isinstance(file, io.BytesIO):  # of the memory: all who open it share its position
            return io.BytesIO(file.getvalue())
        return file

    def _read(self, file: Any, size: int) -> bytes:
        try:
            block: bytes = file.read(size)
        except Exception as exc:
            if self._is_changed(file):
                raise SourceChanged("the file in the store was replaced while it was sent") from exc
            raise
        if not _is_conditional(file, self.etag) and self._is_changed(file):
            raise SourceChanged("the file in the store was replaced while it was sent")
        if len(block) > size:
            raise OSError(f"the store was asked for {size} bytes, and sent {len(block)}")
        return block

    def _is_changed(self, file: Any) -> bool:
        if isinstance(self._fs, LocalFileSystem):  # an open file stays the same one, whatever takes its name
            return _of_local_file(os.fstat(file.fileno()))[0] != self._version
        try:
            return _version(self._info()) != self._version
        except FileNotFoundError:
            return True

    def _info(self) -> dict[str, Any]:
        """Ask the store what it knows of the file. Many file systems keep listings, which are forgotten first."""
        for listed in (self._path, self._fs._parent(self._path)):
            self._fs.invalidate_cache(listed)
        info: dict[str, Any] = self._fs.info(self._path)
        return info


def _of_this_process(fs: Any) -> Any:
    """Return the file system, made again if this process is a fork of the one that made it: it has lost its thread."""
    if getattr(fs, "_pid", os.getpid()) == os.getpid():
        return fs
    make, arguments = fs.__reduce__()
    return make(*arguments)


def _has_random_access(fs: Any, info: Mapping[str, Any]) -> bool:
    """False if the file goes back only by reading from its start again: a member of an archive, where it is compressed.

    Nothing is opened to find out. ``fo`` is the archive of a file system in one.
    """
    while isinstance(fs, DirFileSystem):
        fs = fs.fs
    return info.get("compress_type") in _SEEKABLE and not is_decoding(getattr(fs, "fo", None))


def _is_conditional(file: Any, etag: str | None) -> bool:
    """True if each request of this file is conditional on the entity tag: s3fs's are."""
    asked = {**getattr(file, "req_kw", {}), **getattr(file, "read_kw", {})}
    return etag is not None and asked.get("IfMatch") == etag


def _first(info: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The first of these in ``info()`` that is there and not empty."""
    return next((info[name] for name in names if info.get(name)), None)


def _version(info: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return all that tells one version of the file from another: the ETag, or else times and checksums.

    With an ETag no times, which a listing may tell more exactly than a look at the file alone.
    """
    names = ("size", *_ETAG) if _first(info, _ETAG) else _VERSION
    return tuple(info.get(name) for name in names)


def _of_local_file(status: os.stat_result) -> tuple[tuple[int, int], str | None, datetime | None]:
    """The version, the ETag and the time of modification of a local file, as the middleware makes them for files."""
    version = status.st_size, status.st_mtime_ns
    made = dict(validators_of_file(AppHead(200, ()), *version, 0, datetime.now(timezone.utc)))
    return version, made.get("ETag"), _date(status.st_mtime) if made else None


def _date(value: Any) -> datetime | None:
    """A time of modification as file systems write it: a datetime, seconds since 1970, or text."""
    if isinstance(value, (int, float)):
        return datetime.fromtimestamp(value, timezone.utc)
    if isinstance(value, str):
        value = parse_http_date(value, datetime.now(timezone.utc)) or _iso_date(value)
    if not isinstance(value, datetime):
        return None
    return value if value.tzinfo else value.replace(tzinfo=timezone.utc)


def _iso_date(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
