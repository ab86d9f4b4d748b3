"""Compression: does a content coding appear, and of which bytes are ranges then? Pure.

Ranges are of the coded bytes (RFC 9110 14.2). Where a server compresses on the way, the ETag must tell the coded bytes
from the others, or a client that resumes joins the two.
"""

from __future__ import annotations

from ..client.texts import status_line
from ..http.etags import EntityTag
from .known import Answers, coding_of, is_identity
from .responses import judge_response, parts_of, shown
from .values import Answer, Known, Status, Verdict


def judge_coding(answers: Answers) -> Verdict:
    """Judge the content codings of all responses."""
    stray = next(filter(None, (_stray_coding(answer, answers["whole"]) for answer in answers.values())), None)
    if stray is not None:
        return stray
    coding = coding_of(answers)
    whole, coded = answers["whole"], answers["coded"]
    if whole.field("content-encoding"):
        return _judge_forced(whole)
    if not coding:
        verdict = judge_response(coded, Known())
        return Verdict(verdict.status, "None, also where a client accepts it." if verdict.status == "good"
                       else f"Where a client accepts compression: {verdict.detail}")
    named = shown(coding)
    tag = _tag_of(whole)
    if tag is not None and tag == _tag_of(coded) and not tag.weak:
        return Verdict("broken", f"{named} where a client accepts it, under the ETag of the bytes that are not "
                                 "compressed (RFC 9110 8.8.3.3): who resumes joins the two.")
    return _judge_coded_range(answers, named)


def _stray_coding(answer: Answer, whole: Answer) -> Verdict | None:
    """The verdict on a part that names another coding than the whole; None for any other response."""
    if answer.head is None or whole.head is None or answer.status != 206 or not is_identity(answer):
        return None
    codings, others = answer.head.codings, whole.head.codings
    if codings == others:
        return None
    if codings:
        return Verdict("broken", f"A 206 names Content-Encoding {shown(', '.join(codings))}, which the plain response "
                                 "does not have (RFC 9110 15.3.7): a client decodes what is not coded, or gives up.")
    if "if-range" in answer.probe.fields:  # a part need not repeat it then (RFC 9110 15.3.7)
        return None
    return Verdict("limited", f"A 206 does not name the Content-Encoding {shown(', '.join(others))} of the plain "
                              "response (RFC 9110 15.3.7): nobody can tell which bytes these are.")


def _judge_forced(whole: Answer) -> Verdict:
    tag = _tag_of(whole)
    status: Status = "good" if tag is not None and not tag.weak else "limited"
    return Verdict(status, f"{shown(whole.field('content-encoding'))}, even for a client that accepts none: ranges are "
                           "of the compressed bytes (RFC 9110 8.4, 14.2).")


def _judge_coded_range(answers: Answers, named: str) -> Verdict:
    answer = answers.get("coded_range")
    if answer is None:
        return Verdict("limited", f"{named} where a client accepts it. What is compressed on the way has no length and "
                                  "no ranges.")
    if answer.status == 206:
        of_coded = bool(answer.field("content-encoding"))
        source = answers["coded" if of_coded else "whole"].content
        for first_pos, content in parts_of(answer):
            there = source[first_pos:first_pos + len(content)]
            if there and there != content[:len(there)]:
                kind = "compressed" if of_coded else "plain"
                return Verdict("broken", f"{named} where a client accepts it; a range then has other bytes than the "
                                         f"{kind} ones that it says it has (RFC 9110 14.2).")
        kind = "compressed" if of_coded else "plain"
        return Verdict("limited", f"{named} where a client accepts it, as another representation. A range is then of "
                                  f"the {kind} bytes. Nobody gets wrong bytes, but browsers that look at the whole "
                                  "first see no length, or another one.")
    return Verdict("limited", f"{named} where a client accepts it; then a range gets {status_line(answer.status)}. "
                              "Browsers always accept it for what is no video or audio.")


def _tag_of(answer: Answer) -> EntityTag | None:
    return None if answer.head is None else answer.head.version().etag
