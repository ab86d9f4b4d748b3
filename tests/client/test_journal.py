"""The journal: what is written is read again, and what cannot be believed is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rangeware.client.digests import Digest
from rangeware.client.io.journal import parse, render, render_check, render_part
from rangeware.client.planning.response_head import FileVersion
from rangeware.client.planning.state import OverlapCheck, SavedState
from rangeware.http.etags import EntityTag
from rangeware.http.ranges import ByteRange

SHA256 = "ab" * 32
IDENTITY = FileVersion(EntityTag("a", weak=True), "Sat, 21 Nov 2026 12:00:00 GMT", True, 1000, "video/mp4")
STATE = SavedState("http://h/f", "http://cdn/f?x=1", IDENTITY, (ByteRange(0, 9), ByteRange(20, 29)),
              (OverlapCheck(ByteRange(15, 19), SHA256),), Digest("sha256", b"\xab" * 32))
EMPTY = SavedState("http://h/f", "http://h/f", FileVersion())


@pytest.mark.parametrize("state", [
    STATE, EMPTY, STATE._replace(digest=Digest("sha512", b"x" * 64)),
    STATE._replace(version=IDENTITY._replace(clocked=True))])
def test_what_is_written_is_read_again(state):
    assert parse(render(state, "boot"), "boot") == state


def test_pieces_and_seams_since_then_count():
    seam = OverlapCheck(ByteRange(30, 39), SHA256)
    text = render(STATE, "boot") + render_part(ByteRange(10, 12)) + render_check(seam) + render_part(ByteRange(13, 19))
    state = parse(text, "boot")
    assert state.finished == (ByteRange(0, 29),)
    assert state.checks == (*STATE.checks, seam)


@pytest.mark.parametrize(("written", "now"), [("boot", "another"), ("", ""), ("boot", "")])
def test_pieces_do_not_count_after_a_new_start_of_the_machine(written, now):
    assert parse(render(STATE, written) + render_part(ByteRange(10, 19)), now) == STATE


@pytest.mark.parametrize("line", [b"[10,19]", b"[10,", b"[10,19", b"[10,[10,19]\n", b"\n", b"x\n", b"[10,19,\"ab\"]\n"])
def test_a_line_that_is_cut_does_not_count_and_those_after_it_do(line):
    assert parse(render(STATE, "boot") + line, "boot") == STATE
    after = render(STATE, "boot") + line + b"\n" + render_part(ByteRange(10, 10))
    assert ByteRange(0, 10) in parse(after, "boot").finished or line == b"[10,19]"


def test_a_state_that_is_cut_anywhere():
    text = render(STATE, "boot")
    assert [parse(text[:length], "boot") for length in range(len(text))] == [None] * len(text)


STRANGE = [
    ("version", 2), ("version", None), ("url", 5), ("url", None), ("address", []), ("etag", 5), ("last_modified", {}),
    ("complete_length", -1), ("complete_length", True), ("complete_length", "5"), ("complete_length", 2**70),
    ("complete_length", 29), ("complete_length", 1.5), ("finished", 5), ("finished", [[5, 4]]), ("finished", [[0]]),
    ("finished", [[0, "9"]]), ("finished", [[-1, 9]]), ("finished", [[0, 1000]]), ("finished", None),
    ("seams", [[0, 9]]), ("seams", [[0, 9, "zz"]]), ("seams", [[0, 9, 5]]), ("seams", 5), ("digest", ["md5", "00"]),
    ("digest", ["sha256", "00"]), ("digest", "sha256"), ("digest", ["sha256", 5]), ("digest", {"a": 1}),
    ("digest", []), ("digest", False), ("codings", 5), ("codings", [5]), ("codings", None),
]


@pytest.mark.parametrize(("name", "value"), STRANGE)
def test_a_strange_value_spoils_it(name, value):
    said = json.loads(render(STATE, "boot"))
    assert parse(json.dumps({**said, name: value}).encode() + b"\n", "boot") is None


@pytest.mark.parametrize("name", [name for name in json.loads(render(STATE, "")) if name not in ("codings", "clocked")])
def test_each_name_is_needed(name):
    said = json.loads(render(STATE, "boot"))
    del said[name]
    assert parse(json.dumps(said).encode() + b"\n", "boot") is None


@given(st.binary(max_size=200))
def test_whatever_stands_there(text):
    assert parse(text, "boot") is None
    assert parse(b"[" * 100_000 + b"\n" + text, "boot") is None


@given(st.binary(max_size=200))
def test_whatever_stands_behind(text):
    state = parse(render(STATE, "boot") + text, "boot")
    assert state is None or state.url == STATE.url
