"""Heads that are none, or too much of one."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Reply
from tests.client.faulty.table import CHANGED, NETWORK, RIGHT, Fault, plainly

_EITHER = f"{RIGHT}|{NETWORK}"


def _bytes(octets: bytes) -> Act:
    """These bytes instead of any answer."""

    def act(call: Call) -> None:
        call.bite()
        call.line.send(octets)
        call.line.hang_up()

    return act


def _bytes_then_file(octets: bytes) -> Act:
    """These bytes, then the content of the file, as a server before HTTP/1.0 would send it."""

    def act(call: Call) -> None:
        call.bite()
        call.line.send(octets)
        call.line.send_slowly(call.server.version.content)
        call.line.hang_up()

    return act


def _greeting(call: Call) -> None:
    call.bite()
    call.line.send(b"SSH-2.0-OpenSSH_9.6\r\n")
    call.line.stall()


def _inserted(lines: bytes, hangs_up: bool = False) -> Act:
    """A good head with these bytes after its status line."""

    def act(call: Call) -> None:
        reply = call.reply
        status_line, _, rest = reply.head().partition(b"\r\n")
        call.bite()
        call.line.send(status_line + b"\r\n" + lines + rest)
        call.line.send_slowly(reply.content)
        if hangs_up:
            call.line.hang_up()

    return act


def _cut_after_bad_line(call: Call) -> None:
    _send_half_after_bad_line(call, call.reply)


def _plain_cut_after_bad_line(call: Call) -> None:
    _send_half_after_bad_line(call, plainly(call))


def _send_half_after_bad_line(call: Call, reply: Reply) -> None:
    """A line without a colon, which ends the head for some readers, and half of the content."""
    status_line, _, rest = reply.head().partition(b"\r\n")
    call.bite()
    call.line.send(status_line + b"\r\nno colon here\r\n" + rest)
    call.line.send_slowly(reply.content[: len(reply.content) // 2])
    call.line.hang_up()


def _status_line(line: bytes) -> Act:
    """A good answer under another status line."""

    def act(call: Call) -> None:
        reply = call.reply
        call.bite()
        call.line.send(line + b"\r\n" + reply.head().partition(b"\r\n")[2])
        call.line.send_slowly(reply.content)
        call.line.hang_up()

    return act


def _bare_newlines(call: Call) -> None:
    reply = call.reply
    call.bite()
    call.line.send(reply.head().replace(b"\r\n", b"\n"))
    call.line.send_slowly(reply.content)


_NO_HTTP = "no HTTP"
_TOO_MUCH = "may be read, or refused as too much"
_PASSED = "the other lines are good"
_BAD = "RFC 9112 allows to read or to refuse it"

FAULTS = (
    Fault("SSH banner", _greeting, NETWORK, _NO_HTTP),
    Fault("a megabyte of garbage", _bytes(b"\xff" * 1_000_000), NETWORK, _NO_HTTP),
    Fault("TLS alert", _bytes(b"\x15\x03\x01\x00\x02\x02\x46"), NETWORK, "the server wants https"),
    Fault("HTTP/2 preface", _bytes(b"\x00\x00\x12\x04" + bytes(30)), NETWORK, _NO_HTTP),
    Fault("HTTP/0.9", _bytes_then_file(b""), NETWORK, "bytes of the file are no head"),
    Fault("an empty line and the file", _bytes_then_file(b"\r\n\r\n"), NETWORK, _NO_HTTP),
    Fault("HTTP/9.9", _status_line(b"HTTP/9.9 200 OK"), _EITHER, "unknown version"),
    Fault("status of two digits", _status_line(b"HTTP/1.1 20 OK"), NETWORK, "not to the grammar"),
    Fault("status garbage", _status_line(b"HTTP/1.1 fine OK"), NETWORK, "not to the grammar"),
    Fault("status line of 100 kB", _status_line(b"HTTP/1.1 200 " + b"O" * 100_000), _EITHER, _TOO_MUCH),
    Fault("field line of 100 kB", _inserted(b"X-Long: " + b"x" * 100_000 + b"\r\n"), NETWORK, "longer than 64 KiB"),
    Fault("10,000 field lines", _inserted(b"X-More: yes\r\n" * 10_000), NETWORK, "more than 5,000"),
    Fault("field line folded", _inserted(b"X-Folded: a\r\n b\r\n"), why="RFC 9112 5.2: replaced by a blank"),
    Fault("NUL in a field", _inserted(b"X-Nul: a\0b\r\n"), why="RFC 9110 5.5: replaced by a blank"),
    Fault("field line without a colon", _inserted(b"no colon here\r\n", hangs_up=True), why=_PASSED),
    Fault("field line without a colon, cut", _cut_after_bad_line, _EITHER, "what has come may be gone on with"),
    Fault(
        "field line without a colon, cut, no length allowed",
        _plain_cut_after_bad_line,
        NETWORK,
        "the Content-Length after that line says that it is cut; no ranges",
        resumed=f"{NETWORK}|{CHANGED}",
        options={"allow_unknown_length": True},
    ),
    Fault("field name with a blank", _inserted(b"Bad name : x\r\n", hangs_up=True), why=_PASSED),
    Fault("bare newlines", _bare_newlines, _EITHER, _BAD),
)
