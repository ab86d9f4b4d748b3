"""Judge one response by the request that it answers: status, ranges, lengths, preconditions (RFC 9110). Pure.

``judge_response`` needs no other response. What only several of them together show is in ``findings``. The sentences
are for a person who has not read the standard.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..client.planning.head_fields import combine
from ..client.planning.response_head import ResponseHead
from ..client.texts import printable, status_line
from ..http.ranges import ByteRange, ContentRange, parse_range
from .conditions import holds_if_range, holds_preconditions
from .known import BUSY
from .multipart import Field, Multipart, Part, boundary_of, read_multipart
from .values import Answer, Known, Probe, Verdict

_LONGEST = 60  # characters of a field that are shown


def shown(text: str) -> str:
    """A piece of a response as it can be shown anywhere: short, printable, and in ASCII."""
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return printable(short.encode("ascii", "replace").decode("ascii"))


def make_answer(
    request: tuple[str, Iterable[Field]], response: tuple[int, Iterable[Field]], content: bytes, *, is_complete: bool
) -> Answer:
    """Make an answer, to be judged, of a request and a response that have not come about by a probe.

    :param request: its method and its fields.
    :param response: its status and its fields.
    :param content: without a transfer coding; the beginning will do.
    :param is_complete: True if it is all of the content.
    """
    probe = Probe("", request[0], {name.lower(): value for name, value in request[1]}, len(content))
    return Answer(probe, ResponseHead(response[0], combine(response[1])), content, is_complete)


def parts_of(answer: Answer) -> list[tuple[int, bytes]]:
    """The first position and the bytes of each part of a 206."""
    if answer.head is None or answer.status != 206:
        return []
    boundary = boundary_of(answer.field("content-type"))
    if boundary is None:
        return _placed([Part([("Content-Range", answer.field("content-range"))], answer.content)])
    return _placed(read_multipart(answer.content, boundary, is_complete=answer.is_complete).parts)


def _placed(parts: list[Part]) -> list[tuple[int, bytes]]:
    named = ((part.content_range, part.content) for part in parts)
    return [(each.part.first_pos, content) for each, content in named if each and each.part]


def judge_response(answer: Answer, known: Known) -> Verdict:
    """Judge a response."""
    if answer.head is None:
        return judge_failure(answer)
    if answer.status in BUSY:
        return Verdict("unknown", f"{status_line(answer.status)}: the server takes no more requests for now.")
    if answer.status >= 500:
        return Verdict("broken", f"{status_line(answer.status)}: the server fails over this request.")
    return judge_failure(answer) if answer.failure else _JUDGES.get(answer.status, _judge_other)(answer, known)


def judge_failure(answer: Answer) -> Verdict:
    """Judge a response that did not come, or not all of it: what had too little time is not the server's fault."""
    said = "No response" if answer.head is None else f"The content broke off after {len(answer.content)} bytes"
    if answer.is_conclusive:
        return Verdict("broken", f"{said}: {answer.failure}.")
    hint = "; a longer timeout may tell" if answer.is_slow else ""
    return Verdict("unknown", f"{said}: {answer.failure}{hint}.")


def _asked(answer: Answer, complete_length: int | None) -> list[ByteRange] | None:
    """The ranges asked for that lie in the file; None if Range is malformed, or there is none.

    Without a length, the ranges that do not need one.
    """
    specs = parse_range(answer.probe.fields.get("range", ""))
    if specs is None:
        return None
    length = 10**18 if complete_length is None else complete_length
    resolved = (spec.resolve(length) for spec in specs)
    return [each for each in resolved if each is not None]


def _is_several(answer: Answer) -> bool:
    return len(parse_range(answer.probe.fields.get("range", "")) or ()) > 1


# --- by status ---

def _judge_200(answer: Answer, known: Known) -> Verdict:
    demanded = holds_preconditions(answer, known)
    if demanded in (304, 412):
        return Verdict("limited", f"200 with the whole, where RFC 9110 13.2.2 has {demanded}: the condition is "
                                  "overlooked.")
    if answer.field("content-range"):
        return Verdict("broken", f"200 with Content-Range {shown(answer.field('content-range'))}: no client can tell "
                                 "whether this is the whole or a part (RFC 9110 14.4).")
    if answer.probe.method == "HEAD" or "range" not in answer.probe.fields:
        return Verdict("good", "200 with the whole.")
    return _judge_ignored_range(answer, known)


def _judge_ignored_range(answer: Answer, known: Known) -> Verdict:
    if holds_if_range(answer, known) is not True:
        return Verdict("good", "200 with the whole, since If-Range does not name this version with a strong validator "
                               "(RFC 9110 13.1.5).")
    asked = _asked(answer, known.complete_length)
    if asked is None:
        return Verdict("good", "200 with the whole: a malformed Range is ignored (RFC 9110 14.2).")
    if known.complete_length == 0:
        return Verdict("good", "200: there are no bytes that a range could select.")
    if not asked:
        return Verdict("limited", "200 with the whole, where RFC 9110 15.5.17 has 416: to a client that resumes a "
                                  "complete file, all of it is sent again.")
    if _is_several(answer):
        return Verdict("limited", "200 with the whole instead of the parts: allowed (RFC 9110 14.2), but whoever needs "
                                  "several ranges loads everything.")
    return Verdict("broken", "200 with the whole instead of the range: allowed (RFC 9110 14.2), but then nobody can "
                             "seek or resume.")


def _judge_206(answer: Answer, known: Known) -> Verdict:
    if answer.probe.method == "HEAD" or "range" not in answer.probe.fields:
        return Verdict("broken", "206 without having been asked for a range (RFC 9110 15.3.7).")
    if holds_preconditions(answer, known) in (304, 412):
        return Verdict("broken", "206, although a precondition does not hold (RFC 9110 13.2.2).")
    if holds_if_range(answer, known) is False:
        return Verdict("broken", "206, although If-Range does not name this version with a strong validator: a client "
                                 "that resumes joins bytes of two versions (RFC 9110 13.1.5).")
    if parse_range(answer.probe.fields["range"]) is None:
        return Verdict("broken", "206 to a malformed Range: nobody can tell which bytes were meant (RFC 9110 14.2).")
    boundary = boundary_of(answer.field("content-type"))
    if boundary is None:
        return _judge_single(answer, known)
    return _judge_multipart(answer, known, read_multipart(answer.content, boundary, is_complete=answer.is_complete))


def _judge_single(answer: Answer, known: Known) -> Verdict:
    assert answer.head is not None
    named = answer.head.content_range
    if named is None or named.part is None:
        said = shown(answer.field("content-range"))
        return Verdict("broken", f"206 {f'with Content-Range {said!r}' if said else 'without Content-Range'}: no "
                                 "client can tell which bytes these are (RFC 9110 15.3.7.1).")
    fault = _length_fault(named, known) or _content_fault(answer, named.part)
    if fault:
        return Verdict("broken", fault)
    if answer.is_slow and len(answer.content) < named.part.length:
        return Verdict("limited" if answer.is_conclusive else "unknown",
                       f"206, but only {len(answer.content)} of {named.part.length} bytes came in time.")
    return _judge_choice(answer, known, named, named.part)


def _length_fault(named: ContentRange, known: Known) -> str:
    if None in (named.complete_length, known.complete_length) or named.complete_length == known.complete_length:
        return ""
    return (f"206 of a file of {named.complete_length} bytes, where the plain response has {known.complete_length} "
            "(RFC 9110 14.4).")


def _content_fault(answer: Answer, part: ByteRange) -> str:
    assert answer.head is not None
    if not answer.head.has_clear_end:
        return "206 with a malformed Content-Length or Transfer-Encoding: nobody can see where it ends (RFC 9112 6.3)."
    length = answer.head.content_length
    if not answer.is_complete and length is None and len(answer.content) <= part.length:
        return ""
    came = length if length is not None else len(answer.content)
    if came == part.length:
        return ""
    return f"206 with {came} bytes of content, where Content-Range says {part.length} (RFC 9110 14.4)."


def _judge_choice(answer: Answer, known: Known, named: ContentRange, part: ByteRange) -> Verdict:
    """Judge which range was chosen, in a response that agrees with itself."""
    asked = _asked(answer, named.complete_length or known.complete_length) or []
    said = f"206 with bytes {part.first_pos}-{part.last_pos}"
    if not asked:
        return Verdict("broken", f"{said}, where none of the ranges lies in the file (RFC 9110 15.5.17: 416).")
    if named.complete_length is None and (known.complete_length is None or part == asked[0]):
        return Verdict("limited", f"{said} of an unknown length: players and download managers need the length "
                                  "(RFC 9110 14.4).")
    if len(asked) > 1:
        if part.first_pos <= min(each.first_pos for each in asked) and part.last_pos >= max(
                each.last_pos for each in asked):
            return Verdict("good", f"{said}, which has all ranges in it (RFC 9110 15.3.7.2 allows to merge them).")
        return Verdict("limited", f"{said}: one part only of {len(asked)} that were asked for.")
    if part == asked[0]:
        return Verdict("good", f"{said} of {named.complete_length}, as asked (RFC 9110 15.3.7.1).")
    wanted = f"{asked[0].first_pos}-{asked[0].last_pos}"
    if part.first_pos == asked[0].first_pos and part.last_pos < asked[0].last_pos:
        if answer.probe.fields["range"].strip().endswith("-"):
            return Verdict("broken", f"{said} instead of {wanted}: allowed (RFC 9110 15.3.7), but curl and wget end "
                                     "there, without an error, and keep a file that is too short.")
        return Verdict("limited", f"{said} instead of {wanted}: allowed (RFC 9110 15.3.7), but some clients take it "
                                  "for a broken connection.")
    return Verdict("broken", f"{said} instead of {wanted} (RFC 9110 14.2): a client that does not look puts them in "
                             "the wrong place.")


def _judge_multipart(answer: Answer, known: Known, body: Multipart) -> Verdict:
    if not _is_several(answer):
        return Verdict("broken", "206 in multipart/byteranges to a request for one range (RFC 9110 15.3.7.2): players "
                                 "and downloaders take the heads of the parts for bytes of the file.")
    if answer.field("content-range"):
        return Verdict("broken", "206 in multipart/byteranges with a Content-Range in its head (RFC 9110 15.3.7.2).")
    if body.faults:
        return Verdict("broken", f"206 in multipart/byteranges that is not well made: {body.faults[0]} (RFC 2046 "
                                 "5.1.1, RFC 9110 14.6).")
    named = [part.content_range for part in body.parts]
    sent = [each.part for each in named if each is not None and each.part is not None]
    fault = next((_length_fault(each, known) for each in named if each is not None), "")
    if fault:
        return Verdict("broken", fault)
    asked = _asked(answer, known.complete_length) or []
    if not body.is_closed and answer.is_slow or not sent:
        return Verdict("limited" if sent and answer.is_conclusive else "unknown",
                       f"206 in multipart/byteranges, of which only {len(sent)} of {len(asked)} parts came in time.")
    return _judge_parts(sent, asked, is_whole=body.is_closed)


def _judge_parts(sent: list[ByteRange], asked: list[ByteRange], *, is_whole: bool) -> Verdict:
    said = f"206 with {len(sent)} parts in multipart/byteranges"
    if sent == asked or (not is_whole and sent == asked[:len(sent)]):
        return Verdict("good", f"{said}, as asked and well made (RFC 9110 14.6).")
    if any(not _is_within(each, asked) for each in sent) and not _cover(sent, asked):
        return Verdict("broken", f"{said} that were not asked for (RFC 9110 15.3.7.2).")
    if _cover(sent, asked):
        return Verdict("good", f"{said}, merged or in another order, as RFC 9110 15.3.7.2 allows.")
    return Verdict("limited", f"{said}, which are not all of the {len(asked)} that were asked for.")


def _is_within(part: ByteRange, others: list[ByteRange]) -> bool:
    return any(other.first_pos <= part.first_pos and part.last_pos <= other.last_pos for other in others)


def _cover(sent: list[ByteRange], asked: list[ByteRange]) -> bool:
    return all(_is_within(each, sent) for each in asked)


def _judge_416(answer: Answer, known: Known) -> Verdict:
    if "range" not in answer.probe.fields or holds_if_range(answer, known) is False:
        return Verdict("broken", "416, although no range is to be looked at here (RFC 9110 15.5.17).")
    assert answer.head is not None
    named = answer.head.content_range
    length = known.complete_length
    if length is None and named is not None:
        length = named.complete_length
    asked = _asked(answer, length)
    if asked is None:
        return Verdict("good", "416: a malformed Range is refused (RFC 9110 14.2 allows that).")
    if asked and length is not None:
        return Verdict("limited" if _is_several(answer) else "broken",
                       "416, although the file has these bytes (RFC 9110 15.5.17): the request is refused.")
    if named is None or named.part is not None or named.complete_length is None:
        return Verdict("limited", "416 without Content-Range: it does not say how long the file is (RFC 9110 15.5.17). "
                                  "curl and wget take what they have for complete all the same, also where it is not.")
    if known.complete_length not in (None, named.complete_length):
        return Verdict("broken", f"416 with a length of {named.complete_length}, where the plain response has "
                                 f"{known.complete_length} (RFC 9110 14.4).")
    return Verdict("good", f"416 with Content-Range bytes */{named.complete_length} (RFC 9110 15.5.17).")


def _judge_304(answer: Answer, known: Known) -> Verdict:
    demanded = holds_preconditions(answer, known)
    if demanded == 304:
        return Verdict("good", "304: what the client has is current (RFC 9110 15.4.5).")
    if demanded is None:
        return Verdict("unknown", "304: whether the condition holds cannot be told from this response.")
    return Verdict("broken", "304, although no condition says so: the client keeps what it should replace.")


def _judge_412(answer: Answer, known: Known) -> Verdict:
    if holds_preconditions(answer, known) == 412:
        return Verdict("good", "412: If-Match names another version (RFC 9110 15.5.13).")
    if {"if-match", "if-unmodified-since"}.isdisjoint(answer.probe.fields):
        return Verdict("broken", "412 without a condition in the request (RFC 9110 15.5.13).")
    return Verdict("unknown", "412: whether the condition holds cannot be told from this response.")


def _judge_other(answer: Answer, known: Known) -> Verdict:
    said = status_line(answer.status)
    if answer.status == 400 and "range" in answer.probe.fields and parse_range(answer.probe.fields["range"]) is None:
        return Verdict("good", f"{said}: a malformed Range is refused (RFC 9110 14.2 allows that).")
    if answer.probe.method == "HEAD":
        return Verdict("limited", f"{said} to HEAD: clients that look before they load learn nothing (RFC 9110 9.3.2).")
    return Verdict("broken", f"{said}, where a plain request succeeds.")


_JUDGES: dict[int, Callable[[Answer, Known], Verdict]] = {
    200: _judge_200, 206: _judge_206, 304: _judge_304, 412: _judge_412, 416: _judge_416,
}
