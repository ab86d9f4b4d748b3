"""URLs in ASCII, their origins compared, and what a Location may be. Expected values: RFC 3986, 3492, 5891, 9110."""

from __future__ import annotations

import sys

import pytest

from rangeware.client.addresses import Address, join, parse
from tests.client.test_transport import fetched, hosting

ADDRESSES = [
    pytest.param("http://h", "http://h/", id="an empty path"),
    pytest.param(" http://h/a?b#c ", "http://h/a?b", id="blanks and a fragment"),
    pytest.param("HTTP://Example.COM/A", "http://example.com/A", id="scheme and host in capitals"),
    pytest.param("http://h:80/", "http://h/", id="the port of http"),
    pytest.param("https://h:443/", "https://h/", id="the port of https"),
    pytest.param("https://h:80/", "https://h:80/", id="the port of the other"),
    pytest.param("http://h:/", "http://h/", id="an empty port"),
    pytest.param("http://h:0080/", "http://h/", id="a port with zeros"),
    pytest.param("http://h./", "http://h./", id="a dot at the end is another name"),
    pytest.param("http://[::0001]:8/", "http://[::1]:8/", id="IPv6 in its short form (RFC 5952)"),
    pytest.param("http://[2001:DB8::A]/", "http://[2001:db8::a]/", id="IPv6 in lower case"),
    pytest.param("http://[fe80::1%25eth0]/", "http://[fe80::1%25eth0]/", id="IPv6 with a zone"),
    pytest.param("http://b\xfccher.example/", "http://xn--bcher-kva.example/", id="umlaut (RFC 3492)"),
    pytest.param("http://B\xdcCHER.example/", "http://xn--bcher-kva.example/", id="umlaut in capitals"),
    pytest.param("http://\u4f8b\u3048.jp/", "http://xn--r8jz45g.jp/", id="Japanese"),
    pytest.param("http://h/\xe4 b?\xf6=\u20ac", "http://h/%C3%A4%20b?%C3%B6=%E2%82%AC", id="path and query"),
    pytest.param("http://h/%C3%a4%zz", "http://h/%C3%a4%zz", id="percent signs stay"),
    pytest.param("http://h/\udcff", "http://h/%FF", id="a byte of the command line that is not UTF-8"),
    pytest.param("http://h/a;b=c,(d)'*!$&@:[]{}|", "http://h/a;b=c,(d)'*!$&@:[]{}|", id="signs stay"),
]


@pytest.mark.parametrize(("url", "expected"), ADDRESSES)
def test_an_address(url, expected):
    assert parse(url) == Address(expected, "")
    assert parse(expected).url == expected


@pytest.mark.parametrize("url", [
    "http://[::1", "http://[::g]/", "http://h\x7f/", "http://a b/", "http://\xfc..x/", "http://" + "\xfc" * 100 + "/",
    "http://h:99999/", "http://h:\u0661/", "ftp://h/", "//h/", "http://:80/", "http://\u2100.example/", "http://[]/",
])
def test_no_address(url):
    with pytest.raises(ValueError, match="^not "):
        parse(url)


def test_a_password_is_not_told():
    with pytest.raises(ValueError, match="^not an http") as caught:
        parse("ftp://me:secret@h/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("name", "ascii_name"), [("fa\xdf.de", "xn--fa-hia.de"), ("b\xfccher.de", "xn--bcher-kva.de")])
def test_the_package_for_names_of_hosts(name, ascii_name):
    """IDNA 2008 keeps the letter that IDNA 2003 replaces (RFC 5894 7.2): it is another host."""
    pytest.importorskip("idna")
    assert parse(f"http://{name}/").url == f"http://{ascii_name}/"


def test_names_of_hosts_by_the_standard_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "idna", None)
    assert parse("http://B\xdccher.de/").url == "http://xn--bcher-kva.de/"
    for name in ("fa\xdf.de", "\xfc..de"):
        with pytest.raises(ValueError, match="not the name of a host"):
            parse(f"http://{name}/")


@pytest.mark.parametrize(("location", "expected"), [
    ("/b", "http://h/b"), ("b?c", "http://h/a/b?c"), ("//H:80/x", "http://h/x"), (" /b ", "http://h/b"),
    ("", "http://h/a/"), ("/\xc3\xa4", "http://h/%C3%A4"), ("/\xe4", "http://h/%E4"), ("/\u20ac", "http://h/%E2%82%AC"),
    ("http://b\xc3\xbccher.de/", "http://xn--bcher-kva.de/"), ("HTTPS://h:443/", "https://h/"),
])
def test_a_location(location, expected):
    """As ``http.client`` reads it: each character stands for a byte."""
    assert join("http://h/a/", location) == expected


@pytest.mark.parametrize("location", ["http://[::1", "ftp://h/", "http://h:99999/"])
def test_no_location(location):
    with pytest.raises(ValueError, match=r"redirect|^not "):
        join("http://h/", location)


@pytest.mark.parametrize("spelling", ["LOCALHOST", "localhost"])
def test_credentials_go_to_the_origin_however_it_is_written(spelling):
    with hosting() as host:
        port = host.server_address[1]
        host.redirects["/a"] = (302, f"HTTP://{spelling}:{port}/b")
        fetched(f"http://me:secret@Localhost:{port}/a")
        assert [bool(fields.get("authorization")) for _, fields in host.seen] == [True, True]
