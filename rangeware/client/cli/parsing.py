"""Parts of a command line that ``rangeware get`` and ``rangeware put`` have in common."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote, urlsplit, urlunsplit

from ..texts import is_secret

_RATE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([kmgt]?)", re.IGNORECASE | re.ASCII)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_ADDRESS = re.compile(r"https?://[^\s/?#]+(?:[/?#](?:\S| (?!https?://))*)?", re.IGNORECASE)  # one, maybe with blanks
_WITHOUT_SCHEME = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*(?:\.[a-z]+|:[0-9]+)(?:/\S*)?", re.IGNORECASE | re.ASCII)
_USERINFO = re.compile("//[^/]*@")
_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", re.ASCII)
_UNKNOWN = re.compile(r"unrecognized arguments: (-[^\s=]+)")
_NEEDLESS = {  # options of curl, wget and aria2 for things that happen anyway
    **dict.fromkeys(("-L", "--location"), "redirects are followed anyway"),
    **dict.fromkeys(("-c", "-C", "--continue", "--continue-at"), "downloads resume anyway"),
    **dict.fromkeys(("--content-disposition", "-J", "--remote-header-name"), "the server names the file anyway"),
    **dict.fromkeys(("-f", "--fail"), "an error page is never taken for the file"),
}


class UsageError(Exception):
    """The command line is wrong; the text says where."""


class NothingToDo(Exception):  # noqa: N818 - no error
    """The command line asked for the help or the version only, which has been shown.

    :param exit_code: 1 if it asked for nothing.
    """

    def __init__(self, exit_code: int = 0) -> None:
        super().__init__()
        self.exit_code = exit_code


class Arguments(NamedTuple):
    """The arguments of one command line.

    :param command: "get" or "put".
    :param path: the file; None for a name that the server gives.
    :param options: as ``rangeware.client.download`` or ``upload`` takes them: those that were given.
    :param secrets: by word as it was given: as it may be shown.
    :param jobs: files to transfer at once, at most.
    :param checksums: a path or URL of a list of digests of the files; None for none.
    :param listed: the URLs that were read from standard input, which cannot be read again.
    """

    command: str
    urls: list[str]
    path: str | None
    options: dict[str, Any]
    secrets: dict[str, str]
    as_json: bool
    quiet: bool
    verbose: bool
    jobs: int = 1
    checksums: str | None = None
    listed: tuple[str, ...] = ()


def make_arguments(
    command: str, given: argparse.Namespace, names: Iterable[str], urls: list[str], path: str | None
) -> Arguments:
    """Make the arguments of what the parser found.

    :param names: of the options of the transfer, besides those that all transfers have.
    """
    options = {name: getattr(given, name) for name in (*names, *_REQUEST) if hasattr(given, name)}
    fields = _fields_of(given.headers)
    if given.user_agent is not None:
        fields = {**{name: value for name, value in fields.items() if name.lower() != "user-agent"},
                  "User-Agent": given.user_agent}
    if fields:
        options["headers"] = fields
    secrets = _secrets_of(given.headers)
    return Arguments(command, urls, path, options, secrets, given.as_json, given.quiet, given.verbose)


def is_url(word: str) -> bool:
    """True if this is an http or https URL, as far as its beginning tells."""
    return _ADDRESS.fullmatch(word) is not None


def check_url(url: str) -> None:
    """Check a URL.

    :raises UsageError: unless it is an http or https URL.
    """
    if not is_url(url):
        hint = f"; did you mean https://{url}?" if _WITHOUT_SCHEME.fullmatch(url) else ""
        raise UsageError(f"not an http or https URL: {url}{hint}")
    try:
        _ = urlsplit(url).port
    except ValueError as exc:
        raise UsageError(f"not a URL: {_USERINFO.sub('//', url)}: {exc}") from None


def with_user(url: str, user: str) -> str:
    """Put ``user:password`` into a URL, in place of what is there."""
    parts = urlsplit(url)
    userinfo = ":".join(quote(part, safe="") for part in user.split(":", 1))
    return urlunsplit(parts._replace(netloc=f"{userinfo}@{parts.netloc.rpartition('@')[2]}"))


def _fields_of(headers: list[str]) -> dict[str, str]:
    """Make a mapping of headers. A repeated header becomes one list (RFC 9110 5.3), and cookies one string."""
    fields: dict[str, str] = {}
    for name, _, value in (header.partition(":") for header in headers):
        key = next((known for known in fields if known.lower() == name.lower()), name)
        before = [fields[key]] if key in fields else []
        fields[key] = ("; " if key.lower() == "cookie" else ", ").join([*before, value.strip(" \t")])
    return fields


def _secrets_of(headers: list[str]) -> dict[str, str]:
    """The headers among these that are secret, and as they may be shown."""
    names = {header: header.partition(":")[0] for header in headers}
    return {header: f"{name}: ..." for header, name in names.items() if is_secret(name)}


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message + self._hint(message))

    def _hint(self, message: str) -> str:
        """Name the option that is probably meant; "" if there is no telling."""
        unknown = _UNKNOWN.match(message)
        if unknown is None:
            return ""
        needless = _NEEDLESS.get(unknown[1])
        return f" ({needless})" if needless else suggest(unknown[1], self._option_string_actions)

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:
        raise NothingToDo


def suggest(word: str, known: Iterable[str], before: str = "") -> str:
    """Make the end of an error message of the known word that is most like this one; "" if none is."""
    near = difflib.get_close_matches(word, [*known], n=1)
    return f"; did you mean {before}{near[0]}?" if near else ""


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
    only.add_argument("-q", "--quiet", action="store_true", help="nothing but errors")
    only.add_argument("--json", dest="as_json", action="store_true", help="events on standard output, one a line")
    group.add_argument("-v", "--verbose", action="store_true", help="also the requests and the responses")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument("--version", action=Version)


_REQUEST = ("limit_rate", "timeout", "first_byte", "tries", "cookies", "cacert", "insecure")
_GIVEN: dict[str, Any] = {"default": argparse.SUPPRESS}
"""For an option of a transfer: it has no value, not even a default one, unless it is given."""


def add_option(group: argparse._ArgumentGroup, *names: str, **more: Any) -> None:
    """Add an option that is passed on only if it is given."""
    group.add_argument(*names, **{**_GIVEN, **more})


def add_header(group: argparse._ArgumentGroup) -> None:
    """Add the options for what is sent along with each request."""
    group.add_argument("-H", "--header", dest="headers", action="append", default=[], type=_header, metavar="FIELD",
                       help="send this header, 'Name: value'; may be repeated")
    group.add_argument("-A", "--user-agent", type=_field_value, metavar="TEXT", help="send this as User-Agent")
    add_option(group, "--cookies", metavar="FILE", help="send the cookies in FILE (Netscape format)")
    add_option(group, "--cacert", metavar="FILE", help="trust the certificates in FILE (PEM) only")
    add_option(group, "-k", "--insecure", action="store_true", help="do not check certificates: not safe")


def add_patience(group: argparse._ArgumentGroup) -> None:
    """Add the options for how fast, and how long to wait."""
    add_option(group, "--limit-rate", type=_rate, metavar="R",
               help="bytes per second: 500k, 1.5M, 1G (1k is 1024)")
    add_option(group, "--timeout", type=seconds, metavar="S",
               help="seconds of silence until a retry (15)")
    add_option(group, "--first-byte", type=seconds, metavar="S",
               help="seconds until the first byte (four times --timeout)")
    add_option(group, "--tries", type=whole_number, metavar="N", help="failures in a row until it gives up (6)")


def whole_number(text: str) -> int:
    """Parse a number of at least 1."""
    if not (text.isascii() and text.isdigit() and int(text[:9]) > 0):
        raise argparse.ArgumentTypeError(f"must be a whole number of at least 1, not {text!r}")
    return int(text[:9])


def seconds(text: str) -> float:
    """Parse a number of seconds."""
    if not _SECONDS.fullmatch(text) or not float(text):
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return float(text)


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


def _field_value(text: str) -> str:
    if not text or not _FIELD_VALUE.fullmatch(text):
        raise argparse.ArgumentTypeError("must be a text of one line")
    return text
