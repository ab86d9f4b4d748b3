"""Run a transfer in a thread, for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from .options import TransferOptions
from .progress import Progress

_Options = TypeVar("_Options", bound=TransferOptions)
_Result = TypeVar("_Result", covariant=True)


class Run(Protocol[_Result]):
    """A transfer that can be stopped from another thread."""

    def result(self) -> _Result:
        """Carry it out."""

    def stop(self, failure: BaseException | None = None) -> None:
        """Make ``result`` raise this exception, or another."""


async def run_in_thread(make: Callable[[_Options], Run[_Result]], options: _Options) -> _Result:
    """Run a transfer in a thread. On cancellation it stops, and this waits for its end.

    ``progress`` is called in the event loop. An exception that it raises ends the transfer.

    :param make: makes the transfer from its options.
    """
    loop = asyncio.get_running_loop()

    def tell_in_loop(progress: Progress) -> None:
        try:
            if options.progress is not None:
                options.progress(progress)
        except BaseException as exc:
            run.stop(exc)

    def tell(progress: Progress) -> Any:
        return loop.call_soon_threadsafe(tell_in_loop, progress)

    run = make(replace(options, progress=tell))
    thread = ThreadPoolExecutor(1)
    running = loop.run_in_executor(thread, run.result)
    thread.shutdown(wait=False)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        run.stop()
        await asyncio.wait([running])
        running.exception()
        raise
