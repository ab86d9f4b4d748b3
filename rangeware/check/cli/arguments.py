"""The arguments of ``rangeware check``: parse and check them. A mistake is raised as ``UsageError``."""

from __future__ import annotations

import argparse
from typing import Any, NamedTuple

from ...client.cli import parsing
from ...client.cli.parsing import Parser, UsageError, add_option

_OPTIONS = ("timeout", "max_bytes", "cookies", "cacert", "insecure")

_ABOUT = """\
Find out whether a URL can be resumed, seeked and fetched in parts, and why
not. Works with any server. It sends about 25 requests, one after the other,
and reads no more than the beginning of a large file."""

_MORE = """\
statuses:
  good      as it should be
  limited   nobody gets wrong bytes, but something is missing
  broken    unusable or wrong
  unknown   could not be found out

exit codes (with several URLs, all are checked, and the code is 1 if any is
broken, else 3 if any could not be checked):
    0  the URL is good or limited
    1  the URL is broken: no ranges are served, or clients go wrong
    2  wrong use: an option or a URL
    3  it could not be checked: no response, or an error page
    5  the report cannot be written
  130  interrupted (Ctrl-C)
  141  nobody reads the report any more

examples:
  rangeware check https://example.org/film.mp4
  rangeware check --json https://example.org/film.mp4
  rangeware check -H 'Authorization: Bearer ...' https://example.org/mine
  rangeware check -q http://127.0.0.1:8000/film.mp4 && echo fine

Proxies come from http_proxy, https_proxy and no_proxy,
passwords from ~/.netrc.
"""


class Arguments(NamedTuple):
    """The arguments of one command line.

    :param options: as ``rangeware.check.check`` takes them: those that were given.
    """

    urls: list[str]
    options: dict[str, Any]
    as_json: bool
    quiet: bool
    verbose: bool


def parse(words: list[str]) -> Arguments:
    """Parse the words after ``check``.

    :raises UsageError: if they are wrong.
    :raises NothingToDo: after the help or the version.
    """
    given = make_check_parser().parse_intermixed_args(words)
    if not given.urls:
        raise UsageError("no URL")
    for url in given.urls:
        parsing.check_url(url)
    made = parsing.make_arguments("check", given, _OPTIONS, given.urls, None)
    urls = [parsing.with_user(url, given.user) for url in given.urls] if given.user else given.urls
    return Arguments(urls, made.options, given.as_json, given.quiet, given.verbose)


def make_check_parser() -> Parser:
    """Make the parser of the words after ``check``."""
    parser = Parser(
        "rangeware check", usage="rangeware check [options] URL...", description=_ABOUT, epilog=_MORE,
        formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(prog, max_help_position=26),
        allow_abbrev=False, add_help=False)
    what = parser.add_argument_group("what to check")
    what.add_argument("urls", nargs="*", metavar="URL", help="http or https")
    send = parser.add_argument_group("what to send along")
    parsing.add_header(send)
    send.add_argument("-u", "--user", metavar="USER[:PASSWORD]", help="login; a password may come from ~/.netrc")
    bounds = parser.add_argument_group("bounds")
    add_option(bounds, "--timeout", type=parsing.seconds, metavar="S", help="seconds for each URL (60)")
    add_option(bounds, "--max-bytes", type=parsing.size, metavar="N",
               help="bytes to read of each URL (8M; at least 64k)")
    _add_show(parser.add_argument_group("what to show"))
    return parser


def _add_show(group: argparse._ArgumentGroup) -> None:
    only = group.add_mutually_exclusive_group()
    only.add_argument("-q", "--quiet", action="store_true", help="nothing but errors: the exit code tells")
    only.add_argument("--json", dest="as_json", action="store_true", help="the report as JSON, a URL a line")
    group.add_argument("-v", "--verbose", action="store_true", help="also the requests and the responses")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action=parsing.Version)
