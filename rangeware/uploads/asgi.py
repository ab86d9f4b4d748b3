"""``AsgiUploadApp``: resumable uploads for ASGI, on asyncio and trio. All that touches the storage runs in a thread."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any, BinaryIO

from ..asgi import AsgiRangeMiddleware
from ..backends import AsyncBackend, Threads, current_backend
from .engine import Exchange, FinishedUpload, Intake
from .protocol.values import Fields, Refusal, Request, Response, Upload
from .service import Service, check_id, owner_of
from .storage import Storage

App = Callable[[Any, Any, Any], Awaitable[Any]]

_BLOCK = 1 << 18  # bytes
_THREADS = 64
_PATHSEND = "http.response.pathsend"


class AsgiUploadApp:
    """Takes uploads that can be resumed: an app of its own, to be mounted, or around another app.

    >>> application = AsgiUploadApp(FileStorage("uploads"), path="/files/", max_size=10 * 2**30)

    It speaks tus 1.0 and "Resumable Uploads for HTTP", on asyncio and trio.

    :param storage: where uploads are stored: a ``FileStorage`` or an ``S3Storage``.
    :param app: gets all requests that are not below ``path``, and WebSocket and lifespan; None answers them with 404.
    :param path: the URL path where uploads are created, such as ``"/files/"``; begins and ends with "/", and counts
        from where the app is mounted. No other page of the site may be below it.
    :param max_size: bytes that a file may have; None for no limit. The danger of None: one file can fill the disk.
    :param expires: seconds after the last write, when an unfinished upload ends; ``clean()`` then removes it. None
        for never. The danger of None: uploads that clients have given up stay for ever.
    :param authorize: called before each request with the scope, an action ("create", "append", "see" or "end") and the
        ``Upload``. It returns False, or raises ``Refused``, to refuse; a text returned at "create" is the name of the
        owner. It may be a coroutine function; it is called in the event loop. The danger of None: everybody may upload,
        and whoever knows the address of an upload may read, continue and remove it.
    :param finished: called with a ``FinishedUpload`` when its last byte is stored: exactly once, unless it raises.
        If it raises, the client is told, and can complete the upload later, which calls it again. It may be a coroutine
        function; any other function is called in a thread.
    :param download: True sends finished files to GET, with ranges; False refuses GET with 405.
    :param cors: origins whose pages may use the uploads, such as ``["https://films.example"]``; ``("*",)`` for all,
        without cookies; ``()`` for none. The danger: the scripts of an origin named here act for your users.
    :param trust_forwarded: True makes the addresses of uploads of X-Forwarded-Proto and X-Forwarded-Host; False makes
        relative ones. The danger of True: without a proxy that sets both fields, a client chooses the address.
    :raises InvalidOption: naming the option that has a value that cannot work.
    """

    def __init__(
        self, storage: Storage, *, app: App | None = None, path: str = "/", max_size: int | None = None,
        expires: float | None = None, authorize: Callable[[Any, str, Upload], object] | None = None,
        finished: Callable[[FinishedUpload], object] | None = None, download: bool = True,
        cors: Collection[str] = ("*",), trust_forwarded: bool = False,
    ) -> None:
        self._service = Service(
            storage, path=path, max_size=max_size, expires=expires, authorize=authorize, finished=finished,
            download=download, cors=cors, trust_forwarded=trust_forwarded)
        self._threads = Threads(_THREADS)
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request (ASGI 3)."""
        root = scope.get("root_path", "")
        path = scope.get("path", "")
        id = self._service.find_id(path[len(root):] if path.startswith(root) else path)  # older servers leave root out
        if self._app is not None and (scope["type"] != "http" or id is None):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._handle(scope, receive, send, id)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def clean(self) -> int:
        """Remove unfinished uploads that have expired; return how many. Call it from time to time, and at the start.

        Files whose last byte came just before a crash are handed to ``finished`` now.
        """
        backend = current_backend(self._threads)
        return await backend.run_in_thread(partial(self._service.clean, partial(self._finished, backend)))

    async def _handle(self, scope: Any, receive: Any, send: Any, id: str | None) -> None:
        backend = current_backend(self._threads)
        request = self._request(scope, id or "")
        exchange = self._service.exchange(request, scope.get("root_path", ""), partial(self._finished, backend))
        try:
            check_id("none" if id is None else id)
            await self._carry_out(exchange, scope, receive, backend)
            if exchange.sends_content and exchange.upload is not None:
                head = self._service.content_head(request, exchange.upload)
                with contextlib.closing(await backend.run_in_thread(exchange.content)) as content:
                    await AsgiRangeMiddleware(partial(_send_content, head, content, backend))(scope, receive, send)
                return
            response = exchange.respond()
        except Refusal as refusal:
            response = exchange.refuse(refusal)
        finally:
            exchange.release()
        await _send(send, response, self._service.head(request, response))

    def _request(self, scope: Any, id: str) -> Request:
        fields: dict[str, str] = {}
        for name, value in scope["headers"]:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            fields[key] = f"{fields[key]}, {text}" if key in fields else text  # RFC 9110 5.3
        has_content = "transfer-encoding" in fields or scope.get("http_version", "1.1") not in ("1.0", "1.1")
        return self._service.request(scope["method"], id, fields, is_ended=has_content)

    async def _carry_out(self, exchange: Exchange, scope: Any, receive: Any, backend: AsyncBackend) -> None:
        await backend.run_in_thread(exchange.begin)
        owner = await self._authorize(exchange, scope, backend)
        intake = await backend.run_in_thread(partial(exchange.open, owner))
        if intake is not None:
            await _pump(receive, intake, backend)
            await backend.run_in_thread(partial(exchange.complete, intake))

    async def _authorize(self, exchange: Exchange, scope: Any, backend: AsyncBackend) -> str:
        """Ask the deployer's hook; return the owner of an upload that is created."""
        authorize = self._service.authorize
        if authorize is None or exchange.upload is None:
            return ""
        wanted = [("see", part) for part in await backend.run_in_thread(exchange.parts)]
        owner = ""
        for action, upload in (*wanted, (exchange.action, exchange.upload)):
            decision = authorize(scope, action, upload)
            owner = owner_of(await decision if inspect.isawaitable(decision) else decision)
        return owner

    def _finished(self, backend: AsyncBackend, file: FinishedUpload) -> None:
        """Call the deployer's hook, in a thread."""
        finished = self._service.finished
        if finished is not None and inspect.iscoroutinefunction(finished):
            backend.call_from_thread(partial(finished, file))
        elif finished is not None:
            finished(file)


async def _pump(receive: Any, intake: Intake, backend: AsyncBackend) -> None:
    """Read the content into the upload. Messages are gathered until they make a piece."""
    gathered = bytearray()
    more = True
    while more and intake.wanted:
        try:
            message = await receive()
        except BaseException:  # the request is cancelled: what has come is kept
            intake.take(bytes(gathered))
            raise
        more = message.get("more_body", False)
        gathered += message.get("body", b"")
        if message["type"] == "http.disconnect":
            intake.cut()
        if not more or len(gathered) >= intake.wanted:
            await backend.run_in_thread(partial(intake.take, bytes(gathered)))
            gathered.clear()


async def _send(send: Any, response: Response, fields: Fields) -> None:
    await send({"type": "http.response.start", "status": response.status, "headers": _encoded(fields)})
    await send({"type": "http.response.body", "body": response.content})


async def _send_content(
    fields: Fields, content: BinaryIO, backend: AsyncBackend, scope: Any, receive: Any, send: Any
) -> None:
    """Send the content of an upload; around it, ``AsgiRangeMiddleware`` adds ranges."""
    await send({"type": "http.response.start", "status": 200, "headers": _encoded(fields)})
    path = getattr(content, "name", None)
    if _PATHSEND in scope.get("extensions", {}) and isinstance(path, str):
        await send({"type": _PATHSEND, "path": os.path.abspath(path)})
        return
    while block := await backend.run_in_thread(partial(content.read, _BLOCK)):
        await send({"type": "http.response.body", "body": block, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _encoded(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]
