"""All measured targets, and the commands that start them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from benchmarks import nginx
from benchmarks.data import DATA, FILES, ROOT

Command = list[str]
Start = Callable[[int, Path], Command]
"""Return the command line. Arguments: a free port, and a directory to write to."""

THREADS = "8"
"""Threads of each threaded server: more than the connections of any measure."""
GO_SERVER = ROOT / ".bench" / "goserver"


class Target(NamedTuple):
    """A server with an app in it.

    :param server: name of the server; the hand-written app on it is ``floor-SERVER``, if there is one.
    :param kind: ``rangeware``, ``floor`` (written by hand, the best of that server), ``minimum`` (the smallest
        middleware) or ``peer``.
    :param validators: what each response with a file must have, except of a peer; no other validator.
    """

    name: str
    server: str
    kind: str
    start: Start
    validators: tuple[str, ...] = ("ETag", "Last-Modified")


def _gunicorn(worker: str, app: str) -> Start:
    threads = THREADS if worker == "gthread" else "1"
    return lambda port, directory: [
        sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}", "--worker-class", worker, "--workers", "1",
        "--threads", threads, "--keep-alive", "60", "--timeout", "600", "--graceful-timeout", "1", "--log-level",
        "warning", f"benchmarks.apps.{app}"]


def gthread(app: str) -> Start:
    """Start an app under gunicorn with threads."""
    return _gunicorn("gthread", app)


def _uwsgi(app: str) -> Start:
    """Run uWSGI as an HTTP server with keep-alive, without a master process. The buffer size is for request headers."""
    program = str(Path(sys.executable).with_name("uwsgi"))
    return lambda port, directory: [
        program, "--http11-socket", f"127.0.0.1:{port}", "--module", f"benchmarks.apps.{app}", "--processes", "1",
        "--threads", THREADS, "--home", sys.prefix, "--tcp-nodelay", "--socket-timeout", "30", "--buffer-size", "65535",
        "--need-app", "--disable-logging"]


def _waitress(app: str) -> Start:
    return lambda port, directory: [
        sys.executable, "-m", "waitress", "--listen", f"127.0.0.1:{port}", "--threads", THREADS,
        f"benchmarks.apps.{app}"]


def _cheroot(app: str) -> Start:
    return lambda port, directory: [
        sys.executable, "-m", "cheroot", "--bind", f"127.0.0.1:{port}", "--threads", THREADS, f"benchmarks.apps.{app}"]


def _uvicorn(app: str) -> Start:
    """Run uvicorn with its ``standard`` extra, so that it uses uvloop and httptools."""
    return lambda port, directory: [
        sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--log-level",
        "warning", "--no-access-log", "--timeout-keep-alive", "60", f"benchmarks.apps.{app}"]


def _granian(app: str) -> Start:
    """Run granian as an ASGI server, with one network thread."""
    return lambda port, directory: [
        sys.executable, "-m", "granian", "--interface", "asgi", "--host", "127.0.0.1", "--port", str(port), "--http",
        "1", "--no-ws", "--workers", "1", "--runtime-threads", "1", "--loop", "uvloop", "--log-level", "warning",
        f"benchmarks.apps.{app}"]


def _program(module: str, *arguments: str) -> Start:
    """Run an app that has its own server."""
    return lambda port, directory: [sys.executable, "-m", f"benchmarks.apps.{module}", str(port), *arguments]


def _go(port: int, directory: Path) -> Command:
    return [str(GO_SERVER), f"127.0.0.1:{port}", str(DATA)]


def _nginx(port: int, directory: Path) -> Command:
    locations = "\n".join(f"location = {path} {{ alias {file}; }}" for path, file in FILES.items())
    return nginx.command(port, directory, locations)


_IN: dict[str, Callable[[str], Start]] = {
    "gunicorn": lambda app: _gunicorn("sync", app),
    "gthread": gthread,
    "uwsgi": _uwsgi,
    "waitress": _waitress,
    "cheroot": _cheroot,
    "uvicorn": _uvicorn,
    "granian": _granian,
}


def _target(name: str, server: str, kind: str, app: str, *validators: str) -> Target:
    """Return a target. Without ``validators``, responses with a file must have both."""
    return Target(name, server, kind, _IN[server](app), validators or ("ETag", "Last-Modified"))


_WITH_A_FLOOR = ("gunicorn", "gthread", "uwsgi", "waitress", "cheroot")
_WITH_FLASK = ("gunicorn", "gthread", "uwsgi", "waitress")
_WITH_STARLETTE = ("uvicorn", "granian")

TARGETS: tuple[Target, ...] = (
    *(_target(f"rangeware-{server}", server, "rangeware", "plain:with_rangeware") for server in _WITH_A_FLOOR),
    *(_target(f"rangeware-dated-{server}", server, "rangeware", "plain:dated_with_rangeware")
      for server in _WITH_A_FLOOR),
    *(_target(f"floor-{server}", server, "floor", f"floor:{server}") for server in _WITH_A_FLOOR),
    *(_target(f"floor-open-{server}", server, "floor", f"floor:open_{server}", "ETag") for server in _WITH_A_FLOOR),
    *(_target(f"floor-open-dated-{server}", server, "floor", f"floor:open_dated_{server}")
      for server in _WITH_A_FLOOR),
    *(_target(f"minimum-{server}", server, "minimum", "minimum:app", "ETag") for server in _WITH_A_FLOOR),
    *(_target(f"minimum-dated-{server}", server, "minimum", "minimum:dated") for server in _WITH_A_FLOOR),
    *(_target(f"rangeware-flask-{server}", server, "rangeware", "flask:with_rangeware") for server in _WITH_FLASK),
    *(_target(f"flask-{server}", server, "peer", "flask:alone") for server in _WITH_FLASK),
    *(_target(f"rangeware-starlette-{server}", server, "rangeware", "starlette:with_rangeware")
      for server in _WITH_STARLETTE),
    *(_target(f"starlette-{server}", server, "peer", "starlette:alone") for server in _WITH_STARLETTE),
    _target("webob-gunicorn", "gunicorn", "peer", "webob:app"),
    _target("webob-waitress", "waitress", "peer", "webob:app"),
    _target("whitenoise-gthread", "gthread", "peer", "whitenoise:app"),
    _target("bottle-gthread", "gthread", "peer", "bottle:app"),
    _target("baize-gthread", "gthread", "peer", "baize:app"),
    _target("static-ranges-gthread", "gthread", "peer", "static_ranges:app"),
    _target("django-ranged-gthread", "gthread", "peer", "django_ranged:app"),
    Target("cherrypy", "cheroot", "peer", _program("cherrypy", THREADS)),
    Target("aiohttp", "aiohttp", "peer", _program("aiohttp")),
    Target("nginx", "nginx", "peer", _nginx),
    Target("go", "go", "peer", _go),
)
