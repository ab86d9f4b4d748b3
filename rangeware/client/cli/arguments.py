"""The arguments of ``rangeware get``: parse and check them.

``command`` hands the words over and gets ``Arguments`` back, with the options as ``rangeware.client.download`` takes
them. A mistake is raised as ``UsageError``, and shown in one line.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmgt]?)", re.IGNORECASE | re.ASCII)
_OPTIONS = ("directory", "segments", "sha256", "limit_rate", "force", "allow_unknown_length")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_ADDRESS = re.compile(r"https?://[^\s/?#]\S*", re.IGNORECASE)
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5

_ABOUT = """\
Download files. If the connection breaks, or you stop it, the received bytes
are kept as NAME.part, and the same command resumes there. It never mixes two
versions of a file, and never takes a part for the whole file."""

_MORE = """\
examples:
  rangeware get https://example.org/big.iso
  rangeware get -o linux.iso --sha256 9f86d0...0a08 https://example.org/big.iso
  rangeware get -d music --limit-rate 500k -i list.txt
  rangeware get --header 'Authorization: Bearer ...' https://example.org/mine

exit codes (with several URLs, that of the first failure):
    0  all files are complete and checked
    1  wrong use: an option or a URL
    2  network: no response, an error page, or one break after another
    3  the file keeps changing on the server
    4  the digest does not match
    5  disk: full, not writable, or the file exists
  130  interrupted (Ctrl-C); the received bytes are kept
  143  stopped by SIGTERM; the received bytes are kept

Proxies come from http_proxy, https_proxy and no_proxy,
passwords from ~/.netrc.
"""


class UsageError(Exception):
    """The command line is wrong; the text says where."""


class NothingToDo(Exception):  # noqa: N818 - no error
    """The command line asked for the help or the version only, which has been shown."""


class Arguments(NamedTuple):
    """The arguments of one command line.

    :param path: the file; None for a name that the server gives.
    :param options: as ``rangeware.client.download`` takes them.
    :param headers: as they were given.
    """

    urls: list[str]
    path: str | None
    options: dict[str, Any]
    headers: list[str]
    as_json: bool
    quiet: bool


def parse(words: list[str]) -> Arguments:
    """Parse a command line, without the program's name; its first word names the command.

    :raises UsageError: if it is wrong.
    :raises NothingToDo: after the help or the version.
    """
    if words[:1] != ["get"]:
        _ask(words)
    given = _parser().parse_intermixed_args(words[1:])
    urls = [*given.urls, *(url for name in given.lists for url in _listed(name))]
    _check(given, urls)
    path = None if given.output is None else os.path.join(given.directory, given.output)
    options = {name: getattr(given, name) for name in _OPTIONS}
    options["headers"] = _fields(given.headers)
    return Arguments(urls, path, options, given.headers, given.as_json, given.quiet)


def _check(given: argparse.Namespace, urls: list[str]) -> None:
    if not urls:
        raise UsageError("no URL")
    for url in urls:
        if not _ADDRESS.fullmatch(url):
            raise UsageError(f"not an http or https URL: {url}")
    for option, value in (("-o", given.output), ("--sha256", given.sha256)):
        if value is not None and len(urls) > 1:
            raise UsageError(f"{option} is for one URL, not for {len(urls)}")
    if given.output in ("", "-"):
        raise UsageError("-o must name a file: a download to standard output cannot be resumed")


def _listed(name: str) -> list[str]:
    """Read the URLs in a list."""
    try:
        with open(0 if name == "-" else name, encoding="utf-8-sig", closefd=name != "-") as file:
            lines = [line.strip() for line in file]
    except (OSError, ValueError) as exc:
        raise UsageError(f"cannot read -i {name}: {getattr(exc, 'strerror', 'it is not UTF-8 text')}") from exc
    return [line for line in lines if line and not line.startswith("#")]


def _fields(headers: list[str]) -> dict[str, str]:
    """Make a mapping of headers. A repeated header becomes one list (RFC 9110 5.3), and cookies one string."""
    fields: dict[str, str] = {}
    for name, _, value in (header.partition(":") for header in headers):
        key = next((known for known in fields if known.lower() == name.lower()), name)
        before = [fields[key]] if key in fields else []
        fields[key] = ("; " if key.lower() == "cookie" else ", ").join([*before, value.strip(" \t")])
    return fields


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise NothingToDo


def _ask(words: list[str]) -> NoReturn:
    """Handle a command line without ``get``: show the help or the version, or refuse it."""
    parser = _Parser(
        "rangeware", usage="rangeware get [options] URL...", description="Resumable downloads from any server."
    )
    parser.add_argument("command", nargs="*", help="get: download files (see: rangeware get --help)")
    parser.add_argument("--version", action=_Version)
    command = parser.parse_args(words).command
    raise UsageError(f"unknown command {command[0]!r}" if command else "no command")


class _Version(argparse.Action):
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


def _parser() -> _Parser:
    parser = _Parser(
        "rangeware get",
        usage="rangeware get [options] URL...",
        description=_ABOUT,
        epilog=_MORE,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=26),
        allow_abbrev=False,
        add_help=False,
    )
    _add_what(parser.add_argument_group("what to fetch"))
    _add_where(parser.add_argument_group("where to"))
    _add_how(parser.add_argument_group("how"))
    _add_show(parser.add_argument_group("what to show"))
    return parser


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("urls", nargs="*", metavar="URL", help="http or https; #sha256=HEX at its end is checked")
    group.add_argument("-i", dest="lists", action="append", default=[], metavar="FILE", help=(
        "read URLs from FILE, one a line ('#': a comment); '-' is standard input"))
    group.add_argument("--header", dest="headers", action="append", default=[], type=_header, metavar="FIELD",
                       help="send this header, 'Name: value'; may be repeated")


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-o", dest="output", metavar="FILE", help="name of the file (one URL only)")
    group.add_argument("-d", dest="directory", default=".", metavar="DIR", help="folder for all files")
    group.add_argument("--force", action="store_true", help="replace existing files")


def _add_how(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-n", dest="segments", type=_whole_number, default=4, metavar="N",
                       help="connections for each file, at most (4)")
    group.add_argument("--limit-rate", type=_rate, metavar="R", help="bytes per second: 500k, 1.5M, 1G (1k is 1024)")
    group.add_argument("--sha256", metavar="HEX", help="the file must have this digest (one URL only)")
    group.add_argument("--allow-unknown-length", action="store_true", help=(
        "without a length, take the end of the connection for the end"))


def _add_show(group: argparse._ArgumentGroup) -> None:
    only = group.add_mutually_exclusive_group()
    only.add_argument("-q", dest="quiet", action="store_true", help="nothing but errors")
    only.add_argument("--json", dest="as_json", action="store_true", help="events on standard output, one a line")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action=_Version)


def _whole_number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text[:9])


def _rate(text: str) -> int:
    match = _RATE.fullmatch(text)
    rate = int(float(match[1]) * 1024 ** " kmgt".index(match[2].lower() or " ")) if match else 0
    if rate < 1:
        raise argparse.ArgumentTypeError(f"must be bytes per second such as 500k, 1.5M or 1G, not {text!r}")
    return rate


def _header(text: str) -> str:
    """Check a header. The error message does not repeat it: it may be secret."""
    name, colon, value = text.partition(":")
    if not (colon and _TOKEN.fullmatch(name) and _FIELD_VALUE.fullmatch(value)):
        raise argparse.ArgumentTypeError("must be 'Name: value' in one line")
    return text
