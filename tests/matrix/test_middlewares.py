"""Apps inside other WSGI middlewares, and other middlewares outside of us: bytes, closing and descriptors."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest
from werkzeug.middleware.shared_data import SharedDataMiddleware
from whitenoise import WhiteNoise

from rangeware import RangeMiddleware
from tests.matrix.frameworks.content import representation
from tests.matrix.frameworks.middlewares import MIDDLEWARES, App, Filter, not_found, stacked
from tests.matrix.launch import Running, serving
from tests.matrix.wire import Connection
from tests.support import CONTENT, Answer, Counted, cut, environ_for, parts, run

pytestmark = pytest.mark.matrix


# --- the app inside of it all, in four ways --------------------------------------------------------------------------

class _Items(list[bytes]):
    """A list with ``close()``."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class Inner:
    """Answers with CONTENT in one way, and counts how often each body is closed."""

    def __init__(self, way: str, path: Path) -> None:
        self._way = way
        self._path = path
        self._bodies: list[Any] = []

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000"), ("ETag", '"v1"')])
        if self._way in ("file", "raw"):
            file = self._opened()
            return environ["wsgi.file_wrapper"](file) if self._way == "file" else file  # type: ignore[no-any-return]
        chunks = cut(CONTENT, 64)
        self._bodies.append(_Items(chunks) if self._way == "list" else Counted(chunks))
        return self._bodies[-1]  # type: ignore[no-any-return]

    def _opened(self) -> Any:
        count, file = Counted(()), open(self._path, "rb")
        real_close = file.close

        def close() -> None:
            count.close()
            real_close()
        file.close = close  # type: ignore[method-assign]
        self._bodies.append(count)
        return file

    @property
    def closed(self) -> list[int]:
        """For each body given, how often it was closed."""
        return [body.closed for body in self._bodies]


WAYS = ["file", "raw", "generator", "list"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of CONTENT that is years old."""
    file = tmp_path / "file.bin"
    file.write_bytes(CONTENT)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


middlewares = pytest.mark.parametrize("middleware", MIDDLEWARES.values(), ids=MIDDLEWARES)
places = pytest.mark.parametrize("inside", [True, False], ids=["inside", "outside"])
ways = pytest.mark.parametrize("way", WAYS)

# --- in process ------------------------------------------------------------------------------------------------------

WHOLE = [CONTENT]
REQUESTS = [  # method, fields                                              status, contents
    pytest.param("GET", {}, 200, WHOLE, id="whole"),
    pytest.param("GET", {"range": "bytes=0-9"}, 206, [CONTENT[:10]], id="first bytes"),
    pytest.param("GET", {"range": "bytes=100-899"}, 206, [CONTENT[100:900]], id="middle"),
    pytest.param("GET", {"range": "bytes=-10"}, 206, [CONTENT[-10:]], id="suffix"),
    pytest.param("GET", {"range": "bytes=10-19,-5"}, 206, [CONTENT[10:20], CONTENT[-5:]], id="two ranges"),
    pytest.param("GET", {"range": "bytes=1000-"}, 416, [], id="beyond the end"),
    pytest.param("GET", {"range": "bytes=9-2"}, 200, WHOLE, id="to ignore"),
    pytest.param("GET", {"range": "bytes=5-", "if_range": '"v1"'}, 206, [CONTENT[5:]], id="If-Range hit"),
    pytest.param("GET", {"range": "bytes=5-", "if_range": '"v0"'}, 200, WHOLE, id="If-Range miss"),
    pytest.param("GET", {"if_none_match": '"v1"'}, 304, [], id="If-None-Match"),
    pytest.param("HEAD", {}, 200, [], id="HEAD"),
    pytest.param("HEAD", {"range": "bytes=0-9"}, 200, [], id="HEAD with Range"),
]
PROXY = {"x_forwarded_for": "192.0.2.1", "x_forwarded_proto": "https", "x_forwarded_host": "films.example",
         "x_forwarded_prefix": "/films"}


def ask(app: App, path: str = "/mounted/film", method: str = "GET", **fields: str) -> Answer:
    """One request that came through a proxy, with the ``wsgi.file_wrapper`` that most servers offer."""
    environ = environ_for(method, path, **PROXY, **fields)
    environ["wsgi.file_wrapper"] = FileWrapper
    return run(app, environ)


def contents(answer: Answer) -> list[bytes]:
    """The parts of the representation that were sent."""
    if str(answer.get("Content-Type")).startswith("multipart/byteranges"):
        return [part.content for part in parts(answer)]
    return [answer.body] if answer.status in (200, 206) and answer.body else []


def never_begins(middleware: Callable[[App], App], inside: bool, method: str, status: int) -> bool:
    """True if the body is a generator that is closed unread: Python then runs nothing of it, not even its ``finally``.
    A file that it holds is closed when Python collects it, and so is none of these tests' business."""
    return middleware is MIDDLEWARES["to_generator"] and inside and (method == "HEAD" or status in (304, 416))


@middlewares
@places
@ways
@pytest.mark.parametrize(("method", "fields", "status", "expected"), REQUESTS)
def test_right_bytes(middleware: Callable[[App], App], inside: bool, way: str, path: Path, method: str,
                     fields: dict[str, str], status: int, expected: list[bytes]) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    inner = Inner("list" if never_begins(middleware, inside, method, status) else way, path)
    answer = ask(stacked(middleware, inside, inner), method=method, **fields)
    assert (answer.status, contents(answer)) == (status, expected)
    assert len(os.listdir("/proc/self/fd")) == descriptors
    if method == "HEAD":
        assert (answer.body, answer.get("Content-Length")) == (b"", "1000")
    if status == 416:
        assert answer.get("Content-Range") == "bytes */1000"
    if status in (206, 416):
        assert answer.get("Content-Length") == str(len(answer.body))


@middlewares
@places
@ways
@pytest.mark.parametrize(("method", "fields", "status", "expected"), REQUESTS)
def test_closed_exactly_once(middleware: Callable[[App], App], inside: bool, way: str, path: Path, method: str,
                             fields: dict[str, str], status: int, expected: list[bytes]) -> None:
    unread = never_begins(middleware, inside, method, status)
    inner = Inner("list" if unread else way, path)
    ask(stacked(middleware, inside, inner), method=method, **fields)
    assert inner.closed == [0 if unread else 1]


# --- filters that change the bytes, and middlewares that answer for themselves ---------------------------------------

class _Proxy(Filter):
    """A filter that shows all that the app's body can: seek(), tell(), read(), fileno(), filelike ..."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._body, name)


def _inverted(data: bytes) -> bytes:
    return bytes(255 - octet for octet in data)


@pytest.mark.parametrize("kind", [Filter, _Proxy])
@ways
def test_a_filter_that_changes_the_bytes_is_not_bypassed(kind: type[Filter], way: str, path: Path) -> None:
    inner = Inner(way, path)
    app = RangeMiddleware(lambda environ, start_response: kind(inner(environ, start_response), _inverted))
    answer = ask(app, range="bytes=100-109,-5")
    assert contents(answer) == [_inverted(CONTENT[100:110]), _inverted(CONTENT[-5:])]
    assert inner.closed == [1]


class _Inverting(io.FileIO):
    """A file that gives other bytes when it is iterated than when it is read."""

    def __next__(self) -> bytes:
        if block := self.read(100):
            return _inverted(block)
        raise StopIteration


def test_what_merely_passes_on_is_iterated_not_read(path: Path) -> None:
    """Sentry's wrapper gives the chunks of what it holds: a file in it counts only where both ways give the same."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1000")])
        return _Inverting(path)
    answer = ask(RangeMiddleware(MIDDLEWARES["Sentry"](app)), range="bytes=100-109,-5")
    assert contents(answer) == [_inverted(CONTENT[100:110]), _inverted(CONTENT[-5:])]


@pytest.mark.parametrize("middleware", [
    lambda app, root: SharedDataMiddleware(app, {"/static": str(root)}),
    lambda app, root: WhiteNoise(app, root=root, prefix="static")], ids=["SharedDataMiddleware", "WhiteNoise"])
@places
def test_a_file_that_the_middleware_serves_itself(middleware: Any, inside: bool, path: Path) -> None:
    app = stacked(lambda app: middleware(app, path.parent), inside, not_found)
    whole = ask(app, "/static/file.bin")
    assert (whole.status, whole.body) == (200, CONTENT)
    fields = {"range": "bytes=10-19,-5", "if_range": str(whole.get("ETag"))}
    answer = ask(app, "/static/file.bin", **fields)
    assert contents(answer) == ([CONTENT[10:20], CONTENT[-5:]] if inside else [CONTENT])  # outside they do not know how


@places
def test_what_a_proxy_says_reaches_the_app(inside: bool) -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [CONTENT]
    assert ask(stacked(MIDDLEWARES["ProxyFix"], inside, app), range="bytes=0-9").body == CONTENT[:10]
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "rangeware.range")
    assert [seen[0].get(name) for name in names] == ["192.0.2.1", "https", "films.example", "/films", "bytes=0-9"]


@places
def test_what_fails_in_the_app_reaches_both(inside: bool) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        raise ZeroDivisionError
    for middleware in MIDDLEWARES.values():
        with pytest.raises(ZeroDivisionError):
            list(stacked(middleware, inside, app)(environ_for(path="/mounted/film", range="bytes=0-9"), print))


# --- over the wire ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module", params=["gunicorn-gthread", "waitress", "uwsgi-http11"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server with all the stacks, the wrapper of which looks for its own class or object in what it gets."""
    directory = tmp_path_factory.mktemp(request.param)
    with serving(request.param, "tests.matrix.frameworks.middlewares:application", directory,
                 {"RANGEWARE_MATRIX_DIR": str(directory)}) as server:
        yield server


@pytest.mark.parametrize("name", MIDDLEWARES)
@places
@pytest.mark.parametrize("what", ["file", "generator"])
def test_exact_bytes_on_the_wire(running: Running, name: str, inside: bool, what: str) -> None:
    path = f"/{'inside' if inside else 'outside'}/{name}/mounted/{what}"
    whole = representation("bare", what)
    connection = Connection(running.address)
    assert connection.ask(path, Range="bytes=1000-70999").body == whole[1000:71000]
    assert connection.ask(path).body == whole
    two = connection.ask(path, Range="bytes=-10,70000-80000")
    assert sorted(contents(two)) == sorted([whole[-10:], whole[70000:80001]])
    assert connection.ask(path, "HEAD", Range="bytes=0-9").status == 200
    assert connection.ask(path, Range=f"bytes={len(whole)}-").status == 416
    assert connection.ask(path, Range="bytes=9-0").body == whole
    connection.close()
