"""The twin as the README shows it, in the ASGI frameworks; and that all of these uses are correct in their types."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import blacksheep
import litestar
import pytest
import quart
from fastapi import FastAPI
from fastapi.responses import FileResponse, StreamingResponse
from litestar.middleware import DefineMiddleware
from litestar.response import File, Stream

from rangeware import AsgiRangeMiddleware
from tests.asgi.test_ecosystem import HEADERS, TYPE, ask_twice, chunks, file, judge, questions, ways
from tests.asgi_support import App
from tests.oracle import Expected
from tests.support import CONTENT, cut

__all__ = ["file"]  # the fixture

pytestmark = pytest.mark.matrix

ROOT = Path(__file__).parent.parent.parent


def fastapi_app(file: Path) -> App:
    """``add_middleware`` with an option."""
    app = FastAPI()
    app.add_middleware(AsgiRangeMiddleware, max_ranges=50)

    @app.get("/file")
    async def send_file() -> FileResponse:
        return FileResponse(file, media_type=TYPE)

    @app.get("/stream")
    async def send_stream() -> StreamingResponse:
        return StreamingResponse(chunks(), media_type=TYPE, headers=HEADERS)
    return app


def litestar_app(file: Path) -> App:
    """The list ``middleware``."""
    @litestar.get("/file", sync_to_thread=False)
    def send_file() -> File:
        return File(file, media_type=TYPE)

    @litestar.get("/stream", sync_to_thread=False)
    def send_stream() -> Stream:
        return Stream(chunks, media_type=TYPE, headers=HEADERS)
    twin = DefineMiddleware(AsgiRangeMiddleware, max_ranges=50)
    return litestar.Litestar([send_file, send_stream], middleware=[twin])


def quart_app(file: Path) -> App:
    """``asgi_app``, as Flask's ``wsgi_app``."""
    app = quart.Quart(__name__)
    app.asgi_app = AsgiRangeMiddleware(app.asgi_app, max_ranges=50)  # type: ignore[method-assign]

    @app.get("/file")
    async def send_file() -> quart.Response:
        return await quart.send_file(file, mimetype=TYPE)

    @app.get("/stream")
    async def send_stream() -> quart.Response:
        response = quart.Response(chunks(), mimetype=TYPE)
        response.headers.update(HEADERS)
        return response
    return app


def blacksheep_app(file: Path) -> App:
    """The twin outermost; a file that has its length, and one in BlackSheep's own way, which has none."""
    app = blacksheep.Application()

    async def blocks() -> AsyncIterator[bytes]:
        for block in cut(file.read_bytes(), 64):
            yield block

    async def send_file(request: blacksheep.Request) -> blacksheep.Response:
        content = blacksheep.StreamedContent(TYPE.encode(), blocks, file.stat().st_size)
        return blacksheep.Response(200, [(b"ETag", b'"v1"')], content)

    async def send_stream(request: blacksheep.Request) -> blacksheep.Response:
        content = blacksheep.StreamedContent(TYPE.encode(), chunks, len(CONTENT))
        return blacksheep.Response(200, [(b"ETag", b'"v1"')], content)

    async def send_own(request: blacksheep.Request) -> blacksheep.Response:
        return blacksheep.file(str(file), TYPE)
    for path, handler in (("/file", send_file), ("/stream", send_stream), ("/own", send_own)):
        app.router.add_get(path, handler)
    return AsgiRangeMiddleware(app, max_ranges=50)


@pytest.mark.parametrize("make", [fastapi_app, litestar_app, quart_app, blacksheep_app])
@ways
@questions
def test_frameworks(make: Callable[[Path], App], way: str, headers: dict[str, str], right: Expected,
                    file: Path) -> None:
    judge(make(file), way, headers, right)


def test_a_file_of_blacksheep_comes_without_length_and_is_left_alone(file: Path) -> None:
    """With a Transfer-Encoding of its own, so that nobody can slice it."""
    answer = ask_twice(blacksheep_app(file), "own", {"Range": "bytes=0-9"})
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, None)
    assert (answer.get("Transfer-Encoding"), answer.get("Content-Length")) == ("chunked", None)


# --- types -----------------------------------------------------------------------------------------------------------

USES = {
    "Starlette": """
        from starlette.applications import Starlette
        from starlette.middleware import Middleware
        from rangeware import AsgiRangeMiddleware

        app = Starlette(middleware=[Middleware(AsgiRangeMiddleware, max_ranges=50)])
        app.add_middleware(AsgiRangeMiddleware, max_ranges=50)
        around = AsgiRangeMiddleware(app, max_ranges=50)
        app.mount("/twin", around)
    """,
    "FastAPI": """
        from fastapi import FastAPI
        from fastapi.middleware import Middleware
        from rangeware import AsgiRangeMiddleware

        app = FastAPI(middleware=[Middleware(AsgiRangeMiddleware)])
        app.add_middleware(AsgiRangeMiddleware, max_ranges=50)
        around = AsgiRangeMiddleware(app)
    """,
    "Litestar": """
        from litestar import Litestar
        from litestar.middleware import DefineMiddleware
        from rangeware import AsgiRangeMiddleware

        app = Litestar([], middleware=[DefineMiddleware(AsgiRangeMiddleware, max_ranges=50)])
        around = AsgiRangeMiddleware(app)
    """,
    "Litestar's bare class": """
        from litestar import Litestar
        from rangeware import AsgiRangeMiddleware

        app = Litestar([], middleware=[AsgiRangeMiddleware])
    """,
    "Quart": """
        from quart import Quart
        from rangeware import AsgiRangeMiddleware

        app = Quart(__name__)
        app.asgi_app = AsgiRangeMiddleware(app.asgi_app, max_ranges=50)  # type: ignore[method-assign]
        around = AsgiRangeMiddleware(app)
    """,
    "Django": """
        from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
        from rangeware import AsgiRangeMiddleware

        application = AsgiRangeMiddleware(get_asgi_application(), max_ranges=50)
    """,
    "BlackSheep": """
        from blacksheep import Application
        from rangeware import AsgiRangeMiddleware

        app = Application()
        around = AsgiRangeMiddleware(app, max_ranges=50)
    """,
    "a bare app": """
        from collections.abc import Awaitable, Callable, MutableMapping
        from typing import Any
        from rangeware import AsgiRangeMiddleware, Plan

        Message = MutableMapping[str, Any]

        async def app(scope: Message, receive: Callable[[], Awaitable[Message]],
                      send: Callable[[Message], Awaitable[None]]) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})

        def told(scope: dict[str, Any], plan: Plan) -> None:
            print(plan.reason)

        around = AsgiRangeMiddleware(app, on_plan=told, applies=lambda scope: scope["path"] != "/")
        again = AsgiRangeMiddleware(around)
    """,
    "asgiref's types, uvicorn": """
        import uvicorn
        from asgiref.typing import ASGI3Application
        from rangeware import AsgiRangeMiddleware

        def wrap(app: ASGI3Application) -> None:
            uvicorn.run(AsgiRangeMiddleware(app, max_ranges=50))
    """,
}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[int, str]]:
    """``mypy --strict`` of a program: what it returns, and what it says."""
    directory = tmp_path_factory.mktemp("types")

    def run(program: str) -> tuple[int, str]:
        source = directory / "use.py"
        source.write_text(textwrap.dedent(program) + "\nreveal_type(AsgiRangeMiddleware.__call__)\n")
        command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(directory / "cache"), str(source)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT, check=False)
        return result.returncode, result.stdout + result.stderr
    return run


@pytest.mark.parametrize("use", USES)
def test_the_uses_are_correct_in_their_types(use: str, strict: Callable[[str], tuple[int, str]]) -> None:
    """A class that is ``Any`` would pass too: what it is, is asked for."""
    status, said = strict(USES[use])
    assert status == 0, said
    assert 'Revealed type is "def (self: rangeware.asgi.middleware.AsgiRangeMiddleware' in said


@pytest.mark.parametrize("wrong", ["AsgiRangeMiddleware()", "AsgiRangeMiddleware('no app')",
                                   "AsgiRangeMiddleware(lambda environ, start_response: [b''])"])
def test_a_wrong_use_is_told(wrong: str, strict: Callable[[str], tuple[int, str]]) -> None:
    status, said = strict(f"from rangeware import AsgiRangeMiddleware\n{wrong}")
    assert status == 1, said
    assert "use.py:2: error" in said
