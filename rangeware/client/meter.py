"""How fast bytes come, and how fast they may."""

from __future__ import annotations

from collections import deque

_LATELY = 3.0  # seconds
_STEP = 0.1  # seconds: what comes within is one entry


class Meter:
    """Counts bytes. Times are seconds on any clock that only goes forward."""

    def __init__(self) -> None:
        self.received = 0
        self._entries: deque[tuple[float, int]] = deque([(0.0, 0)])

    def count(self, length: int, now: float) -> None:
        """So many bytes have come."""
        self.received += length
        if now - self._entries[-1][0] >= _STEP:
            self._entries.append((now, self.received))
        while len(self._entries) > 2 and self._entries[1][0] < now - _LATELY:
            self._entries.popleft()

    def rate(self, now: float) -> float:
        """Bytes per second, lately."""
        recent = [entry for entry in list(self._entries) if entry[0] >= now - _LATELY]
        if not recent or now <= recent[0][0]:
            return 0.0
        return (self.received - recent[0][1]) / (now - recent[0][0])


class Limiter:
    """Keeps all connections together to a rate.

    :param rate: in bytes per second; None for no limit.
    """

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    def delay(self, length: int, now: float) -> float:
        """For how many seconds not to read, after so many bytes."""
        if self._rate is None:
            return 0.0
        self._free_at = max(now, self._free_at) + length / self._rate
        return self._free_at - now
