"""``download`` and ``adownload``: from a URL to a complete file."""

from __future__ import annotations

import contextlib
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from .digests import Digest, digest_of_fragment
from .errors import DiskError, TransferError
from .io.engine import Engine
from .io.stopping import Stopped
from .io.target import Target
from .io.transport import RequestFailed, Transport, parse_address
from .options import DownloadOptions
from .planning.planner import Planner
from .planning.throughput import RateLimiter
from .progress import Download

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .options import OptionsDict


def download(url: str, path: str | os.PathLike[str] | None = None, **options: Unpack[OptionsDict]) -> Download:
    """Fetch a file, or the rest of it, and return when it is complete and checked.

    :param url: http or https. ``user:password@`` in it is sent to this host only. ``#sha256=HEX`` is checked.
    :param path: the file, or a folder; None for a name by the server or the URL, in ``directory``.
    :param options:
        ``directory``: the folder for a file without ``path``; the current one by default.
        ``segments``: connections at once, at most (4).
        ``sha256``: 64 hexadecimal digits that the file must have.
        ``limit_rate``: bytes per second, for all connections together.
        ``headers``: headers to send along. After a redirect to another origin only harmless ones are.
        ``pool``: an ``urllib3.PoolManager`` of your own, for proxies, certificates and so on.
        ``force``: True replaces an existing file.
        ``progress``: called with a ``Progress``, five times a second and at each event.
        ``allow_unknown_length``: True takes the end of the connection for the end of the file, if the server sends no
        length.
        ``stall``: seconds without a byte after which a connection counts as broken (15).
        ``tries``: failures in a row, without any progress, after which to give up (6).
        ``first_delay``, ``longest_delay``: seconds between tries: they double from the first (0.5) up to the longest
        (30), and are cut at random.
        ``segment_size``: bytes that are worth a connection (1 MiB).
        ``worthwhile``: seconds that a further connection must save (1).
    :raises TransferError: NetworkError, ChangedError, DigestError or DiskError; the received bytes are kept.
    :raises InvalidOption: if an option cannot work.

    >>> download("http://127.0.0.1:8000/film.mp4", "film.mp4").path
    PosixPath('film.mp4')
    """
    return _Run(url, path, DownloadOptions.from_mapping(options)).result()


async def adownload(url: str, path: str | os.PathLike[str] | None = None, **options: Unpack[OptionsDict]) -> Download:
    """Run ``download`` in a thread, for asyncio. On cancellation it stops, and the received bytes are kept.

    ``progress`` is called in the event loop. An exception that it raises ends the download.
    """
    from .asynchronous import run_in_thread  # the command does not need asyncio

    return await run_in_thread(lambda checked: _Run(url, path, checked), DownloadOptions.from_mapping(options))


class _Run:
    """One download, which can be stopped from another thread."""

    def __init__(self, url: str, path: str | os.PathLike[str] | None, options: DownloadOptions) -> None:
        try:
            self._address = parse_address(url)
        except RequestFailed as exc:
            raise InvalidOption(str(exc)) from None
        self._path = None if path is None else Path(path)
        sha256 = options.sha256 or digest_of_fragment(url)
        self._options = replace(options, sha256=sha256)
        self._digest = None if sha256 is None else Digest("sha256", bytes.fromhex(sha256))
        self._engine: Engine | None = None
        self._failure: BaseException | None = None

    def result(self) -> Download:
        planner = Planner(self._address.url, self._options)
        with contextlib.ExitStack() as stack:
            transport = Transport(self._address, self._options)
            stack.callback(transport.close)
            target = Target(planner, self._options, self._digest)
            stack.callback(target.close)
            engine = Engine(planner, transport, target, RateLimiter(self._options.limit_rate))
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
        """Save the received bytes for a later run, and say in the error where they are."""
        with contextlib.suppress(DiskError):  # the disk may be the reason for the end
            engine.save()
        if isinstance(exc, TransferError):
            exc.kept = exc.kept or target.describe_kept()
        with contextlib.suppress(BaseException):  # the caller's ``progress`` may be the reason, too
            target.report(last=True)

    def stop(self, failure: BaseException | None = None) -> None:
        self._failure = failure or Stopped("stopped")
        if self._engine is not None:
            self._engine.stop(self._failure)
