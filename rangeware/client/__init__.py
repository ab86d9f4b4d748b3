"""A download client that resumes, and never joins two versions of a file. Needs urllib3: ``rangeware[client]``.

``api`` has ``download`` and ``adownload``. Under it, ``planning`` decides which bytes to ask for and what to make of
each response, without any I/O; ``io`` has the files, sockets and threads; ``cli`` is the command ``rangeware get``.
"""

from typing import TYPE_CHECKING, Any

from .errors import ChangedError, DigestError, DiskError, DownloadError, NetworkError
from .progress import Download, Progress

if TYPE_CHECKING:
    from .api import adownload, download

__all__ = [
    "ChangedError", "DigestError", "DiskError", "Download", "DownloadError", "NetworkError", "Progress", "adownload",
    "download",
]


def __getattr__(name: str) -> Any:
    """Load the functions that need urllib3 when they are first named: the command can then say that it is missing."""
    if name not in ("adownload", "download"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import api

    return getattr(api, name)
