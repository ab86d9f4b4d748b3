"""Django: ``FileResponse`` for the files, ``StreamingHttpResponse`` for the generator.

Serve ``alone``, or ``with_rangeware``, which is the same app inside the middleware.
"""

from __future__ import annotations

from django import setup
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpRequest, StreamingHttpResponse
from django.urls import path

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated
from rangeware import RangeMiddleware


def file(request: HttpRequest) -> FileResponse:
    """Respond with a file."""
    return FileResponse(open(FILES[request.path], "rb"), content_type="application/octet-stream")


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
alone = get_wsgi_application()
with_rangeware = RangeMiddleware(alone)
