"""The table of hostile names and paths, and what becomes of each file.

A row says how a file comes to be opened, and which front servers it is handed over to. All others get it from Python.
Either way the client must get the right bytes: around each file lie others, with other content, at the places where
somebody looks who decodes the name once too often, cuts it at a ``?``, folds its case or follows a link.

What is expected follows from the rules: a file is handed over where the path below the folder, as the front server
will read it, leads to the very file that is open, and nothing is to be sent but all of it.

``python -m tests.front.hostile_names`` prints the table.
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

from tests.front.content import MTIME, text
from tests.front.front_servers import FRONT_SERVERS

LENGTH = 1_200
DECOY = b"not the file that was asked for"
Fields = tuple[tuple[str, str], ...]

EVERYWHERE = frozenset(FRONT_SERVERS)
NOWHERE: frozenset[str] = frozenset()
NOT_LIGHTTPD = EVERYWHERE - {"lighttpd"}
NOT_APACHE = EVERYWHERE - {"apache"}
ONLY_NGINX = frozenset({"nginx"})

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


class Row(NamedTuple):
    """A file, and what becomes of it.

    :param what: is hostile about it.
    :param make: makes the file with this content.
    :param handed: the front servers that it is handed over to.
    :param why: the others do not get it.
    :param expected: the content that the client must get; it is made of that of the file.
    :param is_path: True if an ASGI app can name it, too.
    :param has_ranges: False if its length is not known before it has been read.
    """

    what: str
    make: Callable[[Place, bytes], Given]
    handed: frozenset[str] = EVERYWHERE
    why: str = ""
    expected: Callable[[bytes], bytes] = bytes
    is_path: bool = True
    has_ranges: bool = True

    @property
    def content(self) -> bytes:
        """The content that the client must get."""
        return self.expected(text(LENGTH, self.what))

    def give(self, place: Place) -> Given:
        """Make the file anew, and say what the app has to send."""
        place.clear()
        return self.make(place, text(LENGTH, self.what))


# --- names ---

def _called(name: str | bytes) -> Callable[[Place, bytes], Given]:
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

def _path(template: str) -> Callable[[Place, bytes], Given]:
    """The path of a file called ``file``, in which ``{media}`` and others stand for the folders."""
    def make(place: Place, content: bytes) -> Given:
        (place.folder / "sub").mkdir()
        path = template.format(media=place.media, outside=place.outside, private=place.private, folder=place.folder)
        return Given(_write(Path(os.path.realpath(path)), content) and path.encode())
    return make


def _link(target: str, link: str = "{folder}/link", path: str = "{folder}/link") -> Callable[[Place, bytes], Given]:
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


def _deep(name: str, count: int) -> Callable[[Place, bytes], Given]:
    """A file in so many folders of this name, each in the one before."""
    def make(place: Place, content: bytes) -> Given:
        return Given(_write(place.folder.joinpath(*[name] * count, "file"), content))
    return make


def _hard_link(place: Place, content: bytes) -> Given:
    os.link(_write(place.outside / "row" / "file", content), place.folder / "link")
    return Given(os.fsencode(place.folder / "link"))


def _in_inner_folder(place: Place, content: bytes) -> Given:
    return Given(_write(place.media / "inner" / "row" / "file", content))


def _in_next_release(place: Place, content: bytes) -> Given:
    """``media`` is another folder than when the servers started."""
    place.switch_to("2")
    _write_decoy(os.fsencode(place.releases / "1" / "row" / "file"))
    return Given(_write(place.folder / "file", content))


# --- open files ---

def _opened(change: Callable[[Place, Path, bytes], None]) -> Callable[[Place, bytes], Given]:
    """A file to which something happens after it has been opened."""
    def make(place: Place, content: bytes) -> Given:
        path = place.folder / "file"
        _write(path, content)
        file = open(path, "rb")  # noqa: SIM115 - the server closes it, here and below
        change(place, path, content)
        return Given(body=file)
    return make


def _replace(place: Place, path: Path, content: bytes) -> None:
    other = path.with_name("other")
    _write(other, content[::-1])  # of the same length and time
    other.replace(path)


def _unlink(place: Place, path: Path, content: bytes) -> None:
    path.unlink()


def _truncate(place: Place, path: Path, content: bytes) -> None:
    os.truncate(path, 500)


def _grow(place: Place, path: Path, content: bytes) -> None:
    with open(path, "ab") as file:
        file.write(content)


def _move(place: Place, path: Path, content: bytes) -> None:
    path.rename(place.outside / "row" / "file")
    path.symlink_to(place.outside / "row" / "file")


def _switch(place: Place, path: Path, content: bytes) -> None:
    _write_decoy(os.fsencode(place.releases / "2" / "row" / "file"))
    place.switch_to("2")


def _switch_to_same(place: Place, path: Path, content: bytes) -> None:
    os.link(path, place.releases / "2" / "row" / "file")
    place.switch_to("2")


def _grow_declared(place: Place, content: bytes) -> Given:
    given = _opened(_grow)(place, content)
    return given._replace(fields=(("Content-Length", str(LENGTH)),))


def _relative(place: Place, content: bytes) -> Given:
    _write(place.folder / "file", content)
    os.chdir(place.folder)
    return Given(body=open("file", "rb"))


def _relative_to_another(place: Place, content: bytes) -> Given:
    given = _relative(place, content)
    _write_decoy(os.fsencode(place.folder / "other" / "file"))
    os.chdir(place.folder / "other")
    return given


def _by_descriptor(place: Place, content: bytes) -> Given:
    return Given(body=open(os.open(_write(place.folder / "file", content), os.O_RDONLY), "rb"))


def _by_folder(place: Place, content: bytes) -> Given:
    """Opened by a descriptor of its folder; where the process stands, a file has the same name."""
    _write(place.outside / "row" / "file", content)
    _write_decoy(os.fsencode(place.folder / "file"))
    folder = os.open(place.outside / "row", os.O_RDONLY)
    os.chdir(place.folder)
    try:
        return Given(body=open("file", "rb", opener=lambda path, flags: os.open(path, flags, dir_fd=folder)))
    finally:
        os.close(folder)


def _by_opener(place: Place, content: bytes) -> Given:
    """The name that it is opened with is another file's."""
    path = _write(place.outside / "row" / "file", content)
    _write_decoy(os.fsencode(place.folder / "file"))
    return Given(body=open(place.folder / "file", "rb", opener=lambda name, flags: os.open(path, flags)))


def _moved_on(place: Place, content: bytes) -> Given:
    file = open(_write(place.folder / "file", content), "rb")  # noqa: SIM115
    file.seek(100)
    return Given(body=file)


def _with(*fields: tuple[str, str]) -> Callable[[Place, bytes], Given]:
    """A file that the app sends these fields with."""
    def make(place: Place, content: bytes) -> Given:
        return Given(_write(place.folder / "file", content), fields=fields)
    return make


def _with_mode(mode: str, buffering: int = -1) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        return Given(body=open(_write(place.folder / "file", content), mode, buffering))
    return make


def _with_name(convert: Callable[[bytes], Any]) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        return Given(body=open(convert(_write(place.folder / "file", content)), "rb"))
    return make


def _rewritten(place: Place, content: bytes) -> Given:
    """Written through the very file that is sent."""
    file = open(_write(place.folder / "file", bytes(10) + content[10:-100]), "r+b")  # noqa: SIM115
    file.write(content[:10])
    file.seek(0, os.SEEK_END)
    file.write(content[-100:])
    file.seek(0)
    return Given(body=file)


def _temporary(place: Place, content: bytes) -> Given:
    """Python deletes it when it is closed, which is before the front server opens it."""
    file = tempfile.NamedTemporaryFile(dir=place.folder)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def _kept_temporary(place: Place, content: bytes) -> Given:
    file = tempfile.NamedTemporaryFile(dir=place.folder, delete=False)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def _nameless(place: Place, content: bytes) -> Given:
    file = tempfile.TemporaryFile(dir=place.folder)  # noqa: SIM115
    file.write(content)
    file.seek(0)
    return Given(body=file)


def _compressed(place: Place, content: bytes) -> Given:
    path = _write(place.folder / "file.gz", gzip.compress(content))
    return Given(body=gzip.open(path, "rb"))


class _Encrypted(io.FileIO):
    """Gives other bytes than are on the disk."""

    def readinto(self, buffer: Any, /) -> int:
        count = super().readinto(buffer) or 0
        buffer[:count] = bytes(buffer[:count]).swapcase()
        return count


def _encrypted(place: Place, content: bytes) -> Given:
    return Given(body=io.BufferedReader(_Encrypted(_write(place.folder / "file", content))))


def _pipe(place: Place, content: bytes) -> Given:
    path = place.folder / "pipe"
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()
    file = open(path, "rb")  # noqa: SIM115
    return Given(body=iter(lambda: file.read(500), b""), is_wrapped=False)


def _of_kernel(path: str) -> Callable[[Place, bytes], Given]:
    def make(place: Place, content: bytes) -> Given:
        (place.folder / "link").symlink_to(path)
        return Given(os.fsencode(place.folder / "link"))
    return make


_KERNEL_VERSION = "/proc/version"
_ONLINE = "/sys/devices/system/cpu/online"
_LONG = "a head of 4 KiB has to hold it"
_OUT = "it lies outside the folder"
_OTHER = "the path leads to another file"
_NOT_ALL = "not all of the file is to be sent"
_UNTOLD = "the path that it was opened with is not known"
_CONTROL = "lighttpd reads control characters as _; mod_xsendfile 0.12 decodes nothing"
_PERCENT = "mod_xsendfile 1.0 decodes it, 0.12 does not"
_BLANK = "mod_xsendfile takes the path as it is, and servers strip fields"
_UTF_8 = "lighttpd takes UTF-8 only"

ROWS: tuple[Row, ...] = (
    # names
    Row("a plain name", _called("file.txt")),
    Row("blanks", _called("two  blanks")),
    Row("a blank in front", _called(" file")),
    Row("a blank at the end", _called("file "), NOT_APACHE, _BLANK),
    Row("nothing but a blank", _called(" "), NOT_APACHE, _BLANK),
    Row("%", _called("100%"), NOT_APACHE, _PERCENT),
    Row("% and two digits", _called("%41%62"), NOT_APACHE, _PERCENT),
    Row("% twice", _called("%2541"), NOT_APACHE, _PERCENT),
    Row("%2e%2e", _called("%2e%2e"), NOT_APACHE, _PERCENT),
    Row("%2f", _called("..%2f..%2foutside%2frow%2ffile"), NOT_APACHE, _PERCENT),
    Row("%00", _called("file%00.txt"), NOT_APACHE, _PERCENT),
    Row("%0d%0a", _called("file%0d%0aX-Injected: yes"), NOT_APACHE, _PERCENT),
    Row("?", _called("file?name=value")),
    Row("? in front", _called("?file")),
    Row("#", _called("file#part")),
    Row("@ in front", _called("@named")),
    Row(";", _called("file;v=1")),
    Row("&", _called("a&b=c")),
    Row("+", _called("a+b")),
    Row("double quotes", _called('"file"')),
    Row("single quotes", _called("it's 'a' file")),
    Row("backslash", _called("back\\slash")),
    Row("backslashes to go up", _called("..\\..\\outside")),
    Row("newline", _called("two\nlines"), ONLY_NGINX, _CONTROL),
    Row("CR LF and a header", _called("file\r\nX-Injected: yes"), ONLY_NGINX, _CONTROL),
    Row("tab", _called("a\ttab"), ONLY_NGINX, _CONTROL),
    Row("DEL", _called("a\x7fb"), ONLY_NGINX, _CONTROL),
    Row("byte 1", _called("a\x01b"), ONLY_NGINX, _CONTROL),
    Row("NEL (U+0085)", _called("a\x85b")),
    Row("right-to-left override", _called("txt\u202eexe")),
    Row("NFC", _called(unicodedata.normalize("NFC", "größe é"))),
    Row("NFD", _called(unicodedata.normalize("NFD", "größe é"))),
    Row("a letter that ends in the byte of a blank", _called("voilà"), NOT_APACHE, _BLANK),
    Row("such a letter before the ending", _called("voilà.mp4")),
    Row("Chinese", _called("影片 第一集.mp4")),
    Row("emoji", _called("🎬.mp4")),
    Row("Latin-1", _called(b"gr\xf6\xdfe"), NOT_LIGHTTPD, _UTF_8),
    Row("invalid UTF-8", _called(b"\xff\xfe\x80"), NOT_LIGHTTPD, _UTF_8),
    Row("overlong UTF-8 for ..", _called(b"\xc0\xae\xc0\xae"), NOT_LIGHTTPD, _UTF_8),
    Row("a surrogate in UTF-8", _called(b"a\xed\xa0\x80b"), NOT_LIGHTTPD, _UTF_8),
    Row(".. in front", _called("..file")),
    Row("...", _called("...")),
    Row("dot in front", _called(".htaccess")),
    Row("dot at the end", _called("file.")),
    Row("255 letters", _called("n" * 255)),
    Row("255 bytes of Chinese", _called("影" * 85)),
    Row("*", _called("*")),
    Row("|", _called("|id|")),
    Row("$(x)", _called("$(id) ${uri} $uri `id`")),
    Row("~", _called("~root")),
    Row(":", _called("C:file:stream")),
    Row("=", _called("=?utf-8?q?file?=")),
    Row("- in front", _called("--help")),
    Row("< >", _called("<script>")),
    Row("[ ] { } ^", _called("[a]{b}^c")),
    Row("comma", _called("a, b")),
    Row("capitals", _called("FILE.TXT")),
    Row("an ending that runs elsewhere", _called("index.php")),
    # paths
    Row("a//b", _path("{media}//row//file")),
    Row("./", _path("{media}/./row/./file")),
    Row(".. in the folder", _path("{folder}/sub/../file")),
    Row(".. out of the folder and back", _path("{media}/../1/row/file")),
    Row(".. out of the folder", _path("{folder}/../../../outside/row/file"), NOWHERE, _OUT),
    Row("beside the folder", _path("{private}/row/file"), NOWHERE, _OUT),
    Row("beside the folder that the link leads to", _path("{media}/../1-private/row/file"), NOWHERE, _OUT),
    Row("a path of some 1,800 characters", _deep("d" * 180, 10)),
    Row("a path beyond 2,048 characters", _deep("d" * 180, 12), NOWHERE, _LONG),
    Row("a path beyond 2,048 characters as it is encoded", _deep("é" * 30, 12), frozenset({"apache"}), _LONG),
    Row("link out of the folder", _link("{outside}/file"), NOWHERE, _OUT),
    Row("link in the folder", _link("{folder}/file")),
    Row("linked folder out", _link("{outside}", path="{folder}/link/file"), NOWHERE, _OUT),
    Row("linked folder in the folder", _link("{media}/inner/row", path="{folder}/link/file")),
    Row("chain of links out", _link("{outside}/file", "{folder}/link -> {folder}/b -> {folder}/c"), NOWHERE, _OUT),
    Row("chain of links, out and back", _link("{folder}/file", "{folder}/link -> {outside}/b -> {folder}/c")),
    Row("link from outside into the folder", _link("{folder}/file", "{outside}/link", "{outside}/link")),
    Row("hard link to a file outside", _hard_link),
    Row("a folder in the folder, named too", _in_inner_folder),
    Row("the folder is a link that was switched", _in_next_release),
    Row("link to /proc/version", _of_kernel(_KERNEL_VERSION), NOWHERE, _OUT,
        lambda content: Path(_KERNEL_VERSION).read_bytes(), has_ranges=False),
    Row("link to a file of /sys", _of_kernel(_ONLINE), NOWHERE, _OUT,
        lambda content: Path(_ONLINE).read_bytes(), has_ranges=False),
    # what the app declares
    Row("Content-Length of less", _with(("Content-Length", "1000")), NOWHERE, _NOT_ALL,
        lambda content: content[:1000], is_path=False),
    Row("Content-Encoding", _with(("Content-Encoding", "x-own"), ("ETag", '"v1"')), NOWHERE,
        "front servers drop the coding", is_path=False),
    Row("Accept-Ranges: none", _with(("Accept-Ranges", "none")), NOWHERE, "the app wants no ranges",
        has_ranges=False),
    # open files
    Row("replaced after it was opened", _opened(_replace), NOWHERE, _OTHER, is_path=False),
    Row("unlinked after it was opened", _opened(_unlink), NOWHERE, _OTHER, is_path=False),
    Row("moved out after it was opened", _opened(_move), NOWHERE, _OUT, is_path=False),
    Row("truncated after it was opened", _opened(_truncate), expected=lambda content: content[:500], is_path=False),
    Row("grown after it was opened", _opened(_grow), expected=lambda content: content * 2, is_path=False),
    Row("grown after its length was declared", _grow_declared, NOWHERE, _NOT_ALL, is_path=False),
    Row("the folder was switched after it was opened", _opened(_switch), NOWHERE, _OTHER, is_path=False),
    Row("the folder was switched to one with the same file", _opened(_switch_to_same), is_path=False),
    Row("a relative path", _relative, is_path=False),
    Row("a relative path, then another folder", _relative_to_another, NOWHERE, _OTHER, is_path=False),
    Row("opened by descriptor", _by_descriptor, NOWHERE, _UNTOLD, is_path=False),
    Row("opened by the descriptor of a folder", _by_folder, NOWHERE, _OTHER, is_path=False),
    Row("opened by an opener of the app", _by_opener, NOWHERE, _OTHER, is_path=False),
    Row("not at position 0", _moved_on, NOWHERE, _NOT_ALL, lambda content: content[100:], is_path=False),
    Row("path as bytes", _with_name(bytes), is_path=False),
    Row("path as Path", _with_name(lambda path: Path(os.fsdecode(path))), is_path=False),
    Row("without a buffer", _with_mode("rb", 0), is_path=False),
    Row("text mode", _with_mode("r"), is_path=False),
    Row("r+b", _with_mode("r+b"), is_path=False),
    Row("r+b, written and wound back", _rewritten, is_path=False),
    Row("NamedTemporaryFile", _temporary, NOWHERE, "closing deletes it", is_path=False),
    Row("NamedTemporaryFile that is kept", _kept_temporary, is_path=False),
    Row("TemporaryFile", _nameless, NOWHERE, "it has no name", is_path=False),
    Row("gzip.open", _compressed, NOWHERE, "other bytes are on the disk", is_path=False),
    Row("a class that decrypts", _encrypted, NOWHERE, "other bytes are on the disk",
        lambda content: content.swapcase(), is_path=False),
    Row("named pipe", _pipe, NOWHERE, "it is no regular file", is_path=False, has_ranges=False),
)


def table() -> Iterator[str]:
    """The lines of the table."""
    width = max(len(row.what) for row in ROWS)
    yield f"{'':{width}}  " + "  ".join(f"{name:11}" for name in FRONT_SERVERS)
    for row in ROWS:
        outcomes = ("handed over" if name in row.handed else "from Python" for name in FRONT_SERVERS)
        yield f"{row.what:{width}}  " + "  ".join(outcomes) + (f"  {row.why}" if row.why else "")


if __name__ == "__main__":
    print(*table(), sep="\n")
