"""``main``, the entry point of the command ``rangeware``: arguments in, exit code out.

It downloads from the URLs one after the other, or uploads a file, each with a display of its own, and turns errors and
signals into exit codes.
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
from ..errors import TransferError
from .arguments import parse
from .display import Display, choose_display, print_line
from .formatting import format_size
from .parsing import Arguments, NothingToDo, UsageError

USAGE_ERROR = 1
INTERRUPTED = 130
TERMINATED = 143


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
            return _Run(words, parse(words)).transfer_all()
    except NothingToDo:
        return 0
    except UsageError as exc:
        print_line(f"rangeware: {exc} (see: rangeware {'put' if words[:1] == ['put'] else 'get'} --help)")
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

    def transfer_all(self) -> int:
        """Download from all URLs, also after a failure, or upload to one.

        Returns the exit code of the first failure, or of an interruption.
        """
        first_failure = 0
        for url in self._arguments.urls:
            exit_code = self._transfer(url)
            if exit_code in (INTERRUPTED, TERMINATED):
                return exit_code
            first_failure = first_failure or exit_code
        return first_failure

    def _transfer(self, url: str) -> int:
        arguments = self._arguments
        display = choose_display(arguments.as_json, arguments.quiet, url, len(arguments.urls) > 1)
        try:
            (self._put if arguments.command == "put" else self._get)(url, display)
        except (TransferError, InvalidOption) as exc:
            exit_code = getattr(exc, "exit_code", USAGE_ERROR)
            display.failed(exit_code, str(exc), getattr(exc, "kept", ""))
            return exit_code
        except KeyboardInterrupt as exc:
            return self._stop(exc, display)
        finally:
            display.close()
        self._words = [word for word in self._words if word != url]
        return 0

    def _get(self, url: str, display: Display) -> None:
        from .. import download

        display.saved(download(url, self._arguments.path, progress=display.show, **self._arguments.options))

    def _put(self, url: str, display: Display) -> None:
        from .. import upload

        display.sent(upload(self._arguments.path or "", url, progress=display.show, **self._arguments.options))

    def _stop(self, exc: KeyboardInterrupt, display: Display) -> int:
        exit_code = _stopped_by(exc)
        display.failed(exit_code, "interrupted", (_sent if self._arguments.command == "put" else _kept)(display))
        print_line(f"resume with: {shlex.join([*_program(), *map(self._without_secret, self._words)])}")
        return exit_code

    def _without_secret(self, word: str) -> str:
        for secret, shown in self._arguments.secrets.items():
            if word.endswith(secret):
                return word.removesuffix(secret) + shown
        return word


def _kept(display: Display) -> str:
    """Describe what is kept after an interruption, and where; "" if nothing is."""
    latest = display.latest
    if latest is None or not os.path.exists(f"{latest.path}.part"):
        return ""
    complete = "" if latest.complete_length is None else f" of {format_size(latest.complete_length)}"
    return f"{format_size(latest.done)}{complete} kept in {latest.path}.part"


def _sent(display: Display) -> str:
    """Describe what the server has after an interruption, as far as it is known; "" if nothing."""
    latest = display.latest
    if latest is None or latest.event == "checking" or not latest.done:
        return ""
    return f"{format_size(latest.done)} of {format_size(latest.complete_length or 0)} sent"


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
