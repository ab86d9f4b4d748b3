"""A client of upload apps for tests: it sends one request to a WSGI or an ASGI app, whole, in pieces, or cut short."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from rangeware.uploads import AsgiUploadApp, FileStorage, Upload, UploadApp
from tests.asgi_support import Wire, scope_for
from tests.support import Answer, environ_for, run

TUS = {"Tus-Resumable": "1.0.0"}
PATCH = {**TUS, "Content-Type": "application/offset+octet-stream"}
CUT = object()
"""Stands in the pieces of the content for the end of the connection."""
TWINS = ("wsgi", "asgi")


class Body:
    """``wsgi.input``: pieces of content, or the end of the connection."""

    def __init__(self, *pieces: Any) -> None:
        self._pieces = list(pieces)

    def read(self, size: int = -1) -> bytes:
        """Read as servers do: to the full size, unless the content ends or the connection breaks."""
        block = b""
        while self._pieces and len(block) < size:
            if self._pieces[0] is CUT:
                if block:
                    break
                raise ConnectionResetError
            piece = self._pieces.pop(0)
            block, rest = block + piece[:size - len(block)], piece[size - len(block):]
            if rest:
                self._pieces.insert(0, rest)
        return block

    def _not_used(self, *_: Any) -> Any:
        raise AssertionError("only read is used")

    readline = readlines = __iter__ = _not_used


def app_of(twin: str, storage: Any, **options: Any) -> Any:
    """An upload app: "wsgi" or "asgi"."""
    return (UploadApp if twin == "wsgi" else AsgiUploadApp)(storage, **options)


def ask(app: Any, method: str, path: str, fields: dict[str, str] | None = None, content: bytes | Sequence[Any] = b"",
        *, length: int | None = -1, **more: Any) -> Answer:
    """Send one request.

    :param content: the content, or its pieces; ``CUT`` in them is the end of the connection.
    :param length: Content-Length; -1 for that of the content, None for chunked.
    :param more: for environ or the scope.
    """
    pieces = [content] if isinstance(content, bytes) else list(content)
    declared = sum(len(piece) for piece in pieces if piece is not CUT) if length == -1 else length
    sent = dict(fields or {})
    if declared is None:
        sent["Transfer-Encoding"] = "chunked"
    elif declared or method in ("POST", "PATCH", "PUT"):
        sent["Content-Length"] = str(declared)
    send = _ask_asgi if isinstance(app, AsgiUploadApp) or getattr(app, "is_asgi", False) else _ask_wsgi
    return send(app, method, path, sent, pieces, more)


def _ask_wsgi(app: Any, method: str, path: str, fields: dict[str, str], pieces: list[Any], more: Any) -> Answer:
    environ = environ_for(method, path)
    for name, value in fields.items():
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    environ["wsgi.input"] = Body(*pieces)
    if "Transfer-Encoding" in fields:
        environ["wsgi.input_terminated"] = True
    environ.update(more)
    return run(app, environ, validate="wsgi.file_wrapper" not in environ)


def _ask_asgi(app: Any, method: str, path: str, fields: dict[str, str], pieces: list[Any], more: Any) -> Answer:
    scope = scope_for(method, path, lines=list(fields.items()))
    scope.update(more)

    async def converse() -> Answer:
        wire = Wire(scope, asyncio.Event())
        messages = [_message(piece) for piece in pieces]
        if CUT not in pieces:
            messages[-1]["more_body"] = False

        async def receive() -> dict[str, Any]:
            if not messages:
                await asyncio.Event().wait()
            return messages.pop(0)

        await asyncio.wait_for(app(scope, receive, wire.send), 20)
        return wire.answer()

    return asyncio.run(converse())


def _message(piece: Any) -> dict[str, Any]:
    return {"type": "http.disconnect"} if piece is CUT else {"type": "http.request", "body": piece, "more_body": True}


def create(app: Any, length: int | None, path: str = "/", **fields: str) -> str:
    """Create an upload by tus; return its address."""
    told = {"Upload-Defer-Length": "1"} if length is None else {"Upload-Length": str(length)}
    answer = ask(app, "POST", path, {**TUS, **told, **{name.replace("_", "-"): text for name, text in fields.items()}})
    assert answer.status == 201, answer
    location = answer.get("Location")
    assert location is not None
    return location


def patch(app: Any, location: str, offset: int, content: Any, **fields: str) -> Answer:
    """Append by tus."""
    named = {name.replace("_", "-"): text for name, text in fields.items()}
    return ask(app, "PATCH", location, {**PATCH, "Upload-Offset": str(offset), **named}, content)


def offset_of(app: Any, location: str) -> int:
    """Ask for the offset by tus."""
    answer = ask(app, "HEAD", location, TUS)
    assert answer.status == 200, answer
    return int(answer.get("Upload-Offset") or "")


def checksum(content: bytes, algorithm: str = "sha256") -> str:
    """The value of Upload-Checksum."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def digest_field(content: bytes) -> str:
    """The value of Content-Digest or Repr-Digest (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"


def stored(storage: FileStorage, location: str) -> bytes:
    """The content of an upload, finished or not."""
    id = location.rsplit("/", 1)[1]
    path = storage.path(id)
    return (path if path.exists() else storage.directory / f"{id}.data").read_bytes()


def new_upload(**more: Any) -> Upload:
    """An upload of 10 bytes with an id of its own."""
    return Upload(**{"id": secrets.token_hex(16), "length": 10, **more})


Hook = Callable[[Any], object]
