"""``AsgiRangeMiddleware``, the entry point: it hides Range from the app and leaves the rest to a responder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..app_protocol import call_asgi, check_asgi
from ..core.options import Options, OptionsDict
from ..responder import Responder
from .connection import Connection
from .messages import HANDOVER, request_fields, scope_for_app
from .openable import Handover
from .responder import AsgiResponder

if TYPE_CHECKING:
    from typing_extensions import Unpack

App = Callable[[Any, Any, Any], Awaitable[Any]]


class AsgiRangeMiddleware:
    """Adds ranges, conditional requests and validators to every response of an ASGI app.

    >>> app.add_middleware(AsgiRangeMiddleware, max_ranges=50)  # Starlette, FastAPI

    Put it outermost, around other middleware: it must see the bytes that the client gets. The danger: an app whose
    responses to the same request differ from one time to the next, under the same ETag, gives parts that do not fit
    together.

    :param app: any ASGI 3 application, on asyncio or trio.
    :param options: see ``rangeware.core.options.Options``; a callable that takes an environ gets the scope.
    :raises InvalidOption: if an option has a value that cannot work, or the app speaks WSGI.
    """

    def __init__(self, app: App, **options: Unpack[OptionsDict]) -> None:
        check_asgi(app)
        self._options = Options.from_mapping(options)
        self._app = app
        self._offers_paths = True
        """False once a middleware of the app has dropped the path of a file that it was offered to send."""

    def __repr__(self) -> str:
        return f"AsgiRangeMiddleware({self._app!r}, {self._options})"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request (ASGI 3)."""
        options = self._options
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if options.applies is not None and options.applies(scope) is False:
            await call_asgi(self._app, scope, receive, send)
            return
        request = request_fields(scope, options.preconditions)
        has_range = request.range is not None or request.if_range is not None
        if not has_range and request.method not in ("GET", "HEAD"):
            await call_asgi(self._app, scope, receive, send)
            return
        given, carry_backs = scope_for_app(scope, request, options, self._offers_paths)
        handover = None
        if given is not scope:
            handover = given[HANDOVER] = Handover()
        responder = AsgiResponder(Responder(options, scope, request, carry_backs), Connection(receive, send), handover)
        try:
            await responder.run(self._app, given)
        finally:
            self._offers_paths = self._offers_paths and not responder.lost_path
