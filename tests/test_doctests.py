"""Every ``>>>`` in the package is run, and prints what stands below it.

An example is short because it uses names that the reader knows: ``app``, ``environ``, a film on some server. They are
real here: a Flask app (Starlette for the ASGI middleware), the environ of a request that was answered, and a server
that stands for every http address, as the proxy of the environment, and takes uploads. So that the examples stay where
modules move, a name is given to all of them, or by the name of the object whose docstring it is.
"""

from __future__ import annotations

import asyncio
import doctest
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from types import ModuleType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import flask
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import rangeware
from rangeware import RangeMiddleware
from rangeware.client import download, upload
from rangeware.uploads import FileStorage, UploadApp

from .asgi_support import ask
from .support import CONTENT, answering, get

PACKAGE = Path(rangeware.__file__).parent
GIVEN = {"FileStorage": FileStorage, "UploadApp": UploadApp, "asyncio": asyncio, "download": download, "upload": upload}
PUBLIC = {name: getattr(rangeware, name) for name in rangeware.__all__}


def modules() -> Iterator[ModuleType]:
    """The modules of the package. A ``__main__`` is left out, since it runs when it is imported."""
    yield rangeware
    for module in walk_packages(rangeware.__path__, "rangeware."):
        if not module.name.endswith(".__main__"):
            yield import_module(module.name)


DOCSTRINGS = [test for module in modules() for test in doctest.DocTestFinder().find(module) if test.examples]
"""Those that have examples."""


class Film(rangeware.OpenableBody):
    complete_length = len(CONTENT)

    def open_range(self, first_pos: int, last_pos: int) -> list[bytes]:
        return [CONTENT[first_pos:last_pos + 1]]


def flask_app() -> flask.Flask:
    app = flask.Flask("films")
    app.add_url_rule("/", view_func=lambda: flask.Response(CONTENT))
    return app


def starlette_app() -> Starlette:
    async def film(request: Request) -> Response:
        return Response(CONTENT)

    return Starlette(routes=[Route("/", film)])


def names_for(docstring: doctest.DocTest) -> dict[str, Any]:
    """The names for the examples of a docstring: those of its module, the package's public ones, and these."""
    names = {**PUBLIC, **GIVEN, **docstring.globs, "app": flask_app(),
             "environ": get(RangeMiddleware(answering([CONTENT])), "bytes=0-99").environ}
    if "film" not in names:
        names["film"] = Film()
    described = docstring.name.rpartition(".")[2]
    if described == "AsgiRangeMiddleware":
        names["app"] = starlette_app()
    if described in ("upload", "aupload", "Upload"):
        with open("film.mp4", "wb") as film:
            film.truncate(1 << 20)
    return names


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers any request with a film, whatever host it is for, and takes uploads below /files/."""
    film = RangeMiddleware(answering([CONTENT], ("ETag", '"v1"')))
    uploads = UploadApp(FileStorage(tmp_path_factory.mktemp("uploads")), app=film, path="/files/")

    def site(environ: dict[str, Any], start_response: Any) -> Any:
        path = re.sub("https?://[^/]*", "", environ["PATH_INFO"])  # a proxy is asked for the whole address
        return uploads({**environ, "PATH_INFO": path}, start_response)

    with make_server("127.0.0.1", 0, site, WSGIServer, Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def _world(proxy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty folder, a network of one server, and the modules that examples name."""
    monkeypatch.chdir(tmp_path)
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    metrics = ModuleType("films.metrics")
    vars(metrics)["count"] = lambda environ, plan: None
    monkeypatch.setitem(sys.modules, metrics.__name__, metrics)


@pytest.mark.usefixtures("_world")
@pytest.mark.parametrize("docstring", DOCSTRINGS, ids=lambda docstring: docstring.name)
def test_examples_print_what_stands_there(docstring: doctest.DocTest) -> None:
    docstring.globs = names_for(docstring)
    complaints: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(docstring, out=complaints.append, clear_globs=False)
    assert not result.failed, "".join(complaints)
    app = docstring.globs["app"]  # must work after what the example did to it: Starlette builds it at the first request
    answer = ask(app, "bytes=0-9") if isinstance(app, Starlette) else get(app, "bytes=0-9")
    assert answer.body in (CONTENT, CONTENT[:10])


def test_no_example_is_passed_over() -> None:
    """Neither by where it stands, as in a docstring that is none, nor by a directive."""
    standing = {path: len(re.findall(r"^\s*>>> ", path.read_text(encoding="utf-8"), re.MULTILINE))
                for path in PACKAGE.rglob("*.py")}
    run = Counter(Path(str(docstring.filename)) for docstring in DOCSTRINGS for _ in docstring.examples)
    assert {path: count for path, count in standing.items() if count} == run
    assert not any(doctest.SKIP in example.options for docstring in DOCSTRINGS for example in docstring.examples)
