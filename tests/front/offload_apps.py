"""Apps that send files, wrapped with ``offload=`` for each of the three front servers.

The first segment of the path names the front server, the second one the app; what follows is a file below the folder
that is handed over, or what that app has else: ``/nginx/flask/film``, ``/apache/bare/buffer``, ``/lighttpd/hostile/7``.

The environment variable RANGEWARE_MATRIX_DIR names the directory in which the folder ``media`` lies.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from wsgiref.util import shift_path_info

import bottle
import flask
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from rangeware.offload import XAccelRedirect, XLighttpdSendFile, XSendfile
from tests.front import hostile_files, hostile_names
from tests.front.content import FIELDS, FILES, OWN_FIELDS, text

Environ = dict[str, Any]
Wsgi = Callable[..., Iterable[bytes]]
Asgi = Callable[..., Any]

_TYPE = "text/plain"
_PLACE = hostile_files.Place(Path(os.environ["RANGEWARE_MATRIX_DIR"]))
_MEDIA = _PLACE.media

OFFLOAD = {
    "nginx": XAccelRedirect({_MEDIA: "/protected/", _MEDIA / "inner": "/protected/inner/"}),
    "apache": XSendfile([_MEDIA, _MEDIA / "inner"]),
    "lighttpd": XLighttpdSendFile([_MEDIA, _MEDIA / "inner"]),
}


# --- WSGI ---

def _bare(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Sends a file with many fields, or content that is no file below the folder."""
    name = environ["PATH_INFO"].removeprefix("/")
    start_response("200 OK", [*FIELDS, *([("Content-Length", str(FILES["film"]))] if name == "generator" else [])])
    if name in _CONTENTS:
        return _CONTENTS[name]()
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](open(_MEDIA / name, "rb"))  # noqa: SIM115 - the server closes it, here and below
    return wrapped


def _generate() -> Iterator[bytes]:
    content = text(FILES["film"])
    for pos in range(0, len(content), 4_000):
        yield content[pos:pos + 4_000]


_CONTENTS: dict[str, Callable[[], Iterable[bytes]]] = {
    "outside": lambda: open(_PLACE.outside / "film", "rb"),  # noqa: SIM115
    "buffer": lambda: io.BytesIO(text(FILES["film"])),
    "generator": _generate,
    "list": lambda: [text(FILES["film"])],
}


def _own(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Sets the field itself, and knows nothing of us: ``/own/FRONT-SERVER``."""
    name = environ["PATH_INFO"].removeprefix("/")
    start_response("200 OK", [("Content-Type", _TYPE), ("Content-Length", "0"), *OWN_FIELDS[name](_MEDIA)])
    return [b""]


def _hostile(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Opens the file of a row of the table, by the row's own means."""
    given = hostile_names.ROWS[int(environ["PATH_INFO"].removeprefix("/"))].give(_PLACE)
    start_response("200 OK", [("Content-Type", _TYPE), *given.fields])
    body = open(given.path, "rb") if given.body is None else given.body  # noqa: SIM115
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](body) if given.is_wrapped else body
    return wrapped


def _echo(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """What a POST sent."""
    content = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", _TYPE), ("Content-Length", str(len(content)))])
    return [content]


def _send_by_flask(name: str) -> flask.Response:
    return flask.send_file(_MEDIA / name, mimetype=_TYPE)


def _flask() -> Wsgi:
    app = flask.Flask("tests.front.offload_apps")
    app.add_url_rule("/<path:name>", view_func=_send_by_flask)
    return app


def _django() -> Wsgi:
    response = import_module("django.http").FileResponse

    def send(request: Any) -> Any:
        return response(open(f"{_MEDIA}{request.path_info}", "rb"), content_type=_TYPE)

    view: Wsgi = import_module("tests.matrix.frameworks.one_view").one_view(send)
    return view


def _bottle() -> Wsgi:
    app: Any = bottle.Bottle()
    app.route("/<name:path>", callback=lambda name: bottle.static_file(name, root=_MEDIA, mimetype=_TYPE))
    return app  # type: ignore[no-any-return]


def _not_found(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", _TYPE), ("Content-Length", "0")])
    return [b""]


_WSGI_APPS: dict[str, Wsgi] = {
    "bare": _bare, "own": _own, "hostile": _hostile, "echo": _echo, "flask": _flask(), "django": _django(),
    "bottle": _bottle(),
}


def _dispatch(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Calls the app that the first segment of the path names, and takes that off the path."""
    app: Wsgi = _WSGI_APPS.get(shift_path_info(environ) or "", _not_found)
    return app(environ, start_response)


_wsgi = {name: RangeMiddleware(_dispatch, offload=server) for name, server in OFFLOAD.items()}


def wsgi(environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
    """All of them, for WSGI servers."""
    return _wsgi.get(shift_path_info(environ) or "", _not_found)(environ, start_response)


# --- ASGI ---

async def _asgi_bare(scope: Environ, receive: Asgi, send: Asgi) -> None:
    """The same as the WSGI app: names the path of its file where that is offered."""
    name = scope["path"].removeprefix("/")
    path = _PLACE.outside / "film" if name == "outside" else _MEDIA / name
    if name in ("buffer", "generator", "list"):
        await _send_blocks(send, (("Content-Length", str(FILES["film"])), *FIELDS), _generate())
    else:
        await _send_path(scope, send, path, (("Content-Length", str(path.stat().st_size)), *FIELDS))


async def _send_path(scope: Environ, send: Asgi, path: Any, fields: Iterable[tuple[str, str]]) -> None:
    if "http.response.pathsend" in (scope.get("extensions") or {}):
        await _start(send, fields)
        await send({"type": "http.response.pathsend", "path": path})
    elif scope["method"] == "HEAD":
        await _send_blocks(send, fields, iter(()))
    else:
        await _send_blocks(send, fields, iter(_blocks(path)))


def _blocks(path: Any) -> Iterator[bytes]:
    with open(path, "rb") as file:
        yield from iter(lambda: file.read(65_536), b"")


async def _send_blocks(send: Asgi, fields: Iterable[tuple[str, str]], blocks: Iterator[bytes]) -> None:
    await _start(send, fields)
    for block in blocks:
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body"})


async def _start(send: Asgi, fields: Iterable[tuple[str, str]]) -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in fields]
    await send({"type": "http.response.start", "status": 200, "headers": headers})


async def _asgi_own(scope: Environ, receive: Asgi, send: Asgi) -> None:
    fields = (("Content-Type", _TYPE), ("Content-Length", "0"), *OWN_FIELDS[scope["path"].removeprefix("/")](_MEDIA))
    await _send_blocks(send, fields, iter(()))


async def _asgi_hostile(scope: Environ, receive: Asgi, send: Asgi) -> None:
    given = hostile_names.ROWS[int(scope["path"].removeprefix("/"))].give(_PLACE)
    await _send_path(scope, send, given.path, (("Content-Type", _TYPE), *given.fields))


async def _asgi_echo(scope: Environ, receive: Asgi, send: Asgi) -> None:
    content, more = b"", True
    while more:
        message = await receive()
        content, more = content + message.get("body", b""), message.get("more_body", False)
    await _send_blocks(send, (("Content-Type", _TYPE),), iter((content,)))


async def _starlette(scope: Environ, receive: Asgi, send: Asgi) -> None:
    path = _MEDIA / Request(scope).url.path.removeprefix("/")
    response: Response = FileResponse(path, media_type=_TYPE) if path.exists() else Response(status_code=404)
    await response(scope, receive, send)


async def _asgi_not_found(scope: Environ, receive: Asgi, send: Asgi) -> None:
    await Response(status_code=404)(scope, receive, send)


_ASGI_APPS: dict[str, Asgi] = {
    "bare": _asgi_bare, "own": _asgi_own, "hostile": _asgi_hostile, "echo": _asgi_echo, "starlette": _starlette,
}


def _shifted(scope: Environ) -> tuple[str, Environ]:
    name, _, rest = scope["path"].removeprefix("/").partition("/")
    return name, {**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}


async def _asgi_dispatch(scope: Environ, receive: Asgi, send: Asgi) -> None:
    name, shifted = _shifted(scope)
    await _ASGI_APPS.get(name, _asgi_not_found)(shifted, receive, send)


_asgi = {name: AsgiRangeMiddleware(_asgi_dispatch, offload=server) for name, server in OFFLOAD.items()}


async def asgi(scope: Environ, receive: Asgi, send: Asgi) -> None:
    """All of them, for ASGI servers."""
    if scope["type"] == "lifespan":
        await _lifespan(receive, send)
        return
    name, shifted = _shifted(scope)
    await _asgi.get(name, _asgi_not_found)(shifted, receive, send)


async def _lifespan(receive: Asgi, send: Asgi) -> None:
    for event in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
