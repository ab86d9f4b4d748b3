"""Ctrl-C and SIGTERM: the first one asks for an end in order, a second one ends at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

INTERRUPTED = 130
TERMINATED = 143

_EXIT_CODES = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}
_OURS = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""The handlers that are replaced: another one is that of a program which has plans of its own."""


@contextmanager
def on_interrupt(stop: Callable[[int], object]) -> Iterator[None]:
    """Call ``stop`` with the exit code at the first SIGINT or SIGTERM meanwhile; a second one is treated as always.

    :param stop: called in the middle of anything that the main thread does. It must only take a note.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: handler for number, handler in _OURS.items() if signal.getsignal(number) is handler}

    def handle(number: int, frame: FrameType | None) -> None:
        _set(before)
        stop(_EXIT_CODES[signal.Signals(number)])

    _set(dict.fromkeys(before, handle))
    try:
        yield
    finally:
        _set(before)


def _set(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        signal.signal(number, handler)
