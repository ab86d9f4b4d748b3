"""The twin as the README shows it, in Starlette and in Django; the other frameworks are in the matrix."""

from __future__ import annotations

import os
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import django.conf
import django.http
import pytest
from django.core.asgi import get_asgi_application
from django.test import override_settings
from django.urls import path as route
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response, StreamingResponse
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware
from tests.asgi_support import App
from tests.oracle import Expected, check
from tests.support import CONTENT, Answer, cut

with warnings.catch_warnings():  # newer ones of Starlette want another client than httpx
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

TYPE = "application/octet-stream"
HEADERS = {"Content-Length": str(len(CONTENT)), "ETag": '"v1"'}
WAYS = ("file", "stream")
ONE, TWO = ((10, 19),), ((10, 19), (500, 509))
QUESTIONS = [
    pytest.param({}, Expected(200), id="all"),
    pytest.param({"Range": "bytes=10-19"}, Expected(206, ONE), id="one range"),
    pytest.param({"Range": "bytes=10-19,500-509"}, Expected(206, TWO), id="two ranges"),
    pytest.param({"Range": "bytes=10-19", "If-Range": '"other"'}, Expected(200), id="If-Range with another tag"),
    pytest.param({"Range": "bytes=10-19", "If-Range": "{etag}"}, Expected(206, ONE), id="If-Range with the tag"),
    pytest.param({"Range": "bytes=10-19,5000-"}, Expected(206, ONE), id="one of two is satisfiable"),
    pytest.param({"Range": "bytes=5000-"}, Expected(416), id="unsatisfiable"),
    pytest.param({"Range": "bytes = 0-9"}, Expected(200), id="malformed"),
    pytest.param({"Range": ",".join(["bytes=0-0", *["2-2"] * 50])}, Expected(200), id="more than max_ranges=50"),
    pytest.param({"If-None-Match": "{etag}"}, Expected(304), id="not modified"),
]
ways = pytest.mark.parametrize("way", WAYS)
questions = pytest.mark.parametrize(("headers", "right"), QUESTIONS)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of CONTENT that is years old."""
    made = tmp_path / "file.bin"
    made.write_bytes(CONTENT)
    os.utime(made, (1_700_000_000, 1_700_000_000))
    return made


def ask_twice(app: App, way: str, headers: dict[str, str]) -> Answer:
    """An answer of the app, whose lifespan is run, to these fields; ``{etag}`` is the tag of the answer before it.

    A file that the app reads by itself on a plain request has no tag then; that of a part is asked for.
    """
    with TestClient(app) as client:
        etag = client.get(f"/{way}", headers={"Range": "bytes=0-0"}).headers.get("etag", '"none"')
        meant = {name: value.replace("{etag}", etag) for name, value in headers.items()}
        response = client.get(f"/{way}", headers={"Accept-Encoding": "identity", **meant})
    return Answer(response.status_code, list(response.headers.multi_items()), response.content, {})


def judge(app: App, way: str, headers: dict[str, str], right: Expected) -> None:
    """One question to the app, and the one right answer."""
    check(ask_twice(app, way, headers), right, CONTENT, (way, headers))


# --- Starlette -------------------------------------------------------------------------------------------------------

async def chunks() -> AsyncIterator[bytes]:
    """The content, one piece after the other."""
    for chunk in cut(CONTENT, 64):
        yield chunk


def starlette_app(file: Path) -> Starlette:
    """An app without the twin."""
    async def send_file(request: Request) -> Response:
        return FileResponse(file, media_type=TYPE)

    async def send_stream(request: Request) -> Response:
        return StreamingResponse(chunks(), media_type=TYPE, headers=HEADERS)
    return Starlette(routes=[Route("/file", send_file), Route("/stream", send_stream)])


def added(file: Path) -> App:
    """``add_middleware``, as the README has it."""
    app = starlette_app(file)
    app.add_middleware(AsgiRangeMiddleware, max_ranges=50)
    return app


def around(file: Path) -> App:
    """The twin outermost."""
    return AsgiRangeMiddleware(starlette_app(file), max_ranges=50)


@pytest.mark.each
@pytest.mark.parametrize("make", [added, around])
@ways
@questions
def test_starlette(make: Callable[[Path], App], way: str, headers: dict[str, str], right: Expected, file: Path) -> None:
    judge(make(file), way, headers, right)


# --- Django ----------------------------------------------------------------------------------------------------------

SERVED: list[Path] = []


def django_file(request: Any) -> Any:
    """Reads in a thread, and has no validators."""
    response = django.http.FileResponse(SERVED[-1].open("rb"), content_type=TYPE)
    response["ETag"] = '"v1"'
    return response


async def django_stream(request: Any) -> Any:
    return django.http.StreamingHttpResponse(chunks(), content_type=TYPE, headers=HEADERS)


def django_steps(request: Any) -> Any:
    """A sync view with a sync iterator, which Django reads to its end first."""
    def steps() -> Iterator[bytes]:
        yield from cut(CONTENT, 64)
    return django.http.StreamingHttpResponse(steps(), content_type=TYPE, headers=HEADERS)


urlpatterns = [route("file", django_file), route("stream", django_stream), route("steps", django_steps)]


def django_app(file: Path) -> App:
    """The contents of ``asgi.py``."""
    SERVED.append(file)
    return AsgiRangeMiddleware(get_asgi_application(), max_ranges=50)


class OfHttp:
    """Without lifespan, which Django does not know and says so by raising."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Passes on what is http."""
        if scope["type"] == "http":
            await self._app(scope, receive, send)
        else:
            for kind in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{kind}"
                await send({"type": f"lifespan.{kind}.complete"})


@pytest.mark.each
@pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume synchronous iterators:Warning")
@pytest.mark.parametrize("way", [*WAYS, "steps"])
@questions
def test_django(way: str, headers: dict[str, str], right: Expected, file: Path) -> None:
    if not django.conf.settings.configured:
        django.conf.settings.configure()
    with override_settings(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], MIDDLEWARE=[]):
        judge(OfHttp(django_app(file)), way, headers, right)
