"""Metalink: a list of files with their digests and the addresses where they are (RFC 5854, and version 3 before it).

Pure. The document may come from any server: a document type is refused, so that there are no entities, and so is deep
nesting. The cost is linear in its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from xml.etree import ElementTree

from ..errors import InvalidOption
from .digests import LENGTHS, Digest, Pieces, algorithm_named, digest_of, strongest
from .filenames import safe_name

LONGEST_DOCUMENT = 1 << 24
"""The longest document that is read, in bytes: enough for the pieces of a terabyte."""

_NAMESPACES = ("{urn:ietf:params:xml:ns:metalink}", "{http://www.metalinker.org/}")
_DEEPEST = 16
_LAST = 10**6  # RFC 5854 4.2.16.1: the priority of an address that has none is behind all others
_MOST_ADDRESSES = 100  # of a file: a document must not make us knock at thousands of doors
_HIGHEST_PREFERENCE = 100  # of version 3: there, more is better
_NUMBER = re.compile("[0-9]{1,18}")


class MetalinkFile(NamedTuple):
    """A file that a Metalink document describes.

    :param name: made safe: a single name without folders.
    :param size: in bytes; None if the document does not tell.
    :param digest: the strongest one; None if there is none.
    :param pieces: None if there are none.
    :param urls: http and https only, the preferred one first.
    """

    name: str
    size: int | None
    digest: Digest | None
    pieces: Pieces | None
    urls: tuple[str, ...]


class _Builder(ElementTree.TreeBuilder):
    """Builds the tree of a document without a document type, and not too deep."""

    def __init__(self) -> None:
        super().__init__()
        self._depth = 0

    def doctype(self, *_: object) -> None:
        raise InvalidOption("not a Metalink document: it has a document type")

    def start(self, tag: str, attrs: dict[str, str], /) -> ElementTree.Element:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise InvalidOption("not a Metalink document: it is nested too deeply")
        return super().start(tag, attrs)

    def end(self, tag: str, /) -> ElementTree.Element:
        self._depth -= 1
        return super().end(tag)


def parse_metalink(document: bytes) -> tuple[MetalinkFile, ...]:
    """Read a Metalink document. Digests of unknown algorithms and addresses of other schemes are left out.

    :raises InvalidOption: if it is none, or has a digest, a size or pieces that are malformed or do not fit together.
    """
    if len(document) > LONGEST_DOCUMENT:
        raise InvalidOption(f"not a Metalink document: more than {LONGEST_DOCUMENT} bytes")
    try:
        root = ElementTree.fromstring(document, ElementTree.XMLParser(target=_Builder()))  # noqa: S314
    except (ElementTree.ParseError, ValueError, LookupError) as exc:
        raise exc if isinstance(exc, InvalidOption) else InvalidOption(f"not a Metalink document: {exc}") from None
    namespace = root.tag.removesuffix("metalink")
    if namespace not in _NAMESPACES:
        raise InvalidOption("not a Metalink document: it has another root")
    files = [_file(each) for parent in (root, *_children(root, "files")) for each in _children(parent, "file")]
    if not files:
        raise InvalidOption("the Metalink document describes no file")
    return tuple(files)


def chosen_file(files: Sequence[MetalinkFile], name: str | None) -> MetalinkFile:
    """Choose the file of this name; without a name, the only one.

    :raises InvalidOption: if there is no such file, or more than one.
    """
    found = [file for file in files if name in (None, file.name)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(file.name for file in files[:10])
    raise InvalidOption(f"the Metalink document has {len(files)} files ({names}): choose one of them by its name")


def _children(parent: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The children of this name, in the namespace of their parent."""
    return parent.findall(f"{parent.tag.rpartition('}')[0]}}}{name}")


def _file(element: ElementTree.Element) -> MetalinkFile:
    name = safe_name(element.get("name", ""))
    size = next((_number(each.text, "size") for each in _children(element, "size")), None)
    holders = [element, *_children(element, "verification")]  # version 3 has one level more
    digest = strongest(digest for holder in holders for digest in _digests(_children(holder, "hash")))
    pieces = [made for holder in holders for each in _children(holder, "pieces") if (made := _pieces(each, size))]
    best = min(pieces, key=lambda each: list(LENGTHS).index(each.algorithm), default=None)
    places = [*_children(element, "url"),
              *(url for each in _children(element, "resources") for url in _children(each, "url"))]
    return MetalinkFile(name, size, digest, best, tuple(_urls(places)))


def _number(text: str | None, name: str) -> int:
    digits = (text or "").strip()
    if not _NUMBER.fullmatch(digits):
        raise InvalidOption(f"the Metalink document has a malformed {name}: {digits[:50]!r}")
    return int(digits)


def _digests(elements: Iterable[ElementTree.Element]) -> Iterator[Digest]:
    for element in elements:
        algorithm = algorithm_named(element.get("type", ""))
        if algorithm is not None:
            yield _digest(algorithm, element.text)


def _digest(algorithm: str, text: str | None) -> Digest:
    try:
        return digest_of(algorithm, (text or "").strip())
    except ValueError:
        raise InvalidOption(f"the Metalink document has a malformed {algorithm}: {(text or '')[:150]!r}") from None


def _pieces(element: ElementTree.Element, size: int | None) -> Pieces | None:
    """Read the pieces; None if their algorithm is unknown, or the size of the file."""
    algorithm = algorithm_named(element.get("type", ""))
    length = _number(element.get("length"), "length of pieces")
    if algorithm is None or size is None:
        return None
    digests = tuple(_digest(algorithm, each.text).value for each in _children(element, "hash"))
    if not length or len(digests) != -(-size // length):
        raise InvalidOption(f"the Metalink document has {len(digests)} pieces of {length} bytes for {size} bytes")
    return Pieces(length, algorithm, digests)


def _urls(elements: Iterable[ElementTree.Element]) -> Iterator[str]:
    """Yield the addresses that can be asked, each once, by their priority."""
    ranked = sorted(((_rank(each), (each.text or "").strip()) for each in elements), key=lambda pair: pair[0])
    asked = [*dict.fromkeys(url for _, url in ranked if url.lower().startswith(("http://", "https://")))]
    return iter(asked[:_MOST_ADDRESSES])


def _rank(element: ElementTree.Element) -> int:
    for name in ("priority", "preference"):
        digits = element.get(name, "")
        if _NUMBER.fullmatch(digits):
            return int(digits) if name == "priority" else _HIGHEST_PREFERENCE - int(digits)
    return _LAST
