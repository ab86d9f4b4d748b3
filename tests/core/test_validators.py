"""The validators made for files that come without."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware
from tests.support import CONTENT, answering, get

MTIME = 1_700_000_000_123_456_789  # Tue, 14 Nov 2023 22:13:20 GMT and some nanoseconds
MODIFIED = "Tue, 14 Nov 2023 22:13:20 GMT"
STRONG = re.compile(r'"[\x21\x23-\x7e]+"')


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of CONTENT that is years old."""
    return write(tmp_path / "file")


def write(path: Path, content: bytes = CONTENT, mtime_ns: int = MTIME) -> Path:
    """A file of this content and time."""
    path.write_bytes(content)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


def serving(path: Path, *fields: tuple[str, str], raw: bool = False, position: int = 0, status: str = "200 OK") -> Any:
    """An app that returns this file."""
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *fields])
        file = open(path, "rb")
        file.seek(position)
        return file if raw else environ.get("wsgi.file_wrapper", FileWrapper)(file)
    return app


def etag_of(path: Path, **options: Any) -> str | None:
    """The ETag that a plain GET of this file carries."""
    return get(RangeMiddleware(serving(path, **options))).get("ETag")


@pytest.mark.parametrize("raw", [False, True], ids=["wrapped", "raw"])
def test_the_same_validators_on_200_206_and_head(path: Path, raw: bool) -> None:
    app = RangeMiddleware(serving(path, raw=raw))
    answers = [get(app), get(app, "bytes=0-9"), get(app, "bytes=0-9,50-59"), get(app, method="HEAD"),
               get(app, "bytes=9-0"), get(app, "bytes=0-9", method="HEAD"), get(app, if_match="*")]
    assert [answer.status for answer in answers] == [200, 206, 206, 200, 200, 200, 200]
    assert {answer.get("Last-Modified") for answer in answers} == {MODIFIED}
    etags = {str(answer.get("ETag")) for answer in answers}
    assert len(etags) == 1
    assert STRONG.fullmatch(etags.pop())


def test_two_copies_agree(tmp_path: Path) -> None:
    # Hosts behind one load balancer: another directory and inode, the same size and time.
    (tmp_path / "other").mkdir()
    assert etag_of(write(tmp_path / "file")) == etag_of(write(tmp_path / "other" / "copy"))


@pytest.mark.parametrize(("content", "mtime_ns"), [(CONTENT + b"x", MTIME), (CONTENT, MTIME + 1),
                                                   (CONTENT, MTIME + 10**9), (CONTENT[:-1], MTIME)])
def test_a_change_of_size_or_time_shows(tmp_path: Path, content: bytes, mtime_ns: int) -> None:
    if mtime_ns == MTIME + 1 and os.stat(write(tmp_path / "probe")).st_mtime_ns != MTIME:
        pytest.skip("this file system has no nanoseconds")
    before = etag_of(write(tmp_path / "file"))
    assert before != etag_of(write(tmp_path / "file", content, mtime_ns))


@pytest.mark.parametrize("age", [0, 1])
def test_no_tag_while_the_file_is_young(path: Path, age: int) -> None:
    # The file may change again within the grain of its clock. The age stays under two seconds while this runs.
    now = time.time_ns() - age * 500_000_000
    os.utime(path, ns=(now, now))
    assert etag_of(path) is None


@pytest.mark.parametrize("age", [3, 3600])
def test_strong_when_the_file_is_older_than_two_seconds(path: Path, age: int) -> None:
    then = time.time_ns() - age * 10**9
    os.utime(path, ns=(then, then))
    assert STRONG.fullmatch(str(etag_of(path)))


def test_a_young_file_is_sliced_but_not_resumed(path: Path) -> None:
    os.utime(path)
    app = RangeMiddleware(serving(path))
    first = get(app, "bytes=0-9")
    assert first.status == 206
    for validator in (first.get("ETag"), first.get("Last-Modified")):
        answer = get(app, "bytes=10-19", if_range=str(validator))
        assert (answer.status, answer.body) == (200, CONTENT)


def test_an_old_file_is_resumed(path: Path) -> None:
    app = RangeMiddleware(serving(path))
    first = get(app, "bytes=0-9")
    for validator in (first.get("ETag"), first.get("Last-Modified")):
        answer = get(app, "bytes=10-19", if_range=str(validator))
        assert (answer.status, answer.body) == (206, CONTENT[10:20])
    write(path, CONTENT[::-1], MTIME + 10**9)
    for validator in (first.get("ETag"), first.get("Last-Modified")):
        answer = get(app, "bytes=10-19", if_range=str(validator))
        assert (answer.status, answer.body) == (200, CONTENT[::-1])


@pytest.mark.each
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("extra", [{}, {"range": "bytes=0-9"}])
def test_they_are_good_for_304(path: Path, method: str, extra: dict[str, str]) -> None:
    app = RangeMiddleware(serving(path))
    etag = str(get(app).get("ETag"))
    for fields in ({"if_none_match": etag}, {"if_none_match": f'"x", W/{etag}'}, {"if_modified_since": MODIFIED}):
        answer = get(app, method=method, **fields, **extra)
        assert (answer.status, answer.body, answer.get("ETag")) == (304, b"", etag)
    write(path, CONTENT, MTIME + 5 * 10**9)
    for fields in ({"if_none_match": etag}, {"if_modified_since": MODIFIED}):
        assert get(app, method=method, **fields, **extra).status in (200, 206)


def test_they_are_good_for_412(path: Path) -> None:
    app = RangeMiddleware(serving(path))
    etag = str(get(app).get("ETag"))
    assert get(app, "bytes=0-9", if_match=etag).status == 206
    assert get(app, "bytes=0-9", if_match='"other"').status == 412
    assert get(app, if_unmodified_since="Mon, 13 Nov 2023 00:00:00 GMT").status == 412


@pytest.mark.each
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}, {"if_match": "*"}],
                         ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_switched_off(path: Path, fields: dict[str, str], method: str) -> None:
    answer = get(RangeMiddleware(serving(path), validators=False), method=method, **fields)
    if "if_match" in fields:
        assert answer.status in (200, 412)  # "*": whether there is a current representation at all
    assert answer.get("ETag") is None
    assert answer.get("Last-Modified") is None


@pytest.mark.each
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=0-9,50-59"}], ids=str)
@pytest.mark.parametrize(("name", "value"), [
    ("ETag", '"own"'), ("ETag", 'W/"own"'), ("etag", '"own"'), ("ETag", "unquoted"),
    ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT"), ("last-modified", "Wed, 01 Jan 2020 00:00:00 GMT")])
def test_the_apps_own_are_kept(path: Path, fields: dict[str, str], name: str, value: str) -> None:
    assert get(RangeMiddleware(serving(path, (name, value))), **fields).get(name) == value


def test_both_of_the_apps_own_are_kept(path: Path) -> None:
    own = [("ETag", '"own"'), ("Last-Modified", "Wed, 01 Jan 2020 00:00:00 GMT")]
    for fields in ({}, {"range": "bytes=0-9"}):
        answer = get(RangeMiddleware(serving(path, *own)), **fields)
        assert [answer.get(name) for name, _ in own] == [value for _, value in own]


def test_a_file_at_an_offset(path: Path) -> None:
    app = RangeMiddleware(serving(path, position=100))
    answer = get(app, "bytes=0-9")
    assert (answer.status, answer.body) == (206, CONTENT[100:110])
    assert answer.get("Last-Modified") in (None, MODIFIED)
    assert answer.get("ETag") == get(app).get("ETag")
    # RFC 9110 8.8.1: another representation of the same address must not share a strong validator.
    assert answer.get("ETag") is None or answer.get("ETag") != etag_of(path)


@pytest.mark.parametrize("ahead", [10, 10**6])
def test_a_time_to_come(path: Path, ahead: int) -> None:
    # RFC 9110 8.8.2.1: an origin server MUST NOT generate a Last-Modified later than the message's own time.
    then = time.time_ns() + ahead * 10**9
    os.utime(path, ns=(then, then))
    for value in (None, "bytes=0-9"):
        answer = get(RangeMiddleware(serving(path)), value)
        last_modified = answer.get("Last-Modified")
        if last_modified is not None:
            assert parsedate_to_datetime(last_modified).timestamp() <= time.time()
        assert answer.get("ETag") is None


CONSTANTS = {"0": 0, "Nix": 1, "before 1970": -3600, "zip": 315_532_800, "the last": 631_151_999}


@pytest.mark.each
@pytest.mark.parametrize("constant", CONSTANTS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_two_versions_with_the_same_constant_time_are_never_joined(constant: str, method: str, path: Path) -> None:
    """Build tools give each file the same time, so that it tells nothing of the content."""
    app, other = RangeMiddleware(serving(path)), CONTENT[::-1]
    write(path, CONTENT, CONSTANTS[constant] * 10**9)
    first = get(app, "bytes=0-499")
    validators = [value for name in ("ETag", "Last-Modified") if (value := first.get(name))]
    write(path, other, CONSTANTS[constant] * 10**9)
    for validator in [*validators, "Tue, 01 Jan 1980 00:00:00 GMT", '"3e8-0"']:
        whole = get(app, "bytes=500-", if_range=validator, method=method)
        assert (whole.status, whole.body) == (200, other if method == "GET" else b"")
    for fields in ({"if_none_match": validators[0] if validators else '"3e8-0"'},
                   {"if_modified_since": "Tue, 01 Jan 1980 00:00:00 GMT"}):
        assert get(app, method=method, **fields).status == 200


@pytest.mark.parametrize("mtime_ns", [0, 10**9, -10**9 * 3600])
def test_times_at_the_beginning(path: Path, mtime_ns: int) -> None:
    os.utime(path, ns=(mtime_ns, mtime_ns))
    answer = get(RangeMiddleware(serving(path)), "bytes=0-9")
    assert (answer.status, answer.body) == (206, CONTENT[:10])
    assert (answer.get("ETag"), answer.get("Last-Modified")) == (None, None)


@pytest.mark.each
@pytest.mark.parametrize("body", [[CONTENT], lambda: io.BytesIO(CONTENT), lambda: iter([CONTENT])],
                         ids=["list", "BytesIO", "iterator"])
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_none_are_made_for_what_is_no_file_on_disk(body: Any, value: str | None) -> None:
    answer = get(RangeMiddleware(answering(body, ("Content-Length", "1000"))), value)
    assert answer.get("ETag") is None
    assert answer.get("Last-Modified") is None


@pytest.mark.each
@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "206 Partial Content", "201 Created"])
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_none_are_made_for_other_statuses(path: Path, status: str, value: str | None) -> None:
    answer = get(RangeMiddleware(serving(path, status=status)), value)
    assert (answer.get("ETag"), answer.get("Last-Modified")) == (None, None)
    assert answer.body == CONTENT


def test_a_pipe_gets_none() -> None:
    def body() -> Any:
        reader, writer = os.pipe()
        os.write(writer, CONTENT)
        os.close(writer)
        return os.fdopen(reader, "rb")
    answer = get(RangeMiddleware(answering(body, ("Content-Length", "1000"))), "bytes=0-9")
    assert (answer.status, answer.get("ETag"), answer.get("Last-Modified")) == (206, None, None)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_servers_own_wrapper_is_looked_into_without_range(path: Path, method: str) -> None:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return FileWrapper(open(path, "rb"))
    answer = get(RangeMiddleware(app), method=method)
    assert STRONG.fullmatch(str(answer.get("ETag")))
    assert answer.get("Last-Modified") == MODIFIED
