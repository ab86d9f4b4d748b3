"""The errors that end a download. Each has the exit code that the command gives."""

from __future__ import annotations


class DownloadError(Exception):
    """A download ended without a complete and checked file. No file has the final name then.

    :param reason: the cause, for a person.
    :param kept: how much is kept for a later run, and in which file; ``""`` if nothing is.

    >>> raise NetworkError("404 Not Found")
    Traceback (most recent call last):
    rangeware.client.errors.NetworkError: 404 Not Found
    """

    exit_code = 2

    def __init__(self, reason: str, kept: str = "") -> None:
        super().__init__(reason)
        self.kept = kept


class NetworkError(DownloadError):
    """The server cannot be reached, refuses the request, or keeps breaking off without any progress."""


class ChangedError(DownloadError):
    """The file keeps changing, or the server now sends something else under this URL."""

    exit_code = 3


class DigestError(DownloadError):
    """All bytes have come, and their digest is not the expected one."""

    exit_code = 4


class DiskError(DownloadError):
    """The file cannot be written: disk full, no permission, the file exists, or another run writes it."""

    exit_code = 5
