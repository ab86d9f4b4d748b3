"""``AsgiRangeMiddleware``, the entry point: it hides Range from the app and leaves the rest to a responder."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..app_protocol import call_asgi, check_asgi
from ..core.options import Options
from ..core.values import FrontServer, Plan
from ..responder import Responder
from .connection import Connection
from .fastpath import PlainGet
from .messages import HANDOVER, has_request_fields, request_fields, scope_for_app
from .openable import Handover
from .responder import AsgiResponder

App = Callable[[Any, Any, Any], Awaitable[Any]]


class AsgiRangeMiddleware:
    """Adds ranges (seeking, resumed and parallel downloads), conditions and validators to the responses of an ASGI app.

    >>> app.add_middleware(AsgiRangeMiddleware, max_ranges=50)  # Starlette, FastAPI

    Put it outermost, around other middleware: it must see the bytes that the client gets. A response has ranges if its
    length is known: files, lists, and generators with a Content-Length; others need ``spool_limit``. The ``Plan`` of a
    request, which says why its response is what it is, is in the scope as ``rangeware.plan``.

    The danger: an app whose responses to the same request differ from one time to the next, under the same ETag, gives
    parts that do not fit together.

    :param app: any ASGI 3 application, on asyncio or trio.
    :param max_ranges: ranges in one Range header, at least 1. A header with more is ignored, and the client gets the
        whole file. The danger of a low number: real clients (zchunk, DNF) ask for up to 256.
    :param block_size: bytes that are read and held in memory at a time, for each active response; at least 1.
    :param hide_range: True hides Range and If-Range from the app, which finds them as ``rangeware.range`` and
        ``rangeware.if_range`` in the scope. False is for apps that fetch ranges from a storage of their own and answer
        206 themselves. The danger of False: a framework that handles ranges does so, with its own faults.
    :param preconditions: True answers If-Match and If-Unmodified-Since with 412, If-None-Match and If-Modified-Since
        with 304, where the headers of the response say so. The danger of False: a download that resumes with If-Match
        can join two versions of a file.
    :param validators: True adds ETag and Last-Modified to files on disk that come without, made of their length and
        time of modification. The danger: tools that give files a constant time (reproducible builds, some images) give
        two versions of one length the same ETag. Use False there.
    :param spool_limit: bytes of a response of unknown length, such as a generator without Content-Length, that are
        read ahead to learn its length, if the request has a Range header; 0 reads nothing ahead, so that such a
        response has no ranges. The danger: a client can make the app produce that much for a single byte.
    :param applies: called with the scope for each request; if it returns False (not None), the request goes to
        the app untouched. None: all requests count. For example
        ``lambda scope: scope["path"].startswith("/media/")``.
    :param on_plan: called with the scope and the ``Plan`` of each request that has Range or a condition, before the
        response; for metrics. None: nothing is called. What it raises is logged, and does not reach the client.
    :param offload: one of ``rangeware.offload``, such as ``XSendfile(["/srv/media"])``: nginx, Apache or lighttpd sends
        the files below these folders, with ranges. None: the app's server sends all. The danger: a front server that is
        not set up for it sends empty files.
    :raises InvalidOption: naming the option that has a value that cannot work; also if the app speaks WSGI.
    """

    def __init__(
        self, app: App, *, max_ranges: int = 256, block_size: int = 126_976, hide_range: bool = True,
        preconditions: bool = True, validators: bool = True, spool_limit: int = 0,
        applies: Callable[[dict[str, Any]], bool] | None = None,
        on_plan: Callable[[dict[str, Any], Plan], object] | None = None, offload: FrontServer | None = None,
    ) -> None:
        check_asgi(app)
        self._options = Options(
            max_ranges=max_ranges, block_size=block_size, hide_range=hide_range, preconditions=preconditions,
            validators=validators, spool_limit=spool_limit, applies=applies, on_plan=on_plan, offload=offload)
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
        if scope["method"] == "GET" and options.offload is None and not has_request_fields(scope["headers"]):
            plain = PlainGet(options, scope, receive, send)
            await call_asgi(self._app, scope, plain.receive, plain.send)
            plain.end()
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
