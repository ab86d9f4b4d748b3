"""The inspector: one raw request to each mount of this very server, and what came back to the byte.

The client chooses a file by name from the list, a method of two, and the text of six fields. Nothing else of what it
sends reaches the wire, and the server asks nobody but itself.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Container
from typing import Any, NamedTuple

from .feed import FILES, Feed
from .preview import Field, Part, Preview, boundary_of, preview, read_fields, read_parts

FIELD_NAMES = ("Range", "If-Range", "If-None-Match", "If-Match", "If-Modified-Since", "If-Unmodified-Since")
METHODS = ("GET", "HEAD")
MOUNTS = {"rangeware": "", "plain": "/plain"}

MAX_FIELD_LENGTH = 4096
MAX_HEAD = 64 * 1024
MAX_CONTENT = 64 * 1024
_TIMEOUT = 5.0
_BLOCK = 16 * 1024

Address = tuple[str, int]


class BadQuestion(ValueError):
    """What the client sent cannot be asked. The text is for the client."""


class NoAnswer(OSError):
    """The demo could not be asked, or what it answered is no HTTP. The text is for the client."""


class Question(NamedTuple):
    """A request to try: checked, and safe to be written to a socket."""

    name: str
    method: str
    fields: tuple[Field, ...]


class Exchange(NamedTuple):
    """One request and its answer, raw. ``content_length`` is as declared; ``received`` counts what was read."""

    request: list[str]
    status_line: str
    fields: list[Field]
    content_length: str | None
    received: int
    cut: bool
    content: Preview | None
    parts: list[Part]
    more_parts: int


def read_question(data: object, names: Container[str]) -> Question:
    """The question in what the client sent.

    :raises BadQuestion: saying what is wrong with it.
    """
    if not isinstance(data, dict):
        raise BadQuestion("The request must be a JSON object.")
    name, method, fields = (data.get(key) for key in ("file", "method", "fields"))
    if not isinstance(name, str) or name not in names:
        raise BadQuestion("There is no such file in this demo.")
    if method not in METHODS:
        raise BadQuestion("The method must be GET or HEAD.")
    if not isinstance(fields, dict):
        raise BadQuestion("The fields must be a JSON object of names and values.")
    return Question(name, str(method), tuple(_check_field(key, value) for key, value in fields.items() if value != ""))


def _check_field(name: object, value: object) -> Field:
    """A field of ours with a value that stays on its line.

    :raises BadQuestion: otherwise.
    """
    if name not in FIELD_NAMES:
        raise BadQuestion(f"The fields to try are {', '.join(FIELD_NAMES)}.")
    if not isinstance(value, str):
        raise BadQuestion(f"{name} must be text.")
    if len(value) > MAX_FIELD_LENGTH:
        raise BadQuestion(f"{name} has {len(value)} characters; at most {MAX_FIELD_LENGTH} are sent.")
    if any(ord(char) < 0x20 and char != "\t" or ord(char) == 0x7F for char in value):
        raise BadQuestion(f"{name} holds a line break or another control character; it is not sent.")
    if any(ord(char) > 0xFF for char in value):
        raise BadQuestion(f"{name} holds a character beyond Latin-1; a field cannot carry it.")
    return str(name), value


def inspect(question: Question, address: Address, feed: Feed) -> dict[str, Any]:
    """The question put to both mounts, and the reason that rangeware gave. Values ready for JSON.

    :raises NoAnswer: where the demo itself cannot be asked.
    """
    request_id = secrets.token_hex(8)
    answers = {mount: _as_json(exchange(_request_lines(question, prefix, address, request_id), address))
               for mount, prefix in MOUNTS.items()}
    event = feed.find(request_id)
    return {**answers, "plan": event and event.public()}


def _request_lines(question: Question, prefix: str, address: Address, request_id: str) -> list[str]:
    fields = (("Host", host_and_port(address)), *question.fields, ("X-Demo-Request", request_id),
              ("Connection", "close"))
    return [f"{question.method} {prefix}{FILES}{question.name} HTTP/1.1", *(f"{n}: {v}" for n, v in fields)]


def host_and_port(address: Address) -> str:
    """``host:port`` as a URL has it: an IPv6 address in brackets."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def exchange(request: list[str], address: Address) -> Exchange:
    """Send the request, read the head and at most ``MAX_CONTENT`` bytes of the content, and hang up.

    :raises NoAnswer: where nothing answers, or not with HTTP.
    """
    try:
        with socket.create_connection(address, timeout=_TIMEOUT) as connection:
            connection.sendall("\r\n".join([*request, "", ""]).encode("latin-1"))
            head, content = _read_answer(connection)
    except OSError as exc:
        raise NoAnswer("The demo did not answer its own inspector. Is it still running?") from exc
    return _explain(request, head, content)


def _read_answer(connection: socket.socket) -> tuple[bytes, bytes]:
    """The head, and the content until the server hangs up or there is more than ``MAX_CONTENT`` of it."""
    head, content = b"", b""
    while b"\r\n\r\n" not in head and len(head) <= MAX_HEAD and (block := connection.recv(_BLOCK)):
        head += block
    head, _, content = head.partition(b"\r\n\r\n")
    while len(content) <= MAX_CONTENT and (block := connection.recv(_BLOCK)):
        content += block
    return head, content


def _explain(request: list[str], head: bytes, content: bytes) -> Exchange:
    status_line, _, field_lines = head.partition(b"\r\n")
    if not status_line.startswith(b"HTTP/"):
        raise NoAnswer("What answered the inspector was no HTTP.")
    fields = read_fields(field_lines)
    lengths = [value for name, value in fields if name.lower() == "content-length"]
    boundary = boundary_of(fields)
    parts, more_parts = read_parts(content[:MAX_CONTENT], boundary) if boundary else ([], 0)
    return Exchange(request, status_line.decode("latin-1"), fields, lengths[0] if lengths else None,
                    min(len(content), MAX_CONTENT), len(content) > MAX_CONTENT,
                    preview(content[:MAX_CONTENT]) if content and not parts else None, parts, more_parts)


def _as_json(answer: Exchange) -> dict[str, Any]:
    return {**answer._asdict(), "content": answer.content and answer.content._asdict(),
            "parts": [{"fields": part.fields, "preview": part.preview._asdict()} for part in answer.parts]}
