"""Digests are compared with the bytes that came; the expected ones are made here by ``hashlib`` (RFC 9530)."""

from __future__ import annotations

import base64
import gzip
import hashlib

import pytest

from tests.check import site
from tests.check.site import CONTENT, Reply, compressing, report


def made(content: bytes, algorithm: str = "sha-256") -> str:
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


WHOLE = made(CONTENT)


def on(kinds, field, value):
    """Spoil: add this field to responses of these statuses; a function makes the value of the content."""
    def spoil(probe, reply: Reply) -> Reply:
        if reply.status not in kinds:
            return reply
        return reply.put(**{field: value(reply.content) if callable(value) else value})

    return spoil


@pytest.mark.parametrize(("spoil", "name", "status", "words"), [
    pytest.param(on((200, 206), "repr-digest", WHOLE), "repr_digest", "good", "fits", id="right, also on parts"),
    pytest.param(on((200, 206), "digest", WHOLE.replace(":", "")), "repr_digest", "good", "fits", id="RFC 3230"),
    pytest.param(on((200, 206), "repr-digest", made(b"x")), "repr_digest", "broken", "the sha256 is another",
                 id="wrong"),
    pytest.param(on((206,), "repr-digest", made(b"x", "sha-512")), "repr_digest", "broken", "of a 206", id="of parts"),
    pytest.param(on((206,), "repr-digest", made), "repr_digest", "broken", "that of the part, not of the whole",
                 id="of the part (RFC 9530 3)"),
    pytest.param(on((200, 206, 416), "content-digest", made), "content_digest", "good", "fits", id="of each content"),
    pytest.param(on((206,), "content-digest", WHOLE), "content_digest", "broken", "of the whole file, not of the part",
                 id="of the whole (RFC 9530 2)"),
    pytest.param(on((200,), "content-digest", made(b"x")), "content_digest", "broken", "of a 200", id="wrong content"),
    pytest.param(on((416,), "content-digest", made(b"x")), "content_digest", "broken", "of a 416", id="error page"),
])
def test_a_digest_is_compared(spoil, name, status, words):
    finding = report(spoil).finding(name)
    assert finding is not None
    assert (finding.status, words in finding.detail) == (status, True), finding.detail


@pytest.mark.parametrize("value", ["sha-256=:AAAA:", "md5=:AAAAAAAAAAAAAAAAAAAAAA==:", "x", ""])
def test_what_cannot_be_relied_on_is_no_digest(value):
    made = report(on((200, 206), "repr-digest", value))
    assert (made.verdict, made.finding("repr_digest"), made.finding("content_digest")) == ("good", None, None)


def test_what_was_not_read_to_its_end_cannot_be_compared():
    big = CONTENT * 6
    finding = report(on((200, 206), "repr-digest", made(b"x")), big).finding("repr_digest")
    assert finding is not None
    assert (finding.status, "was not read to its end" in finding.detail) == ("unknown", True)
    assert report(on((200,), "content-digest", made(b"x")), big).finding("content_digest").status == "unknown"


def test_a_coded_response_has_the_digest_of_its_coded_bytes():
    """RFC 9530 3: of the representation data, content coding included."""
    def spoil(probe, reply):
        return on((200,), "repr-digest", made)(probe, compressing(probe, reply))

    def plain(probe, reply):
        return compressing(probe, on((200,), "repr-digest", made)(probe, reply))

    short = CONTENT[:9000]  # else the coded response is not read to its end
    assert report(spoil, short).finding("repr_digest").status == "good"
    assert report(plain, short).finding("repr_digest").status == "broken"


def test_a_part_of_a_coded_response_has_the_digest_of_all_coded_bytes():
    """Which are not those of the plain response, so there is nothing to compare it with."""
    packed = gzip.compress(CONTENT, 1, mtime=0)

    def spoil(probe, reply):
        if "gzip" not in probe.fields["accept-encoding"]:
            return reply
        coded = site.well_made(probe, packed, etag='"v1-gzip"', content_encoding="gzip")
        return coded.put(repr_digest=made(packed)) if probe.name == "coded_range" else coded

    assert report(spoil).finding("repr_digest").status == "unknown"


def test_the_head_of_a_304_says_nothing_of_its_own_content():
    assert report(on((200, 304), "content-digest", WHOLE)).finding("content_digest").status == "good"


def test_only_rangeware_get_minds_a_wrong_digest():
    wrong = report(on((200, 206), "repr-digest", made(b"x")))
    assert wrong.verdict == "broken"
    assert [each.name for each in wrong.clients if each.status != "good"] == ["rangeware get"]
    assert site.report().verdict == "good"
