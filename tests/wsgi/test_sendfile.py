"""Files in the server's own wrapper: with the servers' wrapper classes, where they can be imported.

The bytes that the servers then send are tested in tests/matrix.
"""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import gunicorn.http.wsgi
import pytest
import waitress.buffers
import werkzeug.serving
from hypothesis import given
from hypothesis import strategies as st

from rangeware import ByteRange, RangeMiddleware, TruncatedSource
from rangeware.bodies.sources import DiskFile
from rangeware.wsgi.file_wrapper import FileWrapper as OurWrapper
from rangeware.wsgi.sendfile import BoundedFile, SendableFile
from tests.support import Answer, Wire, answering, environ_for

BLOCK = 1000
SIZE = 20 * BLOCK
CONTENT = b"".join(number.to_bytes(4, "big") for number in range(SIZE // 4))
WAITRESS = waitress.buffers.ReadOnlyFileBasedBuffer
GUNICORN = gunicorn.http.wsgi.FileWrapper
SERVED = (GUNICORN, WAITRESS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of CONTENT."""
    (tmp_path / "file").write_bytes(CONTENT)
    os.utime(tmp_path / "file", (1_700_000_000, 1_700_000_000))
    return tmp_path / "file"


@pytest.fixture
def plain() -> Iterator[socket.socket]:
    """A socket without TLS."""
    with socket.socket() as made:
        yield made


def named(module: str | None, name: str, make: Callable[[Any, int], Any] = FileWrapper) -> Callable[..., Any]:
    """A class with the name of a server's wrapper that cannot be imported outside of its server."""
    def made(file: Any, block_size: int = 8192) -> Any:
        return make(file, block_size)
    made.__module__, made.__qualname__ = module, name  # type: ignore[assignment]
    return made


UWSGI = named(None, "uwsgi_sendfile")
BJOERN = named("builtins", "FileWrapper")
MOD_WSGI = named("mod_wsgi", "FileWrapper")


def ask(path: Path, wrapper: Any, value: str, *fields: tuple[str, str], file: Any = None, status: str = "200 OK",
        **environ: Any) -> tuple[Answer, Any]:
    """The head of the answer to one request, and the iterable that the server gets."""
    made = environ_for(range=value)
    made.update({"wsgi.file_wrapper": wrapper, **environ})
    opened = file or path.open("rb")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response(status, [("Content-Type", "text/plain"), *fields])
        return environ["wsgi.file_wrapper"](opened)  # type: ignore[no-any-return]
    wire = Wire()
    result = RangeMiddleware(app, block_size=BLOCK)(made, wire.start_response)
    assert wire.head is not None
    return Answer(int(wire.head[0][:3]), wire.head[1], b"", made), result


def close(result: Any) -> None:
    """Close the body as servers do."""
    getattr(result, "close", lambda: None)()


@pytest.mark.each
@pytest.mark.parametrize("wrapper", SERVED)
@pytest.mark.parametrize(("value", "first_pos", "next_pos"), [
    ("bytes=5003-10000", 5003, 10001), ("bytes=5003-", 5003, SIZE), ("bytes=-9001", SIZE - 9001, SIZE),
    ("bytes=0-9999999", 0, SIZE)])
def test_one_range_goes_back_in_the_wrapper(
    path: Path, plain: socket.socket, wrapper: Any, value: str, first_pos: int, next_pos: int
) -> None:
    answer, result = ask(path, wrapper, value, **{"gunicorn.socket": plain})
    assert type(result) is wrapper
    assert (answer.status, answer.get("Content-Length")) == (206, str(next_pos - first_pos))
    assert b"".join(iter(result)) == CONTENT[first_pos:next_pos]
    close(result)


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=9-2", "lines=1-2", "bytes=0-5000,junk"])
@pytest.mark.parametrize("wrapper", SERVED)
def test_the_whole_goes_back_in_the_wrapper(path: Path, plain: socket.socket, wrapper: Any, value: str) -> None:
    answer, result = ask(path, wrapper, value, **{"gunicorn.socket": plain})
    assert answer.status == 200
    assert type(result) is wrapper
    assert b"".join(iter(result)) == CONTENT
    close(result)


def test_what_is_not_sliced_goes_back_in_the_wrapper(path: Path, plain: socket.socket) -> None:
    declined = ("Accept-Ranges", "none")
    answer, result = ask(path, GUNICORN, "bytes=0-5000", declined, **{"gunicorn.socket": plain})
    assert (answer.status, type(result)) == (200, GUNICORN)
    assert b"".join(result) == CONTENT
    close(result)


def test_so_does_a_page_of_another_status(path: Path, plain: socket.socket) -> None:
    answer, result = ask(path, GUNICORN, "bytes=0-5000", status="404 Not Found", **{"gunicorn.socket": plain})
    assert (answer.status, type(result)) == (404, GUNICORN)
    assert b"".join(result) == CONTENT
    close(result)


def test_a_file_shorter_than_declared_is_not_ours_to_hand_over(path: Path, plain: socket.socket) -> None:
    length = ("Content-Length", str(SIZE + 1))
    answer, result = ask(path, GUNICORN, "bytes=0-5000", length, **{"gunicorn.socket": plain})
    assert answer.get("Content-Length") == str(SIZE + 1)
    assert type(result) is not GUNICORN
    close(result)


def handed_over(result: Any) -> bool:
    """True if the server was given a file, which it would send by its descriptor."""
    given = next((getattr(result, name) for name in ("filelike", "file") if hasattr(result, name)), result)
    shown = hasattr(given, "fileno")
    close(result)
    return shown


@pytest.mark.each
@pytest.mark.parametrize("value", ["bytes=0-5000", "bytes=5000-", "bytes=0-", "bytes=9-2"])
@pytest.mark.parametrize("wrapper", [UWSGI, BJOERN, FileWrapper, named("elsewhere", "FileWrapper"), None])
def test_nobody_else_gets_anything_with_a_descriptor(path: Path, wrapper: Any, value: str) -> None:
    assert not handed_over(ask(path, wrapper, value)[1])


def test_a_small_range_goes_as_bytes(path: Path, plain: socket.socket) -> None:
    for size, goes in ((BLOCK, False), (BLOCK + 1, True)):
        _, result = ask(path, GUNICORN, f"bytes=7-{6 + size}", **{"gunicorn.socket": plain})
        assert (type(result) is GUNICORN) == goes
        assert b"".join(result) == CONTENT[7:7 + size]
        close(result)


def test_several_ranges_go_in_blocks(path: Path, plain: socket.socket) -> None:
    assert not handed_over(ask(path, GUNICORN, "bytes=0-5000,9000-15000", **{"gunicorn.socket": plain})[1])


def test_gunicorn_over_tls_gets_blocks(path: Path) -> None:
    context = ssl.create_default_context()
    with context.wrap_socket(socket.socket(), server_hostname="localhost") as coded:
        assert not handed_over(ask(path, GUNICORN, "bytes=0-5000", **{"gunicorn.socket": coded})[1])


def test_gunicorn_without_a_socket_gets_blocks(path: Path) -> None:
    assert not handed_over(ask(path, GUNICORN, "bytes=0-5000")[1])


@pytest.mark.parametrize(("group", "value", "goes"), [
    ("", "bytes=0-5000", True), ("", "bytes=9-2", False),
    ("films", "bytes=0-5000", True), ("films", "bytes=9-2", True)])
def test_embedded_in_apache_no_200_goes_back(path: Path, group: str, value: str, goes: bool) -> None:
    _, result = ask(path, MOD_WSGI, value, **{"mod_wsgi.process_group": group})
    assert handed_over(result) == goes


def test_embedded_in_apache_a_plain_200_does(path: Path) -> None:
    """Without a Range there is nothing that Apache would slice."""
    result, _, _ = whole(path, {"wsgi.file_wrapper": MOD_WSGI, "mod_wsgi.process_group": ""})
    assert handed_over(result)


def test_a_buffer_is_no_file_on_disk(plain: socket.socket, path: Path) -> None:
    _, result = ask(path, GUNICORN, "bytes=0-5000", file=io.BytesIO(CONTENT), **{"gunicorn.socket": plain})
    assert not handed_over(result)


@pytest.mark.parametrize("whole", [True, False])
def test_the_descriptor_stands_where_the_content_begins(path: Path, plain: socket.socket, whole: bool) -> None:
    """Also when the app has read from the file: a buffered seek leaves the descriptor behind."""
    file = path.open("rb")
    assert file.read(10) == CONTENT[:10]
    file.seek(100)
    _, result = ask(path, GUNICORN, "bytes=9-2" if whole else "bytes=50-9999", file=file, **{"gunicorn.socket": plain})
    descriptor = result.filelike.fileno()
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == (100 if whole else 150)
    close(result)


def test_also_where_no_range_is_asked_for(path: Path) -> None:
    file = path.open("rb")
    file.read(10)
    file.seek(100)
    wire = Wire()
    declared = ("Content-Length", str(SIZE - 100))
    environ = {**environ_for(), "wsgi.file_wrapper": GUNICORN}
    result: Any = RangeMiddleware(answering(lambda: GUNICORN(file), declared))(environ, wire.start_response)
    assert type(result) is GUNICORN
    assert result.filelike is file
    assert os.lseek(file.fileno(), 0, os.SEEK_CUR) == file.tell() == 100
    assert b"".join(result) == CONTENT[100:]
    close(result)


def test_a_descriptor_that_others_share_is_not_moved(path: Path, plain: socket.socket) -> None:
    """A duplicate shares its position with the descriptor it was made of."""
    shared = os.open(path, os.O_RDONLY)
    file = open(os.dup(shared), "rb")
    _, result = ask(path, GUNICORN, "bytes=5000-9999", file=file, **{"gunicorn.socket": plain})
    descriptor = result.filelike.fileno()
    assert result.filelike.fileno() == descriptor
    assert (os.lseek(shared, 0, os.SEEK_CUR), os.lseek(descriptor, 0, os.SEEK_CUR)) == (0, 5000)
    assert os.path.samestat(os.fstat(shared), os.fstat(descriptor))
    close(result)
    os.close(shared)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    with pytest.raises(ValueError, match="closed"):
        result.filelike.fileno()


def growing(path: Path, body: Callable[[Any], Any]) -> bytes:
    """Send a file without a declared length that grows meanwhile; the server was told the length of CONTENT."""
    file, wire = path.open("rb"), Wire()
    result = RangeMiddleware(answering(lambda: body(file)), block_size=BLOCK)(environ_for(), wire.start_response)
    assert wire.head is not None
    assert dict(wire.head[1])["Content-Length"] == str(SIZE)
    first = next(iter(result))
    with path.open("ab") as more:
        more.write(bytes(10 * BLOCK))
    sent = b"".join([first, *result])
    close(result)
    assert file.closed
    return sent


@pytest.mark.parametrize("body", [lambda file: file, FileWrapper, GUNICORN, OurWrapper])
def test_a_length_that_we_measured_is_kept(path: Path, body: Callable[[Any], Any]) -> None:
    assert growing(path, body) == CONTENT


@pytest.mark.parametrize("wrapper", SERVED)
def test_what_was_handed_over_is_closed_once(path: Path, plain: socket.socket, wrapper: Any) -> None:
    """By the ``close`` that stands on the file when the server closes: Django puts its own there."""
    closings: list[str] = []
    file = path.open("rb")
    _, result = ask(path, wrapper, "bytes=0-9999", file=file, **{"gunicorn.socket": plain})
    file.close = lambda: closings.append("closed")  # type: ignore[method-assign]
    assert b"".join(iter(result)) == CONTENT[:10000]
    assert closings == []
    close(result)
    close(result)
    assert closings == ["closed"]
    type(file).close(file)


def whole(path: Path, offered: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Without Range: what the server gets, what the app was offered as a wrapper, and the file."""
    seen, file = [], path.open("rb")

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        seen.append(environ["wsgi.file_wrapper"])
        start_response("200 OK", [("Content-Type", "text/plain")])
        return seen[0](file)  # type: ignore[no-any-return]
    result = RangeMiddleware(app, block_size=BLOCK)({**environ_for(), **offered}, Wire().start_response)
    return result, seen[0], file


def test_a_server_without_a_wrapper_gets_blocks_of_ours(path: Path) -> None:
    """Apps would read the file in a way of their own, which tells nothing of it, nor lets it have validators."""
    result, offered, file = whole(path, {})
    assert offered is OurWrapper
    assert [len(block) for block in result] == [BLOCK] * (SIZE // BLOCK)
    assert file.closed


def test_a_wrapper_that_hides_the_file_is_not_what_the_app_gets(path: Path) -> None:
    result, offered, file = whole(path, {"wsgi.file_wrapper": BJOERN})
    assert offered is OurWrapper
    assert b"".join(result) == CONTENT
    assert file.closed


def test_our_wrapper_closes_the_file_once() -> None:
    closed: list[str] = []
    ours = OurWrapper(Closing("file", closed))
    ours.close()
    ours.close()
    assert closed == ["file"]


def test_a_server_that_doubles_the_date_does_not() -> None:
    """Werkzeug's sends its own Date and Server first, and those of the app after them."""
    dated = [("Date", "Thu, 01 Jan 2026 00:00:00 GMT"), ("Server", "app"), ("X-Own", "own")]
    seen = {}
    for name, app in (("bare", answering([CONTENT], *dated)), ("ours", RangeMiddleware(answering([CONTENT], *dated)))):
        server = werkzeug.serving.make_server("127.0.0.1", 0, app)
        serving = threading.Thread(target=server.handle_request)
        serving.start()
        client = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        client.request("GET", "/")
        seen[name] = [field.lower() for field, _ in client.getresponse().getheaders()]
        client.close()
        serving.join(10)
        server.server_close()
    assert [(seen["bare"].count(field), seen["ours"].count(field)) for field in ("date", "server", "x-own")] == [
        (2, 1), (2, 1), (1, 1)]


class Closing:
    """Notes in a list that it was closed."""

    def __init__(self, name: str, closed: list[str]) -> None:
        self.close = lambda: closed.append(name)


def sliced(path: Path, first_pos: int, last_pos: int, *closing: object, offset: int = 0) -> SendableFile:
    """A part of this file."""
    raw = io.FileIO(str(path))
    return SendableFile(DiskFile(raw, offset, 0), ByteRange(first_pos, last_pos), SIZE, *closing, raw)


def test_a_part_closes_all_once_in_the_reverse_order(path: Path) -> None:
    closed: list[str] = []
    part = sliced(path, 0, 9, Closing("first", closed), Closing("second", closed))
    part.close()
    part.close()
    assert closed == ["second", "first"]


@pytest.mark.parametrize("sent", [0, 3000])
def test_a_file_cut_while_it_is_sent_shows_at_the_end(path: Path, sent: int) -> None:
    closed: list[str] = []
    part = sliced(path, 5, 9004, Closing("file", closed))
    part.seek(5 + sent)
    os.truncate(path, 8000)
    with pytest.raises(TruncatedSource) as raised:
        part.close()
    assert (raised.value.length, raised.value.promised) == (8000, 9005)
    assert closed == ["file"]
    part.close()


def test_a_file_cut_while_it_is_read_shows_at_once(path: Path) -> None:
    part = sliced(path, 5, 9004)
    assert part.read(5000) == CONTENT[5:5005]
    os.truncate(path, 6000)
    assert part.read(5000) == CONTENT[5005:6000]
    for _ in range(2):
        with pytest.raises(TruncatedSource) as raised:
            part.read(5000)
        assert (raised.value.length, raised.value.promised) == (6000, 9005)
    with pytest.raises(TruncatedSource):
        part.close()


def test_lengths_are_told_in_bytes_of_the_representation(path: Path) -> None:
    part = sliced(path, 5, 9004, offset=100)
    os.truncate(path, 8000)
    with pytest.raises(TruncatedSource) as raised:
        part.close()
    assert (raised.value.length, raised.value.promised) == (7900, 9005)


def test_what_the_app_closed_meanwhile_is_not_looked_at(path: Path) -> None:
    part = sliced(path, 5, 9004)
    part._file.raw.close()
    part.close()


def test_a_file_cut_after_all_was_sent_is_nobodys_concern(path: Path) -> None:
    part = sliced(path, 5, 9004)
    part.seek(9005)
    os.truncate(path, 0)
    part.close()


OPERATIONS = st.lists(st.one_of(
    st.tuples(st.just("read"), st.integers(-2, SIZE)),
    st.tuples(st.just("seek"), st.integers(0, SIZE)),
    st.tuples(st.just("from the end"), st.integers(-100, 100)),
    st.tuples(st.just("on"), st.integers(0, 100))), max_size=20)


def test_no_more_is_read_at_once_than_a_block(path: Path) -> None:
    with path.open("rb", buffering=0) as raw:
        part = SendableFile(DiskFile(raw, 0, 0), ByteRange(5, 5 + 3 * BLOCK), BLOCK)
        assert part.read(2 * BLOCK) == CONTENT[5:5 + BLOCK]
        assert [len(block) for block in part] == [BLOCK, BLOCK, 1]
        part.close()


@pytest.mark.parametrize(("value", "first_pos", "next_pos"), [
    ("bytes=5003-10000", 5003, 10001), ("bytes=-9001", SIZE - 9001, SIZE), ("bytes=9-2", 0, SIZE)])
def test_uwsgi_gets_something_to_read(path: Path, value: str, first_pos: int, next_pos: int) -> None:
    """Its loop calls ``read`` with a size, until nothing comes; what stands around us may iterate."""
    given = ask(path, named(None, "uwsgi_sendfile", lambda part, block_size: part), value)[1]
    assert type(given) is BoundedFile
    assert not hasattr(given, "fileno")
    half = given.read(BLOCK)
    assert half + b"".join(given) == CONTENT[first_pos:next_pos]
    assert given.read(BLOCK) == b""
    close(given)


@given(operations=OPERATIONS, span=st.tuples(st.integers(0, SIZE - 1), st.integers(0, SIZE - 1)).map(sorted))
def test_a_part_reads_as_a_file_that_ends_there(
    tmp_path_factory: pytest.TempPathFactory, operations: list[tuple[str, int]], span: list[int]
) -> None:
    """The judge is ``io.BytesIO`` of the file cut at the end of the part."""
    path = tmp_path_factory.getbasetemp() / "file"
    path.write_bytes(CONTENT)
    judge = io.BytesIO(CONTENT[:span[1] + 1])
    judge.seek(span[0])
    part = sliced(path, *span)
    for operation, number in operations:
        whence = {"seek": os.SEEK_SET, "on": os.SEEK_CUR, "from the end": os.SEEK_END}.get(operation)
        if whence is None:
            assert part.read(number) == judge.read(number)
        else:
            assert part.seek(number, whence) == judge.seek(number, whence)
        assert part.tell() == judge.tell()
    part.close()
