"""The options of a transfer, and those of a download, checked once. ``api.download`` describes each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict, TypeVar

from ..errors import InvalidOption
from .digests import parse_sha256
from .progress import Progress

if TYPE_CHECKING:
    import urllib3

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5
_DAY = 86400  # seconds
_OURS = {  # fields that decide which bytes a response has
    "accept-encoding", "content-length", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "range", "transfer-encoding",
}
_Self = TypeVar("_Self", bound="TransferOptions")


class TransferOptionsDict(TypedDict, total=False):
    """The options of any transfer as keyword arguments, for type checkers."""

    sha256: str | None
    limit_rate: int | None
    headers: Mapping[str, str]
    pool: urllib3.PoolManager | None
    progress: Callable[[Progress], object] | None
    stall: float
    tries: int
    first_delay: float
    longest_delay: float


class OptionsDict(TransferOptionsDict, total=False):
    """The options of a download as keyword arguments, for type checkers."""

    directory: str | os.PathLike[str]
    segments: int
    force: bool
    allow_unknown_length: bool
    segment_size: int
    worthwhile: float


@dataclass(frozen=True)
class TransferOptions:
    """The options that a download and an upload have in common.

    :raises InvalidOption: naming the option and the value that cannot work.
    """

    sha256: str | None = None
    limit_rate: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    pool: urllib3.PoolManager | None = None
    progress: Callable[[Progress], object] | None = None
    stall: float = 15.0
    tries: int = 6
    first_delay: float = 0.5
    longest_delay: float = 30.0

    purpose: ClassVar[str] = "transfer"
    refused: ClassVar[frozenset[str]] = frozenset()
    """Headers that the caller must not set, in lower case."""

    @property
    def connections(self) -> int:
        """Connections at once, at most."""
        return 1

    def __post_init__(self) -> None:
        for name in ("tries", *(["limit_rate"] if self.limit_rate is not None else [])):
            check_number(name, getattr(self, name), 1, int)
        for name in ("stall", "first_delay", "longest_delay"):
            check_number(name, getattr(self, name), 0, (int, float))
        if not self.stall or self.stall > _DAY:
            raise InvalidOption(f"stall must be more than 0 and at most {_DAY} seconds, not {self.stall!r}")
        if self.sha256 is not None:
            object.__setattr__(self, "sha256", parse_sha256(self.sha256))
        object.__setattr__(self, "headers", dict(self.headers or {}))
        for name, value in self.headers.items():
            _check_header(name, value, self.refused)

    @classmethod
    def from_mapping(cls: type[_Self], options: Mapping[str, Any]) -> _Self:
        """Make the options from a mapping of names to values.

        :raises InvalidOption: if a name is not an option, or a value cannot work.
        """
        unknown = sorted(set(options) - {each.name for each in fields(cls)})
        if unknown:
            raise InvalidOption(f"{cls.purpose} has no option {unknown[0]!r}")
        return cls(**options)


@dataclass(frozen=True)
class DownloadOptions(TransferOptions):
    """The options of one download."""

    directory: str | os.PathLike[str] = "."
    segments: int = 4
    force: bool = False
    allow_unknown_length: bool = False
    segment_size: int = 1 << 20
    worthwhile: float = 1.0

    purpose: ClassVar[str] = "download"
    refused: ClassVar[frozenset[str]] = frozenset(_OURS)

    @property
    def connections(self) -> int:
        """Connections at once, at most."""
        return self.segments

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("segments", "segment_size"):
            check_number(name, getattr(self, name), 1, int)
        check_number("worthwhile", self.worthwhile, 0, (int, float))


def check_number(name: str, value: Any, least: int, kinds: Any) -> None:
    """Check a number.

    :raises InvalidOption: unless it is one of these kinds, and at least ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < 2**62:
        raise InvalidOption(f"{name} must be a number of at least {least}, not {value!r}")


def _check_header(name: Any, value: Any, refused: frozenset[str]) -> None:
    """Check a header that is sent along with each request. One that would change what we ask for is refused."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name) or name.lower() in refused:
        raise InvalidOption(f"headers must not contain a header named {name!r}")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise InvalidOption(f"headers must have text of one line as the value of {name}")
