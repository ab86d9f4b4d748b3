"""The ways to a server: HTTPS, proxies of the environment, credentials, and where these must not go."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import urllib3

from rangeware.client import Download, NetworkError, Progress, download
from tests.matrix import nginx
from tests.matrix.pacing import Asked, Pacing
from tests.matrix.relays import ForwardProxy, Relay

pytestmark = pytest.mark.matrix

CONTENT = Random(6).randbytes(1_000_003)
QUICK: dict[str, Any] = {"first_delay": 0.05, "longest_delay": 0.2}


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.delenv("NETRC", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))


def check(got: Download) -> None:
    assert hashlib.sha256(got.path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()
    assert [path.name for path in got.path.parent.iterdir()] == [got.path.name]


# --- HTTPS -----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of a server at 127.0.0.1, in one file."""
    directory = tmp_path_factory.mktemp("certificate")
    key, own = directory / "key.pem", directory / "own.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:TRUE",
         "-addext", "keyUsage=critical,digitalSignature,keyCertSign", "-keyout", str(key), "-out", str(own)],
        check=True, capture_output=True)
    both = directory / "both.pem"
    both.write_text(own.read_text() + key.read_text())
    return both


@pytest.fixture
def https(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Relay, str]]:
    """A relay in front of nginx with HTTPS, and the address of the file through it."""
    files, own = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("nginx")
    (files / "file.bin").write_bytes(CONTENT)
    with nginx.serving(files, own, certificate) as address:
        relay = Relay(address, 4e6)
        with relay.serving():
            yield relay, f"https://127.0.0.1:{relay.address[1]}/file.bin"


@pytest.fixture
def trusting(certificate: Path) -> Iterator[urllib3.PoolManager]:
    with urllib3.PoolManager(ca_certs=str(certificate)) as pool:
        yield pool


def test_https_with_a_certificate_that_we_were_told_of(
        https: tuple[Relay, str], trusting: urllib3.PoolManager, tmp_path: Path) -> None:
    relay, url = https
    check(download(url, tmp_path / "file", pool=trusting, segments=4, segment_size=64 << 10, worthwhile=0, **QUICK))
    assert relay.most_at_once >= 2


def test_https_cut_and_gone_on_with(
        https: tuple[Relay, str], trusting: urllib3.PoolManager, tmp_path: Path) -> None:
    relay, url = https
    relay.cut_after(600_000)
    with pytest.raises(NetworkError):
        download(url, tmp_path / "file", pool=trusting, segments=1, tries=1, **QUICK)
    relay.mend()
    got = download(url, tmp_path / "file", pool=trusting, segments=1, **QUICK)
    check(got)
    assert got.kept > 400_000


def test_a_certificate_that_nobody_vouches_for_ends_it_at_once(https: tuple[Relay, str], tmp_path: Path) -> None:
    relay, url = https
    told: list[Progress] = []
    with pytest.raises(NetworkError, match=r"(?i)certificate"):
        download(url, tmp_path / "file", progress=told.append, first_delay=2, longest_delay=4)
    assert relay.connections == 1
    assert "retry" not in [each.event for each in told]
    assert list(tmp_path.iterdir()) == []


# --- proxies ---------------------------------------------------------------------------------------------------------

@pytest.fixture
def proxy() -> Iterator[ForwardProxy]:
    proxy = ForwardProxy()
    with proxy.serving():
        yield proxy


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy"])
def test_the_proxy_of_the_environment(
        name: str, proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(name, proxy.url)
    with Pacing(CONTENT).serving() as server:
        check(download(f"{server.url}/file", tmp_path / "file", **QUICK))
    assert proxy.asked
    assert set(proxy.asked) == {f"GET {server.url}/file"}


def test_a_host_that_needs_no_proxy(
        proxy: ForwardProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "example.org, 127.0.0.1")
    with Pacing(CONTENT).serving() as server:
        check(download(f"{server.url}/file", tmp_path / "file", **QUICK))
    assert proxy.asked == []


def test_https_through_a_proxy_of_an_own_pool(
        proxy: ForwardProxy, https: tuple[Relay, str], certificate: Path, tmp_path: Path) -> None:
    relay, url = https
    with urllib3.ProxyManager(proxy.url, ca_certs=str(certificate)) as pool:
        check(download(url, tmp_path / "file", pool=pool, segments=1, **QUICK))
    assert proxy.asked == [f"CONNECT 127.0.0.1:{relay.address[1]}"]


def test_a_proxy_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Pacing(CONTENT).serving() as server, pytest.raises(NetworkError):
        download(f"{server.url}/file", tmp_path / "file", tries=2, **QUICK)
    assert server.asked == []


# --- credentials -----------------------------------------------------------------------------------------------------

def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def sent(server: Pacing, name: str = "authorization") -> list[str | None]:
    """The values of this field, request by request."""
    assert server.asked, "nothing was asked"
    return [asked.fields.get(name) for asked in server.asked]


def with_netrc(monkeypatch: pytest.MonkeyPatch, directory: Path, text: str) -> None:
    directory.mkdir()
    (directory / ".netrc").write_text(text)
    (directory / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(directory))


def test_user_and_password_in_the_address(tmp_path: Path) -> None:
    with Pacing(CONTENT, rate=4e6).serving() as server:
        url = f"http://ann:p%40ss%3Aword@127.0.0.1:{server.port}/file"
        got = download(url, tmp_path / "file", segments=4, segment_size=64 << 10, worthwhile=0, **QUICK)
    check(got)
    assert len(server.asked) > 1
    assert set(sent(server)) == {basic("ann", "p@ss:word")}
    assert "ss%3Aword" not in got.address


def test_the_password_is_not_kept_in_the_state(tmp_path: Path) -> None:
    with Pacing(CONTENT, rate=4e6).serving() as server:
        relay = Relay(("127.0.0.1", server.port))
        relay.cut_after(500_000)
        with relay.serving(), pytest.raises(NetworkError) as caught:
            download(f"http://ann:sesame@127.0.0.1:{relay.address[1]}/file", tmp_path / "file", tries=1, **QUICK)
    assert (tmp_path / "file.part.json").exists()
    assert "sesame" not in (tmp_path / "file.part.json").read_text()
    assert "sesame" not in str(caught.value)


def test_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_netrc(monkeypatch, tmp_path / "home", "machine 127.0.0.1 login ann password sesame\n")
    with Pacing(CONTENT).serving() as server:
        (tmp_path / "to").mkdir()
        check(download(f"{server.url}/file", tmp_path / "to" / "file", **QUICK))
    assert set(sent(server)) == {basic("ann", "sesame")}


def test_netrc_of_another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_netrc(monkeypatch, tmp_path / "home", "machine example.org login ann password sesame\n")
    with Pacing(CONTENT).serving() as server:
        (tmp_path / "to").mkdir()
        check(download(f"{server.url}/file", tmp_path / "to" / "file", **QUICK))
    assert set(sent(server)) == {None}


def test_the_address_goes_before_netrc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with_netrc(monkeypatch, tmp_path / "home", "machine 127.0.0.1 login bob password other\n")
    with Pacing(CONTENT).serving() as server:
        download(f"http://ann:sesame@127.0.0.1:{server.port}/file", tmp_path / "file", **QUICK)
    assert set(sent(server)) == {basic("ann", "sesame")}


def redirecting(location: str) -> Pacing:
    """A server that sends every client to another address."""
    def answer(handler: Any, asked: Asked) -> bool:
        handler.send_response(302)
        handler.send_header("Location", location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True
    return Pacing(b"", answer=answer)


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "Proxy-Authorization", "X-Api-Key"])
def test_a_field_with_credentials_does_not_go_to_another_origin(name: str, tmp_path: Path) -> None:
    with Pacing(CONTENT).serving() as server, redirecting(f"{server.url}/there").serving() as first:
        fields = {name: "secret", "Accept-Language": "de"}
        got = download(f"{first.url}/file", tmp_path / "file", headers=fields, **QUICK)
    check(got)
    assert set(sent(first, name.lower())) == {"secret"}
    assert set(sent(server, name.lower())) == {None}
    assert set(sent(server, "accept-language")) == {"de"}
    assert got.address == f"{server.url}/there"


def test_the_password_of_the_address_does_not_go_to_another_origin(tmp_path: Path) -> None:
    with Pacing(CONTENT).serving() as server, redirecting(f"{server.url}/there").serving() as first:
        check(download(f"http://ann:sesame@127.0.0.1:{first.port}/file", tmp_path / "file", **QUICK))
    assert set(sent(first)) == {basic("ann", "sesame")}
    assert set(sent(server)) == {None}


def test_credentials_stay_on_the_same_origin(tmp_path: Path) -> None:
    def answer(handler: Any, asked: Asked) -> bool:
        if asked.path == "/there":
            return False
        handler.send_response(307)
        handler.send_header("Location", "/there")
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return True

    with Pacing(CONTENT, answer=answer).serving() as server:
        check(download(f"{server.url}/file", tmp_path / "file", headers={"Authorization": "secret"}, **QUICK))
    assert {asked.path for asked in server.asked} == {"/file", "/there"}
    assert set(sent(server)) == {"secret"}
