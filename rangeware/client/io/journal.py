"""The text of a journal, the file ``NAME.part.json`` beside a part file: a line of JSON, then a line for each write.

The bytes that the first line names are on the disk for certain: it is written after they have been flushed. The other
lines are written without waiting for the disk. They are true after the process was killed, since the system keeps what
was written, but not after a loss of power. So they count only under the same boot id of the machine. That makes a kill
cheap, and a loss of power safe.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ...http.etags import parse_entity_tag
from ...http.ranges import ByteRange
from ..digests import digest_of, parse_sha256
from ..planning.rangeset import RangeSet
from ..planning.response_head import FileVersion
from ..planning.state import OverlapCheck, SavedState

_FORMAT = 1
_LARGEST = 2**63
_LINE = re.compile(rb"\[([0-9]{1,19}),([0-9]{1,19})(?:,\"([0-9a-f]{64})\")?\]")


def render(state: SavedState, boot_id: str) -> bytes:
    """The first line."""
    version = state.version
    return json.dumps({
        "version": _FORMAT,
        "url": state.url,
        "address": state.address,
        "etag": None if version.etag is None else str(version.etag),
        "last_modified": version.last_modified,
        "dated": version.dated,
        "clocked": version.clocked,
        "complete_length": version.complete_length,
        "media_type": version.media_type,
        "codings": version.codings,
        "finished": state.finished,
        "seams": [[*check.part, check.sha256] for check in state.checks],
        "digest": None if state.digest is None else [state.digest.algorithm, state.digest.value.hex()],
        "boot_id": boot_id,
    }).encode() + b"\n"


def render_part(part: ByteRange) -> bytes:
    """A line that says: these bytes have been written."""
    return b"[%d,%d]\n" % part


def render_check(check: OverlapCheck) -> bytes:
    """A line that says: these bytes are to be compared once they are there."""
    return b'[%d,%d,"%s"]\n' % (*check.part, check.sha256.encode())


def parse(text: bytes, boot_id: str) -> SavedState | None:
    """Read a journal; None if it is cut off, foreign, of a newer format or otherwise not to be trusted.

    :param boot_id: of the running machine; "" if it has none.
    """
    first_line, newline, rest = text.partition(b"\n")
    try:
        said = json.loads(first_line)
        if not newline or said["version"] != _FORMAT:
            return None
        state = _state(said)
        parts, checks = _lines(rest) if boot_id and said["boot_id"] == boot_id else ([], [])
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    finished = tuple(RangeSet([*state.finished, *parts]))
    all_checks = (*state.checks, *checks)
    length = state.version.complete_length
    named = (*finished, *(check.part for check in all_checks))
    if length is not None and any(part.last_pos >= length for part in named):
        return None
    return state._replace(finished=finished, checks=all_checks)


def _state(said: dict[str, Any]) -> SavedState:
    etag = _text_or_none(said["etag"])
    length = said["complete_length"]
    version = FileVersion(
        None if etag is None else parse_entity_tag(etag), _text_or_none(said["last_modified"]), said["dated"] is True,
        None if length is None else _pos(length), _text_or_none(said["media_type"]),
        tuple(_text(each) for each in said.get("codings", ())), said.get("clocked") is True)
    checks = tuple(OverlapCheck(_part(first, last), parse_sha256(sha256)) for first, last, sha256 in said["seams"])
    digest = None if said["digest"] is None else digest_of(*said["digest"])
    finished = tuple(_part(*each) for each in said["finished"])
    return SavedState(_text(said["url"]), _text(said["address"]), version, finished, checks, digest)


def _lines(rest: bytes) -> tuple[list[ByteRange], list[OverlapCheck]]:
    parts, checks = [], []
    for line in rest.split(b"\n")[:-1]:
        match = _LINE.fullmatch(line)
        if match is None:  # cut off by a full disk
            continue
        part = _part(int(match[1]), int(match[2]))
        if match[3] is None:
            parts.append(part)
        else:
            checks.append(OverlapCheck(part, match[3].decode()))
    return parts, checks


def _text_or_none(value: Any) -> str | None:
    return None if value is None else _text(value)


def _text(value: Any) -> str:
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
