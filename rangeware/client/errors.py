"""How a download can end without the file. Each error has the exit code that the command gives."""

from __future__ import annotations


class DownloadError(Exception):
    """A download ended without the whole, checked file. There is no file under its final name then.

    :param reason: what happened, for a person.
    :param kept: how much is kept, and where; ``""`` if nothing is.

    >>> raise NetworkError("404 Not Found")
    Traceback (most recent call last):
    rangeware.client.errors.NetworkError: 404 Not Found
    """

    exit_code = 2

    def __init__(self, reason: str, kept: str = "") -> None:
        super().__init__(reason)
        self.kept = kept


class NetworkError(DownloadError):
    """The server cannot be reached, refuses, or goes on breaking off without any progress."""


class ChangedError(DownloadError):
    """The file goes on changing, or what the server now sends under this address is something else."""

    exit_code = 3


class DigestError(DownloadError):
    """All bytes came, and they are not those that the digest was made of."""

    exit_code = 4


class DiskError(DownloadError):
    """The file cannot be written: full disk, no permission, a file of that name, another run at the same file."""

    exit_code = 5
