"""Both upload apps behind one client, so that one table of requests is put to either of them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from rangeware.uploads import AsgiUploadApp, FileStorage, UploadApp
from tests.asgi_support import carry, scope_for
from tests.support import Answer, environ_for, run

PATH = "/files/"
NAMES = ("wsgi", "asgi")
Lines = Sequence[tuple[str, str]]

_KNOWN_METHODS = ("GET", "HEAD", "POST", "OPTIONS", "PATCH", "PUT", "DELETE")
"""Those that ``wsgiref.validate`` knows; it warns of any other."""


def in_turns(rows: dict[str, Any]) -> list[Any]:
    """Each row with each of ``NAMES``; they take turns in being without the mark ``grid``."""
    return [pytest.param(row, name, id=f"{name}-{title}", marks=() if name == turn else pytest.mark.grid)
            for (title, row), turn in zip(rows.items(), itertools.cycle(NAMES), strict=False) for name in NAMES]


class _Input(io.BytesIO):
    """The content of a request whose connection breaks after it."""

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        if not block:
            raise ConnectionResetError("the client has gone")
        return block


class Twin:
    """One of the two apps on a folder.

    :param name: one of ``NAMES``.
    :param options: of the app.
    """

    def __init__(self, name: str, directory: Path, **options: Any) -> None:
        self.name = name
        self.directory = directory
        self._send = self._to_asgi if name == "asgi" else self._to_wsgi
        app: Callable[..., Any] = AsgiUploadApp if name == "asgi" else UploadApp
        self.app = app(FileStorage(directory), path=PATH, **options)

    def ask(self, method: str, path: str, lines: Lines = (), content: bytes = b"", *, declared: int | str | None = -1,
            cut: bool = False) -> Answer:
        """Send one request.

        :param declared: the value of Content-Length; -1 for that of the content, None for chunked content.
        :param cut: the connection breaks after the content.
        """
        length = len(content) if declared == -1 else declared
        framing = ("Transfer-Encoding", "chunked") if length is None else ("Content-Length", str(length))
        is_bare = length == 0 and method in ("GET", "HEAD", "DELETE", "OPTIONS")
        return self._send(method, path, [*lines] if is_bare else [*lines, framing], content, cut)

    def _to_wsgi(self, method: str, path: str, lines: Lines, content: bytes, cut: bool) -> Answer:
        environ = environ_for(method, path)
        for name, value in lines:
            key = name.upper().replace("-", "_")
            key = key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ["wsgi.input"] = _Input(content) if cut else io.BytesIO(content)
        environ["wsgi.input_terminated"] = True
        is_lawful = method in _KNOWN_METHODS and environ.get("CONTENT_LENGTH", "0").isdecimal()
        return run(self.app, environ, validate=is_lawful)

    def _to_asgi(self, method: str, path: str, lines: Lines, content: bytes, cut: bool) -> Answer:
        declared = dict(lines).get("Content-Length", "")
        is_short = declared.isdecimal() and int(declared) > len(content)
        messages = list(_messages(content, cut or is_short))

        async def app(scope: Any, receive: Any, send: Any) -> None:
            async def from_client() -> Any:
                return messages.pop(0) if messages else await receive()
            await self.app(scope, from_client, send)
        return carry(app, scope_for(method, path, lines=lines)).answer()


def _messages(content: bytes, cut: bool) -> Iterator[dict[str, Any]]:
    middle = len(content) // 2
    yield {"type": "http.request", "body": content[:middle], "more_body": True}
    yield {"type": "http.request", "body": content[middle:], "more_body": cut}
    if cut:
        yield {"type": "http.disconnect"}
