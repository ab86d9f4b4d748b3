"""Decision: what an answer is good for, by its head alone. No byte of its content is kept before."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ..http.ranges import ByteRange
from .heads import Head, Identity

_TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


class Ask(NamedTuple):
    """A request for bytes of the file.

    :param first_pos: the first byte asked for. Those before ``keep_from`` are there, or will be, and are compared.
    :param keep_from: the first byte that is missing.
    :param last_pos: the last one asked for, inclusive; None for all that follow.
    :param if_range: the validator of the version that the bytes must be of; None if there is no strong one.
    :param ranged: False for a plain GET of all bytes.
    """

    address: str
    first_pos: int = 0
    keep_from: int = 0
    last_pos: int | None = None
    if_range: str | None = None
    ranged: bool = True

    @property
    def fields(self) -> dict[str, str]:
        """The fields that ask for these bytes, uncoded (RFC 9110 12.5.3, 13.1.5 and 14.2)."""
        fields = {"Accept-Encoding": "identity"}
        if self.ranged:
            fields["Range"] = f"bytes={self.first_pos}-{'' if self.last_pos is None else self.last_pos}"
            if self.if_range is not None:
                fields["If-Range"] = self.if_range
        return fields


class Verdict(Enum):
    """What becomes of an answer."""

    TAKE = "its content is what was asked for"
    ANEW = "all bytes again, into a new partial file"
    CHANGED = "of another version"
    DOUBT = "what was asked for, but nothing vouches that it is of the same version"
    BAD = "not what was asked for"
    PLAIN = "no ranges here"
    WHOLE = "there are no more bytes"
    BACK = "the address after the redirects is of no use any more"
    LATER = "not now"
    STRANGE = "something else than the file"
    NEVER = "there is nothing to be had"


class Ruling(NamedTuple):
    """A verdict, why, and of a 206 that is taken the bytes that its content is."""

    verdict: Verdict
    reason: str = ""
    part: ByteRange | None = None


def rule(
    ask: Ask, known: Identity | None, head: Head, *, seen: Identity | None = None, enough: bool = True
) -> Ruling:
    """What to do with the answer to ``ask``.

    :param known: the version of which there are bytes already; None for none.
    :param seen: any version that this address has had, to tell the file from a page that says sorry with status 200.
    :param enough: whether the bytes in front of ``keep_from`` suffice where no validator vouches for the version.
    """
    if head.status == 206:
        return _partial(ask, known, head, enough)
    if head.status == 200:
        return _whole(ask, known, seen or known, head)
    if head.status == 416 and ask.ranged:
        return _unsatisfied(ask, known, head)
    reason = f"the server answers {head.status}"
    if head.status in _TRY_AGAIN:
        return Ruling(Verdict.LATER, reason)
    if known is None and seen is None:
        return Ruling(Verdict.NEVER, reason)
    return Ruling(Verdict.BACK, reason)


def _partial(ask: Ask, known: Identity | None, head: Head, enough: bool) -> Ruling:
    content_range = head.content_range
    part = content_range.part if content_range is not None else None
    reason = _misfit(ask, part, head)
    if reason or part is None:
        return Ruling(Verdict.BAD if known is not None else Verdict.PLAIN, reason)
    found = head.identity()
    if not ask.ranged and part.next_pos != found.complete_length:
        return Ruling(Verdict.PLAIN, "a part where all was asked for")
    if known is None:
        return Ruling(Verdict.TAKE, part=part)
    difference = known.difference(found)
    if found.complete_length is not None and found.complete_length < ask.keep_from:
        return Ruling(Verdict.CHANGED, f"{found.complete_length} bytes only")
    if difference and known.contradicted_by(found):
        return Ruling(Verdict.BAD, difference)
    if difference:  # the server does not mind If-Range (RFC 9110 13.1.5)
        return Ruling(Verdict.CHANGED, difference)
    if not enough and not known.vouched_by(found):
        return Ruling(Verdict.DOUBT, "the part has no validator")
    return Ruling(Verdict.TAKE, part=part)


def _misfit(ask: Ask, part: ByteRange | None, head: Head) -> str:
    """Why a 206 cannot be the answer to ``ask``; ``""`` if it can (RFC 9110 15.3.7)."""
    if head.media_type == "multipart/byteranges":
        return "several parts where one was asked for"
    if part is None:
        return "a part that does not say which"
    if part.first_pos != ask.first_pos:
        return f"bytes from {part.first_pos} on, where those from {ask.first_pos} on were asked for"
    if ask.last_pos is not None and part.last_pos > ask.last_pos:
        return f"bytes up to {part.last_pos}, where those up to {ask.last_pos} were asked for"
    if head.coding:
        return f"a part coded with {head.coding}, where no coding was asked for"
    if not head.readable or head.content_length not in (None, part.length):
        return "a Content-Length that is not that of the part"
    return ""


def _whole(ask: Ask, known: Identity | None, seen: Identity | None, head: Head) -> Ruling:
    if head.coding:
        return Ruling(Verdict.NEVER if seen is None else Verdict.BAD,
                      f"the server codes the file with {head.coding}, though no coding was asked for")
    if not head.readable:
        return Ruling(Verdict.BAD, "the server does not say where the content ends, but something that is no length")
    if "content-range" in head.fields:
        return Ruling(Verdict.BAD, "a part that is said to be all")
    found = head.identity()
    if seen is not None and _looks_strange(found, seen):
        return Ruling(Verdict.STRANGE, f"the server answers with something else ({found.media_type or 'of no type'})")
    if known is None:
        return Ruling(Verdict.TAKE)
    difference = known.difference(found)
    return Ruling(Verdict.BAD if difference and known.contradicted_by(found) else Verdict.ANEW, difference)


def _looks_strange(found: Identity, seen: Identity) -> bool:
    """Whether it may be a page that says sorry with status 200. Such a page seldom has a validator."""
    if found.media_type != seen.media_type:
        return found.if_range is None or found.media_type == "text/html"
    return seen.has_validator and not found.has_validator


def _unsatisfied(ask: Ask, known: Identity | None, head: Head) -> Ruling:
    """RFC 9110 15.5.17. An empty file has no satisfiable range at all; some servers refuse each."""
    if known is None:
        return Ruling(Verdict.PLAIN, "the server refuses the range")
    content_range = head.content_range
    if content_range is None or content_range.complete_length is None:
        return Ruling(Verdict.BAD, "the server refuses the range and gives no length")
    found = head.identity()._replace(complete_length=content_range.complete_length, media_type=None)
    difference = known.difference(found)
    sure = ask.first_pos == ask.keep_from  # else it refuses bytes in front of the end that it should have
    if not difference and content_range.complete_length == ask.keep_from:
        return Ruling(Verdict.WHOLE) if sure else Ruling(Verdict.BAD, "the server refuses a range that the file has")
    if not difference and known.complete_length is not None:
        return Ruling(Verdict.BAD, "the server refuses a range that the file has")
    return Ruling(Verdict.CHANGED, difference or f"{content_range.complete_length} bytes only")
