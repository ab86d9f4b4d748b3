"""What is asked of the file system now and then."""

from __future__ import annotations

import os
from pathlib import Path


def write_all(descriptor: int, text: bytes) -> None:
    """Write all of it, in as many steps as the system wants."""
    while text:
        text = text[os.write(descriptor, text):]


def sync_directory(path: Path) -> None:
    """Have the names in it on disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link(path: Path, final: Path, *, by_way_of: Path | None) -> None:
    """A second name. Unlike a renaming it never takes the place of a file that came meanwhile.

    :param by_way_of: a name for a moment, from which the file does take the place of any other.
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
