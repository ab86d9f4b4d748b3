"""``upload`` and ``aupload``: from a file to a server of tus 1.0 or the IETF draft for resumable uploads."""

from __future__ import annotations

import contextlib
import mimetypes
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import urllib3

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
from .progress import Progress, Upload
from .upload_options import UploadOptions

_UNKNOWN_TYPE = "application/octet-stream"


def upload(
    path: str | os.PathLike[str], url: str, *, metadata: Mapping[str, str] | None = None, protocol: str | None = None,
    chunk_size: int | None = None, fresh: bool = False, state: str | os.PathLike[str] | None = None,
    sha256: str | None = None, headers: Mapping[str, str] | None = None, limit_rate: int | None = None,
    progress: Callable[[Progress], object] | None = None, trace: Callable[[str], object] | None = None,
    timeout: float = 15.0, first_byte: float | None = None, tries: int = 6, first_delay: float = 0.5,
    longest_delay: float = 30.0, cookies: str | os.PathLike[str] | None = None,
    cacert: str | os.PathLike[str] | None = None, insecure: bool = False, pool: urllib3.PoolManager | None = None,
    stall: float | None = None,
) -> Upload:
    """Send a file, or the rest of it, and return when the server says that it has the whole.

    >>> upload("film.mp4", "http://127.0.0.1:8000/files/").complete_length
    1048576

    If it fails, the server keeps what it has, and the next call with the same file and URL resumes there.

    :param path: a regular file. If it changes while it is sent, the upload is ended and never completed.
    :param url: http or https: where the server creates uploads. ``user:password@`` in it is sent to this host only.
    :param metadata: texts by key for a tus server, such as ``{"album": "Rome"}``; ``filename`` and ``filetype`` are
        sent anyway.
    :param protocol: ``"tus"`` or ``"draft"`` (the IETF draft "Resumable Uploads for HTTP"); None asks the server which
        one it speaks.
    :param chunk_size: bytes in one request; None sends all in one, as far as the server allows.
    :param fresh: True does not resume what an earlier call has begun.
    :param state: the folder for what a later call needs to resume; None for ``rangeware`` in the user's cache folder.
    :param sha256: the SHA-256 that the file must have, as 64 hexadecimal digits; None for no check.
    :param headers: headers to send along, such as ``{"Authorization": "Bearer ..."}``. Another
        origin gets only harmless ones.
    :param limit_rate: bytes per second, at most, of content; None for no limit.
    :param progress: called with a ``Progress``, five times a second and at each event, such as ``print``. What it
        raises ends the upload.
    :param trace: called with a line for each request (``> GET ...``) and each response (``< 206 ...``), from any
        thread; secrets are left out.
    :param timeout: seconds without a byte, after which a connection counts as broken; at most a day.
    :param first_byte: seconds that a server may take for the first byte of a response; None for four times
        ``timeout``, since some servers work on a file first.
    :param tries: failures in a row, without any progress, after which to give up.
    :param first_delay: seconds until the first retry. The delay doubles with each failure, and is cut at random.
    :param longest_delay: seconds between two tries, at most.
    :param cookies: a file of cookies in the format of Netscape, as browsers and curl write it; None for no cookies.
    :param cacert: a file of certificates in PEM to trust instead of those of the system; None for those.
    :param insecure: True does not check certificates. The danger: anybody on the way can read and change what is
        transferred.
    :param pool: an ``urllib3.PoolManager`` of your own, for proxies, client certificates and so on; it is not closed.
        None makes one, with the proxies of the environment. With one of your own, stopping and an early
        response of the server are noticed between two requests only.
    :param stall: the older name of ``timeout``.
    :raises TransferError: ``NetworkError``, ``ChangedError``, ``DigestError`` or ``DiskError``; the next call resumes.
    :raises InvalidOption: naming the option that has a value that cannot work.
    """
    return prepare(**locals()).result()  # all by name, so that there is no further list of them


async def aupload(
    path: str | os.PathLike[str], url: str, *, metadata: Mapping[str, str] | None = None, protocol: str | None = None,
    chunk_size: int | None = None, fresh: bool = False, state: str | os.PathLike[str] | None = None,
    sha256: str | None = None, headers: Mapping[str, str] | None = None, limit_rate: int | None = None,
    progress: Callable[[Progress], object] | None = None, trace: Callable[[str], object] | None = None,
    timeout: float = 15.0, first_byte: float | None = None, tries: int = 6, first_delay: float = 0.5,
    longest_delay: float = 30.0, cookies: str | os.PathLike[str] | None = None,
    cacert: str | os.PathLike[str] | None = None, insecure: bool = False, pool: urllib3.PoolManager | None = None,
    stall: float | None = None,
) -> Upload:
    """Upload as ``upload`` does, which describes the parameters, in a thread, for asyncio.

    >>> asyncio.run(aupload("film.mp4", "http://127.0.0.1:8000/files/")).complete_length
    1048576

    On cancellation it stops, and the next call resumes. ``progress`` is called in the event loop; what it raises ends
    the upload.

    :raises TransferError: as ``upload``.
    :raises InvalidOption: as ``upload``.
    """
    return await _in_thread(**locals())


async def _in_thread(path: str | os.PathLike[str], url: str, **options: Any) -> Upload:
    from .asynchronous import run_in_thread  # the command does not need asyncio

    return await run_in_thread(lambda checked: UploadRun(path, url, checked), UploadOptions.from_mapping(options))


def prepare(path: str | os.PathLike[str], url: str, **options: Any) -> UploadRun:
    """Make an upload, with the parameters of ``upload``, that another thread can stop.

    :raises InvalidOption: if an option cannot work.
    """
    return UploadRun(path, url, UploadOptions.from_mapping(options))


class UploadRun:
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
        """Carry it out, as ``upload`` does. Can be called once."""
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
            transport = Transport(self._address, self._options, lambda text: planner.notices.append(("warning", text)))
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
        """Make ``result`` raise this exception, or ``TransferError``; the next call resumes."""
        self._failure = failure or Stopped("stopped")
        if self._engine is not None:
            self._engine.stop(self._failure)
