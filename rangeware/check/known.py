"""What the answers so far tell about the file: its length, its validators, and whether ranges are served at all. Pure.

``probes`` needs it to choose the next request, and ``findings`` to judge what came.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..client.planning.response_head import FileVersion
from .values import Answer, Known

BUSY = (429, 503)
"""Statuses of a server that takes no more requests for now: they tell nothing about the file."""

Answers = Mapping[str, Answer]
"""By the name of the probe, in the order in which they came."""


def known_of(answers: Answers) -> Known:
    """What is known of the file."""
    whole = answers.get("whole")
    if whole is None or whole.head is None:
        return Known()
    version = whole.head.version()
    length = version.complete_length
    if length is None and whole.is_complete and not whole.failure:
        length = len(whole.content)
    if length is None:
        length = next((length for length in map(_named_length, answers.values()) if length is not None), None)
    return Known(length, version)


def known_from(answers: Iterable[Answer]) -> Known:
    """What is known of a file from any responses for it, such as one from each of two servers."""
    heads = [answer.head for answer in answers if answer.head is not None]
    versions = [head.version() for head in heads if head.status in (200, 206, 304)]
    lengths = [version.complete_length for version in versions]
    lengths += [head.content_range.complete_length for head in heads if head.status == 416 and head.content_range]
    version = next((version for version in versions if version.has_validator), FileVersion())
    return Known(next((length for length in lengths if length is not None), None), version)


def _named_length(answer: Answer) -> int | None:
    """The complete length that a part or a 416 names."""
    named = None if answer.head is None or answer.status not in (206, 416) else answer.head.content_range
    return None if named is None else named.complete_length


def serves_ranges(answers: Answers) -> bool:
    """True if any request for a range has got a 206."""
    return any(answer.status == 206 and "range" in answer.probe.fields for answer in answers.values())


def shows_ranges(answers: Answers) -> bool:
    """True if any response to a request for a range shows whether they are served."""
    asked = [answer for answer in answers.values() if "range" in answer.probe.fields]
    return any(answer.is_conclusive and answer.status not in BUSY for answer in asked)


def coding_of(answers: Answers) -> str:
    """The Content-Encoding that appears where one is accepted; "" if none does."""
    coded = answers.get("coded")
    return coded.field("content-encoding") if coded is not None and coded.status == 200 else ""


def is_identity(answer: Answer) -> bool:
    """True for a 200 or 206 to a request that accepts no coding: it is of the bytes that the plain response has."""
    return answer.status in (200, 206) and answer.probe.fields.get("accept-encoding") == "identity"
