"""WhiteNoise serves the file; the app inside of it gives the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from whitenoise import WhiteNoise

from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    return WhiteNoise(_inner, root=file.parent)  # type: ignore[no-any-return]


def _inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    if environ["PATH_INFO"] == "/generator":
        start_response("200 OK", [("Content-Type", "application/octet-stream"), ("ETag", ETAG),
                                  ("Content-Length", str(GENERATOR_LENGTH))])
        return generated("whitenoise")
    page = representation("whitenoise", "page")
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(page)))])
    return [page]
