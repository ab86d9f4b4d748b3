"""static-ranges: a middleware, here around an app that uses ``wsgi.file_wrapper``.

The app sets no Content-Length, because static-ranges adds one; otherwise there would be two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from static_ranges import Ranges

from benchmarks.apps.plain import validators, whatever_else
from benchmarks.data import BLOCK, FILES


def inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Respond with a file, without Content-Length."""
    path = environ["PATH_INFO"]
    if path not in FILES:
        return whatever_else(path, start_response)
    file = open(FILES[path], "rb")  # noqa: SIM115 - closed by the body that is returned
    start_response("200 OK", validators(os.fstat(file.fileno())))
    return environ["wsgi.file_wrapper"](file, BLOCK)  # type: ignore[no-any-return]


app = Ranges(inner)
