"""A Django project with the files and the generator; which response sends a file is up to who makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import setup
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponseBase, StreamingHttpResponse
from django.urls import path

from benchmarks.data import GENERATOR_ETAG, GIB, generated


def _generator(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(generated(), content_type="application/octet-stream",
                                 headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})


def make_app(file: Callable[[HttpRequest], HttpResponseBase]) -> Any:
    """Return the WSGI app. One for each process: Django has its settings once.

    :param file: the view that responds with the file of the request's path.
    """
    settings.configure(
        ALLOWED_HOSTS=["*"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF=(path("1m", file), path("1g", file), path("8g", file), path("gen", _generator)),
        SECRET_KEY="nothing is signed here",
    )
    setup()
    return get_wsgi_application()
