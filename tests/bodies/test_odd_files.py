"""Odd apps and odd files: each answer is the one that they give without us, or it is right."""

from __future__ import annotations

import array
import functools
import io
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper as ServerWrapper

import django.conf
import django.http
import pytest

from rangeware import InvalidOption, RangeMiddleware
from tests.support import CONTENT, Counted, Wire, answering, cut, environ_for, get, run

LENGTH = ("Content-Length", "1000")
VALUES = [None, "bytes=0-9", "bytes=-10", "bytes=0-x", "bytes=5000-"]


class Stuck:
    """``seekable()`` says yes; ``seek()`` does nothing and ``tell()`` says 0 for ever."""

    def __init__(self) -> None:
        self._file = io.BytesIO(CONTENT)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return 0

    def tell(self) -> int:
        return 0

    def read(self, size: int = -1) -> bytes:
        return self._file.read(size)

    def close(self) -> None:
        self._file.close()


class NoWayBack(Stuck):
    """It goes to its end and refuses to come back."""

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence == 0 and self._file.tell() > offset:
            raise OSError("no way back")
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class SaysItWentBack(NoWayBack):
    """It goes to its end and only says that it came back."""

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence) if whence else offset


class EndUnknown(NoWayBack):
    """It cannot be sent to its end."""

    def seek(self, offset: int, whence: int = 0) -> int:
        if whence:
            raise ValueError("no end")
        return self._file.seek(offset)


def wrapped(file: Any, *fields: tuple[str, str]) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), *fields])
        return environ.get("wsgi.file_wrapper", ServerWrapper)(file())
    return app


@pytest.mark.each
@pytest.mark.parametrize("fields", [(), (LENGTH,)], ids=["no length", "declared"])
@pytest.mark.parametrize("kind", [Stuck, EndUnknown])
@pytest.mark.parametrize("value", VALUES)
def test_a_file_that_cannot_seek_is_read_from_its_first_byte(kind: Any, fields: Any, value: str | None) -> None:
    answer = get(RangeMiddleware(wrapped(kind, *fields)), value)
    expected = {"bytes=0-9": (206, CONTENT[:10]), "bytes=-10": (206, CONTENT[-10:])}
    if fields and value == "bytes=5000-":
        assert answer.status == 416
    else:
        assert (answer.status, answer.body) == (expected.get(value or "", (200, CONTENT)) if fields else (200, CONTENT))


@pytest.mark.each
@pytest.mark.parametrize("kind", [NoWayBack, SaysItWentBack])
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_a_file_that_lost_its_place_is_an_error_and_no_empty_answer(kind: Any, value: str | None) -> None:
    with pytest.raises(OSError, match="back"):
        get(RangeMiddleware(wrapped(kind)), value)


class Shouting(io.BytesIO):
    """Gives other bytes when it is iterated than when it is read."""

    def __next__(self) -> bytes:
        return super().__next__().upper()


@pytest.mark.parametrize(("value", "body"), [(None, b"ABCDEF"), ("bytes=0-3", b"ABCD"), ("bytes=0-x", b"ABCDEF")])
def test_a_file_with_an_iteration_of_its_own_is_iterated(value: str | None, body: bytes) -> None:
    app = answering(lambda: Shouting(b"abcdef"), ("Content-Length", "6"))
    assert get(RangeMiddleware(app), value).body == body


class ClosingList(list[bytes]):
    """A list that counts how often it is closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


class ShoutingList(ClosingList):
    def __iter__(self) -> Any:
        return iter([item.upper() for item in super().__iter__()])


@pytest.mark.each
@pytest.mark.parametrize("items", [[], [b""], [b"abc"]])
@pytest.mark.parametrize("value", [None, "bytes=0-1", "bytes=9-"])
def test_a_list_that_can_be_closed_is_closed_once(items: list[bytes], value: str | None) -> None:
    body = ClosingList(items)
    get(RangeMiddleware(answering(body)), value)
    assert body.closed == 1


def test_a_list_with_an_iteration_of_its_own_is_iterated() -> None:
    app = RangeMiddleware(answering(lambda: ShoutingList([b"abc", b"def"]), ("Content-Length", "6")))
    assert get(app, "bytes=1-4").body == b"BCDE"


@pytest.mark.parametrize("value", [None, "bytes=0-9", "bytes=0-9,-10"])
def test_items_that_are_not_bytes_are_neither_copied_whole_nor_held(value: str | None) -> None:
    items = [bytearray(2**22), memoryview(array.array("I", bytes(2**22)))]
    app = RangeMiddleware(answering(items, ("Content-Length", str(2**23))))
    environ, wire = environ_for(**({"range": value} if value else {})), Wire()
    tracemalloc.start()
    try:
        body: Any = app(environ, wire.start_response)
        first = next(iter(body))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert first
    if value:
        items[0].append(0)  # type: ignore[union-attr]


def test_an_item_that_is_not_in_one_piece_makes_a_body_that_runs_forward() -> None:
    body = [b"ab", memoryview(b"c.d.e.")[::2]]
    app = RangeMiddleware(answering(body, ("Content-Length", "5")))
    assert get(app, "bytes=1-3", validate=False).body == b"bcd"


def test_a_whole_block_is_sent_before_the_next_one_is_read() -> None:
    class Watched(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            return super().read(size)

    file = Watched(CONTENT)
    body: Any = RangeMiddleware(wrapped(lambda: file), block_size=100)(
        environ_for(range="bytes=50-949"), Wire().start_response)
    for reads, block in enumerate(body, 1):
        assert (file.reads, len(block)) == (reads, 100)
    assert file.reads == 9


def lazy(body: Any) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        class Lazy(Counted):
            def __next__(self) -> bytes:
                if not self.pulled:
                    start_response("200 OK", [("Content-Type", "text/plain")])
                return super().__next__()
        body.append(Lazy([b"abc"]))
        return body[-1]
    return app


@pytest.mark.parametrize("value", [None, "bytes=0-1"])
def test_a_body_passed_on_bears_to_be_closed_twice(value: str | None) -> None:
    made: list[Counted] = []
    body: Any = RangeMiddleware(lazy(made))(environ_for(**({"range": value} if value else {})), Wire().start_response)
    assert b"".join(body) == b"abc"
    body.close()
    body.close()
    assert made[0].closed == 1


def test_our_file_wrapper_bears_to_be_closed_twice() -> None:
    class Patched(io.BytesIO):
        closings = 0

        def close(self) -> None:
            self.closings += 1

    file = Patched(CONTENT)
    app = wrapped(lambda: file, ("Accept-Ranges", "none"))
    body: Any = RangeMiddleware(app)(environ_for(range="bytes=0-1"), Wire().start_response)
    body.close()
    body.close()
    assert file.closings == 1


@pytest.mark.parametrize("fields", [{"if_match": '"x"'}, {"if_none_match": '"v1"'}])
def test_no_transfer_encoding_beside_a_length_of_ours(fields: dict[str, str]) -> None:
    app = answering([b"3\r\nabc\r\n0\r\n\r\n"], ("Transfer-Encoding", "chunked"), ("Trailer", "x"), ("ETag", '"v1"'))
    answer = run(RangeMiddleware(app), environ_for(**fields), validate=False)
    assert answer.status in (304, 412)
    assert answer.get("Transfer-Encoding") is None  # RFC 9112 6.2
    assert answer.get("Trailer") is None


@pytest.mark.parametrize("seconds", [-62135596801, -1, 2**33])
def test_a_file_of_any_age_is_served(seconds: int, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    os.utime(path, (seconds, seconds))
    answer = get(RangeMiddleware(wrapped(functools.partial(open, path, "rb"))), "bytes=0-9")
    assert (answer.status, answer.body) == (206, CONTENT[:10])
    assert (answer.get("Last-Modified") is not None) == (seconds > 0)


@pytest.mark.parametrize("field", [("X-Sendfile", "/x"), ("Accept-Ranges", "none"), ("Content-Range", "bytes 0-9/99")])
def test_what_passes_untouched_gets_no_validators(field: tuple[str, str], tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    answer = get(RangeMiddleware(wrapped(functools.partial(open, path, "rb"), field)))
    assert answer.fields == [("Content-Type", "text/plain"), field]


def test_an_option_that_is_none_is_named() -> None:
    with pytest.raises(TypeError, match="max_range"):
        RangeMiddleware(answering([]), max_range=5)


@pytest.mark.parametrize("name", ["max_ranges", "block_size", "spool_limit"])
def test_a_number_beyond_any_machine_is_refused_at_once(name: str) -> None:
    with pytest.raises(InvalidOption, match=name):
        RangeMiddleware(answering([]), **{name: 2**70})
    RangeMiddleware(answering([]), **{name: 2**62})


def test_an_app_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidOption, match="app"):
        RangeMiddleware(None)  # type: ignore[arg-type]


def test_write_from_within_the_iterable_goes_where_the_server_lets_it() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        write = start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])

        def chunks() -> Any:
            yield b"ab"
            write(b"cd")
            yield b"ef"
        return chunks()
    assert get(RangeMiddleware(app), validate=False).body == b"abcdef"


def test_exc_info_by_name_and_fields_that_change_after_the_call() -> None:
    fields = [("Content-Type", "text/plain"), ("ETag", '"v1"')]

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", fields, exc_info=None)
        fields[1] = ("ETag", '"v2"')
        return [CONTENT]
    answer = run(RangeMiddleware(app), environ_for(range="bytes=0-9", if_range='"v1"'), validate=False)
    assert (answer.status, answer.get("ETag")) == (206, '"v1"')


@pytest.mark.parametrize("coding", ["identity", " Identity ", ""])
def test_no_coding_is_no_obstacle(coding: str) -> None:
    assert get(RangeMiddleware(answering([CONTENT], ("Content-Encoding", coding))), "bytes=0-9").status == 206


def test_a_blank_tag_is_none() -> None:
    app = RangeMiddleware(answering([CONTENT], ("ETag", " ")))
    assert get(app, "bytes=0-9", if_range="").status == 200


def test_a_text_file_read_ahead_is_not_taken_for_empty() -> None:
    def body() -> Any:
        file = io.TextIOWrapper(io.BytesIO(b"one\ntwo\n"), newline="")
        file.readline()
        return file
    with pytest.raises((TypeError, AssertionError)):
        get(RangeMiddleware(wrapped(body)), "bytes=0-1", validate=False)


def test_a_read_that_gives_none_is_an_early_end() -> None:
    class Nothing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> Any:
            return None
    with pytest.raises(Exception, match="promised"):
        get(RangeMiddleware(wrapped(lambda: Nothing(CONTENT))), "bytes=0-9")


def test_the_empty_chunks_of_a_lazy_app_change_nothing() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        yield from ()
        start_response("200 OK", [("Content-Type", "text/plain"), LENGTH])
        yield b""
        yield from cut(CONTENT, 100)
    for value in VALUES:
        assert get(RangeMiddleware(app), value).status == {"bytes=0-9": 206, "bytes=-10": 206, "bytes=5000-": 416}.get(
            value or "", 200)


@pytest.mark.parametrize(("body", "content", "status"), [
    (lambda: io.StringIO("\xe9\n" * 50), "\xe9\n".encode() * 50, 200),
    (lambda: io.BytesIO(CONTENT), CONTENT[1:10], 206),
], ids=["text", "bytes"])
def test_what_is_encoded_on_its_way_is_not_the_file(body: Any, content: bytes, status: int) -> None:
    """Django streams text as UTF-8: other bytes than are in the file, and another number of them."""
    if not django.conf.settings.configured:
        django.conf.settings.configure()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return django.http.StreamingHttpResponse(body())
    answer = get(RangeMiddleware(app), "bytes=1-9")
    assert (answer.status, answer.body) == (status, content)


class LinesShouted(io.BufferedReader):
    """Its lines are not what it reads: iterating it goes through ``readline()``."""

    def readline(self, size: int | None = -1, /) -> bytes:
        return super().readline(size).upper()


def test_without_range_a_file_is_iterated_as_the_app_would_have_it() -> None:
    answer = get(RangeMiddleware(answering(lambda: LinesShouted(io.BytesIO(b"one\ntwo\n")))))  # type: ignore[arg-type]
    assert (answer.body, answer.get("Content-Length")) == (b"ONE\nTWO\n", None)


@pytest.mark.each
@pytest.mark.skipif(not os.path.exists("/sys/kernel/mm/transparent_hugepage/enabled"), reason="a file of Linux only")
@pytest.mark.parametrize("buffering", [0, -1])
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_a_file_that_claims_a_page_and_has_a_line(value: str | None, buffering: int) -> None:
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    with open(path, "rb") as file:
        content = file.read()
    assert os.stat(path).st_size > len(content)
    answer = get(RangeMiddleware(answering(lambda: open(path, "rb", buffering))), value)  # noqa: SIM115
    assert (answer.status, answer.body, answer.get("Content-Length")) == (200, content, None)


LARGE_PAGES = """
import mmap, os
mmap.PAGESIZE = 65536  # as on some machines, where files in /sys claim that much
fstat = os.fstat
def claiming(descriptor):
    status = [*fstat(descriptor)]
    status[6] = 65536 if status[6] == 4096 else status[6]
    blocks = {"st_blocks": fstat(descriptor).st_blocks, "st_mtime_ns": fstat(descriptor).st_mtime_ns}
    return os.stat_result(status, blocks)
os.fstat = claiming

from rangeware import RangeMiddleware
from tests.support import answering, get
path = "/sys/kernel/mm/transparent_hugepage/enabled"
content = open(path, "rb").read()
answer = get(RangeMiddleware(answering(lambda: open(path, "rb"))))
assert (answer.status, answer.body, answer.get("Content-Length")) == (200, content, None), answer
"""


@pytest.mark.skipif(not os.path.exists("/sys/kernel/mm/transparent_hugepage/enabled"), reason="a file of Linux only")
def test_the_size_of_a_page_is_that_of_the_machine() -> None:
    """Stands in for a machine with larger pages."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", LARGE_PAGES], cwd=Path(__file__).parents[2],
                           capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
