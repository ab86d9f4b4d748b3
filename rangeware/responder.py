"""The response to one request, whichever protocol the app speaks: what the WSGI and the ASGI adapter share.

An adapter makes a ``Responder`` for each request. Once the app has answered, it asks for the source of the body, has
the head completed, gets the plan and the reply, publishes the plan, and sends the reply by its own protocol.
"""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Any

from .bodies.detect import find_source, find_source_cheaply
from .bodies.openable import OpenableSource
from .bodies.sources import SeekableSource, Source
from .bodies.spool import Spool
from .bodies.streams import ForwardSource
from .bodies.unwrap import deletes_file
from .core.app_head import AppHead, Field, describe, validators_of_file
from .core.options import Options
from .core.plan import decide
from .core.reply import Reply, compose, offloaded, offloaded_head
from .core.segments import BOUNDARY_LENGTH, whole_content
from .core.values import Plan, Reason, RequestFields
from .http.ranges import IntRange, parse_range

SMALL = Options.block_size
"""Bytes of a file that are faster sent in one block than by any server's own means."""

_FROM_FIRST_TO_LAST = IntRange(0, None)
_LOGGER = logging.getLogger("rangeware")


class AppCopy:
    """The copy of environ (ASGI: scope) that an app gets instead of the server's own, in which Range is hidden.

    What the app writes into it is meant for those outside too: the user's name for an access log, the route for
    tracing. So it is carried back.

    :param original: the server's own.
    :param given: the app's copy.
    :param ours: the keys in which the two differ on purpose.
    :param before: a copy of ``given`` from before the app got it; None to make it now.
    """

    __slots__ = ("_before", "_given", "_original", "_ours")

    def __init__(
        self, original: dict[str, Any], given: dict[str, Any], ours: frozenset[str],
        before: dict[str, Any] | None = None,
    ) -> None:
        self._original = original
        self._given = given
        self._ours = ours
        self._before = given.copy() if before is None else before

    def carry_back(self) -> None:
        """Apply to the original what the app has changed in its copy since the last call."""
        given, before = self._given.copy(), self._before  # a thread of the app may go on writing
        if is_unchanged(given, before):
            return
        changed = {key: value for key, value in given.items() if key not in before or before[key] is not value}
        self._original.update((key, value) for key, value in changed.items() if key not in self._ours)
        for key in before.keys() - given.keys() - self._ours:
            self._original.pop(key, None)
        self._before = given


def is_unchanged(given: dict[str, Any], before: dict[str, Any]) -> bool:
    """True if the app has certainly changed nothing in its copy: comparing its own objects may raise."""
    try:
        return given == before
    except Exception:
        return False


class Responder:
    """Decides the response to one request.

    :param environ: the server's own mapping of the request (WSGI: environ, ASGI: scope), which the plan is put into.
    :param carry_backs: functions that apply to that mapping what the app has changed in its copy.
    """

    __slots__ = ("_carry_backs", "environ", "options", "request")

    def __init__(
        self, options: Options, environ: dict[str, Any], request: RequestFields,
        carry_backs: Sequence[Callable[[], None]] = (),
    ) -> None:
        self.options = options
        self.environ = environ
        self.request = request
        self._carry_backs = carry_backs

    def find_source(self, head: AppHead, body: object) -> Source | None:
        """Return the source of a body under this head; None if its complete length is unknown."""
        if self.request.method not in ("GET", "HEAD"):
            return None
        is_ranged = self.request.method == "GET" and self.request.range is not None and self.request.is_ranged
        find = find_source if is_ranged else find_source_cheaply
        source = find(body, head.complete_length, self.options.block_size)
        if self.request.method == "HEAD" and source is not None and source.shorter and not source.complete_length:
            return None  # the app left the body out
        return source

    def complete_head(self, head: AppHead, source: Source | None) -> AppHead:
        """Add the validators and the Content-Length that the app left out and the source knows."""
        obstacle = head.obstacle()
        if source is None or source.shorter or obstacle not in (None, Reason.CONTENT_CODING):
            return head
        on_disk = source.on_disk
        added: list[Field] = []
        if on_disk is not None and self.options.validators and not head.has_validators:
            added = validators_of_file(head, source.complete_length, on_disk.mtime_ns, on_disk.offset, _now())
        if isinstance(source, OpenableSource):
            added = source.validators(head, _now())
        if obstacle is None and head.get("content-length") is None and self._has_reliable_length(source):
            # Without it, some servers send a last chunk after a HEAD, and a body whose end nobody can see.
            added.append(("Content-Length", str(source.complete_length)))
        return AppHead(head.status, [*head.fields, *added]) if added else head

    def _lacks_file(self, head: AppHead, source: Source | None) -> bool:
        """True if the app may have left out a file on HEAD that the front server will send on GET, with its own ETag.

        Then the ETag of the app is left out, too, and no precondition is compared with it: with that ETag in If-Match,
        a client could not resume. RFC 9110 9.3.2 allows leaving out a field that is known only with the content.
        """
        if self.request.method != "HEAD" or self.options.offload is None or self.options.offload.keeps_validators:
            return False
        has_no_body = source is None or isinstance(source, ForwardSource)
        return has_no_body and head.status == 200 and head.has_validators and head.obstacle() is None

    def _has_reliable_length(self, source: Source) -> bool:
        """True if a Content-Length can be made of the source.

        An empty body on HEAD says nothing about GET: the app left it out. A source that we have to move to measure it
        may be read by the server in another way than by us.
        """
        if self.request.method == "HEAD":
            return source.complete_length > 0
        return isinstance(source, OpenableSource) or isinstance(source, SeekableSource) and not source.is_moved

    def plan(self, head: AppHead, source: Source | None, obstacle: Reason | None = None) -> tuple[Plan, Reply]:
        """Decide the response, given the app's head and the source of its body.

        :param obstacle: a reason not to slice it that shows in neither of them.
        """
        if self._lacks_file(head, source):
            return Plan(200, (), Reason.OFFLOADED), offloaded_head(head)
        complete_length = None if source is None else source.complete_length
        if self.request.method == "HEAD":  # the body says nothing about the content of GET
            complete_length = head.complete_length or complete_length or None
        random_access = source is not None and source.random_access
        obstacle = Reason.SHORTER if source is not None and source.shorter else obstacle
        now = _now() if self.request.needs_validators else None
        selected = describe(head, complete_length, now, random_access=random_access, obstacle=obstacle)
        plan = decide(self.request, selected, self.options.limits)
        return plan, compose(plan, head, selected, new_boundary(plan))

    def offload(self, head: AppHead, source: Source | None, body: object) -> tuple[Plan, Reply] | None:
        """Return the response that has the front server send all of a file; None if it is sent from here.

        A 304, 412 or 416 is sent from here wherever we can tell. Not all front servers know each of them; some leave
        out Content-Range, and others keep the fields that let a cache store the refusal.
        """
        server = self.options.offload
        if server is None or source is None or source.on_disk is None:
            return None
        raw = source.on_disk.raw
        is_whole = not source.shorter and source.complete_length == os.fstat(raw.fileno()).st_size
        reason = self._reason_to_send(head, is_whole, body)
        if reason is not None:
            _LOGGER.debug("%r is sent from here: %s", raw.name, reason)
            return None
        field = server.field_for(raw.name, raw.fileno())
        if field is None:
            return None
        if head.etag is not None and not head.etag.quoted:  # Bottle's: front servers compare nothing but entity tags
            head = AppHead(head.status, head.without(("etag",)))
        completed = self.complete_head(head, source)
        if server.keeps_validators or not self.request.needs_validators:
            plan, reply = self.plan(completed, source)
            if plan.status not in (200, 206):
                return plan, reply
        return Plan(200, (), Reason.OFFLOADED), offloaded(completed, field)

    def _reason_to_send(self, head: AppHead, is_whole: bool, body: object) -> str | None:
        """Return why a file must be sent from here; None if the front server may send all of it, and parts of it.

        :param is_whole: True if the app sends all of the file.
        """
        obstacle = head.obstacle()
        if obstacle is not None:
            return str(obstacle)
        if head.get("content-encoding") is not None:
            return "it has a content coding, which front servers drop"
        if head.get("content-length") is not None and head.complete_length is None:
            return "its Content-Length is malformed"
        if not is_whole:
            return "the app does not send all of it"
        return "it is deleted when it is closed, before a front server opens it" if deletes_file(body) else None

    def read_if_small(self, reply: Reply, source: Source) -> bytes | None:
        """Read all of the content before anything is sent, if it is so small that this is faster; otherwise None.

        :raises TruncatedSource: if the source ends early.
        """
        is_small = reply.length <= self.options.block_size and (reply.length <= SMALL or not source.on_disk)
        return source.read(reply.segments or ()) if is_small and type(source) is SeekableSource else None

    def begin(self, reply: Reply, source: Source | None) -> Source | None:
        """Return the source with its first range open, if it opens itself: an error must come before the head.

        :raises TruncatedSource: if the first range ends before its first byte.
        """
        if not isinstance(source, OpenableSource) or not reply.needs_source or self.has_no_content(reply):
            return source
        return source.begin(reply.segments or ())

    def should_spool(self, head: AppHead, plan: Plan) -> bool:
        """True if content of unknown length is to be read ahead, to learn its length.

        A client that asks for all of it from byte 0 would gain nothing by waiting, nor would one that listens to live
        content.
        """
        if plan.reason is not Reason.UNKNOWN_LENGTH or not self.options.spool_limit or head.is_live:
            return False
        return _FROM_FIRST_TO_LAST not in (parse_range(self.request.range or "") or ())

    def spooled_source(self, spool: Spool) -> Source | None:
        """Return the source of spooled content; None if the spool did not reach the end of the body."""
        spool.file.seek(0)
        return find_source(spool.file, None, self.options.block_size) if spool.is_complete else None

    def has_no_content(self, reply: Reply) -> bool:
        """True if no content is sent, whatever the fields say of its length: on HEAD and 304."""
        return self.request.method == "HEAD" or reply.status == 304

    def carry_back(self) -> None:
        """Apply to the server's environ what the app has changed in its copy."""
        for carry_back in self._carry_backs:
            carry_back()

    def publish(self, plan: Plan) -> None:
        """Publish the plan, but not that of a plain request, unless a front server sends the content."""
        self.carry_back()
        if not self.request.is_plain or plan.reason is Reason.OFFLOADED:
            publish(plan, self.request, self.environ, self.options)


def publish(plan: Plan, request: RequestFields, environ: dict[str, Any], options: Options) -> None:
    """Leave the plan in the server's environ, in the log and with ``on_plan``.

    To be called before the head is sent: whoever looks at environ then finds what the app has left there, too.
    """
    environ["rangeware.plan"] = plan
    if _LOGGER.isEnabledFor(logging.DEBUG):
        _LOGGER.debug("%d: %s; Range %r, ranges %s", plan.status, plan.reason, request.range, plan.ranges)
    if options.on_plan is not None:
        try:
            options.on_plan(environ, plan)
        except Exception:
            _LOGGER.exception("on_plan failed")


def new_boundary(plan: Plan) -> str:
    """Return random characters for the boundary of multipart/byteranges, if the response has several parts."""
    return secrets.token_hex(BOUNDARY_LENGTH // 2) if len(plan.ranges) > 1 else ""


def hides_preconditions(request: RequestFields, options: Options) -> bool:
    """True if preconditions are hidden from the app: the ETag in them may be one that the front server has made.

    They are not hidden from an app that sees Range: its 206 must be of the version that the client names.
    """
    if options.offload is None or options.offload.keeps_validators or request.method not in ("GET", "HEAD"):
        return False
    sees_range = request.range is not None and not (request.is_ranged and options.hide_range)
    return request.has_preconditions and not sees_range


def with_file_segments(reply: Reply, source: Source | None) -> Reply:
    """Replace the app's body by segments of its file, if it has one: a Content-Length of ours must be kept to.

    The server's own wrapper may also send a file faster than it iterates over the app's body.
    """
    is_moved = isinstance(source, SeekableSource) and source.is_moved
    return reply if is_moved or isinstance(source, ForwardSource) else with_segments(reply, source)


def with_segments(reply: Reply, source: Source | None) -> Reply:
    """Replace the app's body by segments of its source, unless that is unknown or shorter than declared."""
    if reply.segments is not None or source is None or source.shorter:
        return reply
    return reply._replace(segments=whole_content(source.complete_length), length=source.complete_length)


def _now() -> datetime:
    return datetime.now(timezone.utc)
