"""The deployer's choices, checked once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypedDict, cast

from .errors import InvalidOption
from .plan import Limits, Plan

_MOST = 2**62  # beyond any memory and any file


class Given(TypedDict, total=False):
    """The options by name, for those who check types."""

    max_ranges: int
    block_size: int
    hide_range: bool
    preconditions: bool
    validators: bool
    spool_limit: int
    applies: Callable[[dict[str, Any]], bool] | None
    on_plan: Callable[[dict[str, Any], Plan], object] | None


@dataclass(frozen=True)
class Options:
    """What a deployer may choose; see the README for the danger of each.

    :param max_ranges: range-specs in one Range field, at least 1; a field with more is ignored.
    :param block_size: bytes read from a source and held in memory at once, at least 1.
    :param hide_range: whether the app is kept from seeing Range and If-Range. False is for apps that fetch ranges from
        a store of their own and answer 206 themselves.
    :param preconditions: whether If-Match, If-Unmodified-Since, If-None-Match and If-Modified-Since are evaluated.
    :param validators: whether a file on disk that comes without ETag or Last-Modified is given them.
    :param spool_limit: bytes of an answer of unknown length that are read ahead, for a request with Range, to learn
        its length; 0 reads nothing ahead.
    :param applies: called with environ (ASGI: scope) for each request; where it returns False the app is left alone
        altogether.
    :param on_plan: called with the server's environ (scope) and the ``Plan`` of each request that carries Range or a
        precondition. What it raises is logged and does not reach the client.
    :raises InvalidOption: naming the option and the value that cannot work.
    """

    max_ranges: int = 100
    block_size: int = 131072
    hide_range: bool = True
    preconditions: bool = True
    validators: bool = True
    spool_limit: int = 0
    applies: Callable[[dict[str, Any]], bool] | None = None
    on_plan: Callable[[dict[str, Any], Plan], object] | None = None

    def __post_init__(self) -> None:
        for name, least in (("max_ranges", 1), ("block_size", 1), ("spool_limit", 0)):
            self._check_number(name, least)
        for name in ("hide_range", "preconditions", "validators"):
            self._check(name, isinstance(getattr(self, name), bool), "True or False")
        for name in ("applies", "on_plan"):
            value = getattr(self, name)
            self._check(name, value is None or callable(value), "callable or None")

    @classmethod
    def read(cls, options: Mapping[str, object]) -> Options:
        """The options given by name.

        :raises InvalidOption: also for a name that is none.
        """
        known = [field.name for field in fields(cls)]
        for name, value in options.items():
            if name not in known:
                raise InvalidOption(f"{name}={value!r} is no option; there are {', '.join(known)}")
        return cls(**cast(Any, options))

    @classmethod
    def around(cls, app: object, protocol: str, options: Mapping[str, object]) -> Options:
        """The options given by name for a middleware around this app.

        :raises InvalidOption: also if the app is none.
        """
        if not callable(app):
            raise InvalidOption(f"app must be {protocol} application, not {app!r}")
        return cls.read(options)

    @property
    def limits(self) -> Limits:
        """The bounds that the decision needs."""
        return Limits(self.max_ranges)

    def _check_number(self, name: str, least: int) -> None:
        value = getattr(self, name)
        whole = isinstance(value, int) and not isinstance(value, bool)
        self._check(name, whole and least <= value <= _MOST, f"a whole number from {least} to 2**62")

    def _check(self, name: str, holds: bool, wanted: str) -> None:
        if not holds:
            raise InvalidOption(f"{name} must be {wanted}, not {getattr(self, name)!r}")
