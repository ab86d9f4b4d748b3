"""A bounded log of requests and decisions. The page polls it to draw the strips."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rangeware import Plan, Reason
from rangeware.http.ranges import parse_range

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FILES = "/files/"
REQUEST_ID = "HTTP_X_DEMO_REQUEST"
_MAX_TEXT = 300
_MAX_RANGES = 256


class Event(NamedTuple):
    """A request for a file, the decision and its reason. ``asked`` is the Range header; ``serial`` counts from 1.

    If nginx sends the file (``handed_over``), then nginx decides: ``ranges`` are those asked for, and ``status`` is
    only what the app said to nginx.
    """

    serial: int
    name: str
    method: str
    asked: str
    status: int
    ranges: tuple[tuple[int, int], ...]
    reason: str
    request_id: str
    handed_over: bool = False

    def public(self) -> dict[str, Any]:
        """Return all values, for the page."""
        return self._asdict()


class Feed:
    """The last ``limit`` events of some files, shared by the threads of one process.

    :param lengths: the complete length of each file, by its name.
    """

    def __init__(self, lengths: Mapping[str, int], limit: int = 256) -> None:
        self._lengths = lengths
        self._events: collections.deque[Event] = collections.deque(maxlen=limit)
        self._lock = threading.Lock()
        self._serial = 0

    def on_plan(self, environ: WSGIEnvironment, plan: Plan) -> None:
        """Record a plan. The middleware calls this for each request with Range or a precondition."""
        if plan.reason is Reason.OFFLOADED:
            self.record_hand_over(environ)
        else:
            self.record(environ, plan.status, tuple(map(tuple, plan.ranges)), str(plan.reason))

    def record_hand_over(self, environ: WSGIEnvironment) -> None:
        """Record that nginx has been told to send a file, and which ranges of it the client asked for."""
        length = self._lengths.get(_name_of(environ), 0)
        ranges = (spec.resolve(length) for spec in parse_range(environ.get("HTTP_RANGE", "")) or ())
        asked = [tuple(found) for found in ranges if found is not None][:_MAX_RANGES]
        self.record(environ, 200, asked, str(Reason.OFFLOADED), handed_over=True)

    def record(self, environ: WSGIEnvironment, status: int, ranges: Sequence[Any] = (), reason: str = "",
               handed_over: bool = False) -> None:
        """Record a response if it is for one of the files; ignore the page's own requests."""
        name = _name_of(environ)
        if name not in self._lengths:
            return
        asked, request_id = (environ.get(key, "")[:_MAX_TEXT] for key in ("HTTP_RANGE", REQUEST_ID))
        with self._lock:
            self._serial += 1
            self._events.append(Event(self._serial, name, environ["REQUEST_METHOD"], asked, status,
                                      tuple(ranges), reason, request_id, handed_over))

    def after(self, serial: int, at_most: int = 100) -> list[Event]:
        """Return the events after ``serial``, oldest first. A serial from before a restart returns all of them."""
        with self._lock:
            known = serial if serial <= self._serial else 0
            return [event for event in self._events if event.serial > known][:at_most]

    def last(self) -> int:
        """Return the serial of the latest event; 0 before the first."""
        with self._lock:
            return self._serial

    def find(self, request_id: str) -> Event | None:
        """Return the event of a request by the inspector; None if it is unknown or no longer kept."""
        with self._lock:
            return next((event for event in reversed(self._events) if event.request_id == request_id), None)


def _name_of(environ: WSGIEnvironment) -> str:
    name: str = environ.get("PATH_INFO", "").removeprefix(FILES)
    return name


def is_handed_over(headers: Iterable[tuple[str, str]]) -> bool:
    """True if these header fields have nginx send a file."""
    return any(name.lower() == "x-accel-redirect" for name, _ in headers)


class RecordPlain:
    """WSGI middleware around rangeware that records the responses without a plan: downloads of a whole file."""

    def __init__(self, app: WSGIApplication, feed: Feed) -> None:
        self._app = app
        self._feed = feed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def recorded(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            if environ.get("rangeware.plan") is None and environ["REQUEST_METHOD"] == "GET":
                if is_handed_over(headers):
                    self._feed.record_hand_over(environ)
                else:
                    self._feed.record(environ, int(status[:3]))
            return start_response(status, headers, *exc_info)

        return self._app(environ, recorded)
