"""Reading ahead in a response of unknown length, to learn its length (the option ``spool_limit``).

The adapters use it for a request with Range only: a response that ends within the limit can be sliced after all, and
a longer one is sent whole, first the bytes that were spooled and then the rest of the body.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator

_IN_MEMORY = 1 << 20  # bytes held in memory; beyond this, in a temporary file


class Spool:
    """Content of unknown length, kept until its length is known or too large.

    :param limit: bytes to read ahead, at least 1; one chunk more may be taken, to see that there is more.
    """

    def __init__(self, limit: int) -> None:
        self.file = tempfile.SpooledTemporaryFile(max_size=min(limit, _IN_MEMORY))  # noqa: SIM115
        self.is_complete = True
        self._limit = limit

    def push(self, chunk: bytes) -> None:
        """Keep a chunk; ``is_complete`` turns False once the chunks exceed the limit."""
        self.file.write(chunk)
        self.is_complete = self.file.tell() <= self._limit

    def read_ahead(self, chunks: Iterator[bytes]) -> None:
        """Keep chunks up to their end or to the limit; the rest stays in ``chunks``."""
        try:
            for chunk in chunks:
                self.push(chunk)
                if not self.is_complete:
                    break
        except BaseException:
            self.file.close()
            raise

    def replay(self, block_size: int) -> Iterator[bytes]:
        """Yield the kept bytes from the first on, in blocks, and close the file. Can be used once."""
        self.file.seek(0)
        while block := self.file.read(block_size):
            yield block
        self.file.close()
