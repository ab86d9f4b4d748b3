"""The libraries of the stores are loaded by whoever names a class that needs them, and by nobody else."""

from __future__ import annotations

import subprocess
import sys

import pytest

import rangeware.stores


@pytest.mark.parametrize(("statement", "loaded"), [
    ("import rangeware, rangeware.wsgi, rangeware.asgi, rangeware.stores", set()),
    ("from rangeware.stores import S3Body", {"botocore"}),
    ("from rangeware.stores import FsspecBody", {"fsspec"}),
])
def test_only_what_is_needed_is_loaded(statement: str, loaded: set[str]) -> None:
    program = f"import sys; {statement}; print(*{{'boto3', 'botocore', 'fsspec', 's3fs'}} & {{*sys.modules}})"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert {*printed.split()} == loaded


def test_an_unknown_name() -> None:
    with pytest.raises(AttributeError, match="'rangeware.stores' has no attribute 'GcsBody'"):
        _ = rangeware.stores.GcsBody
