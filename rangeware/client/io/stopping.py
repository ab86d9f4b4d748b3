"""Stopping a transfer from another thread."""

from __future__ import annotations

from ..errors import TransferError


class Stopped(TransferError):
    """The transfer was told to stop."""

    exit_code = 130
