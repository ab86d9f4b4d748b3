"""``main``, the entry point of the command ``rangeware``: arguments in, exit code out.

It downloads the URLs one after the other, each with a display of its own, and turns errors and signals into exit codes.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ...errors import InvalidOption
from ..errors import DownloadError
from .arguments import Arguments, NothingToDo, UsageError, parse
from .display import Display, choose_display, print_line
from .formatting import format_size

USAGE_ERROR = 1
INTERRUPTED = 130
TERMINATED = 143
_SECRET = ("authorization", "cookie", "proxy-authorization")


class Terminated(KeyboardInterrupt):
    """Raised by SIGTERM; it stops everything that Ctrl-C stops."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return the exit code.

    No exception is raised for anything that users, servers or disks do: each error is a line on standard error.

    :param argv: without the program's name; None for the command line of this process.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable():
            return _Run(words, parse(words)).fetch_all()
    except NothingToDo:
        return 0
    except UsageError as exc:
        print_line(f"rangeware: {exc} (see: rangeware get --help)")
        return USAGE_ERROR
    except ModuleNotFoundError as exc:
        print_line(f"rangeware: {exc.name} is missing: pip install 'rangeware[cli]'")
        return USAGE_ERROR
    except KeyboardInterrupt as exc:  # before or between the downloads
        print_line("rangeware: interrupted")
        return _stopped_by(exc)


class _Run:
    """A command line being carried out."""

    def __init__(self, words: list[str], arguments: Arguments) -> None:
        self._words = words
        self._arguments = arguments

    def fetch_all(self) -> int:
        """Download all URLs, also after a failure; return the exit code of the first failure, or of an interruption."""
        first_failure = 0
        for url in self._arguments.urls:
            exit_code = self._fetch(url)
            if exit_code in (INTERRUPTED, TERMINATED):
                return exit_code
            first_failure = first_failure or exit_code
        return first_failure

    def _fetch(self, url: str) -> int:
        from .. import download

        arguments = self._arguments
        display = choose_display(arguments.as_json, arguments.quiet, url, len(arguments.urls) > 1)
        try:
            display.saved(download(url, arguments.path, progress=display.show, **arguments.options))
        except (DownloadError, InvalidOption) as exc:
            exit_code = getattr(exc, "exit_code", USAGE_ERROR)
            display.failed(exit_code, str(exc), getattr(exc, "kept", ""))
            return exit_code
        except KeyboardInterrupt as exc:
            return self._stop(exc, display)
        finally:
            display.close()
        self._words = [word for word in self._words if word != url]
        return 0

    def _stop(self, exc: KeyboardInterrupt, display: Display) -> int:
        exit_code = _stopped_by(exc)
        display.failed(exit_code, "interrupted", _kept(display))
        print_line(f"resume with: {shlex.join([*_program(), *map(self._without_secret, self._words)])}")
        return exit_code

    def _without_secret(self, word: str) -> str:
        for header in self._arguments.headers:
            name, _, _ = header.partition(":")
            if name.lower() in _SECRET and word.endswith(header):
                return word.removesuffix(header) + f"{name}: ..."
        return word


def _kept(display: Display) -> str:
    """Describe what is kept after an interruption, and where; "" if nothing is."""
    latest = display.latest
    if latest is None or not os.path.exists(f"{latest.path}.part"):
        return ""
    complete = "" if latest.complete_length is None else f" of {format_size(latest.complete_length)}"
    return f"{format_size(latest.done)}{complete} kept in {latest.path}.part"


def _stopped_by(exc: KeyboardInterrupt) -> int:
    return TERMINATED if isinstance(exc, Terminated) else INTERRUPTED


def _program() -> list[str]:
    """The words that this program was called by."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [os.path.basename(sys.executable), "-m", "rangeware"]
    return ["rangeware"]


@contextmanager
def _terminable() -> Iterator[None]:
    """Make SIGTERM raise ``Terminated`` meanwhile, unless it has a handler already."""
    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated

    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
