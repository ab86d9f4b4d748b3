"""Statuses other than 200 and 206."""

from __future__ import annotations

from email.utils import formatdate

from tests.client.fault_server import Act, Call, FaultServer, Version, page
from tests.client.faulty.table import NETWORK, RIGHT, Fault, plainly

_FOR_EVER = 10**9
_FieldLine = tuple[str, str]


def _failing(status: int, times: int, *fields: _FieldLine) -> Act:
    """An error page, so many times."""

    def act(call: Call) -> None:
        if call.is_among("fail", times):
            call.send(page(status, *fields))
        else:
            call.send(call.reply)

    return act


def _bare(status: int) -> Act:
    """A head without content."""

    def act(call: Call) -> None:
        call.bite()
        call.line.send(call.reply._replace(status=status).without("Content-Length", "Content-Range").head())

    return act


def _with_file(status: int) -> Act:
    """A status that says nothing of the file, with the file."""

    def act(call: Call) -> None:
        call.bite()
        call.send(plainly(call)._replace(status=status))

    return act


def _failing_each_second_time(call: Call) -> None:
    if call.number % 2:
        call.bite()
        call.send(page(502))
    else:
        call.send_cut(call.reply, 100_000)


def _informed(status: int) -> Act:
    def act(call: Call) -> None:
        call.bite()
        call.line.send(b"HTTP/1.1 %d Wait\r\nLink: </style.css>; rel=preload\r\n\r\n" % status * 2)
        call.send(call.reply)

    return act


def _no_ranges(call: Call) -> None:
    """Ranges are given up, the file is the same."""
    call.bite()
    call.send(plainly(call))


def _no_ranges_later(call: Call) -> None:
    if call.request.is_later:
        _no_ranges(call)
    else:
        call.send_cut(call.reply, 150_000)


def _be_empty(server: FaultServer) -> None:
    server.change(Version.make(2, 0))


def _empty_plain(call: Call) -> None:
    call.bite()
    call.send(plainly(call))


def _empty_416(call: Call) -> None:
    call.bite()
    call.send(call.reply)


def _empty_416_bare(call: Call) -> None:
    call.bite()
    if call.request.field("range"):
        call.send(page(416))
    else:
        call.send(call.reply)


def _retry_date(call: Call) -> None:
    if call.is_among("fail", 1):
        call.send(page(503, ("Retry-After", formatdate(usegmt=True))))
    else:
        call.send(call.reply)


_LATER = "the next answers are well made"
_NEVER = "never the file"
_FINAL = "this will not be otherwise next time"

FAULTS = (
    Fault("200 always, no ranges", _no_ranges, why="one plain stream"),
    Fault("200 on resume, same ETag", _no_ranges_later, why="the whole comes again"),
    Fault("empty file, 200", _empty_plain, setup=_be_empty, why="nothing is all of it"),
    Fault("empty file, 416", _empty_416, setup=_be_empty, why="bytes */0 says that it is empty"),
    Fault("empty file, 416 without a length", _empty_416_bare, setup=_be_empty, why="a plain GET is well made"),
    Fault("204", _bare(204), NETWORK, "no representation (RFC 9110 15.3.5)"),
    Fault("205", _bare(205), NETWORK, "no representation (RFC 9110 15.3.6)"),
    Fault("304 to no condition", _bare(304), NETWORK, "we hold nothing that it could mean"),
    Fault("203 with the file", _with_file(203), f"{RIGHT}|{NETWORK}", "a proxy has changed it (RFC 9110 15.3.4)"),
    Fault("201 with the file", _with_file(201), f"{RIGHT}|{NETWORK}", "content is about what was made"),
    Fault("299 with the file", _with_file(299), f"{RIGHT}|{NETWORK}", "unknown 2xx is as 200 (RFC 9110 15)"),
    Fault("418 with the file", _with_file(418), NETWORK, "an error, whatever it carries"),
    Fault("103 twice before each answer", _informed(103), why="RFC 9110 15.2: a client has to pass over 1xx"),
    Fault("100 twice before each answer", _informed(100), why="RFC 9110 15.2: a client has to pass over 1xx"),
    Fault("500 once", _failing(500, 1), why=_LATER),
    Fault("502 three times", _failing(502, 3), why=_LATER),
    Fault("504 for ever", _failing(504, _FOR_EVER), NETWORK, _NEVER),
    Fault("502 each second time", _failing_each_second_time, why=_LATER),
    Fault("503 once, Retry-After: 1", _failing(503, 1, ("Retry-After", "1")), why=_LATER),
    Fault("503 once, Retry-After: a date gone by", _retry_date, why=_LATER),
    Fault("503 once, Retry-After: garbage", _failing(503, 1, ("Retry-After", "soon")), why=_LATER),
    Fault("503 once, Retry-After: -1", _failing(503, 1, ("Retry-After", "-1")), why=_LATER),
    Fault("503 for ever, Retry-After: 0", _failing(503, _FOR_EVER, ("Retry-After", "0")), NETWORK, _NEVER),
    Fault(
        "503 for ever, Retry-After: 5,000 digits",
        _failing(503, _FOR_EVER, ("Retry-After", "9" * 5000)),
        NETWORK,
        "nobody waits so long",
    ),
    Fault(
        "503 for ever, Retry-After: three years",
        _failing(503, _FOR_EVER, ("Retry-After", "100000000")),
        NETWORK,
        "nobody waits so long",
    ),
    Fault("429 twice", _failing(429, 2), why=_LATER),
    Fault("408 once", _failing(408, 1, ("Connection", "close")), why="may be asked again (RFC 9110 15.5.9)"),
    Fault("404", _failing(404, _FOR_EVER), NETWORK, _FINAL),
    Fault("403", _failing(403, _FOR_EVER), NETWORK, _FINAL),
    Fault("410", _failing(410, _FOR_EVER), NETWORK, _FINAL),
    Fault("401", _failing(401, _FOR_EVER, ("WWW-Authenticate", 'Basic realm="x"')), NETWORK, _FINAL),
    Fault("999", _failing(999, _FOR_EVER), NETWORK, "no such status"),
)
