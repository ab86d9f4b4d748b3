"""The options of a download: each is checked before anything is asked for."""

from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

import rangeware
from rangeware.client import api, download
from rangeware.client.options import DownloadOptions, OptionsDict

WRONG = [
    ("segments", 0), ("segments", True), ("segments", 1.5), ("segments", "4"), ("tries", 0), ("segment_size", 0),
    ("limit_rate", 0), ("limit_rate", -5), ("stall", -1), ("stall", "15"), ("stall", float("nan")), ("stall", 0),
    ("stall", 1e9),
    ("headers", {"Host": "h"}), ("headers", {"if-none-match": "*"}),
    ("stall", float("inf")), ("first_delay", -0.1), ("longest_delay", None), ("worthwhile", -1), ("sha256", "abc"),
    ("sha256", 5), ("headers", {"Range": "bytes=0-"}), ("headers", {"if-range": '"a"'}),
    ("headers", {"Accept-Encoding": "gzip"}), ("headers", {"A": "b\r\nC: d"}), ("headers", {"A b": "c"}),
    ("headers", {"A": 5}), ("headers", {5: "a"}), ("headers", {"": "a"}), ("headers", {"A": "\u20ac"}),
    ("colour", "red"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_option_is_named(name, value):
    with pytest.raises(rangeware.InvalidOption, match=name):
        download("http://127.0.0.1:1/", "nowhere", **{name: value})


@pytest.mark.parametrize("url", [
    "ftp://127.0.0.1/f", "127.0.0.1/f", "http://", "http://[::1", "http://h:99999/", "http://h:x/", "file:///etc/passwd",
    "http://h:0/", "", "http:///f",
])
def test_an_address_that_is_none(url, tmp_path):
    with pytest.raises(rangeware.InvalidOption):
        download(url, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_every_option_is_typed_and_told_of():
    assert list(OptionsDict.__annotations__) == [field.name for field in fields(DownloadOptions)]
    told = inspect.getdoc(api.download)
    assert [name for name in OptionsDict.__annotations__ if f"``{name}``" not in told] == []


def test_a_digest_may_be_in_capitals():
    assert DownloadOptions.from_mapping({"sha256": "AB" * 32}).sha256 == "ab" * 32


def test_headers_may_be_left_out():
    assert DownloadOptions.from_mapping({"headers": None}).headers == {}
