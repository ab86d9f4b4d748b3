"""The reports of a transfer: ``Progress`` while it runs, ``Download`` or ``Upload`` when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..http.ranges import ByteRange


class Progress(NamedTuple):
    """A report on a running download or upload.

    >>> reports = []
    >>> film = download("http://127.0.0.1:8000/film.mp4", "film.mp4", progress=reports.append)
    >>> reports[-1].event, reports[-1].done
    ('finished', 1000)

    :param event: "began", "progress", "retry", "changed" (the transfer has to start again), "fewer" (the server does
        not accept so many connections), "warning" (the transfer goes on, and something should be known about it),
        "checking" (a file to upload is read for its digest) or "finished".
    :param path: the final name of the file, "" as long as it is unknown; of an upload, the file that is sent.
    :param done: bytes of the file on disk; of an upload, bytes at the server or on their way. While the file is
        checked, bytes that have been read.
    :param complete_length: in bytes; None while it is unknown.
    :param received: bytes of content received, or sent, in this run.
    :param rate: bytes per second over the last seconds.
    :param segments: the bytes that are being transferred, a range for each connection; both positions inclusive.
    :param text: details for a person; "" for "progress".
    """

    event: str
    path: str
    done: int
    complete_length: int | None
    received: int
    rate: float
    segments: tuple[ByteRange, ...]
    text: str


class Download(NamedTuple):
    """A complete file; checked, if a digest was known.

    >>> film = download("http://127.0.0.1:8000/film.mp4", "film.mp4")
    >>> film.path, film.complete_length, film.etag
    (PosixPath('film.mp4'), 1000, '"v1"')

    :param path: the path of the file.
    :param url: the URL asked for, without user, password and fragment.
    :param address: the URL that answered, after redirects.
    :param complete_length: in bytes; of the decoded file, if a content coding was undone.
    :param etag: the entity tag as the server sent it; None if it sent none.
    :param last_modified: the text of Last-Modified; None if the server sent none.
    :param sha256: the SHA-256 in hex, if one was asked for; otherwise None.
    :param received: bytes of content received in this run.
    :param kept: bytes that an earlier run had left.
    :param restarts: number of times that the download had to start again.
    :param seconds: duration of this run.
    :param checksum: the digest that was asked for, also another than SHA-256, as "ALGORITHM:HEX"; None if none was.
    :param already_complete: True if the file was there already, and has not been fetched.
    """

    path: Path
    url: str
    address: str
    complete_length: int
    etag: str | None
    last_modified: str | None
    sha256: str | None
    received: int
    kept: int
    restarts: int
    seconds: float
    checksum: str | None = None
    already_complete: bool = False


class Upload(NamedTuple):
    """A file that the server has completely.

    >>> film = upload("film.mp4", "http://127.0.0.1:8000/files/")
    >>> film.complete_length, film.protocol, film.resumed
    (1048576, 'tus', False)

    :param path: the path of the file here.
    :param url: the URL that uploads are created at, without user, password and fragment.
    :param address: the URL of the upload itself, as the server gave it.
    :param complete_length: in bytes.
    :param protocol: "tus" or "draft".
    :param sha256: the SHA-256 of the file in hex.
    :param sent: bytes of content sent in this run.
    :param kept: bytes that the server had from an earlier run.
    :param restarts: number of times that the upload had to be created again.
    :param seconds: duration of this run, without the time to check the file before.
    """

    path: Path
    url: str
    address: str
    complete_length: int
    protocol: str
    sha256: str
    sent: int
    kept: int
    restarts: int
    seconds: float

    @property
    def resumed(self) -> bool:
        """True if an earlier run had sent a part."""
        return self.kept > 0
