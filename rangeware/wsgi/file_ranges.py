"""Ranges of a file or list that the fast path leaves: several of them, the last bytes, or a large one sent in blocks.

``core`` decides the response. What is saved is the close look at the app's head and body, which the general way takes.
"""

from __future__ import annotations

from time import time_ns
from typing import Any

from ..bodies.detect import find_source, pread_file
from ..bodies.sources import SeekableSource, Source
from ..core.app_head import Field, glance, missing_validators
from ..core.options import Options
from ..core.plan import decide
from ..core.reply import Reply, partial
from ..core.values import Plan, Representation, RequestFields
from ..responder import new_boundary
from .file_wrapper import FileWrapper


def decide_ranges(
    request: RequestFields, fields: list[Field], body: Any, options: Options
) -> tuple[Plan, Reply, SeekableSource] | None:
    """Decide the response to a GET with Range and no condition.

    :param fields: those of the app's 200.
    :returns: the plan, the reply, and the source of the body; None if the general way is to decide.
    """
    source = _source_of(body, options.block_size)
    declared, has_tag, has_date = glance(fields)
    if not isinstance(source, SeekableSource) or declared != str(source.complete_length):
        return None
    content_type = next((value for name, value in fields if name == "Content-Type"), None)
    plan = decide(request, Representation(source.complete_length, content_type=content_type), options.limits)
    if plan.status != 206:
        return None
    kept = [field for field in fields if field[0] != "Content-Length"]
    file = source.on_disk
    if file is not None and not (has_tag and has_date) and options.validators:
        kept += missing_validators(has_tag, has_date, source.complete_length, file.mtime_ns, file.offset, time_ns())
    return plan, partial(plan.ranges, kept, source.complete_length, content_type, new_boundary(plan)), source


def _source_of(body: Any, block_size: int) -> Source | None:
    if type(body) is FileWrapper:
        return pread_file(body.filelike, block_size)
    return find_source(body, None, block_size) if type(body) in (list, tuple) else None
