"""In-process calls: small apps, wrappers around them and server-like requests, to measure the cost of a middleware."""

from __future__ import annotations

import io
import random
import string
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from static_ranges import Ranges
from webob import Request as WebObRequest
from webob import Response as WebObResponse
from werkzeug.wrappers import Response as WerkzeugResponse

from benchmarks.environs import Environ, environ_of
from rangeware import RangeMiddleware

App = Callable[[Environ, Any], Iterable[bytes]]
Call = Callable[[], object]

BLOCK = bytes(65536)
SKIPPED = 2 << 30  # bytes in the generator; the last KiB is requested
BLOCKS = SKIPPED // len(BLOCK)
FILE_SIZE = 1 << 20  # bytes in the file of the "file" calls
HOSTILE_SIZE = 1_000_000  # characters in a hostile header

_JSON = b'[{"id": 1, "name": "one"}, {"id": 2, "name": "two"}]'
_ETAG = ("ETag", '"5f3c1a-100000"')
_LAST_MODIFIED = ("Last-Modified", "Sat, 04 Jul 2020 09:15:00 GMT")


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


def json_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with a list of one item, as most apps do."""
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(_JSON)))])
    return [_JSON]


def list_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with 10 KiB from memory and an ETag."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10240"), _ETAG])
    return [BLOCK[:10240]]


def file_app(file: io.BufferedReader, *validators: tuple[str, str]) -> App:
    """Create an app that passes this file to ``wsgi.file_wrapper``, with these validators."""
    def app(environ: Environ, start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [
            ("Content-Type", "application/octet-stream"), ("Content-Length", str(FILE_SIZE)), *validators])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    return app


def generator_app(environ: Environ, start_response: Any) -> Iterable[bytes]:
    """Respond with a generator that repeats one block."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(SKIPPED)), _ETAG])
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
    """Return the calls by measure and wrapper; each is compared with ``bare``.

    The file is passed to every call, and never read or closed.
    """
    bare, dated = file_app(file, _ETAG), file_app(file, _ETAG, _LAST_MODIFIED)
    start = Server().start_response
    plain, ranged = environ_of(), environ_of("bytes=100-199")
    return {
        "json": {name: partial(consume, around(json_app), plain, start) for name, around in AROUND.items()},
        "file": {name: partial(around(bare), plain, start) for name, around in AROUND.items()},
        "file-dated": {name: partial(around(dated), plain, start) for name, around in AROUND.items()},
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
    half, each = HOSTILE_SIZE // 2, HOSTILE_SIZE // 256 - 8
    ranges = ",".join(f"{pos}-{pos}" for pos in range(0, 200_000, 2))
    garbage = "".join(random.Random(1).choices(string.printable[:95], k=HOSTILE_SIZE))
    texts = {
        "ranges": ranges, "digits": "1" * HOSTILE_SIZE, "first-digits": "0-" + "9" * HOSTILE_SIZE,
        "commas": "," * HOSTILE_SIZE, "hyphens": "-" * HOSTILE_SIZE, "blanks": " " * HOSTILE_SIZE, "garbage": garbage,
        "both-digits": "9" * (half - 8) + "-" + "9" * half, "first-zeros": "0" * (HOSTILE_SIZE - 8) + "5-",
        "last-zeros": "0-" + "0" * HOSTILE_SIZE, "blanks-before": "\t " * (half - 8) + "0-1",
        "blanks-after": "0-1" + "\t " * half, "blanks-between": "0-1," + " " * (HOSTILE_SIZE - 20) + ",2-3",
        "256-first-digits": ",".join(["9" * each + "-"] * 256), "256-last-digits": ",".join(["0-" + "9" * each] * 256),
        "256-both-digits": ",".join(["9" * (each // 2) + "-" + "9" * (each // 2)] * 256),
        "256-zeros": ",".join(["0" * each + "-"] * 256), "256-blanks": ",".join([" \t" * (each // 2) + "0-1"] * 256),
    }
    fields = {kind: f"bytes={text}"[:HOSTILE_SIZE] for kind, text in texts.items()}
    blank = " " * (HOSTILE_SIZE - 9) + "bytes=0-1"
    unit = garbage.replace("=", "x")[:-8] + "=0-0"
    return fields | {"no-unit": garbage.replace("=", "-"), "unit": unit, "blanks-before-unit": blank}


def hostile_calls() -> dict[str, Call]:
    """Return one request through the middleware for each hostile header."""
    app, start = RangeMiddleware(list_app), Server().start_response
    return {kind: partial(consume_apart, app, environ_of(field), start) for kind, field in hostile_fields().items()}
