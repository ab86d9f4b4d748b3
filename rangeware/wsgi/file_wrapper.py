"""Our own ``wsgi.file_wrapper`` (PEP 3333), offered to apps in place of the server's.

On a request with Range, and where the server has no wrapper or one that hides its file: ``bodies.unwrap`` can look
into this one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..bodies.closing import close_body


class FileWrapper:
    """An iterable over a file.

    :param filelike: has ``read(size)``; its ``close()`` is looked up when we are closed.
    :param block_size: bytes per read, at most.
    """

    def __init__(self, filelike: Any, block_size: int = 8192) -> None:
        self.filelike = filelike
        self.block_size = block_size
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        block: bytes = self.filelike.read(self.block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file, once."""
        if not self._is_closed:
            self._is_closed = True
            close_body(self.filelike)
