"""BlackSheep: ``serve_files``, ``StreamedContent``."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from blacksheep import Application as BlackSheep
from blacksheep import Content, Response, StreamedContent
from blacksheep.common.files.pathsutils import get_file_extension_from_name

from tests.matrix.asgi_frameworks.content import TYPE, Application, generated_slowly
from tests.matrix.frameworks.content import ETAG, GENERATOR_LENGTH, representation

_METHODS = ["GET", "HEAD"]


def make(file: Path) -> Application:
    """The app."""
    app = BlackSheep()

    @app.router.route("/generator", methods=_METHODS)
    async def generator() -> Response:
        content = StreamedContent(TYPE.encode(), partial(generated_slowly, "blacksheep"), GENERATOR_LENGTH)
        return Response(200, [(b"ETag", ETAG.encode())], content)

    @app.router.route("/page", methods=_METHODS)
    async def page() -> Response:
        return Response(200, content=Content(b"text/plain", representation("blacksheep", "page")))

    extension = get_file_extension_from_name(str(file))  # what it takes for one: the name has none
    app.serve_files(file.parent, extensions={extension})
    return app
