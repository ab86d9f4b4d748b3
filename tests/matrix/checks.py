"""The requests for one representation, and the responses that RFC 9110 demands.

The expected bytes are cut from the representation itself; parts of a multipart body are read by the ``email`` package.
"""

from __future__ import annotations

import email.policy
from collections.abc import Callable
from typing import NamedTuple

from tests.matrix.wire import Connection
from tests.support import Answer, parts

LAST_LINE_COUNTS = ("cheroot", "rocket3")
"""Servers that drop all lines of a repeated field but the last, so that the app cannot know of the others."""

STAYS_OPEN = ("uwsgi-http11",)
"""Servers that do not close where the client asks for it, whatever the app is: there we wait for silence instead."""

DOES_NOT_CLOSE = {("hypercorn-trio", path) for path in (
    "/starlette/generator", "/fastapi/generator", "/litestar/file", "/litestar/generator")}
"""Hypercorn on trio does not close after an app that waits for the client's end in a task beside its ``send``: it tells
the end first, so that the app cancels the ``send`` that was going to close. That is so whatever is around the app."""

CLOSES = ("gunicorn-sync", "wsgiref", "werkzeug")
"""Servers that close after each answer, and say so."""

FORWARD_FILES = ("/litestar/file", "/quart/file", "/django/file", "/blacksheep/file")
"""Files of frameworks that tell an ASGI server nothing of a file, but send its bytes in messages, as of a generator."""

BAD_LENGTHS = ("/blacksheep/file",)
"""Where the app says ``Content-Length: 0`` wherever it sends no content, to HEAD after the true one, so that most
servers refuse its answer: BlackSheep does so with its own files, whatever is around it. There HEAD is not asked."""

MALFORMED = ("bytes=9-2", "bytes=0-9,x", "bytes = 1-2", "bytes 0-9")
OLD_DATE = "Sat, 01 Jan 2000 00:00:00 GMT"


class Target(NamedTuple):
    """A representation at a path of a server.

    :param whole: the answer to a plain GET.
    """

    server: str
    kind: str
    path: str
    content: bytes
    whole: Answer

    @property
    def length(self) -> int:
        """The complete length in bytes."""
        return len(self.content)

    @property
    def etag(self) -> str | None:
        """The entity tag of the plain answer."""
        return self.whole.get("ETag")


Check = Callable[[Connection, Target], None]


# --- what must come ---

def equal(what: str, got: object, expected: object) -> None:
    """Says what is wrong in one line."""
    assert got == expected, f"{what} is {got!r}, not {expected!r}"


def same_bytes(got: bytes, expected: bytes) -> None:
    """Says where they differ first."""
    if got != expected:
        pos = next((i for i, (a, b) in enumerate(zip(got, expected, strict=False)) if a != b), None)
        where = "" if pos is None else f", other bytes from {pos} on: {got[pos:pos + 20]!r}"
        raise AssertionError(f"{len(got)} bytes came, {len(expected)} were expected{where}")


def is_whole(answer: Answer, target: Target) -> None:
    """The complete representation with 200."""
    equal("the status", answer.status, 200)
    equal("Content-Range", answer.get("Content-Range"), None)
    if answer.get("Transfer-Encoding") is None:
        equal("Content-Length", answer.get("Content-Length"), str(target.length))
    same_bytes(answer.body, target.content)


def is_part(answer: Answer, target: Target, first_pos: int, last_pos: int) -> None:
    """One range with 206 (RFC 9110 15.3.7.1)."""
    equal("the status", answer.status, 206)
    equal("Content-Range", answer.get("Content-Range"), f"bytes {first_pos}-{last_pos}/{target.length}")
    equal("Content-Length", answer.get("Content-Length"), str(last_pos + 1 - first_pos))
    same_bytes(answer.body, target.content[first_pos:last_pos + 1])
    equal("Content-Type", answer.get("Content-Type"), target.whole.get("Content-Type"))
    _keeps_validators(answer, target)


def are_parts(answer: Answer, target: Target, *expected: tuple[int, int]) -> None:
    """Several ranges with 206 (RFC 9110 15.3.7.2), in this order."""
    equal("the status", answer.status, 206)
    equal("Content-Range", answer.get("Content-Range"), None)
    equal("Content-Length", answer.get("Content-Length"), str(len(answer.body)))
    came = parts(answer)
    equal("the order of the parts", [(part.first_pos, part.last_pos) for part in came], list(expected))
    for part in came:
        equal("Content-Range of a part", part.complete_length, target.length)
        equal("Content-Type of a part", part.content_type, as_email_reads_it(target.whole.get("Content-Type")))
        same_bytes(part.content, target.content[part.first_pos:part.last_pos + 1])
    _keeps_validators(answer, target)


def as_email_reads_it(content_type: str | None) -> str | None:
    """The email package writes parameters in a way of its own."""
    return None if content_type is None else str(email.policy.HTTP.header_factory("Content-Type", content_type))


def _keeps_validators(answer: Answer, target: Target) -> None:
    """RFC 9110 15.3.7: a 206 has those of the 200."""
    for name in ("ETag", "Last-Modified"):
        if target.whole.get(name) is not None:
            equal(name, answer.get(name), target.whole.get(name))
    equal("Accept-Ranges", answer.get("Accept-Ranges"), "bytes")


def is_head(answer: Answer, target: Target) -> None:
    """The fields of GET without its content. RFC 9110 9.3.2 lets validators made of the content be left out."""
    equal("the status", answer.status, 200)
    equal("Content-Length", answer.get("Content-Length"), str(target.length))
    equal("Content-Range", answer.get("Content-Range"), None)
    equal("Accept-Ranges", answer.get("Accept-Ranges"), "bytes")
    for name in ("ETag", "Last-Modified"):
        if None not in (answer.get(name), target.whole.get(name)):
            equal(name, answer.get(name), target.whole.get(name))


# --- the checks of one representation, in their order on one connection ---

def whole(connection: Connection, target: Target) -> None:
    is_whole(target.whole, target)
    equal("Accept-Ranges", target.whole.get("Accept-Ranges"), "bytes")


def validators(connection: Connection, target: Target) -> None:
    if target.kind == "file":
        equal("Last-Modified", target.whole.get("Last-Modified"), "Tue, 14 Nov 2023 22:13:20 GMT")
        assert target.etag, "there is no ETag"
    if target.kind == "generator":
        equal("ETag", target.etag, '"v1"')


def head(connection: Connection, target: Target) -> None:
    if target.path not in BAD_LENGTHS:
        is_head(connection.ask(target.path, "HEAD"), target)


def head_with_range(connection: Connection, target: Target) -> None:
    if target.path not in BAD_LENGTHS:
        is_head(connection.ask(target.path, "HEAD", Range="bytes=0-9"), target)


def head_before_a_close(connection: Connection, target: Target) -> None:
    if target.path in BAD_LENGTHS:
        is_whole(connection.ask(target.path, Connection="close"), target)
    elif target.server in STAYS_OPEN or (target.server, target.path) in DOES_NOT_CLOSE:
        is_head(connection.ask(target.path, "HEAD"), target)
        connection.quiet(0.1)
    else:  # read to the end of the connection
        is_head(connection.ask(target.path, "HEAD", Connection="close"), target)


def range_at_the_start(connection: Connection, target: Target) -> None:
    is_part(connection.ask(target.path, Range="bytes=0-99"), target, 0, 99)


def range_in_the_middle(connection: Connection, target: Target) -> None:
    first_pos, last_pos = target.length // 3, target.length // 3 + target.length // 30
    answer = connection.ask(target.path, Range=f"bytes={first_pos}-{last_pos}")
    is_part(answer, target, first_pos, last_pos)


def range_with_an_open_end(connection: Connection, target: Target) -> None:
    first_pos = target.length - target.length // 20
    is_part(connection.ask(target.path, Range=f"bytes={first_pos}-"), target, first_pos, target.length - 1)


def range_past_the_end(connection: Connection, target: Target) -> None:
    first_pos = target.length - 77
    answer = connection.ask(target.path, Range=f"bytes={first_pos}-{target.length + 5000}")
    is_part(answer, target, first_pos, target.length - 1)


def suffix(connection: Connection, target: Target) -> None:
    is_part(connection.ask(target.path, Range="bytes=-123"), target, target.length - 123, target.length - 1)


def suffix_longer_than_the_whole(connection: Connection, target: Target) -> None:
    is_part(connection.ask(target.path, Range=f"bytes=-{target.length + 1}"), target, 0, target.length - 1)


def two_ranges(connection: Connection, target: Target) -> None:
    middle = target.length // 2
    answer = connection.ask(target.path, Range=f"bytes=10-99, {middle}-{middle + 99}")
    are_parts(answer, target, (10, 99), (middle, middle + 99))


def two_ranges_the_last_first(connection: Connection, target: Target) -> None:
    """Of a body that merely runs forward they come as they stand in it; RFC 9110 15.3.7.2 allows that."""
    expected = [(target.length - 50, target.length - 1), (10, 99)]
    answer = connection.ask(target.path, Range="bytes=-50,10-99")
    if (target.kind != "file" or target.path in FORWARD_FILES) and parts(answer)[0].first_pos == 10:
        expected.reverse()
    are_parts(answer, target, *expected)


def unsatisfiable(connection: Connection, target: Target) -> None:
    answer = connection.ask(target.path, Range=f"bytes={target.length}-")
    equal("the status", answer.status, 416)
    equal("Content-Range", answer.get("Content-Range"), f"bytes */{target.length}")


def malformed(connection: Connection, target: Target) -> None:
    for value in MALFORMED[:2] if target.kind == "file" else MALFORMED:
        is_whole(connection.ask(target.path, Range=value), target)


def range_sent_twice(connection: Connection, target: Target) -> None:
    answer = connection.ask(target.path, Range=["bytes=0-1", "bytes=5-6"])
    if target.server in LAST_LINE_COUNTS:
        is_part(answer, target, 5, 6)
    else:
        is_whole(answer, target)


def if_range_holds(connection: Connection, target: Target) -> None:
    if target.etag is not None:
        is_part(connection.ask(target.path, Range="bytes=7-77", If_Range=target.etag), target, 7, 77)


def if_range_does_not_hold(connection: Connection, target: Target) -> None:
    is_whole(connection.ask(target.path, Range="bytes=7-77", If_Range='"other"'), target)


def if_range_with_an_old_date(connection: Connection, target: Target) -> None:
    is_whole(connection.ask(target.path, Range="bytes=7-77", If_Range=OLD_DATE), target)


def if_range_with_the_date(connection: Connection, target: Target) -> None:
    date = target.whole.get("Last-Modified")
    if date is not None:
        is_part(connection.ask(target.path, Range="bytes=7-77", If_Range=date), target, 7, 77)


def if_none_match(connection: Connection, target: Target) -> None:
    if target.etag is not None:
        answer = connection.ask(target.path, If_None_Match=target.etag)
        equal("the status", answer.status, 304)
        equal("ETag", answer.get("ETag"), target.etag)
        if answer.get("Content-Length") is not None and target.path not in BAD_LENGTHS:  # RFC 9110 8.6
            equal("Content-Length", answer.get("Content-Length"), str(target.length))


CHECKS: tuple[Check, ...] = (
    whole, validators, head, range_at_the_start, head_with_range, range_in_the_middle, range_with_an_open_end,
    if_none_match, range_past_the_end, suffix, suffix_longer_than_the_whole, two_ranges, two_ranges_the_last_first,
    unsatisfiable, malformed, range_sent_twice, if_range_holds, if_range_does_not_hold, if_range_with_an_old_date,
    if_range_with_the_date, head_before_a_close,
)
