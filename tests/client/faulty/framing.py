"""Faults about the end of the content (RFC 9112 6)."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Reply
from tests.client.faulty.table import (
    DIGEST,
    NETWORK,
    RIGHT,
    RIGHT_SHA256,
    Fault,
    Spoil,
    always,
    chunked,
    parts,
    plainly,
)

_EITHER = f"{RIGHT}|{NETWORK}"
_WRONG_LENGTH = "RFC 9112 6.3: no length; but Content-Range has one"
_NO_LENGTH = "RFC 9112 6.3: cannot be recovered from"
_LIST = "RFC 9110 8.6: a list of the same length counts as one"
_BOTH = "RFC 9112 6.3: may be read, or refused"
_BAD_CHUNK = "RFC 9112 7.1: not to the grammar"


def _until_closed(cut: bool, protocol: str = "HTTP/1.0") -> Act:
    """Neither length nor chunks: the end of the connection is the end, or a cut, which looks the same."""

    def act(call: Call) -> None:
        reply = plainly(call).without("Content-Length")
        length = 150_000 if cut else len(reply.content)
        call.bite()
        call.send(reply._replace(content=reply.content[:length]), protocol)
        call.line.hang_up()

    return act


def _old_protocol(call: Call) -> None:
    call.bite()
    call.send(call.reply, "HTTP/1.0")
    call.line.hang_up()


def _part_until_closed(call: Call) -> None:
    """A 206 whose Content-Range alone tells its length, cut at first."""
    reply = call.reply.without("Content-Length")
    call.bite()
    call.send_cut(reply, 150_000)
    call.line.hang_up()


def _unknown_length(reply: Reply) -> Reply:
    """Made as it goes: chunked, and no complete length in Content-Range."""
    reply = chunked(reply)
    if reply.status != 206:
        return reply
    return reply.put("Content-Range", reply.field("Content-Range").rpartition("/")[0] + "/*")


def _lengths(*values: str) -> Spoil:
    return lambda reply: reply.put("Content-Length", *(value.format(length=len(reply.content)) for value in values))


def _too_long(call: Call) -> None:
    """Content-Length counts 1,000 bytes that never come; no ranges."""
    reply = plainly(call)
    call.bite()
    call.send(reply.put("Content-Length", str(len(reply.content) + 1000)))
    call.line.hang_up()


def _too_long_with_ranges(call: Call) -> None:
    """Send too much from a server that supports ranges, and says so in Content-Range."""
    request = call.request
    version = call.server.version
    padded = version._replace(content=version.content + bytes(1000))
    call.server.version = padded
    reply = Call(call.line, request, call.number).reply
    call.server.version = version
    call.bite()
    call.send(reply._replace(content=reply.content[: max(0, len(version.content) - reply.first_pos)]))
    call.line.hang_up()


def _bare_lengths(value: str, length: int) -> Act:
    """A server without ranges, whose only word on the length is this."""

    def act(call: Call) -> None:
        reply = plainly(call)
        call.bite()
        call.send(reply.put("Content-Length", value)._replace(content=reply.content[:length]))
        call.line.hang_up()

    return act


def _two_lengths(*values: str) -> Act:
    """Send two lengths, of which the smaller one is right."""

    def act(call: Call) -> None:
        reply = plainly(call)
        call.bite()
        call.send(reply.put("Content-Length", *values)._replace(content=reply.content[:1000]))
        call.line.hang_up()

    return act


def _then_hang_up(spoil: Spoil) -> Act:
    def act(call: Call) -> None:
        always(spoil)(call)
        call.line.hang_up()

    return act


def _chunks(change: tuple[bytes, bytes], size: int = 10_000) -> Act:
    """Chunked, with the first chunk-size line changed."""

    def act(call: Call) -> None:
        reply = chunked(call.reply, size)
        call.bite()
        call.send(reply._replace(content=reply.content.replace(*change, 1)))
        call.line.hang_up()

    return act


def _chunked_and_length(reply: Reply) -> Reply:
    return chunked(reply).put("Content-Length", "1000")


def _coded(value: str) -> Spoil:
    return lambda reply: chunked(reply).put("Transfer-Encoding", value)


_CLOSED = "no length: a cut would look the same"
_SHA256 = {"sha256": RIGHT_SHA256}
_ALLOWED = {"allow_unknown_length": True}

FAULTS = (
    Fault("no length: until closed", _until_closed(False), NETWORK, _CLOSED),
    Fault("no length: until closed, HTTP/1.1", _until_closed(False, "HTTP/1.1"), NETWORK, _CLOSED),
    Fault("no length, but allowed", _until_closed(False), why="asked for", options=_ALLOWED),
    Fault("no length, --sha256", _until_closed(False), why="the digest vouches", options=_SHA256),
    Fault("no length, cut", _until_closed(True), NETWORK, _CLOSED),
    Fault("no length, cut, --sha256", _until_closed(True), f"{NETWORK}|{DIGEST}", "half a file", options=_SHA256),
    Fault("HTTP/1.0 with Content-Length", _old_protocol, why="length and ranges are as in HTTP/1.1"),
    Fault("206 until closed, cut", _part_until_closed, why="Content-Range says what is missing"),
    Fault("chunked, complete length *", always(_unknown_length), why="the last chunk is the end"),
    Fault("chunked, all answers", always(chunked), why="legal"),
    Fault("Content-Length too large", _too_long, NETWORK, "never whole"),
    Fault("Content-Length and Content-Range too large", _too_long_with_ranges, NETWORK, "never whole"),
    Fault("two Content-Lengths", _then_hang_up(_lengths("{length}", "1{length}")), _EITHER, _WRONG_LENGTH),
    Fault("two Content-Lengths, small one first", _then_hang_up(_lengths("1000", "{length}")), _EITHER, _WRONG_LENGTH),
    Fault("the same Content-Length twice", always(_lengths("{length}", "{length}")), why=_LIST),
    Fault("Content-Length: n, n", always(_lengths("{length}, {length}")), why=_LIST),
    Fault("Content-Length: n, m", _then_hang_up(_lengths("1000, {length}")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length negative", _then_hang_up(_lengths("-{length}")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length with a sign", _then_hang_up(_lengths("+{length}")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length with _", _then_hang_up(_lengths("6_00_000")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length garbage", _then_hang_up(_lengths("many")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length empty", _then_hang_up(_lengths("")), _EITHER, _WRONG_LENGTH),
    Fault("Content-Length of 5,000 digits", _then_hang_up(_lengths("9" * 5000)), _EITHER, _WRONG_LENGTH),
    *(
        Fault(f"Content-Length {name}, no ranges{cut}", _bare_lengths(value, length), NETWORK, _NO_LENGTH)
        for name, value in (("negative", "-600000"), ("with a sign", "+600000"), ("garbage", "many"), ("empty", ""))
        for cut, length in (("", 10**9), (", cut", 150_000))
    ),
    Fault("two Content-Lengths, no ranges", _two_lengths("1000", "600000"), NETWORK, _NO_LENGTH),
    Fault("two Content-Lengths, no ranges, the second", _two_lengths("600000", "1000"), NETWORK, _NO_LENGTH),
    Fault("Content-Length garbage in 206", parts(_lengths("many")), why="a plain GET is well made"),
    Fault("Content-Length and chunked", always(_chunked_and_length), _EITHER, _BOTH),
    Fault("chunk size garbage", _chunks((b"2710", b"zzzz")), NETWORK, _BAD_CHUNK),
    Fault("chunk size negative", _chunks((b"2710", b"-2710")), NETWORK, _BAD_CHUNK),
    Fault("chunk size with 0x", _chunks((b"2710", b"0x2710")), _EITHER, "some readers take it"),
    Fault("chunk size empty", _chunks((b"2710", b"")), NETWORK, _BAD_CHUNK),
    Fault("chunk size of 5,000 digits", _chunks((b"2710", b"f" * 5000)), NETWORK, _BAD_CHUNK),
    Fault("chunk size too small", _chunks((b"186a0", b"18690"), 100_000), _EITHER, "what the first chunk has is right"),
    Fault("chunk extension of 100 kB", _chunks((b"2710", b"2710;" + b"x" * 100_000)), _EITHER, "legal, but too long"),
    Fault("Transfer-Encoding: gzip, chunked", always(_coded("gzip, chunked")), NETWORK, "not asked for, not gzip"),
    Fault("Transfer-Encoding unknown", _then_hang_up(_coded("secret")), NETWORK, "RFC 9112 6.1: not understood"),
)
