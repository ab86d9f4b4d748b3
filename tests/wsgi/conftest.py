"""What several tests of the WSGI adapter need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import CONTENT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file old enough for a strong tag."""
    made = tmp_path / "film.mp4"
    made.write_bytes(CONTENT)
    os.utime(made, (1_700_000_000, 1_700_000_000))
    return made
