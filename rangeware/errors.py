"""The exceptions of rangeware. None is raised for what a client sent: that gets a ``Plan`` with a reason."""

from __future__ import annotations


class InvalidOption(ValueError):
    """An option has a value that cannot work; raised where it is given, and never for a single request.

    >>> RangeMiddleware(app, max_ranges=0)
    Traceback (most recent call last):
    rangeware.errors.InvalidOption: max_ranges must be a whole number from 1 to 2**62, not 0
    """


class TruncatedSource(Exception):
    """A body ended before the bytes that its head had promised: a fault of the app or of its storage.

    Raised while the body is sent, so that the server closes the connection and the client sees that the response is
    incomplete (RFC 9112 section 8). Merely stopping would leave a kept-alive connection out of step.

    :param length: bytes that the body had.
    :param promised: bytes that it should have had at least.

    >>> raise TruncatedSource(50, 100)
    Traceback (most recent call last):
    rangeware.errors.TruncatedSource: the body ended after 50 bytes; 100 were promised
    """

    def __init__(self, length: int, promised: int) -> None:
        super().__init__(f"the body ended after {length} bytes; {promised} were promised")
        self.length = length
        self.promised = promised


class AsgiProtocolError(RuntimeError):
    """An ASGI app sent a message that is not allowed at that point, or returned without a required one.

    Raised from ``send``. It also reaches the server if the app catches it: the server then closes the connection or
    answers 500, so that a broken response never looks complete.
    """


class SourceChanged(Exception):
    """An object in a store was replaced between two requests of ours, so that its bytes would not fit together.

    Raised by the bodies of ``rangeware.stores`` while the content is read. Before the head of the response it becomes
    the error page of the server; later it breaks the connection, and the client sees that the response is incomplete.
    """
