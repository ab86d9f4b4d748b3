"""Cookies: of a file as curl and browsers write it, of redirects, and where they must not go (RFC 6265)."""

from __future__ import annotations

import contextlib
import re
import time
from http.cookies import SimpleCookie

import pytest

import rangeware
from rangeware.client import NetworkError, download, upload
from rangeware.client.io.cookies import Cookies
from rangeware.client.io.transport import Transport, parse_address
from rangeware.client.options import DownloadOptions
from tests.client.fault_server import Call, FaultServer, page

HEAD = "# Netscape HTTP Cookie File\n\n"
LATER = int(time.time()) + 86_400
FILE = HEAD + "\n".join([
    "example.com\tFALSE\t/\tFALSE\t0\thost\tonly",
    ".example.com\tTRUE\t/\tFALSE\t0\tdomain\tall",
    "#HttpOnly_.example.com\tTRUE\t/private\tFALSE\t0\thidden\tfrom scripts",
    f"example.com\tFALSE\t/\tTRUE\t{LATER}\tsecure\tyes",
    f"example.com\tFALSE\t/\tFALSE\t{LATER}.25\tlater\t1",
    "example.com\tFALSE\t/\tFALSE\t1\tgone\tby",
    "example.com\tFALSE\t/\tFALSE\t0\tempty",
    "LOCALHOST\tFALSE\t/\tFALSE\t0\there\t1",
    "# a comment", "",
])
SENT = [  # URL, and the cookies that go there
    ("http://example.com/", {"host": "only", "domain": "all", "later": "1", "empty": ""}),
    ("https://example.com/", {"host": "only", "domain": "all", "later": "1", "secure": "yes", "empty": ""}),
    ("http://www.example.com/", {"domain": "all"}),
    ("http://example.com/private/f", {"host": "only", "domain": "all", "later": "1", "hidden": "from scripts",
                                      "empty": ""}),
    ("http://badexample.com/", {}), ("http://example.com.evil.org/", {}), ("http://127.0.0.1/", {}),
    ("http://localhost:8000/", {"here": "1"}),
]


def pairs(field: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in field.split("; ") if pair)


@pytest.mark.parametrize(("url", "cookies"), SENT)
def test_cookies_of_a_file(tmp_path, url, cookies):
    (tmp_path / "c").write_text(FILE)
    assert pairs(Cookies(tmp_path / "c").field(url)) == cookies


def test_octets_and_names_of_a_file_are_sent_as_they_are(tmp_path):
    line = b"localhost\tFALSE\t/\tFALSE\t0\t"
    (tmp_path / "c").write_bytes(line + "a\t\u2192\u00c5\r\n".encode() + line + b"b\t\xff\n" + line + b"\tbare\n")
    sent = Cookies(tmp_path / "c").field("http://localhost/").encode("latin-1")
    assert set(sent.split(b"; ")) == {"a=\u2192\u00c5".encode(), b"b=\xff", b"bare"}


@pytest.mark.parametrize(("text", "said"), [
    ('{"cookies": []}', "it has 1 columns in line 1 of"),
    (HEAD + "h\tFALSE\t/\tFALSE\tsoon\ta\tb", "no time in line 3"),
    (HEAD + "h\tFALSE\t/\tFALSE\tinf\ta\tb", "no time in line 3"),
    (None, "cannot read the cookies in .*/c: No such file or directory$"),
])
def test_a_file_that_has_no_cookies(tmp_path, text, said):
    if text is not None:
        (tmp_path / "c").write_text(text)
    with pytest.raises(rangeware.InvalidOption, match=said):
        download("http://127.0.0.1:1/", tmp_path / "f", cookies=tmp_path / "c")
    assert not (tmp_path / "f.part").exists()


@pytest.mark.parametrize(("line", "url", "field"), [
    ("a=b", "http://h.org/x/z", "a=b"), ("a=b", "http://h.org/", ""),  # its path is that of the URL (RFC 6265 5.1.4)
    ("a=b; Path=/", "http://h.org/", "a=b"), ("a=b; Path=/", "http://www.h.org/", ""),
    ("a=b; Path=/; Domain=h.org", "http://www.h.org/", "a=b"), ("a=b; Path=/; Domain=evil.org", "http://evil.org/", ""),
    ("a=b; Path=/; Domain=org", "http://evil.org/", ""), ("a=b; Path=/; Secure", "http://h.org/", ""),
    ("a=b; Path=/; Max-Age=0", "http://h.org/", ""), ("a=b; Path=/; Secure", "https://h.org/", "a=b"),
    ("a=b; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://h.org/", ""),
    (f"a={'b' * 9000}; Path=/", "http://h.org/", ""), ("", "http://h.org/", ""), ("\xff\x80;;=", "http://h.org/", ""),
])
def test_where_a_cookie_of_a_response_goes(line, url, field):
    cookies = Cookies(None)
    cookies.note("http://h.org/x/y", [line])
    assert cookies.field(url) == field


def test_a_flood_of_cookies_ends():
    cookies = Cookies(None)
    for number in range(30):
        cookies.note("http://h.org/", [f"c{number}-{each}=x; Path=/" for each in range(200)])
    assert len(pairs(cookies.field("http://h.org/"))) == 1000


def test_a_cookie_of_the_caller_gives_way_to_a_newer_one():
    cookies = Cookies(None)
    cookies.note("http://h.org/", ["a=new; Path=/"])
    assert cookies.field("http://h.org/", "a=old; b=c") == "b=c; a=new"
    assert cookies.field("http://other.org/", "a=old; b=c") == "a=old; b=c"


def only_with_cookie(call: Call) -> None:
    """A redirect that sets a cookie; the file only for those who bring it."""
    if call.request.target == "/file.bin":
        call.send(page(302, ("Location", "/real"), ("Set-Cookie", "pass=1; Path=/"), ("Set-Cookie", "x=2; Path=/no")))
    elif SimpleCookie(call.request.field("cookie")).keys() == {"pass"}:
        call.send(call.reply)
    else:
        call.send(page(403))


def test_a_cookie_set_with_a_redirect(tmp_path):
    with FaultServer(only_with_cookie) as server:
        download(server.url, tmp_path / "f")
        assert (tmp_path / "f").read_bytes() == server.version.content


def test_a_cookie_of_the_first_answer_goes_with_those_that_follow(tmp_path):
    def act(call: Call) -> None:
        reply = call.reply
        call.send_cut(reply._replace(fields=(*reply.fields, ("Set-Cookie", f"n={call.number}"))), 300_000)

    with FaultServer(act) as server:
        download(server.url, tmp_path / "f", connections=1, first_delay=0)
        assert [request.field("cookie") for request in server.requests[:2]] == ["", "n=0"]


def test_a_cookie_does_not_go_to_another_host(tmp_path):
    with FaultServer() as other, FaultServer(lambda call: call.send(page(
            302, ("Location", other.url.replace("127.0.0.1", "localhost")), ("Set-Cookie", "a=b; Path=/")))) as server:
        download(server.url, tmp_path / "f", headers={"Cookie": "c=d"})
        assert {request.field("cookie") for request in server.requests} == {"c=d"}
        assert {request.field("cookie") for request in other.requests} == {""}


def test_a_file_of_cookies_for_downloads_and_uploads(tmp_path):
    (tmp_path / "c").write_text(HEAD + "127.0.0.1\tFALSE\t/\tFALSE\t0\tsession\tsecret\n")
    with FaultServer() as server:
        download(server.url, tmp_path / "f", cookies=tmp_path / "c")
        server.act = lambda call: call.send(page(403))
        with pytest.raises(NetworkError):
            upload(tmp_path / "f", server.url, cookies=str(tmp_path / "c"), state=tmp_path / "s")
        assert {request.field("cookie") for request in server.requests} == {"session=secret"}


@pytest.mark.parametrize(("headers", "sent"), [
    ({}, ("*/*", f"rangeware/{rangeware.__version__}")),
    ({"accept": "text/plain", "User-Agent": "me/1"}, ("text/plain", "me/1")),
])
def test_what_is_sent_unless_given(headers, sent):
    assert re.fullmatch(r"[0-9.a-z]+", rangeware.__version__)
    with FaultServer() as server, contextlib.closing(
            Transport(parse_address(server.url), DownloadOptions(headers=headers)).open(server.url, {})):
        [request] = server.requests
    assert (request.field("accept"), request.field("user-agent")) == sent
    assert [name for name, _ in request.fields].count("user-agent") == 1
