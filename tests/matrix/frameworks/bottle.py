"""Bottle: ``static_file``, a generator as route."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import bottle

from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    app = bottle.Bottle()

    @app.get("/file")
    def whole_file() -> Any:
        return bottle.static_file(file.name, root=file.parent, mimetype="application/octet-stream")

    @app.get("/generator")
    def generator() -> Iterator[bytes]:
        bottle.response.content_type = "application/octet-stream"
        bottle.response.content_length = GENERATOR_LENGTH
        bottle.response.set_header("ETag", ETAG)
        yield from generated("bottle")

    @app.get("/page")
    def page() -> bytes:
        bottle.response.content_type = "text/plain"
        return representation("bottle", "page")

    return app  # type: ignore[no-any-return]
