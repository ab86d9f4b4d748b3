"""The digest of a file in a list such as SHA256SUMS, as GNU and BSD programs, OpenSSL and hand-written scripts make it.

Pure. The list may come from a server: each line takes linear time, and a line that is no entry is skipped. Of a list
that is signed in clear (RFC 9580 section 7), only the signed lines count. The signature itself is not checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import InvalidOption
from .digests import LENGTHS, Digest, algorithm_named, digest_of, strongest

_HEX = re.compile("[0-9A-Fa-f]{32,128}")
_UNTAGGED = {2 * LENGTHS[name]: name for name in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")}
"""The algorithm of an entry that names none, by the number of its digits."""

_TAG = re.compile(r"(?P<algorithm>[A-Za-z0-9/_-]{1,20}) ?\(")
_EQUALS = re.compile(r"\) ?= ?(?P<digits>[0-9A-Fa-f]{32,128})")
_LONGEST_END = 140  # characters from the parenthesis to the last digit
_ESCAPE = re.compile(r"\\([\\nr])")
_ESCAPED = {"\\": "\\", "n": "\n", "r": "\r"}

_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE = "-----BEGIN PGP SIGNATURE-----"


class _Entry(NamedTuple):
    names: tuple[str, ...]  # the ways to read its name
    digest: Digest


class ChecksumList:
    """A list of checksums, read once.

    These are entries: ``HEX  name`` and ``HEX *name`` (GNU), ``SHA256 (name) = HEX`` (BSD, OpenSSL), and a single
    ``HEX`` that is all of the list. Names in the list may have folders.

    >>> ChecksumList("d41d8cd98f00b204e9800998ecf8427e  empty.txt\\n").find("empty.txt").algorithm
    'md5'
    """

    def __init__(self, text: str) -> None:
        lines = _signed_lines(text.removeprefix("\ufeff"))
        is_bare = len(lines) == 1 and _HEX.fullmatch(lines[0]) and len(lines[0]) in _UNTAGGED
        self._bare = digest_of(_UNTAGGED[len(lines[0])], lines[0]) if is_bare else None
        self._exact: dict[str, set[Digest]] = {}
        self._in_folders: dict[str, set[Digest]] = {}
        for entry in _entries(lines):
            for name in entry.names:
                self._exact.setdefault(name, set()).add(entry.digest)
                self._in_folders.setdefault(name.rpartition("/")[2], set()).add(entry.digest)

    def find(self, name: str) -> Digest | None:
        """Find the digest of a file; None if it has none. Of several algorithms, the strongest.

        An entry for the very name goes before one for a file of that name in some folder.

        :param name: the name of the file, or its path as the list may have it.
        :raises InvalidOption: if the list has two different digests for the file.
        """
        if self._bare is not None:
            return self._bare
        wanted = name.removeprefix("./")
        found = self._exact.get(wanted) or self._in_folders.get(wanted.rpartition("/")[2], set())
        return _only(found, name)


def _only(digests: set[Digest], name: str) -> Digest | None:
    best = strongest(digests)
    if best is not None and any(each.algorithm == best.algorithm and each != best for each in digests):
        raise InvalidOption(f"the list of checksums has two different {best.algorithm} for {name!r}")
    return best


def _signed_lines(text: str) -> list[str]:
    """The lines that may be entries: without blank ones and comments; of a signed list, only what is signed."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    if _SIGNED in lines:
        signed = lines[lines.index(_SIGNED) + 1:]
        begin = signed.index("") if "" in signed else len(signed)  # behind the header fields of the armour
        end = signed.index(_SIGNATURE) if _SIGNATURE in signed else len(signed)
        lines = [line.removeprefix("- ") for line in signed[begin:end]]
    return [line for each in lines if (line := each.strip(" \t")) and not line.startswith(("#", ";", "//"))]


def _entries(lines: list[str]) -> Iterator[_Entry]:
    for line in lines:
        is_escaped = line.startswith("\\")
        entry = _tagged(line[is_escaped:]) or _untagged(line[is_escaped:])
        if entry is not None:
            names = (_unescaped(name) for name in entry.names) if is_escaped else entry.names
            yield entry._replace(names=tuple(name.removeprefix("./") for name in names))


def _tagged(line: str) -> _Entry | None:
    """Read ``SHA256 (name) = HEX``."""
    tag = _TAG.match(line)
    begin = line.rfind(")", max(0, len(line) - _LONGEST_END))
    match = _EQUALS.fullmatch(line, begin) if begin >= 0 else None
    algorithm = algorithm_named(tag["algorithm"].replace("SHA2-", "SHA")) if tag else None  # OpenSSL 3: SHA2-256
    if tag is None or match is None or algorithm is None or len(match["digits"]) != 2 * LENGTHS[algorithm]:
        return None
    return _Entry((line[tag.end():begin],), digest_of(algorithm, match["digits"]))


def _untagged(line: str) -> _Entry | None:
    """Read ``HEX  name``. A blank or a star before the name says how the file was read; some write neither."""
    match = _HEX.match(line)
    algorithm = _UNTAGGED.get(len(match[0])) if match else None
    if match is None or algorithm is None or line[match.end():match.end() + 1] not in (" ", "\t"):
        return None
    rest = line[match.end() + 1:]
    bare = rest.lstrip(" \t")
    names = (rest[1:] if rest[:1] in (" ", "*") else rest, bare.removeprefix("*"))
    return _Entry(names, digest_of(algorithm, match[0]))


def _unescaped(name: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED[match[1]], name)
