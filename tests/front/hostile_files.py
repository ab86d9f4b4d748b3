"""How the files of the table of hostile names come to be: each function makes one, and says what the app has to send.

Around each file lie others, with other content, at the places where somebody looks who decodes the name once too often,
cuts it at a ``?``, folds its case or follows a link.
"""

from __future__ import annotations

import gzip
import io
import os
import shutil
import tempfile
import threading
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from tests.front.content import MTIME

LENGTH = 1_200
"""Bytes of each file."""
DECOY = b"not the file that was asked for"
Fields = tuple[tuple[str, str], ...]

_HOME = os.getcwd()


class Place:
    """The folders of a test: ``media``, which is handed over, is a link to ``releases/1``.

    :param directory: where they lie.
    """

    def __init__(self, directory: Path) -> None:
        self.media = directory / "media"
        self.releases = directory / "releases"
        self.outside = directory / "outside"
        self.private = directory / "media-private"

    def clear(self) -> None:
        """Undo what the last row did, and make the folder of the next one, wherever it may be needed."""
        os.chdir(_HOME)
        self.switch_to("1")
        beside = self.private, self.releases / "1-private"
        for folder in (self.media, self.media / "inner", self.releases / "2", self.outside, *beside):
            shutil.rmtree(folder / "row", ignore_errors=True)
            (folder / "row").mkdir(parents=True)

    def switch_to(self, release: str) -> None:
        """Point ``media`` to another release, in one step, as deployments do."""
        link = self.media.with_name("media.new")
        link.unlink(missing_ok=True)
        link.symlink_to(self.releases / release)
        link.replace(self.media)

    @property
    def folder(self) -> Path:
        """The folder of the row, below ``media``."""
        return self.media / "row"


class Given(NamedTuple):
    """What the app of a row has to send.

    :param path: of the file; it is opened in the usual way where there is no ``body``.
    :param body: the open file, or whatever else the app returns.
    :param fields: that the app sends with it.
    :param is_wrapped: True if the app gives the body to ``wsgi.file_wrapper``.
    """

    path: bytes = b""
    body: Any = None
    fields: Fields = ()
    is_wrapped: bool = True


# --- names ---

def called(name: str | bytes) -> Callable[[Place, bytes], Given]:
    """A file with this name, among all those that it could be taken for."""
    raw = os.fsencode(name)

    def make(place: Place, content: bytes) -> Given:
        folder = os.fsencode(place.folder)
        path = _write(os.path.join(folder, raw), content)
        for other in _mistakable(raw):
            _write_decoy(os.path.join(folder, other))
        return Given(path)
    return make


def _mistakable(name: bytes) -> Iterator[bytes]:
    """The names that somebody might look for who reads this one wrongly."""
    readings = [
        unquote_to_bytes(name), name.split(b"?")[0], name.split(b"#")[0], name.split(b";")[0], name.strip(),
        name.strip(b". "), name.lower(), name.replace(b"+", b" "), name.replace(b"\\", b"/"), name.replace(b"\\", b""),
        name.strip(b"\"'"), name.split(b"\0")[0], name.splitlines()[0], name.lstrip(b"@"), name.replace(b"%", b"%25"),
        bytes(0x5F if byte < 0x20 or byte == 0x7F else byte for byte in name), name.decode("latin-1").encode(),
        bytes(byte for byte in name if 0x20 <= byte < 0x7F), name.decode(errors="replace").encode(),
        *(unicodedata.normalize(form, os.fsdecode(name)).encode(errors="surrogateescape") for form in ("NFC", "NFD")),
    ]
    yield from dict.fromkeys(other for other in readings if other != name)


def _write_decoy(path: bytes) -> None:
    """A file of other content, unless its path is none, or taken."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "xb") as file:
            file.write(DECOY)
    except (OSError, ValueError):
        pass


def _write(path: bytes | Path, content: bytes) -> bytes:
    """A file of this content, old enough for a strong validator; its path."""
    name = os.fsencode(path)
    os.makedirs(os.path.dirname(name), exist_ok=True)
    with open(name, "wb") as file:
        file.write(content)
    os.utime(name, (MTIME, MTIME))
    return name


# --- paths ---

def path(template: str) -> Callable[[Place, bytes], Given]:
    """The path of a file called ``file``, in which ``{media}`` and others stand for the folders."""
    def make(place: Place, content: bytes) -> Given:
        (place.folder / "sub").mkdir()
        path = template.format(media=place.media, outside=place.outside, private=place.private, folder=place.folder)
        return Given(_write(Path(os.path.realpath(path)), content) and path.encode())
    return make


def link(target: str, link: str = "{folder}/link", path: str = "{folder}/link") -> Callable[[Place, bytes], Given]:
    """A symbolic link, or a chain of them, on the way to a file called ``file``."""
    def make(place: Place, content: bytes) -> Given:
        names = {"folder": str(place.folder), "outside": str(place.outside / "row"), "media": str(place.media)}
        end = target.format(**names)
        for step in reversed(link.format(**names).split(" -> ")):
            os.symlink(end, step)
            end = step
        _write(Path(os.path.realpath(path.format(**names))), content)
        return Given(path.format(**names).encode())
    return make


def deep(name: str, count: int) -> Callable[[Place, bytes], Given]:
    """A file in so many folders of this name, each in the one before."""
    def make(place: Place, content: bytes) -> Given:
        return Given(_write(place.folder.joinpath(*[name] * count, "file"), content))
    return make


def hard_link(place: Place, content: bytes) -> Given:
    os.link(_write(place.outside / "row" / "file", content), place.folder / "link")
    return Given(os.fsencode(place.folder / "link"))


def in_inner_folder(place: Place, content: bytes) -> Given:
    return Given(_write(place.media / "inner" / "row" / "file", content))


def in_next_release(place: Place, content: bytes) -> Given:
    """``media`` is another folder than when the servers started."""
    place.switch_to("2")
    _write_decoy(os.fsencode(place.releases / "1" / "row" / "file"))
    return Given(_write(place.folder / "file", content))


# --- open files ---

def opened(change: Callable[[Place, Path, bytes], None]) -> Callable[[Place, bytes], Given]:
    """A file to which something happens after it has been opened."""
    def make(place: Place, content: bytes) -> Given:
        path = place.folder / "file"
        _write(path, content)
        file = open(path, "rb")  # noqa: SIM115 - the server closes it, here and below
        change(place, path, content)
        return Given(body=file)
    return make


def replace(place: Place, path: Path, content: bytes) -> None:
    other = path.with_name("other")
    _write(other, content[::-1])  # of the same length and time
    other.replace(path)


def unlink(place: Place, path: Path, content: bytes) -> None:
    path.unlink()


def truncate(place: Place, path: Path, content: bytes) -> None:
    os.truncate(path, 500)


def grow(place: Place, path: Path, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


def move(place: Place, path: Path, content: bytes) -> None:
    path.rename(place.outside / "row" / "file")
    path.symlink_to(place.outside / "row" / "file")


def switch(place: Place, path: Path, content: bytes) -> None:
    _write_decoy(os.fsencode(place.releases / "2" / "row" / "file"))
    place.switch_to("2")


def switch_to_same(place: Place, path: Path, content: bytes) -> None:
    os.link(path, place.releases / "2" / "row" / "file")
    place.switch_to("2")


def grow_declared(place: Place, content: bytes) -> Given:
    given = opened(grow)(place, content)
    return given._replace(fields=(("Content-Length", str(LENGTH)),))


def relative(place: Place, content: bytes) -> Given:
    _write(place.folder / "file", content)
    os.chdir(place.folder)
    return Given(body=open("file", "rb"))


def relative_to_another(place: Place, content: bytes) -> Given:
    given = relative(place, content)
    _write_decoy(os.fsencode(place.folder / "other" / "file"))
    os.chdir(place.folder / "other")
    return given


def by_descriptor(place: Place, content: bytes) -> Given:
    return Given(body=open(os.open(_write(place.folder / "file", content), os.O_RDONLY), "rb"))


def by_folder(place: Place, content: bytes) -> Given:
    """Opened by a descriptor of its folder; where the process stands, a file has the same name."""
    _write(place.outside / "row" / "file", content)
    _write_decoy(os.fsencode(place.folder / "file"))
    folder = os.open(place.outside / "row", os.O_RDONLY)
    os.chdir(place.folder)
    try:
        return Given(body=open("file", "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)))
    finally:
        os.close(folder)


def by_opener(place: Place, content: bytes) -> Given:
    """The name that it is opened with is another file's."""
    path = _write(place.outside / "row" / "file", content)
    _write_decoy(os.fsencode(place.folder / "file"))
    return Given(body=open(place.folder / "file", "rb", opener=lambda name, flags: os.open(path, flags)))


def moved_on(place: Place, content: bytes) -> Given:
    file = open(_write(place.folder / "file", content), "rb")  # noqa: SIM115
    file.seek(100)
    return Given(body=file)


def with_fields(*fields: tuple[str, str]) -> Callable[[Place, bytes], Given]:
    """A file that the app sends these fields with."""
    def make(place: Place, content: bytes) -> Given:
        return Given(_write(place.folder / "file", content), fields=fields)
    return make


def with_mode(mode: str, buffering: int = -1) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        return Given(body=open(_write(place.folder / "file", content), mode, buffering))
    return make


def with_name(convert: Callable[[bytes], Any]) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        return Given(body=open(convert(_write(place.folder / "file", content)), "rb"))
    return make


def rewritten(place: Place, content: bytes) -> Given:
    """Written through the very file that is sent."""
    file = open(_write(place.folder / "file", bytes(10) + content[10:-100]), "r+b")  # noqa: SIM115
    file.write(content[:10])
    file.seek(0, os.SEEK_END)
    file.write(content[-100:])
    file.seek(0)
    return Given(body=file)


def temporary(place: Place, content: bytes) -> Given:
    """Python deletes it when it is closed, which is before the front server opens it."""
    file = tempfile.NamedTemporaryFile(dir=place.folder)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def kept_temporary(place: Place, content: bytes) -> Given:
    file = tempfile.NamedTemporaryFile(dir=place.folder, delete=False)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def nameless(place: Place, content: bytes) -> Given:
    file = tempfile.TemporaryFile(dir=place.folder)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def compressed(place: Place, content: bytes) -> Given:
    path = _write(place.folder / "file.gz", gzip.compress(content))
    return Given(body=gzip.open(path, "rb"))


class _Encrypted(io.FileIO):
    """Gives other bytes than are on the disk."""

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer) or 0
        buffer[:count] = bytes(buffer[:count]).swapcase()
        return count


def encrypted(place: Place, content: bytes) -> Given:
    return Given(body=io.BufferedReader(_Encrypted(_write(place.folder / "file", content))))


def pipe(place: Place, content: bytes) -> Given:
    path = place.folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    file = open(path, "rb")  # noqa: SIM115
    return Given(body=iter(lambda: file.read(500), b""), is_wrapped=False)


def of_kernel(path: str) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        (place.folder / "link").symlink_to(path)
        return Given(os.fsencode(place.folder / "link"))
    return make
