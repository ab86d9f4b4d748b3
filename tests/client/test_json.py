"""``--json`` as docs/downloading.md describes it: each event of real runs has exactly the fields of the tables."""

from __future__ import annotations

import functools
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rangeware.client import api, upload_api
from rangeware.client.cli import command
from rangeware.client.io import upload_report
from tests.client.fault_server import Call, FaultServer, Version, page
from tests.client.upload_server import UploadServer

_DOCS = Path(__file__).parents[2] / "docs" / "downloading.md"
_SECTION = _DOCS.read_text().partition("\n## For programs\n")[2].partition("\n## ")[0]
EVENTS = dict(re.findall(r"^\| `(\w+)` \| .* \| (\w+) \|$", _SECTION, re.MULTILINE))
_ROWS = re.findall(r"^\| (\w+) \| `(\w+)` \| ([\w ]+) \| .* \|$", _SECTION, re.MULTILINE)
FIELDS = {fields: {name: kind for of, name, kind in _ROWS if of == fields} for fields in {*EVENTS.values()}}
KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,), "integer": (int,), "number": (int, float), "boolean": (bool,), "list": (list,),
    "null": (type(None),),
}
ENDS = {"saved", "sent", "error"}


def is_of(kind: str, value: Any) -> bool:
    """True if a value has a type of the table."""
    types = tuple(each for name in kind.split(" or ") for each in KINDS[name])
    return isinstance(value, types) and (bool in types or not isinstance(value, bool))


def check(event: dict[str, Any]) -> None:
    """Compare one event with the tables."""
    wanted = FIELDS[EVENTS[event["event"]]]
    assert event.keys() == {"event", "url", *wanted}
    assert [name for name, kind in wanted.items() if not is_of(kind, event[name])] == []
    assert all(len(pair) == 2 and pair[0] <= pair[1] for pair in event.get("segments", ()))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of its own, and no waiting."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(api, "prepare", functools.partial(
        api.prepare, first_delay=0.01, worthwhile=0, segment_size=65_536))
    monkeypatch.setattr(upload_api, "prepare", functools.partial(upload_api.prepare, first_delay=0.01))
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str, exit_code: int = 0) -> list[dict[str, Any]]:
    """Run the command with ``--json``, check all that it says, and return it."""
    assert command.main([words[0], "--json", *words[1:]]) == exit_code
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    for event in events:
        check(event)
    for url in {event["url"] for event in events}:
        assert [event["event"] in ENDS for event in events if event["url"] == url].count(True) == 1
        assert [event for event in events if event["url"] == url][-1]["event"] in ENDS
    return events


def names(events: list[dict[str, Any]]) -> set[str]:
    return {event["event"] for event in events}


def test_the_tables_are_read() -> None:
    assert EVENTS.keys() == {"began", "progress", "retry", "changed", "fewer", "warning", "checking", "finished", *ENDS}
    assert {fields: len(rows) for fields, rows in FIELDS.items()} == {
        "state": 7, "download": 12, "upload": 10, "error": 3}


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("integer", 1, True), ("integer or null", None, "1"), ("boolean", False, 0), ("number", 1.5, None),
    ("string", "", None),
])
def test_types_are_told_apart(kind: str, good: Any, bad: Any) -> None:
    assert is_of(kind, good)
    assert not is_of(kind, bad)


def test_a_download_and_another_run(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    events = run(capsys, "get", server.url)
    assert names(events) == {"began", "progress", "finished", "saved"}
    assert (events[-1]["complete_length"], events[-1]["already_complete"]) == (600_000, False)
    again = run(capsys, "get", server.url)
    assert (names(again), again[-1]["already_complete"]) == ({"finished", "saved"}, True)


def test_a_retry(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.act = lambda call: call.send(call.reply) if call.number else cut(call)
    assert names(run(capsys, "get", "-n1", server.url)) >= {"began", "retry", "saved"}


def cut(call: Call) -> None:
    call.send_cut(call.reply, 100_000)


def test_a_change(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    def act(call: Call) -> None:
        if call.number:
            server.version = Version.make(2)
            call.send(call.reply)
        else:
            cut(call)

    server.act = act
    events = run(capsys, "get", "-n1", server.url)
    assert names(events) >= {"changed", "saved"}
    assert events[-1]["restarts"] > 0


def test_fewer_connections(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.act = lambda call: call.send(page(503) if call.server.open_connections > 1 else call.reply)
    server.pause = 0.02
    assert names(run(capsys, "get", server.url)) >= {"fewer", "saved"}


def test_a_warning(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.act = lambda call: call.send(call.reply.put("Content-Type", "text/html"))
    assert names(run(capsys, "get", server.url)) >= {"warning", "saved"}


def test_errors_of_one_among_several(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.act = lambda call: call.send(page(404) if "gone" in call.request.target else call.reply)
    gone = server.url.replace("127.0.0.1", "user:secret@127.0.0.1").replace("file", "gone")
    events = run(capsys, "get", server.url, gone, exit_code=2)
    assert {event["url"] for event in events} == {server.url, gone.replace("user:secret", "...")}
    [error] = [event for event in events if event["event"] == "error"]
    assert (error["exit_code"], error["kept"]) == (2, "")
    assert "404" in error["text"]


def test_a_wrong_digest(server: FaultServer, capsys: pytest.CaptureFixture[str]) -> None:
    events = run(capsys, "get", "--checksum", "md5:" + "0" * 32, server.url, exit_code=4)
    assert events[-1]["exit_code"] == 4
    assert "file.bin.part" in events[-1]["kept"]


def test_an_interruption(server: FaultServer, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def act(call: Call) -> None:
        call.send(call.reply._replace(content=call.reply.content[:100_000]))
        while not part.exists() or not part.stat().st_size:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)
        call.line.stall()

    part, server.act = here / "file.bin.part", act
    events = run(capsys, "get", server.url, exit_code=130)
    assert (events[-1]["exit_code"], events[-1]["text"]) == (130, "interrupted")
    assert events[-1]["kept"].endswith("file.bin.part")


@pytest.mark.parametrize("protocol", ["tus", "draft"])
def test_an_upload(
    protocol: str, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload_report, "_REPORT", 0.0)
    (here / "x").write_bytes(bytes(3_000_000))
    with UploadServer(speaks=(protocol,)) as uploads:
        events = run(capsys, "put", "x", uploads.url)
    assert names(events) >= {"checking", "began", "finished", "sent"}
    assert events[-1]["protocol"] == protocol


def test_an_upload_that_fails(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    events = run(capsys, "put", "missing", "http://127.0.0.1:9/", exit_code=5)
    assert events[-1]["exit_code"] == 5
