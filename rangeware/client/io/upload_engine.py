"""The upload engine: sends the requests that the planner asks for, in the calling thread, and keeps the state on disk.

Ten times a second, also while a request is sent or its response awaited, it reports progress and looks whether it has
been told to stop.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Iterator

from ..errors import ChangedError
from ..planning import upload_request
from ..planning.throughput import RateLimiter
from ..planning.upload_planner import UploadPlanner
from ..planning.upload_request import Purpose, UploadRequest
from .source_file import SourceFile
from .stopping import Stopped
from .transport import RequestFailed, Response, Transport, joined
from .upload_report import UploadReport
from .upload_store import UploadStore
from .watched import TICK, WATCH


class UploadEngine:
    """Carries out the plan of one upload. Can be run once."""

    def __init__(
        self, planner: UploadPlanner, transport: Transport, source: SourceFile, store: UploadStore,
        report: UploadReport, limiter: RateLimiter,
    ) -> None:
        self._planner = planner
        self._transport = transport
        self._source = source
        self._store = store
        self._report = report
        self._limiter = limiter
        self._stored = planner.saved
        self._failure: BaseException | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Return when the server has the whole file.

        :raises TransferError: if that is not possible.
        """
        watching = WATCH.set(self.look_up)
        try:
            while not self._planner.is_done:
                self._step()
            self._store.forget()
            self._report.tell_all(self._planner)
        except ChangedError:
            WATCH.reset(watching)
            watching = WATCH.set(None)
            self._end_upload()
            raise
        finally:
            WATCH.reset(watching)

    def stop(self, failure: BaseException | None = None) -> None:
        """Make ``run`` raise this exception, or ``Stopped``. Called from another thread."""
        self._failure = self._failure or failure or Stopped("stopped")
        self._stopping.set()

    def look_up(self) -> None:
        """Report progress, if it is time.

        :raises BaseException: the failure that ``stop`` was given.
        """
        if self._failure is not None:
            raise self._failure
        self._report.tell_all(self._planner)

    def _step(self) -> None:
        self.look_up()
        if self._planner.error is not None:
            if self._planner.is_spoilt:
                self._store.forget()
            raise self._planner.error
        request = self._planner.next_request(time.monotonic())
        if request is None:
            self._stopping.wait(min(TICK, self._planner.wait_left(time.monotonic())))
            return
        self._source.check()
        self._perform(request)
        self._save()

    def _perform(self, request: UploadRequest) -> None:
        try:
            if request.purpose is Purpose.APPEND:
                self._append(request)
            else:
                with contextlib.closing(self._transport.ask(request.method, request.url, request.fields)) as response:
                    self._handle(request, response, is_spent=True)
        except RequestFailed as exc:
            self._planner.on_failure(request, str(exc), time.monotonic(), random.random(), permanent=exc.permanent)
        finally:
            self._report.in_flight = 0

    def _append(self, request: UploadRequest) -> None:
        if request.checksum:
            request = request.with_checksum(
                self._source.digest(request.checksum, request.first_pos, request.next_pos))
        content = self._content(request) if request.length else None
        response = self._transport.send(request.method, request.url, request.fields, content)
        with contextlib.closing(response):
            self._handle(request, response, is_spent=self._report.in_flight == request.length)

    def _content(self, request: UploadRequest) -> Iterator[bytes]:
        """Yield the content of a request, no faster than is allowed."""
        for block in self._source.blocks(request.first_pos, request.next_pos, self._transport.block_size):
            self.look_up()
            yield block
            self._report.count(len(block))
            self._pause(self._limiter.delay(len(block), time.monotonic()))

    def _pause(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stopping.wait(min(left, TICK))
            self.look_up()

    def _handle(self, request: UploadRequest, response: Response, *, is_spent: bool) -> None:
        content = b""
        if is_spent:  # otherwise the connection is of no use any more, and is closed
            with contextlib.suppress(RequestFailed):
                content = response.read_all()
        self._planner.on_response(
            request, response.head, _location(response), time.monotonic(), random.random(), is_spent=is_spent,
            content=content)

    def _save(self) -> None:
        """Write the state, if another upload has been begun, or the one that it names is lost."""
        saved = self._planner.saved
        if saved == self._stored:
            return
        if saved is None:
            self._store.forget()
        else:
            self._store.save(saved, self._source.identity)
        self._stored = saved

    def _end_upload(self) -> None:
        """End the upload of a file that has changed: it will never be complete."""
        saved = self._planner.saved
        self._store.forget()
        if saved is not None:
            request = upload_request.cancel(saved.protocol, saved.address)
            with contextlib.suppress(RequestFailed):
                self._transport.ask(request.method, request.url, request.fields).close()


def _location(response: Response) -> str | None:
    """The absolute URL of Location; None if there is none, there are several, or it is malformed."""
    try:
        return joined(response.address, response.location)
    except RequestFailed:
        return None
