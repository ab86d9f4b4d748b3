"""The fast path: a plain GET, whose response passes as the app sends it.

The app gets the ``send`` of a ``PlainGet``, which holds the head back until the first message with content, adds
Accept-Ranges where a Range would be served, and passes the rest on. Nothing is decided here that the general way would
decide otherwise: as soon as something is not obvious, an ``AsgiResponder`` gets what was held back and takes over.
``tests/asgi/test_fastpath.py`` drives the shared table of cases both ways and compares.
"""

from __future__ import annotations

from typing import Any

from ..bodies.detect import path_has_length
from ..core.app_head import SPECIAL_NAMES, USUAL_NAMES
from ..core.options import Options
from ..core.reply import ACCEPT_RANGES
from ..core.values import RequestFields
from ..responder import Responder
from .connection import Connection
from .messages import BODY, CONTENT, PATHSEND, START, Message, Receive, Send, encode_fields
from .responder import DONE, HEAD_HELD, NO_HEAD, PASSING_ON, AsgiResponder

_LOWER = {
    spelling.encode(): name.lower().encode()
    for name in (*USUAL_NAMES, "Date", "Server") for spelling in (name, name.lower())
}
"""The headers that the fast path understands, in lower case and, for Django, in their usual spelling."""

_SPECIAL = frozenset(name.encode() for name in SPECIAL_NAMES)
_VALIDATORS = frozenset({b"etag", b"last-modified"})
_ACCEPT_RANGES = encode_fields([ACCEPT_RANGES])
_ZERO = ord("0")
_MOST_DIGITS = 18


class PlainGet:
    """One plain GET and its response, as the app sees it: the app gets ``receive`` and ``send``.

    Whatever only the general way needs is made when that is taken.
    """

    __slots__ = ("_connection", "_general", "_is_advertised", "_length", "_options", "_receive", "_scope", "_send",
                 "_start", "_state")

    _start: Message
    """The app's ``http.response.start``, held back."""

    _length: int | None
    """The Content-Length of a 200 in bytes; None if it has none, or the status is another one."""

    _is_advertised: bool
    """True if Accept-Ranges need not be added."""

    def __init__(self, options: Options, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        self._state = NO_HEAD
        self._general: AsgiResponder | None = None
        self._connection: Connection | None = None
        self._options = options
        self._scope = scope
        self._receive = receive
        self._send = send

    async def receive(self) -> Message:
        """Return the next message for the app. Few apps ask for one on GET."""
        return await self._connect().receive()

    async def send(self, message: Message) -> None:
        """Take the next message of the app.

        :raises AsgiProtocolError: if it is not allowed at this point.
        """
        kind, state = message.get("type"), self._state
        if state is NO_HEAD and kind == START and self._holds(message):
            return
        if state is HEAD_HELD and self._passes(kind, message):
            self._state = state = PASSING_ON
            await self._send(self._start)
        if state is PASSING_ON and kind in CONTENT:
            if not message.get("more_body"):
                self._state = DONE
            await self._send(message)
        else:
            await self._general_way().send(message)

    def end(self) -> None:
        """Look at where the response stands now that the app has returned.

        :raises AsgiProtocolError: if the app has sent a message that is not allowed, or not all of its response.
        """
        if self._general is not None or self._state is HEAD_HELD:
            self._general_way().end(self._scope)

    def _holds(self, start: Message) -> bool:
        """Hold the head back; False if it is not obvious that the response may pass."""
        status, headers = start.get("status"), start.get("headers")
        if type(headers) is not list or not isinstance(status, int):
            return False
        length, is_advertised = None, False
        try:
            for name, value in headers:
                known = _LOWER.get(name)
                if type(value) is not bytes or known is None and (type(name) is not bytes or name.lower() in _SPECIAL):
                    return False
                if known == b"content-length":
                    if length is not None or not value.isdigit() or value[0] == _ZERO or len(value) > _MOST_DIGITS:
                        return False
                    length = int(value)
                elif known == b"content-type":
                    if not value or value[0] in b"mM":  # it may be multipart/byteranges
                        return False
                elif known == b"accept-ranges":
                    if value != b"bytes":
                        return False
                    is_advertised = True
        except (TypeError, ValueError):  # they are not pairs of bytes
            return False
        self._start = dict(start, headers=[*headers])
        self._length = length if status == 200 else None
        self._is_advertised = is_advertised or self._length is None
        self._state = HEAD_HELD
        return True

    def _passes(self, kind: object, message: Message) -> bool:
        """True if the response obviously passes, given its first message with content. Then the head is complete."""
        if kind == BODY:
            content = message.get("body", b"")
            is_whole = type(content) is bytes and (len(content) == self._length or self._start["status"] != 200)
            if not is_whole and not message.get("more_body"):
                return False
        elif kind != PATHSEND or not self._is_whole_file(message.get("path")):
            return False
        if not self._is_advertised:
            self._start["headers"] += _ACCEPT_RANGES
        return True

    def _is_whole_file(self, path: object) -> bool:
        """True for the path of a file of the declared length, with no validators missing from the head."""
        is_offered = PATHSEND in (self._scope.get("extensions") or ())
        if self._length is None or not is_offered or not isinstance(path, str):
            return False
        names = {_LOWER.get(name) for name, _ in self._start["headers"]}
        return names >= _VALIDATORS and path_has_length(path, self._length)

    def _general_way(self) -> AsgiResponder:
        """Leave the response to the general way from here on."""
        if self._general is None:
            self._general = AsgiResponder(Responder(self._options, self._scope, RequestFields("GET")), self._connect())
            self._general.take_over(self._state, self._start if self._state is HEAD_HELD else None)
            self._state = DONE
        return self._general

    def _connect(self) -> Connection:
        if self._connection is None:
            self._connection = Connection(self._receive, self._send)
        return self._connection
