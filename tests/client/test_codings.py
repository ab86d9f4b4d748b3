"""Which content codings belong to the file itself: those that servers are known to put on stored files."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rangeware.client.planning.codings import UNDOABLE, around, is_named, parse_codings, question


@pytest.mark.parametrize(("value", "codings"), [
    ("gzip", ("gzip",)), ("x-gzip", ("gzip",)), ("GZIP", ("gzip",)), (" gzip ", ("gzip",)), ("gzip;q=1", ("gzip",)),
    ("compress", ("compress",)), ("x-compress", ("compress",)), ("deflate", ("deflate",)), ("br", ("br",)),
    ("bzip2", ("bzip2",)), ("x-bzip2", ("bzip2",)), ("x-bzip", ("bzip2",)), ("xz", ("xz",)), ("x-xz", ("xz",)),
    ("zstd", ("zstd",)), ("pack200-gzip", ("pack200-gzip",)), ("gzip, br", ("gzip", "br")), ("gzip,,", ("gzip",)),
    ("identity, gzip", ("gzip",)), ("secret", ("secret",)),
])
def test_codings(value, codings):
    assert parse_codings(value) == codings


@pytest.mark.parametrize("value", [
    "", " ", ",", "identity", "Identity", "none", "null", "utf-8", "UTF-8", "utf8", "iso-8859-1", "windows-1252",
    "us-ascii", "binary", "8bit", "7bit", "base64", "chunked", "aws-chunked", "text", "application/octet-stream",
    "text/html; charset=utf-8", "charset=utf-8", '"utf-8"', "none, utf-8", "Shift_JIS", "GBK", "application/gzip",
])
def test_codings_that_are_none(value):
    assert parse_codings(value) == ()


@pytest.mark.parametrize(("coding", "names"), [
    # mime.conf of Apache: AddEncoding x-compress .Z, x-gzip .gz .tgz, x-bzip2 .bz2; AddEncoding gzip svgz
    ("gzip", ["a.gz", "a.tar.gz", "A.TGZ", "a.svgz", "a.tar.gz.asc", "a.gz.html", "a.emz", "a.txt.gz"]),
    ("compress", ["a.Z", "a.tar.Z", "a.taz"]),
    ("bzip2", ["a.bz2", "a.tbz2", "a.tar.bz2"]),
    ("xz", ["a.xz", "a.txz"]), ("zstd", ["a.zst", "a.tar.zst"]), ("br", ["a.js.br"]), ("lzma", ["a.lzma"]),
    ("deflate", ["a.zz"]), ("pack200-gzip", ["a.pack.gz"]),
])
def test_names_that_say_so(coding, names):
    for name in names:
        assert is_named(coding, name)
        assert around((coding,), ["download", name]) == ()


@pytest.mark.parametrize(("coding", "name"), [
    ("gzip", "a.bin"), ("gzip", "gz"), ("gzip", "agz"), ("gzip", "a.gz_"), ("gzip", "a.bz2"), ("bzip2", "a.gz"),
    ("br", "a.brx"), ("gzip", ""), ("secret", "a.secret"), ("gzip", "a.tar"), ("gzip", "a.json"), ("zstd", "a.gz"),
])
def test_names_that_do_not(coding, name):
    assert not is_named(coding, name)
    assert around((coding,), [name], "application/octet-stream") == (coding,)


@pytest.mark.parametrize(("coding", "media_type"), [
    ("gzip", "application/gzip"), ("gzip", "application/x-gzip"), ("gzip", "application/x-tar+gzip"),
    ("gzip", "application/x-compressed-tar"), ("gzip", "application/x-gtar-compressed"), ("gzip", "application/x-tgz"),
    ("gzip", "image/svg+xml-compressed"), ("gzip", "application/vnd.oci.image.layer.v1.tar+gzip"),
    ("gzip", "application/vnd.docker.image.rootfs.diff.tar.gzip"), ("gzip", "application/x-compressed"),
    ("compress", "application/x-compress"), ("compress", "application/x-compressed"), ("bzip2", "application/x-bzip2"),
    ("bzip2", "application/x-bzip-compressed-tar"), ("xz", "application/x-xz"), ("zstd", "application/zstd"),
    ("xz", "application/x-xz-compressed-tar"), ("br", "application/x-brotli"),
])
def test_media_types_that_say_so(coding, media_type):
    assert around((coding,), ["download"], media_type) == ()


@pytest.mark.parametrize(("coding", "media_type"), [
    ("gzip", None), ("gzip", "application/x-tar"), ("gzip", "application/json"),
    ("gzip", "application/x-zip-compressed"),
    ("gzip", "application/x-xz-compressed-tar"), ("gzip", "application/x-bzip2"), ("br", "application/gzip"),
    ("gzip", "text/html"), ("gzip", "image/svg+xml"),
])
def test_media_types_that_do_not(coding, media_type):
    assert around((coding,), ["download"], media_type) == (coding,)


def test_only_the_innermost_coding_can_be_the_file():
    assert around(("gzip", "gzip"), ["a.gz"]) == ("gzip",)
    assert around(("gzip", "br"), ["a.gz"]) == ("br",)
    assert around(("br", "gzip"), ["a.gz"]) == ("br", "gzip")
    assert around((), ["a.gz"], "application/gzip") == ()


def test_the_question():
    assert question((), None) == question(("gzip",), False) == question(("gzip", "br"), True) == ""
    asked = question(("gzip",), None)
    assert "Content-Encoding gzip" in asked
    assert "--decode undoes it" in asked
    assert "--no-decode keeps the bytes" in asked
    for decode in (None, True):
        refused = question(("gzip", "secret"), decode)
        assert "cannot be undone" in refused
        assert "--decode" not in refused
    assert question(("secret",), False) == ""
    assert "secret" not in UNDOABLE


HOSTILE = ("gzip,", ",", ".", "/", " ", ";", "x-", "gzip;", "utf-8", '"', ".gz", "charset=", "a/", "cp-", "8859-", "9")


def read_hostile_fields():
    for piece in HOSTILE:
        for before in ("", "iso-8859-", "cp", "charset=", "gzip;", "x-"):
            many = before + piece * (250_000 // len(piece))
            question(around(parse_codings(many), [many], many), None)


def test_whatever_is_sent_is_read_in_linear_time():
    code = "from tests.client.test_codings import read_hostile_fields; read_hostile_fields()"
    subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parents[2], check=True, timeout=60)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text(), st.text(), st.text(), st.sampled_from([None, True, False]))
def test_any_field_is_read(value, name, media_type, decode):
    assert len(question(around(parse_codings(value), [name], media_type), decode)) < 400
