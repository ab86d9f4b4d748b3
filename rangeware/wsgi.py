"""The WSGI middleware (PEP 3333): which requests are plain, and what the app gets to see."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .core.head import fastpath_length
from .core.options import Options, OptionsDict
from .exchange import STARTED, Environ, Exchange, request_fields
from .forward import abandon
from .openers import is_plain
from .servers import hides_file
from .wrappers import FileWrapper, may_be_file, owner

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication
    from typing_extensions import Unpack


_UNSEEN = object()


class RangeMiddleware:
    """Gives every answer of a WSGI app ranges, conditions and validators: ``app = RangeMiddleware(app)``.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, max_ranges=50)  # Flask

    Put it outermost, around other middleware: it must see the bytes that the client gets. The danger: an app whose
    answers to the same request differ from one time to the next, under the same ETag, gives parts that do not fit.

    :param app: any WSGI application.
    :param options: see ``rangeware.options.Options``.
    :raises InvalidOption: if an option has a value that cannot work.
    """

    def __init__(self, app: WSGIApplication, **options: Unpack[OptionsDict]) -> None:
        self._options = Options.for_app(app, "a WSGI", options)
        self._app = app
        self._offered: object = _UNSEEN  # what this server was seen to have for wsgi.file_wrapper: None if nothing

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request (PEP 3333)."""
        offered = environ.get("wsgi.file_wrapper")
        if (
            offered is not self._offered
            or environ["REQUEST_METHOD"] != "GET"
            or "HTTP_RANGE" in environ
            or "HTTP_IF_NONE_MATCH" in environ
            or "HTTP_IF_MODIFIED_SINCE" in environ
            or "HTTP_IF_RANGE" in environ
            or "HTTP_IF_MATCH" in environ
            or "HTTP_IF_UNMODIFIED_SINCE" in environ
        ):
            return self._look_closer(environ, start_response)
        if offered is None:
            environ["wsgi.file_wrapper"] = FileWrapper
        exchange = Exchange(self._options, environ, start_response)
        body = self._app(environ, exchange)
        if exchange.stage == STARTED and exchange.status == "200 OK":
            try:
                kind = type(body)
                is_list = kind is list or kind is tuple
                is_file = not is_list and may_be_file(kind)
                length = "" if kind is FileWrapper else fastpath_length(exchange.fields, is_file)
                if length and (body if is_list else not is_file or is_plain(body, int(length))):
                    return exchange.hand_on(body)
            except BaseException:
                abandon(owner(body))
                raise
        return exchange.respond(body)

    def _look_closer(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answers a request that may not be plain."""
        options = self._options
        if options.applies is not None and not options.applies(environ):
            return self._app(environ, start_response)
        ranged = "HTTP_RANGE" in environ or "HTTP_IF_RANGE" in environ
        if not ranged and environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            return self._app(environ, start_response)
        offered = environ.get("wsgi.file_wrapper")
        hidden = offered is not self._offered and hides_file(offered)
        if not hidden and options.applies is None:
            self._offered = offered
        if offered is None:  # apps would read files in a way of their own
            environ["wsgi.file_wrapper"] = FileWrapper
        exchange = Exchange(options, environ, start_response, request_fields(environ, options.preconditions))
        app_environ = _app_environ(environ, options.hide_range) if ranged or hidden else environ
        return exchange.respond(self._app(app_environ, exchange))


def _app_environ(environ: Environ, hide_range: bool) -> Environ:
    """A copy for the app: servers look things up in their own dictionary after the app has returned."""
    copy = environ.copy()
    copy["wsgi.file_wrapper"] = FileWrapper
    for key, name in (("HTTP_RANGE", "rangeware.range"), ("HTTP_IF_RANGE", "rangeware.if_range")):
        if key in environ:
            copy[name] = environ[key]
            if hide_range:
                del copy[key]
    return copy
