"""How long a silence may be: before the first byte, between bytes, in a head that comes byte by byte."""

from __future__ import annotations

import time

import pytest

from rangeware.client import NetworkError, download, upload
from rangeware.client.options import DownloadOptions
from rangeware.client.planning.planner import Planner
from rangeware.client.planning.response_head import ResponseHead
from tests.client.fault_server import Call, FaultServer, page

LATE = 2.0  # seconds
_LONG = 60.0


def late_head(call: Call) -> None:
    """An archive that is made on demand: nothing for a while."""
    call.server.closing.wait(LATE)
    call.send(call.reply)


def late_content(call: Call) -> None:
    """The head at once, and then nothing for a while."""
    call.line.send(call.reply.head())
    call.server.closing.wait(LATE)
    call.line.send(call.reply.content)


def late_rest(call: Call) -> None:
    """One byte of the content, and then nothing more."""
    call.line.send(call.reply.head() + call.reply.content[:1])
    call.line.stall()


@pytest.mark.parametrize("act", [late_head, late_content])
def test_the_first_byte_may_be_late(act, tmp_path):
    with FaultServer(act) as server:
        download(server.url, tmp_path / "f", timeout=LATE / 2, first_byte=_LONG, tries=1, connections=1)
        assert (tmp_path / "f").read_bytes() == server.version.content
        assert len(server.requests) == 1


@pytest.mark.parametrize("act", [late_head, late_content])
def test_the_first_byte_may_not_be_later_than_asked_for(act, tmp_path):
    with FaultServer(act) as server, pytest.raises(NetworkError, match="nothing received"):
        download(server.url, tmp_path / "f", timeout=_LONG, first_byte=LATE / 10, tries=1)


def test_after_the_first_byte_a_silence_is_a_break(tmp_path):
    begun = time.monotonic()
    with FaultServer(late_rest) as server, pytest.raises(NetworkError, match="nothing received"):
        download(server.url, tmp_path / "f", timeout=0.2, first_byte=_LONG, tries=1)
    assert time.monotonic() - begun < _LONG / 2


def cut_once(call: Call) -> None:
    """The first response breaks off in its midst."""
    call.send_cut(call.reply, len(call.reply.content) if call.number else 1000)


def busy_once(call: Call) -> None:
    """The first response is 503."""
    call.send(call.reply if call.number else page(503))


@pytest.mark.parametrize("act", [cut_once, busy_once])
def test_a_retry_comes_when_its_delay_is_over(act, tmp_path, monkeypatch):
    """Not when the engine looks up the next time."""
    monkeypatch.setattr("rangeware.client.io.engine.TICK", _LONG)
    begun = time.monotonic()
    with FaultServer(act) as server:
        download(server.url, tmp_path / "f", first_delay=0.05, connections=1)
        assert (tmp_path / "f").read_bytes() == server.version.content
        assert len(server.requests) == 2
    assert time.monotonic() - begun < _LONG / 2


def test_the_retry_of_an_upload_comes_when_its_delay_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr("rangeware.client.io.upload_engine.TICK", _LONG)
    (tmp_path / "f").write_bytes(b"content")
    begun = time.monotonic()
    with FaultServer(lambda call: call.send(page(503))) as server, pytest.raises(NetworkError):
        upload(tmp_path / "f", server.url, tries=3, first_delay=0.05)
    assert time.monotonic() - begun < _LONG / 2


def test_a_question_is_asked_again_when_its_delay_is_over(tmp_path, monkeypatch):
    monkeypatch.setattr("rangeware.client.io.questions._TICK", _LONG)
    begun = time.monotonic()
    with FaultServer(busy_once) as server:
        (tmp_path / "f").write_bytes(server.version.content)
        assert download(server.url, tmp_path / "f", first_delay=0.05).already_complete
        assert [request.method for request in server.requests[:2]] == ["GET", "GET"]
    assert time.monotonic() - begun < _LONG / 2


def test_what_is_overdue():
    """By default 60 seconds until the first byte and 15 between bytes; and as much as that again for a slow head."""
    planner = Planner("http://h/f", DownloadOptions())
    fetch = planner.next_fetch(0.0)
    assert planner.overdue(90.0) == []
    assert planner.overdue(90.1) == [fetch]
    planner.on_head(fetch, ResponseHead(200, {"content-length": "10"}), "http://h/f", 1.0, 0.0)
    planner.claim(fetch, 1)
    fetch.heard_at = 20.0
    assert planner.overdue(65.0) == []
    assert planner.overdue(65.1) == [fetch]
