"""What a shared cache may do with each response: RFC 9110 15.3.7 and 15.4.5, RFC 9111 3, and real caches to show it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from tests import asgi_support, support
from tests.front import caches
from tests.front.caches import Origin, ask
from tests.matrix.checks import equal, same_bytes
from tests.matrix.wire import Address

pytestmark = pytest.mark.matrix

# --- the fields, in process ---

CONTENT = support.CONTENT
ETAG, DATE = '"v1"', "Tue, 14 Nov 2023 22:13:20 GMT"
LIFETIME = {"Cache-Control": "public, max-age=60", "Expires": "Tue, 14 Nov 2051 22:13:20 GMT",
            "CDN-Cache-Control": "max-age=600", "Surrogate-Control": "max-age=6000"}
VALIDATORS = {"ETag": ETAG, "Last-Modified": DATE}
FOR_EVERY_STATUS = {"Vary": "Accept-Language, Origin", "Set-Cookie": "user=1", "Access-Control-Allow-Origin": "*"}
OF_THE_WHOLE = {"Content-Location": "/film.en", "Content-Language": "en"}
FIELDS = LIFETIME | VALIDATORS | FOR_EVERY_STATUS | OF_THE_WHOLE

RESPONSES = [  # status, fields of the request
    pytest.param(206, {"range": "bytes=0-9"}, id="206"),
    pytest.param(206, {"range": "bytes=0-9,50-59"}, id="206 of several"),
    pytest.param(304, {"if_none_match": ETAG}, id="304"),
    pytest.param(304, {"if_none_match": ETAG, "range": "bytes=0-9"}, id="304 to a range"),
    pytest.param(304, {"if_modified_since": DATE}, id="304 by the date"),
    pytest.param(412, {"if_match": '"v2"'}, id="412"),
    pytest.param(412, {"if_unmodified_since": "Mon, 14 Nov 2022 22:13:20 GMT", "range": "bytes=0-9"}, id="412 date"),
    pytest.param(416, {"range": "bytes=1000-"}, id="416"),
]
KEPT = {
    200: FIELDS,
    206: FIELDS,  # RFC 9110 15.3.7: those of the 200
    304: LIFETIME | FOR_EVERY_STATUS | {"ETag": ETAG, "Content-Location": "/film.en"},  # RFC 9110 15.4.5
    412: FOR_EVERY_STATUS,  # RFC 9111 3: not to be stored, as nothing says for how long
    416: FOR_EVERY_STATUS,
}


async def _asgi_app(scope, receive, send):
    fields = [(name.lower().encode(), value.encode()) for name, value in FIELDS.items()]
    fields.append((b"content-length", str(len(CONTENT)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": CONTENT})


def through(protocol: str, **fields: str) -> support.Answer:
    if protocol == "wsgi":
        return support.get(RangeMiddleware(support.answering([CONTENT], *FIELDS.items())), **fields)
    return asgi_support.ask(AsgiRangeMiddleware(_asgi_app), **fields)


@pytest.mark.parametrize("protocol", ["wsgi", "asgi"])
@pytest.mark.parametrize(("status", "fields"), [pytest.param(200, {}, id="200"), *RESPONSES])
def test_a_response_has_the_fields_that_its_status_calls_for(protocol, status, fields):
    answer = through(protocol, **fields)
    equal("the status", answer.status, status)
    assert {name: answer.get(name) for name in FIELDS if answer.get(name) is not None} == KEPT[status]


# --- nothing is stored wrongly ---

FILM, DUBBED = Random(6).randbytes(3 << 20), Random(7).randbytes(3 << 20)
FOR_LONG = "?cache=max-age=86400"
LATE, EARLY = "Tue, 14 Nov 2051 22:13:20 GMT", "Tue, 14 Nov 2000 22:13:20 GMT"

# Fields of the request, status by RFC 9110. It may be 200 as well: a cache need not know ranges, nor If-Match, and may
# have nothing yet to compare a condition with. nginx says 416 to a malformed Range, which RFC 9110 14.2 has us ignore.
FIRST_REQUESTS = [
    pytest.param({"Range": f"bytes={len(FILM)}-"}, 416, id="416"),
    pytest.param({"Range": f"bytes={len(FILM) + (9 << 20)}-"}, 416, id="416 far behind the end"),
    pytest.param({"If_Match": '"other"'}, 412, id="412"),
    pytest.param({"If_Unmodified_Since": EARLY}, 412, id="412 by the date"),
    pytest.param({"If_None_Match": "*"}, 304, id="304"),
    pytest.param({"If_Modified_Since": LATE}, 304, id="304 by the date"),
    pytest.param({"Range": "bytes=5-99"}, 206, id="206"),
    pytest.param({"Range": "bytes=5-99", "If_Range": '"other"'}, 200, id="200 by If-Range"),
    pytest.param({"Range": "bytes=0-9,50-59"}, 206, id="206 of several"),
    pytest.param({"Range": "bytes=x"}, 416, id="malformed"),
]

class Setup(NamedTuple):
    """An origin, and a cache before it."""

    origin: Origin
    cache: Address


@pytest.fixture(scope="module", params=caches.CACHES)
def setup(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setup]:
    directory = tmp_path_factory.mktemp("rules")
    with caches.origin("gunicorn-gthread-2", directory) as origin, \
            caches.CACHES[request.param](origin, directory) as address:
        yield Setup(origin, address)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test has: what a cache keeps is never of another test."""
    return re.sub(r"\W+", "-", request.node.name)


def gives_the_whole_and_its_ranges(address: Address, path: str, content: bytes, **fields: str) -> None:
    whole = ask(address, path, **fields)
    equal("the status", whole.status, 200)
    same_bytes(whole.body, content)
    part = ask(address, path, Range="bytes=1048570-1048589", **fields)
    equal("the status", part.status, 206)
    same_bytes(part.body, content[1048570:1048590])
    equal("ETag of the part", part.get("ETag"), whole.get("ETag"))


@pytest.mark.parametrize(("fields", "status"), FIRST_REQUESTS)
def test_who_asks_first_spoils_nothing_for_the_next(setup, name, fields, status):
    setup.origin.write(name, FILM)
    path = f"/media/{name}" + FOR_LONG
    assert caches.status_of(setup.cache, path, **fields) in (status, 200)
    gives_the_whole_and_its_ranges(setup.cache, path, FILM)
    assert ask(setup.cache, path, If_None_Match=ask(setup.cache, path, "HEAD").get("ETag")).status == 304


@pytest.mark.parametrize("setup", ["slices", "ranges"], indirect=True)  # Varnish makes it of the whole that it keeps
def test_a_416_is_not_kept(setup, name):
    """The file grows, and what the client had asked for is there: the lifetime was that of the file."""
    short = FILM[:2 << 20]
    setup.origin.write(name, short)
    path, asked = f"/media/{name}" + FOR_LONG, f"bytes={len(short)}-{len(FILM) - 1}"
    refusal = ask(setup.cache, path, Range=asked)
    assert (refusal.status, refusal.get("Content-Range")) == (416, f"bytes */{len(short)}")
    setup.origin.write(name, FILM)
    answer = ask(setup.cache, path, Range=asked)
    equal("the status", answer.status, 206)
    same_bytes(answer.body, FILM[len(short):])


def test_a_416_in_one_language_spoils_nothing_for_another(setup, name):
    setup.origin.write(f"{name}.de", DUBBED[:100])
    setup.origin.write(f"{name}.en", FILM)
    path = f"/media/language/{name}" + FOR_LONG
    refusal = ask(setup.cache, path, Accept_Language="de", Range="bytes=100-")
    assert (refusal.status, refusal.get("Content-Range")) == (416, "bytes */100")
    gives_the_whole_and_its_ranges(setup.cache, path, FILM, Accept_Language="en")


@pytest.mark.parametrize("first", ["GET", "HEAD"])
def test_the_cache_adds_nothing_to_what_the_origin_says(setup, name, first):
    setup.origin.write(name, FILM)
    path = f"/media/{name}" + FOR_LONG
    ask(setup.cache, path, first)
    expected, answer = ask(setup.origin.address, path), ask(setup.cache, path)
    for field in ("ETag", "Last-Modified", "Cache-Control", "Content-Type", "Content-Length", "Accept-Ranges"):
        equal(field, answer.get(field), expected.get(field))


def test_a_changed_file_is_noticed_though_the_app_does_not_say_how_long_it_may_be_kept(setup, name):
    path = f"/media/{name}"
    setup.origin.write(name, FILM)
    same_bytes(ask(setup.cache, path).body, FILM)
    setup.origin.write(name, DUBBED, age=caches.LONG_AGO - 1)

    def new_file_came():
        content, is_complete = caches.what_came(setup.cache, path)
        assert FILM.startswith(content) or DUBBED.startswith(content), "two versions are mixed"
        return is_complete and content == DUBBED
    caches.wait_until(new_file_came, "the new file comes whole", within=30)


def test_a_404_does_not_last(setup, name):
    assert ask(setup.cache, f"/media/{name}").status == 404
    setup.origin.write(name, FILM)

    def is_found():
        return ask(setup.cache, f"/media/{name}").status == 200
    caches.wait_until(is_found, "the file is found", within=20)
