"""asyncio and trio: the few things that an ASGI response needs of the library that runs the app.

``current_backend`` tells which of the two it is. Both can run a blocking function in a thread and call back from it,
let other tasks run, stop an app whose response is complete, and listen for a disconnect while blocks are sent. Stopping
an app is the hard one: it is called from within the app's own ``send``, so that only a cancellation ends it, and that
cancellation must neither reach the server nor swallow one that the server asked for.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

_OURS = "the response is complete, and its request is over"
_POLLS, _POLL_SECONDS = 100, 0.01
"""How many times, and after how many seconds each, ``stop_app`` looks if the app still may end by itself."""


class Event(Protocol):
    """A sign that one task waits for, and another one sets."""

    def set(self) -> object:
        """Let those who wait go on."""

    async def wait(self) -> object:
        """Wait until it is set."""


class AsyncBackend(Protocol):
    """The library that runs an app, for one request."""

    async def run_in_thread(self, function: Callable[[], Result]) -> Result:
        """Run a blocking function in a thread; on cancellation wait for it, then re-raise.

        So everything that the function uses can be closed as soon as this has returned or raised.
        """

    def call_from_thread(self, function: Callable[[], Awaitable[Result]]) -> Result:
        """Run a coroutine function of the app's, called within a function that ``run_in_thread`` runs."""

    async def checkpoint(self) -> None:
        """Let other tasks run; a pending cancellation is raised here."""

    def event(self) -> Event:
        """Return a new event."""

    async def wait_for(self, event: Event, seconds: float) -> None:
        """Wait until the event is set, for so many seconds at the most."""

    async def run_app(self, app: Awaitable[None]) -> None:
        """Run the app until it ends, or until ``stop_app`` has ended it."""

    async def stop_app(self, may_end: Callable[[], bool]) -> None:
        """End the app from within its own ``send``; never returns.

        :param may_end: asked again and again, for a second at most; the app is cancelled once it returns False.
        """

    async def run_while_listening(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        """Do the work, and ``listen`` at the same time, until the work is done or ``stop_listening`` is called."""

    async def stop_listening(self) -> None:
        """End the listening, if there is any, and wait until it has ended."""


class Threads:
    """Threads for functions that may wait for a hook of the app's, which may need one of the usual threads itself."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._executor: ThreadPoolExecutor | None = None
        self._limiter: Any = None

    def executor(self) -> ThreadPoolExecutor:
        """The threads for asyncio. They are started when they are needed first."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._count, "rangeware")
        return self._executor

    def limiter(self, trio: Any) -> Any:
        """The limit of threads for trio."""
        if self._limiter is None:
            self._limiter = trio.CapacityLimiter(self._count)
        return self._limiter


class AsyncioBackend:
    """asyncio. The task that makes it is the one that runs the app."""

    def __init__(self, threads: Threads | None = None) -> None:
        self._executor = None if threads is None else threads.executor()
        self._task = asyncio.current_task()
        self._loop = asyncio.get_running_loop()
        self._stopped: list[asyncio.Future[None]] = []
        self._cancels = 0
        self._listeners: list[asyncio.Future[None]] = []

    async def run_in_thread(self, function: Callable[[], Result]) -> Result:
        future = asyncio.get_running_loop().run_in_executor(self._executor, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((future,))
            future.exception()  # nobody else will ask for it, and asyncio would complain
            raise

    def call_from_thread(self, function: Callable[[], Awaitable[Result]]) -> Result:
        async def call() -> Result:
            return await function()

        return asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    async def checkpoint(self) -> None:
        await asyncio.sleep(0)

    def event(self) -> Event:
        return asyncio.Event()

    async def wait_for(self, event: Event, seconds: float) -> None:
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(event.wait(), seconds)

    async def run_app(self, app: Awaitable[None]) -> None:
        before = _count_cancellations(self._task)
        seen: list[asyncio.CancelledError] = []
        try:
            await app
        except asyncio.CancelledError as exc:
            if not self._cancels:
                raise
            seen.append(exc)
        finally:
            task, self._task = self._task, None
            for future in self._stopped:  # tasks that the app leaves behind may wait in stop_app
                future.cancel()
            if self._cancels:
                await self._take_back(task, before, seen)
            seen.clear()  # or the exceptions would keep this frame alive, and all that the app had open

    async def _take_back(self, task: Any, before: int, seen: list[asyncio.CancelledError]) -> None:
        """End our own cancellation of the task, and no one else's.

        Either may still be on its way, if the app has ended by itself, and a cancel scope of anyio's cancels again
        and again. Python 3.11 counts the requests to cancel; 3.10 does not, so that the message has to tell.
        """
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            seen.append(exc)
        others = [exc for exc in seen if exc.args != (_OURS,)]
        if sys.version_info >= (3, 11):  # pragma: no branch - 3.10 does not count
            for _ in range(self._cancels):
                task.uncancel()
            if _count_cancellations(task) <= before:
                return
            raise others[-1] if others else asyncio.CancelledError
        others = [exc for exc in others if "cancel scope" not in repr(exc)]  # pragma: no cover - 3.10
        if others:  # pragma: no cover - 3.10
            raise others[-1]

    async def stop_app(self, may_end: Callable[[], bool]) -> None:
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped.append(stopped)
        for _ in range(_POLLS):
            if not may_end():
                break
            await asyncio.wait((stopped,), timeout=_POLL_SECONDS)
        if self._task is not None:
            self._cancels += 1
            self._task.cancel(_OURS)
            await asyncio.wait((stopped,), timeout=_POLLS * _POLL_SECONDS)
            if not stopped.done():  # the app is shielded, and waits for whoever sends: we would both wait for ever
                raise OSError(_OURS)
        raise asyncio.CancelledError

    async def run_while_listening(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        self._listeners.append(asyncio.ensure_future(listen()))
        try:
            await work
        finally:
            await self.stop_listening()

    async def stop_listening(self) -> None:
        for listener in self._listeners:
            listener.cancel()
            await asyncio.wait((listener,))


def _count_cancellations(task: Any) -> int:
    """The number of requests to cancel this task; 0 if they are not counted (Python 3.10)."""
    return task.cancelling() if hasattr(task, "cancelling") else 0


class TrioBackend:
    """trio, and anyio on trio."""

    def __init__(self, trio: Any, threads: Threads | None = None) -> None:
        self._trio = trio
        self._limiter = None if threads is None else threads.limiter(trio)
        self._app_scope = trio.CancelScope()
        self._app_ended = trio.Event()
        self._listening = trio.CancelScope()
        self._listening_ended = trio.Event()

    async def run_in_thread(self, function: Callable[[], Result]) -> Result:
        result: Result = await self._trio.to_thread.run_sync(function, limiter=self._limiter)
        return result

    def call_from_thread(self, function: Callable[[], Awaitable[Result]]) -> Result:
        result: Result = self._trio.from_thread.run(function)
        return result

    async def checkpoint(self) -> None:
        await self._trio.lowlevel.checkpoint()

    def event(self) -> Event:
        event: Event = self._trio.Event()
        return event

    async def wait_for(self, event: Event, seconds: float) -> None:
        with self._trio.move_on_after(seconds):
            await event.wait()

    async def run_app(self, app: Awaitable[None]) -> None:
        try:
            with self._app_scope:
                await app
        finally:
            self._app_ended.set()

    async def stop_app(self, may_end: Callable[[], bool]) -> None:
        for _ in range(_POLLS):
            if not may_end():
                break
            await self._trio.sleep(_POLL_SECONDS)
        self._app_scope.cancel()
        with self._trio.move_on_after(_POLLS * _POLL_SECONDS):  # shielded tasks, and those outside the app's scope
            await self._app_ended.wait()
        raise OSError(_OURS)

    async def run_while_listening(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        failures: list[Exception] = []
        async with self._trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, listen)
            try:
                await work
            except Exception as exc:  # a nursery would put it into an exception group
                failures.append(exc)
            self._listening.cancel()
        for failure in failures:
            raise failure

    async def _listen(self, listen: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._listening:
                await listen()
        finally:
            self._listening_ended.set()

    async def stop_listening(self) -> None:
        self._listening.cancel()
        await self._listening_ended.wait()


def current_backend(threads: Threads | None = None) -> AsyncBackend:
    """The backend of the library that runs the calling task.

    :param threads: those that ``run_in_thread`` uses; None for the usual ones of the library.
    """
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_task():
        return TrioBackend(trio, threads)
    return AsyncioBackend(threads)
