"""Chunked forms: orders of chunks, chunks sent again or cut short, merges, files that look alike, hostile input.

``tests/browser/test_upload_forms.py`` has the pages themselves.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import random
import sys
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from rangeware.errors import InvalidOption
from rangeware.uploads import FileStorage, FinishedUpload, Refused, disk, file_storage
from rangeware.uploads.chunked import ChunkedUploadApp
from rangeware.uploads.protocol.values import Reason, Refusal, Upload
from tests.support import Answer
from tests.uploads.support import CUT, ask

CONTENT = random.Random(5).randbytes(950)
SIZE = 100  # of a chunk
MD5 = "0123456789abcdef0123456789abcdef"
DATE = "Sun Nov 29 2026 06:36:53 GMT+0000 (Coordinated Universal Time)"
BOUNDARY = "----WebKitFormBoundaryAbc"


class Site:
    """An app with its storage, and what its hook was called with."""

    def __init__(self, directory: Path, *, quota: int | None = None, final: Path | None = None, **options: Any) -> None:
        self.storage = FileStorage(directory, quota=quota, final=final)
        self.finished: list[str] = []
        self.contents: list[bytes] = []
        self.trouble: list[Exception] = []
        self.app = ChunkedUploadApp(self.storage, finished=self.hook, **options)

    def hook(self, finished: FinishedUpload) -> None:
        if self.trouble:
            raise self.trouble.pop()
        self.finished.append(finished.upload.id)
        with finished.open() as file:
            self.contents.append(file.read())

    def send(self, number: int | None, content: bytes = CONTENT, *, user: str = "", part: bytes | None = None,
             cut: int | None = None, path: str = "/upload", **fields: Any) -> Answer:
        """Send a chunk as WebUploader does; all of the file for None.

        :param part: the content of the chunk instead of the right one.
        :param cut: bytes of the request after which the connection breaks.
        """
        form = web_uploader(number, content) | fields
        body, content_type = encoded(form, chunk_of(content, number) if part is None else part)
        pieces = [body] if cut is None else [body[:cut], CUT]
        return ask(self.app, "POST", path, {"Content-Type": content_type}, pieces, length=len(body), REMOTE_USER=user)

    def keep_sending(self, number: int | None, content: bytes = CONTENT) -> None:
        """Send a chunk up to three times, as WebUploader does after 4xx."""
        assert 200 in (self.send(number, content).status for _ in range(3))

    def check(self, number: Any = 0, length: Any = SIZE, **fields: Any) -> Any:
        """Ask ``checkChunk``."""
        form = {"fileMd5": MD5, "chunk": number, "chunkSize": length}
        return ask_form(self.app, "/checkChunk", form, **fields)[1]["ifExist"]

    def merge(self, **fields: Any) -> tuple[int, Any]:
        """Ask ``mergeChunks``."""
        form = {"fileMd5": MD5, "fileName": "film.mp4", "fileId": "WU_FILE_0"}
        return ask_form(self.app, "/mergeChunks", form, **fields)

    def left(self) -> int:
        """The number of uploads in the storage that are not finished, without notes about files."""
        return sum(not upload.is_complete and upload.metadata != {} for upload in self.storage.uploads())


def ask_form(app: Any, path: str, form: dict[str, Any], user: str = "", **fields: Any) -> tuple[int, Any]:
    """Send an urlencoded form; return the status, and the answer parsed."""
    content = urlencode({name: value for name, value in (form | fields).items() if value is not None}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    answer = ask(app, "POST", path, kind, content, REMOTE_USER=user)
    return answer.status, json.loads(answer.body)


def chunk_of(content: bytes, number: int | None) -> bytes:
    return content if number is None else content[number * SIZE:(number + 1) * SIZE]


def web_uploader(number: int | None, content: bytes) -> dict[str, Any]:
    """The fields of a chunk in the order in which WebUploader sends them."""
    form = {"fileMd5": MD5, "id": "WU_FILE_0", "name": "film.mp4", "type": "video/mp4", "lastModifiedDate": DATE,
            "size": len(content)}
    return form if number is None else {**form, "chunks": -(-len(content) // SIZE), "chunk": number}


def encoded(form: dict[str, Any], part: bytes) -> tuple[bytes, str]:
    fields = [(name, str(value)) for name, value in form.items() if value is not None]
    return encode_multipart_formdata([*fields, ("file", ("film.mp4", part, "video/mp4"))], BOUNDARY)


def resumable(number: int, content: bytes, chunks: int = 9) -> tuple[dict[str, Any], bytes]:
    """The fields of a chunk as Resumable.js sends them, and its content; the last one is longer than the others."""
    end = len(content) if number == chunks else number * SIZE
    part = content[(number - 1) * SIZE:end]
    return {"resumableChunkNumber": number, "resumableChunkSize": SIZE, "resumableCurrentChunkSize": len(part),
            "resumableTotalSize": len(content), "resumableType": "video/mp4", "resumableIdentifier": "950-filmmp4",
            "resumableFilename": "film.mp4", "resumableRelativePath": "film.mp4", "resumableTotalChunks": chunks}, part


def asked_for(site: Site, number: int, content: bytes = CONTENT, **fields: Any) -> int:
    """Ask whether a chunk is there, as Resumable.js does; return the status."""
    form = resumable(number, content)[0] | fields
    return ask(site.app, "GET", "/", QUERY_STRING=urlencode(form)).status


def post_resumable(site: Site, number: int, content: bytes = CONTENT, **fields: Any) -> Answer:
    form, part = resumable(number, content)
    body, content_type = encoded(form | fields, part)
    return ask(site.app, "POST", "/", {"Content-Type": content_type}, body)



NUMBERS = range(10)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "uploads")


ORDERS = [
    pytest.param([*NUMBERS], id="in order"),
    pytest.param([*reversed(NUMBERS)], id="backwards"),
    pytest.param([2, 0, 1, 5, 3, 4, 8, 6, 7, 9], id="three at once"),
    pytest.param([9, *range(9)], id="last first"),
    pytest.param([*range(1, 10), 0], id="first last"),
]


@pytest.mark.parametrize("order", ORDERS)
def test_chunks_in_any_order_make_the_file(site: Site, order: list[int]) -> None:
    answers = [site.send(number) for number in order]
    assert [answer.status for answer in answers] == [200] * 10
    assert [json.loads(answer.body)["complete"] for answer in answers] == [False] * 9 + [True]
    assert site.contents == [CONTENT]
    assert site.left() == 0
    assert site.merge() == (200, {"upload": True, "fileName": "film.mp4", "fileId": "WU_FILE_0"})


@pytest.mark.parametrize("order", [*itertools.permutations(range(4))])
def test_every_order_of_four_chunks(site: Site, order: tuple[int, ...]) -> None:
    for number in order:
        assert site.send(number, CONTENT[:350]).status == 200
    assert site.contents == [CONTENT[:350]]


@pytest.mark.parametrize("order", [[*range(1, 10)], [*range(9, 0, -1)], [4, 1, 9, 3, 2, 8, 5, 7, 6]])
def test_chunks_of_resumable_js(site: Site, order: list[int]) -> None:
    for number in order:
        assert asked_for(site, number) == 204
        assert post_resumable(site, number).status == 200
        assert asked_for(site, number) == (204 if site.contents else 200)  # a finished file may be another one
    assert site.contents == [CONTENT]


@pytest.mark.parametrize("content", [CONTENT, CONTENT[:1], b"", CONTENT[:100]])
def test_a_file_of_a_single_chunk_is_complete_at_once(site: Site, content: bytes) -> None:
    assert json.loads(site.send(None, content).body) == {"upload": True, "complete": True, "fileName": "film.mp4"}
    assert site.contents == [content]
    assert site.left() == 0
    assert site.merge()[0] == 200
    assert site.send(None, content).status == 200
    assert len(site.contents) == 1


def test_the_hook_gets_what_the_page_told(site: Site) -> None:
    site.send(None, name="ファイル 1.mp4")
    metadata = site.storage.find(site.finished[0]).metadata
    assert metadata["filename"] == "ファイル 1.mp4"
    assert metadata["filetype"] == "video/mp4"
    assert metadata["fileMd5"] == MD5


@pytest.mark.parametrize("chunked", [True, False])
def test_a_raw_body_with_its_fields_in_the_query(site: Site, chunked: bool) -> None:
    for number in reversed(NUMBERS):
        query = urlencode(web_uploader(number, CONTENT))
        answer = ask(site.app, "POST", "/upload", {}, chunk_of(CONTENT, number), QUERY_STRING=query,
                     length=None if chunked else -1)
        assert answer.status == 200
    assert site.contents == [CONTENT]


def test_below_a_path(tmp_path: Path) -> None:
    site = Site(tmp_path / "uploads", path="/UploadVideo/")
    for path in ("/UploadVideo", "/UploadVideo/", "/UploadVideo/upload"):
        assert site.send(None, path=path).status == 200
    assert ask_form(site.app, "/UploadVideo/mergeChunks", {"fileMd5": MD5})[0] == 200
    assert site.send(None, path="/upload").status == 404
    assert ask(site.app, "POST", "/UploadVideo/else").status == 404
    assert ask(site.app, "DELETE", "/UploadVideo/upload").status == 405
    assert ask(site.app, "DELETE", "/UploadVideo/upload").get("Allow") == "GET, POST"


# checkChunk


def test_a_chunk_is_there_once_it_is_complete_and_has_this_length(site: Site) -> None:
    assert site.check(0) is False
    for number in (0, 1, 4, 9):
        site.send(number)
    assert [number for number in NUMBERS if site.check(number)] == [0, 1, 4]
    assert site.check(9, 50) is True
    assert site.check(0, 99) is False
    assert site.check(9, 100) is False
    assert site.check(10) is False
    assert site.check(10**9) is False
    assert site.check(0, fileMd5="0" * 32) is False
    assert ask(site.app, "GET", "/checkChunk", QUERY_STRING=f"fileMd5={MD5}&chunk=0&chunkSize=100").status == 200


def test_the_chunks_of_a_finished_file_are_wanted_again(site: Site) -> None:
    for number in NUMBERS:
        site.send(number)
    assert not any(site.check(number) for number in NUMBERS)
    assert [site.send(number).status for number in NUMBERS] == [200] * 10
    assert site.contents == [CONTENT]


def test_no_chunk_is_there_if_two_unfinished_files_have_this_md5(site: Site) -> None:
    longer = CONTENT + CONTENT
    site.send(0)
    assert site.check(0) is True
    site.send(1, longer)
    assert [site.check(0), site.check(1)] == [False, False]
    for number in range(19):
        site.send(number, longer)
    assert site.contents == [longer]
    assert site.check(0) is True  # the other one is finished


def test_many_files_with_one_md5_are_forgotten(site: Site) -> None:
    for number in range(70):
        assert site.send(0, name=f"{number}.mp4").status == 200
    assert site.merge(fileName="0.mp4")[1]["error"] == "no such upload"
    assert site.merge(fileName="69.mp4") == (409, {"upload": False, "ifExist": False, "error": "chunks are missing"})
    for number in range(1, 10):
        assert site.send(number, name="0.mp4").status == 200
    assert len(site.contents) == 1


# mergeChunks


def test_a_merge_before_all_chunks_have_come_changes_nothing(site: Site) -> None:
    assert site.merge()[0] == 409
    for number in NUMBERS:
        assert site.merge()[0] == 409
        site.send(number)
    assert site.merge() == site.merge() == (200, {"upload": True, "fileName": "film.mp4", "fileId": "WU_FILE_0"})
    assert site.contents == [CONTENT]


def test_a_merge_is_of_the_file_with_this_name_that_was_written_last(site: Site) -> None:
    site.send(None, name="other.mp4")
    assert site.merge()[0] == 409
    assert site.merge(fileName=None)[1]["fileName"] == "other.mp4"
    site.send(0)
    assert site.merge()[0] == 409
    site.send(None, CONTENT[:120])
    assert site.merge()[0] == 200


def in_write(monkeypatch: pytest.MonkeyPatch, number: int, action: Callable[[Any, bytes], None]) -> None:
    """Do something in the place of one of the writes to the storage; the first is number 1."""
    numbers = itertools.count(1)
    write = file_storage.FileWriter.write

    def patched(self: Any, block: bytes) -> None:
        (action if next(numbers) == number else write)(self, block)

    monkeypatch.setattr(file_storage.FileWriter, "write", patched)


def test_a_merge_goes_on_with_what_a_crash_interrupted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 10):
        site.send(number)
    with monkeypatch.context() as patched:
        in_write(patched, 4, crashing)  # after the write of the chunk itself, two chunks have moved
        with pytest.raises(KeyboardInterrupt):
            site.send(0)
    assert site.contents == []
    assert [site.check(number) for number in (0, 1, 2, 8)] == [True] * 4
    assert site.merge()[0] == 200
    assert site.contents == [CONTENT]


def crashing(writer: Any, block: bytes) -> None:
    """Store most of a block, and crash."""
    os.pwrite(writer._fd, block[:-30], writer._position)
    raise KeyboardInterrupt


def test_a_crash_may_interrupt_the_move_of_a_long_last_chunk(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 9):
        post_resumable(site, number)
    with monkeypatch.context() as patched:
        in_write(patched, 2, crashing)
        with pytest.raises(KeyboardInterrupt):
            post_resumable(site, 9)
    assert post_resumable(site, 9).status == 200
    assert site.contents == [CONTENT]


def test_a_request_that_moves_chunks_gives_way_to_the_next(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 10):
        site.send(number)
    write = file_storage.FileWriter.write

    def overtaken(writer: Any, block: bytes) -> None:
        site.storage.claim(writer.upload.id).close()
        write(writer, block)

    in_write(monkeypatch, 4, overtaken)
    answer = site.send(0)
    assert (answer.status, json.loads(answer.body)["complete"]) == (200, False)
    assert site.merge()[0] == 200
    assert site.contents == [CONTENT]


# The same file again, and files that look alike


def test_a_chunk_that_is_sent_again_changes_nothing(site: Site) -> None:
    for number in (5, 5, 0, 0, 1, 5, 2, 3, 4, 6, 7, 8, 9, 9, 0):
        assert site.send(number).status == 200
    assert site.contents == [CONTENT]
    assert site.left() == 0


def test_the_users_have_files_of_their_own(tmp_path: Path) -> None:
    site = Site(tmp_path / "uploads", authorize=lambda environ, action, upload: environ["REMOTE_USER"])
    others = bytes(reversed(CONTENT))
    for number in NUMBERS:
        assert site.send(number, user="anna").status == 200
        assert site.check(number, len(chunk_of(CONTENT, number)), user="bert") is False
        assert site.send(number, others, user="bert").status == 200
    assert site.contents == [CONTENT, others]
    assert {site.storage.find(id).owner for id in site.finished} == {"anna", "bert"}
    assert site.merge(user="carl")[0] == 409


@pytest.mark.parametrize("fields", [{"name": "other.mp4"}, {"lastModifiedDate": "today"}, {"fileMd5": "f" * 32}])
def test_files_that_differ_in_one_field_are_two(site: Site, fields: dict[str, str]) -> None:
    others = bytes(reversed(CONTENT))
    for number in NUMBERS:
        assert site.send(number).status == site.send(number, others, **fields).status == 200
    assert site.contents == [CONTENT, others]


def test_other_content_for_a_chunk_that_waits_replaces_it(site: Site) -> None:
    others = bytes(reversed(CONTENT))
    site.send(5, others)
    assert site.send(5).status == 409
    assert site.send(5).status == 200
    assert site.send(5, part=chunk_of(CONTENT, 5) + b"x").status == 409
    assert site.send(5).status == 200
    assert site.send(5, part=chunk_of(CONTENT, 5)[:-1]).status == 409
    for number in reversed(NUMBERS):
        assert site.send(number).status == 200
    assert site.contents == [CONTENT]


@pytest.mark.parametrize("number", [0, 1])
def test_other_content_for_a_chunk_that_the_file_has_is_refused(site: Site, number: int) -> None:
    for each in (0, 1, 5):
        site.send(each)
    assert site.send(number, bytes(reversed(CONTENT))).status == 400
    for each in NUMBERS:
        assert site.send(each).status == 200
    assert site.contents == [CONTENT]


def test_other_content_never_replaces_a_finished_file(site: Site) -> None:
    site.send(None)
    assert site.send(None, bytes(reversed(CONTENT))).status == 400
    assert site.send(None, part=CONTENT[:-1]).status == 400
    assert site.send(None, part=CONTENT + b"x").status == 400
    assert site.merge()[0] == 200
    assert site.contents == [CONTENT]


def test_another_chunk_size_begins_the_file_anew(site: Site) -> None:
    """Pages do not tell the size of their chunks: it shows in the length of each."""
    content = CONTENT[:150]
    assert site.send(1, content, part=content[90:]).status == 200
    assert site.check(1, 60) is True
    assert site.send(0, content).status == 200
    assert site.check(0) is True
    assert site.check(1, 60) is False
    site.keep_sending(1, content)
    assert site.contents == [content]


@pytest.mark.parametrize("final", [None, "final"])
def test_a_file_that_the_app_has_taken_away(tmp_path: Path, final: str | None) -> None:
    """WebUploader's date says that it is the same file; Resumable.js tells nothing that does."""
    site = Site(tmp_path / "uploads", final=final and tmp_path / final)
    site.send(None)
    os.rename(site.storage.path(site.finished[0]), site.storage.directory / "taken")
    assert site.send(None).status == 200
    assert site.merge()[0] == 200
    for number in range(1, 10):
        assert post_resumable(site, number).status == 200
    os.rename(site.storage.path(site.finished[1]), site.storage.directory / "taken")
    others = bytes(reversed(CONTENT))
    assert post_resumable(site, 1, others).status == 409
    for number in range(1, 10):
        assert post_resumable(site, number, others).status == 200
    assert site.contents == [CONTENT, CONTENT, others]


# Connections that break, and requests that cross


@pytest.mark.parametrize("cut", [10, 400, 900, 950, -60, -5, -1])
def test_a_chunk_that_is_cut_short_does_not_count(site: Site, cut: int) -> None:
    site.send(1)
    answer = site.send(0, cut=cut)
    assert (answer.status, json.loads(answer.body)["upload"]) == (400, False)
    assert site.check(0) is False
    assert site.merge()[0] == 409
    for number in NUMBERS:
        assert site.send(number).status == 200
    assert site.contents == [CONTENT]


@pytest.mark.parametrize("cut", [500, -60, -1])
def test_a_single_chunk_that_is_cut_short_does_not_count(site: Site, cut: int) -> None:
    assert site.send(None, cut=cut).status == 400
    assert site.merge()[0] == 409
    assert site.contents == []
    assert site.send(None).status == 200
    assert site.contents == [CONTENT]


@pytest.mark.parametrize("pieces", [[CUT], [CONTENT[:50], CUT], [CONTENT[:50]], [CONTENT[:99], CUT], [CONTENT[:99]]])
def test_a_raw_chunk_that_is_cut_short_does_not_count(site: Site, pieces: list[Any]) -> None:
    site.send(1)
    query = urlencode(web_uploader(0, CONTENT))
    assert ask(site.app, "POST", "/upload", {}, pieces, length=100, QUERY_STRING=query).status == 400
    assert site.check(0) is False
    assert site.send(0).status == 200
    assert site.check(0) is True


def test_a_request_that_hangs_gives_way_to_the_next(site: Site) -> None:
    class Body:
        def __init__(self, content: bytes) -> None:
            self.pieces = [content[:-60], content[-60:-40], content[-40:]]
            self.answer = 0

        def read(self, size: int) -> bytes:
            if len(self.pieces) == 2:
                self.answer = site.send(0).status
            return self.pieces.pop(0)

        readline = readlines = __iter__ = None

    body, content_type = encoded(web_uploader(0, CONTENT), chunk_of(CONTENT, 0))
    hanging = Body(body)
    answer = ask(site.app, "POST", "/upload", {"Content-Type": content_type}, length=len(body),
                 **{"wsgi.input": hanging, "wsgi.file_wrapper": None})
    assert (hanging.answer, answer.status) == (200, 409)
    assert site.check(0) is True
    for number in range(1, 10):
        site.send(number)
    assert site.contents == [CONTENT]


@pytest.mark.parametrize("threads", [3, 8])
def test_many_requests_at_once(site: Site, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each chunk is sent twice, and chunks of two files cross."""
    content = random.Random(6).randbytes(32 * SIZE)
    others = bytes(reversed(content))
    lock = threading.Lock()
    statuses: list[int] = []

    def send(job: tuple[int, bytes]) -> None:
        number, sent = job
        for _ in range(20):
            status = site.send(number, sent, name=f"{sent[0]}.mp4").status
            with lock:
                statuses.append(status)
            if status == 200:
                return
        raise AssertionError(f"chunk {number} is never taken")

    jobs = [(number, sent) for number in range(32) for sent in (content, others)] * 2
    random.Random(7).shuffle(jobs)
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(send, jobs))
    assert sorted(site.contents) == sorted([content, others])
    assert set(statuses) <= {200, 409, 423}
    assert site.left() == 0


def test_a_chunk_that_comes_once_more_while_the_file_is_completed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of two requests sees that it is missing; one of them completes the file before the other one stores it."""
    for number in range(1, 10):
        site.send(number)
    create, answers = site.storage.create, []

    def complete_first(upload: Upload) -> None:
        monkeypatch.setattr(site.storage, "create", create)
        answers.append(site.send(0).status)
        create(upload)

    monkeypatch.setattr(site.storage, "create", complete_first)
    assert (site.send(0).status, answers) == (200, [200])
    assert (site.contents, site.left()) == ([CONTENT], 0)


# Refusals


@pytest.mark.parametrize(("trouble", "status"), [
    pytest.param(ValueError("secret"), 400, id="a fault"),
    pytest.param(Refused(422, "not a film"), 422, id="refused"),
    pytest.param(Refused(503, "not now"), 400, id="refused as 5xx"),
])
def test_a_hook_that_raises_is_called_again_by_a_merge(site: Site, trouble: Exception, status: int) -> None:
    for number in range(9):
        site.send(number)
    site.trouble = [trouble, trouble]
    answer = site.send(9)
    assert answer.status == status
    assert b"secret" not in answer.body
    assert site.merge()[0] == status
    assert site.finished == []
    assert site.merge()[0] == 200
    assert site.merge()[0] == 200
    assert site.contents == [CONTENT]


def test_a_hook_that_raises_is_called_again_by_the_last_chunk(site: Site) -> None:
    site.trouble = [ValueError()]
    assert site.send(None).status == 400
    assert site.send(None).status == 200
    assert site.contents == [CONTENT]


def test_authorize_may_refuse(tmp_path: Path) -> None:
    asked: list[Any] = []

    def authorize(environ: Any, action: str, upload: Any) -> bool:
        asked.append((action, upload.length, upload.metadata.get("filename")))
        return False

    site = Site(tmp_path / "uploads", authorize=authorize)
    assert site.send(0).status == 403
    assert site.merge()[0] == 403
    assert asked_for(site, 1) == 403
    assert asked == [("create", 950, "film.mp4"), ("create", None, None), ("create", 950, "film.mp4")]
    assert [*site.storage.uploads()] == []


def test_max_size(tmp_path: Path) -> None:
    site = Site(tmp_path / "uploads", max_size=949)
    assert site.send(0).status == 413
    assert site.send(None, CONTENT[:949]).status == 200


def test_a_quota_is_never_5xx(tmp_path: Path) -> None:
    site = Site(tmp_path / "uploads", quota=600)
    assert [site.send(0).status, site.send(None).status] == [400, 400]
    assert site.send(None, CONTENT[:300], name="small").status == 200


def test_a_full_disk_is_never_5xx(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.send(1)

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pwrite", full)
        patched.setattr(disk, "_fallocate", full)
        assert site.send(0).status == 400
        assert site.send(None).status == 400
    for number in NUMBERS:
        assert site.send(number).status == 200
    assert site.contents == [CONTENT]


def test_files_of_multipart_need_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "multipart", None)
    with pytest.raises(InvalidOption, match=r"rangeware\[forms\]"):
        Site(tmp_path / "uploads")


def test_an_upload_that_fails_for_another_reason_raises(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*_: Any) -> None:
        raise Refusal(Reason.GONE)

    monkeypatch.setattr(site.storage, "find", gone)
    assert site.send(0).status == 410


# Hostile input

FIELDS = [
    pytest.param({"chunk": "-1"}, id="negative chunk"),
    pytest.param({"chunk": "10"}, id="chunk of 10"),
    pytest.param({"chunk": "9" * 5000}, id="huge chunk"),
    pytest.param({"chunk": "1.5"}, id="fraction"),
    pytest.param({"chunk": "١"}, id="digits that are not ASCII"),
    pytest.param({"chunk": ""}, id="empty chunk"),
    pytest.param({"chunk": "0x1"}, id="hexadecimal"),
    pytest.param({"chunks": "0"}, id="no chunks"),
    pytest.param({"chunks": "1000000000"}, id="more chunks than bytes"),
    pytest.param({"chunks": "951"}, id="chunks of nothing"),
    pytest.param({"chunks": "3"}, id="chunks that do not fit"),
    pytest.param({"chunks": "30"}, id="more chunks than there can be"),
    pytest.param({"chunks": None}, id="chunk of a single one"),
    pytest.param({"size": "0"}, id="size 0"),
    pytest.param({"size": "1"}, id="size 1"),
    pytest.param({"size": "300"}, id="too small a size"),
    pytest.param({"size": "-950"}, id="negative size"),
    pytest.param({"size": "9" * 30}, id="huge size"),
    pytest.param({"size": None}, id="no size"),
    pytest.param({"size": "many"}, id="size in words"),
    pytest.param({"name": "x" * 10_000}, id="long name"),
    pytest.param({"name": "x" * 2000}, id="longish name"),
    pytest.param({"fileMd5": "x" * 2000}, id="long fileMd5"),
    pytest.param({"part": CONTENT[:99], "chunk": 9}, id="last chunk too long"),
    pytest.param({"part": CONTENT}, id="the whole file as one of its chunks"),
    pytest.param({"part": CONTENT + b"x"}, id="a chunk longer than its file"),
    pytest.param({"part": b""}, id="an empty chunk"),
]


@pytest.mark.parametrize("fields", FIELDS)
def test_fields_that_lie_are_refused(site: Site, fields: dict[str, Any]) -> None:
    site.send(2)
    answer = site.send(1, **fields)
    assert 400 <= answer.status < 500
    assert json.loads(answer.body)["upload"] is False
    for number in NUMBERS:
        site.keep_sending(number)
    assert site.contents == [CONTENT]


NAMES = ["../../etc/passwd", "/etc/passwd", "a\0b", "C:\\x", "\r\nX: y", "x" * 1024, "😀", "..", "", "\ufffd", '";\\"']


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_never_a_path(site: Site, name: str) -> None:
    for number in NUMBERS:
        assert site.send(number, name=name).status == 200
    assert site.merge(fileName=name)[1] == {"upload": True, "fileName": name, "fileId": "WU_FILE_0"}
    assert site.contents == [CONTENT]
    files = [path.name.split(".")[0] for path in site.storage.directory.parent.rglob("*") if path.is_file()]
    assert all(len(file) == 32 for file in files)


@pytest.mark.parametrize("fields", [
    {"chunk": "-1"}, {"chunk": "x"}, {"chunkSize": None}, {"chunkSize": "-1"}, {"fileMd5": "x" * 2000},
])
def test_questions_that_are_malformed_are_refused(site: Site, fields: dict[str, Any]) -> None:
    site.send(0)
    assert ask_form(site.app, "/checkChunk", {"fileMd5": MD5, "chunk": 0, "chunkSize": 100}, **fields)[0] == 400


@pytest.mark.parametrize("length", [99, 101, 0, "x", ""])
def test_a_chunk_of_resumable_js_that_lies_about_its_length_is_refused(site: Site, length: Any) -> None:
    assert post_resumable(site, 1, resumableCurrentChunkSize=length).status == 400
    assert asked_for(site, 1) == 204
    assert post_resumable(site, 1).status == 200


@pytest.mark.parametrize("number", [0, 10, "-1", ""])
def test_chunks_of_resumable_js_are_numbered_from_1(site: Site, number: Any) -> None:
    assert post_resumable(site, 1, resumableChunkNumber=number).status == 400


def test_forms_may_have_some_more_fields(site: Site) -> None:
    assert site.send(0, token="x" * 8192, **{f"x{number}": "" for number in range(90)}).status == 200
    assert site.send(1, token="x" * 8193).status == 400
    assert site.send(1, **{f"x{number}": "" for number in range(92)}).status == 400


def test_questions_without_their_fields(site: Site) -> None:
    site.send(0)
    assert ask_form(site.app, "/checkChunk", {"chunkSize": 100})[1]["ifExist"] is False
    assert ask_form(site.app, "/mergeChunks", {})[0] == 409
    assert ask_form(site.app, "/mergeChunks", {"x": "y" * 70_000})[0] == 413
    assert ask_form(site.app, "/mergeChunks", {f"x{number}": "y" for number in range(200)})[0] == 400
    assert ask(site.app, "GET", "/").status == 400
    assert asked_for(site, 1, resumableTotalChunks="x") == 400


def segments(*heads: str) -> bytes:
    """A form of these parts, each with the content "0"."""
    return b"".join(f"--{BOUNDARY}\r\n{head}\r\n\r\n0\r\n".encode() for head in heads) + f"--{BOUNDARY}--\r\n".encode()


def field(name: str) -> str:
    return f'Content-Disposition: form-data; name="{name}"'


FILE = field("file") + '; filename="x"'
GOOD, KIND = encoded(web_uploader(0, CONTENT), chunk_of(CONTENT, 0))
BODIES = [
    pytest.param(b"", id="nothing"),
    pytest.param(b"\r\n" * 1000, id="no boundary"),
    pytest.param(GOOD.replace(BOUNDARY.encode(), b"else"), id="another boundary"),
    pytest.param(GOOD[:-4], id="no end"),
    pytest.param(GOOD.replace(b"\r\n", b"\n"), id="bare line feeds"),
    pytest.param(segments(), id="no parts"),
    pytest.param(segments(field("size"), field("chunk")), id="no file"),
    pytest.param(segments(FILE), id="no fields"),
    pytest.param(segments(FILE, field("size"), field("name")), id="fields after the file"),
    pytest.param(segments(*[field(f"x{number}") for number in range(10_000)], FILE), id="10,000 fields"),
    pytest.param(segments(f"X-Long: {'x' * 100_000}", FILE), id="a giant header"),
    pytest.param(segments("X-Many: x\r\n" * 1000 + FILE), id="a thousand headers"),
    pytest.param(segments("Content-Disposition: attachment"), id="no form-data"),
    pytest.param(segments("Content-Disposition: form-data"), id="no name"),
    pytest.param(segments(field("\udcff").encode("utf-8", "surrogateescape").decode("latin-1")), id="no UTF-8"),
    pytest.param(segments(field("x")).replace(b"\r\n0\r\n", b"\r\n" + b"0" * 10_000 + b"\r\n"), id="a long field"),
    pytest.param(b"x" * 1_000_000, id="a long preamble"),
]


@pytest.mark.parametrize("body", BODIES)
def test_a_form_that_is_malformed_is_refused(site: Site, body: bytes) -> None:
    answer = ask(site.app, "POST", "/upload", {"Content-Type": KIND}, body)
    assert 400 <= answer.status < 500
    assert site.contents == []


KINDS = ["multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary="', "multipart/mixed",
         f"multipart/form-data; boundary={'x' * 10_000}", "multipart/form-data; boundary=\xff", "", "text/plain"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_content_type_that_is_malformed_is_refused(site: Site, kind: str) -> None:
    assert ask(site.app, "POST", "/upload", {"Content-Type": kind}, GOOD).status == 400


@pytest.mark.parametrize("length", ["-1", "x", "9" * 40, "1, 1"])
def test_a_content_length_that_is_malformed_is_refused(site: Site, length: str) -> None:
    answer = ask(site.app, "POST", "/upload", {"Content-Type": KIND}, GOOD, CONTENT_LENGTH=length,
                 **{"wsgi.file_wrapper": None})
    assert answer.status == 400


def test_fields_after_the_file_are_not_needed(site: Site) -> None:
    body = GOOD.removesuffix(f"--{BOUNDARY}--\r\n".encode()) + segments(field("more"), FILE)
    assert ask(site.app, "POST", "/upload", {"Content-Type": KIND}, body).status == 200
    assert site.check(0) is True


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD)), st.binary(max_size=9), st.integers(0, 40)), max_size=4))
def test_no_form_is_answered_with_500(tmp_path_factory: pytest.TempPathFactory, changes: list[Any]) -> None:
    site = Site(tmp_path_factory.mktemp("uploads"))
    body = GOOD
    for position, inserted, removed in changes:
        body = body[:position] + inserted + body[position + removed:]
    assert ask(site.app, "POST", "/upload", {"Content-Type": KIND}, body).status in (200, 400)


class Zeros:
    """A request of many bytes, which are made as they are read."""

    def __init__(self, head: bytes, count: int, tail: bytes) -> None:
        self.length = len(head) + count + len(tail)
        self._pieces, self._count, self._tail = [head], count, tail

    def read(self, size: int) -> bytes:
        if self._pieces:
            return self._pieces.pop()
        block = bytes(min(size, self._count))
        self._count -= len(block)
        return block or self._tail

    readline = readlines = __iter__ = None


def test_memory_is_flat(site: Site) -> None:
    count = 40 << 20
    body, kind = encoded(web_uploader(None, b"") | {"size": count}, b"MARK")
    head, _, tail = body.partition(b"MARK")
    sent = Zeros(head, count, tail)
    site.app = ChunkedUploadApp(site.storage)
    tracemalloc.start()
    answer = ask(site.app, "POST", "/upload", {"Content-Type": kind}, length=sent.length,
                 **{"wsgi.input": sent, "wsgi.file_wrapper": None})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.status == 200
    assert peak < 4 << 20
    [upload] = [upload for upload in site.storage.uploads() if upload.is_complete]
    digest = FinishedUpload(site.storage, upload).digest()
    assert digest == hashlib.sha256(bytes(count)).digest()


def test_the_work_for_a_chunk_does_not_depend_on_their_number(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    find = site.storage.find

    def counting(id: str) -> Any:
        nonlocal calls
        calls += 1
        return find(id)

    monkeypatch.setattr(site.storage, "find", counting)
    worked = []
    for content in (CONTENT[:500], CONTENT * 2):
        calls = 0
        for number in range(-(-len(content) // SIZE)):
            site.send(number, content)
        worked.append(calls / len(content))
    assert worked[1] <= worked[0]


def test_what_was_sent_early_is_not_taken_for_a_whole_file(site: Site) -> None:
    """All bytes of a file that is a single chunk may be there, while its request is not complete, or has more."""
    assert site.send(None, part=CONTENT + b"x").status == 400
    assert site.merge()[0] == 409
    assert site.check(0, 950) is False
    assert site.send(None).status == 200


def test_a_response_comes_after_the_request_has_been_read(site: Site) -> None:
    """Many clients miss a response that comes before they have sent all."""
    body = Zeros(b"x", 10 << 20, b"")
    answer = ask(site.app, "POST", "/else", length=body.length, **{"wsgi.input": body, "wsgi.file_wrapper": None})
    assert answer.status == 404
    assert body.read(1) == b""
