"""An option of the command and the keyword of the function that does the work have one name.

Both are walked over. An option or a keyword that is new fails here, until it has a partner or a reason to have none.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from rangeware.client import download, upload
from rangeware.client.cli.arguments import make_get_parser, parse
from rangeware.client.cli.put_arguments import make_put_parser

URL = "http://127.0.0.1/f"

# Options whose keyword has another name, with the reason.
OTHER_NAMES = {
    "header": "headers",  # given once for each, as curl's; the keyword takes them all
    "user-agent": "headers",  # one header that has an option of its own
    "output": "path",  # as curl's, so that the FILE of a download is not taken for another URL
    "same": "mirrors",  # says of the further URLs that they have the same file
    "verbose": "trace",  # prints what ``trace`` is called with
    "json": "progress",  # prints what ``progress`` is called with
}
# Options without a keyword, with the reason.
COMMAND_ONLY = {
    "input": "several downloads", "jobs": "several downloads", "checksums": "several downloads",
    "remote-name": "does nothing", "quiet": "of what is shown", "help": "of what is shown",
    "version": "of what is shown", "user": "in the URL",
}
# Keywords without an option, with the reason.
FUNCTION_ONLY = {
    "url": "no option", "pool": "an object", "pieces": "an object", "first_delay": "fine tuning",
    "longest_delay": "fine tuning", "segment_size": "fine tuning", "worthwhile": "fine tuning",
    "state": "XDG_CACHE_HOME does it", "segments": "older name", "stall": "older name",
}
WORDS = {"sha256": "ab" * 32, "checksum": "md5:" + "ab" * 16, "protocol": "tus", "metadata": "5=5", "header": "A: 5"}


def options(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.Action]]:
    """The options of a command by their long names."""
    for action in parser._actions:
        if action.option_strings:
            yield max(action.option_strings, key=lambda each: each.startswith("--")).lstrip("-"), action


COMMANDS: dict[str, tuple[Callable[[], argparse.ArgumentParser], Callable[..., Any]]] = {
    "get": (make_get_parser, download), "put": (make_put_parser, upload)}
OPTIONS = [(command, *option) for command, (make, _) in COMMANDS.items() for option in options(make())]


def keyword_of(option: str) -> str:
    return OTHER_NAMES.get(option, option.replace("-", "_"))


def test_the_walk_finds_the_options() -> None:
    found = {(command, option) for command, option, _ in OPTIONS}
    assert {("get", "connections"), ("get", "header"), ("put", "header"), ("put", "chunk-size")} <= found
    assert len(OPTIONS) == sum(len(make()._actions) - 1 for make, _ in COMMANDS.values())  # all but URL, or FILE URL


@pytest.mark.parametrize(("command", "option"), [each[:2] for each in OPTIONS])
def test_an_option_has_the_name_of_its_keyword(command: str, option: str) -> None:
    parameters = inspect.signature(COMMANDS[command][1]).parameters
    assert (keyword_of(option) in parameters) != (option in COMMAND_ONLY)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_keyword_has_an_option(command: str) -> None:
    make, function = COMMANDS[command]
    with_option = {keyword_of(option) for option, _ in options(make())}
    without = {name for name in inspect.signature(function).parameters if name not in with_option}
    assert without <= FUNCTION_ONLY.keys() | ({"path"} if command == "put" else set())


def test_no_exception_is_left_over() -> None:
    every = {option for _, option, _ in OPTIONS}
    assert OTHER_NAMES.keys() | COMMAND_ONLY.keys() <= every
    parameters = {name for _, function in COMMANDS.values() for name in inspect.signature(function).parameters}
    assert FUNCTION_ONLY.keys() <= parameters - {keyword_of(option) for option in every}
    assert not {keyword for option, keyword in OTHER_NAMES.items() if keyword == option.replace("-", "_")}


@pytest.mark.parametrize(
    ("command", "option", "action"),
    [each for each in OPTIONS if each[1] not in {*COMMAND_ONLY, *OTHER_NAMES} - {"header", "user-agent"}],
    ids=lambda each: each if isinstance(each, str) else "")
def test_what_is_given_arrives_under_the_name_of_the_keyword(
    command: str, option: str, action: argparse.Action
) -> None:
    words = [] if action.nargs == 0 else [WORDS.get(option, "5")]
    given = parse([command, f"--{option}", *words, *(["f"] if command == "put" else []), URL]).options
    assert [*given] == [keyword_of(option)]
    inspect.signature(COMMANDS[command][1]).bind("", "", **given)


def test_older_names_have_one_line_each() -> None:
    """They stay accepted, and nobody is to choose between two names."""
    for function, older in ((download, ("segments", "stall")), (upload, ("stall",))):
        told = inspect.getdoc(function) or ""
        for name in older:
            assert [line for line in told.splitlines() if name in line.replace("segment_size", "")] == [
                f":param {name}: the older name of ``{'timeout' if name == 'stall' else 'connections'}``."]
