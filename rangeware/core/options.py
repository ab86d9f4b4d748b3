"""The deployer's options: one immutable value, checked when the middleware is made and never per request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from ..errors import InvalidOption
from .values import FrontServer, Limits, Plan

_MOST = 2**62  # beyond any memory and any file
_BLOCK_SIZE = 31 * 4096
"""Bytes. With 128 KiB, a response of 1 MiB costs a third more on Linux, for two reasons.

* Loopback, the way to a proxy on the same machine, carries 65,483 bytes a packet: the last 106 bytes of 128 KiB would
  need a third packet.
* glibc keeps 128 KiB free at the top of the heap (``M_TOP_PAD``). A larger block, with the header that Python and
  ``malloc`` add, would make it grow and shrink the heap each time, with page faults.
"""


@dataclass(frozen=True)
class Options:
    """The options of the middleware. ``RangeMiddleware`` describes each of them.

    :raises InvalidOption: naming the option and the value that cannot work.
    """

    max_ranges: int = 256
    block_size: int = _BLOCK_SIZE
    hide_range: bool = True
    preconditions: bool = True
    validators: bool = True
    spool_limit: int = 0
    applies: Callable[[dict[str, Any]], bool] | None = None
    on_plan: Callable[[dict[str, Any], Plan], object] | None = None
    offload: FrontServer | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_ranges", 1), ("block_size", 1), ("spool_limit", 0)):
            self._check_number(name, least)
        for name in ("hide_range", "preconditions", "validators"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        for name in ("applies", "on_plan"):
            value = getattr(self, name)
            self._check(name, value is None or callable(value), "callable or None")
        if self.offload is not None:
            self._check_front_server(self.offload)

    def __str__(self) -> str:
        return ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))

    @property
    def limits(self) -> Limits:
        """The bounds that ``core.plan`` applies."""
        return Limits(self.max_ranges)

    def _check_front_server(self, server: Any) -> None:
        is_made = hasattr(server, "field_for") and hasattr(server, "keeps_validators") and not isinstance(server, type)
        self._check("offload", is_made, "made by a class of rangeware.offload, or None")
        if not self.preconditions and not server.keeps_validators:
            raise InvalidOption(f"preconditions=False does not work with offload={server!r}: its ETag is not the app's")

    def _check_number(self, name: str, least: int) -> None:
        value = getattr(self, name)
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        self._check(name, is_whole and least <= value <= _MOST, f"a whole number from {least} to 2**62")

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise InvalidOption(f"{name} must be {wanted}, not {getattr(self, name)!r}")
