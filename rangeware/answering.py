"""Answering: what is decided about one request under the deployer's options, whatever protocol the app speaks."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime, timezone
from typing import Any

from .core.head import AppHead, Field, describe, validators_of_file
from .core.options import Options
from .core.plan import decide
from .core.reply import Reply, compose
from .core.segments import BOUNDARY_LENGTH, whole_content
from .core.values import Plan, Reason, RequestFields
from .forward import Spool
from .openers import glance, open_source
from .servers import SMALL
from .sources import SeekableSource, Source

_LOGGER = logging.getLogger("rangeware")


class Answering:
    """One request, and what its answer is to be: what the two adapters share.

    ``_environ`` is the server's own mapping of the request (``environ`` or ``scope``), in which the plan is left.
    """

    __slots__ = ("_environ", "_options", "_request")

    _environ: dict[str, Any]
    _options: Options
    _request: RequestFields

    @property
    def block_size(self) -> int:
        """Bytes read and sent at once, at most."""
        return self._options.block_size

    def _source(self, head: AppHead, body: object) -> Source | None:
        """How to get at the bytes of a body under this head; None where its complete length is unknown."""
        if self._request.method not in ("GET", "HEAD"):
            return None
        look = open_source if self._request.range is not None else glance
        return look(body, head.complete_length, self.block_size)

    def _completed(self, head: AppHead, source: Source | None) -> AppHead:
        """The head with what the app left out and is known of its body."""
        obstacle = head.obstacle()
        if source is None or source.shorter or obstacle not in (None, Reason.CONTENT_CODING):
            return head
        on_disk = source.on_disk
        added: list[Field] = []
        if on_disk is not None and self._options.validators and not head.has_validators:
            added = validators_of_file(head, source.complete_length, on_disk.mtime_ns, on_disk.offset, _now())
        if obstacle is None and head.get("content-length") is None and self._is_told_by(source):
            # Without it some servers send an end of chunks after a HEAD, and a body of which nobody sees the end.
            added.append(("Content-Length", str(source.complete_length)))
        return AppHead(head.status, [*head.fields, *added]) if added else head

    def _is_told_by(self, source: Source) -> bool:
        """Whether the body says how long the content of GET is, and can be held to it. An empty one on HEAD says
        nothing: it was left out."""
        if self._request.method == "HEAD":
            return source.complete_length > 0
        return isinstance(source, SeekableSource) and not source.is_moved

    def _plan(self, head: AppHead, source: Source | None) -> tuple[Plan, Reply]:
        """The answer to the request, where the app has this head and the bytes of this source."""
        complete_length = None if source is None else source.complete_length
        if self._request.method == "HEAD":  # the body says nothing of what GET would send
            complete_length = head.complete_length or complete_length or None
        random_access = source is not None and source.random_access
        obstacle = Reason.SHORTER if source is not None and source.shorter else None
        now = _now() if self._request.needs_validators else None
        selected = describe(head, complete_length, now, random_access=random_access, obstacle=obstacle)
        plan = decide(self._request, selected, self._options.limits)
        boundary = secrets.token_hex(BOUNDARY_LENGTH // 2) if len(plan.ranges) > 1 else ""
        return plan, compose(plan, head, selected, boundary)

    def _at_once(self, reply: Reply, source: Source) -> bytes | None:
        """The content, read in one go before anything is sent, where it is so small that this is faster."""
        is_small = reply.length <= self.block_size and (reply.length <= SMALL or not source.on_disk)
        return source.read(reply.segments or ()) if is_small and type(source) is SeekableSource else None

    def _spooled_source(self, spool: Spool) -> Source | None:
        """How to get at content that was of unknown length; None where it still is."""
        spool.file.seek(0)
        return open_source(spool.file, None, self.block_size) if spool.whole else None

    def _is_bodiless(self, reply: Reply) -> bool:
        return self._request.method == "HEAD" or reply.status == 304

    def _tell(self, plan: Plan) -> None:
        """Leaves the plan for whoever stands around us, where more was asked for than the whole."""
        if not self._request.is_conditional:
            return
        self._environ["rangeware.plan"] = plan
        if _LOGGER.isEnabledFor(logging.DEBUG):
            _LOGGER.debug("%d: %s; Range %r, ranges %s", plan.status, plan.reason, self._request.range, plan.ranges)
        if self._options.on_plan is not None:
            try:
                self._options.on_plan(self._environ, plan)
            except Exception:
                _LOGGER.exception("on_plan failed")


def of_file(reply: Reply, source: Source | None) -> Reply:
    """The reply, with the bytes of the file where the app's body was to go on as it is: what we measured is ours to
    keep to, and what is in our wrapper may go faster in the server's."""
    seekable = isinstance(source, SeekableSource) and not source.is_moved and not source.shorter
    if reply.segments is not None or source is None or not seekable:
        return reply
    return reply._replace(segments=whole_content(source.complete_length), length=source.complete_length)


def _now() -> datetime:
    return datetime.now(timezone.utc)
