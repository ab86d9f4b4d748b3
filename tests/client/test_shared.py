"""Downloads at the same time: they share connections, and never a name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import urllib3

from rangeware.client import DiskError
from rangeware.client.api import prepare
from rangeware.client.io.shared import Shared
from rangeware.client.options import DownloadOptions
from tests.client.test_command import CONTENT, Server, server

__all__ = ["server"]


@pytest.fixture
def shared() -> Iterator[Shared]:
    with closing(Shared()) as made:
        yield made


def test_one_connection_serves_several_downloads(server: Server, shared: Shared, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        prepare(server.url(f"/{name}"), shared=shared, directory=tmp_path, segments=1).result()
        assert (tmp_path / name).read_bytes() == CONTENT
    assert server.connections == 1


def test_a_pool_of_the_caller_comes_first(shared: Shared) -> None:
    with urllib3.PoolManager() as pool:
        assert shared.pool("http://h/", DownloadOptions(pool=pool)) is None


def test_each_proxy_has_its_own_connections(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    first, second, direct = (shared.pool(url, DownloadOptions()) for url in ("http://a/", "http://b/", "https://a/"))
    assert first is second
    assert first is not direct
    assert isinstance(first, urllib3.ProxyManager)


def test_a_name_belongs_to_one_url(shared: Shared, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shared.claim(Path("x"), "http://h/1")
    shared.claim(tmp_path / "x", "http://h/1")
    with pytest.raises(DiskError, match="/x is the name of http://h/1, too: fetch one of them on its own"):
        shared.claim(tmp_path / "d" / ".." / "x", "http://h/2")


@pytest.mark.parametrize("force", [False, True])
def test_the_second_file_of_a_name_is_an_error(force: bool, server: Server, shared: Shared, tmp_path: Path) -> None:
    """Also with ``force``: the file that has just come is not the one to replace."""
    prepare(server.url("/a/x"), shared=shared, directory=tmp_path, force=force).result()
    with pytest.raises(DiskError, match="is the name of"):
        prepare(server.url("/b/x"), shared=shared, directory=tmp_path, force=force).result()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
