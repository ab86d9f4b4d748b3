"""ASGI scopes and messages, translated into the values of ``core`` and back (ASGI 3, HTTP).

What an app sends is checked here: a message that is malformed raises ``AsgiProtocolError``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from functools import partial
from os import PathLike
from typing import Any

from ..core.app_head import USUAL_NAMES, Field
from ..core.options import Options
from ..core.values import RequestFields
from ..errors import AsgiProtocolError
from ..http.codings import mentions_coding
from ..responder import AppCopy, hides_preconditions

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

START = "http.response.start"
BODY = "http.response.body"
PATHSEND = "http.response.pathsend"
ZEROCOPYSEND = "http.response.zerocopysend"
TRAILERS = "http.response.trailers"
DISCONNECT = "http.disconnect"
CONTENT = frozenset({BODY, PATHSEND, ZEROCOPYSEND})
"""Types of the messages that carry content."""

_REQUEST_FIELDS = (
    b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")
_PLACES = {name: place for place, name in enumerate(_REQUEST_FIELDS)}  # in the order of RequestFields
_RANGE_FIELDS, _PRECONDITIONS = frozenset(_REQUEST_FIELDS[:2]), frozenset(_REQUEST_FIELDS[2:])
HANDOVER = "rangeware.openable"
"""The key in the scope under which an app may hand over a body that opens itself: see ``openable.Handover``."""

_OURS = frozenset({HANDOVER, "rangeware.range", "rangeware.if_range"})
_OUR_EXTENSIONS = frozenset({PATHSEND, ZEROCOPYSEND})
_USUAL_NAMES = {name.lower().encode(): name for name in USUAL_NAMES}


def has_request_fields(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """True if any field among these headers of a request may matter: Range, or a condition."""
    for name, _ in headers:  # noqa: SIM110 - any() of a generator takes twice as long
        if name in _PLACES:
            return True
    return False


def request_fields(scope: dict[str, Any], preconditions: bool) -> RequestFields:
    """Read the fields that matter of a request; those of the preconditions only if they are to be evaluated.

    Repeated lines are joined (RFC 9110 5.3).
    """
    values: list[str | None] = [None] * len(_REQUEST_FIELDS)
    for name, value in scope["headers"]:
        place = _PLACES.get(name)
        if place is not None and (preconditions or place < 2):
            text, before = value.decode("latin-1"), values[place]
            values[place] = text if before is None else f"{before}, {text}"
    return RequestFields(scope["method"], *values)


def scope_for_app(
    scope: dict[str, Any], request: RequestFields, options: Options, offers_paths: bool
) -> tuple[dict[str, Any], list[Callable[[], None]]]:
    """Copy the scope for an app whose response may be sliced or refused; else the app gets the server's own.

    ``http.response.pathsend`` is offered, so that the app names the path of a file rather than reading it, but not
    where a middleware may want to code the content: the usual ones drop that message, or let it pass uncoded. What the
    server itself offers is offered as without Range: whole and part must come from the same representation.
    ``http.response.zerocopysend`` is not offered: its content cannot be sliced.

    :param offers_paths: False never offers ``http.response.pathsend``.
    :returns: the app's scope, and functions that carry back what the app writes into it.
    """
    is_offloading = options.offload is not None and request.method == "GET"
    if request.is_plain and not is_offloading:
        return scope, []
    hidden = _hidden_headers(request, options)
    copy, ours = scope.copy(), _OURS
    carry_backs: list[Callable[[], None]] = []
    if is_offloading or request.is_ranged and request.range is not None and request.method == "GET":
        offered = copy["extensions"] = {**(scope.get("extensions") or {})}
        offered.pop(ZEROCOPYSEND, None)
        if offers_paths and not _mentions_coding(scope["headers"]):
            offered[PATHSEND] = {}
        carry_backs.append(partial(_carry_back_extensions, scope, copy, offered, {**offered}))
        ours |= {"extensions"}
    if hidden:
        copy["headers"] = [field for field in scope["headers"] if field[0] not in hidden]
        carry_backs.append(partial(_carry_back_headers, scope, copy, copy["headers"], [*copy["headers"]], hidden))
        ours |= {"headers"}
    if request.is_ranged:
        ranged = ("rangeware.range", request.range), ("rangeware.if_range", request.if_range)
        copy.update((name, value) for name, value in ranged if value is not None)
    return copy, [*carry_backs, AppCopy(scope, copy, ours).carry_back]


def _hidden_headers(request: RequestFields, options: Options) -> frozenset[bytes]:
    """The names of the request's headers that the app does not see."""
    hidden = _RANGE_FIELDS if request.is_ranged and options.hide_range else frozenset()
    return hidden | _PRECONDITIONS if hides_preconditions(request, options) else hidden


def _carry_back_extensions(
    scope: dict[str, Any], copy: dict[str, Any], given: dict[str, Any], known: dict[str, Any]
) -> None:
    """Give the server's scope the extensions that the app has left in its copy, but for those that we changed.

    :param given: the extensions of the copy, as the app got them.
    :param known: the extensions of the copy, as they were the last time.
    """
    extensions: Any = copy.get("extensions")
    if extensions == known or not isinstance(extensions, dict):
        return
    before = scope.get("extensions") or {}
    kept = {name: value for name, value in before.items() if name in _OUR_EXTENSIONS}
    left = {name: value for name, value in extensions.items() if name not in _OUR_EXTENSIONS} | kept
    if extensions is given and before:  # changed in place: others may hold the server's dictionary
        before.clear()
        before.update(left)
    else:
        scope["extensions"] = left
    known.clear()
    known.update(extensions)


def _carry_back_headers(
    scope: dict[str, Any], copy: dict[str, Any], given: list[Any], known: list[Any], hidden: frozenset[bytes]
) -> None:
    """Give the server's scope the headers that the app has left in its copy, and those that we hid from it.

    :param given: the headers of the copy, as the app got them.
    :param known: the headers of the copy, as they were the last time.
    :param hidden: the names of those that we hid.
    """
    headers: Any = copy.get("headers")
    if headers == known or not isinstance(headers, (list, tuple)):
        return
    kept = [field for field in scope["headers"] if field[0] in hidden and field not in headers]
    if headers is given and isinstance(scope["headers"], list):
        scope["headers"][:] = [*headers, *kept]
    else:
        scope["headers"] = [*headers, *kept]
    known[:] = headers


def _mentions_coding(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    return any(name == b"accept-encoding" and mentions_coding(value.decode("latin-1")) for name, value in headers)


def read_start(start: Message) -> tuple[Message, list[Field]]:
    """Check ``http.response.start``; return it with its headers as a list, and the headers as fields.

    :raises AsgiProtocolError: if the headers are not pairs of bytes, or there is no status.
    """
    if not isinstance(start.get("status"), int):
        raise AsgiProtocolError(f"the app sent http.response.start with the status {start.get('status')!r}")
    try:
        headers = [*start.get("headers", ())]
        fields = [
            (_USUAL_NAMES.get(name) or name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]
    except (AttributeError, TypeError, ValueError) as exc:
        raise AsgiProtocolError("the app sent headers that are not pairs of bytes") from exc
    return {**start, "headers": headers}, fields


def encode_fields(fields: Iterable[Field]) -> list[tuple[bytes, bytes]]:
    """The fields as headers of a message, their names in lower case."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in fields]


def read_content(message: Message, needed: bool = True) -> bytes:
    """The bytes in a message with content.

    :param needed: False lets a message without bytes pass as empty: nothing of it would be sent.
    :raises AsgiProtocolError: if it has something else than bytes.
    """
    if message["type"] == ZEROCOPYSEND and not needed:
        return b""
    content: bytes = message.get("body", b"")
    if message["type"] != BODY:
        raise AsgiProtocolError(f"the app sent {message['type']} where bytes were expected")
    if not isinstance(content, (bytes, bytearray, memoryview)):
        raise AsgiProtocolError(f"the app sent {type(content).__name__} in {BODY} where bytes were expected")
    return content if type(content) is bytes else memoryview(content).tobytes()


def read_path(message: Message) -> str | bytes | PathLike[str]:
    """The path in ``http.response.pathsend``.

    :raises AsgiProtocolError: if there is none.
    """
    path = message.get("path")
    if not isinstance(path, (str, bytes, PathLike)):
        raise AsgiProtocolError(f"the app sent {path!r} as the path of a file")
    return path


def body_message(content: bytes, more: bool = False) -> Message:
    """``http.response.body`` with these bytes; ``more`` says that others follow."""
    return {"type": BODY, "body": content, "more_body": more}
