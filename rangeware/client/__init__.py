"""A client for files of any size: downloads and uploads that resume. Needs urllib3: ``rangeware[client]``.

``download`` fetches a file, and never joins two versions of it. ``upload`` sends one to a server of tus 1.0 or the IETF
draft "Resumable Uploads for HTTP". ``adownload`` and ``aupload`` do so for asyncio. The commands ``rangeware get`` and
``rangeware put`` use these functions.

A transfer that fails raises a ``TransferError``: ``NetworkError``, ``ChangedError``, ``DigestError`` or ``DiskError``.
A wrong option raises ``InvalidOption``. All of them can be imported from here. ``DownloadError`` is an older name of
``TransferError``.
"""

# ``api`` and ``upload_api`` have the functions. Under them, ``planning`` decides what to ask for and what to make of
# each response, without any I/O; ``io`` has the files, sockets and threads; ``cli`` is the command.

from typing import TYPE_CHECKING, Any

from ..errors import InvalidOption as InvalidOption
from .errors import ChangedError as ChangedError
from .errors import DigestError as DigestError
from .errors import DiskError as DiskError
from .errors import DownloadError as DownloadError
from .errors import NetworkError as NetworkError
from .errors import OutputClosed as OutputClosed
from .errors import TransferError, with_hint
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

    try:
        return getattr(import_module(f".{_LOADED_LATE[name]}", __name__), name)
    except ModuleNotFoundError as exc:
        raise with_hint(exc) from None


def __dir__() -> list[str]:
    """The names of the module, with those that are not loaded yet."""
    return sorted({*globals(), *__all__})
