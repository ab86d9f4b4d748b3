"""Content codings of files that are stored compressed, codings that are none, and those that are to be undone."""

from __future__ import annotations

import gzip

from tests.client.fault_server import Act, Call, Reply, Version, well_made
from tests.client.faulty.table import (
    CHANGED,
    DIGEST,
    NETWORK,
    ONE,
    Fault,
    Spoil,
    always,
    later,
    plainly,
)

_ONLY_LATER = frozenset({ONE})
_UNDO = {"decode": True}
_KEEP = {"decode": False}


def _coded(coding: str, name: str = "", media_type: str = "application/octet-stream") -> Spoil:
    def spoil(reply: Reply) -> Reply:
        named = reply.put("Content-Disposition", f'attachment; filename="{name}"') if name else reply
        return named.put("Content-Type", media_type).put("Content-Encoding", *([coding] if coding else ()))

    return spoil


def _stored(name: str, coding: str, file_name: str = "", media_type: str = "application/octet-stream") -> Fault:
    act = always(_coded(coding, file_name, media_type))
    return Fault(name, act, why="the coded bytes are the file", before=act)


def _none(coding: str) -> Fault:
    act = always(_coded(coding))
    return Fault(f"Content-Encoding: {coding}, which is none", act, why="there is nothing to undo", before=act)


def _first(call: Call) -> bool:
    return call.number == 0 and not call.request.is_later


def _appears(call: Call) -> None:
    """Without the coding in the first answer of all, and with it in all that follow."""
    coding = "" if _first(call) else "gzip"
    call.bite() if coding else None
    call.send_cut(_coded(coding, "a.gz")(call.reply), 150_000)


def _on_the_fly(damage: int = 0) -> Act:
    """Compressed though it was not asked for, as another representation: with a tag of its own, and without ranges."""

    def act(call: Call) -> None:
        call.bite()
        packed = gzip.compress(call.server.version.content, 1)
        reply = plainly(call).put("ETag", f'W/"{call.server.version.number}-gzip"').put("Content-Encoding", "gzip")
        call.send(reply.carrying(packed[:-damage] if damage else packed))

    return act


def _in_ranges(call: Call) -> None:
    """Ranges of coded bytes, as of an object that was stored compressed."""
    version = call.server.version
    packed = Version(version.number, gzip.compress(version.content, 1), f'"{version.number}-gz"', version.changed)
    call.bite()
    call.send_cut(_coded("gzip")(well_made(call.request, packed)), 200_000)


FAULTS = (
    _stored("x-gzip on a stored .tar.gz", "x-gzip", "a.tar.gz"),
    _stored("gzip on a stored .svgz", "gzip", "a.svgz"),
    _stored("x-gzip on a .tar.gz.asc", "x-gzip", "a.tar.gz.asc"),
    _stored("compress on a stored .Z", "compress", "a.Z"),
    _stored("x-bzip2 on a stored .bz2", "x-bzip2", "a.tar.bz2"),
    _stored("zstd on a stored .zst", "zstd", "a.zst"),
    _stored("gzip on application/gzip", "gzip", media_type="application/gzip"),
    _stored("gzip on application/x-compressed-tar", "gzip", media_type="application/x-compressed-tar"),
    _none("utf-8"),
    _none("none"),
    _none("aws-chunked"),
    _none("binary"),
    _none(""),
    Fault(
        "x-gzip on a stored .tar.gz, not named in each later 206",
        later(_coded("", "a.tar.gz")),
        why="RFC 9110 15.3.7: a 206 by If-Range need not name it; the strong tag is that of the coded file",
        before=always(_coded("x-gzip", "a.tar.gz")),
        spares=_ONLY_LATER,
    ),
    Fault(
        "gzip on a .gz appears in each later 206",
        later(_coded("gzip", "a.gz")),
        why="another representation under the same tag; a plain GET is well made",
        spares=_ONLY_LATER,
    ),
    Fault(
        "gzip on a .gz appears in all answers but the first",
        _appears,
        f"{NETWORK}|{CHANGED}",
        "another representation under the same tag",
    ),
    Fault("gzip on the fly", _on_the_fly(), f"{NETWORK}|{CHANGED}", "decoded or not: that is for the caller to say"),
    Fault("gzip on the fly, --decode", _on_the_fly(), why="undone", options=_UNDO),
    Fault("gzip on the fly, cut, --decode", _on_the_fly(9), DIGEST, "its last bytes are missing", options=_UNDO),
    Fault("gzip in ranges, cut, --decode", _in_ranges, why="undone when all is there", options=_UNDO),
    Fault(
        "Content-Encoding: gzip of what is not, --decode",
        always(_coded("gzip")),
        DIGEST,
        "it cannot be undone",
        before=always(_coded("gzip")),
        options=_UNDO,
    ),
    Fault(
        "Content-Encoding: secret, --no-decode",
        always(_coded("secret")),
        why="the bytes as they are sent",
        before=always(_coded("secret")),
        options=_KEEP,
    ),
    Fault(
        "Content-Encoding: secret, --decode",
        always(_coded("secret")),
        f"{NETWORK}|{CHANGED}",
        "nobody knows how",
        options=_UNDO,
    ),
)
