"""The place where a download goes, as the caller names it: a file, a folder, or a stream."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from ...errors import InvalidOption

if TYPE_CHECKING:
    from typing import TypeAlias

    Place: TypeAlias = str | os.PathLike[str] | BinaryIO | None

_OUTPUT = ("-", "/dev/stdout", "/dev/fd/1")
_SEPARATORS = tuple(filter(None, (os.sep, os.altsep)))


class Destination(NamedTuple):
    """The place where a download goes.

    :param path: of the file; None if its name is up to the server, or it goes to a stream.
    :param directory: the folder of a file whose name is up to the server. It need not exist.
    :param stream: a binary stream; None for a file.
    """

    path: Path | None
    directory: Path
    stream: BinaryIO | None = None


def destination_of(place: Place, directory: str | os.PathLike[str]) -> Destination:
    """Make out what the caller means by a place.

    :param place: a file; a folder, which exists or has a slash at its end; "-" for standard output; or a stream.
    :param directory: the folder of a file without a path.
    :raises InvalidOption: if it is standard output, and there is none.
    """
    if place is None:
        return Destination(None, Path(directory))
    if hasattr(place, "write"):
        return Destination(None, Path(directory), cast("BinaryIO", place))
    text = os.fspath(place)
    if text in _OUTPUT:
        return Destination(None, Path(directory), _standard_output())
    if text.endswith(_SEPARATORS) or os.path.isdir(text):
        return Destination(None, Path(text))
    return Destination(Path(text), Path(directory))


def _standard_output() -> BinaryIO:
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:
        raise InvalidOption("there is no standard output to write to")
    sys.stdout.flush()
    return cast("BinaryIO", getattr(binary, "raw", binary))  # a buffer would fail once more at the end
