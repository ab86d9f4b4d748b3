"""Django: ``FileResponse`` for the files, ``StreamingHttpResponse`` for the generator.

Serve ``alone``, or ``with_rangeware``, which is the same app inside the middleware.
"""

from __future__ import annotations

from django.http import FileResponse, HttpRequest

from benchmarks.apps.django_base import make_app
from benchmarks.data import FILES
from rangeware import RangeMiddleware


def _file(request: HttpRequest) -> FileResponse:
    return FileResponse(open(FILES[request.path], "rb"), content_type="application/octet-stream")


alone = make_app(_file)
with_rangeware = RangeMiddleware(alone)
