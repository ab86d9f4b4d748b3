"""A client for files of any size: downloads and uploads that resume. Needs urllib3: ``rangeware[client]``.

``api`` has ``download`` and ``adownload``, which never join two versions of a file; ``upload_api`` has ``upload`` and
``aupload``, for servers of tus 1.0 or the IETF draft "Resumable Uploads for HTTP". Under them, ``planning`` decides
what to ask for and what to make of each response, without any I/O; ``io`` has the files, sockets and threads; ``cli``
is the command ``rangeware get`` and ``rangeware put``.

All errors are a ``TransferError``: ``NetworkError``, ``ChangedError``, ``DigestError`` or ``DiskError``, which can be
imported from here, too. ``DownloadError`` is another name of ``TransferError``.
"""

from typing import TYPE_CHECKING, Any

from .errors import ChangedError as ChangedError
from .errors import DigestError as DigestError
from .errors import DiskError as DiskError
from .errors import DownloadError as DownloadError
from .errors import NetworkError as NetworkError
from .errors import TransferError
from .progress import Download, Progress, Upload

if TYPE_CHECKING:
    from .api import adownload, download
    from .upload_api import aupload, upload

__all__ = ["Download", "Progress", "TransferError", "Upload", "adownload", "aupload", "download", "upload"]

_LOADED_LATE = {"adownload": "api", "download": "api", "aupload": "upload_api", "upload": "upload_api"}


def __getattr__(name: str) -> Any:
    """Load the functions that need urllib3 when they are first named: the command can then say that it is missing."""
    if name not in _LOADED_LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LOADED_LATE[name]}", __name__), name)
