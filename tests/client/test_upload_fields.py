"""The header fields of uploads: their grammar, and what a server may make of it."""

from __future__ import annotations

import pytest

from rangeware.client.planning.response_head import ResponseHead
from rangeware.client.planning.upload_fields import (
    Terms,
    contradicts_digest,
    parse_limits,
    parse_terms,
    upload_complete,
    upload_length,
    upload_offset,
)
from rangeware.client.upload_text import content_disposition, repr_digest, upload_checksum, upload_metadata

SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"  # of b"test", by sha256sum
IN_BASE64 = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="
OF_NOTHING = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="


def head(status: int = 204, **fields: str) -> ResponseHead:
    return ResponseHead(status, {name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize(("value", "number"), [
    ("0", 0), ("5", 5), (" 5 ", 5), ("005", 5), ("", None), ("-5", None), ("+5", None), ("5.0", None), ("1e5", None),
    ("1_0", None), ("٣", None), ("²", None), ("9" * 18, 10**18 - 1), ("9" * 5000, None), (str(2**63), None),
    ("5, 5", None), ("0x5", None),
])
def test_offset_and_length(value, number):
    assert upload_offset(head(upload_offset=value)) == number
    assert upload_length(head(upload_length=value)) == number
    assert upload_offset(head()) is None


@pytest.mark.parametrize(("value", "item"), [
    ("?1", True), ("?0", False), ("?1;x=1", True), (" ?1 ", True), ("1", None), ("true", None), ("?2", None),
    ("", None),
])
def test_complete(value, item):
    assert upload_complete(head(upload_complete=value)) is item


@pytest.mark.parametrize(("value", "limits"), [
    ("max-size=1000, min-size=0", {"max-size": 1000, "min-size": 0}),
    ("max-size=1000;x=?1;y,\tmax-age=5", {"max-size": 1000, "max-age": 5}),
    ("max-size=1, max-size=2", {"max-size": 2}),
    ("what, max-size=1, when=?0, who=ann", {"max-size": 1}),
    ("max-size=-1, max-append-size=0, min-size=0", {"min-size": 0}),
    ("max-size=1.5", {}), ("max-size=1 max-age=2", {}), ("", {}), (",", {}), ("MAX-SIZE=1", {}), ("max-size=1,", {}),
    ('a="b"', {}), ("max-size=" + "9" * 16, {}),
])
def test_limits(value, limits):
    assert parse_limits(value) == limits


TERMS = [  # fields, wanted -> terms
    ({"tus_version": "1.0.0"}, None, Terms("tus")),
    ({"tus_version": "0.2.2, 1.0.0", "tus_max_size": "5"}, None, Terms("tus", 5)),
    ({"tus_version": "0.2.2"}, None, Terms()),
    ({"tus_version": "1.0.0", "tus_extension": "creation,checksum", "tus_checksum_algorithm": "md5,sha1"}, None,
     Terms("tus", checksum="sha1")),
    ({"tus_version": "1.0.0", "tus_extension": "checksum", "tus_checksum_algorithm": "sha1,sha256"}, None,
     Terms("tus", checksum="sha256")),
    ({"tus_version": "1.0.0", "tus_extension": "checksum", "tus_checksum_algorithm": "crc32"}, None, Terms("tus")),
    ({"tus_version": "1.0.0", "tus_checksum_algorithm": "sha1"}, None, Terms("tus")),
    ({"upload_limit": "max-size=7, max-append-size=6, min-append-size=5"}, None, Terms("draft", 7, 6, 5)),
    ({"upload_limit": "malformed="}, None, Terms("draft")),
    ({"upload_draft_interop_version": "8"}, None, Terms("draft")),
    ({"tus_version": "1.0.0", "upload_limit": "max-size=7"}, None, Terms("tus")),
    ({"tus_version": "1.0.0", "upload_limit": "max-size=7"}, "draft", Terms("draft", 7)),
    ({"tus_version": "1.0.0", "upload_limit": "max-size=7"}, "tus", Terms("tus")),
    ({"tus_version": "1.0.0"}, "draft", Terms()),
    ({"upload_limit": "max-size=7"}, "tus", Terms()),
    ({}, None, Terms()),
]


@pytest.mark.parametrize(("fields", "wanted", "terms"), TERMS)
def test_terms(fields, wanted, terms):
    assert parse_terms(head(**fields), wanted) == terms


@pytest.mark.parametrize(("metadata", "value"), [
    ({}, ""), ({"a": "b"}, "a Yg=="), ({"name": "fünf.txt", "x": "", "y": "1"}, "name ZsO8bmYudHh0,x,y MQ=="),
])
def test_metadata(metadata, value):
    assert upload_metadata(metadata) == value


@pytest.mark.parametrize(("name", "value"), [
    ("a b.txt", 'attachment; filename="a b.txt"'),
    ('a"b\\c', "attachment; filename=\"a_b_c\"; filename*=UTF-8''a%22b%5Cc"),
    ("f\u00fcnf\r\n.txt", "attachment; filename=\"f_nf__.txt\"; filename*=UTF-8''f%C3%BCnf%0D%0A.txt"),
])
def test_disposition(name, value):
    assert content_disposition(name) == value


def test_digests_as_text():
    assert repr_digest(SHA256) == f"sha-256=:{IN_BASE64}:"
    assert upload_checksum("sha1", b"\x00\xff") == "sha1 AP8="


@pytest.mark.parametrize(("response", "contradicts"), [
    (head(), False),
    (head(repr_digest=f"sha-256=:{IN_BASE64}:"), False),
    (head(repr_digest=f"sha-256=:{OF_NOTHING}:"), True),
    (head(repr_digest="sha-256=:AAAA:"), False),
    (head(repr_digest="md5=:AAAA:"), False),
    (head(content_digest=f"sha-256=:{OF_NOTHING}:"), False),
    (head(content_digest=f"sha-256=:{'A' * 43}=:"), True),
    (head(200, content_length="0", content_type="text/html", repr_digest=f"sha-256=:{OF_NOTHING}:"), True),
    (head(200, content_length="9", content_type="text/html", repr_digest=f"sha-256=:{OF_NOTHING}:"), False),
])
def test_a_digest_that_contradicts(response, contradicts):
    assert contradicts_digest(response, SHA256) is contradicts
