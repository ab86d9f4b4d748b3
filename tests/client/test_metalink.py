"""Metalink documents: the examples of RFC 5854, what mirror managers send, and what is hostile."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rangeware.client.digests import Digest, Pieces
from rangeware.client.metalink import LONGEST_DOCUMENT, MetalinkFile, chosen_file, parse_metalink
from rangeware.errors import InvalidOption

# RFC 5854 1.1, shortened: its digests have other lengths than they should, so that those here are of hashlib.
SHA256 = hashlib.sha256(b"example.ext").hexdigest()
SHA1 = hashlib.sha1(b"example.ext").hexdigest()
PIECES = [hashlib.sha1(b"%d" % number).hexdigest() for number in range(3)]
OF_THE_RFC = f"""<?xml version="1.0" encoding="UTF-8"?>
<metalink xmlns="urn:ietf:params:xml:ns:metalink">
  <published>2009-05-15T12:23:23Z</published>
  <file name="example.ext">
    <size>14471447</size>
    <identity>Example</identity>
    <version>1.0</version>
    <language>en</language>
    <description>A description of the example file for download.</description>
    <hash type="sha-256">{SHA256}</hash>
    <hash type="sha-1">{SHA1}</hash>
    <hash type="sha-1024">00</hash>
    <pieces length="5000000" type="sha-1">
      <hash>{PIECES[0]}</hash><hash>{PIECES[1]}</hash><hash>
      {PIECES[2]}
      </hash>
    </pieces>
    <url location="de" priority="3">ftp://ftp.example.com/example.ext</url>
    <url location="fr" priority="2">http://example.com/b/example.ext</url>
    <url>http://example.com/last/example.ext</url>
    <url location="us" priority="1"> https://example.com/a/example.ext </url>
    <url priority="9">http://example.com/b/example.ext</url>
    <metaurl mediatype="torrent" priority="2">http://example.com/example.ext.torrent</metaurl>
  </file>
</metalink>"""

# As mirror managers of distributions send it: version 3, with digests of older versions in a namespace of their own.
OF_A_MIRROR_MANAGER = f"""<?xml version="1.0" encoding="utf-8"?>
<metalink version="3.0" xmlns="http://www.metalinker.org/" type="dynamic" xmlns:mm0="http://fedorahosted.org/mirrormanager">
 <files>
  <file name="repomd.xml">
   <mm0:timestamp>1700000000</mm0:timestamp>
   <size>4000</size>
   <verification><hash type="md5">{SHA1[:32]}</hash><hash type="sha256">{SHA256}</hash></verification>
   <mm0:alternates><mm0:alternate><size>1</size>
    <verification><hash type="sha512">{SHA256 * 2}</hash></verification></mm0:alternate></mm0:alternates>
   <resources maxconnections="1">
    <url protocol="rsync" type="rsync" preference="100">rsync://a/repomd.xml</url>
    <url protocol="http" type="http" location="DE" preference="98">http://b/repomd.xml</url>
    <url protocol="https" type="https" location="DE" preference="100">https://a/repomd.xml</url>
   </resources>
  </file>
 </files>
</metalink>"""


def of(body: str, name: str = "f") -> bytes:
    return f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="{name}">{body}</file></metalink>'.encode()


def test_the_example_of_the_rfc():
    assert parse_metalink(OF_THE_RFC.encode()) == (MetalinkFile(
        "example.ext", 14471447, Digest("sha256", bytes.fromhex(SHA256)),
        Pieces(5_000_000, "sha1", tuple(map(bytes.fromhex, PIECES))),
        ("https://example.com/a/example.ext", "http://example.com/b/example.ext",
         "http://example.com/last/example.ext")),)


def test_version_3():
    assert parse_metalink(OF_A_MIRROR_MANAGER.encode()) == (MetalinkFile(
        "repomd.xml", 4000, Digest("sha256", bytes.fromhex(SHA256)), None, ("https://a/repomd.xml", "http://b/repomd.xml")),)


def test_not_all_of_very_many_addresses_are_asked():
    urls = "".join(f'<url priority="{1000 - number}">http://h/{number}</url>' for number in range(1000))
    text = f'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="f">{urls}</file></metalink>'
    file, = parse_metalink(text.encode())
    assert file.urls == tuple(f"http://h/{number}" for number in range(999, 899, -1))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_encodings(encoding):
    document = OF_THE_RFC.replace('encoding="UTF-8"', f'encoding="{encoding.removesuffix("-sig")}"').encode(encoding)
    assert parse_metalink(document)[0].name == "example.ext"


@pytest.mark.parametrize(("name", "safe"), [
    ("a/b.iso", "b.iso"), ("../../etc/passwd", "passwd"), ("/etc/passwd", "passwd"), ("..", "download"),
    ("C:\\\\x.iso", "x.iso"), (".bashrc", "_bashrc"), ("", "download"), ("a&#x202e;b", "ab"), ("con", "_con"),
])
def test_a_name_cannot_leave_its_folder(name, safe):
    """RFC 5854 4.1.2.1."""
    assert parse_metalink(of("", name))[0].name == safe


@pytest.mark.parametrize(("document", "told"), [
    (b"", "no element found"), (b"<metalink/>", "another root"), (b"<html></html>", "another root"),
    (b'<x xmlns="urn:ietf:params:xml:ns:metalink"/>', "another root"),
    (b'<metalink xmlns="urn:ietf:params:xml:ns:metalink"/>', "describes no file"),
    (b'<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a"></metalink>', "mismatched tag"),
    (b'<?xml version="1.0" encoding="no-such"?><metalink/>', "encoding"),
    (of("<size>-5</size>"), "malformed size: '-5'"), (of("<size/>"), "malformed size"),
    (of("<size>9999999999999999999999</size>"), "malformed size"), (of("<size>٠</size>"), "malformed size"),
    (of('<hash type="sha-256">abc</hash>'), "malformed sha256"), (of('<hash type="md5"/>'), "malformed md5"),
    (of('<hash type="sha-256">' + "0" * 62 + "</hash>"), "malformed sha256"),
    (of('<size>10</size><pieces length="0" type="sha-1"/>'), "0 pieces of 0 bytes for 10 bytes"),
    (of('<size>10</size><pieces length="5" type="sha-1"><hash>' + "0" * 40 + "</hash></pieces>"), "1 pieces of"),
    (of('<size>10</size><pieces type="sha-1"/>'), "malformed length of pieces"),
    (b" " * (LONGEST_DOCUMENT + 1), "more than"), (of("<a>" * 20 + "</a>" * 20), "nested too deeply"),
])
def test_what_is_none_is_refused(document, told):
    with pytest.raises(InvalidOption, match=told):
        parse_metalink(document)


@pytest.mark.parametrize("doctype", [
    "<!DOCTYPE metalink>", '<!DOCTYPE m SYSTEM "file:///etc/passwd">', '<!DOCTYPE m [<!ENTITY a "b">]>',
    '<!DOCTYPE m [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_type_is_refused(doctype, encoding):
    """It could have entities that grow without bound, or read other files."""
    document = f'<?xml version="1.0" encoding="{encoding}"?>{doctype}<m>&a;</m>'.encode(encoding)
    with pytest.raises(InvalidOption, match="document type"):
        parse_metalink(document)


def test_an_entity_that_nobody_declared():
    with pytest.raises(InvalidOption, match="undefined entity"):
        parse_metalink(of("<size>&a;</size>"))


def test_pieces_that_say_nothing():
    """Of an unknown algorithm, or of a file of unknown size."""
    pieces = '<pieces length="5" type="{}"><hash>' + "0" * 40 + "</hash></pieces>"
    assert parse_metalink(of("<size>5</size>" + pieces.format("crc9")))[0].pieces is None
    assert parse_metalink(of(pieces.format("sha-1")))[0].pieces is None
    both = "<size>5</size>" + pieces.format("sha-1") + pieces.format("md5").replace("0" * 40, "1" * 32)
    assert parse_metalink(of(both))[0].pieces == Pieces(5, "sha1", (bytes(20),))


def test_one_of_several_files():
    files = [MetalinkFile(name, None, None, None, ()) for name in ("a", "b", "b")]
    assert chosen_file(files, "a") is chosen_file(files[:1], None) is files[0]
    for name in (None, "b", "c"):
        with pytest.raises(InvalidOption, match=r"has 3 files \(a, b, b\): choose one"):
            chosen_file(files, name)


def read_hostile_documents():
    head = '<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="a"><size>5</size>'
    for piece in ("<a>", "<file>", "<url>http://a/</url>", '<hash type="md5">', "&#97;", "<x a='b'/>", "]]>", "<!--",
                  "<files>", "<?x?>", "<verification/>", "<resources>", "a"):
        for document in (head + piece * (1_000_000 // len(piece)), "<a" + piece * (1_000_000 // len(piece))):
            with pytest.raises(InvalidOption):
                parse_metalink(document.encode())


def test_whatever_is_sent_is_read_in_linear_time():
    code = "from tests.client.test_metalink import read_hostile_documents; read_hostile_documents()"
    subprocess.run([sys.executable, "-c", code], cwd=pathlib.Path(__file__).parents[2], check=True, timeout=60)


@settings(derandomize=True, deadline=None, database=None, max_examples=300)
@given(st.binary())
def test_any_bytes_are_refused(document):
    with pytest.raises(InvalidOption):
        parse_metalink(document)
