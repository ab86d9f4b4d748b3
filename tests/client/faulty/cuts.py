"""Connections that break, stall and trickle."""

from __future__ import annotations

from tests.client.fault_server import Act, Call
from tests.client.faulty.changes import no_validators
from tests.client.faulty.table import NETWORK, RIGHT_SHA256, Fault, Spoil, chunked, cut_at, plainly

_FEW = 1000  # bytes of content that come in any case
_CUT = 60_000  # bytes of content: less than the shortest answer to the first request of any run


def _cut_once(call: Call) -> None:
    if call.is_among("cut", 1):
        call.send_cut(call.reply, _CUT)
    else:
        call.send(call.reply)


def _reset_each_time(call: Call) -> None:
    if call.send_cut(call.reply, _CUT):
        call.server.closing.wait(0.02)  # or else what was not yet sent is lost, perhaps all
        call.line.reset()


def _hang_up_before_head(times: int) -> Act:
    def act(call: Call) -> None:
        if call.is_among("hang up", times):
            call.line.hang_up()
        else:
            call.send(call.reply)

    return act


def _cut_in_half(call: Call) -> None:
    call.send_cut(call.reply, max(_FEW, len(call.reply.content) // 2))


def _cut_in_half_without_ranges(call: Call) -> None:
    reply = plainly(call)
    call.send_cut(reply, len(reply.content) // 2)


def _cut_head(times: int) -> Act:
    def act(call: Call) -> None:
        if call.is_among("cut", times):
            head = call.reply.head()
            call.line.send(head[: len(head) // 2])
            call.line.hang_up()
        else:
            call.send(call.reply)

    return act


def _cut_chunked(length: int) -> Act:
    def act(call: Call) -> None:
        call.send_cut(chunked(call.reply), length)

    return act


def _cut_chunked_whole(call: Call) -> None:
    reply = chunked(plainly(call))
    if call.is_among("cut", 1):
        call.send_cut(reply, len(reply.content) - 5)  # every chunk comes, but not the last one, of size 0
    else:
        call.send(reply)


def _stall_twice(call: Call) -> None:
    if not call.is_among("stall", 2):
        call.send(call.reply)
    elif call.send_cut(call.reply, _CUT):
        call.line.stall()


def _stall_before_head(times: int) -> Act:
    def act(call: Call) -> None:
        if call.is_among("stall", times):
            call.line.stall()
        else:
            call.send(call.reply)

    return act


def _stall_at_end(call: Call) -> None:
    call.bite()
    call.send(call.reply)  # whole, but the connection says so neither by FIN nor by another answer
    call.line.stall()


def _trickle_head(call: Call) -> None:
    call.bite()
    call.line.send(b"HTTP/1.1 200 OK\r\n")
    call.line.send_slowly(b"X-More: yes\r\n" * 100_000, block=1, pause=0.05)


def _trickle_head_lines(call: Call) -> None:
    call.bite()
    call.line.send(b"HTTP/1.1 200 OK\r\n")
    call.line.send_slowly(b"A:\r\n" * 100_000, block=4, pause=0.05)


def _trickle_content(call: Call) -> None:
    call.bite()
    reply = call.reply
    call.line.send(reply.head())
    call.line.send_slowly(reply.content[:20], block=1, pause=0.005)
    call.line.send_slowly(reply.content[20:], block=40_000, pause=0.01)


def _lose_last_byte(call: Call) -> None:
    call.send_cut(call.reply, len(call.reply.content) - 1)


def _cut_without_ranges(call: Call) -> None:
    reply = plainly(call)
    if call.is_among("cut", 2):
        call.send_cut(reply, _CUT)
    else:
        call.send(reply)


_ENDLESS = "a head has to end"
_FEWER_TRIES = {"tries": 2}  # each takes its time

def _cut_short(length: int, spoil: Spoil = lambda reply: reply) -> Act:
    """Forty responses that are shorter than an overlap; not all, which would take a hundred of them."""

    def act(call: Call) -> None:
        call.send_cut(spoil(call.reply), length if call.number < 40 else _CUT)

    return act


FAULTS = (
    Fault("cut once", _cut_once, why="the rest can be asked for"),
    Fault("cut after 60 kB each time", cut_at(_CUT), why="each answer brings progress"),
    Fault("cut after 20 kB each time", cut_at(20_000), why="less than an overlap of 64 KiB, yet progress can be made"),
    Fault("cut after 4 kB forty times", _cut_short(4_000), why="less than an overlap of 4 KiB; a strong ETag vouches"),
    Fault(
        "cut after 8 kB each time, no validators",
        cut_at(8_000, no_validators),
        NETWORK,
        "less than the overlap that has to vouch",
        before=cut_at(10**9, no_validators),
    ),
    Fault(
        "cut after 8 kB forty times, no validators, --sha256",
        _cut_short(8_000, no_validators),
        why="the digest decides",
        before=cut_at(10**9, no_validators),
        options={"sha256": RIGHT_SHA256},
    ),
    Fault("cut in half each time", _cut_in_half, why="each answer brings progress"),
    Fault("cut in half each time, no ranges", _cut_in_half_without_ranges, NETWORK, "never more than half"),
    Fault("cut after 60 kB each time, by RST", _reset_each_time, why="the rest can be asked for"),
    Fault("cut after the head each time", cut_at(0), NETWORK, "never a byte"),
    Fault("last byte never comes", _lose_last_byte, NETWORK, "each answer lacks its last byte"),
    Fault("hung up before the head, three times", _hang_up_before_head(3), why="six tries are made"),
    Fault("hung up before the head, always", _hang_up_before_head(10**9), NETWORK, "never an answer"),
    Fault("cut in the head, once", _cut_head(1), why="the second answer is well made"),
    Fault("cut in the head, always", _cut_head(10**9), NETWORK, "never a whole head (RFC 9112 8)"),
    Fault(
        "cut in the head, always, no length allowed",
        _cut_head(10**9),
        NETWORK,
        "half a head is none, and no empty file either",
        options={"allow_unknown_length": True},
    ),
    Fault("cut in a chunk each time", _cut_chunked(65_000), why="each answer brings progress"),
    Fault("cut between chunks each time", _cut_chunked(60_048), why="no last chunk: not complete (RFC 9112 8)"),
    Fault("no last chunk, no ranges, once", _cut_chunked_whole, why="not complete; the second answer is"),
    Fault("cut twice, no ranges", _cut_without_ranges, why="the third answer is whole"),
    Fault("stall after 60 kB, twice", _stall_twice, why="a stall is a break"),
    Fault("stall before the head, once", _stall_before_head(1), why="a stall is a break"),
    Fault("stall before the head, always", _stall_before_head(10**9), NETWORK, "never an answer", options=_FEWER_TRIES),
    Fault("stall after the content", _stall_at_end, why="Content-Length says where the end is"),
    Fault("head trickles for ever, in one line", _trickle_head, NETWORK, _ENDLESS, options=_FEWER_TRIES),
    Fault("head trickles for ever, line by line", _trickle_head_lines, NETWORK, _ENDLESS, options=_FEWER_TRIES),
    Fault("content trickles", _trickle_content, why="slow, but it comes"),
)
