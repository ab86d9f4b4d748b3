"""The content of the apps: bytes in which no two windows look alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from hashlib import shake_256
from pathlib import Path

ETAG = '"v1"'
FILE_LENGTH = 3_000_000
GENERATOR_LENGTH = 300_000
MTIME = 1_700_000_000
_CHUNK = 4_000


@cache
def representation(framework: str, path: str) -> bytes:
    """The content of this framework's app at ``file``, ``generator`` or ``page``. The file is the same for all."""
    if path == "file":
        return shake_256(b"file").digest(FILE_LENGTH)
    if path == "generator":
        return shake_256(f"{framework} generator".encode()).digest(GENERATOR_LENGTH)
    assert path == "page"
    return f"A page by {framework}: {shake_256(framework.encode()).hexdigest(600)}\n".encode()


def generated(framework: str) -> Iterator[bytes]:
    """The generator's representation, chunk by chunk."""
    content = representation(framework, "generator")
    for start in range(0, len(content), _CHUNK):
        yield content[start:start + _CHUNK]


def make_file(directory: Path) -> Path:
    """The file, in a directory where nothing else is. Several processes may make it at once."""
    path = directory / "static" / "file"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = directory / f"file.{os.getpid()}"
        part.write_bytes(representation("", "file"))
        os.utime(part, (MTIME, MTIME))
        part.replace(path)
    return path
