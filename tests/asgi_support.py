"""An ASGI server for tests: it carries one request to an app, and takes nothing from it that the protocol forbids."""

from __future__ import annotations

import asyncio
import copy
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import trio as trio_library

from tests.support import Answer

Message = dict[str, Any]
Scope = dict[str, Any]
App = Callable[[Any, Any, Any], Awaitable[Any]]
Lines = Sequence[tuple[str, str]]

PATHSEND = "http.response.pathsend"
_SECONDS = 20  # for one request: an app that waits for ever shows as a failure
_KEYS = {
    "http.response.start": {"type", "status", "headers", "trailers"},
    "http.response.body": {"type", "body", "more_body"},
    "http.response.pathsend": {"type", "path"},
    "http.response.trailers": {"type", "headers", "more_trailers"},
}


def scope_for(method: str = "GET", path: str = "/", *, extensions: Iterable[str] = (), lines: Lines = (),
              **fields: str) -> Scope:
    """A scope of the type http; ``if_range="x"`` becomes the field ``if-range``. A name may stand more than once in
    ``lines``."""
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1", "method": method,
        "scheme": "http", "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(name.lower().encode("latin-1"), value.encode("latin-1"))
                    for name, value in [("host", "testserver"), *named, *lines]],
        "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", 80), "state": {},
        "extensions": {name: {} for name in extensions},
    }


class Wire:
    """The server's side of one answer: keeps the messages, and refuses one that the protocol forbids.

    :param scope: of the request; the app gets this very dictionary.
    :param lawful: whether header fields must be spelled as the protocol says, and Content-Length be the bytes sent; no,
        for apps that break this themselves and pass as they are.
    """

    def __init__(self, scope: Scope, gone: Any, *, lawful: bool = True, body: bytes = b"") -> None:
        self.scope = scope
        self.messages: list[Message] = []
        self.body = b""
        self._gone = gone
        self._lawful = lawful
        self._before = copy.deepcopy(scope)
        self._waiting = [{"type": "http.request", "body": body, "more_body": False}]
        self._stage = "start"

    async def receive(self) -> Message:
        """The request's content, then nothing until the answer is sent, as with a client that stays."""
        if self._waiting:
            return self._waiting.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Takes one message."""
        kind = message["type"]
        assert self._stage != "end", f"{kind} after the last message"
        assert set(message) <= _KEYS.get(kind, set(message)), f"{kind} with {set(message)}"
        take = {"http.response.start": self._start, "http.response.body": self._body, PATHSEND: self._path,
                "http.response.trailers": self._trailers}.get(kind)
        if take is None:
            assert kind in self.scope["extensions"], f"{kind}, which this server does not offer"
        else:
            take(message)
        self.messages.append(dict(message))
        if self._stage == "end":
            self._gone.set()

    def _start(self, message: Message) -> None:
        assert self._stage == "start", "a second start"
        assert type(message["status"]) is int, "a status that is no number"
        for name, value in message["headers"]:
            self._check_field(name, value)
        self._trailing = message.get("trailers", False)
        self._stage = "body"

    def _check_field(self, name: object, value: object) -> None:
        assert type(name) is bytes, f"a field name that is not bytes: {name!r}"
        assert type(value) is bytes, f"a field value that is not bytes: {value!r}"
        assert not self._lawful or name == name.lower(), f"a field name not in lower case: {name!r}"
        assert name, "a field without name"
        assert not {*b"\r\n\0"} & {*name, *value}, f"a line end in {name!r}"

    def _body(self, message: Message) -> None:
        assert self._stage in ("body", "more"), f"a body message at the {self._stage}"
        content, more_body = message.get("body", b""), message.get("more_body", False)
        assert type(content) is bytes, f"a body that is not bytes: {content!r}"
        assert type(more_body) is bool, f"more_body is {more_body!r}"
        self.body += content
        self._stage = "more" if more_body else "trailers" if self._trailing else "end"

    def _path(self, message: Message) -> None:
        assert self._stage == "body", f"a path at the {self._stage}"
        assert PATHSEND in self._before["extensions"], "a path, which this server does not offer"
        assert type(message["path"]) is str, f"a path that is no text: {message['path']!r}"
        assert os.path.isabs(message["path"]), "a path that is not absolute"
        self.body += Path(message["path"]).read_bytes()
        self._stage = "trailers" if self._trailing else "end"

    def _trailers(self, message: Message) -> None:
        assert self._stage == "trailers", f"trailers at the {self._stage}"
        assert "http.response.trailers" in self._before["extensions"], "trailers, which this server does not offer"
        self._stage = "trailers" if message.get("more_trailers", False) else "end"

    @property
    def is_complete(self) -> bool:
        """True if a client would take the response for complete."""
        return self._stage == "end"

    def answer(self) -> Answer:
        """The response that the client got, after the app has returned."""
        assert self.is_complete, f"the app returned at the {self._stage}"
        start = next(message for message in self.messages if message["type"] == "http.response.start")
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in start["headers"]]
        if self._lawful:
            self._check_length(start["status"], [value for name, value in fields if name == "content-length"])
        self.check_scope()
        return Answer(start["status"], fields, self.body, self.scope)

    def _check_length(self, status: int, declared: list[str]) -> None:
        assert len(declared) <= 1, "Content-Length twice"
        if self.scope["method"] == "HEAD" or status == 304:
            assert self.body == b"", "a body where none belongs"
        elif declared:
            assert declared == [str(len(self.body))], f"{declared} promised, {len(self.body)} sent"

    def check_scope(self) -> None:
        """The scope is the server's: nothing that it put there is changed, and of ours there is only the plan. (An app
        may add to it; Starlette does.)"""
        assert {key: self.scope.get(key) for key in self._before} == self._before, "the server's scope was changed"
        ours = {key for key in self.scope if key.startswith("rangeware")}
        assert ours <= {"rangeware.plan"}, f"the server's scope was given {ours}"


def carry(app: App, scope: Scope, *, trio: bool = False, lawful: bool = True, body: bytes = b"") -> Wire:
    """One request to ``app``, to its end. What the app raises is raised, and then the answer must not look whole."""
    return _under_trio(app, scope, lawful, body) if trio else _under_asyncio(app, scope, lawful, body)


async def _serve(app: App, wire: Wire) -> Wire:
    try:
        await app(wire.scope, wire.receive, wire.send)
    except Exception:
        assert not wire.is_complete, "the app raised after an answer that looks whole"
        raise
    return wire


def _under_asyncio(app: App, scope: Scope, lawful: bool, body: bytes) -> Wire:
    async def main() -> Wire:
        wire = await asyncio.wait_for(_serve(app, Wire(scope, asyncio.Event(), lawful=lawful, body=body)), _SECONDS)
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"tasks left behind: {left}"
        return wire
    return asyncio.run(main())


def _under_trio(app: App, scope: Scope, lawful: bool, body: bytes) -> Wire:
    async def main() -> Wire:
        with trio_library.fail_after(_SECONDS):
            return await _serve(app, Wire(scope, trio_library.Event(), lawful=lawful, body=body))
    return trio_library.run(main)


def ask(app: App, range: str | None = None, method: str = "GET", *, trio: bool = False, extensions: Iterable[str] = (),
        lines: Lines = (), lawful: bool = True, **fields: str) -> Answer:
    """One request to ``app``: ``ask(app, "bytes=0-9", if_range='"v1"')``. The scope is the answer's ``environ``."""
    if range is not None:
        fields["range"] = range
    scope = scope_for(method, extensions=extensions, lines=lines, **fields)
    return carry(app, scope, trio=trio, lawful=lawful).answer()


def saying(*messages: Message, swallowing: bool = False) -> App:
    """An app that sends these messages, whatever ``send`` raises if it swallows that."""
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            try:
                await send(message)
            except Exception:
                if not swallowing:
                    raise
    return app
