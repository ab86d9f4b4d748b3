"""Encoded text in header fields: metadata, checksums, digests, and file names."""

from __future__ import annotations

import base64
import hashlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangeware.uploads.encodings import (
    format_metadata,
    parse_checksum,
    parse_digest,
    parse_file_name,
    parse_metadata,
)
from rangeware.uploads.pace import Pace
from rangeware.uploads.protocol.values import Digest

SHA256 = hashlib.sha256(b"").digest()
TEXT = base64.b64encode(SHA256).decode()


@pytest.mark.parametrize(("value", "metadata"), [
    pytest.param("", {}, id="none"),
    pytest.param("filename d29ybGQ=,is_confidential", {"filename": "world", "is_confidential": ""}, id="no value"),
    pytest.param("a YQ==, b Yg==", {"a": "a", "b": "b"}, id="space after the comma"),
    pytest.param("a 4pyT", {"a": "✓"}, id="UTF-8"),
    pytest.param("a /w==", {"a": "\ufffd"}, id="not UTF-8"),
    pytest.param("a YQ==,a Yg==", None, id="a key twice"),
    pytest.param("a YQ", None, id="without padding"),
    pytest.param("a !", None, id="not base64"),
    pytest.param("a ä", None, id="not ASCII"),
    pytest.param("ä YQ==", None, id="a key that is not ASCII"),
    pytest.param("a YQ==,", None, id="an empty pair"),
    pytest.param("a YQ== YQ==", None, id="two values"),
    pytest.param("a " + "YWFh" * 2047, {"a": "aaa" * 2047}, id="8190 characters"),
    pytest.param("a " + "YWFh" * 2048, None, id="8194 characters"),
])
def test_metadata(value: str, metadata: dict[str, str] | None) -> None:
    assert parse_metadata(value) == metadata


@given(st.dictionaries(st.text("abc-_.", min_size=1), st.text()))
def test_metadata_that_is_written_can_be_read(metadata: dict[str, str]) -> None:
    assert parse_metadata(format_metadata(metadata)) == (metadata if len(format_metadata(metadata)) <= 8192 else None)


@pytest.mark.parametrize(("value", "digest"), [
    (f"sha256 {TEXT}", Digest("sha256", SHA256)),
    ("md5 1B2M2Y8AsgTpgAmY7PhCfg==", Digest("md5", hashlib.md5().digest())),
    ("sha1 2jmj7l5rSw0yVb/vlWAYkK/YBwk=", Digest("sha1", hashlib.sha1().digest())),
    ("", None), ("sha256", None), ("sha256 YQ==", None), (f"sha512 {TEXT}", None), (f"SHA256 {TEXT}", None),
    (f"sha256 {TEXT[:-1]}", None), ("sha1 ä", None),
])
def test_checksums(value: str, digest: Digest | None) -> None:
    assert parse_checksum(value) == digest


@pytest.mark.parametrize(("value", "digest"), [
    (f"sha-256=:{TEXT}:", Digest("sha256", SHA256)), (f"md5=:YQ==:, sha-256=:{TEXT}:;q=1", Digest("sha256", SHA256)),
    ("sha-512=:" + base64.b64encode(hashlib.sha512().digest()).decode() + f":,sha-256=:{TEXT}:",
     Digest("sha512", hashlib.sha512().digest())),
    ("", None), ("sha-256=:YQ==:", None), ("sha-256=:YQ:", None), (f"sha-256={TEXT}", None), (f"sha=:{TEXT}:", None),
])
def test_digests(value: str, digest: Digest | None) -> None:
    assert parse_digest(value) == digest


@pytest.mark.parametrize(("disposition", "name"), [
    ('inline; filename="a b.txt"', "a b.txt"), ("inline; filename=a", "a"), ("", ""), ("inline", ""),
    ("attachment; filename*=UTF-8''%e2%9c%93.txt", "✓.txt"), ('x; filename="\u00c3\u00a4"', "ä"),
    ('x; filename="\u00e4"', "ä"), (f"x; filename*{'9' * 5000}=a", ""),
    ("x; filename*=a\0b''%41", ""), ("x; filename*=utf-7''+2AA-", "?"),
    ("x; filename*=utf-99''%ff", "\u00ff"), ('x; filename="', '"'),
])
def test_file_names(disposition: str, name: str) -> None:
    assert parse_file_name(disposition) == name


@pytest.mark.parametrize("text", ['a; x="' + ";" * 65536, 'a; x="' + '\\";' * 20000, "a" * 65536])
def test_long_dispositions_are_not_parsed(text: str) -> None:
    assert parse_file_name(text) == ""


@given(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=200))
def test_no_disposition_raises(text: str) -> None:
    parse_file_name(f"inline; {text}")
    parse_file_name(text)


@pytest.mark.parametrize("seconds", [(0.0, 512 << 10), (0.03, 64 << 10), (0.5, 4 << 10)])
def test_the_pace_follows_the_line(seconds: tuple[float, int], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    pace = Pace()
    for _ in range(10):
        now[0] += seconds[0]
        pace.note()
    assert pace.size == seconds[1]
