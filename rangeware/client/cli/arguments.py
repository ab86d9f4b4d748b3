"""The arguments of ``rangeware get``, and of a command line without a command: parse and check them.

``command`` hands the words over and gets ``Arguments`` back, with the options as ``rangeware.client.download`` takes
them. A mistake is raised as ``UsageError``, and shown in one line.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from shlex import quote
from typing import Any, NoReturn

from ..digests import names_digest
from . import parsing, put_arguments
from .parsing import Arguments, NothingToDo, Parser, UsageError, add_option, check_url

_OPTIONS = ("directory", "connections", "checksum", "sha256", "force", "if_newer", "skip_existing", "continue_from",
            "decode", "allow_unknown_length", "metalink", "metalink_file")
_COMMANDS = ("get", "put", "check", "uploads")
_METALINKS = (".meta4", ".metalink")
_ABOUT_EXISTING = ("force", "if_newer", "skip_existing")
_JOBS = 4  # files at once

_ABOUT = """\
Download files. If the connection breaks, or you stop it, the received bytes
are kept as NAME.part, and the same command resumes there. It never mixes two
versions of a file, and never takes a part for the whole file."""

_MORE = """\
examples:
  rangeware get https://example.org/big.iso
  rangeware get -o linux.iso --sha256 9f86d0...0a08 https://example.org/big.iso
  rangeware get -d music -j 2 --limit-rate 500k -i list.txt
  rangeware get -H 'Authorization: Bearer ...' https://example.org/mine
  rangeware get --same https://a.example/x.iso https://b.example/x.iso

exit codes (with several URLs, that of the first failure):
    0  all files are complete and checked
    1  wrong use: an option or a URL
    2  network: no response, an error page, or one break after another
    3  the file keeps changing on the server
    4  the digest does not match
    5  disk: full, not writable, or the file exists
  130  interrupted (Ctrl-C); the received bytes are kept
  141  with '-o -': nobody reads the output any more
  143  stopped by SIGTERM; the received bytes are kept

Proxies come from http_proxy, https_proxy and no_proxy,
passwords from ~/.netrc.
"""

_PROGRAM = """\
commands:
  rangeware get URL...           download files
  rangeware put FILE URL         upload a file
  rangeware check URL            can it be resumed and seeked, and why not?
  rangeware uploads clean DIR    remove expired uploads (on the server)

Each has a help of its own, such as: rangeware get --help
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
    given = make_get_parser().parse_intermixed_args(words[1:])
    lists = [(name, _listed(name)) for name in given.lists]
    urls = _without_repeats([*given.urls, *(url for _, listed in lists for url in listed)])
    _check(given, urls)
    path = given.output
    if path not in (None, "-"):
        path = os.path.join(getattr(given, "directory", "."), path)
    arguments = parsing.make_arguments("get", given, _OPTIONS, urls, path)
    unrepeatable = (url for name, listed in lists if name == "-" for url in listed)
    arguments = arguments._replace(jobs=given.jobs, checksums=given.checksums, listed=tuple(unrepeatable))
    return _with_mirrors(arguments) if given.same else arguments


def _with_mirrors(arguments: Arguments) -> Arguments:
    """Make one download of all URLs."""
    first, *others = arguments.urls
    mirrors = {"mirrors": others} if others else {}
    return arguments._replace(urls=[first], options={**arguments.options, **mirrors})


def _without_repeats(urls: Iterable[str]) -> list[str]:
    """The URLs in the order given, each once; with the digests at its end if it is given in both ways."""
    groups: dict[str, list[str]] = {}
    for url in urls:
        groups.setdefault(url.partition("#")[0].strip(), []).append(url.strip())
    checked = ([url for url in group if names_digest(url)] or group[:1] for group in groups.values())
    return [*dict.fromkeys(url for group in checked for url in group)]


def _check(given: argparse.Namespace, urls: list[str]) -> None:
    if not urls:
        raise UsageError("no URL")
    for url in urls:
        if not (hasattr(given, "metalink") or url.lower().endswith(_METALINKS)):  # a file here will do
            check_url(url)
    if len(urls) > 1 and not given.same:
        _refuse_for_several(given, len(urls))
    if given.output == "":
        raise UsageError("-o must name a file")
    if given.output == "-" and given.as_json:
        raise UsageError("-o - and --json both write to standard output")
    for name in _ABOUT_EXISTING if given.output == "-" else ():
        if hasattr(given, name):
            raise UsageError(f"--{name.replace('_', '-')} is about a file, not about standard output")
    _refuse_two(given, ("sha256", "checksum", "checksums"))
    _refuse_two(given, _ABOUT_EXISTING)


def _refuse_for_several(given: argparse.Namespace, count: int) -> None:
    for option, name in (
        ("-o", "output"), ("--sha256", "sha256"), ("--checksum", "checksum"), ("--continue-from", "continue_from")
    ):
        if getattr(given, name, None) is not None:
            raise UsageError(f"{option} is for one URL, not for {count}")


def _refuse_two(given: argparse.Namespace, names: tuple[str, ...]) -> None:
    """Refuse options that exclude each other."""
    both = [f"--{name.replace('_', '-')}" for name in names if getattr(given, name, None)]
    if len(both) > 1:
        raise UsageError(f"{both[0]} and {both[1]} exclude each other")


def _listed(name: str) -> list[str]:
    """Read the URLs in a list."""
    try:
        with open(0 if name == "-" else name, encoding="utf-8-sig", closefd=name != "-") as file:
            lines = [line.strip() for line in file]
    except (OSError, ValueError) as exc:
        raise UsageError(f"cannot read -i {name}: {getattr(exc, 'strerror', 'it is not UTF-8 text')}") from exc
    return [line for line in lines if line and not line.startswith("#")]


def _ask(words: list[str]) -> NoReturn:
    """Handle a command line without a command: show the help, the version or a completion script, or refuse it."""
    parser = Parser(
        "rangeware", usage="rangeware [-h] [--version] [--completion SHELL] COMMAND ...",
        description="Downloads and uploads that resume.", epilog=_PROGRAM, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--version", action=parsing.Version)
    parser.add_argument("--completion", action=_Completion)
    if not words:
        parser.print_help()
        raise NothingToDo(1)
    if not words[0].startswith("-"):
        _refuse_command(words)
    if any(map(parsing.is_url, words)):
        raise UsageError(f"no command; did you mean rangeware get {words[0]} ...?")
    parser.parse_args(words)
    raise UsageError("no command")


def _refuse_command(words: list[str]) -> NoReturn:
    word = words[0]
    if parsing.is_url(word):
        raise UsageError(f"no command; did you mean rangeware get {quote(word)}{' ...' if words[1:] else ''}?")
    raise UsageError(f"unknown command {word!r}{parsing.suggest(word, _COMMANDS, 'rangeware ')}")


class _Completion(argparse.Action):
    """Prints a completion script, which is made only then."""

    def __init__(self, option_strings: list[str], dest: str) -> None:
        super().__init__(option_strings, dest, choices=("bash", "zsh", "fish"), metavar="SHELL",
                         help="print the completion script for bash, zsh or fish")

    def __call__(self, parser: argparse.ArgumentParser, _: Any, shell: Any, *__: Any) -> NoReturn:
        from ...check.cli.arguments import make_check_parser
        from .completion import make_script

        parsers = {"get": make_get_parser(), "put": put_arguments.make_put_parser(), "check": make_check_parser()}
        print(make_script(shell, parsers), end="")
        raise NothingToDo


def make_get_parser() -> Parser:
    """Make the parser of the words after ``get``."""
    return parsing.make_parser(
        "get", "[options] URL...", _ABOUT, _MORE, what_to_fetch=_add_what, what_to_send_along=parsing.add_header,
        where_to=_add_where, what_to_check=_add_checks, how=_add_how)


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("urls", nargs="*", metavar="URL", help="http or https; #sha256=HEX at its end is checked")
    group.add_argument("-i", "--input", dest="lists", action="append", default=[], metavar="FILE", help=(
        "read URLs from FILE, one a line ('#': a comment); '-' is standard input"))
    group.add_argument("--same", action="store_true", help="all URLs have the same file: fetch it from all of them")
    add_option(group, "--metalink", action="store_true", help="URL is a Metalink (.meta4), also a file here")
    add_option(group, "--metalink-file", metavar="NAME", help="the file that is meant, if a Metalink names several")


def _add_where(group: argparse._ArgumentGroup) -> None:
    only = group.add_mutually_exclusive_group()
    only.add_argument("-o", "--output", metavar="FILE", help=(
        "name of the file (one URL only); '-' is standard output"))
    only.add_argument("-O", "--remote-name", action="store_true", help="let the server name the file (as without -o)")
    add_option(group, "-d", "--directory", metavar="DIR", help="folder for all files")
    add_option(group, "--force", action="store_true", help="replace existing files")
    add_option(group, "-N", "--if-newer", action="store_true", help="replace an existing file if the server's is newer")
    add_option(group, "--skip-existing", action="store_true", help="leave an existing file alone, without a request")
    add_option(group, "--continue-from", metavar="FILE", help="resume with what another program has left in FILE")


def _add_checks(group: argparse._ArgumentGroup) -> None:
    add_option(group, "--sha256", metavar="HEX", help="the file must have this digest (one URL only)")
    add_option(group, "--checksum", metavar="ALG:HEX", help="the file must have this md5, sha1, sha512 ...")
    group.add_argument("--checksums", metavar="FILE", help="a list of digests, such as SHA256SUMS; a file or a URL")
    add_option(group, "--decode", action=argparse.BooleanOptionalAction, help=(
        "undo the Content-Encoding of the file (gzip ...), or keep the bytes as they are sent"))
    add_option(group, "--allow-unknown-length", action="store_true", help=(
        "without a length, take the end of the connection for the end"))


def _add_how(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-j", "--jobs", type=parsing.whole_number, default=_JOBS, metavar="N",
                       help=f"files at once, at most ({_JOBS})")
    add_option(group, "-n", "--connections", type=parsing.whole_number, metavar="N",
               help="connections for each file, at most (4)")
    parsing.add_patience(group)
