"""Django without a project: ``FileResponse``, ``StreamingHttpResponse``, and the middleware that sets the length."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django import setup
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.urls import path

from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app. Django has one configuration for the whole process, so there is but one app with URLs of its own."""
    def whole_file(request: Any) -> FileResponse:
        return FileResponse(open(file, "rb"), content_type="application/octet-stream")

    configure()
    settings.ROOT_URLCONF = (path("file", whole_file), path("generator", _generator), path("page", _page))
    return get_wsgi_application()  # type: ignore[no-any-return]


def configure() -> None:
    """Does what a project's settings do, once."""
    if not settings.configured:
        settings.configure(
            ALLOWED_HOSTS=["*"],
            LOGGING_CONFIG=None,  # what goes wrong is written to stderr
            MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
            ROOT_URLCONF=(),
            SECRET_KEY="nothing is signed here",
        )
        setup()


def _generator(request: Any) -> StreamingHttpResponse:
    headers = {"Content-Length": str(GENERATOR_LENGTH), "ETag": ETAG}
    return StreamingHttpResponse(generated("django"), content_type="application/octet-stream", headers=headers)


def _page(request: Any) -> HttpResponse:
    return HttpResponse(representation("django", "page"), content_type="text/plain")
