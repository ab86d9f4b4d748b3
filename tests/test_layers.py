"""The import rule: which room of the package may import which, and that the pure rooms are pure.

``docs/architecture.md`` draws the rooms. A module is named here by its path in the package, with dots; a room is a
module or a folder.
"""

from __future__ import annotations

import ast
import pathlib
from collections.abc import Iterator
from graphlib import TopologicalSorter

import pytest

import rangeware

PACKAGE = pathlib.Path(rangeware.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "http": set(),
    "core": {"http", "errors"},
    "bodies": {"core", "http", "errors"},
    "responder": {"bodies", "core", "http", "errors"},
    "backends": set(),
    "wsgi": {"responder", "bodies", "core", "http", "errors"},
    "asgi": {"responder", "backends", "bodies", "core", "http", "errors"},
}
"""By the name of a room: the other rooms that its modules may import."""

PURE = ("errors", "http", "core")
"""Rooms that only compute: from arguments to a result."""

PURE_IMPORTS = {"__future__", "collections.abc", "dataclasses", "datetime", "email.utils", "enum", "operator", "re",
                "typing"}
IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today", "time", "monotonic", "sleep", "random", "urandom",
                "getLogger"}


def modules() -> Iterator[str]:
    """The modules of the package, but for its public names and its command."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("__init__", "__main__"):
            yield name


def tree(name: str) -> ast.Module:
    """The source of a module, parsed."""
    path = PACKAGE.joinpath(*name.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(path.read_text())


def is_package(name: str) -> bool:
    return PACKAGE.joinpath(*name.split(".")).is_dir()


def imports(name: str) -> Iterator[tuple[bool, str]]:
    """What a module imports: whether it is ours, and its name, wherever in the module the import stands."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield False, node.module or ""
        elif isinstance(node, ast.ImportFrom):
            own = name.split(".")
            base = own[:len(own) - node.level + is_package(name)]
            for alias in node.names:  # "from .. import blocks" names a module, "from ..blocks import rendered" does too
                full = [*base, *(node.module.split(".") if node.module else [])]
                with_name = [*full, alias.name]
                path = PACKAGE.joinpath(*with_name)
                yield True, ".".join(with_name if path.is_dir() or path.with_suffix(".py").exists() else full)


def room_of(name: str, rooms: dict[str, set[str]] = MAY_IMPORT) -> str | None:
    """The most special room that a module is in."""
    fitting = [room for room in rooms if name == room or name.startswith(f"{room}.")]
    return max(fitting, key=len, default=None)


IN_ROOMS = [name for name in modules() if room_of(name)]


@pytest.mark.parametrize("name", IN_ROOMS)
def test_a_module_imports_only_from_rooms_below(name: str) -> None:
    room = room_of(name)
    assert room is not None
    for ours, imported in imports(name):
        if ours and room_of(imported) != room:
            assert room_of(imported) in MAY_IMPORT[room], f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in IN_ROOMS if room_of(name) in PURE])
def test_a_pure_module_imports_only_what_is_pure(name: str) -> None:
    for ours, imported in imports(name):
        assert ours or imported in PURE_IMPORTS, f"{name} imports {imported}"


@pytest.mark.parametrize("name", [name for name in IN_ROOMS if room_of(name) in PURE])
def test_a_pure_module_does_no_io_and_asks_no_clock(name: str) -> None:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in IMPURE_CALLS, f"{name}:{node.lineno} calls {called}"


def test_no_imports_go_in_a_circle() -> None:
    """Also within a room: its modules have an order in which they can be read."""
    below = {name: {imported for ours, imported in imports(name) if ours} & {*IN_ROOMS} - {name} for name in IN_ROOMS}
    packages = {name for name in IN_ROOMS if is_package(name)}  # which re-export what is in them
    list(TopologicalSorter({name: below[name] - packages for name in below if name not in packages}).static_order())
