"""A download client that resumes, and never joins two versions of a file. Needs urllib3: ``rangeware[client]``."""

from typing import TYPE_CHECKING, Any

from .errors import ChangedError, DigestError, DiskError, DownloadError, NetworkError
from .progress import Download, Progress

if TYPE_CHECKING:
    from .fetch import adownload, download

__all__ = [
    "ChangedError", "DigestError", "DiskError", "Download", "DownloadError", "NetworkError", "Progress", "adownload",
    "download",
]


def __getattr__(name: str) -> Any:
    """What needs urllib3: the command can tell that it is missing, and its help does not wait for it."""
    if name not in ("adownload", "download"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from . import fetch

    return getattr(fetch, name)
