"""How a row of a table of requests of "Resumable Uploads for HTTP" is put to an app."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any

from tests.support import Answer
from tests.uploads.tus_table import DATA, LENGTH, STORED, Fields, Row, check_answer
from tests.uploads.twins import PATH, Twin

PARTIAL = "application/partial-upload"


def append(offset: int | str, complete: str | None = "?0", **more: str | None) -> dict[str, str | None]:
    """The fields of a PATCH; ``Content_Digest="x"`` is one more."""
    fields = {"Content-Type": PARTIAL, "Upload-Offset": str(offset), "Upload-Complete": complete}
    return {**fields, **{name.replace("_", "-"): value for name, value in more.items()}}


def digest(algorithm: str, content: bytes) -> str:
    """The value of Content-Digest or Repr-Digest."""
    octets = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(octets).decode()}:"


def ask(twin: Twin, method: str, path: str, fields: Fields, content: bytes = b"", **framing: Any) -> Answer:
    """Send one request."""
    lines = [(name, value) for name, value in fields.items() if value is not None]
    return twin.ask(method, path, lines, content, **framing)


def create(twin: Twin, content: bytes = b"", complete: str = "?0", **fields: str) -> str:
    """Create an upload; return its path."""
    named = {name.replace("_", "-"): value for name, value in fields.items()}
    answer = ask(twin, "POST", PATH, {"Upload-Complete": complete, **named}, content)
    assert answer.status == 201, answer
    return answer.get("Location") or ""


def _ended(twin: Twin) -> str:
    path = create(twin)
    assert ask(twin, "DELETE", path, {}).status == 204
    return path


STATES: dict[str, Callable[[Twin], str]] = {
    "none": lambda twin: PATH,
    "new": lambda twin: create(twin),
    "half": lambda twin: create(twin, DATA[:STORED]),
    "half of known length": lambda twin: create(twin, DATA[:STORED], Upload_Length=str(LENGTH)),
    "all, not completed": lambda twin: create(twin, DATA, Upload_Length=str(LENGTH)),
    "whole": lambda twin: create(twin, DATA, "?1"),
    "ended": _ended,
}


def check_rest(twin: Twin, path: str, offset: int | None) -> None:
    """The offset that is told afterwards; and that the file is right once its rest has been sent."""
    head = ask(twin, "HEAD", path, {})
    if offset is None:
        check_answer(head, (404, 410), {"Upload-Offset": None})
        return
    check_answer(head, (200, 204), {"Upload-Offset": str(offset), "Cache-Control": "no-store"})
    if head.get("Upload-Complete") == "?0":
        last = ask(twin, "PATCH", path, append(offset, "?1"), DATA[offset:])
        check_answer(last, (200, 201, 204), {"Upload-Complete": "?1"})
    whole = ask(twin, "GET", path, {})
    assert (whole.status, whole.body) == (200, DATA)


def check_row(twin: Twin, row: Row) -> None:
    """Put a row to an app."""
    path = STATES[row.given](twin)
    answer = ask(twin, row.method, path, row.fields, row.content, **row.framing)
    check_answer(answer, row.status, row.expected)
    if row.given == "none":
        path = answer.get("Location") or ""
    if row.offset != -1:
        check_rest(twin, path, row.offset)
