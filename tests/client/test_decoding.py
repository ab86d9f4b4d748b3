"""Undoing content codings: the coded bytes are made by the modules and programs that everybody uses."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import random
import shutil
import subprocess
import sys
import types
import zlib

import pytest

from rangeware.client.errors import DiskError, NetworkError
from rangeware.client.io import decoding
from rangeware.client.io.decoding import CodingError, decode, decoded, require_decoders

CONTENT = random.Random(5).randbytes(100_000) + b"plain text " * 200_000


def deflated(content: bytes, window: int = 15) -> bytes:
    packer = zlib.compressobj(wbits=window)
    return packer.compress(content) + packer.flush()


PACKED = {
    "gzip": gzip.compress(CONTENT), "deflate": deflated(CONTENT), "bzip2": bz2.compress(CONTENT),
    "xz": lzma.compress(CONTENT, preset=0), "lzma": lzma.compress(CONTENT, lzma.FORMAT_ALONE, preset=0),
}


def undone(packed: bytes, coding: str, size: int = 1 << 20) -> bytes:
    pieces = (packed[pos:pos + size] for pos in range(0, len(packed), size))
    return b"".join(decoded(pieces, coding))


@pytest.mark.parametrize("size", [19, 65536, 1 << 22])
@pytest.mark.parametrize("coding", PACKED)
def test_undone(coding, size):
    assert undone(PACKED[coding], coding, size) == CONTENT


def test_deflate_without_header():
    assert undone(deflated(CONTENT, -15), "deflate") == CONTENT


@pytest.mark.parametrize("coding", ["gzip", "bzip2", "xz"])
@pytest.mark.parametrize("size", [1, 100, 1 << 20])
def test_several_members(coding, size):
    """`cat a.gz b.gz` (RFC 1952 2.2), as pigz, bgzip and pbzip2 write them."""
    packer = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[coding]
    packed = b"".join(map(packer, [b"one ", b"", b"two " * 1000, b"three"]))
    assert undone(packed, coding, size) == b"one " + b"two " * 1000 + b"three"


def test_padding_behind_gzip_is_not_content():
    """As on tapes; Python's gzip reads it the same way."""
    packed = gzip.compress(b"one ") + bytes(100) + gzip.compress(b"two") + bytes(3)
    assert undone(packed, "gzip", 50) == gzip.decompress(packed) == b"one two"


@pytest.mark.parametrize("coding", PACKED)
def test_nothing_is_nothing(coding):
    assert undone(b"", coding) == b""


@pytest.mark.parametrize("coding", PACKED)
def test_cut_off(coding):
    for length in (3, len(PACKED[coding]) // 2, len(PACKED[coding]) - 3):
        with pytest.raises(CodingError, match=f"^the {coding} coding of the file (ends too early|is damaged)"):
            undone(PACKED[coding][:length], coding)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "bzip2", "xz"])
def test_damaged(coding):
    packed = bytearray(PACKED[coding])
    packed[len(packed) // 3] ^= 1
    with pytest.raises(CodingError):
        undone(bytes(packed), coding)


@pytest.mark.parametrize("coding", ["gzip", "bzip2", "xz", "deflate"])
def test_something_else(coding):
    for other in (b"<html>", b"\xff" * 100, PACKED[coding] + b"garbage"):
        with pytest.raises(CodingError):
            undone(other, coding)


@pytest.mark.parametrize("coding", ["gzip", "bzip2", "xz"])
def test_memory_is_bounded(coding):
    """16 MiB of zeros come out of some KiB, a MiB at a time."""
    packed = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}[coding](bytes(1 << 24))
    lengths = [len(block) for block in decoded(iter([packed]), coding)]
    assert sum(lengths) == 1 << 24
    assert max(lengths) <= 1 << 20


def test_a_dictionary_of_gigabytes_is_refused():
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    header = bytearray(lzma.compress(b"x", filters=filters, check=lzma.CHECK_NONE))
    place = header.index(b"\x21\x01", 12) + 2
    header[place] = 40  # 4 GiB - 1
    header[20:24] = zlib.crc32(header[12:20]).to_bytes(4, "little")
    with pytest.raises(CodingError, match="[Mm]emory"):
        undone(bytes(header), "xz")


def test_what_gzip_writes(tmp_path):
    if shutil.which("gzip") is None:
        pytest.skip("there is no gzip")
    packed = subprocess.run(["gzip", "-9"], input=CONTENT, check=True, capture_output=True).stdout
    assert undone(packed, "gzip", 1000) == CONTENT


# --- Into a file ------------------------------------------------------------------------------------------------------


def test_into_a_file_in_several_codings(tmp_path):
    part = tmp_path / "a.part"
    part.write_bytes(gzip.compress(bz2.compress(CONTENT)))
    (tmp_path / "a.part.decoded").write_text("left by a run that was killed")
    made = decode(part, ("bzip2", "gzip"), "sha1")
    assert made == (tmp_path / "a.part.decoded", len(CONTENT), hashlib.sha1(CONTENT).digest())
    assert made.path.read_bytes() == CONTENT


def test_nothing_is_left_of_what_is_damaged(tmp_path):
    part = tmp_path / "a.part"
    part.write_bytes(PACKED["gzip"][:-9])
    with pytest.raises(CodingError):
        decode(part, ("gzip",), "sha256")
    assert list(tmp_path.iterdir()) == [part]


def test_a_full_disk(tmp_path):
    part = tmp_path / "a.part"
    part.write_bytes(PACKED["gzip"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "write_all", lambda *_: os.write(-1, b""))
        with pytest.raises(DiskError, match=r"a\.part\.decoded: "):
            decode(part, ("gzip",), "sha256")
    assert list(tmp_path.iterdir()) == [part]


# --- By modules that may be missing -----------------------------------------------------------------------------------


def test_what_is_always_there():
    require_decoders(("gzip", "deflate", "bzip2", "xz", "lzma"))


@pytest.mark.parametrize(("coding", "missing"), [("br", "brotli"), ("zstd", "backports")])
def test_a_missing_module_is_named(coding, missing, monkeypatch):
    for name in ("brotli", "compression.zstd", "compression", "backports", "backports.zstd"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(NetworkError, match=f"^undoing Content-Encoding {coding} needs the Python module {missing}"):
        require_decoders((coding,))


class Zstd:
    """Stands for the decoder of ``compression.zstd``, which is like that of ``bz2``."""

    ZstdDecompressor = bz2.BZ2Decompressor


class Brotli:
    """Stands for the module ``brotli``, by its documentation."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj()

    def process(self, data: bytes, output_buffer_limit: int) -> bytes:
        if self._inner.eof:
            raise RuntimeError("BrotliDecoderDecompressStream failed")
        return self._inner.decompress(self._inner.unconsumed_tail + data, output_buffer_limit)

    def is_finished(self) -> bool:
        return self._inner.eof

    def can_accept_more_data(self) -> bool:
        return not self._inner.unconsumed_tail


@pytest.mark.parametrize("name", ["compression.zstd", "backports.zstd"])
def test_zstd(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "compression.zstd", None)
    monkeypatch.setitem(sys.modules, name, Zstd)
    monkeypatch.setitem(sys.modules, name.partition(".")[0], types.ModuleType("parent"))
    require_decoders(("zstd",))
    assert undone(PACKED["bzip2"], "zstd", 1000) == CONTENT


def test_brotli(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", types.SimpleNamespace(Decompressor=Brotli))
    require_decoders(("br",))
    assert undone(PACKED["deflate"], "br", 1000) == CONTENT
    with pytest.raises(CodingError, match="ends too early"):
        undone(PACKED["deflate"][:-1], "br")


def test_a_brotli_that_cannot_be_held_back(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", types.SimpleNamespace(Decompressor=object))
    with pytest.raises(NetworkError, match="brotli 1.2"):
        require_decoders(("br",))
