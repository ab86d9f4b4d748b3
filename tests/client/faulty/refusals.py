"""Servers that refuse a request for a field in it, Range or If-Range, and answer well without that field.

An earlier run has seen that there are ranges. So 500 may well be a passing trouble: it must not cost what is there.
"""

from __future__ import annotations

from tests.client.fault_server import Act, Call, page
from tests.client.faulty.table import NETWORK, RIGHT, Fault

_CUT = 150_000
_PLAIN = "a plain GET is well made"
_WITHOUT = "without If-Range, the overlap vouches"


def _answer(call: Call) -> None:
    """Well made; the first response is cut."""
    if call.server.count("answers") == 1:
        call.send_cut(call.reply, _CUT)
    else:
        call.send(call.reply)


def _refusing(field: str, status: int) -> Act:
    """An error page to each request with this field."""

    def act(call: Call) -> None:
        if call.request.field(field):
            call.bite()
            call.send(page(status))
        else:
            _answer(call)

    return act


def _hanging_up_on(field: str) -> Act:
    """No response to a request with this field."""

    def act(call: Call) -> None:
        if call.request.field(field):
            call.bite()
            call.line.hang_up()
        else:
            _answer(call)

    return act


FAULTS = (
    *(Fault(f"{status} to every Range, cut once", _refusing("range", status), RIGHT, _PLAIN)
      for status in (400, 403, 405, 406, 501)),
    Fault("500 to every Range, cut once", _refusing("range", 500), RIGHT, _PLAIN, resumed=NETWORK),
    Fault("404 to every Range", _refusing("range", 404), NETWORK, "there is no such file",
          resumed=f"{RIGHT}|{NETWORK}"),
    Fault("hangs up on every Range, cut once", _hanging_up_on("range"), RIGHT, _PLAIN, resumed=NETWORK),
    *(Fault(f"{status} to every If-Range, cut once", _refusing("if-range", status), RIGHT, _WITHOUT)
      for status in (400, 412, 416, 500)),
    Fault("hangs up on every If-Range, cut once", _hanging_up_on("if-range"), RIGHT, _WITHOUT),
)
