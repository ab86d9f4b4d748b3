"""The name of the file: what RFC 6266 and RFC 8187 say, and nothing that leaves its folder."""

import email.header
import email.message
import pathlib
import re
import subprocess
import sys
import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rangeware.client.filenames import _BLANKS, LONGEST_NAME, file_name, is_no_page, safe_name

PROPERTY = settings(derandomize=True, deadline=None, database=None, max_examples=400)

ADDRESS = "https://example.com/from/address.bin"
TOLD = [  # Content-Disposition                                     the name
    pytest.param("Attachment; filename=example.html", "example.html", id="RFC 6266 5, a token"),
    pytest.param('INLINE; FILENAME= "an example.html"', "an example.html", id="RFC 6266 5, a quoted-string"),
    pytest.param("attachment; filename*= UTF-8''%e2%82%ac%20rates", "€ rates", id="RFC 6266 5, filename*"),
    pytest.param("attachment; filename=\"EURO rates\"; filename*=utf-8''%e2%82%ac%20rates", "€ rates",
                 id="RFC 6266 5, both"),
    pytest.param("attachment; filename*=iso-8859-1'en'%A3%20rates", "£ rates", id="RFC 8187 3.2.3, ISO-8859-1"),
    pytest.param("attachment; filename*=UTF-8''%c2%a3%20and%20%e2%82%ac%20rates", "£ and € rates",
                 id="RFC 8187 3.2.3, UTF-8"),
    pytest.param("attachment; filename=Economy", "Economy", id="RFC 8187 3.2.3, token"),
    pytest.param('attachment; filename="US-$ rates"', "US-$ rates", id="RFC 8187 3.2.3, quoted-string"),
    pytest.param("attachment; filename*=UTF-8''x.txt; filename=y.txt", "x.txt", id="filename* first in the field too"),
    pytest.param('attachment; filename="a \\"b\\".txt"', "a _b_.txt", id="escapes"),
    pytest.param('attachment; filename="a;b=c.txt"; size=3', "a;b=c.txt", id="semicolon in quotes"),
    pytest.param('attachment;filename="a.txt";', "a.txt", id="semicolon at the end"),
    pytest.param('attachment;;; ;filename = "a.txt"', "a.txt", id="empty parameters, blanks around ="),
    pytest.param('attachment;\r\n filename="a.txt"', "a.txt", id="folded line"),
    pytest.param("filename=a.txt", "a.txt", id="no disposition type"),
    pytest.param("attachment; filename=my file.txt", "my file.txt", id="blanks without quotes"),
    pytest.param('attachment; filename="my file.txt', "my file.txt", id="quote not closed"),
    pytest.param('attachment; filename="my file.txt\\', "my file.txt", id="ends with the escape"),
    pytest.param('attachment; filename="a.txt"; filename="b.txt"', "a.txt", id="twice: the first"),
    pytest.param('attachment; filename; filename="b.txt"', "b.txt", id="one without a value"),
    pytest.param('attachment; xfilename="a.txt"; filename="b.txt"', "b.txt", id="another parameter's end"),
    pytest.param('attachment; x="; filename=a.txt"; filename=b.txt', "b.txt", id="name in another's quotes"),
    pytest.param('attachment; filename="na\u00c3\u00afve.txt"', "naïve.txt", id="UTF-8 that came as latin-1"),
    pytest.param('attachment; filename="na\u00efve.txt"', "naïve.txt", id="latin-1 is kept"),
    pytest.param('attachment; filename="€.txt"', "€.txt", id="more than latin-1 is kept"),
    pytest.param('attachment; filename="a%20b.txt"', "a%20b.txt", id="filename is not percent-decoded"),
    pytest.param("attachment; filename*=UTF-8''A-%2541.html", "A-%41.html", id="decoded once"),
    pytest.param("attachment; filename*=UTF-8''%5cfoo.html", "foo.html", id="path in percents"),
    pytest.param("attachment; filename*=UTF-8''..%2f..%2fetc%2fpasswd", "passwd", id="climbing in percents"),
    pytest.param("attachment; filename*=iso-8859-1''foo-%c3%a4.html", "foo-Ã¤.html", id="as the charset says"),
    pytest.param("attachment; filename*=ISO-8859-1'de-AT'gr%FC%DFe.txt", "grüße.txt", id="with a language"),
    pytest.param("attachment; filename*=\"UTF-8''na%C3%AFve.txt\"", "naïve.txt", id="filename* in quotes"),
    pytest.param("attachment; filename=UTF-8''na%C3%AFve.txt", "naïve.txt", id="filename with the value of filename*"),
    pytest.param("attachment; filename=\"utf-8'de'na%C3%AFve.txt\"", "naïve.txt", id="the same in quotes"),
    pytest.param("attachment; filename=\"utf-8''100%.txt\"", "utf-8''100%.txt", id="a broken percent there"),
    pytest.param("attachment; filename=%E2%82%AC%20rates.txt", "€ rates.txt", id="percents that are UTF-8"),
    pytest.param('attachment; filename="%E4.txt"', "%E4.txt", id="percents that are not UTF-8"),
    pytest.param('attachment; filename="100%25.txt"', "100%25.txt", id="percents that are ASCII stay"),
    *(pytest.param(f'attachment; filename="{email.header.Header(name, charset).encode()}"', name,
                   id=f"RFC 2047 in {charset}")
      for name, charset in (("naïve.txt", "iso-8859-1"), ("€ rates.txt", "utf-8"), ("日本.txt", "iso-2022-jp"),
                            ("файл.txt", "koi8-r"), ("中文.zip", "gbk"))),
    pytest.param('attachment; filename="=?gb2312?B?1tDOxC56aXA=?="', "中文.zip", id="RFC 2047 in gb2312"),
    pytest.param("attachment; filename==?UTF-8?Q?na=C3=AFve_a.txt?=", "naïve a.txt", id="RFC 2047, Q, no quotes"),
    pytest.param('attachment; filename="=?utf-8?B?bmHDr3Zl?= =?utf-8*en?Q?=2Etxt?="', "naïve.txt",
                 id="RFC 2047, two words and a language"),
    pytest.param('attachment; filename="=?utf-8?B?bmHDr3ZlLnR4dA?="', "naïve.txt", id="RFC 2047, no padding"),
    pytest.param('attachment; filename="=?utf-8?B?!?=.txt"', "=_utf-8_B_!_=.txt", id="RFC 2047, not base64"),
    pytest.param('attachment; filename="=?utf-8?Q?=E4?=.txt"', "=_utf-8_Q_=E4_=.txt", id="RFC 2047, not UTF-8"),
    pytest.param('attachment; filename="=?idna?Q?a?=.txt"', "=_idna_Q_a_=.txt", id="RFC 2047, charset not known"),
    pytest.param('attachment; filename="=?utf-8?B?Li4vLi4vZXRjL3Bhc3N3ZA==?="', "passwd", id="RFC 2047, climbing"),
]
IGNORED = [
    pytest.param("filename*=UTF-8''f%oo.html", id="percent without digits"),
    pytest.param("filename*=UTF-8''foo%", id="percent at the end"),
    pytest.param("filename*=UTF-8''foo%4", id="one digit"),
    pytest.param("filename*=UTF-8''foo-%E4.html", id="not UTF-8"),
    pytest.param("filename*=UTF-8''%ed%a0%80.html", id="a surrogate in UTF-8"),
    pytest.param("filename*=UTF-8''%c0%ae%c0%ae.html", id="overlong UTF-8"),
    pytest.param("filename*=koi8-r''foo.html", id="charset not known"),
    pytest.param("filename*=''foo.html", id="no charset"),
    pytest.param("filename*=UTF-8'foo.html", id="one apostrophe"),
    pytest.param("filename*=foo.html", id="no apostrophe"),
    pytest.param("filename*=\"UTF-8''foo-%E4.html\"", id="in quotes, and not UTF-8"),
    pytest.param("filename*=UTF-8''na\u00c3\u00afve.html", id="raw bytes"),
    pytest.param("filename *=UTF-8''foo.html", id="blank before the star"),
    pytest.param("filename*0=foo; filename*1=.html", id="continuations (RFC 6266 appendix)"),
    pytest.param("filename*=UTF-8''", id="empty"),
    pytest.param("filename*=UTF-8''..", id="nothing left of it"),
]
ADDRESSES = [
    pytest.param("http://example.com/a/b/film.mp4", "film.mp4", id="last segment"),
    pytest.param("http://example.com/film.mp4?x=/y.z#/q", "film.mp4", id="query and fragment"),
    pytest.param("http://example.com/film.mp4#?a=/b", "film.mp4", id="question mark in the fragment"),
    pytest.param("http://example.com/my%20film%E2%82%AC.mp4", "my film€.mp4", id="percent-decoded"),
    pytest.param("http://example.com/my+film.mp4", "my+film.mp4", id="plus is a plus"),
    pytest.param("http://example.com/caf%E9.txt", "café.txt", id="latin-1 in percents"),
    pytest.param("http://example.com/film/", "film", id="slash at the end"),
    pytest.param("http://example.com/", "download", id="no path"),
    pytest.param("http://example.com", "download", id="no slash"),
    pytest.param("http://example.com?a=b/c.txt", "download", id="no path but a query"),
    pytest.param("http://user:word@example.com", "download", id="user is no name"),
    pytest.param("http://[::1", "download", id="broken host"),
    pytest.param("http://example.com/..%2F..%2Fetc%2Fpasswd", "passwd", id="climbing"),
    pytest.param("http://example.com/%2e%2e", "download", id="two dots"),
    pytest.param("http://example.com/a%00b.txt", "ab.txt", id="NUL"),
    pytest.param("http://example.com/a%zz.txt", "a%zz.txt", id="broken percent stays"),
    pytest.param("http://example.com/a\ud800.txt", "a_.txt", id="lone surrogate"),
    pytest.param("", "download", id="empty"),
]
SAFE = [
    pytest.param("film.mp4", "film.mp4", id="already safe"),
    pytest.param("/etc/passwd", "passwd", id="absolute"),
    pytest.param("../../x", "x", id="climbing"),
    pytest.param("..\\..\\x", "x", id="climbing with backslashes"),
    pytest.param("a/b\\c", "c", id="both slashes"),
    pytest.param("C:\\Windows\\system.ini", "system.ini", id="drive and path"),
    pytest.param("C:evil.exe", "evil.exe", id="drive alone"),
    pytest.param("a/..", "download", id="ends with two dots"),
    pytest.param("a/b/", "b", id="slash at the end"),
    pytest.param("a\\b\\", "b", id="backslash at the end"),
    *(pytest.param(name, "download", id=f"nothing left of {name!r}")
      for name in ("", ".", "..", "...", " ", ". .", "/", "\\", "//", "C:", "\0", "\u202e", "\u3000")),
    pytest.param("a\r\nb\tc\x7fd\x85e", "abcde", id="control characters"),
    pytest.param("evil\u202efdp.exe", "evilfdp.exe", id="right-to-left override"),
    pytest.param("a\u2066\u200b\ufeff\u00ad\u2028\U000e0041b", "ab", id="format characters, line separator"),
    pytest.param('a<b>c:d"e|f?g*h', "a_b_c_d_e_f_g_h", id="what Windows refuses"),
    pytest.param("name.txt. . .", "name.txt", id="trailing dots and blanks"),
    pytest.param("  name.txt\u00a0", "name.txt", id="blanks around"),
    pytest.param(".bashrc", "_bashrc", id="hidden"),
    pytest.param("..bashrc", "_bashrc", id="two leading dots"),
    pytest.param(" .ssh", "_ssh", id="hidden behind a blank"),
    pytest.param("\u200b.ssh", "_ssh", id="hidden behind what does not show"),
    pytest.param("cafe\u0301", "caf\u00e9", id="NFC"),
    pytest.param("e\u200d\u0301", "\u00e9", id="NFC once what stood between is gone"),
    pytest.param("a\ud800b\udfff", "a_b_", id="lone surrogates"),
    pytest.param("\U0001f600.txt", "\U0001f600.txt", id="beyond 16 bits"),
    *(pytest.param(name, "_" + name, id=f"reserved {name}") for name in (
        "CON", "con", "Prn", "AUX", "nul", "COM1", "com9", "LPT1", "lpt9", "COM¹", "lpt²", "COM³", "CONIN$", "conout$",
        "NUL.txt", "con.tar.gz", "aux .txt", "nul\u3000.txt")),
    pytest.param("COM3.", "_COM3", id="reserved once the dot is off"),
    pytest.param("CON:", "CON_", id="no longer reserved"),
    *(pytest.param(name, name, id=f"not reserved {name}") for name in (
        "COM0", "COM10", "CONS", "console.txt", "NULL", "a.CON", "LPT", "_CON")),
]
LONG = [  # name                                   what is left of it
    pytest.param("a" * 200, "a" * 200, id="just fits"),
    pytest.param("a" * 201, "a" * 200, id="one too many"),
    pytest.param("a" * 300 + ".txt", "a" * 196 + ".txt", id="extension is kept"),
    pytest.param("a" * 300 + ".TAR.gz", "a" * 193 + ".TAR.gz", id="both parts of .tar.gz"),
    pytest.param("a" * 300 + "." + "b" * 16, "a" * 183 + "." + "b" * 16, id="longest extension"),
    pytest.param("a" * 300 + ".tar." + "b" * 16, "a" * 179 + ".tar." + "b" * 16, id="longest with .tar"),
    pytest.param("a" * 300 + "." + "b" * 17, "a" * 200, id="no reasonable extension"),
    pytest.param("a." + "b" * 300, "a." + "b" * 198, id="all of it after the dot"),
    pytest.param("€" * 100, "€" * 66, id="three bytes each"),
    pytest.param("a" + "€" * 100 + ".pdf", "a" + "€" * 65 + ".pdf", id="no character in half"),
    pytest.param("\U0001f600" * 60 + ".pdf", "\U0001f600" * 49 + ".pdf", id="four bytes each"),
    pytest.param("a" + "." * 300 + "b.txt", "a.txt", id="cut within dots"),
    pytest.param("CON" + " " * 300 + "b.txt", "_CON.txt", id="reserved once it is cut"),
    pytest.param("NUL." + "a" * 196, "_NUL." + "a" * 195, id="no longer by the underscore"),
    pytest.param("." * 300 + "txt", "_txt", id="dots alone before the extension"),
    pytest.param("a" * 100_000 + ".txt", "a" * 196 + ".txt", id="very long"),
    pytest.param("e\u0301" * 150 + ".txt", "é" * 98 + ".txt", id="cut after NFC"),
]


@pytest.mark.parametrize(("field", "name"), TOLD)
def test_content_disposition_tells_the_name(field, name):
    assert file_name(field, ADDRESS) == name


@pytest.mark.parametrize("parameters", IGNORED)
def test_broken_extended_name_gives_way_to_the_plain_one(parameters):
    assert file_name(f"attachment; {parameters}; filename=plain.txt", ADDRESS) == "plain.txt"
    assert file_name(f"attachment; filename=plain.txt; {parameters}", ADDRESS) == "plain.txt"
    assert file_name(f"attachment; {parameters}", ADDRESS) == "address.bin"


@pytest.mark.parametrize("field", [None, "", "attachment", "inline;", "attachment; filename", "attachment; filename=",
                                   'attachment; filename=""', 'attachment; filename=".."', ";;=;=", '"', "=\\",
                                   "attachment; size=3", 'form-data; name="filename=a"'])
def test_without_a_name_the_address_tells_it(field):
    assert file_name(field, ADDRESS) == "address.bin"


@pytest.mark.parametrize(("address", "name"), ADDRESSES)
def test_address_tells_the_name(address, name):
    assert file_name(None, address) == name


@pytest.mark.parametrize(("name", "expected"), [*SAFE, *LONG])
def test_safe(name, expected):
    assert safe_name(name) == expected
    assert file_name(f"attachment; filename*=UTF-8''{quote(name, '', errors='ignore')}", "") == (
        safe_name(name.encode("utf-8", "ignore").decode()))


# --- Any text ---------------------------------------------------------------------------------------------------------

RESERVED = {"CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$",
            *(device + digit for device in ("COM", "LPT") for digit in "123456789¹²³")}


def assert_safe(name):
    assert name not in ("", ".", "..")
    assert not name.startswith(".")
    assert not set(name) & set('/\\<>:"|?*')
    assert not name.endswith(".")
    assert name.strip() == name
    assert {unicodedata.category(char) for char in name}.isdisjoint({"Cc", "Cf", "Cs", "Zl", "Zp"})
    assert unicodedata.is_normalized("NFC", name)
    assert name.partition(".")[0].rstrip().upper() not in RESERVED
    assert len(name.encode()) <= LONGEST_NAME


PIECES = st.sampled_from([
    "..", ".", "/", "\\", " ", "\u3000", "C:", "CON", "nul", "COM¹", ".txt", ".tar.gz", "\u202e", "\0", "\ud800",
    "\u0301", "\u0316", "\u0338", ">", "=", "e", "€", "\u1100", "\u1161", "\u11a8", "\U0001f600", "\u037e", "\u1fef",
    "a" * 190, "b" * 16, " " * 200, "." * 200,
])
NAMES = st.lists(PIECES | st.text(st.characters(exclude_categories=()), max_size=9), max_size=40).map("".join)


@PROPERTY
@given(NAMES)
@example(">\u0338")
@example("\u1100" * 199 + "\u1161")
@example("\u0338")
def test_any_name_is_made_safe_and_then_stays_as_it_is(name):
    once = safe_name(name)
    assert_safe(once)
    assert safe_name(once) == once


FIELDS = st.lists(st.sampled_from([
    "attachment", ";", "filename", "*", "=", '"', "\\", "'", "''", "UTF-8''", "iso-8859-1'en'", "%", "%2e", "%2f",
    "%ff",
]) | NAMES, max_size=12).map("".join)


@PROPERTY
@given(st.none() | FIELDS, NAMES | NAMES.map("http://example.com/{}".format))
def test_any_answer_gives_a_safe_name(field, address):
    assert_safe(file_name(field, address))


@PROPERTY
@given(st.text(st.characters(codec="latin-1", exclude_characters="\x85", exclude_categories=["Cc"])))
def test_quoted_name_is_read_as_the_email_parser_reads_it(name):
    message = email.message.Message()
    message["Content-Disposition"] = 'attachment; filename="{}"'.format(re.sub(r'(["\\])', r"\\\1", name))
    told = message.get_param("filename", header="Content-Disposition")
    assert file_name(message["Content-Disposition"], "") == safe_name(as_utf_8(told))


@PROPERTY
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_extended_name_is_what_was_percent_encoded(name):
    assert file_name(f"attachment; filename*=UTF-8''{quote(name, '')}", "") == safe_name(name)


def as_utf_8(text):
    try:
        return text.encode("latin-1").decode()
    except UnicodeDecodeError:
        return text


def test_blanks_are_those_of_unicode():
    every = map(chr, range(0x110000))
    assert sorted(_BLANKS) == [char for char in every if unicodedata.category(char) == "Zs"]


@pytest.mark.parametrize(("name", "expected"), [
    ("a.iso", True), ("a.tar.gz", True), ("a.7z", True), ("a.PDF", True), ("a.mp4", True), ("a.html", False),
    ("A.HTM", False), ("index.php", False), ("a", False), ("Python 3.11", False), ("v1.2", False), ("", False),
])
def test_names_that_are_none_of_a_web_page(name, expected):
    assert is_no_page(name) is expected


# --- Linear time ------------------------------------------------------------------------------------------------------

HOSTILE = ('";', "\\", 'filename="', ";", " ", "=", "a=b;", "%", "%41", "'", ". ", "/", ".tar.gz", "\u0301\u0316",
           "\u202e", ' =\\"', "a", "-.", "%2e", "C:", "=?utf-8?B?", "?= =?", "=?utf-8?Q?=41?= ", "%E2%82%AC")


def read_hostile_names():
    for piece in HOSTILE:
        many = piece * (100_000 // len(piece))
        assert_safe(file_name(None, "http://example.com/" + many))
        for before in ("", 'attachment; filename="', "attachment; filename*=UTF-8''"):
            assert_safe(file_name(before + many, ""))


def test_whatever_is_sent_is_read_in_linear_time():
    """Quadratic time would take far longer than the timeout."""
    code = "from tests.client.test_filenames import read_hostile_names; read_hostile_names()"
    root = pathlib.Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)
