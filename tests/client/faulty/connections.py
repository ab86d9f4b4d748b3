"""Servers that take one connection at a time."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Door, Line, behave, page
from tests.client.faulty.table import FOUR, FOUR_RESUMED, SINGLE, Fault, at_most

_WHY = "one connection is enough"


def _crowded(call: Call) -> bool:
    return call.server.open_connections > 1


def _answering(status: int, *fields: tuple[str, str]) -> Act:
    """An error page while another connection is open."""

    def act(call: Call) -> None:
        if _crowded(call):
            call.bite()
            call.line.hang_up()
            call.send(page(status, ("Connection", "close"), *fields))
        else:
            call.send(call.reply)

    return act


def _door(how: str) -> Door:
    """Treat a connection in this way while another is open: a method of `Line`."""

    def door(line: Line) -> None:
        if line.server.open_connections > 1:
            line.server.count("bites")
            getattr(line, how)()

    return door


def _closing(call: Call) -> None:
    """Says keep-alive, and hangs up after each answer."""
    call.bite()
    call.send(call.reply.put("Connection", "keep-alive"))
    call.line.hang_up()


def _resetting(call: Call) -> None:
    """Sends short parts, says keep-alive, and resets the connection when it is used again."""
    if call.server.count(f"used {call.line.number}") > 1:
        call.bite()
        call.line.reset()
    elif call.reply.status == 206:
        call.send(at_most(100_000)(call.reply))
    else:
        call.send(call.reply)


def _row(name: str, act: Act = behave, door: Door | None = None, is_alone: bool = False) -> Fault:
    return Fault(name, act, why=_WHY, door=door, is_alone=is_alone, spares=SINGLE | {FOUR_RESUMED})


FAULTS = (
    _row("second connection: 429", _answering(429)),
    _row("second connection: 429, Retry-After: 1", _answering(429, ("Retry-After", "1"))),
    _row("second connection: 503", _answering(503)),
    _row("second connection: 403", _answering(403)),
    _row("second connection: closed at once", door=_door("hang_up")),
    _row("second connection: reset at once", door=_door("reset")),
    _row("second connection: never answered", door=_door("stall")),
    Fault("second connection: refused", is_alone=True, act=behave, why=_WHY, spares=SINGLE | {FOUR, FOUR_RESUMED}),
    Fault("keep-alive that is not kept", _closing, why="a new connection can be made"),
    Fault("connections that can be used once", _resetting, why="a new connection can be made"),
)
