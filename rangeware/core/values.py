"""The values that the decision is made of: a request, a representation, limits; and the ``Plan`` that comes out.

``RequestFields`` is filled by the adapter from the request, ``Representation`` by ``core.app_head`` from the app's
response. ``core.plan`` turns both into a ``Plan``, which says why in a ``Reason``.
"""

from __future__ import annotations

import enum
from datetime import datetime
from typing import NamedTuple, Protocol

from ..http.dates import EPOCH
from ..http.etags import EntityTag
from ..http.ranges import ByteRange, range_unit


class Reason(enum.Enum):
    """Why a response is what it is. ``str(reason)`` is a sentence for people, ``reason.name`` a label for metrics.

    >>> reason = environ["rangeware.plan"].reason
    >>> reason is Reason.SLICED, reason.name, str(reason)
    (True, 'SLICED', 'the ranges asked for')
    """

    SLICED = "the ranges asked for"
    UNSATISFIABLE = "no range asked for lies within the representation"
    IF_MATCH = "If-Match does not hold"
    IF_UNMODIFIED_SINCE = "the representation was modified after If-Unmodified-Since"
    IF_NONE_MATCH = "If-None-Match names the current representation"
    IF_MODIFIED_SINCE = "the representation was not modified after If-Modified-Since"
    NO_RANGE = "the request has no Range header"
    METHOD = "Range is defined for GET only"
    STATUS = "the app answered with a status other than 200"
    OWN_CONTENT_RANGE = "the app sent a Content-Range of its own"
    OWN_MULTIPART = "the app sent multipart/byteranges of its own"
    TRANSFER_ENCODING = "the app chose a Transfer-Encoding"
    ACCEPT_RANGES_NONE = "the app declines ranges with Accept-Ranges: none"
    OFFLOADED = "a front server sends the content"
    CONTENT_CODING = "the content is coded and has no strong ETag"
    UNKNOWN_LENGTH = "the complete length is unknown"
    SHORTER = "the content is shorter than its declared length"
    LONGER = "the file that the app named by its path is longer than declared"
    EMPTY = "the representation is empty"
    UNIT = "the range unit is not bytes"
    TOO_MANY_RANGES = "more ranges than max_ranges"
    SYNTAX = "malformed Range header"
    IF_RANGE = "If-Range does not hold"
    SURPLUS = "the parts would be larger than the whole"

    def __str__(self) -> str:
        return self.value


_ALL_ABSENT = (None,) * 6
_ABSENT_BUT_RANGE = _ALL_ABSENT[1:]
_NO_PRECONDITIONS = _ALL_ABSENT[2:]


class RequestFields(NamedTuple):
    """The method and the header fields of a request that matter here, as text; None for a field that is absent."""

    method: str
    range: str | None = None
    if_range: str | None = None
    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: str | None = None
    if_unmodified_since: str | None = None

    @property
    def has_preconditions(self) -> bool:
        """True if a precondition is to be evaluated before Range (RFC 9110 13.2.2)."""
        return self[3:] != _NO_PRECONDITIONS

    @property
    def needs_validators(self) -> bool:
        """True if the request compares validators: If-Range or a precondition."""
        return self[2:] != _ABSENT_BUT_RANGE

    @property
    def is_ranged(self) -> bool:
        """True if Range and If-Range are for us. A Range in another unit than bytes is for the app (RFC 9110 14.1)."""
        if self.range is None:
            return self.if_range is not None
        return range_unit(self.range) in ("bytes", "")

    @property
    def is_plain(self) -> bool:
        """True for a request with neither Range nor a condition: it asks for the whole representation."""
        return self[1:] == _ALL_ABSENT


class Representation(NamedTuple):
    """The representation that the app would send with 200.

    :param complete_length: in bytes; None where it is unknown.
    :param date: the time of the response: its Date field, or now.
    :param random_access: False for a body that can only be read forward, so that ranges must ascend.
    :param status: the app's own status.
    :param obstacle: why its response must not be sliced; None if it may be.
    """

    complete_length: int | None
    etag: EntityTag | None = None
    last_modified: datetime | None = None
    date: datetime = EPOCH
    content_type: str | None = None
    random_access: bool = True
    status: int = 200
    obstacle: Reason | None = None

    @property
    def is_sliceable(self) -> bool:
        """True if a satisfiable Range would be served; Accept-Ranges advertises it."""
        return self.obstacle is None and bool(self.complete_length)


class Limits(NamedTuple):
    """Bounds on a request. ``max_ranges``: range-specs in one Range field, at least 1."""

    max_ranges: int = 256


class FrontServer(Protocol):
    """A front server that sends files for the app; ``rangeware.offload`` has one class for each kind."""

    @property
    def keeps_validators(self) -> bool:
        """True if the client gets the ETag and the Last-Modified of the app; False if the front server makes others."""

    def field_for(self, path: object, fileno: int) -> tuple[str, str] | None:
        """Return the field that has the front server send an open file; None if it must be sent from here.

        :param path: that the file was opened with.
        :param fileno: the descriptor of the open file.
        """


class Plan(NamedTuple):
    """The decision on a request. It is in environ (ASGI: in the scope) as ``rangeware.plan``, and ``on_plan`` gets it.

    :param status: 206, 304, 412 or 416; otherwise the app's own, mostly 200.
    :param ranges: the bytes to send, each with its first and its last position, both inclusive; empty unless it is 206.
    :param reason: why.

    >>> plan = environ["rangeware.plan"]
    >>> plan.status, plan.ranges, str(plan.reason)
    (206, (ByteRange(first_pos=0, last_pos=99),), 'the ranges asked for')
    """

    status: int
    ranges: tuple[ByteRange, ...]
    reason: Reason
