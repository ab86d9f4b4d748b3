"""What a user finds who looks around: names, version, repr, and what ``applies`` may return."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module, metadata
from typing import Any

import pytest

import rangeware
import rangeware.check
import rangeware.client
from rangeware import AsgiRangeMiddleware, RangeMiddleware
from rangeware.client.errors import with_hint
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


@pytest.mark.parametrize("room", ["rangeware", "rangeware.client", "rangeware.stores"])
def test_dir_of_a_package_has_what_it_loads_late(room: str) -> None:
    """For those who press Tab: the names must be there, and nothing be loaded for them."""
    code = (f"import sys, {room} as room\n"
            "print({*room.__all__} <= {*dir(room)}, {'urllib3', 'boto3', 'asyncio'} & {*sys.modules})")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True set()\n"
    assert {*import_module(room).__all__} <= {*dir(import_module(room))}


@pytest.mark.parametrize("name", ["InvalidOption", "TransferError", "NetworkError", "ChangedError", "DigestError",
                                  "DiskError", "OutputClosed", "DownloadError"])
def test_the_errors_of_a_transfer_are_where_its_functions_are(name: str) -> None:
    error = getattr(rangeware.client, name)
    assert issubclass(error, rangeware.InvalidOption if name == "InvalidOption" else rangeware.client.TransferError)


@pytest.mark.parametrize("room", ["rangeware", "rangeware.client", "rangeware.offload", "rangeware.stores",
                                  "rangeware.uploads", "rangeware.wsgi", "rangeware.asgi"])
def test_a_package_has_at_most_eight_public_names(room: str) -> None:
    assert 1 <= len(import_module(room).__all__) <= 8


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
    assert shown.startswith(f"{kind.__name__}({app!r}, max_ranges=7, block_size=126976, hide_range=True, ")
    assert "validators=False" in shown
    assert "applies=<class 'bool'>" in shown


@pytest.mark.parametrize(("returned", "status"), [
    (False, 200), (True, 206), (None, 206), (0, 206), ("", 206), ([], 206), (1, 206)], ids=repr)
def test_only_false_leaves_a_request_alone(returned: Any, status: int) -> None:
    for answer in (get(RangeMiddleware(answering([CONTENT]), applies=lambda environ: returned), "bytes=0-9"),
                   ask(AsgiRangeMiddleware(asgi, applies=lambda scope: returned), "bytes=0-9")):
        assert answer.status == status


@pytest.mark.parametrize(("room", "name"), [("rangeware.client", "download"), ("rangeware.client", "aupload"),
                                            ("rangeware.check", "check")])
def test_what_to_install_is_told(room: str, name: str):
    script = f"import sys; sys.modules['urllib3'] = None; from {room} import {name}"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr
    assert said.splitlines()[-1] == "ModuleNotFoundError: urllib3 is missing: pip install 'rangeware[client]'"


def test_another_module_that_is_missing_is_told_as_it_is():
    script = "import sys; sys.modules['urllib3.exceptions'] = None; from rangeware.client import download"
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stderr
    assert "import of urllib3.exceptions halted" in said.splitlines()[-1]


def test_a_hint_is_given_for_urllib3_only(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(rangeware.client._LOADED_LATE, "download", "not_there")
    with pytest.raises(ModuleNotFoundError, match="No module named 'rangeware.client.not_there'"):
        rangeware.client.download  # noqa: B018
    monkeypatch.setitem(sys.modules, "rangeware.check.checking", None)
    with pytest.raises(ModuleNotFoundError, match="import of rangeware.check.checking halted"):
        rangeware.check.check  # noqa: B018
    assert "pip install" in str(with_hint(ModuleNotFoundError("No module named 'urllib3'", name="urllib3")))
