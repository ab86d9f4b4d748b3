"""Real apps and servers in this process, with rangeware and without: what is wrong with each is known, and is found."""

from __future__ import annotations

import os
import time
from http.server import SimpleHTTPRequestHandler

import bottle
import flask
import pytest
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, StreamingResponse
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from rangeware.check import check
from tests.check import servers, site

NAME = "film.mp4"
CONTENT = site.CONTENT


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    path = tmp_path_factory.mktemp("site") / NAME
    path.write_bytes(CONTENT)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    return path


def flask_app(view):
    app = flask.Flask("films")
    app.add_url_rule(f"/{NAME}", view_func=view)
    return app


def flask_file(film):
    return flask_app(lambda: flask.send_file(film))


def generated(**fields):
    def view():
        pieces = (CONTENT[first:first + 5000] for first in range(0, len(CONTENT), 5000))
        return flask.Response(pieces, mimetype="video/mp4", headers=fields)

    return flask_app(view)


def with_length(film):
    return generated(**{"Content-Length": str(len(CONTENT))})


def tagged(film):
    return generated(**{"Content-Length": str(len(CONTENT)), "ETag": '"v1"'})


def declining(film):
    return generated(**{"Content-Length": str(len(CONTENT)), "Accept-Ranges": "none"})


def bottle_app(film):
    app = bottle.Bottle()
    app.route(f"/{NAME}")(lambda: bottle.static_file(NAME, root=str(film.parent)))
    return app


def starlette_app(film):
    async def view(request):
        return FileResponse(film)

    return Starlette(routes=[Route(f"/{NAME}", view)])


def streaming(film):
    async def view(request):
        return StreamingResponse(iter([CONTENT]), media_type="text/plain")

    app = Starlette(routes=[Route(f"/{NAME}", view)])
    app.add_middleware(GZipMiddleware)
    return app


def faults(url, **options):
    report = check(f"{url}/{NAME}", **options)
    return report, {finding.name: finding.status for finding in report.findings if finding.status != "good"}


NO_RANGES = {"accept_ranges": "limited", "first_two": "broken", "from_start": "broken", "one_range": "broken"}
NO_TAG = {"validators": "limited"}
SEVERAL = {"several": "limited", "many": "limited"}
WITHOUT = [
    pytest.param(flask_file, SEVERAL, "limited", id="Flask send_file: 416 to several ranges"),
    pytest.param(with_length, NO_RANGES | NO_TAG, "broken", id="Flask, generator: no ranges"),
    pytest.param(bottle_app, {"several": "limited", "many": "limited", "unsatisfiable": "limited",
    "validators": "limited",
                              "if_range_changed": "broken"}, "broken", id="Bottle: If-Range is overlooked"),
]
WITH = [
    pytest.param(flask_file, {}, "good", id="Flask send_file"),
    pytest.param(with_length, NO_TAG, "limited", id="Flask, generator: nobody can make an ETag of it"),
    pytest.param(tagged, {}, "good", id="Flask, generator with an ETag"),
    pytest.param(bottle_app, NO_TAG, "limited", id="Bottle: its ETag has no quotes"),
    pytest.param(lambda film: generated(), NO_RANGES | NO_TAG | {"length": "limited"}, "broken", id="no length"),
    pytest.param(declining, NO_RANGES | NO_TAG, "broken", id="Accept-Ranges: none"),
]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Bottle leaves files open
@pytest.mark.parametrize(("make", "expected", "verdict"), WITHOUT)
def test_without_rangeware(film, make, expected, verdict):
    with servers.wsgi(make(film)) as url:
        report, found = faults(url)
    assert (found, report.verdict) == (expected, verdict)


@pytest.mark.parametrize(("make", "expected", "verdict"), WITH)
def test_with_rangeware(film, make, expected, verdict):
    with servers.wsgi(RangeMiddleware(make(film))) as url:
        report, found = faults(url)
    assert (found, report.verdict) == (expected, verdict)


@pytest.mark.parametrize(("make", "reason"), [
    (lambda film: generated(), "UNKNOWN_LENGTH"), (declining, "ACCEPT_RANGES_NONE"),
    (lambda film: generated(**{"Content-Length": str(len(CONTENT)), "Content-Encoding": "gzip"}), "CONTENT_CODING"),
])
def test_the_reason_is_that_which_the_middleware_gives(film, make, reason):
    reasons = set()
    app = RangeMiddleware(make(film), on_plan=lambda environ, plan: reasons.add(plan.reason.name))
    with servers.wsgi(app) as url:
        advice = check(f"{url}/{NAME}").advice
    assert f"the reason is {reason}: " in advice[0]
    assert reason in reasons


def test_http_server(film):
    class Handler(SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(film.parent))

        def log_message(self, *_):
            pass

    with servers.handler(Handler) as url:
        report, found = faults(url)
    assert (found, report.verdict) == (NO_RANGES, "broken")


def test_starlette(film):
    with servers.asgi(starlette_app(film)) as url:
        report, found = faults(url)
    assert (found, report.verdict) == ({"zsync": "limited", "revalidated": "limited"}, "limited")
    with servers.asgi(AsgiRangeMiddleware(starlette_app(film))) as url:
        report, found = faults(url)
    assert (found, report.verdict) == ({}, "good")


def test_starlette_that_streams_and_compresses(film):
    with servers.asgi(AsgiRangeMiddleware(streaming(film))) as url:
        report, found = faults(url)
    assert found == NO_RANGES | NO_TAG | {"length": "limited", "coding": "limited"}
    assert "UNKNOWN_LENGTH" in report.advice[0]


def test_a_late_offset_of_what_must_be_made_first_is_slow(film):
    """A generator that takes its time: what is late in it is late on the wire."""
    def view():
        def pieces():
            yield CONTENT[:150_000]
            time.sleep(0.5)
            yield CONTENT[150_000:]

        return flask.Response(pieces(), headers={"Content-Length": str(len(CONTENT)), "ETag": '"v1"'})

    with servers.wsgi(RangeMiddleware(flask_app(view))) as url:
        report, found = faults(url)
    assert found == {"late": "limited"}
