"""``RangeMiddleware``, the entry point: it hides Range from the app and chooses the way of the response.

Most requests carry neither Range nor a precondition. They take the fast path unless the response needs a closer look.
All others get a ``WsgiResponder`` of the general way and, with Range, a copy of environ that hides it from the app.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..app_protocol import check_wsgi, check_wsgi_error
from ..core.options import Options, OptionsDict
from ..core.values import RequestFields
from ..responder import AppCopy, hides_preconditions
from . import fastpath
from .file_wrapper import FileWrapper
from .responder import Environ, WsgiResponder
from .sendfile import hides_file

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication
    from typing_extensions import Unpack


_UNKNOWN = object()
_PRECONDITIONS = ("HTTP_IF_MATCH", "HTTP_IF_NONE_MATCH", "HTTP_IF_MODIFIED_SINCE", "HTTP_IF_UNMODIFIED_SINCE")
_OURS = frozenset({
    *_PRECONDITIONS, "HTTP_IF_RANGE", "HTTP_RANGE", "rangeware.if_range", "rangeware.range", "wsgi.file_wrapper"})


class RangeMiddleware:
    """Adds ranges, conditional requests and validators to every response of a WSGI app.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, max_ranges=50)  # Flask

    Put it outermost, around other middleware: it must see the bytes that the client gets. The danger: an app whose
    responses to the same request differ from one time to the next, under the same ETag, gives parts that do not fit
    together.

    :param app: any WSGI application.
    :param options: see ``rangeware.core.options.Options``.
    :raises InvalidOption: if an option has a value that cannot work, or the app speaks ASGI.
    """

    def __init__(self, app: WSGIApplication, **options: Unpack[OptionsDict]) -> None:
        check_wsgi(app)
        self._options = Options.from_mapping(options)
        self._app = app
        self._usual_wrapper: object = _UNKNOWN
        """The server's ``wsgi.file_wrapper`` as seen before, None for none: with that one, the fast path is safe."""

    def __repr__(self) -> str:
        return f"RangeMiddleware({self._app!r}, {self._options})"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        server_wrapper = environ.get("wsgi.file_wrapper")
        if server_wrapper is not self._usual_wrapper or not fastpath.is_plain_get(environ):
            return self._respond(environ, start_response)
        if server_wrapper is None:  # apps would read files in a way of their own
            environ["wsgi.file_wrapper"] = FileWrapper
        responder = WsgiResponder(self._options, environ, start_response)
        return responder.respond_to_plain_get(self._call(environ, responder))

    def _respond(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle a request in the general way."""
        options = self._options
        if options.applies is not None and options.applies(environ) is False:
            return self._call(environ, start_response)
        request = _request_fields(environ, options.preconditions)
        has_range = request.range is not None or request.if_range is not None
        if not has_range and request.method not in ("GET", "HEAD"):
            return self._call(environ, start_response)
        server_wrapper = environ.get("wsgi.file_wrapper")
        is_hiding = server_wrapper is not self._usual_wrapper and hides_file(server_wrapper)
        if not is_hiding and options.applies is None and options.offload is None:
            self._usual_wrapper = server_wrapper
        if server_wrapper is None:
            environ["wsgi.file_wrapper"] = FileWrapper
        if not request.is_ranged and not is_hiding and not hides_preconditions(request, options):
            responder = WsgiResponder(options, environ, start_response, request)
            return responder.respond(self._call(environ, responder))
        given = _environ_for_app(environ, request, options)
        copy = AppCopy(environ, given, _OURS)
        responder = WsgiResponder(options, environ, start_response, request, copy)
        try:
            body = self._call(given, responder)
        except BaseException:
            copy.carry_back()
            raise
        return responder.respond(body)

    def _call(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Call the app; an error names the other middleware if the app speaks ASGI."""
        try:
            return self._app(environ, start_response)
        except TypeError as exc:
            check_wsgi_error(self._app, exc)
            raise


def _request_fields(environ: Environ, preconditions: bool) -> RequestFields:
    """The fields that matter of a request; those of the preconditions only if they are to be evaluated."""
    get = environ.get
    if not preconditions:
        return RequestFields(environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"))
    return RequestFields(
        environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"), *map(get, _PRECONDITIONS))


def _environ_for_app(environ: Environ, request: RequestFields, options: Options) -> Environ:
    """Copy environ for the app. Servers look into their own dictionary again after the app has returned."""
    copy = environ.copy()
    if hides_preconditions(request, options):
        for key in _PRECONDITIONS:
            copy.pop(key, None)
    if request.method == "GET" or hides_file(environ.get("wsgi.file_wrapper")):  # otherwise as without Range
        copy["wsgi.file_wrapper"] = FileWrapper
    if not request.is_ranged:
        return copy
    for key, name in (("HTTP_RANGE", "rangeware.range"), ("HTTP_IF_RANGE", "rangeware.if_range")):
        if key in environ:
            copy[name] = environ[key]
            if options.hide_range:
                del copy[key]
    return copy
