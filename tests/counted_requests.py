"""A fixed set of requests, the small apps that they go to, and the server's side of them: what the work is counted of.

Nothing but the standard library is needed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import wsgiref.util
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from rangeware import RangeMiddleware
from tests import support
from tests.support import environ_for

KIB, MIB = 1 << 10, 1 << 20
FILE_LENGTH = 65 * MIB
BLOCK = bytes(64 * KIB)
SHORT_BLOCK = bytes(63 * KIB)
ETAG = '"v1"'
VALIDATORS = (("ETag", ETAG), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT"))
MANY_FIELDS = [(f"X-Field-{i}", "value") for i in range(50)]

DRIVERS = (__file__, support.__file__)
"""The files whose functions are the app and the server."""

App = Callable[..., Any]


class Request(NamedTuple):
    """One request, in variants that cost the same.

    :param app: with the middleware around it.
    :param fields: the request's fields, of the number of the variant (0 to 9).
    :param extra: what the server adds to ``environ``.
    """

    app: App
    fields: Callable[[int], dict[str, str]]
    method: str = "GET"
    extra: tuple[tuple[str, Any], ...] = ()


class Handed(wsgiref.util.FileWrapper):
    """A wrapper of which a server takes the descriptor, as gunicorn does with its own."""


Handed.__module__, Handed.__qualname__ = "gunicorn.http.wsgi", "FileWrapper"


def serve(request: Request, turn: int) -> None:
    """One request as a server does it: asks, takes all of the content, closes."""
    environ = environ_for(request.method, **request.fields(turn))
    environ.update({"wsgi.file_wrapper": wsgiref.util.FileWrapper, **dict(request.extra)})
    body: Any = request.app(environ, _start_response)
    if type(body) is Handed:
        body.filelike.fileno()
    elif type(body) is not wsgiref.util.FileWrapper:
        for _block in body:
            pass
    if hasattr(body, "close"):
        body.close()


def _start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
    return _write


def _write(data: bytes) -> None:
    raise AssertionError("nothing is written")


# --- apps ---

def _json(*fields: tuple[str, str]) -> App:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", "15"), *fields])
        return [b'{"answer": 42}\n']
    return app


def _list(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "10240"), ("ETag", ETAG)])
    return [b"x" * 10240]


def _file(path: str, *fields: tuple[str, str]) -> App:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        file = open(path, "rb")  # noqa: SIM115 - the wrapper closes it
        start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", str(FILE_LENGTH)), *fields])
        wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
        return wrapped
    return app


def _generator(blocks: list[bytes]) -> App:
    length = str(sum(map(len, blocks)))

    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "video/mp4"), ("Content-Length", length), ("ETag", ETAG)])
        return (block for block in blocks)
    return app


# --- requests ---

def nothing(turn: int) -> dict[str, str]:
    """No Range."""
    return {}


def ranges(number: int, length: int, step: int = 0) -> Callable[[int], dict[str, str]]:
    """So many ranges of so many bytes, each ``step`` bytes after the last one."""
    def fields(turn: int) -> dict[str, str]:
        firsts = [100_000 + turn + step * i for i in range(number)]
        return {"range": "bytes=" + ",".join(f"{first}-{first + length - 1}" for first in firsts)}
    return fields


def always(**fields: str) -> Callable[[int], dict[str, str]]:
    """Make a function that gives these fields to each variant."""
    return lambda turn: fields


def _of_a_list(turn: int) -> dict[str, str]:
    return {"range": f"bytes={100 + turn}-{199 + turn}"}


def _last(turn: int) -> dict[str, str]:
    return {"range": f"bytes=-{1020 + turn}"}


def hostile(length: int) -> dict[str, str]:
    """Fields of so many characters, at most, that a client could send to make us work, by what they are."""
    def filled(item: str) -> str:
        return "bytes=" + item * ((length - 6) // len(item))
    return {
        "ranges": filled("0-0,2-2,"), "open ranges": filled("0-,"), "suffixes": filled("-1,"), "digits": filled("7"),
        "zeros": filled("0") + "-", "commas": filled(","), "blanks": filled(" "), "blank members": filled(" ,"),
        "hyphens": filled("-"), "garbage": filled("\xe9x;"), "another unit": "x" * length + "=0-0",
        "digits at the end": "bytes=0-" + "9" * length, "zeros at the end": "bytes=0-" + "0" * length + "5",
        "digits at both ends": f"bytes={'9' * (length // 2)}-{'9' * (length // 2)}",
        "blanks before": "bytes=" + "\t " * (length // 2) + "0-1", "blanks after": "bytes=0-1" + "\t " * (length // 2),
        "blanks before the unit": " " * length + "bytes=0-1",
    }


@contextlib.contextmanager
def prepared() -> Iterator[dict[str, Request]]:
    """The requests by their names, for as long as the file is there that some ask for."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as client:
        path = os.path.join(directory, "file")
        with open(path, "wb") as file:
            file.truncate(FILE_LENGTH)
        os.utime(path, (1_700_000_000, 1_700_000_000))
        yield {**_plain(path, client), **_of_files(path, client), **_of_blocks(), **_hostile()}


def _on_gunicorn(client: socket.socket) -> tuple[tuple[str, Any], ...]:
    return ("wsgi.file_wrapper", Handed), ("gunicorn.socket", client)


def _plain(path: str, client: socket.socket) -> dict[str, Request]:
    text, file = RangeMiddleware(_list), RangeMiddleware(_file(path, *VALIDATORS))
    return {
        "plain JSON": Request(RangeMiddleware(_json()), nothing),
        "plain JSON under 52 header fields": Request(RangeMiddleware(_json(*MANY_FIELDS)), nothing),
        "plain generator": Request(RangeMiddleware(_generator([BLOCK])), nothing),
        "plain file": Request(file, nothing),
        "plain file on gunicorn": Request(file, nothing, extra=_on_gunicorn(client)),
        "plain file without validators": Request(RangeMiddleware(_file(path)), nothing),
        "HEAD of a list": Request(text, nothing, method="HEAD"),
        "HEAD of a file": Request(file, nothing, method="HEAD"),
        "304": Request(file, always(if_none_match=ETAG)),
        "416": Request(file, always(range=f"bytes={FILE_LENGTH}-")),
        "range of a list": Request(text, _of_a_list),
        "If-Range and a range of a list": Request(text, lambda turn: {**_of_a_list(turn), "if_range": ETAG}),
    }


def _of_files(path: str, client: socket.socket) -> dict[str, Request]:
    file = RangeMiddleware(_file(path, *VALIDATORS))
    return {
        "4 KiB of a file": Request(file, ranges(1, 4 * KIB)),
        "4 KiB of a file with ETag only": Request(RangeMiddleware(_file(path, VALIDATORS[0])), ranges(1, 4 * KIB)),
        "4 KiB of a file on gunicorn": Request(file, ranges(1, 4 * KIB), extra=_on_gunicorn(client)),
        "32 MiB of a file on gunicorn": Request(file, ranges(1, 32 * MIB), extra=_on_gunicorn(client)),
        "32 MiB of a file": Request(file, ranges(1, 32 * MIB)),
        "64 MiB of a file": Request(file, ranges(1, 64 * MIB)),
        "10 ranges of a file": Request(file, ranges(10, 4 * KIB, 8 * KIB)),
        "256 ranges of a file": Request(file, ranges(256, 4 * KIB, 8 * KIB)),
        "10 ranges that overlap": Request(file, ranges(10, 2, 1)),
        "256 ranges that overlap": Request(file, ranges(256, 2, 1)),
    }


def _of_blocks() -> dict[str, Request]:
    return {
        f"last 1 KiB of {number:,} {kind}blocks": Request(RangeMiddleware(_generator(blocks * (number // 2))), _last)
        for kind, blocks in (("", [BLOCK, BLOCK]), ("uneven ", [SHORT_BLOCK, BLOCK]))
        for number in (1_000, 2_000)
    }


def _hostile() -> dict[str, Request]:
    many = "bytes=" + ",".join(f"{2 * i}-{2 * i}" for i in range(10_000))
    long = {f"1 MB of {kind}": to_a_list(value) for kind, value in hostile(1_000_000).items()}
    return {"field of 10,000 ranges": to_a_list(many), **long}


def to_a_list(value: str) -> Request:
    """A list, asked for with this Range."""
    return Request(RangeMiddleware(_list), always(range=value))
