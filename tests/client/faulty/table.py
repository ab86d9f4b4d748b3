"""The parts of a row in the table of faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from tests.client.fault_server import Act, Call, Door, FaultServer, Reply, behave

RIGHT = "right"
NETWORK = "NetworkError"
CHANGED = "ChangedError"
DIGEST = "DigestError"

ONE = "one"
FOUR = "four"
ONE_RESUMED = "one, resumed"
FOUR_RESUMED = "four, resumed"
SCENARIOS = (ONE, FOUR, ONE_RESUMED, FOUR_RESUMED)

FRESH = frozenset({ONE, FOUR})
RESUMED = frozenset({ONE_RESUMED, FOUR_RESUMED})
SINGLE = frozenset({ONE, ONE_RESUMED})
EVERY = frozenset(SCENARIOS)

RIGHT_SHA256 = "sha256 of the file as it is at last"
WRONG_SHA256 = "f" * 64

Change = Callable[[FaultServer], object]
Spoil = Callable[[Reply], Reply]


class Fault(NamedTuple):
    """A row.

    ``ends``: the honest ends, joined by "|"; ``four`` and ``resumed`` where they differ. ``before`` is how the server
    behaved in the run whose partial file is resumed, ``between`` what happens to the file after that run. ``spares``:
    the scenarios in which the fault need not be met. ``options`` are given to the download; `RIGHT_SHA256` stands for
    the digest of the newest version, and so does "right" behind the algorithm of ``checksum``.
    """

    name: str
    act: Act
    ends: str = RIGHT
    why: str = ""
    four: str | None = None
    resumed: str | None = None
    before: Act = behave
    between: Change | None = None
    door: Door | None = None
    is_alone: bool = False
    spares: frozenset[str] = frozenset()
    options: Mapping[str, Any] = MappingProxyType({})
    path: str = "/file.bin"
    setup: Change | None = None

    def ends_of(self, scenario: str) -> tuple[str, ...]:
        """The honest ends in this scenario."""
        ends = self.ends
        if scenario in RESUMED and self.resumed is not None:
            ends = self.resumed
        elif scenario == FOUR and self.four is not None:
            ends = self.four
        return tuple(ends.split("|"))


def always(spoil: Spoil) -> Act:
    """A fault in every answer that has content or is about a range."""

    def act(call: Call) -> None:
        call.bite()
        call.send(spoil(call.reply))

    return act


def later(spoil: Spoil) -> Act:
    """A fault in every 206 whose bytes do not begin at 0: of a resumption or a segment."""

    def act(call: Call) -> None:
        if call.reply.status == 206 and call.request.is_later:
            call.bite()
            call.send(spoil(call.reply))
        else:
            call.send(call.reply)

    return act


def parts(spoil: Spoil) -> Act:
    """A fault in every 206, also the first; a plain GET is answered well."""

    def act(call: Call) -> None:
        if call.reply.status == 206:
            call.bite()
            call.send(spoil(call.reply))
        else:
            call.send(call.reply)

    return act


def cut_at(length: int, spoil: Spoil = lambda reply: reply) -> Act:
    """Each answer ends after so many bytes of content."""

    def act(call: Call) -> None:
        call.send_cut(spoil(call.reply), length)

    return act


def cut_first(length: int, spoil: Spoil = lambda reply: reply) -> Act:
    """The first answer ends after so many bytes of content; each later one comes whole."""

    def act(call: Call) -> None:
        if call.number == 0:
            call.send_cut(spoil(call.reply), length)
        else:
            call.bite()
            call.send(spoil(call.reply))

    return act


def plainly(call: Call) -> Reply:
    """The answer of a server that knows no ranges."""
    request = call.request._replace(fields=tuple(line for line in call.request.fields if line[0] != "range"))
    return Call(call.line, request, call.number).reply.without("Accept-Ranges")


def chunked(reply: Reply, size: int = 10_000) -> Reply:
    """Send it in chunks of so many bytes, without Content-Length."""
    content = reply.content
    pieces = (content[position : position + size] for position in range(0, len(content), size))
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    reply = reply.without("Content-Length").put("Transfer-Encoding", "chunked")
    return reply._replace(content=chunks + b"0\r\n\r\n")


def complete_length_of(reply: Reply) -> int:
    """The complete length in Content-Range."""
    return int(reply.field("Content-Range").rpartition("/")[2])


def positions_of(reply: Reply) -> tuple[int, int]:
    """The first and the last position of the content, inclusive."""
    return reply.first_pos, reply.first_pos + len(reply.content) - 1


def at_most(length: int) -> Spoil:
    """Legal: a server may send less than was asked for (RFC 9110 15.3.7)."""

    def spoil(reply: Reply) -> Reply:
        short = reply._replace(content=reply.content[:length])
        first_pos, last_pos = positions_of(short)
        short = short.put("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length_of(reply)}")
        return short.carrying(short.content)

    return spoil
