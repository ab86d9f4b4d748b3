"""The options of a download: each is checked before anything is asked for."""

from __future__ import annotations

import pytest
import urllib3

import rangeware
from rangeware.client import adownload, download
from rangeware.client.options import DownloadOptions

WRONG = [
    ("connections", 0), ("connections", True), ("connections", 1.5), ("connections", "4"), ("tries", 0),
    ("segment_size", 0),
    ("limit_rate", 0), ("limit_rate", -5), ("timeout", -1), ("timeout", "15"), ("timeout", float("nan")),
    ("timeout", 0), ("timeout", 1e9),
    ("headers", {"Host": "h"}), ("headers", {"if-none-match": "*"}),
    ("timeout", float("inf")), ("first_delay", -0.1), ("longest_delay", None), ("worthwhile", -1), ("sha256", "abc"),
    ("sha256", 5), ("headers", {"Range": "bytes=0-"}), ("headers", {"if-range": '"a"'}),
    ("headers", {"Accept-Encoding": "gzip"}), ("headers", {"A": "b\r\nC: d"}), ("headers", {"A b": "c"}),
    ("headers", {"A": 5}), ("headers", {5: "a"}), ("headers", {"": "a"}), ("headers", {"A": "\u20ac"}),
    ("first_byte", 0), ("first_byte", "60"), ("cookies", 5), ("cacert", b"x"), ("insecure", "no"), ("insecure", 1),
    ("trace", "yes"),
    ("checksum", "abc"), ("checksum", 5), ("checksum", "crc32:12345678"),
]


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_option_is_named(name, value):
    with pytest.raises(rangeware.InvalidOption, match=name):
        download("http://127.0.0.1:1/", "nowhere", **{name: value})


@pytest.mark.parametrize(("options", "said"), [
    ({"stall": 5, "timeout": 5}, "either timeout or"), ({"timeout": 5, "stall": 5}, "either timeout or"),
    ({"segments": 2, "connections": 2}, "either connections or segments"),
    ({"segments": 2, "connections": 0}, "either connections or segments"),
])
def test_an_option_by_both_of_its_names(options, said):
    with pytest.raises(rangeware.InvalidOption, match=said):
        DownloadOptions.from_mapping(options)


def test_the_older_names_of_options():
    options = DownloadOptions.from_mapping({"stall": 7, "segments": 3})
    assert (options.timeout, options.connections) == (7, 3)
    assert DownloadOptions.from_mapping({"stall": None, "segments": None}) == DownloadOptions()


@pytest.mark.parametrize(("older", "name"), [("segments", "connections"), ("stall", "timeout")])
def test_a_wrong_value_by_an_older_name(older, name):
    with pytest.raises(rangeware.InvalidOption, match=f"^{name} must be"):
        download("http://127.0.0.1:1/", "nowhere", **{older: 0})


@pytest.mark.parametrize("get", [download, adownload])
def test_an_option_that_there_is_not(get):
    with pytest.raises(TypeError, match="connection'"):
        get("http://127.0.0.1:1/", "nowhere", connection=4)


def test_the_first_byte_may_take_longer():
    assert DownloadOptions().until_first_byte == 60
    assert DownloadOptions(timeout=2).until_first_byte == 8
    assert DownloadOptions(timeout=2, first_byte=1).until_first_byte == 1


@pytest.mark.parametrize("option", [{"insecure": True}, {"cacert": "ca.pem"}])
def test_what_a_pool_of_the_callers_decides_is_no_option_beside_it(option):
    with urllib3.PoolManager() as pool, pytest.raises(rangeware.InvalidOption, match="a pool of your own"):
        DownloadOptions(pool=pool, **option)


@pytest.mark.parametrize("url", [
    "ftp://127.0.0.1/f", "127.0.0.1/f", "http://", "http://[::1", "http://h:99999/", "http://h:x/", "file:///etc/passwd",
    "http://h:0/", "", "http:///f",
])
def test_an_address_that_is_none(url, tmp_path):
    with pytest.raises(rangeware.InvalidOption):
        download(url, tmp_path / "f")
    assert list(tmp_path.iterdir()) == []


def test_a_digest_may_be_in_capitals():
    assert DownloadOptions.from_mapping({"sha256": "AB" * 32}).sha256 == "ab" * 32


def test_headers_may_be_left_out():
    assert DownloadOptions.from_mapping({"headers": None}).headers == {}


def test_one_digest_is_enough():
    """Two could contradict each other, and a check that was asked for must not be left out."""
    with pytest.raises(rangeware.InvalidOption, match="^checksum cannot be given together with sha256$"):
        DownloadOptions(sha256="ab" * 32, checksum="md5:" + "cd" * 16)


def test_a_checksum_is_spelt_in_one_way():
    assert DownloadOptions(checksum="SHA-1: " + "AB" * 20).checksum == "sha1:" + "ab" * 20
