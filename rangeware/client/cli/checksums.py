"""The list of digests that ``--checksums`` names, a file or a URL. It is read before the first request for a file.

A file that is not in the list is an error: whoever gives a list wants all files checked.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from ...errors import InvalidOption
from ..checksum_files import ChecksumList
from ..progress import Progress
from .parsing import Arguments, UsageError, is_url

_MOST = 1 << 24  # bytes of a list
_ABOUT_FILES = {"directory", "checksum", "sha256", "force", "if_newer", "skip_existing", "continue_from", "decode",
                "metalink", "metalink_file", "mirrors"}


def find_checksums(arguments: Arguments) -> dict[str, str]:
    """The digests of the files, as the option ``checksum`` takes them, by URL; empty if there is no list.

    :raises UsageError: if the list cannot be read, or lacks a file.
    :raises TransferError: if it cannot be fetched.
    """
    if arguments.checksums is None:
        return {}
    text = (_fetched if is_url(arguments.checksums) else _read)(arguments.checksums, arguments)
    listed = ChecksumList(text)
    return {url: _find(listed, url, arguments) for url in arguments.urls}


def _find(listed: ChecksumList, url: str, arguments: Arguments) -> str:
    """Find the digest of a file by its name in the URL, or else by the name that it is to have here."""
    named = unquote(urlsplit(url).path).rpartition("/")[2]
    names = [named, *([] if arguments.path is None else [os.path.basename(arguments.path)])]
    try:
        digests = (listed.find(name) for name in names if name)
        found = next(filter(None, digests), None)
    except InvalidOption as exc:
        raise UsageError(f"--checksums {arguments.checksums}: {exc}") from None
    if found is None:
        raise UsageError(f"--checksums {arguments.checksums} has no digest of {named or url}")
    return str(found)


def _read(name: str, _: Arguments) -> str:
    try:
        with open(name, "rb") as file:
            return file.read(_MOST).decode("utf-8", "replace")
    except (OSError, ValueError) as exc:
        raise UsageError(f"cannot read --checksums {name}: {getattr(exc, 'strerror', exc)}") from exc


def _fetched(url: str, arguments: Arguments) -> str:
    from .. import download

    def watch(progress: Progress) -> None:
        if max(progress.received, progress.complete_length or 0) > _MOST:
            raise UsageError(f"--checksums {url} is no list of digests: it has more than {_MOST:,} bytes")

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "list")
        download(url, path, progress=watch, **_options(url, arguments))
        return _read(path, arguments)


def _options(url: str, arguments: Arguments) -> Mapping[str, Any]:
    """The options for the list. It gets the headers, which may be secret, only if it comes from the host of a file."""
    options = {name: value for name, value in arguments.options.items() if name not in _ABOUT_FILES}
    if _origin(url) not in map(_origin, arguments.urls):
        options.pop("headers", None)
    return {**options, "allow_unknown_length": True}


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.rpartition("@")[2].lower()
