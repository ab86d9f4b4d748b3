"""What is known of a partial file, as text: a line of JSON, then a line for each piece that was written since.

What the first line says is on disk for certain. The others are written without waiting for the disk: they are true
after the death of the process, but not after that of the machine, and so count only under the same boot id.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple

from ..http.etags import parse_entity_tag
from ..http.ranges import ByteRange
from .digests import Digest, digest_of, parse_sha256
from .heads import Identity
from .spans import Spans

_VERSION = 1
_LARGEST = 2**63
_PIECE = re.compile(rb"\[([0-9]{1,19}),([0-9]{1,19})(?:,\"([0-9a-f]{64})\")?\]")


class Seam(NamedTuple):
    """Bytes in front of a segment, by its own answer: those that come there otherwise must have this SHA-256."""

    part: ByteRange
    sha256: str


class State(NamedTuple):
    """A partial file: whose it is, of which version, which bytes of it are there, and what is still to be compared.

    ``digest`` is what the whole must have, where the caller or the server has said it.
    """

    url: str
    address: str
    identity: Identity
    finished: tuple[ByteRange, ...] = ()
    seams: tuple[Seam, ...] = ()
    digest: Digest | None = None


def render(state: State, boot_id: str) -> bytes:
    """The first line."""
    identity = state.identity
    return json.dumps({
        "version": _VERSION,
        "url": state.url,
        "address": state.address,
        "etag": None if identity.etag is None else str(identity.etag),
        "last_modified": identity.last_modified,
        "dated": identity.dated,
        "complete_length": identity.complete_length,
        "media_type": identity.media_type,
        "finished": state.finished,
        "seams": [[*seam.part, seam.sha256] for seam in state.seams],
        "digest": None if state.digest is None else [state.digest.algorithm, state.digest.value.hex()],
        "boot_id": boot_id,
    }).encode() + b"\n"


def render_piece(part: ByteRange) -> bytes:
    """A line: these bytes are written."""
    return b"[%d,%d]\n" % part


def render_seam(seam: Seam) -> bytes:
    """A line: these bytes are to be compared once they are there."""
    return b'[%d,%d,"%s"]\n' % (*seam.part, seam.sha256.encode())


def parse(text: bytes, boot_id: str) -> State | None:
    """What the text says; None for what is cut, foreign, of a newer version or otherwise not to be believed."""
    first_line, newline, rest = text.partition(b"\n")
    try:
        said = json.loads(first_line)
        if not newline or said["version"] != _VERSION:
            return None
        state = _state(said)
        since = _since(rest) if boot_id and said["boot_id"] == boot_id else ([], [])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    finished = tuple(Spans([*state.finished, *since[0]]))
    seams = (*state.seams, *since[1])
    length = state.identity.complete_length
    if length is not None and any(part.last_pos >= length for part in (*finished, *(seam.part for seam in seams))):
        return None
    return state._replace(finished=finished, seams=seams)


def _state(said: dict[str, Any]) -> State:
    etag = _text(said["etag"])
    length = said["complete_length"]
    identity = Identity(
        None if etag is None else parse_entity_tag(etag), _text(said["last_modified"]), said["dated"] is True,
        None if length is None else _pos(length), _text(said["media_type"]))
    seams = tuple(Seam(_part(first, last), parse_sha256(sha256)) for first, last, sha256 in said["seams"])
    digest = None if said["digest"] is None else digest_of(*said["digest"])
    finished = tuple(_part(*each) for each in said["finished"])
    return State(_address(said["url"]), _address(said["address"]), identity, finished, seams, digest)


def _since(rest: bytes) -> tuple[list[ByteRange], list[Seam]]:
    parts, seams = [], []
    for line in rest.split(b"\n")[:-1]:
        match = _PIECE.fullmatch(line)
        if match is None:  # cut by a full disk
            continue
        part = _part(int(match[1]), int(match[2]))
        if match[3] is None:
            parts.append(part)
        else:
            seams.append(Seam(part, match[3].decode()))
    return parts, seams


def _text(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise ValueError(value)
    return value


def _address(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _pos(value: Any) -> int:
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError(value)
    return value


def _part(first_pos: Any, last_pos: Any) -> ByteRange:
    part = ByteRange(_pos(first_pos), _pos(last_pos))
    if part.length < 1:
        raise ValueError(part)
    return part
