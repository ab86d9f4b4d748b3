"""Downloads that a Metalink document describes: of which file, with which digests, and from which addresses.

The document is fetched like any file, or read from the disk. After that it is a download from the address that the
document prefers, with the others as mirrors. What the caller's headers may give away goes to the origin of the document
only, since the document may name any other.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidOption
from .addresses import parse
from .errors import NetworkError
from .io.destination import destination_of
from .io.own_fields import HARMLESS
from .metalink import LONGEST_DOCUMENT, MetalinkFile, chosen_file, parse_metalink
from .options import DownloadOptions
from .progress import Download, Progress

if TYPE_CHECKING:
    from .asynchronous import Run
    from .io.destination import Place

    Make = Callable[[str, Place, DownloadOptions], Run[Download]]

_ENDINGS = (".meta4", ".metalink")


def is_described(url: str, options: DownloadOptions) -> bool:
    """True if this is the address or the path of a Metalink document, and what it describes is wanted."""
    if options.metalink is not None:
        return options.metalink
    return url.partition("#")[0].partition("?")[0].lower().endswith(_ENDINGS)


class DescribedRun:
    """The download of a file that a document describes. It can be stopped from another thread.

    :param url: of the document, or its path.
    :param make: makes the download of a plain URL.
    :raises InvalidOption: if the document cannot be read, or describes no single file; of a URL, ``result`` raises it.
    """

    def __init__(self, url: str, place: Place, options: DownloadOptions, make: Make) -> None:
        self._url = url
        self._place = place
        self._options = options
        self._make = make
        self._run: Run[Download] | None = None
        self._is_stopped = False
        self._failure: BaseException | None = None
        self._is_remote = url.lower().startswith(("http://", "https://"))
        self._file = None if self._is_remote else self._chosen(_read(url))

    def result(self) -> Download:
        """Carry it out. Can be called once."""
        file = self._file or self._fetched()
        if not file.urls:
            raise InvalidOption(f"the Metalink document has no http or https address of {file.name}")
        return self._result_of(file.urls[0], self._place_of(file), self._options_for(file))

    def _result_of(self, url: str, place: Place, options: DownloadOptions) -> Download:
        self._run = self._make(url, place, options)
        if self._is_stopped:
            self._run.stop(self._failure)
        return self._run.result()

    def _fetched(self) -> MetalinkFile:
        with tempfile.TemporaryDirectory() as folder:
            got = self._result_of(self._url, Path(folder) / "document", self._options_for_document())
            document = got.path.read_bytes()
        try:
            return self._chosen(document)
        except InvalidOption as exc:
            if self._options.metalink_file is None and "choose one" in str(exc):
                raise
            raise NetworkError(f"{got.url}: {exc}") from None

    def _chosen(self, document: bytes) -> MetalinkFile:
        return chosen_file(parse_metalink(document), self._options.metalink_file)

    def _options_for_document(self) -> DownloadOptions:
        return replace(
            self._options, metalink=False, progress=_refuse_long, sha256=None, checksum=None, pieces=None, mirrors=(),
            if_newer=False, skip_existing=False, continue_from=None, decode=True, connections=1)

    def _options_for(self, file: MetalinkFile) -> DownloadOptions:
        given = self._options
        digest = given.digest or file.digest
        progress = given.progress
        if digest is None and file.size is not None and not given.decode:
            progress = _only_of(file.size, progress)
        return replace(
            given, metalink=False, progress=progress, headers=self._headers_for(file.urls[0]),
            mirrors=(*file.urls[1:], *given.mirrors), sha256=None, checksum=None if digest is None else str(digest),
            pieces=given.pieces if digest is None else given.pieces or file.pieces)

    def _headers_for(self, url: str) -> Mapping[str, str]:
        headers = self._options.headers
        if self._is_remote and parse(url).origin == parse(self._url).origin:
            return headers
        return {name: value for name, value in headers.items() if name.lower() in HARMLESS}

    def _place_of(self, file: MetalinkFile) -> Place:
        to = destination_of(self._place, self._options.directory)
        return self._place if to.stream is not None or to.path is not None else to.directory / file.name

    def stop(self, failure: BaseException | None = None) -> None:
        """Make ``result`` raise this exception, or ``TransferError``; the received bytes are kept."""
        self._is_stopped, self._failure = True, failure
        if self._run is not None:
            self._run.stop(failure)


def _read(path: str) -> bytes:
    try:
        with Path(path).open("rb") as file:
            return file.read(LONGEST_DOCUMENT + 1)
    except (OSError, ValueError) as exc:
        raise InvalidOption(f"cannot read {path}: {getattr(exc, 'strerror', None) or exc}") from None


def _only_of(size: int, tell: Callable[[Progress], object] | None) -> Callable[[Progress], None]:
    """A function that takes reports, and ends the download of a file that has another length than it should."""
    def report(progress: Progress) -> None:
        if progress.complete_length not in (None, size):
            raise NetworkError(f"the file has {progress.complete_length:,} bytes instead of the {size:,} of the "
                               "Metalink document")
        if tell is not None:
            tell(progress)

    return report


def _refuse_long(progress: Progress) -> None:
    if max(progress.done, progress.complete_length or 0) > LONGEST_DOCUMENT:
        raise NetworkError(f"not a Metalink document: more than {LONGEST_DOCUMENT} bytes")
