"""The command ``rangeware get``: words in, exit code out."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from ..errors import InvalidOption
from .arguments import Answered, Choices, WrongUse, parse
from .display import Display, choose, say
from .errors import DownloadError
from .wording import size

WRONG_USE = 1
INTERRUPTED = 130
TERMINATED = 143
_SECRET = ("authorization", "cookie", "proxy-authorization")


class Terminated(KeyboardInterrupt):
    """SIGTERM: stops all that Ctrl-C stops."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line ``argv`` (of this process if None), which is without the program's name; the exit code.

    Raises nothing for what users, servers or disks do: each error is a line on standard error.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        with _terminable():
            return _Run(words, parse(words)).fetch_all()
    except Answered:
        return 0
    except WrongUse as exc:
        say(f"rangeware: {exc} (see: rangeware get --help)")
        return WRONG_USE
    except ModuleNotFoundError as exc:
        say(f"rangeware: {exc.name} is missing: pip install 'rangeware[cli]'")
        return WRONG_USE
    except KeyboardInterrupt as exc:  # while nothing was fetched
        say("rangeware: interrupted")
        return _stopped_by(exc)


class _Run:
    """One command line at work."""

    def __init__(self, words: list[str], choices: Choices) -> None:
        self._words = words
        self._choices = choices

    def fetch_all(self) -> int:
        """One after the other; goes on after a failure but not after an interruption. The first failure's exit code."""
        first_failure = 0
        for url in self._choices.urls:
            exit_code = self._fetch(url)
            if exit_code in (INTERRUPTED, TERMINATED):
                return exit_code
            first_failure = first_failure or exit_code
        return first_failure

    def _fetch(self, url: str) -> int:
        from . import download

        choices = self._choices
        display = choose(choices.as_json, choices.quiet, url, len(choices.urls) > 1)
        try:
            display.saved(download(url, choices.path, progress=display.show, **choices.options))
        except (DownloadError, InvalidOption) as exc:
            exit_code = getattr(exc, "exit_code", WRONG_USE)
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
        say(f"go on with: {shlex.join([*_program(), *map(self._without_secret, self._words)])}")
        return exit_code

    def _without_secret(self, word: str) -> str:
        for header in self._choices.headers:
            name, _, _ = header.partition(":")
            if name.lower() in _SECRET and word.endswith(header):
                return word.removesuffix(header) + f"{name}: ..."
        return word


def _kept(display: Display) -> str:
    """How much is there after an interruption, and where."""
    latest = display.latest
    if latest is None or not os.path.exists(f"{latest.path}.part"):
        return ""
    complete = "" if latest.complete_length is None else f" of {size(latest.complete_length)}"
    return f"{size(latest.done)}{complete} are kept in {latest.path}.part"


def _stopped_by(exc: KeyboardInterrupt) -> int:
    return TERMINATED if isinstance(exc, Terminated) else INTERRUPTED


def _program() -> list[str]:
    """How this program was called."""
    if os.path.basename(sys.argv[0]) == "__main__.py":
        return [os.path.basename(sys.executable), "-m", "rangeware"]
    return ["rangeware"]


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises ``Terminated`` meanwhile, unless somebody has other plans for it."""
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
