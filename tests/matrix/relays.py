"""Programs between a client and a server: a relay that slows and cuts, and a forward proxy."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator

BLOCK = 16 << 10
TIMEOUT = 60.0

Address = tuple[str, int]


class _Listening:
    """Accepts connections, each on a thread of its own; at the end all are closed and all threads have ended."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address: Address = self._listening.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """At work."""
        accepting = self._start(self._accept)
        try:
            yield
        finally:
            self._listening.shutdown(socket.SHUT_RDWR)
            accepting.join(TIMEOUT)
            self.hang_up()
            for thread in self._threads:
                thread.join(TIMEOUT)
            self._listening.close()

    def hang_up(self) -> None:
        """Ends every connection that is open."""
        with self.lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _start(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments)
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._start(self._handle, client)

    def _handle(self, client: socket.socket) -> None:
        with self._kept(client), contextlib.suppress(OSError):
            self.handle(client)

    @contextlib.contextmanager
    def _kept(self, connection: socket.socket) -> Iterator[socket.socket]:
        with connection:
            with self.lock:
                self._open.add(connection)
            try:
                yield connection
            finally:
                with self.lock:
                    self._open.discard(connection)

    def handle(self, client: socket.socket) -> None:
        """All that is done for one connection."""
        raise NotImplementedError

    def join_up(self, client: socket.socket, address: Address, first: bytes = b"") -> None:
        """Hands on all that either side sends, until one of them ends."""
        with self._kept(socket.create_connection(address, TIMEOUT)) as server:
            server.sendall(first)
            upwards = self._start(self._pump, client, server)
            self.downwards(server, client)
            for side in (client, server):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            upwards.join(TIMEOUT)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(BLOCK):
                sink.sendall(block)
            sink.shutdown(socket.SHUT_WR)

    def downwards(self, server: socket.socket, client: socket.socket) -> None:
        """Hands on what the server sends, until it ends."""
        self._pump(server, client)


class Relay(_Listening):
    """Hands on connections to a server.

    :param address: the server's host and port.
    :param rate: bytes a second that come down each connection.
    """

    def __init__(self, address: Address, rate: float | None = None) -> None:
        super().__init__()
        self._to = address
        self._rate = rate
        self._left: int | None = None
        self._refusing = False
        self._at_once = 0
        self.connections = 0
        self.most_at_once = 0
        """Connections that content came down at the same time, at most."""
        self.carried = 0
        """Bytes that came down, heads included."""

    def cut_after(self, length: int, *, and_refuse: bool = True) -> None:
        """After so many bytes more, heads included, ends every connection; refuses all later ones if told so."""
        with self.lock:
            self._left, self._and_refuse = length, and_refuse

    def mend(self) -> None:
        """Cuts and refuses nothing any more."""
        with self.lock:
            self._left, self._refusing = None, False

    def handle(self, client: socket.socket) -> None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * BLOCK)
        with self.lock:
            self.connections += 1
            if self._refusing:
                return
        self.join_up(client, self._to)

    def downwards(self, server: socket.socket, client: socket.socket) -> None:
        due, busy = time.monotonic(), False
        try:
            while block := server.recv(BLOCK):
                busy = busy or self._begin()
                allowed = self._allowed(len(block))
                client.sendall(block[:allowed])
                if allowed < len(block):
                    self._cut()
                    return
                if self._rate:
                    due = max(due, time.monotonic() - 0.05) + len(block) / self._rate
                    time.sleep(max(0.0, due - time.monotonic()))
        finally:
            with self.lock:
                self._at_once -= busy

    def _begin(self) -> bool:
        with self.lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        return True

    def _allowed(self, length: int) -> int:
        """Return how many of these bytes may pass."""
        with self.lock:
            allowed = length if self._left is None else min(self._left, length)
            if self._left is not None:
                self._left -= allowed
            self.carried += allowed
            return allowed

    def _cut(self) -> None:
        with self.lock:
            if self._left is None:
                return
            self._refusing = self._and_refuse
            self._left = 0 if self._refusing else None
        self.hang_up()


class ForwardProxy(_Listening):
    """A forward proxy: takes CONNECT, and requests with a whole address (one a connection)."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        """The request lines that came."""

    def handle(self, client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            block = client.recv(BLOCK)
            if not block:
                return
            head += block
        line, _, rest = head.partition(b"\r\n")
        method, target, version = line.decode("latin-1").split(" ")
        self.asked.append(f"{method} {target}")
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
            self.join_up(client, _address(target))
            return
        host, _, path = target.removeprefix("http://").partition("/")
        lines = [field for field in rest.split(b"\r\n") if not field.lower().startswith((b"connection:", b"proxy-"))]
        first = b"\r\n".join([f"{method} /{path} {version}".encode("latin-1"), b"Connection: close", *lines])
        self.join_up(client, _address(host), first)


def _address(authority: str) -> Address:
    host, _, port = authority.rpartition(":")
    return host, int(port)
