"""``AsgiRangeMiddleware``, the entry point: it hides Range from the app and leaves the rest to a responder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from ..core.options import Options, OptionsDict
from .connection import Connection
from .messages import request_fields, scope_for_app
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
    :raises InvalidOption: if an option has a value that cannot work.
    """

    def __init__(self, app: App, **options: Unpack[OptionsDict]) -> None:
        self._options = Options.for_app(app, "an ASGI", options)
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Handle one request (ASGI 3)."""
        options = self._options
        if scope["type"] != "http" or options.applies is not None and not options.applies(scope):
            await self._app(scope, receive, send)
            return
        request = request_fields(scope, options.preconditions)
        is_ranged = request.range is not None or request.if_range is not None
        if not is_ranged and request.method not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        responder = AsgiResponder(options, scope, request, Connection(receive, send))
        await responder.run(self._app, scope_for_app(scope, request, options.hide_range) if is_ranged else scope)
