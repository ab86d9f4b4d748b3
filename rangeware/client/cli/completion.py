"""Completion scripts for bash, zsh and fish. They are made from the parsers, so that they name what there is. Pure.

``eval "$(rangeware --completion bash)"`` in ``~/.bashrc`` or ``~/.zshrc`` turns it on;
``rangeware --completion fish | source`` in the configuration of fish.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

_ABOUT = {
    "get": "download files", "put": "upload a file", "check": "find out whether a URL can be resumed",
    "uploads": "remove expired uploads",
}
_GLOBAL = ("--help", "--version", "--completion")
_SHELLS = ("bash", "zsh", "fish")
_SPECIAL = re.compile(r"[\[\]:\\]")  # in the specifications of zsh


class _Option(NamedTuple):
    """An option, with a value or without.

    :param value: the name of its value; "" if it takes none.
    :param choices: the values it can have; () for any.
    """

    names: tuple[str, ...]
    value: str
    choices: tuple[str, ...]
    is_repeatable: bool
    help: str


def make_script(shell: str, parsers: Mapping[str, argparse.ArgumentParser]) -> str:
    """Make the script for a shell.

    :param shell: "bash", "zsh" or "fish".
    :param parsers: by command.
    """
    options = {command: [*_options(parser)] for command, parser in parsers.items()}
    make = {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell]
    return "\n".join([*make(options), ""])


def _options(parser: argparse.ArgumentParser) -> Iterator[_Option]:
    for action in parser._actions:
        if action.option_strings:
            value = "" if action.nargs == 0 else str(action.metavar or action.dest)
            yield _Option(tuple(action.option_strings), value, tuple(action.choices or ()),
                          isinstance(action, argparse._AppendAction), action.help or "")


def _bash(commands: Mapping[str, list[_Option]]) -> Iterator[str]:
    yield "_rangeware() {"
    yield '    local word="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" IFS=$\'\\n\''
    yield "    COMPREPLY=()"
    yield '    case "$COMP_CWORD ${COMP_WORDS[1]} $before" in'
    yield f'        "1 "*) {_reply_words((*_ABOUT, *_GLOBAL))} ;;'
    yield f'        "2 --completion "*) {_reply_words(_SHELLS)} ;;'
    for command, options in commands.items():
        yield from _bash_values(command, options)
    for command, options in commands.items():
        names = [name for option in options for name in option.names]
        rest = _REPLY_FILES if command == "put" else ":"
        yield f'        *" {command} "*) case "$word" in -*) {_reply_words(names)} ;; *) {rest} ;; esac ;;'
    yield "    esac"
    yield "}"
    yield "complete -F _rangeware rangeware"


_REPLY_FILES = 'compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$word"))'


def _bash_values(command: str, options: Iterable[_Option]) -> Iterator[str]:
    """The lines for the values of options."""
    for option in options:
        if option.value:
            patterns = "|".join(f'*" {command} {name}"' for name in option.names)
            is_path = option.value in ("FILE", "DIR")
            reply = _REPLY_FILES if is_path else _reply_words(option.choices) if option.choices else ":"
            yield f"        {patterns}) {reply} ;;"


def _reply_words(words: Iterable[str]) -> str:
    return f"COMPREPLY=($(IFS=' '; compgen -W '{' '.join(words)}' -- \"$word\"))"


def _zsh(commands: Mapping[str, list[_Option]]) -> Iterator[str]:
    yield "#compdef rangeware"
    yield "_rangeware() {"
    yield "    if (( CURRENT == 2 )); then"
    described = " ".join(shlex.quote(f"{command}:{about}") for command, about in _ABOUT.items())
    yield f"        local -a commands=({described})"
    yield "        _describe command commands"
    yield f"        compadd -- {' '.join(_GLOBAL)}"
    yield "        return"
    yield "    fi"
    yield "    shift words"
    yield "    (( CURRENT-- ))"
    yield '    case "$words[1]" in'
    yield f"        --completion) compadd -- {' '.join(_SHELLS)} ;;"
    for command, options in commands.items():
        yield f"        {command}) _arguments \\"
        yield from (f"            {_zsh_option(option)} \\" for option in options)
        yield f"            {shlex.quote('*:file:_files' if command == 'put' else '*:URL:_urls')} ;;"
    yield "    esac"
    yield "}"
    yield 'if [ "$funcstack[1]" = _rangeware ]; then _rangeware "$@"; else compdef _rangeware rangeware; fi'


def _zsh_option(option: _Option) -> str:
    described = f"[{_SPECIAL.sub(_escape, option.help)}]"
    if option.value:
        action = f"({' '.join(option.choices)})" if option.choices else {"FILE": "_files", "DIR": "_files -/"}.get(
            option.value, "")
        described += f":{_SPECIAL.sub(_escape, option.value)}:{action}"
    if option.is_repeatable:
        return " ".join(shlex.quote(f"*{name}{described}") for name in option.names)
    others = f"({' '.join(option.names)})" if option.names[1:] else ""
    return " ".join(shlex.quote(f"{others}{name}{described}") for name in option.names)


def _escape(match: re.Match[str]) -> str:
    return f"\\{match[0]}"


def _fish(commands: Mapping[str, list[_Option]]) -> Iterator[str]:
    yield "complete -c rangeware -f"
    for command, about in _ABOUT.items():
        yield f"complete -c rangeware -n __fish_use_subcommand -a {command} -d {_fish_quote(about)}"
    for name in _GLOBAL:
        values = f" -x -a '{' '.join(_SHELLS)}'" if name == "--completion" else ""
        yield f"complete -c rangeware -n __fish_use_subcommand -l {name[2:]}{values}"
    for command, options in commands.items():
        condition = f"complete -c rangeware -n '__fish_seen_subcommand_from {command}'"
        yield from (f"{condition} {_fish_option(option)}" for option in options)
        if command == "put":
            yield f"{condition} -F"


def _fish_option(option: _Option) -> str:
    words = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    if option.value in ("FILE", "DIR"):
        words.append("-r -F")
    elif option.value:
        words.append(f"-x -a '{' '.join(option.choices)}'" if option.choices else "-x")
    return " ".join([*words, "-d", _fish_quote(option.help)])


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
