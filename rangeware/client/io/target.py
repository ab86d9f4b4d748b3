"""The target of one download: its name, its files on disk, its digest, and the reports to the caller.

The engine asks for the part file when a response has been accepted, and for the finished file in the end.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ...http.dates import EPOCH, parse_http_date
from ..digests import Digest, declared_digest
from ..errors import DigestError
from ..filenames import file_name, is_no_page
from ..options import DownloadOptions
from ..planning.codings import UNDOABLE, around
from ..planning.planner import Planner
from ..planning.response_head import ResponseHead
from ..planning.state import SavedState
from ..planning.throughput import ThroughputMeter
from ..progress import Download, Progress
from .adopting import Adopted
from .decoding import CodingError, decode, replace, require_decoders
from .filesystem import disk_errors, refuse_read_only
from .output import Output, find_final
from .part_file import PartFile
from .stream import StreamOutput, StreamPart

_REPORT = 0.2  # seconds
_PAGES = ("text/html", "application/xhtml+xml")


class Target:
    """The files of one download, and what the caller is told of it.

    :param claim: called with the final name before anything is done with it; may raise a DiskError.
    :param stream: for a download to a stream; None for one to a file.

    :ivar kept: bytes that an earlier run had left.
    """

    def __init__(
        self, planner: Planner, options: DownloadOptions, claim: Callable[[Path], object],
        stream: StreamOutput | None = None,
    ) -> None:
        self._planner = planner
        self._claim = claim
        self._options = options
        self._asked = options.digest  # of the file in the end
        self._known: Digest | None = None  # of the part file: told by the server, or by an earlier run
        self._meter = ThroughputMeter()
        self._started = time.monotonic()
        self._report_at = self._started
        self._generation = 0
        self._output: Output | StreamOutput | None = stream
        self._has_part_file = False
        self._directory = Path(options.directory)
        self.kept = 0

    def begin(self, path: Path | None, directory: Path, adopted: Adopted | None = None) -> None:
        """Resume what an earlier run has left, if the name of the file is known yet.

        :param path: the final name; None for a name that the server gives.
        :param directory: the folder of a file without a path.
        :param adopted: a partial file whose bytes are taken over, unless there is a part file.
        :raises DiskError: if the file cannot be written, or exists.
        """
        if self._output is not None:
            return
        self._directory = directory
        with disk_errors(path or directory):
            final = path or find_final(directory, self._planner.urls)
        if adopted is not None:
            self._open_output(adopted.final, adopted)
        elif final is not None:
            self._open_output(final)
        else:
            refuse_read_only(directory)
        self.kept = self._planner.state.finished.length

    def _open_output(self, final: Path, adopted: Adopted | None = None) -> None:
        self._claim(final)
        output = self._output = Output(final, self._notify, self._warn, force=self._options.force)
        left = output.left_by_earlier_run(self._planner.urls)
        if left is None and adopted is not None:
            left = output.adopt(adopted.state, adopted.blocks())
        if left is not None:
            self._resume(left)

    def _resume(self, left: SavedState) -> None:
        self._planner.resume(left)
        self._known = left.digest
        self.part_file.commit(self.part_file.stage(self.saved_state), (), ())
        self.part_file.sync()
        self._generation = self._planner.generation
        self._has_part_file = True

    @property
    def _is_current(self) -> bool:
        """True if the part file is that of the planner's bytes; False if the download has to start again."""
        return self._generation == self._planner.generation

    @property
    def is_ready(self) -> bool:
        """True if there is a part file that belongs to the planner's state, so that it can be saved."""
        return self._has_part_file and self._is_current

    @property
    def part_file(self) -> PartFile | StreamPart:
        """The part file that is being written."""
        assert self._output is not None, "no response has been accepted yet"
        return self._output.current

    @property
    def saved_state(self) -> SavedState:
        """The state to keep for a later run."""
        return self._planner.state.saved._replace(digest=self._digest_of_part)

    @property
    def _digest_of_part(self) -> Digest | None:
        """The digest that the part file must have. That of a server is of the coded bytes (RFC 9530 2)."""
        return (None if self._codings_around else self._asked) or self._known

    @property
    def _codings_around(self) -> tuple[str, ...]:
        """The codings to undo in the end. A file whose name says that it is compressed stays so."""
        version = self._planner.state.version
        if not self._options.decode or version is None or self._output is None:
            return ()
        codings = around(version.codings, [self._output.final.name])
        return codings if UNDOABLE.issuperset(codings) else ()

    def open(self, head: ResponseHead) -> bool:
        """Open a part file for the content of an accepted response; False if one was found to resume instead."""
        known = self._known if self._is_current else None  # the digest of the version before does not count
        self._known = known or declared_digest(head.fields)
        if self._output is None:
            name = file_name(head.fields.get("content-disposition"), self._planner.state.address)
            self._open_output(self._directory / name)
        require_decoders(self._codings_around)
        if self.is_ready:
            return True
        again = self._planner.generation > 0
        left = self._output.begin(self.saved_state, again=again) if self._output else None
        self._generation = self._planner.generation
        self._has_part_file = True
        if left is not None:
            self._resume(left)
        else:
            self._planner.notices.append(("began", ""))
            self._warn_of_page(head.media_type)
        return left is None

    def _warn_of_page(self, media_type: str | None) -> None:
        """Warn of a web page in the place of a file: perhaps an error page, or one to log in."""
        final = None if self._output is None else self._output.final
        if media_type in _PAGES and final is not None and is_no_page(final.name):
            self._warn(f"the server sends a web page ({media_type}) as {final.name}")

    # reports

    def count(self, length: int) -> None:
        """Count ``length`` bytes of received content."""
        self._meter.count(length, time.monotonic())

    def report(self, *, last: bool = False) -> None:
        """Tell the caller of all events, and of the progress five times a second; with ``last``, at once.

        Also pass on what has come, if that is to a stream.
        """
        self._tell_notices()
        if self._output is not None and not last and self._output.pass_on():
            for fetch in self._planner.state.fetches:  # it may be the reader who keeps them waiting
                fetch.heard_at = time.monotonic()
        if last or time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + _REPORT
            self._tell("progress", "")

    def _tell_notices(self) -> None:
        while self._planner.notices:
            self._tell(*self._planner.notices.pop(0))

    def _notify(self, text: str) -> None:
        self._planner.notices.append(("changed", text))

    def _warn(self, text: str) -> None:
        self._planner.notices.append(("warning", text))

    def _tell(self, event: str, text: str) -> None:
        if self._options.progress is not None:
            state = self._planner.state
            self._options.progress(Progress(
                event, "" if self._output is None else str(self._output.final), state.finished.length,
                state.complete_length, self._meter.received, self._meter.rate(time.monotonic()),
                tuple(fetch.remaining for fetch in state.fetches if fetch.last_pos is not None), text))

    # the end

    def finish(self) -> Download:
        """Check the complete file, and give it its final name.

        :raises DigestError: if its digest is not the expected one. It is set aside then.
        """
        assert self._output is not None, "no response has been accepted yet"
        state = self._planner.state
        version, complete_length = state.saved.version, state.complete_length or 0
        self.report(last=True)  # the caller may not want a file of this length
        self._check_digest()
        if self._codings_around:
            complete_length = self._decode()
        date = parse_http_date(version.last_modified or "", EPOCH.replace(year=2000))
        self._output.finish(complete_length, None if date is None else date.timestamp())
        self._has_part_file = False
        self._tell_notices()
        self._tell("finished", "")
        return Download(
            self._output.final, self._planner.urls[0], state.address, complete_length,
            None if version.etag is None else str(version.etag), version.last_modified,
            self._asked.value.hex() if self._asked is not None and self._asked.algorithm == "sha256" else None,
            self._meter.received, self.kept, self._planner.generation, time.monotonic() - self._started,
            None if self._asked is None else str(self._asked))

    def _check_digest(self) -> None:
        wanted = self._digest_of_part
        if wanted is not None:
            self._compare(wanted, self.part_file.digest(wanted.algorithm))

    def _compare(self, wanted: Digest, found: bytes) -> None:
        if found != wanted.value:
            raise self._refused(f"the {wanted.algorithm} is {found.hex()} instead of {wanted.value.hex()}",
                                wanted._replace(value=found))

    def _refused(self, reason: str, found: Digest | None = None) -> DigestError:
        """Set the part file aside: it is not what it should be. ``found`` is its digest, if that is known."""
        other = self.part_file.set_aside(found)
        self._has_part_file = False
        kept = "" if isinstance(self._output, StreamOutput) else f"the received file is kept as {other}"
        return DigestError(reason, kept)

    def _decode(self) -> int:
        """Undo the codings around the complete file, and check its digest. Returns its length in bytes."""
        algorithm = "sha256" if self._asked is None else self._asked.algorithm
        part_file = self.part_file
        assert isinstance(part_file, PartFile), "a stream is not decoded"
        part_file.check_name()
        try:
            decoded = decode(part_file.path, self._codings_around, algorithm)
        except CodingError as exc:
            raise self._refused(str(exc)) from exc
        if self._asked is not None and decoded.digest != self._asked.value:
            decoded.path.unlink()
            raise self._refused(f"the {algorithm} is {decoded.digest.hex()} instead of {self._asked.value.hex()}")
        self._has_part_file = False  # it is no more what the planner knows of it
        replace(part_file, decoded.path)
        return decoded.length

    def close(self) -> None:
        """Close the files."""
        if self._output is not None:
            self._output.close()

    def describe_kept(self) -> str:
        """Describe what is kept for a later run, and where; "" if nothing is."""
        if self._output is None:
            return ""
        return self._output.describe_kept(self._planner.state.finished.length, self._planner.state.complete_length)
