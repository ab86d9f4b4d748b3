"""``download`` and ``adownload``: from an address to a file."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from .digests import Digest, of_fragment
from .engine import Engine, Stopped
from .errors import DiskError, DownloadError
from .meter import Limiter
from .planner import Planner
from .progress import Download, Progress
from .settings import Settings, options_of
from .target import Target
from .transport import Broken, Transport, parse_address

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .settings import Given


def download(url: str, path: str | os.PathLike[str] | None = None, **options: Unpack[Given]) -> Download:
    """Fetch a file, or what is missing of it, and return when it is whole and checked.

    :param url: http or https. ``user:password@`` in it is sent to this host only. ``#sha256=HEX`` is checked.
    :param path: the file, or a directory; None for a name by the server or the address, in ``directory``.
    :param options:
        ``directory``: where a file without ``path`` goes; the current one by default.
        ``segments``: connections at once, at most (4).
        ``sha256``: 64 hexadecimal digits that the file must have.
        ``limit_rate``: bytes per second, for all connections together.
        ``headers``: fields to send along. After a redirect to another origin only harmless ones are.
        ``pool``: an ``urllib3.PoolManager`` of your own, for proxies, certificates and so on.
        ``force``: whether an existing file may be replaced.
        ``progress``: called with a ``Progress``, five times a second and when something happens.
        ``allow_unknown_length``: whether the end of the connection may count as that of the file, where the server
        gives no length.
        ``stall``: seconds without a byte after which a connection counts as broken (15).
        ``tries``: failures in a row, without any progress, that end it (6).
        ``first_delay``, ``longest_delay``: seconds between tries: they double from the one (0.5) to the other (30),
        and are cut at random.
        ``segment_size``: bytes that are worth a connection (1 MiB).
        ``worthwhile``: seconds that a further connection must save (1).
    :raises DownloadError: NetworkError, ChangedError, DigestError or DiskError; what has come is kept.
    :raises InvalidOption: where an option cannot work.

    >>> download("http://127.0.0.1:8000/film.mp4", "film.mp4").path
    PosixPath('film.mp4')
    """
    return _Run(url, path, options_of(options)).result()


async def adownload(url: str, path: str | os.PathLike[str] | None = None, **options: Unpack[Given]) -> Download:
    """The same for asyncio, in a thread. Cancelled, it stops, and what has come is kept.

    ``progress`` is called in the event loop. What it raises ends the download.
    """
    import asyncio  # which the command does without
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.get_running_loop()
    settings = options_of(options)
    tell = settings.progress

    def tell_in_loop(progress: Progress) -> None:
        try:
            if tell is not None:
                tell(progress)
        except BaseException as exc:
            run.stop(exc)

    run = _Run(url, path, replace(settings, progress=lambda each: loop.call_soon_threadsafe(tell_in_loop, each)))
    thread = ThreadPoolExecutor(1)
    under_way = loop.run_in_executor(thread, run.result)
    thread.shutdown(wait=False)
    try:
        return await asyncio.shield(under_way)
    except asyncio.CancelledError:
        run.stop()
        await asyncio.wait([under_way])
        under_way.exception()
        raise


class _Run:
    """One download, that can be stopped from another thread."""

    def __init__(self, url: str, path: str | os.PathLike[str] | None, settings: Settings) -> None:
        try:
            self._address = parse_address(url)
        except Broken as exc:
            raise InvalidOption(str(exc)) from None
        self._path = None if path is None else Path(path)
        sha256 = settings.sha256 or of_fragment(url)
        self._settings = replace(settings, sha256=sha256)
        self._digest = None if sha256 is None else Digest("sha256", bytes.fromhex(sha256))
        self._engine: Engine | None = None
        self._failure: BaseException | None = None

    def result(self) -> Download:
        planner = Planner(self._address.url, self._settings)
        with contextlib.ExitStack() as stack:
            transport = Transport(self._address, self._settings)
            stack.callback(transport.close)
            target = Target(planner, self._settings, self._digest)
            stack.callback(target.close)
            engine = Engine(planner, transport, target, Limiter(self._settings.limit_rate))
            try:
                target.begin(self._path)
                self._run(engine)
                return target.finish()
            except BaseException as exc:
                self._keep(engine, target, exc)
                raise

    def _run(self, engine: Engine) -> None:
        self._engine = engine
        if self._failure is not None:
            engine.stop(self._failure)
        engine.run()

    def _keep(self, engine: Engine, target: Target, exc: BaseException) -> None:
        with contextlib.suppress(DiskError):  # which may be why it ends
            engine.save()
        if isinstance(exc, DownloadError):
            exc.kept = exc.kept or target.kept_text
        with contextlib.suppress(BaseException):  # which may be what ends it
            target.report(last=True)

    def stop(self, failure: BaseException | None = None) -> None:
        self._failure = failure or Stopped("stopped")
        if self._engine is not None:
            self._engine.stop(self._failure)
