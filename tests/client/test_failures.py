"""Why there is no response: the cause in words, and no second try where that could change nothing."""

from __future__ import annotations

import socket
import ssl
import time

import pytest
import urllib3

from rangeware.client import NetworkError, download, upload
from rangeware.client.io.failures import failure
from tests.client.fault_server import Call, FaultServer, page

QUICK = {"first_delay": 0.01, "longest_delay": 0.02, "timeout": 5}


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def tried(monkeypatch: pytest.MonkeyPatch, error: OSError) -> list[str]:
    """The hosts that are looked up from now on, each in vain."""
    asked: list[str] = []

    def look_up(host: str, *_: object, **__: object) -> None:
        asked.append(host)
        raise error

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_a_name_that_does_not_exist_is_looked_up_once(monkeypatch, tmp_path):
    asked = tried(monkeypatch, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    with pytest.raises(NetworkError, match=r"^there is no host with this name: nowhere\.invalid$"):
        download("http://nowhere.invalid/f", tmp_path / "f", **QUICK)
    assert asked == ["nowhere.invalid"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_does_not_exist_is_named(monkeypatch, tmp_path, scheme):
    monkeypatch.setenv(f"{scheme}_proxy", "http://me:secret@proxy.invalid:3128")
    tried(monkeypatch, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
    with pytest.raises(NetworkError, match=r"^there is no host with this name: proxy\.invalid \(the proxy\)$"):
        download(f"{scheme}://h.invalid/f", tmp_path / "f", **QUICK)


def test_a_name_server_that_does_not_answer_is_asked_again(monkeypatch, tmp_path):
    asked = tried(monkeypatch, socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"))
    with pytest.raises(NetworkError, match="^cannot connect to nowhere.invalid: temporary failure in name resol"):
        download("http://nowhere.invalid/f", tmp_path / "f", tries=3, **QUICK)
    assert len(asked) == 3


def test_a_name_that_is_gone_for_a_while_is_looked_up_again(monkeypatch, tmp_path):
    """A network that changes, as of a laptop that is carried about, has no names for a while."""
    with FaultServer(lambda call: call.send_cut(call.reply, 300_000)) as server:
        look_up = socket.getaddrinfo
        missing = iter([True, True, False])

        def at_times(host: str, *arguments: object, **options: object) -> object:
            if server.requests and next(missing, False):
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            return look_up(host, *arguments, **options)

        monkeypatch.setattr(socket, "getaddrinfo", at_times)
        download(server.url, tmp_path / "f", connections=1, **QUICK)
        assert (tmp_path / "f").read_bytes() == server.version.content


@pytest.mark.parametrize("host", ["a" * 64 + ".org", "a..b"])
def test_a_name_that_is_none(tmp_path, host):
    begun = time.monotonic()
    with pytest.raises(NetworkError, match="^not "):
        download(f"http://{host}/", tmp_path / "f", first_delay=9, longest_delay=9)
    assert time.monotonic() - begun < 5


def test_nobody_listens(tmp_path):
    with FaultServer() as server:
        url = server.url
    with pytest.raises(NetworkError, match=rf"^cannot connect to 127.0.0.1:{server.port}: connection refused \(2 tr"):
        download(url, tmp_path / "f", tries=2, **QUICK)


@pytest.mark.parametrize(("status", "said", "requests"), [
    (407, "the proxy wants a user and a password", 1),
    (403, "the proxy does not connect to h.invalid: it answers 403", 1),
    (502, "cannot connect to the proxy: ", 2),
])
def test_a_proxy_that_does_not_connect(monkeypatch, tmp_path, status, said, requests):
    with FaultServer(lambda call: call.send(page(status))) as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        with pytest.raises(NetworkError, match=f"^{said}"):
            download("https://h.invalid/f", tmp_path / "f", tries=2, **QUICK)
    assert [request.method for request in proxy.requests] == ["CONNECT"] * requests


def test_a_proxy_that_wants_a_password_for_http(monkeypatch, tmp_path):
    with FaultServer(lambda call: call.send(page(407))) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        with pytest.raises(NetworkError, match=r"^407 Proxy Authentication Required: http://h.invalid/f \(the proxy w"):
            download("http://h.invalid/f", tmp_path / "f", **QUICK)
    assert len(proxy.requests) == 1


def test_no_proxy_there(monkeypatch, tmp_path):
    with FaultServer() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
    with pytest.raises(NetworkError, match="^cannot connect to the proxy: connection refused"):
        download("http://h.invalid/f", tmp_path / "f", tries=2, **QUICK)


def test_a_status_names_the_url_that_answered(tmp_path):
    def act(call: Call) -> None:
        call.send(page(302, ("Location", "/gone")) if call.request.target == "/file.bin" else page(404))

    with FaultServer(act) as server, pytest.raises(NetworkError) as caught:
        download(server.url, tmp_path / "f", **QUICK)
    assert str(caught.value) == f"404 Not Found: {server.url.replace('/file.bin', '/gone')}"


def test_a_trace_has_a_line_for_each_request_and_each_answer(tmp_path):
    def act(call: Call) -> None:
        if call.request.target == "/file.bin":
            call.send(page(302, ("Location", "/real?sig=secret"), ("Set-Cookie", "a=secret")))
        elif call.is_among("cut", 1):
            call.line.hang_up()
        else:
            call.send(call.reply)

    lines: list[str] = []
    with FaultServer(act) as server:
        download(server.url.replace("//", "//me:secret@"), tmp_path / "f", trace=lines.append, **QUICK)
    base = server.url.removesuffix("/file.bin")
    begun = [line.partition(" | ")[0] for line in lines]
    assert begun == [
        f"> GET {base}/file.bin", "< 302 Found", f"> GET {base}/real?sig=(hidden)",
        "< no response: the connection was closed without a response",
        f"> GET {base}/file.bin", "< 302 Found", f"> GET {base}/real?sig=(hidden)", "< 206 Partial Content"]
    assert "Authorization: (hidden)" in lines[0]
    assert "Range: bytes=0-" in lines[0]
    assert "secret" not in "".join(lines)


def test_a_trace_of_an_upload(tmp_path):
    (tmp_path / "f").write_bytes(b"x")
    lines: list[str] = []
    with FaultServer(lambda call: call.send(page(403))) as server, pytest.raises(NetworkError):
        upload(tmp_path / "f", server.url, trace=lines.append, state=tmp_path / "s", **QUICK)
    assert lines[-1].startswith("< 403 Forbidden | ")


def test_an_exception_in_a_trace_ends_the_download(tmp_path):
    def trace(line: str) -> None:
        raise KeyError(line)

    with FaultServer() as server, pytest.raises(KeyError):
        download(server.url, tmp_path / "f", trace=trace, **QUICK)


def test_exceptions_that_are_in_each_other_without_end():
    exc = urllib3.exceptions.HTTPError("a\x1bb")
    exc.__cause__ = OSError("x")
    exc.__cause__.__cause__ = exc
    assert str(failure(exc, "http://h/")) == "a?b"


@pytest.mark.parametrize(("exc", "said"), [
    (ssl.SSLError("[SSL] some other error"), "[ssl] some other error"),
    (UnicodeError("label too long"), "not the name of a host: h"),
    (urllib3.exceptions.NewConnectionError(None, "no answer"), "cannot connect to h: no answer"),
    (TimeoutError(), "nothing received for too long"),
])
def test_further_causes(exc, said):
    assert str(failure(exc, "http://h/")).lower() == said


def test_an_exception_without_any_text():
    assert str(failure(urllib3.exceptions.HTTPError(), "http://h/")) == "HTTPError"
