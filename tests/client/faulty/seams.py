"""Ranges that lie wherever they begin, and seams at which the bytes before prove nothing."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Reply, behave, random_bytes
from tests.client.faulty.changes import no_etag, no_validators, same, same_date, weak_etag
from tests.client.faulty.table import RIGHT, SINGLE, Fault, Spoil, cut_first

_CUT = 150_000
_PLAIN = "a plain GET is well made"


def _shifted(call: Call, reply: Reply, shift: int) -> Reply:
    """The fields are right; the bytes begin so many positions further on, or before."""
    content = call.server.version.content
    first_pos = reply.first_pos + shift
    around = bytes(max(0, -first_pos)) + content[max(0, first_pos) :] + bytes(max(0, shift))
    return reply._replace(content=around[: len(reply.content)])


def _lying(spoil: Spoil = same, shift: int = 1, length: int = _CUT) -> Act:
    """The first answer of all is true, and cut; then each 206 has other bytes, those from byte 0 on as well."""

    def act(call: Call) -> None:
        reply = call.reply
        if call.number == 0 and not call.request.is_later:
            call.send_cut(spoil(reply), length)
        elif reply.status == 206:
            call.bite()
            call.send(spoil(_shifted(call, reply, shift)))
        else:
            call.send(spoil(reply))

    return act


def _lying_beside(call: Call) -> None:
    """Only further connections lie, and what is asked for after that."""
    reply = call.reply
    if call.number and reply.status == 206:
        call.bite()
        reply = _shifted(call, reply, 1)
    call.send(reply)


def holding(content: bytes, act: Act) -> Act:
    """The same behaviour, of a server whose file has had this content from the beginning."""

    def act_on_it(call: Call) -> None:
        server = call.server
        if server.version.content != content:
            server.version = server.version._replace(content=content)
            server.versions[:] = [server.version]
        act(call)

    return act_on_it


def _lying_later(shift: int) -> Act:
    """The first answer is cut, later ones have bytes from elsewhere, unless they begin at byte 0."""

    def act(call: Call) -> None:
        reply = call.reply
        if call.number == 0 and not call.request.is_later:
            call.send_cut(reply, _CUT)
        elif reply.status == 206 and reply.first_pos:
            call.bite()
            call.send(_shifted(call, reply, shift))
        else:
            call.send(reply)

    return act


_ZEROS = 420_000
_WITHIN = random_bytes(1, 60_000) + bytes(_ZEROS) + random_bytes(2, 120_000)
_AT_FIRST = bytes(_ZEROS) + random_bytes(2, 180_000)
_PERIOD = random_bytes(1, 60_000) + random_bytes(3, 1000) * 420 + random_bytes(2, 120_000)
_ALL = bytes(600_000)
_AT_LAST = random_bytes(1, 120_000) + bytes(480_000)


def _alike(name: str, content: bytes, act: Act, why: str, spoil: Spoil = same) -> Fault:
    return Fault(name, holding(content, act), RIGHT, why, before=holding(content, _spoilt(spoil)))


def _spoilt(spoil: Spoil) -> Act:
    return lambda call: call.send(spoil(call.reply))


def _row(name: str, spoil: Spoil = same, **more: int) -> Fault:
    return Fault(name, _lying(spoil, **more), RIGHT, _PLAIN, before=_spoilt(spoil))


FAULTS = (
    _row("ranges lie, from 0 on as well"),
    _row("ranges lie, strong date only", no_etag),
    _row("ranges lie, weak date only", same_date),
    _row("ranges lie, weak ETag", weak_etag),
    _row("ranges lie, no validators", no_validators),
    _alike("zeros within, shifted by 1", _WITHIN, _lying_later(1), "a longer overlap shows it"),
    _alike("zeros within, shifted by 4096", _WITHIN, _lying_later(4096), "a longer overlap shows it"),
    _alike("zeros at first, shifted by 1", _AT_FIRST, _lying_later(1), "an overlap from byte 0 on is true"),
    _alike("a period of 1000 bytes within, shifted by it", _PERIOD, _lying_later(1000), "a longer overlap shows it"),
    _alike("zeros within, cut", _WITHIN, cut_first(_CUT), "a longer overlap is the same"),
    _alike("zeros within, no validators, cut", _WITHIN, cut_first(_CUT, no_validators), "the overlap vouches",
           no_validators),
    _alike("zeros at first, no validators, cut", _AT_FIRST, cut_first(_CUT, no_validators), "it reaches byte 0",
           no_validators),
    _alike("zeros at last, cut", _AT_LAST, cut_first(_CUT), "a longer overlap is the same"),
    _alike("all zeros, cut", _ALL, cut_first(_CUT), "an overlap from byte 0 on is as good as a new start"),
    Fault("ranges lie beside the first", _lying_beside, RIGHT, _PLAIN, before=behave, spares=SINGLE),
)
