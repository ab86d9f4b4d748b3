"""Send probes, one after the other, within bounds of bytes and time.

The client's transport does it, without its retries: a probe wants the raw answer. Each request has a connection of its
own, so that what is wrong with one response cannot spoil the next. Whatever a server does, there is an ``Answer``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..client.addresses import Address
from ..client.io.transport import RequestFailed, Response, Transport, joined
from ..client.io.watched import WATCH, calling_after
from ..client.options import TransferOptions
from .values import Answer, Probe

_BLOCK = 1 << 14  # bytes read at once
_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_HOPS = 10
_SHARE = 0.25  # of all the time, for one probe at most
_PARTS = 8  # one probe takes no more than such a part of all bytes
_FAIR = 10.0  # seconds: who has waited for less cannot say that a server does not answer
_FOR_THE_CONTENT = 5.0  # seconds that the content may take from its first byte on
_WITHOUT_CONTENT = (204, 304)  # also if the head says otherwise (RFC 9112 6.3)
_PAUSE = 0.2  # seconds before a request is repeated that has got no response


def share_of(timeout: float) -> float:
    """The seconds that one probe may take, of those for all."""
    return max(0.5, _SHARE * timeout)


class Sender:
    """Sends the probes of one check.

    :param timeout: seconds for all of them.
    :param max_bytes: bytes of content for all of them.

    :ivar requests: that have been sent.
    :ivar received: bytes of content that have been read.
    """

    def __init__(self, address: Address, options: TransferOptions, timeout: float, max_bytes: int) -> None:
        self._transport = Transport(address, options)
        self._url = address.url
        self._begun = time.monotonic()
        self._timeout = timeout
        self._max_bytes = max_bytes
        self._is_final = False  # True if the last request failed in a way that no other one can end otherwise
        self.requests = 0
        self.received = 0

    @property
    def seconds(self) -> float:
        """Seconds since the check began."""
        return time.monotonic() - self._begun

    def send(self, probe: Probe) -> Answer:
        """Send a probe, once more if there was no response, and follow redirects."""
        self._is_final = False
        answer = self._send(probe)
        is_quick = answer.head is None and answer.is_conclusive and not answer.is_slow
        if is_quick and not self._is_final and self._left() > _PAUSE:
            time.sleep(_PAUSE)  # a server with one connection at a time may not have noticed that ours was closed
            again = self._send(probe)
            answer = again if again.is_conclusive else answer
        return answer

    def settle(self, url: str) -> None:
        """Ask this URL from now on: that to which redirects have led."""
        self._url = url

    def close(self) -> None:
        """Close what is open."""
        self._transport.close()

    def _left(self) -> float:
        return self._timeout - self.seconds

    def _send(self, probe: Probe) -> Answer:
        most = min(probe.most, self._max_bytes // _PARTS, self._max_bytes - self.received)
        if most <= 0 or self._left() <= 0:
            what = "no time was" if self._left() <= 0 else "no bytes were"
            return Answer(probe, failure=f"not asked, since {what} left", is_conclusive=False)
        begun = time.monotonic()
        deadline = begun + min(self._left(), share_of(self._timeout))
        hops: list[str] = []
        try:
            with _watched(deadline):
                answer = self._exchange(probe._replace(most=most), hops, deadline)
        except (RequestFailed, _TooLate) as exc:
            self._is_final = isinstance(exc, RequestFailed) and exc.permanent
            answer = Answer(probe, failure=_why(exc, begun, deadline), is_slow=time.monotonic() >= deadline,
                            hops=tuple(hops))
        was_hurried = deadline <= time.monotonic() < begun + _FAIR
        return answer._replace(is_conclusive=not (answer.is_slow and was_hurried))

    def _exchange(self, probe: Probe, hops: list[str], deadline: float) -> Answer:
        url = self._url
        self._transport.block_size = max(1, min(_BLOCK, probe.most // 4))
        while len(hops) <= _MOST_HOPS:
            self.requests += 1
            begun = time.monotonic()
            response = self._transport.send(probe.method, url, {**_titled(probe), "Connection": "close"})
            try:
                if response.head.status not in _REDIRECTS:
                    answer = self._read(response, probe, begun, deadline)
                    return answer._replace(hops=tuple(hops))
                hops.append(url)
                url = joined(url, response.location)
            finally:
                response.close()
                self._transport.close()
        raise RequestFailed(f"more than {_MOST_HOPS} redirects", permanent=True)

    def _read(self, response: Response, probe: Probe, begun: float, deadline: float) -> Answer:
        """Read content until there is enough, or no time left."""
        content = bytearray()
        most = 0 if probe.method == "HEAD" or response.head.status in _WITHOUT_CONTENT else probe.most
        waited, failure, is_complete, until = 0.0, "", most == 0, deadline
        with calling_after(max(0.0, deadline - time.monotonic()), response.stop):  # it may send byte by byte, for ever
            while len(content) + self._transport.block_size <= most and time.monotonic() < until:
                try:
                    block = response.read()
                except RequestFailed as exc:
                    failure = str(exc) if time.monotonic() < deadline else ""
                    break
                if not content:
                    waited = time.monotonic() - begun
                    until = min(deadline, time.monotonic() + _FOR_THE_CONTENT)
                content += block
                if not block:
                    is_complete = time.monotonic() < deadline  # else the end is one that we made
                    break
        took = time.monotonic() - begun
        self.received += len(content)
        is_slow = not is_complete and not failure and time.monotonic() >= until
        if is_slow and not content:
            failure = f"no content came within {took:.1f} seconds"
        return Answer(probe, response.head, bytes(content), is_complete, failure, is_slow, waited=waited or took,
                      took=took, lines=response.lines)


class _TooLate(Exception):
    """There is no time left for this probe."""


def _why(exc: Exception, begun: float, deadline: float) -> str:
    """Why there is no response. A head that is cut off since its time is over looks like something else than HTTP."""
    now = time.monotonic()
    return f"it took longer than {now - begun:.1f} seconds" if now >= deadline else str(exc)


@contextmanager
def _watched(deadline: float) -> Iterator[None]:
    """Give up waiting for a response when the time is over."""
    def look() -> None:
        if time.monotonic() >= deadline:
            raise _TooLate

    token = WATCH.set(look)
    try:
        yield
    finally:
        WATCH.reset(token)


def _titled(probe: Probe) -> dict[str, str]:
    return {name.title(): value for name, value in probe.fields.items()}
