"""The client loads nothing that is not needed; ``tests/test_layers.py`` has the import rule."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rangeware.client


@pytest.mark.parametrize(("statement", "absent"), [
    ("import rangeware.client", "urllib3"),
    ("import rangeware.client", "rangeware.wsgi"),
    ("from rangeware.client import download", "asyncio"),
    ("from rangeware.client import upload", "asyncio"),
    ("from rangeware.client import download", "rich"),
])
def test_nothing_is_loaded_that_is_not_needed(statement, absent):
    code = f"{statement}; import sys; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_that_is_none():
    with pytest.raises(AttributeError, match="send"):
        rangeware.client.send  # noqa: B018
