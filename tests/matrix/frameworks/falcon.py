"""Falcon: a static route, ``set_stream``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import falcon

from tests.matrix.frameworks.content import GENERATOR_LENGTH, generated, representation


class _Generator:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "application/octet-stream"
        resp.etag = "v1"
        resp.set_stream(generated("falcon"), GENERATOR_LENGTH)

    on_head = on_get


class _Page:
    def on_get(self, req: falcon.Request, resp: falcon.Response) -> None:
        resp.content_type = "text/plain"
        resp.data = representation("falcon", "page")

    on_head = on_get


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    app = falcon.App()
    app.add_route("/generator", _Generator())
    app.add_route("/page", _Page())
    app.add_static_route("/", str(file.parent))
    return app
