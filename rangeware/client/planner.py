"""Which bytes to ask for next, and what to make of what happens. No I/O: time and randomness come as arguments."""

from __future__ import annotations

from ..http.ranges import ByteRange
from .errors import ChangedError, DownloadError, NetworkError
from .heads import Head, Identity
from .holdings import Holdings
from .journal import Seam, State
from .patience import Patience
from .segments import Segment, divide
from .settings import Settings
from .spans import Spans
from .verdict import Ask, Ruling, Verdict, rule

OVERLAP = 65536  # bytes that are fetched again and compared where no validator vouches for the version
PROBE = 4096  # the same where one does: the server might send another slice than it says
RESUMED = 16384  # the same at the first request of a new run, since the version may be told apart by a second only
_MOST_CHANGES = 5  # new versions in one run
_SOON = 0.05  # seconds
_PATIENCE = 3  # times the longest silence: connecting, redirects, and a head that comes byte by byte


class Planner(Holdings):
    """The state of one download.

    Ask ``next`` for what to do, and tell what came of it: ``answered``, then ``claim`` for each block, which is added
    to the ``spans`` of that moment once it is written, and ``ended``, or ``broke``. ``generation`` grows when the file
    has to be begun again, in a new partial file.

    :param url: the address, without what is secret in it.
    :param state: what an earlier run has left.
    """

    def __init__(self, url: str, settings: Settings, state: State | None = None) -> None:
        super().__init__(url)
        self.generation = 0
        self.changes = 0
        self.allowed = settings.segments
        self.error: DownloadError | None = None
        self.notices: list[tuple[str, str]] = []
        self._settings = settings
        self._patience = Patience(settings)
        self._plain = False
        self._seen: Identity | None = None
        self._mismatches = 0
        self._unsure = False
        self._longest_margin = RESUMED
        if state is not None:
            self.adopt(state)

    def adopt(self, state: State) -> None:
        """Go on with what is there. The first answer must show that it is still of this version."""
        self._hold(state)
        self._seen = state.identity
        self.address = state.address
        self._patience.progressed(self.spans.length)

    def next(self, now: float) -> Segment | None:
        """Bytes to ask for at once, with a connection of their own; None if there is nothing to be done now."""
        self._patience.progressed(self.spans.length)
        full = len(self.segments) >= self._room()
        if self.error is not None or self.complete or full or self._patience.waits(now, further=bool(self.segments)):
            return None
        part = self._gap()
        if part is None and self._divisible:
            part = divide(self.segments, self._settings.segment_size, self._settings.worthwhile, now)
        if part is None:
            if not self.segments:
                self._changed("what is there does not fit the file")
            return None
        segment = Segment(self._ask(*part), None if self._plain else part[1], now)
        self.segments = [each for each in self.segments if each.alive]
        self.segments.append(segment)
        return segment

    def _room(self) -> int:
        uncertain = self._doubt or self._plain or self._unsure or self._patience.tries or not self._verified
        return self.allowed if self._divisible and not uncertain else 1

    def _margin(self, first_pos: int, length: int) -> int:
        """How many bytes in front can be compared: those that are there, or will be."""
        if length < OVERLAP:  # where no validator vouches, short parts do not make it less
            length = min(length, self._longest_margin)
        return min(length, self.spans.known_before(first_pos) or first_pos)

    def _ask(self, first_pos: int, last_pos: int | None) -> Ask:
        if self._plain:
            return Ask(self.address, ranged=False)
        if_range = None if self.identity is None else self.identity.if_range
        least = PROBE if self._verified else RESUMED
        margin = self._margin(first_pos, OVERLAP if if_range is None or self._doubt else least)
        to_the_end = last_pos is None or last_pos + 1 == self.complete_length
        return Ask(self.address, first_pos - margin, first_pos, None if to_the_end else last_pos, if_range)

    def overdue(self, now: float) -> list[Segment]:
        """Segments that should have heard of the server long ago: in a head, or between bytes, that never ends."""
        longest = _PATIENCE * self._settings.stall
        return [each for each in self.segments if now - each.heard > longest]

    def answered(self, segment: Segment, head: Head, address: str, now: float, jitter: float) -> bool:
        """The head of the answer is there. True if its content is to be read, and given to ``segment``.

        :param address: which answered, after redirects.
        :param jitter: at random, from 0 to 1.
        """
        if not segment.alive:
            return False
        ask = segment.ask
        enough = len(self.segments) == 1 and segment.margin.length >= self._margin(ask.keep_from, OVERLAP)
        ruling = rule(ask, None if self._plain else self.identity, head, seen=self._seen, enough=enough)
        if ruling.verdict in (Verdict.TAKE, Verdict.WHOLE):
            return self._take(segment, ruling, head, address)
        if len(self.segments) > 1:
            self.broke(segment, ruling.reason or "the server sends all of it", now, jitter, head.retry_after)
            return False
        return self._alone(segment, ruling, head, address, now, jitter)

    def _take(self, segment: Segment, ruling: Ruling, head: Head, address: str) -> bool:
        if ruling.verdict is Verdict.WHOLE:
            return self._all_there(segment)
        found = head.identity()
        part = ruling.part
        if self._plain and self.spans.length:
            self._restart(segment)
        if self.identity is None or self._plain:
            self.identity = self._seen = found
        elif not self._go_on(segment, found, part):
            return False
        self.address = address
        self._ranged = part is not None
        self._verified = True
        segment.begin(part, self.complete_length, head)
        return True

    def _go_on(self, segment: Segment, found: Identity, part: ByteRange | None) -> bool:
        """An answer goes on with bytes that are there. False if nothing can be made of it."""
        known = self.identity or found
        vouched = known.vouched_by(found)
        if not vouched:  # what lies behind would never be compared with it
            self.spans = Spans(each for each in self.spans if each.last_pos < segment.ask.keep_from)
            self.seams = [seam for seam in self.seams if seam.part.last_pos < segment.ask.keep_from]
        self.identity = known.completed_by(found)
        if part is not None and part.last_pos < segment.ask.keep_from and part.next_pos != self.complete_length:
            self._longest_margin = max(1, part.length // 2)  # of such short parts nothing would be new
            self._plain = not vouched
        if self._plain:
            self._retire(segment)
        return not self._plain

    def _all_there(self, segment: Segment) -> bool:
        self.identity = (self.identity or Identity())._replace(complete_length=segment.ask.keep_from)
        self._verified = True
        self._retire(segment)
        return False

    def _alone(self, segment: Segment, ruling: Ruling, head: Head, address: str, now: float, jitter: float) -> bool:
        """An answer that does not go on with the file, and no other that does."""
        verdict, reason = ruling.verdict, ruling.reason
        if verdict is Verdict.ANEW:
            return self._anew(segment, reason, head, address)
        self._retire(segment)
        if verdict is Verdict.CHANGED:
            self._changed(reason)
        elif verdict is Verdict.DOUBT and not self._doubt:
            self._doubt = True
        elif verdict is Verdict.PLAIN and not self._plain:
            self._plain = True
        elif verdict is Verdict.NEVER:
            self.error = NetworkError(reason)
        elif verdict is Verdict.BACK and self.address != self.url:
            self.address = self.url
        else:
            self._failed(ruling, now, jitter, head.retry_after)
        return False

    def _failed(self, ruling: Ruling, now: float, jitter: float, retry_after: float) -> None:
        strange = ruling.verdict is Verdict.STRANGE
        self._try_later(ruling.reason, now, jitter, retry_after, ChangedError if strange else NetworkError)
        if ruling.verdict in (Verdict.BAD, Verdict.STRANGE):
            self._plain = self._plain or self._patience.half_gone

    def _anew(self, segment: Segment, difference: str, head: Head, address: str) -> bool:
        """All bytes come again: into a new partial file, since the old one may be all that there is in the end."""
        if self._unsure and not self._settings.sha256 and head.content_length is None and not head.chunked:
            self._retire(segment)
            self.error = NetworkError("the server gives no length, so that nobody can tell whether the file is whole")
            return False
        if difference:
            self._changed(difference)
        if self.error is not None:
            return False
        self._restart(segment)
        self.identity = self._seen = head.identity()
        self.address = address
        segment.begin(None, self.complete_length, head)
        return True

    def claim(self, segment: Segment, length: int) -> int:
        """How many of so many bytes that have come next for this segment are to be written; 0 ends it."""
        if not segment.alive:
            return 0
        if segment.exceeded_by(length):
            self._distrust("the server sends more bytes than it says")
            return 0
        return segment.claim(length)

    def ended(self, segment: Segment, now: float, jitter: float) -> None:
        """The content has ended, or all that is wanted of it has come."""
        if not segment.alive:
            return
        if not segment.ends_early:
            self._retire(segment)
            if not segment.brought and not self.complete:
                self._failed(Ruling(Verdict.BAD, "an answer without a byte that was missing"), now, jitter, 0)
        elif segment.last_pos is None and self._end_is_known(segment):
            self._retire(segment)
            self.identity = (self.identity or Identity())._replace(complete_length=segment.pos)
        else:
            self._unsure = self._unsure or segment.last_pos is None
            self.broke(segment, "the connection was closed before the end", now, jitter)

    def _end_is_known(self, segment: Segment) -> bool:
        """Nothing at all may also be what is left of a head that was cut off; and there has been more is no end."""
        judged = self._unsure and self._settings.sha256 is not None
        given = (self._settings.allow_unknown_length or judged) and segment.pos >= self._patience.best
        return segment.framed or (given and segment.pos > 0)

    def broke(
        self, segment: Segment, reason: str, now: float, jitter: float, retry_after: float = 0, *,
        hopeless: bool = False,
    ) -> None:
        """The request has failed, or its answer was broken off, or of no use.

        :param retry_after: seconds that the server asks for.
        :param hopeless: it would fail again: a certificate, an address that is none.
        """
        if not segment.alive:
            return
        self._retire(segment)
        if self.segments and not segment.brought:
            self._fewer(reason)
        if not segment.brought:
            self.address = self.url  # the one after redirects may be signed, or of a server that is gone
        if hopeless and not self.segments:
            self.error = NetworkError(reason)
        else:
            useless = segment.answered and not segment.brought
            self._failed(Ruling(Verdict.BAD if useless else Verdict.LATER, reason), now, jitter, retry_after)

    def _try_later(
        self, reason: str, now: float, jitter: float, retry_after: float, kind: type[DownloadError]
    ) -> None:
        self._patience.progressed(self.spans.length)
        if self.segments:
            self._patience.put_off_further(now, jitter, retry_after)
            return
        self._patience.tries += 1
        delay = self._patience.put_off(now, jitter, retry_after)
        if why := self._patience.ends(retry_after):
            self.error = kind(f"{reason} ({why})")
        else:
            self.notices.append(("retry", f"{reason}; next try {f'in {delay:.1f} s' if delay >= _SOON else 'at once'}"))

    def _fewer(self, reason: str) -> None:
        self.allowed = min(self.allowed, max(1, len(self.segments)))
        self.notices.append(("fewer", f"{reason}; going on with {self.allowed} at once"))

    def mismatched(self, seam: Seam) -> None:
        """They are not: another version, or a server that sends other bytes than it says."""
        self._mismatches += 1
        reason = f"bytes {seam.part.first_pos} to {seam.part.last_pos} are not those that came before"
        if self._mismatches > 1:
            self._distrust(reason)
        else:
            self._changed(reason)

    def _distrust(self, reason: str) -> None:
        """No ranges any more: what comes in one answer is of one version."""
        self._plain = True
        self._changed(reason)

    def _changed(self, reason: str) -> None:
        self.changes += 1
        if self.changes > _MOST_CHANGES:
            self.error = ChangedError(f"the file goes on changing: {reason}")
            return
        self._patience.begin_again()
        self.notices.append(("changed", f"{reason}; beginning again"))
        self._restart(None)
        self.address = self.url

    def _restart(self, segment: Segment | None) -> None:
        self.generation += 1
        self._hold(None)
        if segment is not None:
            segment.alive = True
            self.segments = [segment]
