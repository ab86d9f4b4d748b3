"""The fast path decides nothing of its own: each case of the shared table gets the same response by the general way.

The table is that of ``tests/test_twins.py``. Each request is made twice to one middleware, since the first one of a
server never takes the fast path; then again with the fast path closed. Compared are the status, the header fields in
their order, each byte, the plan, and what ``on_plan`` was told. The Date of the table's apps is left out, since the
fast path leaves a response with Date to the general way.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware
from rangeware.wsgi.responder import WsgiResponder
from tests.support import CONTENT, environ_for, run
from tests.test_twins import GROUPS, Case, Outcome, as_wsgi, sample, steps

ONE_ITEM = "list of one item"
WRAPPERS = (None, FileWrapper)
"""A server's ``wsgi.file_wrapper``."""


def cases(group: str, step: int = 7) -> Iterator[Case]:
    """The cases of the shared table that its own test samples."""
    for case in sample("list" if group == ONE_ITEM else group, step):
        fields = tuple(field for field in case.given.fields if field[0] != "Date")
        chunks = (case.given.content,) if group == ONE_ITEM else case.given.chunks
        yield case._replace(given=case.given._replace(fields=fields, chunks=chunks))


def respond(case: Case, wrapper: Any) -> Outcome:
    """The second response of a middleware to this request."""
    told: list[object] = []
    app = RangeMiddleware(as_wsgi(case.given), **case.options, on_plan=lambda environ, plan: told.append(plan))
    outcome = Outcome(None)
    for _ in range(2):
        told.clear()
        environ = environ_for(case.asked.method, **case.joined)
        if wrapper is not None:
            environ["wsgi.file_wrapper"] = wrapper
        try:
            outcome = Outcome.of(run(app, environ, validate=False), told)
        except Exception as exc:
            outcome = Outcome(type(exc))
    return outcome


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records each response that is not made by the flat functions: "general", or "ranges" for those of files."""
    recorded: list[str] = []

    def recording(way: str, method: Any) -> Any:
        def recorder(*arguments: Any) -> Any:
            recorded.append(way)
            return method(*arguments)
        return recorder

    monkeypatch.setattr(WsgiResponder, "respond", recording("general", WsgiResponder.respond))
    monkeypatch.setattr(WsgiResponder, "respond_with", recording("ranges", WsgiResponder.respond_with))
    return recorded


def close(patch: pytest.MonkeyPatch) -> None:
    """Send all requests the general way."""
    patch.setattr(RangeMiddleware, "__call__", RangeMiddleware._respond)


@pytest.mark.each
@steps
@pytest.mark.parametrize("wrapper", WRAPPERS, ids=["no wrapper", "a wrapper"])
@pytest.mark.parametrize("group", [*GROUPS, ONE_ITEM])
def test_the_fast_path_responds_as_the_general_way_does(
    group: str, wrapper: Any, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in cases(group, step):
        fast = respond(case, wrapper)
        with monkeypatch.context() as patch:
            close(patch)
            general = respond(case, wrapper)
        for name, one, other in zip(Outcome._fields, fast, general, strict=True):
            assert one == other, f"{case}: {name}"


@pytest.mark.parametrize(("group", "wrapper", "least"), [
    ("list", None, {"whole": 1, "ranges": 10}),
    (ONE_ITEM, None, {"whole": 1, "small range": 5, "ranges": 10}),
    ("stream", None, {"whole": 1}),  # what only runs forward is sliced in the general way
    ("file", None, {"small range": 5, "ranges": 10}),  # no server's wrapper, which may be faster: ours is opened
    ("file", FileWrapper, {"whole": 1, "small range": 5, "ranges": 10}),
])
def test_the_table_does_take_the_fast_path(
    group: str, wrapper: Any, least: dict[str, int], ways: list[str]
) -> None:
    taken: Counter[str] = Counter()
    for case in cases(group):
        ways.clear()
        answer = respond(case, wrapper)
        flat = "small range" if answer.status == 206 else "whole"
        taken[ways[1] if len(ways) > 1 else flat] += 1  # the first way is that of the first request
    assert all(taken[way] >= number for way, number in least.items()), taken


class Watched(io.BytesIO):
    """A file that is moved to be read, and counts how often."""

    def __init__(self, calls: Counter[str]) -> None:
        super().__init__(CONTENT)
        self._calls = calls

    def seek(self, offset: int, whence: int = 0) -> int:
        self._calls["seek"] += 1
        return super().seek(offset, whence)

    def read(self, size: int | None = -1) -> bytes:
        self._calls["read"] += 1
        return super().read(size)


@pytest.mark.each
@pytest.mark.parametrize("declared", [1000, 900, 1001])
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=5000-", "bytes=990-2000", "bytes=0-1,5-6", "bytes=x"])
def test_a_body_is_looked_at_no_more_often_than_in_the_general_way(
    value: str, declared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measuring a file that decodes means to decode all of it."""
    validators = [("ETag", '"v1"'), ("Last-Modified", "Tue, 14 Nov 2023 22:13:20 GMT")]

    def calls() -> Counter[str]:
        counted: Counter[str] = Counter()

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            start_response("200 OK", [("Content-Length", str(declared)), *validators])
            return environ["wsgi.file_wrapper"](Watched(counted))
        run(RangeMiddleware(app), environ_for(range=value), validate=False)
        return counted

    fast = calls()
    close(monkeypatch)
    assert fast == calls()
