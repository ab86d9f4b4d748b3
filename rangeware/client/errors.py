"""The errors that end a download or an upload. Each has the exit code that the command gives."""

from __future__ import annotations


class TransferError(Exception):
    """A transfer ended without a complete and checked file. A download then has no file of the final name.

    :param reason: the cause, for a person.
    :param kept: how much is kept for a later run: of a download in which file, of an upload at the server; ``""`` if
        nothing is.

    >>> raise NetworkError("404 Not Found")
    Traceback (most recent call last):
    rangeware.client.errors.NetworkError: 404 Not Found
    """

    exit_code = 2

    def __init__(self, reason: str, kept: str = "") -> None:
        super().__init__(reason)
        self.kept = kept


DownloadError = TransferError
"""An older name of ``TransferError``."""


class NetworkError(TransferError):
    """The server cannot be reached, refuses the request, or keeps breaking off without any progress."""


class ChangedError(TransferError):
    """The file keeps changing at the server, or has changed here while it was uploaded."""

    exit_code = 3


class DigestError(TransferError):
    """All bytes have been transferred, and their digest is not the expected one."""

    exit_code = 4


class DiskError(TransferError):
    """The file cannot be written or read: disk full, no permission, the file exists, or another run has it."""

    exit_code = 5


class OutputClosed(DiskError):
    """Nobody reads any more from the stream that a download is written to, such as a pipe to ``head``."""

    exit_code = 141


def with_hint(exc: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error, with what to install if it is urllib3 that is missing."""
    if exc.name != "urllib3":
        return exc
    return ModuleNotFoundError("urllib3 is missing: pip install 'rangeware[client]'", name=exc.name)
