"""File classes and lists with methods of their own: a part has the bytes that the whole has."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

import pytest

from rangeware import RangeMiddleware
from tests.support import answering, get

SECRET = b"user=anna\npassword=hunter2\nrole=admin\n"
MASKED = SECRET.replace(b"hunter2", b"*******")
LENGTH = ("Content-Length", str(len(SECRET)))
RANGES = {"bytes=0-9": (0, 9), "bytes=19-25": (19, 25), "bytes=21-23": (21, 23), "bytes=-19": (19, 37),
          "bytes=10-": (10, 37), "bytes=0-": (0, 37)}


def mask(block: Any) -> Any:
    """Hide the password in a piece that has all of it."""
    return block.replace(b"hunter2", b"*******") if isinstance(block, bytes) else block


def masking(base: Any, *methods: str) -> Any:
    """A subclass whose methods of these names hide the password."""
    def masked(name: str) -> Callable[..., Any]:
        def method(self: Any, *arguments: Any) -> Any:
            return mask(getattr(base, name)(self, *arguments))
        return method
    return type("Masking", (base,), {name: masked(name) for name in methods})


class NextMasks(io.BytesIO):
    """Masks what is iterated."""

    def __next__(self) -> bytes:
        return bytes(mask(super().__next__()))


class IterMasks(io.BytesIO):
    """Masks what is iterated."""

    def __iter__(self) -> Any:
        return iter([mask(self.getvalue())])


class RawMasks(io.RawIOBase):
    """Reads by ``readinto()`` of its own, and so does all that the standard library makes of it."""

    def __init__(self) -> None:
        self._file = io.BytesIO(MASKED)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._file.readinto(buffer)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return self._file.seek(offset, whence)


def patched(file: Any, name: str) -> Any:
    """Replace a method of this very object."""
    method = getattr(file, name)
    setattr(file, name, lambda *arguments: mask(method(*arguments)))
    return file


def on_disk(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    return path


BODIES: dict[str, Callable[[Path], Any]] = {
    "BytesIO, readline": lambda path: masking(io.BytesIO, "readline", "__next__")(SECRET),
    "BufferedReader, readline": lambda path: masking(io.BufferedReader, "readline")(io.FileIO(path)),
    "BufferedReader in memory, readline": lambda path: masking(io.BufferedReader, "readline")(io.BytesIO(SECRET)),
    "FileIO, readline": lambda path: masking(io.FileIO, "readline")(path),
    "BufferedRandom, readline": lambda path: masking(io.BufferedRandom, "readline")(io.FileIO(path, "r+")),
    "BytesIO, read": lambda path: masking(io.BytesIO, "read")(SECRET),
    "BufferedReader, read": lambda path: masking(io.BufferedReader, "read")(io.FileIO(path)),
    "BytesIO, __next__": lambda path: NextMasks(SECRET),
    "BytesIO, __iter__": lambda path: IterMasks(SECRET),
    "BytesIO, seek": lambda path: masking(io.BytesIO, "seek")(SECRET),
    "BytesIO, tell": lambda path: masking(io.BytesIO, "tell")(SECRET),
    "a raw stream": lambda path: RawMasks(),
    "SpooledTemporaryFile, readline": lambda path: _spooled(masking(tempfile.SpooledTemporaryFile, "__next__")()),
    "a patched file": lambda path: patched(open(path, "rb"), "read"),  # noqa: SIM115
    "a patched BytesIO": lambda path: patched(io.BytesIO(SECRET), "read"),
}


def _spooled(file: Any) -> Any:
    file.write(SECRET)
    file.seek(0)
    return file


def whole_of(app: Any) -> bytes:
    """What the server sends of the app alone."""
    return get(app, validate=False).body


@pytest.mark.each
@pytest.mark.parametrize("kind", BODIES)
@pytest.mark.parametrize("value", RANGES)
@pytest.mark.parametrize("fields", [(), (LENGTH,)], ids=["no length", "declared"])
def test_a_file_returned_as_it_is_is_read_as_the_server_iterates_it(kind: str, value: str, fields: Any,
                                                                    tmp_path: Path) -> None:
    path = on_disk(tmp_path)
    app = answering(lambda: BODIES[kind](path), *fields)
    whole = whole_of(app)
    assert len(whole) == len(SECRET)
    answer = get(RangeMiddleware(app), value, validate=False)
    first, last = RANGES[value]
    assert (answer.status, answer.body) in [(200, whole), (206, whole[first:last + 1])]
    assert answer.status == 206 or not fields
    assert whole_of(RangeMiddleware(app)) == whole


@pytest.mark.each
@pytest.mark.parametrize("name", ["readline", "read", "readinto", "seek", "tell", "__next__", "__iter__"])
@pytest.mark.parametrize("base", [io.BytesIO, io.BufferedReader])
def test_any_method_for_reading_counts(name: str, base: Any) -> None:
    kind = type("Own", (base,), {name: lambda self, *arguments: getattr(base, name)(self, *arguments)})
    def file() -> Any:
        return kind(io.BytesIO(SECRET) if base is io.BufferedReader else SECRET)
    answer = get(RangeMiddleware(answering(file)), "bytes=0-3")
    assert (answer.status, answer.body) == (200, SECRET)
    assert get(RangeMiddleware(answering(file, LENGTH)), "bytes=0-3").body == SECRET[:4]


@pytest.mark.parametrize("base", [io.BytesIO, io.BufferedReader])
def test_other_methods_do_not_count(base: Any) -> None:
    kind = type("Own", (base,), {"close": lambda self: base.close(self), "write": None, "film": property(str)})
    source: Any = io.BytesIO(SECRET) if base is io.BufferedReader else SECRET
    assert get(RangeMiddleware(answering(lambda: kind(source))), "bytes=0-3").status == 206


@pytest.mark.parametrize("kind", ["BytesIO, readline", "BufferedReader, readline", "a raw stream", "BytesIO, read",
                                  "a patched file", "a patched BytesIO"])
def test_in_a_wrapper_it_is_read_as_the_server_reads_it(kind: str, tmp_path: Path) -> None:
    """A wrapper calls ``read()``, so that ``readline()`` does not count."""
    path = on_disk(tmp_path)

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ.get("wsgi.file_wrapper", FileWrapper)(BODIES[kind](path))  # type: ignore[no-any-return]
    whole = whole_of(app)
    answer = get(RangeMiddleware(app), "bytes=19-25")
    assert (answer.status, answer.body) == (206, whole[19:26])


def test_a_position_that_is_told_in_another_way_than_it_is_sought_is_none() -> None:
    class Telling(io.BytesIO):
        def tell(self) -> int:
            return 2 * super().tell()

    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return environ.get("wsgi.file_wrapper", FileWrapper)(Telling(SECRET))  # type: ignore[no-any-return]
    answer = get(RangeMiddleware(app), "bytes=19-25")
    assert (answer.status, answer.body) == (200, SECRET)


@pytest.mark.each
@pytest.mark.parametrize("fields", [{}, {"range": "bytes=0-9"}, {"range": "bytes=99-"}, {"if_none_match": '"v1"'}],
                         ids=str)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_in_a_wrapper_without_close_is_closed_whatever_it_is(fields: dict[str, str], method: str) -> None:
    """CherryPy's ``file_generator`` closes its file at its end, and cannot be closed before."""
    files: list[Any] = []

    class Telling(io.BytesIO):
        def tell(self) -> int:
            return super().tell()

    class Generator:
        __module__, __qualname__ = "cherrypy.lib", "file_generator"

        def __init__(self, file: Any) -> None:
            self.input = file

        def __iter__(self) -> Any:
            return iter(lambda: self.input.read(10), b"")

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), LENGTH, ("ETag", '"v1"')])
        files.append(Telling(SECRET))
        return Generator(files[-1])
    answer = get(RangeMiddleware(app), method=method, **fields)
    assert answer.status in (200, 206, 304, 416)
    assert answer.body == SECRET or files[0].closed


# --- lists -----------------------------------------------------------------------------------------------------------

ITEMS = [b"user=anna\n", b"password=hunter2\n", b"role=admin\n"]


def listed(base: Any, **methods: Any) -> Any:
    return type("Items", (base,), methods)(ITEMS)


@pytest.mark.each
@pytest.mark.parametrize("base", [list, tuple])
@pytest.mark.parametrize("methods", [
    {"__iter__": lambda self: iter([mask(b"".join(ITEMS))])},
    {"__iter__": lambda self: (mask(item) for item in ITEMS), "__len__": lambda self: 1},
    {"__len__": lambda self: 2},
    {"__getitem__": lambda self, index: mask(ITEMS[index])},
], ids=lambda methods: "-".join(methods))
@pytest.mark.parametrize("value", RANGES)
def test_a_list_with_methods_of_its_own_is_iterated(base: Any, methods: Any, value: str) -> None:
    first, last = RANGES[value]
    for fields in ((), (LENGTH,)):
        app = answering(lambda: listed(base, **methods), *fields)
        whole = b"".join(listed(base, **methods))
        answer = get(RangeMiddleware(app), value)
        assert (answer.status, answer.body) == ((206, whole[first:last + 1]) if fields else (200, whole))
        assert whole_of(RangeMiddleware(app)) == whole


@pytest.mark.parametrize("base", [list, tuple])
def test_a_list_with_other_methods_of_its_own_is_a_list(base: Any) -> None:
    answer = get(RangeMiddleware(answering(lambda: listed(base, close=lambda self: None))), "bytes=19-25")
    assert (answer.status, answer.body) == (206, b"hunter2")


TEN = [b"01234", b"56789"]


@pytest.mark.each
@pytest.mark.parametrize("body", [TEN, tuple(TEN), [b"0123456789"], [b"", *TEN, b""]], ids=str)
@pytest.mark.parametrize(("value", "status", "first", "last"), [
    (None, 200, 0, 4), ("bytes=0-", 206, 0, 4), ("bytes=3-", 206, 3, 4), ("bytes=-2", 206, 3, 4),
    ("bytes=0-99", 206, 0, 4), ("bytes=x", 200, 0, 4), ("bytes=5-", 416, 0, 0)])
def test_a_list_longer_than_declared_ends_where_it_was_declared(body: Any, value: str | None, status: int, first: int,
                                                                last: int) -> None:
    answer = get(RangeMiddleware(answering(body, ("Content-Length", "5"))), value)
    assert answer.status == status
    if status == 416:
        assert answer.get("Content-Range") == "bytes */5"
    else:
        assert (answer.body, answer.get("Accept-Ranges")) == (b"0123456789"[first:last + 1], "bytes")
    if status == 206:
        assert answer.get("Content-Range") == f"bytes {first}-{last}/5"


@pytest.mark.each
@pytest.mark.parametrize("body", [TEN, tuple(TEN), [b"0123456789"], []], ids=str)
@pytest.mark.parametrize("value", [None, "bytes=0-3", "bytes=x", "bytes=99-"])
def test_a_list_shorter_than_declared_passes_as_it_is(body: Any, value: str | None) -> None:
    answer = get(RangeMiddleware(answering(body, ("Content-Length", "15"))), value, validate=False)
    assert (answer.status, answer.body) == (200, b"".join(body))
    assert answer.fields == [("Content-Type", "application/octet-stream"), ("Content-Length", "15")]


@pytest.mark.parametrize("items", [[None], [b"01234", 5], [5]], ids=str)
def test_a_list_of_something_else_is_for_the_server_to_refuse(items: Any) -> None:
    middleware = RangeMiddleware(answering(items, ("Content-Length", "10")))
    for _ in range(2):
        with pytest.raises((TypeError, AssertionError)):
            get(middleware, validate=False)


def test_a_list_left_out_on_head_says_nothing_of_its_length() -> None:
    answer = get(RangeMiddleware(answering([], ("Content-Length", "1000"))), "bytes=0-9", method="HEAD")
    assert (answer.status, answer.get("Accept-Ranges"), answer.get("Content-Length")) == (200, "bytes", "1000")
