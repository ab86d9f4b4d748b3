"""An upload server of tus 1.0 and of the IETF draft on raw sockets, so that it can tell any lie.

Well made in itself; a fault is a function that is given each `Put` and may answer it otherwise. It keeps every byte
that arrives, also of a request that is cut, and records every request.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

STEP = 16_384
Fields = tuple[tuple[str, str], ...]


@dataclass
class Stored:
    """An upload at the server."""

    length: int
    content: bytearray = field(default_factory=bytearray)
    complete: bool = False
    creation: dict[str, str] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what has come, in hex."""
        return hashlib.sha256(self.content).hexdigest()


class HungUp(Exception):
    """The connection is over, by the will of the fault or of the client."""


class Put:
    """One request, and the means to answer it."""

    def __init__(self, server: UploadServer, line: socket.socket, number: int) -> None:
        self.server = server
        self.line = line
        self.number = number
        self.method = self.path = ""
        self.fields: dict[str, str] = {}
        self._begun = b""

    def read_head(self) -> None:
        while b"\r\n\r\n" not in self._begun:
            came = self.line.recv(65536)
            if not came:
                raise HungUp
            self._begun += came
        head, _, self._begun = self._begun.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.path, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        self.fields = {name.lower(): value.strip() for name, _, value in pairs}

    @property
    def length(self) -> int:
        """Content-Length, 0 if there is none."""
        return int(self.fields.get("content-length", "0"))

    @property
    def is_tus(self) -> bool:
        return "tus-resumable" in self.fields

    @property
    def stored(self) -> Stored | None:
        return self.server.uploads.get(self.path)

    def read_content(self, most: int | None = None) -> bytes:
        """All of the content, or so many bytes of it."""
        wanted = self.length if most is None else min(most, self.length)
        content, self._begun = self._begun[:wanted], self._begun[wanted:]
        while len(content) < wanted:
            came = self.line.recv(min(STEP, wanted - len(content)))
            if not came:
                break
            content += came
        return content

    def append(self, most: int | None = None) -> bool:
        """Store the content as it comes; False if the client broke off, or after so many bytes."""
        stored = self.stored
        assert stored is not None
        wanted = self.length if most is None else min(most, self.length)
        done = 0
        while done < wanted:
            block = self.read_content_block(wanted - done)
            if not block:
                return False
            stored.content += block
            done += len(block)
            if self.server.pause:
                self.server.closing.wait(self.server.pause)
        return done == self.length

    def read_content_block(self, most: int) -> bytes:
        if self._begun:
            block, self._begun = self._begun[:most], self._begun[most:]
            return block
        return self.line.recv(min(STEP, most))

    def answer(self, status: int, *fields: tuple[str, str], content: bytes = b"", head: bytes | None = None) -> None:
        """Send a response."""
        lines = [f"HTTP/1.1 {status} Thing", *(f"{name}: {value}" for name, value in fields)]
        if status != 204:
            lines.append(f"Content-Length: {len(content)}")
        if self.is_tus:
            lines.append("Tus-Resumable: 1.0.0")
        text = "\r\n".join([*lines, "", ""]).encode("latin-1") if head is None else head
        self.line.sendall(text + (b"" if self.method == "HEAD" else content))

    def close(self) -> None:
        """End the connection with FIN."""
        raise HungUp

    def reset(self) -> None:
        """End the connection with RST."""
        self.line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise HungUp

    def stall(self) -> None:
        """Say and take nothing more, until the client or the test ends."""
        while not self.server.closing.wait(0.02):
            with contextlib.suppress(BlockingIOError):
                if not self.line.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                    break
        raise HungUp

    def is_among(self, times: int, name: str = "fault") -> bool:
        """True the first so many times that this is asked; counts as a bite."""
        if self.server.count(name) > times:
            return False
        self.server.count("bites")
        return True


Act = Callable[[Put], None]


def behave(put: Put) -> None:
    """No fault at all."""
    {"OPTIONS": options, "POST": create, "HEAD": tell, "PATCH": append, "DELETE": end}[put.method](put)


def options(put: Put) -> None:
    server = put.server
    fields: list[tuple[str, str]] = []
    if "tus" in server.speaks:
        fields += [("Tus-Version", "1.0.0,0.2.2"), ("Tus-Extension", "creation,termination" + server.extensions)]
        if server.extensions:
            fields.append(("Tus-Checksum-Algorithm", "md5,sha1,sha256"))
        if server.max_size is not None:
            fields.append(("Tus-Max-Size", str(server.max_size)))
    if "draft" in server.speaks:
        fields.append(("Upload-Limit", server.limit))
    put.answer(204 if fields else 405, *fields)


def create(put: Put) -> None:
    put.read_content()
    if not {"tus", "draft"} & set(put.server.speaks) or "upload-length" not in put.fields:
        put.answer(404)
        return
    server = put.server
    path = f"/files/{server.count('created')}"
    server.uploads[path] = Stored(int(put.fields["upload-length"]), creation=put.fields)
    server.uploads[path].complete = put.is_tus and not server.uploads[path].length
    more = [] if put.is_tus else [("Upload-Complete", "?0"), ("Upload-Limit", server.limit)]
    put.answer(201, ("Location", server.location(path)), *more)


def state_fields(put: Put, stored: Stored) -> Fields:
    fields: Fields = (("Upload-Offset", str(len(stored.content))), ("Upload-Length", str(stored.length)),
                      ("Cache-Control", "no-store"))
    return fields if put.is_tus else (*fields, ("Upload-Complete", "?1" if stored.complete else "?0"))


def tell(put: Put) -> None:
    stored = put.stored
    if stored is None:
        put.answer(404)
        return
    with stored.lock:
        stored.complete = stored.complete or (put.is_tus and len(stored.content) == stored.length)
        put.answer(200 if put.is_tus else 204, *state_fields(put, stored))


def append(put: Put) -> None:
    stored = put.stored
    if stored is None:
        put.read_content()
        put.answer(404)
        return
    with stored.lock:
        append_locked(put, stored)


def append_locked(put: Put, stored: Stored) -> None:
    if int(put.fields["upload-offset"]) != len(stored.content) or stored.complete:
        put.read_content()
        refuse_append(put, stored)
        return
    before = len(stored.content)
    if not put.append():
        raise HungUp
    checksum = put.fields.get("upload-checksum")
    if checksum and not checksum_fits(checksum, bytes(stored.content[before:])):
        del stored.content[before:]
        put.answer(460)
        return
    finish_append(put, stored)


def refuse_append(put: Put, stored: Stored) -> None:
    problem = json.dumps({"type": "https://iana.org/assignments/http-problem-types#mismatching-upload-offset"})
    put.answer(409, *state_fields(put, stored), ("Content-Type", "application/problem+json"), content=problem.encode())


def finish_append(put: Put, stored: Stored) -> None:
    if put.is_tus:
        stored.complete = len(stored.content) == stored.length
        put.answer(204, ("Upload-Offset", str(len(stored.content))))
        return
    stored.complete = put.fields["upload-complete"] == "?1"
    assert not stored.complete or len(stored.content) == stored.length, "completed too early"
    put.answer(200, ("Upload-Complete", put.fields["upload-complete"]))


def checksum_fits(field_value: str, content: bytes) -> bool:
    algorithm, _, value = field_value.partition(" ")
    return base64.b64decode(value) == hashlib.new(algorithm, content).digest()


def end(put: Put) -> None:
    put.server.uploads.pop(put.path, None)
    put.server.ended.append(put.path)
    put.answer(204)


class UploadServer:
    """Listens on a free port of 127.0.0.1 from construction to `close`.

    ``speaks``: the protocols that OPTIONS tells. ``pause``: seconds after each block that was stored.
    """

    def __init__(self, act: Act = behave, speaks: tuple[str, ...] = ("tus",)) -> None:
        self.act = act
        self.speaks = speaks
        self.extensions = ""
        self.limit = "min-size=0"
        self.max_size: int | None = None
        self.pause = 0.0
        self.base = ""
        self.uploads: dict[str, Stored] = {}
        self.ended: list[str] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.mistakes: list[BaseException] = []
        self.closing = threading.Event()
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    @property
    def url(self) -> str:
        """The URL that creates uploads."""
        return f"http://127.0.0.1:{self.port}/files/"

    @property
    def bites(self) -> int:
        """The number of times that the fault occurred."""
        return self._counts["bites"]

    def location(self, path: str) -> str:
        """Location of a new upload."""
        return self.base + path

    def count(self, name: str) -> int:
        """Count the calls with this name, including this one."""
        with self._lock:
            self._counts[name] += 1
            return self._counts[name]

    def methods(self) -> list[str]:
        """The methods that were asked for, in their order."""
        return [method for method, _, _ in self.requests]

    @property
    def completed(self) -> list[Stored]:
        """The uploads that are complete."""
        return [each for each in self.uploads.values() if each.complete]

    def close(self) -> None:
        """End every connection and every thread."""
        self.closing.set()
        with self._lock:
            ours = [self._listener, *self._open]
        for each in ours:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 30
        for thread in [self._accepting, *self._threads]:
            thread.join(max(0.0, deadline - time.monotonic()))
        self._listener.close()

    def _accept(self) -> None:
        while not self.closing.is_set():
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._open.add(line)
            thread = threading.Thread(target=self._serve, args=[line], daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, line: socket.socket) -> None:
        begun = b""
        try:
            while True:
                put = Put(self, line, self.count("requests") - 1)
                put._begun = begun
                put.read_head()
                self.requests.append((put.method, put.path, put.fields))
                self.act(put)
                begun = put._begun
        except (OSError, HungUp):
            pass
        except BaseException as exc:  # shown by the test, at the end
            self.mistakes.append(exc)
        finally:
            with self._lock:
                self._open.discard(line)
            line.close()

    def __enter__(self) -> UploadServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        assert self.mistakes == []
