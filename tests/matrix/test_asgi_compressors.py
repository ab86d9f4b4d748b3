"""ASGI compressors inside of us: whatever a client accepts, a part is one of what it would get as the whole.

The judge is RFC 9110. A 206 has the validators and the Vary of the 200 to the same request (15.3.7), a strong tag names
one sequence of bytes (8.8.1) and thus one content coding (8.8.3.3), and where nobody asks for a coding there is nothing
in the way of ranges.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import asgi_compression
import asgi_gzip
import brotli
import brotli_asgi
import litestar
import pytest
import starlette_compress
import zstandard
import zstd_asgi
from litestar.config.compression import CompressionConfig
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse

from rangeware import AsgiRangeMiddleware
from tests.asgi_support import PATHSEND, App, Wire, ask, carry, scope_for
from tests.matrix import launch
from tests.matrix.wire import Connection
from tests.support import Answer, cut, parts

pytestmark = pytest.mark.matrix

TEXT = b"".join(b"line %d of a text that can be compressed\n" % number for number in range(12_000))
SMALL = TEXT[:2_000]
DATA = {"text": TEXT[:20_000].decode()}
JSON = bytes(JSONResponse(DATA).body)
DIRECTORY = "RANGEWARE_MATRIX_DIR"


# --- apps ------------------------------------------------------------------------------------------------------------

async def running(chunks: list[bytes]) -> AsyncIterator[bytes]:
    """The chunks, one after the other."""
    for chunk in chunks:
        yield chunk


RESPONSES: dict[str, tuple[Callable[[Path], Response], bytes]] = {
    "file": (lambda files: FileResponse(files / "text.txt"), TEXT),
    "small-file": (lambda files: FileResponse(files / "small.txt"), SMALL),
    "json": (lambda files: JSONResponse(DATA), JSON),
    "page": (lambda files: Response(TEXT, media_type="text/plain", headers={"ETag": '"v1"'}), TEXT),
    "stream": (lambda files: StreamingResponse(
        running(cut(TEXT, 10_000)), media_type="text/plain",
        headers={"Content-Length": str(len(TEXT)), "ETag": '"v1"'}), TEXT),
}
"""Starlette's responses, each with its content: the file of ``FileResponse`` is what we are told the path of."""


def responding(files: Path, name: str) -> App:
    """An app that gives this response to every request."""
    respond, _ = RESPONSES[name]

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await respond(files)(scope, receive, send)
    return app


def in_asgi_compression(app: App) -> App:
    """With all that it has, and without a wish of its own."""
    codings = [asgi_compression.ZstdAlgorithm(), asgi_compression.BrotliAlgorithm(), asgi_compression.GzipAlgorithm()]
    return asgi_compression.CompressionMiddleware(app, algorithms=codings)  # type: ignore[return-value]


def in_litestar(backend: Any) -> Callable[[App], App]:
    """Litestar's own compression, around an app that is mounted in it. It changes the scope, and gets a copy."""
    def around(app: App) -> App:
        @litestar.asgi("/", is_mount=True, copy_scope=False)
        async def mounted(scope: Any, receive: Any, send: Any) -> None:
            await app(scope, receive, send)
        site = litestar.Litestar([mounted], compression_config=CompressionConfig(backend=backend))
        return lambda scope, receive, send: site({**scope, "state": {}}, receive, send)
    return around


COMPRESSORS: dict[str, Callable[[Any], Any]] = {
    "starlette": GZipMiddleware,
    "asgi-gzip": asgi_gzip.GZipMiddleware,
    "brotli-asgi": brotli_asgi.BrotliMiddleware,
    "zstd-asgi": zstd_asgi.ZstdMiddleware,
    "starlette-compress": starlette_compress.CompressMiddleware,
    "asgi-compression": in_asgi_compression,
    "litestar-gzip": in_litestar("gzip"),
    "litestar-brotli": in_litestar("brotli"),
}
"""FastAPI's GZipMiddleware is Starlette's."""

LAWFUL = COMPRESSORS.keys() - {"asgi-compression"}
"""Those that spell the names of fields in lower case, as ASGI says. Servers do not mind."""

ASKING = ["gzip", "gzip, deflate, br", "br", "zstd", "*", "gzip ; q=0.5"]
NOT_ASKING = [None, "", "identity", "identity;q=1, *;q=0", "gzip;q=0", "br;q=0", "zstd;q=0"]
"""Accept-Encoding, and None for a request without it, that asks for no content coding."""

RANGES = {  # the slices that each means of a content that is long enough
    "bytes=0-9": [slice(0, 10)],
    "bytes=100-": [slice(100, None)],
    "bytes=-10": [slice(-10, None)],
    "bytes=0-9,20-29": [slice(0, 10), slice(20, 30)],
}
BEYOND = "bytes=9999999-"

compressors = pytest.mark.parametrize("compressor", COMPRESSORS)
responses = pytest.mark.parametrize("name", RESPONSES)
rangeless = pytest.mark.parametrize(
    "fields", [{"if_range": '"v1"'}, {"if_range": '"other"'}],
    ids=["If-Range alone", "If-Range alone with another tag"])
codings = pytest.mark.parametrize("coding", [*NOT_ASKING, *ASKING])


# --- asking ----------------------------------------------------------------------------------------------------------

Asking = Callable[..., Answer]
Whole = Callable[[str, str, str | None], Answer]


def make_files(directory: Path) -> Path:
    """The directory, with files in it that are years old."""
    for name, content in (("text.txt", TEXT), ("small.txt", SMALL)):
        (directory / name).write_bytes(content)
        os.utime(directory / name, (1_700_000_000, 1_700_000_000))
    return directory


def made(files: Path, compressor: str, name: str, **options: Any) -> App:
    """A response within a compressor within us. One compressor drops paths from clients that ask for no coding, too: it
    has done so before, and is not offered to be sent any more."""
    app = AsgiRangeMiddleware(COMPRESSORS[compressor](responding(files, name)), **options)
    if compressor == "asgi-compression" and "file" in name:
        wire = carry(app, scope_for(range="bytes=0-9"), lawful=False)
        assert not wire.messages
    return app


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("files"))


@pytest.fixture(scope="module")
def part(files: Path) -> Asking:
    """Asks with fields of the request: ``part("starlette", "file", "gzip", range="bytes=0-9")``."""
    def asking(compressor: str, name: str, coding: str | None, **fields: str) -> Answer:
        accepted = {} if coding is None else {"accept_encoding": coding}
        return ask(made(files, compressor, name), lawful=compressor in LAWFUL, **accepted, **fields)
    return asking


@pytest.fixture(scope="module")
def whole(part: Asking) -> Whole:
    """What the same client gets if it asks for no range."""
    return cache(lambda compressor, name, coding: part(compressor, name, coding))


def coding_of(answer: Answer) -> str | None:
    return answer.get("Content-Encoding")


def decoded(answer: Answer) -> bytes:
    """The content, as a client reads it."""
    if coding_of(answer) == "zstd":
        return zstandard.ZstdDecompressor().decompressobj().decompress(answer.body)
    decoders = {None: bytes, "gzip": gzip.decompress, "br": brotli.decompress}
    return decoders[coding_of(answer)](answer.body)


def vary(answer: Answer) -> set[str]:
    """The names in Vary."""
    return {name.strip().lower() for line in answer.all("Vary") for name in line.split(",")}


def strong_tag(answer: Answer) -> str | None:
    """The ETag, if it is a strong one."""
    tag = answer.get("ETag")
    return None if tag is None or tag.startswith("W/") else tag


def pieces(answer: Answer, length: int) -> list[tuple[int, bytes]]:
    """The parts of a 206, each with its first position, after a look at what it says of positions and length."""
    if (answer.get("Content-Type") or "").startswith("multipart/byteranges"):
        assert answer.get("Content-Range") is None
        found = [(one.first_pos, one.last_pos, one.complete_length, one.content) for one in parts(answer)]
    else:
        span, _, complete = (answer.get("Content-Range") or "").removeprefix("bytes ").partition("/")
        first, _, last = span.partition("-")
        found = [(int(first), int(last), int(complete), answer.body)]
    for first_pos, last_pos, complete_length, content in found:
        assert (complete_length, len(content)) == (length, last_pos - first_pos + 1)
    return [(first_pos, content) for first_pos, _, _, content in found]


def check_part(answer: Answer, full: Answer, content: bytes, slices: list[slice]) -> None:
    """A 206 is of the plain content, or of the coded bytes that the same client gets as the whole. Two codings of gzip
    may note different times, in the bytes 4 to 7."""
    coding = coding_of(answer)
    if coding is not None:
        assert coding == coding_of(full), "a part of another coding than the whole"
    right = content if coding is None else full.body

    def untimed(piece: bytes, first: int) -> bytes:
        if coding != "gzip":
            return piece
        return bytes(0 if 4 <= place < 8 else byte for place, byte in enumerate(piece, first))
    wanted = [(places.indices(len(right))[0], right[places]) for places in slices]
    assert [(first, untimed(piece, first)) for first, piece in pieces(answer, len(right))] == [
        (first, untimed(piece, first)) for first, piece in wanted]


# --- whatever is accepted --------------------------------------------------------------------------------------------

@compressors
@responses
@codings
def test_the_whole(compressor: str, name: str, coding: str | None, whole: Whole) -> None:
    answer = whole(compressor, name, coding)
    assert (answer.status, decoded(answer)) == (200, RESPONSES[name][1])


@compressors
@responses
@codings
@pytest.mark.parametrize("value", RANGES)
def test_a_range(compressor: str, name: str, coding: str | None, value: str, part: Asking, whole: Whole) -> None:
    """A part, or all of it; and never something else under the strong tag that the whole has."""
    answer, full = part(compressor, name, coding, range=value), whole(compressor, name, coding)
    content = RESPONSES[name][1]
    assert answer.status in (200, 206)
    if answer.status == 200:
        assert decoded(answer) == content
    else:
        check_part(answer, full, content, RANGES[value])
    if strong_tag(full) is not None and answer.get("ETag") == strong_tag(full):
        assert coding_of(answer) == coding_of(full), "another coding under the same strong tag"


@compressors
@responses
@codings
def test_a_range_beyond_the_end(compressor: str, name: str, coding: str | None, part: Asking, whole: Whole) -> None:
    """Beyond the end of what the client would get, which is shorter if it is coded."""
    answer, full = part(compressor, name, coding, range=BEYOND), whole(compressor, name, coding)
    assert answer.status in (200, 416)
    if answer.status == 416:
        assert answer.get("Content-Range") == f"bytes */{len(full.body)}"
    else:
        assert (decoded(answer), coding_of(answer)) == (RESPONSES[name][1], coding_of(full))


@compressors
@responses
@codings
@rangeless
def test_what_asks_for_no_range(compressor: str, name: str, coding: str | None, fields: dict[str, str], part: Asking,
                                whole: Whole) -> None:
    """The answer is the one to a request that says nothing of ranges."""
    answer, full = part(compressor, name, coding, **fields), whole(compressor, name, coding)
    assert (answer.status, decoded(answer)) == (200, RESPONSES[name][1])
    assert coding_of(answer) == coding_of(full)
    assert answer.get("ETag") == full.get("ETag")


@compressors
@responses
@codings
def test_another_unit(compressor: str, name: str, coding: str | None, part: Asking, files: Path) -> None:
    """The answer is that of the app alone; Starlette's file has 400."""
    accepted = {} if coding is None else {"accept_encoding": coding}
    alone = ask(COMPRESSORS[compressor](responding(files, name)), "items=0-9", lawful=False, **accepted)
    answer = part(compressor, name, coding, range="items=0-9")
    assert (answer.status, decoded(answer), coding_of(answer)) == (alone.status, decoded(alone), coding_of(alone))


SILENT = {"starlette", "asgi-gzip", "starlette-compress"}
"""Compressors that say Vary of content that they leave uncoded, but not of a file that is named by its path."""


@compressors
@responses
@codings
def test_vary(compressor: str, name: str, coding: str | None, part: Asking, whole: Whole) -> None:
    """Whoever asks for a part is told the same as who asks for all: the answers come of the same choice."""
    answers = {value: part(compressor, name, coding, range=value) for value in [*RANGES, BEYOND]}
    said = {value: vary(answer) for value, answer in answers.items() if answer.status in (200, 206)}
    is_path = "file" in name and coding in (None, "", "identity", "identity;q=1, *;q=0")
    silent = set() if is_path and compressor in SILENT else vary(whole(compressor, name, coding))
    assert said == dict.fromkeys(said, silent)


@compressors
@responses
@codings
def test_a_download_is_resumed_as_it_began(compressor: str, name: str, coding: str | None, part: Asking,
                                           whole: Whole) -> None:
    """The tag of the whole in If-Range: the rest of the very bytes, or all of them anew."""
    full = whole(compressor, name, coding)
    answer = part(compressor, name, coding, range="bytes=100-", if_range=full.get("ETag") or '"none"')
    assert answer.status in (200, 206)
    if answer.status == 206:
        assert coding_of(answer) == coding_of(full)
        assert full.body[:100] + answer.body == full.body
    else:
        assert decoded(answer) == RESPONSES[name][1]


# --- where no coding is asked for ------------------------------------------------------------------------------------

@compressors
@responses
@pytest.mark.parametrize("coding", NOT_ASKING)
@pytest.mark.parametrize("value", RANGES)
def test_ranges_where_no_coding_is_asked_for(compressor: str, name: str, coding: str | None, value: str, part: Asking,
                                             whole: Whole) -> None:
    """They work, unless the compressor codes against the client's word: see the next test."""
    if coding_of(whole(compressor, name, coding)) is None:
        answer = part(compressor, name, coding, range=value)
        assert (answer.status, coding_of(answer)) == (206, None)


# --- servers that send files themselves ------------------------------------------------------------------------------

@compressors
@pytest.mark.parametrize("name", ["file", "small-file"])
@codings
@pytest.mark.parametrize("value", RANGES)
def test_a_server_that_takes_paths(compressor: str, name: str, coding: str | None, value: str, files: Path) -> None:
    """Then the whole may pass a compressor uncoded, and so must the parts. (Some compressors lose it, without us too:
    there is no answer then.)"""
    def asking(app: App, **fields: str) -> Wire:
        accepted = {} if coding is None else {"accept_encoding": coding}
        return carry(app, scope_for(extensions=[PATHSEND], **accepted, **fields), lawful=compressor in LAWFUL)
    without_us = asking(COMPRESSORS[compressor](responding(files, name)))
    if not without_us.is_complete:
        return
    full, answer = without_us.answer(), asking(made(files, compressor, name), range=value).answer()
    assert answer.status in (200, 206)
    if answer.status == 200:
        assert decoded(answer) == RESPONSES[name][1]
    else:
        check_part(answer, full, RESPONSES[name][1], RANGES[value])
    assert (answer.get("ETag"), coding_of(answer)) == (full.get("ETag"), coding_of(full))
    assert vary(answer) == vary(full)


# --- what the compressors do wrong -----------------------------------------------------------------------------------

@pytest.mark.parametrize("coding", ["gzip;q=0", "br;q=0", "zstd;q=0"])
@compressors
def test_most_code_what_the_client_refuses(compressor: str, coding: str, whole: Whole) -> None:
    """They look for the name anywhere in Accept-Encoding (against RFC 9110 12.5.3)."""
    refused = coding_of(whole(compressor, "page", coding))
    able = {name for name in COMPRESSORS if coding_of(whole(name, "page", coding.partition(";")[0]))}
    assert refused == (coding.partition(";")[0] if compressor in able - {"starlette-compress"} else None)


@compressors
@responses
def test_all_leave_the_tag_as_it_is(compressor: str, name: str, whole: Whole) -> None:
    """A strong one on what they code, which is that of the plain content (against RFC 9110 8.8.3.3)."""
    accepted = "br" if compressor == "litestar-brotli" else "gzip"
    plain, coded = whole(compressor, name, None), whole(compressor, name, accepted)
    assert (coding_of(plain), coding_of(coded)) == (None, accepted)
    assert (strong_tag(coded), strong_tag(coded) is None) == (strong_tag(plain), name == "json")


@compressors
@responses
@pytest.mark.parametrize("spool_limit", [0, 1 << 20])
def test_a_strong_tag_on_what_is_coded_on_the_fly_is_believed(compressor: str, name: str, spool_limit: int,
                                                              files: Path) -> None:
    """What comes in one message gets a Content-Length when it is coded, so that it is sliced, and what comes in many
    gets none, so that it is not, unless it is read ahead. It cannot be told from content that was coded beforehand."""
    accepted = "br" if compressor == "litestar-brotli" else "gzip"
    app = made(files, compressor, name, spool_limit=spool_limit)
    full = ask(app, lawful=compressor in LAWFUL, accept_encoding=accepted)
    answer = ask(app, "bytes=10-99", lawful=compressor in LAWFUL, accept_encoding=accepted)
    if name == "json" or name in ("file", "stream") and not spool_limit:
        assert (answer.status, decoded(answer)) == (200, RESPONSES[name][1])
    else:  # from 10 on: the head of gzip may note the time
        assert (answer.status, coding_of(answer), answer.body) == (206, accepted, full.body[10:100])


# --- on the wire -----------------------------------------------------------------------------------------------------

@cache
def application_at(path: str) -> App | None:
    compressor, _, name = path.removeprefix("/").partition("/")
    if compressor not in COMPRESSORS or name not in RESPONSES:
        return None
    return AsgiRangeMiddleware(COMPRESSORS[compressor](responding(Path(os.environ[DIRECTORY]), name)))


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Every response in every compressor: ``/brotli-asgi/file``. A server runs it."""
    assert scope["type"] == "http"
    app = application_at(scope["path"]) or Response(status_code=404)
    await app(scope, receive, send)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[launch.Running]:
    directory = make_files(tmp_path_factory.mktemp("uvicorn"))
    app, env = f"{__name__}:application", {DIRECTORY: str(directory)}
    with launch.serving("uvicorn-h11", app, directory, env) as running:
        yield running


@compressors
@responses
def test_through_a_server(compressor: str, name: str, server: launch.Running) -> None:
    """One connection: each answer ends where it says."""
    content = RESPONSES[name][1]
    if compressor == "asgi-compression" and "file" in name:  # it drops the path, once
        with Connection(server.address) as client:
            assert client.ask(f"/{compressor}/{name}", range="bytes=0-9").status == 500
    with Connection(server.address) as client:
        for coding in ("identity", "gzip", "gzip, deflate, br", "br", "zstd"):
            full = client.ask(f"/{compressor}/{name}", accept_encoding=coding)
            assert (full.status, decoded(full)) == (200, content)
            answer = client.ask(f"/{compressor}/{name}", accept_encoding=coding, range="bytes=100-199")
            assert answer.status == 206 or coding != "identity" and answer.status == 200
            assert coding_of(answer) == coding_of(full)
            if answer.status == 206:
                check_part(answer, full, content, [slice(100, 200)])
            else:
                assert decoded(answer) == content
