"""ASGI's scopes and messages (ASGI 3, HTTP): what is in them, as the core has it, and back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from os import PathLike
from typing import Any

from .core.head import USUAL_NAMES, Field
from .core.values import RequestFields
from .errors import AsgiProtocolError
from .openers import has_length

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

START = "http.response.start"
BODY = "http.response.body"
PATHSEND = "http.response.pathsend"
ZEROCOPYSEND = "http.response.zerocopysend"
TRAILERS = "http.response.trailers"
CONTENT = frozenset({BODY, PATHSEND, ZEROCOPYSEND})

_ASKED = (b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")
_NAMES = {name: place for place, name in enumerate(_ASKED)}  # as in RequestFields
_UNASKED: list[str | None] = [None] * len(_ASKED)
_SPELLINGS = {name.lower().encode(): name for name in USUAL_NAMES}


def request_fields(scope: dict[str, Any], preconditions: bool) -> RequestFields:
    """What the request asks; ``preconditions`` is whether they are to be looked at. Repeated lines are joined
    (RFC 9110 5.3)."""
    values = _UNASKED
    if not _NAMES.keys().isdisjoint([name for name, _ in scope["headers"]]):
        values = [*_UNASKED]
        for name, value in scope["headers"]:
            place = _NAMES.get(name)
            if place is not None and (preconditions or place < 2):
                text, before = value.decode("latin-1"), values[place]
                values[place] = text if before is None else f"{before}, {text}"
    return RequestFields(scope["method"], *values)


def app_scope(scope: dict[str, Any], request: RequestFields, hide_range: bool) -> dict[str, Any]:
    """A copy for an app whose answer may be sliced: it is to name the path of a file rather than read it, and to send
    nothing else that cannot be cut."""
    copy = {**scope, "extensions": {**(scope.get("extensions") or {}), PATHSEND: {}}}
    copy["extensions"].pop(ZEROCOPYSEND, None)
    if hide_range:
        copy["headers"] = [field for field in scope["headers"] if _NAMES.get(field[0], 2) >= 2]
    for name, value in (("rangeware.range", request.range), ("rangeware.if_range", request.if_range)):
        if value is not None:
            copy[name] = value
    return copy


def begun(start: Message) -> tuple[Message, list[Field]]:
    """The message that starts an answer, with a list of headers, and these as fields, spelled as they mostly are.

    :raises AsgiProtocolError: if they are not pairs of bytes, or there is no status.
    """
    if not isinstance(start.get("status"), int):
        raise AsgiProtocolError(f"the app sent http.response.start with the status {start.get('status')!r}")
    try:
        headers = [*start.get("headers", ())]
        fields = [(_SPELLINGS.get(name) or name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    except (AttributeError, TypeError, ValueError) as exc:
        raise AsgiProtocolError("the app sent headers that are not pairs of bytes") from exc
    return {**start, "headers": headers}, fields


def encoded(fields: Iterable[Field]) -> list[tuple[bytes, bytes]]:
    """The fields for a message, their names in lower case."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def content_of(message: Message, needed: bool = True) -> bytes:
    """The bytes in a message.

    :raises AsgiProtocolError: if it has none, but something else, and they are needed.
    """
    if message["type"] == ZEROCOPYSEND and not needed:
        return b""
    content: bytes = message.get("body", b"")
    if message["type"] != BODY or not isinstance(content, (bytes, bytearray, memoryview)):
        raise AsgiProtocolError(f"the app sent {type(content).__name__} in {message['type']} where bytes were to come")
    return content if type(content) is bytes else memoryview(content).tobytes()


def path_of(message: Message) -> str | bytes | PathLike[str]:
    """The path in a message that names one.

    :raises AsgiProtocolError: if there is none.
    """
    path = message.get("path")
    if not isinstance(path, (str, bytes, PathLike)):
        raise AsgiProtocolError(f"the app sent {path!r} for the path of a file")
    return path


def has_content(message: Message, declared: int) -> bool:
    """Whether there are bytes in it or after it; in a file, just as many as are declared."""
    if message["type"] == PATHSEND:
        return has_length(path_of(message), declared)
    return bool(message.get("more_body") or message.get("body"))


def body(content: bytes, more: bool = False) -> Message:
    """A message with a piece of the content, after which there is more or not."""
    return {"type": BODY, "body": content, "more_body": more}
