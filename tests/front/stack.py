"""What the tests of off-load share: the apps of one protocol behind all front servers, and how they are asked."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from tests.matrix.launch import Running
from tests.matrix.wire import Address, Connection, Value
from tests.support import Answer

SERVERS = {"wsgi": "gunicorn-sync-2", "asgi": "uvicorn-h11-2"}
APPS = {"wsgi": ("bare", "flask", "django", "bottle"), "asgi": ("bare", "starlette")}
"""By protocol: the apps that send a file by its name."""

OFFLOAD_FIELDS = ("X-Accel-Redirect", "X-Sendfile", "X-LIGHTTPD-send-file")


class Stack(NamedTuple):
    """The apps of one protocol behind all front servers.

    :param running: the Python server.
    :param fronts: the addresses of the front servers, by name.
    :param directory: where ``media`` lies.
    """

    protocol: str
    running: Running
    fronts: dict[str, Address]
    directory: Path

    def ask(self, front: str, path: str, method: str = "GET", **fields: Value) -> Answer:
        """The answer of a front server, on a connection of its own: nginx closes it after a 412 without a word."""
        with Connection(self.fronts[front]) as client:
            return client.ask(f"/{front}/{quote(path)}", method, Connection="close", **fields)

    def ask_python(self, front: str, path: str, method: str = "GET", **fields: Value) -> Answer:
        """The answer that a front server would get from the Python server."""
        with Connection(self.running.address) as client:
            return client.ask(f"/{front}/{quote(path)}", method, Connection="close", **fields)

    def is_handed_over(self, front: str, path: str) -> bool:
        """True if the Python server sends not a byte of a file, but where it is."""
        answer = self.ask_python(front, path)
        named = [name for name in OFFLOAD_FIELDS if answer.get(name) is not None]
        assert len(named) <= 1, f"several front servers are addressed: {named}"
        assert not named or (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")
        return bool(named)


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and content of each part, as the ``email`` package reads them. The content has no line ends."""
    head = f"Content-Type: {answer.get('Content-Type')}\r\nMIME-Version: 1.0\r\n\r\n".encode("latin-1")
    message: Any = email.message_from_bytes(head + answer.body, policy=email.policy.HTTP)
    assert message.get_content_type() == "multipart/byteranges"
    assert message.is_multipart()
    assert message.defects == []
    return [(part["Content-Range"], part.get_payload(decode=True)) for part in message.iter_parts()]
