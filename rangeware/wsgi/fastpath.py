"""The fast path: the commonest requests, answered in few steps.

Two cases: a plain GET, which the server may send as the app gave it, and one range of a file or a list. Nothing is
decided here that ``core`` would decide otherwise: each function says yes only where that is obvious, and all else goes
the general way. ``tests/wsgi/test_fastpath.py`` drives the shared table of cases both ways and
compares.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..bodies.detect import find_source, is_sendable_as_is, items_have_length
from ..bodies.sources import SeekableSource, Source
from ..bodies.unwrap import may_be_file
from ..core.app_head import Field, fastpath_length
from ..core.reply import Reply, single_part
from ..core.values import Plan, Reason
from ..http.ranges import parse_range
from .file_wrapper import FileWrapper
from .sendfile import respects_position_and_length

_LONG = 100  # characters in a Range field: more than one range-spec usually has


def is_plain_get(environ: dict[str, Any]) -> bool:
    """True for a GET that asks for the whole representation, unconditionally."""
    return not (
        environ["REQUEST_METHOD"] != "GET"
        or "HTTP_RANGE" in environ
        or "HTTP_IF_NONE_MATCH" in environ
        or "HTTP_IF_MODIFIED_SINCE" in environ
        or "HTTP_IF_RANGE" in environ
        or "HTTP_IF_MATCH" in environ
        or "HTTP_IF_UNMODIFIED_SINCE" in environ
    )


def passes_unchanged(fields: list[Field], body: Iterable[bytes], server_wrapper: object) -> bool:
    """True if a 200 with these fields and this body needs nothing but Accept-Ranges, on a plain GET.

    :param server_wrapper: the server's ``wsgi.file_wrapper``.
    """
    kind: Any = type(body)
    if kind is list or kind is tuple:
        length = fastpath_length(fields, needs_validators=False)
        return bool(length) and items_have_length(body, int(length))
    if kind is FileWrapper:  # the server's own wrapper may send its file faster
        return False
    is_file = may_be_file(kind)
    length = fastpath_length(fields, needs_validators=is_file)
    return bool(length) and (
        not is_file or is_sendable_as_is(body, int(length), respects_position_and_length(server_wrapper, body)))


def respond_with_one_range(
    value: str, fields: list[Field], body: Iterable[bytes], block_size: int
) -> tuple[Source | None, Plan | None, Reply | None]:
    """Respond to a GET with one range, and no condition, where the app has sent a 200 with these fields and this body.

    :param value: of the Range field.
    :param block_size: bytes per read, at most.
    :returns: the source, if it has been looked for: that can be expensive, and the general way need not do it again.
        The plan and the reply are None if the general way has to make them.
    """
    specs = parse_range(value) if len(value) < _LONG and "," not in value else None
    kind: Any = type(body)
    length = fastpath_length(fields, kind is not list and may_be_file(kind)) if specs else ""
    source = find_source(body, int(length), block_size) if length else None
    if not specs or not isinstance(source, SeekableSource) or source.shorter:
        return source, None, None
    part = specs[0].resolve(source.complete_length)
    if part is None:
        return source, None, None
    kept = [field for field in fields if field[0] != "Content-Length"]
    return source, Plan(206, (part,), Reason.SLICED), single_part(part, kept, source.complete_length)
