"""Closing: ``close()`` of the app's body is called exactly once, whatever happens (PEP 3333).

That is harder than it sounds. The server may close the iterable that it was given twice, or never; an app's
``close()`` may raise, which must neither cost the client the response nor go unnoticed; and a file should be closed
with its last byte rather than when the garbage collector comes by.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator

_LOGGER = logging.getLogger("rangeware")


def close_body(body: object) -> None:
    """Call ``close()`` of a body if it has one."""
    close = getattr(body, "close", None)
    if close is not None:
        close()


def close_and_log(body: object) -> None:
    """Close a body while another exception is on its way to the server: if ``close()`` raises too, log that."""
    try:
        close_body(body)
    except Exception:
        _LOGGER.exception("close() failed")


def close_all(bodies: Iterable[object]) -> None:
    """Close each of these bodies in this order, even if one of them raises. The first exception is raised."""
    rest = iter(bodies)
    for body in rest:
        try:
            close_body(body)
        except BaseException:
            close_all(rest)
            raise


class ClosingThen:
    """Closes a body, and then does something else, even if ``close()`` of the body raises."""

    def __init__(self, body: object, then: Callable[[], None]) -> None:
        self._body = body
        self._then = then

    def close(self) -> None:
        """Close the body, and do the rest."""
        try:
            close_body(self._body)
        finally:
            self._then()


class ClosingIterator:
    """The iterable that the server gets: blocks of content, and what to close after them.

    All is closed once, however often the server calls ``close()``: together with the last byte if ``length`` tells
    which one that is, at once if a block cannot be read, and otherwise when the server closes us. Without the first
    two, files would stay open under servers that never call ``close()``.

    :param length: bytes of all blocks together; None if that is unknown.
    :param closing: closed after the blocks, in reverse order.
    """

    def __init__(self, blocks: Iterator[bytes], length: int | None, *closing: object) -> None:
        self._blocks = blocks
        self._missing = length
        self._closing: tuple[object, ...] = (blocks, *reversed(closing))
        self._failure: Exception | None = None
        if length == 0:
            self._blocks = iter((b"",))  # some servers send the head with the first block
            self._close_early()

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            block = next(self._blocks)
        except Exception:  # Twisted does not close an iterable that raised
            self._close_early()
            raise
        if self._missing is not None:
            self._missing -= len(block)
            if not self._missing:
                self._close_early()
        return block

    def close(self) -> None:
        """Close the blocks, then the app's body, unless that has been done.

        :raises Exception: raised by the app's ``close()``, now or when we closed it early.
        """
        if self._closing:
            closing, self._closing = self._closing, ()
            close_all(closing)
        elif self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _close_early(self) -> None:
        try:
            self.close()
        except Exception as exc:  # raised later, from close(): it must not cost the client the last block
            self._failure = exc


def block_after_closing(content: bytes, closable: object) -> Iterable[bytes]:
    """Return content of one block, and close the app's body: nothing more is needed of it."""
    try:
        close_body(closable)
    except Exception as exc:
        return block_then_raise(content, exc)
    return (content,)


def block_then_raise(content: bytes, failure: Exception) -> Iterable[bytes]:
    """Return content of one block after ``close()`` has failed: the server hears of it once it has sent all."""
    return ClosingIterator(iter((content,)), None, _RaisesOnClose(failure))


class _RaisesOnClose:
    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def close(self) -> None:
        raise self._failure
