"""Names as long as the file system takes them: the files beside them get shorter ones, and are found again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from rangeware.client import DiskError, NetworkError, download
from tests.client.fault_server import FaultServer, behave

LIMIT = 255


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def _break_off(server: FaultServer, final: Path) -> None:
    server.behave_as(lambda call: call.send_cut(call.reply, 300_000))
    with pytest.raises(NetworkError) as caught:
        download(server.url, final, tries=1)
    assert "300,000" in caught.value.kept
    server.behave_as(behave)


@pytest.mark.parametrize("name", [
    *("n" * length for length in (236, 237, 238, 239, 245, 246, 250, 254, LIMIT)),
    "€" * 85, "n" + "\U0001f600" * 63, "n" * 251 + ".iso",
], ids=lambda name: f"{len(os.fsencode(name))} bytes, {name[-1]!a}")
def test_a_long_name_is_resumed(server: FaultServer, tmp_path: Path, name: str) -> None:
    _break_off(server, tmp_path / name)
    assert not [each for each in os.listdir(tmp_path) if len(os.fsencode(each)) > LIMIT - len(".new")]
    assert download(server.url, tmp_path / name).kept == 300_000
    assert (tmp_path / name).read_bytes() == server.version.content
    assert os.listdir(tmp_path) == [name]


def test_a_long_name_of_a_file_that_changes(server: FaultServer, tmp_path: Path) -> None:
    """The second part file has the longest name of all."""
    final = tmp_path / ("n" * LIMIT)
    final.write_bytes(b"before")
    server.behave_as(lambda call: call.send_cut(call.reply, 300_000))
    with pytest.raises(NetworkError):
        download(server.url, final, tries=1, force=True)
    server.change()
    server.behave_as(behave)
    download(server.url, final, force=True)
    assert final.read_bytes() == server.version.content
    assert os.listdir(tmp_path) == [final.name]


def test_two_long_names_that_begin_alike_do_not_meet(server: FaultServer, tmp_path: Path) -> None:
    names = ["n" * 250 + end for end in ("one", "two")]
    for name in names:
        _break_off(server, tmp_path / name)
    assert len(os.listdir(tmp_path)) == 4
    for name in names:
        assert download(server.url, tmp_path / name).kept == 300_000
    assert sorted(os.listdir(tmp_path)) == names


def test_a_shortened_name_is_not_taken_for_that_of_a_file(server: FaultServer, tmp_path: Path) -> None:
    _break_off(server, tmp_path / ("n" * LIMIT))
    assert download(server.url, directory=tmp_path).path.name == "file.bin"


@pytest.mark.parametrize("name", ["n" * 256, "€" * 86, "n" * 5000])
def test_a_name_over_the_limit_is_told_before_the_first_request(
    server: FaultServer, tmp_path: Path, name: str
) -> None:
    with pytest.raises(DiskError, match="too long|longer than 255 bytes"):
        download(server.url, tmp_path / name)
    assert (server.requests, os.listdir(tmp_path)) == ([], [])


@pytest.mark.parametrize("failure", [OSError, ValueError, AttributeError])
def test_a_system_that_does_not_tell_its_limit(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    def fail(*arguments: object) -> None:
        raise failure

    monkeypatch.setattr(os, "pathconf", fail)
    download(server.url, tmp_path / ("n" * LIMIT))
    with pytest.raises(DiskError, match="too long"):
        download(server.url, tmp_path / ("n" * (LIMIT + 1)))


def test_a_file_system_with_shorter_names(server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As eCryptfs, which encrypts them."""
    monkeypatch.setattr(os, "pathconf", lambda folder, name: 143)
    _break_off(server, tmp_path / ("n" * 143))
    assert max(len(each) for each in os.listdir(tmp_path)) <= 143 - len(".new")
    with pytest.raises(DiskError, match="longer than 143 bytes"):
        download(server.url, tmp_path / ("n" * 144))


@pytest.mark.parametrize("below", ["", "deeper/"])
def test_a_slash_at_the_end_makes_a_folder(server: FaultServer, tmp_path: Path, below: str) -> None:
    """The name comes from the server; the folder is made when its first byte comes."""
    server.behave_as(lambda call: call.send(call.reply.put("Content-Disposition", 'attachment; filename="named.bin"')))
    got = download(server.url, f"{tmp_path}/new/{below}")
    assert got.path == tmp_path / "new" / below / "named.bin"
    assert got.path.read_bytes() == server.version.content


def test_a_slash_behind_the_name_of_a_file(server: FaultServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DiskError, match="not a directory"):
        download(server.url, f"{tmp_path}/file/")
    assert (server.requests, (tmp_path / "file").read_text()) == ([], "mine")
