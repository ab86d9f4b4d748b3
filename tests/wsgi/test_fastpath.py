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
from rangeware.wsgi import fastpath
from tests.support import CONTENT, environ_for, run
from tests.test_twins import GROUPS, Case, Outcome, as_wsgi, sample

WRAPPERS = (None, FileWrapper)
"""A server's ``wsgi.file_wrapper``."""


def cases(group: str) -> Iterator[Case]:
    """The cases of the shared table that its own test samples."""
    for case in sample(group):
        fields = tuple(field for field in case.given.fields if field[0] != "Date")
        yield case._replace(given=case.given._replace(fields=fields))


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
def taken(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each function of the fast path has said yes."""
    counts: Counter[str] = Counter()

    def counting(name: str) -> Any:
        function = getattr(fastpath, name)

        def counted(*arguments: Any) -> Any:
            result = function(*arguments)
            counts[name] += bool(result[-1] if isinstance(result, tuple) else result)
            return result
        return counted

    for name in ("passes_unchanged", "respond_with_one_range"):
        monkeypatch.setattr(fastpath, name, counting(name))
    return counts


def close(patch: pytest.MonkeyPatch) -> None:
    """Send all requests the general way."""
    patch.setattr(fastpath, "is_plain_get", lambda environ: False)
    patch.setattr(fastpath, "passes_unchanged", lambda *arguments: False)
    patch.setattr(fastpath, "respond_with_one_range", lambda *arguments: (None, None, None))


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=["no wrapper", "a wrapper"])
@pytest.mark.parametrize("group", GROUPS)
def test_the_fast_path_responds_as_the_general_way_does(
    group: str, wrapper: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for case in cases(group):
        fast = respond(case, wrapper)
        with monkeypatch.context() as patch:
            close(patch)
            general = respond(case, wrapper)
        for name, one, other in zip(Outcome._fields, fast, general, strict=True):
            assert one == other, f"{case}: {name}"


@pytest.mark.parametrize(("group", "wrapper", "passing", "ranged"), [
    ("list", None, 1, 20),
    ("stream", None, 1, 0),  # what only runs forward is sliced in the general way
    ("file", None, 0, 20),  # our own wrapper is opened, for the server's may be faster
    ("file", FileWrapper, 1, 20),
])
def test_the_table_does_take_the_fast_path(
    group: str, wrapper: Any, passing: int, ranged: int, taken: Counter[str]
) -> None:
    for case in cases(group):
        respond(case, wrapper)
    assert taken["passes_unchanged"] >= passing
    assert taken["respond_with_one_range"] >= ranged


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
