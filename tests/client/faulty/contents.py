"""Content that is not the file: codings, error pages, digests that do not fit."""

from __future__ import annotations

import base64
import gzip
import hashlib

from tests.client.fault_server import Act, Call, Reply, page
from tests.client.faulty.table import (
    CHANGED,
    DIGEST,
    NETWORK,
    ONE,
    RIGHT,
    RIGHT_SHA256,
    WRONG_SHA256,
    Fault,
    Spoil,
    always,
    chunked,
    later,
    parts,
    plainly,
)

_SOME_ERROR = f"{RIGHT}|{NETWORK}"
_PLAIN = "a plain GET is well made"
_ONLY_LATER = frozenset({ONE})
_HTML = page(200, text="<h1>Log in</h1>" * 50)


def _zipped(reply: Reply) -> Reply:
    packed = gzip.compress(reply.content, 1)
    return reply.without("Content-Range").put("Content-Encoding", "gzip").carrying(packed)._replace(status=200)


def _zip_always(call: Call) -> None:
    call.bite()
    call.send(_zipped(plainly(call)))


def _zip_once(call: Call) -> None:
    if call.is_among("zip", 1):
        call.send(_zipped(plainly(call)))
    else:
        call.send(call.reply)


def _zipped_part(reply: Reply) -> Reply:
    """A 206 of the zipped representation that is as long as ours would be: only the field tells."""
    return reply.put("Content-Encoding", "gzip")


def _named(coding: str) -> Spoil:
    return lambda reply: reply.put("Content-Encoding", coding)


def _page_later(times: int, reply: Reply = _HTML) -> Act:
    """An error page with 200 to a resumption or a segment, so many times."""

    def act(call: Call) -> None:
        if call.request.is_later and call.is_among("page", times):
            call.send(reply)
        else:
            call.send(call.reply)

    return act


def _page_every_second_time(call: Call) -> None:
    if call.number % 2:
        call.bite()
        call.send(_HTML)
    else:
        call.send_cut(call.reply, 150_000)


def _page_after_first(call: Call) -> None:
    """From the second answer on, whatever is asked; in a new run from the first on."""
    if call.number == 0 and not call.request.is_later:
        call.send_cut(call.reply, 150_000)
    else:
        call.bite()
        call.send(_HTML)


def _page_as_part(reply: Reply) -> Reply:
    """The page of a proxy that keeps the status and Content-Range of what it replaces."""
    return reply.put("Content-Type", "text/html").without("ETag").carrying(_HTML.content)


def _padded_page_as_part(reply: Reply) -> Reply:
    content = (_HTML.content * (len(reply.content) // len(_HTML.content) + 1))[: len(reply.content)]
    return reply._replace(content=content)


def _digest(form: str, content: bytes | None = None) -> Act:
    """A digest of the whole representation, or of other content, in each answer."""

    def act(call: Call) -> None:
        octets = call.server.version.content if content is None else content
        raw = hashlib.sha256(octets).digest()
        text = form.partition(": ")[2].format(b64=base64.b64encode(raw).decode(), hex=raw.hex())
        call.bite()
        call.send(call.reply.put(form.partition(": ")[0], text))

    return act


def _surplus(call: Call) -> None:
    """Bytes after those that Content-Length counts, on a connection that stays open."""
    call.bite()
    call.send(call.reply)
    call.line.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nsurplus" * 3)


def _surplus_garbage(call: Call) -> None:
    call.bite()
    reply = call.reply
    call.send(reply._replace(content=reply.content + b"surplus" * 100))


def _flip_a_byte(call: Call) -> None:
    """One byte is wrong in the first answer, as on a bad line; later answers are right."""
    reply = call.reply
    if call.number == 0:
        call.bite()
        content = bytearray(reply.content)
        content[10] ^= 1
        reply = reply._replace(content=bytes(content))
    call.send(reply)


def _wrong_fragment(call: Call) -> None:
    call.bite()
    call.send(call.reply)


_NO_DIGEST = "a digest that cannot be read says nothing"

FAULTS = (
    Fault(
        "gzip, always",
        _zip_always,
        NETWORK,
        "identity was asked for; another coding is another file",
        resumed=f"{NETWORK}|{CHANGED}",
    ),
    Fault("gzip in the first answer", _zip_once, _SOME_ERROR, "the second answer is well made"),
    Fault("gzip later", later(_zipped), why=_PLAIN, spares=_ONLY_LATER),
    Fault("gzip in each 206", parts(_zipped_part), why=_PLAIN),
    Fault("Content-Encoding: identity", always(_named("identity")), why="no coding at all (RFC 9110 12.5.3)"),
    Fault("Content-Encoding of an unknown kind", always(_named("secret")), NETWORK, "we cannot undo it"),
    Fault("error page with 200 later, once", _page_later(1), why="no validators: not our file", spares=_ONLY_LATER),
    Fault("error page with 200 later, always", _page_later(10**9), why=_PLAIN, spares=_ONLY_LATER),
    Fault("error page with 200, chunked, later", _page_later(2, chunked(_HTML)), why=_PLAIN, spares=_ONLY_LATER),
    Fault("error page with 200 each second time", _page_every_second_time, why="the others are well made"),
    Fault("error page with 200 after a cut, always", _page_after_first, f"{NETWORK}|{CHANGED}", "no validators"),
    Fault("error page in a 206", later(_page_as_part), why="shorter than its Content-Range", spares=_ONLY_LATER),
    Fault("error page in a 206, padded", later(_padded_page_as_part), why="the overlap shows it", spares=_ONLY_LATER),
    Fault("surplus bytes: another answer", _surplus, why="Content-Length says where the content ends"),
    Fault("surplus bytes: garbage", _surplus_garbage, why="Content-Length says where the content ends"),
    Fault("Repr-Digest right", _digest("Repr-Digest: sha-256=:{b64}:")),
    Fault("Repr-Digest wrong", _digest("Repr-Digest: sha-256=:{b64}:", b"other"), DIGEST, "it is of another file"),
    Fault("Repr-Digest of an unknown kind", _digest("Repr-Digest: md17=:{b64}:", b"other"), why=_NO_DIGEST),
    Fault("Repr-Digest garbage", _digest('Repr-Digest: sha-256="{b64}', b"other"), why=_NO_DIGEST),
    Fault("Digest right", _digest("Digest: SHA-256={b64}")),
    Fault("Digest wrong", _digest("Digest: SHA-256={b64}", b"other"), DIGEST, "it is of another file"),
    Fault("--sha256 right", _wrong_fragment, options={"sha256": RIGHT_SHA256}),
    Fault("--sha256 wrong", _wrong_fragment, DIGEST, "no such file here", options={"sha256": WRONG_SHA256}),
    Fault("#sha256= wrong", _wrong_fragment, DIGEST, "no such file here", path=f"/file.bin#sha256={WRONG_SHA256}"),
    Fault(
        "a byte flipped in the first answer",
        _flip_a_byte,
        f"{RIGHT}|{DIGEST}",
        "only the digest shows it",
        options={"sha256": RIGHT_SHA256},
    ),
)
