"""What clients read in different ways: fields sent twice, parts without a length, and how several begin. Pure.

RFC 9110 5.3: a field that is not a list comes once. Where it comes twice, one client takes the first, another the last,
and a third joins them. What is said here was seen with curl 7.88, wget 1.21, aria2 1.36, Node 18 and Chromium.
"""

from __future__ import annotations

from collections import Counter

from .known import Answers
from .multipart import boundary_of
from .responses import shown
from .values import Answer, Status, Verdict

_SINGLE = ("content-length", "content-range", "etag", "last-modified", "content-type")
_DECISIVE = ("content-length", "content-range")  # where two that differ lead to other bytes
_SAID_TWICE = {
    "content-length": "Node and others refuse such a response (RFC 9110 8.6)",
    "content-range": "Node and Python clients join the lines to one that is malformed",
}


def judge_repeated(answers: Answers) -> Verdict | None:
    """Judge fields that are to come once and come twice; None if there are none."""
    found = [verdict for answer in answers.values() for name in _SINGLE
             if (verdict := _judge_lines(answer, name)) is not None]
    return next((verdict for verdict in found if verdict.status == "broken"), found[0] if found else None)


def _judge_lines(answer: Answer, name: str) -> Verdict | None:
    values = Counter(value.strip() for line, value in answer.lines if line.lower() == name
                     for value in (value.split(",") if name == "content-length" else [value]))
    if values.total() < 2:
        return None
    title, said = name.title().replace("Etag", "ETag"), " and ".join(map(shown, values))
    if len(values) == 1:
        why = _SAID_TWICE.get(name, "clients that join the lines get a malformed one")
        return Verdict("limited", f"{title} {said} comes {values.total()} times in a {answer.status} (RFC 9110 5.3): "
                                  f"{why}.")
    status: Status = "broken" if name in _DECISIVE else "limited"
    return Verdict(status, f"{title} says both {said} in a {answer.status} (RFC 9110 5.3): one client takes the "
                           "first, another the last.")


def judge_part_length(answers: Answers) -> Verdict | None:
    """Judge parts that do not name the length of the file; None if there are none."""
    named = [answer.head.content_range for answer in answers.values() if answer.head and answer.status == 206]
    if all(each is None or each.part is None or each.complete_length is not None for each in named):
        return None
    return Verdict("limited", "Parts name no length of the file (*): allowed (RFC 9110 14.4), but Chromium does not "
                              "seek then, and neither aria2 nor nginx can use them.")


def judge_for_zsync(answers: Answers) -> Verdict | None:
    """Judge several parts as zsync reads them; None if there are none, or it can read them."""
    answer = answers.get("several")
    boundary = None if answer is None or answer.status != 206 else boundary_of(answer.field("content-type"))
    if answer is None or boundary is None:
        return None
    if answer.field("transfer-encoding"):
        return Verdict("limited", "Several parts in chunks: as any content (RFC 9112 7.1), but zsync reads no chunks.")
    if answer.content.partition(b"\n")[2].startswith(b"--" + boundary.encode("latin-1", "replace")):
        return None
    return Verdict("limited", "Several parts without an empty line before the first: none is needed (RFC 2046 5.1.1), "
                              "but zsync up to 0.6.2 asks again for ever without.")
