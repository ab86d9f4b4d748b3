"""``main``, the command ``rangeware check``: arguments in, reports out, exit code."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec

from ...client.cli.formatting import make_printable
from ...client.cli.output import format_json, print_line, write_result
from ...client.cli.parsing import NothingToDo, UsageError
from ...client.errors import DiskError, NetworkError, OutputClosed
from ...client.texts import shown_url
from ...errors import InvalidOption
from ..values import Report
from .arguments import Arguments, parse
from .display import Line, make_lines

BROKEN = 1
USAGE_ERROR = 2
NOT_CHECKED = 3
INTERRUPTED = 130
_NARROWEST, _WIDEST = 30, 110  # columns
_STYLES = {"good": "green", "limited": "yellow", "broken": "bold red", "unknown": "cyan", "heading": "bold"}


def main(words: list[str]) -> int:
    """Run the command and return the exit code.

    :param words: after ``rangeware check``.
    """
    try:
        arguments = parse(words)
        if sys.stdout is None and not arguments.quiet:
            raise UsageError("there is no standard output to write to")
        return _worst([_check(url, arguments) for url in arguments.urls])
    except NothingToDo as exc:
        return exc.exit_code
    except (UsageError, InvalidOption) as exc:
        print_line(f"rangeware: {exc} (see: rangeware check --help)")
    except ModuleNotFoundError as exc:
        print_line(f"rangeware: {exc.name} is missing: pip install 'rangeware[cli]'")
    except OutputClosed as exc:  # other programs end without a word, too
        return exc.exit_code
    except DiskError as exc:
        print_line(f"rangeware: {exc}")
        return exc.exit_code
    except KeyboardInterrupt:
        print_line("rangeware: interrupted")
        return INTERRUPTED
    return USAGE_ERROR


def _worst(codes: list[int]) -> int:
    return BROKEN if BROKEN in codes else max(codes)


def _check(url: str, arguments: Arguments) -> int:
    from ..checking import check

    if sys.stderr is not None and sys.stderr.isatty() and not (arguments.quiet or arguments.as_json):
        print_line(f"checking {shown_url(url)} ...")
    try:
        report = check(url, **arguments.options, trace=print_line if arguments.verbose else None)
    except NetworkError as exc:
        print_line(f"rangeware: cannot check {exc}")
        if arguments.as_json:
            write_result(format_json({"url": shown_url(url), "error": str(exc)}))
        return NOT_CHECKED
    if arguments.as_json:
        write_result(format_json(report.as_dict()))
    elif not arguments.quiet:
        _show(report)
    return BROKEN if report.verdict == "broken" else 0


def _show(report: Report) -> None:
    width = min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)
    lines = [*make_lines(report, width), []]
    in_colour = sys.stdout.isatty() and find_spec("rich") is not None
    write_result((_coloured if in_colour else _plain)(lines))


def _plain(lines: list[Line]) -> str:
    return "\n".join(make_printable("".join(text for text, _ in line)).rstrip() for line in lines)


def _coloured(lines: list[Line]) -> str:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, markup=False, emoji=False, highlight=False)
    with console.capture() as capture:  # a console ends the process where nobody reads any more
        for line in lines:
            console.print(Text.assemble(*((text, _STYLES.get(style, "")) for text, style in line)), soft_wrap=True)
    return capture.get().removesuffix("\n")
