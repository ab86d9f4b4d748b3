"""The names of the files beside a download: ``NAME.part``, its journal, and those that exist for a moment only."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

PART = ".part"
NEW = ".part.new"

_LONGEST_SUFFIX = len(f"{NEW}.json.new")
_USUAL_LIMIT = 255  # bytes
_DIGITS = 12  # of the hash in a shortened name
_LONGEST_TO_FIND = 200
"""Bytes of the longest name that a server may give, see ``filenames``."""


def beside(final: Path, suffix: str) -> Path:
    """The path of a file of ours beside a file.

    If the name would be too long for the file system, it is shortened, with a hash of the whole name at its end.
    """
    name = os.fsencode(final.name)
    room = longest_name(final.parent) - _LONGEST_SUFFIX
    if len(name) <= room:
        return final.with_name(final.name + suffix)
    kept = name[:max(0, room - _DIGITS - 1)].decode("utf-8", "ignore")
    return final.with_name(f"{kept}~{hashlib.sha256(name).hexdigest()[:_DIGITS]}{suffix}")


def final_of(journal: Path) -> Path | None:
    """The final name that belongs to a journal; None for one that may have been shortened."""
    name = journal.name.removesuffix(f"{PART}.json")
    return journal.with_name(name) if name and len(os.fsencode(name)) <= _LONGEST_TO_FIND else None


def longest_name(folder: Path) -> int:
    """The longest name of a file in a folder, in bytes; the usual limit if the system does not say."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        limit = os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return _USUAL_LIMIT
    return limit if limit > _LONGEST_SUFFIX else _USUAL_LIMIT


def check_length(final: Path) -> None:
    """Check that the file system takes a name.

    :raises OSError: if it is too long.
    """
    limit = longest_name(final.parent)
    if len(os.fsencode(final.name)) > limit:
        raise OSError(0, f"the name is longer than {limit} bytes")


def journal_of(part: Path) -> Path:
    """The path of the journal of a part file."""
    return part.with_name(part.name + ".json")


def staged_of(part: Path) -> Path:
    """The path of a journal that is being written, before it replaces the one before."""
    return part.with_name(part.name + ".json.new")


def temporary_whole_of(part: Path) -> Path:
    """The name that a complete file has for a moment, before it replaces an existing file."""
    return part.with_name(part.name + ".whole")


def decoded_of(part: Path) -> Path:
    """The path of the decoded bytes, before they replace the coded ones."""
    return part.with_name(part.name + ".decoded")


def all_names(part: Path) -> tuple[Path, ...]:
    """The names that belong to a part file. Its own is the last."""
    return journal_of(part), staged_of(part), temporary_whole_of(part), decoded_of(part), part
