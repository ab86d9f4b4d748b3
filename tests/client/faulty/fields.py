"""Header fields that come twice, or in an odd form, and the least usual forms of a content's end."""

from __future__ import annotations

import base64
import hashlib

from tests.client.fault_server import Act, Call, Reply
from tests.client.faulty.table import (
    DIGEST,
    NETWORK,
    Fault,
    Spoil,
    always,
    chunked,
    parts,
    plainly,
)


def _twice(name: str, *others: str) -> Spoil:
    """The field as it is, and then again, or with these other values; where the answer has it."""

    def spoil(reply: Reply) -> Reply:
        value = reply.field(name)
        return reply.put(name, value, *(others or (value,))) if value else reply

    return spoil


def _before_head(lines: bytes) -> Act:
    """These lines before all the other headers."""

    def act(call: Call) -> None:
        reply = call.reply
        status_line, _, rest = reply.head().partition(b"\r\n")
        call.bite()
        call.line.send(status_line + b"\r\n" + lines + rest)
        call.line.send_slowly(reply.content)

    return act


def _changed_head(old: bytes, new: bytes) -> Act:
    def act(call: Call) -> None:
        reply = call.reply
        head = reply.head()
        assert old in head or reply.status != 206
        call.bite()
        call.line.send(head.replace(old, new))
        call.line.send_slowly(reply.content)

    return act


def _coded(*values: str) -> Spoil:
    return lambda reply: chunked(reply).put("Transfer-Encoding", *values)


def _identity(reply: Reply) -> Reply:
    return reply.put("Transfer-Encoding", "identity")


def _rechunked(spoil_content: tuple[bytes, bytes]) -> Act:
    """Chunked, with each first of these bytes replaced by the second; then the connection ends."""

    def act(call: Call) -> None:
        reply = chunked(call.reply)
        call.bite()
        call.send(reply._replace(content=reply.content.replace(*spoil_content)))
        call.line.hang_up()

    return act


def _ending(cut: int, ranged: bool = True) -> Act:
    """Chunked, without the last so many bytes."""

    def act(call: Call) -> None:
        reply = chunked(call.reply if ranged else plainly(call))
        call.bite()
        call.send(reply._replace(content=reply.content[:-cut]))
        call.line.hang_up()

    return act


def _field(algorithm: str, content: bytes) -> str:
    value = base64.b64encode(hashlib.new(algorithm.replace("-", ""), content).digest()).decode()
    return f"{algorithm}=:{value}:"


def _digests(first: bytes, second: bytes) -> Act:
    """Two lines of Repr-Digest; "" stands for another file than the one that comes."""

    def act(call: Call) -> None:
        content = call.server.version.content
        call.bite()
        call.send(call.reply.put(
            "Repr-Digest", _field("sha-512", first or content), _field("sha-256", second or content)))

    return act


_SAME = "said twice, but the same"
_OTHERS = "which of them counts? neither"
_LONE = "the other lines are good"

FAULTS = (
    *(
        Fault(f"the same {name} twice", always(_twice(name)), why=_SAME)
        for name in ("ETag", "Last-Modified", "Content-Range", "Content-Type", "Date")
    ),
    Fault("two ETags", always(_twice("ETag", '"another"')), why=_OTHERS),
    Fault("two Last-Modifieds", always(_twice("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT")), why=_OTHERS),
    Fault("two Content-Types", always(_twice("Content-Type", "text/html")), why=_OTHERS),
    Fault("two Content-Ranges", parts(_twice("Content-Range", "bytes 0-9/600000")), why="a plain GET is well made"),
    Fault("Repr-Digest twice, the first is wrong", _digests(b"another", b""), DIGEST, "both count"),
    Fault("Repr-Digest twice, both right", _digests(b"", b""), why="both count"),
    Fault("Transfer-Encoding: identity", always(_identity), why="RFC 2616 3.6: no coding at all"),
    Fault("Transfer-Encoding: CHUNKED", always(_coded("CHUNKED")), why="codings are in any case (RFC 9112 7)"),
    Fault("Transfer-Encoding: chunked, twice", always(_coded("chunked", "chunked")), why="RFC 9112 6.1: done once"),
    Fault("Transfer-Encoding: identity, chunked", always(_coded("identity, chunked")), why="identity is none"),
    Fault("chunk extensions", _rechunked((b"2710\r\n", b'2710;a;b="c;d"\r\n')), why="RFC 9112 7.1.1: ignored"),
    Fault("chunk sizes with blanks", _rechunked((b"2710\r\n", b"2710   \r\n")), why="some servers pad them"),
    Fault("chunk sizes with zeros", _rechunked((b"2710\r\n", b"00002710\r\n")), why="legal"),
    Fault("chunked, no last CRLF", _ending(2), why="all of the content has come"),
    Fault("chunked, no last CRLF, no ranges", _ending(2, ranged=False), why="all of the content has come"),
    Fault("chunked, no last chunk", _ending(5), why="Content-Range says that it is complete"),
    Fault("chunked, no last chunk, no ranges", _ending(5, ranged=False), NETWORK, "perhaps cut between two chunks"),
    Fault("chunked, cut within a chunk, no ranges", _ending(1000, ranged=False), NETWORK, "cut"),
    Fault("3,000 header lines", _before_head(b"X-More: yes\r\n" * 3000), why="some servers send many"),
    Fault("150 cookies", _before_head(b"Set-Cookie: a=b; Path=/\r\n" * 150), why="some servers send many"),
    Fault("header lines of 60 kB each", _before_head(b"X-Long: %b\r\n" % (b"x" * 60_000) * 10), why="less than 1 MiB"),
    Fault("header lines of 2 MB together", _before_head(b"X-Long: %b\r\n" % (b"x" * 60_000) * 34), NETWORK, "too much"),
    Fault("a folded line before all others", _before_head(b" folded: yes\r\n"), why=_LONE),
    Fault("a line that begins with a colon", _before_head(b": no name\r\n"), why=_LONE),
    Fault("Content-Range in two lines", _changed_head(b"Content-Range: bytes ", b"Content-Range: bytes\r\n\t "),
          why="RFC 9112 5.2: the fold is a blank"),
    Fault("blanks before each colon", _changed_head(b": ", b" : "), why="RFC 9112 5.1: to be removed"),
    Fault("a bare CR in a line", _before_head(b"X-A: b\rContent-Length: 7\r\n"), why="RFC 9110 5.5: no end of a line"),
)
