"""Remove expired uploads, and complete those that a crash left between the last byte and the hook."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from .protocol.values import Refusal, Upload
from .storage import Storage


def clean(storage: Storage, expires: float | None, finish: Callable[[Upload], object] | None = None,
          *, forget: bool = True) -> int:
    """Clean up, and return the number of uploads that were removed.

    :param expires: seconds after the last write; None removes none.
    :param finish: called with each upload whose bytes are all there and whose hook has not accepted it; None leaves
        them alone.
    :param forget: True also removes the descriptions of finished files that the app has moved away. False is for a
        storage that may not know in which folder they are.
    """
    count = 0
    for upload in storage.uploads():
        end = None if expires is None else time.time() - expires
        is_old = end is not None and upload.touched < end
        if upload.has_all:
            is_old = is_old and finish is not None and not _is_accepted(finish, upload)
        with contextlib.suppress(Refusal):
            if is_old and not upload.is_complete:
                storage.remove(upload.id, end)
                count += 1
            elif is_old and forget and _is_taken(storage, upload.id):
                storage.remove(upload.id, end)
    storage.recount()
    return count


def _is_taken(storage: Storage, id: str) -> bool:
    """True if the app has moved the finished file away: the note that it was uploaded is of no use any more."""
    try:
        storage.open(id).close()
    except Refusal:
        return True
    return False


def _is_accepted(finish: Callable[[Upload], object], upload: Upload) -> bool:
    try:
        finish(upload)
    except Refusal:
        return False
    return True
