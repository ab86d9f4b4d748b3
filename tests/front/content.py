"""The files of the tests of off-load, and the fields of the app that sends them.

The content is text without line ends, so that the ``email`` package reads it out of a multipart body to the byte.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from hashlib import shake_256
from pathlib import Path

GIGA = 1 << 30
MTIME = 1_700_000_000
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"

FILES = {"film": 100_000, "empty": 0, "huge": 3 * GIGA}
"""The length of each file; ``huge`` has holes but for its last bytes."""

LAST = b"these are the last bytes of three gigabytes"

FIELDS = (
    ("Access-Control-Allow-Origin", "https://example.org"),
    ("Access-Control-Expose-Headers", "Content-Range"),
    ("Cache-Control", "private, max-age=60"),
    ("Content-Disposition", "attachment; filename=\"film.txt\"; filename*=UTF-8''f%C3%AFlm.txt"),
    ("Content-Language", "de"),
    ("Content-Security-Policy", "default-src 'none'"),
    ("Content-Type", "text/plain; charset=utf-8"),
    ("Link", "</next>; rel=next"),
    ("Set-Cookie", "one=1; Path=/"),
    ("Set-Cookie", "two=2; Path=/"),
    ("Vary", "Cookie"),
    ("X-Content-Type-Options", "nosniff"),
)
"""What the bare apps send with each file."""

OWN_FIELDS: dict[str, Callable[[Path], tuple[tuple[str, str], ...]]] = {
    "nginx": lambda media: (("X-Accel-Redirect", "/protected/film"),),
    "apache": lambda media: (("X-Sendfile", f"{media}/film"),),
    "lighttpd": lambda media: (("X-Sendfile", f"{media}/film"),),
    "nginx-out": lambda media: (("X-Accel-Redirect", "/protected/link-out"),),
    "apache-out": lambda media: (("X-Sendfile", f"{media.parent}/outside/film"),),
    "lighttpd-out": lambda media: (("X-Sendfile", f"{media.parent}/outside/film"),),
}
"""By front server: the field that an app sets itself, and one that asks for a file outside the folder."""


@cache
def text(length: int, name: str = "film") -> bytes:
    """The content of a file: letters and digits in which no two windows look alike."""
    return shake_256(name.encode()).hexdigest(length // 2 + 1).encode()[:length]


def make_files(directory: Path) -> None:
    """Make the folder ``media``, which is a symbolic link as on many servers, and one beside it."""
    first = directory / "releases" / "1"
    for folder in (first / "inner", directory / "releases" / "2", directory / "outside"):
        folder.mkdir(parents=True)
    (directory / "media").symlink_to(first)
    for path, content in {
        first / "film": text(FILES["film"]), first / "empty": b"", directory / "outside" / "film": text(FILES["film"]),
    }.items():
        path.write_bytes(content)
        os.utime(path, (MTIME, MTIME))
    (first / "link-out").symlink_to(directory / "outside" / "film")
    with open(first / "huge", "wb") as file:
        file.seek(FILES["huge"] - len(LAST))
        file.write(LAST)
    os.utime(first / "huge", (MTIME, MTIME))
