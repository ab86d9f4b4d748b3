"""The field that names a file to a front server: right for every name, and absent where it could name another file."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from rangeware import InvalidOption
from rangeware.offload import XAccelRedirect, XLighttpdSendFile, XSendfile

CLASSES = [lambda root: XAccelRedirect({root: "/protected/"}), lambda root: XSendfile([root]),
           lambda root: XLighttpdSendFile([root])]
NAMES = ["film.mp4", "a film.mp4", "100%.mp4", "%2e%2e", "what?.mp4", "a#b", "@home", "it's \"it\"", "a\nb",
         "a\r\nX-Y: z", "a\tb", "Zürich.mp4", "电影.mp4", "..mp4", "...", "a;b&c=d+e", "back\\slash", "~", "*", "a:b"]


@pytest.fixture
def media(tmp_path: Path) -> Path:
    folder = tmp_path / "media"
    folder.mkdir()
    return folder


def field(server: Any, path: Any, named: Any = None) -> tuple[str, str] | None:
    """What ``server`` says of the file at ``path``, which the app has opened by the path ``named``."""
    with open(path, "rb") as file:
        answer: tuple[str, str] | None = server.field_for(path if named is None else named, file.fileno())
        return answer


def written(path: Path, content: bytes = b"content") -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", NAMES, ids=repr)
def test_a_name_arrives_as_it_is_and_in_characters_of_a_uri(media: Path, name: str) -> None:
    path = written(media / name)
    found = field(XAccelRedirect({media: "/protected/"}), path)
    assert found is not None
    assert found[0] == "X-Accel-Redirect"
    assert {*found[1]} <= {*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/%"}
    assert unquote_to_bytes(found[1]) == b"/protected/" + os.fsencode(name)


@pytest.mark.parametrize("server", [XSendfile, XLighttpdSendFile])
def test_the_other_servers_get_the_path_of_the_file(media: Path, server: Any) -> None:
    path = written(media / "film.mp4")
    assert field(server([media]), path) == ("X-Sendfile", str(path))
    assert field(server(media), path) == field(server([str(media) + "/"]), path)
    assert field(server({media: "/mnt/films"}), path) == ("X-Sendfile", "/mnt/films/film.mp4")


def test_the_fields_have_their_names(media: Path) -> None:
    path = written(media / "film")
    names = [found[0] for made in CLASSES if (found := field(made(media), path))]
    assert names == ["X-Accel-Redirect", "X-Sendfile", "X-Sendfile"]


def test_nginx_is_told_of_any_bytes(media: Path) -> None:
    path = os.fsencode(media) + b"/caf\xe9"
    written(Path(os.fsdecode(path)))
    assert field(XAccelRedirect({media: "/p"}), path) == ("X-Accel-Redirect", "/p/caf%E9")


def test_slashes_at_the_ends_do_not_matter(media: Path) -> None:
    path = written(media / "film")
    for root in (str(media), f"{media}/", f"{media}//", f"{media}/./"):
        for prefix in ("/p", "/p/"):
            assert field(XAccelRedirect({root: prefix}), path) == ("X-Accel-Redirect", "/p/film")
    assert field(XAccelRedirect({media: "/"}), path) == ("X-Accel-Redirect", "/film")
    assert field(XAccelRedirect({"/": "/p"}), path) == ("X-Accel-Redirect", f"/p{path}")


def test_the_innermost_folder_counts(media: Path) -> None:
    inner = media / "inner"
    inner.mkdir()
    server = XAccelRedirect({media: "/outer", inner: "/inner"})
    assert field(server, written(inner / "film")) == ("X-Accel-Redirect", "/inner/film")
    assert field(server, written(media / "film")) == ("X-Accel-Redirect", "/outer/film")


def outside(media: Path) -> Path:
    return written(media.parent / "secret")


def beside(media: Path) -> Path:
    (media.parent / "media-private").mkdir()
    return written(media.parent / "media-private" / "film")


def by_dots(media: Path) -> Path:
    outside(media)
    return media / ".." / "secret"


def by_a_link(media: Path) -> Path:
    (media / "link").symlink_to(outside(media))
    return media / "link"


def by_a_linked_folder(media: Path) -> Path:
    (media / "folder").symlink_to(beside(media).parent)
    return media / "folder" / "film"


def by_a_chain(media: Path) -> Path:
    by_a_link(media)
    (media / "chain").symlink_to("link")
    return media / "chain"


def too_long(media: Path) -> Path:
    folder = media
    for _ in range(9):
        folder /= "x" * 250
        folder.mkdir()
    return written(folder / "film")


@pytest.mark.each
@pytest.mark.parametrize("make", CLASSES)
@pytest.mark.parametrize("lay", [outside, beside, by_dots, by_a_link, by_a_linked_folder, by_a_chain, too_long])
def test_these_are_not_handed_over(media: Path, make: Callable[[Path], Any], lay: Callable[[Path], Path]) -> None:
    assert field(make(media), lay(media)) is None


@pytest.mark.parametrize("make", CLASSES)
def test_links_and_dots_within_the_folder_lead_to_the_file_itself(media: Path, make: Callable[[Path], Any]) -> None:
    path = written(media / "film")
    (media / "folder").mkdir()
    (media / "link").symlink_to("film")
    direct = field(make(media), path)
    assert direct is not None
    assert field(make(media), media / "link") == direct
    assert field(make(media), media / "folder" / ".." / "film") == direct
    (media.parent / "outer").symlink_to(path)
    assert field(make(media), media.parent / "outer") == direct


def test_a_folder_that_is_a_link_may_be_switched(tmp_path: Path) -> None:
    for version in ("v1", "v2"):
        (tmp_path / version).mkdir()
        written(tmp_path / version / "film", version.encode())
    current = tmp_path / "current"
    current.symlink_to("v1")
    server = XAccelRedirect({current: "/p"})
    with open(current / "film", "rb") as old:
        assert server.field_for(current / "film", old.fileno()) == ("X-Accel-Redirect", "/p/film")
        current.unlink()
        current.symlink_to("v2")
        assert server.field_for(tmp_path / "v1" / "film", old.fileno()) is None, "nginx would send the new version"
        assert server.field_for(current / "film", old.fileno()) is None
    assert field(server, current / "film") == ("X-Accel-Redirect", "/p/film")


@pytest.mark.parametrize("make", CLASSES)
def test_a_file_that_is_no_longer_there_is_not_handed_over(media: Path, make: Callable[[Path], Any]) -> None:
    path = written(media / "film")
    with open(path, "rb") as file:
        assert make(media).field_for(path, file.fileno()) is not None
        written(media / "new", b"another").replace(path)
        assert make(media).field_for(path, file.fileno()) is None
        path.unlink()
        assert make(media).field_for(path, file.fileno()) is None
        path.mkdir()
        assert make(media).field_for(path, file.fileno()) is None


@pytest.mark.parametrize("named", [7, None, b"", "", "\0", "x" * 5000, "film\0.mp4", ["film"]])
def test_what_is_no_path_is_not_handed_over(media: Path, named: Any) -> None:
    path = written(media / "film")
    with open(path, "rb") as file:
        assert XSendfile([media]).field_for(named, file.fileno()) is None


def test_a_relative_path_counts_where_it_still_leads_to_the_file(media: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(media / "film")
    monkeypatch.chdir(media)
    assert field(XSendfile([media]), path, "film") == ("X-Sendfile", str(path))
    with open("film", "rb") as file:
        monkeypatch.chdir(media.parent)
        assert XSendfile([media]).field_for("film", file.fileno()) is None
    with tempfile.NamedTemporaryFile(dir=media) as temporary:
        assert XSendfile([media]).field_for(temporary.name, temporary.fileno()) == ("X-Sendfile", temporary.name)


WRONG = [
    lambda: XAccelRedirect({}), lambda: XAccelRedirect(["/srv"]), lambda: XAccelRedirect("/srv"),
    lambda: XAccelRedirect({"srv": "/p"}), lambda: XAccelRedirect({"/srv": "p"}), lambda: XAccelRedirect({"/srv": ""}),
    lambda: XAccelRedirect({"/srv": "@p"}), lambda: XAccelRedirect({"/srv": "/a b"}),
    lambda: XAccelRedirect({"/srv": "/p?x="}), lambda: XAccelRedirect({"/srv": "/p#x"}),
    lambda: XAccelRedirect({"/srv": "/a\r\nb"}), lambda: XAccelRedirect({"/srv": "/ü/"}),
    lambda: XAccelRedirect({"/srv": "/a/../b"}), lambda: XAccelRedirect({"/srv": "/a%20b"}),
    lambda: XAccelRedirect({"/srv": None}), lambda: XAccelRedirect({"/srv": b"/p"}), lambda: XAccelRedirect(None),
    lambda: XSendfile([]), lambda: XSendfile([""]), lambda: XSendfile(["srv"]), lambda: XSendfile("srv"),
    lambda: XSendfile([None]), lambda: XSendfile([b"/srv"]), lambda: XSendfile(["/a\0b"]), lambda: XSendfile(5),
    lambda: XSendfile({"/srv": "mnt"}), lambda: XLighttpdSendFile(["./srv"]), lambda: XSendfile([5]),
]


@pytest.mark.parametrize("make", WRONG)
def test_what_cannot_work_is_refused_at_once(make: Callable[[], Any]) -> None:
    with pytest.raises(InvalidOption):
        make()


def test_repr_shows_what_was_given() -> None:
    assert repr(XAccelRedirect({"/srv/media/": "/protected/"})) == "XAccelRedirect({'/srv/media/': '/protected/'})"
