"""Small calls to a POSIX file system that the standard library does not have."""

from __future__ import annotations

import os
from pathlib import Path


def write_all(descriptor: int, text: bytes) -> None:
    """Write all of ``text``, in as many calls as the system needs."""
    while text:
        text = text[os.write(descriptor, text):]


def sync_directory(path: Path) -> None:
    """Flush a folder to the disk: the new names in it survive a loss of power then."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(path: Path, final: Path, *, by_way_of: Path | None) -> None:
    """Give a file a second name. Unlike renaming, this never replaces a file that has come into being meanwhile.

    :param by_way_of: a temporary name; if it is given, the file does replace any other.
    :raises FileExistsError: if the final name is taken, and ``by_way_of`` is None.
    """
    try:
        os.link(path, final if by_way_of is None else by_way_of)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if by_way_of is None and os.path.lexists(final):
            raise FileExistsError(17, "File exists") from None
        os.rename(path, final)
        return
    if by_way_of is None:
        return
    try:
        os.replace(by_way_of, final)
    except OSError:
        os.unlink(by_way_of)
        raise
