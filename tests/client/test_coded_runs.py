"""Whole downloads of files with a Content-Encoding: kept as they are sent, decoded, or refused with a question."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
from collections.abc import Iterator

import pytest

from rangeware.client import DigestError, DiskError, NetworkError, download
from rangeware.errors import InvalidOption
from tests.client.fault_server import Call, FaultServer, Version, random_bytes, well_made

QUICK = {"stall": 5.0, "first_delay": 0.01, "longest_delay": 0.05}
PLAIN = random_bytes(3, 200_000) + b"some text " * 10_000
PACKED = gzip.compress(PLAIN)
VERSION = Version(1, PACKED, '"packed"', 1_700_000_000)


def coded(call: Call) -> None:
    """A file that is stored compressed, with ranges of its coded bytes."""
    call.send(well_made(call.request, VERSION).put("Content-Encoding", "gzip"))


def cut(call: Call) -> None:
    call.send_cut(well_made(call.request, VERSION).put("Content-Encoding", "gzip"), 100_000)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer(coded) as running:
        running.path = "/data.json"
        yield running


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_the_question_names_both_ways(server, tmp_path):
    with pytest.raises(NetworkError, match=r"Content-Encoding gzip, .* \(--decode undoes it .*, --no-decode keeps"):
        download(server.url, tmp_path / "f", **QUICK)
    assert list(tmp_path.iterdir()) == []
    assert len(server.requests) == 2  # with Range, and plainly: the server may code its ranges only


@pytest.mark.parametrize("path", ["/data.json.gz", "/x/data.tar.gz", "/data.JSON.GZ?v=1.json", "/data%2ejson%2egz"])
def test_a_name_in_the_address_says_that_it_is_the_file(server, tmp_path, path):
    server.path = path
    assert download(server.url, tmp_path / "f", sha256=sha256(PACKED), **QUICK).path.read_bytes() == PACKED


def test_the_address_before_the_redirect_may_say_so(server, tmp_path):
    def act(call: Call) -> None:
        if call.request.target == "/a.tgz":
            call.send(call.reply._replace(status=302, content=b"").put("Location", "/123").put("Content-Length", "0"))
        else:
            coded(call)

    server.path = "/a.tgz"
    server.act = act
    assert download(server.url, tmp_path / "f", **QUICK).path.read_bytes() == PACKED


def test_decoded_when_all_is_there(server, tmp_path):
    result = download(server.url, tmp_path / "f", decode=True, sha256=sha256(PLAIN), **QUICK)
    assert result.path.read_bytes() == PLAIN
    assert (result.complete_length, result.received) == (len(PLAIN), len(PACKED))
    assert [each.name for each in tmp_path.iterdir()] == ["f"]
    assert int(result.path.stat().st_mtime) == VERSION.changed


def test_the_same_command_again_is_done_by_the_time_of_the_file(server, tmp_path):
    first = download(server.url, tmp_path / "f", decode=True, **QUICK)
    told: list[str] = []
    again = download(server.url, tmp_path / "f", decode=True, progress=lambda each: told.append(each.text), **QUICK)
    assert (again.already_complete, again.complete_length) == (True, first.complete_length)
    assert "compared by its time only, since the decoded length is not known" in "\n".join(told)
    assert len(server.requests) == 2


def test_a_decoded_file_with_another_time_stays(server, tmp_path):
    download(server.url, tmp_path / "f", decode=True, **QUICK)
    os.utime(tmp_path / "f", (VERSION.changed + 60,) * 2)
    with pytest.raises(DiskError, match="may be another file: the decoded length is not known"):
        download(server.url, tmp_path / "f", decode=True, **QUICK)


def test_without_decoding_the_time_is_not_enough(server, tmp_path):
    download(server.url, tmp_path / "f", decode=True, **QUICK)
    with pytest.raises(DiskError):
        download(server.url, tmp_path / "f", **QUICK)


def test_the_coded_bytes_are_resumed(server, tmp_path):
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", decode=True, tries=1, **QUICK)
    assert (tmp_path / "f.part").read_bytes() == PACKED[:100_000]
    server.behave_as(coded)
    server.requests.clear()
    result = download(server.url, tmp_path / "f", decode=True, **QUICK)
    assert (result.path.read_bytes(), result.kept) == (PLAIN, 100_000)
    assert [request.is_later for request in server.requests] == [True]


def test_a_file_that_is_named_as_compressed_stays_so(server, tmp_path):
    assert download(server.url, tmp_path / "f.json.gz", decode=True, **QUICK).path.read_bytes() == PACKED


def test_the_caller_may_take_the_bytes_as_they_are_sent(server, tmp_path):
    result = download(server.url, tmp_path / "f", decode=False, sha256=sha256(PACKED), **QUICK)
    assert result.path.read_bytes() == PACKED


def declaring(content: bytes):
    """RFC 9530 2: Repr-Digest is of the selected representation, that is, of the coded bytes."""
    value = f"sha-256=:{base64.b64encode(hashlib.sha256(content).digest()).decode()}:"
    return lambda call: call.send(
        well_made(call.request, VERSION).put("Content-Encoding", "gzip").put("Repr-Digest", value))


def test_the_digest_of_the_server_is_of_the_coded_bytes_and_that_of_the_caller_of_the_file(server, tmp_path):
    server.act = declaring(PACKED)
    sha1 = hashlib.sha1(PLAIN).hexdigest()
    result = download(server.url, tmp_path / "f", decode=True, checksum=f"sha1:{sha1}", **QUICK)
    assert result.path.read_bytes() == PLAIN
    server.act = declaring(PLAIN)
    with pytest.raises(DigestError, match=f"^the sha256 is {sha256(PACKED)} instead of {sha256(PLAIN)}$"):
        download(server.url, tmp_path / "g", decode=True, sha256=sha256(PLAIN), **QUICK)


def test_the_digest_of_the_caller_does_not_go_with_the_coded_bytes(server, tmp_path):
    """Else the next run would compare it with them."""
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", decode=True, sha256=sha256(PLAIN), tries=1, **QUICK)
    server.behave_as(coded)
    assert download(server.url, tmp_path / "f", decode=True, **QUICK).path.read_bytes() == PLAIN


@pytest.mark.parametrize("wrong", [PACKED, b"other"])
def test_a_decoded_file_with_another_digest_is_refused(server, tmp_path, wrong):
    with pytest.raises(DigestError, match=f"^the sha256 is {sha256(PLAIN)} instead of ") as caught:
        download(server.url, tmp_path / "f", decode=True, sha256=sha256(wrong), **QUICK)
    assert caught.value.kept == f"the received file is kept as {tmp_path / 'f.part.1'}"
    assert (tmp_path / "f.part.1").read_bytes() == PACKED
    assert not [each for each in tmp_path.iterdir() if not each.name.startswith("f.part.1")]


def test_a_damaged_coding_is_set_aside(server, tmp_path):
    broken = VERSION._replace(content=PACKED[:-5])
    server.act = lambda call: call.send(well_made(call.request, broken).put("Content-Encoding", "gzip"))
    with pytest.raises(DigestError, match="^the gzip coding of the file ends too early$"):
        download(server.url, tmp_path / "f", decode=True, **QUICK)
    assert (tmp_path / "f.part.1").read_bytes() == PACKED[:-5]
    server.behave_as(coded)
    assert download(server.url, tmp_path / "f", decode=True, **QUICK).path.read_bytes() == PLAIN


def test_another_coding_under_the_same_tag_is_not_joined(server, tmp_path):
    server.path = "/a.gz"
    server.act = cut
    with pytest.raises(NetworkError):
        download(server.url, tmp_path / "f", tries=1, **QUICK)
    server.behave_as(lambda call: call.send(well_made(call.request, VERSION).put("Content-Encoding", "br")))
    with pytest.raises(NetworkError, match="Content-Encoding br"):
        download(server.url, tmp_path / "f", **QUICK)
    assert (tmp_path / "f.part").read_bytes() == PACKED[:100_000]


def test_a_module_that_is_missing_is_named_before_the_content_is_fetched(server, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "brotli", None)
    server.act = lambda call: call.send(well_made(call.request, VERSION).put("Content-Encoding", "br"))
    with pytest.raises(NetworkError, match="needs the Python module brotli"):
        download(server.url, tmp_path / "f", decode=True, **QUICK)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("decode", ["yes", 1, 0])
def test_a_choice_that_is_none(server, tmp_path, decode):
    with pytest.raises(ValueError, match="^decode must be True, False or None"):
        download(server.url, tmp_path / "f", decode=decode)


def test_what_goes_to_a_stream_is_not_decoded() -> None:
    with pytest.raises(InvalidOption, match="decode needs a file"):
        download("http://127.0.0.1:9/f", io.BytesIO(), decode=True)
