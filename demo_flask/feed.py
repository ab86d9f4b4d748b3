"""A bounded log of requests and decisions. The page polls it to draw the strips."""

from __future__ import annotations

import collections
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from rangeware import Plan

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FILES = "/files/"
REQUEST_ID = "HTTP_X_DEMO_REQUEST"
_MAX_TEXT = 300


class Event(NamedTuple):
    """A request for a file, the decision and its reason. ``asked`` is the Range header; ``serial`` counts from 1."""

    serial: int
    name: str
    method: str
    asked: str
    status: int
    ranges: tuple[tuple[int, int], ...]
    reason: str
    request_id: str

    def public(self) -> dict[str, Any]:
        """Return all values except the id of the request, for the page."""
        return {key: value for key, value in self._asdict().items() if key != "request_id"}


class Feed:
    """The last ``limit`` events of the named files, shared by the threads of one process."""

    def __init__(self, names: Iterable[str], limit: int = 256) -> None:
        self._names = frozenset(names)
        self._events: collections.deque[Event] = collections.deque(maxlen=limit)
        self._lock = threading.Lock()
        self._serial = 0

    def on_plan(self, environ: WSGIEnvironment, plan: Plan) -> None:
        """Record a plan. The middleware calls this for each request with Range or a precondition."""
        self.record(environ, plan.status, tuple(map(tuple, plan.ranges)), str(plan.reason))

    def record(self, environ: WSGIEnvironment, status: int, ranges: Sequence[Any] = (), reason: str = "") -> None:
        """Record a response if it is for one of the files; ignore the page's own requests."""
        name = environ.get("PATH_INFO", "").removeprefix(FILES)
        if name not in self._names:
            return
        asked, request_id = (environ.get(key, "")[:_MAX_TEXT] for key in ("HTTP_RANGE", REQUEST_ID))
        with self._lock:
            self._serial += 1
            self._events.append(Event(self._serial, name, environ["REQUEST_METHOD"], asked, status,
                                      tuple(ranges), reason, request_id))

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


class RecordPlain:
    """WSGI middleware around rangeware that records the responses without a plan: downloads of a whole file."""

    def __init__(self, app: WSGIApplication, feed: Feed) -> None:
        self._app = app
        self._feed = feed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def recorded(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Any:
            if environ.get("rangeware.plan") is None and environ["REQUEST_METHOD"] == "GET":
                self._feed.record(environ, int(status[:3]))
            return start_response(status, headers, *exc_info)

        return self._app(environ, recorded)
