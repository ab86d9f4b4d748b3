"""``upload`` and ``aupload``: from a file to a server of tus 1.0 or the IETF draft for resumable uploads."""

from __future__ import annotations

import contextlib
import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from .errors import DigestError, TransferError
from .io.source_file import SourceFile
from .io.stopping import Stopped
from .io.transport import RequestFailed, Transport, parse_address
from .io.upload_engine import UploadEngine
from .io.upload_report import UploadReport
from .io.upload_store import UploadStore, cache_folder, remembered_digest
from .planning.throughput import RateLimiter
from .planning.upload_planner import UploadPlanner
from .planning.upload_request import LocalFile
from .progress import Upload
from .upload_options import UploadOptions

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .upload_options import UploadOptionsDict

_UNKNOWN_TYPE = "application/octet-stream"


def upload(path: str | os.PathLike[str], url: str, **options: Unpack[UploadOptionsDict]) -> Upload:
    """Send a file, or the rest of it, and return when the server says that it has the whole.

    :param path: a regular file. If it changes while it is sent, the upload is ended and never completed.
    :param url: http or https: where the server creates uploads. ``user:password@`` in it is sent to this host only.
    :param options:
        ``metadata``: texts by key for a tus server; ``filename`` and ``filetype`` are sent anyway.
        ``protocol``: "tus" or "draft"; None asks the server which one it speaks.
        ``sha256``: 64 hexadecimal digits that the file must have.
        ``chunk_size``: bytes in one request; None sends all in one, as far as the server allows.
        ``limit_rate``: bytes per second.
        ``headers``: headers to send along. Another origin gets only harmless ones.
        ``pool``: an ``urllib3.PoolManager`` of your own, for proxies, certificates and so on. Stopping, and an early
        response of the server, are then noticed between two requests only.
        ``progress``: called with a ``Progress``, five times a second and at each event.
        ``state``: the folder for what a later call needs to resume (``rangeware`` in the user's cache folder).
        ``fresh``: True does not resume what an earlier call has begun.
        ``stall``: seconds without a byte after which a connection counts as broken (15).
        ``tries``: failures in a row, without any progress, after which to give up (6).
        ``first_delay``, ``longest_delay``: seconds between tries: they double from the first (0.5) up to the longest
        (30), and are cut at random.
    :raises TransferError: NetworkError, ChangedError, DigestError or DiskError; the next call resumes.
    :raises InvalidOption: if an option cannot work.

    >>> upload("film.mp4", "http://127.0.0.1:8000/files/").complete_length
    104857600
    """
    return _UploadRun(path, url, UploadOptions.from_mapping(options)).result()


async def aupload(path: str | os.PathLike[str], url: str, **options: Unpack[UploadOptionsDict]) -> Upload:
    """Run ``upload`` in a thread, for asyncio. On cancellation it stops, and the next call resumes.

    ``progress`` is called in the event loop. An exception that it raises ends the upload.
    """
    from .asynchronous import run_in_thread  # the command does not need asyncio

    return await run_in_thread(
        lambda checked: _UploadRun(path, url, checked), UploadOptions.from_mapping(options))


class _UploadRun:
    """One upload, which can be stopped from another thread."""

    def __init__(self, path: str | os.PathLike[str], url: str, options: UploadOptions) -> None:
        try:
            self._address = parse_address(url)
        except RequestFailed as exc:
            raise InvalidOption(str(exc)) from None
        self._path = Path(path)
        self._options = options
        self._folder = cache_folder() if options.state is None else Path(options.state)
        self._engine: UploadEngine | None = None
        self._failure: BaseException | None = None

    def result(self) -> Upload:
        with contextlib.ExitStack() as stack:
            source = SourceFile(self._path)
            stack.callback(source.close)
            source.settle()
            report = UploadReport(self._path, source.identity.size, self._options.progress)
            file = self._describe(source, report)
            store = UploadStore(self._folder, self._address.url, file.complete_length, file.sha256)
            stack.callback(store.close)
            saved = None if self._options.fresh else store.load()
            planner = UploadPlanner(self._address.url, file, self._options, saved)
            transport = Transport(self._address, self._options)
            stack.callback(transport.close)
            engine = UploadEngine(
                planner, transport, source, store, report, RateLimiter(self._options.limit_rate))
            self._run(engine, planner, report)
            return Upload(
                self._path, self._address.url, planner.address, file.complete_length, planner.protocol, file.sha256,
                report.sent, planner.kept, planner.restarts, report.seconds)

    def _run(self, engine: UploadEngine, planner: UploadPlanner, report: UploadReport) -> None:
        self._engine = engine
        report.start_clock()
        if self._failure is not None:
            engine.stop(self._failure)
        try:
            engine.run()
        except BaseException as exc:
            if isinstance(exc, TransferError):
                exc.kept = exc.kept or planner.describe_kept()
            with contextlib.suppress(BaseException):  # the caller's ``progress`` may be the reason
                report.progress(planner)
            raise
        report.finished()

    def _describe(self, source: SourceFile, report: UploadReport) -> LocalFile:
        """Make the digest of the file, unless an earlier run has made it, and describe the file for the server."""
        options = self._options
        sha256 = None if options.sha256 else remembered_digest(self._folder, source.identity)
        if sha256 is None:
            sha256 = source.sha256(lambda length: self._check(report, length))
        if options.sha256 not in (None, sha256):
            raise DigestError(f"the sha256 of {self._path} is {sha256} instead of {options.sha256}")
        name = self._path.name.encode("utf-8", "replace").decode()
        media_type = mimetypes.guess_type(name)[0] or _UNKNOWN_TYPE
        return LocalFile(name, media_type, source.identity.size, sha256, options.metadata)

    def _check(self, report: UploadReport, length: int) -> None:
        if self._failure is not None:
            raise self._failure
        report.checking(length)

    def stop(self, failure: BaseException | None = None) -> None:
        self._failure = failure or Stopped("stopped")
        if self._engine is not None:
            self._engine.stop(self._failure)
