"""Django with django-ranged-response's ``RangedFileResponse``. The generator is sent whole."""

from __future__ import annotations

from django.http import HttpRequest
from ranged_response import RangedFileResponse

from benchmarks.apps.django_base import make_app
from benchmarks.data import FILES


def _file(request: HttpRequest) -> RangedFileResponse:
    return RangedFileResponse(request, open(FILES[request.path], "rb"), content_type="application/octet-stream")


app = make_app(_file)
