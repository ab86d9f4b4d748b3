"""The reports on an upload to the caller: events at once, and progress five times a second."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from ...http.ranges import ByteRange
from ..planning.throughput import ThroughputMeter
from ..planning.upload_planner import UploadPlanner
from ..progress import Progress

_REPORT = 0.2  # seconds


class UploadReport:
    """Tells the caller of one upload.

    :param path: of the file.

    :ivar in_flight: bytes that the request under way has sent.
    :ivar seconds: the duration; 0 before ``start_clock``.
    """

    def __init__(self, path: Path, complete_length: int, tell: Callable[[Progress], object] | None) -> None:
        self.in_flight = 0
        self._path = str(path)
        self._complete_length = complete_length
        self._tell = tell
        self._meter = ThroughputMeter()
        self._report_at = time.monotonic() + _REPORT
        self._started: float | None = None

    @property
    def sent(self) -> int:
        """Bytes of content sent in this run."""
        return self._meter.received

    @property
    def seconds(self) -> float:
        """The duration of the upload."""
        return 0.0 if self._started is None else time.monotonic() - self._started

    def start_clock(self) -> None:
        """Begin to count the duration."""
        self._started = time.monotonic()

    def count(self, length: int) -> None:
        """Count ``length`` bytes of content that have been sent."""
        self.in_flight += length
        self._meter.count(length, time.monotonic())

    def checking(self, done: int) -> None:
        """Report that the file is read for its digest, if it is time."""
        if self._is_due():
            self._send("checking", done, (), "")

    def tell_all(self, planner: UploadPlanner) -> None:
        """Report all events, and the progress if it is time."""
        done = min(planner.offset + self.in_flight, self._complete_length)
        while planner.notices:
            self._send(planner.notices[0][0], done, (), planner.notices.pop(0)[1])
        if self._is_due():
            self.progress(planner)

    def progress(self, planner: UploadPlanner) -> None:
        """Report the progress at once."""
        done = min(planner.offset + self.in_flight, self._complete_length)
        remaining = ByteRange(done, self._complete_length - 1)
        self._send("progress", done, (remaining,) if remaining.length else (), "")

    def finished(self) -> None:
        """Report that the server has the whole file."""
        self._send("finished", self._complete_length, (), "")

    def _is_due(self) -> bool:
        now = time.monotonic()
        if now < self._report_at:
            return False
        self._report_at = now + _REPORT
        return True

    def _send(self, event: str, done: int, segments: tuple[ByteRange, ...], text: str) -> None:
        if self._tell is not None:
            self._tell(Progress(
                event, self._path, done, self._complete_length, self._meter.received,
                self._meter.rate(time.monotonic()), segments, text))
