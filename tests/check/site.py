"""A server that is a function: it answers probes well, unless it is told to spoil an answer.

It is written after RFC 9110, with nothing from the package but the values that it returns, so that it can be the judge
of what is found.
"""

from __future__ import annotations

import gzip
import random
import re
from collections.abc import Callable
from typing import NamedTuple

from rangeware.check.probes import next_probe
from rangeware.check.reporting import make_report
from rangeware.check.values import Answer, Finding, Probe, Report
from rangeware.client.planning.response_head import ResponseHead

LENGTH = 200_000
CONTENT = random.Random(5).randbytes(LENGTH)
DATE = "Sun, 06 Nov 1994 10:00:00 GMT"
MODIFIED = "Sun, 06 Nov 1994 08:49:37 GMT"
URL = "http://host/film.mp4"


class Reply(NamedTuple):
    """A response before it is spoilt."""

    status: int
    fields: dict[str, str]
    content: bytes = b""
    failure: str = ""

    def put(self, **fields: str | None) -> Reply:
        """Copy it with these fields, an underscore for each hyphen; None removes one."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        merged = {**self.fields, **named}
        return self._replace(fields={name: value for name, value in merged.items() if value is not None})

    def carrying(self, content: bytes) -> Reply:
        """Copy it with other content, and the length of it."""
        return self._replace(content=content).put(content_length=str(len(content)))


Spoil = Callable[[Probe, Reply], Reply]


def well_made(probe: Probe, content: bytes = CONTENT, **fields: str | None) -> Reply:
    """The answer of a server without a fault."""
    whole = Reply(200, {"date": DATE, "content-type": "video/mp4", "accept-ranges": "bytes", "etag": '"v1"',
                        "last-modified": MODIFIED}).put(**fields).carrying(content)
    asked = probe.fields
    tag, modified = whole.fields.get("etag"), whole.fields.get("last-modified")
    if tag is not None and asked.get("if-none-match") == tag or asked.get("if-modified-since", "") == modified:
        return Reply(304, {"date": DATE, **({"etag": tag} if tag else {})})
    if "range" not in asked or probe.method == "HEAD" or not content:
        return whole
    if "if-range" in asked and (asked["if-range"].startswith("W/") or asked["if-range"] not in (tag, modified)):
        return whole
    return _ranged(whole, asked["range"])


def _ranged(whole: Reply, value: str) -> Reply:
    pairs = re.findall(r"(\d*)-(\d*)(?:,|$)", value.removeprefix("bytes="))
    if not re.fullmatch(r"bytes=(\d*-\d*,?)+", value):
        return whole
    length = len(whole.content)
    spans = [(int(first), min(int(last or length), length - 1)) if first else (max(0, length - int(last)), length - 1)
             for first, last in pairs]
    spans = [span for span in spans if span[0] < length]
    if not spans:
        return Reply(416, {"date": DATE, "content-range": f"bytes */{length}", "content-length": "0"})
    if len(spans) == 1:
        return part_of(whole, *spans[0])
    return parts_of(whole, spans)


def part_of(whole: Reply, first: int, last: int, complete: str = "") -> Reply:
    """One part, as a 206."""
    said = f"bytes {first}-{last}/{complete or len(whole.content)}"
    return whole._replace(status=206).put(content_range=said).carrying(whole.content[first:last + 1])


def parts_of(whole: Reply, spans: list[tuple[int, int]], end: bytes = b"\r\n--SEP--\r\n") -> Reply:
    """Several parts, as a 206 in multipart/byteranges."""
    body = b"".join(b"\r\n--SEP\r\nContent-Type: video/mp4\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%b" % (
        first, last, len(whole.content), whole.content[first:last + 1]) for first, last in spans)
    return whole._replace(status=206).put(content_type="multipart/byteranges; boundary=SEP").carrying(body + end)


def compressing(probe: Probe, reply: Reply) -> Reply:
    """Spoil: compress what is whole, as nginx does, under a weak tag."""
    if "gzip" not in probe.fields["accept-encoding"] or reply.status != 200:
        return reply
    return reply.put(content_encoding="gzip", etag='W/"v1"', accept_ranges=None).carrying(
        gzip.compress(reply.content, 1, mtime=0))


def nothing(_: Probe, reply: Reply) -> Reply:
    """Spoil nothing."""
    return reply


def without_ranges(probe: Probe, _: Reply) -> Reply:
    """Spoil: the answer of a server that knows no ranges."""
    fields = {name: value for name, value in probe.fields.items() if name not in ("range", "if-range")}
    return well_made(probe._replace(fields=fields), accept_ranges=None)


def ask(probe: Probe, spoil: Spoil = nothing, content: bytes = CONTENT, **fields: str | None) -> Answer:
    """The answer to a probe."""
    reply = spoil(probe, well_made(probe, content, **fields))
    if not reply.status:
        return Answer(probe, failure=reply.failure)
    body = b"" if probe.method == "HEAD" else reply.content
    is_complete = len(body) < probe.most and not reply.failure
    return Answer(probe, ResponseHead(reply.status, reply.fields, URL), body[:probe.most], is_complete, reply.failure,
                  waited=0.01, lines=tuple(reply.fields.items()))


def ask_all(spoil: Spoil = nothing, content: bytes = CONTENT, **fields: str | None) -> dict[str, Answer]:
    """The answers to all probes."""
    answers: dict[str, Answer] = {}
    while (probe := next_probe(answers)) is not None:
        assert len(answers) < 40, "asks without end"
        answers[probe.name] = ask(probe, spoil, content, **fields)
    return answers


def report(spoil: Spoil = nothing, content: bytes = CONTENT, **fields: str | None) -> Report:
    """The report on this server."""
    answers = ask_all(spoil, content, **fields)
    return make_report(URL, answers, len(answers), 0, 1.0)


def found(name: str, spoil: Spoil = nothing, content: bytes = CONTENT, **fields: str | None) -> Finding:
    """The finding of this name."""
    finding = report(spoil, content, **fields).finding(name)
    assert finding is not None, f"no finding {name}"
    return finding


def only(*names: str) -> Callable[[Callable[[Reply], Reply]], Spoil]:
    """Make a spoil of a function of the reply, for the probes with these names."""
    def make(change: Callable[[Reply], Reply]) -> Spoil:
        return lambda probe, reply: change(reply) if probe.name in names else reply

    return make
