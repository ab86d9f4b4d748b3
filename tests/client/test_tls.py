"""TLS with real certificates: which are trusted, and what is said of each that is not, at once and without retries."""

from __future__ import annotations

import contextlib
import socket
import threading
import warnings
from collections.abc import Callable

import pytest

import rangeware
from rangeware.client import NetworkError, download, upload
from tests.client.fault_server import Call, FaultServer, page
from tests.client.tls import Authority


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_certificates_of_a_file(authority, tmp_path):
    with FaultServer(tls=authority.context()) as server:
        download(server.url, tmp_path / "f", cacert=authority.path)
        assert (tmp_path / "f").read_bytes() == server.version.content


BAD = [
    pytest.param(lambda authority, other: authority.context(), None, "unable to get local issuer", id="unknown"),
    pytest.param(lambda authority, other: other.context(), "ours", "unable to get local issuer|signature failure",
                 id="of another authority"),
    pytest.param(lambda authority, other: authority.context(days=-1), "ours", "certificate has expired", id="expired"),
    pytest.param(lambda authority, other: authority.context("127.0.0.2"), "ours", "not valid for '127.0.0.1'",
                 id="of another host"),
]


@pytest.mark.parametrize(("make", "trusted", "said"), BAD)
def test_a_bad_certificate_is_told_at_once(authority, tmp_path, make, trusted, said):
    """``verify_message`` is OpenSSL's; the host is ours to name."""
    options = {} if trusted is None else {"cacert": authority.path}
    told = []
    with FaultServer(tls=make(authority, Authority(tmp_path, "Another"))) as server, \
            pytest.raises(NetworkError, match=said) as caught:
        download(server.url, tmp_path / "f", progress=told.append, **options)
    assert f"the certificate of 127.0.0.1:{server.port} is not trusted" in str(caught.value)
    assert server.connections == 1
    assert [each for each in told if each.event == "retry"] == []


def test_insecure_is_said_loudly_and_by_us_alone(authority, tmp_path):
    told, lines = [], []
    with FaultServer(tls=authority.context("127.0.0.2", days=-1)) as server, warnings.catch_warnings():
        warnings.simplefilter("error")  # as urllib3 would warn
        download(server.url, tmp_path / "f", insecure=True, progress=told.append, trace=lines.append)
        assert (tmp_path / "f").read_bytes() == server.version.content
        server.act = lambda call: call.send(page(403))
        with pytest.raises(NetworkError, match="403"):
            upload(tmp_path / "f", server.url, insecure=True, progress=told.append, state=tmp_path / "s")
    assert [each.text.partition(";")[0] for each in told if each.event == "warning"] == [
        "insecure: certificates are not checked"] * 2


def test_cacert_counts_instead_of_the_system_and_insecure_does_without(authority, tmp_path):
    with FaultServer(tls=authority.context()) as server:
        download(server.url, tmp_path / "f", insecure=True, cacert=authority.path)


@pytest.mark.parametrize(("content", "said"), [
    (None, "No such file"), ("no certificate", "no certificates in PEM"), ("", "no certificates in PEM"),
])
def test_a_file_without_certificates(tmp_path, content, said):
    if content is not None:
        (tmp_path / "ca").write_text(content)
    with pytest.raises(rangeware.InvalidOption, match=f"cacert.*: {said}"):
        download("http://127.0.0.1:1/", tmp_path / "f", cacert=tmp_path / "ca")


def test_http_2_only(authority, tmp_path):
    """It says no with an alert (RFC 7301 3.2), or picks nothing and speaks HTTP/2 anyway."""
    def act(call: Call) -> None:
        call.line.send(b"\x00\x00\x12\x04" + bytes(30))

    with FaultServer(act, tls=authority.context(protocols=["h2"])) as server, \
            pytest.raises(NetworkError, match="does not speak HTTP$"):
        download(server.url, tmp_path / "f", cacert=authority.path)
    assert len(server.requests) == 1


ALERTS = [
    (120, "does not offer HTTP/1.1 over TLS"), (112, "has no certificate for this name"),
    (116, "wants a certificate of the client"), (70, "no version of TLS in common"), (40, "cannot agree on a cipher"),
]


@pytest.mark.parametrize(("alert", "said"), ALERTS)
def test_what_a_server_of_tls_says(tmp_path, alert, said):
    """Fatal alerts by number (RFC 8446 B.2), as the first answer to the client's hello."""
    octets = b"\x15\x03\x03\x00\x02\x02" + bytes([alert])
    with _Bytes(lambda: octets) as server, pytest.raises(NetworkError, match=said):
        download(f"https://127.0.0.1:{server.port}/", tmp_path / "f")
    assert server.connections == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_another_protocol(tmp_path, scheme):
    with _Bytes(lambda: b"SSH-2.0-OpenSSH_9.6\r\n") as server, pytest.raises(NetworkError) as caught:
        download(f"{scheme}://127.0.0.1:{server.port}/", tmp_path / "f")
    says = "does not speak HTTP" if scheme == "http" else "does not speak TLS; did you mean http://?"
    assert str(caught.value) == f"127.0.0.1:{server.port} {says}"
    assert server.connections == 1


def test_tls_to_a_server_of_http(tmp_path):
    with _Bytes(lambda: b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n") as server, \
            pytest.raises(NetworkError, match=r"does not speak TLS; did you mean http://\?"):
        download(f"https://127.0.0.1:{server.port}/", tmp_path / "f")
    assert server.connections == 1


PLAIN = [  # what servers say to http where they speak https
    b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\nContent-Type: text/html\r\nContent-Length: 248\r\n\r\n"
    b"<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n",
    b"HTTP/1.1 400 Bad Request\r\nServer: Apache\r\nConnection: close\r\n\r\n"
    b"Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n",  # Go
    b"\x15\x03\x01\x00\x02\x02\x46", b"\x15\x03\x03\x00\x02\x01\x00",
]


@pytest.mark.parametrize("octets", PLAIN)
def test_http_to_a_server_of_tls(tmp_path, octets):
    with _Bytes(lambda: octets) as server, pytest.raises(NetworkError) as caught:
        download(f"http://127.0.0.1:{server.port}/", tmp_path / "f", timeout=1, first_byte=1)
    assert str(caught.value) == f"127.0.0.1:{server.port} speaks TLS; did you mean https://?"
    assert server.connections == 1


@pytest.mark.parametrize("content", [b"<h1>No</h1>", b""])
def test_another_bad_request_is_one(tmp_path, content):
    with FaultServer(lambda call: call.send(page(400, text=content.decode()))) as server, \
            pytest.raises(NetworkError, match="^400 Bad Request: http://"):
        download(server.url, tmp_path / "f")


def test_a_bad_request_over_tls(authority, tmp_path):
    with FaultServer(lambda call: call.send(page(400, text="HTTPS port")), tls=authority.context()) as server, \
            pytest.raises(NetworkError, match="^400 Bad Request: https://"):
        download(server.url, tmp_path / "f", cacert=authority.path)


def test_a_server_in_trouble_that_has_answered_before_is_tried_again(authority, tmp_path):
    """Its certificate is replaced by a bad one, and then by a good one."""
    good, bad = authority.context(), authority.context("127.0.0.2")

    def act(call: Call) -> None:
        if call.number == 0:
            server.tls = bad
            call.send_cut(call.reply, 300_000)
        else:
            call.send(call.reply)

    def tell(progress: rangeware.client.Progress) -> None:
        if progress.event == "retry" and "not trusted" in progress.text:
            server.tls = good

    with FaultServer(act, tls=good) as server:
        download(server.url, tmp_path / "f", cacert=authority.path, progress=tell, first_delay=0, connections=1)
        assert (tmp_path / "f").read_bytes() == server.version.content


class _Bytes:
    """A server that sends these bytes to whoever connects, after the first bytes from there, and hangs up."""

    def __init__(self, make: Callable[[], bytes]) -> None:
        self._make = make
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.connections = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            with line, contextlib.suppress(OSError):  # the client hung up
                line.recv(65536)
                line.sendall(self._make())
                line.shutdown(socket.SHUT_WR)
                line.recv(65536)

    def __enter__(self) -> _Bytes:
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()


