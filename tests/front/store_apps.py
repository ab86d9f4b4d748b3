"""Apps that answer with objects in a store: ``/s3/KEY`` by boto3, ``/fsspec/KEY`` by s3fs.

The variable STORE_URL says where the store is. The file system is made and used when the module is loaded, and so
before the fork in a server that loads its app first. The client of boto3 is made by the process that uses it, as its
documentation wants it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import boto3
import fsspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from s3fs import S3FileSystem
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from rangeware import AsgiRangeMiddleware, OpenableBody, RangeMiddleware
from rangeware.asgi import OpenableResponse
from rangeware.stores import FsspecBody, S3Body
from tests.stores.bucket import BUCKET

URL = os.environ["STORE_URL"]

S3FileSystem.retries = 1  # nobody waits for a store that is down
_fs = fsspec.filesystem(
    "s3", endpoint_url=URL, key="key", secret="secret", client_kwargs={"region_name": "us-east-1"},
    config_kwargs={"retries": {"total_max_attempts": 1}})
_fs.exists(f"{BUCKET}/none")


@cache
def _client(pid: int) -> Any:
    return boto3.client(
        "s3", endpoint_url=URL, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}))


def body_at(path: str) -> OpenableBody:
    """The body for a path.

    :raises FileNotFoundError: if there is no such object.
    :raises ClientError: if S3 refuses it.
    """
    _, kind, key = path.split("/", 2)
    return S3Body(_client(os.getpid()), BUCKET, key) if kind == "s3" else FsspecBody(_fs, f"{BUCKET}/{key}")


def status_of(exc: Exception) -> str:
    """What the app answers if there is no body."""
    if isinstance(exc, ClientError) and exc.response["ResponseMetadata"]["HTTPStatusCode"] == 404:
        return "404 Not Found"
    return "404 Not Found" if isinstance(exc, FileNotFoundError) else "503 Service Unavailable"


def _app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    fields = [("Content-Type", "video/mp4"), ("X-Worker", str(os.getpid()))]
    if environ["PATH_INFO"] == "/":
        start_response("200 OK", fields)
        return [b"ready"]
    try:
        body = body_at(environ["PATH_INFO"])
    except (BotoCoreError, ClientError, OSError) as exc:
        start_response(status_of(exc), fields)
        return [b"no film"]
    start_response("200 OK", fields)
    return body


wsgi = RangeMiddleware(_app)


def _endpoint(request: Request) -> Any:
    """Starlette runs this in a thread: making a body asks the store."""
    try:
        return OpenableResponse(body_at(request.url.path), [("Content-Type", "video/mp4")])
    except (BotoCoreError, ClientError, OSError) as exc:
        return Response(b"no film", int(status_of(exc)[:3]))


_routes = [Route("/", lambda request: Response(b"ready")), Route("/{kind}/{key}", _endpoint)]
asgi = AsgiRangeMiddleware(Starlette(routes=_routes))
