"""WebOb: ``FileApp``, responses given by a ``wsgify`` function."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import webob
import webob.dec
import webob.static

from tests.matrix.frameworks.content import GENERATOR_LENGTH, generated, representation


def make(file: Path) -> Callable[..., Iterable[bytes]]:
    """The app."""
    file_app = webob.static.FileApp(str(file), content_type="application/octet-stream")

    @webob.dec.wsgify
    def app(request: webob.Request) -> Any:
        if request.path_info == "/file":
            return file_app
        if request.path_info == "/generator":
            return webob.Response(app_iter=generated("webob"), content_type="application/octet-stream",
                                  content_length=GENERATOR_LENGTH, etag="v1")
        return webob.Response(body=representation("webob", "page"), content_type="text/plain", charset="UTF-8")

    return app  # type: ignore[no-any-return]
