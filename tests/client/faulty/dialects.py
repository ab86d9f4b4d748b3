"""Servers that send the right bytes in odd words, as are on the web."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, FaultServer, Reply, Version, page
from tests.client.faulty.changes import no_validators
from tests.client.faulty.table import (
    NETWORK,
    RIGHT,
    Fault,
    Spoil,
    always,
    complete_length_of,
    cut_at,
    cut_first,
    plainly,
    positions_of,
)

_BLOCK = 65_536
_CUT = 150_000
_FOR_EVER = 10**9


def _slice_with_200(reply: Reply) -> Reply:
    return reply._replace(status=200)


def _bare_slice_with_200(reply: Reply) -> Reply:
    return reply._replace(status=200).without("Content-Range")


def _content_range_of(value: str) -> Spoil:
    """Content-Range also in a 200."""

    def spoil(reply: Reply) -> Reply:
        if reply.status != 200:
            return reply
        length = len(reply.content)
        return reply.put("Content-Range", value.format(last=length - 1, length=length))

    return spoil


def _spelled(value: str) -> Spoil:
    """Content-Range of a 206 in another spelling."""

    def spoil(reply: Reply) -> Reply:
        if reply.status != 206:
            return reply
        first_pos, last_pos = positions_of(reply)
        return reply.put("Content-Range", value.format(first_pos, last_pos, complete_length_of(reply)))

    return spoil


def _as_long_as_all(reply: Reply) -> Reply:
    """The Content-Length of a 206 is that of the whole file; after the part, nothing more comes."""
    if reply.status != 206:
        return reply
    return reply.put("Content-Length", str(complete_length_of(reply)))


def _without_ranges(value: str) -> Act:
    """No ranges, and yet a Content-Range; the first answer is cut."""
    spoil = _content_range_of(value)

    def act(call: Call) -> None:
        if call.number == 0:
            call.send_cut(spoil(plainly(call)), _CUT)
        else:
            call.bite()
            call.send(spoil(plainly(call)))

    return act


def _aligned(call: Call) -> None:
    """A cache that keeps blocks: each part begins and ends with a whole one."""
    reply = call.reply
    if reply.status == 206:
        call.bite()
        content = call.server.version.content
        first_pos, last_pos = positions_of(reply)
        first_pos -= first_pos % _BLOCK
        last_pos = min(len(content), last_pos - last_pos % _BLOCK + _BLOCK) - 1
        reply = reply.put("Content-Range", f"bytes {first_pos}-{last_pos}/{len(content)}")
        reply = reply.carrying(content[first_pos : last_pos + 1])
    if call.number == 0:
        call.send_cut(reply, _CUT)
    else:
        call.send(reply)


def _without_length(reply: Reply) -> Reply:
    return reply.without("Content-Length").put("Connection", "close")


def _close_each(call: Call) -> None:
    call.bite()
    call.send(_without_length(call.reply))
    call.line.hang_up()


def _with_203(reply: Reply) -> Reply:
    return reply._replace(status=203) if reply.status == 200 else reply


def _slice_with_203(reply: Reply) -> Reply:
    return reply._replace(status=203)


def _failing(status: int, times: int) -> Act:
    def act(call: Call) -> None:
        if call.is_among("fail", times):
            call.send(page(status))
        else:
            call.send(call.reply)

    return act


def _be_empty(server: FaultServer) -> None:
    server.change(Version.make(2, 0))


def _empty_part(content_range: str | None) -> Act:
    """A 206 for each range of an empty file."""

    def act(call: Call) -> None:
        call.bite()
        reply = call.reply
        if call.request.field("range"):
            reply = reply._replace(status=206).put("Content-Range", *([content_range] if content_range else []))
        call.send(reply)

    return act


def _row(name: str, spoil: Spoil, why: str = "the framing tells which bytes these are") -> Fault:
    return Fault(name, cut_first(_CUT, spoil), RIGHT, why, before=always(spoil))


FAULTS = (
    _row("200 with each slice and its Content-Range, cut", _slice_with_200),
    _row("200 with each slice, no validators, cut", lambda reply: no_validators(_slice_with_200(reply))),
    _row("200 with each slice, without Content-Range, cut", _bare_slice_with_200, "as long as the slice, and the ETag"),
    _row("200 with each slice, without Content-Range or validators, cut",
         lambda reply: no_validators(_bare_slice_with_200(reply)), "as long as the slice, and the overlap"),
    _row("Content-Range in a 200 too, cut", _content_range_of("bytes 0-{last}/{length}")),
    Fault("no ranges, Content-Range of all, cut", _without_ranges("bytes 0-{last}/{length}"), RIGHT, "it is whole"),
    Fault("no ranges, Content-Range of a part, cut", _without_ranges("bytes 5-9/{length}"), RIGHT, "it is as long"),
    Fault("no ranges, garbage for Content-Range, cut", _without_ranges("all of it"), RIGHT, "a plain GET was sent"),
    Fault("206 of whole blocks, cut", _aligned, RIGHT, "more overlap; what comes after can be left unread"),
    Fault("206 without a length, closed", _close_each, RIGHT, "Content-Range says how long it is"),
    *(Fault(f"Content-Range: {value.format('1', '2', '3')}, each cut", cut_at(60_000, _spelled(value)), RIGHT,
            "nothing else can be meant")
      for value in ("bytes={}-{}/{}", "bytes: {}-{}/{}", "{}-{}/{}", "bytes {} - {} / {}", "bytes {}-{}")),
    Fault("206 with complete length * from the first answer, each cut",
          cut_at(60_000, _spelled("bytes {}-{}/*")), RIGHT,
          "the next range cannot be satisfied, and says how long the file is"),
    Fault("206 with the Content-Length of the whole, each cut", cut_at(60_000, _as_long_as_all), RIGHT,
          "the overlap is the same, and Content-Range says where it ends"),
    _row("203 for 200, cut", _with_203),
    _row("203 for 206 too, cut", _slice_with_203),
    Fault("202 twice", _failing(202, 2), RIGHT, "the file is made on demand"),
    Fault("202 for ever", _failing(202, _FOR_EVER), NETWORK, "never the file"),
    Fault("520 twice", _failing(520, 2), RIGHT, "the next answers are well made"),
    Fault("524 twice", _failing(524, 2), RIGHT, "the next answers are well made"),
    Fault("530 for ever", _failing(530, _FOR_EVER), NETWORK, "never the file"),
    Fault("empty file, 206 of 0--1", _empty_part("bytes 0--1/0"), RIGHT, "it says that it is empty", setup=_be_empty),
    Fault("empty file, empty 206", _empty_part(None), RIGHT, "a plain GET is well made", setup=_be_empty),
)
