"""Hosts: the libraries that run an ASGI app, asyncio and trio, and what an answer needs of them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Protocol, TypeVar

Result = TypeVar("Result")

_OURS = "the answer is whole, and its request is over"
_LOOKS, _LOOK = 100, 0.01
"""How often, and after how many seconds each, it is looked whether an app still listens for the end of its request."""


class Host(Protocol):
    """What runs an app for one request."""

    async def in_thread(self, function: Callable[[], Result]) -> Result:
        """What the function gives, called where it may block. Also where this is cancelled, it ends no earlier than the
        function does, so that what that uses can be closed then."""

    async def pause(self) -> None:
        """Lets others run, and a cancellation in."""

    async def run(self, app: Awaitable[None]) -> None:
        """Runs the app to its end, or to the end that ``stop`` makes of it."""

    async def stop(self, is_heard: Callable[[], bool]) -> None:
        """Ends the app, from within it, and so does not return. As long as it listens it may end by itself, for a
        second; then it is cancelled."""

    async def beside(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        """Does the work, and listens as long as that lasts, or until ``hush``."""

    async def hush(self) -> None:
        """Ends the listening, if there is any."""


class AsyncioHost:
    """asyncio: the task in which it is made runs the app."""

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._stopped: list[asyncio.Future[None]] = []
        self._cancels = 0
        self._listening: list[asyncio.Future[None]] = []

    async def in_thread(self, function: Callable[[], Result]) -> Result:
        future = asyncio.get_running_loop().run_in_executor(None, function)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait((future,))
            future.exception()  # which nobody else will ask for
            raise

    async def pause(self) -> None:
        await asyncio.sleep(0)

    async def run(self, app: Awaitable[None]) -> None:
        before = _cancelling(self._task)
        seen: list[asyncio.CancelledError] = []
        try:
            await app
        except asyncio.CancelledError as exc:
            if not self._cancels:
                raise
            seen.append(exc)
        finally:
            task, self._task = self._task, None
            for future in self._stopped:  # for tasks that the app leaves behind
                future.cancel()
            if self._cancels:
                await self._take_back(task, before, seen)
            seen.clear()  # or this frame would hold itself, and with it all that the app had open

    async def _take_back(self, task: Any, before: int, seen: list[asyncio.CancelledError]) -> None:
        """Ends our own cancellation, and no one else's. Either may still be on its way, where the app has ended by
        itself, and anyio's comes again and again."""
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError as exc:
            seen.append(exc)
        others = [exc for exc in seen if exc.args != (_OURS,)]
        if sys.version_info >= (3, 11):  # pragma: no branch - 3.10 does not count
            for _ in range(self._cancels):
                task.uncancel()
            if _cancelling(task) <= before:
                return
            raise others[-1] if others else asyncio.CancelledError
        others = [exc for exc in others if "cancel scope" not in repr(exc)]  # pragma: no cover - 3.10
        if others:  # pragma: no cover - 3.10
            raise others[-1]

    async def stop(self, is_heard: Callable[[], bool]) -> None:
        stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped.append(stopped)
        for _ in range(_LOOKS):
            if not is_heard():
                break
            await asyncio.wait((stopped,), timeout=_LOOK)
        if self._task is not None:
            self._cancels += 1
            self._task.cancel(_OURS)
            await asyncio.wait((stopped,), timeout=_LOOKS * _LOOK)
            if not stopped.done():  # the app waits for whoever sends, and so would we for ever
                raise OSError(_OURS)
        raise asyncio.CancelledError

    async def beside(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        self._listening.append(asyncio.ensure_future(listen()))
        try:
            await work
        finally:
            await self.hush()

    async def hush(self) -> None:
        for listener in self._listening:
            listener.cancel()
            await asyncio.wait((listener,))


def _cancelling(task: Any) -> int:
    """How many have asked this task to be cancelled; 0 where that is not counted (Python 3.10)."""
    return task.cancelling() if hasattr(task, "cancelling") else 0


class TrioHost:
    """trio, and anyio on it."""

    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self._scope = trio.CancelScope()
        self._over = trio.Event()
        self._listening = trio.CancelScope()
        self._quiet = trio.Event()

    async def in_thread(self, function: Callable[[], Result]) -> Result:
        result: Result = await self._trio.to_thread.run_sync(function)
        return result

    async def pause(self) -> None:
        await self._trio.lowlevel.checkpoint()

    async def run(self, app: Awaitable[None]) -> None:
        try:
            with self._scope:
                await app
        finally:
            self._over.set()

    async def stop(self, is_heard: Callable[[], bool]) -> None:
        for _ in range(_LOOKS):
            if not is_heard():
                break
            await self._trio.sleep(_LOOK)
        self._scope.cancel()
        with self._trio.move_on_after(_LOOKS * _LOOK):  # for tasks that do not belong to the app, or are shielded
            await self._over.wait()
        raise OSError(_OURS)

    async def beside(self, listen: Callable[[], Awaitable[None]], work: Awaitable[None]) -> None:
        failures: list[Exception] = []
        async with self._trio.open_nursery() as nursery:
            nursery.start_soon(self._listen, listen)
            try:
                await work
            except Exception as exc:  # a nursery would put it into a group
                failures.append(exc)
            self._listening.cancel()
        for failure in failures:
            raise failure

    async def _listen(self, listen: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._listening:
                await listen()
        finally:
            self._quiet.set()

    async def hush(self) -> None:
        self._listening.cancel()
        await self._quiet.wait()


def current() -> Host:
    """The host of whoever calls."""
    trio = sys.modules.get("trio")
    return TrioHost(trio) if trio is not None and trio.lowlevel.in_trio_task() else AsyncioHost()
