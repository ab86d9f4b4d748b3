"""The addresses of one file: which of them to ask next, and which to ask no more.

``mirrors`` reports what came of each request. An address that is *dropped* sends another file, or nothing. One that
cannot *help* has no ranges: it is only asked for the whole file, when all others are gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...http.ranges import ByteRange
from .range_fetch import RangeFetch
from .rangeset import RangeSet
from .response_head import FileVersion

_MOST_FAILURES = 2  # in a row, without a new byte


class Source:
    """One address of the file.

    :ivar url: as it was given.
    :ivar address: where its redirects led to.
    :ivar version: the version that it has; None before its first response.
    :ivar can_help: False once it cannot send parts beside others.
    :ivar dropped: True once nothing more is wanted of it.
    :ivar fetches: the requests that went to it.
    :ivar brought: the bytes that came from it, and have not come again from another one.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = url
        self.version: FileVersion | None = None
        self.can_help = True
        self.dropped = False
        self.fetches: list[RangeFetch] = []
        self.brought = RangeSet()
        self._failures = 0
        self._most: int | None = None
        self._rate: float | None = None

    @property
    def active(self) -> list[RangeFetch]:
        """Its requests under way."""
        return [fetch for fetch in self.fetches if fetch.alive]

    @property
    def has_room(self) -> bool:
        """True if it may be asked for a part beside others."""
        return self.can_help and not self.dropped and (self._most is None or len(self.active) < self._most)

    def note_success(self, found: FileVersion, address: str) -> None:
        """Note that a response of this version was accepted."""
        self.version, self.address, self._failures = found, address, 0

    def note_end(self, fetch: RangeFetch, now: float) -> None:
        """Note that a request has ended: its rate tells how fast the next may be."""
        rate = fetch.rate(now)
        self._rate = self._rate if rate is None else rate

    def note_failure(self, fetch: RangeFetch) -> bool:
        """Note that a request failed. True if that has happened so often that the source cannot help any more.

        A server that refuses one more connection may still serve those that it has.
        """
        self.address = self.url
        if fetch.new_bytes:
            self._failures = 0
            return False
        if self.active:
            self._most = len(self.active)
            return False
        self._failures += 1
        self.can_help = self.can_help and self._failures < _MOST_FAILURES
        return not self.can_help

    def rate_of_one_more(self, now: float) -> float:
        """The bytes per second that one more request may have; without end for a source that has not been tried."""
        rates = [rate for fetch in self.active if (rate := fetch.rate(now)) is not None]
        known = max([*rates, *([] if self._rate is None else [self._rate])], default=None)
        if known is None:
            return 0.0 if self.active else float("inf")
        return known / (1 + len(self.active))


class Sources:
    """All addresses of one file, in the order in which they were given.

    :ivar main: the one that is asked if no request is under way.
    """

    def __init__(self, urls: Iterable[str]) -> None:
        self._all = [Source(url) for url in dict.fromkeys(urls)]
        self.main = self._all[0]

    def fastest(self, now: float) -> Source | None:
        """The source to ask for a further part; None if there is none."""
        free = [each for each in self._all if each.has_room]
        return max(free, key=lambda each: each.rate_of_one_more(now), default=None)

    def next_main(self) -> Source | None:
        """The source to ask if the main one fails: one that has sent something before one that has not been asked.

        They take turns. None if there is no other.
        """
        place = self._all.index(self.main)
        others: Sequence[Source] = [each for each in self._all[place + 1:] + self._all[:place] if not each.dropped]
        return next((each for each in others if each.version is not None and each.can_help), next(iter(others), None))

    def note_brought(self, source: Source, part: ByteRange) -> None:
        """Note that these bytes come from this source, whoever had brought them before."""
        for each in self._all:
            each.brought = each.brought.without([part])
        source.brought.add(part)

    def only_sender(self, part: ByteRange) -> Source | None:
        """The source that all of these bytes came from in this run, each for the last time; None if there is none."""
        return next((each for each in self._all if each.brought.covers(part)), None)

    def has_other_than(self, source: Source) -> bool:
        """True if there is another source that has not been dropped."""
        return any(each is not source and not each.dropped for each in self._all)

    def at(self, url: str) -> Source:
        """The source with this address; the first one if the address is the same but for the query."""
        return next((each for each in self._all if each.url == url), self._all[0])

    def of(self, fetch: RangeFetch) -> Source:
        """The source that a request went to."""
        return next(each for each in self._all if fetch in each.fetches)
