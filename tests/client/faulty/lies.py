"""206 and 416 that are not what they say, or not what was asked."""

from __future__ import annotations

from tests.client.fault_server import Act, Call, Reply, page
from tests.client.faulty.table import (
    ONE,
    RIGHT,
    Fault,
    Spoil,
    at_most,
    chunked,
    complete_length_of,
    later,
    parts,
    plainly,
    positions_of,
)

_PLAIN = "a plain GET is well made"
_ONLY_LATER = frozenset({ONE})


def _slice_at(call: Call, first_pos: int, length: int) -> bytes:
    return call.server.version.content[first_pos : first_pos + length]


def _wrong_slice(shift: int | None) -> Act:
    """The fields are right, the bytes are from elsewhere: by so many positions, or None: from the front."""

    def act(call: Call) -> None:
        reply = call.reply
        if reply.status != 206 or not reply.first_pos:
            call.send(reply)
            return
        call.bite()
        place = 0 if shift is None else reply.first_pos + shift
        content = _slice_at(call, place, len(reply.content)).ljust(len(reply.content), b"\0")
        call.send(reply._replace(content=content))

    return act


def _other_range(shift: int) -> Act:
    """Content-Range and content agree, but begin so many bytes from what was asked."""

    def act(call: Call) -> None:
        reply = call.reply
        first_pos, last_pos = positions_of(reply)
        first = max(0, first_pos + shift)
        if reply.status != 206 or not first_pos or first > last_pos:
            call.send(reply)
            return
        call.bite()
        content = _slice_at(call, first, last_pos - first + 1)
        reply = reply.put("Content-Range", f"bytes {first}-{last_pos}/{complete_length_of(reply)}")
        call.send(reply.carrying(content))

    return act


def _never_from_the_front(call: Call) -> None:
    """Every 206 begins 100 bytes after what was asked for, and says so."""
    reply = call.reply
    first_pos, last_pos = positions_of(reply)
    if reply.status == 206 and last_pos - first_pos >= 100:
        call.bite()
        first_pos += 100
        reply = reply.put("Content-Range", f"bytes {first_pos}-{last_pos}/{complete_length_of(reply)}")
        reply = reply.carrying(reply.content[100:])
    call.send(reply)


def _longer_than_asked(call: Call) -> None:
    """A range that goes on to the end of the file, whatever its last position was to be."""
    reply = call.reply
    if reply.status != 206:
        call.send(reply)
        return
    call.bite()
    complete_length = complete_length_of(reply)
    content = _slice_at(call, reply.first_pos, complete_length)
    call.send(
        reply.put("Content-Range", f"bytes {reply.first_pos}-{complete_length - 1}/{complete_length}").carrying(content)
    )


def _content_range(*values: str) -> Spoil:
    def spoil(reply: Reply) -> Reply:
        first_pos, last_pos = positions_of(reply)
        names = {"first": first_pos, "last": last_pos, "length": complete_length_of(reply), "more": last_pos + 1}
        return reply.put("Content-Range", *(value.format(**names, digits="9" * 5000) for value in values))

    return spoil


def _longer_content(reply: Reply) -> Reply:
    return reply.carrying(reply.content + b"surplus" * 10)


def _longer_content_chunked(reply: Reply) -> Reply:
    return chunked(reply._replace(content=reply.content + b"surplus" * 10))


def _shorter_content(reply: Reply) -> Reply:
    return reply.carrying(reply.content[: len(reply.content) // 2])


def _shorter_content_chunked(reply: Reply) -> Reply:
    return chunked(reply._replace(content=reply.content[: len(reply.content) // 2]))


def _multipart(reply: Reply) -> Reply:
    head = f"--sep\r\nContent-Type: text/plain\r\nContent-Range: {reply.field('Content-Range')}\r\n\r\n".encode()
    reply = reply.without("Content-Range").put("Content-Type", "multipart/byteranges; boundary=sep")
    return reply.carrying(head + reply.content + b"\r\n--sep--\r\n")


def _multipart_in_disguise(reply: Reply) -> Reply:
    return _multipart(reply).put("Content-Range", reply.field("Content-Range"))


def _status_200(reply: Reply) -> Reply:
    return reply._replace(status=200)


def _status_200_bare(reply: Reply) -> Reply:
    return reply._replace(status=200).without("Content-Range")


def _206_whatever_is_asked(call: Call) -> None:
    """Every range is answered by all bytes, as a 206 that says so."""
    reply = plainly(call)
    call.bite()
    complete_length = len(reply.content)
    reply = reply._replace(status=206)
    call.send(reply.put("Content-Range", f"bytes 0-{complete_length - 1}/{complete_length}"))


def refuse_ranges(*content_range: str, only_later: bool) -> Act:
    """416 to every request with Range, or to those of a resumption or a segment."""

    def act(call: Call) -> None:
        if not call.request.field("range") or only_later and not call.request.is_later:
            call.send(call.reply)
            return
        call.bite()
        length = len(call.server.version.content)
        values = [("Content-Range", value.format(length=length, other=length + 5)) for value in content_range]
        validators = [("ETag", call.server.version.etag)] if content_range else []
        call.send(page(416, *values, *validators))

    return act


def _later_row(name: str, act: Act, ends: str = RIGHT, why: str = _PLAIN) -> Fault:
    return Fault(name, act, ends, why, spares=_ONLY_LATER)


FAULTS = (
    _later_row("206 with bytes from offset 0", _wrong_slice(None), why="the overlap shows it; " + _PLAIN),
    _later_row("206 with bytes shifted by 1", _wrong_slice(1), why="the overlap shows it; " + _PLAIN),
    _later_row("206 with bytes shifted by -1", _wrong_slice(-1), why="the overlap shows it; " + _PLAIN),
    _later_row("206 with bytes shifted by 4096", _wrong_slice(4096), why="the overlap shows it; " + _PLAIN),
    _later_row("206 of a range that begins earlier", _other_range(-30_000)),
    _later_row("206 of a range that begins at 0", _other_range(-(10**9))),
    _later_row("206 of a range that begins later", _other_range(5_000)),
    Fault("206 of a range that begins later, always", _never_from_the_front, why=_PLAIN),
    Fault("206 that goes on beyond what was asked", _longer_than_asked, why="what is more can be left unread"),
    Fault("206 of 64 KiB at most", parts(at_most(65_536)), why="legal (RFC 9110 15.3.7)"),
    Fault("206 of 48 KiB at most", parts(at_most(49_152)), why="legal, and less than an overlap of 64 KiB"),
    Fault("206 of 200 kB at most", parts(at_most(200_000)), why="legal (RFC 9110 15.3.7)"),
    Fault("206 with another complete length", parts(_content_range("bytes {first}-{last}/{more}7")), why=_PLAIN),
    _later_row("206 with another complete length, later", later(_content_range("bytes {first}-{last}/9{length}"))),
    Fault("206 with complete length *", parts(_content_range("bytes {first}-{last}/*")), why=_PLAIN),
    _later_row("206 with complete length *, later", later(_content_range("bytes {first}-{last}/*"))),
    Fault("206 without Content-Range", parts(_content_range()), why=_PLAIN),
    _later_row("206 without Content-Range, later", later(_content_range())),
    Fault("206 with garbage for Content-Range", parts(_content_range("bytes=\xff{first}/-{last};q")), why=_PLAIN),
    Fault("206 with two numbers of no end", parts(_content_range("bytes {first}-{digits}/{digits}")), why=_PLAIN),
    Fault("206 with three numbers of no end", parts(_content_range("bytes {digits}-{digits}/{digits}"))),
    Fault("206 with two Content-Ranges", parts(_content_range("bytes 0-9/10", "bytes {first}-{last}/{length}"))),
    Fault("206 with last before first", parts(_content_range("bytes {more}-{first}/{length}")), why=_PLAIN),
    Fault("206 with last beyond the length", parts(_content_range("bytes {first}-{length}/{length}")), why=_PLAIN),
    Fault("206 in another unit", parts(_content_range("items {first}-{last}/{length}")), why=_PLAIN),
    Fault("206 with more than its Content-Range", parts(_longer_content), why=_PLAIN),
    Fault("206 with more than its Content-Range, chunked", parts(_longer_content_chunked), why=_PLAIN),
    Fault("206 with less than its Content-Range", parts(_shorter_content), why=_PLAIN),
    Fault("206 with less than its Content-Range, chunked", parts(_shorter_content_chunked), why=_PLAIN),
    Fault("206 in multipart/byteranges", parts(_multipart), why=_PLAIN),
    Fault("206 in multipart/byteranges with Content-Range", parts(_multipart_in_disguise), why=_PLAIN),
    _later_row("200 with a slice and its Content-Range", later(_status_200)),
    _later_row("200 with a slice", later(_status_200_bare), why="same ETag, other length: cannot be whole; " + _PLAIN),
    Fault("206 of all bytes whatever is asked", _206_whatever_is_asked, why="it says that it is whole"),
    Fault("416 to every range", refuse_ranges("bytes */{length}", only_later=False), why=_PLAIN),
    Fault("416 to every range, no length", refuse_ranges(only_later=False), why=_PLAIN),
    _later_row("416 later", refuse_ranges("bytes */{length}", only_later=True)),
    _later_row("416 later, another length", refuse_ranges("bytes */{other}", only_later=True)),
    _later_row("416 later, no length", refuse_ranges(only_later=True)),
    _later_row("416 later, garbage", refuse_ranges("bytes 0-1/{length}", only_later=True)),
)
