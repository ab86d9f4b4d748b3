"""Texts about requests and responses: they help, they have no secrets in them, and nothing that a terminal obeys."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from rangeware.client.cli.formatting import hide_userinfo
from rangeware.client.texts import request_line, response_line, shown_url, status_text

NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
AWS = "https://b.s3.amazonaws.com/f?X-Amz-Date=20261130T{}Z&X-Amz-Expires=3600&X-Amz-Signature=abc"
STATUSES = [
    pytest.param(404, "http://h/f", "404 Not Found: http://h/f", id="the phrase and the URL"),
    pytest.param(599, "http://h/f", "599: http://h/f", id="a status without a phrase"),
    pytest.param(403, "http://h/f?a=b", "403 Forbidden: http://h/f?a=b", id="403"),
    pytest.param(401, "http://h/f", "401 Unauthorized: http://h/f (give a user and a password, in the URL or in a netrc"
                 " file, or a header Authorization)", id="401"),
    pytest.param(407, "http://h/f", "407 Proxy Authentication Required: http://h/f (the proxy wants a user and a"
                 " password: USER:PASSWORD@ before the host in its URL)", id="407"),
]
OVER, PERHAPS = "(the signed URL has expired)", "(the URL is signed, and may have expired)"
SIGNED = [
    pytest.param(403, AWS.format("105959"), OVER, id="Amazon, a second ago"),
    pytest.param(400, AWS.format("105959"), OVER, id="Amazon, with 400"),
    pytest.param(403, AWS.format("110000"), PERHAPS, id="Amazon, now"),
    pytest.param(403, AWS.format("995959"), PERHAPS, id="Amazon, no time of day"),
    pytest.param(403, AWS.replace("3600", "9" * 10).format("105959"), PERHAPS, id="Amazon, in 300 years"),
    pytest.param(403, AWS.replace("=2026", "=9999").replace("3600", "9" * 10).format("105959"), PERHAPS, id="overflow"),
    pytest.param(403, AWS.replace("X-Amz", "X-Goog").format("100000"), OVER, id="Google"),
    pytest.param(403, "https://h/f?AWSAccessKeyId=x&Expires=1796039999&Signature=y", OVER, id="Amazon, version 2"),
    pytest.param(403, "https://h/f?Expires=1796040000&Signature=y&Key-Pair-Id=z", PERHAPS, id="CloudFront"),
    pytest.param(403, "https://h/f?se=2026-11-30T11%3A59%3A59Z&sig=y", OVER, id="Azure"),
    pytest.param(403, "https://h/f?se=tomorrow&sig=y", PERHAPS, id="no time"),
    pytest.param(403, "https://h/f?sig=y", PERHAPS, id="no end"),
]


@pytest.mark.parametrize(("status", "url", "text"), STATUSES)
def test_a_status(status, url, text):
    assert hide_userinfo(status_text(status, url)) == text  # as the command shows it


@pytest.mark.parametrize(("status", "url", "hint"), SIGNED)
def test_a_signed_url(status, url, hint):
    """1796040000 is noon of that day in seconds since 1970."""
    assert NOON.timestamp() == 1_796_040_000
    assert status_text(status, url, NOON).endswith(hint)
    assert status_text(404, url, NOON).endswith(("(hidden)", "Key-Pair-Id=(hidden)"))


def test_a_signed_url_at_an_unknown_time():
    assert status_text(403, AWS.format("105959")).endswith(PERHAPS)


@pytest.mark.parametrize(("url", "shown"), [
    ("http://h/a?b=c&d", "http://h/a?b=c&d"), ("http://h/a@b?c@d", "http://h/a@b?c@d"),
    ("https://me:secret@h/f", "https://h/f"), ("//me:secret@h/f", "//h/f"), ("http://me:se@cret@h/f", "http://h/f"),
    ("http://h/?access_token=x&a=1&X-Amz-Signature=y&key=z",
     "http://h/?access_token=(hidden)&a=1&X-Amz-Signature=(hidden)&key=(hidden)"),
    ("http://h/?token=&sig", "http://h/?token=&sig"), ("/a\x1b[2J\u202e", "/a?[2J?"),
    ("http://h/" + "x" * 1000, "http://h/" + "x" * 391 + "..."),
])
def test_a_url_that_is_shown(url, shown):
    assert shown_url(url) == shown


def test_the_line_of_a_request():
    fields = {"Range": "bytes=0-", "Authorization": "Basic c2VjcmV0", "Cookie": "secret=1", "X-Api-Key": "secret",
              "Referer": "http://h/?token=secret"}
    line = request_line("GET", "http://h/f?sig=secret", fields)
    assert line == (
        "> GET http://h/f?sig=(hidden) | Range: bytes=0- | Authorization: (hidden) | Cookie: (hidden)"
        " | X-Api-Key: (hidden) | Referer: http://h/?token=(hidden)")


def test_the_line_of_a_response():
    pairs = [("Content-Range", "bytes 0-0/1"), ("Set-Cookie", "a=secret"), ("X-Evil", "a\x1b]0;b\x9b\u2028c"),
             ("Location", "http://me:secret@h/?sig=secret"),
             ("Link", '<http://h/?a=1&sig=secret&b=2>; rel="duplicate"'), ("X-Long", "x" * 1000)]
    assert response_line(206, pairs) == (
        "< 206 Partial Content | Content-Range: bytes 0-0/1 | Set-Cookie: (hidden) | X-Evil: a?]0;b??c"
        " | Location: http://h/?sig=(hidden) | Link: <http://h/?a=1&sig=(hidden)&b=2>; rel=\"duplicate\""
        " | X-Long: " + "x" * 400)
    assert response_line(299, []) == "< 299"
