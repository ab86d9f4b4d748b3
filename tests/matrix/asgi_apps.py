"""Every framework's ASGI app, for every server: ``/starlette/file``, ``/fastapi/generator``, ``/django/page`` ...

The environment variable RANGEWARE_MATRIX_DIR names the directory where the file is made. RANGEWARE_FRAMEWORKS names the
frameworks that are wanted, with blanks between them; without it all are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import anyio

from rangeware import AsgiRangeMiddleware
from tests.matrix.asgi_frameworks.content import FRAMEWORKS, Application, Message, Receive, Scope, Send
from tests.matrix.frameworks.content import make_file

DIRECTORY = "RANGEWARE_MATRIX_DIR"
WANTED = "RANGEWARE_FRAMEWORKS"


def _apps() -> Mapping[str, Application]:
    file = make_file(Path(os.environ[DIRECTORY]))
    names = os.environ.get(WANTED, " ".join(FRAMEWORKS)).split()
    return {name: import_module(f"tests.matrix.asgi_frameworks.{name}").make(file) for name in names}


def dispatcher(apps: Mapping[str, Application]) -> Application:
    """Calls the app that the first segment of the path names. It takes that off the path and does nothing else."""
    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan([_Lifespan(app, scope) for app in apps.values()], receive, send)
            return
        name, _, rest = scope["path"].removeprefix("/").partition("/")
        app = apps.get(name, _not_found)
        await app({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, send)
    return dispatch


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    fields = [(b"content-type", b"text/plain"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 404, "headers": fields})
    await send({"type": "http.response.body"})


# --- the server's one lifespan, given to each app ---

class _Lifespan:
    def __init__(self, app: Application, scope: Scope) -> None:
        self._app = app
        self._scope = dict(scope)
        self._asked = False
        self.started = anyio.Event()
        self.ending = anyio.Event()

    async def run(self) -> None:
        with suppress(Exception):  # as servers do: an app need not know what a lifespan is
            await self._app(self._scope, self._receive, self._send)
        self.started.set()

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self.ending.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        self.started.set()


async def _lifespan(lifespans: list[_Lifespan], receive: Receive, send: Send) -> None:
    await receive()
    async with anyio.create_task_group() as tasks:
        for lifespan in lifespans:
            tasks.start_soon(lifespan.run)
            await lifespan.started.wait()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        for lifespan in lifespans:
            lifespan.ending.set()
    await send({"type": "lifespan.shutdown.complete"})


_made = _apps()

application = dispatcher({name: AsgiRangeMiddleware(app) for name, app in _made.items()})

bare_application = dispatcher(_made)
"""The same apps without rangeware, to show what happens then."""
