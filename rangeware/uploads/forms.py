"""Read a form with one file: its fields first, then the content of the file, block by block, in flat memory.

The file comes as multipart/form-data after the fields, or as the whole body with the fields in the query. Multipart is
parsed by the package ``multipart``. For ``chunked``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl

from ..errors import InvalidOption
from ..http.ranges import parse_complete_length
from .protocol.values import Reason, Refusal

_BLOCK = 1 << 18  # bytes
_MOST_FIELDS = 100
_LONGEST_FIELD = 8192  # bytes
_LONGEST_FORM = 1 << 16  # bytes, without a file


def check_parser() -> None:
    """Find out whether multipart can be parsed.

    :raises InvalidOption: if the package ``multipart`` is missing, or another one has its name.
    """
    try:
        from multipart import PushMultipartParser  # noqa: F401
    except ImportError:
        raise InvalidOption("forms need the package multipart: pip install 'rangeware[forms]'") from None


def read_body(environ: dict[str, Any]) -> Iterator[bytes]:
    """Yield the content of a request. An error of the server's while reading means that the client has gone.

    :raises Refusal: CUT_SHORT or MALFORMED.
    """
    declared = environ.get("CONTENT_LENGTH") or ("" if environ.get("wsgi.input_terminated") else "0")
    left = parse_complete_length(declared) if declared else None
    if declared and left is None:
        raise Refusal(Reason.MALFORMED, text="malformed Content-Length")
    while left != 0:
        try:
            block = environ["wsgi.input"].read(_BLOCK if left is None else min(_BLOCK, left))
        except Exception:
            raise Refusal(Reason.CUT_SHORT) from None
        if not block and left is None:
            return
        if not block:
            raise Refusal(Reason.CUT_SHORT)
        left = left and left - len(block)
        yield block


def read_fields(environ: dict[str, Any], body: Iterator[bytes]) -> dict[str, str]:
    """Read the fields of a form without a file, which are in the query or in an urlencoded body."""
    text = b""
    for block in body:
        text += block
        if len(text) > _LONGEST_FORM:
            raise Refusal(Reason.TOO_LARGE)
    return _parse(environ.get("QUERY_STRING", "")) | _parse(text.decode("latin-1"))


def read_file(environ: dict[str, Any], body: Iterator[bytes]) -> tuple[dict[str, str], Iterator[bytes]]:
    """Read the fields of a form, and return them with the blocks of its file.

    :raises Refusal: if the form is malformed. The blocks do so too, or if it is cut short: they end only where it does.
    """
    fields, content_type = _parse(environ.get("QUERY_STRING", "")), environ.get("CONTENT_TYPE", "")
    if not content_type.lower().startswith("multipart/form-data"):
        return fields, body
    events = _events(content_type, body)
    return fields | _fields_before_file(events), _file(events)


def _parse(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=_MOST_FIELDS))
    except ValueError:
        raise Refusal(Reason.MALFORMED, text="too many fields") from None


def _events(content_type: str, body: Iterator[bytes]) -> Iterator[Any]:
    """Yield for each part of the form its head, its content as bytes, and None."""
    from multipart import MultipartError, PushMultipartParser, parse_options_header

    boundary = parse_options_header(content_type)[1].get("boundary", "")
    try:
        parser = PushMultipartParser(boundary, max_segment_count=_MOST_FIELDS)
        for block in body:
            yield from parser.parse(block)
        parser.close()  # raises if the form has no end
    except MultipartError:
        raise Refusal(Reason.MALFORMED, text="malformed multipart/form-data") from None


def _fields_before_file(events: Iterator[Any]) -> dict[str, str]:
    fields: dict[str, bytes] = {}
    name = ""
    for event in events:
        if isinstance(event, (bytes, bytearray)):
            fields[name] += event
            if len(fields[name]) > _LONGEST_FIELD:
                raise Refusal(Reason.MALFORMED, text="a field is too long")
        elif event is not None and event.filename is not None:
            return {name: value.decode("utf-8", "replace") for name, value in fields.items()}
        elif event is not None:
            name = event.name
            fields[name] = b""
    raise Refusal(Reason.MALFORMED, text="the form has no file")


def _file(events: Iterator[Any]) -> Iterator[bytes]:
    """Yield the content of a part, then look at all others: nothing counts of a form that is cut short."""
    yield from iter(lambda: next(events), None)
    for _ in events:
        pass
