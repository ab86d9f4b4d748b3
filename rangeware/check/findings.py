"""What the answers to all probes show: a finding for each thing that clients need. Pure.

Most findings are the verdict of ``responses`` on one answer, under a title. The others compare answers: here the bytes
that several of them have, and their validators; elsewhere times, codings, digests, and fields sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..client.planning.response_head import ResponseHead
from ..client.texts import shown_url, status_line
from .compression import judge_coding
from .digests import judge_content_digest, judge_repr_digest
from .fields import judge_for_zsync, judge_part_length, judge_repeated
from .known import Answers, is_identity, known_of, serves_ranges, shows_ranges
from .multipart import boundary_of
from .overlaps import Overlaps
from .responses import judge_failure, judge_response, parts_of, shown
from .timing import judge_late, judge_speed
from .values import Answer, Finding, Known, Verdict, worst

_SINGLE = {  # by the name of a finding: its title, and the probes of which it is the verdict
    "head": ("HEAD", ("head",)),
    "first_two": ("The first two bytes (Safari asks so)", ("first_two",)),
    "from_start": ("From byte 0 on (Chrome asks so)", ("from_start",)),
    "one_range": ("One range", ("early", "middle", "overlap")),
    "suffix": ("The last bytes, by their number", ("suffix",)),
    "to_end": ("From a position to the end", ("to_end", "from_start")),
    "clamped": ("A range beyond the end", ("clamped",)),
    "several": ("Several ranges", ("several",)),
    "many": ("A hundred ranges", ("many",)),
    "unsatisfiable": ("Past the end", ("unsatisfiable", "huge")),
    "malformed": ("A malformed Range", ("malformed",)),
    "if_range": ("If-Range, nothing changed", ("if_range_tag", "if_range_date")),
    "if_range_changed": ("If-Range, file changed", ("if_range_changed", "if_range_weak")),
    "revalidated": ("Asked whether it changed", ("revalidated",)),
}
_WITH_206 = ("if_range_tag", "if_range_date")
_WHERE_THERE_IS_ANY: dict[str, tuple[str, Callable[[Answers], Verdict | None]]] = {
    "repeated": ("Fields sent twice", judge_repeated),
    "zsync": ("Several ranges, for zsync", judge_for_zsync),
    "part_length": ("The length, in parts", judge_part_length),
    "repr_digest": ("Repr-Digest", judge_repr_digest),
    "content_digest": ("Content-Digest", judge_content_digest),
}


def find(answers: Answers) -> tuple[Finding, ...]:
    """The findings, in the order in which they are shown."""
    known = known_of(answers)
    made = {finding.name: finding for finding in _all(answers, known)}
    return tuple(made[name] for name in _ORDER if name in made)


_ORDER = ("url", "length", "repeated", "accept_ranges", "head", "first_two", "from_start", "one_range", "suffix",
          "to_end", "clamped", "several", "many", "zsync", "unsatisfiable", "malformed", "part_length", "same_bytes",
          "repr_digest", "content_digest", "speed", "late", "validators", "if_range", "if_range_changed", "revalidated",
          "coding")


def _all(answers: Answers, known: Known) -> Iterator[Finding]:
    whole = answers["whole"]
    assert whole.head is not None
    yield _finding("url", "The URL", _judge_url(whole, known))
    yield _finding("length", "Content-Length", judge_length(whole))
    yield _finding("validators", "ETag and Last-Modified", _judge_validators(answers, known))
    for name, (title, probes) in _SINGLE.items():
        asked = [answers[probe] for probe in probes if probe in answers]
        verdicts = [_judge_probe(answer, known, answers) for answer in asked if _is_about(name, answer)]
        if verdicts:
            yield _finding(name, title, _worst_of(verdicts))
    if known.complete_length != 0:
        yield _finding("accept_ranges", "Accept-Ranges", _judge_accept_ranges(answers, whole.head))
    yield _finding("same_bytes", "The same bytes each time", _judge_bytes(answers))
    if "to_end" in answers and answers["to_end"].status == 206:
        yield _finding("late", "Time until the last bytes", judge_late(answers))
    yield _finding("speed", "Speed", judge_speed(answers))
    for name, (title, judge) in _WHERE_THERE_IS_ANY.items():
        if verdict := judge(answers):
            yield _finding(name, title, verdict)
    yield _finding("coding", "Compression", judge_coding(answers))


def _is_about(name: str, answer: Answer) -> bool:
    """True if a finding is about this answer. The whole from byte 0 on is also the end from a position on."""
    return name != "to_end" or answer.probe.name == "to_end" or answer.status == 206


def _finding(name: str, title: str, verdict: Verdict) -> Finding:
    return Finding(name, title, verdict.status, verdict.detail)


def _worst_of(verdicts: list[Verdict]) -> Verdict:
    status = worst(verdict.status for verdict in verdicts)
    return next(verdict for verdict in verdicts if verdict.status == status)


# --- one answer ---

def _judge_probe(answer: Answer, known: Known, answers: Answers) -> Verdict:
    verdict = judge_response(answer, known)
    if answer.probe.name == "from_start" and answer.status == 200 and serves_ranges(answers):
        return Verdict("limited" if "bytes" in answer.field("accept-ranges") else "broken",
                       "200 with the whole: the same bytes (RFC 9110 14.2), but Chrome takes the file for one without "
                       "ranges unless Accept-Ranges says otherwise.")
    if answer.probe.name == "suffix" and answer.status == 200 and serves_ranges(answers):
        return Verdict("limited", "200 with the whole: ranges that count from the end are ignored (RFC 9110 14.2). Who "
                                  "asks for the end so, before the length is known, loads everything.")
    if answer.probe.method == "HEAD" and verdict.status == "good":
        return _judge_head(answer, known, answers["whole"])
    if verdict.status == "good" and boundary_of(answer.field("content-type")) is not None:
        return _judge_several(answer, answers, verdict)
    if answer.probe.name == "huge" and answer.status in (200, 416):
        return Verdict("good", f"{status_line(answer.status)} to a position of 40 digits.")  # no number, for many
    if answer.probe.name in _WITH_206 and answer.status == 200 and not answer.field("content-range"):
        return _judge_missed(answer)
    if answer.probe.name == "if_range_tag" and verdict.status == "good":
        return Verdict("good", f"{verdict.detail} An unchanged file is resumed by its ETag.")
    if answer.probe.name == "if_range_changed" and verdict.status == "good":
        return Verdict("good", "200 with the whole to the ETag of another version (RFC 9110 13.1.5): who resumes after "
                               "a change starts again.")
    return verdict


def _judge_missed(answer: Answer) -> Verdict:
    what = "ETag" if answer.probe.name == "if_range_tag" else "Last-Modified"
    return Verdict("limited", f"200 with the whole, although If-Range has the current {what} (RFC 9110 13.1.5): who "
                              "resumes with it gets everything again.")


def _judge_head(answer: Answer, known: Known, whole: Answer) -> Verdict:
    assert answer.head is not None
    head = answer.head
    length = head.content_length
    if None not in (length, known.complete_length) and length != known.complete_length:
        return Verdict("broken", f"Content-Length {length}, where GET has {known.complete_length} (RFC 9110 8.6): who "
                                 "looks before loading takes the file for another.")
    said = known.version._replace(complete_length=None).difference(head.version())
    if said:
        return Verdict("limited", f"Other fields than GET (RFC 9110 9.3.2): {shown(said)}.")
    if length is None and whole.field("content-length"):
        return Verdict("limited", "No Content-Length, which GET has (RFC 9110 9.3.2): who looks before loading learns "
                                  "no length.")
    return Verdict("good", "The same fields as GET (RFC 9110 9.3.2).")


def _judge_url(whole: Answer, known: Known) -> Verdict:
    said = [status_line(whole.status), shown(whole.field("content-type")) or "no Content-Type"]
    if known.complete_length is not None:
        said.append(f"{known.complete_length} bytes")
    text = ", ".join(said) + "."
    if whole.hops:
        assert whole.head is not None
        text += f" After {len(whole.hops)} redirect{'s' * (len(whole.hops) > 1)}, at {shown_url(whole.head.address)}."
    if whole.status == 206:
        return Verdict("broken", f"{text} A part, although the whole was asked for (RFC 9110 15.3.7).")
    return Verdict("good", text)


def judge_length(whole: Answer) -> Verdict:
    """Judge what a plain response says about its length."""
    head = whole.head
    assert head is not None
    if whole.failure:
        return judge_failure(whole)
    length = head.content_length
    if length is not None:
        return Verdict("good", f"{length} bytes, known before the first comes (RFC 9110 8.6).")
    if head.fields.get("content-length") and "transfer-encoding" not in head.fields:
        return Verdict("broken", f"Malformed: {shown(head.fields['content-length'])!r} (RFC 9110 8.6).")
    if head.is_chunked:
        return Verdict("limited", "Absent; the content is chunked. Without a length, there is no progress bar, and "
                                  "most servers have no ranges (RFC 9110 8.6).")
    return Verdict("limited", "Absent; the content is ended by closing the connection. Without a length, there is no "
                              "progress bar, no way to see that a download is complete, and most servers have no "
                              "ranges (RFC 9110 8.6).")


def _judge_accept_ranges(answers: Answers, head: ResponseHead) -> Verdict:
    value = head.fields.get("accept-ranges", "")
    units = {unit.strip().lower() for unit in value.split(",")}
    served = serves_ranges(answers)
    if not shows_ranges(answers):
        return Verdict("unknown", f"{shown(value) or 'Absent'}. Whether ranges are served is not known.")
    if "bytes" in units:
        if served:
            return Verdict("good", "bytes (RFC 9110 14.3): clients see before they ask that ranges are served.")
        return Verdict("broken", "bytes, but no range is served (RFC 9110 14.3): clients rely on it and fail.")
    if "none" in units:
        return Verdict("limited", "none: the server declines ranges"
                                  f"{' and yet serves them' if served else ''} (RFC 9110 14.3).")
    if served:
        return Verdict("limited", "Absent from the plain response. It is optional (RFC 9110 14.3), but PDF.js and "
                                  "zip.js look for it there, and load everything without it.")
    return Verdict("limited", "Absent, and no range is served.")


# --- several answers ---

def _judge_validators(answers: Answers, known: Known) -> Verdict:
    changed = _changed_validator(answers)
    if changed:
        return Verdict("broken", f"They change from response to response ({shown(changed)}): nothing can be resumed or "
                                 "kept in a cache (RFC 9110 8.8).")
    version = known.version
    if version.etag is not None and any(
            answer.status == 206 and not answer.field("etag") for answer in answers.values() if is_identity(answer)):
        return Verdict("limited", "A 206 lacks the ETag of the plain response (RFC 9110 15.3.7): a client cannot see "
                                  "which version a part is of.")
    if version.etag is not None and not version.etag.weak:
        return Verdict("good", f"A strong ETag, {shown(str(version.etag))}, the same each time (RFC 9110 8.8.3).")
    malformed = answers["whole"].field("etag") if version.etag is None else ""
    if len({value for name, value in answers["whole"].lines if name.lower() == "etag"}) > 1:
        return Verdict("limited", f"Several ETags, {shown(malformed)}: nobody can tell which is meant (RFC 9110 5.3).")
    if malformed:
        return Verdict("limited", f"The ETag {shown(malformed)} is malformed: it has no quotes, or what must not be in "
                                  "them (RFC 9110 8.8.3). Some clients and caches pass over it.")
    what = "No ETag" if version.etag is None else f"A weak ETag, {shown(str(version.etag))}"
    if version.dated and version.etag is None:
        return Verdict("good", f"{what}, but Last-Modified {shown(version.last_modified or '')}, old enough to tell "
                               "versions apart (RFC 9110 8.8.2.2).")
    if version.last_modified is not None:
        what += f", and Last-Modified {shown(version.last_modified)}"
        what += " that is as new as the response" if not version.dated else ""
    elif version.etag is None:
        what += " and no Last-Modified"
    return Verdict("limited", f"{what}: no strong validator (RFC 9110 8.8.1), so nobody can resume and be sure that "
                              "the file is still the same.")


def _changed_validator(answers: Answers) -> str:
    """The first difference between validators in responses of the same kind; "" if there is none."""
    heads = [answer.head for answer in answers.values() if is_identity(answer)]
    versions = [head.version() for head in heads if head is not None]
    for version in versions[1:]:
        first = versions[0]._replace(complete_length=None, codings=())
        if said := first.difference(version._replace(complete_length=None, codings=())):
            return said
    return ""


def _judge_bytes(answers: Answers) -> Verdict:
    overlaps, pos = _compare(answers)
    if pos is not None:
        return Verdict("broken", f"Two responses disagree about the byte at {pos}: what is put together of ranges is "
                                 "not the file.")
    if not overlaps.agreed:
        return Verdict("unknown", "No two responses had any bytes in common.")
    return Verdict("good", f"{overlaps.agreed} bytes that came more than once are the same each time.")


def _compare(answers: Answers, several: Answer | None = None) -> tuple[Overlaps, int | None]:
    """Compare the bytes of all responses with one part, and then those of one with several.

    :returns: what they have in common, and the position of the first byte about which they disagree, or None.
    """
    overlaps = Overlaps()
    alone = [answer for answer in answers.values() if boundary_of(answer.field("content-type")) is None]
    for answer in alone if several is None else [*alone, several]:
        for first_pos, content in _pieces_of(answer):
            pos = overlaps.add(first_pos, content)
            if pos is not None:
                return overlaps, pos
    return overlaps, None


def _pieces_of(answer: Answer) -> list[tuple[int, bytes]]:
    if not is_identity(answer):
        return []
    return [(0, answer.content)] if answer.status == 200 else parts_of(answer)


def _judge_several(answer: Answer, answers: Answers, verdict: Verdict) -> Verdict:
    """Judge the bytes of well-made parts: if all others agree, only who asks for several gets wrong ones."""
    pos = _compare(answers, answer)[1]
    if pos is None or _compare(answers)[1] is not None:
        return verdict
    return Verdict("broken", f"206 with parts of which one has another byte at {pos} than all other responses.")
