"""An app that answers with files that do not stand at their beginning, or go on beyond what is declared.

``/WAY/CASE`` is the file of the case, handed back in this way; every other path is a small page.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import IO, Any, NamedTuple

from rangeware import RangeMiddleware

FILE = "RANGEWARE_MATRIX_FILE"
CONTENT = Random(100).randbytes(300_000)
PAGE = b"a small page"
FIELDS = [("Content-Type", "application/octet-stream")]


class Case(NamedTuple):
    """A position in the file, and a length from there.

    :param read: bytes that are read before; then the buffer of the file is ahead of it.
    :param declared: the Content-Length; None for none.
    """

    start: int
    declared: int | None
    read: int = 0

    @property
    def content(self) -> bytes:
        """What is to come."""
        return CONTENT[self.start:] if self.declared is None else CONTENT[self.start:self.start + self.declared]


CASES = {
    "positioned": Case(100, len(CONTENT) - 100),
    "positioned-undeclared": Case(100, None),
    "ahead": Case(5003, len(CONTENT) - 5003, read=10),
    "ahead-undeclared": Case(5003, None, read=10),
    "longer": Case(0, 100_007),
    "positioned-longer": Case(100, 1000),
}

Environ = dict[str, Any]


def _wrapped(environ: Environ, path: str) -> tuple[IO[bytes], Iterable[bytes]]:
    file = open(path, "rb")  # noqa: SIM115 - what the server gets closes it
    return file, environ["wsgi.file_wrapper"](file, 65536)


def _unbuffered(environ: Environ, path: str) -> tuple[IO[bytes], Iterable[bytes]]:
    file = open(path, "rb", 0)  # noqa: SIM115 - what the server gets closes it
    return file, environ["wsgi.file_wrapper"](file)


def _itself(environ: Environ, path: str) -> tuple[IO[bytes], Iterable[bytes]]:
    file = open(path, "rb")  # noqa: SIM115 - what the server gets closes it
    return file, file


WAYS = {"wrapped": _wrapped, "unbuffered": _unbuffered, "itself": _itself}
PATHS = [f"/{way}/{case}" for way in WAYS for case in CASES]


def case_of(path: str) -> Case:
    """The case that a path stands for."""
    return CASES[path.rpartition("/")[2]]


def write_file(directory: Path) -> Path:
    """The file of all cases, years old."""
    path = directory / "positioned.bin"
    path.write_bytes(CONTENT)
    path.chmod(0o644)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def _app(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path not in PATHS:
        start_response("200 OK", [*FIELDS, ("Content-Length", str(len(PAGE)))])
        return [PAGE]
    case = case_of(path)
    file, body = WAYS[path.split("/")[1]](environ, os.environ[FILE])
    file.read(case.read)
    file.seek(case.start)
    declared = [] if case.declared is None else [("Content-Length", str(case.declared))]
    start_response("200 OK", [*FIELDS, *declared])
    return body


application = RangeMiddleware(_app)
