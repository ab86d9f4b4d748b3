"""``UploadApp``: resumable uploads for WSGI."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast
from wsgiref.util import FileWrapper

from ..wsgi import RangeMiddleware
from .engine import Exchange, FinishedUpload, Intake
from .protocol.values import Fields, Reason, Refusal, Request, Response, Upload
from .service import Service, check_id, owner_of
from .storage import Storage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

Environ = dict[str, Any]

_BLOCK = 1 << 18  # bytes
_SMALL = 32 << 10  # bytes
_DROPPING = {"uwsgi.version", "mod_wsgi.version"}  # they lose what they were reading when a connection breaks
_CONTENT, _HEAD = "rangeware.uploads.content", "rangeware.uploads.head"


class UploadApp:
    """Takes uploads that can be resumed: an app of its own, to be mounted, or around another app.

    It speaks tus 1.0 and "Resumable Uploads for HTTP".

    >>> application = UploadApp(FileStorage("uploads"), path="/files/", max_size=10 * 2**30)

    :param storage: where uploads are stored: a ``FileStorage`` or an ``S3Storage``.
    :param app: gets all requests that are not below ``path``; None answers them with 404.
    :param path: the URL path where uploads are created, such as ``"/files/"``; begins and ends with "/", and counts
        from where the app is mounted. No other page of the site may be below it.
    :param max_size: bytes that a file may have; None for no limit. The danger of None: one file can fill the disk.
    :param expires: seconds after the last write, when an unfinished upload ends; ``clean()`` then removes it. None
        for never. The danger of None: uploads that clients have given up stay for ever.
    :param authorize: called before each request with environ, an action ("create", "append", "see" or "end") and the
        ``Upload``. It returns False, or raises ``Refused``, to refuse; a text returned at "create" is the name of the
        owner. The danger of None: everybody may upload, and whoever knows the address of an upload may read,
        continue and remove it.
    :param finished: called with a ``FinishedUpload`` when its last byte is stored: exactly once, unless it raises.
        If it raises, the client is told, and can complete the upload later, which calls it again.
    :param download: True sends finished files to GET, with ranges; False refuses GET with 405.
    :param cors: origins whose pages may use the uploads, such as ``["https://films.example"]``; ``("*",)`` for all,
        without cookies; ``()`` for none. The danger: the scripts of an origin named here act for your users.
    :param trust_forwarded: True makes the addresses of uploads of X-Forwarded-Proto and X-Forwarded-Host; False makes
        relative ones. The danger of True: without a proxy that sets both fields, a client chooses the address.
    :raises InvalidOption: naming the option that has a value that cannot work.
    """

    def __init__(
        self, storage: Storage, *, app: WSGIApplication | None = None, path: str = "/", max_size: int | None = None,
        expires: float | None = None, authorize: Callable[[Any, str, Upload], object] | None = None,
        finished: Callable[[FinishedUpload], object] | None = None, download: bool = True,
        cors: Collection[str] = ("*",), trust_forwarded: bool = False,
    ) -> None:
        self._service = Service(
            storage, path=path, max_size=max_size, expires=expires, authorize=authorize, finished=finished,
            download=download, cors=cors, trust_forwarded=trust_forwarded)
        self._app = app
        self._send_content = RangeMiddleware(_content_app)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        id = self._service.find_id(_path(environ, "PATH_INFO"))
        if id is None and self._app is not None:
            return self._app(environ, start_response)
        request = self._request(environ, id or "")
        exchange = self._service.exchange(request, _path(environ, "SCRIPT_NAME"), self._service.finished)
        try:
            check_id("none" if id is None else id)
            response = self._respond(exchange, request, environ)
            if response is None:
                return self._send_content(environ, start_response)
        except Refusal as refusal:
            response = exchange.refuse(refusal)
        finally:
            exchange.release()
        start_response(_status_line(response.status), [*self._service.head(request, response)])
        return [response.content]

    def clean(self) -> int:
        """Remove unfinished uploads that have expired; return how many. Call it from time to time, and at the start.

        Files whose last byte came just before a crash are handed to ``finished`` now.
        """
        return self._service.clean(self._service.finished)

    def _request(self, environ: Environ, id: str) -> Request:
        fields = {key[5:].replace("_", "-").lower(): value for key, value in environ.items() if key.startswith("HTTP_")}
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                fields[name.replace("_", "-").lower()] = environ[name]
        return self._service.request(environ["REQUEST_METHOD"], id, fields, is_ended=_tells_the_end(environ))

    def _respond(self, exchange: Exchange, request: Request, environ: Environ) -> Response | None:
        """Do what is asked for; None if content is to be sent, which environ then has."""
        if request.content_length == 0 and "chunked" in request.fields.get("transfer-encoding", "").lower():
            raise Refusal(Reason.LENGTH_REQUIRED)
        exchange.begin()
        intake = exchange.open(self._authorize(exchange, environ))
        if intake is not None:
            if not _DROPPING.isdisjoint(environ):
                intake.bound(_SMALL)
            _pump(environ["wsgi.input"].read, intake)
            exchange.complete(intake)
        if not exchange.sends_content or exchange.upload is None:
            return exchange.respond()
        environ[_HEAD] = self._service.content_head(request, exchange.upload)
        environ[_CONTENT] = exchange.content()
        return None

    def _authorize(self, exchange: Exchange, environ: Environ) -> str:
        """Ask the deployer's hook; return the owner of an upload that is created."""
        authorize = self._service.authorize
        if authorize is None or exchange.upload is None:
            return ""
        for part in exchange.parts():
            owner_of(authorize(environ, "see", part))
        return owner_of(authorize(environ, exchange.action, exchange.upload))


def _path(environ: Environ, name: str) -> str:
    """A path as text: PEP 3333 has its bytes as latin-1."""
    return str(environ.get(name, "").encode("latin-1").decode("utf-8", "replace"))


def _tells_the_end(environ: Environ) -> bool:
    """True if reading ends at the end of chunked content, and in no other way.

    Granian's reading ends as well where the connection breaks: what came so far would be taken for the whole file.
    """
    return bool(environ.get("wsgi.input_terminated")) and environ.get("SERVER_SOFTWARE") != "Granian"


def _pump(read: Callable[[int], bytes], intake: Intake) -> None:
    """Read the content into the upload. An error of the server's while reading means that the client has gone."""
    while size := intake.wanted:
        try:
            block = read(size)
        except Exception:
            intake.cut()
            intake.take(_rest(read, size))
            return
        if not block:
            return
        intake.take(block)
        del block  # or it would stay in memory while the next one is read


def _rest(read: Callable[[int], bytes], size: int) -> bytes:
    """Read the bytes that had come when the connection broke: gunicorn gives them to the next read."""
    try:
        return read(size)
    except Exception:
        return b""


def _content_app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Send the content of an upload; around it, ``RangeMiddleware`` adds ranges."""
    head = cast(Fields, environ[_HEAD])
    start_response("200 OK", [*head])
    body: Iterable[bytes] = environ.get("wsgi.file_wrapper", FileWrapper)(environ[_CONTENT], _BLOCK)
    return body


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} Checksum Mismatch" if status == 460 else f"{status} Unknown"
