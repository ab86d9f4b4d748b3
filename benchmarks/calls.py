"""In-process calls: small apps, wrappers around them and server-like requests, to measure the cost of a middleware."""

from __future__ import annotations

import io
import random
import string
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from gunicorn.http.wsgi import FileWrapper
from static_ranges import Ranges
from webob import Request as WebObRequest
from webob import Response as WebObResponse
from werkzeug.wrappers import Response as WerkzeugResponse

from rangeware import RangeMiddleware

Environ = dict[str, Any]
App = Callable[[Environ, Any], Iterable[bytes]]
Call = Callable[[], object]

BLOCK = bytes(65536)
SKIPPED = 2 << 30  # bytes in the generator; the last KiB is requested
BLOCKS = SKIPPED // len(BLOCK)
FILE_SIZE = 1 << 20  # bytes in the file of the "file" calls
HOSTILE_SIZE = 1_000_000  # characters in a hostile header

_JSON = b'[{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]'
_ETAG = '"5f3c1a-100000"'
_LAST_MODIFIED = "Sat, 04 Jul 2020 09:15:00 GMT"


class Server:
    """A minimal server: its ``start_response`` keeps the arguments of the last call."""

    status = ""
    headers: tuple[tuple[str, str], ...] | list[tuple[str, str]] = ()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        """Keep status and headers of the response (PEP 3333)."""
        self.status, self.headers = status, headers
        return self._write

    def _write(self, data: bytes) -> None:
        raise AssertionError("no app here writes")


class Caller:
    """The simplest wrapper of an app: a class that calls it."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        return self._app(environ, start_response)


class Empty(Caller):
    """The simplest middleware that sees the response headers: it wraps ``start_response``, and changes nothing."""

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        """Handle one request (PEP 3333)."""
        def passed_on(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            return start_response(status, headers, exc_info)
        return self._app(environ, passed_on)


AROUND: dict[str, Callable[[App], App]] = {
    "bare": lambda app: app,
    "call": Caller,
    "empty": Empty,
    "rangeware": RangeMiddleware,
    "static-ranges": Ranges,
}


def environ_of(range_field: str | None = None) -> Environ:
    """Return the environ that gunicorn makes of a browser's request, with this Range header."""
    fields = {} if range_field is None else {"HTTP_RANGE": range_field}
    return {
        "wsgi.errors": sys.stderr, "wsgi.version": (1, 0), "wsgi.multithread": False, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "wsgi.file_wrapper": FileWrapper, "wsgi.input_terminated": True,
        "wsgi.input": io.BytesIO(), "wsgi.url_scheme": "http", "SERVER_SOFTWARE": "gunicorn", "gunicorn.socket": None,
        "REQUEST_METHOD": "GET", "QUERY_STRING": "page=2", "RAW_URI": "/items?page=2", "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1:8000", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Firefox/128.0",
        "HTTP_ACCEPT": "*/*", "HTTP_ACCEPT_LANGUAGE": "en", "HTTP_ACCEPT_ENCODING": "gzip, br",
        "HTTP_REFERER": "http://127.0.0.1:8000/", "HTTP_COOKIE": "session=c2Vzc2lvbg", "HTTP_CONNECTION": "keep-alive",
        "HTTP_SEC_FETCH_MODE": "cors", "HTTP_PRIORITY": "u=4", "REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "51234",
        "SERVER_NAME": "127.0.0.1", "SERVER_PORT": "8000", "PATH_INFO": "/items", "SCRIPT_NAME": "",
    } | fields


def json_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with a list of one item, as most apps do."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(_JSON)))])
    return [_JSON]


def list_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with 10 KiB from memory and an ETag."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10240"), ("ETag", _ETAG)])
    return [BLOCK[:10240]]


def file_app(file: io.BufferedReader) -> App:
    """Create an app that passes this file to ``wsgi.file_wrapper``, with its own validators."""
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [
            ("Content-Type", "application/octet-stream"), ("Content-Length", str(FILE_SIZE)), ("ETag", _ETAG),
            ("Last-Modified", _LAST_MODIFIED),
        ])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    return app


def generator_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with a generator that repeats one block."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(SKIPPED)), ("ETag", _ETAG)])
    return generated()


def generated() -> Iterator[bytes]:
    """Yield the same block of 64 KiB again and again, 2 GiB in total."""
    for _ in range(BLOCKS):
        yield BLOCK


def werkzeug_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with the generator, sliced by Werkzeug."""
    response = WerkzeugResponse(generated(), mimetype="text/plain", direct_passthrough=True)
    response.content_length = SKIPPED
    response.make_conditional(environ, accept_ranges=True, complete_length=SKIPPED)
    return response(environ, start_response)


def webob_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with the generator, sliced by WebOb."""
    response = WebObResponse(app_iter=generated(), content_length=SKIPPED, conditional_response=True)
    answer: Iterable[bytes] = WebObRequest(environ).call_application(response)[2]
    start_response(response.status, response.headerlist)
    return answer


SKIPPERS: dict[str, App] = {
    "rangeware": RangeMiddleware(generator_app), "werkzeug": werkzeug_app, "webob": webob_app,
}


def consume(app: App, environ: Environ, start_response: Any) -> int:
    """Run one request as a server does, close the body, and return the number of bytes sent."""
    body = app(environ, start_response)
    sent = sum(map(len, body))
    close = getattr(body, "close", None)
    if close is not None:
        close()
    return sent


def consume_apart(app: App, environ: Environ, start_response: Any) -> int:
    """Run one request with its own copy of ``environ``, for apps that modify it."""
    return consume(app, environ.copy(), start_response)


def plain_calls(file: io.BufferedReader) -> dict[str, dict[str, Call]]:
    """Return the calls by measure and wrapper; each is compared with ``bare``."""
    start = Server().start_response
    plain, ranged = environ_of(), environ_of("bytes=100-199")
    return {
        "json": {name: partial(consume, around(json_app), plain, start) for name, around in AROUND.items()},
        "file": {name: partial(around(file_app(file)), plain, start) for name, around in AROUND.items()},
        "list-range": {
            name: partial(consume_apart, around(list_app), ranged, start) for name, around in AROUND.items()
        },
    }


def bare_loop() -> None:
    """Exhaust the generator, and do nothing else."""
    for _ in generated():
        pass


def skips() -> dict[str, Call]:
    """Return calls that request the last KiB of the generator, and so skip all blocks before it."""
    environ, start = environ_of("bytes=-1024"), Server().start_response
    calls: dict[str, Call] = {name: partial(consume_apart, app, environ, start) for name, app in SKIPPERS.items()}
    return {"bare": bare_loop, **calls}


def hostile_fields() -> dict[str, str]:
    """Return Range headers of 1 MB, by kind, that are meant to be expensive to parse."""
    ranges = ",".join(f"{pos}-{pos}" for pos in range(0, 200_000, 2))
    garbage = "".join(random.Random(1).choices(string.printable[:95], k=HOSTILE_SIZE))
    texts = {
        "ranges": ranges, "digits": "1" * HOSTILE_SIZE, "first-digits": "0-" + "9" * HOSTILE_SIZE,
        "commas": "," * HOSTILE_SIZE, "hyphens": "-" * HOSTILE_SIZE, "blanks": " " * HOSTILE_SIZE, "garbage": garbage,
    }
    fields = {kind: f"bytes={text}"[:HOSTILE_SIZE] for kind, text in texts.items()}
    return fields | {"no-unit": garbage.replace("=", "-"), "unit": garbage.replace("=", "x")[:-8] + "=0-0"}


def hostile_calls() -> dict[str, Call]:
    """Return one request through the middleware for each hostile header."""
    app, start = RangeMiddleware(list_app), Server().start_response
    return {kind: partial(consume_apart, app, environ_of(field), start) for kind, field in hostile_fields().items()}
