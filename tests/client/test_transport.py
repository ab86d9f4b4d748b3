"""Redirects, credentials and proxies: who is asked, and who is told what. Real sockets on loopback."""

from __future__ import annotations

import base64
import contextlib
import http.server
import sys
import threading
import types
from collections.abc import Iterator

import pytest
import urllib3

from rangeware.client.errors import NetworkError
from rangeware.client.io.own_fields import OwnFields
from rangeware.client.io.transport import RequestFailed, Transport, parse_address
from rangeware.client.options import DownloadOptions
from tests.client.fault_server import FaultServer

CONTENT = b"0123456789"


class Host(http.server.ThreadingHTTPServer):
    """Answers each path with content or a redirect, and keeps the fields that it was sent."""

    daemon_threads = True

    def __init__(self, redirects: dict[str, tuple[int, str | None]]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.redirects = redirects
        self.seen: list[tuple[str, dict[str, str]]] = []

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server_address[1]}{path}"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Host

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, location = self.server.redirects.get(self.path, (200, None))
        self.send_response(status)
        if location is not None:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(CONTENT)

    def log_message(self, *arguments: object) -> None:
        pass


@contextlib.contextmanager
def hosting(**redirects: tuple[int, str | None]) -> Iterator[Host]:
    with Host({f"/{name}": to for name, to in redirects.items()}) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))


def fetched(url: str, told: list[str] | None = None, **options) -> tuple[int, bytes, str]:
    address = parse_address(url)
    warn = (told if told is not None else []).append
    transport = Transport(address, DownloadOptions.from_mapping({"timeout": 10, **options}), warn)
    try:
        with contextlib.closing(transport.open(address.url, {"Range": "bytes=0-"})) as answer:
            content = b""
            while block := answer.read():
                content += block
            return answer.head.status, content, answer.address
    finally:
        transport.close()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed_with_the_same_range(status):
    with hosting(a=(status, "/b?x=1")) as host:
        assert fetched(host.url("/a")) == (200, CONTENT, host.url("/b?x=1"))
        assert [fields["range"] for _, fields in host.seen] == ["bytes=0-"] * 2


@pytest.mark.parametrize(("location", "why"), [
    (None, "without Location"), ("/a", "more than 20"), ("file:///etc/passwd", "not a.* URL"),
    ("ftp://127.0.0.1/x", "not a.* URL"), ("http://[::1", "malformed URL"), ("http://h:99999/", "not a.* URL"),
])
def test_a_redirect_that_leads_nowhere(location, why):
    with hosting(a=(302, location)) as host, pytest.raises(RequestFailed, match=why) as caught:
        fetched(host.url("/a"))
    assert caught.value.permanent


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_user_and_password_of_the_address_are_for_its_origin_only():
    with hosting() as other, hosting(a=(302, "/b"), b=(302, other.url("/c"))) as host:
        fetched(host.url("/a").replace("http://", "http://me:se%40cret@"))
        assert [fields.get("authorization") for _, fields in host.seen] == [basic("me:se@cret")] * 2
        assert "authorization" not in other.seen[0][1]


def test_fields_of_the_caller_are_for_the_origin_only_but_for_harmless_ones():
    headers = {"Authorization": "Bearer x", "Cookie": "c", "X-Api-Key": "k", "User-Agent": "me", "Referer": "r"}
    with hosting() as other, hosting(a=(302, other.url("/c"))) as host:
        fetched(host.url("/a"), headers=headers)
        (_, at_home), (_, away) = host.seen[0], other.seen[0]
    assert {name.lower(): value for name, value in headers.items()}.items() <= at_home.items()
    assert (away["user-agent"], away["referer"]) == ("me", "r")
    assert not {"authorization", "cookie", "x-api-key"} & away.keys()


def test_netrc_is_by_host(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("machine localhost login you password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with hosting() as other, hosting(a=(302, other.url("/c", "localhost"))) as host:
        fetched(host.url("/a"))
        assert "authorization" not in host.seen[0][1]
        assert other.seen[0][1]["authorization"] == basic("you:secret")


@pytest.mark.parametrize("text", [
    "default login you password secret\n",
    "machine 127.0.0.1 login you password secret\ndefault login you password secret\n",
])
def test_the_default_of_netrc_is_for_the_host_that_was_asked_for(monkeypatch, tmp_path, text):
    (tmp_path / "netrc").write_text(text)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with hosting() as other, hosting(a=(302, other.url("/c", "localhost")), b=(302, other.url("/c"))) as host:
        fetched(host.url("/a"))
        assert host.seen[0][1]["authorization"] == basic("you:secret")
        assert "authorization" not in other.seen[0][1]
        fetched(host.url("/b"))  # another port of the same host
        assert other.seen[1][1]["authorization"] == basic("you:secret")


def test_a_redirect_to_a_host_called_default(monkeypatch, tmp_path):
    (tmp_path / "netrc").write_text("default login you password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    fields = OwnFields(parse_address("http://h/a"), DownloadOptions(), {}, pytest.fail)
    assert "Authorization" in fields.fields(parse_address("http://h/a"))
    assert "Authorization" not in fields.fields(parse_address("http://default/a"))


@pytest.mark.parametrize(("text", "said"), [
    ("machine localhost login you\nmachine h password hidden extra", "line 2 is malformed"), ("\udcff", "not UTF-8"),
])
def test_a_netrc_that_cannot_be_read_is_none_and_told_of_once(monkeypatch, tmp_path, text, said):
    (tmp_path / "netrc").write_bytes(text.encode("utf-8", "surrogateescape"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    told = []
    with hosting(a=(302, "/b")) as host:
        assert fetched(host.url("/a"), told)[0] == 200
    assert told == [f"the netrc file is ignored: {said}"]


def test_a_netrc_that_others_may_read_or_we_may_not(monkeypatch, tmp_path):
    """Python does not use the file of the home folder if others can read it, and says so."""
    monkeypatch.delenv("NETRC")
    (tmp_path / ".netrc").write_text("machine localhost login you password hidden")
    (tmp_path / ".netrc").chmod(0o644)
    told = []
    with hosting() as host:
        fetched(host.url("/a"), told)
        (tmp_path / ".netrc").unlink()
        (tmp_path / ".netrc").mkdir()
        fetched(host.url("/a"), told)
    assert ["permissive" in each or "owner" in each or "is a directory" in each.lower() for each in told] == [True] * 2
    assert "hidden" not in "".join(told)


def test_a_proxy_of_the_environment(monkeypatch):
    with hosting() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url("").replace("http://", "http://u:p%40w@"))
        assert fetched("http://example.invalid/f?x=1")[0] == 200
        path, fields = proxy.seen[0]
    assert (path, fields["host"]) == ("http://example.invalid/f?x=1", "example.invalid")
    assert fields["proxy-authorization"] == basic("u:p@w")


def test_a_proxy_without_scheme(monkeypatch):
    with hosting() as proxy:
        monkeypatch.setenv("all_proxy", proxy.url("").removeprefix("http://"))
        assert fetched("http://example.invalid/f")[0] == 200


def test_no_proxy_for_this_host(monkeypatch):
    with hosting() as host:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert fetched(host.url("/f"))[0] == 200


@pytest.mark.parametrize("proxy", ["gopher://127.0.0.1", "http://[bad", "socks9://127.0.0.1"])
def test_a_proxy_of_another_kind(monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(NetworkError, match="proxy"):
        Transport(parse_address("http://example.invalid/"), DownloadOptions())


def test_a_socks_proxy_without_the_package_for_it(monkeypatch):
    monkeypatch.setattr("rangeware.client.io.pool.find_spec", lambda name: None)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(NetworkError, match="PySocks"):
        Transport(parse_address("http://example.invalid/"), DownloadOptions())


def test_a_socks_proxy_with_the_package_for_it(monkeypatch):
    module = types.ModuleType("urllib3.contrib.socks")
    module.SOCKSProxyManager = lambda proxy, **options: types.SimpleNamespace(
        proxy=proxy, pool_classes_by_scheme={}, headers={}, **options)
    monkeypatch.setitem(sys.modules, "urllib3.contrib.socks", module)
    monkeypatch.setattr("rangeware.client.io.pool.find_spec", lambda name: module)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    pool = Transport(parse_address("http://h/"), DownloadOptions())._pool
    assert (pool.proxy, pool.maxsize) == ("socks5://127.0.0.1:1", 4)


def test_a_pool_of_the_callers_stays_open():
    with urllib3.PoolManager(headers={"X-Mine": "1"}) as pool, hosting() as host:
        assert fetched(host.url("/f"), pool=pool)[0] == 200
        assert len(pool.pools) == 1


def test_a_line_that_is_no_header_with_a_pool_of_the_callers():
    """Its connections are those of urllib3, which do not see the lines that follow."""
    with urllib3.PoolManager() as pool, FaultServer(
            lambda call: call.line.send(b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 0\r\n\r\n")) as server, \
            pytest.raises(RequestFailed, match="malformed header line"):
        fetched(server.url, pool=pool)


def test_a_refused_connection_says_so_in_a_few_words():
    with hosting() as host:
        url = host.url("/f")
    with pytest.raises(RequestFailed) as caught:
        fetched(url)
    assert str(caught.value) == f"cannot connect to 127.0.0.1:{host.server_address[1]}: connection refused"
    assert not caught.value.permanent


@pytest.mark.parametrize(("url", "parsed"), [
    ("http://h", ("http://h/", "")), (" http://h/a?b#c ", ("http://h/a?b", "")),
    ("https://u:p%3Aw@h:8/a", ("https://h:8/a", "u:p:w")),
])
def test_address(url, parsed):
    assert parse_address(url) == parsed


def test_interim_answers_are_passed_over_but_not_for_ever():
    with FaultServer(lambda call: call.line.send(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 1000)) as server, \
            pytest.raises(RequestFailed, match="informational"):
        fetched(server.url)
