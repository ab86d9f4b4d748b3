"""Bodies that open themselves at an offset, in WSGI apps: what is opened, when, and what the client gets."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from rangeware import ByteRange, OpenableBody, RangeMiddleware, TruncatedSource
from rangeware.bodies.openable import OpenableSource
from tests.support import CONTENT, Counted, Wire, answering, cut, environ_for, get, parts

LENGTH = len(CONTENT)


class Store:
    """The content of an object, and the record of what was opened, pulled and closed."""

    def __init__(self, content: bytes = CONTENT, block: int = 64) -> None:
        self.content = content
        self.block = block
        self.opened: list[tuple[int, int]] = []
        self.sent = 0
        self.closed = 0

    def stream(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        self.opened.append((first_pos, last_pos))
        return self._blocks(self.content[first_pos:last_pos + 1])

    def _blocks(self, content: bytes) -> Iterator[bytes]:
        try:
            for block in cut(content, self.block):
                self.sent += len(block)
                yield block
        finally:
            self.closed += 1


class Body(OpenableBody):
    def __init__(self, store: Store, **attributes: Any) -> None:
        self.store = store
        self.complete_length = len(store.content)
        vars(self).update(attributes)

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        return self.store.stream(first_pos, last_pos)


class Bare:
    """No subclass, only what the protocol asks for, and iterable, as a body must be."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.complete_length = len(store.content)

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        return self.store.stream(first_pos, last_pos)

    def __iter__(self) -> Iterator[bytes]:
        return self.store.stream(0, self.complete_length - 1)


def app(store: Store, *fields: tuple[str, str], **attributes: Any) -> RangeMiddleware:
    return RangeMiddleware(answering(lambda: Body(store, **attributes), *fields))


def send(body: Iterable[bytes], wire: Wire) -> None:
    """Put every block of this body on the wire."""
    for block in body:
        wire.write(block)


@pytest.mark.each
@pytest.mark.parametrize("kind", [Body, Bare])
@pytest.mark.parametrize(("value", "first_pos", "last_pos"), [
    ("bytes=0-9", 0, 9), ("bytes=990-", 990, 999), ("bytes=-1", 999, 999), ("bytes=0-", 0, 999),
    ("bytes=100-400", 100, 400), ("bytes=500-5000", 500, 999),
])
def test_one_range_opens_the_body_there_and_reads_no_further(
        kind: Any, value: str, first_pos: int, last_pos: int) -> None:
    store = Store()
    answer = get(RangeMiddleware(answering(lambda: kind(store))), value)
    assert (answer.status, answer.body) == (206, CONTENT[first_pos:last_pos + 1])
    assert answer.get("Content-Range") == f"bytes {first_pos}-{last_pos}/1000"
    assert answer.get("Content-Length") == str(last_pos - first_pos + 1)
    assert store.opened == [(first_pos, last_pos)]
    assert (store.sent, store.closed) == (len(answer.body), 1)


def test_several_ranges_open_it_once_each_in_the_order_asked_for() -> None:
    store = Store()
    answer = get(app(store), "bytes=900-949,0-9,20-29,25-40")
    assert [part.content for part in parts(answer)] == [CONTENT[900:950], CONTENT[:10], CONTENT[20:41]]
    assert store.opened == [(900, 949), (0, 9), (20, 40)]
    assert store.closed == 3


@pytest.mark.parametrize("value", [None, "bytes=x", "items=0-9"])
def test_the_whole_is_one_range(value: str | None) -> None:
    store = Store()
    answer = get(app(store), value)
    assert (answer.status, answer.body) == (200, CONTENT)
    assert (answer.get("Content-Length"), answer.get("Accept-Ranges")) == ("1000", "bytes")
    assert store.opened == [(0, 999)]
    assert store.closed == 1


@pytest.mark.parametrize(("fields", "status"), [
    ({"method": "HEAD"}, 200), ({"method": "HEAD", "range": "bytes=0-9"}, 200), ({"if_none_match": '"v1"'}, 304),
    ({"range": "bytes=0-9", "if_none_match": '"v1"'}, 304), ({"range": "bytes=1000-"}, 416),
    ({"if_match": '"v2"'}, 412),
])
def test_these_open_nothing(fields: dict[str, str], status: int) -> None:
    store = Store()
    answer = get(app(store, etag='"v1"'), **fields)  # type: ignore[arg-type]
    assert (answer.status, store.opened) == (status, [])
    if status == 200:
        assert (answer.get("Content-Length"), answer.get("ETag")) == ("1000", '"v1"')


@pytest.mark.parametrize(("if_range", "status"), [('"v1"', 206), ('"v2"', 200), ('W/"v1"', 200)])
def test_if_range_compares_the_tag_of_the_body(if_range: str, status: int) -> None:
    assert get(app(Store(), etag='"v1"'), "bytes=0-9", if_range=if_range).status == status


@pytest.mark.parametrize(("given", "sent"), [
    ('"v1"', '"v1"'), ("v1", '"v1"'), ('W/"v1"', 'W/"v1"'), ("", None), (None, None), ('a"b', None), ("a b", None),
    ("a\r\nSet-Cookie: x=1", None),
])
def test_the_tag_is_sent_as_an_entity_tag_or_not_at_all(given: str | None, sent: str | None) -> None:
    assert get(app(Store(), etag=given)).get("ETag") == sent


def test_the_fields_of_the_app_come_before_those_of_the_body() -> None:
    then = datetime(2020, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
    answer = get(app(Store(), etag='"v1"', last_modified=then))
    assert answer.get("Last-Modified") == "Thu, 02 Jan 2020 01:04:05 GMT"
    answer = get(app(Store(), ("ETag", '"mine"'), ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"),
                     etag='"v1"', last_modified=then))
    assert (answer.get("ETag"), answer.get("Last-Modified")) == ('"mine"', "Wed, 01 Jan 2020 00:00:00 GMT")


def test_a_time_to_come_is_not_sent() -> None:
    """RFC 9110 8.8.2.1: an origin server must not send a Last-Modified later than its Date."""
    answer = get(app(Store(), last_modified=datetime(2100, 1, 1, tzinfo=timezone.utc)))
    assert "2100" not in (answer.get("Last-Modified") or "2100")


def test_an_empty_body_opens_nothing() -> None:
    store = Store(b"")
    answer = get(app(store), "bytes=0-9")
    assert (answer.status, answer.body, answer.get("Content-Length"), store.opened) == (200, b"", "0", [])


@pytest.mark.parametrize("block", [1, 7, 1000, 5000])
def test_blocks_of_any_size_will_do(block: int) -> None:
    answer = get(app(Store(block=block)), "bytes=100-300,500-600")
    assert [part.content for part in parts(answer)] == [CONTENT[100:301], CONTENT[500:601]]


def test_the_surplus_of_a_store_that_sends_more_than_asked_is_cut_and_not_read() -> None:
    class Generous(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            return self.store.stream(first_pos, len(CONTENT))

    store = Store()
    answer = get(RangeMiddleware(answering(lambda: Generous(store))), "bytes=10-99,200-209")
    assert [part.content for part in parts(answer)] == [CONTENT[10:100], CONTENT[200:210]]
    assert store.sent == 128 + 64, "one block per part at most beyond what was asked for"
    assert store.closed == 2


@pytest.mark.parametrize("blocks", [[b"abc"], [bytearray(b"abc")], [memoryview(b"abc")], (b"", b"ab", b"", b"c")])
def test_any_iterable_of_bytes_will_do(blocks: Any) -> None:
    class Listed(OpenableBody):
        complete_length = 3

        def open_range(self, first_pos: int, last_pos: int) -> Any:
            return blocks

    answer = get(RangeMiddleware(answering(Listed)), "bytes=0-2")
    assert (answer.status, answer.body) == (206, b"abc")


@pytest.mark.each
@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=0-9,20-29", "bytes=x"])
@pytest.mark.parametrize("lazily", [True, False])
def test_an_error_at_the_first_range_comes_before_the_head(value: str | None, lazily: bool) -> None:
    class Gone(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            if not lazily:
                raise FileNotFoundError("the object is gone")
            return self._fail()

        def _fail(self) -> Iterator[bytes]:
            raise FileNotFoundError("the object is gone")
            yield b""

    closed = []
    heads: list[Any] = []
    served = RangeMiddleware(answering(lambda: Gone(Store(), close=lambda: closed.append(1))))
    environ = environ_for(**({} if value is None else {"range": value}))
    with pytest.raises(RuntimeError) as caught:  # gunicorn would take an OSError for one of its socket
        served(environ, lambda *head: heads.append(head))  # type: ignore[arg-type, return-value]
    assert isinstance(caught.value.__cause__, FileNotFoundError)
    assert (heads, closed) == ([], [1])
    assert "rangeware.plan" not in environ


def test_an_error_in_mid_body_breaks_the_response_and_closes_all() -> None:
    class Breaking(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            yield from self.store.stream(first_pos, first_pos + 63)
            raise ConnectionResetError("the store is gone")

    closed = []
    wire = Wire()
    served = RangeMiddleware(answering(lambda: Breaking(Store(), close=lambda: closed.append(1))))
    body = served(environ_for(range="bytes=0-499"), wire.start_response)
    with pytest.raises(ConnectionResetError):
        send(body, wire)
    assert wire.sent == CONTENT[:64]
    assert closed == [1]


@pytest.mark.parametrize("length", [0, 63, 64, 65, 499])
def test_a_range_that_ends_early_is_no_complete_response(length: int) -> None:
    class Short(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
            return self.store.stream(first_pos, first_pos + length - 1)

    wire = Wire()
    served = RangeMiddleware(answering(lambda: Short(Store())))
    with pytest.raises(TruncatedSource) as caught:
        send(served(environ_for(range="bytes=100-599"), wire.start_response), wire)
    assert wire.sent == CONTENT[100:100 + length]
    assert (caught.value.length, caught.value.promised) == (100 + length, 600)
    assert (wire.head is None) == (length == 0), "nothing at all is an error before the head"


def test_a_client_that_leaves_closes_the_range_and_the_body() -> None:
    store, closed = Store(), []
    served = RangeMiddleware(answering(lambda: Body(store, close=lambda: closed.append(1))))
    body = served(environ_for(range="bytes=0-9,100-899"), Wire().start_response)
    blocks = iter(body)
    next(blocks), next(blocks)
    gc.disable()
    try:
        body.close()  # type: ignore[attr-defined]
    finally:
        gc.enable()
    assert (store.opened, store.closed, closed) == ([(0, 9), (100, 899)], 2, [1])


@pytest.mark.parametrize("ending", ["whole", "left", "short"])
def test_what_open_range_returns_is_closed_as_soon_as_it_is_not_needed(ending: str) -> None:
    kept: list[Counted] = []

    class Kept(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Any:
            kept.append(Counted(cut(CONTENT[first_pos:last_pos + (ending != "short")], 10)))
            return kept[-1]

    body = RangeMiddleware(answering(lambda: Kept(Store())))(environ_for(range="bytes=0-49"), Wire().start_response)
    if ending == "left":
        next(iter(body))
        body.close()  # type: ignore[attr-defined]
    elif ending == "whole":
        assert b"".join(body) == CONTENT[:50]
    else:
        with pytest.raises(TruncatedSource):
            b"".join(body)
    assert [counted.closed for counted in kept] == [1]


def test_only_one_range_is_open_at_a_time_and_none_before_it_is_needed() -> None:
    store = Store()
    body = app(store)(environ_for(range="bytes=0-99,200-299"), Wire().start_response)
    blocks = iter(body)
    assert store.opened == [(0, 99)]
    next(blocks), next(blocks)
    assert (store.opened, store.closed) == ([(0, 99)], 0)
    next(blocks)
    assert (store.opened, store.closed) == ([(0, 99), (200, 299)], 1)
    assert [*blocks]
    assert store.closed == 2


@pytest.mark.parametrize(("declared", "expected"), [("1000", CONTENT), ("600", CONTENT[:600])])
def test_a_declared_length_may_be_less(declared: str, expected: bytes) -> None:
    store = Store()
    answer = get(app(store, ("Content-Length", declared)), "bytes=500-")
    assert (answer.body, answer.get("Content-Range")) == (expected[500:], f"bytes 500-{len(expected) - 1}/{declared}")
    assert get(app(store, ("Content-Length", declared))).body == expected


def test_a_declared_length_that_is_more_passes_as_it_is() -> None:
    answer = get(app(Store(), ("Content-Length", "1001")), "bytes=0-9", validate=False)
    assert (answer.status, answer.body, answer.get("Accept-Ranges")) == (200, CONTENT, None)


def test_a_coding_without_a_strong_tag_is_not_sliced() -> None:
    store = Store()
    answer = get(app(store, ("Content-Encoding", "gzip")), "bytes=0-9")
    assert (answer.status, answer.body, store.opened) == (200, CONTENT, [(0, 999)])


def test_without_rangeware_it_is_an_iterable_and_a_file() -> None:
    assert b"".join(Body(Store())) == CONTENT
    body = Body(Store(block=64))
    assert [body.read(10), body.read(0), body.read(100), body.read(), body.read(), body.read(5)] == [
        CONTENT[:10], b"", CONTENT[10:110], CONTENT[110:], b"", b""]
    store = Store()
    body = Body(store)
    next(body)
    body.close()
    assert store.closed == 1
    Body(store).close()
    assert Body(Store(b"")).read() == b""
    with pytest.raises(TruncatedSource):
        Body(Store(), complete_length=1001).read()


def test_a_class_without_open_range_of_its_own_says_so() -> None:
    class Forgetful(OpenableBody):
        complete_length = 5

    with pytest.raises(NotImplementedError, match="Forgetful"):
        get(RangeMiddleware(answering(Forgetful)), "bytes=0-1", validate=False)


def test_a_server_that_refuses_the_head_leaves_nothing_open() -> None:
    kept: list[Counted] = []

    class Kept(Body):
        def open_range(self, first_pos: int, last_pos: int) -> Any:
            kept.append(Counted(cut(CONTENT, 10)))
            return kept[-1]

    def refuse(*_: Any) -> Any:
        raise ValueError("no such head")

    with pytest.raises(ValueError, match="no such head"):
        RangeMiddleware(answering(lambda: Kept(Store())))(environ_for(range="bytes=0-49"), refuse)
    assert [counted.closed for counted in kept] == [1]


def test_where_going_back_is_expensive_one_range_has_them_all() -> None:
    store = Store()
    answer = get(app(store, random_access=False), "bytes=500-509,10-19,900-909")
    assert [part.content for part in parts(answer)] == [CONTENT[10:20], CONTENT[500:510], CONTENT[900:910]]
    assert store.opened == [(10, 909)]
    assert get(app(store, random_access=False), "bytes=-5").body == CONTENT[-5:]


@pytest.mark.parametrize("length", [None, -1, True, 10.0, "10"], ids=repr)
def test_a_length_that_is_none_is_refused_by_name(length: Any) -> None:
    for fields in ({}, {"range": "bytes=0-1"}, {"method": "HEAD"}):
        with pytest.raises(TypeError, match=r"Body\.complete_length"):
            get(app(Store(), complete_length=length), validate=False, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("etag", [5, b"v1"])
def test_a_tag_that_is_no_text_is_refused_by_name(etag: Any) -> None:
    with pytest.raises(TypeError, match=r"Body\.etag"):
        get(app(Store(), etag=etag), validate=False)


def test_an_open_range_of_another_meaning_changes_nothing() -> None:
    class Shop:
        def open_range(self) -> str:
            return "every day"

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"open"])

    for range_ in (None, "bytes=0-1"):
        answer = get(RangeMiddleware(answering(Shop)), range_)
        assert (answer.status, answer.body) == (200, b"open")


def test_a_source_that_has_begun_goes_on_from_there() -> None:
    store = Store()
    source = OpenableSource(Body(store), 1000).begin([b"<", ByteRange(0, 99), b">"])
    assert store.sent == 64
    assert b"".join(source.render(())) == b"<" + CONTENT[:100] + b">"


@pytest.mark.parametrize("limit", [0, 100_000])
def test_spooling_is_not_needed(limit: int) -> None:
    store = Store()
    served = RangeMiddleware(answering(lambda: Body(store)), spool_limit=limit)
    assert get(served, "bytes=5-9").body == CONTENT[5:10]
    assert store.opened == [(5, 9)]
