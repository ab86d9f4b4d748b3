"""Django with django-ranged-response's ``RangedFileResponse``. The generator is sent whole."""

from __future__ import annotations

from django import setup
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from ranged_response import RangedFileResponse

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated


def file(request: HttpRequest) -> RangedFileResponse:
    """Respond with a file."""
    return RangedFileResponse(request, open(FILES[request.path], "rb"), content_type="application/octet-stream")


def generator(request: HttpRequest) -> StreamingHttpResponse:
    """Respond with the generator."""
    return StreamingHttpResponse(generated(), content_type="application/octet-stream",
                                 headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)})


settings.configure(
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    ROOT_URLCONF=(path("1m", file), path("1g", file), path("8g", file), path("gen", generator)),
    SECRET_KEY="nothing is signed here",
)
setup()
app = get_wsgi_application()
