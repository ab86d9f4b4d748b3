"""Pyramid: ``FileResponse``, a response with an ``app_iter``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pyramid.config import Configurator
from pyramid.response import FileResponse, Response

from tests.matrix.frameworks.content import GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    def whole_file(request: Any) -> FileResponse:
        return FileResponse(file, request=request, content_type="application/octet-stream")

    with Configurator() as config:
        for name, view in (("file", whole_file), ("generator", _generator), ("page", _page)):
            config.add_route(name, f"/{name}")
            config.add_view(view, route_name=name)
    return config.make_wsgi_app()  # type: ignore[no-any-return]


def _generator(request: Any) -> Response:
    return Response(app_iter=generated("pyramid"), content_type="application/octet-stream",
                    content_length=GENERATOR_LENGTH, etag="v1")


def _page(request: Any) -> Response:
    return Response(body=representation("pyramid", "page"), content_type="text/plain", charset="UTF-8")
