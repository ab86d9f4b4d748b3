"""What a download tells: how far it is, and what it has brought."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..http.ranges import ByteRange


class Progress(NamedTuple):
    """How far a download is.

    :param event: "began", "progress", "retry", "changed" (the file has to be begun again), "fewer" (the server does
        not want so many connections) or "finished".
    :param path: the name that the file will have; "" as long as it is unknown.
    :param done: bytes of the file on disk.
    :param complete_length: in bytes; None while it is unknown.
    :param received: bytes of content that came in this run.
    :param rate: bytes per second, lately.
    :param segments: what is being fetched, each with its own connection; both positions inclusive.
    :param text: what a person may want to know; "" for "progress".
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
    """A file that is whole and, where a digest was known, checked.

    :param path: where it is.
    :param url: the address asked for, without user, password and fragment.
    :param address: the one that answered, after redirects.
    :param complete_length: in bytes.
    :param etag: its entity tag, as the server writes it; None if it has none.
    :param last_modified: the text of its Last-Modified; None if it has none.
    :param sha256: its SHA-256 in hex, where one was asked for; else None.
    :param received: bytes of content that came in this run.
    :param kept: bytes that an earlier run had left.
    :param restarts: how often it had to be begun again.
    :param seconds: how long it took.
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
