"""The response to one request, whichever protocol the app speaks: what the WSGI and the ASGI adapter share.

An adapter makes a ``Responder`` for each request. Once the app has answered, it asks for the source of the body, has
the head completed, gets the plan and the reply, publishes the plan, and sends the reply by its own protocol.
"""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timezone
from typing import Any

from .bodies.detect import find_source, find_source_cheaply
from .bodies.sources import SeekableSource, Source
from .bodies.spool import Spool
from .core.app_head import AppHead, Field, describe, validators_of_file
from .core.options import Options
from .core.plan import decide
from .core.reply import Reply, compose
from .core.segments import BOUNDARY_LENGTH, whole_content
from .core.values import Plan, Reason, RequestFields

SMALL = 65536
"""Bytes of a file that are faster sent in one block than by any server's own means."""

_LOGGER = logging.getLogger("rangeware")


class Responder:
    """Decides the response to one request.

    :param environ: the server's own mapping of the request (WSGI: environ, ASGI: scope), which the plan is put into.
    """

    __slots__ = ("environ", "options", "request")

    def __init__(self, options: Options, environ: dict[str, Any], request: RequestFields) -> None:
        self.options = options
        self.environ = environ
        self.request = request

    def find_source(self, head: AppHead, body: object) -> Source | None:
        """Return the source of a body under this head; None if its complete length is unknown."""
        if self.request.method not in ("GET", "HEAD"):
            return None
        find = find_source if self.request.range is not None else find_source_cheaply
        return find(body, head.complete_length, self.options.block_size)

    def complete_head(self, head: AppHead, source: Source | None) -> AppHead:
        """Add the validators and the Content-Length that the app left out and the source knows."""
        obstacle = head.obstacle()
        if source is None or source.shorter or obstacle not in (None, Reason.CONTENT_CODING):
            return head
        on_disk = source.on_disk
        added: list[Field] = []
        if on_disk is not None and self.options.validators and not head.has_validators:
            added = validators_of_file(head, source.complete_length, on_disk.mtime_ns, on_disk.offset, _now())
        if obstacle is None and head.get("content-length") is None and self._has_reliable_length(source):
            # Without it, some servers send a last chunk after a HEAD, and a body whose end nobody can see.
            added.append(("Content-Length", str(source.complete_length)))
        return AppHead(head.status, [*head.fields, *added]) if added else head

    def _has_reliable_length(self, source: Source) -> bool:
        """True if a Content-Length can be made of the source.

        An empty body on HEAD says nothing about GET: the app left it out. A source that we have to move to measure it
        may be read by the server in another way than by us.
        """
        if self.request.method == "HEAD":
            return source.complete_length > 0
        return isinstance(source, SeekableSource) and not source.is_moved

    def plan(self, head: AppHead, source: Source | None) -> tuple[Plan, Reply]:
        """Decide the response, given the app's head and the source of its body."""
        complete_length = None if source is None else source.complete_length
        if self.request.method == "HEAD":  # the body says nothing about the content of GET
            complete_length = head.complete_length or complete_length or None
        random_access = source is not None and source.random_access
        obstacle = Reason.SHORTER if source is not None and source.shorter else None
        now = _now() if self.request.needs_validators else None
        selected = describe(head, complete_length, now, random_access=random_access, obstacle=obstacle)
        plan = decide(self.request, selected, self.options.limits)
        boundary = secrets.token_hex(BOUNDARY_LENGTH // 2) if len(plan.ranges) > 1 else ""
        return plan, compose(plan, head, selected, boundary)

    def read_if_small(self, reply: Reply, source: Source) -> bytes | None:
        """Read all of the content before anything is sent, if it is so small that this is faster; otherwise None.

        :raises TruncatedSource: if the source ends early.
        """
        is_small = reply.length <= self.options.block_size and (reply.length <= SMALL or not source.on_disk)
        return source.read(reply.segments or ()) if is_small and type(source) is SeekableSource else None

    def spooled_source(self, spool: Spool) -> Source | None:
        """Return the source of spooled content; None if the spool did not reach the end of the body."""
        spool.file.seek(0)
        return find_source(spool.file, None, self.options.block_size) if spool.is_complete else None

    def has_no_content(self, reply: Reply) -> bool:
        """True if no content is sent, whatever the fields say of its length: on HEAD and 304."""
        return self.request.method == "HEAD" or reply.status == 304

    def publish(self, plan: Plan) -> None:
        """Leave the plan in the server's environ, in the log and with ``on_plan``, unless the request is plain."""
        if self.request.is_plain:
            return
        self.environ["rangeware.plan"] = plan
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("%d: %s; Range %r, ranges %s", plan.status, plan.reason, self.request.range, plan.ranges)
        if self.options.on_plan is not None:
            try:
                self.options.on_plan(self.environ, plan)
            except Exception:
                _LOGGER.exception("on_plan failed")


def with_file_segments(reply: Reply, source: Source | None) -> Reply:
    """Replace the app's body by segments of its file, if it has one: a Content-Length of ours must be kept to.

    The server's own wrapper may also send a file faster than it iterates over the app's body.
    """
    is_seekable = isinstance(source, SeekableSource) and not source.is_moved and not source.shorter
    if reply.segments is not None or source is None or not is_seekable:
        return reply
    return reply._replace(segments=whole_content(source.complete_length), length=source.complete_length)


def _now() -> datetime:
    return datetime.now(timezone.utc)
