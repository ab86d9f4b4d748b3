"""Paths: an answer with a file that an ASGI app names, as far as it is made before its head is sent."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from io import FileIO
from typing import NamedTuple

from .answering import Answering, of_file
from .core.head import AppHead
from .core.reply import Reply
from .core.segments import whole_content
from .core.values import Plan
from .sources import Source

Path = str | bytes | os.PathLike[str]


class Opened(NamedTuple):
    """An answer with a file that the app named.

    :param hands_on: whether the server is to send the file by itself.
    :param content: all of it, where it is small; None where it comes in blocks.
    """

    file: FileIO
    source: Source | None
    plan: Plan
    reply: Reply
    hands_on: bool
    content: bytes | None


class PathAnswering(Answering):
    """One request, where the answer may have a file in it that is named by its path."""

    __slots__ = ()

    def _opened(self, head: AppHead, path: Path, by_server: bool, closing: ExitStack) -> Opened:
        """An answer with the file at this path, as far as it is made before its head is sent.

        :param by_server: whether the server can send a whole file by its path.
        :param closing: is to close the file, also where this raises.
        :raises OSError: if the file cannot be opened, or is none that has an end.
        :raises TruncatedSource: if the content is small, and the file ends early.
        """
        file = closing.enter_context(FileIO(path, opener=_open))
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", path)
        size = status.st_size
        source = self._source(head, file)
        plan, reply = self._plan(self._completed(head, source), source)
        if reply.segments is None:
            is_whole = source is None or source.shorter or source.complete_length == size
        else:
            is_whole = reply.segments == whole_content(size)
        hands_on = by_server and is_whole and not self._is_bodiless(reply)
        reply = reply if hands_on else of_file(reply, source)
        content = None if hands_on else self._file_content(reply, source)
        return Opened(file, source, plan, reply, hands_on, content)

    def _file_content(self, reply: Reply, source: Source | None) -> bytes | None:
        """All of the content, where it is small."""
        if self._is_bodiless(reply):
            return b""
        if source is None or reply.segments is None:
            return None
        return self._at_once(reply, source) if reply.needs_source else reply.literals


def _open(path: Path, flags: int) -> int:
    """Opens a file, and does not wait for who writes into a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
