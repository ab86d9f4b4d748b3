"""A file named by its path may be another one by the time it is opened: then no part of it is served."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware, Reason
from tests.asgi_support import PATHSEND, carry, scope_for
from tests.support import CONTENT, Answer

OLD, LONGER, SHORTER = CONTENT, CONTENT[::-1] + b"more", CONTENT[:500]
NEW = {"longer": LONGER, "longer by one byte": CONTENT + b"x", "shorter": SHORTER}
EXTENSIONS = {"server offers pathsend": (PATHSEND,), "server does not": ()}


def replacing(path: Path, new: bytes) -> Any:
    """Starlette's ``FileResponse`` of a file that is replaced after the app has looked it up."""
    class Replaced(FileResponse):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            async def late(message: Any) -> None:
                if message["type"] == "http.response.start":
                    path.write_bytes(new)
                await send(message)
            await super().__call__(scope, receive, late)

    async def film(request: Request) -> Response:
        return Replaced(path)
    return AsgiRangeMiddleware(Starlette(routes=[Route("/", film)]))


def ask(path: Path, new: bytes, extensions: tuple[str, ...], **fields: str) -> Answer:
    path.write_bytes(OLD)
    return carry(replacing(path, new), scope_for(extensions=extensions, **fields), lawful=False).answer()


@pytest.mark.each
@pytest.mark.parametrize("kind", NEW)
@pytest.mark.parametrize("offered", EXTENSIONS)
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=500-", "bytes=-10", "bytes=0-9,20-29", "bytes=1000-"])
@pytest.mark.parametrize("has_tag", [False, True], ids=["", "If-Range"])
def test_no_part_of_another_file_is_served(kind: str, offered: str, value: str, has_tag: bool, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(OLD)
    tag = str(carry(replacing(path, OLD), scope_for(range="bytes=0-0")).answer().get("ETag"))
    answer = ask(path, NEW[kind], EXTENSIONS[offered], range=value, **({"if_range": tag} if has_tag else {}))
    assert answer.status == 200
    assert answer.get("Content-Length") == "1000"
    reason = Reason.SHORTER if kind == "shorter" else Reason.LONGER
    assert answer.environ["rangeware.plan"].reason in (reason, Reason.IF_RANGE)
    if kind != "shorter":
        assert answer.body == NEW[kind][:1000]  # no more than was promised


def test_a_longer_file_is_cut_without_range_too(tmp_path: Path) -> None:
    answer = ask(tmp_path / "film", LONGER, (PATHSEND,))
    assert (answer.status, answer.body) == (200, LONGER[:1000])


@pytest.mark.each
@pytest.mark.parametrize("value", [None, "bytes=0-1"])
@pytest.mark.parametrize(("status", "field"), [
    (404, (b"x", b"y")), (206, (b"content-range", b"bytes 0-4/9")), (500, (b"x", b"y")),
    (200, (b"x-sendfile", b"/x")), (200, (b"content-range", b"bytes 0-4/9"))], ids=str)
def test_what_is_not_ours_is_not_cut(status: int, field: tuple[bytes, bytes], value: str | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"5"), field]})
        await send({"type": "http.response.body", "body": b"0123456789"})
    fields = {"range": value} if value else {}
    assert carry(AsgiRangeMiddleware(app), scope_for(**fields), lawful=False).body == b"0123456789"


@pytest.mark.parametrize(("value", "content"), [(None, b"01234"), ("bytes=3-", b"34"), ("bytes=x", b"01234")])
def test_one_message_longer_than_declared_is_cut(value: str | None, content: bytes) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"0123456789"})
    fields = {"range": value} if value else {}
    assert carry(AsgiRangeMiddleware(app), scope_for(**fields)).answer().body == content


@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,20-29"])
def test_a_file_of_the_same_length_is_served(value: str, tmp_path: Path) -> None:
    assert ask(tmp_path / "film", CONTENT[::-1], (), range=value).status == 206


def test_a_file_without_declared_length_is_served(tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(OLD)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": PATHSEND, "path": str(path)})
    answer = carry(AsgiRangeMiddleware(app), scope_for(range="bytes=10-19")).answer()
    assert (answer.status, answer.body) == (206, OLD[10:20])


@pytest.mark.each
@pytest.mark.parametrize(("mtime", "names"), [
    (0, set()), (1, set()), (315_532_800, set()), (631_152_000, {"etag", "last-modified"}), (None, {"last-modified"})],
    ids=["0", "1", "1980", "1990", "now"])
@pytest.mark.parametrize("offered", EXTENSIONS)
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_validators_of_a_path_are_made_of_times_that_mean_something(mtime: int | None, names: set[str], offered: str,
                                                                    value: str | None, tmp_path: Path) -> None:
    path = tmp_path / "film"
    path.write_bytes(OLD)
    if mtime is not None:
        os.utime(path, (mtime, mtime))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
        if PATHSEND in scope["extensions"]:
            await send({"type": PATHSEND, "path": str(path)})
        else:
            await send({"type": "http.response.body", "body": path.read_bytes()})
    fields = {"range": value} if value else {}
    answer = carry(AsgiRangeMiddleware(app), scope_for(extensions=EXTENSIONS[offered], **fields)).answer()
    is_named = value is not None or bool(EXTENSIONS[offered])
    assert {name for name, _ in answer.fields} & {"etag", "last-modified"} == (names if is_named else set())
