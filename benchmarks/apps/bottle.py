"""Bottle: ``static_file``. The generator is sent whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import bottle

from benchmarks.data import GENERATOR_ETAG, GIB, SERVED, generated

app = bottle.Bottle()


@app.get("/<name:re:1m|1g|8g>")  # type: ignore[untyped-decorator]
def file(name: str) -> Any:
    """Respond with a file."""
    return bottle.static_file(name, root=SERVED, mimetype="application/octet-stream", etag=None)


@app.get("/gen")  # type: ignore[untyped-decorator]
def generator() -> Iterator[bytes]:
    """Respond with the generator."""
    bottle.response.content_type = "application/octet-stream"
    bottle.response.content_length = GIB
    bottle.response.set_header("ETag", GENERATOR_ETAG)
    return generated()
