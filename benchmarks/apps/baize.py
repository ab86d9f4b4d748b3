"""baize: ``FileResponse``. The generator is sent whole."""

from __future__ import annotations

from baize.wsgi import FileResponse, PlainTextResponse, Request, Response, StreamResponse, request_response

from benchmarks.data import FILES, GENERATOR_ETAG, GIB, generated


@request_response
def app(request: Request) -> Response:
    """Respond to one request."""
    path = request["PATH_INFO"]
    if path in FILES:
        return FileResponse(str(FILES[path]), content_type="application/octet-stream")
    if path == "/gen":
        return StreamResponse(generated(), headers={"ETag": GENERATOR_ETAG, "Content-Length": str(GIB)},
                              content_type="application/octet-stream")
    return PlainTextResponse("", 404)
