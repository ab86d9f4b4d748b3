"""``RangeMiddleware``, the entry point: it hides Range from the app and chooses the way of the response.

Most requests carry neither Range nor a precondition. They take the fast path unless the response needs a closer look.
All others get a ``WsgiResponder`` of the general way and, with Range, a copy of environ that hides it from the app.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ..app_protocol import check_wsgi, check_wsgi_error
from ..core.options import Options
from ..core.values import FrontServer, Plan, RequestFields
from ..responder import hides_preconditions
from .fastpath import respond_to_plain_get, respond_to_range
from .file_wrapper import FileWrapper
from .responder import PRECONDITIONS, Environ, WsgiResponder
from .sendfile import hides_file, sends_declared_length

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_UNKNOWN = object()


class RangeMiddleware:
    """Adds ranges (seeking, resumed and parallel downloads), conditions and validators to the responses of a WSGI app.

    >>> app.wsgi_app = RangeMiddleware(app.wsgi_app, max_ranges=50)  # Flask

    Put it outermost, around other middleware: it must see the bytes that the client gets. A response has ranges if its
    length is known: files, lists, and generators with a Content-Length; others need ``spool_limit``. The ``Plan`` of a
    request, which says why its response is what it is, is in environ as ``rangeware.plan``.

    The danger: an app whose responses to the same request differ from one time to the next, under the same ETag, gives
    parts that do not fit together.

    :param app: any WSGI application.
    :param max_ranges: ranges in one Range header, at least 1. A header with more is ignored, and the client gets the
        whole file. The danger of a low number: real clients (zchunk, DNF) ask for up to 256.
    :param block_size: bytes that are read and held in memory at a time, for each active response; at least 1.
    :param hide_range: True hides Range and If-Range from the app, which finds them as ``rangeware.range`` and
        ``rangeware.if_range`` in environ. False is for apps that fetch ranges from a storage of their own and answer
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
    :param applies: called with environ for each request; if it returns False (not None), the request goes to the
        app untouched. None: all requests count. For example
        ``lambda environ: environ["PATH_INFO"].startswith("/media/")``.
    :param on_plan: called with environ and the ``Plan`` of each request that has Range or a condition, before the
        response; for metrics. None: nothing is called. What it raises is logged, and does not reach the client.
    :param offload: one of ``rangeware.offload``, such as ``XSendfile(["/srv/media"])``: nginx, Apache or lighttpd sends
        the files below these folders, with ranges. None: the app's server sends all. The danger: a front server that is
        not set up for it sends empty files.
    :raises InvalidOption: naming the option that has a value that cannot work; also if the app speaks ASGI.
    """

    def __init__(
        self, app: WSGIApplication, *, max_ranges: int = 256, block_size: int = 126_976, hide_range: bool = True,
        preconditions: bool = True, validators: bool = True, spool_limit: int = 0,
        applies: Callable[[dict[str, Any]], bool] | None = None,
        on_plan: Callable[[dict[str, Any], Plan], object] | None = None, offload: FrontServer | None = None,
    ) -> None:
        check_wsgi(app)
        self._options = Options(
            max_ranges=max_ranges, block_size=block_size, hide_range=hide_range, preconditions=preconditions,
            validators=validators, spool_limit=spool_limit, applies=applies, on_plan=on_plan, offload=offload)
        self._app = app
        self._usual: tuple[object, object] = (_UNKNOWN, None)
        """The server's ``wsgi.file_wrapper`` as seen before, None for none: with that one, the fast path is safe. The
        second item is the same wrapper if it sends Content-Length bytes from the position of a file; otherwise None."""

    def __repr__(self) -> str:
        return f"RangeMiddleware({self._app!r}, {self._options})"

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        server_wrapper = environ.get("wsgi.file_wrapper")
        usual_wrapper, bounded = self._usual
        if (
            server_wrapper is not usual_wrapper
            or environ["REQUEST_METHOD"] != "GET"
            or "HTTP_IF_NONE_MATCH" in environ
            or "HTTP_IF_MODIFIED_SINCE" in environ
            or "HTTP_IF_RANGE" in environ
            or "HTTP_IF_MATCH" in environ
            or "HTTP_IF_UNMODIFIED_SINCE" in environ
        ):
            return self._respond(environ, start_response)
        value = environ.get("HTTP_RANGE")
        if value is None:
            if server_wrapper is None:  # apps would read files in a way of their own
                environ["wsgi.file_wrapper"] = FileWrapper
            return respond_to_plain_get(environ, start_response, self._app, self._options, bounded)
        if value[:6] == "bytes=" and self._options.hide_range:
            return respond_to_range(value, environ, start_response, self._app, self._options)
        return self._respond(environ, start_response)

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
        is_hiding = server_wrapper is not self._usual[0] and hides_file(server_wrapper)
        if not is_hiding and options.applies is None and options.offload is None:
            self._usual = server_wrapper, server_wrapper if sends_declared_length(server_wrapper) else None
        if server_wrapper is None:
            environ["wsgi.file_wrapper"] = FileWrapper
        if not request.is_ranged and not is_hiding and not hides_preconditions(request, options):
            responder = WsgiResponder(options, environ, start_response, request)
            return responder.respond(self._call(environ, responder))
        given = _environ_for_app(environ, request, options)
        responder = WsgiResponder(options, environ, start_response, request, given, given.copy())
        try:
            body = self._call(given, responder)
        except BaseException:
            responder.carry_back()
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
        environ["REQUEST_METHOD"], get("HTTP_RANGE"), get("HTTP_IF_RANGE"), *map(get, PRECONDITIONS))


def _environ_for_app(environ: Environ, request: RequestFields, options: Options) -> Environ:
    """Copy environ for the app. Servers look into their own dictionary again after the app has returned."""
    copy = environ.copy()
    if hides_preconditions(request, options):
        for key in PRECONDITIONS:
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
