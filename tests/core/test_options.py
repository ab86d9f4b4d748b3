"""The options: wrong ones are refused at construction, right ones do what they say."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from rangeware import InvalidOption, RangeMiddleware
from tests.support import CONTENT, Wire, answering, cut, environ_for, get, parts

ETAG = ("ETag", '"v1"')
WRONG = [(name, value) for name, values in {
    "max_ranges": [0, -1, "5", True, False, 1.5, None, [5], float("nan")],
    "block_size": [0, -1, "65536", True, 1.5, None, float("inf")],
    "spool_limit": [-1, "0", True, 0.5, None, float("inf")],
    "hide_range": ["no", 0, 1, None, "False"],
    "preconditions": ["no", 0, 1, None],
    "validators": ["no", 0, 1, None, []],
    "applies": [3, "x", True, ["x"]],
    "on_plan": ["x", 3, False, {}],
}.items() for value in values]


@pytest.mark.parametrize(("name", "value"), WRONG, ids=lambda item: repr(item))
def test_a_wrong_option_is_refused_by_name_and_value(name: str, value: Any) -> None:
    with pytest.raises(InvalidOption) as caught:
        RangeMiddleware(answering([CONTENT]), **{name: value})
    assert name in str(caught.value)
    assert repr(value) in str(caught.value)


def test_invalid_option_is_a_value_error() -> None:
    assert issubclass(InvalidOption, ValueError)


@pytest.mark.parametrize("name", ["max_range", "blocksize", "x"])
def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(TypeError, match=name):
        RangeMiddleware(answering([CONTENT]), **{name: 1})


def test_options_are_given_by_name_only() -> None:
    with pytest.raises(TypeError):
        RangeMiddleware(answering([CONTENT]), 5)  # type: ignore[misc]


@pytest.mark.parametrize("app", [None, "app", 5], ids=repr)
def test_an_app_that_cannot_be_called_does_not_serve(app: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        get(RangeMiddleware(app), "bytes=0-9", validate=False)


RIGHT = [{"max_ranges": 1}, {"max_ranges": 10**9}, {"block_size": 1}, {"block_size": 10**9}, {"spool_limit": 0},
         {"spool_limit": 10**12}, {"hide_range": False}, {"preconditions": False}, {"validators": False},
         {"applies": None, "on_plan": None}, {"applies": lambda environ: True, "on_plan": lambda environ, plan: None}]


@pytest.mark.parametrize("options", RIGHT, ids=lambda options: "-".join(options))
def test_right_options(options: dict[str, Any]) -> None:
    answer = get(RangeMiddleware(answering([CONTENT], ETAG), **options), "bytes=0-9")
    assert (answer.status, answer.body) == (206, CONTENT[:10])


# --- max_ranges ------------------------------------------------------------------------------------------------------

def _members(count: int) -> str:
    return "bytes=" + ",".join(f"{10 * index}-{10 * index + 1}" for index in range(count))


@pytest.mark.parametrize(("max_ranges", "count", "status"), [
    (1, 1, 206), (1, 2, 200), (3, 3, 206), (3, 4, 200), (5, 5, 206)])
def test_max_ranges(max_ranges: int, count: int, status: int) -> None:
    answer = get(RangeMiddleware(answering([CONTENT]), max_ranges=max_ranges), _members(count))
    assert answer.status == status
    assert status == 206 or answer.body == CONTENT


@pytest.mark.parametrize(("count", "status"), [(255, 206), (256, 206), (257, 200)])
def test_256_members_by_default(count: int, status: int) -> None:
    answer = get(RangeMiddleware(answering([bytes(100_000)])), _members(count))
    assert answer.status == status
    assert status == 200 or len(parts(answer)) == count


# --- block_size ------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("block_size", [1, 7, 100, 1000])
@pytest.mark.parametrize("body", [[CONTENT], lambda: io.BytesIO(CONTENT)], ids=["list", "file"])
@pytest.mark.parametrize("value", ["bytes=0-", "bytes=5-500", "bytes=0-99,500-"])
def test_block_size_is_the_largest_block(block_size: int, body: Any, value: str) -> None:
    wire = Wire()
    blocks = list(RangeMiddleware(answering(body), block_size=block_size)(environ_for(range=value),
                                                                          wire.start_response))
    if "," not in value:
        assert max(map(len, blocks)) <= block_size or not callable(body)  # an item of a list is in memory already
    assert wire.head is not None
    assert sum(map(len, blocks)) == int(dict(wire.head[1])["Content-Length"])


def test_blocks_of_124_kib_by_default() -> None:
    content = bytes(200_000)
    blocks = list(RangeMiddleware(answering(lambda: io.BytesIO(content)))(environ_for(range="bytes=0-"),
                                                                          Wire().start_response))
    assert max(map(len, blocks)) == 126_976


# --- applies ---------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9", "if_range": '"v1"'}, {"if_none_match": '"v1"'},
                                    {"if_match": '"v2"'}], ids=str)
def test_applies_leaves_a_request_alone(method: str, fields: dict[str, str]) -> None:
    seen: list[dict[str, Any]] = []
    body, head = [CONTENT], [("Content-Type", "text/plain"), ETAG]

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ)
        start_response("200 OK", head)
        return body
    environ, wire = environ_for(method, **fields), Wire()
    before = dict(environ)
    returned = RangeMiddleware(app, applies=lambda environ: False)(environ, wire.start_response)
    assert returned is body
    assert seen[0] is environ
    assert environ == before
    assert wire.head == ("200 OK", [("Content-Type", "text/plain"), ETAG])


def test_applies_is_asked_for_each_request() -> None:
    app = RangeMiddleware(answering([CONTENT]), applies=lambda environ: environ["HTTP_HOST"] == "here")
    assert get(app, "bytes=0-9", host="here").status == 206
    assert get(app, "bytes=0-9", host="there").status == 200


def test_applies_sees_the_range() -> None:
    seen: list[Any] = []

    def applies(environ: dict[str, Any]) -> bool:
        seen.append(environ.get("HTTP_RANGE"))
        return True
    get(RangeMiddleware(answering([CONTENT]), applies=applies), "bytes=0-9")
    assert seen == ["bytes=0-9"]


# --- preconditions ---------------------------------------------------------------------------------------------------

MODIFIED = ("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")


@pytest.mark.each
@pytest.mark.parametrize(("fields", "status"), [
    ({"if_match": '"v2"'}, 412), ({"if_none_match": '"v1"'}, 304), ({"if_modified_since": MODIFIED[1]}, 304),
    ({"if_unmodified_since": "Wed, 31 Dec 2025 00:00:00 GMT"}, 412)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_preconditions_can_be_left_to_the_app(fields: dict[str, str], status: int, method: str) -> None:
    app = answering([CONTENT], ETAG, MODIFIED)
    assert get(RangeMiddleware(app), method=method, **fields).status == status
    assert get(RangeMiddleware(app, preconditions=False), method=method, **fields).status == 200
    answer = get(RangeMiddleware(app, preconditions=False), "bytes=0-9", method=method, **fields)
    assert answer.status == (206 if method == "GET" else 200)


def test_if_range_is_no_precondition_to_switch_off() -> None:
    app = RangeMiddleware(answering([CONTENT], ETAG), preconditions=False)
    assert get(app, "bytes=0-9", if_range='"v2"').status == 200
    assert get(app, "bytes=0-9", if_range='"v1"').status == 206


# --- on_plan ---------------------------------------------------------------------------------------------------------

@pytest.mark.each
@pytest.mark.parametrize("error", [ValueError, KeyError, RuntimeError, StopIteration])
@pytest.mark.parametrize(("fields", "status"), [({"range": "bytes=0-9"}, 206), ({"range": "bytes=0-9,50-59"}, 206),
                                                ({"range": "bytes=5000-"}, 416), ({"range": "x"}, 200),
                                                ({"if_none_match": '"v1"'}, 304)])
def test_on_plan_that_raises_does_not_break_the_answer(error: type[Exception], fields: dict[str, str],
                                                       status: int) -> None:
    def on_plan(environ: dict[str, Any], plan: Any) -> None:
        raise error("metrics are down")
    for body in ([CONTENT], lambda: iter(cut(CONTENT, 100))):
        app = answering(body, ETAG, ("Content-Length", "1000"))
        answer = get(RangeMiddleware(app, on_plan=on_plan), **fields)
        assert answer.status == status
        if fields.get("range") == "bytes=0-9":
            assert answer.body == CONTENT[:10]


def test_two_middlewares_of_one_app_do_not_share_options() -> None:
    app = answering([CONTENT])
    one, many = RangeMiddleware(app, max_ranges=1), RangeMiddleware(app)
    assert get(many, "bytes=0-9,50-59").status == 206
    assert get(one, "bytes=0-9,50-59").status == 200


@pytest.mark.each
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"range": "bytes=5000-"},
                                    {"if_none_match": '"v1"'}, {"range": "x"}], ids=str)
@pytest.mark.parametrize("body", [[CONTENT], lambda: iter(cut(CONTENT, 100)), lambda: io.BytesIO(CONTENT)],
                         ids=["list", "generator", "file"])
def test_wrapped_twice(fields: dict[str, str], body: Any) -> None:
    app = answering(body, ETAG, ("Content-Length", "1000"))
    once, twice = get(RangeMiddleware(app), **fields), get(RangeMiddleware(RangeMiddleware(app)), **fields)
    assert once.status == twice.status
    if "," in fields.get("range", ""):
        assert parts(once) == parts(twice)
    else:
        assert (once.body, sorted(once.fields)) == (twice.body, sorted(twice.fields))
