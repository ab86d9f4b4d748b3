"""What a deployer sees of both apps: hooks, owners, addresses, CORS, reading back, expiry and cleaning."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import trio

from rangeware.errors import InvalidOption
from rangeware.uploads import AsgiUploadApp, FileStorage, FinishedUpload, Refused, Upload, UploadApp, disk, engine
from rangeware.uploads.command import main
from tests.asgi_support import Wire, scope_for
from tests.support import environ_for, run
from tests.uploads.support import (
    CUT,
    PATCH,
    TUS,
    TWINS,
    Body,
    app_of,
    ask,
    create,
    digest_field,
    offset_of,
    patch,
    stored,
)

CONTENT = b"0123456789"
PARTIAL = {"Content-Type": "application/partial-upload", "Upload-Complete": "?1"}


@pytest.fixture(params=TWINS)
def twin(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def storage(tmp_path: Path) -> FileStorage:
    return FileStorage(tmp_path / "uploads")


def uploaded(app: Any, path: str = "/", **fields: str) -> str:
    """Upload 10 bytes by tus."""
    location = create(app, 10, path, **fields)
    assert patch(app, location, 0, CONTENT).status == 204
    return location


# --- the finished hook ---

def test_the_hook_gets_the_file(twin: str, storage: FileStorage) -> None:
    seen: list[Any] = []

    def finished(file: FinishedUpload) -> None:
        with file.open() as opened:
            seen.append((file.upload.metadata, file.upload.length, opened.read(), file.digest()))

    uploaded(app_of(twin, storage, finished=finished), Upload_Metadata="filename w6QudHh0")
    assert seen == [({"filename": "ä.txt"}, 10, CONTENT, hashlib.sha256(CONTENT).digest())]


class Crash(BaseException):
    """Ends the process, as it were."""


class Moody:
    """A hook that refuses, fails, and then accepts."""

    def __init__(self, *answers: BaseException | None) -> None:
        self.answers = list(answers)

    def __call__(self, file: FinishedUpload) -> None:
        answer = self.answers.pop(0)
        if answer is not None:
            raise answer


def test_a_hook_that_refuses(twin: str, storage: FileStorage, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told, also if it only asks for the offset, and can complete the upload later."""
    app = app_of(twin, storage, finished=Moody(Refused(422, "not a film"), Refused(422), ValueError("no"), None))
    location = create(app, 10)
    answer = patch(app, location, 0, CONTENT)
    assert (answer.status, answer.body) == (422, b"not a film")
    assert ask(app, "HEAD", location, TUS).status == 422
    with caplog.at_level(logging.ERROR, "rangeware"):
        assert ask(app, "HEAD", location, TUS).status == 500
    assert "ValueError: no" in caplog.text
    assert (offset_of(app, location), stored(storage, location)) == (10, CONTENT)


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "GET"])
def test_the_draft_completes_what_a_hook_refused(twin: str, storage: FileStorage, method: str) -> None:
    app = app_of(twin, storage, finished=Moody(Refused(503, "later"), None))
    location = create(app, 10)
    fields = {**PARTIAL, "Upload-Offset": "0"}
    answer = ask(app, "PATCH", location, fields, CONTENT)
    assert (answer.status, answer.get("Upload-Complete")) == (503, None)
    answer = ask(app, method, location, {**fields, "Upload-Offset": "10"} if method == "PATCH" else {})
    assert answer.status in (200, 201, 204)
    assert ask(app, "HEAD", location).get("Upload-Complete") == "?1"


def test_a_refused_creation_tells_where_the_upload_is(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, finished=Moody(Refused(503), None))
    answer = ask(app, "POST", "/", {"Upload-Complete": "?1"}, CONTENT)
    assert answer.status == 503
    assert ask(app, "HEAD", answer.get("Location") or "").get("Upload-Complete") == "?1"
    app = app_of(twin, storage, finished=Moody(Refused(503), None))
    answer = ask(app, "POST", "/", {**PATCH, "Upload-Length": "10"}, CONTENT)
    assert (answer.status, offset_of(app, answer.get("Location") or "")) == (503, 10)


def test_a_hook_that_is_a_coroutine_function(storage: FileStorage) -> None:
    seen = []

    async def finished(file: FinishedUpload) -> None:
        await asyncio.sleep(0)
        seen.append(file.upload.length)

    uploaded(AsgiUploadApp(storage, finished=finished))
    assert seen == [10]


def test_trio(storage: FileStorage) -> None:
    seen = []

    async def finished(file: FinishedUpload) -> None:
        await trio.sleep(0)
        seen.append(file.upload.length)

    async def authorize(scope: Any, action: str, upload: Upload) -> str:
        await trio.sleep(0)
        return "ada"

    app = AsgiUploadApp(storage, finished=finished, authorize=authorize)
    scope = scope_for("POST", "/", upload_complete="?1", content_length="10")

    async def converse() -> int:
        wire = Wire(scope, trio.Event(), body=CONTENT)
        await app(scope, wire.receive, wire.send)
        await app.clean()
        return wire.answer().status

    assert trio.run(converse) == 201
    assert seen == [10]
    assert [upload.owner for upload in storage.uploads()] == ["ada"]


@pytest.mark.parametrize("is_cleaned", [True, False])
def test_a_crash_between_the_last_byte_and_the_end(twin: str, storage: FileStorage, is_cleaned: bool) -> None:
    """A client of tus takes an offset at the end for success: then the hook has been called. So does cleaning."""
    calls: list[Any] = []
    app = app_of(twin, storage, finished=calls.append)
    location = create(app, 10)
    writer = storage.claim(location[1:])
    writer.write(CONTENT)
    writer.close()
    if is_cleaned:
        assert cleaned(app) == 0
    assert (offset_of(app, location), len(calls)) == (10, 1)
    assert ask(app, "HEAD", location).get("Upload-Complete") == "?1"


def test_only_the_client_completes_an_upload_of_the_draft(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100)
    location = ask(app, "POST", "/", {"Upload-Complete": "?0", "Upload-Length": "10"}, CONTENT).get("Location") or ""
    assert (offset_of(app, location), cleaned(app)) == (10, 0)
    assert ask(app, "HEAD", location).get("Upload-Complete") == "?0"


def test_surplus_does_not_end_an_upload_that_is_all_there(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, finished=Moody(Refused(422), None))
    location = create(app, 10)
    assert patch(app, location, 0, CONTENT).status == 422
    assert ask(app, "PATCH", location, {**PARTIAL, "Upload-Offset": "10"}, b"more").status == 400
    assert offset_of(app, location) == 10


@pytest.mark.parametrize(("left", "offset"), [(-1.0, 4), (60.0, 0)])
def test_bytes_whose_checksum_never_came_count_once_the_client_asks(
        twin: str, storage: FileStorage, monkeypatch: pytest.MonkeyPatch, left: float, offset: int) -> None:
    """Not while their request may still be alive."""
    monkeypatch.setattr(engine, "_LEFT", left)
    app = app_of(twin, storage)
    location = create(app, 10)
    writer = storage.claim(location[1:])
    writer.hold_back()
    writer.write(b"0123")
    assert offset_of(app, location) == offset
    if not offset:
        writer.release(keep=True)
    writer.close()
    assert patch(app, location, 4, b"456789").status == 204
    assert stored(storage, location) == CONTENT


def test_bytes_without_their_checksum_never_complete_an_upload(twin: str, storage: FileStorage,
                                                               monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LEFT", -1.0)
    calls: list[Any] = []
    app = app_of(twin, storage, finished=calls.append)
    location = create(app, 10)
    writer = storage.claim(location[1:])
    writer.hold_back()
    writer.write(b"xxxxxxxxxx")
    writer.close()
    assert (offset_of(app, location), calls) == (0, [])
    assert patch(app, location, 0, CONTENT).status == 204
    assert (stored(storage, location), len(calls)) == (CONTENT, 1)


def test_an_upload_that_is_locked(twin: str, storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_PATIENCE", 0.1)
    app = app_of(twin, storage)
    location = create(app, 10)
    with open(storage.directory / f"{location[1:]}.data") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for answer in (ask(app, "HEAD", location), patch(app, location, 0, CONTENT)):
            assert (answer.status, answer.get("Retry-After")) == (423, "1")
    assert patch(app, location, 0, CONTENT).status == 204


def test_two_requests_that_tell_different_lengths(twin: str, storage: FileStorage,
                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    app = app_of(twin, storage)
    location = create(app, None)
    real = storage.claim

    def meanwhile(id: str, offset: int | None = None) -> Any:
        with contextlib.closing(real(id)) as writer:
            writer.describe(Upload(id, 20))
        return real(id, offset)

    monkeypatch.setattr(storage, "claim", meanwhile)
    assert patch(app, location, 0, CONTENT, Upload_Length="10").status == 400
    assert storage.find(location[1:]).length == 20


def test_an_overridden_get_of_a_server_without_a_file_wrapper(storage: FileStorage) -> None:
    app = UploadApp(storage)
    location = uploaded(app)
    answer = ask(app, "POST", location, {**TUS, "X-HTTP-Method-Override": "GET"})
    assert (answer.status, answer.body) == (200, CONTENT)


def test_hooks_may_use_the_threads_of_the_loop(storage: FileStorage) -> None:
    async def finished(file: FinishedUpload) -> None:
        await asyncio.to_thread(file.digest)

    app = AsgiUploadApp(storage, finished=finished)

    async def upload() -> int:
        scope = scope_for("POST", "/", upload_complete="?1", content_length="10")
        wire = Wire(scope, asyncio.Event(), body=CONTENT)
        await app(scope, wire.receive, wire.send)
        return wire.answer().status

    async def many() -> list[int]:
        return await asyncio.wait_for(asyncio.gather(*(upload() for _ in range(40))), 30)

    assert asyncio.run(many()) == [201] * 40


def test_a_cancelled_request_keeps_what_came(storage: FileStorage) -> None:
    app = AsgiUploadApp(storage)
    location = create(app, 10)
    scope = scope_for("PATCH", location, upload_offset="0", content_length="10", tus_resumable="1.0.0",
                      content_type="application/offset+octet-stream")

    async def converse() -> None:
        messages = [{"type": "http.request", "body": b"0123", "more_body": True}]
        waiting = asyncio.Event()

        async def receive() -> Any:
            if not messages:
                waiting.set()
                await asyncio.Event().wait()
            return messages.pop()

        task = asyncio.ensure_future(app(scope, receive, None))
        await waiting.wait()
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()

    before = len(os.listdir("/proc/self/fd"))
    asyncio.run(converse())
    assert (offset_of(app, location), len(os.listdir("/proc/self/fd"))) == (4, before)


def test_a_cancelled_request_closes_its_file(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is cancelled while the file is being opened in a thread."""
    app = AsgiUploadApp(storage)
    location = create(app, 10)
    real = storage.claim
    began = threading.Event()

    def slow(*given: Any) -> Any:
        began.set()
        time.sleep(0.05)
        return real(*given)

    monkeypatch.setattr(storage, "claim", slow)
    scope = scope_for("PATCH", location, upload_offset="0", content_length="10", tus_resumable="1.0.0",
                      content_type="application/offset+octet-stream")

    async def converse() -> None:
        task = asyncio.ensure_future(app(scope, None, None))
        while not began.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(converse())
    assert not [each for each in os.listdir("/proc/self/fd") if _leads_to(each, location[1:])]


def _leads_to(descriptor: str, name: str) -> bool:
    try:
        return name in os.readlink(f"/proc/self/fd/{descriptor}")
    except FileNotFoundError:
        return False


def test_a_length_beyond_the_quota_is_not_taken(twin: str, tmp_path: Path) -> None:
    app = app_of(twin, FileStorage(tmp_path, quota=9))
    location = create(app, None)
    assert patch(app, location, 0, CONTENT, Upload_Length="10").status == 507
    assert patch(app, location, 0, CONTENT[:9], Upload_Length="9").status == 204


def test_a_disk_that_is_full_when_parts_are_put_together(twin: str, storage: FileStorage,
                                                         monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(errno.ENOSPC, "full")

    app = app_of(twin, storage)
    part = uploaded(app, Upload_Concat="partial")
    with monkeypatch.context() as patched:
        patched.setattr("rangeware.uploads.file_storage.write_pieces", full)
        answer = ask(app, "POST", "/", {**TUS, "Upload-Concat": f"final;{part}"})
    assert (answer.status, answer.get("Location")) == (507, None)
    assert [f"/{upload.id}" for upload in storage.uploads()] == [part]


def test_chunked_content_that_a_server_does_not_decode(storage: FileStorage) -> None:
    app = UploadApp(storage)
    location = create(app, 10)
    fields = {**PATCH, "Upload-Offset": "0", "Transfer-Encoding": "Chunked"}
    assert ask(app, "PATCH", location, fields, CONTENT, length=0).status == 411


# --- the authorize hook ---

class Guard:
    """Lets everybody do everything but what is named, and notes what it was asked."""

    def __init__(self, *refused: str, owner: object = "ada") -> None:
        self.refused = refused
        self.owner = owner
        self.asked: list[tuple[str, int | None]] = []

    def __call__(self, environ: Any, action: str, upload: Upload) -> object:
        self.asked.append((action, upload.length))
        return False if action in self.refused else self.owner


def test_each_action_is_authorized(twin: str, storage: FileStorage) -> None:
    guard = Guard()
    app = app_of(twin, storage, authorize=guard)
    location = uploaded(app)
    ask(app, "HEAD", location, TUS)
    ask(app, "GET", location)
    assert [upload.owner for upload in storage.uploads()] == ["ada"]
    ask(app, "DELETE", location, TUS)
    ask(app, "OPTIONS", location)
    ask(app, "HEAD", "/" + "0" * 32, TUS)
    assert guard.asked == [("create", 10), ("append", 10), ("see", 10), ("see", 10), ("end", 10)]


@pytest.mark.parametrize(("action", "method"), [
    ("create", "POST"), ("append", "PATCH"), ("see", "HEAD"), ("see", "GET"), ("end", "DELETE"),
])
def test_what_is_not_allowed_does_not_happen(twin: str, storage: FileStorage, action: str, method: str) -> None:
    location = create(app_of(twin, storage), 10)
    app = app_of(twin, storage, authorize=Guard(action))
    path = "/" if method == "POST" else location
    answer = ask(app, method, path, {**PATCH, "Upload-Offset": "0", "Upload-Length": "10"}, CONTENT)
    assert answer.status == 403
    assert [upload.offset for upload in storage.uploads()] == [0]


def test_a_hook_may_say_how_it_refuses(twin: str, storage: FileStorage) -> None:
    def authorize(*_: Any) -> None:
        raise Refused(404, "no such upload")

    location = create(app_of(twin, storage), 10)
    answer = ask(app_of(twin, storage, authorize=authorize), "GET", location)
    assert (answer.status, answer.body) == (404, b"no such upload")


def test_the_parts_of_a_concatenation_are_authorized(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage)
    part = uploaded(app, Upload_Concat="partial")
    fields = {**TUS, "Upload-Concat": f"final;{part}"}
    assert ask(app_of(twin, storage, authorize=Guard("see")), "POST", "/", fields).status == 403
    assert ask(app_of(twin, storage, authorize=Guard(owner=True)), "POST", "/", fields).status == 201


# --- addresses ---

def test_an_app_around_another(storage: FileStorage) -> None:
    def site(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
        return [b"site"]

    app = UploadApp(storage, app=site, path="/files/")
    location = uploaded(app, "/files/")
    assert location.startswith("/files/")
    assert uploaded(app, "/files").startswith("/files/")
    assert run(app, environ_for("GET", "/")).body == b"site"
    assert ask(app, "GET", "/files/x").status == 404
    assert ask(UploadApp(storage, path="/files/"), "GET", "/other", TUS).status == 404


def test_an_asgi_app_around_another(storage: FileStorage) -> None:
    async def site(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"site"})

    app = AsgiUploadApp(storage, app=site, path="/files/")
    assert uploaded(app, "/files/").startswith("/files/")
    assert ask(app, "GET", "/").body == b"site"
    assert ask(AsgiUploadApp(storage, path="/files/"), "GET", "/other", TUS).status == 404
    kinds: list[str] = []

    async def lifespan(scope: Any, receive: Any, send: Any) -> None:
        kinds.append(scope["type"])

    asyncio.run(AsgiUploadApp(storage, app=lifespan)({"type": "lifespan"}, None, None))
    asyncio.run(AsgiUploadApp(storage)({"type": "lifespan"}, None, None))
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(AsgiUploadApp(storage)({"type": "websocket", "path": "/"}, None, send))
    assert sent == [{"type": "websocket.close"}]
    assert kinds == ["lifespan"]


@pytest.mark.parametrize(("twin", "path", "mount"), [
    ("wsgi", "/", {"SCRIPT_NAME": "/ü/%".encode().decode("latin-1")}),
    ("asgi", "/ü/%/", {"root_path": "/ü/%"}),  # as the standard says
    ("asgi", "/", {"root_path": "/ü/%"}),  # as older servers do it
])
def test_a_mounted_app(twin: str, storage: FileStorage, path: str, mount: dict[str, str]) -> None:
    answer = ask(app_of(twin, storage), "POST", path, {**TUS, "Upload-Length": "10"}, **mount)
    assert (answer.get("Location") or "").startswith("/%C3%BC/%25/")


@pytest.mark.parametrize(("proto", "host", "base"), [
    ("https", "example.org", "https://example.org/"), ("http", "[::1]:8000", "http://[::1]:8000/"),
    ("https, http", "a.example, b.example", "https://a.example/"), ("ftp", "example.org", "/"),
    ("https", "a.example/path", "/"), ("https", "a\u00e4", "/"), ("", "", "/"),
])
def test_behind_a_proxy(twin: str, storage: FileStorage, proto: str, host: str, base: str) -> None:
    fields = {**TUS, "Upload-Length": "10", "X-Forwarded-Proto": proto, "X-Forwarded-Host": host}
    trusted = ask(app_of(twin, storage, trust_forwarded=True), "POST", "/", fields).get("Location") or ""
    assert trusted[:-32] == base
    assert (ask(app_of(twin, storage), "POST", "/", fields).get("Location") or "")[:-32] == "/"


@pytest.mark.parametrize("options", [
    {"path": "files/"}, {"path": "/files"}, {"max_size": 0}, {"max_size": "1"}, {"expires": -1}, {"expires": True},
    {"expires": float("inf")}, {"expires": float("nan")}, {"max_size": 2**62},
])
def test_options_that_cannot_work(twin: str, storage: FileStorage, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption, match=next(iter(options))):
        app_of(twin, storage, **options)


# --- CORS ---

@pytest.mark.parametrize(("cors", "origin", "allowed", "with_cookies"), [
    (("*",), "https://a.example", "*", None),
    (("https://a.example",), "https://a.example", "https://a.example", "true"),
    (("https://a.example",), "https://b.example", None, None), ((), "https://a.example", None, None),
    (("*",), None, None, None),
])
def test_cors(twin: str, storage: FileStorage, cors: Any, origin: str | None, allowed: str | None,
              with_cookies: str | None) -> None:
    app = app_of(twin, storage, cors=cors)
    fields = {} if origin is None else {"Origin": origin}
    location = create(app, 10)
    for method, path in (("OPTIONS", "/"), ("HEAD", location), ("PATCH", location)):
        answer = ask(app, method, path, {**TUS, **fields})
        assert answer.get("Access-Control-Allow-Origin") == allowed
        assert answer.get("Access-Control-Allow-Credentials") == with_cookies
        named = answer.get("Access-Control-Allow-Headers" if method == "OPTIONS" else "Access-Control-Expose-Headers")
        assert ("Upload-Offset" in (named or "")) is (allowed is not None)


# --- reading back ---

@pytest.mark.parametrize(("filetype", "media_type"), [
    ("aW1hZ2UvcG5n", "image/png"), ("dGV4dC9odG1s", "application/octet-stream"),
    ("aW1hZ2Uvc3ZnK3htbA==", "application/octet-stream"), ("YQ0KYjogYw==", "application/octet-stream"),
    ("VklERU8vTVA0", "video/mp4"), ("", "application/octet-stream"),
])
def test_a_finished_file_is_sent(twin: str, storage: FileStorage, filetype: str, media_type: str) -> None:
    app = app_of(twin, storage)
    location = uploaded(app, Upload_Metadata=f"filename ImEiLw0KYi5wbmc=,filetype {filetype}")
    answer = ask(app, "GET", location, {"Range": "bytes=2-4"})
    assert (answer.status, answer.body, answer.get("Content-Range")) == (206, b"234", "bytes 2-4/10")
    answer = ask(app, "GET", location)
    assert (answer.status, answer.body, answer.get("Content-Type")) == (200, CONTENT, media_type)
    assert answer.get("Content-Disposition") == "attachment; filename=\"_a____b.png\"; filename*=UTF-8''_a____b.png"
    assert (answer.get("X-Content-Type-Options"), answer.get("Content-Length")) == ("nosniff", "10")
    assert "sandbox" in (answer.get("Content-Security-Policy") or "")


def test_a_server_that_sends_paths(storage: FileStorage) -> None:
    app = AsgiUploadApp(storage)
    location = uploaded(app)
    scope = scope_for("GET", location, extensions=["http.response.pathsend"])

    async def converse() -> Wire:
        wire = Wire(scope, asyncio.Event())
        await app(scope, wire.receive, wire.send)
        return wire

    wire = asyncio.run(converse())
    assert wire.answer().body == CONTENT
    assert wire.messages[-1]["path"] == str(storage.path(location[1:]))


def test_an_unfinished_file_is_not_sent(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage)
    location = create(app, 10)
    answer = ask(app, "GET", location)
    assert (answer.status, answer.body, answer.get("Upload-Offset"), answer.get("Upload-Complete")) == (
        204, b"", "0", "?0")


def test_without_downloads(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, download=False)
    location = uploaded(app)
    assert ask(app, "GET", location).status == 405
    assert ask(app, "HEAD", location).get("Upload-Complete") == "?1"


# --- the digest of the whole ---

@pytest.mark.parametrize("dialect", ["tus", "draft"])
@pytest.mark.parametrize("is_right", [True, False])
def test_a_promised_digest(twin: str, storage: FileStorage, dialect: str, is_right: bool) -> None:
    calls: list[Any] = []
    app = app_of(twin, storage, finished=calls.append)
    promised = {"Repr-Digest": digest_field(CONTENT if is_right else b"other")}
    fields = {**TUS, "Upload-Length": "10"} if dialect == "tus" else {"Upload-Complete": "?0", "Upload-Length": "10"}
    location = ask(app, "POST", "/", {**fields, **promised}).get("Location") or ""
    answer = patch(app, location, 0, CONTENT) if dialect == "tus" else ask(
        app, "PATCH", location, {**PARTIAL, "Upload-Offset": "0"}, CONTENT)
    assert (answer.status < 300, len(calls)) == (is_right, is_right)
    assert ask(app, "HEAD", location).status == (204 if is_right else 404)


# --- expiry ---

def test_expired_uploads_are_gone(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100)
    location = create(app, 10)
    path = storage.directory / f"{location[1:]}.json"
    for age, status in ((90, 204), (110, 410)):
        for each in (path, path.with_suffix(".data")):
            os.utime(each, (time.time() - age,) * 2)
        assert ask(app, "HEAD", location).status == (status if age > 100 else 204)
        if age < 100:
            assert 5 <= int((ask(app, "GET", location).get("Upload-Limit") or "").partition("=")[2]) <= 100
    assert cleaned(app) == 1
    assert list(storage.uploads()) == []


def cleaned(app: Any) -> int:
    return asyncio.run(app.clean()) if isinstance(app, AsgiUploadApp) else app.clean()


def test_cleaning_keeps_what_is_written_and_what_is_finished(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100)
    done, busy, old = uploaded(app), create(app, 10), create(app, 10)
    for location in (done, old, busy):
        for path in storage.directory.glob(f"{location[1:]}.*"):
            os.utime(path, (time.time() - 1000,) * 2)
    with open(storage.directory / f"{busy[1:]}.data", "wb") as file:
        file.write(b"x")
    assert cleaned(app) == 1
    assert {f"/{upload.id}" for upload in storage.uploads()} == {done, busy}
    assert cleaned(app_of(twin, storage)) == 0


def test_cleaning_calls_the_hook_that_a_crash_kept_back(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100, finished=Moody(Crash()))
    location = create(app, 10)
    with pytest.raises(Crash):
        patch(app, location, 0, CONTENT)
    calls: list[Any] = []
    refusing = app_of(twin, storage, finished=Moody(Refused(422)))
    assert (cleaned(refusing), offset_of(app_of(twin, storage, finished=calls.append), location)) == (0, 10)
    assert [file.upload.id for file in calls] == [location[1:]]


def test_a_refused_file_expires(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100, finished=Moody(*[Refused(422)] * 3))
    location = create(app, 10)
    assert patch(app, location, 0, CONTENT).status == 422
    assert cleaned(app) == 0
    for path in storage.directory.iterdir():
        os.utime(path, (time.time() - 1000,) * 2)
    assert cleaned(app) == 1
    assert list(storage.directory.iterdir()) == []


def test_an_old_file_that_is_accepted_at_last_stays(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage, expires=100, finished=Moody(Refused(422), None))
    location = create(app, 10)
    assert patch(app, location, 0, CONTENT).status == 422
    for path in storage.directory.iterdir():
        os.utime(path, (time.time() - 1000,) * 2)
    assert cleaned(app) == 0
    assert ask(app, "HEAD", location).get("Upload-Complete") == "?1"


def test_the_command(storage: FileStorage, capsys: pytest.CaptureFixture[str]) -> None:
    app = UploadApp(storage)
    uploaded(app)
    for age in (30, 90_000):
        for path in storage.directory.glob(f"{create(app, 10)[1:]}.*"):
            os.utime(path, (time.time() - age,) * 2)
    assert main(["clean", str(storage.directory)]) == 0
    assert main(["clean", str(storage.directory), "--older-than", "10s"]) == 0
    assert capsys.readouterr().out == "removed 1 unfinished upload\nremoved 1 unfinished upload\n"
    assert main(["clean", str(storage.directory), "--older-than", "1d"]) == 0
    assert len(list(storage.uploads())) == 1


@pytest.mark.parametrize(("words", "exit_code", "said"), [
    ([], 1, "required: clean"), (["clean"], 1, "required: DIR"), (["clean", "/nowhere"], 5, "not a folder: /nowhere"),
    (["clean", ".", "--older-than", "1"], 1, "must be an age such as"), (["clean", "--help"], 0, ""),
])
def test_the_command_explains(words: list[str], exit_code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == exit_code
    assert said in capsys.readouterr().err


def test_the_command_cannot_read_the_folder(storage: FileStorage, monkeypatch: pytest.MonkeyPatch,
                                            capsys: pytest.CaptureFixture[str]) -> None:
    def denied(*_: Any) -> Any:
        raise PermissionError(13, "Permission denied", "uploads")

    monkeypatch.setattr(os, "scandir", denied)
    assert main(["clean", str(storage.directory)]) == 5
    assert capsys.readouterr().err == "rangeware: Permission denied: uploads\n"


# --- broken connections ---

def test_small_pieces_for_servers_that_lose_what_they_read(storage: FileStorage) -> None:
    sizes: list[int] = []

    class Reading(Body):
        def read(self, size: int = -1) -> bytes:
            sizes.append(size)
            return super().read(size)

    content = bytes(3_000_000)
    app = UploadApp(storage)
    for more in ({"uwsgi.version": b"2"}, {}):
        sizes.clear()
        location = create(app, len(content))
        answer = ask(app, "PATCH", location, {**PATCH, "Upload-Offset": "0"}, length=len(content), **more,
                     **{"wsgi.input": Reading(content)})
        assert answer.status == 204
        assert (max(sizes) <= 32 << 10) is bool(more)


def test_what_a_server_gives_to_the_next_read_is_kept(storage: FileStorage) -> None:
    class Buffering(Body):
        failures = 0

        def read(self, size: int = -1) -> bytes:
            self.failures += 1
            if self.failures in (1, 3):
                raise ConnectionResetError
            return b"0123" if self.failures == 2 else b""

    app = UploadApp(storage)
    location = create(app, 10)
    for offset in (4, 4):
        answer = ask(app, "PATCH", location, {**PATCH, "Upload-Offset": str(offset_of(app, location))}, length=6,
                     **{"wsgi.input": Buffering()})
        assert (answer.status, offset_of(app, location)) == (400, offset)
        Buffering.failures = 2

@pytest.mark.parametrize("length", [None, 10])
def test_a_cut_request_keeps_what_arrived(twin: str, storage: FileStorage, length: int | None) -> None:
    app = app_of(twin, storage)
    location = create(app, 10)
    answer = ask(app, "PATCH", location, {**PATCH, "Upload-Offset": "0"}, [b"01", b"23", CUT], length=length)
    assert (answer.status, answer.get("Upload-Offset"), offset_of(app, location)) == (400, "4", 4)
    assert patch(app, location, 4, b"456789").status == 204
    assert stored(storage, location) == CONTENT


@pytest.mark.parametrize("app", [UploadApp, AsgiUploadApp])
def test_a_folder_is_no_storage(app):
    with pytest.raises(InvalidOption, match=r"not 'uploads'; did you mean FileStorage\('uploads'\)\?"):
        app("uploads")
    with pytest.raises(InvalidOption, match="storage must be a FileStorage or an S3Storage, not None$"):
        app(None)
