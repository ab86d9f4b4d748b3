"""The expected digest, as the user, the URL or the server gives it."""

import base64
import hashlib
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rangeware.client.digests import (
    Digest,
    declared_digest,
    digest_of,
    digest_of_fragment,
    parse_checksum,
    parse_sha256,
)
from rangeware.errors import InvalidOption

PROPERTY = settings(derandomize=True, deadline=None, database=None, max_examples=400)

CONTENT = b'{"hello": "world"}\n'  # the representation in the examples of RFC 9530 (with its line feed)
SHA256 = Digest("sha256", hashlib.sha256(CONTENT).digest())
SHA512 = Digest("sha512", hashlib.sha512(CONTENT).digest())
IN_256 = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="  # as RFC 9530 prints it
IN_512 = "YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg=="
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
SHORT = base64.b64encode(SHA256.value[:31]).decode()
LONG = base64.b64encode(SHA256.value + b"x").decode()

REPR_DIGESTS = [
    pytest.param(f"sha-256=:{IN_256}:", SHA256, id="RFC 9530 3"),
    pytest.param(f"sha-512=:{IN_512}:", SHA512, id="RFC 9530 2, sha-512"),
    pytest.param(f"sha-256=:{IN_256}:, sha-512=:{IN_512}:", SHA512, id="the stronger"),
    pytest.param(f"sha-512=:{IN_512}:,sha-256=:{IN_256}:", SHA512, id="the stronger comes first"),
    pytest.param(f" md5=:{MD5}: ,\tsha-256=:{IN_256}: ", SHA256, id="beside a weak one"),
    pytest.param(f"sha-256=:{SHORT}:, sha-256=:{IN_256}:", SHA256, id="the last of a key counts (RFC 8941 4.2.2)"),
    pytest.param(f"sha-256=:{IN_256}:;a;b=1;c=\"x, y\";d=?1;e=:YQ==:", SHA256, id="parameters"),
    pytest.param(f'a, b=1.5, c="x,\\" =:", d=tok/en, e=?0, sha-256=:{IN_256}:', SHA256, id="members of other kinds"),
    pytest.param(f"sha-256=:{IN_256.rstrip('=')}:", SHA256, id="without padding (RFC 8941 4.2.7)"),
    pytest.param(f"sha-256=:{SHORT}:, sha-512=:{IN_512}:", SHA512, id="a broken one beside"),
    pytest.param(f"md5=:{MD5}:", None, id="md5"),
    pytest.param("sha=:YQ==:, unixsum=:YQ==:, unixcksum=:YQ==:, adler=:YQ==:, crc32c=:YQ==:", None, id="weak ones"),
    pytest.param(f"sha-1024=:{IN_256}:", None, id="not known"),
    pytest.param(f"sha-256={IN_256}", None, id="without colons"),
    pytest.param(f'sha-256="{IN_256}"', None, id="a string"),
    pytest.param("sha-256", None, id="no value"),
    pytest.param("sha-256=10", None, id="a number"),
    pytest.param(f"SHA-256=:{IN_256}:", None, id="keys are lower case"),
    pytest.param(f"sha-256=:{SHORT}:", None, id="too short"),
    pytest.param(f"sha-256=:{LONG}:", None, id="too long"),
    pytest.param(f"sha-256=:{IN_256[:-3]}=:", None, id="no base64"),
    pytest.param("sha-256=::", None, id="empty"),
    pytest.param(f"sha-256=:{IN_256}:,", None, id="comma at the end"),
    pytest.param(f"sha-256=:{IN_256}: x", None, id="more behind it"),
    pytest.param(f"sha-256=:{IN_256}", None, id="colon missing"),
    pytest.param(f"sha-256=:{IN_256}:, ä=1", None, id="broken elsewhere: all of it"),
    pytest.param("", None, id="empty field"),
]
DIGESTS = [
    pytest.param("SHA=thvDyvhfIqlvFe+A9MYgxAfm1q5=,unixsum=30637", None, id="RFC 3230 4.3.2, weak"),
    pytest.param("md5=HUXZLQLMuI/KZ5KDcJPcOA==", None, id="RFC 3230 4.3.2, md5"),
    pytest.param(f"sha-256={IN_256}", SHA256, id="sha-256"),
    pytest.param(f"SHA-256={IN_256}", SHA256, id="names in any case"),
    pytest.param(f"SHA-512={IN_512}", SHA512, id="sha-512"),
    pytest.param(f"SHA-256={IN_256}, SHA-512={IN_512}", SHA512, id="the stronger"),
    pytest.param(f"unixsum=30637 , sha-256={IN_256} ", SHA256, id="beside a weak one, blanks"),
    pytest.param(f"sha-256=###,,=,x,sha-256={IN_256}", SHA256, id="broken ones beside"),
    pytest.param(f"sha-256={SHA256.value.hex()}", None, id="hex"),
    pytest.param("SHA-256=MWVkMWQxYTRiMzk5MDQ0MzI3NGU5NDEyZTk5OWY1ZGFmNzgyZTJlODYzYjRjYzFhOTlmNTQwYzI2M2QwM2U2MQ==",
                 None, id="RFC 5843's example: base64 of hex"),
    pytest.param(f"sha-256=:{IN_256}:", None, id="written like Repr-Digest"),
    pytest.param(f"id-sha-256={IN_256}", None, id="id-sha-256 is not known"),
    pytest.param("", None, id="empty"),
]


@pytest.mark.parametrize(("value", "digest"), REPR_DIGESTS)
def test_repr_digest(value, digest):
    assert declared_digest({"repr-digest": value}) == digest


@pytest.mark.parametrize(("value", "digest"), DIGESTS)
def test_digest(value, digest):
    assert declared_digest({"digest": value}) == digest


def test_algorithm_is_named_as_hashlib_does():
    for fields in ({"repr-digest": f"sha-256=:{IN_256}:"}, {"digest": f"sha-512={IN_512}"}):
        digest = declared_digest(fields)
        assert hashlib.new(digest.algorithm, CONTENT).digest() == digest.value


def test_the_strongest_of_both_fields_counts_and_repr_digest_where_they_are_alike():
    other = base64.b64encode(bytes(32)).decode()
    assert declared_digest({"repr-digest": f"sha-256=:{IN_256}:", "digest": f"sha-512={IN_512}"}) == SHA512
    assert declared_digest({"repr-digest": f"sha-256=:{IN_256}:", "digest": f"sha-256={other}"}) == SHA256


def test_digest_of_the_content_sent_is_not_looked_at():
    assert declared_digest({"content-digest": f"sha-256=:{IN_256}:", "content-md5": MD5, "etag": '"x"'}) is None
    assert declared_digest({}) is None


@PROPERTY
@given(st.text(), st.text())
def test_any_field_is_read_or_ignored(repr_digest, digest):
    declared_digest({"repr-digest": repr_digest, "digest": digest})


@PROPERTY
@given(st.binary(min_size=32, max_size=32))
def test_every_sha_256_is_read_from_every_place(value):
    in_base64, in_hex = base64.b64encode(value).decode(), value.hex()
    assert declared_digest({"repr-digest": f"sha-256=:{in_base64}:"}) == ("sha256", value)
    assert declared_digest({"digest": f"sha-256={in_base64}"}) == ("sha256", value)
    assert digest_of_fragment(f"http://example.com/#sha256={in_hex}") == ("sha256", value)
    assert parse_sha256(in_hex.upper()) == in_hex


HOSTILE = ("a,", "a;", ";", ",", '"', '\\"', 'a="', "a=:", ":", "=", " ", "1", "a=1;b,", "sha-256=,", "a=1.5;")


def read_hostile_fields():
    for piece in HOSTILE:
        for before in ("", 'a="', "a=:", "sha-256=:"):
            many = before + piece * (100_000 // len(piece))
            assert declared_digest({"repr-digest": many, "digest": many}) is None


def test_whatever_is_sent_is_read_in_linear_time():
    """Quadratic time would take minutes for each."""
    code = "from tests.client.test_digests import read_hostile_fields; read_hostile_fields()"
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=240)


# --- By the user and the address --------------------------------------------------------------------------------------

HEX = SHA256.value.hex()


@pytest.mark.parametrize("text", [HEX, HEX.upper(), f" {HEX}\n"])
def test_sha256_of_the_user(text):
    assert parse_sha256(text) == HEX


@pytest.mark.parametrize("text", ["", HEX[:-1], HEX + "0", HEX[:-1] + "g", f"0x{HEX[2:]}", f"sha256:{HEX}", "٠" * 64,
                                  f"{HEX[:32]} {HEX[32:]}", None, SHA256.value])
def test_sha256_that_is_none_is_refused(text):
    with pytest.raises(InvalidOption, match="^sha256 must be 64 hex digits, not "):
        parse_sha256(text)


def of_hashlib(name):
    return Digest(name, hashlib.new(name, CONTENT).digest())


ALGORITHMS = ["md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3_224", "sha3_256", "sha3_384", "sha3_512",
              "blake2b", "blake2s"]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_checksum_of_the_user(name):
    """Python has these on every system."""
    digits = hashlib.new(name, CONTENT).hexdigest()
    assert parse_checksum(f"{name}:{digits}") == of_hashlib(name)
    assert parse_checksum(f" {name.upper().replace('_', '-')}: {digits.upper()}\n") == of_hashlib(name)
    assert str(of_hashlib(name)) == f"{name}:{digits}"


@pytest.mark.parametrize("text", [
    "", ":", HEX, f":{HEX}", "sha256", f"sha256={HEX}", f"sha9:{HEX}", f"shake_128:{HEX}", f"crc32:{HEX[:8]}", 5, None,
    f"sha_2_5_7:{HEX}",
])
def test_checksum_without_an_algorithm_that_is_known_is_refused(text):
    with pytest.raises(InvalidOption, match="^checksum must be ALGORITHM:HEX with one of sha512, .*, md5, not "):
        parse_checksum(text)


@pytest.mark.parametrize(("text", "told"), [
    ("md5:" + HEX, "md5 must be 32 hex digits"), ("sha1:" + HEX[:39], "sha1 must be 40 "),
    ("sha512:", "sha512 must be"),
    ("sha384:" + "g" * 96, "sha384 must be 96 "), ("blake2b:" + HEX, "blake2b must be 128 "),
    ("sha256:" + HEX[1:], "64 "), ("md5:" + "٠" * 32, "32 "),
])
def test_checksum_with_other_digits_is_refused(text, told):
    with pytest.raises(InvalidOption, match=told):
        parse_checksum(text)


@pytest.mark.parametrize(("fragment", "digest"), [
    pytest.param(f"#sha256={HEX}", SHA256, id="alone"),
    pytest.param(f"#SHA256={HEX.upper()}", SHA256, id="any case"),
    pytest.param(f"#egg=x&sha256={HEX}&subdirectory=y", SHA256, id="among others"),
    pytest.param("", None, id="none"),
    pytest.param("#", None, id="empty"),
    pytest.param("#chapter-2", None, id="another"),
    pytest.param("#sha256", None, id="no value"),
    pytest.param(f"#md5={of_hashlib('md5').value.hex()}", of_hashlib("md5"), id="md5, as pip has it"),
    pytest.param(f"#sha1={of_hashlib('sha1').value.hex()}", of_hashlib("sha1"), id="sha1"),
    pytest.param(f"#md5={'0' * 32}&sha-512={SHA512.value.hex()}&sha256={HEX}", SHA512, id="the strongest"),
    pytest.param(f"?sha256={HEX}", None, id="in the query"),
    pytest.param(f"#xsha256={HEX}", None, id="another name's end"),
])
def test_digest_of_the_address(fragment, digest):
    assert digest_of_fragment(f"https://example.com/a.zip{fragment}") == digest


@pytest.mark.parametrize("value", ["", "abc", HEX[:-1], HEX + "00"])
@pytest.mark.parametrize("name", ["sha256", "md5", "sha512"])
def test_digest_of_the_address_that_is_none_is_refused(value, name):
    with pytest.raises(InvalidOption, match=f"^{name} must be "):
        digest_of_fragment(f"https://example.com/a.zip#sha1={'a' * 40}&{name}={value}")


@pytest.mark.parametrize("name", ALGORITHMS)
def test_digest_in_hex_is_read_again(name):
    digest = of_hashlib(name)
    assert digest_of(digest.algorithm, digest.value.hex()) == digest


@pytest.mark.parametrize(("algorithm", "digits"), [
    pytest.param("sha256", HEX[:-2], id="too short"),
    pytest.param("sha256", SHA512.value.hex(), id="too long"),
    pytest.param("sha256", "x" * 64, id="no hex"),
    pytest.param("sha256", "", id="empty"),
    pytest.param("SHA-256", HEX, id="not as hashlib names it"),
    pytest.param("shake_128", "00", id="without a length of its own"),
    pytest.param("nonsense", HEX, id="not known"),
    pytest.param("", "", id="none"),
])
def test_digest_in_hex_that_is_none_is_refused(algorithm, digits):
    with pytest.raises(ValueError, match=f"^{algorithm}$|hexadecimal"):
        digest_of(algorithm, digits)
