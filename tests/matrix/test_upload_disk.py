"""A disk that is full: a real file system of 20 MB, in memory. Mounting it needs root."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from rangeware.uploads import FileStorage
from tests.uploads.support import PATCH, TUS, TWINS, app_of, ask, create, offset_of, patch, stored

pytestmark = pytest.mark.matrix

CONTENT = Random(1).randbytes(12_000_000)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FileStorage]:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)], check=True)
    try:
        yield FileStorage(disk / "uploads")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("twin", TWINS)
def test_space_is_promised_once(twin: str, storage: FileStorage) -> None:
    app = app_of(twin, storage)
    first = create(app, len(CONTENT))
    assert patch(app, first, 0, CONTENT[:5_000_000]).status == 204
    answer = ask(app, "POST", "/", {**TUS, "Upload-Length": str(len(CONTENT))})
    assert (answer.status, answer.get("Location")) == (507, None)
    assert patch(app, first, 5_000_000, CONTENT[5_000_000:]).status == 204
    assert (offset_of(app, first), stored(storage, first)) == (len(CONTENT), CONTENT)
    assert len(list(storage.uploads())) == 1


@pytest.mark.parametrize("twin", TWINS)
def test_a_disk_that_fills_up_meanwhile(twin: str, storage: FileStorage) -> None:
    """Uploads of unknown length get no promise: what fitted is kept, and they go on once there is space."""
    app = app_of(twin, storage)
    promised, growing = create(app, 10_000_000), create(app, None)
    fields = {**PATCH, "Upload-Offset": "0", "Upload-Length": str(len(CONTENT))}
    assert ask(app, "PATCH", growing, fields, CONTENT).status == 507
    assert patch(app, growing, 0, CONTENT).status == 507
    kept = offset_of(app, growing)
    assert kept > 10_000_000
    assert stored(storage, growing) == CONTENT[:kept]
    assert patch(app, promised, 0, CONTENT[:10_000_000]).status == 204
    assert ask(app, "DELETE", promised, TUS).status == 204
    assert patch(app, growing, kept, CONTENT[kept:], Upload_Length=str(len(CONTENT))).status == 204
    assert stored(storage, growing) == CONTENT
