"""Compressed files from Apache, which names their coding (AddEncoding): kept as they are stored, as curl and wget do.

Apache sends ranges of the stored bytes under the same Content-Encoding.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from rangeware.client import NetworkError, download
from tests.matrix.download_hosts import HOSTS
from tests.matrix.relays import Relay

pytestmark = pytest.mark.matrix

TIMEOUT = 60.0
PLAIN = Random(5).randbytes(3_000_001)
FILES = {
    "films.tar.gz": gzip.compress(PLAIN, 1), "films.tgz": gzip.compress(PLAIN, 1), "notes.txt.gz": gzip.compress(PLAIN),
    "films.tar.bz2": bz2.compress(PLAIN), "films.tar.xz": lzma.compress(PLAIN, preset=0), "films.tar.Z": PLAIN,
    "film.br": PLAIN, "films.tar.zst": PLAIN,  # Apache looks at the name only
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Relay]:
    """A relay before Apache."""
    files, own = tmp_path_factory.mktemp("files"), tmp_path_factory.mktemp("apache")
    for folder in (*files.parents, files, own):
        if folder.name.startswith("pytest-of-") or folder in (files.parent, files, own):
            folder.chmod(0o755)
    for name, content in FILES.items():
        (files / name).write_bytes(content)
    with HOSTS["Apache"].serving(files, own) as address:
        relay = Relay(address)
        with relay.serving():
            yield relay


def stored(name: str) -> bytes:
    return FILES[name]


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("name", FILES)
def test_file_is_kept_as_it_is_stored(site: Relay, name: str, connections: int, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rangeware", "get", "-q", "-n", str(connections), f"{site.url}/{name}"]
    done = subprocess.run(command, cwd=tmp_path, timeout=TIMEOUT, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / name).read_bytes() == stored(name)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("connections", [1, 4])
@pytest.mark.parametrize("name", FILES)
def test_file_is_resumed_each_mebibyte(site: Relay, name: str, connections: int, tmp_path: Path) -> None:
    cuts = 0
    while True:
        site.cut_after(1 << 20)
        try:
            got = download(f"{site.url}/{name}", tmp_path / name, tries=1, segments=connections)
        except NetworkError:
            cuts += 1
            assert cuts < 10
            continue
        finally:
            site.mend()
        break
    assert (tmp_path / name).read_bytes() == stored(name)
    assert cuts >= 2
    assert got.kept > 0


@pytest.mark.parametrize("program", ["curl -sSfO", "wget -q"])
def test_other_programs_keep_it_too(site: Relay, program: str, tmp_path: Path) -> None:
    words = program.split()
    assert shutil.which(words[0]), f"{words[0]} is not installed"
    subprocess.run([*words, f"{site.url}/films.tar.gz"], cwd=tmp_path, timeout=TIMEOUT, check=True)
    assert (tmp_path / "films.tar.gz").read_bytes() == stored("films.tar.gz")
