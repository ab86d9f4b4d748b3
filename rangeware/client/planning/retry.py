"""Retrying: without end while bytes come, a few times while none do, and after growing delays."""

from __future__ import annotations

from ..options import TransferOptions

_LONGEST_WAIT = 600.0  # seconds that a server may ask us to wait
_SOON = 0.05  # seconds


class RetryPolicy:
    """Counts failures in a row, and delays the next request. Times are seconds on any clock that only goes forward.

    :ivar tries: failures since the last progress.
    :ivar best: the most bytes of the file that there have been.
    """

    def __init__(self, options: TransferOptions) -> None:
        self.tries = 0
        self._options = options
        self.best = 0
        self._not_before = 0.0
        self._no_further_before = 0.0

    def note_progress(self, length: int) -> None:
        """Note that ``length`` bytes of the file are there. The same bytes once more are no progress."""
        if length > self.best:
            self.best, self.tries = length, 0

    def start_again(self) -> None:
        """Count each byte as progress again: the file is another version."""
        self.best = 0

    def wait_left(self, now: float, *, further: bool = False) -> float:
        """Return the seconds until the next request, 0 for none; ``further``: for one beside others under way."""
        return max(0.0, self._not_before - now, self._no_further_before - now if further else 0.0)

    def fail(self, reason: str, now: float, jitter: float, retry_after: float) -> tuple[bool, str]:
        """Count a failure, and delay the next request. Returns True to give up, and the text for a person either way.

        :param jitter: a random number from 0 to 1.
        :param retry_after: seconds that the server asks for.
        """
        self.tries += 1
        delay = self.delay(now, jitter, retry_after)
        if why := self.reason_to_give_up(retry_after):
            return True, f"{reason} ({why})"
        return False, f"{reason}; trying again {f'in {delay:.1f} s' if delay >= _SOON else 'now'}"

    def delay(self, now: float, jitter: float, retry_after: float) -> float:
        """Delay the next request; return the delay in seconds.

        Delays double with each failure, and are cut at random, so that the many clients of a server that recovers do
        not come back all at once.

        :param jitter: a random number from 0 to 1.
        :param retry_after: seconds that the server asks for.
        """
        seconds = self._seconds(jitter, retry_after)
        self._not_before = now + seconds
        return seconds

    def delay_further(self, now: float, jitter: float, retry_after: float) -> None:
        """Delay only the next request beside others: those that are under way go on."""
        self._no_further_before = max(self._no_further_before, now + self._seconds(jitter, retry_after))

    def _seconds(self, jitter: float, retry_after: float) -> float:
        longest, first = self._options.longest_delay, self._options.first_delay
        return max(retry_after, jitter * min(longest, first * float(1 << min(60, max(0, self.tries - 1)))))

    def reason_to_give_up(self, retry_after: float) -> str:
        """The reason to give up after this failure; "" to go on."""
        if self.tries >= self._options.tries:
            return f"{self.tries} tries without progress"
        return f"the server asks to wait for {retry_after:,.0f} seconds" if retry_after > _LONGEST_WAIT else ""

    @property
    def is_half_spent(self) -> bool:
        """True if half of the tries have failed: time to try another way."""
        return self.tries * 2 >= self._options.tries
