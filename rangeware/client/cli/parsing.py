"""Parts of a command line that ``rangeware get`` and ``rangeware put`` have in common."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, NoReturn

_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmgt]?)", re.IGNORECASE | re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_ADDRESS = re.compile(r"https?://[^\s/?#]\S*", re.IGNORECASE)
_SECRET = ("authorization", "cookie", "proxy-authorization")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5


class UsageError(Exception):
    """The command line is wrong; the text says where."""


class NothingToDo(Exception):  # noqa: N818 - no error
    """The command line asked for the help or the version only, which has been shown."""


class Arguments(NamedTuple):
    """The arguments of one command line.

    :param command: "get" or "put".
    :param path: the file; None for a name that the server gives.
    :param options: as ``rangeware.client.download`` or ``upload`` takes them.
    :param secrets: by word as it was given: as it may be shown.
    """

    command: str
    urls: list[str]
    path: str | None
    options: dict[str, Any]
    secrets: dict[str, str]
    as_json: bool
    quiet: bool


def check_url(url: str) -> None:
    """Check a URL.

    :raises UsageError: unless it is an http or https URL.
    """
    if not _ADDRESS.fullmatch(url):
        raise UsageError(f"not an http or https URL: {url}")


def fields_of(headers: list[str]) -> dict[str, str]:
    """Make a mapping of headers. A repeated header becomes one list (RFC 9110 5.3), and cookies one string."""
    fields: dict[str, str] = {}
    for name, _, value in (header.partition(":") for header in headers):
        key = next((known for known in fields if known.lower() == name.lower()), name)
        before = [fields[key]] if key in fields else []
        fields[key] = ("; " if key.lower() == "cookie" else ", ").join([*before, value.strip(" \t")])
    return fields


def secrets_of(headers: list[str]) -> dict[str, str]:
    """The headers among these that are secret, and as they may be shown."""
    names = {header: header.partition(":")[0] for header in headers}
    return {header: f"{name}: ..." for header, name in names.items() if name.lower() in _SECRET}


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise NothingToDo


def make_parser(
    command: str, usage: str, about: str, more: str, **groups: Callable[[argparse._ArgumentGroup], None]
) -> Parser:
    """Make the parser of a command.

    :param groups: by their headings, with "_" for a space: each is called to add its arguments. The arguments for what
        is shown follow them.
    """
    parser = Parser(
        f"rangeware {command}",
        usage=f"rangeware {command} {usage}",
        description=about,
        epilog=more,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=26),
        allow_abbrev=False,
        add_help=False,
    )
    for heading, add in {**groups, "what_to_show": _add_show}.items():
        add(parser.add_argument_group(heading.replace("_", " ")))
    return parser


class Version(argparse.Action):
    """Prints the version, which is looked up only then."""

    def __init__(self, option_strings: Sequence[str], dest: str) -> None:
        super().__init__(option_strings, dest, nargs=0, help="show the version and exit")

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print("rangeware", version("rangeware"))
        except PackageNotFoundError:
            print("rangeware, not installed")
        parser.exit()


def _add_show(group: argparse._ArgumentGroup) -> None:
    """Add the options for what is shown."""
    only = group.add_mutually_exclusive_group()
    only.add_argument("-q", dest="quiet", action="store_true", help="nothing but errors")
    only.add_argument("--json", dest="as_json", action="store_true", help="events on standard output, one a line")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action=Version)


def add_header(group: argparse._ArgumentGroup) -> None:
    """Add ``--header``."""
    group.add_argument("--header", dest="headers", action="append", default=[], type=_header, metavar="FIELD",
                       help="send this header, 'Name: value'; may be repeated")


def add_limit_rate(group: argparse._ArgumentGroup) -> None:
    """Add ``--limit-rate``."""
    group.add_argument("--limit-rate", type=_rate, metavar="R", help="bytes per second: 500k, 1.5M, 1G (1k is 1024)")


def whole_number(text: str) -> int:
    """Parse a number of at least 1."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text[:9])


def _rate(text: str) -> int:
    return _length(text, "bytes per second")


def size(text: str) -> int:
    """Parse a number of bytes, such as 16M."""
    return _length(text, "a number of bytes")


def _length(text: str, what: str) -> int:
    match = _RATE.fullmatch(text)
    length = int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ")) if match else 0
    if length < 1:
        raise argparse.ArgumentTypeError(f"must be {what} such as 500k, 1.5M or 1G, not {text!r}")
    return length


def _header(text: str) -> str:
    """Check a header. The error message does not repeat it: it may be secret."""
    name, colon, value = text.partition(":")
    if not (colon and _TOKEN.fullmatch(name) and _FIELD_VALUE.fullmatch(value)):
        raise argparse.ArgumentTypeError("must be 'Name: value' in one line")
    return text
