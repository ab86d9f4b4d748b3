"""WSGI without any framework, after the examples of PEP 3333."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.matrix.frameworks.content import ETAG, FILE_LENGTH, GENERATOR_LENGTH, generated, representation

_BLOCK = 65536


class _Blocks:
    """A file in blocks, for servers that have no wrapper of their own."""

    def __init__(self, file: Any, size: int) -> None:
        self._file = file
        self._size = size

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(self._size), b"")

    def close(self) -> None:
        self._file.close()


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/file":
            start_response("200 OK", _head("application/octet-stream", FILE_LENGTH))
            return environ.get("wsgi.file_wrapper", _Blocks)(open(file, "rb"), _BLOCK)  # type: ignore[no-any-return]
        if path == "/generator":
            start_response("200 OK", [*_head("application/octet-stream", GENERATOR_LENGTH), ("ETag", ETAG)])
            return generated("bare")
        page = representation("bare", "page")
        start_response("200 OK", _head("text/plain", len(page)))
        return [page]
    return app


def _head(content_type: str, content_length: int) -> list[tuple[str, str]]:
    return [("Content-Type", content_type), ("Content-Length", str(content_length))]
