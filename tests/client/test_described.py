"""Downloads by a Metalink document, from a server or a file; aria2 is asked to do the same."""

from __future__ import annotations

import asyncio
import hashlib
import io
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from rangeware.client import NetworkError, TransferError, adownload, download
from rangeware.client.api import prepare
from rangeware.client.metalink import LONGEST_DOCUMENT
from rangeware.errors import InvalidOption
from tests.client.fault_server import Call, FaultServer, Version, behave, page, well_made

QUICK = {"timeout": 5.0, "first_delay": 0.01, "longest_delay": 0.05}
PIECE = 100_000


def file_element(content: bytes, *urls: str, name: str = "film.bin", digest: str = "") -> str:
    parts = (content[first:first + PIECE] for first in range(0, len(content), PIECE))
    hashes = "".join(f"<hash>{hashlib.sha1(part).hexdigest()}</hash>" for part in parts)
    places = "".join(f'<url priority="{number}">{url}</url>' for number, url in enumerate(urls, 1))
    return (f'<file name="{name}"><size>{len(content)}</size>'
            f'<hash type="sha-256">{digest or hashlib.sha256(content).hexdigest()}</hash>'
            f'<pieces length="{PIECE}" type="sha-1">{hashes}</pieces>{places}</file>')


def document(*files: str) -> bytes:
    return f'<metalink xmlns="urn:ietf:params:xml:ns:metalink">{"".join(files)}</metalink>'.encode()


class Site(FaultServer):
    """Has a document and the file that it describes."""

    def __init__(self) -> None:
        super().__init__(self.answer)
        self.document = document(file_element(self.version.content, self.url))

    def answer(self, call: Call) -> None:
        if call.request.target == "/file.bin":
            behave(call)
        elif call.request.target.startswith("/d"):
            call.send(well_made(call.request, Version(1, self.document, '"d"', 1_700_000_000)))
        else:
            call.send(page(404))

    @property
    def place(self) -> str:
        return f"http://127.0.0.1:{self.port}/d.meta4"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as running:
        yield running


def test_the_file_that_it_describes(site, tmp_path):
    result = download(site.place, directory=tmp_path, **QUICK)
    assert result.path == tmp_path / "film.bin"
    assert result.path.read_bytes() == site.version.content
    assert result.checksum == f"sha256:{hashlib.sha256(site.version.content).hexdigest()}"
    assert [each.name for each in tmp_path.iterdir()] == ["film.bin"]


@pytest.mark.parametrize("ending", ["", "?a=b", "#c"])
def test_a_path_and_a_folder_and_a_stream(site, tmp_path, ending):
    url, stream = site.place + ending, io.BytesIO()
    assert download(url, tmp_path / "x", **QUICK).path == tmp_path / "x"
    assert download(url, tmp_path, **QUICK).path == tmp_path / "film.bin"
    download(url, stream, **QUICK)
    assert stream.getvalue() == site.version.content


def test_the_document_itself_if_that_is_wanted(site, tmp_path):
    assert download(site.place, tmp_path / "x", metalink=False, **QUICK).path.read_bytes() == site.document


def test_a_document_of_another_name(site, tmp_path):
    url = site.place.replace("d.meta4", "dynamic?repo=1")
    assert download(url, directory=tmp_path, metalink=True, **QUICK).path.read_bytes() == site.version.content


def test_a_document_on_the_disk(site, tmp_path):
    (tmp_path / "a.meta4").write_bytes(site.document)
    result = download(str(tmp_path / "a.meta4"), directory=tmp_path, headers={"Authorization": "secret"}, **QUICK)
    assert result.path.read_bytes() == site.version.content
    assert [request.field("authorization") for request in site.requests] == [""]


def test_asyncio(site, tmp_path):
    result = asyncio.run(adownload(site.place, directory=tmp_path, **QUICK))
    assert result.path.read_bytes() == site.version.content


def test_the_next_address_is_asked_and_a_wrong_piece_fetched_again(site, tmp_path):
    with FaultServer(lambda call: call.send(page(404))) as gone, FaultServer() as liar:
        content = bytearray(liar.version.content)
        content[250_000] ^= 1
        liar.version = Version(1, bytes(content), '"liar"', 1_700_000_000)
        site.document = document(file_element(site.version.content, "ftp://x/f", gone.url, liar.url, site.url))
        told = []
        result = download(site.place, directory=tmp_path, progress=told.append, **QUICK)
        assert result.path.read_bytes() == site.version.content
        notices = "; ".join(each.text for each in told)
        assert f"{liar.url}: a piece with a wrong digest; continuing without it" in notices
    assert result.restarts == 0


def test_what_is_secret_goes_to_the_origin_of_the_document_only(site, tmp_path):
    with FaultServer() as other:
        other.version = site.version
        site.document = document(file_element(site.version.content, other.url))
        headers = {"Authorization": "Bearer secret", "X-Key": "secret", "Accept-Language": "de"}
        download(site.place, tmp_path / "x", headers=headers, **QUICK)
        assert [request.field("authorization") for request in site.requests] == ["Bearer secret"]
        sent = [dict(request.fields) for request in other.requests]
    assert sent
    assert all("secret" not in str(fields) and fields["accept-language"] == "de" for fields in sent)
    site.document = document(file_element(site.version.content, site.url))
    download(site.place, tmp_path / "y", headers=headers, **QUICK)
    assert site.requests[-1].field("x-key") == "secret"


def test_the_digest_of_the_caller_goes_first(site, tmp_path):
    site.document = document(file_element(site.version.content, site.url, digest="0" * 64))
    with pytest.raises(TransferError, match="instead of 0000"):
        download(site.place, tmp_path / "x", **QUICK)
    sha256 = hashlib.sha256(site.version.content).hexdigest()
    assert download(site.place, tmp_path / "y", sha256=sha256, **QUICK).sha256 == sha256


@pytest.mark.parametrize("act", [behave, lambda call: call.send(call.reply.without("Content-Length").put(
    "Transfer-Encoding", "chunked")._replace(content=b"3\r\nabc\r\n0\r\n\r\n", status=200).without("Content-Range"))])
def test_without_a_digest_the_length_must_be_right(tmp_path, act):
    with FaultServer(act) as server:
        size, told = len(server.version.content), []
        text = f'<file name="f"><size>{{}}</size><url>{server.url}</url></file>'
        (tmp_path / "a.meta4").write_bytes(document(text.format(size + 1)))
        with pytest.raises(NetworkError, match=f"instead of the {size + 1:,} of the Metalink"):
            download(str(tmp_path / "a.meta4"), directory=tmp_path, progress=told.append, **QUICK)
        assert not (tmp_path / "f").exists()
        (tmp_path / "a.meta4").write_bytes(document(text.format(size if act is behave else 3)))
        download(str(tmp_path / "a.meta4"), directory=tmp_path, progress=told.append, **QUICK)
        assert told[-1].event == "finished"
        download(str(tmp_path / "a.meta4"), tmp_path / "other", **QUICK)


def test_several_files(site, tmp_path):
    files = [file_element(site.version.content, site.url, name=name) for name in ("a", "dir/b")]
    site.document = document(*files)
    with pytest.raises(InvalidOption, match=r"has 2 files \(a, b\): choose one"):
        download(site.place, directory=tmp_path, **QUICK)
    assert download(site.place, directory=tmp_path, metalink_file="b", **QUICK).path == tmp_path / "b"


@pytest.mark.parametrize(("made", "told"), [
    (b"<html>", "not a Metalink document"), (document(), "describes no file"), (b"x" * 100, "not a Metalink"),
    (b" " * (LONGEST_DOCUMENT + 1), "more than 16777216 bytes"),
])
def test_a_server_that_sends_something_else(site, tmp_path, made, told):
    site.document = made
    with pytest.raises(NetworkError, match=told):
        download(site.place, directory=tmp_path, **QUICK)
    assert list(tmp_path.iterdir()) == []


def test_no_address_that_can_be_asked(site, tmp_path):
    site.document = document(file_element(site.version.content, "ftp://x/f"))
    with pytest.raises(InvalidOption, match="no http or https address of film.bin"):
        download(site.place, directory=tmp_path, **QUICK)


@pytest.mark.parametrize("content", [None, b"<html>"])
def test_a_file_that_is_none(tmp_path, content):
    path = tmp_path / "a.meta4"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InvalidOption, match="cannot read .*a.meta4: No such file|not a Metalink document"):
        download(str(path), directory=tmp_path)


@pytest.mark.parametrize("while_it_runs", [True, False])
def test_stopped(site, tmp_path, while_it_runs):
    run = prepare(site.place, directory=tmp_path, **QUICK)
    if while_it_runs:
        def act(call: Call) -> None:
            run.stop()
            call.line.stall()

        site.act = act
    else:
        run.stop()
    with pytest.raises(TransferError, match="stopped"):
        run.result()


@pytest.mark.skipif(shutil.which("aria2c") is None, reason="there is no aria2c")
def test_aria2_makes_the_same_of_it(site, tmp_path):
    content = site.version.content
    with FaultServer(lambda call: call.send(page(404))) as gone:
        (tmp_path / "a.meta4").write_bytes(document(file_element(content, gone.url, site.url)))
        command = ["aria2c", "-q", "--no-conf", "-d", str(tmp_path / "aria2"), "-M", str(tmp_path / "a.meta4")]
        subprocess.run(command, check=True, timeout=60)
        ours = download(str(tmp_path / "a.meta4"), directory=tmp_path / "ours", **QUICK)
    assert (tmp_path / "aria2" / "film.bin").read_bytes() == ours.path.read_bytes() == content
