"""How often to try again, and when: without end while bytes come, a few times while none do."""

from __future__ import annotations

from .settings import Settings

_LONGEST_WAIT = 600.0  # seconds that a server may ask us to wait


class Patience:
    """Counts failures in a row. Times are seconds on any clock that only goes forward."""

    def __init__(self, settings: Settings) -> None:
        self.tries = 0
        self._settings = settings
        self.best = 0
        self._not_before = 0.0
        self._no_further_before = 0.0

    def progressed(self, length: int) -> None:
        """So many bytes are there. The same ones once more are no progress."""
        if length > self.best:
            self.best, self.tries = length, 0

    def begin_again(self) -> None:
        """The file is another one: each byte is progress again."""
        self.best = 0

    def waits(self, now: float, *, further: bool = False) -> bool:
        """Whether it is too early for the next request; ``further``: for one beside others."""
        return now < self._not_before or (further and now < self._no_further_before)

    def put_off(self, now: float, jitter: float, retry_after: float) -> float:
        """Wait before the next request: for how many seconds.

        They double with each failure, and are cut at random by ``jitter``, from 0 to 1, so that many clients of a
        server that comes back do not come all at once.

        :param retry_after: seconds that the server asks for.
        """
        delay = self._delay(jitter, retry_after)
        self._not_before = now + delay
        return delay

    def put_off_further(self, now: float, jitter: float, retry_after: float) -> None:
        """The same where others are under way: what they bring is not waited for, only no other is put beside them."""
        self._no_further_before = max(self._no_further_before, now + self._delay(jitter, retry_after))

    def _delay(self, jitter: float, retry_after: float) -> float:
        longest, first = self._settings.longest_delay, self._settings.first_delay
        return max(retry_after, jitter * min(longest, first * float(1 << min(60, max(0, self.tries - 1)))))

    def ends(self, retry_after: float) -> str:
        """Why to give up after this failure; "" to go on."""
        if self.tries >= self._settings.tries:
            return f"{self.tries} tries without progress"
        return f"the server asks to wait for {retry_after:.0f} seconds" if retry_after > _LONGEST_WAIT else ""

    @property
    def half_gone(self) -> bool:
        """Whether it is time to try it in another way."""
        return self.tries * 2 >= self._settings.tries
