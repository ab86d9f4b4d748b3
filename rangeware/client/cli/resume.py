"""The command that resumes what was interrupted, for a person to copy into a shell. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence

from .formatting import hide_userinfo
from .parsing import Arguments

_MOST_LISTED = 20  # URLs from standard input that are put into the command
_STDIN = (("-i", "-"), ("--input", "-"))
_STDIN_IN_ONE = ("-i-", "--input=-")


def describe_resume(
    program: Sequence[str], words: Sequence[str], arguments: Arguments, finished: Collection[str]
) -> list[str]:
    """The lines that tell how to resume; the last is the command, without secrets and without what is complete.

    :param program: the words that the program was called by.
    :param words: the rest of the command line.
    :param finished: URLs that are complete.
    """
    left = [word for word in words if word not in finished]
    hints = []
    if arguments.listed:
        left, hint = _without_standard_input(left, [url for url in arguments.listed if url not in finished])
        hints.append(hint)
    shown = [_without_secret(word, arguments.secrets) for word in left]
    if shown != left:
        hints.append("put your secret in place of each '...' (a login may also come from ~/.netrc)")
    command = " ".join(map(quote, [*program, *shown]))
    verb = "start again" if arguments.path == "-" else "resume"  # the program that read it got a part
    return [*filter(None, hints), f"{verb} with: {command}"]


def _without_standard_input(words: list[str], urls: list[str]) -> tuple[list[str], str]:
    """Put the URLs from standard input into the command, as far as there are few; otherwise a hint is returned."""
    left = _dropping_standard_input(words)
    if left == words or len(urls) > _MOST_LISTED:
        return words, "give it the same list on standard input again"
    return [*left, *(url for url in urls if url not in left)], ""


def _dropping_standard_input(words: list[str]) -> list[str]:
    left, index = [], 0
    while index < len(words):
        if tuple(words[index:index + 2]) in _STDIN:
            index += 1
        elif words[index] not in _STDIN_IN_ONE:
            left.append(words[index])
        index += 1
    return left


def _without_secret(word: str, secrets: dict[str, str]) -> str:
    for secret, shown in secrets.items():
        if word.endswith(secret):
            return word.removesuffix(secret) + shown
    return hide_userinfo(word)


def quote(word: str) -> str:
    r"""Quote a word for a shell. One that would steer a terminal is written with escapes (POSIX 2024, bash, zsh).

    >>> quote("a\n'b'")
    "$'a\\x0a\\'b\\''"
    """
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(char: str) -> str:
    if char in "\\'":
        return f"\\{char}"
    octets = b"" if char.isprintable() else char.encode("utf-8", "surrogateescape")
    return "".join(f"\\x{octet:02x}" for octet in octets) or char
