"""The parameters of the public callables, as an editor and ``help()`` show them.

A signature and the dataclass that checks its values both have the defaults. Here they are compared, so that neither can
be changed alone, and each parameter must be described in the docstring.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import MISSING, Field, fields, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from rangeware import AsgiRangeMiddleware, RangeMiddleware
from rangeware.client import adownload, aupload, download, upload
from rangeware.client.digests import Pieces
from rangeware.client.options import DownloadOptions, TransferOptions
from rangeware.client.upload_options import UploadOptions
from rangeware.core.options import Options
from rangeware.stores import FsspecBody
from rangeware.uploads import AsgiUploadApp, FileStorage, UploadApp
from rangeware.uploads.chunked import ChunkedUploadApp
from rangeware.uploads.service import Service
from rangeware.wsgi.paste import main

from .asgi_support import ask
from .support import CONTENT, answering, get
from .test_doctests import starlette_app

SAME: dict[str, tuple[Callable[..., Any], type, tuple[str, ...]]] = {
    # name: the callable, the dataclass, and the keywords of the callable that are not fields
    "RangeMiddleware": (RangeMiddleware, Options, ()),
    "AsgiRangeMiddleware": (AsgiRangeMiddleware, Options, ()),
    "UploadApp": (UploadApp, Service, ("app",)),
    "AsgiUploadApp": (AsgiUploadApp, Service, ("app",)),
    "download": (download, DownloadOptions, ("stall", "segments")),
    "adownload": (adownload, DownloadOptions, ("stall", "segments")),
    "upload": (upload, UploadOptions, ("stall",)),
    "aupload": (aupload, UploadOptions, ("stall",)),
}


TWINS = {"adownload": download, "aupload": upload}
"""Their parameters are described in the docstrings of these."""


def keywords(called: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    """The keyword-only parameters, in their order."""
    parameters = inspect.signature(called).parameters
    return {name: each for name, each in parameters.items() if each.kind is each.KEYWORD_ONLY}


def default_of(field: Field[Any]) -> object:
    """The default of a field. A mapping that each object has for itself is None in a signature."""
    return field.default if field.default_factory is MISSING else None


def in_order(made: type) -> list[Field[Any]]:
    """The fields, as a signature has them: those of the class itself before those that it inherits."""
    inherited = {field.name for field in fields(TransferOptions)} if issubclass(made, TransferOptions) else ()
    return sorted((field for field in fields(made) if field.name != "storage"), key=lambda each: each.name in inherited)


def described(called: Callable[..., Any]) -> list[str]:
    """The names in the field list of the docstring."""
    return re.findall(r"^:param (\w+):", inspect.getdoc(called) or "", re.MULTILINE)


@pytest.mark.parametrize(("called", "made", "others"), SAME.values(), ids=SAME)
def test_a_signature_has_the_fields_and_defaults_of_its_dataclass(
    called: Callable[..., Any], made: type, others: tuple[str, ...]
) -> None:
    own = {name: each for name, each in keywords(called).items() if name not in others}
    of_fields = {field.name: field for field in in_order(made)}
    assert [*own] == [*of_fields]
    for name, parameter in own.items():
        field = of_fields[name]
        type_of = field.type if field.default_factory is MISSING else f"{field.type} | None"
        assert repr(parameter.default) == repr(default_of(field)), name
        assert parameter.annotation == type_of, name


@pytest.mark.parametrize("called", [called for called, _, _ in SAME.values()], ids=SAME)
def test_no_parameter_is_taken_unnamed(called: Callable[..., Any]) -> None:
    """``**options`` would tell an editor nothing."""
    kinds = {each.kind for each in inspect.signature(called).parameters.values()}
    assert kinds <= {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}


@pytest.mark.each
@pytest.mark.parametrize(("name", "value"), {
    "max_ranges": 7, "block_size": 8, "hide_range": False, "preconditions": False, "validators": False,
    "spool_limit": 9, "applies": bool, "on_plan": print,
}.items())
@pytest.mark.parametrize("middleware", [RangeMiddleware, AsgiRangeMiddleware])
def test_each_option_arrives_under_its_own_name(middleware: Any, name: str, value: object) -> None:
    made = middleware(answering([CONTENT]) if middleware is RangeMiddleware else starlette_app(), **{name: value})
    assert str(made).count(f" {name}={value!r}") == 1
    assert sum(f"{field.name}={field.default!r}" in str(made) for field in fields(Options)) == len(fields(Options)) - 1


@pytest.mark.each
@pytest.mark.parametrize(("name", "value"), {
    "path": "/x/", "max_size": 7, "expires": 8.5, "authorize": bool, "finished": print, "download": False,
    "cors": (), "trust_forwarded": True,
}.items())
@pytest.mark.parametrize("app", [UploadApp, AsgiUploadApp])
def test_each_option_of_an_upload_app_arrives_under_its_own_name(
    app: Any, name: str, value: object, tmp_path: Path
) -> None:
    storage = FileStorage(tmp_path)
    assert vars(app(storage, **{name: value}))["_service"] == replace(Service(storage), **{name: value})


@pytest.mark.parametrize("name", TWINS)
def test_the_function_for_asyncio_has_the_parameters_of_the_other(name: str) -> None:
    asynchronous, other = SAME[name][0], TWINS[name]
    assert inspect.signature(asynchronous) == inspect.signature(other)
    assert inspect.iscoroutinefunction(asynchronous)
    assert (inspect.getdoc(asynchronous) or "").partition(",")[0].endswith(f"as ``{other.__name__}`` does")


def test_both_middlewares_are_described_alike() -> None:
    """What is learned about one is true of the other; only the names of their worlds differ."""
    def lines(of: type) -> list[str]:
        told = " ".join((inspect.getdoc(of) or "").partition(":param max_ranges:")[2].partition(":raises")[0].split())
        return told.replace("the scope", "environ").replace("scope", "environ").replace('"path"', '"PATH_INFO"').split()

    assert lines(AsgiRangeMiddleware) == lines(RangeMiddleware)


# --- every public name ------------------------------------------------------------------------------------------------

ROOMS = ("rangeware", "rangeware.asgi", "rangeware.client", "rangeware.offload", "rangeware.stores",
         "rangeware.uploads", "rangeware.wsgi")
PUBLIC = {
    **{f"{room}.{name}": getattr(import_module(room), name) for room in ROOMS for name in import_module(room).__all__},
    "rangeware.uploads.chunked.ChunkedUploadApp": ChunkedUploadApp, "rangeware.wsgi.paste.main": main,
    "rangeware.client.digests.Pieces": Pieces, "rangeware.stores.FsspecBody.from_url": FsspecBody.from_url,
}


def test_the_walk_finds_the_public_names() -> None:
    assert {"rangeware.RangeMiddleware", "rangeware.stores.S3Body", "rangeware.client.download"} <= PUBLIC.keys()


WITHOUT_PARAMETERS = {"OpenableBody", "Reason", "InvalidOption"}
"""A base class, an enumeration, and an exception that takes what any takes."""


def last(name: str) -> str:
    return name.rpartition(".")[2]


def test_each_parameter_of_a_public_name_is_described_in_its_order() -> None:
    names = [each for each in PUBLIC if last(each) not in {*TWINS, *WITHOUT_PARAMETERS}]
    parameters = {name: [*inspect.signature(PUBLIC[name]).parameters] for name in names}
    assert [] not in parameters.values()
    assert {name: described(PUBLIC[name]) for name in names} == parameters


def test_each_public_class_has_an_example() -> None:
    """``tests/test_doctests.py`` runs them all."""
    assert [name for name, public in PUBLIC.items()
            if inspect.isclass(public) and ">>> " not in (public.__doc__ or "")] == []


# --- the ways in which frameworks make a middleware -------------------------------------------------------------------

def members(count: int) -> str:
    return "bytes=" + ",".join(f"{20 * index}-{20 * index + 1}" for index in range(count))


def test_partial() -> None:
    make = partial(RangeMiddleware, max_ranges=2)
    assert get(make(answering([CONTENT])), members(2)).status == 206
    assert get(make(answering([CONTENT])), members(3)).status == 200


def test_starlette() -> None:
    added = starlette_app()
    added.add_middleware(AsgiRangeMiddleware, max_ranges=2)
    listed = Starlette(routes=starlette_app().routes, middleware=[Middleware(AsgiRangeMiddleware, max_ranges=2)])
    for app in (added, listed):
        assert [ask(app, members(count)).status for count in (2, 3)] == [206, 200]


@pytest.mark.parametrize("middleware", [RangeMiddleware, AsgiRangeMiddleware])
def test_an_unknown_option_is_a_type_error_that_names_it(middleware: Any) -> None:
    """As with any function: type checkers say so before, and Python 3.13 names the option that is meant."""
    with pytest.raises(TypeError, match="max_range'"):
        middleware(starlette_app(), max_range=5)


@pytest.mark.parametrize("called", [AsgiRangeMiddleware.__init__, AsgiUploadApp.__init__, download, adownload, upload,
                                    aupload, FileStorage.__init__], ids=lambda called: called.__qualname__)
def test_types_can_be_looked_up_at_run_time(called: Callable[..., Any]) -> None:
    """Dependency injection and notebooks do so. The types of WSGI exist for type checkers only, up to Python 3.10."""
    assert get_type_hints(called).keys() >= inspect.signature(called).parameters.keys() - {"self"}
