"""``ChunkedUploadApp``: chunked upload forms of pages that exist, WebUploader's and Resumable.js's, for WSGI.

Such a page cuts a file, and sends each chunk as a form of its own. A file is complete as soon as its last missing chunk
has come, whether the page asks for a merge afterwards or not.
"""

# ``forms`` reads a form, ``chunks`` stores the chunk; here it is decided what a request asks for.

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from ..http.ranges import parse_complete_length
from .chunks import Chunk, Chunks, is_done
from .engine import FinishedUpload
from .forms import check_parser, read_body, read_fields, read_file
from .protocol.values import Reason, Refusal, Request, Upload
from .service import Service, owner_of
from .storage import Storage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

Environ = dict[str, Any]

_LONGEST = 1024  # characters of what identifies a file
_DRAINED = 64  # blocks of 256 KiB
_RESUMABLE = {
    "chunk": "resumableChunkNumber", "chunks": "resumableTotalChunks", "size": "resumableTotalSize",
    "length": "resumableCurrentChunkSize", "fileMd5": "resumableIdentifier", "name": "resumableFilename",
    "type": "resumableType",
}


class ChunkedUploadApp:
    """Takes the chunked uploads of unmodified WebUploader and Resumable.js pages.

    >>> application = ChunkedUploadApp(FileStorage("chunked"), path="/upload/", authorize=lambda environ, *_: "anna")

    Below ``path`` are ``upload`` (also ``path`` itself), ``checkChunk`` and ``mergeChunks``. ASGI apps mount it with
    ``a2wsgi.WSGIMiddleware``. It needs the package ``multipart``: ``pip install 'rangeware[forms]'``.

    Files are told apart by their owner and by what the page tells: name, size, date, and an MD5 or identifier that may
    be anything. So visitors without a name of their own from ``authorize`` can mix up each other's chunks.

    :param storage: where uploads are stored; best not one that an ``UploadApp`` serves, since ids can be guessed here.
    :param max_size: bytes that a file may have; None for no limit. The danger of None: one file can fill the disk.
    :param authorize: called with environ, "create" and the upload, as far as it is known, before each request. It
        returns False, or raises ``Refused``, to refuse; else the owner's name, the same for all requests of one user.
        The danger of None: everybody may upload.
    :param finished: called with a ``FinishedUpload`` once all chunks are there: exactly once, unless it raises.
    :param path: the URL path of the app, such as ``"/upload/"``; begins and ends with "/", and counts from where the
        app is mounted.
    :raises InvalidOption: naming the option that has a value that cannot work; also if ``multipart`` is missing.
    """

    def __init__(
        self, storage: Storage, *, max_size: int | None = None,
        authorize: Callable[[Environ, str, Upload], object] | None = None,
        finished: Callable[[FinishedUpload], object] | None = None, path: str = "/",
    ) -> None:
        check_parser()
        self._service = Service(storage, path, max_size, authorize=authorize, finished=finished)
        self._chunks = Chunks(storage, self._service.exchange(Request("POST", "", {}), "", finished).finish)

    def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """Handle one request (PEP 3333)."""
        body = read_body(environ)
        try:
            status, answer = self._respond(environ, body)
        except Refusal as refusal:
            with contextlib.suppress(Refusal):  # many clients miss a response that comes before they have sent all
                [*map(len, islice(body, _DRAINED))]
            status, answer = _status(refusal), {"upload": False, "ifExist": False, "error": refusal.text}
        content = json.dumps(answer).encode() if answer else b""
        typed = [("Content-Type", "application/json"), ("Content-Length", str(len(content)))] if answer else []
        start_response(status, [("Cache-Control", "no-store"), ("Allow", "GET, POST"),
                                ("X-Content-Type-Options", "nosniff"), *typed])
        return [content]

    def _respond(self, environ: Environ, body: Iterator[bytes]) -> tuple[str, dict[str, Any]]:
        path = environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")
        method, action = environ["REQUEST_METHOD"], self._service.find_id(path)
        if action not in ("", "upload", "checkChunk", "mergeChunks"):
            raise Refusal(Reason.METHOD, text="no such address", status=404)
        if method not in ("GET", "POST"):
            raise Refusal(Reason.METHOD)
        if method == "POST" and action in ("", "upload"):
            return self._take(environ, *read_file(environ, body))
        fields = read_fields(environ, body)
        return {"checkChunk": self._check, "mergeChunks": self._merge}.get(action, self._test)(environ, fields)

    def _take(self, environ: Environ, fields: dict[str, str], content: Iterator[bytes]) -> tuple[str, dict[str, Any]]:
        whole = self._chunks.take(self._chunk(environ, fields), content)
        return "200 OK", {"upload": True, "complete": whole.is_complete, "fileName": whole.metadata["filename"]}

    def _test(self, environ: Environ, fields: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """Answer Resumable.js whether a chunk is there."""
        chunk = self._chunk(environ, fields)
        whole = self._chunks.find(chunk.whole_id)
        is_there = whole is not None and self._chunks.has(whole, chunk.number, chunk.length)
        return ("200 OK", {"ifExist": True}) if is_there else ("204 No Content", {})

    def _check(self, environ: Environ, fields: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """Answer WebUploader whether a chunk is there, if only one file can be meant."""
        owner, number, length = self._owner(environ), _number(fields, "chunk", 0), _number(fields, "chunkSize")
        unfinished = [whole for whole in self._chunks.known(owner, _text(fields, "fileMd5")) if not is_done(whole)]
        return "200 OK", {"ifExist": len(unfinished) == 1 and self._chunks.has(unfinished[0], number, length)}

    def _merge(self, environ: Environ, fields: dict[str, str]) -> tuple[str, dict[str, Any]]:
        """Say whether a file is complete: of several with this fileMd5 and name, the one that was last written to."""
        known, name = self._chunks.known(self._owner(environ), _text(fields, "fileMd5")), fields.get("fileName")
        meant = [whole for whole in known if name in (None, whole.metadata["filename"])]
        if not meant:
            raise Refusal(Reason.MISSING)
        whole = self._chunks.complete(max(meant, key=lambda whole: whole.touched))
        if not whole.is_complete:
            raise Refusal(Reason.NOT_FINISHED, text="chunks are missing")
        return "200 OK", {"upload": True, "fileName": whole.metadata["filename"], "fileId": _text(fields, "fileId")}

    def _chunk(self, environ: Environ, fields: dict[str, str]) -> Chunk:
        """Make a chunk of the fields of a form, and of the user who sent it."""
        chunk = _parse(fields)
        if self._service.max_size is not None and chunk.size > self._service.max_size:
            raise Refusal(Reason.TOO_LARGE)
        return chunk._replace(owner=self._owner(environ, chunk.size, {"filename": chunk.name, "filetype": chunk.type}))

    def _owner(self, environ: Environ, size: int | None = None, metadata: Mapping[str, str] = {}) -> str:
        authorize = self._service.authorize
        return "" if authorize is None else owner_of(authorize(environ, "create", Upload("", size, metadata=metadata)))


def _parse(fields: Mapping[str, str]) -> Chunk:
    """Make a chunk of the fields of a form; its owner is not known yet."""
    is_resumable = "resumableChunkNumber" in fields
    if is_resumable:
        fields = {name: fields.get(theirs, "") for name, theirs in _RESUMABLE.items()}
    number, chunks = _number(fields, "chunk", 0) - is_resumable, _number(fields, "chunks", 1)
    size = _number(fields, "size")
    if not 0 <= number < chunks <= max(1, size):
        raise Refusal(Reason.MALFORMED, text="chunk, chunks and size do not agree")
    mark, name, modified, type = (_text(fields, each) for each in ("fileMd5", "name", "lastModifiedDate", "type"))
    length = _number(fields, "length") if is_resumable else None
    return Chunk("", mark, name, modified, size, chunks, number, length, type)


def _text(fields: Mapping[str, str], name: str) -> str:
    text = fields.get(name, "")
    if len(text) > _LONGEST:
        raise Refusal(Reason.MALFORMED, text=f"{name} is too long")
    return text


def _number(fields: Mapping[str, str], name: str, default: int | None = None) -> int:
    number = parse_complete_length(fields[name]) if name in fields else default
    if number is None:
        raise Refusal(Reason.MALFORMED, text=f"{name} must be a number")
    return number


def _status(refusal: Refusal) -> str:
    """The status of a refusal. WebUploader gives a file up at once after 500 and above, Resumable.js after 404."""
    status = 409 if refusal.reason is Reason.MISSING else refusal.status
    return f"{status if status < 500 else 400} Refused"
