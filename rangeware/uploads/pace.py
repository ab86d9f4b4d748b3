"""The number of bytes to read at once: many on a fast line, few on a slow one.

Whatever a request has read and not yet stored is lost if its process is killed, and a request finds out only between
two pieces that another one has taken over. On a fast line large pieces save time.
"""

from __future__ import annotations

import time

_SMALLEST, _FIRST, _LARGEST = 4 << 10, 64 << 10, 512 << 10  # bytes
_SHORT, _LONG = 0.005, 0.05  # seconds


class Pace:
    """The size of the next piece in bytes, by the time that the last one took.

    :param largest: the most bytes of a piece; None for 512 KiB.
    """

    def __init__(self, largest: int | None = None) -> None:
        self._largest = largest or _LARGEST
        self.size = min(_FIRST, self._largest)
        self._began = time.monotonic()

    def note(self) -> None:
        """Note that a piece has been read and stored."""
        now = time.monotonic()
        if now - self._began < _SHORT:
            self.size = min(self._largest, self.size * 2)
        elif now - self._began > _LONG:
            self.size = max(_SMALLEST, self.size // 4)
        self._began = now
