"""Shared by the tests: a WSGI client that counts, and a reader of multipart bodies that is not ours."""

from __future__ import annotations

import email
import email.policy
import io
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, NamedTuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

CONTENT = bytes((7 * i + i // 256) % 256 for i in range(1000))
"""A representation of 1,000 bytes in which no two neighbouring windows look alike."""


ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
"""What ``sys.exc_info()`` returns."""


class Answer(NamedTuple):
    """One answer as a server would have put it on the wire."""

    status: int
    fields: list[tuple[str, str]]
    body: bytes
    environ: dict[str, Any]

    def get(self, name: str) -> str | None:
        """The value of the one field of this name; None if there is none. More than one is a fault."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} sent {len(values)} times"
        return values[0] if values else None

    def all(self, name: str) -> list[str]:
        """The values of every field line of this name."""
        return [value for key, value in self.fields if key.lower() == name.lower()]

    @property
    def reason(self) -> str:
        """Why rangeware answered so."""
        return str(self.environ["rangeware.plan"].reason)


def environ_for(method: str = "GET", path: str = "/", **fields: str) -> dict[str, Any]:
    """A WSGI environ; ``if_range="x"`` becomes ``HTTP_IF_RANGE``."""
    environ: dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": ""}
    setup_testing_defaults(environ)
    environ["wsgi.errors"] = io.StringIO()
    environ.update({"HTTP_" + name.upper(): value for name, value in fields.items()})
    return environ


class Wire:
    """The server's side of one answer: keeps the head, joins what is written and yielded."""

    def __init__(self) -> None:
        self.head: tuple[str, list[tuple[str, str]]] | None = None
        self.sent = b""

    def start_response(
        self,
        status: str,
        headers: list[tuple[str, str]],
        exc_info: ExcInfo | None = None,
    ) -> Callable[[bytes], object]:
        if exc_info is not None and self.sent:
            assert exc_info[1] is not None, "exc_info without an exception"
            raise exc_info[1].with_traceback(exc_info[2])
        assert self.head is None or exc_info is not None, "headers already set"
        self.head = (status, headers)
        return self.write

    def write(self, data: bytes) -> None:
        assert type(data) is bytes
        assert self.head is not None, "body before head"
        self.sent += data


def run(app: Callable[..., Iterable[bytes]], environ: dict[str, Any], *, validate: bool = True) -> Answer:
    """Calls ``app`` as a server does, under ``wsgiref.validate`` unless told otherwise, and closes what it returned."""
    wire = Wire()
    served = validator(app) if validate else app
    body = served(environ, wire.start_response)
    try:
        for chunk in body:
            wire.write(chunk)
    finally:
        getattr(body, "close", lambda: None)()
    assert wire.head is not None, "no head"
    status, fields = wire.head
    return Answer(int(status.split()[0]), fields, wire.sent, environ)


def get(app: Callable[..., Iterable[bytes]], range: str | None = None, *, validate: bool = True, method: str = "GET",
        **fields: str) -> Answer:
    """One request to ``app``: ``get(app, "bytes=0-9", if_range='"v1"')``."""
    if range is not None:
        fields["range"] = range
    return run(app, environ_for(method, **fields), validate=validate)


class Part(NamedTuple):
    """One part of a multipart/byteranges body."""

    content_type: str | None
    first_pos: int
    last_pos: int
    complete_length: int
    content: bytes


def parts(answer: Answer) -> list[Part]:
    """The parts of a multipart answer, as the ``email`` package reads them."""
    head = f"Content-Type: {answer.get('Content-Type')}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1")
    # The email parser folds line ends inside a part unless the content is a transfer coding of its own; the
    # parts are therefore cut out by the boundary and only their heads are read by it.
    message = email.message_from_bytes(head, policy=email.policy.HTTP)
    boundary = message.get_boundary()
    assert boundary, "no boundary"
    preamble, *middle, epilogue = answer.body.split(b"\r\n--" + boundary.encode())
    assert preamble == b"", "a multipart body begins with CRLF and the first delimiter"
    assert epilogue == b"--\r\n", "a multipart body ends with the close-delimiter and CRLF"
    return [_part(raw) for raw in middle]


def _part(raw: bytes) -> Part:
    assert raw.startswith(b"\r\n")
    head, _, content = raw[2:].partition(b"\r\n\r\n")
    message = email.message_from_bytes(head + b"\r\n\r\n", policy=email.policy.HTTP)
    unit, _, rest = message["Content-Range"].partition(" ")
    assert unit == "bytes"
    span, _, complete_length = rest.partition("/")
    first_pos, _, last_pos = span.partition("-")
    return Part(message["Content-Type"], int(first_pos), int(last_pos), int(complete_length), content)


class Counted:
    """An iterable that counts what is pulled from it and how often it is closed."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self.pulled = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        chunk = next(self._chunks)
        self.pulled += 1
        return chunk

    def close(self) -> None:
        self.closed += 1


def cut(content: bytes, length: int) -> list[bytes]:
    """``content`` in chunks of ``length`` bytes."""
    return [content[i:i + length] for i in range(0, len(content), length)]


def answering(body: Any, *fields: tuple[str, str], status: str = "200 OK") -> Callable[..., Any]:
    """An app that answers every request with this body (called first, if it is a function)."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        start_response(status, [("Content-Type", "application/octet-stream"), *fields])
        return body() if callable(body) else body
    return app
