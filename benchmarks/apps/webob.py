"""WebOb: ``FileApp`` for the files, ``conditional_response`` for the generator."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from webob import Response
from webob.static import FileApp

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated

_FILES = {path: FileApp(str(file), content_type="application/octet-stream") for path, file in FILES.items()}


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond to one request."""
    path = environ["PATH_INFO"]
    answer = _FILES.get(path) or (_generator() if path == "/gen" else Response(status=404))
    return answer(environ, start_response)  # type: ignore[no-any-return]


def _generator() -> Response:
    return Response(app_iter=generated(), content_type="application/octet-stream", content_length=GIB,
                    etag=GENERATOR_ETAG.strip('"'), conditional_response=True)
