"""A client that uploads by hand over a socket, so that it can break off, hang and trickle; and servers to do it to."""

from __future__ import annotations

import contextlib
import http.client
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.matrix import launch, upload_apps
from tests.matrix.launch import Running
from tests.matrix.relays import BLOCK, _Listening

TIMEOUT = 20.0
OCTETS = "application/offset+octet-stream"
PARTIAL = "application/partial-upload"
TUS = {"Tus-Resumable": "1.0.0"}

Address = tuple[str, int]


class Reply(NamedTuple):
    """An answer; the names of its fields are in lower case."""

    status: int
    fields: Mapping[str, str]
    content: bytes


@contextlib.contextmanager
def serving(server: str, directory: Path) -> Iterator[Running]:
    """A server at work on an upload app."""
    files = directory / "uploads"
    files.mkdir()
    app = "asgi" if server.rpartition("-2")[0] in launch.ASGI_SERVERS or server in launch.ASGI_SERVERS else "wsgi"
    env = {upload_apps.DIRECTORY: str(files)}
    with launch.serving(server, f"{upload_apps.__name__}:{app}", directory, env) as running:
        yield running


def ask(address: Address, method: str, path: str, fields: Mapping[str, str], content: bytes = b"") -> Reply:
    """One request on a connection of its own."""
    with opened(address, method, path, {**fields, "Content-Length": str(len(content))}) as client:
        client.sendall(content)
        return read(client, method)


def opened(address: Address, method: str, path: str, fields: Mapping[str, str]) -> socket.socket:
    """A connection on which the head of a request has been sent."""
    client = socket.create_connection(address, TIMEOUT)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", "Connection: close",
             *(f"{name}: {value}" for name, value in fields.items())]
    client.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    return client


def read(client: socket.socket, method: str = "PATCH") -> Reply:
    """The final answer on a connection."""
    with http.client.HTTPResponse(client, method=method) as response:
        response.begin()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, fields, response.read())


def reset(client: socket.socket) -> None:
    """Close a connection by RST."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def chunked(content: bytes, size: int = 50_000) -> bytes:
    """Content in chunks, without the last one."""
    pieces = (content[pos:pos + size] for pos in range(0, len(content), size))
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


# --- the protocols ---

def create(address: Address, length: int) -> str:
    """Create an upload (tus); return its path."""
    reply = ask(address, "POST", upload_apps.PATH, {**TUS, "Upload-Length": str(length)})
    assert reply.status == 201, reply
    return reply.fields["location"]


def appending(offset: int) -> dict[str, str]:
    """The fields of a PATCH (tus) but for its length."""
    return {**TUS, "Upload-Offset": str(offset), "Content-Type": OCTETS}


def append(address: Address, path: str, offset: int, content: bytes) -> Reply:
    """Send content (tus)."""
    return ask(address, "PATCH", path, appending(offset), content)


def offset_of(address: Address, path: str) -> int:
    """The offset that is told (tus): it ends no other request."""
    reply = ask(address, "HEAD", path, TUS)
    assert reply.status == 200, reply
    return int(reply.fields["upload-offset"])


def settled(value: Callable[[], int], expected: int, seconds: float = 3.0) -> int:
    """A number, once it is as expected, or when time is up."""
    deadline = time.monotonic() + seconds
    while (found := value()) != expected and time.monotonic() < deadline:
        time.sleep(0.05)
    return found


class CuttingRelay(_Listening):
    """Hands on connections to a server, and cuts them when told so."""

    def __init__(self, address: Address) -> None:
        super().__init__()
        self._to = address
        self._cut_at: int | None = None
        self.carried = 0
        """Bytes that went up, heads included."""

    def cut_after(self, count: int) -> None:
        """After so many bytes more going up, end every connection, once."""
        with self.lock:
            self._cut_at = self.carried + count

    def handle(self, client: socket.socket) -> None:
        self.join_up(client, self._to)

    def downwards(self, server: socket.socket, client: socket.socket) -> None:
        super()._pump(server, client)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                sink.sendall(block)
                if self._is_due(len(block)):
                    self.hang_up()
                    return
            sink.shutdown(socket.SHUT_WR)

    def _is_due(self, count: int) -> bool:
        with self.lock:
            self.carried += count
            is_due = self._cut_at is not None and self.carried >= self._cut_at
            self._cut_at = None if is_due else self._cut_at
        return is_due
