"""The origin behind the caches: a Flask and a Starlette app that send files from a folder, and a log of what is asked.

Flask and Starlette leave the validators to the middleware here, so that what the caches get are ours. Paths:

* ``/media/NAME`` is a file as it is; ``?cache=VALUE`` is its Cache-Control, ``?cookie=VALUE`` its Set-Cookie.
* ``/media/language/NAME`` is ``NAME.de`` or ``NAME.en``, by Accept-Language.
* ``/media/halting/NAME`` is sent up to ``HALT``, and further once there is a file ``NAME.go``.
* ``/media/framework/NAME`` is sent by the framework's own means, with its own validators, to be kept for a minute.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import flask
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route
from werkzeug.wsgi import wrap_file

from rangeware import AsgiRangeMiddleware, RangeMiddleware

FOLDER = "RANGEWARE_FRONT_FOLDER"
LOG = "RANGEWARE_FRONT_LOG"
TYPE = "application/octet-stream"
MINUTE = 60
HALT = 1 << 16

Send = Callable[[dict[str, Any]], Awaitable[None]]


def _fields(arguments: Any) -> dict[str, str]:
    named = {"Cache-Control": arguments.get("cache"), "Set-Cookie": arguments.get("cookie")}
    return {"Content-Type": TYPE, **{name: value for name, value in named.items() if value}}


def _of_language(accepted: str) -> tuple[str, dict[str, str]]:
    """The ending of the file's name, and the fields that tell."""
    language = "de" if accepted.startswith("de") else "en"
    return f".{language}", {"Vary": "Accept-Language", "Content-Language": language}


def _file(name: str) -> Path:
    return Path(os.environ[FOLDER], name)


def _halting(file: Path) -> Iterator[bytes]:
    content = file.read_bytes()
    yield content[:HALT]
    deadline = time.monotonic() + MINUTE
    while not file.with_name(f"{file.name}.go").exists():
        assert time.monotonic() < deadline, "nobody lets it go on"
        time.sleep(0.02)
    yield content[HALT:]


def _halting_fields(file: Path) -> dict[str, str]:
    return {"Cache-Control": f"max-age={MINUTE}", "Content-Length": str(file.stat().st_size)}


# --- Flask ---

flask_app = flask.Flask(__name__)


@flask_app.get("/media/<name>")
def _media(name: str) -> flask.Response:
    return _wrapped(_file(name), _fields(flask.request.args))


@flask_app.get("/media/language/<name>")
def _translated(name: str) -> flask.Response:
    ending, fields = _of_language(flask.request.headers.get("Accept-Language", ""))
    return _wrapped(_file(name + ending), _fields(flask.request.args) | fields)


@flask_app.get("/media/halting/<name>")
def _halted(name: str) -> flask.Response:
    return flask.Response(_halting(_file(name)), headers=_halting_fields(_file(name)))


@flask_app.get("/media/framework/<name>")
def _sent(name: str) -> flask.Response:
    return flask.send_file(_file(name), max_age=MINUTE)


def _wrapped(file: Path, fields: dict[str, str]) -> flask.Response:
    if not file.is_file():
        flask.abort(404)
    content = wrap_file(flask.request.environ, file.open("rb"))
    return flask.Response(content, headers=fields, direct_passthrough=True)


# --- Starlette ---

class _Named:
    """A response that leaves the file to the server."""

    def __init__(self, file: Path, fields: dict[str, str]) -> None:
        if not file.is_file():
            raise HTTPException(404)
        self._path = str(file)
        self._fields = [(name.lower().encode(), value.encode()) for name, value in fields.items()]

    async def __call__(self, scope: object, receive: object, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._fields})
        await send({"type": "http.response.pathsend", "path": self._path})


async def _media_async(request: Request) -> Any:
    return _Named(_file(request.path_params["name"]), _fields(request.query_params))


async def _translated_async(request: Request) -> Any:
    ending, fields = _of_language(request.headers.get("Accept-Language", ""))
    return _Named(_file(request.path_params["name"] + ending), _fields(request.query_params) | fields)


async def _halted_async(request: Request) -> StreamingResponse:
    file = _file(request.path_params["name"])
    return StreamingResponse(_halting(file), headers=_halting_fields(file))


async def _sent_async(request: Request) -> FileResponse:
    file = _file(request.path_params["name"])
    return FileResponse(file, headers={"Cache-Control": f"max-age={MINUTE}"})


starlette_app = Starlette(routes=[
    Route("/media/{name}", _media_async),
    Route("/media/language/{name}", _translated_async),
    Route("/media/halting/{name}", _halted_async),
    Route("/media/framework/{name}", _sent_async),
])


# --- what is logged ---

_Fields = dict[str, str]


def _write(method: str, path: str, asked: _Fields, status: int, answered: _Fields) -> None:
    """One line for one response, by whichever worker: what is appended in one write is not torn."""
    exchange = {"worker": os.getpid(), "method": method, "path": path, "asked": asked, "status": status,
                "answered": answered}
    with open(os.environ[LOG], "ab", buffering=0) as log:
        log.write(json.dumps(exchange).encode() + b"\n")


def _logged(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def logging_app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        asked = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}

        def start(status: str, fields: list[tuple[str, str]], *exc_info: Any) -> Any:
            answered = {name.lower(): value for name, value in fields}
            _write(environ["REQUEST_METHOD"], environ["PATH_INFO"], asked, int(status[:3]), answered)
            return start_response(status, fields, *exc_info)
        return app(environ, start)
    return logging_app


def _text(fields: Iterable[tuple[bytes, bytes]]) -> _Fields:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}


def _logged_async(app: Any) -> Callable[..., Awaitable[None]]:
    async def logging_app(scope: dict[str, Any], receive: object, send: Send) -> None:
        async def logging_send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                answered = _text(message.get("headers", ()))
                _write(scope["method"], scope["path"], _text(scope["headers"]), message["status"], answered)
            await send(message)
        await app(scope, receive, logging_send)
    return logging_app


wsgi = _logged(RangeMiddleware(flask_app))
asgi = _logged_async(AsgiRangeMiddleware(starlette_app))
