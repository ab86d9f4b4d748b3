"""The arguments of ``rangeware put``: parse and check them, as ``arguments`` does for ``rangeware get``."""

from __future__ import annotations

import argparse

from . import parsing
from .parsing import Arguments, Parser, UsageError, add_option

_OPTIONS = ("sha256", "protocol", "chunk_size", "fresh")

_ABOUT = """\
Upload a file to a server of tus 1.0 or of the IETF draft "Resumable Uploads
for HTTP". If the connection breaks, or you stop it, the same command resumes
where the server is, also for a copy of the file under another name. A file
that changes meanwhile is noticed, and never completed with bytes of two
versions. Prints the URL of the upload."""

_MORE = """\
examples:
  rangeware put film.mp4 https://example.org/files/
  rangeware put -u ann --limit-rate 500k film.mp4 https://example.org/files/
  rangeware put --metadata album=Rome --metadata x=1 a.jpg https://h/files/
  rangeware put --header 'Authorization: Bearer ...' a.iso https://h/files/

exit codes:
    0  the server has the whole file
    1  wrong use: an option or a URL
    2  network: no response, a refusal, or one break after another
    3  the file has changed while it was uploaded
    4  the digest does not match
    5  disk: the file cannot be read, or another run uploads it
  130  interrupted (Ctrl-C); the same command resumes
  143  stopped by SIGTERM; the same command resumes

Proxies come from http_proxy, https_proxy and no_proxy,
passwords from ~/.netrc.
"""


def parse(words: list[str]) -> Arguments:
    """Parse the words after ``put``.

    :raises UsageError: if they are wrong.
    :raises NothingToDo: after the help or the version.
    """
    given = make_put_parser().parse_intermixed_args(words)
    if len(given.words) != 2:
        raise UsageError("one file and one URL are needed")
    path, url = given.words
    parsing.check_url(url)
    arguments = parsing.make_arguments("put", given, _OPTIONS, [url], path)
    if given.metadata:
        arguments.options["metadata"] = dict(given.metadata)
    if not given.user:
        return arguments
    name, colon, _ = given.user.partition(":")
    if colon:
        arguments.secrets[given.user] = f"{name}:..."
    return arguments._replace(urls=[parsing.with_user(url, given.user)])


def make_put_parser() -> Parser:
    """Make the parser of the words after ``put``."""
    return parsing.make_parser(
        "put", "[options] FILE URL", _ABOUT, _MORE, what_to_send=_add_what, where_to=_add_where,
        what_to_send_along=parsing.add_header, how=_add_how)


def _add_what(group: argparse._ArgumentGroup) -> None:
    group.add_argument("words", nargs="*", metavar="FILE URL", help="a regular file; where the server creates uploads")
    group.add_argument("--metadata", action="append", default=[], type=_pair, metavar="KEY=VALUE",
                       help="tell a tus server this, too; may be repeated")
    add_option(group, "--sha256", metavar="HEX", help="the file must have this digest")


def _add_where(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-u", "--user", metavar="USER[:PASSWORD]", help="login; a password may come from ~/.netrc")
    add_option(group, "--protocol", choices=("tus", "draft"), help="do not ask the server which one it speaks")


def _add_how(group: argparse._ArgumentGroup) -> None:
    add_option(group, "--chunk-size", type=parsing.size, metavar="N",
               help="bytes in one request, such as 16M; else all")
    add_option(group, "--fresh", action="store_true", help="do not resume: create a new upload")
    parsing.add_patience(group)


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (equals and key):
        raise argparse.ArgumentTypeError(f"must be KEY=VALUE, not {text!r}")
    return key, value
