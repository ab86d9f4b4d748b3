"""Downloads from real servers: whole, cut and gone on with, cancelled, in segments, and of files that change."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest

from rangeware.client import Download, NetworkError, Progress, adownload, download
from tests.matrix import download_apps, report
from tests.matrix.download_hosts import HOSTS, Host
from tests.matrix.relays import Relay

pytestmark = pytest.mark.matrix

LENGTH = 3_000_001
CUT = 1_700_000
"""Bytes after which the network breaks, heads included."""
OVERLAP = 100_000
"""Bytes that a download which goes on may fetch once more to compare them, and what was on its way at the break."""
RATE = 4e6
"""Bytes a second on each connection through the relay: slow enough for other connections to come in time."""
QUICK: dict[str, Any] = {"first_delay": 0.05, "longest_delay": 0.2}
SEGMENTED: dict[str, Any] = {**QUICK, "segments": 4, "segment_size": 64 << 10, "worthwhile": 0}


class Site(NamedTuple):
    """A host at work, what stands in its file, and a relay in front of it.

    :param url: of the file, through the relay.
    """

    host: Host
    relay: Relay
    file: Path
    url: str

    def change(self, seed: int) -> bytes:
        """Puts other bytes of the same length into the file, in place, a little later by its date."""
        then = self.file.stat().st_mtime
        content = Random(seed).randbytes(LENGTH)
        with open(self.file, "r+b") as file:
            file.write(content)
        os.utime(self.file, (then + 60, then + 60))
        return content


def _open(host: Host, directory: Path) -> Iterator[Site]:
    files = directory / "files"
    files.mkdir()
    own = directory / "server"
    own.mkdir()
    file = files / download_apps.NAME
    file.write_bytes(Random(0).randbytes(LENGTH))
    os.utime(file, (1_700_000_000, 1_700_000_000))
    with ExitStack() as stack:
        relay = Relay(stack.enter_context(host.serving(files, own)), RATE)
        stack.enter_context(relay.serving())
        yield Site(host, relay, file, relay.url + host.path)


@pytest.fixture(params=HOSTS)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _open(HOSTS[request.param], tmp_path_factory.mktemp("site"))


@pytest.fixture
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield from _open(HOSTS["nginx"], tmp_path_factory.mktemp("site"))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def check(got: Download, site: Site, target: Path) -> None:
    """The file is that of the server, and nothing lies beside it."""
    assert got.path == target
    assert digest(target) == digest(site.file)
    assert got.complete_length == LENGTH
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def break_off(site: Site, target: Path, **options: Any) -> None:
    """A first run, which the network ends after a part of the file."""
    site.relay.cut_after(CUT)
    with pytest.raises(NetworkError):
        download(site.url, target, tries=1, **QUICK, **options)
    site.relay.mend()
    assert not target.exists()
    assert target.with_name(f"{target.name}.part").exists()


# --- whole, resumed, segmented ---------------------------------------------------------------------------------------

def test_whole(site: Site, tmp_path: Path) -> None:
    got = download(site.url, tmp_path / "file", segments=1, **QUICK)
    check(got, site, tmp_path / "file")
    assert (got.received, got.kept, got.restarts) == (LENGTH, 0, 0)
    assert site.relay.most_at_once == 1


def test_segmented(site: Site, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    told: list[Progress] = []
    got = download(site.url, tmp_path / "file", progress=told.append, sha256=digest(site.file), **SEGMENTED)
    check(got, site, tmp_path / "file")
    report.note("downloads in four segments", (
        f"{request.node.callspec.id:40} {site.relay.connections} connections, {site.relay.most_at_once} at once, "
        f"{got.received - LENGTH:+,} bytes, {got.seconds:.2f} s"))
    if not site.host.ranges:
        assert site.relay.most_at_once == 1
    elif not site.host.connections:
        assert site.relay.most_at_once >= 2
    assert got.received <= LENGTH + 4 * OVERLAP


def test_cut_and_mended_in_one_run(site: Site, tmp_path: Path) -> None:
    site.relay.cut_after(CUT, and_refuse=False)
    got = download(site.url, tmp_path / "file", segments=1, **QUICK)
    check(got, site, tmp_path / "file")
    assert got.received <= (LENGTH if site.host.ranges else LENGTH + CUT) + OVERLAP


def test_cut_and_gone_on_with_by_another_run(site: Site, tmp_path: Path) -> None:
    break_off(site, tmp_path / "file", segments=1)
    got = download(site.url, tmp_path / "file", segments=1, **QUICK)
    check(got, site, tmp_path / "file")
    if site.host.ranges:
        assert got.kept > CUT - OVERLAP
        assert got.received <= LENGTH - got.kept + OVERLAP
        assert got.restarts == 0


def test_cut_in_segments_and_gone_on_with(site: Site, tmp_path: Path) -> None:
    break_off(site, tmp_path / "file", **{name: SEGMENTED[name] for name in ("segments", "segment_size", "worthwhile")})
    got = download(site.url, tmp_path / "file", **SEGMENTED)
    check(got, site, tmp_path / "file")
    if site.host.ranges:
        assert got.kept > CUT - 4 * OVERLAP
        assert got.received <= LENGTH - got.kept + 4 * OVERLAP


def test_cancelled_and_gone_on_with(site: Site, tmp_path: Path) -> None:
    async def begin() -> None:
        half = asyncio.Event()
        loop = asyncio.get_running_loop()

        def watch(now: Progress) -> None:
            if now.done > LENGTH // 3:
                loop.call_soon_threadsafe(half.set)

        task = asyncio.create_task(adownload(site.url, tmp_path / "file", segments=1, progress=watch, **QUICK))
        waiting = asyncio.create_task(half.wait())
        await asyncio.wait({task, waiting}, timeout=60, return_when=asyncio.FIRST_COMPLETED)
        assert half.is_set(), "it ended, or nothing came"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(begin())
    assert not (tmp_path / "file").exists()
    assert (tmp_path / "file.part").exists()
    got = download(site.url, tmp_path / "file", segments=1, **QUICK)
    check(got, site, tmp_path / "file")
    if site.host.ranges:
        assert got.kept > LENGTH // 3 - OVERLAP


# --- files that change between two runs ------------------------------------------------------------------------------

def test_another_file_of_the_same_length(site: Site, tmp_path: Path) -> None:
    break_off(site, tmp_path / "file", segments=1)
    site.change(1)
    got = download(site.url, tmp_path / "file", segments=1, **QUICK)
    check(got, site, tmp_path / "file")


def test_another_file_of_the_same_length_in_segments(site: Site, tmp_path: Path) -> None:
    break_off(site, tmp_path / "file", **{name: SEGMENTED[name] for name in ("segments", "segment_size", "worthwhile")})
    site.change(1)
    check(download(site.url, tmp_path / "file", **SEGMENTED), site, tmp_path / "file")


@pytest.mark.parametrize("options", [{**QUICK, "segments": 1}, SEGMENTED], ids=["one stream", "segments"])
def test_another_file_of_the_same_length_and_date(nginx: Site, options: dict[str, Any], tmp_path: Path) -> None:
    """No validator tells: nginx makes its ETag of length and date."""
    then = nginx.file.stat()
    break_off(nginx, tmp_path / "file", segments=1)
    nginx.change(1)
    os.utime(nginx.file, ns=(then.st_atime_ns, then.st_mtime_ns))
    check(download(nginx.url, tmp_path / "file", **options), nginx, tmp_path / "file")


# --- servers with rules of their own ---------------------------------------------------------------------------------

@pytest.fixture
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Site]]:
    """Opens a host by its name."""
    with ExitStack() as stack:
        def enter(name: str) -> Site:
            sites = _open(HOSTS[name], tmp_path_factory.mktemp("site"))
            stack.callback(lambda: next(sites, None))
            return next(sites)
        yield enter


def access_log(site: Site) -> list[str]:
    """nginx's, a line for each answer: path, status, Range, bytes."""
    return (site.file.parents[1] / "server" / "access.log").read_text().splitlines()


def test_one_connection_is_enough_where_others_get_503(opened: Callable[[str], Site], tmp_path: Path) -> None:
    site = opened("nginx with one connection")
    told: list[Progress] = []
    got = download(site.url, tmp_path / "file", progress=told.append, **SEGMENTED)
    check(got, site, tmp_path / "file")
    refused = [line for line in access_log(site) if line.split()[1] == "503"]
    assert refused, "it did not try a second connection: this test shows nothing"
    assert len(refused) < 10
    assert "fewer" in [each.event for each in told]


def test_gzip_is_not_asked_for(opened: Callable[[str], Site], tmp_path: Path) -> None:
    site = opened("nginx with gzip")
    got = download(site.url, tmp_path / "file", **SEGMENTED)
    check(got, site, tmp_path / "file")
    assert {line.split()[1] for line in access_log(site)} == {"206"}
