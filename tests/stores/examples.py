"""Bodies that open themselves, as an app would write them: a blob in a database, an encrypted file, a zip member.

The documentation shows them. Each keeps its promise without rangeware, too, and opens nothing before it is read.
"""

from __future__ import annotations

import os
import sqlite3
import struct
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timezone

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rangeware import OpenableBody

BLOCK_SIZE = 65_536


class SqliteBlob(OpenableBody):
    """A blob in SQLite: ``substr`` reads no more of it than it returns."""

    def __init__(self, database: str, rowid: int) -> None:
        self.database, self.rowid = database, rowid
        with closing(sqlite3.connect(database)) as connection:
            found = connection.execute("SELECT length(content), version FROM films WHERE rowid = ?", (rowid,))
            self.complete_length, version = found.fetchone()
        self.etag = f'"{rowid}-{version}"'

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        """Read block by block. If the version is no longer that of the ETag, there is no row, and that is an error."""
        query = "SELECT substr(content, ?, ?) FROM films WHERE rowid = ? AND printf('\"%d-%d\"', rowid, version) = ?"
        with closing(sqlite3.connect(self.database, check_same_thread=False)) as connection:
            for pos in range(first_pos, last_pos + 1, BLOCK_SIZE):
                size = min(BLOCK_SIZE, last_pos + 1 - pos)
                yield connection.execute(query, (pos + 1, size, self.rowid, self.etag)).fetchone()[0]


class EncryptedFile(OpenableBody):
    """A file encrypted with AES-CTR, whose first 16 bytes are the nonce: any position can be decrypted at once."""

    def __init__(self, path: str, key: bytes) -> None:
        self.path, self.key = path, key
        status = os.stat(path)
        self.complete_length = status.st_size - 16
        self.etag = f'"{status.st_size:x}-{status.st_mtime_ns:x}"'
        self.last_modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        """Decrypt from the start of the cipher's block on, and leave out what is before the range."""
        start = first_pos - first_pos % 16
        with open(self.path, "rb") as file:
            counter = (int.from_bytes(file.read(16), "big") + start // 16) % 2**128
            decrypt = Cipher(algorithms.AES(self.key), modes.CTR(counter.to_bytes(16, "big"))).decryptor().update
            file.seek(16 + start)
            yield decrypt(file.read(16))[first_pos - start:]
            while block := file.read(BLOCK_SIZE):
                yield decrypt(block)


class ZipMember(OpenableBody):
    """A member of a zip file that is stored uncompressed, as films and pictures are: its bytes are read in place."""

    def __init__(self, path: str, name: str) -> None:
        self.path, self.name = path, name
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(name)
        if member.compress_type != zipfile.ZIP_STORED:
            raise ValueError(f"{name} is compressed: it can be read from its start only")
        self.complete_length, self.header_offset = member.file_size, member.header_offset
        self.etag = f'"{os.stat(path).st_mtime_ns:x}-{member.CRC:x}"'

    def open_range(self, first_pos: int, last_pos: int) -> Iterator[bytes]:
        """Find the content behind the local header, whose length is in its bytes 26 to 29."""
        with open(self.path, "rb") as file:
            file.seek(self.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", file.read(4))
            file.seek(self.header_offset + 30 + name_length + extra_length + first_pos)
            while block := file.read(BLOCK_SIZE):
                yield block
