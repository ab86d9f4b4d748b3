"""static-ranges: a middleware around an app that hands its files to the server.

That app sets no Content-Length: static-ranges adds one, and there would be two.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

from static_ranges import Ranges

from benchmarks.apps.plain import validators, whatever_else
from benchmarks.data import BLOCK, FILES


def inner(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """The app inside."""
    path = environ["PATH_INFO"]
    if path not in FILES:
        return whatever_else(path, start_response)
    file = open(FILES[path], "rb")  # noqa: SIM115 - what is returned closes it
    start_response("200 OK", validators(os.fstat(file.fileno())))
    return environ["wsgi.file_wrapper"](file, BLOCK)  # type: ignore[no-any-return]


app = Ranges(inner)
