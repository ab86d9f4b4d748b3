"""Upload apps that the tables of clauses are put to on real sockets, and the client that does so."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from rangeware.uploads import AsgiUploadApp, FileStorage, UploadApp
from tests.support import Answer
from tests.uploads.tus_table import EXPIRES, MAX_SIZE
from tests.uploads.twins import PATH

DIRECTORY = "RANGEWARE_MATRIX_DIR"
SERVERS = {"gunicorn-sync-2": "wsgi", "uvicorn-httptools-2": "asgi"}
NOT_OURS = {
    "gunicorn-sync-2": {
        r"4\\t": "blanks around a value are taken off, as RFC 9110 5.5 has it",
        "HEAD tells Upload-Metadata as": "the same",
        "xxxxxxxx": "a request line has 4,094 bytes at most",
    },
    "uvicorn-httptools-2": {
        "cut": "no answer to who has closed; test_upload_servers has these",
        "shorter than declared": "the same",
        "BREW": "400 of its own",
        "a strange method": "the same",
    },
}
"""By server and part of a test's name: why the server, and not the app, decides what comes."""

wsgi = UploadApp(FileStorage(os.environ.get(DIRECTORY, ".")), path=PATH, max_size=MAX_SIZE, expires=EXPIRES)
asgi = AsgiUploadApp(FileStorage(os.environ.get(DIRECTORY, ".")), path=PATH, max_size=MAX_SIZE, expires=EXPIRES)


class Remote:
    """An app behind a server, asked as a ``Twin`` is. Its folder is empty at first."""

    name = "remote"

    def __init__(self, address: tuple[str, int], directory: Path) -> None:
        self.directory = directory
        self._address = address
        for path in directory.iterdir():
            path.unlink()

    def ask(self, method: str, path: str, lines: Sequence[tuple[str, str]] = (), content: bytes = b"", *,
            declared: int | str | None = -1, cut: bool = False) -> Answer:
        """Send one request; see ``Twin.ask``."""
        length = len(content) if declared == -1 else declared
        head = [f"{method} {quote(path)} HTTP/1.1", "Host: testserver", "Connection: close",
                *(f"{name}: {value}" for name, value in lines)]
        if length is None:
            head.append("Transfer-Encoding: chunked")
            content = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
            content += b"" if cut else b"0\r\n\r\n"
        elif length != 0 or method not in ("GET", "HEAD", "DELETE", "OPTIONS"):
            head.append(f"Content-Length: {length}")
        is_short = isinstance(length, int) and length > len(content)
        return self._send("\r\n".join([*head, "", ""]).encode("latin-1") + content, cut or is_short)

    def _send(self, request: bytes, is_cut: bool) -> Answer:
        received = b""
        with socket.create_connection(self._address, 10) as client, contextlib.suppress(ConnectionError):
            client.sendall(request)
            if is_cut:
                client.shutdown(socket.SHUT_WR)
            while block := client.recv(65536):
                received += block
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode("latin-1").split("\r\n")
        fields = [(name, value) for name, colon, value in (line.partition(": ") for line in lines) if colon]
        return Answer(int(status.split()[1]), fields, body, {})
