"""The header fields of a response, out of the lines that a server sends: what is malformed spoils nothing else.

``http.client`` takes the first line without a colon for the end of the head, and a dictionary of lines keeps the last
of each name. Here such a line is passed over, as browsers and curl do, and the lines of one name are joined, so that
every reader sees all of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ...http.ranges import parse_complete_length

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_NO_TEXT = re.compile(r"[\0\r\n]")  # RFC 9110 5.5: to be replaced by a blank
_SINGLE = {  # fields that have one value: the same line twice says it twice, other lines contradict it
    "content-disposition", "content-range", "content-type", "date", "etag", "last-modified", "location", "retry-after",
}

Pairs = list[tuple[str, str]]
"""Names and values as they were sent, in order."""


def parse_fields(lines: Iterable[bytes]) -> Pairs:
    """Parse the lines of a head without its status line. Lines that are no header are left out.

    A blank before the colon is removed, as a proxy has to (RFC 9112 5.1). A value that goes on in the next line is put
    together (5.2).
    """
    fields: list[tuple[str, list[str]]] = []
    texts: list[str] = []  # of the last line that did not begin with a blank, a header or not
    for line in lines:
        text = line.rstrip(b"\r\n")
        if text[:1] in (b" ", b"\t"):
            texts.append(_text(text))
            continue
        octets, colon, rest = text.partition(b":")
        octets = octets.rstrip(b" \t")
        texts = [_text(rest)]
        if colon and _TOKEN.fullmatch(octets):
            fields.append((octets.decode("ascii"), texts))
    return [(name, " ".join(filter(None, values))) for name, values in fields]


def _text(octets: bytes) -> str:
    return _NO_TEXT.sub(" ", octets.decode("latin-1")).strip(" \t")


def combine(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Combine the fields of each name, in lower case: the lines of a list are joined by a comma (RFC 9110 5.3).

    Where a field has one value, lines that contradict each other are joined as well, which makes it malformed.
    Content-Length and Transfer-Encoding are cleaned of what says the same twice; without any coding the latter is
    left out.
    """
    lines: dict[str, list[str]] = {}
    for name, value in pairs:
        lines.setdefault(name.lower(), []).append(value)
    fields = {name: ", ".join(dict.fromkeys(each) if name in _SINGLE else each) for name, each in lines.items()}
    if "content-length" in fields:
        fields["content-length"] = _one_length(fields["content-length"])
    codings = _codings(fields.pop("transfer-encoding", ""))
    return {**fields, "transfer-encoding": ", ".join(codings)} if codings else fields


def _one_length(value: str) -> str:
    """RFC 9110 8.6: a list of lengths that are valid and all the same counts as one."""
    lengths = {parse_complete_length(member.strip(" \t")) for member in value.split(",")}
    return value.partition(",")[0].strip(" \t") if len(lengths) == 1 and None not in lengths else value


def _codings(value: str) -> list[str]:
    """The transfer codings in lower case, without "identity", which is none (RFC 2616 3.6).

    A second "chunked" does not count: a sender must not apply it more than once (RFC 9112 6.1), but servers whose parts
    each add the field do send it twice.
    """
    codings = [coding.strip(" \t").lower() for coding in value.split(",")]
    kept = [coding for coding in codings if coding not in ("", "identity")]
    return ["chunked"] if set(kept) == {"chunked"} else kept
