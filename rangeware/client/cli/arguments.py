"""The arguments of ``rangeware get``, and of a command line without a command: parse and check them.

``command`` hands the words over and gets ``Arguments`` back, with the options as ``rangeware.client.download`` takes
them. A mistake is raised as ``UsageError``, and shown in one line.
"""

from __future__ import annotations

import argparse
import os
from typing import NoReturn

from . import put_arguments
from .parsing import (
    Arguments,
    Parser,
    UsageError,
    Version,
    add_header,
    add_limit_rate,
    check_url,
    fields_of,
    make_parser,
    secrets_of,
    whole_number,
)

_OPTIONS = ("directory", "segments", "sha256", "limit_rate", "force", "allow_unknown_length")

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


def parse(words: list[str]) -> Arguments:
    """Parse a command line, without the program's name; its first word names the command.

    :raises UsageError: if it is wrong.
    :raises NothingToDo: after the help or the version.
    """
    if words[:1] == ["put"]:
        return put_arguments.parse(words[1:])
    if words[:1] != ["get"]:
        _ask(words)
    given = _parser().parse_intermixed_args(words[1:])
    urls = [*given.urls, *(url for name in given.lists for url in _listed(name))]
    _check(given, urls)
    path = None if given.output is None else os.path.join(given.directory, given.output)
    options = {name: getattr(given, name) for name in _OPTIONS}
    options["headers"] = fields_of(given.headers)
    return Arguments("get", urls, path, options, secrets_of(given.headers), given.as_json, given.quiet)


def _check(given: argparse.Namespace, urls: list[str]) -> None:
    if not urls:
        raise UsageError("no URL")
    for url in urls:
        check_url(url)
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


def _ask(words: list[str]) -> NoReturn:
    """Handle a command line without a command: show the help or the version, or refuse it."""
    parser = Parser(
        "rangeware", usage="rangeware get [options] URL...\n       rangeware put [options] FILE URL",
        description="Downloads and uploads that resume."
    )
    parser.add_argument("command", nargs="*", help=(
        "get: download files; put: upload a file (see: rangeware get --help, rangeware put --help)"))
    parser.add_argument("--version", action=Version)
    command = parser.parse_args(words).command
    raise UsageError(f"unknown command {command[0]!r}" if command else "no command")


def _parser() -> Parser:
    return make_parser(
        "get", "[options] URL...", _ABOUT, _MORE, what_to_fetch=_add_what, where_to=_add_where, how=_add_how)


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("urls", nargs="*", metavar="URL", help="http or https; #sha256=HEX at its end is checked")
    group.add_argument("-i", dest="lists", action="append", default=[], metavar="FILE", help=(
        "read URLs from FILE, one a line ('#': a comment); '-' is standard input"))
    add_header(group)


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-o", dest="output", metavar="FILE", help="name of the file (one URL only)")
    group.add_argument("-d", dest="directory", default=".", metavar="DIR", help="folder for all files")
    group.add_argument("--force", action="store_true", help="replace existing files")


def _add_how(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-n", dest="segments", type=whole_number, default=4, metavar="N",
                       help="connections for each file, at most (4)")
    add_limit_rate(group)
    group.add_argument("--sha256", metavar="HEX", help="the file must have this digest (one URL only)")
    group.add_argument("--allow-unknown-length", action="store_true", help=(
        "without a length, take the end of the connection for the end"))
