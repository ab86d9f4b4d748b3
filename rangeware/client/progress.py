"""The reports of a download: ``Progress`` while it runs, ``Download`` when it is complete."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..http.ranges import ByteRange


class Progress(NamedTuple):
    """A report on a running download.

    :param event: "began", "progress", "retry", "changed" (the download has to start again), "fewer" (the server does
        not accept so many connections) or "finished".
    :param path: the final name of the file; "" as long as it is unknown.
    :param done: bytes of the file on disk.
    :param complete_length: in bytes; None while it is unknown.
    :param received: bytes of content received in this run.
    :param rate: bytes per second over the last seconds.
    :param segments: the bytes that are being fetched, a range for each connection; both positions inclusive.
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

    :param path: of the file.
    :param url: the URL asked for, without user, password and fragment.
    :param address: the URL that answered, after redirects.
    :param complete_length: in bytes.
    :param etag: the entity tag as the server sent it; None if it sent none.
    :param last_modified: the text of Last-Modified; None if the server sent none.
    :param sha256: the SHA-256 in hex, if one was asked for; otherwise None.
    :param received: bytes of content received in this run.
    :param kept: bytes that an earlier run had left.
    :param restarts: number of times that the download had to start again.
    :param seconds: duration.
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
