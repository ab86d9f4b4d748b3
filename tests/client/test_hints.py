"""Errors that an option would help with name it: real servers, and what the command then says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rangeware.client.cli import command
from tests.client.fault_server import Call, FaultServer
from tests.client.tls import Authority


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def without_length(call: Call) -> None:
    reply = call.reply.without("Content-Length", "Content-Range", "Accept-Ranges")
    call.send(reply._replace(status=200, content=call.server.version.content).put("Connection", "close"))
    call.line.hang_up()


def test_a_response_without_length(
    server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    server.act = without_length
    assert command.main(["get", "-n1", server.url]) == 2
    [error] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("rangeware: ")]
    assert "(--allow-unknown-length takes the end of the connection for its end)" in error
    assert command.main(["get", "-n1", "--allow-unknown-length", server.url]) == 0


def test_a_certificate_of_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with FaultServer(tls=Authority(tmp_path).context("127.0.0.1")) as running:
        assert command.main(["get", running.url]) == 2
    assert capsys.readouterr().err.count("(--cacert FILE names certificates to trust)") == 1
