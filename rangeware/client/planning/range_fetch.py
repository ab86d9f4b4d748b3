"""``RangeFetch``: the bytes that one connection fetches; and how they are divided between connections."""

from __future__ import annotations

from collections.abc import Sequence

from ...http.ranges import ByteRange
from ..options import DownloadOptions, TransferOptions
from .assessment import RangeRequest
from .response_head import ResponseHead

_UNMEASURED = 0.2  # seconds after which the rate of a connection begins to mean something
_RATE_PERIOD = 5.0  # seconds
_SILENT = 3.0  # seconds without a byte after which a connection counts as silent
_OVERDUE = 3  # times the longest silence: connecting, redirects, and a head that comes byte by byte
_SLOWER = 2  # times the slowest response: a server that makes its files on demand is not silent before
_LITTLE = 1 << 18  # bytes
_MOST_MOVES = 3  # times that the bytes of a silent connection are given to another one before it is waited for


class RangeFetch:
    """One request, and how many of its bytes have arrived.

    :param request: the request.
    :param last_pos: the last byte wanted, inclusive; None as long as nobody knows which is the last of the file.
    :param started: the time of the request, in seconds on any clock.
    :param slowest: seconds that the slowest response so far has taken to begin: silence counts after twice that.
    :param silent: the connection that these bytes have been taken from, if it was silent.

    :ivar heard_at: the time of the last sign of life from the server.
    :ivar pos: the position of the next byte to come.
    :ivar last_pos: as above; it moves down when the fetch is divided.
    :ivar is_check: True if no byte is missing: only the overlap is asked for.
    :ivar is_framed: True if the end of the content shows without a length.
    :ivar answered: True once the head of the response has been accepted.
    :ivar moves: how often in a row bytes have been taken from a connection that was silent, and brought little.
    :ivar alive: False once nothing more is wanted of it: its thread must leave the file alone.
    """

    def __init__(
        self, request: RangeRequest, last_pos: int | None, started: float, slowest: float = 0,
        silent: RangeFetch | None = None,
    ) -> None:
        self.request = request
        self.heard_at = started
        self.pos = request.new_from
        self.last_pos = last_pos
        self.is_check = last_pos is not None and last_pos < request.new_from
        self.is_framed = False
        self.answered = False
        self.moves: int = 0 if silent is None or silent.new_bytes > _LITTLE else silent.moves + 1
        self.alive = True
        self._patience = max(_SILENT, _SLOWER * slowest)
        self._has_known_end = False
        self._marks = [(started, self.pos), (started, self.pos)]
        self._response_ends: int | None = None

    def start(self, part: ByteRange | None, complete_length: int | None, head: ResponseHead) -> None:
        """Note that the response has been accepted.

        :param part: the bytes that it brings; None for the whole file.
        :param complete_length: in bytes; None if it is unknown.
        """
        if part is None:
            self.request = self.request._replace(first_pos=0, new_from=0)
            self.pos = 0
            self._marks = [(since, 0) for since, _ in self._marks]
            self.last_pos = None
        self._response_ends = complete_length - 1 if part is None and complete_length is not None else None
        if part is not None:
            self.request = self.request._replace(first_pos=part.first_pos)
            self._response_ends = part.last_pos
        if self._response_ends is not None:
            last_pos = self._response_ends if self.last_pos is None else self.last_pos
            self.last_pos = min(last_pos, self._response_ends)
        self.is_framed = head.is_chunked
        length = complete_length if part is None else part.length  # some servers give a part that of the whole
        self._has_known_end = head.is_chunked or (length is not None and head.content_length == length)
        self.answered = True
        self._patience = _SILENT

    @property
    def overlap(self) -> ByteRange:
        """The bytes before the missing ones, which are only compared; may be empty."""
        return ByteRange(self.request.first_pos, self.request.new_from - 1)

    @property
    def remaining(self) -> ByteRange:
        """The bytes still to come; to the end of the largest possible file if nobody knows how many there are."""
        return ByteRange(self.pos, 2**63 if self.last_pos is None else self.last_pos)

    @property
    def is_incomplete(self) -> bool:
        """True if bytes are still missing, or nobody can tell."""
        return self.last_pos is None or self.pos <= self.last_pos

    @property
    def is_exhausted(self) -> bool:
        """True if the response should have no more bytes, and its end shows without closing the connection."""
        return self._has_known_end and self._response_ends is not None and self.pos > self._response_ends

    @property
    def new_bytes(self) -> int:
        """The number of missing bytes that have come."""
        return self.pos - self.request.new_from

    def is_exceeded_by(self, length: int) -> bool:
        """True if ``length`` further bytes are more than the response said that it has."""
        return self._response_ends is not None and self.pos + length > self._response_ends + 1

    def claim(self, length: int) -> int:
        """Take ``length`` bytes at the most; return how many of them are wanted."""
        wanted = length if self.last_pos is None else max(0, min(length, self.last_pos + 1 - self.pos))
        self.pos += wanted
        return wanted

    def rate(self, now: float) -> float | None:
        """Bytes per second over the last seconds; 0 if it is silent; None as long as that means nothing."""
        if now - self.heard_at > self._patience:
            return 0.0
        if now - self._marks[1][0] >= _RATE_PERIOD:
            self._marks = [self._marks[1], (now, self.pos)]
        since, pos = self._marks[0]
        is_measured = self.new_bytes > 0 and now - since > _UNMEASURED
        return (self.pos - pos) / (now - since) if is_measured else None


def overdue(fetches: Sequence[RangeFetch], options: TransferOptions, now: float) -> list[RangeFetch]:
    """Those that have been silent for too long, in a head or between bytes that never end."""
    longest = _OVERDUE * options.timeout
    first = options.until_first_byte + (_OVERDUE - 1) * options.timeout
    return [each for each in fetches if now - each.heard_at > (longest if each.new_bytes else first)]


def unanswered(fetches: Sequence[RangeFetch], allowed: int, now: float) -> Sequence[RangeFetch]:
    """The connections to drop, since they get no answer, and no further one may take their bytes.

    :param allowed: connections at once, at most; a single one is never dropped.
    """
    silent = [fetch for fetch in fetches if not fetch.answered and fetch.rate(now) == 0]
    if allowed == 1 or not silent:
        return []
    if not any(fetch.answered for fetch in fetches):
        return fetches  # those that are not silent yet were opened beside the others, too
    return [fetch for fetch in silent if fetch.moves or len(fetches) >= allowed]


def share(
    fetches: Sequence[RangeFetch], options: DownloadOptions, now: float
) -> tuple[ByteRange | None, RangeFetch | None]:
    """Take bytes for a further connection: all those of a silent one, or some of the one that will take longest.

    Returns the bytes, or None, and the silent one, if it is one.
    """
    silent = take_over(fetches, now) if options.limit_rate is None else None
    if silent is not None:
        return silent.remaining, silent
    return divide(fetches, options.segment_size, options.worthwhile, now), None


def take_over(fetches: Sequence[RangeFetch], now: float) -> RangeFetch | None:
    """Take all bytes from a fetch that has been silent for too long; return it, or None if there is none."""
    for fetch in fetches:
        is_wanted = fetch.last_pos is not None and fetch.is_incomplete and fetch.moves < _MOST_MOVES
        if is_wanted and fetch.rate(now) == 0:
            fetch.alive = False
            return fetch
    return None


def divide(fetches: Sequence[RangeFetch], least: int, worthwhile: float, now: float) -> ByteRange | None:
    """Take from the fetch that will take longest the bytes that a further connection can bring in the same time.

    Returns None if a further connection would save too little.

    :param least: bytes that are worth a connection.
    :param worthwhile: seconds that must be saved; 0 divides at once.
    """
    rates = [fetch.rate(now) for fetch in fetches]
    usual = max((rate for rate in rates if rate), default=0.0 if worthwhile else 1.0)
    best, best_saved, best_kept = None, worthwhile, 0
    for fetch, rate in zip(fetches, rates, strict=True):
        left = fetch.remaining.length
        own = usual if rate is None else rate
        kept = int(left * own / (own + usual)) if usual else left
        saved = (left - kept) / own if own else 0.0
        if left - kept >= least and saved >= best_saved and rate != 0:
            best, best_saved, best_kept = fetch, saved, kept
    if best is None or best.last_pos is None:
        return None
    part = ByteRange(best.pos + best_kept, best.last_pos)
    best.last_pos = part.first_pos - 1
    return part
