"""Files that decode, also in disguise: they go back only by decoding again, so they are read in one pass."""

# ruff: noqa: SIM115 - the files opened here are handed to the app's answer, and that is what closes them

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import random
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rangeware import RangeMiddleware
from tests.support import Wire, answering, environ_for, get, parts

CONTENT = random.Random(7).randbytes(800_000).translate(b"abcdefgh" * 32)
"""800 KB that can be coded in about a third of that."""


@functools.cache
def coded(module: Any) -> bytes:
    """The content as ``module`` compresses it, which takes a while."""
    compressed: bytes = module.compress(CONTENT)
    return compressed


@functools.cache
def archived(mode: str) -> bytes:
    """An archive that has the content in it, as ``film``."""
    file = io.BytesIO()
    if mode == "zip":
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
            made.writestr("film", CONTENT)
        return file.getvalue()
    with tarfile.open(fileobj=file, mode=f"w:{mode}") as tar:  # type: ignore[call-overload]
        info = tarfile.TarInfo("film")
        info.size = len(CONTENT)
        tar.addfile(info, io.BytesIO(CONTENT))
    return file.getvalue()


class Archive(io.BytesIO):
    """Coded content that counts what is read of it: whoever decodes twice reads twice."""

    given = 0

    def read(self, size: int | None = -1, /) -> bytes:
        block = super().read(size)
        self.given += len(block)
        return block


class OwnGzip(gzip.GzipFile):
    """A subclass, as libraries make them."""


class Relay:
    """An object of the app's own with a file in it."""

    def __init__(self, file: Any) -> None:
        self.film = file
        self.read, self.seek, self.tell, self.close = file.read, file.seek, file.tell, file.close


class RawRelay(io.RawIOBase):
    """The same, as a raw stream of the standard library's kind."""

    def __init__(self, file: Any) -> None:
        self.film = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.film.read(len(buffer))
        buffer[:len(block)] = block
        return len(block)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        return int(self.film.seek(offset, whence))

    def tell(self) -> int:
        return int(self.film.tell())


class Slotted(RawRelay):
    """Keeps the file where no dictionary has it."""

    __slots__ = ("film",)


class Listed(Relay):
    """Keeps the file in a list."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.film = [file]


def zipped(archive: Archive) -> Any:
    member = zipfile.ZipFile(filled(archive, archived("zip"))).open("film")
    archive.given = 0
    return member


def in_tar(archive: Archive, mode: str) -> Any:
    member = tarfile.open(fileobj=filled(archive, archived(mode)), mode=f"r:{mode}").extractfile("film")
    archive.given = 0
    return member


def filled(archive: Archive, content: bytes) -> Archive:
    archive.write(content)
    archive.seek(0)
    return archive


def gzipped(archive: Archive) -> Any:
    return gzip.GzipFile(fileobj=filled(archive, coded(gzip)))


def spooled(archive: Archive) -> Any:
    file = tempfile.SpooledTemporaryFile()
    file._file = gzipped(archive)  # type: ignore[attr-defined]
    return file


def of_subclass(archive: Archive) -> Any:
    return OwnGzip(fileobj=filled(archive, coded(gzip)))


DECODING: dict[str, Callable[[Archive], Any]] = {
    "GzipFile": gzipped,
    "BZ2File": lambda archive: bz2.BZ2File(filled(archive, coded(bz2))),
    "LZMAFile": lambda archive: lzma.LZMAFile(filled(archive, coded(lzma))),
    "zip member": zipped,
    "subclass": of_subclass,
    "BufferedReader": lambda archive: io.BufferedReader(gzipped(archive)),
    "BufferedReader of a zip member": lambda archive: io.BufferedReader(zipped(archive)),
    "BufferedReader of a subclass": lambda archive: io.BufferedReader(of_subclass(archive)),
    "BufferedReader of a BufferedReader": lambda archive: io.BufferedReader(io.BufferedReader(gzipped(archive))),
    "tar.gz member": lambda archive: in_tar(archive, "gz"),
    "tar.xz member": lambda archive: in_tar(archive, "xz"),
    "TextIOWrapper": lambda archive: io.TextIOWrapper(gzipped(archive), "latin-1", newline=""),
    "SpooledTemporaryFile": spooled,
    "an object": lambda archive: Relay(gzipped(archive)),
    "a raw stream": lambda archive: RawRelay(gzipped(archive)),
    "BufferedReader of a raw stream": lambda archive: io.BufferedReader(RawRelay(gzipped(archive))),
    "in slots": lambda archive: io.BufferedReader(Slotted(gzipped(archive))),
    "in a list": lambda archive: Relay(Listed(gzipped(archive))),
    "deep inside": lambda archive: Relay(Relay(Relay(Relay(Relay(Relay(gzipped(archive))))))),
}
kinds = pytest.mark.parametrize("kind", DECODING)
DESCENDING = "bytes=" + ",".join(f"{pos}-{pos + 9}" for pos in range(792_000, 0, -8_000)[:100])
LENGTH = ("Content-Length", str(len(CONTENT)))
lengths = pytest.mark.parametrize("fields", [(), (LENGTH,)], ids=["no length", "declared"])


def handing(file: Any, *fields: tuple[str, str]) -> RangeMiddleware:
    """An app that hands the file to ``wsgi.file_wrapper``."""
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain"), *fields])
        return environ["wsgi.file_wrapper"](file)
    return RangeMiddleware(app)


@pytest.mark.each
@kinds
@lengths
def test_a_hundred_ranges_in_descending_order_are_served_in_one_pass(kind: str, fields: Any) -> None:
    archive = Archive()
    file = DECODING[kind](archive)
    answer = get(handing(file, *fields), DESCENDING, validate=False)
    assert answer.status == 206
    several = parts(answer)
    assert [part.first_pos for part in several] == sorted(range(8_000, 800_000, 8_000)[-100:])
    assert all(part.content == CONTENT[part.first_pos:part.last_pos + 1] for part in several)
    size = len(archive.getvalue())
    assert archive.given <= 2 * size + 70_000, f"{archive.given / size:.1f} times"  # once to measure it


@pytest.mark.each
@kinds
@lengths
@pytest.mark.parametrize(("method", "value"), [("GET", None), ("HEAD", None), ("HEAD", "bytes=0-9")])
def test_it_is_not_decoded_to_measure_it_without_range(kind: str, fields: Any, method: str, value: str | None) -> None:
    """HEAD with Range is HEAD without it."""
    archive = Archive()
    file = DECODING[kind](archive)
    wire = Wire()
    asked = {"range": value} if value else {}
    body: Any = handing(file, *fields)(environ_for(method, **asked), wire.start_response)
    assert archive.given <= 9_000, "something was decoded before the server asked for the body"
    if kind == "TextIOWrapper":  # text is no WSGI body: what the server makes of it is its own business
        body.close()
        return
    content = b"".join(body)
    assert content == (CONTENT if method == "GET" else b"")
    assert archive.given <= len(archive.getvalue()) + 9_000
    body.close()


@pytest.mark.each
@kinds
@pytest.mark.parametrize("value", ["bytes=0-9", "bytes=700000-700009", "bytes=-10", "bytes=-10,0-9"])
def test_a_range_has_the_decoded_bytes(kind: str, value: str) -> None:
    answer = get(handing(DECODING[kind](Archive())), value, validate=False)
    assert answer.status == 206
    if "," in value:
        assert [part.content for part in parts(answer)] == [CONTENT[:10], CONTENT[-10:]]
    else:
        first = len(CONTENT) - 10 if value == "bytes=-10" else int(value[6:].split("-")[0])
        assert answer.body == CONTENT[first:first + 10]


PLAIN: dict[str, Callable[[], Any]] = {
    "tar member": lambda: in_tar(Archive(), ""),
    "BufferedReader of BytesIO": lambda: io.BufferedReader(io.BytesIO(CONTENT)),
    "an object": lambda: Relay(io.BytesIO(CONTENT)),
    "BufferedReader of a raw stream": lambda: io.BufferedReader(RawRelay(io.BytesIO(CONTENT))),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_what_does_not_decode_serves_ranges_in_the_order_asked(kind: str) -> None:
    answer = get(handing(PLAIN[kind]()), "bytes=500-509,0-9", validate=False)
    assert [part.content for part in parts(answer)] == [CONTENT[500:510], CONTENT[:10]]
    assert get(handing(PLAIN[kind]()), validate=False).get("Accept-Ranges") == "bytes"


@pytest.mark.parametrize("count", [2, 30])
def test_files_that_hold_each_other_are_looked_at_once(count: int) -> None:
    """With a look at each way from one to the next there would be more looks than can be made."""
    files = [Relay(io.BytesIO(CONTENT)) for _ in range(count)]
    for file in files:
        file.film = files
    answer = get(handing(Relay(files[0])), "bytes=500-509,0-9", validate=False)
    assert [part.content for part in parts(answer)] == [CONTENT[500:510], CONTENT[:10]]


def test_the_search_ends_somewhere() -> None:
    file = gzipped(Archive())
    for _ in range(100):
        file = Relay(file)
    assert get(handing(file), "bytes=0-9", validate=False).body == CONTENT[:10]


def odd_objects() -> Iterator[Any]:
    """Files whose attributes raise when they are looked at."""
    class Raising(Relay):
        __slots__ = ("bad",)

        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("a side effect") if name == "bad" else AttributeError(name)

    class Hiding:
        @property
        def __dict__(self) -> Any:  # type: ignore[override]
            raise RuntimeError("nothing to see")

        def read(self) -> None:
            """Look like a file."""
    nameless = type("Nameless", (Relay,), {"__module__": None})
    yield Raising(io.BytesIO(CONTENT))
    yield nameless(io.BytesIO(CONTENT))
    holder = Relay(io.BytesIO(CONTENT))
    holder.inner = Hiding()  # type: ignore[attr-defined]
    yield holder
    yield type("Own", (io.BytesIO,), {"__module__": None, "read": lambda self, size=-1: io.BytesIO.read(self, size)})(
        CONTENT)


@pytest.mark.each
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("value", [None, "bytes=0-9"])
def test_odd_objects_are_files_too(number: int, value: str | None) -> None:
    answer = get(handing([*odd_objects()][number]), value, validate=False)
    assert (answer.status, answer.body) == ((206, CONTENT[:10]) if value else (200, CONTENT))


@pytest.mark.parametrize("package", ["lz4.frame", "zstandard", "pyzstd", "rarfile", "isal.igzip", "compression.zstd",
                                     "backports.zstd"])
def test_decoders_of_other_packages_are_known_by_their_module(package: str) -> None:
    """Stands in for packages that are not installed: only the name of the module is looked at."""
    kind = type("Member", (io.BytesIO,), {"__module__": package})
    answer = get(handing(io.BufferedReader(kind(CONTENT))), "bytes=500-509,0-9", validate=False)
    assert [part.content for part in parts(answer)] == [CONTENT[:10], CONTENT[500:510]]


def test_the_body_may_be_the_file_itself() -> None:
    app = RangeMiddleware(answering(lambda: io.BufferedReader(gzipped(Archive()))))
    assert [part.content for part in parts(get(app, "bytes=500-509,0-9"))] == [CONTENT[:10], CONTENT[500:510]]
