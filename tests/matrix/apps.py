"""Every framework's app, for every server: ``/flask/file``, ``/bottle/generator``, ``/django/page`` ...

The environment variable RANGEWARE_MATRIX_DIR names the directory where the file is made, and where it is set the apps
are made at once. In a process that only wants to know what to expect they are made when first called, if ever.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.util import shift_path_info

from rangeware import RangeMiddleware
from tests.matrix.frameworks.content import make_file, representation

Application = Callable[..., Iterable[bytes]]

__all__ = ["FRAMEWORKS", "application", "bare_application", "representation"]

FRAMEWORKS = ("bare", "flask", "bottle", "django", "pyramid", "webob", "falcon", "cherrypy", "whitenoise")


@cache
def _apps() -> Mapping[str, Application]:
    file = make_file(_directory())
    return {name: import_module(f"tests.matrix.frameworks.{name}").make(file) for name in FRAMEWORKS}


@cache
def _wrapped_apps() -> Mapping[str, Application]:
    return {name: RangeMiddleware(app) for name, app in _apps().items()}


def _directory() -> Path:
    named = os.environ.get("RANGEWARE_MATRIX_DIR")
    if named:
        return Path(named)
    temporary = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    return Path(temporary)


def _dispatcher(apps: Callable[[], Mapping[str, Application]]) -> Application:
    """Calls the app that the first segment of the path names. It takes that off the path and does nothing else."""
    def dispatch(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        app: Application = apps().get(shift_path_info(environ) or "", _not_found)
        return app(environ, start_response)
    return dispatch


def _not_found(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain"), ("Content-Length", "0")])
    return [b""]


application = _dispatcher(_wrapped_apps)

bare_application = _dispatcher(_apps)
"""The same apps without rangeware, to show what happens then."""

if "RANGEWARE_MATRIX_DIR" in os.environ:  # a server: what is missing is to show when it starts, on one thread
    _wrapped_apps()
