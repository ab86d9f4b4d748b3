"""The answers: which fields stay and which go, framing, and the reason given for each."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.handlers import SimpleHandler

import pytest

from rangeware import RangeMiddleware
from tests.support import CONTENT, Answer, Wire, answering, cut, environ_for, get, parts, run

LENGTH = ("Content-Length", "1000")
ETAG = ("ETag", '"v1"')
MODIFIED = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
SECTIONS: list[tuple[str, str]] = [
    ("Date", "Sun, 01 Feb 2026 00:00:00 GMT"), ("Vary", "Accept-Encoding"), ("Vary", "Origin"),
    ("Cache-Control", "max-age=60"), ("Expires", "Sun, 01 Feb 2026 00:01:00 GMT"), ("Set-Cookie", "a=1"),
    ("Set-Cookie", "b=2"), ("Content-Location", "/v1"), ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag"), ("Strict-Transport-Security", "max-age=1"),
    ("Content-Security-Policy", "default-src 'self'"), ("X-Content-Type-Options", "nosniff"), ETAG, MODIFIED,
]
REPRESENTATION = [LENGTH, ("Content-Disposition", "attachment; filename=x"), ("Content-Language", "de"),
                  ("Repr-Digest", "sha-256=:AAAA:"), ("Digest", "sha-256=AAAA"), ("Content-Digest", "sha-256=:AAAA:"),
                  ("Content-MD5", "AAAA"), ("X-Own", "own")]
RICH = [*SECTIONS, *REPRESENTATION]
TYPE = ("Content-Type", "application/octet-stream")


def rich(*fields: tuple[str, str]) -> Any:
    """An app whose 200 has every field that matters."""
    return answering([CONTENT], *RICH, *fields)


def lines(answer: Answer) -> list[tuple[str, str]]:
    """The answer's fields with names in lower case."""
    return [(name.lower(), value) for name, value in answer.fields]


def has(answer: Answer, name: str) -> bool:
    """Is there at least one field of this name?"""
    return bool(answer.all(name))


# --- 206 -------------------------------------------------------------------------------------------------------------

GONE_ON_206 = {"content-length", "content-digest", "content-md5"}


def test_a_206_of_one_range_keeps_the_fields_of_the_200() -> None:
    answer = get(RangeMiddleware(rich()), "bytes=100-199")
    assert answer.status == 206
    kept = [(name.lower(), value) for name, value in (TYPE, *RICH) if name.lower() not in GONE_ON_206]
    added = [("content-range", "bytes 100-199/1000"), ("content-length", "100"), ("accept-ranges", "bytes")]
    assert sorted(lines(answer)) == sorted([*kept, *added])


def test_a_206_of_several_ranges_keeps_the_fields_of_the_200() -> None:
    answer = get(RangeMiddleware(rich()), "bytes=100-199,300-399")
    assert answer.status == 206
    kept = [(name.lower(), value) for name, value in RICH if name.lower() not in GONE_ON_206]
    added = [("content-length", str(len(answer.body))), ("accept-ranges", "bytes"),
             ("content-type", str(answer.get("Content-Type")))]
    assert sorted(lines(answer)) == sorted([*kept, *added])  # no Content-Range on top (RFC 9110 15.3.7.2)
    assert [part.content_type for part in parts(answer)] == [TYPE[1], TYPE[1]]


@pytest.mark.each
@pytest.mark.parametrize("name", ["Content-Digest", "Content-MD5", "content-digest", "CONTENT-MD5"])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-", "bytes=0-9,50-59"])
def test_digests_of_the_content_are_dropped(name: str, value: str) -> None:
    answer = get(RangeMiddleware(answering([CONTENT], (name, "AAAA"))), value)
    assert (answer.status, has(answer, name)) == (206, False)


@pytest.mark.each
@pytest.mark.parametrize("name", ["Repr-Digest", "Digest"])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59"])
def test_digests_of_the_representation_stay(name: str, value: str) -> None:
    assert get(RangeMiddleware(answering([CONTENT], (name, "AAAA"))), value).get(name) == "AAAA"


@pytest.mark.each
@pytest.mark.parametrize("name", ["Content-Digest", "Content-MD5", "Repr-Digest", "Digest"])
@pytest.mark.parametrize("value", [None, "bytes=9-0"])
def test_every_digest_stays_on_a_200(name: str, value: str | None) -> None:
    assert get(RangeMiddleware(answering([CONTENT], (name, "AAAA"))), value).get(name) == "AAAA"


@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59", "bytes=9-0", "bytes=5000-"])
def test_both_cookies_are_set_in_order(value: str) -> None:
    assert get(RangeMiddleware(rich()), value).all("Set-Cookie") == ["a=1", "b=2"]


# --- 416 -------------------------------------------------------------------------------------------------------------

KEPT_ON_416 = ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Vary", "Set-Cookie"]
GONE_ON_416 = ["Content-Encoding", "Content-Disposition", "ETag", "Last-Modified", "Content-Digest", "Content-MD5",
               "Repr-Digest", "Digest", "Content-Language", "Content-Location"]


@pytest.mark.each
@pytest.mark.parametrize("name", KEPT_ON_416)
@pytest.mark.parametrize("value", ["bytes=1000-", "bytes=-0", "bytes=1000-1001,5000-"])
def test_a_416_keeps(name: str, value: str) -> None:
    answer = get(RangeMiddleware(rich(("Content-Encoding", "gzip"))), value)
    assert answer.status == 416
    assert answer.all(name) == [value for key, value in RICH if key == name]


@pytest.mark.parametrize("name", GONE_ON_416[:4])
def test_a_416_loses(name: str) -> None:
    assert not has(get(RangeMiddleware(rich(("Content-Encoding", "gzip"))), "bytes=1000-"), name)


CACHING = ["Cache-Control", "Expires", "CDN-Cache-Control", "Surrogate-Control", "cache-control",
           "Cloudflare-CDN-Cache-Control", "X-Accel-Expires", "Edge-Control", "X-LiteSpeed-Cache-Control"]


@pytest.mark.each
@pytest.mark.parametrize("name", CACHING)
@pytest.mark.parametrize("fields", [
    {"range": "bytes=1000-"}, {"range": "bytes=1000-,2000-"}, {"if_match": '"v0"'},
    {"if_unmodified_since": "Sun, 06 Nov 1994 08:49:37 GMT"}, {"range": "bytes=0-9", "if_match": '"v0"'}], ids=str)
@pytest.mark.parametrize("body", [[CONTENT], lambda: iter([CONTENT])], ids=["list", "generator"])
def test_a_refusal_is_not_for_a_cache_to_keep(name: str, fields: dict[str, str], body: Any) -> None:
    """RFC 9111 3: whatever its status, a response with an explicit lifetime may be stored, and served to others."""
    value = "public, max-age=31536000, immutable"
    app = answering(body, (name, value), ETAG, ("Last-Modified", "Mon, 07 Nov 1994 08:49:37 GMT"), ("Vary", "Origin"),
                    ("Content-Length", "1000"))
    answer = get(RangeMiddleware(app), **fields)
    assert answer.status in (412, 416)
    assert (answer.get(name), answer.get("Vary")) == (None, "Origin")
    for kept in ({}, {"range": "bytes=0-9"}, {"if_none_match": "*"}):
        assert get(RangeMiddleware(app), **kept).get(name) == value


@pytest.mark.parametrize("name", ["Content-Digest", "Content-MD5", "Repr-Digest", "Digest"])
def test_a_416_carries_no_digest_of_another_content(name: str) -> None:
    # RFC 9530 2 and 3: both describe what this message holds or selects, and that is a text of ours.
    assert not has(get(RangeMiddleware(rich()), "bytes=1000-"), name)


def test_a_416_has_a_short_text_that_tells_nothing_about_the_house() -> None:
    app = RangeMiddleware(rich())
    answer = run(app, environ_for(path="/secret/path", range="bytes=4321-"))
    assert answer.status == 416
    assert answer.get("Content-Range") == "bytes */1000"
    assert str(answer.get("Content-Type")).startswith("text/plain")
    assert answer.get("Content-Length") == str(len(answer.body))
    assert 0 < len(answer.body) < 200
    text = answer.body.decode("ascii")
    assert not re.search(r"secret|path|python|rangeware|\d+\.\d+|/", text, re.IGNORECASE)
    assert answer.get("Accept-Ranges") == "bytes"


@pytest.mark.parametrize(("fields", "status"), [({"range": "bytes=1000-"}, "416 Range Not Satisfiable"),
                                                ({"if_match": '"v0"'}, "412 Precondition Failed"),
                                                ({"if_none_match": '"v1"'}, "304 Not Modified"),
                                                ({"range": "bytes=0-9"}, "206 Partial Content")], ids=str)
def test_status_lines(fields: dict[str, str], status: str) -> None:
    wire = Wire()
    body = RangeMiddleware(rich())(environ_for(**fields), wire.start_response)
    assert wire.head is not None
    assert wire.head[0] == status
    assert list(body) != []


# --- 304 and 412 -----------------------------------------------------------------------------------------------------

KEPT_ON_304 = ["Content-Location", "Date", "ETag", "Vary", "Cache-Control", "Expires", "Set-Cookie",
               "Access-Control-Allow-Origin", "Access-Control-Expose-Headers", "Strict-Transport-Security",
               "Content-Security-Policy", "X-Content-Type-Options"]
GONE_ON_304 = ["Content-Type", "Content-Length", "Content-Disposition", "Content-Language", "Content-Encoding",
               "Content-Range", "Content-Digest", "Content-MD5"]
NOT_MODIFIED = [{"if_none_match": '"v1"'}, {"if_none_match": '"v1"', "range": "bytes=0-9"},
                {"if_modified_since": MODIFIED[1]}, {"if_none_match": "*", "range": "bytes=5000-"}]


@pytest.mark.each
@pytest.mark.parametrize("fields", NOT_MODIFIED, ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_fields_of_a_304(fields: dict[str, str], method: str) -> None:
    answer = get(RangeMiddleware(rich(("Content-Encoding", "gzip"))), method=method, **fields)
    assert (answer.status, answer.body) == (304, b"")
    for name in KEPT_ON_304:
        assert answer.all(name) == [value for key, value in RICH if key == name], name
    assert [name for name in GONE_ON_304 if has(answer, name)] == []


@pytest.mark.parametrize("fields", [{"if_match": '"v0"'}, {"if_match": 'W/"v1"', "range": "bytes=0-9"},
                                    {"if_unmodified_since": "Wed, 31 Dec 2025 23:59:59 GMT"}], ids=str)
def test_fields_of_a_412(fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(rich(("Content-Encoding", "gzip"))), **fields)
    assert answer.status == 412
    assert CONTENT[:10] not in answer.body
    assert answer.get("Content-Length") == str(len(answer.body))
    gone = ("Content-Encoding", "Content-Disposition", "Content-Range", "Content-Digest", "Content-MD5")
    assert [name for name in gone if has(answer, name)] == []
    assert answer.get("Access-Control-Allow-Origin") == "*"


# --- Accept-Ranges ---------------------------------------------------------------------------------------------------

ADVERTISED = [  # body, fields of the app, value on a plain 200
    pytest.param([CONTENT], [], "bytes", id="list"),
    pytest.param([CONTENT], [LENGTH], "bytes", id="list with length"),
    pytest.param((CONTENT,), [], "bytes", id="tuple"),
    pytest.param(lambda: iter(cut(CONTENT, 100)), [LENGTH], "bytes", id="generator with length"),
    pytest.param(lambda: iter(cut(CONTENT, 100)), [], None, id="generator of unknown length"),
    pytest.param(lambda: io.BytesIO(CONTENT), [], "bytes", id="file"),
    pytest.param([CONTENT], [("Accept-Ranges", "bytes")], "bytes", id="said already"),
    pytest.param([CONTENT], [("accept-ranges", "bytes")], "bytes", id="said already, in lower case"),
    pytest.param([CONTENT], [("Accept-Ranges", "none")], "none", id="none"),
    pytest.param([CONTENT], [("Content-Encoding", "gzip")], None, id="coded, no ETag"),
    pytest.param([CONTENT], [("Content-Encoding", "gzip"), ("ETag", 'W/"v1"')], None, id="coded, weak ETag"),
    pytest.param([CONTENT], [("Content-Encoding", "gzip"), ETAG], "bytes", id="coded, strong ETag"),
    pytest.param([CONTENT], [("X-Sendfile", "/x")], None, id="off-load"),
    pytest.param([CONTENT], [("Content-Range", "bytes 0-999/1000")], None, id="Content-Range"),
    pytest.param([CONTENT], [("Transfer-Encoding", "chunked")], None, id="Transfer-Encoding"),
]


@pytest.mark.each
@pytest.mark.parametrize(("body", "fields", "value"), ADVERTISED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_accept_ranges_on_a_200_that_would_have_been_sliced(body: Any, fields: list[tuple[str, str]],
                                                            value: str | None, method: str) -> None:
    answer = get(RangeMiddleware(answering(body, *fields)), method=method)
    assert (answer.status, answer.get("Accept-Ranges")) == (200, value)
    sliced = get(RangeMiddleware(answering(body, *fields)), "bytes=0-9")
    assert (sliced.status == 206) == (value == "bytes")


@pytest.mark.each
@pytest.mark.parametrize("fields", [{"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"},
                                    {"range": "bytes=9-0"}, {"range": "bytes=0-9", "if_range": '"v0"'},
                                    {"if_match": '"v1"'}], ids=str)
@pytest.mark.parametrize("said", [[], [("Accept-Ranges", "bytes")], [("ACCEPT-RANGES", "bytes")]])
def test_accept_ranges_once_on_200_206_and_416(fields: dict[str, str], said: list[tuple[str, str]]) -> None:
    assert get(RangeMiddleware(answering([CONTENT], ETAG, *said)), **fields).all("Accept-Ranges") == ["bytes"]


@pytest.mark.parametrize("status", ["201 Created", "404 Not Found", "500 Oops", "302 Found"])
def test_no_accept_ranges_on_other_statuses(status: str) -> None:
    assert get(RangeMiddleware(answering([CONTENT], status=status))).get("Accept-Ranges") is None


MEASURED = [
    pytest.param(CONTENT, [CONTENT], [], "1000", id="list"),
    pytest.param(CONTENT, cut(CONTENT, 300), [], "1000", id="list of several"),
    pytest.param(CONTENT, lambda: io.BytesIO(CONTENT), [], "1000", id="buffer"),
    pytest.param(CONTENT, lambda: iter(cut(CONTENT, 300)), [], None, id="generator"),
    pytest.param(CONTENT, [CONTENT], [("Transfer-Encoding", "chunked")], None, id="framed by the app"),
    pytest.param(CONTENT, [CONTENT], [("content-length", "1000")], "1000", id="declared"),
    pytest.param(b"", [], [], "0", id="nothing"),
    pytest.param(b"", [b""], [], "0", id="an empty item"),
]


@pytest.mark.parametrize(("content", "body", "fields", "value"), MEASURED)
def test_a_length_that_the_body_tells_is_added(content: bytes, body: Any, fields: list[tuple[str, str]],
                                               value: str | None) -> None:
    answer = get(RangeMiddleware(answering(body, *fields)))
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, content, value)


def test_none_is_added_to_another_status_or_method() -> None:
    assert get(RangeMiddleware(answering([CONTENT], status="404 Not Found"))).get("Content-Length") is None
    assert get(RangeMiddleware(answering([CONTENT])), method="POST").get("Content-Length") is None


def test_no_accept_ranges_on_other_methods() -> None:
    assert get(RangeMiddleware(answering([CONTENT])), method="POST").get("Accept-Ranges") is None


# --- Content-Encoding ------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize(("etag", "status"), [(None, 200), ('W/"v1"', 200), ('"v1"', 206)])
@pytest.mark.parametrize("coding", ["gzip", "br", "GZIP", "gzip, br"])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=0-9,50-59"])
def test_coded_content_is_sliced_with_a_strong_etag_only(etag: str | None, status: int, coding: str,
                                                         value: str) -> None:
    fields = [("Content-Encoding", coding)] + ([("ETag", etag)] if etag else [])
    answer = get(RangeMiddleware(answering([CONTENT], *fields)), value)
    assert (answer.status, answer.get("Content-Encoding")) == (status, coding)
    if status == 200:
        assert answer.body == CONTENT


# --- HEAD ------------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("body", [[CONTENT], lambda: iter(cut(CONTENT, 100)), lambda: io.BytesIO(CONTENT)],
                         ids=["list", "generator", "file"])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"},
                                    {"range": "bytes=0-9", "if_range": '"v1"'}, {"if_match": "*"}], ids=str)
def test_head_is_answered_as_without_range(body: Any, fields: dict[str, str]) -> None:
    answer = get(RangeMiddleware(answering(body, LENGTH, ETAG)), method="HEAD", **fields)
    plain = get(RangeMiddleware(answering(body, LENGTH, ETAG)), method="HEAD")
    assert (answer.status, answer.body, answer.fields) == (200, b"", plain.fields)
    assert answer.get("Content-Length") == "1000"


@pytest.mark.each
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"if_match": '"v0"'}], ids=str)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "500 Oops"])
def test_head_never_has_a_body_whatever_the_status(fields: dict[str, str], status: str) -> None:
    assert get(RangeMiddleware(answering([CONTENT], LENGTH, status=status)), method="HEAD", **fields).body == b""


@pytest.mark.each
@pytest.mark.parametrize("body", [[CONTENT], cut(CONTENT, 100), lambda: io.BytesIO(CONTENT),
                                  lambda: iter(cut(CONTENT, 100))], ids=["one item", "list", "file", "generator"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("value", [{}, {"range": "bytes=9-0"}], ids=str)
def test_a_server_that_counts_for_itself_is_not_misled(body: Any, method: str, value: dict[str, str]) -> None:
    # wsgiref's server sends the length of a body of one item as Content-Length. RFC 9110 8.6: in an answer to HEAD that
    # is the length a GET would have had, or it is not sent.
    out = io.BytesIO()
    handler = SimpleHandler(io.BytesIO(), out, io.StringIO(), environ_for(method, **value))
    handler.run(RangeMiddleware(answering(body)))
    head, _, sent = out.getvalue().partition(b"\r\n\r\n")
    assert head.split()[1] == b"200"
    assert sent == (CONTENT if method == "GET" else b"")
    assert set(re.findall(rb"Content-Length: (\d+)", head)) <= {b"1000"}


# --- multipart -------------------------------------------------------------------------------------------------------

def _boundary(answer: Answer) -> str:
    match = re.fullmatch(r"multipart/byteranges; boundary=([0-9A-Za-z'()+_,./:=?-]{1,70})",
                         str(answer.get("Content-Type")))
    assert match, answer.get("Content-Type")
    return match[1]


def test_boundary_is_unquoted_128_bits_and_new_each_time() -> None:
    app = RangeMiddleware(answering([CONTENT]))
    boundaries = [_boundary(get(app, "bytes=0-9,50-59")) for _ in range(50)]
    assert len(set(boundaries)) == 50
    # RFC 2046 5.1.1: these need quotes; RFC 9110 5.6.2: a value without quotes is a token.
    assert all(re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", boundary) for boundary in boundaries)
    alphabet = len(set("".join(boundaries)))
    assert alphabet ** min(map(len, boundaries)) >= 2**128
    columns = [len({boundary[place] for boundary in boundaries}) for place in range(min(map(len, boundaries)))]
    assert sum(1 for column in columns if column > 8) * alphabet.bit_length() >= 128


def test_framing_of_a_multipart_body() -> None:
    answer = get(RangeMiddleware(answering([CONTENT])), "bytes=0-9,50-59")
    boundary = _boundary(answer).encode()
    assert answer.body == b"".join([
        b"\r\n--", boundary, b"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 0-9/1000\r\n\r\n",
        CONTENT[:10], b"\r\n--", boundary,
        b"\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes 50-59/1000\r\n\r\n", CONTENT[50:60],
        b"\r\n--", boundary, b"--\r\n"])


MULTIPART = [  # Range, the (first_pos, last_pos) of the parts
    pytest.param("bytes=0-9,50-59", [(0, 9), (50, 59)], id="two"),
    pytest.param("bytes=50-59,0-9", [(50, 59), (0, 9)], id="in the order of the request"),
    pytest.param("bytes=0-0,-1", [(0, 0), (999, 999)], id="RFC 9110 14.1.2"),
    pytest.param("bytes=0-9,20-29,5-14", [(0, 14), (20, 29)], id="overlapping, merged at the place of the first"),
    pytest.param("bytes=20-29,0-9,10-12", [(20, 29), (0, 12)], id="touching, merged"),
    pytest.param("bytes=50-59,0-9,60-69", [(50, 69), (0, 9)], id="touching the first"),
    pytest.param("bytes=0-9,5000-,50-59", [(0, 9), (50, 59)], id="unsatisfiable left out"),
    pytest.param("bytes=0-9,,50-59,", [(0, 9), (50, 59)], id="empty members"),
]


@pytest.mark.each
@pytest.mark.parametrize(("value", "ranges"), MULTIPART)
@pytest.mark.parametrize("body", [[CONTENT], lambda: io.BytesIO(CONTENT)], ids=["list", "file"])
def test_parts(value: str, ranges: list[tuple[int, int]], body: Any) -> None:
    answer = get(RangeMiddleware(answering(body)), value)
    assert answer.status == 206
    assert answer.get("Content-Length") == str(len(answer.body))
    found = parts(answer)
    assert [(part.first_pos, part.last_pos) for part in found] == ranges
    assert all(part.content == CONTENT[part.first_pos:part.last_pos + 1] for part in found)
    assert {part.complete_length for part in found} == {1000}
    assert answer.environ["rangeware.plan"].status == 206
    assert [tuple(item) for item in answer.environ["rangeware.plan"].ranges] == ranges


@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=0-9,5000-", 0, 9), ("bytes=0-9,10-19", 0, 19), ("bytes=5-9,0-6", 0, 9), ("bytes=0-9,0-9", 0, 9)])
def test_several_asked_and_one_left_is_a_plain_206(value: str, first_pos: int, last_pos: int) -> None:
    answer = get(RangeMiddleware(answering([CONTENT])), value)
    assert (answer.status, answer.body) == (206, CONTENT[first_pos:last_pos + 1])
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/1000"
    assert answer.get("Content-Type") == TYPE[1]


@pytest.mark.parametrize("content_type", ["text/html; charset=utf-8", 'multipart/mixed; boundary="x y"', "image/png"])
def test_each_part_has_the_content_type_of_the_200(content_type: str) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", content_type)])
        return [CONTENT]
    answer = get(RangeMiddleware(app), "bytes=0-9,50-59")
    heads = re.findall(rb"\r\nContent-Type: ([^\r\n]*)\r\n", answer.body)
    assert heads == [content_type.encode()] * 2


@pytest.mark.each
@pytest.mark.parametrize("count", [2, 10, 20, 30, 40, 60, 99, 100])
@pytest.mark.parametrize("size", [1, 100, 1000, 100_000])
def test_no_answer_is_larger_than_the_whole_and_4_kib(count: int, size: int) -> None:
    content = bytes(max(size, 2 * count))
    value = "bytes=" + ",".join(f"{2 * index}-{2 * index}" for index in range(count))
    answer = get(RangeMiddleware(answering([content])), value)
    assert len(answer.body) <= len(content) + 4096
    assert answer.get("Content-Length") in (None, str(len(answer.body)))
    if answer.status == 206:
        assert len(parts(answer)) == count
    else:
        assert (answer.status, answer.body) == (200, content)
        assert count > 30  # thirty heads of some 125 bytes are under 4 KiB: no excuse there


def test_a_multipart_of_a_small_representation_is_served_as_asked() -> None:
    answer = get(RangeMiddleware(answering([b"0123456789"])), "bytes=0-0,-1")
    assert [part.content for part in parts(answer)] == [b"0", b"9"]


# --- empty -----------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-9", "bytes=0-1,3-4"])
@pytest.mark.parametrize("body", [[], [b""], (), lambda: iter([b""]), lambda: io.BytesIO(b"")],
                         ids=["no item", "empty item", "tuple", "iterator", "file"])
def test_range_is_ignored_on_an_empty_representation(value: str, body: Any) -> None:
    answer = get(RangeMiddleware(answering(body, ("Content-Length", "0"))), value)
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, b"", "0")


# --- explained -------------------------------------------------------------------------------------------------------

def _coded() -> Any:
    return answering([CONTENT], ("Content-Encoding", "gzip"))


WHY_200 = {  # what is asked of which app, each for a reason of its own
    "another unit": (answering([CONTENT]), {"range": "rows=0-9"}),
    "not to the grammar": (answering([CONTENT]), {"range": "bytes=9-0"}),
    "too many": (answering([CONTENT]), {"range": "bytes=" + ",".join(["0-0"] * 257)}),
    "If-Range fails": (answering([CONTENT], ETAG), {"range": "bytes=0-9", "if_range": '"v0"'}),
    "unknown length": (answering(lambda: iter([CONTENT])), {"range": "bytes=0-9"}),
    "coded": (_coded(), {"range": "bytes=0-9"}),
    "Accept-Ranges: none": (answering([CONTENT], ("Accept-Ranges", "none")), {"range": "bytes=0-9"}),
    "off-load": (answering([CONTENT], ("X-Sendfile", "/x")), {"range": "bytes=0-9"}),
    "Content-Range": (answering([CONTENT], ("Content-Range", "bytes 0-999/1000")), {"range": "bytes=0-9"}),
    "Transfer-Encoding": (answering([CONTENT], ("Transfer-Encoding", "chunked")), {"range": "bytes=0-9"}),
    "empty": (answering([b""]), {"range": "bytes=0-9"}),
    "larger than the whole": (answering([bytes(200)]), {
        "range": "bytes=" + ",".join(f"{2 * index}-{2 * index}" for index in range(100))}),
}


@pytest.mark.parametrize("why", WHY_200)
def test_every_200_to_a_request_with_range_says_why(why: str) -> None:
    app, fields = WHY_200[why]
    answer = get(RangeMiddleware(app), **fields)
    plan = answer.environ["rangeware.plan"]
    assert (answer.status, plan.status, tuple(plan.ranges)) == (200, 200, ())
    assert len(answer.reason.split()) >= 2


def test_the_reasons_differ() -> None:
    reasons = {why: get(RangeMiddleware(app), **fields).reason for why, (app, fields) in WHY_200.items()}
    assert len(set(reasons.values())) == len(reasons), reasons


def test_a_file_shorter_than_declared_says_so() -> None:
    short = get(RangeMiddleware(answering(lambda: io.BytesIO(b"x"), LENGTH)), "bytes=0-0")
    unknown = get(RangeMiddleware(answering(lambda: iter([b"x"]))), "bytes=0-0")
    assert (short.status, unknown.status) == (200, 200)
    assert short.reason != unknown.reason


def test_head_and_other_methods_say_why() -> None:
    app = RangeMiddleware(answering([CONTENT]))
    assert len(get(app, "bytes=0-9", method="HEAD").reason.split()) >= 2
    assert get(app, "bytes=0-9", method="HEAD").reason != get(app, "bytes=0-9").reason


@pytest.mark.parametrize("status", ["206 Partial Content", "416 Range Not Satisfiable", "404 Not Found", "302 Found"])
def test_the_apps_own_answers_say_why(status: str) -> None:
    answer = get(RangeMiddleware(answering([CONTENT], status=status)), "bytes=0-9")
    assert len(answer.reason.split()) >= 2


OUTCOMES = [({"range": "bytes=0-9"}, 206), ({"range": "bytes=0-9,50-59"}, 206), ({"range": "bytes=5000-"}, 416),
            ({"if_match": '"v0"'}, 412), ({"if_none_match": '"v1"'}, 304), ({"range": "bytes=9-0"}, 200)]


@pytest.mark.parametrize(("fields", "status"), OUTCOMES, ids=str)
def test_the_plan_is_in_the_servers_environ_and_given_to_on_plan(fields: dict[str, str], status: int) -> None:
    seen: list[tuple[Any, Any]] = []
    app = RangeMiddleware(answering([CONTENT], ETAG), on_plan=lambda environ, plan: seen.append((environ, plan)))
    answer = get(app, validate=False, **fields)
    plan = answer.environ["rangeware.plan"]
    assert plan.status == status
    assert len(seen) == 1
    assert seen[0][1] is plan
    assert seen[0][0]["PATH_INFO"] == "/"
    assert seen[0][0].get("HTTP_RANGE", seen[0][0].get("rangeware.range")) == fields.get("range")


@pytest.mark.parametrize(("fields", "status"), OUTCOMES, ids=str)
def test_a_debug_line_for_each_decision(fields: dict[str, str], status: int,
                                        caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="rangeware"):
        answer = get(RangeMiddleware(answering([CONTENT], ETAG)), **fields)
    records = [record for record in caplog.records if record.name == "rangeware"]
    assert [record.levelno for record in records] == [logging.DEBUG]
    assert answer.reason in records[0].getMessage()


def test_no_line_breaks_of_the_client_reach_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="rangeware"):
        get(RangeMiddleware(answering([CONTENT])), "bytes=0-9\nFAKE line", if_range="\nFAKE", validate=False)
    assert all("\n" not in record.getMessage() for record in caplog.records if record.name == "rangeware")


def test_reasons_of_the_served_are_sentences_too() -> None:
    app = RangeMiddleware(answering([CONTENT], ETAG))
    reasons = [get(app, **fields).reason for fields, _ in OUTCOMES]
    assert all(len(reason.split()) >= 2 for reason in reasons)
