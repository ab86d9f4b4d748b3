"""The name of the file to write: from Content-Disposition or the URL, and made safe, since neither can be trusted.

Pure. The cost is linear in the length of the text.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

LONGEST_NAME = 200
"""The longest name in bytes of UTF-8. File systems end at 255, and the files beside this one have longer names."""

_NAMELESS = "download"

_PARAMETER = re.compile(
    r"""[\s;]*
    (?P<name> [^\s=;"]* ) \s*
    (?P<value> = \s* (?: "(?P<quoted> [^"\\]* (?: \\. [^"\\]* )* ) (?: " | \\?\Z ) | (?P<plain> [^;]* ) ) )?
    [^;]*""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_BROKEN_PERCENT = re.compile("%(?![0-9A-Fa-f]{2})")
_CHARSETS = ("utf-8", "iso-8859-1")  # RFC 8187 3.2.1: others need not be known

# Malformed, and common: servers put the forms of other fields into filename, as browsers accept them.
_ENCODED_WORD = re.compile(r"=\?([A-Za-z0-9_-]{1,20})(?:\*[A-Za-z0-9-]{0,20})?\?([BbQq])\?([^?]*)\?=")  # RFC 2047 2
_BETWEEN_WORDS = re.compile(r"(?<=\?=)[ \t\r\n]+(?==\?)")  # RFC 2047 6.2: not part of the text
_WORD_CHARSETS = {
    "utf-8", "us-ascii", "iso-8859-1", "iso-8859-2", "iso-8859-15", "windows-1250", "windows-1251", "windows-1252",
    "koi8-r", "gb2312", "gbk", "gb18030", "big5", "shift_jis", "iso-2022-jp", "euc-jp", "euc-kr",
}
_QUOTED = re.compile("=([0-9A-Fa-f]{2})")

_KIND = re.compile(r"\.([0-9]{0,15}[A-Za-z][0-9A-Za-z]{0,15})\Z")
_PAGES = {"html", "htm", "xhtml", "xht", "shtml", "mht", "mhtml", "php", "asp", "aspx", "jsp", "cgi", "cfm", "do"}

_AUTHORITY = re.compile("[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


def file_name(content_disposition: str | None, address: str) -> str:
    """Return a safe name for a download: that of the field, else the last segment of the URL, else "download".

    :param content_disposition: the value of the field (RFC 6266), decoded as latin-1; None if it is absent.
    """
    candidates = (*_names_in_field(content_disposition or ""), _last_segment(address))
    return next(filter(None, map(_made_safe, candidates)), _NAMELESS)


def safe_name(name: str) -> str:
    """Turn any text into a file name that cannot leave its folder, on any system. A safe name stays as it is.

    It is one path component in NFC without control and format characters, not hidden, not reserved by Windows, not
    empty, and has ``LONGEST_NAME`` bytes of UTF-8 at the most.
    """
    return _made_safe(name) or _NAMELESS


def is_no_page(name: str) -> bool:
    """True if a name is that of something else than a web page: it has an extension, and none that pages have."""
    match = _KIND.search(name)
    return match is not None and match[1].lower() not in _PAGES


def _names_in_field(content_disposition: str) -> Iterator[str]:
    """Yield the names in the field, the preferred one first."""
    parameters = _parameters(content_disposition)
    for name, read in (("filename*", _extended), ("filename", _simple)):  # RFC 6266 4.3: filename* goes first
        match = parameters.get(name)
        text = read(match) if match else None
        if text is not None:
            yield text


def _parameters(content_disposition: str) -> dict[str, re.Match[str]]:
    """The parameters by name in lower case, the first of each name; also if the disposition type is missing."""
    found: dict[str, re.Match[str]] = {}
    for match in _PARAMETER.finditer(content_disposition):  # each match begins where the last ended
        if match["value"]:
            found.setdefault(match["name"].lower(), match)
    return found


def _text_of(match: re.Match[str]) -> str:
    """Read a token or a quoted-string (RFC 9110 5.6.4). Blanks in a token are accepted, though they are not allowed."""
    if match["quoted"] is not None:
        return _ESCAPE.sub(r"\1", match["quoted"])
    return (match["plain"] or "").strip()


def _extended(match: re.Match[str]) -> str | None:
    """Read an ext-value, also one in quotes, which are not allowed; None if it is malformed."""
    return _decode_extended(_text_of(match))


def _decode_extended(text: str) -> str | None:
    """Decode an ext-value (RFC 8187 3.2.1); None if it is malformed or its charset is unknown."""
    charset, _, rest = text.partition("'")
    _, quote, value = rest.partition("'")
    if not quote or charset.lower() not in _CHARSETS:
        return None
    return _decode_percent(value, charset)


def _decode_percent(value: str, charset: str) -> str | None:
    """Decode percent-encoded text; None if it is none."""
    if not value.isascii() or _BROKEN_PERCENT.search(value):
        return None
    try:
        return unquote_to_bytes(value).decode(charset)
    except UnicodeDecodeError:
        return None


def _simple(match: re.Match[str]) -> str:
    """Read a token or a quoted-string, and decode the forms that do not belong there but are common.

    Percents are decoded only where they give UTF-8 beyond ASCII: a file may well be called ``100%25.txt``.
    """
    text = _text_of(match)
    extended = _decode_extended(text)
    if extended is not None:
        return extended
    if "=?" in text:
        return _ENCODED_WORD.sub(_decode_word, _BETWEEN_WORDS.sub("", text))
    decoded = _decode_percent(text, "utf-8")
    return _in_utf_8(text) if decoded is None or decoded.isascii() else decoded


def _decode_word(match: re.Match[str]) -> str:
    """Decode an encoded-word (RFC 2047 2); as it is if it is malformed or its charset is unknown."""
    charset, encoding, text = match[1].lower(), match[2].lower(), match[3]
    if charset not in _WORD_CHARSETS or not text.isascii():
        return match[0]
    try:
        if encoding == "b":
            octets = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        else:
            octets = _QUOTED.sub(lambda digits: chr(int(digits[1], 16)), text.replace("_", " ")).encode("latin-1")
        return octets.decode(charset)
    except (binascii.Error, UnicodeDecodeError):
        return match[0]


def _in_utf_8(text: str) -> str:
    """Decode the text of a field again, as UTF-8 if it is that: its bytes came decoded as latin-1."""
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def _last_segment(address: str) -> str:
    """The last segment of the path that is not empty, percent-decoded; "" if there is none."""
    path = re.split("[?#]", address, maxsplit=1)[0]
    authority = _AUTHORITY.match(path)
    segment = path[authority.end() if authority else 0:].rstrip("/").rpartition("/")[2]
    octets = unquote_to_bytes(segment.encode("utf-8", "replace"))
    return _in_utf_8(octets.decode("latin-1"))


_BLANKS = " \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
_OURS = re.compile(r"\.(?=part(?:\.[0-9a-z.]*)?\Z)", re.IGNORECASE)  # part files: a server must not plant one
_DRIVE = re.compile("[A-Za-z]:")
_REMOVED = ("Cc", "Cf", "Zl", "Zp")  # control, format (bidi overrides, joiners), line and paragraph separators
_REPLACED = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_EXTENSION = re.compile(r"(?:\.tar)?\.[0-9A-Za-z]{1,16}\Z", re.IGNORECASE)
_LONGEST_EXTENSION = 21  # characters
_LONGEST_TO_NORMALIZE = 20 * LONGEST_NAME
_DEVICE = r"(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[1-9¹²³])"
_RESERVED = re.compile(rf"{_DEVICE}[{_BLANKS}]*(?:\.|\Z)", re.IGNORECASE)


def _made_safe(name: str) -> str:
    """Make a name safe; "" if nothing remains of it."""
    visible = _visible(re.split(r"[/\\]", name.rstrip("/\\"))[-1])
    # Normalizing takes quadratic time for runs of combining marks, so that its input is bounded.
    normal = unicodedata.normalize("NFC", _shortened(visible, _LONGEST_TO_NORMALIZE))
    drive = _DRIVE.match(normal)
    bare = normal[drive.end() if drive else 0:].translate(_REPLACED).lstrip(_BLANKS).rstrip(_BLANKS + ".")
    shown = _shortened(f"_{bare.lstrip('.')}" if bare.startswith(".") else bare, LONGEST_NAME)
    return _OURS.sub("_", _shortened(f"_{shown}", LONGEST_NAME) if _RESERVED.match(shown) else shown)


def _visible(text: str) -> str:
    """Remove characters that do not show; a lone surrogate, which no file name can hold, becomes "_"."""
    categories = ((char, unicodedata.category(char)) for char in text)
    return "".join("_" if category == "Cs" else char for char, category in categories if category not in _REMOVED)


def _shortened(name: str, longest: int) -> str:
    """Cut a name to ``longest`` bytes of UTF-8, before its extension and between characters."""
    octets = name.encode("utf-8")
    if len(octets) <= longest:
        return name
    extension = _EXTENSION.search(name[-_LONGEST_EXTENSION:])
    tail = extension[0] if extension else ""
    kept = octets[:longest - len(tail)].decode("utf-8", "ignore")
    return kept.rstrip(_BLANKS + ".") + tail
