"""Lists of checksums, as the programs that make them write them; the digests are those of hashlib."""

from __future__ import annotations

import hashlib
import pathlib
import shutil
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rangeware.client.checksum_files import ChecksumList
from rangeware.client.digests import Digest
from rangeware.errors import InvalidOption

CONTENT = b"the content of the file"


def made(name: str, content: bytes = CONTENT) -> Digest:
    return Digest(name, hashlib.new(name, content).digest())


def digits(name: str, content: bytes = CONTENT) -> str:
    return made(name, content).value.hex()


MD5, SHA1, SHA256, SHA512 = made("md5"), made("sha1"), made("sha256"), made("sha512")
HEX = SHA256.value.hex()
OTHER = digits("sha256", b"another")
SIGNED = f"""-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# a.iso: 1234 bytes
SHA256 (a.iso) = {HEX}
- {OTHER}  -dash
-----BEGIN PGP SIGNATURE-----

{OTHER}  a.iso
-----END PGP SIGNATURE-----
{OTHER}  a.iso
"""


@pytest.mark.parametrize(("text", "digest"), [
    pytest.param(f"{HEX}  a.iso\n", SHA256, id="GNU"),
    pytest.param(f"{HEX} *a.iso\n", SHA256, id="GNU, binary"),
    pytest.param(f"{HEX.upper()}  a.iso", SHA256, id="capitals, no line feed"),
    pytest.param(f"{HEX} a.iso\n", SHA256, id="one blank"),
    pytest.param(f"{HEX}\ta.iso\n", SHA256, id="a tab"),
    pytest.param(f"  {HEX}     a.iso  \r\n", SHA256, id="many blanks, CRLF"),
    pytest.param(f"\ufeff{HEX}  a.iso\n", SHA256, id="byte order mark"),
    pytest.param(f"{digits('md5')}  a.iso\n", MD5, id="md5 by its length"),
    pytest.param(f"{digits('sha1')}  a.iso\n", SHA1, id="sha1 by its length"),
    pytest.param(f"{digits('sha224')}  a.iso\n", made("sha224"), id="sha224 by its length"),
    pytest.param(f"{digits('sha384')}  a.iso\n", made("sha384"), id="sha384 by its length"),
    pytest.param(f"{digits('sha512')}  a.iso\n", SHA512, id="sha512 by its length"),
    pytest.param(f"SHA256 (a.iso) = {HEX}\n", SHA256, id="BSD"),
    pytest.param(f"SHA2-256(a.iso)= {HEX}\n", SHA256, id="OpenSSL 3"),
    pytest.param(f"BLAKE2b (a.iso) = {digits('blake2b')}\n", made("blake2b"), id="blake2b"),
    pytest.param(f"SHA3-512 (a.iso) = {digits('sha3_512')}\n", made("sha3_512"), id="sha3"),
    pytest.param(f"{OTHER}  b.iso\n{HEX}  a.iso\n{OTHER}  a.iso.sig\n", SHA256, id="among others"),
    pytest.param(f"# {OTHER}  a.iso\n; {OTHER}  a.iso\n// x\n\n{HEX}  a.iso\n", SHA256, id="comments"),
    pytest.param(f"{HEX}  ./a.iso\n", SHA256, id="in this folder"),
    pytest.param(f"{HEX}  pool/main/a.iso\n", SHA256, id="in a folder"),
    pytest.param(f"{HEX}  /home/build/a.iso\n", SHA256, id="with a whole path"),
    pytest.param(f"{OTHER}  old/a.iso\n{HEX}  a.iso\n", SHA256, id="the very name goes first"),
    pytest.param(f"{digits('md5')}  a.iso\n{HEX}  a.iso\n{digits('sha1')}  a.iso\n", SHA256, id="the strongest"),
    pytest.param(f"{HEX}  a.iso\n{HEX.upper()} *./a.iso\n", SHA256, id="twice alike"),
    pytest.param(f"{HEX}\n", SHA256, id="digits alone"),
    pytest.param(f"# of a.iso\n\n {digits('sha1').upper()}\r\n", SHA1, id="digits alone, with a comment"),
    pytest.param(SIGNED, SHA256, id="signed in clear: only what is signed"),
    pytest.param(f"{HEX}\n{OTHER}\n", None, id="digits alone, twice: of which file?"),
    pytest.param(f"{HEX}  A.iso\n{HEX}  xa.iso\n{HEX}  a.iso/b\n", None, id="other names"),
    pytest.param(f"{HEX}a  a.iso\n{HEX[1:]}  a.iso\n{HEX}a.iso\n{'g' * 64}  a.iso\n", None, id="other digits"),
    pytest.param(f"SHA256 (a.iso) = {HEX[2:]}\nMD5 (a.iso) = {HEX}\nMD17 (a.iso) = {HEX}\n", None, id="other lengths"),
    pytest.param(f"SHA256 a.iso = {HEX}\n(a.iso) = {HEX}\nSHA256 (a.iso = {HEX}\nSHA256 (a.iso)\n", None, id="no BSD"),
    pytest.param("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256", None, id="armour and no more"),
    pytest.param("<!DOCTYPE html><p>Not found", None, id="a page"),
    pytest.param("", None, id="empty"),
])
def test_the_digest_of_a_file(text, digest):
    assert ChecksumList(text).find("a.iso") == digest
    assert ChecksumList(text).find("./a.iso") == digest


@pytest.mark.parametrize(("text", "name"), [
    pytest.param(f"{HEX}  a b.iso", "a b.iso", id="blank within"),
    pytest.param(f"{HEX}   a.iso", " a.iso", id="blank before"),
    pytest.param(f"{HEX}  *a.iso", "*a.iso", id="star before"),
    pytest.param(f"SHA256 (a) = (b).iso) = {HEX}", "a) = (b).iso", id="parentheses"),
    pytest.param(f"\\{HEX}  a\\\\b\\nc\\rd.iso", "a\\b\nc\rd.iso", id="escaped by GNU"),
    pytest.param(f"\\SHA256 (a\\\\b.iso) = {HEX}", "a\\b.iso", id="escaped, tagged"),
    pytest.param(f"{HEX}  a\\\\b.iso", "a\\\\b.iso", id="not escaped"),
    pytest.param(f"{HEX}  ä€\u2028.iso", "ä€\u2028.iso", id="beyond ASCII"),
    pytest.param(f"{OTHER}  b/a.iso\n{HEX}  c/a.iso", "c/a.iso", id="a path"),
])
def test_names(text, name):
    assert ChecksumList(text).find(name) == SHA256


@pytest.mark.parametrize("text", [
    f"{HEX}  a.iso\n{OTHER}  a.iso\n",
    f"{HEX}  a.iso\nSHA256 (a.iso) = {OTHER}\n",
    f"{HEX}  x/a.iso\n{OTHER}  y/a.iso\n",
])
def test_entries_that_contradict_each_other(text):
    with pytest.raises(InvalidOption, match=r"^the list of checksums has two different sha256 for 'a.iso'$"):
        ChecksumList(text).find("a.iso")


NAMES = ["a.iso", "a b", " lead", "*star", "back\\slash", "line\nfeed", "cr\rx", "a) = (b", "ä€", "-dash", "(x)", "#c"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("program", [
    ["md5sum"], ["sha1sum", "-b"], ["sha256sum"], ["sha256sum", "--tag"], ["sha512sum", "--tag"], ["b2sum", "--tag"],
    ["sha384sum", "-t"],
])
def test_what_the_programs_of_gnu_write(tmp_path, name, program):
    if shutil.which(program[0]) is None:
        pytest.skip(f"there is no {program[0]}")
    (tmp_path / name).write_bytes(CONTENT)
    text = subprocess.run([*program, "--", name], cwd=tmp_path, check=True, capture_output=True).stdout.decode()
    algorithm = "blake2b" if program[0] == "b2sum" else program[0].removesuffix("sum")
    assert ChecksumList(f"{OTHER}  other\n{text}").find(name) == made(algorithm)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl")
@pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512", "sha3-256"])
def test_what_openssl_writes(tmp_path, algorithm):
    (tmp_path / "a.iso").write_bytes(CONTENT)
    command = ["openssl", "dgst", f"-{algorithm}", "a.iso"]
    text = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True).stdout.decode()
    assert ChecksumList(text).find("a.iso") == made(algorithm.replace("-", "_"))


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.text(), st.text())
def test_any_text_is_read(text, name):
    assert ChecksumList(text).find(name) is None


HOSTILE = (")", "(", ") = ", "SHA256 (", "\\", "- ", "a", "\n", HEX, f"{HEX} ", " ", "*", f"{HEX}  a\n", "SHA256 ()= ",
           "-----BEGIN PGP SIGNED MESSAGE-----\n", "#\n")


def read_hostile_lists():
    for piece in HOSTILE:
        for before in ("", "SHA256 (", "\\", f"{HEX}  ", "-----BEGIN PGP SIGNED MESSAGE-----\n\n"):
            ChecksumList(before + piece * (500_000 // len(piece))).find("x")


def test_whatever_is_in_a_list_it_is_read_in_linear_time():
    """Quadratic time would take hours."""
    code = "from tests.client.test_checksum_files import read_hostile_lists; read_hostile_lists()"
    subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parents[2], check=True, timeout=60)
