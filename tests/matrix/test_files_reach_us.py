"""Files that frameworks return, raw or in wrappers of their own, are read as files: a range costs the bytes of the
range, wherever it lies."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import os
import tempfile
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest

from rangeware import RangeMiddleware
from tests.matrix.frameworks import files
from tests.matrix.frameworks.files import LENGTH, App
from tests.support import CONTENT, Answer, environ_for, parts

pytestmark = pytest.mark.matrix
MARGIN = 1 << 20  # bytes that may be read beside the range: far less than the file, far more than blocks and heads


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """64 MiB with CONTENT at both ends and in the middle, and nothing between, years old."""
    file = tmp_path_factory.mktemp("static") / "film.bin"
    with open(file, "wb") as writing:
        for position in (0, LENGTH // 2, LENGTH - len(CONTENT)):
            writing.seek(position)
            writing.write(CONTENT)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


APPS = [
    files.flask_path, files.flask_open, files.flask_directory, files.flask_passthrough, files.werkzeug_shared_data,
    files.bottle_static, files.bottle_file,
    files.django_file, files.django_sniffed, files.django_serve, files.django_stream,
    files.pyramid_file, files.pyramid_iter, files.webob_file_app, files.webob_raw,
    files.falcon_set_stream, files.falcon_stream, files.falcon_static,
    files.cherrypy_serve_file, files.cherrypy_file, files.morepath_file, files.pecan_static, files.whitenoise,
    files.static3_cling, files.bare_in_sentry,
]
apps = pytest.mark.parametrize("make", APPS, ids=lambda make: make.__name__)


# --- the tests -------------------------------------------------------------------------------------------------------

def ask(app: App, **fields: str) -> Answer:
    """One request, with the ``wsgi.file_wrapper`` that most servers offer. Many blocks are joined at once."""
    heads: list[tuple[str, list[tuple[str, str]]]] = []
    blocks: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[[bytes], None]:
        heads.append((status, headers))
        return blocks.append
    environ = {**environ_for(path="/film.bin", **fields), "wsgi.file_wrapper": FileWrapper}
    body = validator(app)(environ, start_response)
    try:
        blocks.extend(body)
    finally:
        body.close()
    return Answer(int(heads[0][0][:3]), heads[0][1], b"".join(blocks), environ)


def bytes_read() -> int:
    """Bytes that this process has got from read calls of any kind, by the system's count."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(dict(line.split(": ") for line in lines)["rchar"])


def still_open(path: Path) -> int:
    """Count the open descriptors of this file."""
    links = (f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd"))
    return sum(os.path.exists(link) and os.readlink(link) == str(path) for link in links)


MIDDLE = LENGTH // 2
RANGES = [
    pytest.param("bytes=-10", [CONTENT[-10:]], id="suffix"),
    pytest.param(f"bytes={LENGTH - 1000}-", [CONTENT], id="open end"),
    pytest.param(f"bytes={MIDDLE}-{MIDDLE + 99}", [CONTENT[:100]], id="middle"),
    pytest.param(f"bytes=-10,5-9,{MIDDLE}-{MIDDLE + 99}", [CONTENT[-10:], CONTENT[5:10], CONTENT[:100]], id="three"),
]


def contents(answer: Answer) -> list[bytes]:
    """The parts of the representation that were sent."""
    if str(answer.get("Content-Type")).startswith("multipart/byteranges"):
        return [part.content for part in parts(answer)]
    return [answer.body]


@apps
@pytest.mark.parametrize(("value", "expected"), RANGES)
def test_a_range_costs_what_is_sent(make: Callable[[Path], App], path: Path, value: str, expected: list[bytes]) -> None:
    app = RangeMiddleware(make(path))
    ask(app, range="bytes=0-0")  # what is imported and cached at the first request does not count
    before = bytes_read()
    answer = ask(app, range=value)
    assert bytes_read() - before < MARGIN
    assert (answer.status, contents(answer)) == (206, expected)


@apps
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=-5", "bytes=0-9,-5", f"bytes={LENGTH}-"])
def test_the_file_is_closed(make: Callable[[Path], App], path: Path, value: str) -> None:
    answer = ask(RangeMiddleware(make(path)), range=value)
    assert (answer.status, still_open(path)) == (416 if value == f"bytes={LENGTH}-" else 206, 0)


@apps
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=9-0"}], ids=["no Range", "to ignore"])
def test_the_whole_file_is_closed(make: Callable[[Path], App], path: Path, fields: dict[str, str]) -> None:
    answer = ask(RangeMiddleware(make(path)), **fields)
    assert (answer.status, len(answer.body), still_open(path)) == (200, LENGTH, 0)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # web.py closes none
@pytest.mark.parametrize(("value", "expected"), RANGES)
def test_the_files_of_web_py_merely_run_forward(path: Path, value: str, expected: list[bytes]) -> None:
    """They come inside generators that call hooks of the app's at their end, which must not be passed over. Their
    length is the one that the app declares."""
    answer = ask(RangeMiddleware(files.web_py(path)), range=value)
    assert (answer.status, sorted(contents(answer))) == (206, sorted(expected))


def test_the_first_byte_is_where_the_file_stands(path: Path) -> None:
    app = RangeMiddleware(files.django_from_1000(path))
    before = bytes_read()
    last = ask(app, range="bytes=-10")
    assert (last.status, last.body) == (206, CONTENT[-10:])
    assert last.get("Content-Range") == f"bytes {LENGTH - 1010}-{LENGTH - 1001}/{LENGTH - 1000}"
    middle = ask(app, range=f"bytes={MIDDLE - 1000}-{MIDDLE - 901}")
    assert middle.body == CONTENT[:100]
    assert ask(app, range="bytes=0-9").body == bytes(10)
    assert bytes_read() - before < MARGIN


@pytest.mark.parametrize(("make", "copied"), [
    pytest.param(files.flask_memory, LENGTH, id="flask"),  # Werkzeug makes one copy to learn the length
    pytest.param(files.bottle_memory, 0, id="bottle"),
    pytest.param(files.django_memory, 0, id="django"),
    pytest.param(files.falcon_memory, 0, id="falcon")])
@pytest.mark.parametrize("value", ["bytes=-10", f"bytes={LENGTH - 10}-"])
def test_a_range_of_a_buffer_copies_what_is_sent(make: Callable[[bytes], App], copied: int, value: str) -> None:
    app = RangeMiddleware(make(bytes(LENGTH - len(CONTENT)) + CONTENT))
    ask(app, range="bytes=0-0")
    tracemalloc.start()
    answer = ask(app, range=value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (answer.status, answer.body) == (206, CONTENT[-10:])
    assert peak < copied + MARGIN


def test_a_file_that_pecan_reads_into_a_list(path: Path) -> None:
    answer = ask(RangeMiddleware(files.pecan_file(path)), range="bytes=-10,5-9")
    assert (answer.status, contents(answer)) == (206, [CONTENT[-10:], CONTENT[5:10]])


def line_ends(path: Path) -> Any:
    """Two bytes in the file, one when it is read."""
    path.write_bytes(b"line\r\n" * 50)
    return open(path, encoding="ascii")


def other_encoding(path: Path) -> Any:
    """One byte in the file, two when it is sent."""
    path.write_bytes(b"\xe9\n" * 50)
    return open(path, encoding="latin-1")


def temporary(path: Path) -> Any:
    """Text of which nothing but its mode tells."""
    file = tempfile.SpooledTemporaryFile(mode="w+", encoding="latin-1")
    file.write("\xe9\n" * 50)
    file.seek(0)
    return file


@pytest.mark.parametrize("opened", [line_ends, other_encoding, temporary, lambda path: io.StringIO("\xe9\n" * 50)])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=1-9"}, {"range": "bytes=9-1"}], ids=str)
def test_text_that_is_encoded_on_its_way_is_not_a_file(opened: Any, tmp_path: Path, fields: dict[str, str]) -> None:
    """Django encodes what it streams: the bytes of the file are others, and so is their number."""
    path = tmp_path / "text"
    bare = ask(files.django_streaming(opened(path)))
    answer = ask(RangeMiddleware(files.django_streaming(opened(path))), **fields)
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, bare.body, None)
