"""The deployer's options: one immutable value, checked when the middleware is made and never per request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict, cast

from ..errors import InvalidOption
from .values import FrontServer, Limits, Plan

_MOST = 2**62  # beyond any memory and any file


class OptionsDict(TypedDict, total=False):
    """The options as keyword arguments, for type checkers."""

    max_ranges: int
    block_size: int
    hide_range: bool
    preconditions: bool
    validators: bool
    spool_limit: int
    applies: Callable[[dict[str, Any]], bool] | None
    on_plan: Callable[[dict[str, Any], Plan], object] | None
    offload: FrontServer | None


@dataclass(frozen=True)
class Options:
    """The options of the middleware; see the README for the danger of each.

    :param max_ranges: range-specs in one Range header, at least 1; a header with more is ignored.
    :param block_size: bytes read from a source and held in memory at once, at least 1.
    :param hide_range: False lets the app see Range and If-Range. That is for apps that fetch ranges from a store of
        their own and answer 206 themselves.
    :param preconditions: False ignores If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since.
    :param validators: False makes no ETag and no Last-Modified for files on disk that come without.
    :param spool_limit: bytes of a response of unknown length that are read ahead to learn its length, for a request
        with Range; 0 reads nothing ahead.
    :param applies: called with environ (ASGI: scope) for each request; the app is left alone if it returns False.
    :param on_plan: called with the server's environ (scope) and the ``Plan`` of each request that carries Range or a
        precondition. An exception that it raises is logged and does not reach the client.
    :param offload: one of ``rangeware.offload``: the front server sends the files below the folders named there, with
        their ranges. The danger: a front server that is not set up for it sends empty files.
    :raises InvalidOption: naming the option and the value that cannot work.
    """

    max_ranges: int = 256
    block_size: int = 131072
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

    @classmethod
    def from_mapping(cls, options: Mapping[str, object]) -> Options:
        """Make the options from a mapping of names to values.

        :raises InvalidOption: also for a name that is not an option.
        """
        known = [field.name for field in fields(cls)]
        for name, value in options.items():
            if name not in known:
                raise InvalidOption(f"{name}={value!r} is not an option; the options are {', '.join(known)}")
        return cls(**cast(Any, options))

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
