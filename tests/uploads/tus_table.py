"""How a row of a table of tus requests is put to an app: an upload in some state, one request, and what is left."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.support import Answer
from tests.uploads.twins import PATH, Twin

DATA = b"0123456789"
LENGTH = len(DATA)
STORED = 4
"""Bytes of the upload in the state "half"."""
MAX_SIZE = 1000
EXPIRES = 3600.0
OCTETS = "application/offset+octet-stream"
ABSENT = None
DATE = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
ANY = re.compile(".+")

Fields = Mapping[str, str | None]
Expected = Mapping[str, "str | re.Pattern[str] | None"]


class Row(NamedTuple):
    """One request to an upload, and the answer.

    :param given: a key of ``STATES``.
    :param fields: of the request; Tus-Resumable is added unless it is there, as None if it is to be left out.
    :param expected: fields of the answer; ``ABSENT`` for one that may not be there.
    :param offset: of the upload afterwards; None if it must be gone, -1 if there is none to look at.
    :param framing: see ``Twin.ask``.
    """

    given: str
    method: str
    fields: Fields
    status: int | tuple[int, ...]
    expected: Expected = {}
    offset: int | None = -1
    content: bytes = b""
    framing: Mapping[str, Any] = {}


def append(offset: int | str, **more: str | None) -> dict[str, str | None]:
    """The fields of a PATCH; ``Upload_Checksum="x"`` is one more."""
    fields: dict[str, str | None] = {"Content-Type": OCTETS, "Upload-Offset": str(offset)}
    return {**fields, **{name.replace("_", "-"): value for name, value in more.items()}}


def checksum(algorithm: str, content: bytes) -> str:
    """The value of Upload-Checksum."""
    return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"


def ask(twin: Twin, method: str, path: str, fields: Fields, content: bytes = b"", **framing: Any) -> Answer:
    """Send one tus request."""
    lines = {"Tus-Resumable": "1.0.0", **fields}
    return twin.ask(method, path, [(name, value) for name, value in lines.items() if value is not None], content,
                    **framing)


# --- states ---

def create(twin: Twin, content: bytes = b"", **fields: str) -> str:
    """Create an upload; return its path."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = ask(twin, "POST", PATH, named)
    assert answer.status == 201, answer
    path = answer.get("Location")
    assert path is not None
    if content:
        assert ask(twin, "PATCH", path, append(0), content).status == 204
    return path


def _expired(twin: Twin) -> str:
    path = create(twin, DATA[:STORED], Upload_Length=str(LENGTH))
    then = time.time() - EXPIRES - 10
    for file in twin.directory.iterdir():
        os.utime(file, (then, then))
    return path


def _ended(twin: Twin) -> str:
    path = create(twin, Upload_Length=str(LENGTH))
    assert ask(twin, "DELETE", path, {}).status == 204
    return path


def _final(twin: Twin) -> str:
    first, second = (create(twin, part, Upload_Length="5", Upload_Concat="partial") for part in (DATA[:5], DATA[5:]))
    return create(twin, Upload_Concat=f"final;{first} {second}")


METADATA = "filename d29ybGQ=,empty,is_confidential "

STATES: dict[str, Callable[[Twin], str]] = {
    "none": lambda twin: PATH,
    "new": lambda twin: create(twin, Upload_Length=str(LENGTH)),
    "half": lambda twin: create(twin, DATA[:STORED], Upload_Length=str(LENGTH)),
    "whole": lambda twin: create(twin, DATA, Upload_Length=str(LENGTH)),
    "empty": lambda twin: create(twin, Upload_Length="0"),
    "described": lambda twin: create(twin, Upload_Length=str(LENGTH), Upload_Metadata=METADATA),
    "deferred": lambda twin: create(twin, DATA[:STORED], Upload_Defer_Length="1"),
    "partial": lambda twin: create(twin, DATA[:5], Upload_Length="5", Upload_Concat="partial"),
    "final": _final,
    "expired": _expired,
    "ended": _ended,
}


# --- judging ---

def matches(value: str | None, expected: str | re.Pattern[str] | None) -> bool:
    """True if a field of an answer is as it must be."""
    if isinstance(expected, re.Pattern):
        return value is not None and expected.fullmatch(value) is not None
    return value == expected


def check_answer(answer: Answer, status: int | tuple[int, ...], expected: Expected) -> None:
    """The status and the fields of an answer."""
    statuses = status if isinstance(status, tuple) else (status,)
    assert answer.status in statuses, (answer.status, answer.body, answer.fields)
    wrong = {name: answer.get(name) for name, value in expected.items() if not matches(answer.get(name), value)}
    assert not wrong, answer.fields


def check_rest(twin: Twin, path: str, offset: int | None) -> None:
    """The offset that is told afterwards; and that the file is right once its rest has been sent."""
    head = ask(twin, "HEAD", path, {})
    if offset is None:
        check_answer(head, (404, 410), {"Upload-Offset": ABSENT})
        return
    check_answer(head, 200, {"Upload-Offset": str(offset)})
    if head.get("Upload-Concat") == "partial":
        return
    more: dict[str, str] = {} if head.get("Upload-Length") else {"Upload_Length": str(LENGTH)}
    length = int(head.get("Upload-Length") or LENGTH)
    if offset < length or more:
        assert ask(twin, "PATCH", path, append(offset, **more), DATA[offset:length]).status == 204
    whole = ask(twin, "GET", path, {})
    assert (whole.status, whole.body) == (200, DATA[:length])


def check_row(twin: Twin, row: Row) -> None:
    """Put a row to an app."""
    path = STATES[row.given](twin)
    answer = ask(twin, row.method, path, row.fields, row.content, **row.framing)
    check_answer(answer, row.status, row.expected)
    if row.given == "none" and answer.status == 201:
        path = answer.get("Location") or ""
    if row.offset != -1:
        check_rest(twin, path, row.offset)
