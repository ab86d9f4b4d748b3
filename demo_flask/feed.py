"""A bounded log of the responses for files, and of the bytes that each has sent. The page polls it for its strips."""

from __future__ import annotations

import collections
import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rangeware import Plan, Reason
from rangeware.http.ranges import parse_range

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FILES = "/files/"
PLAIN = "/plain"
SLOW = "slow"  # the query of requests that are answered as on a phone
REQUEST_ID = "HTTP_X_DEMO_REQUEST"
UNSEEN = "unseen-"  # the id of a request that is not recorded begins with this
_MAX_TEXT = 300
_MAX_RANGES = 256
_MAX_PART_HEAD = 2048
_UPDATE_EVERY = 0.2  # seconds
_CONTENT_RANGE = re.compile(rb"content-range:\s*bytes ([0-9]{1,18})-([0-9]{1,18})/", re.IGNORECASE)

Ranges = tuple[tuple[int, int], ...]  # first and last position, inclusive


class Event(NamedTuple):
    """A request for a file, and what came of it so far.

    ``slow`` is true of the players' requests. ``asked`` is the Range header, ``asked_ranges`` what it means for this
    file (all of it without a Range header), ``ranges`` what the response promises, and ``sent`` what of that has been
    given to the server. ``version`` grows with each change, and is unique in a feed.

    If nginx sends the file (``handed_over``), then nginx decides: ``status`` is only what the app said to nginx, and
    nobody here knows what is sent.
    """

    serial: int
    version: int
    mount: str
    name: str
    slow: bool
    method: str
    asked: str
    asked_ranges: Ranges
    status: int
    ranges: Ranges
    reason: str
    request_id: str
    handed_over: bool = False
    sent: Ranges = ()
    state: str = "sending"  # then "complete", or "cut" if the client or the app ended it early

    def public(self) -> dict[str, Any]:
        """Return all values, for the page."""
        return self._asdict()


class Feed:
    """The last ``limit`` events of some files, shared by the threads of one process.

    :param lengths: the complete length of each file, by its name.
    """

    def __init__(self, lengths: Mapping[str, int], limit: int = 256) -> None:
        self.lengths = lengths
        self._limit = limit
        self._events: collections.OrderedDict[int, Event] = collections.OrderedDict()  # the latest change last
        self._lock = threading.Lock()
        self._version = 0

    def add(self, mount: str, name: str, environ: WSGIEnvironment, status: int, *, handed_over: bool = False) -> int:
        """Record a response that begins; return its serial."""
        plan: Plan | None = environ.get("rangeware.plan")
        asked, request_id = (environ.get(key, "")[:_MAX_TEXT] for key in ("HTTP_RANGE", REQUEST_ID))
        asked_ranges = resolve(environ.get("HTTP_RANGE", ""), self.lengths[name])
        ranges = tuple((part.first_pos, part.last_pos) for part in plan.ranges) if plan else ()
        reason = Reason.OFFLOADED if handed_over else plan.reason if plan else ""
        with self._lock:
            self._version += 1
            self._events[self._version] = Event(
                self._version, self._version, mount, name, environ.get("QUERY_STRING") == SLOW,
                environ["REQUEST_METHOD"], asked, asked_ranges, status, ranges[:_MAX_RANGES], str(reason), request_id,
                handed_over)
            if len(self._events) > self._limit:
                self._events.popitem(last=False)
            return self._version

    def update(self, serial: int, sent: Ranges, state: str) -> None:
        """Record what has been sent, unless the event is no longer kept."""
        with self._lock:
            if serial in self._events:
                self._version += 1
                event = self._events[serial]
                self._events[serial] = event._replace(version=self._version, sent=sent[:_MAX_RANGES], state=state)
                self._events.move_to_end(serial)

    def after(self, version: int, at_most: int = 256) -> list[Event]:
        """Return what changed after ``version``, in this order. A version from before a restart returns all events."""
        with self._lock:
            known = version if version <= self._version else 0
            return [event for event in self._events.values() if event.version > known][:at_most]

    def last(self) -> int:
        """Return the version of the latest change; 0 before the first."""
        with self._lock:
            return self._version

    def find(self, request_id: str) -> Event | None:
        """Return the event of a request by the inspector with rangeware; None if it is unknown or no longer kept."""
        with self._lock:
            return next((event for event in reversed(self._events.values())
                         if event.request_id == request_id and event.mount == "rangeware"), None)


def resolve(value: str, complete_length: int) -> Ranges:
    """Return the ranges that a Range header asks for; the whole file if there is none, or it is malformed."""
    specs = parse_range(value) if value else None
    if specs is None:
        return ((0, complete_length - 1),) if complete_length else ()
    found = (spec.resolve(complete_length) for spec in specs)
    return tuple((part.first_pos, part.last_pos) for part in found if part is not None)[:_MAX_RANGES]


def is_handed_over(headers: Iterable[tuple[str, str]]) -> bool:
    """True if these header fields have nginx send a file."""
    return any(name.lower() == "x-accel-redirect" for name, _ in headers)


class Sent:
    """The bytes of a file that a response has brought so far, as a client would tell from the response alone."""

    def __init__(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        fields = {name.lower(): value for name, value in headers}
        self._runs: list[list[int]] = []  # of each range: its first position, and the one after the last that was sent
        self._has_parts = status == 206 and fields.get("content-type", "").startswith("multipart/byteranges")
        self._head = b""  # of a part
        self._left = 0  # bytes of the part
        if not self._has_parts and status in (200, 206):
            match = _CONTENT_RANGE.match(f"Content-Range: {fields.get('content-range', '')}".encode())
            self._begin(int(match[1]) if match else 0)

    def _begin(self, first_pos: int) -> None:
        self._runs.append([first_pos, first_pos])

    def count(self, chunk: bytes) -> None:
        """Count the next bytes of the response."""
        if self._has_parts:
            self._count_parts(chunk)
        elif self._runs:
            self._runs[-1][1] += len(chunk)

    def _count_parts(self, chunk: bytes) -> None:
        """Find the parts by the Content-Range of each: so many bytes follow the empty line."""
        while chunk:
            if self._left:
                length = min(self._left, len(chunk))
                self._runs[-1][1] += length
                self._left -= length
                chunk = chunk[length:]
                continue
            self._head, end, chunk = (self._head + chunk).partition(b"\r\n\r\n")
            if not end:
                self._head = self._head[-_MAX_PART_HEAD:]
                return
            match = _CONTENT_RANGE.search(self._head)
            self._head = b""
            if match:
                self._begin(int(match[1]))
                self._left = int(match[2]) - int(match[1]) + 1

    def ranges(self) -> Ranges:
        """Return what has been sent; nothing for a range that has not begun."""
        return tuple((first, after - 1) for first, after in self._runs if after > first)


class Record:
    """WSGI middleware around both mounts: it records each response for a file, and counts the bytes that are sent."""

    def __init__(self, app: WSGIApplication, feed: Feed) -> None:
        self._app = app
        self._feed = feed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        mount, path = ("plain", path.removeprefix(PLAIN)) if path.startswith(PLAIN) else ("rangeware", path)
        name = path.removeprefix(FILES)
        if name not in self._feed.lengths or environ.get(REQUEST_ID, "").startswith(UNSEEN):
            return self._app(environ, start_response)
        recorded = _Recorded(self._feed, mount, name, environ, start_response)
        recorded.body = self._app(environ, recorded.start_response)
        return recorded


class _Recorded:
    """A response that is recorded. A chunk counts as sent once the server asks for the next one."""

    body: Iterable[bytes] = ()

    def __init__(self, feed: Feed, mount: str, name: str, environ: WSGIEnvironment,
                 start_response: StartResponse) -> None:
        self._feed = feed
        self._place = mount, name
        self._environ = environ
        self._start_response = start_response
        self._serial = 0  # of no event
        self._sent = Sent(0, ())
        self._state = "cut"

    def start_response(self, status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
        if self._environ["REQUEST_METHOD"] == "GET" or self._environ.get("rangeware.plan"):
            handed_over = is_handed_over(headers)
            self._serial = self._feed.add(*self._place, self._environ, int(status[:3]), handed_over=handed_over)
            self._sent = Sent(int(status[:3]), headers)
        return self._start_response(status, headers, *exc_info)

    def __iter__(self) -> Iterator[bytes]:
        next_update = time.monotonic()
        for chunk in self.body:
            yield chunk
            self._sent.count(chunk)
            if (now := time.monotonic()) >= next_update:
                self._feed.update(self._serial, self._sent.ranges(), "sending")
                next_update = now + _UPDATE_EVERY
        self._state = "complete"

    def close(self) -> None:
        self._feed.update(self._serial, self._sent.ranges(), self._state)
        getattr(self.body, "close", lambda: None)()
