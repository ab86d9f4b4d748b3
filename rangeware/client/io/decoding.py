"""Undo the content codings of a complete file, with bounded memory.

The coded bytes stay in the part file until all of them have been decoded into a file beside it: so the download can be
resumed, and nothing is lost if they turn out to be damaged.
"""

from __future__ import annotations

import bz2
import contextlib
import hashlib
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..errors import NetworkError
from .filesystem import CLOEXEC, NOFOLLOW, disk_errors, sync_directory, write_all
from .part_file import PartFile
from .part_names import decoded_of, journal_of

_BLOCK = 1 << 20
_MOST_MEMORY = 1 << 28  # bytes: a coding may ask for gigabytes
_ZLIB_METHOD = 8  # RFC 1950 2.2
_WITH_GZIP_HEADER, _WITH_ZLIB_HEADER, _WITHOUT_HEADER = 31, 15, -15


class CodingError(Exception):
    """The bytes are not in the coding that they should be in, or end too early."""


class Decoded(NamedTuple):
    """A decoded file.

    :param path: where it is for now.
    :param length: in bytes.
    :param digest: by the algorithm that was asked for.
    """

    path: Path
    length: int
    digest: bytes


class _Decoder(Protocol):
    """The decoder of one member, as in ``bz2`` and ``lzma``. Input that it has not used yet it keeps."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Inflater:
    """A ``zlib`` decoder that keeps its input as the others do."""

    def __init__(self, window: int) -> None:
        self._inflater = zlib.decompressobj(window)

    @property
    def eof(self) -> bool:
        return self._inflater.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflater.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inflater.decompress(self._inflater.unconsumed_tail + data, max_length)


class _Brotli:
    """A decoder of the module ``brotli``, which has no members: it refuses all that follows the end."""

    unused_data = b""

    def __init__(self) -> None:
        self._brotli = import_module("brotli").Decompressor()
        if not hasattr(self._brotli, "can_accept_more_data"):  # a small input may have an output of any size
            raise ModuleNotFoundError(name="brotli 1.2")

    @property
    def eof(self) -> bool:
        return bool(self._brotli.is_finished())

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return bytes(self._brotli.process(data, output_buffer_limit=max_length))


def _zstd() -> Any:
    """The module for zstd: a part of Python from 3.14 on; its backport has another name."""
    try:
        return import_module("compression.zstd")
    except ModuleNotFoundError:
        return import_module("backports.zstd")


def _deflate(begin: bytes) -> _Decoder:
    """Make a decoder of ``deflate``. It has a header (RFC 9110 8.4.1.2), which some servers leave out."""
    has_header = begin[0] & 15 == _ZLIB_METHOD and int.from_bytes(begin[:2], "big") % 31 == 0
    return _Inflater(_WITH_ZLIB_HEADER if has_header else _WITHOUT_HEADER)


_MADE: dict[str, Callable[[bytes], _Decoder]] = {
    "gzip": lambda begin: _Inflater(_WITH_GZIP_HEADER),
    "deflate": _deflate,
    "bzip2": lambda begin: bz2.BZ2Decompressor(),
    "xz": lambda begin: lzma.LZMADecompressor(lzma.FORMAT_XZ, _MOST_MEMORY),
    "lzma": lambda begin: lzma.LZMADecompressor(lzma.FORMAT_ALONE, _MOST_MEMORY),
    "br": lambda begin: _Brotli(),
    "zstd": lambda begin: _zstd().ZstdDecompressor(),
}
"""By the name of a coding: makes a decoder for a member that begins with these bytes."""


def require_decoders(codings: tuple[str, ...]) -> None:
    """Check that the decoders are there, before a long download.

    :raises NetworkError: naming the module that is missing.
    """
    for coding in codings:
        try:
            _MADE[coding](b"\0")
        except ModuleNotFoundError as exc:
            raise NetworkError(f"undoing Content-Encoding {coding} needs the Python module {exc.name}") from None


def decoded(blocks: Iterator[bytes], coding: str) -> Iterator[bytes]:
    """Undo a coding, in blocks that are never empty. The content may have several members, as of gzip (RFC 1952 2.2).

    :raises CodingError: if it is damaged, ends too early, or something else follows. No bytes at all are none decoded.
    """
    decoder: _Decoder | None = None
    padding = b""
    for block in blocks:
        data = block
        while data := data.lstrip(padding) if decoder is None else data:
            decoder = decoder or _MADE[coding](data)
            yield from _drained(decoder, data, coding)
            data = decoder.unused_data if decoder.eof else b""
            decoder, padding = (None, b"\0") if decoder.eof else (decoder, b"")
    if decoder is not None:
        raise CodingError(f"the {coding} coding of the file ends too early")


def _drained(decoder: _Decoder, data: bytes, coding: str) -> Iterator[bytes]:
    try:
        while block := decoder.decompress(data, _BLOCK):
            yield block
            if decoder.eof:
                return
            data = b""
    except Exception as exc:  # each module has its own, and one has OSError
        raise CodingError(f"the {coding} coding of the file is damaged: {exc}") from exc


def decode(part: Path, codings: tuple[str, ...], algorithm: str) -> Decoded:
    """Decode a complete file into another one beside it.

    :param codings: in the order in which they were applied.
    :param algorithm: of the digest to make, as ``hashlib`` names it.
    :raises CodingError: if it is damaged. Nothing is left then.
    :raises DiskError: if it cannot be written. Nothing is left then, either.
    """
    path = decoded_of(part)
    with disk_errors(path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | CLOEXEC | NOFOLLOW, 0o666)
    made, length = hashlib.new(algorithm, usedforsecurity=False), 0
    try:
        for block in _undone(part, codings):
            with disk_errors(path):
                write_all(descriptor, block)
            made.update(block)
            length += len(block)
    except BaseException:
        os.unlink(path)
        raise
    finally:
        os.close(descriptor)
    return Decoded(path, length, made.digest())


def _undone(part: Path, codings: tuple[str, ...]) -> Iterator[bytes]:
    blocks = _blocks(part)
    for coding in reversed(codings):
        blocks = decoded(blocks, coding)
    return blocks


def _blocks(path: Path) -> Iterator[bytes]:
    with disk_errors(path), path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def replace(part_file: PartFile, path: Path) -> None:
    """Replace the coded bytes in a part file by the decoded ones. The journal goes first: it names the coded ones."""
    with disk_errors(part_file.path):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(journal_of(part_file.path))
        sync_directory(part_file.path.parent)
        os.replace(path, part_file.path)
    part_file.reopen()
