"""The import rule: which room of the package may import which, and that the pure rooms are pure.

``docs/architecture.md`` draws the rooms. A module is named here by its path in the package, with dots; a room is a
module or a folder, without the rooms that are inside of it.
"""

from __future__ import annotations

import ast
import functools
import pathlib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from typing import NamedTuple

import rangeware

PACKAGE = pathlib.Path(rangeware.__file__).parent

MAY_IMPORT: dict[str, set[str]] = {
    "errors": set(),
    "http": set(),
    "core": {"http", "errors"},
    "bodies": {"core", "http", "errors"},
    "offload": {"errors"},
    "stores": {"bodies", "core", "http", "errors"},
    "responder": {"bodies", "core", "http", "errors"},
    "backends": set(),
    "app_protocol": {"errors"},
    "wsgi": {"responder", "app_protocol", "bodies", "core", "http", "errors"},
    "asgi": {"responder", "app_protocol", "backends", "bodies", "core", "http", "errors"},
    # The client: values, then the decisions, then what carries them out, then the functions that users call, then the
    # command. None of it knows the server side but for the two lowest rooms.
    "client.errors": set(),
    "client.digests": {"errors"},
    "client.checksum_files": {"client.digests", "errors"},
    "client.metalink": {"client.digests", "client.filenames", "errors"},
    "client.filenames": set(),
    "client.addresses": set(),
    "client.texts": set(),
    "client.progress": {"http"},
    "client.options": {"client.digests", "client.progress", "errors"},
    "client.upload_options": {"client.options", "errors"},
    "client.upload_text": set(),
    "client.planning": {"client.options", "client.upload_options", "client.upload_text", "client.texts",
                        "client.digests", "client.filenames", "client.errors", "http"},
    "client.io": {"client.planning", "client.options", "client.upload_options", "client.progress", "client.filenames",
                  "client.addresses", "client.texts", "client.digests", "client.errors", "http", "errors",
                  "__init__"},
    "client.asynchronous": {"client.options", "client.progress"},
    "client.described": {"client.addresses", "client.asynchronous", "client.io", "client.metalink", "client.options",
                         "client.progress", "client.errors", "errors"},
    "client.api": {"client.asynchronous", "client.described", "client.io", "client.planning", "client.options",
                   "client.progress", "client.digests", "client.errors", "errors"},
    "client.upload_api": {"client.asynchronous", "client.io", "client.planning", "client.upload_options",
                          "client.progress", "client.errors", "errors"},
    "client": {"client.api", "client.upload_api", "client.progress", "client.errors", "errors"},
    # What two commands share: ``client.cli`` and ``check.cli``.
    "client.cli.formatting": {"client.progress"},
    "client.cli.output": {"client.cli.formatting", "client.io"},
    "client.cli.parsing": {"client.texts"},
    "client.cli": {"client.cli.formatting", "client.cli.output", "client.cli.parsing", "check.cli.arguments", "client",
                   "client.api", "client.upload_api", "client.io", "client.checksum_files", "client.digests",
                   "client.progress", "client.texts", "client.errors", "errors"},
    # The check of any URL: the client's transport sends its requests, and its readers of response heads read the
    # answers. Of the server side it sees only the names of the reasons, to say which of them would explain an answer:
    # so core. What judges shares nothing else with what is judged.
    "check": {"core", "client.planning", "client.io", "client.options", "client.addresses", "client.digests",
              "client.texts", "client.errors", "http", "errors"},
    "check.cli.arguments": {"client.cli.parsing"},
    "check.cli": {"check.cli.arguments", "check", "client.cli.formatting", "client.cli.output", "client.cli.parsing",
                  "client.texts", "client.errors", "errors"},
    # Uploads: values, both protocols, storages, what carries operations out, then the apps. The apps send finished
    # files back through the middleware: ranges are not written twice.
    "uploads.protocol.values": set(),
    "uploads.encodings": {"uploads.protocol.values"},
    "uploads.protocol": {"uploads.encodings", "uploads.protocol.values", "http"},
    "uploads.storage": {"uploads.protocol.values"},
    "uploads.file_storage": {"uploads.storage", "uploads.usage", "uploads.disk", "uploads.protocol.values",
                             "errors"},
    "uploads.s3_storage": {"uploads.file_storage", "uploads.disk", "uploads.protocol.values", "errors"},
    "uploads.usage": {"uploads.disk", "uploads.protocol.values"},
    "uploads.disk": {"uploads.protocol.values"},
    "uploads.pace": set(),
    "uploads.engine": {"uploads.storage", "uploads.pace", "uploads.protocol", "uploads.protocol.values"},
    "uploads.cleaning": {"uploads.storage", "uploads.protocol.values"},
    "uploads.service": {"uploads.engine", "uploads.cleaning", "uploads.storage", "uploads.protocol",
                        "uploads.protocol.values", "http", "errors"},
    "uploads.wsgi": {"uploads.service", "uploads.engine", "uploads.storage", "uploads.protocol.values", "wsgi"},
    "uploads.asgi": {"uploads.service", "uploads.engine", "uploads.storage", "uploads.protocol.values", "asgi",
                     "backends"},
    "uploads.forms": {"uploads.protocol.values", "http", "errors"},
    "uploads.chunks": {"uploads.encodings", "uploads.storage", "uploads.protocol.values"},
    "uploads.chunked": {"uploads.chunks", "uploads.forms", "uploads.service", "uploads.engine", "uploads.storage",
                        "uploads.protocol.values", "http"},
    "uploads.command": {"uploads.cleaning", "uploads.file_storage"},
    "uploads": {"uploads.asgi", "uploads.wsgi", "uploads.engine", "uploads.file_storage", "uploads.s3_storage",
                "uploads.protocol.values"},
    "__main__": {"check.cli", "client.cli", "uploads.command", "uploads"},
    "__init__": {"bodies", "core", "http", "errors", "wsgi", "asgi"},
}
"""By the name of a room: the other rooms that its modules may import."""

PURE = {"errors", "http", "core", "client.errors", "client.digests", "client.checksum_files", "client.metalink",
        "client.filenames", "client.addresses", "client.texts", "client.progress", "client.options",
        "client.upload_options", "client.upload_text", "client.planning", "client.io.journal",
        "client.io.upload_record", "client.cli.formatting", "client.cli.hints",
        "check.values", "check.overlaps", "check.known", "check.probes", "check.multipart", "check.conditions",
        "check.responses", "check.fields", "check.timing", "check.digests",
        "check.compression", "check.findings", "check.clients", "check.advice", "check.reporting", "check.cli.display",
        "uploads.protocol", "uploads.protocol.values",
        "uploads.encodings"}
"""Rooms and modules that only compute: from arguments to a result."""

PURE_IMPORTS = {"__future__", "collections", "collections.abc", "dataclasses", "datetime", "email.utils", "enum",
                "operator", "re", "typing"}
MORE_IMPORTS = {
    "core.app_head": {"functools"},  # a cache of text that depends on nothing but its arguments
    "client.digests": {"base64", "binascii"},
    "client.filenames": {"base64", "binascii", "unicodedata", "urllib.parse"},
    "client.metalink": {"xml.etree"},  # of a document in memory
    "client.io.journal": {"json"},
    "client.addresses": {"contextlib", "functools", "idna", "ipaddress", "urllib.parse"},
    "client.io.upload_record": {"json"},
    "client.texts": {"http"},  # the phrases of statuses
    "client.upload_text": {"base64", "urllib.parse"},
    "client.cli.formatting": {"os", "unicodedata"},  # of os, what takes a path apart
    "client.options": {"os", "urllib3"},  # as types only
    "client.upload_options": {"os"},  # as a type only
    "client.progress": {"pathlib"},  # as a type only
    "check.cli.display": {"textwrap"},
    "check.overlaps": {"bisect"},
    "check.digests": {"hashlib"},
    "uploads.encodings": {"base64", "binascii", "email.message"},
}
"""By the name of a pure module: parts of the standard library that are as pure as what it does with them."""

IMPURE_CALLS = {"open", "print", "input", "now", "utcnow", "today", "time", "monotonic", "sleep", "random", "urandom",
                "getLogger"}


class Import(NamedTuple):
    """An import, wherever in a module it stands. ``name`` has dots, and is that of a module, if it is ours."""

    is_ours: bool
    name: str


def modules() -> Iterator[str]:
    """The names of all modules of the package."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        yield name.removesuffix(".__init__")


@functools.cache
def path_of(name: str) -> pathlib.Path:
    path = PACKAGE.joinpath(*name.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@functools.cache
def tree(name: str) -> ast.Module:
    """The source of a module, parsed."""
    return ast.parse(path_of(name).read_text())


@functools.cache
def imports(name: str) -> tuple[Import, ...]:
    """All imports of a module."""
    return *_imports(name),


def _imports(name: str) -> Iterator[Import]:
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from (Import(False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield Import(False, node.module or "")
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(True, imported) for imported in _relative(name, node))


def _relative(name: str, node: ast.ImportFrom) -> Iterator[str]:
    """``from ..core import plan`` names a module, as does ``from ..core.plan import decide``."""
    folder = path_of(name).parent.relative_to(PACKAGE).parts
    base = [*folder[:len(folder) + 1 - node.level], *(node.module or "").split(".")]
    module = ".".join(filter(None, base))
    for alias in node.names:
        longer = f"{module}.{alias.name}".lstrip(".")
        yield longer if path_of(longer).exists() else module or "__init__"


@functools.cache
def room_of(name: str) -> str:
    """The innermost room that a module is in."""
    fitting = [room for room in MAY_IMPORT if name == room or name.startswith(f"{room}.")]
    assert fitting, f"{name} is in no room"
    return max(fitting, key=len)


MODULES = [*modules()]
PURE_MODULES = [name for name in MODULES if name in PURE or room_of(name) in PURE]


def test_the_walk_finds_the_modules() -> None:
    assert {"core.plan", "wsgi.fastpath", "client.planning.planner", "client.cli.command", "http"} <= {*MODULES}
    assert Import(True, "core.segments") in imports("core.plan")
    assert Import(True, "wsgi.fastpath") in imports("wsgi.middleware")
    assert Import(True, "client.api") in imports("client.cli.command")


def test_a_module_imports_only_from_rooms_below() -> None:
    assert [f"{name} imports {imported}" for name in MODULES for is_ours, imported in imports(name)
            if is_ours and room_of(imported) not in {room_of(name), *MAY_IMPORT[room_of(name)]}] == []


def test_a_pure_module_imports_only_what_is_pure() -> None:
    assert [f"{name} imports {imported}" for name in PURE_MODULES for is_ours, imported in imports(name)
            if imported not in (PURE_MODULES if is_ours else PURE_IMPORTS | MORE_IMPORTS.get(name, set()))] == []


def calls(name: str) -> Iterator[tuple[int, str]]:
    """Each call that a module has: its line, and the name of what is called."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Call):
            yield node.lineno, node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_a_pure_module_does_no_io_and_asks_no_clock() -> None:
    assert [f"{name}:{line} calls {called}" for name in PURE_MODULES for line, called in calls(name)
            if called in IMPURE_CALLS] == []


def test_no_imports_go_in_a_circle() -> None:
    """Also within a room: its modules have an order in which they can be read. An ``__init__`` only re-exports."""
    ours = {name for name in MODULES if path_of(name).name != "__init__.py"}
    below = {name: {imported for is_ours, imported in imports(name) if is_ours} & ours for name in ours}
    assert [*TopologicalSorter(below).static_order()]
