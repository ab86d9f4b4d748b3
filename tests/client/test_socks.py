"""Through a SOCKS proxy, whose connections read heads as strictly as the others."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading

import pytest

from rangeware.client import NetworkError, download
from tests.client.fault_server import Call, FaultServer

pytest.importorskip("socks", reason="PySocks is not installed")


class Socks:
    """A proxy for SOCKS 5 (RFC 1928) without authentication, to addresses in IPv4; for one connection after another."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socks5://127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with client, contextlib.suppress(OSError), self._connected(client) as server:
                back = threading.Thread(target=_relay, args=[server, client])
                back.start()
                _relay(client, server)
                back.join()

    def _connected(self, client: socket.socket) -> socket.socket:
        client.recv(2 + client.recv(2, socket.MSG_PEEK)[1])  # the ways to authenticate
        client.sendall(b"\x05\x00")
        _, _, _, kind, address, port = struct.unpack("!BBBB4sH", client.recv(10))
        assert kind == 1
        client.sendall(b"\x05\x00\x00\x01" + bytes(6))
        return socket.create_connection((socket.inet_ntoa(address), port))

    def __enter__(self) -> Socks:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


def _relay(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while block := source.recv(65536):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


def odd_head(call: Call) -> None:
    """A line without a colon, before the length, and a 103 before it all."""
    status_line, _, rest = call.reply.head().partition(b"\r\n")
    call.line.send(b"HTTP/1.1 103 Early Hints\r\n\r\n" + status_line + b"\r\nno colon\r\n" + rest)
    call.line.send(call.reply.content)


def test_a_download_through_socks(monkeypatch, tmp_path):
    with Socks() as proxy, FaultServer(odd_head) as server:
        monkeypatch.setenv("all_proxy", proxy.url)
        download(server.url, tmp_path / "f", connections=1)
        assert (tmp_path / "f").read_bytes() == server.version.content
        assert proxy.connections == 1


def test_nobody_listens_behind_socks(monkeypatch, tmp_path):
    with FaultServer() as server:
        monkeypatch.setenv("all_proxy", f"socks5://127.0.0.1:{server.port}")
    with pytest.raises(NetworkError, match="^cannot connect to the proxy: connection refused"):
        download("http://h.invalid/f", tmp_path / "f", tries=1)
