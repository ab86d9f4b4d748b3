"""The served files. Their content is computable, so that any window can be checked without reading the file."""

from __future__ import annotations

import array
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import BinaryIO

ROOT = Path(__file__).resolve().parents[1]
"""Root of the checkout."""
DATA = Path(os.environ.get("RANGEWARE_BENCH_DATA") or ROOT / ".bench" / "data")
"""Directory of the files."""
SERVED = DATA / "served"
"""Links to the files under their URL names, for servers of a whole directory."""

MIB = 1 << 20
"""Bytes in ``/1m``."""
GIB = 1 << 30
"""Bytes in ``/1g`` and in ``/gen``."""
EIGHT_GIB = 8 << 30
"""Bytes in ``/8g``."""
BLOCK = 64 << 10
"""Bytes in each block of ``/gen``."""
EDGE = 1024
"""Bytes at either end of ``/8g`` that are not zero."""

FILES = {"/1m": DATA / "1m.bin", "/1g": DATA / "1g.bin", "/8g": DATA / "8g.bin"}
"""Files by URL path."""
ITEMS = [{"id": number, "name": f"item {number}"} for number in range(1, 4)]
"""Data of the response to ``/json``."""
JSON = json.dumps(ITEMS, separators=(",", ":")).encode()
"""Content of the response to ``/json``."""
LENGTHS = {"/1m": MIB, "/1g": GIB, "/8g": EIGHT_GIB, "/gen": GIB, "/json": len(JSON)}
"""Lengths in bytes by URL path."""
GENERATOR_ETAG = '"a-generator"'

_WORD = 8
_COPIED_AT_ONCE = 4 << 20


def make(paths: Iterable[str] = tuple(FILES)) -> None:
    """Make missing files, and read those up to 1 GiB once, so that they are in the page cache."""
    SERVED.mkdir(parents=True, exist_ok=True)
    for path in paths:
        file = FILES[path]
        if not file.exists() or file.stat().st_size != LENGTHS[path]:
            _replace(file, _write_sparse if path == "/8g" else partial(_write_words, LENGTHS[path]))
        link = SERVED / path[1:]
        if not link.exists():
            link.symlink_to(Path("..") / file.name)
        if path != "/8g":
            _warm(file)


def content(first_pos: int, last_pos: int) -> bytes:
    """Return the bytes of ``/1m`` or ``/1g`` between two positions, inclusive. Each 8 bytes hold their position."""
    start = first_pos - first_pos % _WORD
    words = array.array("Q", range(start, last_pos + 1, _WORD))
    if sys.byteorder == "big":
        words.byteswap()
    return words.tobytes()[first_pos - start:last_pos + 1 - start]


def expected(path: str, first_pos: int, last_pos: int) -> bytes:
    """Return the expected bytes of a path, both ends inclusive.

    In ``/8g``, the window must be within the first or last ``EDGE`` bytes; in ``/gen``, within one block.

    :raises ValueError: for other windows.
    """
    if path == "/json":
        return JSON[first_pos:last_pos + 1]
    if path in ("/1m", "/1g"):
        return content(first_pos, last_pos)
    if path == "/gen" and first_pos // BLOCK == last_pos // BLOCK:
        return content(first_pos % BLOCK, last_pos % BLOCK)
    if path == "/8g" and last_pos < EDGE:
        return content(first_pos, last_pos)
    if path == "/8g" and first_pos >= EIGHT_GIB - EDGE:
        return content(first_pos, last_pos)
    raise ValueError(f"nothing is known of {path} from {first_pos} to {last_pos}")


def generated() -> Iterator[bytes]:
    """Yield the blocks of ``/gen``, which are all the same."""
    block = content(0, BLOCK - 1)
    for _ in range(GIB // BLOCK):
        yield block


def _replace(file: Path, write: Callable[[BinaryIO], None]) -> None:
    """Write under a temporary name first, so that an incomplete file is never used."""
    unfinished = file.with_suffix(".part")
    with open(unfinished, "wb") as output:
        write(output)
    unfinished.rename(file)


def _write_words(length: int, output: BinaryIO) -> None:
    for pos in range(0, length, _COPIED_AT_ONCE):
        output.write(content(pos, min(pos + _COPIED_AT_ONCE, length) - 1))


def _write_sparse(output: BinaryIO) -> None:
    for pos in (0, EIGHT_GIB - EDGE):
        output.seek(pos)
        output.write(content(pos, pos + EDGE - 1))


def _warm(file: Path) -> None:
    with open(file, "rb", buffering=0) as source:
        while source.read(_COPIED_AT_ONCE):
            pass


if __name__ == "__main__":
    make()
