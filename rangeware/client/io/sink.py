"""Writing to a stream without waiting for its reader for long: a transfer can be stopped while nobody reads."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from urllib3.util.wait import wait_for_write

from ..errors import DiskError, OutputClosed

TICK = 0.05  # seconds that a write may wait
_PIPE_BUF = 4096  # bytes that a pipe takes at once when it is ready (POSIX has 512 as the least, and systems this)


class Sink:
    """A binary stream that can be written to.

    :param stream: a buffer of its own is flushed and not used: it would hide what the reader has taken.
    """

    def __init__(self, stream: BinaryIO) -> None:
        with stream_errors():
            stream.flush()
        self._stream: BinaryIO = getattr(stream, "raw", stream)
        self._may_block = _may_block(self._stream)

    def write(self, block: memoryview) -> int:
        """Write the beginning of a block. Returns the number of bytes that were taken; 0 if the reader is not ready.

        :raises OutputClosed: if nobody reads any more.
        :raises DiskError: if the stream cannot be written to.
        """
        with stream_errors():
            if self._may_block:
                if not wait_for_write(self._stream, TICK):  # type: ignore[arg-type]
                    return 0
                block = block[:_PIPE_BUF]
            written = self._stream.write(block)
            if written is None:  # a raw stream that does not block
                time.sleep(TICK)
            return written or 0

    def flush(self) -> None:
        """Flush the stream."""
        with stream_errors():
            self._stream.flush()


def _may_block(stream: BinaryIO) -> bool:
    """True if a stream is a pipe, a socket or a terminal, which can be waited for."""
    try:
        return os.name != "nt" and not stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except (AttributeError, OSError, ValueError):
        return False


@contextlib.contextmanager
def stream_errors() -> Iterator[None]:
    """Raise our errors for those of a stream."""
    try:
        yield
    except BrokenPipeError as exc:
        raise OutputClosed("nobody reads the output any more") from exc
    except (OSError, ValueError) as exc:
        raise DiskError(f"cannot write the output: {getattr(exc, 'strerror', None) or exc}") from exc
