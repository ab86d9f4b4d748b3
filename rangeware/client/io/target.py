"""The target of one download: its name, its files on disk, its digest, and the reports to the caller.

The engine asks for the part file when a response has been accepted, and for the finished file in the end.
"""

from __future__ import annotations

import time
from pathlib import Path

from ...http.dates import EPOCH, parse_http_date
from ..digests import Digest, declared_digest
from ..errors import DigestError
from ..filenames import file_name
from ..options import DownloadOptions
from ..planning.planner import Planner
from ..planning.response_head import ResponseHead
from ..planning.state import SavedState
from ..planning.throughput import ThroughputMeter
from ..progress import Download, Progress
from .output import Output, find_final
from .part_file import PartFile, disk_errors

_REPORT = 0.2  # seconds


class Target:
    """The files of one download, and what the caller is told of it.

    :param digest: the expected digest of the complete file; None if the caller knows none.

    :ivar kept: bytes that an earlier run had left.
    """

    def __init__(self, planner: Planner, options: DownloadOptions, digest: Digest | None) -> None:
        self._planner = planner
        self._options = options
        self._asked = self._digest = digest
        self._meter = ThroughputMeter()
        self._started = time.monotonic()
        self._report_at = self._started
        self._generation = 0
        self._output: Output | None = None
        self._has_part_file = False
        self._directory = Path(options.directory)
        self.kept = 0

    def begin(self, path: Path | None) -> None:
        """Resume what an earlier run has left, if the name of the file is known yet.

        :param path: the final name, or a folder; None for a name that the server gives.
        :raises DiskError: if the file cannot be written, or exists.
        """
        with disk_errors(path or self._directory):
            if path is not None and path.is_dir():
                self._directory, path = path, None
            final = path or find_final(self._directory, self._planner.state.url)
        if final is not None:
            self._open_output(final)
        self.kept = self._planner.state.finished.length

    def _open_output(self, final: Path) -> None:
        self._output = Output(final, self._notify, force=self._options.force)
        left = self._output.left_by_earlier_run(self._planner.state.url)
        if left is not None:
            self._resume(left)

    def _resume(self, left: SavedState) -> None:
        self._planner.resume(left)
        self._digest = self._asked or left.digest
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
    def part_file(self) -> PartFile:
        """The part file that is being written."""
        assert self._output is not None, "no response has been accepted yet"
        return self._output.current

    @property
    def saved_state(self) -> SavedState:
        """The state to keep for a later run."""
        return self._planner.state.saved._replace(digest=self._digest)

    def open(self, head: ResponseHead) -> bool:
        """Open a part file for the content of an accepted response; False if one was found to resume instead."""
        known = self._digest if self._is_current else None  # the digest of the version before does not count
        self._digest = self._asked or known or declared_digest(head.fields)
        if self._output is None:
            name = file_name(head.fields.get("content-disposition"), self._planner.state.address)
            self._open_output(self._directory / name)
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
        return left is None

    # reports

    def count(self, length: int) -> None:
        """Count ``length`` bytes of received content."""
        self._meter.count(length, time.monotonic())

    def report(self, *, last: bool = False) -> None:
        """Tell the caller of all events, and of the progress five times a second; with ``last``, at once."""
        while self._planner.notices:
            self._tell(*self._planner.notices.pop(0))
        if last or time.monotonic() >= self._report_at:
            self._report_at = time.monotonic() + _REPORT
            self._tell("progress", "")

    def _notify(self, text: str) -> None:
        self._planner.notices.append(("changed", text))

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
        self._check_digest()
        date = parse_http_date(version.last_modified or "", EPOCH.replace(year=2000))
        self._output.finish(complete_length, None if date is None else date.timestamp())
        self._has_part_file = False
        self._tell("finished", "")
        return Download(
            self._output.final, state.url, state.address, complete_length,
            None if version.etag is None else str(version.etag), version.last_modified,
            None if self._asked is None else self._asked.value.hex(),
            self._meter.received, self.kept, self._planner.generation, time.monotonic() - self._started)

    def _check_digest(self) -> None:
        if self._digest is None:
            return
        found = self.part_file.digest(self._digest.algorithm)
        if found != self._digest.value:
            other = self.part_file.set_aside()
            self._has_part_file = False
            raise DigestError(
                f"the {self._digest.algorithm} is {found.hex()} instead of {self._digest.value.hex()}",
                f"the received file is kept as {other}")

    def close(self) -> None:
        """Close the files."""
        if self._output is not None:
            self._output.close()

    def describe_kept(self) -> str:
        """Describe what is kept for a later run, and where; "" if nothing is."""
        if self._output is None:
            return ""
        return self._output.describe_kept(self._planner.state.finished.length, self._planner.state.complete_length)
