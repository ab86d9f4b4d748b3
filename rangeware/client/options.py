"""The options of a transfer, and those of a download, checked once. ``api.download`` describes each of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..errors import InvalidOption
from .digests import Digest, Pieces, parse_checksum, parse_sha256
from .progress import Progress

if TYPE_CHECKING:
    import urllib3

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)  # RFC 9110 5.6.2
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")  # RFC 9110 5.5
_DAY = 86400  # seconds
_PATIENCE = 4  # times the longest silence, until the first byte: some servers make an archive first
_OURS = {  # fields that decide which bytes a response has
    "accept-encoding", "content-length", "host", "if-match", "if-modified-since", "if-none-match", "if-range",
    "if-unmodified-since", "range", "transfer-encoding",
}
_Self = TypeVar("_Self", bound="TransferOptions")


@dataclass(frozen=True)
class TransferOptions:
    """The options that a download and an upload have in common.

    :raises InvalidOption: naming the option and the value that cannot work.
    """

    sha256: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    limit_rate: int | None = None
    progress: Callable[[Progress], object] | None = None
    trace: Callable[[str], object] | None = None
    timeout: float = 15.0
    first_byte: float | None = None
    tries: int = 6
    first_delay: float = 0.5
    longest_delay: float = 30.0
    cookies: str | os.PathLike[str] | None = None
    cacert: str | os.PathLike[str] | None = None
    insecure: bool = False
    pool: urllib3.PoolManager | None = None

    refused: ClassVar[frozenset[str]] = frozenset()
    """Headers that the caller must not set, in lower case."""
    older_names: ClassVar[Mapping[str, str]] = {"stall": "timeout"}
    """Options that ``from_mapping`` takes by an older name as well: that name, and the one of the field."""

    @property
    def connections(self) -> int:
        """Connections at once, at most."""
        return 1

    @property
    def until_first_byte(self) -> float:
        """Seconds that the first byte of a response, and then of its content, may take."""
        return _PATIENCE * self.timeout if self.first_byte is None else self.first_byte

    def __post_init__(self) -> None:
        for name in ("tries", *(["limit_rate"] if self.limit_rate is not None else [])):
            check_number(name, getattr(self, name), 1, int)
        for name in ("first_delay", "longest_delay"):
            check_number(name, getattr(self, name), 0, (int, float))
        for name in ("timeout", *(["first_byte"] if self.first_byte is not None else [])):
            _check_timeout(name, getattr(self, name))
        self._check_security()
        if self.sha256 is not None:
            object.__setattr__(self, "sha256", parse_sha256(self.sha256))
        object.__setattr__(self, "headers", dict(self.headers or {}))
        for name, value in self.headers.items():
            _check_header(name, value, self.refused)

    def _check_security(self) -> None:
        for name in ("cookies", "cacert"):
            path = getattr(self, name)
            if path is not None and not isinstance(path, (str, os.PathLike)):
                raise InvalidOption(f"{name} must be the path of a file, not {path!r}")
        if not isinstance(self.insecure, bool):
            raise InvalidOption(f"insecure must be True or False, not {self.insecure!r}")
        if self.pool is not None and (self.insecure or self.cacert is not None):
            name = "insecure" if self.insecure else "cacert"
            raise InvalidOption(f"{name} has no effect on a pool of your own: make the pool so")
        if self.trace is not None and not callable(self.trace):
            raise InvalidOption(f"trace must be a function, not {self.trace!r}")

    @classmethod
    def from_mapping(cls: type[_Self], options: Mapping[str, Any]) -> _Self:
        """Make the options from the parameters of ``download`` or ``upload``; None of an older name: it is not given.

        :raises InvalidOption: if a value cannot work, or an option is given by its older name as well.
        """
        given = dict(options)
        for older, name in cls.older_names.items():
            value, default = given.pop(older, None), getattr(cls, name)
            if value is not None and given.get(name, default) != default:
                raise InvalidOption(f"give either {name} or {older}, which is its older name, not both")
            if value is not None:
                given[name] = value
        return cls(**given)


@dataclass(frozen=True)
class DownloadOptions(TransferOptions):
    """The options of one download."""

    directory: str | os.PathLike[str] = "."
    connections: int = 4
    force: bool = False
    if_newer: bool = False
    skip_existing: bool = False
    continue_from: str | os.PathLike[str] | None = None
    checksum: str | None = None
    decode: bool | None = None
    allow_unknown_length: bool = False
    mirrors: Sequence[str] = ()
    pieces: Pieces | None = None
    metalink: bool | None = None
    metalink_file: str | None = None
    segment_size: int = 1 << 20
    worthwhile: float = 1.0

    refused: ClassVar[frozenset[str]] = frozenset(_OURS)
    older_names: ClassVar[Mapping[str, str]] = {**TransferOptions.older_names, "segments": "connections"}

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("connections", "segment_size"):
            check_number(name, getattr(self, name), 1, int)
        check_number("worthwhile", self.worthwhile, 0, (int, float))
        if self.checksum is not None:
            if self.sha256 is not None:
                raise InvalidOption("checksum cannot be given together with sha256")
            object.__setattr__(self, "checksum", str(parse_checksum(self.checksum)))
        if isinstance(self.mirrors, str) or not all(isinstance(url, str) for url in self.mirrors):
            raise InvalidOption(f"mirrors must be a sequence of URLs, not {self.mirrors!r}")
        object.__setattr__(self, "mirrors", tuple(self.mirrors))
        if self.pieces is not None and (not isinstance(self.pieces, Pieces) or self.digest is None):
            raise InvalidOption("pieces must be a digests.Pieces, and go with the digest of the file")
        for name in ("decode", "metalink"):
            if getattr(self, name) is not None and not isinstance(getattr(self, name), bool):
                raise InvalidOption(f"{name} must be True, False or None, not {getattr(self, name)!r}")

    @property
    def digest(self) -> Digest | None:
        """The digest that the file must have; None if the caller gives none."""
        given = f"sha256:{self.sha256}" if self.sha256 is not None else self.checksum
        return None if given is None else parse_checksum(given)


def check_number(name: str, value: Any, least: int, kinds: Any) -> None:
    """Check a number.

    :raises InvalidOption: unless it is one of these kinds, and at least ``least``.
    """
    if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value < 2**62:
        raise InvalidOption(f"{name} must be a number of at least {least}, not {value!r}")


def _check_timeout(name: str, value: Any) -> None:
    check_number(name, value, 0, (int, float))
    if not value or value > _DAY:
        raise InvalidOption(f"{name} must be more than 0 and at most {_DAY} seconds, not {value!r}")


def _check_header(name: Any, value: Any, refused: frozenset[str]) -> None:
    """Check a header that is sent along with each request. One that would change what we ask for is refused."""
    if not isinstance(name, str) or not _TOKEN.fullmatch(name) or name.lower() in refused:
        raise InvalidOption(f"headers must not contain a header named {name!r}")
    if not isinstance(value, str) or not _VALUE.fullmatch(value):
        raise InvalidOption(f"headers must have text of one line as the value of {name}")
