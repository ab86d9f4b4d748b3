"""Requests before a download begins: which file has the server, and which bytes are in this place of it?

They fail and are tried again like those of the download, one after the other.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ...http.ranges import ByteRange
from ..errors import NetworkError
from ..options import DownloadOptions
from ..planning.assessment import Outcome, RangeRequest, assess
from ..planning.dialects import translate
from ..planning.existing import complete_length_of, is_sample
from ..planning.response_head import FileVersion, ResponseHead
from ..planning.retry import RetryPolicy
from .transport import RequestFailed, Response, Transport

_TICK = 0.1  # seconds
_ANSWERS = (200, 206, 416)


class Answer(NamedTuple):
    """A server's answer to the question which file it has: the head of a response, and the URL that sent it."""

    head: ResponseHead
    address: str

    @property
    def version(self) -> FileVersion:
        """The version that the server has."""
        return self.head.version()._replace(complete_length=complete_length_of(self.head, self.address))


class Questions:
    """Asks a server about a file.

    :param wait: waits for some seconds; it raises to end everything.
    :param tell: called with an event and its text, as in ``Progress``.
    """

    def __init__(
        self, transport: Transport, options: DownloadOptions, wait: Callable[[float], object],
        tell: Callable[[str, str], object],
    ) -> None:
        self._transport = transport
        self._options = options
        self._wait = wait
        self._tell = tell

    def check(self) -> None:
        """Raise if everything is to end."""
        self._wait(0)

    def which_file(self, url: str) -> Answer:
        """Ask for the first byte, which tells the length, the validators and the name.

        :raises NetworkError: if the server does not answer, or has no such file.
        """
        request = RangeRequest(url, last_pos=0)
        with self._asking(request) as response:
            head = translate(request, None, response.head)
            if head.status != 200 or head.content_length != 1:
                return Answer(head, response.address)
        # One byte is all of a file, or the slice that was asked for, with the wrong status.
        with self._asking(request._replace(ranged=False)) as response:
            return Answer(translate(request, None, response.head), response.address)

    def bytes_in(self, answer: Answer, part: ByteRange) -> bytes | None:
        """Ask for some bytes of this version of the file; None if the server does not send them.

        :raises NetworkError: if the server does not answer.
        """
        request = RangeRequest(answer.address, part.first_pos, part.first_pos, part.last_pos)
        policy = RetryPolicy(self._options)
        while True:
            with self._asking(request, policy) as response:
                if not is_sample(request, answer.version, translate(request, answer.version, response.head)):
                    return None
                try:
                    return self._read(response, part.length)
                except RequestFailed as exc:
                    self._fail(policy, str(exc), 0)

    @contextlib.contextmanager
    def _asking(self, request: RangeRequest, policy: RetryPolicy | None = None) -> Iterator[Response]:
        with contextlib.closing(self._ask(request, policy or RetryPolicy(self._options))) as response:
            yield response

    def _ask(self, request: RangeRequest, policy: RetryPolicy) -> Response:
        while True:
            self._wait_for_turn(policy)
            try:
                response = self._transport.open(request.address, request.fields)
            except RequestFailed as exc:
                if exc.permanent:
                    raise NetworkError(str(exc)) from exc
                self._fail(policy, str(exc), 0)
                continue
            if translate(request, None, response.head).status in _ANSWERS:
                return response
            response.close()
            assessment = assess(request, None, response.head, decode=False)
            if assessment.outcome is Outcome.NO_RANGES and request.ranged:
                request = request._replace(ranged=False)
                continue
            if assessment.outcome is not Outcome.RETRY:
                raise NetworkError(assessment.reason)
            self._fail(policy, assessment.reason, response.head.retry_after)

    def _fail(self, policy: RetryPolicy, reason: str, retry_after: float) -> None:
        has_ended, text = policy.fail(reason, time.monotonic(), random.random(), retry_after)
        if has_ended:
            raise NetworkError(text)
        self._tell("retry", text)

    def _wait_for_turn(self, policy: RetryPolicy) -> None:
        while (left := policy.wait_left(time.monotonic())) > 0:
            self._wait(min(_TICK, left))

    def _read(self, response: Response, length: int) -> bytes:
        """Read the first ``length`` bytes.

        :raises RequestFailed: if there are not so many.
        """
        content = bytearray()
        while len(content) < length:
            self.check()
            block = response.read()
            if not block:
                raise RequestFailed("the connection was closed early")
            content += block
        return bytes(content[:length])
