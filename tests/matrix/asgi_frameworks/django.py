"""Django without a project: ``FileResponse``, ``StreamingHttpResponse`` around an asynchronous generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.utils.http import http_date

from tests.matrix.asgi_frameworks.content import GENERATOR_FIELDS, TYPE, Application, generated_slowly
from tests.matrix.frameworks.content import representation
from tests.matrix.frameworks.django import configure


def make(file: Path) -> Application:
    """The app."""
    async def whole_file(request: Any) -> FileResponse:
        fields = {"ETag": '"file"', "Last-Modified": http_date(file.stat().st_mtime)}
        return FileResponse(open(file, "rb"), content_type=TYPE, headers=fields)

    configure()
    settings.ROOT_URLCONF = (path("file", whole_file), path("generator", _generator), path("page", _page))
    return get_asgi_application()  # type: ignore[no-any-return]


async def _generator(request: Any) -> StreamingHttpResponse:
    return StreamingHttpResponse(generated_slowly("django"), content_type=TYPE, headers=GENERATOR_FIELDS)


async def _page(request: Any) -> HttpResponse:
    return HttpResponse(representation("django", "page"), content_type="text/plain")
