"""What rangeware raises. Never for what a client sent: that gets a ``Plan`` with a reason."""

from __future__ import annotations


class InvalidOption(ValueError):
    """An option of the middleware has a value that cannot work: raised when the middleware is made.

    >>> RangeMiddleware(app, max_ranges=0)
    Traceback (most recent call last):
    rangeware.errors.InvalidOption: max_ranges must be a whole number from 1 to 2**62, not 0
    """


class TruncatedSource(Exception):
    """A body ended before the bytes that the head had promised: the fault of the app or of its storage.

    Raised while the body is sent, so that the server closes the connection and the client sees that the answer
    is incomplete (RFC 9112 section 8). Stopping quietly would let a kept-alive connection fall out of step.

    :param length: how many bytes the body had.
    :param promised: how many it should have had at least.
    """

    def __init__(self, length: int, promised: int) -> None:
        super().__init__(f"the body ended after {length} bytes; {promised} were promised")
        self.length = length
        self.promised = promised


class OutOfTurn(RuntimeError):
    """An ASGI app sent a message that cannot come there, or left out one that must: the fault of the app.

    Raised out of ``send`` and, also if the app catches it, to the server, which then closes the connection or answers
    500: a broken answer must not look whole.
    """
