"""The table of hostile names and paths, and what becomes of each file.

A row says how a file comes to be opened, and which front servers it is handed over to. All others get it from Python.
Either way the client must get the right bytes: around each file lie others, with other content, at the places where
somebody looks who decodes the name once too often, cuts it at a ``?``, folds its case or follows a link.

What is expected follows from the rules: a file is handed over where the path below the folder, as the front server
will read it, leads to the very file that is open, and nothing is to be sent but all of it.

``python -m tests.front.hostile_names`` prints the table.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.front import hostile_files as files
from tests.front.content import text
from tests.front.front_servers import FRONT_SERVERS
from tests.front.hostile_files import LENGTH, Given, Place

EVERYWHERE = frozenset(FRONT_SERVERS)
NOWHERE: frozenset[str] = frozenset()
NOT_LIGHTTPD = EVERYWHERE - {"lighttpd"}
NOT_APACHE = EVERYWHERE - {"apache"}
ONLY_NGINX = frozenset({"nginx"})


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
    Row("a plain name", files.called("file.txt")),
    Row("blanks", files.called("two  blanks")),
    Row("a blank in front", files.called(" file")),
    Row("a blank at the end", files.called("file "), NOT_APACHE, _BLANK),
    Row("nothing but a blank", files.called(" "), NOT_APACHE, _BLANK),
    Row("%", files.called("100%"), NOT_APACHE, _PERCENT),
    Row("% and two digits", files.called("%41%62"), NOT_APACHE, _PERCENT),
    Row("% twice", files.called("%2541"), NOT_APACHE, _PERCENT),
    Row("%2e%2e", files.called("%2e%2e"), NOT_APACHE, _PERCENT),
    Row("%2f", files.called("..%2f..%2foutside%2frow%2ffile"), NOT_APACHE, _PERCENT),
    Row("%00", files.called("file%00.txt"), NOT_APACHE, _PERCENT),
    Row("%0d%0a", files.called("file%0d%0aX-Injected: yes"), NOT_APACHE, _PERCENT),
    Row("?", files.called("file?name=value")),
    Row("? in front", files.called("?file")),
    Row("#", files.called("file#part")),
    Row("@ in front", files.called("@named")),
    Row(";", files.called("file;v=1")),
    Row("&", files.called("a&b=c")),
    Row("+", files.called("a+b")),
    Row("double quotes", files.called('"file"')),
    Row("single quotes", files.called("it's 'a' file")),
    Row("backslash", files.called("back\\slash")),
    Row("backslashes to go up", files.called("..\\..\\outside")),
    Row("newline", files.called("two\nlines"), ONLY_NGINX, _CONTROL),
    Row("CR LF and a header", files.called("file\r\nX-Injected: yes"), ONLY_NGINX, _CONTROL),
    Row("tab", files.called("a\ttab"), ONLY_NGINX, _CONTROL),
    Row("DEL", files.called("a\x7fb"), ONLY_NGINX, _CONTROL),
    Row("byte 1", files.called("a\x01b"), ONLY_NGINX, _CONTROL),
    Row("NEL (U+0085)", files.called("a\x85b")),
    Row("right-to-left override", files.called("txt\u202eexe")),
    Row("NFC", files.called(unicodedata.normalize("NFC", "größe é"))),
    Row("NFD", files.called(unicodedata.normalize("NFD", "größe é"))),
    Row("a letter that ends in the byte of a blank", files.called("voilà"), NOT_APACHE, _BLANK),
    Row("such a letter before the ending", files.called("voilà.mp4")),
    Row("Chinese", files.called("影片 第一集.mp4")),
    Row("emoji", files.called("🎬.mp4")),
    Row("Latin-1", files.called(b"gr\xf6\xdfe"), NOT_LIGHTTPD, _UTF_8),
    Row("invalid UTF-8", files.called(b"\xff\xfe\x80"), NOT_LIGHTTPD, _UTF_8),
    Row("overlong UTF-8 for ..", files.called(b"\xc0\xae\xc0\xae"), NOT_LIGHTTPD, _UTF_8),
    Row("a surrogate in UTF-8", files.called(b"a\xed\xa0\x80b"), NOT_LIGHTTPD, _UTF_8),
    Row(".. in front", files.called("..file")),
    Row("...", files.called("...")),
    Row("dot in front", files.called(".htaccess")),
    Row("dot at the end", files.called("file.")),
    Row("255 letters", files.called("n" * 255)),
    Row("255 bytes of Chinese", files.called("影" * 85)),
    Row("*", files.called("*")),
    Row("|", files.called("|id|")),
    Row("$(x)", files.called("$(id) ${uri} $uri `id`")),
    Row("~", files.called("~root")),
    Row(":", files.called("C:file:stream")),
    Row("=", files.called("=?utf-8?q?file?=")),
    Row("- in front", files.called("--help")),
    Row("< >", files.called("<script>")),
    Row("[ ] { } ^", files.called("[a]{b}^c")),
    Row("comma", files.called("a, b")),
    Row("capitals", files.called("FILE.TXT")),
    Row("an ending that runs elsewhere", files.called("index.php")),
    # paths
    Row("a//b", files.path("{media}//row//file")),
    Row("./", files.path("{media}/./row/./file")),
    Row(".. in the folder", files.path("{folder}/sub/../file")),
    Row(".. out of the folder and back", files.path("{media}/../1/row/file")),
    Row(".. out of the folder", files.path("{folder}/../../../outside/row/file"), NOWHERE, _OUT),
    Row("beside the folder", files.path("{private}/row/file"), NOWHERE, _OUT),
    Row("beside the folder that the link leads to", files.path("{media}/../1-private/row/file"), NOWHERE, _OUT),
    Row("a path of some 1,800 characters", files.deep("d" * 180, 10)),
    Row("a path beyond 2,048 characters", files.deep("d" * 180, 12), NOWHERE, _LONG),
    Row("a path beyond 2,048 characters as it is encoded", files.deep("é" * 30, 12), frozenset({"apache"}), _LONG),
    Row("link out of the folder", files.link("{outside}/file"), NOWHERE, _OUT),
    Row("link in the folder", files.link("{folder}/file")),
    Row("linked folder out", files.link("{outside}", path="{folder}/link/file"), NOWHERE, _OUT),
    Row("linked folder in the folder", files.link("{media}/inner/row", path="{folder}/link/file")),
    Row("chain of links out", files.link("{outside}/file", "{folder}/link -> {folder}/b -> {folder}/c"), NOWHERE, _OUT),
    Row("chain of links, out and back", files.link("{folder}/file", "{folder}/link -> {outside}/b -> {folder}/c")),
    Row("link from outside into the folder", files.link("{folder}/file", "{outside}/link", "{outside}/link")),
    Row("hard link to a file outside", files.hard_link),
    Row("a folder in the folder, named too", files.in_inner_folder),
    Row("the folder is a link that was switched", files.in_next_release),
    Row("link to /proc/version", files.of_kernel(_KERNEL_VERSION), NOWHERE, _OUT,
        lambda content: Path(_KERNEL_VERSION).read_bytes(), has_ranges=False),
    Row("link to a file of /sys", files.of_kernel(_ONLINE), NOWHERE, _OUT,
        lambda content: Path(_ONLINE).read_bytes(), has_ranges=False),
    # what the app declares
    Row("Content-Length of less", files.with_fields(("Content-Length", "1000")), NOWHERE, _NOT_ALL,
        lambda content: content[:1000], is_path=False),
    Row("Content-Encoding", files.with_fields(("Content-Encoding", "x-own"), ("ETag", '"v1"')), NOWHERE,
        "front servers drop the coding", is_path=False),
    Row("Accept-Ranges: none", files.with_fields(("Accept-Ranges", "none")), NOWHERE, "the app wants no ranges",
        has_ranges=False),
    # open files
    Row("replaced after it was opened", files.opened(files.replace), NOWHERE, _OTHER, is_path=False),
    Row("unlinked after it was opened", files.opened(files.unlink), NOWHERE, _OTHER, is_path=False),
    Row("moved out after it was opened", files.opened(files.move), NOWHERE, _OUT, is_path=False),
    Row("truncated after it was opened", files.opened(files.truncate), expected=lambda content: content[:500],
        is_path=False),
    Row("grown after it was opened", files.opened(files.grow), expected=lambda content: content * 2, is_path=False),
    Row("grown after its length was declared", files.grow_declared, NOWHERE, _NOT_ALL, is_path=False),
    Row("the folder was switched after it was opened", files.opened(files.switch), NOWHERE, _OTHER, is_path=False),
    Row("the folder was switched to one with the same file", files.opened(files.switch_to_same), is_path=False),
    Row("a relative path", files.relative, is_path=False),
    Row("a relative path, then another folder", files.relative_to_another, NOWHERE, _OTHER, is_path=False),
    Row("opened by descriptor", files.by_descriptor, NOWHERE, _UNTOLD, is_path=False),
    Row("opened by the descriptor of a folder", files.by_folder, NOWHERE, _OTHER, is_path=False),
    Row("opened by an opener of the app", files.by_opener, NOWHERE, _OTHER, is_path=False),
    Row("not at position 0", files.moved_on, NOWHERE, _NOT_ALL, lambda content: content[100:], is_path=False),
    Row("path as bytes", files.with_name(bytes), is_path=False),
    Row("path as Path", files.with_name(lambda path: Path(os.fsdecode(path))), is_path=False),
    Row("without a buffer", files.with_mode("rb", 0), is_path=False),
    Row("text mode", files.with_mode("r"), is_path=False),
    Row("r+b", files.with_mode("r+b"), is_path=False),
    Row("r+b, written and wound back", files.rewritten, is_path=False),
    Row("NamedTemporaryFile", files.temporary, NOWHERE, "closing deletes it", is_path=False),
    Row("NamedTemporaryFile that is kept", files.kept_temporary, is_path=False),
    Row("TemporaryFile", files.nameless, NOWHERE, "it has no name", is_path=False),
    Row("gzip.open", files.compressed, NOWHERE, "other bytes are on the disk", is_path=False),
    Row("a class that decrypts", files.encrypted, NOWHERE, "other bytes are on the disk",
        lambda content: content.swapcase(), is_path=False),
    Row("named pipe", files.pipe, NOWHERE, "it is no regular file", is_path=False, has_ranges=False),
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
