"""The wing of the client: what each of its rooms may import, and that deciding is without I/O."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import rangeware.client

WING = pathlib.Path(rangeware.client.__file__).parent
LEVELS = [  # each may import those before it
    "errors", "progress", "spans", "heads", "verdict", "segments", "names", "digests", "meter", "settings", "journal",
    "patience", "holdings", "planner", "system", "partial", "files", "interim", "transport", "target", "engine",
    "fetch", "wording", "arguments", "display", "command",
]
NAMES = set(rangeware.client.__all__)
PURE = {"errors", "progress", "spans", "heads", "verdict", "segments", "names", "digests", "meter", "settings",
        "journal", "patience", "holdings", "planner", "wording"}
ALLOWED = {"__future__", "base64", "binascii", "collections", "collections.abc", "dataclasses", "datetime", "enum",
           "json", "os", "pathlib", "re", "typing", "unicodedata", "urllib.parse", "urllib3"}
FOR_TYPES = {"settings": {"os", "urllib3"}, "progress": {"pathlib"}, "wording": {"os"}}


def _imports(name: str) -> list[tuple[int, str]]:
    tree = ast.parse((WING / f"{name}.py").read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(0, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [(node.level, node.module or alias.name) for alias in node.names]
    return found


def test_every_room_is_known():
    assert {path.stem for path in WING.glob("*.py")} == {*LEVELS, "__init__"}


@pytest.mark.parametrize("name", LEVELS)
def test_the_client_uses_fields_and_errors_of_the_core_and_what_is_below(name):
    for level, module in _imports(name):
        if level == 2:
            assert module == "errors" or module.startswith("http."), f"{name} imports {module}"
        elif level == 1:
            of_the_whole_wing = name in ("wording", "display", "command") and module in NAMES
            assert of_the_whole_wing or module in LEVELS[:LEVELS.index(name)]


@pytest.mark.parametrize("name", sorted(PURE))
def test_what_decides_neither_reads_nor_waits(name):
    for level, module in _imports(name):
        if module in ("os", "pathlib", "urllib3"):
            assert module in FOR_TYPES.get(name, set()), f"{name} imports {module}"
        assert level or module in ALLOWED, f"{name} imports {module}"
    source = (WING / f"{name}.py").read_text()
    for call in ("open(", "print(", "now(", "time.", "random."):
        assert call not in source.replace("re.open(", "")


@pytest.mark.parametrize(("statement", "absent"), [
    ("import rangeware.client", "urllib3"),
    ("import rangeware.client", "rangeware.wsgi"),
    ("from rangeware.client import download", "asyncio"),
    ("from rangeware.client import download", "rich"),
])
def test_nothing_is_loaded_that_is_not_needed(statement, absent):
    code = f"{statement}; import sys; sys.exit({absent!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_name_that_is_none():
    with pytest.raises(AttributeError, match="upload"):
        rangeware.client.upload  # noqa: B018
