"""The examples of the documentation work."""

from __future__ import annotations

import os
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from rangeware import OpenableBody, RangeMiddleware
from tests.stores.bucket import CONTENT
from tests.stores.examples import EncryptedFile, SqliteBlob, ZipMember
from tests.support import answering, get, parts

LENGTH = len(CONTENT)
KEY = bytes(range(32))
NONCE = b"\xff" * 15 + b"\xfe"  # so that the counter overflows on its way


def blob(folder: Path) -> OpenableBody:
    path = str(folder / "films.db")
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE films (content BLOB, version INTEGER)")
        connection.execute("INSERT INTO films VALUES (?, 7)", (CONTENT,))
    return SqliteBlob(path, 1)


def encrypted(folder: Path) -> OpenableBody:
    coded = Cipher(algorithms.AES(KEY), modes.CTR(NONCE)).encryptor().update(CONTENT)
    (folder / "film.aes").write_bytes(NONCE + coded)
    return EncryptedFile(str(folder / "film.aes"), KEY)


def member(folder: Path) -> OpenableBody:
    path = str(folder / "films.zip")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("other", b"x" * 999)
        archive.writestr("film", CONTENT)
    return ZipMember(path, "film")


@pytest.mark.parametrize("make", [blob, encrypted, member], ids=lambda make: make.__name__)
def test_an_example(make: Callable[[Path], OpenableBody], tmp_path: Path) -> None:
    body = make(tmp_path)
    app = RangeMiddleware(answering(lambda: body))
    for first, last in ((0, 0), (15, 16), (16, 40), (17, 150_000), (LENGTH - 3, LENGTH - 1), (0, LENGTH - 1)):
        answer = get(app, f"bytes={first}-{last}", if_range=body.etag or "")
        assert (answer.status, answer.body) == (206, CONTENT[first:last + 1])
    assert [part.content for part in parts(get(app, "bytes=99999-100000,31-33"))] == [
        CONTENT[99_999:100_001], CONTENT[31:34]]
    assert get(app).body == CONTENT
    assert get(app).get("ETag") == body.etag


def test_a_blob_that_has_changed_is_not_read(tmp_path: Path) -> None:
    body = blob(tmp_path)
    with closing(sqlite3.connect(tmp_path / "films.db")) as connection, connection:
        connection.execute("UPDATE films SET version = 8")
    with pytest.raises(TypeError):
        next(iter(body.open_range(0, 9)))


def test_a_compressed_member_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "films.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("film", CONTENT)
    with pytest.raises(ValueError, match="film is compressed"):
        ZipMember(os.fspath(tmp_path / "films.zip"), "film")
