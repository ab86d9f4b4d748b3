"""Compare what came with the digests that a server declares (RFC 9530). Pure.

Repr-Digest is of the whole representation, also where a part is sent; Content-Digest is of what is sent. Digests by
weak algorithms do not count (RFC 9530 section 5).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from ..client.digests import Digest, declared_digest, declared_digests
from .known import Answers, is_identity
from .responses import shown
from .values import Answer, Verdict

_Compared = tuple[bytes | None, list[Digest]]


def judge_repr_digest(answers: Answers) -> Verdict | None:
    """Judge the digests of the whole; None if no response has any."""
    return _judge(answers, "Repr-Digest", _of_the_whole)


def judge_content_digest(answers: Answers) -> Verdict | None:
    """Judge the digests of what is sent; None if no response has any."""
    return _judge(answers, "Content-Digest", _of_the_content)


def _judge(
    answers: Answers, title: str, find: Callable[[Answer, Answer], _Compared]
) -> Verdict | None:
    found = [(answer, *find(answer, answers["whole"])) for answer in answers.values()]
    found = [each for each in found if each[2]]
    compared = 0
    for answer, content, digests in found:
        for digest in digests if content is not None else ():
            compared += 1
            if hashlib.new(digest.algorithm, content or b"").digest() != digest.value:
                why = _fault(digest, answer, answers["whole"])
                return Verdict("broken", f"{title} of a {answer.status} does not fit: {why} Clients that check it "
                                         "refuse the file.")
    if not found:
        return None
    if not compared:
        return Verdict("unknown", f"{title} is declared, but what it is of was not read to its end.")
    return Verdict("good", f"{title} fits what came (RFC 9530), {compared} times.")


def _fault(digest: Digest, answer: Answer, whole: Answer) -> str:
    """What a digest is of that is not of what it has to be."""
    if digest.value == hashlib.new(digest.algorithm, whole.content).digest():
        return "it is that of the whole file, not of the part (RFC 9530 2)."
    if answer.status == 206 and digest.value == hashlib.new(digest.algorithm, answer.content).digest():
        return "it is that of the part, not of the whole file (RFC 9530 3)."
    return f"the {shown(digest.algorithm)} is another (RFC 9530)."


def _of_the_whole(answer: Answer, whole: Answer) -> _Compared:
    """The bytes that Repr-Digest is of, None if they are not known; and the digests."""
    digest = None if answer.head is None else declared_digest(answer.head.fields)
    digests = [] if digest is None else [digest]
    is_same = is_identity(answer) or answer.probe.method == "HEAD"
    source = answer if answer.status == 200 and answer.probe.method == "GET" else whole if is_same else None
    is_known = source is not None and source.status == 200 and source.is_complete and not source.failure
    return (source.content if source is not None and is_known else None), digests


def _of_the_content(answer: Answer, _: Answer) -> _Compared:
    """The bytes that Content-Digest is of, None if they are not known; and the digests."""
    is_known = answer.is_complete and not answer.failure and answer.probe.method == "GET" and answer.status != 304
    return (answer.content if is_known else None), declared_digests(answer.field("content-digest"))
