"""What a user finds who looks around: names, version, repr, and what ``applies`` may return."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from typing import Any

import pytest

import rangeware
from rangeware import AsgiRangeMiddleware, RangeMiddleware
from tests.asgi_support import ask
from tests.support import CONTENT, answering, get


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000")]})
    await send({"type": "http.response.body", "body": CONTENT})


def test_dir_has_every_public_name() -> None:
    """Looked for in a process where neither middleware has been named yet."""
    code = "import rangeware; print(*dir(rangeware))"
    names = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {*rangeware.__all__, "__version__", "__all__", "__doc__"} <= {*names}
    assert len(names) == len({*names})


def test_the_version_is_that_of_the_distribution() -> None:
    assert rangeware.__version__ == metadata.version("rangeware")


def test_dir_is_sorted_and_has_no_name_twice() -> None:
    assert dir(rangeware) == sorted({*dir(rangeware)})


def test_dir_loads_nothing() -> None:
    code = "import sys, rangeware; dir(rangeware); print('asyncio' in sys.modules, 'rangeware.wsgi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n")


@pytest.mark.parametrize("kind", [RangeMiddleware, AsgiRangeMiddleware])
def test_repr_shows_the_app_and_every_option(kind: Any) -> None:
    app = asgi if kind is AsgiRangeMiddleware else answering([CONTENT])
    shown = repr(kind(app, max_ranges=7, validators=False, applies=bool))
    assert shown.startswith(f"{kind.__name__}({app!r}, max_ranges=7, block_size=131072, hide_range=True, ")
    assert "validators=False" in shown
    assert "applies=<class 'bool'>" in shown


@pytest.mark.parametrize(("returned", "status"), [
    (False, 200), (True, 206), (None, 206), (0, 206), ("", 206), ([], 206), (1, 206)], ids=repr)
def test_only_false_leaves_a_request_alone(returned: Any, status: int) -> None:
    for answer in (get(RangeMiddleware(answering([CONTENT]), applies=lambda environ: returned), "bytes=0-9"),
                   ask(AsgiRangeMiddleware(asgi, applies=lambda scope: returned), "bytes=0-9")):
        assert answer.status == status
