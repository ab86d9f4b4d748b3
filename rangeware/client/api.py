"""``download`` and ``adownload``: from a URL to a complete file."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import urllib3

from ..errors import InvalidOption
from .described import DescribedRun, is_described
from .digests import Pieces, digest_of_fragment
from .errors import ChangedError, DigestError, DiskError, NetworkError, TransferError
from .io.adopting import Adopted, adopt, begun
from .io.destination import destination_of
from .io.engine import Engine
from .io.existing_file import ExistingFiles
from .io.output import FileExists
from .io.partial_source import PartialSource
from .io.questions import Questions
from .io.shared import Shared
from .io.stopping import Stopped
from .io.stream import StreamOutput
from .io.target import Target
from .io.transport import RequestFailed, Transport, parse_address
from .options import DownloadOptions
from .planning.mirrors import planner_of
from .planning.planner import Planner
from .planning.throughput import RateLimiter
from .progress import Download, Progress

if TYPE_CHECKING:
    from .asynchronous import Run
    from .io.destination import Place


def download(
    url: str, path: str | os.PathLike[str] | BinaryIO | None = None, *, directory: str | os.PathLike[str] = ".",
    connections: int = 4, force: bool = False, if_newer: bool = False, skip_existing: bool = False,
    continue_from: str | os.PathLike[str] | None = None, checksum: str | None = None, decode: bool | None = None,
    allow_unknown_length: bool = False, mirrors: Sequence[str] = (), pieces: Pieces | None = None,
    metalink: bool | None = None, metalink_file: str | None = None, segment_size: int = 1_048_576,
    worthwhile: float = 1.0, sha256: str | None = None, headers: Mapping[str, str] | None = None,
    limit_rate: int | None = None, progress: Callable[[Progress], object] | None = None,
    trace: Callable[[str], object] | None = None, timeout: float = 15.0, first_byte: float | None = None,
    tries: int = 6, first_delay: float = 0.5, longest_delay: float = 30.0,
    cookies: str | os.PathLike[str] | None = None, cacert: str | os.PathLike[str] | None = None,
    insecure: bool = False, pool: urllib3.PoolManager | None = None, stall: float | None = None,
    segments: int | None = None,
) -> Download:
    """Fetch a file, or the rest of it, and return when it is complete and checked.

    >>> download("http://127.0.0.1:8000/film.mp4", "film.mp4").path
    PosixPath('film.mp4')

    If it fails, the received bytes are kept beside the file, as ``NAME.part``, and the next call resumes there.

    :param url: http or https. ``user:password@`` in it is sent to this host only. A digest at its end, such as
        ``#sha256=HEX`` or ``#md5=HEX``, is checked.
    :param path: the file, or a folder; None for a name by the server or the URL, in ``directory``. A folder that does
        not exist yet is made, if its path ends with a slash. ``"-"`` is standard output; that or another binary stream
        gets the bytes as they come, over one connection. A wrong digest shows at the end then, after all has been
        written; only a file of up to 32 MiB is checked before.
    :param directory: the folder for a file without ``path``; the current one by default.
    :param connections: connections at once, at most.
    :param force: True fetches the file again, and replaces an existing one. With False, an existing file is compared
        with the one at the server: if it is complete, the download is done; if it is another file, that is an error.
    :param if_newer: True replaces an existing file if the one at the server is newer, or has another length.
    :param skip_existing: True leaves an existing file as it is, without asking the server about it.
    :param continue_from: a partial file that another program has left (curl, wget, aria2 with its control file, a
        browser). Some of its bytes are compared with the server, then it is copied; it may be ``path`` itself.
    :param checksum: another digest than ``sha256`` that the file must have, as ``"sha512:HEX"``; also with md5, sha1,
        sha224, sha384, sha3_224 to sha3_512, blake2b and blake2s. None for no check.
    :param decode: True undoes a Content-Encoding around the file, such as gzip, once it is complete; the digest is that
        of the decoded file. False keeps the bytes as they are sent. None makes such a file an error. A file that is
        compressed itself, by its name or type, stays as it is.
    :param allow_unknown_length: True takes the end of the connection for the end of the file, if the server sends no
        length. The danger: a file that was cut short then looks complete.
    :param mirrors: further URLs of the same file. If its digest is known, parts come from all of them at once, and one
        that sends other bytes is dropped; otherwise the next is asked if one fails. Passwords and headers go to the
        first only.
    :param pieces: the digests of all pieces of the file, as ``rangeware.client.digests.Pieces``, besides that of the
        file: each piece is checked as soon as it is there, and fetched again if it is wrong.
    :param metalink: True takes ``url`` for that of a Metalink document, or for its path, and downloads the file that
        it describes, with its digests and mirrors. None does so if the name ends with ``.meta4`` or ``.metalink``.
    :param metalink_file: the name of the file, if the document describes several.
    :param segment_size: bytes that are worth a further connection, at least; 1 MiB by default.
    :param worthwhile: seconds that a further connection must save.
    :param sha256: the SHA-256 that the file must have, as 64 hexadecimal digits; None for no check.
    :param headers: headers to send along, such as ``{"Authorization": "Bearer ..."}``. Another
        origin, after a redirect, gets only harmless ones.
    :param limit_rate: bytes per second, at most, for all connections together; None for no limit.
    :param progress: called with a ``Progress``, five times a second and at each event, such as ``print``. What it
        raises ends the download.
    :param trace: called with a line for each request (``> GET ...``) and each response (``< 206 ...``), from any
        thread; secrets are left out.
    :param timeout: seconds without a byte, after which a connection counts as broken; at most a day.
    :param first_byte: seconds that a server may take for the first byte of a response; None for four times
        ``timeout``, since some servers make an archive first.
    :param tries: failures in a row, without any progress, after which to give up.
    :param first_delay: seconds until the first retry. The delay doubles with each failure, and is cut at random.
    :param longest_delay: seconds between two tries, at most.
    :param cookies: a file of cookies in the format of Netscape, as browsers and curl write it; None for no cookies.
    :param cacert: a file of certificates in PEM to trust instead of those of the system; None for those.
    :param insecure: True does not check certificates. The danger: anybody on the way can read and change what is
        transferred.
    :param pool: an ``urllib3.PoolManager`` of your own, for proxies, client certificates and so on; it is not closed.
        None makes one, with the proxies of the environment.
    :param stall: the older name of ``timeout``.
    :param segments: the older name of ``connections``.
    :raises TransferError: ``NetworkError``, ``ChangedError``, ``DigestError`` or ``DiskError``, whose ``kept`` says
        where the received bytes are.
    :raises InvalidOption: naming the option that has a value that cannot work.
    """
    return prepare(**locals()).result()  # all by name, so that there is no further list of them


async def adownload(
    url: str, path: str | os.PathLike[str] | BinaryIO | None = None, *, directory: str | os.PathLike[str] = ".",
    connections: int = 4, force: bool = False, if_newer: bool = False, skip_existing: bool = False,
    continue_from: str | os.PathLike[str] | None = None, checksum: str | None = None, decode: bool | None = None,
    allow_unknown_length: bool = False, mirrors: Sequence[str] = (), pieces: Pieces | None = None,
    metalink: bool | None = None, metalink_file: str | None = None, segment_size: int = 1_048_576,
    worthwhile: float = 1.0, sha256: str | None = None, headers: Mapping[str, str] | None = None,
    limit_rate: int | None = None, progress: Callable[[Progress], object] | None = None,
    trace: Callable[[str], object] | None = None, timeout: float = 15.0, first_byte: float | None = None,
    tries: int = 6, first_delay: float = 0.5, longest_delay: float = 30.0,
    cookies: str | os.PathLike[str] | None = None, cacert: str | os.PathLike[str] | None = None,
    insecure: bool = False, pool: urllib3.PoolManager | None = None, stall: float | None = None,
    segments: int | None = None,
) -> Download:
    """Download as ``download`` does, which describes the parameters, in a thread, for asyncio.

    >>> asyncio.run(adownload("http://127.0.0.1:8000/film.mp4", "film.mp4")).path
    PosixPath('film.mp4')

    On cancellation it stops, and the received bytes are kept. ``progress`` is called in the event loop; what it raises
    ends the download.

    :raises TransferError: as ``download``.
    :raises InvalidOption: as ``download``.
    """
    return await _in_thread(**locals())


async def _in_thread(url: str, path: Place, **options: Any) -> Download:
    from .asynchronous import run_in_thread  # the command does not need asyncio

    return await run_in_thread(lambda checked: _made(url, path, checked), DownloadOptions.from_mapping(options))


def prepare(url: str, path: Place = None, shared: Shared | None = None, **options: Any) -> Run[Download]:
    """Make a download, with the parameters of ``download``, that another thread can stop.

    :param shared: for several downloads at once; None for one that shares nothing.
    :raises InvalidOption: if an option cannot work.
    """
    return _made(url, path, DownloadOptions.from_mapping(options), shared)


def _made(url: str, path: Place, options: DownloadOptions, shared: Shared | None = None) -> Run[Download]:
    if not is_described(url, options):
        return DownloadRun(url, path, options, shared)
    return DescribedRun(url, path, options, lambda url, path, options: DownloadRun(url, path, options, shared))


class DownloadRun:
    """One download, which can be stopped from another thread."""

    def __init__(self, url: str, path: Place, options: DownloadOptions, shared: Shared | None = None) -> None:
        try:
            self._address, *mirrors = (parse_address(each) for each in (url, *options.mirrors))
        except RequestFailed as exc:
            raise InvalidOption(str(exc)) from None
        self._urls = [self._address.url, *(mirror.url for mirror in mirrors)]
        in_url = None if options.digest else digest_of_fragment(url)
        self._options = options if in_url is None else replace(options, checksum=str(in_url))
        self._to = destination_of(path, options.directory)
        if self._to.stream is not None:
            self._options = replace(self._options, connections=1, pieces=None)
            if options.decode:
                raise InvalidOption("decode needs a file: what goes to a stream is passed on as it comes")
            if options.continue_from is not None:
                raise InvalidOption("continue_from needs a file: what goes to a stream begins at its first byte")
        self._shared = shared
        self._planner: Planner | None = None
        self._engine: Engine | None = None
        self._stopping = threading.Event()
        self._failure: BaseException | None = None

    def result(self) -> Download:
        """Carry it out, as ``download`` does. Can be called once."""
        with contextlib.ExitStack() as stack:
            pool = None if self._shared is None else self._shared.pool(self._address.url, self._options)
            transport = Transport(self._address, self._options, self._warn, pool)
            stack.callback(transport.close)
            if self._to.stream is not None:
                return self._download(transport, None, self._options)
            if self._options.continue_from is not None:
                source = PartialSource(Path(self._options.continue_from))
                stack.callback(source.close)
                return self._continue(transport, source)
            existing = self._existing_files(transport)
            done = existing.look_by_url(self._to.directory) if self._to.path is None else None
            return self._fetch(transport, self._to.path) if done is None else self._already_complete(done)

    def _continue(self, transport: Transport, source: PartialSource) -> Download:
        """Continue from the partial file of another program, which may have the final name itself."""
        url, (path, directory, _) = self._address.url, self._to
        adopted, final = None, begun(path, directory, self._urls)
        if final is None:
            adopted = adopt(source, url, path, directory, self._questions(transport), self._options.digest)
            final = adopted.final
        if source.is_same_file(final):
            return self._download(transport, final, replace(self._options, force=True), adopted, source)
        return self._fetch(transport, final, adopted)

    def _fetch(self, transport: Transport, path: Path | None, adopted: Adopted | None = None) -> Download:
        """Download, unless there is a complete file already."""
        try:
            return self._download(transport, path, self._options, adopted)
        except FileExists as exc:
            final, self._planner = exc.final, None
        done = self._existing_files(transport).look_at(final)
        if done is not None:
            return self._already_complete(done)
        return self._download(transport, final, replace(self._options, force=True), adopted)

    def _questions(self, transport: Transport) -> Questions:
        return Questions(transport, self._options, self._wait, self._tell)

    def _existing_files(self, transport: Transport) -> ExistingFiles:
        return ExistingFiles(self._address.url, self._options, self._questions(transport), self._warn)

    def _wait(self, seconds: float) -> None:
        if self._stopping.wait(seconds) and self._failure is not None:
            raise self._failure

    def _warn(self, text: str) -> None:
        """Tell the caller of a warning: in the calling thread, whichever thread it comes from."""
        if self._planner is None:
            self._tell("warning", text)
        else:
            self._planner.notices.append(("warning", text))

    def _tell(self, event: str, text: str, path: str = "", done: int = 0) -> None:
        """Tell the caller of an event outside of the download itself."""
        if self._options.progress is not None:
            self._options.progress(Progress(event, path, done, done or None, 0, 0.0, (), text))

    def _already_complete(self, done: Download) -> Download:
        self._claim(done.path)
        self._tell("finished", "already complete", str(done.path), done.complete_length)
        return done

    def _download(
        self, transport: Transport, path: Path | None, options: DownloadOptions, adopted: Adopted | None = None,
        replaced: PartialSource | None = None,
    ) -> Download:
        """Download from all addresses; from one after the other, if what they have sent has a wrong digest.

        :param replaced: the file that has the final name and is to be replaced, if it is no other by then.
        """
        failure: DigestError | None = None
        asked: list[str] = []  # the address that has sent all of it alone
        for urls in (self._urls, *([url] for url in self._urls)):
            if urls == asked:
                continue
            try:
                return self._attempt(urls, transport, path, options, adopted, replaced)
            except DigestError as exc:
                agree = failure is not None and not self._is_mixed and str(failure) == str(exc)
                if agree or not self._can_start_again:  # if they agree, it is the digest that is wrong
                    raise
                asked = [] if self._is_mixed or self._planner is None else [self._planner.state.url]
                failure, adopted = exc, None
                self._tell("changed", f"{exc}; starting again with one address after the other")
            except (NetworkError, ChangedError):
                if failure is None:
                    raise
        raise failure or AssertionError

    @property
    def _can_start_again(self) -> bool:
        """True if another address may have the right file. What was passed on stays, and pieces were checked."""
        return len(self._urls) > 1 and self._to.stream is None and self._options.pieces is None

    @property
    def _is_mixed(self) -> bool:
        """True if several addresses have sent a part of the file."""
        return self._planner is not None and self._planner.is_mixed

    def _attempt(
        self, urls: Sequence[str], transport: Transport, path: Path | None, options: DownloadOptions,
        adopted: Adopted | None, replaced: PartialSource | None,
    ) -> Download:
        """Download from the first request to the final name."""
        planner = self._planner = planner_of(urls, options)
        with contextlib.ExitStack() as stack:
            stream = None if self._to.stream is None else StreamOutput(self._to.stream, lambda: self._wait(0))
            target = Target(planner, options, self._claim, stream)
            stack.callback(target.close)
            engine = Engine(planner, transport, target, RateLimiter(options.limit_rate))
            try:
                target.begin(path, self._to.directory, adopted)
                self._run(engine)
                if replaced is not None and path is not None and not replaced.is_same_file(path):
                    raise DiskError(f"{path} has changed meanwhile")
                return target.finish()
            except FileExists:
                raise
            except BaseException as exc:
                self._keep(engine, target, exc)
                raise

    def _claim(self, final: Path) -> None:
        if self._shared is not None:
            self._shared.claim(final, self._address.url)

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
        """Make ``result`` raise this exception, or ``TransferError``; the received bytes are kept."""
        self._failure = failure or Stopped("stopped")
        self._stopping.set()
        if self._engine is not None:
            self._engine.stop(self._failure)
