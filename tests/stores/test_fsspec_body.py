"""``FsspecBody``: files in memory, on disk, in zip files, behind HTTP and, where s3fs is installed, in S3."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.core import url_to_fs
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.spec import AbstractFileSystem

from rangeware import RangeMiddleware
from rangeware.errors import InvalidOption, SourceChanged, TruncatedSource
from rangeware.stores import FsspecBody
from rangeware.stores.fsspec_body import _date
from tests.stores.bucket import BLOCK, BUCKET, CONTENT, KEY, Bucket
from tests.stores.store_log import QuietServer
from tests.support import get, parts

# What the server and the client of the tests do with their own sockets and clocks is not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore:datetime.datetime.utcnow:DeprecationWarning:(moto|botocore)"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

LENGTH = len(CONTENT)
NEW = bytes(LENGTH)
MODIFIED = datetime(2023, 11, 14, 22, 13, 20, tzinfo=timezone.utc)
MTIME = int(MODIFIED.timestamp())

needs_s3fs = pytest.mark.skipif(importlib.util.find_spec("s3fs") is None, reason="s3fs is not installed")


def app_of(make: Callable[[], FsspecBody]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        body = make()
        start_response("200 OK", [("Content-Type", body.content_type or "application/octet-stream")])
        return body
    return RangeMiddleware(app)


# --- kinds of file systems -------------------------------------------------------------------------------------------

def memory(folder: Path) -> tuple[Any, str]:
    fs = MemoryFileSystem()
    fs.pipe_file("/film.bin", CONTENT)
    return fs, "/film.bin"


def local(folder: Path) -> tuple[Any, str]:
    path = folder / "film.bin"
    path.write_bytes(CONTENT)
    os.utime(path, (MTIME, MTIME))
    return fsspec.filesystem("file"), str(path)


def below(folder: Path) -> tuple[Any, str]:
    local(folder)
    return DirFileSystem(str(folder), fsspec.filesystem("file")), "film.bin"


def stored(folder: Path, compression: int = zipfile.ZIP_STORED) -> tuple[Any, str]:
    with zipfile.ZipFile(folder / "films.zip", "w", compression) as archive:
        archive.writestr("a/film.bin", CONTENT)
    return fsspec.filesystem("zip", fo=str(folder / "films.zip")), "a/film.bin"


def deflated(folder: Path) -> tuple[Any, str]:
    return stored(folder, zipfile.ZIP_DEFLATED)


@pytest.fixture(params=[memory, local, below, stored, deflated], ids=lambda kind: kind.__name__)
def place(request: Any, tmp_path: Path) -> tuple[Any, str]:
    """A file system, and the path of a file of CONTENT in it."""
    return request.param(tmp_path)


@pytest.mark.parametrize(("range", "first", "last"), [
    ("bytes=0-0", 0, 0), ("bytes=-10", LENGTH - 10, LENGTH - 1), ("bytes=5-70000", 5, 70_000),
    ("bytes=0-", 0, LENGTH - 1),
])
def test_a_range(place: tuple[Any, str], range: str, first: int, last: int) -> None:
    answer = get(app_of(lambda: FsspecBody(*place, block_size=BLOCK)), range)
    assert (answer.status, answer.body) == (206, CONTENT[first:last + 1])


def test_several_ranges_in_any_order(place: tuple[Any, str]) -> None:
    body = FsspecBody(*place, block_size=BLOCK)
    answer = get(app_of(lambda: body), "bytes=100000-100099,5-9")
    expected = [(100_000, CONTENT[100_000:100_100]), (5, CONTENT[5:10])]
    assert [(part.first_pos, part.content) for part in parts(answer)] == (
        expected if body.random_access else sorted(expected))


def test_the_whole(place: tuple[Any, str]) -> None:
    answer = get(app_of(lambda: FsspecBody(*place, block_size=BLOCK)))
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, CONTENT, str(LENGTH))


def test_blocks_are_no_larger_than_told(place: tuple[Any, str]) -> None:
    blocks = [*FsspecBody(*place, block_size=BLOCK).open_range(1, 3 * BLOCK + 1)]
    assert [*map(len, blocks)] == [BLOCK] * 3 + [1]


def test_two_who_read_at_once_do_not_meet(place: tuple[Any, str]) -> None:
    first, second = (FsspecBody(*place, block_size=100).open_range(pos, pos + 399) for pos in (0, 5000))
    pairs = [*zip(first, second, strict=True)]
    assert b"".join(one for one, _ in pairs) == CONTENT[:400]
    assert b"".join(other for _, other in pairs) == CONTENT[5000:5400]


def files_opened(monkeypatch: pytest.MonkeyPatch, fs: Any) -> list[Any]:
    """The files that this file system opens from here on."""
    kept: list[Any] = []
    opened = fs.open
    monkeypatch.setattr(fs, "open", lambda *args, **options: kept.append(opened(*args, **options)) or kept[-1])
    return kept


def test_a_file_is_opened_once_for_each_response_and_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fs, path = local(tmp_path)
    body, kept = FsspecBody(fs, path, block_size=BLOCK), files_opened(monkeypatch, fs)
    for _ in range(2):
        answer = get(app_of(lambda: body), "bytes=5-70000,3-3")
        assert [part.content for part in parts(answer)] == [CONTENT[5:70_001], CONTENT[3:4]]
    assert [file.closed for file in kept] == [True] * 2


def test_a_file_is_closed_after_a_range_that_was_not_read_to_its_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fs, path = local(tmp_path)
    body, kept = FsspecBody(fs, path, block_size=BLOCK), files_opened(monkeypatch, fs)
    blocks = iter(body.open_range(0, 99_999))
    next(blocks)
    blocks.close()
    body.close()
    assert [file.closed for file in kept] == [True]


def test_two_ranges_of_one_body_at_once_share_no_file(place: tuple[Any, str]) -> None:
    body = FsspecBody(*place, block_size=100)
    assert b"".join(body.open_range(9, 9)) == CONTENT[9:10]  # whose file is kept
    pairs = [*zip(body.open_range(0, 399), body.open_range(5000, 5399), strict=True)]
    assert b"".join(one for one, _ in pairs) == CONTENT[:400]
    assert b"".join(other for _, other in pairs) == CONTENT[5000:5400]
    body.close()


def test_from_url(tmp_path: Path) -> None:
    stored(tmp_path)
    body = FsspecBody.from_url(f"zip://a/film.bin::file://{tmp_path}/films.zip")
    assert get(app_of(lambda: body), "bytes=5-9").body == CONTENT[5:10]


def test_a_file_system_of_another_process_is_made_again(tmp_path: Path) -> None:
    """The archive is opened anew: processes that share an open file share its position."""
    fs, path = stored(tmp_path)
    fs._pid = os.getppid()
    kept = fs.fo.tell()
    assert get(app_of(lambda: FsspecBody(fs, path)), "bytes=5-9").body == CONTENT[5:10]
    assert fs.fo.tell() == kept


def test_an_empty_file() -> None:
    fs = MemoryFileSystem()
    fs.pipe_file("/empty", b"")
    assert get(app_of(lambda: FsspecBody(fs, "/empty")), "bytes=0-9").status == 200


# --- files that go back only by decoding again ------------------------------------------------------------------------

def tar(folder: Path, name: str = "films.tar", mode: str = "w") -> tuple[Any, str]:
    local(folder)
    with tarfile.open(folder / name, mode) as archive:
        archive.add(folder / "film.bin", "a/film.bin")
    return fsspec.filesystem("tar", fo=str(folder / name)), "a/film.bin"


def tar_gz(folder: Path) -> tuple[Any, str]:
    return tar(folder, "films.tar.gz", "w:gz")


def below_tar_gz(folder: Path) -> tuple[Any, str]:
    return DirFileSystem("a", tar_gz(folder)[0]), "film.bin"


def below_deflated(folder: Path) -> tuple[Any, str]:
    return DirFileSystem("a", deflated(folder)[0]), "film.bin"


def zip_in_zip(folder: Path) -> tuple[Any, str]:
    stored(folder)
    with zipfile.ZipFile(folder / "outer.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(folder / "films.zip", "films.zip")
    return url_to_fs(f"zip://a/film.bin::zip://films.zip::file://{folder}/outer.zip")


RANDOM_ACCESS = [
    (memory, True), (local, True), (below, True), (tar, True), (tar_gz, False), (deflated, False),
    (below_deflated, False), (below_tar_gz, False), (zip_in_zip, False),
    (stored, sys.version_info >= (3, 12)),  # before, zipfile reads from the start to seek
]


@pytest.mark.parametrize(("make", "expected"), RANDOM_ACCESS)
def test_random_access(make: Callable[[Path], tuple[Any, str]], expected: bool, tmp_path: Path) -> None:
    assert FsspecBody(*make(tmp_path)).random_access == expected


@pytest.mark.parametrize("make", [make for make, _ in RANDOM_ACCESS])
def test_ranges_without_random_access_are_right(make: Callable[[Path], tuple[Any, str]], tmp_path: Path) -> None:
    answer = get(app_of(lambda: FsspecBody(*make(tmp_path), block_size=BLOCK)), "bytes=100000-100099,200000-200009,5-9")
    assert {part.content for part in parts(answer)} == {
        CONTENT[5:10], CONTENT[100_000:100_100], CONTENT[200_000:200_010]}


class Noting(FsspecBody):
    """Notes the ranges that it is opened at."""

    opened: list[tuple[int, int]]

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        self.opened.append((first_pos, last_pos))
        return super().open_range(first_pos, last_pos)


@pytest.mark.parametrize(("make", "opened"), [
    (memory, [(9, 9), (70_000, 70_001), (200_000, 200_000)]), (deflated, [(9, 200_000)]),
])
def test_what_goes_back_by_decoding_again_is_read_once(
    make: Callable[[Path], tuple[Any, str]], opened: list[tuple[int, int]], tmp_path: Path
) -> None:
    body = Noting(*make(tmp_path))
    body.opened = []
    answer = get(app_of(lambda: body), "bytes=9-9,70000-70001,200000-200000")
    assert [part.content for part in parts(answer)] == [
        CONTENT[9:10], CONTENT[70_000:70_002], CONTENT[200_000:200_001]]
    assert body.opened == opened


@pytest.mark.skipif(sys.version_info < (3, 12), reason="zipfile reads from the start to seek")
def test_an_uncompressed_member_is_read_in_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fs, path = stored(tmp_path)
    kept: list[bytes] = []
    read = fs.fo.read
    monkeypatch.setattr(fs.fo, "read", lambda *size: kept.append(read(*size)) or kept[-1])
    answer = get(app_of(lambda: FsspecBody(fs, path)), "bytes=200000-200009,100000-100009")
    assert [part.content for part in parts(answer)] == [CONTENT[200_000:200_010], CONTENT[100_000:100_010]]
    assert sum(map(len, kept)) < 20_000


# --- validators ------------------------------------------------------------------------------------------------------

def test_a_local_file_has_the_validators_that_the_middleware_makes(tmp_path: Path) -> None:
    fs, path = local(tmp_path)

    def plain(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "video/mp4")])
        return open(path, "rb")  # noqa: SIM115 - the middleware closes it

    expected, answer = get(RangeMiddleware(plain)), get(app_of(lambda: FsspecBody(fs, path)))
    assert expected.get("ETag")
    assert [answer.get(name) for name in ("ETag", "Last-Modified")] == [
        expected.get(name) for name in ("ETag", "Last-Modified")]


@pytest.mark.parametrize("mtime", [0, 1, 315_532_800])
def test_a_local_file_with_a_time_of_build_tools_has_none(tmp_path: Path, mtime: int) -> None:
    fs, path = local(tmp_path)
    os.utime(path, (mtime, mtime))
    body = FsspecBody(fs, path)
    assert (body.etag, body.last_modified) == (None, None)


class Told(AbstractFileSystem):
    """A file system that tells of its one file what a test has it tell."""

    protocol, cachable = "told", False

    def __init__(self, **told: Any) -> None:
        super().__init__()
        self.told = {"name": "film", "type": "file", "size": LENGTH, **told}

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return dict(self.told)


def test_length_and_validators_of_a_local_file_are_from_one_look(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The file is replaced after each look of fsspec."""
    fs, path = local(tmp_path)
    etag, look = FsspecBody(fs, path).etag, fs.info

    def look_and_replace(*args: Any, **options: Any) -> Any:
        found = look(*args, **options)
        Path(path).write_bytes(NEW[:99])
        os.utime(path, (MTIME + 9, MTIME + 9))
        return found

    monkeypatch.setattr(fs, "info", look_and_replace)
    body = FsspecBody(fs, path)
    assert (body.complete_length == LENGTH) == (body.etag == etag)


class Settings:
    content_type = "video/mp4"


TOLD = [  # what info() tells                                                  ETag       Last-Modified
    pytest.param({"ETag": '"s3"', "LastModified": MODIFIED}, '"s3"', MODIFIED, id="s3fs"),
    pytest.param({"ETag": "", "LastModified": ""}, None, None, id="s3fs, with nothing to tell"),
    pytest.param({"etag": "CJDo=", "md5Hash": "x==", "mtime": MODIFIED, "generation": "9"}, '"CJDo="', MODIFIED,
                 id="gcsfs"),
    pytest.param({"md5Hash": "x==", "updated": "2023-11-14T22:13:20Z"}, '"x=="', MODIFIED, id="gcsfs of before"),
    pytest.param({"etag": '"0x8D"', "last_modified": MODIFIED}, '"0x8D"', MODIFIED, id="adlfs"),
    pytest.param({"ETag": '"h"', "Last-Modified": "Tue, 14 Nov 2023 22:13:20 GMT"}, '"h"', MODIFIED, id="http"),
    pytest.param({"ETag": 'W/"h"'}, 'W/"h"', None, id="http, weak"),
    pytest.param({"mtime": MODIFIED.replace(tzinfo=None)}, None, MODIFIED, id="sftp"),
    pytest.param({"modified": "some day", "created": MODIFIED}, None, None, id="not a date"),
]


@pytest.mark.parametrize(("told", "etag", "modified"), TOLD)
def test_validators_are_those_of_the_store(told: dict[str, Any], etag: str | None, modified: datetime | None) -> None:
    answer = get(app_of(lambda: FsspecBody(Told(**told), "film")), method="HEAD")
    assert answer.get("ETag") == etag
    assert FsspecBody(Told(**told), "film").last_modified == modified


@pytest.mark.parametrize("told", [
    {"ContentType": "video/mp4"}, {"contentType": "video/mp4"}, {"mimetype": "video/mp4"},
    {"content_settings": Settings},
])
def test_content_type(told: dict[str, Any]) -> None:
    assert FsspecBody(Told(**told), "film").content_type == "video/mp4"
    assert FsspecBody(Told(), "film").content_type is None


def test_seconds_are_a_date() -> None:
    assert _date(float(MTIME)) == MODIFIED


# --- what cannot be sent ---------------------------------------------------------------------------------------------

def test_unknown_length() -> None:
    with pytest.raises(ValueError, match="does not tell the length of 'film'"):
        FsspecBody(Told(size=None), "film")


def test_a_folder() -> None:
    with pytest.raises(IsADirectoryError):
        FsspecBody(Told(type="directory"), "film")


def test_a_local_folder(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        FsspecBody(fsspec.filesystem("file"), str(tmp_path))


def test_a_store_that_says_that_it_has_no_ranges() -> None:
    with pytest.raises(ValueError, match="no ranges of 'film'"):
        FsspecBody(Told(partial=False), "film")


def test_no_such_file() -> None:
    with pytest.raises(FileNotFoundError):
        FsspecBody(MemoryFileSystem(), "/other")


def test_an_asynchronous_file_system() -> None:
    class Asynchronous(Told):
        asynchronous = True

    with pytest.raises(ValueError, match="asynchronous=True"):
        FsspecBody(Asynchronous(), "film")


def test_wrong_options() -> None:
    with pytest.raises(InvalidOption, match="block_size"):
        FsspecBody(Told(), "film", block_size=-1)


# --- changes ---------------------------------------------------------------------------------------------------------

def rest_after(body: FsspecBody, action: Callable[[], object]) -> tuple[bytes, bytes]:
    """The first block, and what comes after something has been done."""
    blocks = iter(body.open_range(0, LENGTH - 1))
    first = next(blocks)
    action()
    return first, b"".join(blocks)


def test_a_file_in_memory_that_is_replaced() -> None:
    fs, path = memory(Path())
    with pytest.raises(SourceChanged):
        rest_after(FsspecBody(fs, path, block_size=BLOCK), lambda: fs.pipe_file(path, NEW))


def test_a_file_in_memory_that_is_removed() -> None:
    fs, path = memory(Path())
    with pytest.raises(SourceChanged):
        rest_after(FsspecBody(fs, path, block_size=BLOCK), lambda: fs.rm(path))


def test_a_local_file_that_is_written_to(tmp_path: Path) -> None:
    fs, path = local(tmp_path)
    with pytest.raises(SourceChanged):
        rest_after(FsspecBody(fs, path, block_size=BLOCK), lambda: Path(path).write_bytes(NEW))


def test_a_local_file_that_another_takes_the_place_of(tmp_path: Path) -> None:
    """It is open, and stays the one that it was."""
    def replace() -> None:
        (tmp_path / "new").write_bytes(NEW)
        (tmp_path / "new").replace(path)

    fs, path = local(tmp_path)
    body = FsspecBody(fs, path, block_size=BLOCK)
    assert b"".join(rest_after(body, replace)) == CONTENT
    assert b"".join(body.open_range(0, 9)) == CONTENT[:10]
    body.close()
    with pytest.raises(SourceChanged):
        next(iter(body.open_range(0, 9)))


def test_a_fault_of_the_store_is_not_taken_for_a_change(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fs, path = stored(tmp_path)
    body = FsspecBody(fs, path, block_size=BLOCK)
    with pytest.raises(zipfile.BadZipFile):
        rest_after(body, lambda: damage(tmp_path / "films.zip"))


def damage(path: Path) -> None:
    """Change one byte near the end of the member, whose CRC then is wrong."""
    with open(path, "r+b") as file:
        file.seek(LENGTH - 500)
        file.write(b"?")


class Generous(Told):
    """A file system that reads more than it is asked for."""

    def open(self, path: str, *_: Any, **options: Any) -> Any:
        return self

    def seek(self, pos: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def read(self, size: int) -> bytes:
        return bytes(size + 1)


def test_more_than_was_asked_for_is_an_error() -> None:
    with pytest.raises(OSError, match="asked for 10 bytes, and sent 11"):
        next(iter(FsspecBody(Generous(), "film").open_range(5, 14)))


class Broken(Generous):
    """A file system whose file is as it was, but cannot be read."""

    def read(self, size: int) -> bytes:
        raise PermissionError("not now")


def test_an_error_of_the_file_system_comes_as_it_is() -> None:
    with pytest.raises(PermissionError, match="not now"):
        next(iter(FsspecBody(Broken(), "film").open_range(5, 14)))


class Replaced(Broken):
    """A file system whose file cannot be read because another has taken its place."""

    def read(self, size: int) -> bytes:
        self.told["size"] = 9
        return super().read(size)


def test_an_error_of_the_file_system_may_be_a_change() -> None:
    with pytest.raises(SourceChanged) as caught:
        next(iter(FsspecBody(Replaced(), "film").open_range(5, 14)))
    assert isinstance(caught.value.__cause__, PermissionError)


# --- HTTP ------------------------------------------------------------------------------------------------------------

class Web(BaseHTTPRequestHandler):
    """One file, with ranges and an ETag."""

    protocol_version = "HTTP/1.1"
    content, etag = CONTENT, '"one"'
    requests: list[tuple[str, str | None]]
    has_ranges, accept_ranges = True, "bytes"

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.requests.append((self.command, asked))
        content = self.content
        if asked and self.has_ranges:
            first, last = map(int, asked.removeprefix("bytes=").split("-"))
            content = content[first:last + 1]
        self.send_response_only(206 if asked and self.has_ranges else 200)
        if asked and self.has_ranges:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(self.content)}")
        self.send_header("Accept-Ranges", self.accept_ranges)
        self.send_header("ETag", self.etag)
        self.send_header("Content-Type", "video/mp4")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            with contextlib.suppress(OSError):
                self.wfile.write(content)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def web() -> Iterator[tuple[type[Web], str]]:
    """A web server, and the URL of its file."""
    handler = type("Handler", (Web,), {"requests": []})
    with QuietServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield handler, f"http://127.0.0.1:{server.server_address[1]}/film"
        server.shutdown()
        thread.join()


needs_aiohttp = pytest.mark.skipif(importlib.util.find_spec("aiohttp") is None, reason="aiohttp is not installed")


@needs_aiohttp
def test_http_is_asked_for_the_range_block_by_block(web: tuple[type[Web], str]) -> None:
    handler, url = web
    answer = get(app_of(lambda: FsspecBody(fsspec.filesystem("http"), url, block_size=BLOCK)), "bytes=9-20000")
    assert (answer.status, answer.body) == (206, CONTENT[9:20_001])
    assert (answer.get("ETag"), answer.get("Content-Type")) == ('"one"', "video/mp4")
    assert [asked for method, asked in handler.requests if method == "GET"] == [
        f"bytes=9-{BLOCK + 8}", f"bytes={BLOCK + 9}-20000"]


@needs_aiohttp
def test_http_is_asked_what_the_documentation_says(web: tuple[type[Web], str]) -> None:
    handler, url = web
    ranges = [f"{pos}-{pos}" for pos in range(0, 20_000, 1000)]
    answer = get(app_of(lambda: FsspecBody(fsspec.filesystem("http"), url)), "bytes=" + ",".join(ranges))
    assert len(parts(answer)) == 20
    assert [asked for method, asked in handler.requests if method == "GET"] == [f"bytes={asked}" for asked in ranges]
    assert sum(method == "HEAD" for method, _ in handler.requests) == 2 + 20


@needs_aiohttp
def test_http_that_says_that_it_has_no_ranges_is_refused(web: tuple[type[Web], str]) -> None:
    handler, url = web
    handler.has_ranges, handler.accept_ranges = False, "none"
    with pytest.raises(ValueError, match="says that it has no ranges"):
        FsspecBody(fsspec.filesystem("http"), url)
    assert [method for method, _ in handler.requests] == ["HEAD"]


@needs_aiohttp
def test_http_that_ignores_ranges_is_an_error(web: tuple[type[Web], str]) -> None:
    handler, url = web
    handler.has_ranges = False
    with pytest.raises(ValueError, match="range"):
        get(app_of(lambda: FsspecBody(fsspec.filesystem("http"), url, block_size=BLOCK)), "bytes=9-20000")


@needs_aiohttp
def test_http_that_has_a_new_version(web: tuple[type[Web], str]) -> None:
    handler, url = web
    body = FsspecBody(fsspec.filesystem("http"), url, block_size=BLOCK)
    with pytest.raises(SourceChanged):
        rest_after(body, lambda: setattr(handler, "etag", '"two"'))


@needs_aiohttp
def test_http_of_another_process(web: tuple[type[Web], str]) -> None:
    """fsspec refuses a file system that was made before a fork, and knows it by this number."""
    fs = fsspec.filesystem("http", skip_instance_cache=True)
    fs._pid = os.getppid()
    assert get(app_of(lambda: FsspecBody(fs, web[1])), "bytes=5-9").body == CONTENT[5:10]


# --- S3 --------------------------------------------------------------------------------------------------------------

@pytest.fixture
def s3(bucket: Bucket) -> Any:
    """The file system of s3fs, through the log of the store."""
    return fsspec.filesystem(
        "s3", endpoint_url=bucket.log.url, key="key", secret="secret", client_kwargs={"region_name": "us-east-1"})


S3_PATH = f"{BUCKET}/{KEY}"


@needs_s3fs
def test_s3_is_asked_for_exact_blocks_under_the_condition(bucket: Bucket, s3: Any) -> None:
    answer = get(app_of(lambda: FsspecBody(s3, S3_PATH, block_size=BLOCK)), "bytes=9-20000,5-6")
    assert [part.content for part in parts(answer)] == [CONTENT[9:20_001], CONTENT[5:7]]
    head = bucket.direct.head_object(Bucket=BUCKET, Key=KEY)
    assert (answer.get("ETag"), answer.get("Last-Modified") is None) == (head["ETag"], False)
    assert [(exchange.range, exchange.sent, exchange.if_match) for exchange in bucket.log.gets()] == [
        (f"bytes=9-{BLOCK + 8}", BLOCK, head["ETag"]), (f"bytes={BLOCK + 9}-20000", 19_992 - BLOCK, head["ETag"]),
        ("bytes=5-6", 2, head["ETag"])]
    assert bucket.log.heads() == 2, "one for the body, one for the file, whatever the number of parts"


@needs_s3fs
def test_s3_without_content(bucket: Bucket, s3: Any) -> None:
    for fields, status in (({"method": "HEAD"}, 200), ({"range": "bytes=999999-"}, 416), ({"if_none_match": "*"}, 304)):
        assert get(app_of(lambda: FsspecBody(s3, S3_PATH)), **fields).status == status
    assert bucket.log.gets() == []


@needs_s3fs
def test_s3_through_a_stale_listing(bucket: Bucket, s3: Any) -> None:
    s3.ls(f"{BUCKET}/a")
    bucket.put(KEY, NEW[:99])
    assert get(app_of(lambda: FsspecBody(s3, S3_PATH)), "bytes=90-").body == NEW[90:99]


@needs_s3fs
def test_s3_object_that_is_replaced(bucket: Bucket, s3: Any) -> None:
    with pytest.raises(SourceChanged):
        rest_after(FsspecBody(s3, S3_PATH, block_size=BLOCK), lambda: bucket.put(KEY, NEW))
    body = FsspecBody(s3, S3_PATH, block_size=BLOCK)
    bucket.put(KEY, CONTENT)
    with pytest.raises(SourceChanged):
        next(iter(body.open_range(0, 9)))


@needs_s3fs
def test_s3_object_that_is_deleted(bucket: Bucket, s3: Any) -> None:
    with pytest.raises(SourceChanged):
        rest_after(FsspecBody(s3, S3_PATH, block_size=BLOCK),
                   lambda: bucket.direct.delete_object(Bucket=BUCKET, Key=KEY))
    with pytest.raises(FileNotFoundError):
        FsspecBody(s3, S3_PATH)


def test_a_file_that_ends_early_is_an_error() -> None:
    fs, path = memory(Path())
    body = FsspecBody(fs, path)
    body.complete_length += 1
    with pytest.raises(TruncatedSource):
        get(app_of(lambda: body), f"bytes={LENGTH - 5}-")
