"""Measure and limit the bytes per second of a transfer."""

from __future__ import annotations

from collections import deque

_PERIOD = 3.0  # seconds that a rate is taken over
_STEP = 0.1  # seconds that one entry stands for


class ThroughputMeter:
    """Counts received or sent bytes. Times are seconds on any clock that only goes forward."""

    def __init__(self) -> None:
        self.received = 0
        self._entries: deque[tuple[float, int]] = deque([(0.0, 0)])

    def count(self, length: int, now: float) -> None:
        """Count ``length`` bytes."""
        self.received += length
        if now - self._entries[-1][0] >= _STEP:
            self._entries.append((now, self.received))
        while len(self._entries) > 2 and self._entries[1][0] < now - _PERIOD:
            self._entries.popleft()

    def rate(self, now: float) -> float:
        """Bytes per second over the last seconds."""
        recent = [entry for entry in list(self._entries) if entry[0] >= now - _PERIOD]
        if not recent or now <= recent[0][0]:
            return 0.0
        return (self.received - recent[0][1]) / (now - recent[0][0])


class RateLimiter:
    """Keeps all connections together to a rate.

    :param rate: in bytes per second; None for no limit.
    """

    def __init__(self, rate: int | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    def delay(self, length: int, now: float) -> float:
        """Return for how many seconds to transfer nothing, after ``length`` bytes have been transferred."""
        if self._rate is None:
            return 0.0
        self._free_at = max(now, self._free_at) + length / self._rate
        return self._free_at - now
