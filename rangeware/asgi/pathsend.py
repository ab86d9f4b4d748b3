"""Files that an ASGI app names by their path, in ``http.response.pathsend``: open one and decide the response.

It all happens in a thread, before the head is sent: opening a file can block, and can fail.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from io import FileIO
from typing import NamedTuple

from ..bodies.sources import Source
from ..core.app_head import AppHead
from ..core.reply import Reply
from ..core.segments import whole_content
from ..core.values import Plan, Reason
from ..responder import Responder, with_file_segments

Path = str | bytes | os.PathLike[str]


class FileResponse(NamedTuple):
    """The response with a file that the app named.

    :param by_server: True if the server is to send the file by itself.
    :param content: all of the content, if it is small; None if it has to be sent in blocks.
    """

    file: FileIO
    source: Source | None
    plan: Plan
    reply: Reply
    by_server: bool
    content: bytes | None


def open_file_response(
    responder: Responder, head: AppHead, path: Path, server_can_send: bool, closing: ExitStack
) -> FileResponse:
    """Open the file at this path and decide the response.

    :param head: of the app's response.
    :param server_can_send: True if the server supports ``http.response.pathsend``, which sends a whole file.
    :param closing: closes the file later, also if this raises.
    :raises OSError: if the file cannot be opened, or is not a regular file.
    :raises TruncatedSource: if the content is small, and the file ends early.
    """
    file = closing.enter_context(FileIO(path, opener=_open_without_waiting))
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", path)
    source = responder.find_source(head, file)
    offloaded = responder.offload(head, source, file)
    if offloaded is not None:
        content = _small_content(responder, offloaded[1], source)
        return FileResponse(file, source, *offloaded, by_server=False, content=content)
    is_longer = head.complete_length is not None and head.complete_length < status.st_size  # another file by now
    obstacle = Reason.LONGER if is_longer else None
    plan, reply = responder.plan(head if is_longer else responder.complete_head(head, source), source, obstacle)
    by_server = server_can_send and not responder.has_no_content(reply) and _is_whole(reply, source, status.st_size)
    reply = reply if by_server else with_file_segments(reply, source)
    content = None if by_server else _small_content(responder, reply, source)
    return FileResponse(file, source, plan, reply, by_server, content)


def _is_whole(reply: Reply, source: Source | None, size: int) -> bool:
    """True if the content of the response is that of the whole file."""
    if reply.segments is None:
        return source is None or source.shorter or source.complete_length == size
    return reply.segments == whole_content(size)


def _small_content(responder: Responder, reply: Reply, source: Source | None) -> bytes | None:
    """All of the content, if it is small; None if it has to be sent in blocks."""
    if responder.has_no_content(reply):
        return b""
    if source is None or reply.segments is None:
        return None
    return responder.read_if_small(reply, source) if reply.needs_source else reply.literals


def _open_without_waiting(path: Path, flags: int) -> int:
    """Open a file; a named pipe does not wait for its writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
